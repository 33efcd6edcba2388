/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/exim_head, exim_line, exim_write: reading and writing -H files as text. */
#include <errno.h>
#include <stdlib.h>

#include "queue/exim_head.h"
#include "tests/queue/fixture.h"

#define ID   "1xVETZ-00046K-2I"
#define ID23 "10HmaX-000000005vi-0000"
#define TOP  ID "-H\nnobody 99 99\n<a@b>\n100 0\n"
#define TREE "XX\n"
#define RCPT "1\nc@d\n\n"

struct parsed {
	struct queue_entry e;
	struct pair_entry p;
	struct err err;
};

static int parse(struct parsed *x, struct arena *a, struct bytes raw, const char *id, int received)
{
	struct queue_settings set = { .received_ip_header = received };

	memset(x, 0, sizeof(*x));
	x->p.raw = raw;
	x->e.format = &x->p;
	memcpy(x->e.id, id, strlen(id) + 1);
	return exim_head_parse(&x->e, &set, a, &x->err);
}

static struct bytes build(struct parsed *x, struct arena *a, const struct queue_change *change,
			  const struct queue_copied *body)
{
	struct pair_build b = { .e = &x->e, .change = change, .body = body };
	struct sink s = { 0 };

	exim_head_build(&b, &s);
	s = (struct sink){ .p = arena_alloc(a, s.n) };
	exim_head_build(&b, &s);
	return bytes_of(s.p, s.n);
}

/* --- recipients --- */

static const struct {
	const char *line, *address; /* NULL: not understood */
} rcpts[] = {
	{ "a@b", "a@b" },
	{ "\"a b\"@c", "\"a b\"@c" },
	{ "a@b 3", "a@b" },
	{ "a@b 0,0,5", "a@b" },
	{ "a@b ", "a@b" },
	{ "user1@host2", "user1@host2" },
	{ "user@[10.0.0.1]", "user@[10.0.0.1]" },
	{ "1234", "1234" },
	{ "a1,2", "a1,2" },
	{ "a@b  0,0 postmaster@test.ex 18,0#3", "a@b" },
	{ "a@b rfc822;Orig@rcpt.test 21,12  0,-1#3", "a@b" },
	{ "\"x 1,2#3\"@b  0,0  0,-1#3", "\"x 1,2#3\"@b" },
	{ "a@b e@f 3,7#1", "a@b" },
	{ "a@b  0,-1#1", "a@b" },
	{ "a@b#0", "a@b" },
	{ "a@b 99999,0#1", NULL },
	{ "a@b x,0#1", NULL },
	{ "0,0#3", NULL },
	{ " 0,0#1", NULL },
	{ "a@b  0,0#3", NULL },
	{ "a@b  0,0  0,0#9", NULL },
	{ "a@b  0,0  18446744073709551615,0#3", NULL },
	{ "#3", NULL },
	{ "", NULL },
};

static void test_recipients(void)
{
	for (size_t i = 0; i < ARRAY_LEN(rcpts); i++) {
		struct bytes address = { 0 };
		int r = exim_recipient(bytes_str(rcpts[i].line), &address);

		if (rcpts[i].address == NULL)
			T_OK(r == -EBADMSG, "'%s' is refused", rcpts[i].line);
		else
			T_OK(r == 0 && bytes_eq(address, bytes_str(rcpts[i].address)), "'%s': '%s'",
			     rcpts[i].line, rcpts[i].address);
	}
}

/* --- valid files --- */

static const struct {
	const char *what, *id, *text;
	const char *sender, *ip, *helo, *auth;
	size_t to_n, headers;
} valid[] = {
	{ "plain", ID, TOP TREE RCPT "011  Subject: x\n", "a@b", "127.0.0.1", NULL, NULL, 1, 1 },
	{ "long id", ID23,
	  ID23 "-H\nlogin with blanks -1 -2\n<>\n100 3\n" TREE RCPT "011* Subject: x\n", "",
	  "127.0.0.1", NULL, NULL, 1, 1 },
	{ "no headers", ID, TOP TREE RCPT, "a@b", "127.0.0.1", NULL, NULL, 1, 0 },
	{ "options", ID,
	  TOP "-received_time_usec .1\n--helo_name H\n-host_address [10.1.2.3]:25\n-host_name h\n"
	      "--auth_id me\n-local\n-aclc _x 3\na\nb\n-aclm 0 0\n\n--(mysql)aclm q 5\n-- \nx\n"
	      "-acl 3 2\nXX\n-N\n" TREE RCPT,
	  "a@b", "10.1.2.3", "H", "me", 1, 0 },
	{ "only a host name", ID, TOP "-host_name h.test\n" TREE RCPT, "a@b", "127.0.0.1", "h.test",
	  NULL, 1, 0 },
	{ "IPv6", ID, TOP "-host_address [2001:DB8::1]:25\n" TREE RCPT, "a@b", "2001:db8::1", NULL,
	  NULL, 1, 0 },
	{ "old address forms", ID, TOP "-host_address 10.1.2.3.4567\n" TREE RCPT, "a@b", "10.1.2.3",
	  NULL, NULL, 1, 0 },
	{ "no port", ID, TOP "-host_address 10.1.2.3\n" TREE RCPT, "a@b", "10.1.2.3", NULL, NULL, 1,
	  0 },
	{ "a tree; who is in it has been delivered to", ID,
	  TOP "YY m@x\nNN c@d\nNY o@x\nNN z@x\n3\nc@d\ne@f\no@x  0,0  0,-1#3\n\n", "a@b",
	  "127.0.0.1", NULL, NULL, 1, 0 },
	{ "options of the future", ID, TOP "-new_thing 1\n--newer\n" TREE RCPT, "a@b", "127.0.0.1",
	  NULL, NULL, 1, 0 },
	{ "folded, long and odd headers", ID,
	  TOP TREE RCPT "014T To: a,\n\tb,\n c\n007* X: \r\n\r\n0100  X: "
			"1234567890123456789012345678901234567890123456789012345678901234567890"
			"12345678901234567890123456\n",
	  "a@b", "127.0.0.1", NULL, NULL, 1, 3 },
};

static void test_valid(struct arena *a)
{
	for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
		struct bytes raw = bytes_str(valid[i].text);
		struct parsed x;
		int r = parse(&x, a, raw, valid[i].id, 0);
		struct queue_change change = { .headers = &x.e.headers };
		const struct envelope *env = &x.e.env;

		T_OK(r == 0, "%s: %s", valid[i].what, r < 0 ? x.err.text : "ok");
		if (r < 0)
			continue;
		T_OK(strcmp(env->sender, valid[i].sender) == 0 && env->received_s == 100 &&
			     strcmp(env->client_ip, valid[i].ip) == 0,
		     "  <%s> from %s", env->sender, env->client_ip);
		T_OK(env->to_n == valid[i].to_n && x.e.headers.n == valid[i].headers,
		     "  %zu recipients, %zu headers", env->to_n, x.e.headers.n);
#define SAME(got, want) ((want) == NULL ? (got) == NULL : (got) != NULL && !strcmp(got, want))
		T_OK(SAME(env->client_name, valid[i].helo) && SAME(env->auth_id, valid[i].auth),
		     "  HELO and authenticated id");
		if (strstr(valid[i].what, "odd") == NULL)
			T_OK(bytes_eq(build(&x, a, &change, NULL), raw), "  written as it was");
		arena_reset(a);
	}
}

static void test_authenticated(struct arena *a)
{
	static const struct {
		const char *options;
		bool want;
	} cases[] = {
		{ "", false },
		{ "-received_protocol esmtp\n", false },
		{ "-received_protocol esmtps\n", false },
		{ "-received_protocol esmtpa\n", true },
		{ "-received_protocol esmtpsa\n", true },
		{ "-received_protocol utf8esmtpsa\n", true },
		{ "-received_protocol local\n", false },
		{ "-auth_id me\n", true },
		{ "-auth_id \n", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[300];
		struct parsed x;

		(void)snprintf(text, sizeof(text), TOP "%s" TREE RCPT, cases[i].options);
		T_OK(parse(&x, a, bytes_str(text), ID, 0) == 0 &&
			     x.e.env.authenticated == cases[i].want,
		     "authenticated: %s, %.*s", cases[i].want ? "yes" : "no",
		     (int)strcspn(cases[i].options, "\n"), cases[i].options);
		arena_reset(a);
	}
}

/* --- files that must not be believed --- */

static const struct {
	const char *what;
	struct bytes text;
	const char *says;
} broken[] = {
	{ "empty", BYTES(""), "own name" },
	{ "another id", BYTES("1xVETZ-00046K-2J-H\nn 9 9\n<>\n1 0\nXX\n1\na\n\n"), "own name" },
	{ "user line", BYTES(ID "-H\nnobody 99\n<>\n1 0\nXX\n1\na\n\n"), "user" },
	{ "sender line", BYTES(ID "-H\nn 9 9\na@b\n1 0\nXX\n1\na\n\n"), "sender" },
	{ "time line", BYTES(ID "-H\nn 9 9\n<>\n1\nXX\n1\na\n\n"), "time" },
	{ "cut off in options", BYTES(TOP "-local"), "options" },
	{ "cut off before the tree", BYTES(TOP "-local\n"), "tree" },
	{ "acl too long", BYTES(TOP "-aclm 1 400\nabc\n" TREE RCPT), "longer" },
	{ "acl that swallows the rest", BYTES(TOP "-aclm 1 4\nabc\n" TREE RCPT),
	  "without its end" },
	{ "acl of a negative length", BYTES(TOP "-aclm 1 -4\nabc\n" TREE RCPT), "longer" },
	{ "acl of a huge length", BYTES(TOP "-aclm 1 18446744073709551615\nabc\n" TREE RCPT),
	  "longer" },
	{ "acl without a length", BYTES(TOP "-aclm\n\n" TREE RCPT), "without a length" },
	{ "tree", BYTES(TOP "YX a@b\n" RCPT), "tree" },
	{ "half a tree", BYTES(TOP "YY a@b\nNN b@c\n" RCPT), "tree" },
	{ "no count", BYTES(TOP TREE "c@d\n\n"), "count" },
	{ "huge count", BYTES(TOP TREE "99999999999999\nc@d\n\n"), "count" },
	{ "count too large", BYTES(TOP TREE "3\nc@d\n\n"), "not understood" },
	{ "count too small", BYTES(TOP TREE "1\nc@d\ne@f\n\n"), "empty line" },
	{ "no recipient", BYTES(TOP TREE "0\n\n"), "no recipient" },
	{ "all delivered", BYTES(TOP "NN c@d\n" RCPT), "no recipient" },
	{ "cut off in recipients", BYTES(TOP TREE "2\nc@d\ne@"), "fewer" },
	{ "cut off after recipients", BYTES(TOP TREE "1\nc@d\n"), "empty line" },
	{ "header too short", BYTES(TOP TREE RCPT "010  Subject: x\n"), "as long as it says" },
	{ "header too long", BYTES(TOP TREE RCPT "012  Subject: x\n"), "as long as it says" },
	{ "header without LF", BYTES(TOP TREE RCPT "011  Subject: x"), "as long as it says" },
	{ "header of length 0", BYTES(TOP TREE RCPT "000  "), "as long as it says" },
	{ "cut off in the length", BYTES(TOP TREE RCPT "01"), "flag" },
	{ "two digits", BYTES(TOP TREE RCPT "11  Subject: x\n"), "flag" },
	{ "cut off after the flag", BYTES(TOP TREE RCPT "012F"), "length" },
	{ "no length", BYTES(TOP TREE RCPT "011  Subject: x\nTo: y\n"), "without its length" },
	{ "huge length", BYTES(TOP TREE RCPT "99999999999999999999  Subject: x\n"), "length" },
	{ "blank first", BYTES(TOP TREE RCPT "012   Subject: x\n"), "begins with a blank" },
	{ "NULs at the end", BYTES(TOP TREE RCPT "011  Subject: x\n\0\0\0\0"), "NUL" },
};

static void test_broken(struct arena *a)
{
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct parsed x;
		int r = parse(&x, a, broken[i].text, ID, 0);

		T_OK(r == -EBADMSG && x.err.kind == ERR_INPUT &&
			     strstr(x.err.text, broken[i].says) != NULL,
		     "%s: %s", broken[i].what, r < 0 ? x.err.text : "accepted");
		arena_reset(a);
	}
}

/* --- changes --- */

#define OPTS  "--helo_name h\n-aclm x 3\n1\n2\n-body_linecount 7\n-body_zerocount 2\n-local\n"
#define RCPTS "c@d\ne@f rfc822;o@d 10,12  0,-1#3\n"
#define OLD                                                                                        \
	TOP OPTS "NY x@y\nNN z@y\n2\n" RCPTS "\n"                                                  \
		 "009F From: ab\n007T To: cd\n"

static void test_changed_headers(struct parsed *x, struct arena *a)
{
	static const char *const added[] = {
		"From: x",     "Resent-To: y",       "X-Other: z",
		"received: r", "Resent-Reply-To: q", "Message-ID:\n\t<1>"
	};
	struct queue_change change = { .headers = &x->e.headers };
	struct bytes out;

	for (size_t i = 0; i < ARRAY_LEN(added); i++)
		if (header_list_insert(&x->e.headers, a, x->e.headers.n,
				       (struct header){ .text = bytes_str(added[i]) }) < 0)
			T_OK(false, "no room");
	x->e.headers.v[0].deleted = true;
	x->e.headers.v[1].text = BYTES("To: edited");
	out = build(x, a, &change, NULL);
	T_OK(bytes_eq(out, BYTES(TOP OPTS "NY x@y\nNN z@y\n2\n" RCPTS "\n"
					  "009* From: ab\n011T To: edited\n008F From: x\n"
					  "013T Resent-To: y\n011  X-Other: z\n012P received: r\n"
					  "019  Resent-Reply-To: q\n017I Message-ID:\n\t<1>\n")),
	     "headers: deleted is marked, edited keeps its letter, new ones get theirs");
	T_OK(exim_head_is_verbatim(&x->p, x->e.headers.v[0].text) &&
		     !exim_head_is_verbatim(&x->p, x->e.headers.v[1].text) &&
		     !exim_head_is_verbatim(&x->p, bytes_head(x->e.headers.v[0].text, 6)),
	     "which of them are the file's own");
}

static void test_changes(struct arena *a)
{
	static const char *const more[] = { "new@x" };
	struct queue_change change = { .add_to = more, .add_to_n = 1 };
	struct queue_copied body = { .lines = 3, .nuls = 1 };
	struct parsed x;

	T_OK(parse(&x, a, BYTES(OLD), ID, 0) == 0, "the file to be changed: %s", x.err.text);
	T_OK(bytes_eq(build(&x, a, &change, NULL),
		      BYTES(TOP OPTS "NY x@y\nNN z@y\n3\n" RCPTS "new@x\n\n"
				     "009F From: ab\n007T To: cd\n")),
	     "one recipient more");
	change.drop_to = true;
	T_OK(bytes_eq(build(&x, a, &change, &body),
		      BYTES(TOP "--helo_name h\n-aclm x 3\n1\n2\n-body_linecount 3\n-local\n"
				"-body_zerocount 1\nNY x@y\nNN z@y\n1\nnew@x\n\n"
				"009F From: ab\n007T To: cd\n")),
	     "other recipients, another body");
	test_changed_headers(&x, a);
}

static void test_wire_format(struct arena *a)
{
	struct queue_copied crlf = { .lines = 2, .crlf_lines = 2 }, lf = { .lines = 2 };
	struct queue_change change = { .body_fd = -1 };
	struct parsed x;

	T_OK(parse(&x, a, BYTES(TOP "-spool_file_wireformat\n" TREE RCPT), ID, 0) == 0,
	     "wire format");
	T_OK(bytes_eq(build(&x, a, &change, &crlf),
		      BYTES(TOP "-spool_file_wireformat\n" TREE RCPT)),
	     "a new body with CR LF: still wire format");
	T_OK(bytes_eq(build(&x, a, &change, &lf), BYTES(TOP "-body_linecount 2\n" TREE RCPT)),
	     "a new body with LF: not any more");
}

static void test_received(struct arena *a)
{
	static const char text[] = TOP "-host_address [10.0.0.1]:1\n" TREE RCPT
				       "043P Received: from [10.0.0.2] (helo=[6.6.6.6])\n"
				       "030P Received: from local by me; d\n";
	static const char *const want[] = { "10.0.0.1", "10.0.0.2", "127.0.0.1", "127.0.0.1" };
	struct parsed x;

	for (int n = 0; n < 4; n++) {
		int r = parse(&x, a, bytes_str(text), ID, n);

		T_OK(r == 0 && strcmp(x.e.env.client_ip, want[n]) == 0,
		     "Read IP Address From Received Header = %d: %s", n,
		     r < 0 ? x.err.text : x.e.env.client_ip);
		arena_reset(a);
	}
}

/* A deep tree and 16,384 recipients, each of which is looked up in it; 50,000 headers. */
static void test_many(void)
{
	struct arena *a = arena_new(32 * MIB);
	struct parsed x;
	struct str s;

	str_init(&s, 16 * MIB);
	str_add(&s, TOP);
	for (int i = 0; i < 16384; i++)
		str_addf(&s, "%s user%05d@done.test\n", i < 16383 ? "NY" : "NN", i);
	str_add(&s, "16384\n");
	for (int i = 0; i < 16384; i++)
		str_addf(&s, "user%05d@%s.test\n", i, i % 2 == 0 ? "done" : "open");
	str_add(&s, "\n");
	for (int i = 0; i < 50000; i++)
		str_addf(&s, "%03d  X-%05d: %s\n", i % 2 == 0 ? 15 : 18, i,
			 i % 2 == 0 ? "value" : "v\n\tvalue");
	T_OK(!s.failed && parse(&x, a, str_bytes(&s), ID, 0) == 0, "a large file: %s", x.err.text);
	T_OK(x.e.env.to_n == 8192 && x.e.headers.n == 50000,
	     "%zu recipients left, %zu headers, %zu bytes of arena for %zu", x.e.env.to_n,
	     x.e.headers.n, arena_used(a), s.n);
	T_OK(bytes_eq(build(&x, a, &(struct queue_change){ .headers = &x.e.headers }, NULL),
		      str_bytes(&s)),
	     "written as it was");
	str_fini(&s);
	arena_free(&a);
	a = arena_new(100);
	T_OK(parse(&x, a, BYTES(TOP TREE RCPT "011  Subject: x\n"), ID, 0) == -ENOMEM &&
		     x.err.kind == ERR_LIMIT,
	     "a too small arena");
	arena_free(&a);
}

int main(void)
{
	struct arena *a = arena_new(MIB);

	if (a == NULL)
		return 1;
	test_recipients();
	test_valid(a);
	test_authenticated(a);
	test_broken(a);
	test_changes(a);
	arena_reset(a);
	test_wire_format(a);
	arena_reset(a);
	test_received(a);
	test_many();
	arena_free(&a);
	return t_done();
}
