/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exporter/page: only the answer to the open question is believed, and none is waited for too long.
 */
#include "exporter/page.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "ctl/pages.h"
#include "tests/t.h"

#define NOW UINT64_C(5000000000)

static int gateway;
static struct page page;

static void begin(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	    page_init(&page, pair[1]) < 0)
		pair[0] = -1;
	gateway = pair[0];
}

static void end(void)
{
	page_fini(&page);
	fd_close(&gateway);
}

/* How many questions there are; *@ret_serial of the last. */
static unsigned questions(uint64_t *ret_serial)
{
	struct page_request r;
	unsigned n = 0;

	while (recv(gateway, &r, sizeof(r), MSG_DONTWAIT) == (ssize_t)sizeof(r)) {
		*ret_serial = r.serial;
		n++;
	}
	return n;
}

static bool answer(uint64_t serial, const char *text, size_t n)
{
	static char record[sizeof(serial) + PAGE_BYTES_MAX + 2];

	memcpy(record, &serial, sizeof(serial));
	memcpy(record + sizeof(serial), text, n);
	return send(gateway, record, sizeof(serial) + n, 0) == (ssize_t)(sizeof(serial) + n);
}

static void test_ask(void)
{
	uint64_t serial = 0, next = 0;

	begin();
	T_OK(!page_is_fresh(&page, NOW) && page_receive(&page, NOW) == 0, "nothing yet");
	page_ask(&page, NOW);
	page_ask(&page, NOW + 1);
	T_OK(questions(&serial) == 1, "one question, however many ask");
	T_OK(answer(serial, "figures\n", 8) && page_receive(&page, NOW) == 1 &&
		     strcmp(str_view(&page.text), "figures\n") == 0,
	     "its answer is the page");
	T_OK(page_is_fresh(&page, NOW + PAGE_FRESH_NS - 1) &&
		     !page_is_fresh(&page, NOW + PAGE_FRESH_NS),
	     "which is fresh for a moment");
	T_OK(answer(serial, "again\n", 6) && page_receive(&page, NOW) == 0 &&
		     strcmp(str_view(&page.text), "figures\n") == 0,
	     "an answer that nobody asked for counts for nothing");
	page_ask(&page, NOW);
	T_OK(questions(&next) == 1 && next != serial, "the next question is another one");
	T_OK(answer(serial, "stale\n", 6) && answer(next, "new\n", 4) &&
		     page_receive(&page, NOW) == 1 && strcmp(str_view(&page.text), "new\n") == 0,
	     "a stale answer before the right one is passed over");
	end();
}

static void test_late(void)
{
	uint64_t serial = 0;

	begin();
	T_OK(!page_gave_up(&page, NOW), "no question, no time limit");
	page_ask(&page, NOW);
	T_OK(questions(&serial) == 1 && !page_gave_up(&page, NOW + PAGE_ANSWER_NS - 1),
	     "time to answer");
	T_OK(page_gave_up(&page, NOW + PAGE_ANSWER_NS) &&
		     !page_gave_up(&page, NOW + PAGE_ANSWER_NS),
	     "which ends, once");
	T_OK(answer(serial, "late\n", 5) && page_receive(&page, NOW) == 0,
	     "an answer after that is not believed");
	end();
}

static void test_nonsense(void)
{
	static char much[PAGE_BYTES_MAX + 1];
	uint64_t serial = 0;

	begin();
	memset(much, 'x', sizeof(much));
	page_ask(&page, NOW);
	(void)questions(&serial);
	T_OK(send(gateway, "abc", 3, 0) == 3 && page_receive(&page, NOW) == 0, "too short");
	T_OK(answer(serial, much, sizeof(much)) && page_receive(&page, NOW) == 0, "too long");
	T_OK(answer(serial, much, PAGE_BYTES_MAX) && page_receive(&page, NOW) == 1 &&
		     page.text.n == PAGE_BYTES_MAX,
	     "the longest one");
	page_ask(&page, NOW);
	(void)questions(&serial);
	T_OK(answer(serial, "", 0) && page_receive(&page, NOW) == 1 && page.text.n == 0,
	     "an empty one");
	fd_close(&gateway);
	T_OK(page_receive(&page, NOW) == -EPIPE, "the other end is closed for good");
	page_ask(&page, NOW);
	T_OK(page_receive(&page, NOW) == -EPIPE, "asking does no harm then");
	end();
}

int main(void)
{
	test_ask();
	test_late();
	test_nonsense();
	return t_done();
}
