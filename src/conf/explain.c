/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/explain.c - what loads without a mistake and yet is hardly meant. */
#include "conf/explain.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "conf/conf_internal.h"
#include "conf/ip.h"
#include "conf/recipients.h"
#include "conf/ruleset.h"
#include "conf/waits.h"
#include "core/num.h"

/* Asking every rule against every expression must end. */
#define QUESTIONS_MAX 20000000u

bool conf_is_changed(const struct conf *c, enum opt_id id)
{
	const struct conf_setting *set = &c->settings[id];

	return set->rules != NULL ||
	       (set->is_set && strcmp(set->value.written, set->default_written) != 0);
}

void conf_describe(const struct conf *c, enum opt_id id, struct str *out)
{
	const struct conf_setting *set = &c->settings[id];

	if (set->rules != NULL)
		str_add(out, "RULESET:Default=");
	str_add(out, set->value.written);
}

/* @text with the variables as the files left them. */
static void put_variables(const struct conf *c, struct bytes text, struct str *out)
{
	ptrdiff_t open, close;

	while ((open = bytes_index(text, '%')) >= 0) {
		struct bytes rest = bytes_from(text, (size_t)open + 1);
		const char *value;

		close = bytes_index(rest, '%');
		if (close < 0)
			break;
		str_add_bytes(out, bytes_head(text, (size_t)open));
		value = conf_var_get(c, bytes_head(rest, (size_t)close));
		str_add(out, value == NULL ? "" : value);
		text = bytes_from(rest, (size_t)close + 1);
	}
	str_add_bytes(out, text);
}

bool conf_is_own(const struct conf *c, enum opt_id id)
{
	const struct conf_setting *set = &c->settings[id];
	const char *shipped = opt_rows[id].shipped;
	AUTO(str_fini) struct str sample;

	str_init(&sample, CONF_VALUE_MAX_BYTES);
	if (!conf_is_changed(c, id))
		return false;
	if (shipped == NULL)
		return true;
	/* what depends on the environment or spans lines cannot be compared */
	if (strpbrk(shipped, "$\\") != NULL)
		return false;
	put_variables(c, bytes_str(shipped), &sample);
	return strcmp(str_view(&sample),
		      set->rules == NULL ? set->value.written : set->rules->file) != 0;
}

const char *conf_function(const struct conf *c, enum opt_id id)
{
	return c->settings[id].function;
}

const char *conf_unread(const struct conf *c, enum opt_id id, const char **ret_why)
{
	*ret_why = c->settings[id].unread_why;
	return c->settings[id].unread;
}

const char *conf_ruleset(const struct conf *c, enum opt_id id, size_t *ret_lines)
{
	const struct ruleset *rs = c->settings[id].rules;
	unsigned last = 0;

	if (rs == NULL)
		return NULL;
	*ret_lines = 0;
	for (size_t i = 0; i < rs->rules_n; i++) { /* files of patterns make many of one line */
		*ret_lines += rs->rules[i].line != last;
		last = rs->rules[i].line;
	}
	return rs->file;
}

const char *conf_raw_text(const struct conf *c, enum opt_id id)
{
	const struct conf_setting *set = &c->settings[id];

	return set->raw != NULL ? set->raw : conf_written(c, id, NULL);
}

bool conf_is_rejected(const struct conf *c, enum opt_id id)
{
	return c->settings[id].rejected;
}

static bool cond_lacks_host(const struct rule_cond *cond, const struct conf_who *who)
{
	return pattern_is_host(&cond->pattern) && cond->direction != RULE_TO &&
	       (cond->pattern.checked ? who->client_host_checked : who->client_host) == NULL;
}

bool conf_lacks_host(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	const struct ruleset *rs = c->settings[id].rules;
	struct rule_hits hits;
	size_t n;

	if (rs == NULL)
		return false;
	rule_hits_init(&hits);
	ruleset_match(rs, who, ruleset_many(c), &hits);
	n = rs->all_matches || hits.n == 0 ? rs->rules_n : hits.list[0];
	rule_hits_fini(&hits);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k <= (rs->rules[i].two ? 1u : 0u); k++)
			if (cond_lacks_host(&rs->conds[rs->rules[i].cond + k], who))
				return true;
	return false;
}

void conf_describe_place(const struct conf *c, enum opt_id id, struct str *out)
{
	const struct conf_place *at = &c->settings[id].set_at;

	if (at->file == NULL)
		str_add(out, "default");
	else
		conf_place_add(out, at->file, at->line);
}

void conf_report_option(const struct conf *c, struct conf_report *r, enum conf_severity severity,
			enum opt_id id, const char *text)
{
	struct conf_place at = c->settings[id].set_at;

	if (at.file == NULL)
		at = (struct conf_place){ .file = c->path };
	conf_problem_add(r, severity, at, "%s%s", text,
			 at.line > 0 ? "" : " (the default: no line sets this option)");
}

/* ---- options without effect ---- */

static void explain_options(const struct conf *c, struct conf_report *r)
{
	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		const struct opt *o = &opt_rows[id];

		if (!conf_is_own(c, id))
			continue;
		if (o->why != NULL)
			conf_problem_add(r, CONF_WARNING, c->settings[id].set_at,
					 "%s is accepted without effect: %s", o->name, o->why);
		else if ((o->flags & OPT_LATER) != 0)
			conf_problem_add(r, CONF_WARNING, c->settings[id].set_at,
					 "%s is accepted without effect: it waits for %s, which "
					 "is not built yet",
					 o->name, opt_waits_for(id));
	}
}

/* ---- rules that never decide ---- */

/*
 * A message that stands for all a condition matches. Names made of control characters stand for
 * "any other": no pattern of a real ruleset names them.
 */
struct sample {
	struct conf_who who;
	const char *to[1];
	char text[1100];
	char ip[INET6_ADDRSTRLEN];
};

#define OTHER "\001\002"

static bool sample_text(const struct pattern *p, char *out, size_t size)
{
	int n = (int)MIN_OF(p->n, 1000u);

	switch (p->kind) {
	case PATTERN_ADDRESS:
	case PATTERN_IP_TEXT:
		(void)snprintf(out, size, "%.*s", n, (const char *)p->text);
		return true;
	case PATTERN_DOMAIN:
		(void)snprintf(out, size, OTHER "@%.*s", n, (const char *)p->text);
		return true;
	case PATTERN_SUB:
		(void)snprintf(out, size, OTHER "@" OTHER "%.*s", n, (const char *)p->text);
		return true;
	case PATTERN_USER:
		(void)snprintf(out, size, "%.*s" OTHER, n, (const char *)p->text);
		return true;
	default:
		return false;
	}
}

/* The first address of one network, a name at the top of a domain. */
static bool client_sample(const struct pattern *p, struct sample *s)
{
	s->who = (struct conf_who){ .from = OTHER };
	if (p->kind == PATTERN_HOST && p->n > 1) {
		(void)snprintf(s->text, sizeof(s->text), "%.*s", (int)p->n - 1,
			       (const char *)p->text + 1);
		if (p->checked)
			s->who.client_host_checked = s->text;
		else
			s->who.client_host = s->text;
		return true;
	}
	if ((p->kind != PATTERN_IP && p->kind != PATTERN_NET) || p->nets->n != 1)
		return false;
	s->who.client_ip = s->ip;
	return inet_ntop(p->nets->v6 ? AF_INET6 : AF_INET, p->nets->net[0].addr, s->ip,
			 sizeof(s->ip)) != NULL;
}

static bool make_sample(const struct rule_cond *c, struct sample *s)
{
	if ((c->direction == RULE_FROM || c->direction == RULE_OR) && client_sample(&c->pattern, s))
		return true;
	if (!sample_text(&c->pattern, s->text, sizeof(s->text)))
		return false;
	s->who = (struct conf_who){ .from = OTHER };
	if (c->pattern.kind == PATTERN_IP_TEXT) {
		s->who.client_ip = s->text;
		return true;
	}
	s->to[0] = s->text;
	s->who.to = s->to;
	s->who.to_n = c->direction == RULE_TO || c->direction == RULE_BOTH;
	if (c->direction != RULE_TO)
		s->who.from = s->text;
	return true;
}

/* @earlier holds the first address of the one network of @p: the whole of it, too? */
static bool nets_cover(const struct pattern *earlier, const struct pattern *p)
{
	const struct net *small = &p->nets->net[0];

	if (earlier->kind == PATTERN_IP_TEXT)
		return p->kind == PATTERN_IP;
	if (earlier->kind != PATTERN_IP && earlier->kind != PATTERN_NET)
		return false;
	for (size_t i = 0; i < earlier->nets->n; i++) {
		const struct net *big = &earlier->nets->net[i];
		uint8_t masked[16];

		memcpy(masked, small->addr, sizeof(masked));
		ip_mask(masked, big->bits);
		if (big->bits <= small->bits && memcmp(masked, big->addr, sizeof(masked)) == 0)
			return true;
	}
	return false;
}

/* Everything that @p matches is matched by @earlier, given that it matches @p's sample. */
static bool kind_covers(const struct pattern *earlier, const struct pattern *p)
{
	if (p->kind == PATTERN_IP || p->kind == PATTERN_NET)
		return nets_cover(earlier, p);
	switch (earlier->kind) {
	case PATTERN_HOST:
	case PATTERN_ADDRESS:
	case PATTERN_DOMAIN:
	case PATTERN_SUB:
	case PATTERN_USER:
	case PATTERN_IP_TEXT:
		return true;
	default: /* an expression may match the sample and nothing else */
		return p->kind == PATTERN_ADDRESS &&
		       (earlier->kind == PATTERN_GLOB || earlier->kind == PATTERN_REGEX);
	}
}

static bool direction_covers(uint8_t earlier, uint8_t later)
{
	return earlier == later || later == RULE_BOTH ||
	       (earlier == RULE_OR && later != RULE_VIRUS);
}

/* The rule in front of @rule that matches all that its condition @c matches, or RULE_NONE. */
static uint32_t covering_rule(const struct ruleset *rs, uint32_t rule, const struct rule_cond *c)
{
	struct rule_hits hits;
	struct sample s;
	uint32_t found = RULE_NONE;

	if (!make_sample(c, &s))
		return RULE_NONE;
	rule_hits_init(&hits);
	ruleset_match(rs, &s.who, MANY_EACH, &hits);
	if (hits.n > 0 && hits.list[0] < rule) {
		const struct rule *r = &rs->rules[hits.list[0]];
		const struct rule_cond *e = &rs->conds[r->cond];

		if (!r->two && direction_covers(e->direction, c->direction) &&
		    kind_covers(&e->pattern, &c->pattern))
			found = hits.list[0];
	}
	rule_hits_fini(&hits);
	return found;
}

static void explain_order(const struct ruleset *rs, struct conf_report *r)
{
	if (rs->all_matches || rs->rules_n * (rs->linear_n + 1) > QUESTIONS_MAX)
		return;
	for (uint32_t i = 0; i < rs->rules_n; i++) {
		const struct rule *later = &rs->rules[i];
		const struct conf_place at = { rs->file, later->line, 1 };
		uint32_t by = covering_rule(rs, i, &rs->conds[later->cond]);

		if (by == RULE_NONE && later->two)
			by = covering_rule(rs, i, &rs->conds[later->cond + 1]);
		if (by != RULE_NONE && rs->rules[by].line != later->line)
			conf_problem_add(r, CONF_WARNING, at,
					 "this rule never decides: %s %u matches all it matches "
					 "and comes first",
					 conf_place_unit(rs->file), rs->rules[by].line);
	}
}

/* ---- two conditions that exclude each other ---- */

/* @p says exactly which address or domain it means, and @q does not match that. */
static bool excludes(const struct pattern *p, const struct pattern *q)
{
	char text[1100];
	size_t n;

	if (p->kind != PATTERN_ADDRESS &&
	    (p->kind != PATTERN_DOMAIN || (q->kind != PATTERN_DOMAIN && q->kind != PATTERN_SUB)))
		return false;
	if (p->n > 1000 || q->kind < PATTERN_ADDRESS || q->kind > PATTERN_GLOB ||
	    !sample_text(p, text, sizeof(text)))
		return false;
	n = strlen(text);
	text[n] = '.'; /* is the same mailbox */
	return !pattern_match_address(q, bytes_of(text, n), NULL) &&
	       !pattern_match_address(q, bytes_of(text, n + 1), NULL);
}

static void explain_pairs(const struct ruleset *rs, bool joins, struct conf_report *r)
{
	for (size_t i = 0; i < rs->rules_n; i++) {
		const struct rule_cond *one = &rs->conds[rs->rules[i].cond], *two = one + 1;
		const struct conf_place at = { rs->file, rs->rules[i].line, 1 };
		bool from = one->direction == RULE_FROM;

		if (!rs->rules[i].two || one->direction != two->direction ||
		    (!from && (one->direction != RULE_TO || joins)) ||
		    (!excludes(&one->pattern, &two->pattern) &&
		     !excludes(&two->pattern, &one->pattern)))
			continue;
		conf_problem_add(r, CONF_WARNING, at, "this rule never matches: no %s is both%s",
				 from ? "sender" : "recipient",
				 from ? "" : ", and each is asked for alone (Recipient Values)");
	}
}

/* "10.1": the last number may go on, to 10.10 and 10.199. */
static bool may_go_on(struct bytes text, uint64_t *ret_number)
{
	size_t digits = 0;

	while (digits < text.n && ascii_is_digit(text.p[text.n - digits - 1]))
		digits++;
	if (digits == 0 || bytes_index(text, ':') >= 0)
		return false;
	return num_parse(bytes_from(text, text.n - digits), 10, 255, ret_number) == 0 &&
	       *ret_number > 0 && *ret_number * 10 <= 255;
}

static void explain_prefixes(const struct ruleset *rs, struct conf_report *r)
{
	for (size_t i = 0; i < rs->conds_n; i++) {
		const struct pattern *p = &rs->conds[i].pattern;
		struct conf_place at = { rs->file, rs->rules[rs->conds[i].rule].line, 1 };
		struct bytes text = bytes_of(p->text, p->n);
		uint64_t n;

		if (p->kind == PATTERN_IP_TEXT && ip_text_possible(text) && may_go_on(text, &n))
			conf_problem_add(r, CONF_WARNING, at,
					 "'%s' is the beginning of an address as text and also "
					 "matches numbers that begin with %u; write '%s.' for the "
					 "network",
					 SHOWN(text), (unsigned)n, SHOWN(text));
	}
}

static bool is_first_use(const struct conf *c, enum opt_id id)
{
	for (enum opt_id k = 0; k < id; k++) {
		const struct ruleset *rs = c->settings[k].rules;

		if (rs != NULL && strcmp(rs->file, c->settings[id].rules->file) == 0 &&
		    rs->all_matches == c->settings[id].rules->all_matches)
			return false;
	}
	return true;
}

void conf_explain(const struct conf *c, struct conf_report *r)
{
	explain_options(c, r);
	conf_explain_lines(c, r);
}

void conf_explain_lines(const struct conf *c, struct conf_report *r)
{
	for (const struct conf_note *n = c->notes; n != NULL; n = n->next)
		conf_problem_add(r, CONF_WARNING, n->at, "%s", n->text);
	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		const struct conf_setting *set = &c->settings[id];

		if (set->rules == NULL)
			continue;
		if (set->rules->rules_n == 0 && !set->is_set)
			conf_problem_add(r, CONF_WARNING, set->set_at,
					 "%s: '%s' holds no rule; the default '%s' counts for "
					 "everybody",
					 opt_rows[id].name, SHOWN(bytes_str(set->rules->file)),
					 set->default_written);
		if (!is_first_use(c, id))
			continue;
		explain_order(c->settings[id].rules, r);
		explain_pairs(c->settings[id].rules, conf_joins_recipients(c), r);
		explain_prefixes(c->settings[id].rules, r);
	}
}
