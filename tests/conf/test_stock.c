/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/test_stock.c - the committed config/ folder and manual page. */
#include "conf/print.h"
#include "tests/conf/tree.h"

static void check_generated(void (*print)(struct str *), const char *path)
{
	AUTO(str_fini) struct str want, got;

	str_init(&want, 8 * MIB);
	print(&want);
	tree_read(path, &got);
	T_OK(!want.failed && strcmp(str_view(&want), str_view(&got)) == 0,
	     "%s is up to date (scripts/gen-conf makes it)", path);
}

static bool is_idle(const struct opt *o)
{
	return (o->flags & (OPT_OBSOLETE | OPT_NO_EFFECT)) != 0;
}

static void check_load(void)
{
	unsigned missing = 0;
	struct site s;

	tree_site(&s);
	s.r = conf_load(&s.conf, s.source, TREE_MAIN, s.report, &s.err);
	if (!T_OK(s.r == 0 && conf_report_count(s.report) == 0, "it loads without a problem line"))
		site_show(&s);
	for (enum opt_id id = 0; id < OPT_ROWS && s.conf != NULL; id++) {
		const struct opt *o = &opt_rows[id];
		const char *value = o->shipped != NULL ? o->shipped : o->def;
		bool empty = *value == '\0' && (o->type == OPT_FILE || o->type == OPT_NUMBER);

		missing += !is_idle(o) && !empty && value[0] != '%' &&
			   strcmp(conf_where(s.conf, id, NULL), "default") == 0;
	}
	T_OK(missing == 0, "and sets every option (%u missing)", missing);
	site_close(&s);
}

static void check_values(void)
{
	const char *header;
	struct bytes content;
	struct conf_who who = { .from = "a@b", .client_ip = "127.0.0.1" };
	struct site s;

	tree_site(&s);
	site_file(&s, "/etc/sallyport/conf.d/50-site.conf", "Max Children = 9\n");
	s.r = conf_load(&s.conf, s.source, TREE_MAIN, s.report, &s.err);
	if (!T_OK(s.r == 0, "load %s", s.err.text))
		return;
	header = conf_str(s.conf, OPT_MAIL_HEADER, NULL);
	T_OK(strcmp(header, "X-yoursite-MailScanner:") == 0, "variables: %s", header);
	T_OK(conf_num(s.conf, OPT_MAX_CHILDREN, NULL) == 9, "conf.d has the last word");
	T_OK(strcmp(conf_str(s.conf, OPT_HOSTNAME, NULL),
		    "The yoursite (mx1.example.com) MailScanner") == 0,
	     "host name");
	T_OK(conf_num(s.conf, OPT_MAXIMUM_MESSAGE_SIZE, &who) == 0 &&
		     conf_bool(s.conf, OPT_IS_DEFINITELY_NOT_SPAM, &who) &&
		     !conf_bool(s.conf, OPT_IS_DEFINITELY_NOT_SPAM, NULL) &&
		     !conf_bool(s.conf, OPT_ENABLE_SPAM_BOUNCE, &who) &&
		     !conf_bool(s.conf, OPT_EXTERNAL_MESSAGE_WARNING, &who),
	     "rulesets");
	T_OK(conf_file(s.conf, conf_str(s.conf, OPT_FILENAME_RULES, NULL), &content) == 0 &&
		     content.n > 1000,
	     "rule file");
	site_close(&s);
}

int main(void)
{
	check_generated(conf_print_sample, "config/sallyport.conf");
	check_generated(conf_print_manual, "docs/man/sallyport.conf.5");
	check_load();
	check_values();
	return t_done();
}
