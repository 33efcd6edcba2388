/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The job table: order, limits, sleeping sides, descriptors, and a worker that lies. */
#include "loop/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/jobs_internal.h"
#include "tests/t.h"

#define WAIT_MS 60000 /* a hang is a failure, not a pause */

/* Both ends in one process, as threads or by fork. */
struct pair {
	struct jobs *gateway, *worker;
	int sock[2]; /* gateway's, worker's */
	int event_fd;
	struct arena *arena;
};

static void pair_init(struct pair *p)
{
	int fd = -1;

	*p = (struct pair){ .sock = { -1, -1 }, .event_fd = -1 };
	if (jobs_new(&p->gateway, &fd, NULL) < 0 || jobs_attach(&p->worker, fd, NULL) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->sock) < 0)
		abort();
	fd_close(&fd);
	p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->arena = arena_new(2 * JOBS_RESULT_BYTES);
}

static void pair_fini(struct pair *p)
{
	jobs_free(&p->gateway);
	jobs_free(&p->worker);
	fd_close(&p->sock[0]);
	fd_close(&p->sock[1]);
	fd_close(&p->event_fd);
	arena_free(&p->arena);
}

/* For steps that are not what is tested. */
static void must(int r)
{
	if (r < 0)
		abort();
}

static int post_text(struct jobs *j, const char *text, unsigned *ret_slot)
{
	struct job_post p = {
		.request = bytes_str(text), .head = BYTES("head"), .head_fd = -1, .body_fd = -1
	};

	return jobs_post(j, &p, ret_slot, NULL);
}

/* The worker's whole job in these tests: the request, turned round. */
static size_t answer(const struct job *job, uint8_t *out)
{
	for (size_t i = 0; i < job->request.n; i++)
		out[i] = job->request.p[job->request.n - 1 - i];
	return job->request.n;
}

static void check_one(void)
{
	struct pair p;
	struct job job;
	struct bytes result;
	struct err err;
	unsigned slot, back;
	uint64_t started_ns;
	uint32_t posted, running;

	pair_init(&p);
	T_OK(jobs_free_n(p.gateway) == JOBS_SLOTS, "all slots are free");
	T_OK(jobs_take(p.worker, p.sock[1], &job, 1, NULL) == 0, "nothing to take yet");
	T_OK(post_text(p.gateway, "abc", &slot) == 0 && jobs_free_n(p.gateway) == JOBS_SLOTS - 1,
	     "one is posted");
	T_OK(jobs_take(p.worker, p.sock[1], &job, 1, NULL) == 0, "not visible before the flush");
	T_OK(jobs_flush(p.gateway, p.sock[0], NULL) == 0, "flush");
	jobs_leftover(p.gateway, &posted, &running);
	T_OK(posted == 1u << slot && running == 0, "leftover: posted");
	T_OK(jobs_wait(p.worker, 0) == 1 && jobs_take(p.worker, p.sock[1], &job, 1, NULL) == 1,
	     "worker takes it");
	T_OK(job.slot == slot && bytes_eq(job.request, BYTES("abc")) &&
		     bytes_eq(job.head, BYTES("head")) && job.head_fd < 0 && job.body_fd < 0,
	     "as it was posted");
	(void)jobs_peek(p.gateway, slot, &started_ns);
	T_OK(started_ns == 0, "not begun yet");
	jobs_start(p.worker, slot);
	*jobs_stage(p.worker, slot) = 5;
	jobs_leftover(p.gateway, &posted, &running);
	T_OK(posted == 0 && running == 1u << slot, "leftover: running");
	T_OK(jobs_peek(p.gateway, slot, &started_ns) == 5 && started_ns != 0,
	     "the gateway sees since when, and at which stage");
	T_OK(jobs_reap(p.gateway, p.arena, &back, &result, NULL) == -EAGAIN, "nothing to reap");
	jobs_finish(p.worker, slot, answer(&job, jobs_result(p.worker, slot)), p.event_fd);
	T_OK(jobs_reap(p.gateway, p.arena, &back, &result, NULL) == 0 && back == slot &&
		     bytes_eq(result, BYTES("cba")),
	     "reaped");
	jobs_leftover(p.gateway, &posted, &running);
	T_OK(posted == 0 && running == 0 && jobs_free_n(p.gateway) == JOBS_SLOTS, "free again");
	fd_close(&p.sock[0]);
	T_OK(jobs_take(p.worker, p.sock[1], &job, 1, &err) == -EPIPE, "gateway gone: %s", err.text);
	pair_fini(&p);
}

static void check_limits(void)
{
	static uint8_t big[JOBS_REQUEST_BYTES + 1];
	struct job_post post = { .request = { big, 1000 }, .head_fd = -1, .body_fd = -1 };
	struct pair p;
	struct job job;
	struct arena *small = arena_new(100);
	struct bytes result;
	struct err err;
	unsigned slot = 99;

	pair_init(&p);
	post.head = bytes_of(big, JOBS_REQUEST_BYTES - 999);
	T_OK(jobs_post(p.gateway, &post, &slot, &err) == -EFBIG && slot == 99, "%s", err.text);
	post.head.n--;
	T_OK(jobs_post(p.gateway, &post, &slot, &err) == 0, "one byte less fits");
	for (unsigned i = 1; i < JOBS_SLOTS; i++)
		if (post_text(p.gateway, "x", &slot) < 0)
			T_OK(false, "slot %u", i);
	T_OK(post_text(p.gateway, "x", &slot) == -EAGAIN, "no more than JOBS_SLOTS");

	T_OK(jobs_flush(p.gateway, p.sock[0], NULL) == 0 &&
		     jobs_take(p.worker, p.sock[1], &job, 1, NULL) == 1 && job.request.n == 1000 &&
		     job.head.n == JOBS_REQUEST_BYTES - 1000,
	     "the largest job arrives");
	jobs_finish(p.worker, job.slot, JOBS_RESULT_BYTES, p.event_fd);
	T_OK(jobs_reap(p.gateway, small, &slot, &result, &err) == -ENOMEM && slot == job.slot,
	     "no room for the result: %s", err.text);
	T_OK(jobs_free_n(p.gateway) == 1, "and the slot is free");
	arena_free(&small);
	pair_fini(&p);
}

static void check_sleep(void)
{
	struct pair p;
	struct job job;
	uint64_t count;
	unsigned slot;

	pair_init(&p);
	T_OK(jobs_wait(p.worker, 1) == 0, "the worker's wait ends");
	must(post_text(p.gateway, "x", &slot));
	must(jobs_flush(p.gateway, p.sock[0], NULL));
	T_OK(jobs_take(p.worker, p.sock[1], &job, 1, NULL) == 1, "job taken");
	T_OK(jobs_prepare_sleep(p.gateway), "gateway may sleep");
	jobs_finish(p.worker, slot, 0, p.event_fd);
	T_OK(read(p.event_fd, &count, sizeof(count)) == (ssize_t)sizeof(count), "eventfd is set");
	T_OK(!jobs_prepare_sleep(p.gateway), "something is done: no sleep");
	pair_fini(&p);

	pair_init(&p);
	must(post_text(p.gateway, "x", &slot));
	must(jobs_flush(p.gateway, p.sock[0], NULL));
	must(jobs_take(p.worker, p.sock[1], &job, 1, NULL));
	jobs_finish(p.worker, slot, 0, p.event_fd);
	T_OK(read(p.event_fd, &count, sizeof(count)) < 0 && errno == EAGAIN,
	     "no eventfd while the gateway is awake");
	pair_fini(&p);
}

/* --- a worker that lies --- */

struct lie {
	const char *what;
	void (*tell)(struct jobs_shared *sh, unsigned slot);
	int want;
};

static void lie_index(struct jobs_shared *sh, unsigned slot UNUSED)
{
	sh->done_tail = JOBS_SLOTS + 1;
}

static void lie_index_back(struct jobs_shared *sh, unsigned slot UNUSED)
{
	sh->done_tail = UINT32_MAX;
}

static void lie_slot(struct jobs_shared *sh, unsigned slot UNUSED)
{
	sh->done[0] = 200;
	sh->done_tail = 1;
}

static void lie_other_slot(struct jobs_shared *sh, unsigned slot)
{
	sh->done[0] = (uint8_t)(slot + 1); /* posted, but not handed over yet */
	sh->done_tail = 1;
}

static void lie_free_slot(struct jobs_shared *sh, unsigned slot UNUSED)
{
	sh->done[0] = JOBS_SLOTS - 1;
	sh->done_tail = 1;
}

static void lie_length(struct jobs_shared *sh, unsigned slot)
{
	sh->slots[slot].result_n = JOBS_RESULT_BYTES + 1;
	sh->done[0] = (uint8_t)slot;
	sh->done_tail = 1;
}

static void lie_everything(struct jobs_shared *sh, unsigned slot UNUSED)
{
	memset((void *)sh, 0xff, sizeof(*sh));
}

static const struct lie lies[] = {
	{ "index too far", lie_index, -EBADMSG },
	{ "index backwards", lie_index_back, -EBADMSG },
	{ "slot that is none", lie_slot, -EBADMSG },
	{ "slot not handed over", lie_other_slot, -EBADMSG },
	{ "free slot", lie_free_slot, -EBADMSG },
	{ "length", lie_length, -EBADMSG },
	{ "everything 0xff", lie_everything, -EBADMSG },
};

static void check_lies(void)
{
	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		struct pair p;
		struct bytes result = { NULL, 0 };
		struct err err = { .kind = ERR_NONE };
		unsigned slot, later, back = 77;
		uint32_t posted, running;
		int r;

		pair_init(&p);
		must(post_text(p.gateway, "x", &slot));
		must(jobs_flush(p.gateway, p.sock[0], NULL));
		must(post_text(p.gateway, "y", &later));
		lies[i].tell(jobs_shared_of(p.worker), slot);
		r = jobs_reap(p.gateway, p.arena, &back, &result, &err);
		T_OK(r == lies[i].want && err.kind == ERR_BUG && back == 77 && result.p == NULL,
		     "lie: %s: %s", lies[i].what, err.text);
		jobs_leftover(p.gateway, &posted, &running);
		T_OK((posted | running) == (1u << slot | 1u << later),
		     "  both jobs are still known");
		T_OK(post_text(p.gateway, "z", &back) == 0, "  posting does not look at it");
		must(jobs_flush(p.gateway, p.sock[0], NULL));
		(void)jobs_prepare_sleep(p.gateway);
		pair_fini(&p);
	}
}

static void check_twice(void)
{
	struct pair p;
	struct job job;
	struct bytes result;
	unsigned slot, back;

	pair_init(&p);
	must(post_text(p.gateway, "x", &slot));
	must(jobs_flush(p.gateway, p.sock[0], NULL));
	must(jobs_take(p.worker, p.sock[1], &job, 1, NULL));
	jobs_finish(p.worker, slot, 0, p.event_fd);
	jobs_finish(p.worker, slot, 0, p.event_fd);
	T_OK(jobs_reap(p.gateway, p.arena, &back, &result, NULL) == 0, "finished once");
	T_OK(jobs_reap(p.gateway, p.arena, &back, &result, NULL) == -EBADMSG,
	     "lie: finished twice");
	pair_fini(&p);
}

static void check_file(void)
{
	struct jobs *j = NULL, *other = NULL;
	int fd = -1, plain = memfd_create("x", MFD_CLOEXEC);
	struct err err;

	if (jobs_new(&j, &fd, NULL) < 0)
		abort();
	T_OK(ftruncate(fd, 0) < 0 && errno == EPERM, "the worker cannot shorten the table");
	T_OK(ftruncate(fd, 1 << 30) < 0 && errno == EPERM, "nor lengthen it");
	T_OK(jobs_attach(&other, plain, &err) == -EBADMSG && other == NULL, "%s", err.text);
	if (ftruncate(plain, sizeof(struct jobs_shared)) < 0)
		abort();
	T_OK(jobs_attach(&other, plain, &err) == -EBADMSG && other == NULL, "%s", err.text);
	fd_close(&fd);
	fd_close(&plain);
	jobs_free(&j);
}

/* @fd again, for reading only. */
static int read_only(int fd)
{
	char path[40];
	int again;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	fd_close(&fd);
	if (again < 0)
		abort();
	return again;
}

static int text_file(const char *text)
{
	int fd = memfd_create("text", MFD_CLOEXEC);

	if (fd < 0 || pwrite(fd, text, strlen(text), 0) < 0)
		abort();
	return read_only(fd);
}

/* head_fd belongs to the table from jobs_post() on, whatever becomes of the job. */
static void check_head_fd(void)
{
	static uint8_t big[JOBS_REQUEST_BYTES + 1];
	struct pair p;
	unsigned slot;
	int body = text_file("x"), fd = dup(0), writable = memfd_create("x", MFD_CLOEXEC);
	struct job_post post = { .head_fd = fd, .body_fd = body };
	struct err err;

	pair_init(&p);
	must(jobs_post(p.gateway, &post, &slot, NULL));
	T_OK(fcntl(fd, F_GETFD) >= 0, "head_fd is open until the flush");
	must(jobs_flush(p.gateway, p.sock[0], NULL));
	T_OK(fcntl(fd, F_GETFD) < 0, "and closed by it");

	post.head_fd = fd = dup(0);
	post.request = bytes_of(big, sizeof(big));
	T_OK(jobs_post(p.gateway, &post, &slot, NULL) == -EFBIG && fcntl(fd, F_GETFD) < 0,
	     "closed when the job cannot be posted");
	post.head_fd = fd = dup(0);
	post.request.n = 0;
	must(jobs_post(p.gateway, &post, &slot, NULL));
	jobs_free(&p.gateway);
	T_OK(fcntl(fd, F_GETFD) < 0 && fcntl(body, F_GETFD) >= 0,
	     "closed with the table, unlike body_fd");
	pair_fini(&p);
	pair_init(&p);
	post = (struct job_post){ .head_fd = -1, .body_fd = writable };
	T_OK(jobs_post(p.gateway, &post, &slot, &err) == -EINVAL, "%s", err.text);
	fd_close(&writable);
	fd_close(&body);
	pair_fini(&p);
}

/* --- many jobs, two threads (for ThreadSanitizer) --- */

#define MANY 20000u

struct side {
	struct pair *p;
	unsigned done, wrong;
};

static void *worker_thread(void *arg)
{
	struct side *s = arg;
	struct pair *p = s->p;

	while (s->done < MANY) {
		struct job jobs[4];
		int n = jobs_wait(p->worker, WAIT_MS);

		if (n == 1)
			n = jobs_take(p->worker, p->sock[1], jobs, ARRAY_LEN(jobs), NULL);
		if (n <= 0)
			break;
		for (int i = n - 1; i >= 0; i--) { /* not in order */
			jobs_start(p->worker, jobs[i].slot);
			jobs_finish(p->worker, jobs[i].slot,
				    answer(&jobs[i], jobs_result(p->worker, jobs[i].slot)),
				    p->event_fd);
		}
		s->done += (unsigned)n;
	}
	return NULL;
}

/* False: the time was up. A wake-up that comes late, for a job reaped already, is none. */
static bool sleep_for_worker(struct pair *p)
{
	struct pollfd pfd = { .fd = p->event_fd, .events = POLLIN };
	uint64_t count;
	int r;

	if (!jobs_prepare_sleep(p->gateway))
		return true;
	r = poll(&pfd, 1, WAIT_MS);
	if (r == 1 && read(p->event_fd, &count, sizeof(count)) < 0)
		abort();
	return r == 1;
}

static void reap_all(struct side *s, char want[JOBS_SLOTS][16])
{
	struct bytes result;
	unsigned slot;

	while (jobs_reap(s->p->gateway, s->p->arena, &slot, &result, NULL) == 0) {
		s->wrong += !bytes_eq(result, bytes_str(want[slot]));
		s->done++;
		arena_reset(s->p->arena);
	}
}

static void gateway_loop(struct side *s)
{
	char want[JOBS_SLOTS][16];
	unsigned posted = 0;
	bool awake = true;

	while (s->done < MANY && awake) {
		while (posted < MANY && jobs_free_n(s->p->gateway) > 0) {
			char text[16], back[16];
			unsigned slot;
			int n = snprintf(text, sizeof(text), "%u", posted++);

			for (int i = 0; i < n; i++)
				back[i] = text[n - 1 - i];
			back[n] = '\0';
			if (post_text(s->p->gateway, text, &slot) < 0)
				abort();
			memcpy(want[slot], back, sizeof(back));
			if (posted % 3 == 0)
				must(jobs_flush(s->p->gateway, s->p->sock[0], NULL));
		}
		must(jobs_flush(s->p->gateway, s->p->sock[0], NULL));
		awake = sleep_for_worker(s->p);
		reap_all(s, want);
	}
}

static void check_threads(void)
{
	struct pair p;
	struct side gateway = { .p = &p }, worker = { .p = &p };
	pthread_t t;

	pair_init(&p);
	if (pthread_create(&t, NULL, worker_thread, &worker) != 0)
		abort();
	gateway_loop(&gateway);
	(void)pthread_join(t, NULL);
	T_OK(gateway.done == MANY && worker.done == MANY && gateway.wrong == 0,
	     "two threads: %u of %u jobs, %u wrong, no wake-up lost", gateway.done, MANY,
	     gateway.wrong);
	pair_fini(&p);
}

/* --- two processes, descriptors --- */

/* The worker's answer: what stands in both descriptors. */
static size_t read_both(struct job *job, uint8_t *out)
{
	size_t n = 0;
	int fds[] = { job->head_fd, job->body_fd };

	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		ssize_t got = fds[i] < 0 ? 0 : pread(fds[i], out + n, 64, 0);

		n += got > 0 ? (size_t)got : 0;
		fd_close(&fds[i]);
	}
	return n;
}

static int worker_process(struct pair *p, unsigned batch)
{
	struct job jobs[JOBS_SLOTS];
	int n;

	fd_close(&p->sock[0]);
	for (;;) {
		(void)jobs_wait(p->worker, 50); /* then look whether the gateway is there */
		n = jobs_take(p->worker, p->sock[1], jobs, batch, NULL);
		if (n <= 0)
			return n == -EPIPE ? 0 : 1;
		for (int i = 0; i < n; i++)
			jobs_finish(p->worker, jobs[i].slot,
				    read_both(&jobs[i], jobs_result(p->worker, jobs[i].slot)),
				    p->event_fd);
	}
}

/* Every third job has no head file, every fifth nothing at all. */
static void post_files(struct jobs *j, unsigned n, int sock, char want[][48])
{
	int fds[JOBS_SLOTS];
	unsigned fds_n = 0, slot;

	for (unsigned i = 0; i < n; i++) {
		struct job_post p = { .head_fd = -1, .body_fd = -1 };
		char head[16] = "", body[16] = "";

		if (i % 3 != 0) {
			(void)snprintf(head, sizeof(head), "head %u ", i);
			p.head_fd = text_file(head);
		}
		if (i % 5 != 0) {
			(void)snprintf(body, sizeof(body), "body %u", i);
			p.body_fd = fds[fds_n++] = text_file(body);
		}
		if (jobs_post(j, &p, &slot, NULL) < 0)
			abort();
		(void)snprintf(want[slot], 48, "%s%s", head, body);
	}
	T_OK(jobs_flush(j, sock, NULL) == 0, "descriptors of %u jobs in one message", n);
	for (unsigned i = 0; i < fds_n; i++)
		fd_close(&fds[i]);
}

static unsigned reap_files(struct pair *p, unsigned n, char want[][48])
{
	unsigned right = 0, slot, turns = 0;

	while (n > 0 && turns++ < 100) {
		struct bytes result;

		sleep_for_worker(p);
		while (jobs_reap(p->gateway, p->arena, &slot, &result, NULL) == 0) {
			right += bytes_eq(result, bytes_str(want[slot]));
			n--;
			arena_reset(p->arena);
		}
	}
	return right;
}

static void check_processes(unsigned batch)
{
	struct pair p;
	char want[JOBS_SLOTS][48];
	int status = -1;
	pid_t pid;

	pair_init(&p);
	pid = fork();
	if (pid == 0)
		_exit(worker_process(&p, batch));
	fd_close(&p.sock[1]);
	for (unsigned n = 1; n <= JOBS_SLOTS; n += 5) {
		post_files(p.gateway, n, p.sock[0], want);
		T_OK(reap_files(&p, n, want) == n, "%u jobs with descriptors, taken by %u", n,
		     batch);
	}
	fd_close(&p.sock[0]);
	(void)waitpid(pid, &status, 0);
	T_OK(status == 0, "the worker ends when the gateway is gone");
	pair_fini(&p);
}

#ifdef SALLYPORT_FAULTS
static void check_failed_flush(void)
{
	struct pair p;
	struct job job;
	struct err err;
	unsigned slot;
	int fd = text_file("x");
	struct job_post post = { .head_fd = -1, .body_fd = fd };

	pair_init(&p);
	(void)setenv("SALLYPORT_FAULT", "jobs.send=ENOMEM@1", 1);
	T_OK(jobs_post(p.gateway, &post, &slot, NULL) == 0, "posted");
	T_OK(jobs_flush(p.gateway, p.sock[0], &err) == -ENOMEM, "%s", err.text);
	T_OK(jobs_take(p.worker, p.sock[1], &job, 1, NULL) == 0, "nothing was handed over");
	T_OK(jobs_flush(p.gateway, p.sock[0], &err) == 0 &&
		     jobs_take(p.worker, p.sock[1], &job, 1, NULL) == 1 && job.body_fd >= 0,
	     "the next flush does it");
	fd_close(&job.body_fd);
	fd_close(&fd);
	(void)unsetenv("SALLYPORT_FAULT");
	pair_fini(&p);
}
#else
static void check_failed_flush(void)
{
}
#endif

int main(void)
{
	check_one();
	check_limits();
	check_sleep();
	check_lies();
	check_twice();
	check_file();
	check_head_fd();
	check_threads();
	check_processes(JOBS_SLOTS);
	check_processes(3);
	check_failed_flush();
	return t_done();
}
