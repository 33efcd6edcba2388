/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue/sendmail_head: reading and writing qf files as text. */
#include <errno.h>
#include <stdlib.h>

#include "queue/sendmail_head.h"
#include "tests/queue/fixture.h"

#define TOP "V8\nT100\n"
#define ENV "S<a@b>\nRP:<c@d>\n"

struct parsed {
	struct queue_entry e;
	struct pair_entry p;
	struct err err;
};

static int parse(struct parsed *x, struct arena *a, struct bytes raw, int received)
{
	struct queue_settings set = { .received_ip_header = received };

	memset(x, 0, sizeof(*x));
	x->p.raw = raw;
	x->e.format = &x->p;
	memcpy(x->e.id, "ID", 3);
	return sendmail_head_parse(&x->e, &set, a, &x->err);
}

static struct bytes build(struct parsed *x, struct arena *a, const struct queue_change *change)
{
	struct pair_build b = { .e = &x->e, .change = change };
	struct sink s = { 0 };

	sendmail_head_build(&b, &s);
	s = (struct sink){ .p = arena_alloc(a, s.n) };
	sendmail_head_build(&b, &s);
	return bytes_of(s.p, s.n);
}

/* --- valid files: what is read, and that unchanged headers are written byte for byte --- */

static const struct {
	const char *what, *text;
	const char *sender, *to, *ip, *helo;
	size_t headers;
} valid[] = {
	{ "plain", TOP ENV "H??Subject: x\n.\n", "a@b", "c@d", "0.0.0.0", NULL, 1 },
	{ "no headers", TOP ENV ".\n", "a@b", "c@d", "0.0.0.0", NULL, 0 },
	{ "no LF at the end", TOP ENV ".", "a@b", "c@d", "0.0.0.0", NULL, 0 },
	{ "null sender, case", TOP "S<>\nRPFD:<Bob@Rcpt.TEST>\n.\n", "", "bob@rcpt.test", "0.0.0.0",
	  NULL, 0 },
	{ "no <>", TOP "Sroot\nRPFD:bob\n.\n", "root", "bob", "0.0.0.0", NULL, 0 },
	{ "name before <>", TOP "SA B <a@b>\nRPFD:Bob <c@d>\n.\n", "a@b", "c@d", "0.0.0.0", NULL,
	  0 },
	{ "quoted local part", TOP "S<a@b>\nRPFD:<\"q :<q\"@d>\n.\n", "a@b", "q\"@d", "0.0.0.0",
	  NULL, 0 },
	{ "version 0 has no flags", "S<a@b>\nR<PF:c@d>\n.\n", "a@b", "pf:c@d", "0.0.0.0", NULL, 0 },
	{ "address", TOP "$_host [10.1.2.3]\n$sHelo\n" ENV ".\n", "a@b", "c@d", "10.1.2.3", "Helo",
	  0 },
	{ "IPv6", TOP "$_[IPv6:2001:DB8::1]\n" ENV ".\n", "a@b", "c@d", "2001:db8::1", NULL, 0 },
	{ "no address", TOP "$_root@localhost\n" ENV ".\n", "a@b", "c@d", "127.0.0.1", NULL, 0 },
	{ "an ident answer cannot lie",
	  TOP "$_[6.6.6.6]@host [10.1.2.3] (may be forged)\n" ENV ".\n", "a@b", "c@d", "10.1.2.3",
	  NULL, 0 },
	{ "source route", TOP "$_host [10.1.2.3] [!@1.1.1.1:2.2.2.2]\n" ENV ".\n", "a@b", "c@d",
	  "10.1.2.3", NULL, 0 },
	{ "header flags and folding", TOP ENV "H?P?A: 1\nH?${x}?B: 2\n\t3\n 4\nHC: old\nH??D\n.\n",
	  "a@b", "c@d", "0.0.0.0", NULL, 4 },
	{ "CRs", TOP ENV "H??A: 1\r\n\t2\r\n.\r\n", "a@b", "c@d", "0.0.0.0", NULL, 1 },
	{ "unknown lines", TOP "XYZ\n@x\n" ENV ".\n", "a@b", "c@d", "0.0.0.0", NULL, 0 },
	{ "metadata between headers", TOP "H??A: 1\n" ENV "H??B: 2\n.\n", "a@b", "c@d", "0.0.0.0",
	  NULL, 2 },
	{ "folded metadata", TOP "Mdeferred:\n\tlater\n" ENV ".\n", "a@b", "c@d", "0.0.0.0", NULL,
	  0 },
	{ "the last S counts", TOP "S<x@y>\n" ENV ".\n", "a@b", "c@d", "0.0.0.0", NULL, 0 },
	{ "internal bytes", TOP "S<\xff\x81@b>\nRP:<c@d>\nH??A: \xff\x80\xff\xff\x81g\n.\n",
	  "\x81@b", "c@d", "0.0.0.0", NULL, 1 },
};

static void test_valid(struct arena *a)
{
	for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
		struct bytes raw = bytes_str(valid[i].text);
		struct parsed x;
		int r = parse(&x, a, raw, 0);
		struct queue_change change = { .headers = &x.e.headers };
		const struct envelope *env = &x.e.env;

		T_OK(r == 0, "%s: %s", valid[i].what, r < 0 ? x.err.text : "ok");
		if (r < 0)
			continue;
		T_OK(strcmp(env->sender, valid[i].sender) == 0 && env->to_n == 1 &&
			     strcmp(env->to[0], valid[i].to) == 0,
		     "  <%s> to <%s>", env->sender, env->to[0]);
		T_OK(strcmp(env->client_ip, valid[i].ip) == 0 &&
			     (valid[i].helo == NULL ? env->client_name == NULL
						    : strcmp(env->client_name, valid[i].helo) == 0),
		     "  from %s", env->client_ip);
		T_OK(x.e.headers.n == valid[i].headers, "  %zu headers", x.e.headers.n);
		if (strstr(valid[i].what, "between") == NULL && raw.p[raw.n - 1] == '\n' &&
		    raw.p[raw.n - 2] == '.')
			T_OK(bytes_eq(build(&x, a, &change), raw), "  written as it was");
		arena_reset(a);
	}
}

static void test_authenticated(struct arena *a)
{
	static const struct {
		const char *macros;
		bool want;
	} cases[] = {
		{ "", false },
		{ "$rESMTP\n", false },
		{ "$rESMTPS\n", false },
		{ "$rESMTPA\n", true },
		{ "$rESMTPSA\n", true },
		{ "$_TPA [10.0.0.1]\n", false },
		{ "${auth_authen}me\n", true },
		{ "${auth_authen}\n", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[300];
		struct parsed x;

		(void)snprintf(text, sizeof(text), TOP "%s" ENV ".\n", cases[i].macros);
		T_OK(parse(&x, a, bytes_str(text), 0) == 0 &&
			     x.e.env.authenticated == cases[i].want,
		     "authenticated: %s, %.*s", cases[i].want ? "yes" : "no",
		     (int)strcspn(cases[i].macros, "\n"), cases[i].macros);
		arena_reset(a);
	}
}

/* --- files that must not be believed --- */

static const struct {
	const char *what;
	struct bytes text;
	const char *says;
} broken[] = {
	{ "cut off", BYTES(TOP ENV "H??Subject: x\n"), "no end" },
	{ "cut off in a header", BYTES(TOP ENV "H??Subj"), "no end" },
	{ "cut off in the flags", BYTES(TOP ENV "H?P"), "without an end" },
	{ "empty", BYTES(""), "no end" },
	{ "blanks", BYTES(" \n"), "continuation" },
	{ "no sender", BYTES(TOP "RP:<c@d>\n.\n"), "no sender" },
	{ "no recipient", BYTES(TOP "S<a@b>\n.\n"), "no recipient" },
	{ "no colon", BYTES(TOP "S<a@b>\nRPFD\n.\n"), "':'" },
	{ "empty recipient", BYTES(TOP "S<a@b>\nRPFD:<>\n.\n"), "without an address" },
	{ "NUL in a recipient", BYTES(TOP "S<a@b>\nRPFD:<a\0@b>\n.\n"), "without an address" },
	{ "NUL in the sender", BYTES(TOP "S<a\0@b>\nRPFD:<a@b>\n.\n"), "NUL" },
	{ "a block of NULs", BYTES(TOP ENV "\0\0\0\0\0\0"), "without a letter" },
	{ "an empty line", BYTES(TOP ENV "\nH??A: x\n.\n"), "without a letter" },
	{ "data behind the end", BYTES(TOP ENV ".\nRP:<evil@x>\n"), "behind the end" },
	{ "a folded end", BYTES(TOP ENV ".\n x\n"), "follows the dot" },
	{ "end and more", BYTES(TOP ENV ".x\n"), "follows the dot" },
	{ "version", BYTES("Vx\n" ENV ".\n"), "version" },
	{ "time", BYTES("V8\nTx\n" ENV ".\n"), "time" },
	{ "huge time", BYTES("V8\nT99999999999999999999999\n" ENV ".\n"), "time" },
};

static void test_broken(struct arena *a)
{
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct parsed x;
		int r = parse(&x, a, broken[i].text, 0);

		T_OK(r == -EBADMSG && x.err.kind == ERR_INPUT &&
			     strstr(x.err.text, broken[i].says) != NULL,
		     "%s: %s", broken[i].what, r < 0 ? x.err.text : "accepted");
		arena_reset(a);
	}
}

/* --- Received headers --- */

#define RCVD                                                                                       \
	TOP "$_h [10.0.0.1]\n" ENV "H??Received: from [6.6.6.6] (real [10.0.0.2])\n\tby x\n"       \
	    "H??Received: from local by y\nH??Received: from z (z [IPv6:2001:DB8::3])\n.\n"

static void test_received(struct arena *a)
{
	static const char *const want[] = { "10.0.0.1", "10.0.0.2", "127.0.0.1", "2001:db8::3",
					    "2001:db8::3" };
	struct parsed x;

	for (int n = 0; n < 5; n++) {
		T_OK(parse(&x, a, BYTES(RCVD), n) == 0 && strcmp(x.e.env.client_ip, want[n]) == 0,
		     "Read IP Address From Received Header = %d: %s", n, x.e.env.client_ip);
		arena_reset(a);
	}
	T_OK(parse(&x, a, BYTES(TOP "$_h [10.0.0.1]\n" ENV ".\n"), 1) == 0 &&
		     strcmp(x.e.env.client_ip, "10.0.0.1") == 0,
	     "no such header: what the MTA noted");
}

/* --- changes --- */

#define OLD                                                                                        \
	TOP "d/q2\nMenvelope\nS<a@b>\nCuser:1:1:x\nQrfc822;o@d\nrRFC822; c@d\nRPNSF:<c@d>\n"       \
	    "Mfor the next\nRPFD:<e@f>\nH?P?Return-Path: <\x81g>\nH??Subject: \xff\x80\nH??Z: "    \
	    "1\n.\n"

static void test_changes(struct arena *a)
{
	static const char *const more[] = { "new@x", "\x80@y" };
	struct queue_change change = { .add_to = more, .add_to_n = 2 };
	struct header h = { .text = BYTES("X: \x80 \xe4 \xff\n\tend") };
	struct parsed x;

	T_OK(parse(&x, a, BYTES(OLD), 0) == 0, "the file to be changed");
	T_OK(strcmp(x.p.body_sub, "/q2") == 0 && !sendmail_head_can_copy(&x.p),
	     "a body elsewhere: not written as it is");
	T_OK(bytes_eq(x.e.headers.v[1].text, BYTES("Subject: \x80")), "internal bytes decoded");
	T_OK(bytes_eq(build(&x, a, &change),
		      BYTES(TOP "Menvelope\nS<a@b>\nRP:<new@x>\nRP:<\xff\x80@y>\n"
				"Cuser:1:1:x\nQrfc822;o@d\nrRFC822; c@d\nRPNSF:<c@d>\n"
				"Mfor the next\nRPFD:<e@f>\nH?P?Return-Path: <\x81g>\n"
				"H??Subject: \xff\x80\nH??Z: 1\n.\n")),
	     "more recipients, before lines that would change what they mean");
	change.drop_to = true;
	change.add_to_n = 1;
	T_OK(header_list_insert(&x.e.headers, a, 0, h) == 0, "a new header");
	x.e.headers.v[3].deleted = true;
	x.e.headers.v[2].text = BYTES("Subject: {x} \x99");
	change.headers = &x.e.headers;
	T_OK(bytes_eq(build(&x, a, &change),
		      BYTES(TOP
			    "Menvelope\nS<a@b>\nRP:<new@x>\nH??X: \xff\x80 \xe4 \xff\xff\n\tend\n"
			    "H?P?Return-Path: <\x81g>\nH??Subject: {x} \xff\x99\n.\n")),
	     "recipients dropped with all that belongs to them; headers made, changed, deleted");
}

static void test_many(void)
{
	struct arena *a = arena_new(16 * MIB);
	const size_t n = 50000;
	struct parsed x;
	struct str s;

	str_init(&s, 8 * MIB);
	str_add(&s, TOP ENV);
	for (size_t i = 0; i < n; i++)
		str_addf(&s, "H??X-%zu: value\n", i);
	str_add(&s, ".\n");
	T_OK(!s.failed && parse(&x, a, str_bytes(&s), 0) == 0 && x.e.headers.n == n,
	     "50,000 headers in %zu of arena for %zu bytes", arena_used(a), s.n);
	T_OK(bytes_eq(build(&x, a, &(struct queue_change){ .headers = &x.e.headers }),
		      str_bytes(&s)),
	     "written as they were");
	str_fini(&s);
	arena_free(&a);
	a = arena_new(4096);
	T_OK(parse(&x, a, BYTES(TOP ENV "H??A: 1\n.\n"), 0) == 0, "a small arena");
	arena_free(&a);
	a = arena_new(256);
	T_OK(parse(&x, a, BYTES(TOP ENV "H??A: 1\n.\n"), 0) == -ENOMEM && x.err.kind == ERR_LIMIT,
	     "a too small one");
	arena_free(&a);
}

int main(void)
{
	struct arena *a = arena_new(MIB);

	if (a == NULL)
		return 1;
	test_valid(a);
	test_authenticated(a);
	test_broken(a);
	test_received(a);
	test_changes(a);
	test_many();
	arena_free(&a);
	return t_done();
}
