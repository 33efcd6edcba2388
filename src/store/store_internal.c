/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store/store_internal.c - names and writes. */
#include "store/store_internal.h"

#include <string.h>
#include <unistd.h>

bool store_name_is_safe(const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n == 0 || n > max || s[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)s[i];

		if (c <= ' ' || c == 0x7f || c == '/')
			return false;
	}
	return true;
}

int store_write_all(int fd, struct bytes b)
{
	while (b.n > 0) {
		size_t want = (size_t)fault_at("store.write_short", (int)MIN_OF(b.n, MIB));
		int r = STORE_CALL("write", (int)write(fd, b.p, want));

		if (r == -EINTR)
			continue;
		if (r < 0)
			return r;
		if (r == 0)
			return -EIO;
		b = bytes_from(b, (size_t)r);
	}
	return 0;
}
