/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/children.c - fork, rights, exec. */
#include "daemon/children.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "daemon/channel.h"
#include "daemon/web.h"
#include "msg/cores.h"
#include "msg/owners.h"
#include "tools/zygote_role.h"

#define GATEWAY_FILES 65536 /* some descriptors for each message in flight */

struct rlimits {
	rlim_t priority; /* 0: no real-time class is wanted */
};

struct identity {
	bool change;
	uid_t uid;
	gid_t gid;
	gid_t groups[3];
	size_t groups_n;
};

static int add_group(struct identity *id, const struct conf *c, enum opt_id option, struct err *err)
{
	gid_t gid;
	int r = owner_group(c, option, &gid, err);

	if (r == 0 && gid != (gid_t)-1)
		id->groups[id->groups_n++] = gid;
	return r;
}

/* Run As User and Group; supplementary: theirs, Quarantine Group, Incoming Work Group. */
static int gateway_identity(struct identity *id, const struct conf *c, struct err *err)
{
	const struct passwd *pw;
	struct err ignored; /* nothing is unpacked here, so that this group may be missing */
	uid_t uid;
	int r;

	*id = (struct identity){ 0 };
	if (geteuid() != 0)
		return 0;
	r = owner_user(c, OPT_RUN_AS_USER, &uid, err);
	if (r < 0 || uid == (uid_t)-1)
		return r;
	pw = getpwuid(uid);
	if (pw == NULL)
		return err_set(err, ERR_TEMP, -ENOENT, "Run As User: user %u has gone",
			       (unsigned)uid);
	id->change = true;
	id->uid = uid;
	id->gid = pw->pw_gid;
	r = add_group(id, c, OPT_RUN_AS_GROUP, err);
	if (r == 0 && id->groups_n > 0)
		id->gid = id->groups[0];
	if (r == 0 && id->groups_n == 0)
		id->groups[id->groups_n++] = id->gid;
	if (r == 0)
		r = add_group(id, c, OPT_QUARANTINE_GROUP, err);
	if (r == 0)
		(void)add_group(id, c, OPT_INCOMING_WORK_GROUP, &ignored);
	return r;
}

/* The exporter's; without a group of anybody else. */
static int exporter_identity(struct identity *id, struct err *err)
{
	struct passwd *pw;

	*id = (struct identity){ 0 };
	if (geteuid() != 0)
		return 0;
	pw = getpwnam(WEB_USER);
	if (pw == NULL)
		return err_set(err, ERR_CONFIG, -ENOENT, "the system user " WEB_USER " is missing");
	*id = (struct identity){ .change = true, .uid = pw->pw_uid, .gid = pw->pw_gid };
	return 0;
}

static bool become(const struct identity *id)
{
	if (!id->change)
		return true;
	return setgroups(id->groups_n, id->groups) == 0 &&
	       setresgid(id->gid, id->gid, id->gid) == 0 &&
	       setresuid(id->uid, id->uid, id->uid) == 0;
}

/* What is executed; made before the fork, since allocation is not allowed between it and exec. */
struct command {
	char zygote[ZYGOTE_ARGUMENT_MAX];
	char *argv[10];
};

static void make_command(struct command *cmd, enum child_role role, const struct conf *c,
			 const struct daemon_options *o)
{
	char **at = cmd->argv;

	*cmd = (struct command){ 0 };
	if (role == CHILD_ZYGOTE) {
		zygote_role_argument(cmd->zygote, c);
		*at++ = (char *)"sallyportd: zygote";
		*at++ = (char *)ZYGOTE_ROLE;
		*at++ = cmd->zygote;
		return;
	}
	*at++ = role == CHILD_GATEWAY ? (char *)"sallyportd: gateway"
				      : (char *)"sallyportd: exporter";
	*at++ = role == CHILD_GATEWAY ? (char *)"--role=gateway" : (char *)"--role=exporter";
	*at++ = (char *)"-c";
	*at++ = (char *)(uintptr_t)o->conf_path;
	if (o->foreground)
		*at++ = (char *)"--foreground";
	if (o->once)
		*at++ = (char *)"--once";
	if (o->only_id != NULL) {
		*at++ = (char *)"--id";
		*at++ = (char *)(uintptr_t)o->only_id;
	}
}

/* First out of the way, then into place: a target may be somebody else's source, and dup2() onto
 * itself would keep the close-on-exec flag. */
static bool place_fds(const int *fds, size_t n)
{
	int moved[CHILD_FDS_MAX];

	for (size_t i = 0; i < n; i++) {
		moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, CHANNEL_FD + CHILD_FDS_MAX);
		if (moved[i] < 0)
			return false;
	}
	for (size_t i = 0; i < n; i++)
		if (dup2(moved[i], CHANNEL_FD + (int)i) < 0)
			return false;
	return close_range(CHANNEL_FD + (unsigned)n, ~0u, 0) == 0;
}

/*
 * The right to a real-time class, and its guard: whoever runs CORES_SLICE_US in it without a pause
 * gets SIGXCPU and goes back to the normal class (msg/cores.c).
 */
static void grant_realtime(const struct rlimits *l)
{
	struct rlimit priority = { l->priority, l->priority };
	struct rlimit time = { CORES_SLICE_US, RLIM_INFINITY };

	if (l->priority == 0)
		return;
	/* Refused: the gateway's own attempt fails then and says so. */
	(void)setrlimit(RLIMIT_RTPRIO, &priority);
	(void)setrlimit(RLIMIT_RTTIME, &time);
}

static struct rlimits limits_of(const struct conf *c)
{
	bool wanted = strcmp(conf_words(c, OPT_LOOP_REALTIME, NULL), "no") != 0;

	return (struct rlimits){
		.priority = wanted ? (rlim_t)conf_num(c, OPT_LOOP_REALTIME_PRIORITY, NULL) : 0
	};
}

/* As far as we may: without privileges only up to the hard limit. */
static void raise_files(void)
{
	struct rlimit files = { GATEWAY_FILES, GATEWAY_FILES };

	if (setrlimit(RLIMIT_NOFILE, &files) == 0 || getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

/* In the child. */
static _Noreturn void run(enum child_role role, const int *fds, size_t fds_n,
			  const struct identity *id, const struct rlimits *limits,
			  struct command *cmd)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (role == CHILD_GATEWAY) {
		raise_files();
		grant_realtime(limits);
	}
	if (!become(id))
		_exit(EX_NOPERM);
	if (!place_fds(fds, fds_n))
		_exit(EX_OSERR);
	(void)execv("/proc/self/exe", cmd->argv);
	_exit(EX_OSERR);
}

static struct child *free_place(struct children *cs)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (cs->v[i].role == CHILD_NONE)
			return &cs->v[i];
	return NULL;
}

int children_start(struct children *cs, enum child_role role, const int *fds, size_t fds_n,
		   const struct conf *c, const struct daemon_options *o, pid_t *ret_pid,
		   struct err *err)
{
	struct child *place = free_place(cs);
	const struct rlimits limits = limits_of(c);
	struct identity id = { 0 };
	struct command cmd;
	pid_t pid;
	int r = 0;

	if (place == NULL)
		return err_set(err, ERR_TEMP, -EAGAIN,
			       "old zygotes are still finishing their mail");
	if (role == CHILD_GATEWAY)
		r = gateway_identity(&id, c, err);
	else if (role == CHILD_EXPORTER)
		r = exporter_identity(&id, err);
	if (r < 0)
		return r;
	make_command(&cmd, role, c, o);
	pid = fork();
	if (pid < 0)
		return err_errno(err, "start the %s", child_name(role));
	if (pid == 0)
		run(role, fds, fds_n, &id, &limits, &cmd);
	*place = (struct child){ .role = role, .pid = pid, .started_ns = clock_now_ns() };
	if (ret_pid != NULL)
		*ret_pid = pid;
	return 0;
}

bool children_add(struct children *cs, enum child_role role, pid_t pid)
{
	struct child *place = free_place(cs);

	if (place == NULL)
		return false;
	*place = (struct child){ .role = role, .pid = pid, .started_ns = clock_now_ns() };
	return true;
}

bool children_reap(struct children *cs, struct child *ret_c, int *ret_status)
{
	pid_t pid;

	while ((pid = waitpid(-1, ret_status, WNOHANG)) > 0)
		for (size_t i = 0; i < CHILDREN_MAX; i++)
			if (cs->v[i].role != CHILD_NONE && cs->v[i].pid == pid) {
				*ret_c = cs->v[i];
				cs->v[i] = (struct child){ 0 };
				return true;
			}
	return false;
}

unsigned children_count(const struct children *cs, enum child_role role)
{
	unsigned n = 0;

	for (size_t i = 0; i < CHILDREN_MAX; i++)
		n += cs->v[i].role == role;
	return n;
}

unsigned children_total(const struct children *cs)
{
	return CHILDREN_MAX - children_count(cs, CHILD_NONE);
}

void children_kill(const struct children *cs, int sig)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (cs->v[i].role != CHILD_NONE)
			(void)kill(cs->v[i].pid, sig);
}

void children_signal(const struct children *cs, enum child_role role, int sig)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (cs->v[i].role == role)
			(void)kill(cs->v[i].pid, sig);
}

const char *child_name(enum child_role role)
{
	static const char *const names[] = { "nothing", "gateway", "zygote", "exporter", "loader" };

	return names[role];
}

const char *child_end(int status)
{
	static char text[64]; /* one process, one thread: the supervisor */

	if (WIFSIGNALED(status))
		(void)snprintf(text, sizeof(text), "signal %d (%s)", WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	else
		(void)snprintf(text, sizeof(text), "status %d", WEXITSTATUS(status));
	return text;
}
