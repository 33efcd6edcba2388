/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns/name.c - names: of hosts, and of addresses in reverse. */
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "dns/dns.h"

#define LABEL_MAX 63

static bool host_char(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

static bool label_ok(struct bytes label)
{
	if (label.n == 0 || label.n > LABEL_MAX)
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!host_char(label.p[i]))
			return false;
	return true;
}

static bool all_digits(struct bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		if (!ascii_is_digit(b.p[i]))
			return false;
	return true;
}

bool dns_host_name(const char *name, char ret_name[DNS_NAME_MAX + 1])
{
	struct bytes whole = bytes_str(name), rest, label;
	ptrdiff_t dot;

	if (whole.n > 0 && whole.p[whole.n - 1] == '.')
		whole.n--;
	if (whole.n == 0 || whole.n > DNS_NAME_MAX)
		return false;
	rest = whole;
	do {
		dot = bytes_index(rest, '.');
		label = dot < 0 ? rest : bytes_head(rest, (size_t)dot);
		if (!label_ok(label))
			return false;
		rest = dot < 0 ? rest : bytes_from(rest, (size_t)dot + 1);
	} while (dot >= 0);
	/* 192.0.2.1 as a name would pass for the address wherever both are compared as text. */
	if (all_digits(label))
		return false;
	for (size_t i = 0; i < whole.n; i++)
		ret_name[i] = (char)ascii_lower(whole.p[i]);
	ret_name[whole.n] = '\0';
	return true;
}

bool dns_reverse_name(const uint8_t *addr, bool v6, const char *zone,
		      char ret_name[DNS_NAME_MAX + 1])
{
	static const char hex[] = "0123456789abcdef";
	char name[DNS_NAME_MAX + 1];
	size_t n = 0;
	int r;

	for (int i = 15; v6 && i >= 0; i--) {
		name[n++] = hex[addr[i] & 15];
		name[n++] = '.';
		name[n++] = hex[addr[i] >> 4];
		name[n++] = '.';
	}
	if (!v6)
		n = (size_t)snprintf(name, sizeof(name), "%u.%u.%u.%u.", addr[3], addr[2], addr[1],
				     addr[0]);
	if (zone == NULL)
		zone = v6 ? "ip6.arpa" : "in-addr.arpa";
	r = snprintf(name + n, sizeof(name) - n, "%s", zone);
	if (r < 0 || (size_t)r >= sizeof(name) - n)
		return false;
	memcpy(ret_name, name, sizeof(name));
	return true;
}

const char *dns_status_name(enum dns_status s)
{
	static const char *const names[] = {
		[DNS_FOUND] = "found",
		[DNS_NONE] = "no such name",
		[DNS_TEMP] = "server failure",
		[DNS_TIMEOUT] = "timed out",
		[DNS_LIMIT] = "too many questions",
	};

	return names[s];
}
