/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What would kill the parser or let mail through unseen: each of these was seen to happen with
 * GMime alone. The stack is an ordinary one of 8 MB.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/str.h"
#include "mime/mime.h"
#include "tests/t.h"

enum { ARENA_BYTES = 64 << 20, TEXT_MAX = 64 << 20 };

struct verdict {
	int result;
	enum budget_limit hit;
	unsigned parts;
	uint64_t expanded;
};

static void repeat(struct str *s, const char *text, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		str_add(s, text);
}

/* The whole way of a message: limits, parse, every leaf decoded. */
static struct verdict run(const struct str *s)
{
	struct arena *a = arena_new(ARENA_BYTES);
	struct verdict v = { 0 };
	struct mime_tree t;
	struct budget b;

	budget_init(&b, &budget_default_limits, s->n, 0);
	v.result = mime_prelimits(str_bytes(s), &b, NULL);
	if (v.result == 0)
		v.result = mime_parse(&t, str_bytes(s), a, &b, NULL);
	for (struct mime_part *p = v.result < 0 ? NULL : t.root; p != NULL; p = mime_next(p)) {
		v.parts++;
		if (mime_is_leaf(p) && v.result == 0)
			v.result = mime_decode(p, a, &b, NULL);
	}
	v.hit = b.hit;
	v.expanded = b.used[BUDGET_EXPANDED_BYTES];
	arena_free(&a);
	return v;
}

/* T5: GMime recurses for each group in an address list. */
static void trap_5_address_groups(void)
{
	static const struct {
		const char *start;
		unsigned levels;
		int want;
	} cases[] = {
		{ "To: ", 45000, -EFBIG },
		{ "to\t: ", 45000, -EFBIG },
		{ "Reply-To: ", 501, -EFBIG },
		{ "Cc: ", 400, 0 },
		{ "Subject: ", 45000, 0 },
		{ "Content-Type: message/rfc822\n\nTo: ", 45000, -EFBIG },
		{ "Content-Type: MESSAGE (x) / rfc822\n\nTo: ", 45000, -EFBIG },
		{ "Content-Type:\n message/news\n\nFrom: ", 45000, -EFBIG },
		{ "Content-Type: multipart/mixed; boundary=x\n\n--x\n"
		  "Content-Type: message/rfc822\n\nBcc: ",
		  45000, -EFBIG },
		{ "Content-Type: multipart/digest; boundary=x\n\n--x\n\nTo: ", 45000, -EFBIG },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str s;
		struct verdict v;

		str_init(&s, TEXT_MAX);
		str_add(&s, cases[i].start);
		repeat(&s, "a:", cases[i].levels);
		str_add(&s, "\n\nbody\n");
		v = run(&s);
		T_OK(v.result == cases[i].want, "T5: %u groups in case %zu: %d", cases[i].levels, i,
		     v.result);
		str_fini(&s);
	}
}

/* Folded text in a body is no address header: code and data have colons. */
static void trap_5_is_not_text(void)
{
	struct str s;

	str_init(&s, TEXT_MAX);
	str_add(&s, "Subject: x\n\ntokens:\n");
	repeat(&s, "  key: value\n", 5000);
	T_OK(run(&s).result == 0, "T5: 5,000 colons in a body are nothing");
	str_fini(&s);
}

/* T6: GMime takes 1.3 KB of heap for an empty part, and has no limit. */
static void trap_6_empty_parts(void)
{
	static const unsigned counts[] = { 100, 1001, 10000, 100000, 1000000 };

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		struct str s;
		struct verdict v;

		str_init(&s, TEXT_MAX);
		str_add(&s, "Content-Type: multipart/mixed; boundary=x\n\n");
		repeat(&s, "--x\n\n", counts[i]);
		str_add(&s, "--x--\n");
		v = run(&s);
		T_OK(counts[i] < 1000 ? v.result == 0 && v.parts == counts[i] + 1
				      : v.result == -EFBIG && v.hit == BUDGET_PARTS,
		     "T6: %u empty parts: %d, %u parts seen", counts[i], v.result, v.parts);
		str_fini(&s);
	}
}

static void nest(struct str *s, bool messages, unsigned levels)
{
	for (unsigned i = 0; i < levels; i++) {
		if (messages)
			str_add(s, "Content-Type: message/rfc822\n\n");
		else
			str_addf(s, "Content-Type: multipart/mixed; boundary=b%u\n\n--b%u\n", i, i);
	}
	str_add(s, "Content-Type: text/plain\n\ninnermost\n");
}

/* T7: GMime stops descending after 1,024 multiparts or 512 messages and says nothing. */
static void trap_7_depth(void)
{
	static const struct {
		bool messages;
		unsigned levels;
		bool fits;
	} cases[] = {
		{ false, 30, true },      { false, 40, false }, { false, 5000, false },
		{ false, 100000, false }, { true, 30, true },   { true, 600, false },
		{ true, 10000, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str s;
		struct verdict v;

		str_init(&s, TEXT_MAX);
		nest(&s, cases[i].messages, cases[i].levels);
		v = run(&s);
		T_OK(cases[i].fits ? v.result == 0 : v.result == -EFBIG,
		     "T7: %u levels, case %zu: %d, %s", cases[i].levels, i, v.result,
		     budget_limit_name(v.hit));
		str_fini(&s);
	}
}

/* Headers: 430 bytes of heap for each field of four bytes. */
static void trap_headers(void)
{
	static const struct {
		const char *what, *start, *again;
		unsigned times;
		enum budget_limit hit;
	} cases[] = {
		{ "one header of 50 MB", "Subject: ", "aaaaaaaaaaaaaaaaaaaaaaaaa", 2000000,
		  BUDGET_HEADER_BYTES },
		{ "the same folded", "Subject: ", "aaaaaaaa\n bbbbbbbb", 500000,
		  BUDGET_HEADER_BYTES },
		{ "100,000 headers", "", "a: b\n", 100000, BUDGET_HEADER_LINES },
		{ "100,000 headers behind junk",
		  "Content-Type: multipart/mixed; boundary=x\n\n"
		  "--x\njunk\n",
		  "a: b\n", 100000, BUDGET_HEADER_LINES },
		{ "9,000 headers", "", "a: b\n", 9000, BUDGET_NONE },
		{ "100,000 RFC 2231 pieces", "Content-Type: a/b", "; name*1=x", 100000,
		  BUDGET_NONE },
		{ "50,000 encoded words", "Subject: ", "=?utf-8?q?a?= ", 50000, BUDGET_NONE },
		{ "50,000 words without end", "Subject: ", "=?utf-8?q?", 50000, BUDGET_NONE },
		{ "200,000 open comments", "Content-Type: a/b; ", "(", 200000, BUDGET_NONE },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct str s;
		struct verdict v;

		str_init(&s, TEXT_MAX);
		str_add(&s, cases[i].start);
		repeat(&s, cases[i].again, cases[i].times);
		str_add(&s, "\n\nbody\n");
		v = run(&s);
		T_OK(v.hit == cases[i].hit && (v.result == 0) == (v.hit == BUDGET_NONE),
		     "%s: %d, %s", cases[i].what, v.result, budget_limit_name(v.hit));
		str_fini(&s);
	}
}

/*
 * Readings of readings: two types, two encodings and a message inside, again and again. Without a
 * bound each level would double or quadruple the parts.
 */
static void trap_readings_of_readings(void)
{
	static const unsigned levels[] = { 3, 6, 10, 14, 200 };

	for (size_t n = 0; n < ARRAY_LEN(levels); n++) {
		struct str s;
		struct verdict v;

		str_init(&s, TEXT_MAX);
		for (unsigned i = 0; i < levels[n]; i++)
			str_addf(&s,
				 "Content-Type: message/rfc822\nContent-Type: multipart/mixed; "
				 "boundary=b%u; boundary=c%u\n"
				 "Content-Transfer-Encoding: base64\n"
				 "Content-Transfer-Encoding: quoted-printable\n\n--b%u\n--c%u\n",
				 i, i, i, i);
		v = run(&s);
		T_OK(v.parts <= 1001 && (v.result == 0 || v.result == -EFBIG),
		     "readings of readings, %u levels: %u parts, %d, %s", levels[n], v.parts,
		     v.result, budget_limit_name(v.hit));
		T_OK(v.expanded <= 401 * MIB, "  expanded %llu", (unsigned long long)v.expanded);
		str_fini(&s);
	}
}

/* Every line of dashes could start a part that reaches to the end. */
static void trap_overlapping_parts(void)
{
	struct str s;
	struct verdict v;

	str_init(&s, TEXT_MAX);
	str_add(&s, "Subject: x\n\n");
	for (unsigned i = 0; i < 20000; i++)
		str_addf(&s, "--b%u\nContent-Type: image/gif\n\n", i);
	v = run(&s);
	T_OK(v.result == -EFBIG && v.parts <= 1001, "20,000 overlapping parts: %d, %s", v.result,
	     budget_limit_name(v.hit));
	str_fini(&s);
}

/* Unclean base64 in many overlapping parts: each rule costs a pass over all that follows. */
static void trap_unclean_base64(void)
{
	struct str s;
	struct verdict v;

	str_init(&s, TEXT_MAX);
	str_add(&s, "Subject: x\n\n");
	for (unsigned i = 0; i < 500; i++)
		str_addf(&s,
			 "--b%u\nContent-Type: image/gif\nContent-Transfer-Encoding: base64\n\n",
			 i);
	repeat(&s, "QUJD*QUJ=D-_QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD\n", 100000);
	v = run(&s);
	T_OK(v.result == -EFBIG && v.expanded <= 410 * MIB, "unclean base64: %d, %s, expanded %llu",
	     v.result, budget_limit_name(v.hit), (unsigned long long)v.expanded);
	str_fini(&s);
}

/* GMime sees no message at all where the first line is no header; readers skip it. */
static void trap_first_line_is_junk(void)
{
	static const char *const starts[] = { "junk line\n", "X Y: b\n", "\xff\xfe\n", "\n" };

	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		struct str s;
		struct arena *a = arena_new(MIB);
		struct mime_tree t;
		struct budget b;
		bool found = false;

		str_init(&s, TEXT_MAX);
		str_add(&s, starts[i]);
		str_add(&s, "Content-Type: multipart/mixed; boundary=x\n\n--x\n"
			    "Content-Type: image/gif\nContent-Transfer-Encoding: base64\n\n"
			    "QUJDRA==\n--x--\n");
		budget_init(&b, &budget_default_limits, s.n, 0);
		if (mime_parse(&t, str_bytes(&s), a, &b, NULL) == 0)
			for (struct mime_part *p = t.root; p != NULL; p = mime_next(p))
				if (mime_is_leaf(p) && mime_decode(p, a, &b, NULL) == 0)
					found = found || bytes_eq(p->content, BYTES("ABCD"));
		T_OK(found, "part found behind a first line that is no header, %zu", i);
		str_fini(&s);
		arena_free(&a);
	}
}

int main(void)
{
	mime_init();
	trap_5_address_groups();
	trap_5_is_not_text();
	trap_6_empty_parts();
	trap_7_depth();
	trap_headers();
	trap_readings_of_readings();
	trap_overlapping_parts();
	trap_unclean_base64();
	trap_first_line_is_junk();
	return t_done();
}
