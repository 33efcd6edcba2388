/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg/owners.c - users, groups and modes that options name. */
#include "msg/owners.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

#include "conf/opt.h"
#include "core/num.h"

static bool is_own(const char *name)
{
	return name[0] == '\0' || strcmp(name, "0") == 0;
}

static int no_such(const char *what, enum opt_id id, const char *name, struct err *err)
{
	return err_set(err, ERR_CONFIG, -ENOENT, "%s = %s: this host has no such %s",
		       opt_rows[id].name, name, what);
}

int owner_user(const struct conf *c, enum opt_id id, uid_t *ret_uid, struct err *err)
{
	const char *name = conf_str(c, id, NULL);
	const struct passwd *pw;
	uint64_t n;

	*ret_uid = (uid_t)-1;
	if (is_own(name))
		return 0;
	pw = getpwnam(name);
	if (pw == NULL && num_parse(bytes_str(name), 10, INT32_MAX, &n) == 0)
		pw = getpwuid((uid_t)n);
	if (pw == NULL)
		return no_such("user", id, name, err);
	*ret_uid = pw->pw_uid;
	return 0;
}

int owner_group(const struct conf *c, enum opt_id id, gid_t *ret_gid, struct err *err)
{
	const char *name = conf_str(c, id, NULL);
	const struct group *gr;
	uint64_t n;

	*ret_gid = (gid_t)-1;
	if (is_own(name))
		return 0;
	gr = getgrnam(name);
	if (gr == NULL && num_parse(bytes_str(name), 10, INT32_MAX, &n) == 0)
		gr = getgrgid((gid_t)n);
	if (gr == NULL)
		return no_such("group", id, name, err);
	*ret_gid = gr->gr_gid;
	return 0;
}

int owner_mode(const struct conf *c, enum opt_id id, mode_t *ret_mode, struct err *err)
{
	const char *text = conf_str(c, id, NULL);
	uint64_t v;

	if (num_parse(bytes_trim(bytes_str(text)), 8, 0777, &v) < 0)
		return err_set(err, ERR_CONFIG, -EINVAL,
			       "%s = '%s': expected an octal mode such as 0660", opt_rows[id].name,
			       text);
	*ret_mode = (mode_t)v;
	return 0;
}
