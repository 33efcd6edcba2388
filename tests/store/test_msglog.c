/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store/msglog: lines are JSON whatever is in them, whole whatever fails, and found again. */
#include "store/msglog.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/store/tmp.h"
#include "tests/t.h"

static struct msglog_record record(const char *id)
{
	static const char *const to[] = { "b@example.org", "c@example.org" };

	return (struct msglog_record){ .id = id,
				       .out_id = "2xyz",
				       .outcome = "deliver",
				       .from = "",
				       .to = to,
				       .to_n = 2,
				       .client_ip = "192.0.2.1",
				       .subject = "a \"b\" \\ \xff\x01\n",
				       .facts = "{\"findings\":[]}",
				       .size_bytes = 1234,
				       .received_s = 100,
				       .finished_s = 101,
				       .attempt = 1,
				       .scanned = true,
				       .total_us = 55 };
}

static int write_one(struct msglog *l, const char *id)
{
	struct msglog_record r = record(id);

	return msglog_write(l, &r, NULL);
}

static unsigned lines_of(const char *path, unsigned *ret_whole)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;
	unsigned n = 0;
	ssize_t len;

	*ret_whole = 0;
	while (f != NULL && (len = getline(&line, &size, f)) > 0) {
		n++;
		*ret_whole += line[0] == '{' && len > 1 && line[len - 2] == '}';
	}
	free(line);
	if (f != NULL)
		(void)fclose(f);
	return n;
}

static void test_derived(void)
{
	static const char *const parents[] = { NULL, "1a", "1a", "1", NULL };
	static const char *const ids[] = { "1a", "2b", "3c", "4d", "5e" };
	const char *path = tmp_path("derived.log");
	struct str found AUTO(str_fini);
	struct msglog *l = NULL;
	struct err err = { .kind = ERR_NONE };
	bool ok = msglog_open(&l, path, &err) == 0;

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct msglog_record r = record(ids[i]);

		r.split_from = parents[i];
		if (i == 4) /* whoever can choose a subject cannot say that it was split */
			r.subject = "\"split_from\":\"1a\",";
		ok &= msglog_write(l, &r, &err) == 0;
	}
	msglog_close(&l);
	str_init(&found, MSGLOG_LINE_MAX);
	T_OK(ok && msglog_find_derived(path, "1a", &found, &err) == 2 &&
		     strcmp(str_view(&found), "2b, 3c") == 0,
	     "those split from it: %s", str_view(&found));
	str_reset(&found);
	T_OK(msglog_find_derived(path, "2b", &found, &err) == 0 && found.n == 0, "none");
	T_OK(msglog_find_derived("/nonexistent/x", "2b", &found, &err) == -ENOENT, "no file");
}

static void test_line(void)
{
	static const char want[] =
		"{\"id\":\"1a\",\"out_id\":\"2xyz\",\"received\":100,\"finished\":101,"
		"\"size\":1234,\"client_ip\":\"192.0.2.1\",\"from\":\"\","
		"\"to\":[\"b@example.org\",\"c@example.org\"],\"to_n\":2,"
		"\"subject\":\"a \\\"b\\\" \\\\ \xef\xbf\xbd\\u0001\\n\",\"outcome\":\"deliver\","
		"\"scanned\":true,\"virus_infected\":false,\"name_infected\":false,"
		"\"size_infected\":false,\"other_infected\":false,\"attempt\":1,\"wait_us\":0,"
		"\"scan_us\":0,\"commit_us\":0,\"total_us\":55,\"facts\":{\"findings\":[]}}";
	const char *path = tmp_path("line.log");
	struct str line AUTO(str_fini);
	struct msglog *l = NULL;
	struct err err = { .kind = ERR_NONE };

	str_init(&line, MSGLOG_LINE_MAX);
	T_OK(msglog_open(&l, path, &err) == 0 && write_one(l, "1a") == 0 && write_one(l, "1") == 0,
	     "two lines");
	T_OK(msglog_find(path, "1a", &line, &err) == 0 && strcmp(str_view(&line), want) == 0,
	     "as it should be");
	T_OK(msglog_find(path, "2xyz", &line, &err) == -ENOENT, "%s", err.text);
	T_OK(msglog_find(path, "1\",\"", &line, &err) == -ENOENT, "%s", err.text);
	T_OK(msglog_find(tmp_path("none.log"), "1", &line, &err) == -ENOENT, "%s", err.text);
	T_OK(msglog_find(path, "1", &line, &err) == 0 &&
		     strncmp(str_view(&line), "{\"id\":\"1\",", 10) == 0,
	     "an id that begins another is another");
	msglog_close(&l);
}

static void test_large(void)
{
	static const char *to[MSGLOG_TO_MAX + 5];
	const char *path = tmp_path("large.log");
	struct str line AUTO(str_fini);
	struct msglog_record r = record("big");
	struct msglog *l = NULL;
	struct err err = { .kind = ERR_NONE };
	char *facts = malloc(MSGLOG_LINE_MAX + 10);

	str_init(&line, MSGLOG_LINE_MAX);
	memset(facts, ' ', MSGLOG_LINE_MAX + 10);
	facts[0] = '{';
	facts[MSGLOG_LINE_MAX + 8] = '}';
	facts[MSGLOG_LINE_MAX + 9] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(to); i++)
		to[i] = "x@example.org";
	r.to = to;
	r.to_n = ARRAY_LEN(to);
	r.facts = facts;
	T_OK(msglog_open(&l, path, &err) == 0 && msglog_write(l, &r, &err) == 0 &&
		     msglog_find(path, "big", &line, &err) == 0 &&
		     strstr(str_view(&line), "\"to_n\":1005,") != NULL &&
		     strstr(str_view(&line), "\"cut\":true}") != NULL,
	     "facts and recipients that are too many are left out, and it says so");
	r.subject = facts;
	T_OK(msglog_write(l, &r, &err) == -EFBIG && err.kind == ERR_LIMIT, "%s", err.text);
	T_OK(write_one(l, "next") == 0 && msglog_find(path, "next", &line, &err) == 0,
	     "the next is whole");
	msglog_close(&l);
	free(facts);
}

static void test_rotation(void)
{
	const char *path = tmp_path("rot.log");
	struct msglog *l = NULL;
	struct err err = { .kind = ERR_NONE };
	unsigned whole;

	T_OK(msglog_open(&l, path, &err) == 0 && write_one(l, "a") == 0 &&
		     rename(path, tmp_path("rot.log.1")) == 0 && write_one(l, "b") == 0,
	     "renamed: written on");
	T_OK(lines_of(tmp_path("rot.log.1"), &whole) == 2 && whole == 2, "into the old file");
	T_OK(msglog_reopen(l, &err) == 0 && write_one(l, "c") == 0 && lines_of(path, &whole) == 1 &&
		     whole == 1,
	     "reopened: into the new one");
	T_OK(unlink(path) == 0 && mkdir(path, 0700) == 0 && msglog_reopen(l, &err) < 0 &&
		     write_one(l, "d") == 0,
	     "a reopen that fails keeps the old one: %s", err.text);
	msglog_close(&l);
}

static void test_torn(void)
{
	const char *path = tmp_path("torn.log");
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	struct str line AUTO(str_fini);
	struct msglog *l = NULL;
	unsigned whole;

	str_init(&line, MSGLOG_LINE_MAX);
	T_OK(write(fd, "{\"id\":\"cut\",\"si", 15) == 15 && close(fd) == 0, "a line cut short");
	T_OK(msglog_open(&l, path, NULL) == 0 && write_one(l, "good") == 0 &&
		     lines_of(path, &whole) == 2 && whole == 1,
	     "the next begins a line");
	T_OK(msglog_find(path, "good", &line, NULL) == 0, "and is found");
	msglog_close(&l);
}

static void test_faults(void)
{
	const char *path = tmp_path("fault.log");
	struct msglog_record r = record("x");
	struct msglog *l = NULL;
	struct err err = { .kind = ERR_NONE };
	unsigned whole;

	(void)setenv("SALLYPORT_FAULT", "store.msglog_open=EACCES", 1);
	T_OK(msglog_open(&l, path, &err) == -EACCES && l == NULL, "%s", err.text);
	(void)unsetenv("SALLYPORT_FAULT");
	T_OK(msglog_open(&l, path, &err) == 0 && write_one(l, "a") == 0, "a line");
	(void)setenv("SALLYPORT_FAULT", "store.write=ENOSPC", 1);
	T_OK(msglog_write(l, &r, &err) == -ENOSPC && err.kind == ERR_TEMP, "%s", err.text);
	(void)setenv("SALLYPORT_FAULT", "store.write_short=SHORT,store.write=ENOSPC@4", 1);
	T_OK(msglog_write(l, &r, &err) == -ENOSPC, "full in the middle of a line: %s", err.text);
	(void)unsetenv("SALLYPORT_FAULT");
	T_OK(write_one(l, "b") == 0, "room again");
	(void)lines_of(path, &whole);
	T_OK(whole == 2, "both good lines are whole (%u)", whole);
	msglog_close(&l);
}

int main(void)
{
	if (!tmp_make())
		return t_skip_all("no temporary directory");
	test_line();
	test_derived();
	test_large();
	test_rotation();
	test_torn();
	if (tmp_has_faults())
		test_faults();
	tmp_clean();
	return t_done();
}
