/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/opt.c - the option table and finding a row by what somebody typed. */
#include "conf/opt.h"

#include "conf/conf_internal.h"

const struct opt opt_rows[OPT_ROWS] = {
#define ROW(id_, name_, internal_, type_, words_, def_, shipped_, ruleset_, section_, flags_,      \
	    doc_, why_)                                                                            \
	[OPT_##id_] = { .name = name_,                                                             \
			.internal = internal_,                                                     \
			.type = type_,                                                             \
			.words = words_,                                                           \
			.def = def_,                                                               \
			.shipped = shipped_,                                                       \
			.ruleset = ruleset_,                                                       \
			.section = section_,                                                       \
			.flags = flags_,                                                           \
			.doc = doc_,                                                               \
			.why = why_ },
#include "conf/options.def"
#undef ROW
};

/* Names of rows that have a third one. */
static const struct {
	const char *key;
	enum opt_id id;
} aliases[] = {
	{ "Sender Bad Content Report", OPT_SENDER_CONTENT_REPORT },
};

#define KEY_MAX 80

/* Lower case, letters and digits only; longer keys than any name come out cut. */
static size_t normalise(struct bytes key, char out[KEY_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < key.n && n < KEY_MAX - 1; i++) {
		if (ascii_is_alnum(key.p[i]))
			out[n++] = (char)ascii_lower(key.p[i]);
	}
	out[n] = '\0';
	return n;
}

/* Whether @name normalises to @norm, without making a copy. */
static bool is_name(const char *name, const char *norm)
{
	for (; *name != '\0'; name++) {
		if (!ascii_is_alnum((uint8_t)*name))
			continue;
		if ((char)ascii_lower((uint8_t)*name) != *norm)
			return false;
		norm++;
	}
	return *norm == '\0';
}

enum opt_id opt_find(struct bytes key)
{
	char norm[KEY_MAX];

	if (normalise(key, norm) == 0)
		return OPT_ROWS;
	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		if (is_name(opt_rows[id].name, norm))
			return id;
	}
	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		if (strcmp(opt_rows[id].internal, norm) == 0)
			return id;
	}
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
		if (is_name(aliases[i].key, norm))
			return aliases[i].id;
	}
	return OPT_ROWS;
}

static unsigned hash_key(const char *norm)
{
	uint32_t h = 2166136261u;

	for (; *norm != '\0'; norm++)
		h = (h ^ (uint8_t)*norm) * 16777619u;
	return h ^ (h >> 15);
}

/* First come, first kept: names are put in before internal names, which may not hide one. */
static void index_put(struct opt_index *x, const char *key, enum opt_id id)
{
	char norm[KEY_MAX];
	unsigned at;

	(void)normalise(bytes_str(key), norm);
	at = hash_key(norm) % OPT_INDEX_SIZE;
	while (x->slot[at].key_of != 0)
		at = (at + 1) % OPT_INDEX_SIZE;
	x->slot[at].key = key;
	x->slot[at].key_of = (uint16_t)(id + 1);
}

void opt_index_build(struct opt_index *x)
{
	memset(x, 0, sizeof(*x));
	for (enum opt_id id = 0; id < OPT_ROWS; id++)
		index_put(x, opt_rows[id].name, id);
	for (enum opt_id id = 0; id < OPT_ROWS; id++)
		index_put(x, opt_rows[id].internal, id);
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		index_put(x, aliases[i].key, aliases[i].id);
}

enum opt_id opt_index_find(const struct opt_index *x, struct bytes key)
{
	char norm[KEY_MAX];
	unsigned at;

	if (normalise(key, norm) == 0)
		return OPT_ROWS;
	at = hash_key(norm) % OPT_INDEX_SIZE;
	for (; x->slot[at].key_of != 0; at = (at + 1) % OPT_INDEX_SIZE) {
		if (is_name(x->slot[at].key, norm))
			return (enum opt_id)(x->slot[at].key_of - 1);
	}
	return OPT_ROWS;
}

bool opt_key_is_empty(struct bytes key)
{
	char norm[KEY_MAX];

	return normalise(key, norm) == 0;
}

/* Damerau-Levenshtein distance (neighbours swapped count once), at most @limit + 1. */
static size_t distance(const char *a, size_t an, const char *b, size_t bn, size_t limit)
{
	size_t rows[3][KEY_MAX + 1];
	size_t *prev2 = rows[0], *prev = rows[1], *cur = rows[2];

	if (an > bn + limit || bn > an + limit)
		return limit + 1;
	for (size_t j = 0; j <= bn; j++)
		prev[j] = j;
	for (size_t i = 1; i <= an; i++) {
		size_t *spare = prev2;
		size_t best = i;

		cur[0] = i;
		for (size_t j = 1; j <= bn; j++) {
			size_t v = prev[j - 1] + (a[i - 1] != b[j - 1]);

			v = MIN_OF(v, MIN_OF(prev[j], cur[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				v = MIN_OF(v, prev2[j - 2] + 1);
			cur[j] = v;
			best = MIN_OF(best, v);
		}
		if (best > limit + 1)
			return limit + 1;
		prev2 = prev;
		prev = cur;
		cur = spare;
	}
	return prev[bn];
}

const char *opt_nearest(struct bytes key)
{
	char norm[KEY_MAX], name[KEY_MAX];
	size_t n = normalise(key, norm);
	size_t best = n / 4 + 2;
	const char *found = NULL;

	if (n < 3)
		return NULL;
	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		size_t name_n = normalise(bytes_str(opt_rows[id].name), name);
		size_t d = distance(norm, n, name, name_n, best);

		if (d < best) {
			best = d;
			found = opt_rows[id].name;
		}
	}
	return found;
}
