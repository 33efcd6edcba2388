/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/store/tmp.h - a directory of its own for a test, removed at the end. */
#ifndef TESTS_STORE_TMP_H
#define TESTS_STORE_TMP_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char tmp_dir[256];

static inline int tmp_remove_one_(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st, (void)flag, (void)f;
	return remove(path);
}

static inline void tmp_clean(void)
{
	(void)nftw(tmp_dir, tmp_remove_one_, 16, FTW_DEPTH | FTW_PHYS);
}

/* False: the machine gives none. */
static inline bool tmp_make(void)
{
	const char *base = getenv("TMPDIR");

	(void)snprintf(tmp_dir, sizeof(tmp_dir), "%s/sallyport-test-XXXXXX",
		       base == NULL ? "/tmp" : base);
	return mkdtemp(tmp_dir) != NULL;
}

/* @name inside it; results stay valid for 63 more. */
static inline const char *tmp_path(const char *name)
{
	static char paths[64][512];
	static unsigned next;
	char *p = paths[next++ % 64];

	(void)snprintf(p, sizeof(paths[0]), "%s/%s", tmp_dir, name);
	return p;
}

/* Whether fault points are compiled in. */
static inline bool tmp_has_faults(void)
{
#ifdef SALLYPORT_FAULTS
	return true;
#else
	return false;
#endif
}

#endif
