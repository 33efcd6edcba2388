/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/facts_json.c - facts to JSON. */
#include "scan/facts_json.h"

static void add_path(struct jout *j, const char *const *path, size_t n)
{
	jout_array(j, "path");
	for (size_t i = 0; i < n; i++)
		jout_str(j, bytes_str(path[i]));
	jout_end(j);
}

void facts_put_finding(struct jout *j, const struct finding *f)
{
	jout_object(j, NULL);
	jout_member_str(j, "kind", bytes_str(finding_kind_name(f->kind)));
	jout_member_str(j, "part", bytes_str(f->part));
	add_path(j, (const char *const *)f->path, f->path_n);
	jout_member_str(j, "name", bytes_str(f->name));
	jout_member_str(j, "scanner", bytes_str(f->scanner));
	jout_member_str(j, "report", bytes_str(f->report));
	jout_member_str(j, "rule", bytes_str(f->rule));
	jout_end(j);
}

static void add_sha256(struct jout *j, const struct fact_part *p)
{
	static const char hex[] = "0123456789abcdef";
	char text[64];

	if (!p->has_sha256)
		return;
	for (size_t i = 0; i < sizeof(p->sha256); i++) {
		text[2 * i] = hex[p->sha256[i] >> 4];
		text[2 * i + 1] = hex[p->sha256[i] & 15];
	}
	jout_member_str(j, "sha256", bytes_of(text, sizeof(text)));
}

static void add_members(struct jout *j, const struct fact_part *p)
{
	jout_array(j, "members");
	for (size_t i = 0; i < p->members_n; i++) {
		const struct fact_member *m = &p->members[i];

		jout_object(j, NULL);
		add_path(j, (const char *const *)m->path, m->path_n);
		jout_member_num(j, "size", m->size_bytes);
		jout_member_bool(j, "encrypted", m->encrypted);
		jout_end(j);
	}
	jout_end(j);
}

static void add_part(struct jout *j, const struct fact_part *p)
{
	jout_object(j, NULL);
	jout_member_str(j, "id", bytes_str(p->id));
	jout_member_str(j, "type", bytes_str(p->type));
	jout_member_str(j, "name", bytes_str(p->name));
	jout_member_str(j, "file_type", bytes_str(p->file_type));
	jout_member_num(j, "size", p->size_bytes);
	add_sha256(j, p);
	jout_member_bool(j, "encrypted", p->encrypted);
	if (p->alternate)
		jout_member_bool(j, "alternate", true);
	add_members(j, p);
	jout_end(j);
}

static void add_checks(struct jout *j, const struct facts *f)
{
	jout_object(j, "checks");
	for (int i = 0; i < CHECK_COUNT; i++) {
		const struct check_result *c = &f->checks[i];

		if (c->state == CHECK_SKIPPED && c->why == NULL)
			continue;
		jout_object(j, check_name((enum check_id)i));
		jout_member_str(j, "state", bytes_str(check_state_name(c->state)));
		jout_member_str(j, "why", bytes_str(c->why == NULL ? "" : c->why));
		jout_member_num(j, "us", c->us);
		jout_end(j);
	}
	jout_end(j);
}

void facts_put(struct jout *j, const struct facts *f)
{
	jout_array(j, "findings");
	for (size_t i = 0; i < f->findings_n; i++)
		facts_put_finding(j, &f->findings[i]);
	jout_end(j);
	jout_array(j, "parts");
	for (size_t i = 0; i < f->parts_n; i++)
		add_part(j, &f->parts[i]);
	jout_end(j);
	add_checks(j, f);
	jout_member_num(j, "cpu_us", f->cpu_us);
	jout_member_num(j, "expanded_bytes", f->expanded_bytes);
	if (f->limit_hit != BUDGET_NONE)
		jout_member_str(j, "limit", bytes_str(f->limit_why));
	if (f->cut)
		jout_member_bool(j, "cut", true);
}
