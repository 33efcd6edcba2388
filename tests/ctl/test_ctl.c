/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl: the commands that answer before there is a gate, and the records of ctl/pages.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/internal.h"
#include "ctl/pages.h"
#include "metrics/metrics.h"
#include "tests/t.h"

static struct loop *loop;
static struct metrics *metrics;
static struct ctl *ctl;
static int exporter = -1;

static void reload(void *arg UNUSED)
{
}

static bool start(void)
{
	int control[2], pages[2];
	struct err err;

	if (loop_new(&loop, 64, &err) < 0)
		return false;
	metrics = metrics_new();
	if (metrics == NULL || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pages) < 0 ||
	    ctl_new(&ctl, loop, control[0], metrics, reload, NULL, &err) < 0 ||
	    ctl_serve_pages(ctl, pages[0], &err) < 0)
		return false;
	exporter = pages[1];
	T_OK(ctl_serve_pages(ctl, pages[0], &err) == -EBUSY, "only one exporter: %s", err.text);
	return true;
}

static bool has(const struct str *s, const char *part)
{
	return strstr(str_view(s), part) != NULL;
}

static void test_commands(void)
{
	AUTO(str_fini) struct str reply;

	str_init(&reply, CTL_REPLY_BYTES_MAX);
	metrics_name_stage(metrics, 0, "first");
	metrics_add(metrics, METRIC_DELIVERED, 7);
	ctl_answer(ctl, bytes_str("{\"command\":\"top\"}"), &reply);
	T_OK(has(&reply, "\"ok\":true") && has(&reply, "{\"version\":") &&
		     has(&reply, "\"queues\":[],\"workers\":[]") &&
		     has(&reply, "\"totals\":{\"delivered\":7,") &&
		     has(&reply, "\"stages\":[{\"name\":\"first\",\"count\":0,"),
	     "top without a gate");
	str_reset(&reply);
	ctl_answer(ctl, bytes_str("{\"command\":\"metrics\"}"), &reply);
	T_OK(has(&reply,
		 "\"content_type\":\"text/plain; version=0.0.4; charset=utf-8\",\"page\":\"# HELP "
		 "sallyport_build_info ") &&
		     has(&reply, "sallyport_messages_total{outcome=\\\"deliver\\\"} 7\\n"),
	     "metrics as text in JSON");
	str_reset(&reply);
	ctl_answer(ctl, bytes_str("{\"command\":\"dance\"}"), &reply);
	T_OK(has(&reply, "\"ok\":false") && has(&reply, "metrics, top"),
	     "unknown ones name the known");
}

static bool send_request(uint64_t serial)
{
	struct page_request r = { serial };

	return send(exporter, &r, sizeof(r), 0) == (ssize_t)sizeof(r);
}

/* One turn of the loop, then an answer: its serial, 0 without one. */
static uint64_t answered(char *page, size_t size)
{
	struct err err;
	uint64_t serial = 0;
	ssize_t n;

	if (loop_turn(loop, &err) < 0)
		return 0;
	n = recv(exporter, page, size - 1, MSG_DONTWAIT);
	if (n < (ssize_t)sizeof(serial))
		return 0;
	memcpy(&serial, page, sizeof(serial));
	memmove(page, page + sizeof(serial), (size_t)n - sizeof(serial));
	page[(size_t)n - sizeof(serial)] = '\0';
	return serial;
}

static void test_pages(void)
{
	static char page[PAGE_BYTES_MAX];

	T_OK(send_request(5) && answered(page, sizeof(page)) == 5 &&
		     strncmp(page, "# HELP sallyport_", 17) == 0 &&
		     strstr(page, "sallyport_messages_total{outcome=\"deliver\"} 7\n") != NULL,
	     "a page of %zu bytes", strlen(page));
	metrics_add(metrics, METRIC_DELIVERED, 1);
	T_OK(send_request(6) && send_request(7) && answered(page, sizeof(page)) == 7,
	     "of several questions the newest is answered");
	T_OK(recv(exporter, page, sizeof(page), MSG_DONTWAIT) < 0 && errno == EAGAIN,
	     "and no other");
	T_OK(send(exporter, "nonsense", 3, 0) == 3 && send_request(8) &&
		     send(exporter, "more than a question", 20, 0) == 20 &&
		     answered(page, sizeof(page)) == 8,
	     "nonsense is passed over");
	for (uint64_t i = 0; i < 100; i++)
		(void)send_request(100 + i);
	T_OK(answered(page, sizeof(page)) == 199, "a hundred questions, one page");
}

int main(void)
{
	if (!start())
		return t_skip_all("no io_uring here");
	test_commands();
	test_pages();
	(void)close(exporter);
	loop_free(&loop);
	ctl_free(&ctl);
	metrics_free(&metrics);
	return t_done();
}
