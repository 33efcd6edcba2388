/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/clamav.c - libclamav in this process, on memory. What it stays silent about is made loud
 * here: a limit it ran into, a member it cut short or left out (it calls both clean), an error it
 * only logged.
 *
 * Its own cache of clean files is off: a file that is in it is not walked again, so that nobody
 * would learn a second time that a member was cut short or encrypted. The shared verdict cache
 * (scan/verdict_cache.h) remembers only what was looked at to the end.
 *
 * The HTML parser stays on for plain text, though leaving it out would be a third cheaper:
 * signatures on normalised text (target 7) do not match without it.
 */
#include <clamav.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fault.h"
#include "core/str.h"
#include "core/text.h"
#include "scan/check.h"

#define LIMITS_PREFIX   "Heuristics.Limits.Exceeded"
#define ZIP64_UNKNOWN   UINT32_MAX /* a 32-bit header's way to say "see elsewhere" */
#define MIN_RECURSION   17u        /* libclamav's own layers need some of it */
#define MAX_RECURSION   100u       /* libclamav takes no more */
#define DB_FILES_MAX    10000u
#define DESCRIPTION_MAX 256u

/* What libclamav is told about one message, in order of settings_of[]. */
enum { SETTINGS_N = 11 };

struct settings {
	long long v[SETTINGS_N];
};

/*
 * Threads share one engine, and libclamav keeps limits in the engine, not in the scan. Scans with
 * the same limits run side by side, others wait: with somebody else's smaller limit a member would
 * be cut that ours would have let pass, and called clean.
 */
struct turnstile {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct settings now;
	unsigned scanning_n;
	bool draining; /* somebody needs other limits: nobody begins until all have ended */
};

struct clam_engine {
	struct cl_engine *cl;
	unsigned scanners_n; /* more than one: the turnstile is used */
	struct turnstile turnstile;
	uint64_t generation;
	unsigned signatures_n;
	char description[DESCRIPTION_MAX];
};

struct clam_scanner {
	struct clam_engine *engine;
};

/* One scan; every callback gets it. */
struct scan {
	const struct clam_ask *ask;
	struct clam_result result;
	uint64_t max_file_bytes;
	unsigned found_n;
	char error[160]; /* what libclamav logged as an error */
};

/* The one variable that is not reached from a parameter: libclamav has one message callback for a
 * process, and calls it without a context just when it could not make its directory. */
static _Thread_local struct scan *current;

/* --- callbacks --- */

static void on_message(enum cl_msg severity, const char *fullmsg UNUSED, const char *msg,
		       void *context UNUSED)
{
	struct scan *scan = current;

	/* Without a scan it is loading: cl_load's result says what there is to say. */
	if (severity < CL_MSG_ERROR || scan == NULL || scan->error[0] != '\0')
		return;
	(void)snprintf(scan->error, sizeof(scan->error), "%s", msg);
	text_make_printable(scan->error);
}

static void cut_short(struct scan *scan, const char *name, uint64_t bytes)
{
	if (scan->result.limit[0] != '\0')
		return;
	scan->result.limit_kind = BUDGET_MEMBER_BYTES;
	(void)snprintf(scan->result.limit, sizeof(scan->result.limit),
		       "member of %llu bytes not scanned whole: %.30s", (unsigned long long)bytes,
		       name == NULL ? "(unnamed)" : name);
	text_make_printable(scan->result.limit);
}

/* Each member of an archive, also those that will not be unpacked. */
static cl_error_t on_member(const char *container_type UNUSED, unsigned long container_bytes UNUSED,
			    const char *name, unsigned long bytes, int encrypted,
			    unsigned int position UNUSED, void *context)
{
	struct scan *scan = context;

	if (encrypted != 0)
		scan->result.encrypted = true;
	if (scan->max_file_bytes != 0 && bytes > scan->max_file_bytes && bytes != ZIP64_UNKNOWN)
		cut_short(scan, name, bytes);
	return CL_CLEAN;
}

/* Each layer before it is scanned. A member that is exactly as long as the limit was cut there. */
static cl_error_t on_layer(int fd UNUSED, const char *type UNUSED, const char **ancestors UNUSED,
			   size_t parent_bytes UNUSED, const char *name, size_t bytes,
			   const char *buffer, uint32_t level, uint32_t attributes, void *context)
{
	struct scan *scan = context;
	const struct clam_ask *ask = scan->ask;

	if (level > 0 && scan->max_file_bytes != 0 && bytes >= scan->max_file_bytes)
		cut_short(scan, name, bytes);
	if (ask->layer != NULL && buffer != NULL && (attributes & LAYER_ATTRIBUTES_NORMALIZED) == 0)
		ask->layer(ask->arg, bytes_of(buffer, bytes));
	return CL_CLEAN;
}

static enum budget_limit limit_of(const char *name)
{
	static const struct {
		const char *word;
		enum budget_limit limit;
	} words[] = {
		{ "MaxFileSize", BUDGET_MEMBER_BYTES }, { "MaxScanSize", BUDGET_EXPANDED_BYTES },
		{ "MaxFiles", BUDGET_MEMBERS },         { "MaxRecursion", BUDGET_ARCHIVE_DEPTH },
		{ "MaxScanTime", BUDGET_CPU_MS },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strstr(name, words[i].word) != NULL)
			return words[i].limit;
	return BUDGET_EXPANDED_BYTES;
}

/* All that is found: a limit must not hide a virus, nor a virus a limit. */
static void on_found(int fd UNUSED, const char *name, void *context)
{
	struct scan *scan = context;
	bool is_limit = strncmp(name, LIMITS_PREFIX, sizeof(LIMITS_PREFIX) - 1) == 0;
	char *to = is_limit ? scan->result.limit : scan->result.virus;

	scan->found_n++;
	if (to[0] != '\0')
		return;
	(void)snprintf(to, sizeof(scan->result.virus), "%s", name);
	text_make_printable(to);
	if (is_limit)
		scan->result.limit_kind = limit_of(name);
}

/* --- engine --- */

/* Changes whenever a signature file does: its name, size and time. */
static int hash_directory(const char *dir, uint64_t *ret_hash, struct err *err)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	uint64_t hash = 0;
	size_t n = 0;

	if (d == NULL)
		return err_errno(err, "ClamAV Database Directory '%s'", dir);
	while ((e = readdir(d)) != NULL && n++ < DB_FILES_MAX) {
		uint64_t h = UINT64_C(0xcbf29ce484222325);
		struct stat st;

		if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, 0) < 0)
			continue;
		for (const char *p = e->d_name; *p != '\0'; p++)
			h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
		h = (h ^ (uint64_t)st.st_size) * UINT64_C(0x100000001b3);
		h = (h ^ (uint64_t)st.st_mtim.tv_sec) * UINT64_C(0x100000001b3);
		h = (h ^ (uint64_t)st.st_mtim.tv_nsec) * UINT64_C(0x100000001b3);
		hash += h; /* the order of a directory means nothing */
	}
	(void)closedir(d);
	*ret_hash = hash;
	return 0;
}

/* "main 62, daily 27000, " for those that are there. */
static void describe(struct clam_engine *e, const char *dir)
{
	static const char *const names[] = { "main", "daily", "bytecode" };
	static const char *const kinds[] = { "cld", "cvd" };
	AUTO(str_fini) struct str text;
	char path[4096];

	str_init(&text, DESCRIPTION_MAX - 1);
	for (size_t i = 0; i < ARRAY_LEN(names) * ARRAY_LEN(kinds); i++) {
		struct cl_cvd *head;

		(void)snprintf(path, sizeof(path), "%s/%s.%s", dir, names[i / 2], kinds[i % 2]);
		if (access(path, R_OK) != 0)
			continue;
		head = cl_cvdhead(path);
		if (head == NULL)
			continue;
		str_addf(&text, "%s %u, ", names[i / 2], head->version);
		cl_cvdfree(head);
	}
	str_addf(&text, "%u signatures", e->signatures_n);
	(void)snprintf(e->description, sizeof(e->description), "%s", str_view(&text));
}

static int load(struct clam_engine *e, const char *dir, struct err *err)
{
	cl_error_t rc;

	e->cl = cl_engine_new();
	if (e->cl == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "libclamav: no engine");
	rc = cl_load(dir, e->cl, &e->signatures_n, CL_DB_STDOPT);
	if (rc != CL_SUCCESS)
		return err_set(err, ERR_CONFIG, -EINVAL,
			       "ClamAV Database Directory '%s': %s; run freshclam, or name the "
			       "directory with the signatures",
			       dir, cl_strerror(rc));
	if (e->signatures_n == 0)
		return err_set(err, ERR_CONFIG, -ENOENT,
			       "ClamAV Database Directory '%s' holds no signatures; run freshclam, "
			       "or name the directory with the signatures",
			       dir);
	(void)cl_engine_set_num(e->cl, CL_ENGINE_DISABLE_CACHE, 1);
	rc = cl_engine_compile(e->cl);
	if (rc != CL_SUCCESS)
		return err_set(err, ERR_CONFIG, -EINVAL, "ClamAV signatures in '%s': %s", dir,
			       cl_strerror(rc));
	cl_engine_set_clcb_meta(e->cl, on_member);
	cl_engine_set_clcb_file_inspection(e->cl, on_layer);
	cl_engine_set_clcb_virus_found(e->cl, on_found);
	return 0;
}

int clam_engine_new(struct clam_engine **ret_e, const struct conf *c, struct err *err)
{
	AUTO(clam_engine_free) struct clam_engine *e = calloc(1, sizeof(*e));
	const char *dir = conf_str(c, OPT_CLAMAV_DATABASE_DIRECTORY, NULL);
	int r;

	if (e == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "libclamav: out of memory");
	(void)pthread_mutex_init(&e->turnstile.lock, NULL);
	(void)pthread_cond_init(&e->turnstile.changed, NULL);
	cl_set_clcb_msg(on_message);
	if (cl_init(CL_INIT_DEFAULT) != CL_SUCCESS)
		return err_set(err, ERR_CONFIG, -EINVAL, "libclamav does not start");
	r = hash_directory(dir, &e->generation, err);
	if (r < 0) {
		if (err != NULL)
			err->kind = ERR_CONFIG;
		return r;
	}
	r = load(e, dir, err);
	if (r < 0)
		return r;
	e->generation ^= e->signatures_n;
	describe(e, dir);
	*ret_e = TAKE(e);
	return 0;
}

void clam_engine_free(struct clam_engine **e)
{
	if (*e == NULL)
		return;
	if ((*e)->cl != NULL)
		(void)cl_engine_free((*e)->cl);
	free(*e);
	*e = NULL;
}

uint64_t clam_engine_generation(const struct clam_engine *e)
{
	return e->generation;
}

const char *clam_engine_describe(const struct clam_engine *e)
{
	return e->description;
}

int clam_scanner_new(struct clam_scanner **ret_s, struct clam_engine *e, const char *tmp_dir,
		     struct err *err)
{
	AUTO(clam_scanner_free) struct clam_scanner *s = calloc(1, sizeof(*s));
	cl_error_t rc;

	if (s == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "libclamav: out of memory");
	s->engine = e;
	e->scanners_n++;
	/* Siblings that were forked from one process make the same temporary names: in one
	 * directory they delete each other's files, and libclamav then says "clean". */
	rc = cl_engine_set_str(e->cl, CL_ENGINE_TMPDIR, tmp_dir);
	if (rc != CL_SUCCESS)
		return err_set(err, ERR_TEMP, -EINVAL, "libclamav: temporary directory '%s': %s",
			       tmp_dir, cl_strerror(rc));
	*ret_s = TAKE(s);
	return 0;
}

void clam_scanner_free(struct clam_scanner **s)
{
	if (*s != NULL)
		(*s)->engine->scanners_n--;
	free(*s);
	*s = NULL;
}

/* --- scanning --- */

static uint64_t ms_left(const struct budget *b)
{
	uint64_t max = b->limits.max[BUDGET_CPU_MS];
	uint64_t used = (clock_thread_cpu_ns() - b->cpu_start_ns) / 1000000;

	if (max == 0)
		return 0;
	return used < max ? max - used : 1;
}

static const enum cl_engine_field fields[] = {
	CL_ENGINE_MAX_SCANSIZE,
	CL_ENGINE_MAX_FILESIZE,
	CL_ENGINE_MAX_FILES,
	CL_ENGINE_MAX_RECURSION,
	CL_ENGINE_MAX_SCANTIME,
	/* These leave things out without a word: no smaller than a file may be. */
	CL_ENGINE_PCRE_MAX_FILESIZE,
	CL_ENGINE_MAX_EMBEDDEDPE,
	CL_ENGINE_MAX_HTMLNORMALIZE,
	CL_ENGINE_MAX_HTMLNOTAGS,
	CL_ENGINE_MAX_SCRIPTNORMALIZE,
	CL_ENGINE_MAX_ZIPTYPERCG,
};
_Static_assert(ARRAY_LEN(fields) == SETTINGS_N, "one value for each");

/* The budget of the message, in libclamav's words; 0 is "no limit" in both. @shared: threads scan
 * side by side, and what is left of a message's time must not be what another may use: each scan
 * may then take all of it, and the budget notices afterwards. */
static void settings_of(const struct clam_ask *ask, bool shared, struct settings *ret_s)
{
	const uint64_t *max = ask->budget->limits.max;
	uint64_t levels =
		max[BUDGET_ARCHIVE_DEPTH] + (ask->raw_message ? max[BUDGET_MIME_DEPTH] : 0);
	uint64_t files = max[BUDGET_MEMBERS] + (ask->raw_message ? max[BUDGET_PARTS] : 0);
	const uint64_t first[] = {
		max[BUDGET_EXPANDED_BYTES],
		max[BUDGET_MEMBER_BYTES],
		max[BUDGET_MEMBERS] == 0 ? 0 : files,
		MIN_OF(MAX_OF(levels + MIN_RECURSION / 2, MIN_RECURSION), MAX_RECURSION),
		shared ? max[BUDGET_CPU_MS] : ms_left(ask->budget),
	};

	for (size_t i = 0; i < SETTINGS_N; i++)
		ret_s->v[i] =
			(long long)(i < ARRAY_LEN(first) ? first[i] : max[BUDGET_MEMBER_BYTES]);
}

static void set_limits(struct cl_engine *cl, const struct settings *s)
{
	for (size_t i = 0; i < SETTINGS_N; i++)
		(void)cl_engine_set_num(cl, fields[i], s->v[i]);
}

static bool same(const struct settings *a, const struct settings *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void enter(struct clam_engine *e, const struct clam_ask *ask)
{
	struct turnstile *t = &e->turnstile;
	struct settings s;

	settings_of(ask, e->scanners_n > 1, &s);
	if (e->scanners_n <= 1) {
		set_limits(e->cl, &s);
		return;
	}
	(void)pthread_mutex_lock(&t->lock);
	while (t->scanning_n > 0 && (t->draining || !same(&t->now, &s))) {
		/* Or a stream of equals would keep us out for ever. */
		t->draining = true;
		(void)pthread_cond_wait(&t->changed, &t->lock);
	}
	if (t->scanning_n == 0)
		set_limits(e->cl, &s);
	t->now = s;
	t->scanning_n++;
	(void)pthread_mutex_unlock(&t->lock);
}

static void leave(struct clam_engine *e)
{
	struct turnstile *t = &e->turnstile;

	if (e->scanners_n <= 1)
		return;
	(void)pthread_mutex_lock(&t->lock);
	if (--t->scanning_n == 0) {
		t->draining = false;
		(void)pthread_cond_broadcast(&t->changed);
	}
	(void)pthread_mutex_unlock(&t->lock);
}

static int run(struct clam_scanner *s, struct scan *scan, struct err *err)
{
	struct cl_scan_options options = { .general = CL_SCAN_GENERAL_HEURISTICS,
					   .parse = ~0u,
					   .heuristic = CL_SCAN_HEURISTIC_EXCEEDS_MAX };
	struct bytes content = scan->ask->content;
	cl_fmap_t *map = cl_fmap_open_memory(content.p, content.n);
	const char *name = NULL;
	unsigned long scanned = 0;
	cl_error_t rc;

	if (map == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "libclamav: cannot map %zu bytes",
			       content.n);
	current = scan;
	rc = cl_scanmap_callback(map, NULL, &name, &scanned, s->engine->cl, &options, scan);
	current = NULL;
	cl_fmap_close(map);
	if (rc == CL_VIRUS && scan->found_n == 0 && name != NULL)
		on_found(-1, name, scan);
	if (rc == CL_ETIMEOUT) {
		scan->result.limit_kind = BUDGET_CPU_MS;
		(void)snprintf(scan->result.limit, sizeof(scan->result.limit), "scan time");
		return 0;
	}
	if (rc != CL_CLEAN && rc != CL_VIRUS)
		return err_set(err, ERR_TEMP, -EIO, "libclamav: %s", cl_strerror(rc));
	if (rc == CL_CLEAN && scan->error[0] != '\0')
		return err_set(err, ERR_TEMP, -EIO, "libclamav: %s", scan->error);
	return 0;
}

int clam_scan(struct clam_scanner *s, const struct clam_ask *ask, struct clam_result *ret_r,
	      struct err *err)
{
	struct scan scan = { .ask = ask,
			     .max_file_bytes = ask->budget->limits.max[BUDGET_MEMBER_BYTES] };
	int r = fault_at("scan.clamav", 0);

	if (r < 0)
		return err_set(err, ERR_TEMP, r, "libclamav: injected fault");
	enter(s->engine, ask);
	r = run(s, &scan, err);
	leave(s->engine);
	if (r == 0)
		*ret_r = scan.result;
	return r;
}
