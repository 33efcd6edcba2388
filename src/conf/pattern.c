/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/pattern.c - the kinds of ruleset patterns and their keys. The order of the
 * tests is MailScanner's: it decides what "bad.de" or "/10\.1/" means.
 */
#include "conf/pattern.h"

#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "conf/ip.h"
#include "core/num.h"
#include "core/str.h"
#include "core/text.h"

#define PATTERN_MAX_BYTES 10000u

struct parse {
	struct arena *arena;
	struct pattern *p;
	struct pattern_note *note;
	struct bytes text;
	bool lower; /* PATTERN_LOWER */
};

static bool only(struct bytes b, const char *set)
{
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] == '\0' || strchr(set, b.p[i]) == NULL)
			return false;
	}
	return b.n > 0;
}

static bool has(struct bytes b, const char *set)
{
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] != '\0' && strchr(set, b.p[i]) != NULL)
			return true;
	}
	return false;
}

#define HEX_LOWER "0123456789abcdef"
#define IP_CHARS  HEX_LOWER ".:"

static bool set_text(struct parse *x, enum pattern_kind kind, struct bytes text)
{
	uint8_t *copy = arena_dup(x->arena, text);

	if (copy == NULL)
		return false;
	for (size_t i = 0; i < text.n; i++)
		copy[i] = ascii_lower(copy[i]);
	x->p->kind = (uint8_t)kind;
	x->p->text = copy;
	x->p->n = (uint32_t)text.n;
	return true;
}

static bool set_nets(struct parse *x, enum pattern_kind kind, const struct nets *nets)
{
	x->p->kind = (uint8_t)kind;
	x->p->nets = nets;
	return true;
}

static bool never(struct parse *x, const char *what)
{
	x->p->kind = PATTERN_NEVER;
	x->note->broken = true;
	(void)snprintf(x->note->text, sizeof(x->note->text), "'%s' %s",
		       text_escape((char[81]){ 0 }, 81, x->text), what);
	return true;
}

/* ---- regular expressions ---- */

static void free_code(void *code)
{
	pcre2_code_free(code);
}

static bool lower(struct parse *x, struct bytes *text)
{
	uint8_t *copy = arena_dup(x->arena, *text);

	for (size_t i = 0; copy != NULL && i < text->n; i++)
		copy[i] = ascii_lower(copy[i]);
	text->p = copy;
	return copy != NULL;
}

static bool set_regex(struct parse *x, enum pattern_kind kind, struct bytes expression)
{
	PCRE2_SIZE offset;
	PCRE2_UCHAR why[100];
	struct regex *regex;
	pcre2_code *code;
	int number;

	if (x->lower && kind == PATTERN_REGEX && !lower(x, &expression))
		return false;

	code = pcre2_compile(expression.p, expression.n, PCRE2_CASELESS | PCRE2_NEVER_UTF, &number,
			     &offset, NULL);
	if (code == NULL && number == PCRE2_ERROR_HEAP_FAILED)
		return false;
	if (code == NULL) {
		(void)pcre2_get_error_message(number, why, sizeof(why));
		(void)never(x, "");
		(void)snprintf(x->note->text, sizeof(x->note->text),
			       "'%s' is not a regular expression: %s",
			       text_escape((char[61]){ 0 }, 61, x->text), (const char *)why);
		return true;
	}
	/* without JIT (no executable memory) it is slower and answers the same */
	(void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	if (arena_on_free(x->arena, free_code, code) < 0)
		return false;
	regex = arena_alloc(x->arena, sizeof(*regex));
	if (regex == NULL)
		return false;
	regex->code = code;
	regex->text = arena_str(x->arena, expression);
	x->p->kind = (uint8_t)kind;
	x->p->regex = regex;
	return regex->text != NULL;
}

/* Wildcards of a pattern that holds regular expression characters too: they count as such. */
static bool set_mixed(struct parse *x, enum pattern_kind kind, struct bytes text,
		      const char *literal, const char *head, const char *tail)
{
	AUTO(str_fini) struct str s;

	str_init(&s, 4 * PATTERN_MAX_BYTES);
	str_add(&s, head);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '*')
			str_add_char(&s, '.');
		else if (text.p[i] != '\0' && strchr(literal, text.p[i]) != NULL)
			str_add_char(&s, '\\');
		str_add_char(&s, (char)text.p[i]);
	}
	str_add(&s, tail);
	return !s.failed && set_regex(x, kind, str_bytes(&s));
}

#define META "\\^$|?()[]{}"

/* ---- parsing ---- */

static bool parse_host(struct parse *x, struct bytes name)
{
	char with_dot[HOST_MAX + 2];
	int n;

	if (name.n > 1 && name.p[0] == '/' && name.p[name.n - 1] == '/')
		return set_regex(x, PATTERN_HOST_REGEX, bytes_of(name.p + 1, name.n - 2));
	if (name.n == 0)
		return set_text(x, PATTERN_HOST, name);
	if (name.n >= HOST_MAX)
		return never(x, "is longer than a host name can be");
	n = snprintf(with_dot, sizeof(with_dot), "%s%.*s", name.p[0] == '.' ? "" : ".", (int)name.n,
		     (const char *)name.p);
	name = bytes_of(with_dot, (size_t)n);
	if (has(name, META "+"))
		return set_mixed(x, PATTERN_HOST_REGEX, name, ".", "", "$");
	return set_text(x, has(name, "*") ? PATTERN_HOST_GLOB : PATTERN_HOST, name);
}

static bool is_quad(struct bytes b)
{
	unsigned dots = 0;

	for (size_t i = 0; i < b.n; i++)
		dots += b.p[i] == '.';
	return only(b, "0123456789.") && dots == 3 && b.p[b.n - 1] != '.' && b.p[0] != '.';
}

/* Text of hex digits, dots and colons is the beginning of an address, whatever it looks like. */
static bool parse_ip_text(struct parse *x)
{
	const struct nets *nets = NULL;
	bool colon = has(x->text, ":");

	if (is_quad(x->text) || (colon && x->text.p[x->text.n - 1] != ':'))
		nets = ip_single(x->arena, x->text);
	if (nets != NULL)
		return set_nets(x, PATTERN_IP, nets);
	if (!colon && has(x->text, "abcdef"))
		(void)snprintf(x->note->text, sizeof(x->note->text),
			       "'%s' is taken for the beginning of an IP address and matches no "
			       "mail address; write *@%.*s for the domain",
			       text_escape((char[61]){ 0 }, 61, x->text),
			       (int)MIN_OF(x->text.n, 60u), (const char *)x->text.p);
	return set_text(x, PATTERN_IP_TEXT, x->text);
}

static bool split(struct bytes b, uint8_t c, struct bytes *ret_left, struct bytes *ret_right)
{
	ptrdiff_t at = bytes_index(b, c);

	if (at < 0)
		return false;
	*ret_left = bytes_head(b, (size_t)at);
	*ret_right = bytes_from(b, (size_t)at + 1);
	return true;
}

static bool parse_cidr(struct parse *x, struct bytes net, struct bytes bits)
{
	const struct nets *nets = ip_cidr(x->arena, net, bits);

	if (nets == NULL)
		return never(x, "is not a network: expected NETWORK/BITS or NETWORK/NETMASK");
	return set_nets(x, PATTERN_NET, nets);
}

/* False: it is not meant as a range. */
static bool looks_like_range(struct bytes from, struct bytes to)
{
	uint8_t addr[16];
	bool v6;

	return (only(from, "0123456789.") && only(to, "0123456789.")) || has(from, ":") ||
	       ip_parse(from, addr, &v6) || ip_parse(to, addr, &v6);
}

static bool parse_range(struct parse *x, struct bytes from, struct bytes to)
{
	const struct nets *nets = ip_range(x->arena, from, to);

	if (nets == NULL)
		return never(x, "is not a range: expected FIRST-LAST, complete addresses");
	return set_nets(x, PATTERN_NET, nets);
}

/* The whole pattern as MailScanner completes it: "x" is "*@x", "@x" is "*@x", "x@" is "x@*". */
static bool complete(struct bytes t, struct str *out)
{
	if (bytes_eq_nocase(t, BYTES("default")) || bytes_eq(t, BYTES("*"))) {
		str_add(out, "*@*");
		return !out->failed;
	}
	if (bytes_index(t, '@') < 0)
		str_add(out, "*@");
	else if (t.p[0] == '@')
		str_add_char(out, '*');
	str_add_bytes(out, t);
	if (t.p[t.n - 1] == '@')
		str_add_char(out, '*');
	return !out->failed;
}

static bool parse_address(struct parse *x, struct bytes t)
{
	struct bytes user, domain;

	if (has(t, META))
		return set_mixed(x, PATTERN_REGEX, t, ".+", "^", "\\.?$");
	if (bytes_eq(t, BYTES("*@*"))) {
		x->p->kind = PATTERN_ANY;
		return true;
	}
	if (!has(t, "*"))
		return set_text(x, PATTERN_ADDRESS, t);
	if (!split(t, '@', &user, &domain) || has(domain, "@"))
		return set_text(x, PATTERN_GLOB, t);
	if (bytes_eq(user, BYTES("*")) && !has(domain, "*"))
		return set_text(x, PATTERN_DOMAIN, domain);
	if (bytes_eq(user, BYTES("*")) && bytes_starts(domain, BYTES("*.")) &&
	    !has(bytes_from(domain, 1), "*"))
		return set_text(x, PATTERN_SUB, bytes_from(domain, 1));
	if (bytes_eq(domain, BYTES("*")) && !has(user, "*"))
		return set_text(x, PATTERN_USER, bytes_head(t, user.n + 1));
	return set_text(x, PATTERN_GLOB, t);
}

static bool parse_incomplete(struct parse *x)
{
	AUTO(str_fini) struct str whole;

	str_init(&whole, PATTERN_MAX_BYTES + 10);
	return complete(x->text, &whole) && parse_address(x, str_bytes(&whole));
}

static bool is_regex(struct bytes t)
{
	return t.n > 1 && t.p[0] == '/' && t.p[t.n - 1] == '/';
}

/* Lower-case letters; @escapes: those behind a backslash count too. */
static bool has_lower(struct bytes t, bool escapes)
{
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] == '\\' && !escapes)
			i++;
		else if (t.p[i] >= 'a' && t.p[i] <= 'z')
			return true;
	}
	return false;
}

static bool parse_slashes(struct parse *x)
{
	struct bytes inside = bytes_of(x->text.p + 1, x->text.n - 2);
	bool on_ip = !has_lower(inside, true) && !bytes_eq(inside, BYTES("^$"));
	const char *odd = NULL;

	if (on_ip && (has(inside, "@") || has(inside, "GHIJKLMNOPQRSTUVXYZ")))
		odd = "holds no lower-case letter and is therefore matched with the client's IP "
		      "address, not with mail addresses";
	if (!on_ip && !has_lower(inside, false) && has(inside, "0123456789") && !has(inside, "@"))
		odd = "holds a lower-case letter, if only in an escape, and is therefore matched "
		      "with mail addresses, not with the client's IP address";
	if (odd != NULL)
		(void)snprintf(x->note->text, sizeof(x->note->text), "'%s' %s",
			       text_escape((char[41]){ 0 }, 41, x->text), odd);
	return set_regex(x, on_ip ? PATTERN_IP_REGEX : PATTERN_REGEX, inside);
}

static bool parse_sender_or_recipient(struct parse *x)
{
	struct bytes t = x->text, left, right;

	if (bytes_starts_nocase(t, BYTES("host:"))) {
		x->p->checked = true;
		return parse_host(x, bytes_from(t, 5));
	}
	if (bytes_starts_nocase(t, BYTES("host-nocheck:")))
		return parse_host(x, bytes_from(t, 13));
	if (only(t, IP_CHARS) || (has(t, ":") && only(t, IP_CHARS "ABCDEF")))
		return parse_ip_text(x);
	if (is_regex(t))
		return parse_slashes(x);
	if (only(t, IP_CHARS "ABCDEF/") && split(t, '/', &left, &right) && !has(right, "/"))
		return parse_cidr(x, left, right);
	if (only(t, IP_CHARS "ABCDEF-") && split(t, '-', &left, &right) && !has(right, "-") &&
	    looks_like_range(left, right))
		return parse_range(x, left, right);
	return parse_incomplete(x);
}

static bool parse_virus(struct parse *x)
{
	AUTO(str_fini) struct str inside;

	str_init(&inside, PATTERN_MAX_BYTES + 10);
	if (has(x->text, META "+"))
		return set_mixed(x, PATTERN_REPORT_REGEX, x->text, ".-/", "", "");
	str_add_char(&inside, '*');
	if (!bytes_eq_nocase(x->text, BYTES("default")))
		str_add_bytes(&inside, x->text);
	str_add_char(&inside, '*');
	return !inside.failed && set_text(x, PATTERN_REPORT, str_bytes(&inside));
}

bool pattern_parse(struct pattern *ret_p, struct arena *a, struct bytes text, unsigned flags,
		   struct pattern_note *ret_note)
{
	struct parse x = { .arena = a, .p = ret_p, .note = ret_note, .text = text };

	*ret_p = (struct pattern){ .kind = PATTERN_NEVER };
	ret_note->text[0] = '\0';
	ret_note->broken = false;
	if (text.n == 0)
		return never(&x, "is not a pattern");
	if (text.n > PATTERN_MAX_BYTES)
		return never(&x, "is too long for a pattern");
	x.lower = (flags & PATTERN_LOWER) != 0;
	if ((flags & PATTERN_OF_REPORT) != 0)
		return parse_virus(&x);
	if (!parse_sender_or_recipient(&x))
		return false;
	pattern_doubt(ret_p, text, ret_note);
	return true;
}

bool pattern_is_ip(const struct pattern *p)
{
	return p->kind >= PATTERN_IP && p->kind <= PATTERN_NET;
}

bool pattern_is_host(const struct pattern *p)
{
	return p->kind >= PATTERN_HOST && p->kind <= PATTERN_HOST_REGEX;
}

/* ---- keys ---- */

/* Some end or beginning of a wildcard pattern that has no wildcard in it. */
static bool glob_key(struct bytes t, enum key_kind *ret_kind, struct bytes *ret_key)
{
	struct bytes user, domain;

	if (!split(t, '@', &user, &domain) || has(domain, "@"))
		return false;
	*ret_kind = KEY_DOMAIN;
	*ret_key = domain;
	if (!has(domain, "*"))
		return true;
	*ret_kind = KEY_SUB;
	*ret_key = bytes_from(domain, 1);
	if (bytes_starts(domain, BYTES("*.")) && !has(*ret_key, "*"))
		return true;
	*ret_kind = KEY_USER;
	*ret_key = bytes_head(t, user.n + 1);
	return !has(user, "*");
}

bool pattern_key(const struct pattern *p, size_t i, enum key_kind *ret_kind, struct bytes *ret_key)
{
	static const enum key_kind kinds[] = {
		[PATTERN_ADDRESS] = KEY_ADDRESS, [PATTERN_DOMAIN] = KEY_DOMAIN,
		[PATTERN_SUB] = KEY_SUB,         [PATTERN_USER] = KEY_USER,
		[PATTERN_IP_TEXT] = KEY_IP_TEXT,
	};

	if (p->kind == PATTERN_IP || p->kind == PATTERN_NET) {
		if (i >= p->nets->n)
			return false;
		*ret_kind = p->nets->v6 ? KEY_NET6 : KEY_NET4;
		*ret_key = bytes_of(&p->nets->net[i], sizeof(struct net));
		return true;
	}
	if (i > 0)
		return false;
	*ret_key = bytes_of(p->text, p->n);
	if (p->kind == PATTERN_GLOB)
		return glob_key(*ret_key, ret_kind, ret_key);
	*ret_kind = p->checked ? KEY_HOST_CHECKED : KEY_HOST;
	if (p->kind == PATTERN_HOST)
		return true;
	if (p->kind < PATTERN_ADDRESS || p->kind >= ARRAY_LEN(kinds) || p->kind == PATTERN_REGEX)
		return false;
	*ret_kind = kinds[p->kind];
	return true;
}
