/* SPDX-License-Identifier: GPL-2.0-or-later */
/* action/edit: primitives, the rows of a delivery in their order, and lines nobody may touch. */
#include "action/edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/str.h"
#include "tests/t.h"

static struct arena *arena;

/* Headers of @text, one a line; a line that begins with a blank or tab belongs to the one before.
 */
static void fill(struct header_list *l, struct bytes text)
{
	struct bytes line;

	*l = (struct header_list){ 0 };
	while (bytes_next_line(&text, &line)) {
		if (l->n > 0 && line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t')) {
			struct bytes *b = &l->v[l->n - 1].text;

			*b = bytes_of(b->p, (size_t)(line.p + line.n - b->p));
			continue;
		}
		if (header_list_insert(l, arena, l->n, (struct header){ .text = line }) < 0)
			abort();
	}
}

/* What would be delivered, each header with an LF. */
static bool is(const struct header_list *l, struct bytes want)
{
	struct str s;
	bool same;

	str_init(&s, 1024 * 1024);
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].deleted)
			continue;
		str_add_bytes(&s, l->v[i].text);
		str_add_char(&s, '\n');
	}
	same = bytes_eq(str_bytes(&s), want);
	if (!same)
		printf("# got: %s\n", str_view(&s));
	str_fini(&s);
	return same;
}

static const char before[] = "Received: one\n"
			     "Subject: Hello\n"
			     "  world\n"
			     "X-Scan: old\n"
			     "x-scan : second\n"
			     "X-Scanner: other\n";

/* --- primitives --- */

static void do_replace(struct edit *e)
{
	edit_replace(e, "X-Scan:", "new");
}

static void do_replace_dkim(struct edit *e)
{
	e->dkim = e->at_top = true;
	edit_replace(e, "X-Scan:", "new");
}

static void do_add(struct edit *e)
{
	edit_add(e, "X-Scan", "new");
}

static void do_add_top(struct edit *e)
{
	e->at_top = true;
	edit_add(e, "X-A:", "1");
	edit_add(e, "X-B:", "2");
}

static void do_append(struct edit *e)
{
	edit_append(e, "subject:", "{end}", " ");
}

static void do_append_none(struct edit *e)
{
	edit_append(e, "X-Sca", "not a prefix", ", ");
}

static void do_prepend(struct edit *e)
{
	edit_prepend(e, "Subject:", "{Spam?}", " ");
}

static void do_prepend_none(struct edit *e)
{
	edit_prepend(e, "X-None:", "v", " ");
}

static void do_uniq(struct edit *e)
{
	edit_uniq(e, "X-SCAN:");
}

static void do_delete(struct edit *e)
{
	(void)!edit_delete(e, "x-scan", NULL);
}

static void do_delete_pattern(struct edit *e)
{
	(void)!edit_delete(e, "/^x-scan(ner)?:\\s*o/", NULL);
}

static void do_multiple_append(struct edit *e)
{
	edit_multiple(e, EDIT_APPEND, "X-Scan:", "clean");
}

static void do_multiple_add(struct edit *e)
{
	edit_multiple(e, EDIT_ADD, "X-Scan:", "clean");
}

static void do_nothing(struct edit *e)
{
	edit_add(e, "", "v");
	edit_add(e, " : ", "v");
	edit_replace(e, ":", "v");
	edit_append(e, "", "v", " ");
	edit_prepend(e, "", "v", " ");
	edit_uniq(e, "");
	(void)!edit_delete(e, ":", NULL);
	(void)!edit_delete(e, "", NULL);
}

static void do_hostile_value(struct edit *e)
{
	edit_add(e, "X-A:", "one\nX-Evil: two\r\nBcc: x\n\n\nthree\n");
	edit_add(e, "X B", "kept\n fold\x01\x7f");
	edit_add(e, "X-Empty:", "");
}

static const struct {
	const char *name;
	void (*run)(struct edit *e);
	const char *want;
} primitives[] = {
	{ "replace", do_replace,
	  "Received: one\nSubject: Hello\n  world\nX-Scanner: other\nX-Scan: new\n" },
	{ "replace in DKIM mode", do_replace_dkim,
	  "X-Scan: new\nReceived: one\nSubject: Hello\n  world\nX-Scan: old\nx-scan : second\n"
	  "X-Scanner: other\n" },
	{ "add", do_add,
	  "Received: one\nSubject: Hello\n  world\nX-Scan: old\nx-scan : second\n"
	  "X-Scanner: other\nX-Scan: new\n" },
	{ "add at top", do_add_top,
	  "X-B: 2\nX-A: 1\nReceived: one\nSubject: Hello\n  world\nX-Scan: old\nx-scan : second\n"
	  "X-Scanner: other\n" },
	{ "append to the last line", do_append,
	  "Received: one\nSubject: Hello\n  world {end}\nX-Scan: old\nx-scan : second\n"
	  "X-Scanner: other\n" },
	{ "append: names are matched whole", do_append_none,
	  "Received: one\nSubject: Hello\n  world\nX-Scan: old\nx-scan : second\n"
	  "X-Scanner: other\nX-Sca: not a prefix\n" },
	{ "prepend keeps the fold", do_prepend,
	  "Received: one\nSubject: {Spam?} Hello\n  world\nX-Scan: old\nx-scan : second\n"
	  "X-Scanner: other\n" },
	{ "prepend without one adds", do_prepend_none,
	  "Received: one\nSubject: Hello\n  world\nX-Scan: old\nx-scan : second\n"
	  "X-Scanner: other\nX-None: v\n" },
	{ "uniq", do_uniq,
	  "Received: one\nSubject: Hello\n  world\nX-Scan: old\nX-Scanner: other\n" },
	{ "delete", do_delete, "Received: one\nSubject: Hello\n  world\nX-Scanner: other\n" },
	{ "delete by pattern", do_delete_pattern,
	  "Received: one\nSubject: Hello\n  world\nx-scan : second\n" },
	{ "multiple: append", do_multiple_append,
	  "Received: one\nSubject: Hello\n  world\nX-Scan: old, clean\nx-scan : second\n"
	  "X-Scanner: other\n" },
	{ "multiple: add", do_multiple_add,
	  "Received: one\nSubject: Hello\n  world\nX-Scan: old\nx-scan : second\n"
	  "X-Scanner: other\nX-Scan: clean\n" },
	{ "empty names do nothing", do_nothing, before },
	{ "no value begins a header", do_hostile_value,
	  "Received: one\nSubject: Hello\n  world\nX-Scan: old\nx-scan : second\n"
	  "X-Scanner: other\nX-A: one\n\tX-Evil: two?\n\tBcc: x\n\tthree\nX-B: kept\n fold??\n"
	  "X-Empty:\n" },
};

static void test_primitives(void)
{
	for (size_t i = 0; i < ARRAY_LEN(primitives); i++) {
		struct header_list l;
		struct edit e = { .list = &l, .arena = arena };

		arena_reset(arena);
		fill(&l, bytes_str(before));
		primitives[i].run(&e);
		T_OK(!e.failed && is(&l, bytes_str(primitives[i].want)), "%s", primitives[i].name);
	}
}

static void test_tests(void)
{
	struct header_list l;
	struct edit e = { .list = &l, .arena = arena };
	struct err err = { .kind = ERR_NONE };

	arena_reset(arena);
	fill(&l, BYTES("Subject: {Spam?} Hi\n there {End}\nX-A:\n"));
	T_OK(edit_starts_with(&e, "Subject:", "{SPAM?}") && !edit_starts_with(&e, "Subject:", "Hi"),
	     "starts with, any case");
	T_OK(edit_ends_with(&e, "subject", "{end}") && !edit_ends_with(&e, "subject", "Hi"),
	     "ends with looks at the last line of a folded header");
	T_OK(!edit_starts_with(&e, "X-None:", "") && edit_starts_with(&e, "X-A:", ""),
	     "a header that is not there starts with nothing");
	T_OK(edit_delete(&e, "/(/", &err) == -EINVAL && err.kind == ERR_CONFIG, "%s", err.text);
	T_OK(is(&l, BYTES("Subject: {Spam?} Hi\n there {End}\nX-A:\n")), "and nothing changed");
}

/* Lines that are no proper headers survive every edit. */
static void test_odd_lines(void)
{
	static const char odd[] = "no colon here\n"
				  ": no name\n"
				  "N\0UL: a\0b\n"
				  "Na\xefve: \xff\xfe 8-bit\n"
				  "Sub ject: blank in the name\n"
				  "Subject: first\n";
	static const char want[] = "no colon here\n"
				   ": no name\n"
				   "N\0UL: a\0b\n"
				   "Na\xefve: \xff\xfe 8-bit\n"
				   "Sub ject: blank in the name\n"
				   "Subject: {x} first y\n"
				   "X-N: 1\n";
	struct header_list l;
	struct edit e = { .list = &l, .arena = arena };

	arena_reset(arena);
	fill(&l, bytes_of(odd, sizeof(odd) - 1));
	edit_uniq(&e, "Subject:");
	edit_replace(&e, "X-N:", "1");
	edit_prepend(&e, "Subject:", "{x}", " ");
	edit_append(&e, "Subject:", "y", " ");
	T_OK(edit_delete(&e, "Sub:", NULL) == 0 && edit_delete(&e, "/^nothing/", NULL) == 0 &&
		     is(&l, bytes_of(want, sizeof(want) - 1)),
	     "NUL, 8-bit and lines without colon keep their bytes");
}

static void test_list(void)
{
	static const char *const to[] = { "zoe@example.com", "adam@example.com", "zoe@example.com",
					  "bea.long.name@department.example.com",
					  "carl@another.example.com" };
	struct header_list l;
	struct edit e = { .list = &l, .arena = arena };
	static const char *many[500];
	bool short_enough = true;
	struct bytes text, line;

	arena_reset(arena);
	fill(&l, BYTES(""));
	edit_replace_list(&e, "X-To:", to, ARRAY_LEN(to));
	T_OK(is(&l, BYTES("X-To: adam@example.com, bea.long.name@department.example.com,\n"
			  "\tcarl@another.example.com, zoe@example.com\n")),
	     "sorted, each once, folded");
	edit_replace_list(&e, "X-To:", to, 0);
	T_OK(is(&l, BYTES("X-To:\n")), "empty list");
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = arena_printf(arena, "user%zu@%.*s.example", i, (int)(i % 40),
				       "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrst");
	edit_replace_list(&e, "X-To:", many, ARRAY_LEN(many));
	text = l.v[l.n - 1].text;
	while (bytes_next_line(&text, &line))
		short_enough = short_enough && line.n + (line.p[0] == '\t' ? 7 : 0) <= 75;
	T_OK(short_enough, "500 recipients: no line passes column 75");
}

/* --- deliveries --- */

static struct conf *load(const char *text)
{
	struct conf_report *report = conf_report_new();
	struct conf_source *s = NULL;
	struct conf *c = NULL;
	struct err err = { .kind = ERR_NONE };

	if (report == NULL || conf_source_memory(&s, &err) < 0 ||
	    conf_source_add(s, "/m.conf", CONF_FILE, false, bytes_str(text)) < 0 ||
	    conf_load(&c, s, "/m.conf", report, &err) < 0)
		printf("# %s\n", err.text);
	conf_report_free(&report);
	conf_source_close(&s);
	return c;
}

#define NAMES                                                                                      \
	"Mail Header = X-M:\nInformation Header = X-Info:\nInformation Header Value = ask us\n"    \
	"ID Header = X-ID:\nIP Protocol Version Header = X-IP:\nEnvelope From Header = X-From:\n"  \
	"Envelope To Header = X-To:\n"

static const struct {
	const char *name, *options;
	enum edit_outcome outcome;
	const char *headers, *want;
} deliveries[] = {
	{ "clean, all headers, in order", NAMES "Add Envelope To Header = yes\n", EDIT_CLEAN,
	  "Subject: a\nSubject: b\nX-Mozilla-Status: 1\nX-ID: old\n",
	  "Subject: a\nX-Info: ask us\nX-ID: 1abcDE\nX-M: Found to be clean\nX-IP: IPv4\n"
	  "X-From: from@example.com\nX-To: a@example.org, b@example.org\n" },
	{ "defaults", "", EDIT_CLEAN, "Subject: a\n",
	  "Subject: a\nX-MailScanner-ID: 1abcDE\nX-MailScanner: Found to be clean\n"
	  "X-MailScanner-Envelope-From: from@example.com\n" },
	{ "a second pass appends", NAMES, EDIT_CLEAN, "X-M: Found to be clean\nX-Info: other\n",
	  "X-M: Found to be clean, Found to be clean\nX-Info: ask us\nX-ID: 1abcDE\nX-IP: IPv4\n"
	  "X-From: from@example.com\n" },
	{ "replace", NAMES "Multiple Headers = replace\n", EDIT_CLEAN, "X-M: forged\nA: b\n",
	  "A: b\nX-Info: ask us\nX-ID: 1abcDE\nX-M: Found to be clean\nX-IP: IPv4\n"
	  "X-From: from@example.com\n" },
	{ "DKIM mode: at top, nothing replaced",
	  NAMES "Multiple Headers = add\nPlace New Headers At Top Of Message = yes\n", EDIT_CLEAN,
	  "X-M: old\nX-Info: old\n",
	  "X-From: from@example.com\nX-IP: IPv4\nX-M: Found to be clean\nX-ID: 1abcDE\n"
	  "X-Info: ask us\nX-M: old\nX-Info: old\n" },
	{ "unscanned: marked, headers removed before ours are complete",
	  NAMES "Remove These Headers = X-IP: /^x-m:/\n", EDIT_UNSCANNED, "X-IP: theirs\n",
	  "X-Info: ask us\nX-ID: 1abcDE\nX-IP: IPv4\nX-From: from@example.com\n" },
	{ "scanned: headers removed last", NAMES "Remove These Headers = X-IP:,X-From:\n",
	  EDIT_CLEAN, "X-IP: theirs\n", "X-Info: ask us\nX-ID: 1abcDE\nX-M: Found to be clean\n" },
	{ "unscanned and not marked", NAMES "Mark Unscanned Messages = no\n", EDIT_UNSCANNED, "",
	  "X-Info: ask us\nX-ID: 1abcDE\nX-IP: IPv4\nX-From: from@example.com\n" },
	{ "unscanned and marked", NAMES "Unscanned Header Value = not looked at\n", EDIT_UNSCANNED,
	  "",
	  "X-Info: ask us\nX-ID: 1abcDE\nX-M: not looked at\nX-IP: IPv4\n"
	  "X-From: from@example.com\n" },
	{ "infected", NAMES, EDIT_INFECTED, "",
	  "X-Info: ask us\nX-ID: 1abcDE\nX-M: Found to be infected\nX-IP: IPv4\n"
	  "X-From: from@example.com\n" },
	{ "an empty value writes no mail header", NAMES "Clean Header Value =\n", EDIT_CLEAN, "",
	  "X-Info: ask us\nX-ID: 1abcDE\nX-IP: IPv4\nX-From: from@example.com\n" },
	{ "empty names", "Mail Header =\nID Header =\nEnvelope From Header =\n", EDIT_CLEAN,
	  "A: b\n", "A: b\n" },
	{ "no envelope sender", NAMES "Add Envelope From Header = no\n", EDIT_CLEAN, "",
	  "X-Info: ask us\nX-ID: 1abcDE\nX-M: Found to be clean\nX-IP: IPv4\n" },
	{ "untouched", NAMES, EDIT_UNTOUCHED, "Subject: a\nSubject: b\nX-Mozilla-Status: 1\n",
	  "Subject: a\nSubject: b\nX-Mozilla-Status: 1\n" },
};

static struct queue_entry entry_of(void)
{
	static const char *to[] = { "b@example.org", "a@example.org", "b@example.org" };
	struct queue_entry q = { .id = "1abcDE" };

	q.env = (struct envelope){ .sender = "from@example.com",
				   .to = to,
				   .to_n = ARRAY_LEN(to),
				   .client_ip = "192.0.2.1" };
	return q;
}

static void test_deliveries(void)
{
	for (size_t i = 0; i < ARRAY_LEN(deliveries); i++) {
		struct conf *c = load(deliveries[i].options);
		struct queue_entry q = entry_of();
		struct edit e = { .list = &q.headers, .arena = arena };
		struct err err = { .kind = ERR_NONE };
		int r;

		arena_reset(arena);
		fill(&q.headers, bytes_str(deliveries[i].headers));
		r = edit_for_delivery(&e, c, NULL, &q, deliveries[i].outcome, &err);
		T_OK(r == 0 && is(&q.headers, bytes_str(deliveries[i].want)), "%s",
		     deliveries[i].name);
		conf_unref(&c);
	}
}

static void test_errors(void)
{
	struct conf *c = load(NAMES "Remove These Headers = /(/\n");
	struct queue_entry q = entry_of();
	struct edit e = { .list = &q.headers, .arena = arena };
	struct arena *tiny = arena_new(64);
	struct err err = { .kind = ERR_NONE };

	T_OK(edit_for_delivery(&e, c, NULL, &q, EDIT_CLEAN, &err) == -EINVAL &&
		     err.kind == ERR_CONFIG,
	     "%s", err.text);
	q = entry_of();
	e = (struct edit){ .list = &q.headers, .arena = tiny };
	conf_unref(&c);
	c = load(NAMES);
	T_OK(edit_for_delivery(&e, c, NULL, &q, EDIT_CLEAN, &err) == -ENOMEM &&
		     err.kind == ERR_LIMIT,
	     "%s", err.text);
	q = entry_of();
	q.env.client_ip = "2001:db8::1";
	e = (struct edit){ .list = &q.headers, .arena = arena };
	T_OK(edit_for_delivery(&e, c, NULL, &q, EDIT_CLEAN, &err) == 0 &&
		     edit_starts_with(&e, "X-IP:", "IPv6"),
	     "IPv6");
	conf_unref(&c);
	arena_free(&tiny);
}

int main(void)
{
	arena = arena_new(1024 * 1024);
	test_primitives();
	test_tests();
	test_odd_lines();
	test_list();
	test_deliveries();
	test_errors();
	arena_free(&arena);
	return t_done();
}
