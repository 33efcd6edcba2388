/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/scan_output.c - JSON lines and trees. */
#include "tools/scan_output.h"

#include <inttypes.h>
#include <string.h>

#include "core/jout.h"
#include "core/text.h"
#include "scan/facts_json.h"

#define LINE_BYTES_MAX (64 * MIB)

/* Those that came with the file carry a mark. */
static void add_headers(struct jout *j, const struct scanned *s)
{
	jout_array(j, "headers_added");
	for (size_t i = 0; s->mail != NULL && i < s->mail->headers.n; i++) {
		const struct header *h = &s->mail->headers.v[i];

		if (!h->deleted && h->mark.n == 0)
			jout_str(j, h->text);
	}
	jout_end(j);
}

static void add_subject(struct jout *j, const struct scanned *s)
{
	ptrdiff_t at = s->mail == NULL ? -1 : header_find(&s->mail->headers, BYTES("Subject"), 0);

	jout_member_str(j, "subject_out",
			at < 0 ? BYTES("") : header_value(s->mail->headers.v[at].text));
}

static void add_actions(struct jout *j, const struct scanned *s)
{
	static const char *const words[OUTCOMES] = {
		[OUTCOME_DELIVER] = "deliver",  [OUTCOME_DELIVER_MODIFIED] = "deliver",
		[OUTCOME_QUARANTINE] = "store", [OUTCOME_DELETE] = "delete",
		[OUTCOME_FORWARD] = "forward",
	};

	jout_array(j, "actions");
	if (words[s->decision->outcome] != NULL)
		jout_str(j, bytes_str(words[s->decision->outcome]));
	jout_end(j);
}

void scan_output_json(const struct scanned *s)
{
	AUTO(str_fini) struct str text;
	struct jout j;

	str_init(&text, LINE_BYTES_MAX);
	jout_begin(&j, &text);
	jout_object(&j, NULL);
	jout_member_str(&j, "file", bytes_str(s->file));
	jout_member_str(&j, "id", bytes_str(s->id));
	jout_member_num(&j, "size", s->size_bytes);
	jout_member_str(&j, "outcome", bytes_str(outcome_name(s->decision->outcome)));
	jout_member_str(&j, "why", bytes_str(s->decision->why == NULL ? "" : s->decision->why));
	add_subject(&j, s);
	if (s->facts != NULL)
		facts_put(&j, s->facts);
	add_headers(&j, s);
	add_actions(&j, s);
	jout_member_num(&j, "wall_us", s->wall_us);
	jout_end(&j);
	(void)printf("%s\n", text.failed ? "{}" : str_view(&text));
	(void)fflush(stdout);
}

/* --- for people --- */

static const char *safe(const char *s)
{
	static char out[4][512]; /* four texts in one printf at most */
	static unsigned at;

	return text_escape(out[at++ % 4], sizeof(out[0]), bytes_str(s));
}

static const char *outcome_colour(const struct cli *cli, enum outcome o)
{
	if (o == OUTCOME_DELIVER || o == OUTCOME_DELIVER_MODIFIED)
		return cli_green(cli);
	return o == OUTCOME_DEFER ? cli_yellow(cli) : cli_red(cli);
}

static void print_members(const struct cli *cli, const struct fact_part *p)
{
	for (size_t i = 0; i < p->members_n; i++) {
		const struct fact_member *m = &p->members[i];

		(void)printf("  %s|%s  %*s%s  %s%" PRIu64 " bytes%s%s\n", cli_dim(cli),
			     cli_plain(cli), (int)(m->path_n * 2), "",
			     m->path_n == 0 ? "" : safe(m->path[m->path_n - 1]), cli_dim(cli),
			     m->size_bytes, m->encrypted ? ", encrypted" : "", cli_plain(cli));
	}
}

static void print_parts(const struct cli *cli, const struct facts *f)
{
	for (size_t i = 0; i < f->parts_n; i++) {
		const struct fact_part *p = &f->parts[i];

		(void)printf("  %s|-%s %-6s %s%s%s  %s%" PRIu64 " bytes%s%s%s\n", cli_dim(cli),
			     cli_plain(cli), p->id, safe(p->type), p->name[0] == '\0' ? "" : "  ",
			     safe(p->name), cli_dim(cli), p->size_bytes,
			     p->file_type[0] == '\0' ? "" : ", ", safe(p->file_type),
			     cli_plain(cli));
		print_members(cli, p);
	}
}

static void print_findings(const struct cli *cli, const struct facts *f)
{
	for (size_t i = 0; i < f->findings_n; i++) {
		const struct finding *x = &f->findings[i];

		(void)printf("  %s! %s%s: %s", cli_red(cli), finding_kind_name(x->kind),
			     cli_plain(cli), safe(x->report));
		(void)printf("%s  ", cli_dim(cli));
		for (size_t k = 0; k < x->path_n; k++)
			(void)printf("%s%s", k == 0 ? "" : "/", safe(x->path[k]));
		(void)printf("%s%s%s\n", x->rule[0] == '\0' ? "" : "  by ", safe(x->rule),
			     cli_plain(cli));
	}
}

static void print_unfinished(const struct cli *cli, const struct facts *f)
{
	for (int i = 0; i < CHECK_COUNT; i++) {
		const struct check_result *c = &f->checks[i];

		if (c->state == CHECK_RAN || c->state == CHECK_SKIPPED)
			continue;
		(void)printf("  %s? check %s %s%s: %s\n", cli_yellow(cli),
			     check_name((enum check_id)i), check_state_name(c->state),
			     cli_plain(cli), safe(c->why == NULL ? "" : c->why));
	}
}

void scan_output_tree(const struct cli *cli, const struct scanned *s)
{
	(void)printf("%s  %s%s%s  %s%" PRIu64 " bytes, %.1f ms%s\n", safe(s->file),
		     outcome_colour(cli, s->decision->outcome), outcome_name(s->decision->outcome),
		     cli_plain(cli), cli_dim(cli), s->size_bytes, (double)s->wall_us / 1000,
		     cli_plain(cli));
	if (s->facts == NULL) {
		(void)printf("  %s\n", safe(s->decision->why == NULL ? "" : s->decision->why));
		return;
	}
	print_parts(cli, s->facts);
	print_findings(cli, s->facts);
	print_unfinished(cli, s->facts);
	(void)fflush(stdout);
}
