/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/load.c - the configuration from disk, with every mistake in the log. */
#include <errno.h>

#include "confdb/confdb.h"
#include "core/log.h"
#include "core/num.h"
#include "core/str.h"
#include "daemon/roles.h"

/* A broken file of a million lines must not drown the log. */
#define PROBLEMS_LOGGED 100

/* Without the one that @why repeats: who gets it logs it. */
static void log_problems(const struct conf_report *r, const struct err *why)
{
	size_t n = conf_report_count(r);
	AUTO(str_fini) struct str line;

	str_init(&line, 8192);
	for (size_t i = 0; i < n && i < PROBLEMS_LOGGED; i++) {
		const struct conf_problem *p = conf_report_at(r, i);

		str_reset(&line);
		conf_place_add(&line, p->file, p->line);
		str_addf(&line, ": %s", p->text);
		if (why == NULL || !bytes_starts(str_bytes(&line), bytes_str(why->text)))
			log_at(p->severity == CONF_ERROR ? LOG_LEVEL_ERR : LOG_LEVEL_WARNING, "%s",
			       str_view(&line));
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
	log_set_facility(conf_str(c, OPT_SYSLOG_FACILITY, NULL));
}

/* Where the server was away, and for the next time it is. */
static void use_cache(const struct conf_database *d, const struct conf *c, int bundle_fd)
{
	const char *path = conf_str(c, OPT_SQL_CACHE_FILE, NULL), *why;
	struct err err;

	if (!conf_serial(c, CONF_SQL).used && !conf_serial(c, CONF_LDAP).used)
		return;
	if (confdb_used_cache(d, &why)) {
		log_warning("the configuration database gave no answer: %s; its last answers, kept "
			    "in %s, are used",
			    why, path);
		return;
	}
	if (path[0] != '\0' && confdb_write_cache(path, bundle_fd, &err) < 0)
		log_warning("%s; a start without the database will fail", err.text);
}

int load_from_bundle(int fd, const char *path, struct conf **ret_c, struct err *err)
{
	AUTO(conf_source_close) struct conf_source *s = NULL;
	int r = conf_source_bundle(&s, fd, err);

	return r < 0 ? r : conf_load(ret_c, s, path, NULL, err);
}

int load_from_disk(const struct daemon_options *o, bool databases, struct conf **ret_c,
		   int *ret_bundle_fd, struct err *err)
{
	AUTO(confdb_close) struct conf_database *d = NULL;
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	AUTO(conf_unref) struct conf *c = NULL;
	int r;

	if (report == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	r = conf_source_disk(&s, err);
	if (r == 0 && o->in_queue != NULL &&
	    conf_source_set_option(s, OPT_INCOMING_QUEUE_DIR, o->in_queue) < 0)
		r = err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	if (r == 0)
		r = confdb_open(&d, err);
	if (r < 0)
		return r;
	if (databases)
		conf_source_set_database(s, d);
	r = conf_load(&c, s, o->conf_path, report, err);
	if (r == -ENOTSUP && !databases)
		return r;
	log_problems(report, r < 0 ? err : NULL);
	if (r < 0)
		return r;
	r = conf_source_write_bundle(s, err);
	if (r < 0)
		return r;
	*ret_bundle_fd = r;
	use_cache(d, c, r);
	*ret_c = TAKE(c);
	return 0;
}
