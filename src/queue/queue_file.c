/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/queue_file.c - opening, locking, reading and writing queue files, warily. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/fault.h"
#include "queue/queue_internal.h"

#define COPY_BYTES (64u * 1024)

/* The error a test wants at @point, as if the call after it had failed; 0: none. */
static int wanted_fault(const char *point)
{
	int r = fault_at(point, 0);

	if (r < 0)
		errno = -r;
	return r;
}

static int fd_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static int check(const struct stat *st, const struct queue_settings *set, const char *name,
		 struct err *err)
{
	if (!S_ISREG(st->st_mode))
		return err_set(err, ERR_INPUT, -EBADMSG, "%s: not a regular file", name);
	if (set->copies)
		return 0;
	if (st->st_uid != set->owner && st->st_uid != 0)
		return err_set(err, ERR_INPUT, -EBADMSG,
			       "%s: owned by uid %u, expected %u: left alone", name,
			       (unsigned)st->st_uid, (unsigned)set->owner);
	if ((st->st_mode & S_IWOTH) != 0)
		return err_set(err, ERR_INPUT, -EBADMSG,
			       "%s: everybody may write it (mode %04o): left alone", name,
			       (unsigned)(st->st_mode & 07777));
	return 0;
}

int queue_file_open(int dir_fd, const char *name, const struct queue_settings *set, int *ret_fd,
		    struct stat *ret_st, struct err *err)
{
	AUTO(fd_close) int fd = -1;
	int r;

	if (wanted_fault("queue.claim.open") == 0)
		fd = openat(dir_fd, name,
			    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return err_code(err, -ENOENT, "%s", name);
	if (fd < 0 && (errno == ELOOP || errno == ENXIO))
		return err_set(err, ERR_INPUT, -EBADMSG, "%s: not a regular file", name);
	if (fd < 0)
		return err_errno(err, "open %s", name);
	if (wanted_fault("queue.claim.stat") < 0 || fstat(fd, ret_st) < 0)
		return err_errno(err, "stat %s", name);
	r = check(ret_st, set, name, err);
	if (r == 0)
		*ret_fd = fd_take(&fd);
	return r;
}

/*
 * Both kinds of lock, whatever the option names, because MTAs of one name differ: Debian's sendmail
 * uses flock(), other builds of it and Exim fcntl(). A shared fcntl() lock is enough to keep the
 * MTA's exclusive one out and needs no descriptor open for writing, whose closing would look like a
 * new message to the queue watch; it belongs to this descriptor, not to the process. flock() keeps
 * a second gateway out. NFS can do only one of them: the one not named may fail.
 */
int queue_file_lock(int fd, enum queue_lock how, const char *name, struct err *err)
{
	struct flock range = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	if (how == QUEUE_LOCK_NONE)
		return 0;
	if (wanted_fault("queue.claim.lock") < 0 || fcntl(fd, F_OFD_SETLK, &range) < 0) {
		if (errno == EAGAIN || errno == EACCES)
			return err_set(err, ERR_TEMP, -EAGAIN, "%s: locked", name);
		if (how != QUEUE_LOCK_FLOCK)
			return err_errno(err, "lock %s", name);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return err_set(err, ERR_TEMP, -EAGAIN, "%s: locked", name);
		if (how == QUEUE_LOCK_FLOCK)
			return err_errno(err, "lock %s", name);
	}
	return 0;
}

int queue_file_read(int fd, const char *name, uint64_t size, struct arena *a, struct bytes *ret_raw,
		    struct err *err)
{
	/* One byte more than asked shows a file that grew. */
	uint8_t *p = size < SIZE_MAX ? arena_alloc(a, (size_t)size + 1) : NULL;
	size_t n = 0;

	if (p == NULL)
		return err_set(err, ERR_LIMIT, -ENOMEM,
			       "%s: %llu bytes are more than the message "
			       "memory allows",
			       name, (unsigned long long)size);
	while (n <= size) {
		size_t want = MIN_OF((size_t)size + 1 - n, (size_t)1 << 30);
		ssize_t got = -1;
		int part = fault_at("queue.claim.read", (int)want);

		if (part >= 0)
			got = pread(fd, p + n, (size_t)part, (off_t)n);
		else
			errno = -part;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, "read %s", name);
		if (got == 0)
			break;
		n += (size_t)got;
	}
	if (n != size)
		return err_set(err, ERR_TEMP, -EAGAIN, "%s: changed while it was read", name);
	*ret_raw = bytes_of(p, n);
	return 0;
}

static int set_owner_and_mode(int fd, const struct stat *like, mode_t mode)
{
	if (mode == 0)
		mode = like->st_mode & 0775;
	/* Only a gateway that runs as root can give files away; else they are the MTA user's. */
	if ((like->st_uid != geteuid() || like->st_gid != getegid()) &&
	    fchown(fd, like->st_uid, like->st_gid) < 0 && errno != EPERM)
		return -1;
	return fchmod(fd, mode);
}

int queue_file_create(int dir_fd, const char *name, const struct stat *like, mode_t mode,
		      int *ret_fd, struct err *err)
{
	AUTO(fd_close) int fd = -1;

	if (wanted_fault("queue.stage.create") == 0)
		fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			    0600);
	if (fd < 0)
		return err_errno(err, "create %s", name);
	if (wanted_fault("queue.stage.mode") < 0 || set_owner_and_mode(fd, like, mode) < 0) {
		int r = err_errno(err, "set owner and mode of %s", name);

		(void)unlinkat(dir_fd, name, 0);
		return r;
	}
	*ret_fd = fd_take(&fd);
	return 0;
}

int queue_file_write(int fd, struct bytes data, const char *point, struct err *err)
{
	while (data.n > 0) {
		size_t want = MIN_OF(data.n, (size_t)1 << 30);
		int part = fault_at(point, (int)want);
		ssize_t n = -1;

		if (part >= 0)
			n = write(fd, data.p, (size_t)part);
		else
			errno = -part;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "write queue file");
		data = bytes_from(data, (size_t)n);
	}
	return 0;
}

/* @before: the byte before @b, for a CR LF across two buffers. */
static void count(struct queue_copied *c, struct bytes b, uint8_t *before)
{
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] == '\n') {
			c->lines++;
			c->crlf_lines += *before == '\r';
		}
		c->nuls += b.p[i] == '\0';
		*before = b.p[i];
	}
	if (b.n > 0)
		c->cut = *before != '\n';
}

int queue_file_copy(int from, uint64_t offset, int to, struct queue_copied *ret, struct err *err)
{
	struct queue_copied c = { 0 };
	uint8_t buf[COPY_BYTES], before = 0;

	for (;;) {
		int part = fault_at("queue.copy.read", (int)sizeof(buf)), r;
		ssize_t n = -1;

		if (part >= 0)
			n = pread(from, buf, (size_t)part, (off_t)offset);
		else
			errno = -part;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "read message body");
		if (n == 0)
			break;
		count(&c, bytes_of(buf, (size_t)n), &before);
		r = queue_file_write(to, bytes_of(buf, (size_t)n), "queue.copy.write", err);
		if (r < 0)
			return r;
		offset += (uint64_t)n;
	}
	*ret = c;
	return 0;
}

int queue_file_stat(int dir_fd, const char *name, struct stat *ret_st, struct err *err)
{
	if (wanted_fault("queue.look.stat") == 0 &&
	    fstatat(dir_fd, name, ret_st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	return err_errno(err, "stat %s", name);
}

int queue_file_unlink(int dir_fd, const char *name, const char *point, struct err *err)
{
	if (wanted_fault(point) == 0 && unlinkat(dir_fd, name, 0) == 0)
		return 0;
	if (errno == ENOENT)
		return 0;
	return err_errno(err, "remove %s", name);
}
