/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker/isolate.c - namespaces and loss of privilege, in the order that makes both possible. */
#include "worker/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITIES_MAX 63
#define STACK_BYTES      (64 * MIB) /* see worker.c */

static const struct {
	int flag;
	const char *name;
} namespaces[] = {
	{ CLONE_NEWNS, "mount namespace" },
	{ CLONE_NEWNET, "network namespace" },
	{ CLONE_NEWIPC, "IPC namespace" },
	{ CLONE_NEWUTS, "UTS namespace" },
};

void missing_add(struct missing *m, const char *what)
{
	size_t n = strlen(m->text);

	(void)snprintf(m->text + n, sizeof(m->text) - n, "%s%s", n > 0 ? ", " : "", what);
}

/* --- who we are going to be --- */

struct identity {
	bool is_root, change;
	uid_t uid;
	gid_t gid;
};

static int find_user(struct identity *id, const char *user, struct missing *missing,
		     struct err *err)
{
	const struct passwd *pw;

	*id = (struct identity){ .is_root = geteuid() == 0, .uid = geteuid(), .gid = getegid() };
	if (!id->is_root || user == NULL) {
		missing_add(missing, "own user");
		return 0;
	}
	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL)
		return err_set(err, ERR_CONFIG, -ENOENT,
			       "user '%s' for the scan workers does not exist", user);
	if (pw->pw_uid == 0)
		return err_set(err, ERR_CONFIG, -EINVAL,
			       "user '%s' for the scan workers is root; it must not be", user);
	id->change = true;
	id->uid = pw->pw_uid;
	id->gid = pw->pw_gid;
	return 0;
}

/* --- namespaces --- */

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	fd_close(&fd);
	return ok;
}

/* Everybody is who he was before, so that files keep their owners. */
static bool map_user(const struct identity *id)
{
	char uid_map[40], gid_map[40];

	(void)snprintf(uid_map, sizeof(uid_map), "%u %u 1", id->uid, id->uid);
	(void)snprintf(gid_map, sizeof(gid_map), "%u %u 1", id->gid, id->gid);
	return write_text("/proc/self/setgroups", "deny") &&
	       write_text("/proc/self/uid_map", uid_map) &&
	       write_text("/proc/self/gid_map", gid_map);
}

static bool may_unshare(const struct identity *id)
{
	if (id->is_root)
		return true;
	return unshare(CLONE_NEWUSER) == 0 && map_user(id);
}

/* Returns whether mounts of ours stay ours. */
static bool enter_namespaces(const struct identity *id, struct missing *missing)
{
	bool may = may_unshare(id), own_mounts = false;

	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
		if (!may || unshare(namespaces[i].flag) < 0)
			missing_add(missing, namespaces[i].name);
		else if (namespaces[i].flag == CLONE_NEWNS)
			own_mounts = mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) == 0;
	}
	return own_mounts;
}

/* --- loss of privilege --- */

static int become(const struct identity *id, struct err *err)
{
	if (!id->change)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(id->gid, id->gid, id->gid) < 0 ||
	    setresuid(id->uid, id->uid, id->uid) < 0)
		return err_errno(err, "become user %u of the scan workers", id->uid);
	if (setresuid(0, 0, 0) == 0 || getuid() != id->uid || geteuid() != id->uid)
		return err_set(err, ERR_BUG, -EPERM, "root could be had back");
	return 0;
}

static int drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } }, now[2];

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, "no_new_privs");
	if (syscall(SYS_capset, &head, none) < 0 || syscall(SYS_capget, &head, now) < 0)
		return err_errno(err, "drop capabilities");
	if (memcmp(now, none, sizeof(none)) != 0)
		return err_set(err, ERR_BUG, -EPERM, "capabilities are left");
	return 0;
}

/* Needs CAP_SETPCAP, so before the user changes; without it no_new_privs does the same. */
static void drop_bounding_set(void)
{
	for (unsigned long cap = 0; cap <= CAPABILITIES_MAX; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

/* While we may: a worker can raise its stack only to the hard limit. */
static void raise_stack_limit(struct missing *missing)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_STACK, &r) == 0 && r.rlim_max >= STACK_BYTES)
		return;
	r.rlim_max = STACK_BYTES;
	if (setrlimit(RLIMIT_STACK, &r) < 0)
		missing_add(missing, "64 MB stacks");
}

int isolate(struct isolation *ret_i, const struct zygote_setup *setup, struct err *err)
{
	struct isolation i = { .own_user = false };
	struct identity id;
	bool own_mounts;
	int r = find_user(&id, setup->user, &i.missing, err);

	if (r < 0)
		return r;
	i.own_user = id.change;
	raise_stack_limit(&i.missing);
	own_mounts = enter_namespaces(&id, &i.missing);
	r = scratch_init(&i.scratch, setup->workers_max, setup->tmpfs_bytes, own_mounts, id.uid,
			 id.gid, err);
	if (r == 0 && !i.scratch.is_tmpfs)
		missing_add(&i.missing, "tmpfs");
	drop_bounding_set();
	if (r == 0)
		r = become(&id, err);
	if (r == 0)
		r = drop_capabilities(err);
	if (r < 0) {
		scratch_fini(&i.scratch);
		return r;
	}
	*ret_i = i;
	return 0;
}
