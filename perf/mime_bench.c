/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf/mime_bench.c - what our reading of mail costs beside bare GMime on the same messages.
 *
 * mime_bench FILE... prints ratios: they mean the same on every machine, seconds do not. Each
 * figure is the best of several rounds over all files; rounds of both sides alternate.
 */
#include <gmime/gmime.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/clock.h"
#include "mime/decode.h"
#include "mime/mime.h"
#include "tests/mime/file.h"

enum { ROUNDS = 7, ARENA_BYTES = 512 << 20, SMALL_BYTES = 1 << 20 };

struct mails {
	struct bytes *v;
	size_t n, bytes;
};

static GMimeMessage *bare_parse(struct bytes m)
{
	GByteArray *array = g_byte_array_new_take((guint8 *)(uintptr_t)m.p, m.n);
	GMimeStream *stream = g_mime_stream_mem_new_with_byte_array(array);
	GMimeParser *parser;
	GMimeMessage *msg;

	g_mime_stream_mem_set_owner((GMimeStreamMem *)stream, FALSE);
	parser = g_mime_parser_new_with_stream(stream);
	g_mime_parser_set_persist_stream(parser, TRUE);
	msg = g_mime_parser_construct_message(parser, NULL);
	g_object_unref(parser);
	g_object_unref(stream);
	(void)g_byte_array_free(array, FALSE);
	return msg;
}

/* What any user of GMime would ask: the name of each part. */
static void bare_walk(GMimeObject *parent G_GNUC_UNUSED, GMimeObject *part, gpointer user)
{
	size_t *names = user;

	if (GMIME_IS_PART(part) && g_mime_part_get_filename((GMimePart *)part) != NULL)
		++*names;
}

static void run_bare(const struct mails *ms, size_t *sum)
{
	for (size_t i = 0; i < ms->n; i++) {
		GMimeMessage *msg = bare_parse(ms->v[i]);

		if (msg == NULL)
			continue;
		g_mime_message_foreach(msg, bare_walk, sum);
		g_object_unref(msg);
	}
}

static void run_ours(const struct mails *ms, struct arena *a, bool decode, size_t *sum)
{
	for (size_t i = 0; i < ms->n; i++) {
		struct budget b;
		struct mime_tree t;

		arena_reset(a);
		budget_init(&b, &budget_default_limits, ms->v[i].n, 0);
		if (mime_prelimits(ms->v[i], &b, NULL) < 0 ||
		    mime_parse(&t, ms->v[i], a, &b, NULL) < 0)
			continue;
		for (struct mime_part *p = t.root; p != NULL; p = mime_next(p)) {
			*sum += p->names != NULL;
			if (decode && mime_is_leaf(p) && mime_decode(p, a, &b, NULL) < 0)
				break;
		}
	}
}

static void run_prelimits(const struct mails *ms, size_t *sum)
{
	for (size_t i = 0; i < ms->n; i++) {
		struct budget b;

		budget_init(&b, &budget_default_limits, ms->v[i].n, 0);
		*sum += mime_prelimits(ms->v[i], &b, NULL) == 0;
	}
}

enum side { BARE, OURS, OURS_DECODED, PRELIMITS, SIDES };

static double round_of(enum side side, const struct mails *ms, struct arena *a, size_t *sum)
{
	uint64_t start = clock_thread_cpu_ns();

	if (side == BARE)
		run_bare(ms, sum);
	else if (side == PRELIMITS)
		run_prelimits(ms, sum);
	else
		run_ours(ms, a, side == OURS_DECODED, sum);
	return (double)(clock_thread_cpu_ns() - start);
}

static void bench_parse(const char *name, const struct mails *ms)
{
	struct arena *a = arena_new(ARENA_BYTES);
	double best[SIDES] = { 1e18, 1e18, 1e18, 1e18 };
	size_t sum = 0;

	if (a == NULL || ms->n == 0)
		return;
	for (int i = 0; i < ROUNDS; i++)
		for (int side = BARE; side < SIDES; side++) {
			double ns = round_of((enum side)side, ms, a, &sum);

			best[side] = MIN_OF(best[side], ns);
		}
	printf("%s: %zu messages, mean %zu bytes; bare GMime 1.00 (%.0f us/message), prelimits "
	       "%.3f, prelimits + parse + walk %.3f, with all leafs decoded %.3f\n",
	       name, ms->n, ms->bytes / ms->n, best[BARE] / 1e3 / (double)ms->n,
	       best[PRELIMITS] / best[BARE], best[OURS] / best[BARE],
	       best[OURS_DECODED] / best[BARE]);
	arena_free(&a);
	if (sum == 0)
		printf("no names at all\n");
}

/* @lines of @width characters of @alphabet. */
static struct bytes text_of(const char *alphabet, size_t width, size_t lines)
{
	size_t n = strlen(alphabet), at = 0;
	char *p = malloc((width + 2) * lines);
	unsigned x = 1;

	for (size_t i = 0; i < lines && p != NULL; i++) {
		for (size_t j = 0; j < width; j++) {
			x = x * 1103515245u + 12345u;
			p[at++] = alphabet[(x >> 16) % n];
		}
		p[at++] = '\r';
		p[at++] = '\n';
	}
	return bytes_of(p, at);
}

static double decode_ns(struct bytes in, GMimeContentEncoding encoding, bool ours, uint8_t *out)
{
	double best = 1e18;
	struct base64_clean lines;
	bool clean;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = clock_thread_cpu_ns();
		GMimeEncoding state;

		g_mime_encoding_init_decode(&state, encoding);
		if (!ours)
			(void)g_mime_encoding_step(&state, (const char *)in.p, in.n, (char *)out);
		else if (encoding == GMIME_CONTENT_ENCODING_BASE64)
			(void)base64_decode(out, in, &lines);
		else
			(void)qp_decode(out, in, &clean);
		start = clock_thread_cpu_ns() - start;
		best = MIN_OF(best, (double)start);
	}
	return best;
}

static void bench_decode(const char *name, struct bytes in, GMimeContentEncoding encoding)
{
	uint8_t *out = malloc(in.n * 2 + 64);
	double theirs, ours;

	if (out == NULL)
		return;
	theirs = decode_ns(in, encoding, false, out);
	ours = decode_ns(in, encoding, true, out);
	printf("%s: GMime 1.0 (%.0f MB/s), ours %.1f times as fast\n", name,
	       (double)in.n * 1e3 / theirs, theirs / ours);
	free(out);
	free((void *)(uintptr_t)in.p);
}

int main(int argc, char **argv)
{
	struct mails small = { .v = calloc((size_t)argc, sizeof(struct bytes)) };
	struct mails large = { .v = calloc((size_t)argc, sizeof(struct bytes)) };

	if (small.v == NULL || large.v == NULL)
		return 1;
	mime_init();
	for (int i = 1; i < argc; i++) {
		struct bytes m = file_read(argv[i]);
		struct mails *ms = m.n < SMALL_BYTES ? &small : &large;

		if (m.n == 0)
			continue;
		ms->v[ms->n++] = m;
		ms->bytes += m.n;
	}
	bench_parse("mail", &small);
	bench_parse("mail of 1 MiB and more", &large);
	bench_decode("base64",
		     text_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 76,
			     50000),
		     GMIME_CONTENT_ENCODING_BASE64);
	bench_decode("quoted-printable, few escapes",
		     text_of("the quick brown fox     ", 76, 50000),
		     GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
	return 0;
}
