/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf/scan_cost.c - processor time of our scan of a message beside what the engines in it cost.
 *
 * The engines' calls are wrapped (ld --wrap, perf/meson.build) and timed where our scan makes them,
 * so that both sides see the same bytes in the same run; our callbacks inside an engine's call
 * count as ours. "bare" is the same contents given to an engine of its own, without our callbacks
 * and limits. Figures are the best of several rounds over all messages.
 */
#include <archive.h>
#include <clamav.h>
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <gmime/gmime.h>
#include <hs.h>
#include <magic.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/num.h"
#include "mime/mime.h"
#include "policy/policy.h"
#include "scan/scan.h"
#include "scan/verdict_cache.h"
#include "tests/mime/file.h"

enum { MAIL_MAX = 5000, MAIL_BYTES_MAX = 2 << 20, ARENA_BYTES = 512 << 20, CACHE_ENTRIES = 65536 };

enum stage { CLAMAV, LIBMAGIC, HYPERSCAN, LIBARCHIVE, CALLBACKS, STAGES };

static const char *const stage_names[STAGES] = {
	"libclamav", "libmagic", "Hyperscan", "libarchive", "our callbacks in libclamav",
};

static struct {
	uint64_t ns[STAGES], calls[STAGES];
} spent;

/* What the engines were shown, kept once for the bare runs. */
static struct contents {
	struct bytes v[100000];
	size_t n;
} clamav_saw, magic_saw;
static bool recording;

static void keep(struct contents *c, struct bytes b)
{
	uint8_t *copy;

	if (!recording || c->n == sizeof(c->v) / sizeof(c->v[0]) || b.n == 0)
		return;
	copy = malloc(b.n);
	if (copy == NULL)
		return;
	memcpy(copy, b.p, b.n);
	c->v[c->n++] = bytes_of(copy, b.n);
}

static uint64_t begin(void)
{
	return clock_thread_cpu_ns();
}

static void end(enum stage s, uint64_t since)
{
	spent.ns[s] += clock_thread_cpu_ns() - since;
	spent.calls[s]++;
}

/* --- wrapped calls --- */

#define WRAPPED(type, name, stage, parameters, arguments)                                          \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		uint64_t since = begin();                                                          \
		type r = __real_##name arguments;                                                  \
                                                                                                   \
		end(stage, since);                                                                 \
		return r;                                                                          \
	}

WRAPPED(cl_error_t, cl_scanmap_callback, CLAMAV,
	(cl_fmap_t * map, const char *filename, const char **virus, unsigned long *scanned,
	 const struct cl_engine *engine, struct cl_scan_options *options, void *context),
	(map, filename, virus, scanned, engine, options, context))
WRAPPED(hs_error_t, hs_scan, HYPERSCAN,
	(const hs_database_t *db, const char *data, unsigned int length, unsigned int flags,
	 hs_scratch_t *scratch, match_event_handler handler, void *context),
	(db, data, length, flags, scratch, handler, context))
WRAPPED(int, archive_read_next_header, LIBARCHIVE,
	(struct archive * a, struct archive_entry **entry), (a, entry))
WRAPPED(la_ssize_t, archive_read_data_block, LIBARCHIVE,
	(struct archive * a, const void **block, size_t *n, la_int64_t *offset),
	(a, block, n, offset))
WRAPPED(int, archive_read_open_memory, LIBARCHIVE,
	(struct archive * a, const void *content, size_t n), (a, content, n))

cl_fmap_t *__real_cl_fmap_open_memory(const void *start, size_t len);
cl_fmap_t *__wrap_cl_fmap_open_memory(const void *start, size_t len);
cl_fmap_t *__wrap_cl_fmap_open_memory(const void *start, size_t len)
{
	keep(&clamav_saw, bytes_of(start, len));
	return __real_cl_fmap_open_memory(start, len);
}

const char *__real_magic_descriptor(magic_t m, int fd);
const char *__wrap_magic_descriptor(magic_t m, int fd);
const char *__wrap_magic_descriptor(magic_t m, int fd)
{
	static uint8_t content[MAIL_BYTES_MAX];
	const char *r;
	uint64_t since;

	if (recording) {
		ssize_t n = pread(fd, content, sizeof(content), 0);

		keep(&magic_saw, bytes_of(content, n < 0 ? 0 : (size_t)n));
	}
	since = begin();
	r = __real_magic_descriptor(m, fd);
	end(LIBMAGIC, since);
	return r;
}

/* Our callbacks run inside libclamav's time. */
static clcb_file_inspection inspect;
static clcb_meta meta;

static cl_error_t timed_inspect(int fd, const char *type, const char **ancestors, size_t parent,
				const char *name, size_t size, const char *buffer, uint32_t level,
				uint32_t attributes, void *context)
{
	uint64_t since = begin();
	cl_error_t r = inspect(fd, type, ancestors, parent, name, size, buffer, level, attributes,
			       context);

	end(CALLBACKS, since);
	return r;
}

static cl_error_t timed_meta(const char *type, unsigned long csize, const char *name,
			     unsigned long size, int encrypted, unsigned position, void *context)
{
	uint64_t since = begin();
	cl_error_t r = meta(type, csize, name, size, encrypted, position, context);

	end(CALLBACKS, since);
	return r;
}

void __real_cl_engine_set_clcb_file_inspection(struct cl_engine *e, clcb_file_inspection fn);
void __wrap_cl_engine_set_clcb_file_inspection(struct cl_engine *e, clcb_file_inspection fn);
void __wrap_cl_engine_set_clcb_file_inspection(struct cl_engine *e, clcb_file_inspection fn)
{
	inspect = fn;
	__real_cl_engine_set_clcb_file_inspection(e, timed_inspect);
}

void __real_cl_engine_set_clcb_meta(struct cl_engine *e, clcb_meta fn);
void __wrap_cl_engine_set_clcb_meta(struct cl_engine *e, clcb_meta fn);
void __wrap_cl_engine_set_clcb_meta(struct cl_engine *e, clcb_meta fn)
{
	meta = fn;
	__real_cl_engine_set_clcb_meta(e, timed_meta);
}

/* --- mail --- */

static struct {
	struct bytes v[MAIL_MAX];
	size_t n, bytes;
} mails;

static int add_mail(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	struct bytes m;

	(void)ftw;
	if (type != FTW_F || st->st_size < 200 || st->st_size > MAIL_BYTES_MAX ||
	    mails.n == MAIL_MAX || strstr(path, ".json") != NULL || strstr(path, ".gz") != NULL)
		return 0;
	m = file_read(path);
	/* A message begins with a header field. */
	if (m.n == 0 || memchr(m.p, ':', MIN_OF(m.n, 60u)) == NULL)
		return 0;
	mails.v[mails.n++] = m;
	return 0;
}

static void thin_out(size_t wanted)
{
	size_t step = MAX_OF(mails.n / MAX_OF(wanted, 1u), 1u), n = 0;

	for (size_t i = 0; i < mails.n && n < wanted; i += step)
		mails.v[n++] = mails.v[i];
	mails.n = n;
	for (size_t i = 0; i < n; i++)
		mails.bytes += mails.v[i].n;
}

/* --- set-up --- */

struct bench {
	const char *signatures, *rules, *tmp;
	size_t messages, rounds;
	bool full;
	struct conf *conf;
	struct scan_engine *engine;
	struct arena *arena, *kept;  /* of the message; of the request */
	struct verdict_cache *cache; /* the gateway's side */
	struct scan_request request;
	struct cl_engine *bare_clamav;
	magic_t bare_magic;
	uint64_t limit_n, failed_n;
};

static void die(const char *what, const struct err *err)
{
	(void)fprintf(stderr, "scan_cost: %s: %s\n", what, err == NULL ? "failed" : err->text);
	exit(1);
}

static void add_file(struct conf_source *s, const char *to, const char *dir, const char *name)
{
	char path[4096];
	struct bytes content;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	content = file_read(path);
	if (content.n == 0 || conf_source_add(s, to, CONF_FILE, false, content) < 0)
		die(path, NULL);
}

static void load_conf(struct bench *b)
{
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	char text[4096];
	struct err err;

	(void)snprintf(text, sizeof(text),
		       "ClamAV Database Directory = %s\nVirus Scanners = auto\n"
		       "Filename Rules = /b/names\nFiletype Rules = /b/types\n"
		       "Archives: Filename Rules = /b/names\nArchives: Filetype Rules = /b/types\n"
		       "Maximum Archive Depth = 8\nClamAV Full Message Scan = %s\n",
		       b->signatures, b->full ? "yes" : "no");
	if (report == NULL || conf_source_memory(&s, &err) < 0 ||
	    conf_source_add(s, "/b/sallyport.conf", CONF_FILE, false, bytes_str(text)) < 0)
		die("configuration", NULL);
	add_file(s, "/b/names", b->rules, "filename.rules.conf");
	add_file(s, "/b/types", b->rules, "filetype.rules.conf");
	if (conf_load(&b->conf, s, "/b/sallyport.conf", report, &err) < 0)
		die("configuration", &err);
}

static void load_bare(struct bench *b)
{
	size_t look = 7u << 20; /* as scan/types.c */
	unsigned n = 0;

	b->bare_clamav = cl_engine_new();
	if (b->bare_clamav == NULL ||
	    cl_load(b->signatures, b->bare_clamav, &n, CL_DB_STDOPT) != CL_SUCCESS)
		die("bare libclamav", NULL);
	(void)cl_engine_set_num(b->bare_clamav, CL_ENGINE_DISABLE_CACHE, 1);
	(void)cl_engine_set_str(b->bare_clamav, CL_ENGINE_TMPDIR, b->tmp);
	if (cl_engine_compile(b->bare_clamav) != CL_SUCCESS)
		die("bare libclamav", NULL);
	b->bare_magic = magic_open(MAGIC_NONE);
	if (b->bare_magic == NULL || magic_load(b->bare_magic, NULL) < 0)
		die("bare libmagic", NULL);
	(void)magic_setparam(b->bare_magic, MAGIC_PARAM_BYTES_MAX, &look);
}

static void load(struct bench *b)
{
	static const struct conf_who who = { .from = "a@origin.test", .client_ip = "192.0.2.7" };
	struct err err;
	int fd = -1;

	load_conf(b);
	if (scan_engine_new(&b->engine, b->conf, &err) < 0)
		die("engine", &err);
	b->kept = arena_new(1 << 20);
	if (b->kept == NULL || policy_request(b->conf, &who, b->kept, &b->request, &err) < 0)
		die("request", NULL);
	if (verdict_cache_new(&b->cache, CACHE_ENTRIES, &fd, &err) < 0)
		die("verdict cache", &err);
	(void)close(fd);
	b->arena = arena_new(ARENA_BYTES);
	if (b->arena == NULL)
		die("arena", NULL);
	load_bare(b);
}

/* --- rounds; each returns nanoseconds --- */

static void learn(struct bench *b, const struct facts *f)
{
	for (size_t i = 0; i < f->verdicts_n; i++)
		verdict_cache_put(b->cache, scan_engine_generation(b->engine), &f->verdicts[i], 0);
}

static void note(struct bench *b, const struct facts *f)
{
	b->limit_n += f->checks[CHECK_VIRUS].state == CHECK_LIMIT;
	b->failed_n += f->checks[CHECK_VIRUS].state == CHECK_FAILED;
}

static double ours(struct bench *b, struct scanner *s)
{
	uint64_t sum = 0;

	memset(&spent, 0, sizeof(spent));
	for (size_t i = 0; i < mails.n; i++) {
		struct facts f;
		struct err err;
		uint64_t since = begin();
		int r = scan_message(s, &b->request, mails.v[i], b->arena, &f, &err);

		sum += clock_thread_cpu_ns() - since;
		if (r < 0)
			die("scan", &err);
		if (recording) {
			learn(b, &f);
			note(b, &f);
		}
		since = begin();
		arena_reset(b->arena);
		sum += clock_thread_cpu_ns() - since;
	}
	return (double)sum;
}

static double bare_gmime(void)
{
	uint64_t since = begin();

	for (size_t i = 0; i < mails.n; i++) {
		GByteArray *array =
			g_byte_array_new_take((guint8 *)(uintptr_t)mails.v[i].p, mails.v[i].n);
		GMimeStream *stream = g_mime_stream_mem_new_with_byte_array(array);
		GMimeParser *parser;
		GMimeMessage *m;

		g_mime_stream_mem_set_owner((GMimeStreamMem *)stream, FALSE);
		parser = g_mime_parser_new_with_stream(stream);
		g_mime_parser_set_persist_stream(parser, TRUE);
		m = g_mime_parser_construct_message(parser, NULL);
		if (m != NULL)
			g_object_unref(m);
		g_object_unref(parser);
		g_object_unref(stream);
		(void)g_byte_array_free(array, FALSE);
	}
	return (double)(clock_thread_cpu_ns() - since);
}

static double bare_clamav(struct bench *b)
{
	struct cl_scan_options options = { .general = CL_SCAN_GENERAL_HEURISTICS, .parse = ~0u };
	uint64_t since = begin();

	for (size_t i = 0; i < clamav_saw.n; i++) {
		struct bytes c = clamav_saw.v[i];
		cl_fmap_t *map = __real_cl_fmap_open_memory(c.p, c.n);
		const char *name = NULL;
		unsigned long scanned = 0;

		if (map == NULL)
			die("bare libclamav", NULL);
		(void)__real_cl_scanmap_callback(map, NULL, &name, &scanned, b->bare_clamav,
						 &options, NULL);
		cl_fmap_close(map);
	}
	return (double)(clock_thread_cpu_ns() - since);
}

static double bare_magic(struct bench *b)
{
	uint64_t since = begin();

	for (size_t i = 0; i < magic_saw.n; i++)
		(void)magic_buffer(b->bare_magic, magic_saw.v[i].p, magic_saw.v[i].n);
	return (double)(clock_thread_cpu_ns() - since);
}

/* --- figures --- */

struct figures {
	double total, stage[STAGES];
};

static void take(struct figures *best, double total)
{
	if (total >= best->total)
		return;
	best->total = total;
	for (int i = 0; i < STAGES; i++)
		best->stage[i] = (double)spent.ns[i];
}

static void row(const char *name, double ns, double total)
{
	printf("  %-34s %9.1f us/message  %5.1f %%\n", name, ns / 1e3 / (double)mails.n,
	       100 * ns / total);
}

static void show(const char *title, const struct figures *f, double gmime, double against)
{
	double own = f->total - gmime + f->stage[CALLBACKS];

	printf("%s: %.1f us/message\n", title, f->total / 1e3 / (double)mails.n);
	for (int i = 0; i < STAGES; i++) {
		row(stage_names[i], i == CLAMAV ? f->stage[i] - f->stage[CALLBACKS] : f->stage[i],
		    f->total);
		if (i != CALLBACKS)
			own -= f->stage[i];
	}
	row("GMime (bare parse)", gmime, f->total);
	row("our part", own, f->total);
	printf("  our part against the engines alone: %.1f %%; whole against the cold scan: %.2f\n",
	       100 * own / (f->total - own), f->total / against);
}

static void measure(struct bench *b)
{
	struct figures cold = { .total = 1e18 }, warm = { .total = 1e18 };
	double gmime = 1e18, clamav = 1e18, magic = 1e18;
	struct scanner *s = NULL, *cached = NULL;
	struct err err;

	if (scanner_new(&s, b->engine, b->tmp, NULL, &err) < 0 ||
	    scanner_new(&cached, b->engine, b->tmp, b->cache, &err) < 0)
		die("scanner", &err);
	recording = true;
	(void)ours(b, s);
	recording = false;
	for (size_t i = 0; i < b->rounds; i++) {
		take(&cold, ours(b, s));
		take(&warm, ours(b, cached));
		gmime = MIN_OF(gmime, bare_gmime());
		clamav = MIN_OF(clamav, bare_clamav(b));
		magic = MIN_OF(magic, bare_magic(b));
	}
	printf("%zu messages, mean %zu bytes; %s; %zu rounds, best; libclamav was shown %zu "
	       "contents, "
	       "libmagic %zu; virus check: %llu at a limit, %llu failed\n",
	       mails.n, mails.bytes / mails.n, scan_engine_describe(b->engine), b->rounds,
	       clamav_saw.n, magic_saw.n, (unsigned long long)b->limit_n,
	       (unsigned long long)b->failed_n);
	show("scan", &cold, gmime, cold.total);
	show("scan, verdict cache warm", &warm, gmime, cold.total);
	printf("the same contents, bare: libclamav %.1f us/message (in our scan %.2f of it), "
	       "libmagic %.1f (%.2f)\n",
	       clamav / 1e3 / (double)mails.n,
	       (cold.stage[CLAMAV] - cold.stage[CALLBACKS]) / MAX_OF(clamav, 1.0),
	       magic / 1e3 / (double)mails.n, cold.stage[LIBMAGIC] / MAX_OF(magic, 1.0));
	scanner_free(&s);
	scanner_free(&cached);
}

static void usage(void)
{
	printf("Usage: scan_cost [--messages N] [--rounds N] [--signatures DIR] [--rules DIR] "
	       "[--full]\n"
	       "Mail: $SALLYPORT_CORPUS/mail-ham and mail-spam. --full: the whole message is "
	       "shown to\nlibclamav, too. Defaults: 300 messages, 5 rounds, tests/data of the "
	       "source tree.\n");
}

static size_t number(const char *text)
{
	uint64_t n;

	if (num_parse(bytes_str(text), 10, MAIL_MAX, &n) < 0) {
		usage();
		exit(64);
	}
	return (size_t)n;
}

static void options(struct bench *b, int argc, char **argv)
{
	static const struct option known[] = {
		{ "messages", required_argument, NULL, 'm' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "signatures", required_argument, NULL, 's' },
		{ "rules", required_argument, NULL, 'R' },
		{ "full", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
		switch (c) {
		case 'm':
			b->messages = number(optarg);
			break;
		case 'r':
			b->rounds = number(optarg);
			break;
		case 's':
			b->signatures = optarg;
			break;
		case 'R':
			b->rules = optarg;
			break;
		case 'f':
			b->full = true;
			break;
		default:
			usage();
			exit(c == 'h' ? 0 : 64);
		}
}

int main(int argc, char **argv)
{
	struct bench b = { .signatures = SOURCE_ROOT "/tests/data/signatures",
			   .rules = SOURCE_ROOT "/tests/data/rules",
			   .messages = 300,
			   .rounds = 5 };
	const char *corpus = getenv("SALLYPORT_CORPUS");
	char tmp[] = "/dev/shm/scan-cost-XXXXXX", path[4096];

	options(&b, argc, argv);
	if (corpus == NULL) {
		(void)fprintf(stderr, "scan_cost: SALLYPORT_CORPUS is not set: skipped\n");
		return 77;
	}
	(void)snprintf(path, sizeof(path), "%s/mail-ham", corpus);
	(void)nftw(path, add_mail, 20, FTW_PHYS);
	(void)snprintf(path, sizeof(path), "%s/mail-spam", corpus);
	(void)nftw(path, add_mail, 20, FTW_PHYS);
	thin_out(b.messages);
	b.tmp = mkdtemp(tmp);
	if (mails.n == 0 || b.tmp == NULL || b.rounds == 0)
		die("no mail or no temporary directory", NULL);
	load(&b);
	measure(&b);
	(void)rmdir(tmp);
	return 0;
}
