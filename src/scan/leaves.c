/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/leaves.c - the list of files in a message, and what is reported about them. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/clock.h"
#include "scan/check.h"
#include "scan/verdict_cache.h"

#define NAMES_MAX 32u /* readings of one name */

void scan_limit(struct scan_state *s, enum budget_limit what, const char *fmt, ...)
{
	va_list ap;

	if (s->budget.hit != BUDGET_NONE)
		return;
	s->budget.hit = what;
	va_start(ap, fmt);
	(void)vsnprintf(s->budget.why, sizeof(s->budget.why), fmt, ap);
	va_end(ap);
}

int scan_no_memory(struct scan_state *s, struct err *err)
{
	scan_limit(s, BUDGET_MEMORY, "%s %zu", budget_limit_name(BUDGET_MEMORY),
		   arena_max(s->arena));
	return err_set(err, ERR_LIMIT, -ENOMEM, "%s", s->budget.why);
}

/*
 * Room for element @n of an array that has 4, 8, 16 ... places. What it leaves behind in the arena
 * is at most its own size.
 */
static void *grown(struct arena *a, void *old, size_t n, size_t elem_size)
{
	bool full = old == NULL || (n >= 4 && (n & (n - 1)) == 0);
	void *p;

	if (!full)
		return old;
	p = arena_array(a, n == 0 ? 4 : n * 2, elem_size);
	if (p != NULL && n > 0)
		memcpy(p, old, n * elem_size);
	return p;
}

static bool copy_str(struct arena *a, const char **s)
{
	*s = *s == NULL || **s == '\0' ? "" : arena_str(a, bytes_str(*s));
	return *s != NULL;
}

static bool copy_strs(struct arena *a, struct finding *f)
{
	const char **path = arena_array(a, f->path_n + 1, sizeof(*path));

	if (path == NULL)
		return false;
	if (f->path_n > 0)
		memcpy(path, f->path, f->path_n * sizeof(*path));
	f->path = path;
	return copy_str(a, &f->part) && copy_str(a, &f->name) && copy_str(a, &f->scanner) &&
	       copy_str(a, &f->report) && copy_str(a, &f->log) && copy_str(a, &f->rule);
}

int scan_add_finding(struct scan_state *s, const struct finding *f, struct err *err)
{
	struct facts *facts = s->facts;
	struct finding copy = *f, *list;

	if (facts->findings_n >= FACTS_FINDINGS_MAX - 1) { /* one place is kept for a limit */
		facts->cut = true;
		return 0;
	}
	list = grown(s->arena, facts->findings, facts->findings_n, sizeof(*list));
	if (list == NULL || !copy_strs(s->arena, &copy))
		return scan_no_memory(s, err);
	list[facts->findings_n++] = copy;
	facts->findings = list;
	return 0;
}

int scan_keep_room(struct scan_state *s, struct err *err)
{
	s->limit_text = arena_alloc(s->arena, SCAN_LIMIT_TEXT_MAX);
	s->facts->findings = grown(s->arena, NULL, 0, sizeof(*s->facts->findings));
	if (s->limit_text != NULL && s->facts->findings != NULL)
		return 0;
	return err_set(err, ERR_LIMIT, -ENOMEM, "arena of %zu bytes is too small to scan",
		       arena_max(s->arena));
}

void scan_find_limit(struct scan_state *s)
{
	struct facts *f = s->facts;
	struct finding limit = { .kind = FINDING_DOS,
				 .class = 'c',
				 .whole_message = true,
				 .part = "",
				 .name = s->limit_text,
				 .scanner = "",
				 .log = "",
				 .rule = "" };
	struct finding *list;
	const char *text;

	(void)snprintf(s->limit_text, SCAN_LIMIT_TEXT_MAX, "limit: %s", s->budget.why);
	f->limit_hit = s->budget.hit;
	f->limit_why = s->limit_text + strlen("limit: ");
	limit.report = s->budget.hit == BUDGET_ARCHIVE_DEPTH
			       ? "Archives are packed inside each other too deeply to be checked"
			       : "The message would cost too much to check: it goes beyond a limit";
	text = arena_printf(s->arena, "%s (%s)", limit.report, s->limit_text);
	if (text != NULL)
		limit.report = text;
	text = arena_printf(s->arena, "Content Checks: %%id%%: Detected and blocked %s",
			    s->limit_text);
	if (text != NULL)
		limit.log = text;
	list = grown(s->arena, f->findings, f->findings_n, sizeof(*list));
	if (list == NULL) {
		f->findings[f->findings_n - 1] = limit;
		return;
	}
	list[f->findings_n++] = limit;
	f->findings = list;
}

int scan_find(struct scan_state *s, const struct leaf *leaf, enum finding_kind kind, char class,
	      const char *name, const char *report, const char *log, const char *rule,
	      struct err *err)
{
	struct finding f = { .kind = kind,
			     .class = class,
			     .whole_message = leaf == NULL,
			     .name = name,
			     .report = report,
			     .log = log,
			     .rule = rule };

	if (leaf != NULL) {
		f.part = leaf->part->id;
		f.path = leaf->path;
		f.path_n = leaf->path_n;
	}
	return scan_add_finding(s, &f, err);
}

const char *scan_leaf_place(struct scan_state *s, const struct leaf *leaf)
{
	size_t n = 1;
	char *place, *at;

	for (size_t i = 0; i < leaf->path_n; i++)
		n += strlen(leaf->path[i]) + 1;
	place = at = arena_alloc(s->arena, n);
	if (place == NULL)
		return "?";
	for (size_t i = 0; i < leaf->path_n; i++) {
		n = strlen(leaf->path[i]);
		if (i > 0)
			*at++ = '/';
		memcpy(at, leaf->path[i], n);
		at += n;
	}
	*at = '\0';
	return place;
}

bool scan_hash(struct scan_state *s, struct bytes content, uint8_t ret_sha256[32])
{
	struct scanner *scanner = s->scanner;

	return EVP_DigestInit_ex(scanner->hash, scanner->sha256, NULL) == 1 &&
	       EVP_DigestUpdate(scanner->hash, content.p, content.n) == 1 &&
	       EVP_DigestFinal_ex(scanner->hash, ret_sha256, NULL) == 1;
}

/* Whether there is room for one more part or member in the report. */
static bool count_thing(struct scan_state *s)
{
	if (s->things_n >= FACTS_PARTS_MAX) {
		s->facts->cut = true;
		return false;
	}
	s->things_n++;
	return true;
}

static bool report_part(struct scan_state *s, struct leaf *leaf)
{
	struct facts *facts = s->facts;
	struct fact_part *list, *p;

	if (!count_thing(s))
		return true;
	list = grown(s->arena, facts->parts, facts->parts_n, sizeof(*list));
	if (list == NULL)
		return false;
	p = &list[facts->parts_n++];
	*p = (struct fact_part){ .id = leaf->part->id,
				 .type = leaf->part->type,
				 .name = leaf->names_n > 0 ? leaf->names[0] : "",
				 .file_type = "",
				 .size_bytes = leaf->content.n,
				 .has_sha256 = leaf->has_sha256,
				 .encrypted = leaf->encrypted,
				 .alternate = leaf->part->alternate };
	memcpy(p->sha256, leaf->sha256, sizeof(p->sha256));
	facts->parts = list;
	return true;
}

static bool report_member(struct scan_state *s, struct leaf *leaf)
{
	struct fact_part *p = leaf->fact;
	struct fact_member *list;

	if (p == NULL || !count_thing(s))
		return true;
	list = grown(s->arena, p->members, p->members_n, sizeof(*list));
	if (list == NULL)
		return false;
	list[p->members_n++] = (struct fact_member){ .path = leaf->path + 1,
						     .path_n = leaf->path_n - 1,
						     .size_bytes = leaf->content.n,
						     .encrypted = leaf->encrypted };
	p->members = list;
	p->encrypted |= leaf->encrypted;
	return true;
}

static void look_up(struct scan_state *s, struct leaf *leaf)
{
	const struct verdict_cache *cache = s->scanner->cache;
	struct fact_verdict v;

	leaf->has_sha256 = scan_hash(s, leaf->content, leaf->sha256);
	if (!leaf->has_sha256 || cache == NULL)
		return;
	if (verdict_cache_get(cache, scan_engine_generation(s->scanner->engine), leaf->sha256, &v))
		leaf->cached = arena_dup(s->arena, bytes_of(&v, sizeof(v)));
}

struct leaf *scan_add_leaf(struct scan_state *s, const struct leaf *from)
{
	struct leaf *leaf = arena_dup(s->arena, bytes_of(from, sizeof(*from)));

	if (leaf == NULL) {
		(void)scan_no_memory(s, NULL);
		return NULL;
	}
	leaf->next = NULL;
	if (!leaf->unread)
		look_up(s, leaf);
	if (leaf->container != NULL)
		leaf->fact = leaf->container->fact;
	if (!(leaf->container == NULL ? report_part(s, leaf) : report_member(s, leaf))) {
		(void)scan_no_memory(s, NULL);
		return NULL;
	}
	*s->leaves_tail = leaf;
	s->leaves_tail = &leaf->next;
	s->leaves_n++;
	return leaf;
}

/* The parts array has moved for the last time: members need to know where theirs is. */
static void link_facts(struct scan_state *s)
{
	struct leaf *leaf = s->leaves;

	for (size_t i = 0; i < s->facts->parts_n && leaf != NULL; i++, leaf = leaf->next)
		leaf->fact = &s->facts->parts[i];
}

/* As MailScanner calls them: sites have rules for such names. */
static const char *made_up_name(struct scan_state *s, const struct mime_part *p)
{
	return arena_printf(s->arena, "msg-0-%zu.%s", s->leaves_n + 1,
			    strcmp(p->type, "text/html") == 0 ? "html" : "txt");
}

static bool set_names(struct scan_state *s, struct leaf *leaf)
{
	struct mime_part *p = leaf->part;
	struct mime_name *name;
	size_t n = 0;

	for (name = p->names; name != NULL && n < NAMES_MAX; name = name->next)
		n++;
	leaf->names = arena_array(s->arena, n + 1, sizeof(*leaf->names));
	leaf->path = arena_array(s->arena, 1, sizeof(*leaf->path));
	if (leaf->names == NULL || leaf->path == NULL)
		return false;
	for (name = p->names; name != NULL && leaf->names_n < n; name = name->next)
		leaf->names[leaf->names_n++] = name->text;
	leaf->path_n = 1;
	leaf->path[0] = n > 0 ? leaf->names[0] : made_up_name(s, p);
	return leaf->path[0] != NULL;
}

static int add_mime_leaf(struct scan_state *s, struct mime_part *p, struct err *err)
{
	struct leaf leaf = { .part = p,
			     .origin = p->uu_member ? 'u' : 'n',
			     .encrypted = p->encrypted };
	int r = mime_decode(p, s->arena, &s->budget, err);

	if (r < 0 && r != -EFBIG && r != -ENOMEM)
		return r;
	if (r < 0)
		leaf.unread = true;
	else
		leaf.content = p->content;
	if (!set_names(s, &leaf) || scan_add_leaf(s, &leaf) == NULL)
		return scan_no_memory(s, err);
	return r;
}

int scan_add_mime_leaves(struct scan_state *s, struct err *err)
{
	int result = 0;

	for (struct mime_part *p = s->tree.root; p != NULL; p = mime_next(p)) {
		int r = mime_is_leaf(p) ? add_mime_leaf(s, p, err) : 0;

		/* A part that a limit stopped is still a part with a name. */
		if (r < 0 && result == 0)
			result = r;
		if (r < 0 && arena_used(s->arena) >= arena_max(s->arena))
			break;
	}
	link_facts(s);
	return result;
}
