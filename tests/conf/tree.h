/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/tree.h - the config/ folder of the source tree, as a site in memory. */
#ifndef TESTS_CONF_TREE_H
#define TESTS_CONF_TREE_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/str.h"
#include "tests/conf/site.h"

#define TREE_MAIN "/etc/sallyport/sallyport.conf"

/* Content of @path under the source root. */
static inline void tree_read(const char *path, struct str *out)
{
	char name[1024], buf[8192];
	ssize_t n;
	int fd;

	str_init(out, 8 * MIB);
	(void)snprintf(name, sizeof(name), "%s/%s", SOURCE_ROOT, path);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		str_add_bytes(out, bytes_of(buf, (size_t)n));
	if (fd >= 0)
		(void)close(fd);
}

/* Everything under config/@dir, two levels deep, at /etc/sallyport/@dir. */
static inline void tree_add(struct site *s, const char *dir, unsigned levels)
{
	char path[512], at[600];
	struct dirent *e;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/config/%s", SOURCE_ROOT, dir);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		AUTO(str_fini) struct str text;

		str_init(&text, 1);
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s%s", dir, e->d_name);
		(void)snprintf(at, sizeof(at), "/etc/sallyport/%s", path);
		if (e->d_type == DT_DIR && levels > 0) {
			site_dir(s, at);
			(void)snprintf(path, sizeof(path), "%s%s/", dir, e->d_name);
			tree_add(s, path, levels - 1);
			continue;
		}
		(void)snprintf(at, sizeof(at), "config/%s", path);
		tree_read(at, &text);
		(void)snprintf(at, sizeof(at), "/etc/sallyport/%s", path);
		site_file(s, at, str_view(&text));
	}
	if (d != NULL)
		(void)closedir(d);
}

/* A host on which the stock configuration finds all it names. */
static inline void tree_site(struct site *s)
{
	site_open(s);
	tree_add(s, "", 2);
	site_dir(s, "/var/spool/mqueue");
	site_dir(s, "/var/spool/mqueue.in");
	site_dir(s, "/var/spool/MailScanner/quarantine");
	site_command(s, "/usr/lib/sendmail");
	if (conf_source_add_env(s->source, "HOSTNAME", "mx1.example.com") < 0)
		abort();
}

#endif
