/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Needs: dns_dep - DNS answers: what comes out is within its bounds, sorted, and of host names. */
#include <stdlib.h>

#include "dns/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_names(const struct dns_answer *a)
{
	char clean[DNS_NAME_MAX + 1];

	if (a->n > DNS_NAMES_MAX)
		abort();
	for (unsigned i = 0; i < a->n; i++) {
		const char *name = dns_answer_name(a, i);

		if (!dns_host_name(name, clean) || strcmp(clean, name) != 0)
			abort();
		if (i > 0 && strcmp(dns_answer_name(a, i - 1), name) >= 0)
			abort();
	}
}

static void check_addrs(const struct dns_answer *a)
{
	if (a->n > DNS_ADDRS_MAX)
		abort();
	for (unsigned i = 1; i < a->n; i++)
		if (memcmp(dns_answer_addr(a, i - 1), dns_answer_addr(a, i), 16) >= 0)
			abort();
}

/* The first byte chooses the type; the question is in the message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const names[] = { "a.example", "1.2.0.192.in-addr.arpa", "a" };
	struct dns_answer *a;
	uint32_t ttl_s = 1;

	if (n == 0)
		return 0;
	a = answer_read((enum dns_type)(data[0] % 3), names[data[0] / 3 % 3],
			bytes_of(data + 1, n - 1), &ttl_s);
	if (a == NULL)
		return 0;
	if (a->status > DNS_TEMP || (a->status == DNS_FOUND) != (a->n > 0))
		abort();
	if (a->status == DNS_TEMP && ttl_s != 0)
		abort();
	if (data[0] % 3 == DNS_PTR)
		check_names(a);
	else
		check_addrs(a);
	free(a);
	return 0;
}
