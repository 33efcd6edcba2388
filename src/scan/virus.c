/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/virus.c - every content of the message is shown to libclamav once, and who is infected is
 * told once.
 *
 * Large scans are cheaper than many small ones, so the whole message comes first (where asked
 * for), then containers before their members: a member that libclamav met inside a scan that ended
 * clean needs none of its own. Equal contents share one verdict.
 */
#include <errno.h>

#include "core/clock.h"
#include "scan/check.h"

#define SIZE_BITS 4096u

/* One content, however many leaves have it. */
struct virus_content {
	struct virus_content *next_in_slot;
	struct leaf *leaf; /* the first that has it */
	bool known;        /* virus says what is known */
	bool fresh;        /* not from the cache: to be told to it */
	bool cacheable;    /* nothing odd was seen: the verdict holds for everybody */
	const char *virus; /* "" clean */
	unsigned seen_in;  /* number of the scan that met it as a layer */
};

struct virus_check {
	struct scan_state *s;
	struct virus_content **slots, *contents;
	size_t slots_n, contents_n;
	uint64_t sizes[SIZE_BITS / 64]; /* which lengths are worth hashing */
	unsigned scan_n;
	struct clam_result whole; /* of the raw message */
	struct err *err;
};

static struct virus_content **slot_of(const struct virus_check *v, const uint8_t sha256[32])
{
	size_t hash;

	memcpy(&hash, sha256, sizeof(hash));
	return &v->slots[hash & (v->slots_n - 1)];
}

static struct virus_content *find(const struct virus_check *v, const uint8_t sha256[32])
{
	struct virus_content *c = *slot_of(v, sha256);

	while (c != NULL && memcmp(c->leaf->sha256, sha256, 32) != 0)
		c = c->next_in_slot;
	return c;
}

static void note_size(struct virus_check *v, size_t n)
{
	v->sizes[n % SIZE_BITS / 64] |= UINT64_C(1) << (n % 64);
}

static bool is_noted_size(const struct virus_check *v, size_t n)
{
	return (v->sizes[n % SIZE_BITS / 64] & (UINT64_C(1) << (n % 64))) != 0;
}

static void add(struct virus_check *v, struct leaf *leaf)
{
	struct virus_content *c = leaf->has_sha256 ? find(v, leaf->sha256) : NULL;
	struct virus_content **slot;

	leaf->virus = c;
	if (c != NULL)
		return;
	c = leaf->virus = &v->contents[v->contents_n++];
	*c = (struct virus_content){ .leaf = leaf, .virus = "" };
	if (leaf->cached != NULL) {
		c->known = true;
		c->virus = leaf->cached->virus;
	}
	if (!leaf->has_sha256)
		return;
	slot = slot_of(v, leaf->sha256);
	c->next_in_slot = *slot;
	*slot = c;
	if (!c->known)
		note_size(v, leaf->content.n);
}

static int collect(struct virus_check *v)
{
	struct scan_state *s = v->s;

	v->slots_n = 16;
	while (v->slots_n < 2 * s->leaves_n)
		v->slots_n *= 2;
	v->slots = arena_array(s->arena, v->slots_n, sizeof(*v->slots));
	v->contents = arena_array(s->arena, s->leaves_n + 1, sizeof(*v->contents));
	if (v->slots == NULL || v->contents == NULL)
		return scan_no_memory(s, v->err);
	for (struct leaf *leaf = s->leaves; leaf != NULL; leaf = leaf->next)
		if (!leaf->unread && leaf->content.n > 0)
			add(v, leaf);
	return 0;
}

/* libclamav looks at these bytes now: if they are one of ours, it need not look again. */
static void on_layer(void *arg, struct bytes layer)
{
	struct virus_check *v = arg;
	uint8_t sha256[32];
	struct virus_content *c;

	if (!is_noted_size(v, layer.n) || !scan_hash(v->s, layer, sha256))
		return;
	c = find(v, sha256);
	if (c != NULL && !c->known)
		c->seen_in = v->scan_n;
}

/* The scan ended clean and complete, so all it met is clean. */
static void spread(struct virus_check *v)
{
	for (size_t i = 0; i < v->contents_n; i++) {
		struct virus_content *c = &v->contents[i];

		if (!c->known && c->seen_in == v->scan_n)
			c->known = c->fresh = c->cacheable = true;
	}
}

static bool is_clean(const struct clam_result *r)
{
	return r->virus[0] == '\0' && r->limit[0] == '\0' && !r->encrypted;
}

static int ask(struct virus_check *v, struct bytes content, bool raw_message,
	       struct clam_result *ret_r)
{
	struct scan_state *s = v->s;
	struct clam_ask a = { .content = content,
			      .raw_message = raw_message,
			      .budget = &s->budget,
			      .layer = on_layer,
			      .arg = v };
	int r;

	if (!budget_check_cpu(&s->budget, clock_thread_cpu_ns(), BYTES("virus scanning")))
		return err_set(v->err, ERR_LIMIT, -EFBIG, "%s", s->budget.why);
	v->scan_n++;
	r = clam_scan(s->scanner->clam, &a, ret_r, v->err);
	if (r == 0 && is_clean(ret_r))
		spread(v);
	return r;
}

static int report_encrypted(struct virus_check *v, struct leaf *leaf)
{
	if (v->s->request->allow_encrypted_archives || leaf->container_encrypted)
		return 0;
	leaf->container_encrypted = true;
	return scan_find(v->s, leaf, FINDING_ENCRYPTED, 'c', "passwordprotected",
			 "This archive needs a password, so what it holds could not be checked", "",
			 "Allow Password-Protected Archives", v->err);
}

static int scan_content(struct virus_check *v, struct virus_content *c)
{
	struct scan_state *s = v->s;
	struct clam_result result;
	int r = ask(v, c->leaf->content, false, &result);

	if (r < 0)
		return r;
	if (result.virus[0] != '\0') {
		c->virus = arena_str(s->arena, bytes_str(result.virus));
		if (c->virus == NULL)
			return scan_no_memory(s, v->err);
	}
	if (result.limit[0] != '\0')
		scan_limit(s, result.limit_kind, "%s at %s", result.limit,
			   scan_leaf_place(s, c->leaf));
	/* A limit leaves it unknown, and only a virus name may be told of it. */
	c->known = result.limit[0] == '\0' || c->virus[0] != '\0';
	c->fresh = c->known;
	c->cacheable = result.limit[0] == '\0' && !result.encrypted;
	return result.encrypted ? report_encrypted(v, c->leaf) : 0;
}

static int scan_contents(struct virus_check *v)
{
	for (size_t i = 0; i < v->contents_n; i++) {
		int r = v->contents[i].known ? 0 : scan_content(v, &v->contents[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

static int scan_whole(struct virus_check *v)
{
	struct scan_state *s = v->s;
	int r;

	/* What could not be taken apart is at least looked at as it came. */
	if (!s->request->full_message_scan && s->tree.root != NULL)
		return 0;
	r = ask(v, s->message, true, &v->whole);
	if (r == 0 && v->whole.limit[0] != '\0')
		scan_limit(s, v->whole.limit_kind, "%s in the whole message", v->whole.limit);
	return r;
}

static const char *virus_of(const struct leaf *leaf)
{
	return leaf->virus == NULL ? "" : leaf->virus->virus;
}

static int report(struct virus_check *v, const struct leaf *leaf, const char *virus)
{
	struct scan_state *s = v->s;
	const char *name = "message";
	struct finding f = { .kind = FINDING_VIRUS,
			     .class = 'v',
			     .whole_message = leaf == NULL,
			     .name = virus,
			     .scanner = "Clamd" };

	if (leaf != NULL) {
		name = scan_safe_name(s, leaf->path[leaf->path_n - 1]);
		f.part = leaf->part->id;
		f.path = leaf->path;
		f.path_n = leaf->path_n;
	}
	f.report = arena_printf(s->arena, "Clamd: %s was infected: %s", name, virus);
	f.log = arena_printf(s->arena, "Clamd::INFECTED:: %s :: ./%%id%%/%s", virus, name);
	if (f.report == NULL || f.log == NULL)
		return scan_no_memory(s, v->err);
	return scan_add_finding(s, &f, v->err);
}

/* Whether a member of @leaf, at any depth, is reported with the same name. */
static bool is_told_below(const struct leaf *leaf, const char *virus)
{
	for (const struct leaf *l = leaf->next; l != NULL; l = l->next) {
		const struct leaf *up = l->container;

		while (up != NULL && up != leaf)
			up = up->container;
		if (up != NULL && strcmp(virus_of(l), virus) == 0)
			return true;
	}
	return false;
}

static bool is_told(const struct facts *f, const char *virus)
{
	for (size_t i = 0; i < f->findings_n; i++)
		if (f->findings[i].kind == FINDING_VIRUS && strcmp(f->findings[i].name, virus) == 0)
			return true;
	return false;
}

static int report_all(struct virus_check *v)
{
	struct scan_state *s = v->s;
	size_t told_n = 0;
	int r = 0;

	for (const struct leaf *leaf = s->leaves; leaf != NULL && r == 0; leaf = leaf->next) {
		const char *virus = virus_of(leaf);

		if (virus[0] == '\0' || is_told_below(leaf, virus))
			continue;
		/* is_told_below() walks the rest of the list: not more often than anybody reads. */
		if (told_n++ >= FACTS_FINDINGS_MAX)
			break;
		r = report(v, leaf, virus);
	}
	if (r == 0 && v->whole.virus[0] != '\0' && !is_told(s->facts, v->whole.virus))
		r = report(v, NULL, v->whole.virus);
	return r;
}

static void copy_text(char *to, size_t size, const char *from)
{
	if (from != NULL && strlen(from) < size)
		memcpy(to, from, strlen(from) + 1);
}

/* What the shared cache may learn: only what was looked at to the end. */
static int tell_cache(struct virus_check *v)
{
	struct facts *f = v->s->facts;

	f->verdicts = arena_array(v->s->arena, v->contents_n + 1, sizeof(*f->verdicts));
	if (f->verdicts == NULL)
		return scan_no_memory(v->s, v->err);
	for (size_t i = 0; i < v->contents_n && f->verdicts_n < FACTS_PARTS_MAX; i++) {
		const struct virus_content *c = &v->contents[i];
		struct fact_verdict *to = &f->verdicts[f->verdicts_n];

		if (!c->fresh || !c->cacheable || !c->leaf->has_sha256)
			continue;
		memcpy(to->sha256, c->leaf->sha256, sizeof(to->sha256));
		copy_text(to->virus, sizeof(to->virus), c->virus);
		copy_text(to->file_type, sizeof(to->file_type), c->leaf->file_type);
		copy_text(to->mime_type, sizeof(to->mime_type), c->leaf->file_mime);
		f->verdicts_n++;
	}
	return 0;
}

int check_virus(struct scan_state *s, struct check_result *ret_result, struct err *err)
{
	struct virus_check v = { .s = s, .err = err };
	int r, told;

	if (!s->request->virus_scanning) {
		ret_result->state = CHECK_SKIPPED;
		ret_result->why = "Virus Scanning is no";
		return 0;
	}
	if (s->scanner->clam == NULL)
		return err_set(err, ERR_CONFIG, -ENODEV, "no virus scanner is loaded");
	if (s->budget.hit != BUDGET_NONE) {
		/* libclamav would unpack the bomb once more, and the message is not going to pass.
		 */
		ret_result->state = CHECK_LIMIT;
		ret_result->why = s->budget.why;
		return 0;
	}
	r = collect(&v);
	if (r == 0)
		r = scan_whole(&v);
	if (r == 0)
		r = scan_contents(&v);
	/* What was found before something failed is still true. */
	told = report_all(&v);
	if (r == 0)
		r = told;
	return r == 0 ? tell_cache(&v) : r;
}
