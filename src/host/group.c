/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host/group.c - limits of control groups, from our own one up to the root. */
#include "host/group.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/num.h"
#include "host/files.h"

#define TEXT_MAX      8192u
#define PATH_TEXT_MAX 512u
#define NO_LIMIT      (UINT64_C(1) << 60) /* version 1 writes the largest page number there is */

static bool read_words(const char *root, const char *dir, const char *group, const char *file,
		       char out[TEXT_MAX], struct bytes *ret_rest)
{
	char path[2 * PATH_TEXT_MAX];

	if (snprintf(path, sizeof(path), "%s%s/%s", dir, group, file) >= (int)sizeof(path) ||
	    host_text(out, TEXT_MAX, root, path) < 0)
		return false;
	*ret_rest = bytes_trim(bytes_str(out));
	return true;
}

static bool next_number(struct bytes *rest, uint64_t *ret_n)
{
	struct bytes word;

	/* "max" and "-1" are no numbers: no limit. */
	return bytes_next_word(rest, &word) && num_parse(word, 10, UINT64_MAX, ret_n) == 0;
}

static void take_cpu(struct host_group *g, uint64_t quota, uint64_t period)
{
	uint64_t percent;

	if (period == 0 || __builtin_mul_overflow(quota, UINT64_C(100), &percent))
		return;
	percent = MIN_OF(MAX_OF(percent / period, UINT64_C(1)), (uint64_t)UINT32_MAX);
	if (g->cpu_percent == 0 || percent < g->cpu_percent)
		g->cpu_percent = (uint32_t)percent;
}

static void take_memory(struct host_group *g, uint64_t bytes)
{
	if (bytes > 0 && bytes < NO_LIMIT && (g->memory_bytes == 0 || bytes < g->memory_bytes))
		g->memory_bytes = bytes;
}

/* --- one group --- */

static void read_v2(struct host_group *g, const char *root, const char *dir, const char *group)
{
	char text[TEXT_MAX];
	struct bytes rest;
	uint64_t n, period;

	if (read_words(root, dir, group, "cpu.max", text, &rest) && next_number(&rest, &n) &&
	    next_number(&rest, &period))
		take_cpu(g, n, period);
	if (read_words(root, dir, group, "memory.max", text, &rest) && next_number(&rest, &n))
		take_memory(g, n);
}

static void read_v1_cpu(struct host_group *g, const char *root, const char *dir, const char *group)
{
	char text[TEXT_MAX];
	struct bytes rest;
	uint64_t quota, period;

	if (read_words(root, dir, group, "cpu.cfs_quota_us", text, &rest) &&
	    next_number(&rest, &quota) &&
	    read_words(root, dir, group, "cpu.cfs_period_us", text, &rest) &&
	    next_number(&rest, &period))
		take_cpu(g, quota, period);
}

static void read_v1_memory(struct host_group *g, const char *root, const char *dir,
			   const char *group)
{
	char text[TEXT_MAX];
	struct bytes rest;
	uint64_t n;

	if (read_words(root, dir, group, "memory.limit_in_bytes", text, &rest) &&
	    next_number(&rest, &n))
		take_memory(g, n);
}

/* --- ours and those above --- */

static const struct kind {
	const char *controller, *dir; /* "": version 2 */
	void (*read)(struct host_group *g, const char *root, const char *dir, const char *group);
} kinds[] = {
	{ "", "/sys/fs/cgroup", read_v2 },
	{ "cpu", "/sys/fs/cgroup/cpu", read_v1_cpu },
	{ "memory", "/sys/fs/cgroup/memory", read_v1_memory },
};

/*
 * In a container without a namespace of control groups the path is that of the host, while its
 * own group is mounted as the root: so what is not there is passed over, and the root is read, too.
 */
static void climb(struct host_group *g, const char *root, const struct kind *k, struct bytes path)
{
	char group[PATH_TEXT_MAX];

	if (path.n >= sizeof(group))
		path.n = 0;
	memcpy(group, path.p, path.n);
	group[path.n] = '\0';
	for (;;) {
		char *slash = strrchr(group, '/');

		if (slash != NULL && slash[1] == '\0') {
			*slash = '\0';
			continue;
		}
		if (strstr(group, "/..") == NULL) /* a group outside of our namespace */
			k->read(g, root, k->dir, group);
		if (slash == NULL)
			return;
		*slash = '\0';
	}
}

/* "cpu" in "cpu,cpuacct"; "" is the whole of "". */
static bool names(struct bytes list, const char *controller)
{
	for (;;) {
		ptrdiff_t comma = bytes_index(list, ',');
		struct bytes item = comma < 0 ? list : bytes_head(list, (size_t)comma);

		if (bytes_eq(item, bytes_str(controller)))
			return true;
		if (comma < 0)
			return false;
		list = bytes_from(list, (size_t)comma + 1);
	}
}

/* "3:cpu,cpuacct:/system.slice/x.service" */
static void read_line(struct host_group *g, const char *root, struct bytes line)
{
	ptrdiff_t first = bytes_index(line, ':'), second;
	struct bytes list, rest;

	if (first < 0)
		return;
	rest = bytes_from(line, (size_t)first + 1);
	second = bytes_index(rest, ':');
	if (second < 0)
		return;
	list = bytes_head(rest, (size_t)second);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (names(list, kinds[i].controller))
			climb(g, root, &kinds[i], bytes_from(rest, (size_t)second + 1));
}

void host_group_read(struct host_group *ret_g, const char *root)
{
	char text[TEXT_MAX];
	struct bytes rest, line;

	*ret_g = (struct host_group){ 0 };
	if (host_text(text, sizeof(text), root, "/proc/self/cgroup") < 0)
		return;
	rest = bytes_str(text);
	while (bytes_next_line(&rest, &line))
		read_line(ret_g, root, line);
}
