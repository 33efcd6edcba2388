/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/load.c - the configuration from disk, with every mistake in the log. */
#include <unistd.h>

#include <errno.h>

#include "core/log.h"
#include "core/num.h"
#include "core/str.h"
#include "daemon/roles.h"

/* A broken file of a million lines must not drown the log. */
#define PROBLEMS_LOGGED 100

static void log_problems(const struct conf_report *r)
{
	size_t n = conf_report_count(r);

	for (size_t i = 0; i < n && i < PROBLEMS_LOGGED; i++) {
		const struct conf_problem *p = conf_report_at(r, i);

		log_at(p->severity == CONF_ERROR ? LOG_LEVEL_ERR : LOG_LEVEL_WARNING, "%s:%u: %s",
		       p->file, p->line, p->text);
	}
	if (n > PROBLEMS_LOGGED)
		log_warning("and %zu more: see sallyport check", n - PROBLEMS_LOGGED);
}

void log_from_conf(const struct conf *c)
{
	uint64_t level = LOG_LEVEL_INFO;

	(void)!num_parse(bytes_str(conf_words(c, OPT_LOG_LEVEL, NULL)), 10, LOG_LEVEL_DEBUG,
			 &level);
	log_set_level((enum log_level)level);
}

/* Option @o->in_queue as the last line of the main file. */
static int add_line(struct conf_source *s, const struct daemon_options *o)
{
	AUTO(str_fini) struct str text = { 0 };
	struct bytes content;
	int r;

	if (o->in_queue == NULL)
		return 0;
	r = s->read(s, o->conf_path, &content);
	if (r < 0)
		return 0; /* conf_load() says so better */
	str_init(&text, content.n + KIB * 8);
	str_add_bytes(&text, content);
	str_addf(&text, "\n%s = %s\n", opt_rows[OPT_INCOMING_QUEUE_DIR].name, o->in_queue);
	if (text.failed)
		return -ENOMEM;
	return conf_source_add(s, o->conf_path, CONF_FILE, false, str_bytes(&text));
}

int load_from_disk(const struct daemon_options *o, struct conf **ret_c, int *ret_bundle_fd,
		   struct err *err)
{
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	AUTO(conf_unref) struct conf *c = NULL;
	int r;

	if (report == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	r = conf_source_disk(&s, err);
	if (r == 0 && add_line(s, o) < 0)
		r = err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	if (r == 0)
		r = conf_load(&c, s, o->conf_path, report, err);
	log_problems(report);
	if (r < 0)
		return r;
	r = conf_source_write_bundle(s, err);
	if (r < 0)
		return r;
	*ret_bundle_fd = r;
	log_from_conf(c);
	*ret_c = TAKE(c);
	return 0;
}
