/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The yardstick on mail that others wrote: is a hidden payload in one of the leafs, do the leafs
 * that another parser saw exist among ours. SALLYPORT_CORPUS is the unpacked corpus,
 * SALLYPORT_EXPECTED the folder of its expected-*.tsv; SALLYPORT_VERBOSE=1 lists every difference.
 */
#include <gmime/gmime.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/num.h"
#include "mime/mime.h"
#include "tests/mime/file.h"
#include "tests/t.h"

/* The message of which the rows speak; rows of one file stand together or not. */
struct message {
	char path[PATH_MAX];
	struct bytes file;
	struct arena *a;
	struct budget b;
	struct mime_tree t;
	int result;
};

struct count {
	unsigned rows, good;
};

struct yardstick {
	const char *corpus, *expected;
	struct message m;
	struct bytes payload;
	uint8_t payload_bytes[512];
	struct count payloads, names, leafs, types, leaf_names;
	unsigned messages, parts, refused;
	bool verbose;
};

static void decode_all(struct message *m)
{
	for (struct mime_part *p = m->t.root; p != NULL; p = mime_next(p)) {
		if (mime_is_leaf(p) && mime_decode(p, m->a, &m->b, NULL) < 0)
			break;
	}
}

static void message_close(struct message *m)
{
	arena_free(&m->a);
	free((void *)(uintptr_t)m->file.p);
	m->file = bytes_of(NULL, 0);
	m->path[0] = '\0';
}

static void message_open(struct yardstick *y, const char *name)
{
	struct message *m = &y->m;
	char path[PATH_MAX];
	struct err err = { .kind = ERR_NONE };

	if (strcmp(m->path, name) == 0)
		return;
	message_close(m);
	(void)snprintf(m->path, sizeof(m->path), "%s", name);
	(void)snprintf(path, sizeof(path), "%s/%s", y->corpus, name);
	m->file = file_read(path);
	m->a = arena_new(512 * MIB);
	m->t.root = NULL;
	budget_init(&m->b, &budget_default_limits, m->file.n, 0);
	m->result = mime_prelimits(m->file, &m->b, &err);
	if (m->result == 0)
		m->result = mime_parse(&m->t, m->file, m->a, &m->b, &err);
	y->messages++;
	if (m->result < 0) {
		y->refused++;
		printf("# refused: %s: %s\n", name, err.text);
		return;
	}
	decode_all(m);
	for (struct mime_part *p = m->t.root; p != NULL; p = mime_next(p))
		y->parts++;
}

/* "|key=value|" of a row's expectation; empty when missing. */
static struct bytes member(const char *expected, const char *key, size_t *ret_n)
{
	const char *at = strstr(expected, key);
	size_t n;

	*ret_n = 0;
	if (at == NULL)
		return bytes_of("", 0);
	at += strlen(key);
	n = strcspn(at, "|");
	*ret_n = n;
	return bytes_of(at, n);
}

static bool has_hash(struct bytes content, struct bytes want)
{
	char *hash = g_compute_checksum_for_data(G_CHECKSUM_SHA256, content.p, content.n);
	bool same = strncmp(hash, (const char *)want.p, want.n) == 0;

	g_free(hash);
	return same;
}

/*
 * The bytes of @p are the wanted ones, but for at most a line end behind them: parsers disagree
 * whether the one in front of a missing last boundary belongs to the part.
 */
static bool is_wanted(const struct mime_part *p, uint64_t want_n, struct bytes hash)
{
	struct bytes rest = bytes_from(p->content, (size_t)MIN_OF(want_n, p->content.n));

	if (p->content.n < want_n || rest.n > 2 || bytes_trim(rest).n > 0)
		return false;
	return has_hash(bytes_head(p->content, (size_t)want_n), hash);
}

static bool has_name(const struct mime_part *p, struct bytes want)
{
	for (const struct mime_name *n = p->names; n != NULL; n = n->next)
		if (bytes_eq(bytes_str(n->text), want))
			return true;
	return want.n == 0;
}

static void check_leaf(struct yardstick *y, const char *row, const char *expected)
{
	size_t size_n, hash_n, type_n, name_n;
	struct bytes size = member(expected, "size=", &size_n);
	struct bytes hash = member(expected, "sha256=", &hash_n);
	struct bytes type = member(expected, "type=", &type_n);
	struct bytes name = member(expected, "|name=", &name_n);
	bool found = false, type_ok = false, name_ok = false;
	uint64_t want_n;

	/* an empty leaf hides nothing; the other parser makes some up (delivery-status) */
	if (hash_n == 0 || num_parse(size, 10, UINT64_MAX, &want_n) < 0 || want_n == 0)
		return;
	for (struct mime_part *p = y->m.t.root; p != NULL; p = mime_next(p)) {
		if (!mime_is_leaf(p) || !is_wanted(p, want_n, hash))
			continue;
		found = true;
		type_ok = type_ok || bytes_eq(bytes_str(p->type), type);
		name_ok = name_ok || has_name(p, name);
	}
	y->leafs.rows++;
	y->leafs.good += found;
	y->types.rows += found;
	y->types.good += type_ok;
	y->leaf_names.rows += found;
	y->leaf_names.good += name_ok;
	if (y->verbose && !(found && type_ok && name_ok))
		printf("# %s: %s %s: %s\n",
		       !found     ? "leaf"
		       : !type_ok ? "type"
				  : "name",
		       y->m.path, row, expected);
}

static bool holds(const struct mime_tree *t, struct bytes payload)
{
	for (struct mime_part *p = t->root; p != NULL; p = mime_next(p))
		if (bytes_find(p->content, payload) >= 0)
			return true;
	return false;
}

static bool named(const struct mime_tree *t, struct bytes name)
{
	for (struct mime_part *p = t->root; p != NULL; p = mime_next(p))
		if (p->names != NULL && has_name(p, name))
			return true;
	return false;
}

/* Files whose payload is not there to be found. */
static const struct {
	const char *file, *why;
} absent[] = {
	{ "1652908061.94d7", "BinHex holds the text ARRAY(0x...), not the payload" },
	{ "1652908061.pLSH", "BinHex holds the text ARRAY(0x...), not the payload" },
	{ "1652610582.zDZ1", "the control: named file.png by every reader" },
	{ "1652610582.M4wJ", "the control: named file.png by every reader" },
};

static bool is_absent(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(absent); i++)
		if (strstr(path, absent[i].file) != NULL) {
			printf("# left out: %s: %s\n", path, absent[i].why);
			return true;
		}
	return false;
}

static void count(struct yardstick *y, struct count *c, bool good, const char *what)
{
	if (is_absent(y->m.path))
		return;
	c->rows++;
	c->good += good;
	if (!good)
		printf("# %s not found: %s\n", what, y->m.path);
}

static void check_row(struct yardstick *y, char *line)
{
	char *file = strsep(&line, "\t"), *property = strsep(&line, "\t"),
	     *expected = strsep(&line, "\t");

	if (expected == NULL)
		return;
	if (strcmp(property, "payload") == 0) {
		message_open(y, file);
		count(y, &y->payloads, holds(&y->m.t, y->payload), "payload");
	} else if (strcmp(property, "payload.name") == 0) {
		message_open(y, file);
		count(y, &y->names, named(&y->m.t, bytes_str(expected)), "name");
	} else if (strncmp(property, "mime.leaf", 9) == 0 && property[9] != 's') {
		message_open(y, file);
		check_leaf(y, property, expected);
	}
}

/* The file whose payload nobody disputes tells what the payload is. */
static void learn_payload(struct yardstick *y, char *line)
{
	char *file = strsep(&line, "\t"), *property = strsep(&line, "\t"),
	     *expected = strsep(&line, "\t");

	if (expected == NULL || strcmp(property, "evasion.id") != 0 ||
	    strcmp(expected, "multipart-basic-singlepart-b64h-basic-base64-basic") != 0)
		return;
	message_open(y, file);
	for (struct mime_part *p = y->m.t.root; p != NULL; p = mime_next(p)) {
		if (!bytes_starts(p->content, BYTES("PK\3\4")) ||
		    p->content.n > sizeof(y->payload_bytes))
			continue;
		memcpy(y->payload_bytes, p->content.p, p->content.n);
		y->payload = bytes_of(y->payload_bytes, p->content.n);
	}
}

static bool each_row(struct yardstick *y, const char *category,
		     void (*fn)(struct yardstick *, char *))
{
	char path[PATH_MAX], *line = NULL;
	size_t cap = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/expected-%s.tsv", y->expected, category);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	while (getline(&line, &cap, f) > 0)
		fn(y, line);
	free(line);
	(void)fclose(f);
	message_close(&y->m);
	return true;
}

static unsigned per_mille(struct count c)
{
	return c.rows == 0 ? 0 : c.good * 1000 / c.rows;
}

static void leafs_of(struct yardstick *y, const char *category, unsigned want_per_mille)
{
	y->leafs = y->types = y->leaf_names = (struct count){ 0, 0 };
	y->messages = y->parts = y->refused = 0;
	if (!each_row(y, category, check_row)) {
		T_OK(true, "%s # SKIP no expected-%s.tsv", category, category);
		return;
	}
	printf("# %s: %u messages, %u parts, %u refused\n", category, y->messages, y->parts,
	       y->refused);
	printf("# %s: of %u found, %u with that type, %u with that name\n", category, y->types.rows,
	       y->types.good, y->leaf_names.good);
	T_OK(y->leafs.rows > 0 && per_mille(y->leafs) >= want_per_mille,
	     "%s: %u of %u leafs are among ours", category, y->leafs.good, y->leafs.rows);
}

int main(void)
{
	struct yardstick y = { .corpus = getenv("SALLYPORT_CORPUS"),
			       .expected = getenv("SALLYPORT_EXPECTED"),
			       .verbose = getenv("SALLYPORT_VERBOSE") != NULL };

	if (y.corpus == NULL || y.expected == NULL)
		return t_skip_all("SALLYPORT_CORPUS and SALLYPORT_EXPECTED are not both set");
	mime_init();
	(void)each_row(&y, "evasion", learn_payload);
	T_OK(y.payload.n > 100, "payload of %zu bytes known", y.payload.n);
	/* the other parser leaves encoded what it does not understand: not a goal here */
	leafs_of(&y, "evasion", 850);
	T_OK(y.payloads.good == y.payloads.rows, "%u of %u payloads found", y.payloads.good,
	     y.payloads.rows);
	T_OK(y.names.good == y.names.rows, "%u of %u names found", y.names.good, y.names.rows);
	leafs_of(&y, "mime-torture", 950);
	leafs_of(&y, "mail-ham", 950);
	leafs_of(&y, "mail-spam", 950);
	leafs_of(&y, "mail-phish", 950);
	return t_done();
}
