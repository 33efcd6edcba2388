/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/wire.c - the layout of requests and facts; each is described once, for both directions. */
#include "scan/wire.h"

#include <errno.h>

#include "scan/wire_codec.h"

#define REQUEST_MAGIC   UINT32_C(0x51455231)
#define FACTS_MAGIC     UINT32_C(0x46435432)
#define FACTS_CLIP      4096u /* names and reports longer than this help nobody */
#define FACTS_PATH_MAX  64u
#define COUNT_BYTES     sizeof(uint32_t)
#define REQUEST_STR_MAX (64u * 1024)

static void magic(struct wire_codec *c, uint32_t want)
{
	uint32_t got = want;

	wire_u32(c, &got);
	if (got != want)
		c->failed = true;
}

static void rules(struct wire_codec *c, struct scan_rules *r)
{
	wire_str(c, &r->allow_names);
	wire_str(c, &r->deny_names);
	wire_str(c, &r->name_rules);
	wire_str(c, &r->allow_types);
	wire_str(c, &r->deny_types);
	wire_str(c, &r->type_rules);
	wire_str(c, &r->allow_mime_types);
	wire_str(c, &r->deny_mime_types);
}

static void request(struct wire_codec *c, struct scan_request *r)
{
	bool *const flags[] = {
		&r->virus_scanning,
		&r->full_message_scan,
		&r->dangerous_content,
		&r->check_types,
		&r->allow_partial,
		&r->allow_external,
		&r->allow_encrypted_archives,
		&r->require_encrypted_archives,
		&r->check_encrypted_names,
		&r->block_encrypted,
		&r->block_unencrypted,
		&r->no_unpack,
		&r->find_archives_by_content,
		&r->unpack_documents,
		&r->find_uu,
		&r->expand_tnef,
		&r->allow_broken_tnef,
		&r->override_filetypes,
		&r->ignore_dat,
		&r->log_permitted_names,
		&r->log_permitted_types,
	};
	int64_t *const numbers[] = { &r->max_message_bytes, &r->max_attachment_bytes,
				     &r->min_attachment_bytes, &r->max_attachments };

	magic(c, REQUEST_MAGIC);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		wire_bool(c, flags[i]);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		wire_i64(c, numbers[i]);
	wire_text(c, r->archives_are, sizeof(r->archives_are));
	for (size_t i = 0; i < SCAN_RULES_SETS; i++)
		rules(c, &r->rules[i]);
	for (size_t i = 0; i < BUDGET_LIMITS; i++)
		wire_u64(c, &r->limits.max[i]);
	wire_str(c, &r->client_ip);
	wire_str(c, &r->id);
}

static void check_result(struct wire_codec *c, struct check_result *r)
{
	r->state = (enum check_state)wire_enum(c, r->state, CHECK_STATES);
	wire_u32(c, &r->us);
	wire_opt_str(c, &r->why);
}

static void path_step(struct wire_codec *c, void *elem)
{
	wire_str(c, elem);
}

/* A path deeper than the limit is clipped, which is not worth the name "cut". */
static void path(struct wire_codec *c, const char ***p, size_t *n)
{
	bool cut = c->cut;

	wire_list(c, (void **)p, n, sizeof(**p), FACTS_PATH_MAX, path_step);
	c->cut = cut;
}

static void class(struct wire_codec *c, char *v)
{
	uint8_t byte = (uint8_t)*v;

	wire_u8(c, &byte);
	if (byte != 0 && strchr("vfcsedm", byte) == NULL)
		c->failed = true;
	else
		*v = (char)byte;
}

static void finding(struct wire_codec *c, void *elem)
{
	struct finding *f = elem;

	f->kind = (enum finding_kind)wire_enum(c, f->kind, FINDING_KINDS);
	class(c, &f->class);
	wire_bool(c, &f->whole_message);
	wire_bool(c, &f->delete_part);
	wire_str(c, &f->part);
	path(c, &f->path, &f->path_n);
	wire_str(c, &f->name);
	wire_str(c, &f->scanner);
	wire_str(c, &f->report);
	wire_str(c, &f->log);
	wire_str(c, &f->rule);
}

static void verdict(struct wire_codec *c, void *elem)
{
	struct fact_verdict *v = elem;

	wire_raw(c, v->sha256, sizeof(v->sha256));
	wire_text(c, v->virus, sizeof(v->virus));
	wire_text(c, v->file_type, sizeof(v->file_type));
	wire_text(c, v->mime_type, sizeof(v->mime_type));
}

/* Parts and members share one limit, whoever writes. */
static void count_thing(struct wire_codec *c)
{
	if (c->things >= FACTS_PARTS_MAX)
		c->failed = true;
	else
		c->things++;
}

static void member(struct wire_codec *c, void *elem)
{
	struct fact_member *m = elem;

	count_thing(c);
	path(c, &m->path, &m->path_n);
	wire_u64(c, &m->size_bytes);
	wire_bool(c, &m->encrypted);
}

static void part(struct wire_codec *c, void *elem)
{
	struct fact_part *p = elem;

	count_thing(c);
	wire_str(c, &p->id);
	wire_str(c, &p->type);
	wire_str(c, &p->name);
	wire_str(c, &p->file_type);
	wire_u64(c, &p->size_bytes);
	wire_bool(c, &p->has_sha256);
	wire_raw(c, p->sha256, sizeof(p->sha256));
	wire_bool(c, &p->encrypted);
	wire_bool(c, &p->alternate);
	wire_list(c, (void **)&p->members, &p->members_n, sizeof(*p->members), FACTS_PARTS_MAX,
		  member);
}

static void bounded(struct wire_codec *c, uint64_t *v, uint64_t max)
{
	if (wire_writing(c))
		*v = MIN_OF(*v, max);
	wire_u64(c, v);
	if (*v > max)
		c->failed = true;
}

/* Without costs, and without events, nothing is sent of them: they are most of small facts. */
static void stages(struct wire_codec *c, struct facts *f)
{
	wire_bool(c, &f->has_stages);
	wire_bool(c, &f->counted_events);
	for (size_t i = 0; f->has_stages && i < STAGE_COUNT; i++) {
		struct cost *s = &f->stages[i];

		bounded(c, &s->cpu_ns, FACTS_STAGE_NS_MAX);
		bounded(c, &s->wall_ns, FACTS_STAGE_NS_MAX);
		for (size_t k = 0; f->counted_events && k < COST_EVENTS; k++)
			bounded(c, &s->events[k], FACTS_STAGE_EVENTS_MAX);
	}
}

/* The order is the order of importance: what comes last is cut first. A list that takes all the
 * room leaves just enough for those after it to say that they are empty. */
static void facts(struct wire_codec *c, struct facts *f)
{
	size_t cut_at;

	magic(c, FACTS_MAGIC);
	cut_at = c->at;
	wire_bool(c, &f->cut);
	for (size_t i = 0; i < CHECK_COUNT; i++)
		check_result(c, &f->checks[i]);
	wire_str(c, &f->subject);
	wire_str(c, &f->message_id);
	wire_u64(c, &f->cpu_us);
	wire_u64(c, &f->expanded_bytes);
	wire_u32(c, &f->mime_defects);
	wire_u32(c, &f->cache_hits);
	f->limit_hit = (enum budget_limit)wire_enum(c, f->limit_hit, BUDGET_LIMITS);
	wire_str(c, &f->limit_why);
	stages(c, f);
	c->reserve = 2 * COUNT_BYTES;
	wire_list(c, (void **)&f->findings, &f->findings_n, sizeof(*f->findings),
		  FACTS_FINDINGS_MAX, finding);
	c->reserve -= COUNT_BYTES;
	wire_list(c, (void **)&f->verdicts, &f->verdicts_n, sizeof(*f->verdicts), FACTS_PARTS_MAX,
		  verdict);
	c->reserve -= COUNT_BYTES;
	wire_list(c, (void **)&f->parts, &f->parts_n, sizeof(*f->parts), FACTS_PARTS_MAX, part);
	if (wire_writing(c) && c->cut && !c->failed)
		c->out[cut_at] = 1;
}

ssize_t wire_put_request(const struct scan_request *r, uint8_t *out, size_t size, struct err *err)
{
	struct wire_codec c = { .out = out, .size = size, .clip = REQUEST_STR_MAX };
	struct scan_request copy = *r;

	request(&c, &copy);
	if (c.failed)
		return err_set(err, ERR_LIMIT, -EFBIG, "scan request does not fit in %zu bytes",
			       size);
	return (ssize_t)c.at;
}

/* At least the first finding must have found room: it is why the message is not clean. */
static bool first_finding_fits(const struct facts *f, uint8_t *out, size_t size)
{
	struct wire_codec c = { .out = out, .size = size, .clip = FACTS_CLIP };
	struct facts head = *f;

	head.findings_n = MIN_OF(f->findings_n, 1u);
	head.verdicts_n = head.parts_n = 0;
	facts(&c, &head);
	return !c.failed && !c.cut;
}

ssize_t wire_put_facts(const struct facts *f, uint8_t *out, size_t size, struct err *err)
{
	struct wire_codec c = { .out = out, .size = size, .clip = FACTS_CLIP };
	struct facts copy = *f;

	if (first_finding_fits(f, out, size)) {
		facts(&c, &copy);
		if (!c.failed)
			return (ssize_t)c.at;
	}
	return err_set(err, ERR_LIMIT, -EFBIG, "facts do not fit in %zu bytes", size);
}

static int done(const struct wire_codec *c, const char *what, struct err *err)
{
	if (c->no_memory)
		return err_set(err, ERR_LIMIT, -ENOMEM, "%s: arena is full", what);
	if (c->failed || c->in.n > 0)
		return err_set(err, ERR_BUG, -EBADMSG, "%s: malformed", what);
	return 0;
}

int wire_get_request(struct bytes in, struct arena *a, struct scan_request *ret_r, struct err *err)
{
	struct wire_codec c = { .in = in, .a = a };
	struct scan_request r = { .client_ip = NULL };
	int rc;

	request(&c, &r);
	rc = done(&c, "scan request", err);
	if (rc == 0)
		*ret_r = r;
	return rc;
}

int wire_get_facts(struct bytes in, struct arena *a, struct facts *ret_f, struct err *err)
{
	struct wire_codec c = { .in = in, .a = a };
	struct facts f = { .findings = NULL };
	int rc;

	facts(&c, &f);
	rc = done(&c, "facts", err);
	if (rc == 0)
		*ret_f = f;
	return rc;
}
