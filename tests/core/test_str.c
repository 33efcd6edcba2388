/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/str: growth, ceiling, ownership. */
#include "core/str.h"

#include <stdlib.h>

#include "tests/t.h"

int main(void)
{
	struct str s;
	char *p;

	str_init(&s, 10);
	T_OK(str_view(&s)[0] == '\0' && s.n == 0, "empty");
	str_addf(&s, "%s-%d", "ab", 12);
	T_OK(bytes_eq(str_bytes(&s), BYTES("ab-12")), "printf");
	str_add(&s, "34567");
	T_OK(!s.failed && s.n == 10, "up to the ceiling");
	str_add_char(&s, 'x');
	T_OK(s.failed && s.n == 10, "above it: failed, nothing added");
	T_OK(str_take(&s) == NULL && s.n == 0 && !s.failed, "a failed text cannot be taken");
	str_add(&s, "ok");
	p = str_take(&s);
	T_OK(p != NULL && bytes_eq(bytes_str(p), BYTES("ok")) && s.p == NULL, "take");
	free(p);
	str_fini(&s);
	return t_done();
}
