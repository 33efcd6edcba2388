/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loop/jobs.c - job table in a sealed memory file, hand-off of descriptors over a socket. */
#include "loop/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fault.h"
#include "loop/jobs_internal.h"

#define FDS_PER_JOB 2u
#define FDS_MAX     (JOBS_SLOTS * FDS_PER_JOB) /* below SCM_MAX_FD, which is 253 */

/* What the gateway believes about a slot; the shared state may be a lie. */
enum trust { TRUST_FREE, TRUST_POSTED, TRUST_HANDED };

struct jobs {
	struct jobs_shared *sh;
	/* gateway: own copies of the indices and states */
	uint8_t trust[JOBS_SLOTS];
	uint32_t posted_tail, flushed_tail; /* posted_tail of the table is what was flushed */
	uint32_t done_head;
	/* Gateway: to be sent, [0] is ours; worker: received, not yet taken, both ours. -1: none.
	 */
	int fds[JOBS_SLOTS][FDS_PER_JOB];
	bool is_worker;
	/* worker */
	uint32_t taken_head;
};

/* One descriptor message: which slots, and which descriptors of each, in order. */
struct handover {
	uint8_t slot, fds;
};

struct jobs_shared *jobs_shared_of(struct jobs *j)
{
	return j->sh;
}

/* Close what is ours of a slot's descriptors, forget the rest. */
static void drop_fds(struct jobs *j, unsigned i)
{
	fd_close(&j->fds[i][0]);
	if (j->is_worker)
		fd_close(&j->fds[i][1]);
	j->fds[i][1] = -1;
}

static int map_table(struct jobs **ret_j, int fd, struct err *err)
{
	struct jobs *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "job table: out of memory");
	memset(j->fds, 0xff, sizeof(j->fds)); /* all -1 */
	j->sh = mmap(NULL, sizeof(*j->sh), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (j->sh == MAP_FAILED) {
		j->sh = NULL;
		jobs_free(&j);
		return err_errno(err, "map job table");
	}
	*ret_j = j;
	return 0;
}

/* Sealed: a worker that shortened the file would kill the gateway with SIGBUS. */
static int new_file(struct err *err)
{
	int fd = memfd_create("sallyport-jobs", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_errno(err, "create job table");
	if (ftruncate(fd, sizeof(struct jobs_shared)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		int r = err_errno(err, "size and seal job table");

		fd_close(&fd);
		return r;
	}
	return fd;
}

int jobs_new(struct jobs **ret_j, int *ret_fd, struct err *err)
{
	int fd = new_file(err), r;

	if (fd < 0)
		return fd;
	r = map_table(ret_j, fd, err);
	if (r < 0) {
		fd_close(&fd);
		return r;
	}
	(*ret_j)->sh->magic = JOBS_MAGIC;
	(*ret_j)->sh->version = JOBS_VERSION;
	*ret_fd = fd;
	return 0;
}

int jobs_attach(struct jobs **ret_j, int fd, struct err *err)
{
	AUTO(jobs_free) struct jobs *j = NULL;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_errno(err, "stat job table");
	if ((size_t)st.st_size != sizeof(struct jobs_shared))
		return err_set(err, ERR_BUG, -EBADMSG, "job table: %lld bytes instead of %zu",
			       (long long)st.st_size, sizeof(struct jobs_shared));
	r = map_table(&j, fd, err);
	if (r < 0)
		return r;
	if (j->sh->magic != JOBS_MAGIC || j->sh->version != JOBS_VERSION)
		return err_set(err, ERR_BUG, -EBADMSG, "job table: not one, or of another version");
	j->is_worker = true;
	*ret_j = TAKE(j);
	return 0;
}

void jobs_free(struct jobs **j)
{
	if (*j == NULL)
		return;
	for (unsigned i = 0; i < JOBS_SLOTS; i++)
		drop_fds(*j, i);
	if ((*j)->sh != NULL)
		(void)munmap((*j)->sh, sizeof(*(*j)->sh));
	free(*j);
	*j = NULL;
}

/* --- gateway --- */

unsigned jobs_free_n(const struct jobs *j)
{
	unsigned n = 0;

	for (unsigned i = 0; i < JOBS_SLOTS; i++)
		n += j->trust[i] == TRUST_FREE;
	return n;
}

static int find_free(const struct jobs *j)
{
	for (unsigned i = 0; i < JOBS_SLOTS; i++)
		if (j->trust[i] == TRUST_FREE)
			return (int)i;
	return -EAGAIN;
}

static void copy_bytes(uint8_t *to, struct bytes from)
{
	if (from.n > 0)
		memcpy(to, from.p, from.n);
}

static bool is_read_only(int fd)
{
	int flags = fd < 0 ? O_RDONLY : fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) == O_RDONLY;
}

int jobs_post(struct jobs *j, const struct job_post *p, unsigned *ret_slot, struct err *err)
{
	AUTO(fd_close) int head_fd = p->head_fd;
	int i = find_free(j);
	struct jobs_slot *slot;

	if (i < 0)
		return err_set(err, ERR_TEMP, -EAGAIN, "job table: no free slot");
	if (p->request.n > JOBS_REQUEST_BYTES || p->head.n > JOBS_REQUEST_BYTES - p->request.n)
		return err_set(err, ERR_LIMIT, -EFBIG,
			       "job of %zu + %zu bytes is larger than a slot (%u)", p->request.n,
			       p->head.n, JOBS_REQUEST_BYTES);
	if (!is_read_only(p->body_fd))
		return err_set(err, ERR_BUG, -EINVAL,
			       "job: descriptor %d is not open for reading only", p->body_fd);
	slot = &j->sh->slots[i];
	slot->kind = p->kind;
	slot->fds =
		(p->head_fd >= 0 ? SLOT_HAS_HEAD_FD : 0) | (p->body_fd >= 0 ? SLOT_HAS_BODY_FD : 0);
	slot->request_n = (uint32_t)p->request.n;
	slot->head_n = (uint32_t)p->head.n;
	slot->body_offset = p->body_offset;
	slot->body_bytes = p->body_bytes;
	copy_bytes(j->sh->requests[i], p->request);
	copy_bytes(j->sh->requests[i] + p->request.n, p->head);
	atomic_store_explicit(&slot->started_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->state, SLOT_POSTED, memory_order_relaxed);

	j->fds[i][0] = head_fd;
	j->fds[i][1] = p->body_fd;
	head_fd = -1;
	j->sh->posted[j->posted_tail % JOBS_SLOTS] = (uint8_t)i;
	j->posted_tail++;
	j->trust[i] = TRUST_POSTED;
	*ret_slot = (unsigned)i;
	return 0;
}

/* Slots posted and not yet flushed come from the gateway's own memory (trust), the order from the
 * ring it has just written; a worker that changes the order there harms only itself. */
static unsigned collect(struct jobs *j, struct handover *list, int *fds, unsigned *ret_fds_n)
{
	unsigned n = 0, fds_n = 0;

	for (unsigned i = 0; i < JOBS_SLOTS; i++) {
		if (j->trust[i] != TRUST_POSTED || (j->fds[i][0] < 0 && j->fds[i][1] < 0))
			continue;
		list[n] = (struct handover){ .slot = (uint8_t)i };
		for (unsigned k = 0; k < FDS_PER_JOB; k++) {
			if (j->fds[i][k] < 0)
				continue;
			list[n].fds |= (uint8_t)(1u << k);
			fds[fds_n++] = j->fds[i][k];
		}
		n++;
	}
	*ret_fds_n = fds_n;
	return n;
}

union fds_control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

static int send_fds(struct jobs *j, int sock, struct err *err)
{
	struct handover list[JOBS_SLOTS];
	int fds[FDS_MAX];
	unsigned fds_n, n = collect(j, list, fds, &fds_n);
	struct iovec iov = { list, n * sizeof(list[0]) };
	union fds_control control = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf };
	struct cmsghdr *c;
	ssize_t r;

	if (n == 0)
		return 0;
	m.msg_controllen = CMSG_SPACE(fds_n * sizeof(int));
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(fds_n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, fds_n * sizeof(int));
	r = fault_at("jobs.send", 0);
	if (r == 0)
		r = sendmsg(sock, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
	return r < 0 ? err_code(err, (int)r, "hand %u descriptors to a scan worker", fds_n) : 0;
}

static void futex_wake(_Atomic uint32_t *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

int jobs_flush(struct jobs *j, int sock, struct err *err)
{
	int r;

	if (j->posted_tail == j->flushed_tail)
		return 0;
	r = send_fds(j, sock, err);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < JOBS_SLOTS; i++) {
		if (j->trust[i] != TRUST_POSTED)
			continue;
		j->trust[i] = TRUST_HANDED;
		drop_fds(j, i);
	}
	j->flushed_tail = j->posted_tail;
	/* Only now: a worker that sees the index finds the descriptors in its socket. The order of
	 * this store and the next load against jobs_wait() needs sequential consistency. */
	atomic_store(&j->sh->posted_tail, j->flushed_tail);
	if (atomic_exchange(&j->sh->worker_sleeps, 0) != 0)
		futex_wake(&j->sh->worker_sleeps);
	return 0;
}

bool jobs_prepare_sleep(struct jobs *j)
{
	atomic_store(&j->sh->gateway_sleeps, 1);
	if (atomic_load(&j->sh->done_tail) == j->done_head)
		return true;
	atomic_store_explicit(&j->sh->gateway_sleeps, 0, memory_order_relaxed);
	return false;
}

static int nonsense(struct err *err, const char *what, uint64_t value)
{
	return err_set(err, ERR_BUG, -EBADMSG, "scan worker wrote nonsense: %s %llu", what,
		       (unsigned long long)value);
}

int jobs_reap(struct jobs *j, struct arena *a, unsigned *ret_slot, struct bytes *ret_result,
	      struct err *err)
{
	uint32_t tail = atomic_load_explicit(&j->sh->done_tail, memory_order_acquire);
	uint32_t n;
	uint8_t slot;
	void *copy;

	if (tail == j->done_head)
		return -EAGAIN;
	if (tail - j->done_head > JOBS_SLOTS)
		return nonsense(err, "index", tail);
	slot = atomic_load_explicit(&j->sh->done[j->done_head % JOBS_SLOTS], memory_order_relaxed);
	if (slot >= JOBS_SLOTS || j->trust[slot] != TRUST_HANDED)
		return nonsense(err, "slot", slot);
	/* Read once: the worker may change it between the check and the use. */
	n = atomic_load_explicit(&j->sh->slots[slot].result_n, memory_order_relaxed);
	if (n > JOBS_RESULT_BYTES)
		return nonsense(err, "length", n);

	j->done_head++;
	j->trust[slot] = TRUST_FREE;
	*ret_slot = slot;
	copy = arena_dup(a, bytes_of(j->sh->results[slot], n));
	if (copy == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM, "no memory for a result of %u bytes", n);
	*ret_result = bytes_of(copy, n);
	return 0;
}

void jobs_leftover(const struct jobs *j, uint32_t *ret_posted, uint32_t *ret_running)
{
	uint32_t posted = 0, running = 0;

	for (unsigned i = 0; i < JOBS_SLOTS; i++) {
		if (j->trust[i] == TRUST_FREE)
			continue;
		if (atomic_load_explicit(&j->sh->slots[i].state, memory_order_relaxed) ==
		    SLOT_RUNNING)
			running |= 1u << i;
		else
			posted |= 1u << i;
	}
	*ret_posted = posted;
	*ret_running = running;
}

uint8_t jobs_peek(const struct jobs *j, unsigned slot, uint64_t *ret_started_ns)
{
	struct jobs_slot *s = &j->sh->slots[slot];

	*ret_started_ns = atomic_load_explicit(&s->started_ns, memory_order_relaxed);
	return atomic_load_explicit(&s->stage, memory_order_relaxed);
}

/* --- worker --- */

static bool has_work(const struct jobs *j)
{
	return atomic_load(&j->sh->posted_tail) != j->taken_head;
}

static void futex_wait(_Atomic uint32_t *word, uint32_t value, int timeout_ms)
{
	struct timespec t = { timeout_ms / 1000, (timeout_ms % 1000) * 1000000L };

	(void)syscall(SYS_futex, word, FUTEX_WAIT, value, &t, NULL, 0);
}

int jobs_wait(struct jobs *j, int timeout_ms)
{
	if (has_work(j))
		return 1;
	atomic_store(&j->sh->worker_sleeps, 1);
	if (!has_work(j))
		futex_wait(&j->sh->worker_sleeps, 1, timeout_ms);
	atomic_store_explicit(&j->sh->worker_sleeps, 0, memory_order_relaxed);
	return has_work(j);
}

/* Give each descriptor of one message its place. False: message and descriptors do not match. */
static bool place_fds(struct jobs *j, const struct handover *list, unsigned n, const int *fds,
		      unsigned fds_n)
{
	unsigned used = 0;

	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < FDS_PER_JOB; k++) {
			if ((list[i].fds & (1u << k)) == 0)
				continue;
			if (list[i].slot >= JOBS_SLOTS || used == fds_n)
				return false;
			j->fds[list[i].slot][k] = fds[used++];
		}
	}
	return used == fds_n;
}

static int receive_fds(struct jobs *j, int sock, struct err *err)
{
	struct handover list[JOBS_SLOTS];
	union fds_control control;
	struct iovec iov = { list, sizeof(list) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf) };
	int fds[FDS_MAX];
	unsigned fds_n = 0;
	struct cmsghdr *c;
	ssize_t n = recvmsg(sock, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && errno == EINTR)
		return 0;
	if (n < 0)
		return -errno;
	if (n == 0)
		return -EPIPE;
	c = CMSG_FIRSTHDR(&m);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		fds_n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), fds_n * sizeof(int));
	}
	if ((m.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0 ||
	    !place_fds(j, list, (unsigned)((size_t)n / sizeof(list[0])), fds, fds_n))
		return err_set(err, ERR_TEMP, -EMFILE, "descriptors of a batch did not all arrive");
	return 0;
}

static bool fds_missing(const struct jobs *j, unsigned i)
{
	uint32_t want = j->sh->slots[i].fds;

	return ((want & SLOT_HAS_HEAD_FD) != 0 && j->fds[i][0] < 0) ||
	       ((want & SLOT_HAS_BODY_FD) != 0 && j->fds[i][1] < 0);
}

/* The gateway sends before it publishes, so what is missing is already in the socket. */
static int complete_fds(struct jobs *j, int sock, unsigned i, struct err *err)
{
	while (fds_missing(j, i)) {
		int r = receive_fds(j, sock, err);

		if (r == -EAGAIN)
			return err_set(err, ERR_BUG, -EBADMSG, "job %u: no descriptors came", i);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The gateway is trusted, but a mistake there shall not become an overflow here. */
static int view_slot(struct jobs *j, unsigned i, struct job *ret, struct err *err)
{
	const struct jobs_slot *slot = &j->sh->slots[i];
	uint32_t request_n = slot->request_n, head_n = slot->head_n;

	if (slot->kind >= JOB_KINDS || request_n > JOBS_REQUEST_BYTES ||
	    head_n > JOBS_REQUEST_BYTES - request_n)
		return err_set(err, ERR_BUG, -EBADMSG, "job %u makes no sense", i);
	*ret = (struct job){
		.slot = i,
		.kind = (enum job_kind)slot->kind,
		.request = bytes_of(j->sh->requests[i], request_n),
		.head = bytes_of(j->sh->requests[i] + request_n, head_n),
		.head_fd = j->fds[i][0],
		.body_fd = j->fds[i][1],
		.body_offset = slot->body_offset,
		.body_bytes = slot->body_bytes,
	};
	j->fds[i][0] = j->fds[i][1] = -1;
	return 0;
}

static int gateway_gone(struct jobs *j, int sock, struct err *err)
{
	int r = receive_fds(j, sock, err);

	if (r == -EPIPE || r == -ECONNRESET)
		return err_set(err, ERR_TEMP, -EPIPE, "the gateway is gone");
	return r == -EAGAIN ? 0 : r;
}

int jobs_take(struct jobs *j, int sock, struct job *ret_jobs, unsigned max, struct err *err)
{
	uint32_t tail = atomic_load(&j->sh->posted_tail);
	unsigned n = 0;

	if (tail == j->taken_head)
		return gateway_gone(j, sock, err);
	if (tail - j->taken_head > JOBS_SLOTS)
		return err_set(err, ERR_BUG, -EBADMSG, "job table: index %u", tail);
	while (j->taken_head != tail && n < max) {
		unsigned i = j->sh->posted[j->taken_head % JOBS_SLOTS] % JOBS_SLOTS;
		int r = complete_fds(j, sock, i, err);

		if (r == 0)
			r = view_slot(j, i, &ret_jobs[n], err);
		if (r < 0)
			return r;
		j->taken_head++;
		n++;
	}
	return (int)n;
}

_Atomic uint8_t *jobs_stage(struct jobs *j, unsigned slot)
{
	return &j->sh->slots[slot].stage;
}

void jobs_start(struct jobs *j, unsigned slot)
{
	atomic_store_explicit(&j->sh->slots[slot].started_ns, clock_now_ns(), memory_order_relaxed);
	atomic_store_explicit(&j->sh->slots[slot].state, SLOT_RUNNING, memory_order_relaxed);
}

uint8_t *jobs_result(struct jobs *j, unsigned slot)
{
	return j->sh->results[slot];
}

void jobs_finish(struct jobs *j, unsigned slot, size_t n, int event_fd)
{
	struct jobs_shared *sh = j->sh;
	uint32_t tail = atomic_load_explicit(&sh->done_tail, memory_order_relaxed);
	uint64_t one = 1;

	atomic_store_explicit(&sh->slots[slot].result_n, (uint32_t)n, memory_order_relaxed);
	atomic_store_explicit(&sh->slots[slot].state, SLOT_DONE, memory_order_relaxed);
	atomic_store_explicit(&sh->done[tail % JOBS_SLOTS], (uint8_t)slot, memory_order_relaxed);
	atomic_store(&sh->done_tail, tail + 1);
	/* EAGAIN: the counter is full, so the gateway will wake anyway. */
	if (atomic_exchange(&sh->gateway_sleeps, 0) != 0 &&
	    write(event_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return;
}
