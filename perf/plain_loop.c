/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf/plain_loop.c - the simple way to make mail durable: for each message write one file, fsync
 * it, rename it into place, fsync the directory. What perf/durable.py compares sallyportd with.
 *
 * plain_loop FROM TO: copies every pair qfID + dfID of FROM into one file TO/ID. FROM is left as it
 * is; a server that moves mail would have to remove it, too, so this is the loop's best case.
 * Prints "MESSAGES SECONDS".
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 20 };

static char buffer[BUFFER_BYTES];

static double now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int append(int out, int from_dir, const char *prefix, const char *id)
{
	char name[300];
	ssize_t n;
	int in;

	(void)snprintf(name, sizeof(name), "%s%s", prefix, id);
	in = openat(from_dir, name, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return -1;
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		if (write(out, buffer, (size_t)n) != n) {
			n = -1;
			break;
		}
	(void)close(in);
	return n < 0 ? -1 : 0;
}

static int store(int from_dir, int to_dir, const char *id)
{
	char hidden[300];
	int out, r;

	(void)snprintf(hidden, sizeof(hidden), ".%s", id);
	out = openat(to_dir, hidden, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return -1;
	r = append(out, from_dir, "qf", id);
	if (r == 0)
		r = append(out, from_dir, "df", id);
	if (r == 0)
		r = fsync(out);
	(void)close(out);
	if (r == 0)
		r = renameat(to_dir, hidden, to_dir, id);
	return r == 0 ? fsync(to_dir) : r;
}

int main(int argc, char **argv)
{
	int from_dir, to_dir;
	unsigned n = 0;
	double start;
	struct dirent *e;
	DIR *list;

	if (argc != 3 || argv[1][0] == '-') {
		(void)fprintf(stderr, "Usage: plain_loop FROM TO\n"
				      "Stores each queued message of FROM in TO, one at a time, "
				      "durably; prints messages and seconds.\n");
		return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 64;
	}
	list = opendir(argv[1]);
	to_dir = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (list == NULL || to_dir < 0) {
		perror("plain_loop");
		return 1;
	}
	from_dir = dirfd(list);
	start = now_s();
	while ((e = readdir(list)) != NULL) {
		if (strncmp(e->d_name, "qf", 2) != 0)
			continue;
		if (store(from_dir, to_dir, e->d_name + 2) < 0) {
			perror(e->d_name);
			return 1;
		}
		n++;
	}
	printf("%u %.6f\n", n, now_s() - start);
	return 0;
}
