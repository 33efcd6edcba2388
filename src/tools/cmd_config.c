/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/cmd_config.c - sallyport config: options, their values, and where these come from. */
#include <getopt.h>
#include <string.h>
#include <sysexits.h>

#include "conf/explain.h"
#include "conf/recipients.h"
#include "core/jout.h"
#include "tools/cli.h"
#include "tools/client_name.h"

#define TO_MAX 100

static const char usage[] =
	"Usage: sallyport config --dump | --changed | --value OPTION [-c FILE] [--json]\n"
	"                        [--from ADDRESS] [--to ADDRESS]... [--ip ADDRESS] [--virus TEXT]\n"
	"                        [--host NAME] [--host-checked NAME] [--resolve]\n"
	"\n"
	"  --dump           every option as it is in force\n"
	"  --changed        only those that differ from their defaults\n"
	"  --value OPTION   one option (either of its names), with the file and line that decide;\n"
	"                   --from, --to, --ip and --virus choose the message it is asked "
	"for\n" CLIENT_NAME_USAGE "\n"
	"Exit: 0, 64 usage or unknown option, 75 --resolve got no answer, 78 configuration.\n";

enum { ASK_NOTHING, ASK_DUMP, ASK_CHANGED, ASK_VALUE };

struct ask {
	struct cli cli;
	int what;
	const char *option, *to[TO_MAX], *virus;
	struct conf_who who;
	struct client_name name;
	bool about_message;
};

/* The gateway asks for each recipient alone, unless it is told to join them. */
static bool recipients_differ(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	AUTO(str_fini) struct str first;
	struct conf_who one;
	bool differ = false;

	str_init(&first, MIB);
	if (who == NULL || who->to_n < 2 || conf_joins_recipients(c))
		return false;
	one = *who;
	one.to_n = 1;
	str_add(&first, conf_written(c, id, &one));
	for (size_t i = 1; i < who->to_n && !differ; i++) {
		one.to = who->to + i;
		differ = strcmp(conf_written(c, id, &one), str_view(&first)) != 0;
	}
	return differ;
}

static void add_recipients(struct jout *j, const struct conf *c, enum opt_id id,
			   const struct conf_who *who)
{
	struct conf_who one = *who;

	one.to_n = 1;
	jout_array(j, "recipients");
	for (size_t i = 0; i < who->to_n; i++) {
		one.to = who->to + i;
		jout_object(j, NULL);
		jout_member_str(j, "to", bytes_str(who->to[i]));
		jout_member_str(j, "value", bytes_str(conf_written(c, id, &one)));
		jout_member_str(j, "source", bytes_str(conf_where(c, id, &one)));
		jout_end(j);
	}
	jout_end(j);
}

static void add_value(struct jout *j, const struct conf *c, enum opt_id id,
		      const struct conf_who *who)
{
	jout_object(j, NULL);
	jout_member_str(j, "option", bytes_str(opt_rows[id].name));
	jout_member_str(j, "value", bytes_str(conf_written(c, id, who)));
	jout_member_str(j, "source", bytes_str(conf_where(c, id, who)));
	if (conf_is_rejected(c, id)) {
		AUTO(str_fini) struct str place;

		str_init(&place, 4200);
		conf_describe_place(c, id, &place);
		jout_member_str(j, "rejected", str_bytes(&place));
	}
	if (who != NULL)
		jout_member_bool(j, "lacks_client_name", conf_lacks_host(c, id, who));
	if (recipients_differ(c, id, who))
		add_recipients(j, c, id, who);
	jout_end(j);
}

/* Where the value comes from, and which line was meant to set it. */
static void print_origin(const struct ask *a, const struct conf *c, enum opt_id id,
			 const struct conf_who *who)
{
	AUTO(str_fini) struct str place;

	(void)printf("%sfrom %s%s\n", cli_dim(&a->cli), conf_where(c, id, who), cli_plain(&a->cli));
	if (!conf_is_rejected(c, id))
		return;
	str_init(&place, 4200);
	conf_describe_place(c, id, &place);
	(void)printf("%swhat %s says is wrong and does not count: sallyport check tells why%s\n",
		     cli_yellow(&a->cli), str_view(&place), cli_plain(&a->cli));
}

static void print_recipients(const struct ask *a, const struct conf *c, enum opt_id id)
{
	struct conf_who one = a->who;

	one.to_n = 1;
	(void)printf("%sthe recipients disagree: the gateway judges each by his own value%s\n",
		     cli_yellow(&a->cli), cli_plain(&a->cli));
	for (size_t i = 0; i < a->who.to_n; i++) {
		one.to = a->who.to + i;
		(void)printf("%s: %s", a->who.to[i], conf_written(c, id, &one));
		(void)printf(" %sfrom %s%s\n", cli_dim(&a->cli), conf_where(c, id, &one),
			     cli_plain(&a->cli));
	}
}

static void print_one(const struct ask *a, const struct conf *c, enum opt_id id)
{
	const struct conf_who *who = a->about_message ? &a->who : NULL;
	AUTO(str_fini) struct str text;
	struct jout j;

	str_init(&text, MIB);
	if (a->cli.json) {
		jout_begin(&j, &text);
		add_value(&j, c, id, who);
		(void)printf("%s\n", str_view(&text));
		return;
	}
	if (who == NULL)
		conf_describe(c, id, &text);
	else
		str_add(&text, conf_written(c, id, who));
	(void)printf("%s = %s\n", opt_rows[id].name, str_view(&text));
	if (a->what == ASK_VALUE)
		print_origin(a, c, id, who);
	if (recipients_differ(c, id, who))
		print_recipients(a, c, id);
	if (who != NULL && conf_lacks_host(c, id, who))
		(void)printf("%sa host: rule was passed over, as the client's name is not known: "
			     "give --host and --host-checked, or --resolve%s\n",
			     cli_yellow(&a->cli), cli_plain(&a->cli));
}

static bool wanted(const struct ask *a, const struct conf *c, enum opt_id id)
{
	return a->what == ASK_DUMP || conf_is_changed(c, id);
}

static int answer(const struct ask *a, const struct conf *c)
{
	enum opt_id id;

	if (a->what != ASK_VALUE) {
		for (id = 0; id < OPT_ROWS; id++)
			if (wanted(a, c, id))
				print_one(a, c, id);
		return EX_OK;
	}
	id = opt_find(bytes_str(a->option));
	if (id == OPT_ROWS) {
		const char *near = opt_nearest(bytes_str(a->option));

		(void)fprintf(stderr, "sallyport: there is no option '%s'%s%s%s\n", a->option,
			      near == NULL ? "" : "; did you mean '", near == NULL ? "" : near,
			      near == NULL ? "" : "'?");
		return EX_USAGE;
	}
	print_one(a, c, id);
	return EX_OK;
}

/* Envelope addresses are compared in lower case. */
static const char *lower(char *s)
{
	for (char *p = s; *p != '\0'; p++)
		*p = (char)ascii_lower((uint8_t)*p);
	return s;
}

static int take(struct ask *a, int option, char *arg)
{
	switch (option) {
	case 'd':
		a->what = ASK_DUMP;
		return 0;
	case 'C':
		a->what = ASK_CHANGED;
		return 0;
	case 'v':
		a->what = ASK_VALUE;
		a->option = arg;
		return 0;
	case 'f':
		a->who.from = lower(arg);
		break;
	case 't':
		if (a->who.to_n == TO_MAX) {
			(void)fprintf(stderr, "sallyport: more than %d --to\n", TO_MAX);
			return -1;
		}
		a->to[a->who.to_n++] = lower(arg);
		break;
	case 'i':
		if (!cli_is_ip(arg))
			return -1;
		a->who.client_ip = arg;
		break;
	case 'V':
		a->virus = arg;
		a->who.reports_n = 1;
		break;
	default:
		if (client_name_take(&a->name, option, arg) < 0)
			return -1;
	}
	a->about_message = true;
	return 0;
}

int cmd_config(int argc, char **argv)
{
	static const struct option options[] = {
		CLI_LONG_OPTIONS,
		{ "dump", no_argument, NULL, 'd' },
		{ "changed", no_argument, NULL, 'C' },
		{ "value", required_argument, NULL, 'v' },
		{ "from", required_argument, NULL, 'f' },
		{ "to", required_argument, NULL, 't' },
		{ "ip", required_argument, NULL, 'i' },
		{ "virus", required_argument, NULL, 'V' },
		CLIENT_NAME_OPTIONS,
		{ NULL, 0, NULL, 0 },
	};
	struct ask a = { .cli.conf_path = cli_default_conf(), .who.from = "" };
	AUTO(conf_unref) struct conf *c = NULL;
	int o, r;

	(void)cli_common(&a.cli, 0, NULL, usage);
	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		r = cli_common(&a.cli, o, optarg, usage);
		if (r > 0)
			return EX_OK;
		if (r < 0 && take(&a, o, optarg) < 0)
			return cli_usage(usage);
	}
	if (a.what == ASK_NOTHING || optind < argc)
		return cli_usage(usage);
	a.who.to = a.to;
	a.who.reports = &a.virus;
	r = cli_load(&a.cli, &c, NULL, NULL);
	if (r == EX_OK)
		r = client_name_fill(&a.name, c, &a.who);
	return r != 0 ? r : answer(&a, c);
}
