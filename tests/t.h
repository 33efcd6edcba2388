/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/t.h - TAP output: T_OK() prints one line, t_done() the plan; exit code for Meson. */
#ifndef TESTS_T_H
#define TESTS_T_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static unsigned t_count_, t_failed_;

__attribute__((format(printf, 4, 5))) static inline bool t_ok_(bool ok, const char *file, int line,
							       const char *fmt, ...)
{
	va_list ap;

	printf("%sok %u - ", ok ? "" : "not ", ++t_count_);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	if (!ok) {
		t_failed_++;
		printf("# failed at %s:%d\n", file, line);
	}
	fflush(stdout);
	return ok;
}

/* T_OK(condition, "what, with %d", values) - true when it held. The condition comes first: values
 * may be what it has written. */
#define T_OK(cond, ...)                                                                            \
	({                                                                                         \
		const bool t_held_ = (cond);                                                       \
		t_ok_(t_held_, __FILE__, __LINE__, __VA_ARGS__);                                   \
	})

/* The whole test cannot run here; @why says what is missing. */
static inline int t_skip_all(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	return 0;
}

static inline int t_done(void)
{
	printf("1..%u\n", t_count_);
	return t_failed_ == 0 ? 0 : 1;
}

#endif
