/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf/scan_bench.c - CPU of the whole pipeline beside the bare engines on the same messages.
 *
 * scan_bench SIGNATURES FILE... runs each message through scan_message(), and through the least
 * that any program would do: GMime parses and decodes, libclamav scans each leaf (its cache off, as
 * in ours), libmagic names its type, Hyperscan looks at its name. Rounds of both alternate; the
 * best of each counts. It prints ratios: they mean the same on every machine, seconds do not.
 *
 * Archives are taken apart by libclamav alone on the bare side, so that a corpus with many of them
 * shows what our own reading of them costs.
 */
#include <clamav.h>
#include <gmime/gmime.h>
#include <hs/hs.h>
#include <magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "scan/scan.h"
#include "tests/conf/site.h"
#include "tests/mime/file.h"

enum { ROUNDS = 3, ARENA_BYTES = 1 << 30 };

static const char rules_text[] =
	"deny\t\\.(exe|scr|pif|com|bat|cmd|vbs|js)$\tprogram\tNo programs\n"
	"deny\t\\{[a-hA-H0-9-]{25,}\\}\tCLSID\tHidden type\n"
	"deny\t\\s{10,}\tblanks\tToo many blanks\n";

struct mails {
	struct bytes *v;
	size_t n, bytes;
};

struct bare {
	struct cl_engine *cl;
	magic_t magic;
	hs_database_t *db;
	hs_scratch_t *scratch;
	size_t leaves, found;
};

/* --- bare --- */

static void bare_open(struct bare *b, const char *signatures)
{
	static const char *const patterns[] = { "\\.(exe|scr|pif|com|bat|cmd|vbs|js)$",
						"\\{[a-hA-H0-9-]{25,}\\}", "\\s{10,}" };
	static const unsigned flags[] = { HS_FLAG_CASELESS, HS_FLAG_CASELESS, HS_FLAG_CASELESS };
	static const unsigned ids[] = { 0, 1, 2 };
	hs_compile_error_t *error = NULL;
	unsigned n = 0;

	b->cl = cl_engine_new();
	if (b->cl == NULL || cl_load(signatures, b->cl, &n, CL_DB_STDOPT) != CL_SUCCESS ||
	    cl_engine_set_num(b->cl, CL_ENGINE_DISABLE_CACHE, 1) != CL_SUCCESS ||
	    cl_engine_compile(b->cl) != CL_SUCCESS)
		abort();
	b->magic = magic_open(MAGIC_NONE);
	if (b->magic == NULL || magic_load(b->magic, NULL) < 0)
		abort();
	if (hs_compile_multi(patterns, flags, ids, 3, HS_MODE_BLOCK, NULL, &b->db, &error) !=
		    HS_SUCCESS ||
	    hs_alloc_scratch(b->db, &b->scratch) != HS_SUCCESS)
		abort();
}

static int on_match(unsigned id UNUSED, unsigned long long from UNUSED,
		    unsigned long long to UNUSED, unsigned flags UNUSED, void *arg)
{
	++*(size_t *)arg;
	return 0;
}

static void bare_scan(struct bare *b, struct bytes content)
{
	struct cl_scan_options options = { .general = CL_SCAN_GENERAL_HEURISTICS,
					   .parse = ~0u,
					   .heuristic = CL_SCAN_HEURISTIC_EXCEEDS_MAX };
	const char *name = NULL;
	unsigned long scanned = 0;
	cl_fmap_t *map;

	if (content.n == 0)
		return;
	map = cl_fmap_open_memory(content.p, content.n);
	if (map == NULL)
		abort();
	b->found +=
		cl_scanmap_callback(map, NULL, &name, &scanned, b->cl, &options, NULL) == CL_VIRUS;
	cl_fmap_close(map);
}

static void bare_leaf(GMimeObject *parent G_GNUC_UNUSED, GMimeObject *part, gpointer user)
{
	struct bare *b = user;
	GMimeDataWrapper *wrapper;
	GMimeStream *stream;
	GByteArray *bytes;
	const char *name;

	if (!GMIME_IS_PART(part))
		return;
	wrapper = g_mime_part_get_content((GMimePart *)part);
	if (wrapper == NULL)
		return;
	stream = g_mime_stream_mem_new();
	(void)g_mime_data_wrapper_write_to_stream(wrapper, stream);
	bytes = g_mime_stream_mem_get_byte_array((GMimeStreamMem *)stream);
	b->leaves++;
	name = g_mime_part_get_filename((GMimePart *)part);
	if (name != NULL)
		(void)hs_scan(b->db, name, (unsigned)strlen(name), 0, b->scratch, on_match,
			      &b->found);
	(void)magic_buffer(b->magic, bytes->data, bytes->len);
	bare_scan(b, bytes_of(bytes->data, bytes->len));
	g_object_unref(stream);
}

static void bare_message(struct bare *b, struct bytes m, bool whole)
{
	GByteArray *array = g_byte_array_new_take((guint8 *)(uintptr_t)m.p, m.n);
	GMimeStream *stream = g_mime_stream_mem_new_with_byte_array(array);
	GMimeParser *parser;
	GMimeMessage *msg;

	g_mime_stream_mem_set_owner((GMimeStreamMem *)stream, FALSE);
	parser = g_mime_parser_new_with_stream(stream);
	msg = g_mime_parser_construct_message(parser, NULL);
	if (msg != NULL) {
		g_mime_message_foreach(msg, bare_leaf, b);
		g_object_unref(msg);
	}
	g_object_unref(parser);
	g_object_unref(stream);
	(void)g_byte_array_free(array, FALSE);
	if (whole)
		bare_scan(b, m);
}

/* --- ours --- */

struct ours {
	struct site site;
	struct scan_engine *engine;
	struct scanner *scanner;
	struct arena *arena;
	size_t parts, findings, messages;
	uint64_t us[CHECK_COUNT];
};

static void ours_open(struct ours *o, const char *signatures, const char *tmp_dir)
{
	struct err err = { .kind = ERR_NONE };
	char text[2048];

	(void)snprintf(text, sizeof(text),
		       "ClamAV Database Directory = %s\nFilename Rules = /site/names.conf\n"
		       "Archives: Filename Rules = /site/names.conf\n",
		       signatures);
	site_open(&o->site);
	site_file(&o->site, SITE_MAIN, text);
	site_file(&o->site, "/site/names.conf", rules_text);
	site_load(&o->site);
	o->arena = arena_new(ARENA_BYTES);
	if (o->site.conf == NULL || o->arena == NULL ||
	    scan_engine_new(&o->engine, o->site.conf, &err) < 0 ||
	    scanner_new(&o->scanner, o->engine, tmp_dir, NULL, &err) < 0) {
		(void)fprintf(stderr, "%s %s\n", o->site.err.text, err.text);
		exit(1);
	}
}

static void ours_message(struct ours *o, struct bytes m, bool whole, const char *name)
{
	struct scan_request r = { .virus_scanning = true,
				  .full_message_scan = whole,
				  .dangerous_content = true,
				  .check_types = true,
				  .find_archives_by_content = true,
				  .unpack_documents = true,
				  .expand_tnef = true,
				  .max_attachments = -1,
				  .max_attachment_bytes = -1,
				  .min_attachment_bytes = -1,
				  .archives_are = "zro",
				  .limits = budget_default_limits,
				  .id = "bench" };
	struct facts f;

	for (size_t i = 0; i < SCAN_RULES_SETS; i++) {
		r.rules[i].name_rules = "/site/names.conf";
		r.rules[i].deny_types = "executable";
	}
	arena_reset(o->arena);
	if (scan_message(o->scanner, &r, m, o->arena, &f, NULL) < 0)
		return;
	o->parts += f.parts_n;
	o->findings += f.findings_n;
	o->messages++;
	for (size_t i = 0; i < CHECK_COUNT; i++)
		o->us[i] += f.checks[i].us;
	for (size_t i = 0; name != NULL && i < CHECK_COUNT; i++)
		if (f.checks[i].state != CHECK_RAN && f.checks[i].state != CHECK_SKIPPED)
			printf("# %s: %s %s: %s\n", name, check_name((enum check_id)i),
			       check_state_name(f.checks[i].state),
			       f.checks[i].why == NULL ? "" : f.checks[i].why);
	for (size_t i = 0; name != NULL && i < f.findings_n; i++)
		printf("# %s: %s: %s\n", name, f.findings[i].name, f.findings[i].report);
}

static void compare(struct bare *b, struct ours *o, const struct mails *ms, bool whole)
{
	uint64_t best[2] = { UINT64_MAX, UINT64_MAX };

	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t t = clock_thread_cpu_ns(), middle;

		for (size_t i = 0; i < ms->n; i++)
			bare_message(b, ms->v[i], whole);
		middle = clock_thread_cpu_ns();
		for (size_t i = 0; i < ms->n; i++)
			ours_message(o, ms->v[i], whole, NULL);
		best[0] = MIN_OF(best[0], middle - t);
		best[1] = MIN_OF(best[1], clock_thread_cpu_ns() - middle);
	}
	printf("%s: bare %.0f us a message, ours %.0f us, ratio %.2f\n",
	       whole ? "leaves and whole message" : "leaves",
	       (double)best[0] / (double)ms->n / 1000, (double)best[1] / (double)ms->n / 1000,
	       (double)best[1] / (double)best[0]);
}

static void show_checks(const struct ours *o)
{
	printf("wall us a message:");
	for (size_t i = 0; i < CHECK_COUNT && o->messages > 0; i++)
		printf(" %s %.0f", check_name((enum check_id)i),
		       (double)o->us[i] / (double)o->messages);
	printf("\n");
}

int main(int argc, char **argv)
{
	char tmp_dir[] = "/tmp/scan-bench-XXXXXX";
	struct mails ms = { .v = calloc((size_t)argc, sizeof(struct bytes)) };
	struct bare b = { .leaves = 0 };
	struct ours o = { .parts = 0 };

	if (argc < 3 || ms.v == NULL || mkdtemp(tmp_dir) == NULL) {
		(void)fprintf(stderr, "usage: scan_bench SIGNATURES FILE...\n");
		return 64;
	}
	for (int i = 2; i < argc; i++) {
		ms.v[ms.n] = file_read(argv[i]);
		ms.bytes += ms.v[ms.n].n;
		ms.n += ms.v[ms.n].n > 0;
	}
	ours_open(&o, argv[1], tmp_dir);
	bare_open(&b, argv[1]);
	if (getenv("SCAN_BENCH_VERBOSE") != NULL) {
		for (size_t i = 0; i < ms.n; i++)
			ours_message(&o, ms.v[i], true, argv[i + 2]);
		return 0;
	}
	printf("%zu messages, %zu bytes\n", ms.n, ms.bytes);
	compare(&b, &o, &ms, false);
	compare(&b, &o, &ms, true);
	printf("parts %zu, leaves %zu\n", o.parts, b.leaves);
	show_checks(&o);
	(void)rmdir(tmp_dir);
	return 0;
}
