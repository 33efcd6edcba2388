/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exim's files of the corpus: what expected-queue-samples.tsv says of them, and the round trip. */
#include <errno.h>

#include "queue/exim_head.h"
#include "tests/queue/fixture.h"

/* From the queue.id and queue.sender rows of the expectations. */
static const struct {
	const char *dir, *id, *sender, *to;
	size_t headers;
	bool has_body;
} samples[] = {
	{ "exim-spool/0699", "1qDO9M-0003B3-2p", "nobody@test.ex", "nulldeliver@test.ex", 5,
	  false },
	{ "exim-spool/1100/input", "1i2t1o-0000cD-CV", "", "root@schlittermann.de", 10, true },
};

static void test_head(const char *dir, size_t i, struct arena *a)
{
	struct pair_entry p = { 0 };
	struct queue_entry e = { .format = &p };
	struct queue_settings set = { 0 };
	struct queue_change change = { .headers = &e.headers };
	struct pair_build b = { .e = &e, .change = &change };
	struct sink s = { 0 };
	char name[64];
	struct err err = { .text = "" };
	int r;

	(void)snprintf(name, sizeof(name), "%s-H", samples[i].id);
	p.raw = get(dir, name);
	(void)snprintf(e.id, sizeof(e.id), "%s", samples[i].id);
	r = exim_head_parse(&e, &set, a, &err);
	T_OK(r == 0, "%s: %s", name, r < 0 ? err.text : "parsed");
	if (r < 0)
		return;
	T_OK(strcmp(e.env.sender, samples[i].sender) == 0, "  sender <%s>", e.env.sender);
	T_OK(e.env.to_n == 1 && strcmp(e.env.to[0], samples[i].to) == 0, "  recipient <%s>",
	     e.env.to[0]);
	T_OK(e.headers.n == samples[i].headers, "  %zu headers", e.headers.n);
	exim_head_build(&b, &s);
	s = (struct sink){ .p = arena_alloc(a, s.n) };
	exim_head_build(&b, &s);
	T_OK(bytes_eq(bytes_of(s.p, s.n), p.raw), "  written as it was");
}

/* As a whole message, from a copy: the corpus is not ours to change. */
static void test_message(const char *dir, size_t i)
{
	AUTO(queue_dir_close) struct queue_dir *d = NULL;
	char head[64], body[64];
	struct queue_entry e;
	struct fixture f;
	struct err err = { .text = "" };
	int r;

	fixture_init(&f);
	(void)snprintf(head, sizeof(head), "%s-H", samples[i].id);
	(void)snprintf(body, sizeof(body), "%s-D", samples[i].id);
	put_bytes(f.in, head, get(dir, head));
	if (samples[i].has_body)
		put_bytes(f.in, body, get(dir, body));
	d = open_queue(&f, "exim", f.in);
	r = queue_claim(d, NULL, samples[i].id, f.a, &e, &err);
	if (samples[i].has_body)
		T_OK(r == 0 && e.body_offset == 19 && strcmp(e.id, samples[i].id) == 0,
		     "  claimed with its body: %s", err.text);
	else
		T_OK(r == -EBADMSG, "  its body is missing: %s", err.text);
	fixture_fini(&f);
}

int main(void)
{
	const char *corpus = getenv("SALLYPORT_CORPUS");
	struct arena *a;
	char dir[512];

	if (corpus == NULL)
		return t_skip_all("SALLYPORT_CORPUS does not name the unpacked corpus");
	a = arena_new(MIB);
	for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
		(void)snprintf(dir, sizeof(dir), "%s/queue-samples/%s", corpus, samples[i].dir);
		test_head(dir, i, a);
		test_message(dir, i);
		arena_reset(a);
	}
	arena_free(&a);
	return t_done();
}
