/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/worker/tiny.c - see tiny.h. */
#include "tests/worker/tiny.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/num.h"
#include "worker/scratch.h"
#include "worker/worker.h"

size_t tiny_engine_bytes;
void (*tiny_scan)(struct bytes message, char *out, size_t size);

/* These tests die on purpose, and want to see the signal. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "handle_segv=0";
}

/* Opaque to the code under test. */
static uint8_t *engine_memory;
static int an_object;

static int conf_new(struct conf **ret_c, int fd, const char *path, struct err *err)
{
	char word[8] = "";

	if (pread(fd, word, sizeof(word) - 1, 0) < 0 || strcmp(word, "bundle") != 0)
		return err_set(err, ERR_CONFIG, -EINVAL, "%s: not the bundle", path);
	*ret_c = (struct conf *)&an_object;
	return 0;
}

static int engine_new(struct scan_engine **ret_e, const struct conf *c UNUSED, struct err *err)
{
	if (tiny_engine_bytes == 1)
		return err_set(err, ERR_CONFIG, -ENOENT, "no signatures");
	if (tiny_engine_bytes > 1) {
		engine_memory = malloc(tiny_engine_bytes);
		if (engine_memory == NULL)
			return -ENOMEM;
		memset(engine_memory, 1, tiny_engine_bytes);
		/* Or the compiler sees that nobody reads it, and leaves all of it out. */
		__asm__ volatile("" : : "r"(engine_memory) : "memory");
	}
	*ret_e = (struct scan_engine *)&an_object;
	return 0;
}

static uint64_t engine_generation(const struct scan_engine *e UNUSED)
{
	return 42;
}

static const char *engine_describe(const struct scan_engine *e UNUSED)
{
	return "tiny engine";
}

static int cache_attach(struct verdict_cache **ret_c, int fd UNUSED, struct err *err UNUSED)
{
	*ret_c = (struct verdict_cache *)&an_object;
	return 0;
}

static int scanner_new(struct scanner **ret_s, struct scan_engine *e UNUSED, const char *tmp_dir,
		       const struct verdict_cache *cache UNUSED, struct err *err)
{
	if (getenv("TINY_SCANNER_FAILS") != NULL)
		return err_set(err, ERR_CONFIG, -ENOENT, "no scanner in %s", tmp_dir);
	*ret_s = (struct scanner *)&an_object;
	return 0;
}

/* --- wire: the request is two numbers; facts are one state, a reason, a subject --- */

struct tiny_request {
	int64_t max_message_bytes;
	uint64_t memory_bytes;
};

static ssize_t put_request(const struct scan_request *r, uint8_t *out, size_t size UNUSED,
			   struct err *err UNUSED)
{
	struct tiny_request t = { r->max_message_bytes, r->limits.max[BUDGET_MEMORY] };

	memcpy(out, &t, sizeof(t));
	return sizeof(t);
}

static int get_request(struct bytes in, struct arena *a UNUSED, struct scan_request *ret_r,
		       struct err *err)
{
	struct tiny_request t;

	if (in.n != sizeof(t))
		return err_set(err, ERR_BUG, -EBADMSG, "malformed request");
	memcpy(&t, in.p, sizeof(t));
	*ret_r = (struct scan_request){ .max_message_bytes = t.max_message_bytes };
	ret_r->limits.max[BUDGET_MEMORY] = t.memory_bytes;
	return 0;
}

struct tiny_facts {
	uint32_t state, findings_n;
	char why[200], subject[200];
};

static ssize_t put_facts(const struct facts *f, uint8_t *out, size_t size UNUSED, struct err *err)
{
	struct tiny_facts t = { .state = f->checks[CHECK_MIME].state,
				.findings_n = (uint32_t)f->findings_n };

	if (strcmp(f->subject, "too many facts") == 0)
		return err_set(err, ERR_LIMIT, -EFBIG, "facts do not fit");
	if (f->checks[CHECK_MIME].why != NULL)
		(void)snprintf(t.why, sizeof(t.why), "%s", f->checks[CHECK_MIME].why);
	(void)snprintf(t.subject, sizeof(t.subject), "%s", f->subject);
	memcpy(out, &t, sizeof(t));
	return sizeof(t);
}

static int get_facts(struct bytes in, struct arena *a, struct facts *ret_f, struct err *err)
{
	const struct tiny_facts *t = (const void *)in.p;

	if (in.n != sizeof(*t) || t->state >= CHECK_STATES || t->why[199] != '\0' ||
	    t->subject[199] != '\0')
		return err_set(err, ERR_BUG, -EBADMSG, "malformed facts");
	worker_facts(ret_f, (enum check_state)t->state, arena_str(a, bytes_str(t->why)));
	ret_f->subject = arena_str(a, bytes_str(t->subject));
	ret_f->findings = arena_array(a, t->findings_n + 1, sizeof(*ret_f->findings));
	ret_f->findings_n = t->findings_n;
	return 0;
}

/* --- commands --- */

const char *tiny_digest(struct bytes message, char *out, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < message.n; i++)
		sum = sum * 31 + message.p[i];
	(void)snprintf(out, size, "%zu bytes, %08x", message.n, sum);
	return out;
}

/* Not a tail call, and every frame is touched. */
static unsigned descend(unsigned frames)
{
	volatile uint8_t frame[4096];

	frame[0] = (uint8_t)frames;
	frame[sizeof(frame) - 1] = 1;
	return frames == 0 ? 0 : descend(frames - 1) + frame[0];
}

static unsigned count_files(void)
{
	DIR *d = opendir(".");
	unsigned n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		(void)closedir(d);
	return n >= 2 ? n - 2 : 0;
}

static const char *use_memory(uint64_t mib)
{
	uint8_t *p = malloc(mib << 20);

	if (p == NULL)
		return "refused";
	memset(p, 1, mib << 20);
	free(p);
	return "had";
}

static void command(struct bytes verb, struct bytes arg, struct bytes message, char *out,
		    size_t size)
{
	char name[64];
	uint64_t n = 0;
	int fd;

	(void)snprintf(name, sizeof(name), "%.*s", (int)arg.n, (const char *)arg.p);
	if (num_parse(arg, 10, 1 << 20, &n) < 0)
		n = 0;
	(void)snprintf(out, size, "%s", name);
	if (bytes_eq(verb, BYTES("echo")))
		return;
	if (bytes_eq(verb, BYTES("crash")))
		(void)raise(SIGSEGV);
	while (bytes_eq(verb, BYTES("hang")))
		(void)pause();
	if (bytes_eq(verb, BYTES("exit")))
		_exit(3);
	if (bytes_eq(verb, BYTES("abort")))
		abort();
	if (bytes_eq(verb, BYTES("stack")))
		(void)snprintf(out, size, "%s",
			       descend((unsigned)n * 240) < 1u << 31 ? "deep" : "");
	else if (bytes_eq(verb, BYTES("memory")))
		(void)snprintf(out, size, "%s", use_memory(n));
	else if (bytes_eq(verb, BYTES("charset")))
		(void)snprintf(out, size, "%s",
			       iconv_open("UTF-8", name) == (iconv_t)-1 ? "unknown" : "known");
	else if (bytes_eq(verb, BYTES("files")))
		(void)snprintf(out, size, "%u files", count_files());
	else if (bytes_eq(verb, BYTES("file"))) {
		fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		(void)snprintf(out, size, "%s", fd < 0 ? strerror(errno) : "made");
	} else
		(void)tiny_digest(message, out, size);
}

static int scan(struct scanner *s UNUSED, const struct scan_request *r UNUSED, struct bytes message,
		struct arena *a, struct facts *ret_f, struct err *err)
{
	struct bytes rest = message, verb = { NULL, 0 }, arg = { NULL, 0 };
	char *out = arena_zalloc(a, 200);

	worker_facts(ret_f, CHECK_RAN, NULL);
	if (out == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "arena is too small");
	ret_f->subject = out;
	if (tiny_scan != NULL) {
		tiny_scan(message, out, 200);
		return 0;
	}
	(void)bytes_next_word(&rest, &verb);
	(void)bytes_next_word(&rest, &arg);
	if (bytes_eq(verb, BYTES("fail")))
		return err_set(err, ERR_BUG, -EIO, "told to fail");
	if (bytes_eq(verb, BYTES("many")))
		ret_f->subject = "too many facts";
	else
		command(verb, arg, message, out, 200);
	return 0;
}

const struct worker_ops tiny_ops = {
	.conf_new = conf_new,
	.engine_new = engine_new,
	.engine_generation = engine_generation,
	.engine_describe = engine_describe,
	.cache_attach = cache_attach,
	.scanner_new = scanner_new,
	.get_request = get_request,
	.scan = scan,
	.put_facts = put_facts,
	.put_request = put_request,
	.get_facts = get_facts,
};

/* --- client --- */

static char own_tmp[] = "/tmp/sallyport-worker-test-XXXXXX";

void tiny_begin(void)
{
	if (mkdtemp(own_tmp) == NULL || chmod(own_tmp, 0755) < 0 ||
	    setenv("TMPDIR", own_tmp, 1) < 0)
		abort();
}

void tiny_end(void)
{
	int fd = open(own_tmp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || scratch_clean(fd) < 0 || rmdir(own_tmp) < 0)
		printf("# %s stays\n", own_tmp);
	fd_close(&fd);
}

struct client_setup tiny_setup(void)
{
	static int bundle = -1;

	if (bundle < 0)
		bundle = memfd_create("bundle", MFD_CLOEXEC);
	if (bundle < 0 || pwrite(bundle, "bundle", 6, 0) != 6)
		abort();
	return (struct client_setup){ .zygote = { .ops = &tiny_ops,
						  .user = geteuid() == 0 ? "nobody" : NULL,
						  .workers_max = 4,
						  .tmpfs_bytes = 4 * MIB,
						  .keep_stderr = true },
				      .bundle_fd = bundle,
				      .conf_path = "tiny.conf",
				      .load_ms = 60000 };
}

static enum check_state scan_message(struct client *c, const struct client_message *m,
				     uint32_t wall_ms, char *ret_text, size_t size)
{
	AUTO(arena_free) struct arena *a = arena_new(MIB);
	struct scan_request r = { .max_message_bytes = 8 * (int64_t)MIB };
	struct facts f;
	struct err err;

	if (client_scan(c, &r, m, wall_ms, a, &f, &err) < 0) {
		(void)snprintf(ret_text, size, "%s", err.text);
		return CHECK_STATES;
	}
	(void)snprintf(ret_text, size, "%s%s",
		       f.checks[CHECK_MIME].why == NULL ? "" : f.checks[CHECK_MIME].why, f.subject);
	return f.checks[CHECK_MIME].state;
}

enum check_state tiny_scan_text(struct client *c, struct bytes text, uint32_t wall_ms,
				char *ret_text, size_t size)
{
	struct client_message m = { .text = text, .fd = -1 };

	return scan_message(c, &m, wall_ms, ret_text, size);
}

enum check_state tiny_scan_fd(struct client *c, int fd, uint64_t bytes, char *ret_text, size_t size)
{
	struct client_message m = { .fd = fd, .fd_bytes = bytes };

	return scan_message(c, &m, 60000, ret_text, size);
}
