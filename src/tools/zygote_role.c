/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/zygote_role.c - becoming a zygote. */
#include "tools/zygote_role.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/fault.h"
#include "core/log.h"
#include "core/num.h"
#include "worker/product.h"
#include "worker/zygote.h"

#define ARGUMENT "--zygote="

static uint64_t positive(const struct conf *c, enum opt_id id)
{
	return (uint64_t)MAX_OF(conf_num(c, id, NULL), 0);
}

/* Places for workers: as many as could be wanted, which costs a small directory each. */
static unsigned workers_max(const struct conf *c)
{
	int64_t children = conf_num(c, OPT_MAX_CHILDREN, NULL);
	int64_t processors = MAX_OF(sysconf(_SC_NPROCESSORS_CONF), 1);

	children = children <= 0 ? processors : MIN_OF(children, processors);
	return (unsigned)MIN_OF(children, (int64_t)ZYGOTE_WORKERS_MAX);
}

static unsigned huge_pages(const struct conf *c)
{
	const char *word = conf_words(c, OPT_HUGE_PAGES, NULL);

	if (strcmp(word, "no") == 0)
		return ZYGOTE_HUGE_NO;
	return strcmp(word, "advise") == 0 ? ZYGOTE_HUGE_ADVISE : ZYGOTE_HUGE_COLLAPSE;
}

void zygote_role_argument(char out[ZYGOTE_ARGUMENT_MAX], const struct conf *c)
{
	const char *user = geteuid() == 0 ? conf_str(c, OPT_SCAN_USER, NULL) : "";

	/* The tmpfs is one for the worker, the memory is counted where its threads are. */
	(void)snprintf(out, ZYGOTE_ARGUMENT_MAX, ARGUMENT "%.64s:%u:%" PRIu64 ":%" PRIu64 ":%u",
		       user, workers_max(c),
		       positive(c, OPT_WORKER_TMPFS_SIZE) * positive(c, OPT_SCAN_THREADS),
		       positive(c, OPT_WORKER_MEMORY_LIMIT), huge_pages(c));
}

bool zygote_role_is(int argc, char **argv)
{
	return argc > 2 && strcmp(argv[1], ZYGOTE_ROLE) == 0 &&
	       strncmp(argv[2], ARGUMENT, strlen(ARGUMENT)) == 0;
}

/* The next field of "a:b:c". */
static struct bytes field(struct bytes *rest)
{
	ptrdiff_t colon = bytes_index(*rest, ':');
	struct bytes f = colon < 0 ? *rest : bytes_head(*rest, (size_t)colon);

	*rest = bytes_from(*rest, colon < 0 ? rest->n : (size_t)colon + 1);
	return f;
}

static int parse(const char *argument, struct zygote_setup *s, char user[80])
{
	struct bytes rest = bytes_str(argument + strlen(ARGUMENT)), name = field(&rest);
	uint64_t workers, huge;

	if (name.n >= 80)
		return -1;
	(void)snprintf(user, 80, "%.*s", (int)name.n, (const char *)name.p);
	s->user = user[0] == '\0' ? NULL : user;
	if (num_parse(field(&rest), 10, ZYGOTE_WORKERS_MAX, &workers) < 0 ||
	    num_parse(field(&rest), 10, UINT64_MAX, &s->tmpfs_bytes) < 0 ||
	    num_parse(field(&rest), 10, UINT64_MAX, &s->memory_bytes) < 0 ||
	    num_parse(field(&rest), 10, ZYGOTE_HUGE_NO, &huge) < 0)
		return -1;
	s->huge = (enum zygote_huge)huge;
	s->workers_max = (unsigned)workers;
	return 0;
}

int zygote_role_main(int argc UNUSED, char **argv)
{
	struct zygote_setup setup = { .ops = &worker_product_ops, .sock = ZYGOTE_ROLE_FD };
	char user[80];

	fault_set_role("zygote");
	if (parse(argv[2], &setup, user) < 0) {
		log_err("zygote: '%s' is not for people", argv[2]);
		return EX_USAGE;
	}
	/* Sanitizers report to standard error. */
	setup.keep_stderr = getenv("SALLYPORT_KEEP_STDERR") != NULL;
	/* Configuration and engine go with the process: to free an engine of 600 MB takes 1.2 s,
	 * which whoever waits for us would wait, too. Exit handlers have nothing else to do, and a
	 * leak checker's would complain. */
	_exit(zygote_main(&setup));
}
