/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/fault.c - fault points; built only with -Dfaults=true. */
#include "core/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/num.h"

#define POINTS_MAX 256

/* Test state of one process; never in a release build. */
static struct {
	const char *role;
	struct {
		char name[48];
		unsigned seen;
	} points[POINTS_MAX];
	size_t n;
} state;

static const struct {
	const char *name;
	int code;
} errnos[] = {
	{ "EIO", EIO },       { "ENOSPC", ENOSPC }, { "ENOMEM", ENOMEM },
	{ "EACCES", EACCES }, { "EMFILE", EMFILE }, { "EINTR", EINTR },
	{ "EDQUOT", EDQUOT }, { "ESTALE", ESTALE }, { "EOPNOTSUPP", EOPNOTSUPP },
};

void fault_set_role(const char *role)
{
	state.role = role;
}

/* How often this process has come by @point, this time included. */
static unsigned count_locked(const char *point)
{
	for (size_t i = 0; i < state.n; i++)
		if (strcmp(state.points[i].name, point) == 0)
			return ++state.points[i].seen;
	if (state.n == POINTS_MAX || strlen(point) >= sizeof(state.points[0].name))
		return 0;
	memcpy(state.points[state.n].name, point, strlen(point) + 1);
	return ++state.points[state.n++].seen;
}

static unsigned count(const char *point)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	unsigned seen;

	(void)pthread_mutex_lock(&lock);
	seen = count_locked(point);
	(void)pthread_mutex_unlock(&lock);
	return seen;
}

static int act(struct bytes what, int result)
{
	if (bytes_eq(what, BYTES("KILL")))
		(void)kill(getpid(), SIGKILL);
	if (bytes_eq(what, BYTES("CRASH")))
		(void)raise(SIGSEGV);
	while (bytes_eq(what, BYTES("HANG")))
		(void)pause();
	if (bytes_eq(what, BYTES("SHORT")))
		return result > 1 ? result / 2 : result;
	for (size_t i = 0; i < ARRAY_LEN(errnos); i++)
		if (bytes_eq(what, bytes_str(errnos[i].name)))
			return -errnos[i].code;
	return result;
}

static int apply(struct bytes spec, const char *point, unsigned seen, int result)
{
	while (spec.n > 0) {
		ptrdiff_t comma = bytes_index(spec, ','), eq, at;
		struct bytes item = comma < 0 ? spec : bytes_head(spec, (size_t)comma), what;
		uint64_t nth = 0;

		spec = comma < 0 ? bytes_from(spec, spec.n) : bytes_from(spec, (size_t)comma + 1);
		item = bytes_trim(item);
		eq = bytes_index(item, '=');
		if (eq < 0 || !bytes_eq(bytes_head(item, (size_t)eq), bytes_str(point)))
			continue;
		what = bytes_from(item, (size_t)eq + 1);
		at = bytes_index(what, '@');
		if (at >= 0 &&
		    num_parse(bytes_from(what, (size_t)at + 1), 10, UINT32_MAX, &nth) == 0)
			what = bytes_head(what, (size_t)at);
		if (nth == 0 || nth == seen)
			return act(what, result);
	}
	return result;
}

static size_t read_spec(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, buf, size);
	(void)close(fd);
	return n < 0 ? 0 : (size_t)n;
}

int fault_at(const char *point, int result)
{
	const char *spec = getenv("SALLYPORT_FAULT"), *path = getenv("SALLYPORT_FAULT_FILE");
	const char *role = getenv("SALLYPORT_FAULT_ROLE");
	char buf[1024];

	if (spec == NULL && path == NULL)
		return result;
	if (role != NULL && (state.role == NULL || strcmp(role, state.role) != 0))
		return result;
	if (path != NULL)
		return apply(bytes_of(buf, read_spec(path, buf, sizeof(buf))), point, count(point),
			     result);
	return apply(bytes_str(spec), point, count(point), result);
}
