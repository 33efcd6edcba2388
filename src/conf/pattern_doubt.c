/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/pattern_doubt.c - patterns that load and match no mail: they look like something that they
 * are not. Only what no site can mean otherwise is told.
 */
#include <stdio.h>

#include "conf/ip.h"
#include "conf/pattern.h"
#include "core/text.h"

/* What stands in quotes is part of a mailbox name, whatever it is. */
static bool has_bare(struct bytes t, uint8_t c)
{
	bool quoted = false;

	for (size_t i = 0; i < t.n; i++) {
		quoted ^= t.p[i] == '"';
		if (t.p[i] == c && !quoted)
			return true;
	}
	return false;
}

/* "10.1.2.*" */
static bool is_starred_ip(struct bytes t)
{
	unsigned dots = 0;

	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] == '*')
			return dots >= 2 && t.p[i - 1] == '.';
		if (!ascii_is_digit(t.p[i]) && t.p[i] != '.')
			return false;
		dots += t.p[i] == '.';
	}
	return false;
}

static bool is_ip_up_to(struct bytes t, uint8_t c)
{
	ptrdiff_t at = bytes_index(t, c);
	uint8_t addr[16];
	bool v6;

	return at > 0 && ip_parse(bytes_head(t, (size_t)at), addr, &v6);
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" */
static bool has_literal(struct bytes t)
{
	ptrdiff_t at = bytes_index(t, '[');
	struct bytes inside = bytes_from(t, (size_t)(at + 1));

	if (at < 0 || (at > 0 && (t.p[at - 1] == '\\' || t.p[at - 1] != '@')))
		return false;
	return bytes_starts_nocase(inside, BYTES("ipv6:")) || is_ip_up_to(inside, ']');
}

static const char *doubt_address(struct bytes t)
{
	if (bytes_eq(t, BYTES("<>")) || bytes_eq(t, BYTES("\"\"")))
		return "never matches; the null sender is /^$/";
	if (has_bare(t, '<') || has_bare(t, '>'))
		return "never matches: addresses are compared without < and >";
	if (has_bare(t, ',') && t.p[0] != '@')
		return "is one pattern, which never matches: write a rule for each, or a file of "
		       "patterns";
	if (is_ip_up_to(t, '/'))
		return "is no network and never matches: expected NETWORK/BITS or NETWORK/NETMASK";
	if (is_ip_up_to(t, '%'))
		return "never matches: addresses are compared without a zone";
	if (is_starred_ip(t))
		return "is for mail domains, not for IP addresses: write their beginning, as in "
		       "10.1.2., or a network, as in 10.1.2.0/24";
	if (has_literal(t))
		return "holds a class of characters, not an address in brackets: write \\[ and "
		       "\\]";
	return NULL;
}

void pattern_doubt(const struct pattern *p, struct bytes text, struct pattern_note *note)
{
	const char *why = NULL;
	bool slashes = text.n > 1 && text.p[0] == '/' && text.p[text.n - 1] == '/';

	if (p->kind == PATTERN_IP_TEXT && !ip_text_possible(text))
		why = "never matches: no address begins so (numbers have no zeros in front and end "
		      "at 255)";
	else if (p->kind >= PATTERN_ADDRESS && p->kind <= PATTERN_REGEX && !slashes)
		why = doubt_address(text);
	if (why != NULL && note->text[0] == '\0')
		(void)snprintf(note->text, sizeof(note->text), "'%s' %s",
			       text_escape((char[61]){ 0 }, 61, text), why);
}
