/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/pattern_match.c - whether an address, a client or a report matches a pattern. */
#include <arpa/inet.h>
#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "conf/conf.h"
#include "conf/ip.h"
#include "conf/pattern.h"

/*
 * Mail chooses the subject: an expression that backtracks for ever must end as "no match", and may
 * not take its time (about a millisecond) for each of a thousand recipients and each option.
 */
#define REGEX_MATCH_LIMIT 100000u
#define REGEX_TIRED_LIMIT (REGEX_MATCH_LIMIT / 100)
#define REGEX_PATIENCE    4u
#define REGEX_HEAP_KIB    (16u * 1024) /* of the interpreter, for REGEX_MATCH_LIMIT steps */

void regex_scratch_fini(struct regex_scratch *s)
{
	pcre2_match_data_free(s->match_data);
	pcre2_match_context_free(s->limits);
	*s = (struct regex_scratch){ NULL, NULL, NULL };
}

static bool scratch_ready(struct regex_scratch *s)
{
	if (s->match_data == NULL)
		s->match_data = pcre2_match_data_create(1, NULL);
	if (s->limits == NULL) {
		s->limits = pcre2_match_context_create(NULL);
		if (s->limits != NULL)
			(void)pcre2_set_heap_limit(s->limits, REGEX_HEAP_KIB);
	}
	return s->match_data != NULL && s->limits != NULL;
}

/* The place of @r in @p; p->n: it has none. */
static uint32_t patience_find(const struct conf_patience *p, const struct regex *r)
{
	uint32_t i = 0;

	while (i < p->n && p->of[i] != r)
		i++;
	return i;
}

static bool is_tired(const struct conf_patience *p, const struct regex *r)
{
	uint32_t i;

	if (p == NULL || p->n == 0)
		return false;
	i = patience_find(p, r);
	return i == CONF_PATIENCE_MAX || (i < p->n && p->times[i] >= REGEX_PATIENCE);
}

static void gave_up(struct conf_patience *p, const struct regex *r)
{
	uint32_t i = p == NULL ? CONF_PATIENCE_MAX : patience_find(p, r);

	if (i == CONF_PATIENCE_MAX)
		return;
	if (i == p->n) {
		p->of[p->n] = r;
		p->times[p->n++] = 0;
	}
	if (p->times[i] < REGEX_PATIENCE)
		p->times[i]++;
}

bool regex_match(const struct regex *r, struct bytes subject, struct regex_scratch *s)
{
	PCRE2_SPTR p = subject.n == 0 ? (PCRE2_SPTR) "" : subject.p;
	int code;

	if (!scratch_ready(s))
		return false;
	(void)pcre2_set_match_limit(s->limits, is_tired(s->patience, r) ? REGEX_TIRED_LIMIT
									: REGEX_MATCH_LIMIT);
	code = pcre2_match(r->code, p, subject.n, 0, 0, s->match_data, s->limits);
	/* its stack is small: a long address must not get past a rule that way */
	if (code == PCRE2_ERROR_JIT_STACKLIMIT)
		code = pcre2_match(r->code, p, subject.n, 0, PCRE2_NO_JIT, s->match_data,
				   s->limits);
	if (code < 0 && code != PCRE2_ERROR_NOMATCH)
		gave_up(s->patience, r);
	return code >= 0;
}

/* '*' is any run, the rest is literal; the whole of @s. @s may be of any case. */
static bool glob_match(struct bytes pat, struct bytes s)
{
	size_t p = 0, i = 0, star = SIZE_MAX, again = 0;

	while (i < s.n) {
		if (p < pat.n && pat.p[p] == '*') {
			star = p++;
			again = i;
		} else if (p < pat.n && pat.p[p] == ascii_lower(s.p[i])) {
			p++;
			i++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			i = ++again;
		} else {
			return false;
		}
	}
	while (p < pat.n && pat.p[p] == '*')
		p++;
	return p == pat.n;
}

static bool match_address_once(const struct pattern *p, struct bytes a)
{
	struct bytes text = bytes_of(p->text, p->n);
	ptrdiff_t at = bytes_index(a, '@');
	struct bytes domain = bytes_from(a, (size_t)(at + 1));

	switch (p->kind) {
	case PATTERN_ANY:
		return at >= 0;
	case PATTERN_ADDRESS:
		return bytes_eq(a, text);
	case PATTERN_DOMAIN:
		return a.n > p->n && a.p[a.n - p->n - 1] == '@' && bytes_ends_nocase(a, text);
	case PATTERN_SUB:
		return at >= 0 && bytes_ends_nocase(domain, text);
	case PATTERN_USER:
		return bytes_starts(a, text);
	default:
		return glob_match(text, a);
	}
}

bool pattern_match_address(const struct pattern *p, struct bytes address, struct regex_scratch *s)
{
	if (p->kind == PATTERN_REGEX)
		return regex_match(p->regex, address, s);
	if (p->kind < PATTERN_ANY || p->kind > PATTERN_GLOB)
		return false;
	if (match_address_once(p, address))
		return true;
	/* "user@example.com." is the same mailbox */
	return address.n > 0 && address.p[address.n - 1] == '.' &&
	       match_address_once(p, bytes_head(address, address.n - 1));
}

void client_init(struct client *c, const char *ip)
{
	memset(c, 0, sizeof(*c));
	if (ip == NULL)
		return;
	c->known = true;
	c->is_ip = ip_parse(bytes_str(ip), c->addr, &c->v6);
	/* inet_pton() takes an IPv4 address in one spelling only */
	if (!c->is_ip || (!c->v6 && strchr(ip, ':') == NULL))
		memcpy(c->text, ip, strnlen(ip, sizeof(c->text) - 1));
	else
		(void)inet_ntop(c->v6 ? AF_INET6 : AF_INET, c->addr, c->text, sizeof(c->text));
}

static bool net_holds(const struct net *n, const struct client *c)
{
	uint8_t masked[16];

	memcpy(masked, c->addr, 16);
	ip_mask(masked, n->bits);
	return memcmp(masked, n->addr, 16) == 0;
}

bool pattern_match_client(const struct pattern *p, const struct client *c, struct regex_scratch *s)
{
	if (!c->known)
		return false;
	if (p->kind == PATTERN_IP_REGEX)
		return regex_match(p->regex, bytes_str(c->text), s);
	if (p->kind == PATTERN_IP_TEXT)
		return bytes_starts(bytes_str(c->text), bytes_of(p->text, p->n));
	if ((p->kind != PATTERN_IP && p->kind != PATTERN_NET) || !c->is_ip || p->nets->v6 != c->v6)
		return false;
	for (size_t i = 0; i < p->nets->n; i++) {
		if (net_holds(&p->nets->net[i], c))
			return true;
	}
	return false;
}

size_t host_normal(const char *host, char out[HOST_MAX])
{
	size_t n = strlen(host);

	if (n == 0 || n > HOST_MAX - 2)
		return 0;
	out[0] = '.';
	for (size_t i = 0; i < n; i++)
		out[i + 1] = (char)ascii_lower((uint8_t)host[i]);
	return n + 1;
}

/* The name as it is, then with a dot in front, then without its first label, and so on. */
static bool host_regex(const struct pattern *p, const char *host, struct bytes dotted,
		       struct regex_scratch *s)
{
	if (regex_match(p->regex, bytes_str(host), s))
		return true;
	for (; dotted.n > 0; dotted = bytes_from(dotted, 1)) {
		if (dotted.p[0] == '.' && regex_match(p->regex, dotted, s))
			return true;
	}
	return false;
}

bool pattern_match_host(const struct pattern *p, const char *host, struct regex_scratch *s)
{
	struct bytes dotted, text = bytes_of(p->text, p->n);
	char buf[HOST_MAX];

	if (host == NULL || !pattern_is_host(p))
		return false;
	dotted = bytes_of(buf, host_normal(host, buf));
	if (p->kind == PATTERN_HOST_REGEX)
		return host_regex(p, host, dotted, s);
	if (p->kind == PATTERN_HOST)
		return p->n == 0 ? *host == '\0' : bytes_ends_nocase(dotted, text);
	for (; dotted.n > 0; dotted = bytes_from(dotted, 1)) {
		if (glob_match(text, dotted))
			return true;
	}
	return false;
}

bool pattern_match_report(const struct pattern *p, struct bytes report, struct regex_scratch *s)
{
	struct bytes line;

	if (p->kind == PATTERN_REPORT_REGEX)
		return regex_match(p->regex, report, s);
	if (p->kind != PATTERN_REPORT)
		return false;
	while (bytes_next_line(&report, &line)) {
		if (glob_match(bytes_of(p->text, p->n), line))
			return true;
	}
	return false;
}
