/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/bundle_load.c - one thread, one bundle. */
#include "daemon/bundle_load.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int bundle_load_now(struct conf **ret_c, int fd, const char *path, struct err *err)
{
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	int r;

	if (report == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	r = conf_source_bundle(&s, fd, err);
	return r < 0 ? r
		     : conf_load(ret_c, s, path, report, err); /* the supervisor told the report */
}

void bundle_load_init(struct bundle_load *b)
{
	*b = (struct bundle_load){ .event_fd = -1, .bundle_fd = -1, .sock = -1 };
}

void bundle_load_fini(struct bundle_load *b)
{
	if (b->running)
		bundle_load_end(b);
	conf_unref(&b->conf);
	fd_close(&b->event_fd);
	fd_close(&b->bundle_fd);
	fd_close(&b->sock);
}

static void *load(void *arg)
{
	struct bundle_load *b = arg;

	b->result = bundle_load_now(&b->conf, b->bundle_fd, b->m.text, &b->err);
	(void)!eventfd_write(b->event_fd, 1);
	return NULL;
}

int bundle_load_begin(struct bundle_load *b, struct gate *g, const struct channel_msg *m,
		      int bundle_fd, int sock, struct err *err)
{
	int r;

	if (b->event_fd < 0)
		b->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (b->event_fd < 0)
		return err_errno(err, "eventfd for a reload");
	b->m = *m;
	b->bundle_fd = bundle_fd;
	b->sock = sock;
	b->conf = NULL;
	r = gate_start_thread(g, &b->thread, load, b);
	if (r < 0) {
		b->bundle_fd = b->sock = -1;
		return err_code(err, r, "thread for a reload");
	}
	b->running = true;
	return 0;
}

void bundle_load_end(struct bundle_load *b)
{
	eventfd_t n;

	(void)pthread_join(b->thread, NULL);
	(void)!eventfd_read(b->event_fd, &n);
	b->running = false;
}
