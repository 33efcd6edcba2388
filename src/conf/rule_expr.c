/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/rule_expr.c - patterns without keys as expressions for Hyperscan.
 *
 * Only what PCRE2 and Hyperscan read alike on subjects without control characters may pass:
 * literals, classes without POSIX names, groups, alternatives, small repeats, the escapes d D w W s
 * S b B. Everything else, however harmless it looks, is asked one by one as before.
 */
#include "conf/rule_screen.h"
#include "core/num.h"

#define EXPRESSION_MAX 300u
#define REPEAT_MAX     64u
/* All maxima of repeats multiplied: nested ones make databases that never end to compile. */
#define REPEATS_MAX    256u

struct look {
	struct bytes rest;
	unsigned repeats;
	bool in_class;
	uint8_t last;      /* the byte in front of this one */
	bool after_repeat; /* a '+' here would be possessive */
	bool no_dollar;    /* subjects hold line feeds */
};

static bool is_print(uint8_t c)
{
	return c > 0x20 && c < 0x7f;
}

/* Behind a backslash. */
static bool look_escape(struct look *k)
{
	uint8_t c;

	if (k->rest.n == 0)
		return false;
	c = k->rest.p[0];
	k->rest = bytes_from(k->rest, 1);
	k->after_repeat = false;
	if (c == 'b' || c == 'B')
		return !k->in_class;
	if (!ascii_is_alnum(c))
		return is_print(c);
	/* "[\\d-z]" is no range, but who knows that? */
	if (k->in_class && (k->last == '-' || bytes_starts(k->rest, BYTES("-"))))
		return false;
	return strchr("dDwWsS", c) != NULL;
}

/* Behind '{': "3}", "3,}", "3,5}". */
static bool look_repeat(struct look *k)
{
	uint64_t low = 0, high = 0;

	if (num_take(&k->rest, REPEAT_MAX, &low) < 0)
		return false;
	high = low;
	if (bytes_starts(k->rest, BYTES(","))) {
		k->rest = bytes_from(k->rest, 1);
		if (!bytes_starts(k->rest, BYTES("}")) && num_take(&k->rest, REPEAT_MAX, &high) < 0)
			return false;
	}
	if (!bytes_starts(k->rest, BYTES("}")) || high < low || high == 0)
		return false;
	k->rest = bytes_from(k->rest, 1);
	k->repeats *= (unsigned)high;
	k->after_repeat = true;
	return k->repeats <= REPEATS_MAX;
}

static bool look_group(struct look *k)
{
	k->after_repeat = false;
	if (bytes_starts(k->rest, BYTES("*")))
		return false;
	if (!bytes_starts(k->rest, BYTES("?")))
		return true;
	if (!bytes_starts(k->rest, BYTES("?:")))
		return false;
	k->rest = bytes_from(k->rest, 2);
	return true;
}

static bool look_class(struct look *k, uint8_t c)
{
	if (c == ']') {
		k->in_class = false;
		return true;
	}
	/* "[:alpha:]" and its like */
	return c != '[' || k->rest.n == 0 || strchr(":.=", k->rest.p[0]) == NULL;
}

static bool open_class(struct look *k)
{
	k->in_class = true;
	k->after_repeat = false;
	if (bytes_starts(k->rest, BYTES("^")))
		k->rest = bytes_from(k->rest, 1);
	return k->rest.n > 0 && k->rest.p[0] != ']';
}

static bool look_one(struct look *k, uint8_t c)
{
	bool after = k->after_repeat;

	if (!is_print(c))
		return false;
	if (c == '\\')
		return look_escape(k);
	if (k->in_class)
		return look_class(k, c);
	switch (c) {
	case '[':
		return open_class(k);
	case '(':
		return look_group(k);
	case '{':
		return !after && look_repeat(k);
	case '*':
	case '?':
	case '+':
		/* "*?" is lazy: the same matches; "*+" is possessive: fewer */
		k->after_repeat = true;
		return !after || c == '?';
	case '$':
		k->after_repeat = false;
		return !k->no_dollar;
	default:
		k->after_repeat = false;
		return true;
	}
}

/* Both libraries read @text alike, and its database is small. */
static bool is_plain(const char *text, bool no_dollar)
{
	struct look k = { .rest = bytes_str(text), .repeats = 1, .no_dollar = no_dollar };

	if (k.rest.n == 0 || k.rest.n > EXPRESSION_MAX)
		return false;
	while (k.rest.n > 0) {
		uint8_t c = k.rest.p[0];

		k.rest = bytes_from(k.rest, 1);
		if (!look_one(&k, c))
			return false;
		k.last = c;
	}
	return !k.in_class;
}

static void add_glob(struct str *out, struct bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (c == '*')
			str_add(out, ".*");
		else if (ascii_is_alnum(c))
			str_add_char(out, (char)c);
		else
			str_addf(out, "\\x%02x", c);
	}
}

/* Wildcards at an end need no expression: the end is open then. */
static void add_trimmed(struct str *out, struct bytes text, const char *head, const char *tail)
{
	struct bytes t = text;

	while (t.n > 0 && t.p[0] == '*')
		t = bytes_from(t, 1);
	if (t.n == text.n)
		str_add(out, head);
	text = t;
	while (t.n > 0 && t.p[t.n - 1] == '*')
		t = bytes_head(t, t.n - 1);
	add_glob(out, t);
	if (t.n == text.n)
		str_add(out, tail);
}

static bool add_regex(const struct pattern *p, struct str *out)
{
	struct regex_scratch scratch = { NULL, NULL };
	/* Hyperscan takes no expression that matches nothing at all, and an empty subject is one */
	bool on_nothing = regex_match(p->regex, BYTES(""), &scratch);

	regex_scratch_fini(&scratch);
	str_add(out, p->regex->text);
	return !on_nothing && is_plain(p->regex->text, p->kind == PATTERN_REPORT_REGEX);
}

bool rule_expression(const struct pattern *p, enum screen_class *ret_class, struct str *out)
{
	struct bytes text = bytes_of(p->text, p->n);

	str_reset(out);
	switch (p->kind) {
	case PATTERN_GLOB:
		*ret_class = SCREEN_ADDRESS;
		add_trimmed(out, text, "^", "\\.?$");
		break;
	case PATTERN_HOST_GLOB:
		*ret_class = SCREEN_HOST;
		add_trimmed(out, text, "", "$");
		break;
	case PATTERN_REPORT:
		*ret_class = SCREEN_REPORT;
		add_trimmed(out, text, "", "");
		break;
	case PATTERN_REGEX:
	case PATTERN_IP_REGEX:
	case PATTERN_HOST_REGEX:
	case PATTERN_REPORT_REGEX:
		*ret_class = p->kind == PATTERN_REGEX        ? SCREEN_ADDRESS
			     : p->kind == PATTERN_IP_REGEX   ? SCREEN_CLIENT
			     : p->kind == PATTERN_HOST_REGEX ? SCREEN_HOST
							     : SCREEN_REPORT;
		return add_regex(p, out) && !out->failed;
	default:
		return false;
	}
	return out->n > 0 && text.n <= EXPRESSION_MAX && !out->failed;
}
