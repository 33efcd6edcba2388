/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/conf/test_rule_index.c - the hash answers as asking every rule in turn would: random
 * rulesets and messages made of few words, so that much matches. Seeded, the same on each run.
 */
#include <stdio.h>

#include "conf/conf_internal.h"
#include "conf/ruleset.h"
#include "core/str.h"
#include "tests/conf/site.h"

#define ROUNDS   300
#define MESSAGES 60
#define RULES    "/site/test.rules"

static uint64_t seed = 20240611;

static unsigned below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

static const char *const users[] = { "joe", "jim", "news", "list-bounce", "", "a.b" };
static const char *const domains[] = { "x.example",        "sub.x.example", "y.org",
				       "mx.sub.x.example", "localhost",     "x.example." };
static const char *const ips[] = { "192.0.2.1",   "192.0.2.77",    "10.1.2.3", "10.10.2.3",
				   "2001:db8::1", "2001:db8:1::9", "cafe::1",  "garbage" };
static const char *const hosts[] = { "mx.x.example", "x.example", "dyn-7.isp.example", "",
				     "_SPOOFED_" };
static const char *const reports[] = { "Eicar-Test", "W32/Klez", "blocked name x.exe" };
static const char *const directions[] = { "From:", "To:", "FromOrTo:", "FromAndTo:", "Virus:" };

static const char *const pats[] = {
	"joe@x.example",
	"x.example",
	"*.x.example",
	"*@y.org",
	"joe@",
	"j*@x.example",
	"*@*.org",
	"/joe/",
	"/^$/",
	"/\\.example$/",
	"192.0.2.1",
	"192.0.2.",
	"10.1",
	"cafe",
	"/^192/",
	"192.0.2.0/25",
	"10.0.0.0/8",
	"2001:db8::/32",
	"2001:db8:1::/48",
	"192.0.2.5-192.0.2.99",
	"2001:db8::-2001:db8::ff",
	"host:x.example",
	"host-nocheck:x.example",
	"host:",
	"host:*.isp.example",
	"host:/dyn/",
	"*",
	"default",
	"eicar",
	"W32/*",
	"(joe|jim)@*",
	"j[io]*@*",
	"*bounce@*.x.example",
	"*e@*",
	"localhost",
	"x.example.",
	"*a*@x*",
	"@",
	"news@*.example",
	"list-*@y.org",
};

#define PICK(list) list[below(ARRAY_LEN(list))]

static void random_rules(struct str *s)
{
	unsigned n = 1 + below(25);

	str_reset(s);
	for (unsigned i = 0; i < n; i++) {
		str_addf(s, "%s %s ", PICK(directions), PICK(pats));
		if (below(3) == 0)
			str_addf(s, "and %s %s ", PICK(directions), PICK(pats));
		str_addf(s, "v%u\n", i);
	}
}

struct message {
	struct conf_who who;
	char address[5][64];
	const char *to[4], *reports[2];
};

static void random_address(char out[64])
{
	const char *user = PICK(users), *domain = PICK(domains);

	if (below(12) == 0)
		out[0] = '\0';
	else
		(void)snprintf(out, 64, "%s%s%s", user, below(20) == 0 ? "" : "@", domain);
}

static void random_message(struct message *m)
{
	memset(m, 0, sizeof(*m));
	random_address(m->address[0]);
	m->who.from = m->address[0];
	m->who.to_n = below(5);
	for (size_t i = 0; i < m->who.to_n; i++) {
		random_address(m->address[i + 1]);
		m->to[i] = m->address[i + 1];
	}
	m->who.to = m->to;
	m->who.client_ip = below(8) == 0 ? NULL : PICK(ips);
	m->who.client_host = below(3) == 0 ? NULL : PICK(hosts);
	m->who.client_host_checked = below(3) == 0 ? NULL : PICK(hosts);
	m->who.reports_n = below(3);
	for (size_t i = 0; i < m->who.reports_n; i++)
		m->reports[i] = PICK(reports);
	m->who.reports = m->reports;
}

/* ---- the slow way ---- */

static size_t slow_to(const struct pattern *p, const struct conf_who *who, struct regex_scratch *rs)
{
	size_t n = 0;

	for (size_t i = 0; i < who->to_n; i++)
		n += pattern_match_address(p, bytes_str(who->to[i]), rs);
	return n;
}

static bool slow_from(const struct pattern *p, const struct conf_who *who, struct regex_scratch *rs)
{
	struct client c;

	client_init(&c, who->client_ip);
	return pattern_match_address(p, bytes_str(who->from), rs) ||
	       pattern_match_client(p, &c, rs) ||
	       pattern_match_host(p, p->checked ? who->client_host_checked : who->client_host, rs);
}

static size_t slow_cond(const struct rule_cond *c, const struct conf_who *who,
			struct regex_scratch *rs)
{
	const struct pattern *p = &c->pattern;
	size_t n = 0;

	switch ((enum rule_direction)c->direction) {
	case RULE_FROM:
		return slow_from(p, who, rs);
	case RULE_TO:
		return slow_to(p, who, rs);
	case RULE_OR:
		return slow_from(p, who, rs) + slow_to(p, who, rs);
	case RULE_BOTH:
		return who->to_n > 0 && slow_from(p, who, rs) && slow_to(p, who, rs) == who->to_n;
	case RULE_VIRUS:
		for (size_t i = 0; i < who->reports_n; i++)
			n |= pattern_match_report(p, bytes_str(who->reports[i]), rs);
		return n;
	}
	return 0;
}

static void slow_match(const struct ruleset *set, const struct conf_who *who, struct rule_hits *h)
{
	struct regex_scratch scratch = { NULL, NULL, NULL };

	for (uint32_t i = 0; i < set->rules_n; i++) {
		const struct rule *r = &set->rules[i];
		size_t n = slow_cond(&set->conds[r->cond], who, &scratch);

		if (r->two && n > 0)
			n = slow_cond(&set->conds[r->cond + 1], who, &scratch) > 0;
		for (; n > 0 && (set->all_matches || h->n == 0); n--) {
			if (h->n < h->cap)
				h->list[h->n++] = i;
		}
	}
	regex_scratch_fini(&scratch);
}

/* Many hits are cut at the size of the small list on the slow side: compare what there is. */
static bool same(const struct rule_hits *fast, const struct rule_hits *slow)
{
	size_t n = MIN_OF(fast->n, slow->cap);

	return n == slow->n && memcmp(fast->list, slow->list, n * sizeof(*slow->list)) == 0;
}

static void count_messages(const struct ruleset *set, unsigned *differ, unsigned *matched)
{
	for (unsigned i = 0; i < MESSAGES; i++) {
		struct rule_hits fast, slow;
		struct message m;

		random_message(&m);
		rule_hits_init(&fast);
		rule_hits_init(&slow);
		ruleset_match(set, &m.who, MANY_EACH, &fast);
		slow_match(set, &m.who, &slow);
		*differ += !same(&fast, &slow);
		*matched += slow.n > 0;
		rule_hits_fini(&fast);
		rule_hits_fini(&slow);
	}
}

static void check(enum opt_id id, const char *what)
{
	unsigned differ = 0, matched = 0;
	AUTO(str_fini) struct str rules, text;

	str_init(&rules, MIB);
	str_init(&text, MIB);
	str_addf(&text, "%s = %s\n", opt_rows[id].name, RULES);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct site s;

		random_rules(&rules);
		site_open(&s);
		site_file(&s, SITE_MAIN, str_view(&text));
		site_file(&s, RULES, str_view(&rules));
		site_load(&s);
		if (s.conf == NULL || s.conf->settings[id].rules == NULL)
			abort();
		count_messages(s.conf->settings[id].rules, &differ, &matched);
		site_close(&s);
	}
	T_OK(differ == 0, "%s: %u of %u differ", what, differ, ROUNDS * MESSAGES);
	T_OK(matched > ROUNDS * MESSAGES / 4, "  and %u match something", matched);
}

int main(void)
{
	check(OPT_SPAM_ACTIONS, "first match");
	check(OPT_SILENT_VIRUSES, "all matches");
	return t_done();
}
