/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options that are lists of cores or servers: what may be written, and what a slip of the pen is
 * told. */
#include "tests/conf/site.h"

static const struct {
	enum opt_id id;
	const char *line;
	const char *says; /* NULL: no mistake */
	const char *want;
} cases[] = {
	{ OPT_SCAN_CORES, "Scan Cores = 0,2-5", NULL, "0,2-5" },
	{ OPT_SCAN_CORES, "Scan Cores = AUTO", NULL, "AUTO" },
	{ OPT_SCAN_CORES, "Scan Cores =", NULL, "" },
	{ OPT_SCAN_CORES, "Scan Cores = 1-", "'1-' is neither a number nor a range", "auto" },
	{ OPT_SCAN_CORES, "Scan Cores = 5-2", "'5-2' is outside 0..1023, or runs backwards",
	  "auto" },
	{ OPT_SCAN_CORES, "Scan Cores = 1;3", "'1;3' is neither", "auto" },
	{ OPT_SCAN_CORES, "Scan Cores = 2048", "0..1023", "auto" },
	{ OPT_SCAN_CORES, "Scan Cores = none", "one of auto", "auto" },
	{ OPT_LOOP_CORE, "Loop Core = 3", NULL, "3" },
	{ OPT_LOOP_CORE, "Loop Core = none", NULL, "none" },
	{ OPT_LOOP_CORE, "Loop Core = 1,2", "the number of one core", "auto" },
	{ OPT_LOOP_CORE, "Loop Core = first", "one of auto|none", "auto" },
	{ OPT_SCAN_NUMA, "Scan NUMA = 0-1", NULL, "0-1" },
	{ OPT_SCAN_NUMA, "Scan NUMA = bind", "one of spread", "spread" },
	{ OPT_DNS_SERVERS, "DNS Servers = 127.0.0.1:53, [::1]:5353", NULL,
	  "127.0.0.1:53, [::1]:5353" },
	{ OPT_DNS_SERVERS, "DNS Servers = 127.0.0.1 ns.example", "'ns.example' is no address", "" },
	{ OPT_METRICS_ADDRESS, "Metrics Address = 127.0.0.1:9199 [::1]:9199", NULL,
	  "127.0.0.1:9199 [::1]:9199" },
	{ OPT_METRICS_ADDRESS, "Metrics Address = 127.0.0.1:9199 *:9100",
	  "'*:9100' is not an address and port", "127.0.0.1:9199 *:9100" },
	{ OPT_METRICS_ADDRESS, "Metrics Address = 127.0.0.1", "'127.0.0.1' is not", "127.0.0.1" },
	{ OPT_METRICS_ADDRESS, "Metrics Address = ::1:9199", "'::1:9199' is not", "::1:9199" },
	{ OPT_METRICS_ADDRESS, "Metrics Address = 300.1.1.1:80", "'300.1.1.1:80' is not",
	  "300.1.1.1:80" },
	{ OPT_METRICS_ADDRESS, "Metrics Address = 127.0.0.1:0", "'127.0.0.1:0' is not",
	  "127.0.0.1:0" },
	{ OPT_METRICS_ADDRESS,
	  "Metrics Address = 127.0.0.1:1 127.0.0.1:2 127.0.0.1:3 127.0.0.1:4 127.0.0.1:5",
	  "'127.0.0.1:5' is one too many",
	  "127.0.0.1:1 127.0.0.1:2 127.0.0.1:3 127.0.0.1:4 127.0.0.1:5" },
	{ OPT_DNS_SERVERS, "DNS Servers = 127.0.0.1:99999", "'127.0.0.1:99999' is no address", "" },
};

static const struct {
	const char *line;
	double want;
	bool good;
} children[] = {
	{ "Max Children = auto", 0, true },
	{ "Max Children = 0", 0, true },
	{ "Max Children = 12", 12, true },
	{ "Max Children = many", 5, false },
};

static bool told(const struct site *s, const char *says)
{
	const struct conf_problem *p = site_problem(s, says);

	return p != NULL && strcmp(p->file, SITE_MAIN) == 0 && p->line == 2;
}

static void load(struct site *s, const char *line)
{
	char text[200];

	(void)snprintf(text, sizeof(text), "# a comment\n%s\n", line);
	site_text(s, text);
}

int main(void)
{
	struct site s;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		load(&s, cases[i].line);
		T_OK(s.conf != NULL &&
			     strcmp(conf_str(s.conf, cases[i].id, NULL), cases[i].want) == 0,
		     "%s", cases[i].line);
		T_OK(cases[i].says == NULL ? conf_report_count(s.report) == 0
					   : told(&s, cases[i].says),
		     "  %s", cases[i].says == NULL ? "no mistake" : cases[i].says);
		site_close(&s);
	}
	for (size_t i = 0; i < ARRAY_LEN(children); i++) {
		load(&s, children[i].line);
		T_OK((double)conf_num(s.conf, OPT_MAX_CHILDREN, NULL) == children[i].want &&
			     (conf_report_count(s.report) == 0) == children[i].good,
		     "%s", children[i].line);
		site_close(&s);
	}
	return t_done();
}
