/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Needs: scan_dep. What a hostile worker or a damaged table may hold; what decodes is encoded
 * again. */
#include <stdlib.h>

#include "scan/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[256 * 1024], again[256 * 1024];
	AUTO(arena_free) struct arena *a = arena_new(16 * MIB);
	struct scan_request r;
	struct facts f;
	ssize_t n, m;

	if (a == NULL)
		return 0;
	if (wire_get_request(bytes_of(data, size), a, &r, NULL) == 0 &&
	    wire_put_request(&r, out, sizeof(out), NULL) == 0)
		abort();
	if (wire_get_facts(bytes_of(data, size), a, &f, NULL) != 0)
		return 0;
	n = wire_put_facts(&f, out, sizeof(out), NULL);
	if (n < 0)
		return 0;
	/* Written once, it must read back and be written the same again. */
	if (wire_get_facts(bytes_of(out, (size_t)n), a, &f, NULL) != 0)
		abort();
	m = wire_put_facts(&f, again, sizeof(again), NULL);
	if (m != n || memcmp(out, again, (size_t)n) != 0)
		abort();
	return 0;
}
