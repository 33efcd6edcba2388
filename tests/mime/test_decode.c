/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/base64, qp, block, binhex: against the definitions, and by every rule when unclean. */
#include "mime/decode.h"

#include <stdlib.h>
#include <string.h>

#include "tests/mime/reference.h"
#include "tests/t.h"

enum { ROOM = 1 << 16 };

static uint8_t out[ROOM];

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static struct bytes random_bytes(uint8_t *p, size_t n, uint32_t *state, bool text)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t r = next_random(state);

		p[i] = (uint8_t)(!text ? r : r % 19 == 0 ? '\n' : r % 7 == 0 ? ' ' : 33 + r % 94);
	}
	return bytes_of(p, n);
}

/* Every length around the vector's steps, several widths and line ends. */
static void base64_round_trips(void)
{
	static const size_t widths[] = { 4, 60, 64, 72, 76, 1000 };
	static const char *const eols[] = { "\n", "\r\n", "" };
	static char text[4096];
	uint8_t data[1024];
	uint32_t state = 1;
	unsigned wrong = 0, unclean = 0;

	for (size_t n = 0; n < 700; n++)
		for (size_t i = 0; i < ARRAY_LEN(widths) * ARRAY_LEN(eols); i++) {
			struct bytes in = random_bytes(data, n, &state, false);
			size_t len = ref_base64(text, in, widths[i % ARRAY_LEN(widths)],
						eols[i / ARRAY_LEN(widths)]);
			struct base64_clean clean;
			size_t got = base64_decode(out, bytes_of(text, len), &clean);

			wrong += !bytes_eq(bytes_of(out, got), in);
			unclean += !clean.all;
			got = base64_decode_by(out, bytes_of(text, len), 0);
			wrong += !bytes_eq(bytes_of(out, got), in);
		}
	T_OK(wrong == 0, "base64 round trips, %u wrong", wrong);
	T_OK(unclean == 0, "and all of it is clean, %u are not", unclean);
}

/* Each foreign byte at each place of a vector is seen. */
static void base64_sees_foreign_bytes(void)
{
	char text[80];
	struct base64_clean clean;
	unsigned missed = 0;

	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 0; at < 76; at++) {
			memset(text, 'A', 76);
			text[at] = (char)c;
			(void)base64_decode(out, bytes_of(text, 76), &clean);
			if (clean.all != (c != 0 && strchr(ref_alphabet, (int)c) != NULL) &&
			    !(c == '=' && at == 75) && !(c == '\n' && at % 4 == 0))
				missed++;
		}
	T_OK(missed == 0, "foreign bytes, %u missed", missed);
}

/*
 * What is not clean: rule 0 from the first disputed line on, and no rule that base64_disputes()
 * leaves out reads it differently.
 */
static void base64_disputed(void)
{
	static uint8_t by_rule[ROOM];
	char text[400];
	uint32_t state = 3;
	unsigned wrong = 0, missed = 0;

	for (unsigned round = 0; round < 20000; round++) {
		size_t len = ref_base64(text,
					random_bytes(out, next_random(&state) % 150, &state, false),
					16, "\n"),
		       n;
		struct base64_clean clean;
		unsigned rules;

		for (unsigned i = 0; i < next_random(&state) % 4 && len > 0; i++)
			text[next_random(&state) % len] = "=\n*-A"[next_random(&state) % 5];
		n = base64_decode(out, bytes_of(text, len), &clean);
		wrong += !bytes_eq(bytes_of(out, n),
				   bytes_of(by_rule,
					    base64_decode_by(by_rule, bytes_of(text, len), 0)));
		rules = base64_disputes(bytes_of(text, len));
		for (unsigned rule = 1; rule <= BASE64_LINE_DROP; rule *= 2)
			missed += (rule & rules) == 0 &&
				  !bytes_eq(bytes_of(out, n),
					    bytes_of(by_rule,
						     base64_decode_by(by_rule, bytes_of(text, len),
								      rule)));
	}
	T_OK(wrong == 0, "unclean base64 by rule 0, %u wrong", wrong);
	T_OK(missed == 0, "rules left out make no difference, %u do", missed);
}

static const struct {
	const char *in;
	unsigned rules;
	const char *want;
} base64_cases[] = {
	{ "QUJDRA==", 0, "ABCD" },
	{ "QUJDRA", 0, "ABCD" },
	{ "QUJ D\tRA=\n=", 0, "ABCD" },
	{ "Q*U!J(DRA==", 0, "ABCD" },
	{ "QUI=QUJD", 0, "ABABC" },
	{ "QUI=QUJD", BASE64_STOP_AT_PAD | BASE64_PAD_PENDING, "AB" },
	{ "QU=JD", BASE64_SKIP_PAD, "ABC" },
	{ "Q=UJD", BASE64_STOP_AT_PAD | BASE64_PAD_PENDING, "ABC" },
	{ "A\n\nQUJD", BASE64_BLANK_RESET, "ABC" },
	{ "QUJDX\nQUJD\n", BASE64_LINE_RESET, "ABCABC" },
	{ "QUJDXX\nQUJD\n", BASE64_LINE_DROP, "ABCABC" },
	{ "QUJD--b\nQUJD", BASE64_STOP_AT_JUNK, "ABC" },
	{ "_-_-", BASE64_URL, "\xff\xef\xfe" },
	{ "Q=UJQUJD", BASE64_COUNT_PAD, "ABABC" },
	{ "", 0, "" },
	{ "=", 0, "" },
	{ "Q", 0, "" },
};

static void base64_by_rules(void)
{
	for (size_t i = 0; i < ARRAY_LEN(base64_cases); i++) {
		size_t n =
			base64_decode_by(out, bytes_str(base64_cases[i].in), base64_cases[i].rules);

		T_OK(bytes_eq(bytes_of(out, n), bytes_str(base64_cases[i].want)),
		     "'%s' by rules %x: '%.*s'", base64_cases[i].in, base64_cases[i].rules, (int)n,
		     (const char *)out);
	}
}

static const struct {
	const char *in;
	bool clean;
	const char *want[4]; /* by rule, NULL: do not care */
} qp_cases[] = {
	{ "a=20b=3D=\nc", true, { "a b=c", NULL, NULL, NULL } },
	{ "a= \t\r\nb", true, { "ab", NULL, NULL, NULL } },
	{ "a=", true, { "a", NULL, NULL, NULL } },
	{ "a=\rb", true, { "ab", NULL, NULL, NULL } },
	{ "=c3=a4", true, { "\xc3\xa4", NULL, NULL, NULL } },
	{ "a=ZZb", false, { "a=ZZb", "ab", "aZZb", NULL } },
	{ "=P=K==03==\nx", false, { NULL, NULL, "PK\x03x", NULL } },
	{ "=0P=0K=0=03=0==0\nx", false, { NULL, NULL, "PK\x03x", NULL } },
	{ "PK==a03=aX", false, { NULL, NULL, NULL, "PK\x03X" } },
	{ "0123456789abcdef=410123456789abcdef", true, { "0123456789abcdefA0123456789abcdef" } },
};

static void qp_by_rules(void)
{
	for (size_t i = 0; i < ARRAY_LEN(qp_cases); i++) {
		struct bytes in = bytes_str(qp_cases[i].in);
		bool clean;

		(void)qp_decode(out, in, &clean);
		T_OK(clean == qp_cases[i].clean, "qp '%s' is %sclean", qp_cases[i].in,
		     clean ? "" : "not ");
		for (unsigned rule = QP_KEEP; rule <= QP_DROP_LOWER; rule++) {
			size_t n = qp_decode_by(out, in, (enum qp_rule)rule);
			const char *want = qp_cases[i].want[rule];

			T_OK(want == NULL || bytes_eq(bytes_of(out, n), bytes_str(want)),
			     "  by rule %u: '%.*s'", rule, (int)n, (const char *)out);
		}
	}
	T_OK(qp_longest_blank_line(BYTES("a\n    \n  b\n")) == 4, "longest blank line");
}

static void other_round_trips(void)
{
	static char text[8192];
	uint8_t data[1024];
	uint32_t state = 7;
	unsigned qp = 0, uu = 0, yenc = 0;

	for (size_t n = 0; n < 600; n++) {
		struct bytes in = random_bytes(data, n, &state, n % 2 == 0);
		size_t len = ref_qp(text, in), got;
		bool clean;

		got = qp_decode(out, bytes_of(text, len), &clean);
		qp += !clean || !bytes_eq(bytes_of(out, got), in);
		len = ref_uu(text, in);
		got = uu_decode(out, bytes_of(text, len), false);
		uu += !bytes_eq(bytes_of(out, got), in);
		len = ref_yenc(text, in);
		got = yenc_decode(out, bytes_of(text, len));
		yenc += !bytes_eq(bytes_of(out, got), in);
	}
	T_OK(qp == 0, "quoted-printable round trips, %u wrong", qp);
	T_OK(uu == 0, "uuencode round trips, %u wrong", uu);
	T_OK(yenc == 0, "yEnc round trips, %u wrong", yenc);
}

static const struct {
	const char *text;
	enum block_kind kind;
	const char *name, *content;
} block_cases[] = {
	{ "text\nbegin 644 a b.txt\n#04)#\n`\nend\nmore\n", BLOCK_UU, "a b.txt", "ABC" },
	{ "begin 755 x\r\n#04)#\r\n`\r\nend\r\n", BLOCK_UU, "x", "ABC" },
	{ "x\rbegin 644 mac\r#04)#\r`\rend\r", BLOCK_UU, "mac", "ABC" },
	{ "begin 644 cut\n#04)#\n", BLOCK_UU, "cut", "ABC" },
	{ "begin-base64 644 b\nQUJD\n====\n", BLOCK_UU_BASE64, "b", "ABC" },
	{ "begin 644 x.xx\n1EI0X9+0gHqBnNK-bR4xbRE++\n+\nend\n", BLOCK_XX, "x.xx", NULL },
	{ "=ybegin line=128 size=3 name=y.bin\nklm\n=yend size=3\n", BLOCK_YENC, "y.bin", "ABC" },
	{ "begin 644 decoy\nbegin 644 real\n#04)#\nend\n", BLOCK_UU, "decoy", "" },
	{ "beginning of a text\n", BLOCK_UU, NULL, NULL },
	{ "begin a new 644 line\n", BLOCK_UU, NULL, NULL },
};

static size_t decode_block(const struct block *b)
{
	char name[64];

	if (b->kind == BLOCK_UU_BASE64)
		return base64_decode_by(out, b->body, 0);
	if (b->kind == BLOCK_YENC)
		return yenc_decode(out, b->body);
	if (b->kind == BLOCK_BINHEX)
		return binhex_decode(out, ROOM, b->body, name);
	return uu_decode(out, b->body, b->kind == BLOCK_XX);
}

static void blocks(void)
{
	for (size_t i = 0; i < ARRAY_LEN(block_cases); i++) {
		struct bytes rest = bytes_str(block_cases[i].text);
		struct block b;
		bool found = block_next(&rest, &b);

		T_OK(found == (block_cases[i].name != NULL), "block %zu: %sfound", i,
		     found ? "" : "not ");
		if (!found)
			continue;
		T_OK(b.kind == block_cases[i].kind &&
			     bytes_eq(b.name, bytes_str(block_cases[i].name)),
		     "  kind %d, name %.*s", (int)b.kind, (int)b.name.n, (const char *)b.name.p);
		T_OK(block_cases[i].content == NULL || bytes_eq(bytes_of(out, decode_block(&b)),
								bytes_str(block_cases[i].content)),
		     "  content");
	}
}

/* The name and data fork of a BinHex file: a run of ten A, a run mark as data, a B. */
static void binhex(void)
{
	static const char text[] = "(This file must be converted with BinHex 4.0)\n\n"
				   ":\"@%ZG(Kd!&4&@&4dG(Kd!*!&$!#3\"N'3#T!!3J#3\"!:\n";
	struct bytes rest = BYTES(text);
	struct block b;
	char name[64] = "";
	bool found = block_next(&rest, &b);
	size_t n = found ? binhex_decode(out, ROOM, b.body, name) : 0;

	T_OK(found && b.kind == BLOCK_BINHEX, "BinHex found");
	T_OK(strcmp(name, "a.txt") == 0, "  name '%s'", name);
	T_OK(bytes_eq(bytes_of(out, n), BYTES("AAAAAAAAAA\x90"
					      "B")),
	     "  content of %zu bytes", n);
	for (size_t max = 0; max < 200; max++)
		if (binhex_decode(out, max, b.body, name) > max)
			n = SIZE_MAX;
	T_OK(n != SIZE_MAX, "  never more than it may write");
}

int main(void)
{
	base64_round_trips();
	base64_sees_foreign_bytes();
	base64_disputed();
	base64_by_rules();
	qp_by_rules();
	other_round_trips();
	blocks();
	binhex();
	return t_done();
}
