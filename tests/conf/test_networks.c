/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/test_networks.c - options that list networks, in files too, and ports. */
#include "conf/networks.h"

#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "tests/t.h"

static void hex(const struct conf_network *n, char out[64])
{
	char *at = out;

	for (int i = 0; i < 16; i++)
		at += snprintf(at, 3, "%02x", n->addr[i]);
	(void)snprintf(at, 8, "/%u", n->bits);
}

#define V4 "00000000000000000000ffff"

static const struct {
	const char *text, *want; /* NULL: none */
} cases[] = {
	{ "192.0.2.1", V4 "c0000201/128" },
	{ "192.0.2.1/32", V4 "c0000201/128" },
	{ "192.0.2.255/24", V4 "c0000200/120" },
	{ "192.0.2.1/0", V4 "00000000/96" },
	{ "::ffff:192.0.2.1", V4 "c0000201/128" },
	{ "2001:db8::1", "20010db8000000000000000000000001/128" },
	{ "2001:db8:ffff::1/33", "20010db8800000000000000000000000/33" },
	{ "::/0", "00000000000000000000000000000000/0" },
	{ "192.0.2", NULL },
	{ "192.0.2.0/33", NULL },
	{ "192.0.2.0/", NULL },
	{ "192.0.2.0/-1", NULL },
	{ "192.0.2.0/24/8", NULL },
	{ "192.0.2.256", NULL },
	{ "2001:db8::/129", NULL },
	{ "mail.example.com", NULL },
	{ "", NULL },
	{ "/24", NULL },
};

static void check_parse(void)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf_network n;
		char got[64] = "none";

		if (conf_network_parse(bytes_str(cases[i].text), &n))
			hex(&n, got);
		T_OK(strcmp(got, cases[i].want == NULL ? "none" : cases[i].want) == 0, "'%s': %s",
		     cases[i].text, got);
	}
}

static const struct {
	const char *text;
	int want;
	uint16_t last;
} ports[] = {
	{ "25", 1, 25 },
	{ " 25, 465,587 ", 3, 587 },
	{ "", 0, 0 },
	{ "1 65535", 2, 65535 },
	{ "65536", -1, 0 },
	{ "0", -1, 0 },
	{ "smtp", -1, 0 },
	{ "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", 16, 16 },
	{ "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", -1, 0 },
};

static void check_ports(void)
{
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		uint16_t got[CONF_PORTS_MAX];
		int n = conf_ports_parse(bytes_str(ports[i].text), got);

		T_OK(n == ports[i].want && (n <= 0 || got[n - 1] == ports[i].last),
		     "ports '%s': %d", ports[i].text, n);
	}
}

static void count(void *arg, const struct conf_network *n)
{
	unsigned *seen = arg;

	*seen = *seen * 1000 + n->bits;
}

static void check_files(void)
{
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	AUTO(conf_unref) struct conf *c = NULL;
	const struct conf_problem *p;
	unsigned seen = 0;
	struct err err;

	if (report == NULL || conf_source_memory(&s, &err) < 0 ||
	    conf_source_add(s, "/c", CONF_FILE, false,
			    BYTES("Throttle Allow = 192.0.2.0/24 /nets nonsense\n")) < 0 ||
	    conf_source_add(s, "/nets", CONF_FILE, false,
			    BYTES("# ours\n\n2001:db8::/32 # and theirs\n10.0.0.0/8,10.1\n")) < 0)
		abort();
	T_OK(conf_load(&c, s, "/c", report, &err) == 0, "loads");
	conf_each_network(c, OPT_THROTTLE_ALLOW, count, &seen);
	T_OK(seen == 120032104, "three networks, in order: %u", seen);
	T_OK(conf_report_count(report) == 2, "two mistakes");
	p = conf_report_at(report, 0);
	T_OK(strcmp(p->file, "/nets") == 0 && p->line == 4 && p->column == 12,
	     "the one in the file: %s:%u:%u", p->file, p->line, p->column);
	p = conf_report_at(report, 1);
	T_OK(strcmp(p->file, "/c") == 0 && p->line == 1 && p->column == 37,
	     "the one in the option: %s:%u:%u %s", p->file, p->line, p->column, p->text);
}

int main(void)
{
	check_parse();
	check_ports();
	check_files();
	return t_done();
}
