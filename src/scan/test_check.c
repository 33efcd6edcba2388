/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/test_check.c - the check that misbehaves, in test builds: what the worker and the gateway
 * do about a scan that crashes, hangs or lies cannot be tested otherwise. */
#include <stdio.h>

#include "core/fault.h"
#include "scan/check.h"

#ifdef SALLYPORT_FAULTS

static bool header_says(struct bytes message, char *ret_what, size_t size)
{
	static const char name[] = "X-Sallyport-Test:";
	struct bytes line;

	while (bytes_next_line(&message, &line)) {
		line = bytes_trim(line);
		if (line.n == 0)
			return false;
		if (!bytes_starts_nocase(line, BYTES(name)))
			continue;
		line = bytes_trim(bytes_from(line, sizeof(name) - 1));
		(void)snprintf(ret_what, size, "%.*s", (int)MIN_OF(line.n, size), line.p);
		return true;
	}
	return false;
}

static void crash(void)
{
	volatile int *nowhere = NULL;

	*nowhere = 1;
}

static void spin(void)
{
	static volatile unsigned turns;

	for (;;)
		turns++;
}

int check_test(struct scan_state *s, struct check_result *ret_result UNUSED, struct err *err)
{
	char what[64];
	int r = fault_at("scan.test", 0);

	if (r < 0)
		return err_set(err, ERR_TEMP, r, "injected fault");
	if (!header_says(s->message, what, sizeof(what)))
		return 0;
	if (strcmp(what, "crash") == 0)
		crash();
	else if (strcmp(what, "spin") == 0)
		spin();
	else if (s->scanner->test_hook != NULL)
		s->scanner->test_hook(what);
	return 0;
}

#else

int check_test(struct scan_state *s UNUSED, struct check_result *ret_result, struct err *err UNUSED)
{
	ret_result->state = CHECK_SKIPPED;
	ret_result->why = "only in test builds";
	return 0;
}

#endif
