/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/conf/test_no_memory.c - each allocation of a load fails once. Nothing crashes or leaks, and
 * what loads all the same is the whole configuration. Linked with --wrap for the four functions.
 */
#include "conf/explain.h"
#include "tests/conf/site.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t a, size_t b);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t a, size_t b);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t a, size_t b);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t a, size_t b);

static long fail_at; /* 0: never */
static long asked;

static bool fails(void)
{
	return ++asked == fail_at;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t a, size_t b)
{
	return fails() ? NULL : __real_calloc(a, b);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

void *__wrap_reallocarray(void *p, size_t a, size_t b)
{
	return fails() ? NULL : __real_reallocarray(p, a, b);
}

static void site_rows(struct site *s, enum conf_query_kind what, const char *argument,
		      const char *rows)
{
	const struct conf_query q = { .what = what, .argument = argument };

	if (conf_source_add_rows(s->source, &q, bytes_str(rows)) < 0)
		abort();
}

static void make_site(struct site *s)
{
	site_open(s);
	site_file(s, SITE_MAIN,
		  "%a% = x\nMax Children = 7\nHostname = %a% $H\\n\nbad key = 1\n"
		  "Quarantine Dir = /d\nSilent Viruses = /r.rules\nSpam Actions = /r.rules\n"
		  "Filename Rules = /f\ninclude /i/*\nVirus Scanning = yes no\n"
		  "%p% = secret\nDB Password = %p%$H\n# DB Password = old\nDB DSN = x\n"
		  "SQL Config = x\nSQL Ruleset = x\nSQL Serial Number = x\n"
		  "SQL SpamAssassin Config = x\nHigh Scoring Spam Actions = a.customize\n");
	site_file(s, "/r.rules",
		  "From: a@b 1\nFrom: *.x.org 2\nTo: /p 3\nFrom: 10.0.0.1-10.0.0.77 4\n"
		  "From: /re/ 5\nFrom: j[a]*@x.org 7\nFrom: a@b and To: c@d 6\nVirus: x* 5\n"
		  "From: host:/x/ 8\nFromOrTo: default 9\n");
	site_file(s, "/p", "a@b\nq@r\n");
	site_file(s, "/f", "x");
	site_file(s, "/i/1", "Max Children = 8\n");
	site_dir(s, "/d");
	site_rows(s, CONF_QUERY_SERIAL, "", "\t7\n");
	site_rows(s, CONF_QUERY_SETTINGS, "", "%v%\tx\ninfovalue\tinfo %v%\n");
	site_rows(s, CONF_QUERY_SPAMASSASSIN, "", "\tscore X 1\n");
	site_rows(s, CONF_QUERY_RULESET, "a.customize", "1\tFrom: a@b db\n2\tTo: q@r db\n");
	if (conf_source_add_env(s->source, "H", "host") < 0)
		abort();
}

/* A number made of all values for one message. */
static unsigned long digest(const struct conf *c)
{
	static const char *const to[] = { "c@d", "q@r" };
	const struct conf_who who = {
		.from = "a@b", .to = to, .to_n = 2, .client_ip = "10.0.0.7", .client_host = "x"
	};
	unsigned long h = 5381;

	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		for (const char *p = conf_written(c, id, &who); *p != '\0'; p++)
			h = h * 33 + (unsigned char)*p;
		for (const char *p = conf_where(c, id, &who); *p != '\0'; p++)
			h = h * 33 + (unsigned char)*p;
	}
	return h;
}

/* 0: did not load, and why is known. */
static unsigned long load_failing(long at, bool *ret_reason)
{
	struct site s;
	unsigned long h = 0;

	make_site(&s);
	asked = 0;
	fail_at = at;
	site_load(&s);
	fail_at = 0;
	*ret_reason = s.r == 0 || s.err.kind == ERR_TEMP || s.err.kind == ERR_CONFIG;
	if (s.conf != NULL) {
		h = digest(s.conf);
		conf_explain(s.conf, s.report);
	}
	site_close(&s);
	return h;
}

int main(void)
{
	unsigned differ = 0, loaded = 0, unexplained = 0;
	unsigned long whole, h;
	bool reason;
	long n;

	whole = load_failing(0, &reason);
	n = asked;
	for (long i = 1; i <= n; i++) {
		h = load_failing(i, &reason);
		loaded += h != 0;
		differ += h != 0 && h != whole;
		unexplained += !reason;
	}
	T_OK(whole != 0 && n > 100, "%ld allocations", n);
	T_OK(loaded < (unsigned)n / 2, "most are needed (%u are not)", loaded);
	T_OK(differ == 0, "what loads is whole");
	T_OK(unexplained == 0, "what does not has a reason");
	return t_done();
}
