/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Claiming: what is read, what is refused and how, locks of other processes. */
#include <errno.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "queue/queue.h"
#include "tests/queue/fixture.h"

static const struct {
	const char *mta, *id, *head, *body, *head_text, *body_text;
	uint64_t body_offset;
} formats[] = {
	{ "sendmail", QF_ID, "qf" QF_ID, "df" QF_ID, QF, DF, 0 },
	{ "exim", EX_ID, EX_ID "-H", EX_ID "-D", EX_H, EX_D, 19 },
};

static void put_message(const struct fixture *f, size_t i)
{
	put(f->in, formats[i].head, formats[i].head_text);
	put(f->in, formats[i].body, formats[i].body_text);
}

static int claim(const struct fixture *f, size_t i, struct queue_entry *e, struct err *err)
{
	static struct queue_dir *d;
	int r;

	/* The entry lends from its directory, so that one stays open until the next claim. */
	queue_dir_close(&d);
	d = open_queue(f, formats[i].mta, f->in);
	err->text[0] = '\0';
	r = queue_claim(d, NULL, formats[i].id, f->a, e, err);
	return r;
}

static void test_read(size_t i)
{
	struct queue_entry e;
	struct fixture f;
	struct err err;
	char buf[64];

	fixture_init(&f);
	put_message(&f, i);
	T_OK(claim(&f, i, &e, &err) == 0, "%s: claimed %s", formats[i].mta, err.text);
	T_OK(strcmp(e.env.sender, "alice@sender.test") == 0 &&
		     strcmp(e.env.sender_verbatim, "Alice@Sender.test") == 0,
	     "  sender in lower case and as it is");
	T_OK(e.env.to_n == 1 && strcmp(e.env.to[0], "bob@rcpt.test") == 0 &&
		     strcmp(e.env.to_verbatim[0], "Bob@Rcpt.test") == 0,
	     "  recipient");
	T_OK(strcmp(e.env.client_ip, "10.1.2.3") == 0 &&
		     strcmp(e.env.client_name, "helo.test") == 0,
	     "  client");
	T_OK(header_find(&e.headers, BYTES("subject"), 0) >= 0, "  headers");
	T_OK(e.body_offset == formats[i].body_offset && e.body_bytes == strlen(DF) &&
		     pread(e.body_fd, buf, sizeof(buf), (off_t)e.body_offset) == strlen(DF) &&
		     memcmp(buf, DF, strlen(DF)) == 0,
	     "  body");
	T_OK(e.size_bytes == strlen(formats[i].head_text) + strlen(formats[i].body_text) &&
		     e.body_inode == inode_of(f.in, formats[i].body),
	     "  sizes and inode");
	T_OK((fcntl(e.body_fd, F_GETFL) & O_ACCMODE) == O_RDONLY, "  body is read only");
	fixture_fini(&f);
	T_OK(fcntl(e.body_fd, F_GETFD) < 0, "  and closed with the arena");
}

/* --- odd things under a message's name --- */

enum odd {
	GONE,
	NO_BODY,
	EMPTY_HEAD,
	HEAD_LINK,
	HEAD_FIFO,
	HEAD_DIR,
	HEAD_SOCKET,
	BODY_LINK,
	BODY_FIFO,
	BODY_DIR,
	CUT_OFF,
	WORLD_WRITABLE,
	FOREIGN_OWNER,
	HUGE,
	EMPTY_BODY,
	WRONG_BODY,
};

static const struct {
	enum odd odd;
	const char *what;
	int sendmail, exim; /* expected of queue_claim() */
	const char *says;
} odds[] = {
	{ GONE, "nothing there", -ENOENT, -ENOENT, NULL },
	{ NO_BODY, "no body file", -EBADMSG, -EBADMSG, "without a body file" },
	{ EMPTY_HEAD, "empty header file", -EAGAIN, -EAGAIN, NULL },
	{ HEAD_LINK, "header file is a link", -EBADMSG, -EBADMSG, "not a regular file" },
	{ HEAD_FIFO, "header file is a FIFO", -EBADMSG, -EBADMSG, "not a regular file" },
	{ HEAD_DIR, "header file is a directory", -EBADMSG, -EBADMSG, "not a regular file" },
	{ HEAD_SOCKET, "header file is a socket", -EBADMSG, -EBADMSG, "not a regular file" },
	{ BODY_LINK, "body file is a link", -EBADMSG, -EBADMSG, "not a regular file" },
	{ BODY_FIFO, "body file is a FIFO", -EBADMSG, -EBADMSG, "not a regular file" },
	{ BODY_DIR, "body file is a directory", -EBADMSG, -EBADMSG, "not a regular file" },
	{ CUT_OFF, "half a header file", -EBADMSG, -EBADMSG, "" },
	{ WORLD_WRITABLE, "everybody may write", -EBADMSG, -EBADMSG, "everybody" },
	{ FOREIGN_OWNER, "of somebody else", -EBADMSG, -EBADMSG, "owned by uid 12345" },
	{ HUGE, "huge header file", -ENOMEM, -ENOMEM, "the limit is" },
	{ EMPTY_BODY, "empty body file", 0, -EBADMSG, "its own name" },
	{ WRONG_BODY, "body of another message", 0, -EBADMSG, "its own name" },
};

static void make_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		fixture_die("socket");
	(void)close(fd);
}

static void make_odd(struct fixture *f, size_t i, enum odd odd)
{
	const char *head = fixture_path(f->in, formats[i].head);
	const char *body = fixture_path(f->in, formats[i].body);
	bool is_body = odd == NO_BODY || odd == BODY_LINK || odd == BODY_FIFO || odd == BODY_DIR ||
		       odd == EMPTY_BODY || odd == WRONG_BODY;
	const char *path = is_body ? body : head;

	put(f->in, "target", formats[i].head_text);
	if (odd != WORLD_WRITABLE && odd != FOREIGN_OWNER && odd != HUGE)
		(void)unlink(path);
	if (odd == EMPTY_HEAD || odd == EMPTY_BODY)
		put(f->in, is_body ? formats[i].body : formats[i].head, "");
	if (odd == WRONG_BODY)
		put(f->in, formats[i].body, "1xVETZ-00046K-2J-D\nhello\nworld\n");
	if (odd == HEAD_LINK || odd == BODY_LINK)
		(void)!symlink("target", path);
	if (odd == HEAD_FIFO || odd == BODY_FIFO)
		(void)!mkfifo(path, 0600);
	if (odd == HEAD_DIR || odd == BODY_DIR)
		(void)!mkdir(path, 0700);
	if (odd == HEAD_SOCKET)
		make_socket(path);
	if (odd == CUT_OFF)
		put_bytes(f->in, formats[i].head,
			  bytes_head(bytes_str(formats[i].head_text),
				     strlen(formats[i].head_text) - 3));
	if (odd == WORLD_WRITABLE)
		(void)!chmod(path, 0666);
	if (odd == FOREIGN_OWNER)
		(void)!chown(path, 12345, (gid_t)-1);
	if (odd == HUGE)
		f->set.header_max_bytes = 100;
}

static void test_odd(size_t i)
{
	for (size_t k = 0; k < ARRAY_LEN(odds); k++) {
		int want = i == 0 ? odds[k].sendmail : odds[k].exim, r;
		struct queue_entry e = { .body_fd = -7 };
		struct fixture f;
		struct err err;
		unsigned n;

		if (odds[k].odd == FOREIGN_OWNER && geteuid() != 0)
			continue;
		fixture_init(&f);
		put_message(&f, i);
		make_odd(&f, i, odds[k].odd);
		n = count_files(f.in);
		r = claim(&f, i, &e, &err);
		T_OK(r == want && (r == 0 || odds[k].says == NULL ||
				   strstr(err.text, odds[k].says) != NULL),
		     "%s, %s: %d %s", formats[i].mta, odds[k].what, r, err.text);
		T_OK(count_files(f.in) == n && (r == 0 || e.body_fd == -7), "  nothing changed");
		fixture_fini(&f);
	}
}

static void test_bad_ids(size_t i)
{
	static const char *const ids[] = { "", "..", "a/b", "../in", "-x", "x.y" };
	AUTO(queue_dir_close) struct queue_dir *d = NULL;
	struct queue_entry e;
	struct fixture f;
	struct err err;

	fixture_init(&f);
	d = open_queue(&f, formats[i].mta, f.in);
	for (size_t k = 0; k < ARRAY_LEN(ids); k++)
		T_OK(queue_claim(d, NULL, ids[k], f.a, &e, &err) == -EBADMSG, "%s: id '%s'",
		     formats[i].mta, ids[k]);
	fixture_fini(&f);
}

/* --- locks --- */

/* Another process holds @path locked until the pipe closes. */
static pid_t lock_elsewhere(const char *path, bool posix, int *ret_fd)
{
	int ready[2], stop[2];
	char c;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(stop, O_CLOEXEC) < 0)
		fixture_die("pipe");
	pid = fork();
	if (pid == 0) {
		struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 19 };
		int fd = open(path, O_RDWR | O_CLOEXEC);

		(void)close(stop[1]);
		if (fd < 0 || (posix ? fcntl(fd, F_SETLK, &l) : flock(fd, LOCK_EX | LOCK_NB)) < 0)
			_exit(1);
		(void)!write(ready[1], "x", 1);
		(void)!read(stop[0], &c, 1);
		_exit(0);
	}
	(void)close(stop[0]);
	(void)close(ready[1]);
	if (pid < 0 || read(ready[0], &c, 1) != 1)
		fixture_die("lock in another process");
	(void)close(ready[0]);
	*ret_fd = stop[1];
	return pid;
}

/* What a lock call of another process meets while the message is claimed. */
static int try_elsewhere(const char *path, bool posix)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 19 };
		int fd = open(path, O_RDWR | O_CLOEXEC), r;

		r = posix ? fcntl(fd, F_SETLK, &l) : flock(fd, LOCK_EX | LOCK_NB);
		_exit(fd < 0 ? 99 : r < 0 ? errno : 0);
	}
	(void)waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void test_locked(size_t i, bool posix, enum queue_lock how, bool excluded)
{
	const char *name = i == 0 ? formats[i].head : formats[i].body;
	struct queue_entry e;
	struct fixture f;
	struct err err;
	int stop, r;
	pid_t pid;

	fixture_init(&f);
	f.set.lock = how;
	put_message(&f, i);
	pid = lock_elsewhere(fixture_path(f.in, name), posix, &stop);
	r = claim(&f, i, &e, &err);
	T_OK(r == (excluded ? -EAGAIN : 0), "%s, %s lock of the MTA, setting %d: %d %s",
	     formats[i].mta, posix ? "fcntl" : "flock", (int)how, r, err.text);
	arena_reset(f.a);
	(void)close(stop);
	(void)waitpid(pid, NULL, 0);
	T_OK(claim(&f, i, &e, &err) == 0, "  free again");
	r = try_elsewhere(fixture_path(f.in, name), posix);
	T_OK(r == (excluded ? EAGAIN : 0), "  and now the MTA is kept out: %d", r);
	arena_reset(f.a);
	T_OK(try_elsewhere(fixture_path(f.in, name), posix) == 0, "  until the arena is reset");
	fixture_fini(&f);
}

static void test_twice(size_t i)
{
	AUTO(arena_free) struct arena *second = arena_new(MIB);
	AUTO(queue_dir_close) struct queue_dir *d = NULL;
	struct queue_entry e, e2;
	struct fixture f;
	struct err err;
	int dir_fd;

	fixture_init(&f);
	put_message(&f, i);
	d = open_queue(&f, formats[i].mta, f.in);
	T_OK(queue_claim(d, NULL, formats[i].id, f.a, &e, &err) == 0 &&
		     queue_claim(d, NULL, formats[i].id, second, &e2, &err) == -EAGAIN,
	     "%s: no second claim, even in one process", formats[i].mta);
	T_OK(queue_remove(&e, &dir_fd, &err) == 0 && count_files(f.in) == 0, "removed");
	T_OK(queue_claim(d, NULL, formats[i].id, second, &e2, &err) == -ENOENT, "gone");
	T_OK(queue_remove(&e, &dir_fd, &err) == 0, "removing twice is harmless");
	fixture_fini(&f);
}

/* A claim that is given back must not look like a new message: the watch would claim it again. */
static void test_no_events(size_t i)
{
	struct queue_entry e;
	struct fixture f;
	char events[4096];
	struct err err;
	int fd, watch;

	fixture_init(&f);
	put_message(&f, i);
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	watch = inotify_add_watch(fd, f.in, IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE | IN_ATTRIB);
	T_OK(watch >= 0 && claim(&f, i, &e, &err) == 0, "%s: claimed under watch", formats[i].mta);
	arena_reset(f.a);
	T_OK(read(fd, events, sizeof(events)) < 0 && errno == EAGAIN, "  nothing to be seen of it");
	put(f.in, "other", "x");
	T_OK(read(fd, events, sizeof(events)) > 0, "  (the watch works)");
	(void)close(fd);
	fixture_fini(&f);
}

static void test_small_arena(size_t i)
{
	AUTO(queue_dir_close) struct queue_dir *d = NULL;
	bool ok = true, claimed = false;
	struct queue_entry e;
	struct fixture f;
	struct err err;

	fixture_init(&f);
	put_message(&f, i);
	d = open_queue(&f, formats[i].mta, f.in);
	for (size_t max = 0; max < 16384 && !claimed; max += 16) {
		struct arena *a = arena_new(max);
		int r = queue_claim(d, NULL, formats[i].id, a, &e, &err);

		claimed = r == 0;
		ok &= r == 0 || (r == -ENOMEM && err.kind == ERR_LIMIT);
		arena_free(&a);
	}
	T_OK(ok && claimed, "%s: each failing allocation is ERR_LIMIT", formats[i].mta);
	fixture_fini(&f);
}

/* sendmail may keep the body in another directory of the queue, named by a line of the qf. */
static void test_data_dir(void)
{
	AUTO(queue_dir_close) struct queue_dir *d = NULL;
	static const char *const dirs[] = { "q2", NULL, "nowhere" };
	struct queue_entry e;
	struct fixture f;
	char text[512];
	struct err err;

	fixture_init(&f);
	(void)!mkdir(fixture_path(f.in, "q1"), 0700);
	(void)!mkdir(fixture_path(f.in, "q2"), 0700);
	put(fixture_path(f.in, "q2"), "df" QF_ID, DF);
	d = open_queue(&f, "sendmail", f.in);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		const char *dir = dirs[i] == NULL ? fixture_path(f.in, "q2") : dirs[i];
		int r;

		(void)snprintf(text, sizeof(text), "V8\nT1\nd%s\nS<a@b>\nRP:<c@d>\n.\n", dir);
		put(fixture_path(f.in, "q1"), "qf" QF_ID, text);
		r = queue_claim(d, NULL, QF_ID, f.a, &e, &err);
		T_OK(i < 2 ? r == 0 && e.body_bytes == strlen(DF)
			   : r == -EBADMSG && strstr(err.text, "'nowhere'") != NULL,
		     "body in %s", dir);
		arena_reset(f.a);
	}
	fixture_fini(&f);
}

int main(void)
{
	umask(022);
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		test_read(i);
		test_odd(i);
		test_bad_ids(i);
		for (int posix = 0; posix < 2; posix++) {
			test_locked(i, posix == 1, QUEUE_LOCK_DEFAULT, true);
			test_locked(i, posix == 1, QUEUE_LOCK_POSIX, true);
			test_locked(i, posix == 1, QUEUE_LOCK_FLOCK, true);
			test_locked(i, posix == 1, QUEUE_LOCK_NONE, false);
		}
		test_twice(i);
		test_no_events(i);
		test_small_arena(i);
	}
	test_data_dir();
	return t_done();
}
