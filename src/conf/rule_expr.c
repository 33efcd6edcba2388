/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/rule_expr.c - patterns without keys as expressions for Hyperscan.
 *
 * Only what PCRE2 and Hyperscan read alike on subjects without control characters may pass:
 * literals, classes without POSIX names, groups, alternatives, small repeats, the escapes d D w W s
 * S b B. Everything else, however harmless it looks, is asked one by one as before.
 *
 * Better than the expression is one of its literals: whatever matches must hold it, and a database
 * of 20,000 literals compiles in half a second, one of 20,000 wildcards in half a minute.
 */
#include "conf/rule_screen.h"
#include "core/num.h"

#define EXPRESSION_MAX 300u
#define REPEAT_MAX     64u
#define LITERAL_MIN    4u /* shorter ones stand in half of all addresses */
/* All maxima of repeats multiplied: nested ones make databases that never end to compile. */
#define REPEATS_MAX    256u

/* The literal being read; the finished ones go to @out. */
struct literal {
	struct str *out;
	char run[EXPRESSION_MAX + 1];
	size_t run_n;
};

struct look {
	struct bytes rest;
	struct literal literal;
	unsigned depth;   /* of groups */
	bool alternative; /* a '|' outside of groups: nothing must be there */
	unsigned repeats;
	bool in_class;
	uint8_t last;      /* the byte in front of this one */
	bool after_repeat; /* a '+' here would be possessive */
	bool no_dollar;    /* subjects hold line feeds */
};

static void add_escaped(struct str *out, struct bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (ascii_is_alnum(text.p[i]))
			str_add_char(out, (char)text.p[i]);
		else
			str_addf(out, "\\x%02x", text.p[i]);
	}
}

static void literal_add(struct literal *l, uint8_t c)
{
	l->run[l->run_n++] = (char)c;
}

static void literal_end(struct literal *l)
{
	if (l->run_n >= LITERAL_MIN) {
		add_escaped(l->out, bytes_of(l->run, l->run_n));
		str_add_char(l->out, '\n');
	}
	l->run_n = 0;
}

/* What was read last need not be there. */
static void literal_drop(struct literal *l)
{
	l->run_n -= l->run_n > 0;
	literal_end(l);
}

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
	if (!k->in_class && k->depth == 0) {
		if (ascii_is_alnum(c))
			literal_end(&k->literal);
		else
			literal_add(&k->literal, c);
	}
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
	if (low == 0)
		literal_drop(&k->literal);
	else
		literal_end(&k->literal);
	k->repeats *= (unsigned)high;
	k->after_repeat = true;
	return k->repeats <= REPEATS_MAX;
}

static bool look_group(struct look *k)
{
	k->after_repeat = false;
	k->depth++;
	literal_end(&k->literal);
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
	literal_end(&k->literal);
	if (bytes_starts(k->rest, BYTES("^")))
		k->rest = bytes_from(k->rest, 1);
	return k->rest.n > 0 && k->rest.p[0] != ']';
}

/* A byte that stands for itself or for a place. */
static void look_other(struct look *k, uint8_t c)
{
	k->depth -= c == ')' && k->depth > 0;
	k->alternative |= c == '|' && k->depth == 0;
	if (strchr(").|^$", c) != NULL)
		literal_end(&k->literal);
	else if (k->depth == 0)
		literal_add(&k->literal, c);
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
		if (c == '+')
			literal_end(&k->literal);
		else
			literal_drop(&k->literal);
		/* "*?" is lazy: the same matches; "*+" is possessive: fewer */
		k->after_repeat = true;
		return !after || c == '?';
	default:
		k->after_repeat = false;
		look_other(k, c);
		return c != '$' || !k->no_dollar;
	}
}

/* Both libraries read @text alike, and its database is small. */
static bool is_plain(const char *text, bool no_dollar, struct str *literals)
{
	struct look k = { .rest = bytes_str(text), .repeats = 1, .no_dollar = no_dollar };

	k.literal.out = literals;

	if (k.rest.n == 0 || k.rest.n > EXPRESSION_MAX)
		return false;
	while (k.rest.n > 0) {
		uint8_t c = k.rest.p[0];

		k.rest = bytes_from(k.rest, 1);
		if (!look_one(&k, c))
			return false;
		k.last = c;
	}
	literal_end(&k.literal);
	if (k.alternative)
		str_reset(literals);
	return !k.in_class;
}

static void add_glob(struct str *out, struct bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '*')
			str_add(out, ".*");
		else
			add_escaped(out, bytes_of(text.p + i, 1));
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

static void glob_literals(struct bytes text, struct str *out)
{
	struct literal l = { .out = out };

	for (size_t i = 0; i < text.n && i < EXPRESSION_MAX; i++) {
		if (text.p[i] == '*')
			literal_end(&l);
		else
			literal_add(&l, text.p[i]);
	}
	literal_end(&l);
}

static bool add_regex(const struct pattern *p, struct str *out, struct str *literals)
{
	struct regex_scratch scratch = { NULL, NULL, NULL };
	/* Hyperscan takes no expression that matches nothing at all, and an empty subject is one */
	bool on_nothing = regex_match(p->regex, BYTES(""), &scratch);

	regex_scratch_fini(&scratch);
	str_add(out, p->regex->text);
	return !on_nothing && is_plain(p->regex->text, p->kind == PATTERN_REPORT_REGEX, literals);
}

bool rule_expression(const struct pattern *p, enum screen_class *ret_class, struct str *out,
		     struct str *literals)
{
	struct bytes text = bytes_of(p->text, p->n);

	str_reset(out);
	str_reset(literals);
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
		return add_regex(p, out, literals) && !out->failed;
	default:
		return false;
	}
	glob_literals(text, literals);
	return out->n > 0 && text.n <= EXPRESSION_MAX && !out->failed;
}
