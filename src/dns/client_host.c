/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns/client_host.c - from the address to the names, from each name back to the address. */
#include "dns/client_host.h"

#include <string.h>

#include "conf/ip.h"

static void copy_name(char to[DNS_NAME_MAX + 1], const char *from)
{
	size_t n = MIN_OF(strlen(from), (size_t)DNS_NAME_MAX);

	memcpy(to, from, n);
	to[n] = '\0';
}

static void finish(struct client_host *h, enum dns_status status, const char *name,
		   const char *checked)
{
	h->status = status;
	copy_name(h->name, name);
	copy_name(h->checked, checked);
	h->finished = true;
}

/* The first question without an answer decides what is said. */
static void failed(struct client_host *h, const struct dns_answer *a)
{
	if (h->question[0] != '\0')
		return;
	h->status = a->status;
	h->again_ns = a->until_ns;
	copy_name(h->question, h->query.name);
}

/* No name was confirmed: because that could not be asked, or because it is so. */
static void unconfirmed(struct client_host *h)
{
	const char *name = h->n > 0 ? h->names[0] : "";

	if (h->question[0] != '\0')
		finish(h, h->status, name, "");
	else
		finish(h, DNS_NONE, name, h->spoofed ? CLIENT_HOST_SPOOFED : "");
}

static void confirm_next(struct client_host *h)
{
	if (h->i == h->n) {
		unconfirmed(h);
		return;
	}
	h->query.type = h->v6 ? DNS_AAAA : DNS_A;
	copy_name(h->query.name, h->names[h->i]);
}

static void take_names(struct client_host *h, const struct dns_answer *a)
{
	if (a->status == DNS_FOUND) {
		for (h->n = 0; h->n < MIN_OF(a->n, DNS_NAMES_MAX); h->n++)
			copy_name(h->names[h->n], dns_answer_name(a, h->n));
	} else if (a->status != DNS_NONE) {
		failed(h, a);
	}
	confirm_next(h);
}

static bool is_among(const struct client_host *h, const struct dns_answer *a)
{
	for (unsigned i = 0; i < a->n; i++)
		if (memcmp(dns_answer_addr(a, i), h->addr, h->v6 ? 16 : 4) == 0)
			return true;
	return false;
}

static void take_addresses(struct client_host *h, const struct dns_answer *a)
{
	if (a->status == DNS_FOUND && is_among(h, a)) {
		finish(h, DNS_FOUND, h->names[h->i], h->names[h->i]);
		return;
	}
	if (a->status == DNS_FOUND)
		h->spoofed = true;
	else if (a->status != DNS_NONE)
		failed(h, a);
	h->i++;
	confirm_next(h);
}

static void take(struct client_host *h, const struct dns_answer *a)
{
	if (h->query.type == DNS_PTR)
		take_names(h, a);
	else
		take_addresses(h, a);
}

static bool go_on(struct client_host *h)
{
	while (!h->finished) {
		const struct dns_answer *a = dns_ask(h->dns, &h->query);

		if (a == NULL)
			return false;
		take(h, a);
	}
	return true;
}

static void answered(struct dns_query *q, const struct dns_answer *a)
{
	struct client_host *h = CONTAINER_OF(q, struct client_host, query);

	take(h, a);
	if (go_on(h))
		h->done(h);
}

static bool is_loopback(const struct client_host *h)
{
	static const uint8_t one[16] = { [15] = 1 };

	return h->v6 ? memcmp(h->addr, one, sizeof(one)) == 0 : h->addr[0] == 127;
}

static bool is_unknown(const struct client_host *h)
{
	static const uint8_t zero[16];

	return memcmp(h->addr, zero, h->v6 ? 16 : 4) == 0;
}

bool client_host_find(struct client_host *h, struct dns *d, const char *ip, uint64_t due_ns)
{
	const char *known;

	h->dns = d;
	h->query = (struct dns_query){ .type = DNS_PTR, .due_ns = due_ns, .done = answered };
	h->finished = h->spoofed = false;
	h->i = h->n = 0;
	h->question[0] = '\0';
	h->again_ns = 0;
	if (!ip_parse(bytes_str(ip), h->addr, &h->v6) || is_unknown(h))
		finish(h, DNS_NONE, "", "");
	else if ((known = dns_hosts_name(d, h->addr, h->v6)) != NULL)
		finish(h, DNS_FOUND, known, known);
	else if (is_loopback(h))
		finish(h, DNS_FOUND, "localhost", "localhost");
	else if (!dns_reverse_name(h->addr, h->v6, NULL, h->query.name))
		finish(h, DNS_NONE, "", "");
	return go_on(h);
}

void client_host_cancel(struct client_host *h)
{
	dns_cancel(&h->query);
}
