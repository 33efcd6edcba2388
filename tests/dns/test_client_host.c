/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dns: the name of a client, from the answers of a zone that stands here. The resolver's calls are
 * wrapped (meson.build): each row is asked once with answers at hand, once with answers that come.
 */
#include "dns/client_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/ip.h"
#include "tests/t.h"

#define DUE   UINT64_C(77)
#define AGAIN UINT64_C(1000) /* and one more for each record of the row */

/* "PTR", "A" or "AAAA", the name asked for, and the answer: names or addresses, or "none", "temp",
 * "timeout", "limit". What is not there must not be asked for. */
struct record {
	const char *type, *name, *answer;
};

static const struct row {
	const char *what, *ip;
	struct record zone[9];
	const char *want; /* status, name, checked, question, record that says when to try again */
} rows[] = {
	{ "confirmed",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "mx.example" }, { "A", "mx.example", "192.0.2.1" } },
	  "found name=mx.example checked=mx.example" },
	{ "the address is the last of several",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "mx.example" },
	    { "A", "mx.example", "10.0.0.1 10.0.0.2 192.0.2.1" } },
	  "found name=mx.example checked=mx.example" },
	{ "no address is the client's",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "mx.example" },
	    { "A", "mx.example", "192.0.2.2 193.0.2.1" } },
	  "no such name name=mx.example checked=_SPOOFED_" },
	{ "all but the last bit",
	  "2001:db8::1",
	  { { "PTR", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	      "mx.example" },
	    { "AAAA", "mx.example", "2001:db8:: 2001:db8::3" } },
	  "no such name name=mx.example checked=_SPOOFED_" },
	{ "IPv6",
	  "2001:db8::1",
	  { { "PTR", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	      "mx.example" },
	    { "AAAA", "mx.example", "2001:db8::1" } },
	  "found name=mx.example checked=mx.example" },
	{ "no name",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "none" } },
	  "no such name name= checked=" },
	{ "a name without an address",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "mx.example" }, { "A", "mx.example", "none" } },
	  "no such name name=mx.example checked=" },
	{ "the second name is confirmed",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "a.example b.example c.example" },
	    { "A", "a.example", "none" },
	    { "A", "b.example", "192.0.2.1" } },
	  "found name=b.example checked=b.example" },
	{ "none of three is: the first is the name",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "a.example b.example c.example" },
	    { "A", "a.example", "none" },
	    { "A", "b.example", "192.0.2.9" },
	    { "A", "c.example", "none" } },
	  "no such name name=a.example checked=_SPOOFED_" },
	{ "eight names, the last is confirmed",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "a b c d e f g h" },
	    { "A", "a", "none" },
	    { "A", "b", "none" },
	    { "A", "c", "none" },
	    { "A", "d", "none" },
	    { "A", "e", "none" },
	    { "A", "f", "none" },
	    { "A", "g", "none" },
	    { "A", "h", "192.0.2.1" } },
	  "found name=h checked=h" },
	/* what could not be asked is neither "no name" nor "spoofed" */
	{ "PTR fails",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "temp" } },
	  "server failure name= checked= question=1.2.0.192.in-addr.arpa again=0" },
	{ "PTR in no time",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "timeout" } },
	  "timed out name= checked= question=1.2.0.192.in-addr.arpa again=0" },
	{ "PTR not asked",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "limit" } },
	  "too many questions name= checked= question=1.2.0.192.in-addr.arpa again=0" },
	{ "the address fails",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "mx.example" }, { "A", "mx.example", "temp" } },
	  "server failure name=mx.example checked= question=mx.example again=1" },
	{ "one fails, another has other addresses",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "a.example b.example" },
	    { "A", "a.example", "192.0.2.2" },
	    { "A", "b.example", "timeout" } },
	  "timed out name=a.example checked= question=b.example again=2" },
	{ "two fail: the first is told",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "a.example b.example c.example" },
	    { "A", "a.example", "timeout" },
	    { "A", "b.example", "temp" },
	    { "A", "c.example", "none" } },
	  "timed out name=a.example checked= question=a.example again=1" },
	{ "one fails, the next is confirmed",
	  "192.0.2.1",
	  { { "PTR", "1.2.0.192.in-addr.arpa", "a.example b.example" },
	    { "A", "a.example", "temp" },
	    { "A", "b.example", "192.0.2.1" } },
	  "found name=b.example checked=b.example" },
	/* nothing to ask */
	{ "of the hosts file", "10.1.1.1", { { 0 } }, "found name=relay.here checked=relay.here" },
	{ "of the hosts file, IPv6", "fd00::1", { { 0 } }, "found name=six.here checked=six.here" },
	{ "a loopback address with a name of its own",
	  "127.0.0.9",
	  { { 0 } },
	  "found name=nine.here checked=nine.here" },
	{ "this host", "127.0.0.1", { { 0 } }, "found name=localhost checked=localhost" },
	{ "all of 127", "127.255.1.2", { { 0 } }, "found name=localhost checked=localhost" },
	{ "this host, IPv6", "::1", { { 0 } }, "found name=localhost checked=localhost" },
	{ "noted nothing", "0.0.0.0", { { 0 } }, "no such name name= checked=" },
	{ "noted nothing, IPv6", "::", { { 0 } }, "no such name name= checked=" },
	{ "no address", "unknown", { { 0 } }, "no such name name= checked=" },
	{ "nothing", "", { { 0 } }, "no such name name= checked=" },
	{ "begins like nothing",
	  "0.0.0.1",
	  { { "PTR", "1.0.0.0.in-addr.arpa", "none" } },
	  "no such name name= checked=" },
	{ "after this network",
	  "128.0.0.1",
	  { { "PTR", "1.0.0.128.in-addr.arpa", "none" } },
	  "no such name name= checked=" },
	{ "after this host, IPv6",
	  "::2",
	  { { "PTR", "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
	      "none" } },
	  "no such name name= checked=" },
};

/* --- the resolver --- */

static struct {
	const struct row *row;
	bool later;                /* answers come, they are not at hand */
	struct dns_query *waiting; /* for @answer */
	struct dns_answer *answer;
	unsigned asked, wrong;
} zone;

#define RESOLVER ((struct dns *)&zone) /* handed through, not looked into */

const struct dns_answer *__wrap_dns_ask(struct dns *d, struct dns_query *q);
void __wrap_dns_cancel(struct dns_query *q);
const char *__wrap_dns_hosts_name(const struct dns *d, const uint8_t *addr, bool v6);

/* As answer.c packs them: names one after the other, addresses in places of 16 bytes. */
static void add(struct dns_answer *a, enum dns_type type, struct bytes word)
{
	char *to = a->data;
	bool v6;

	if (type != DNS_PTR) {
		if (!ip_parse(word, (uint8_t *)to + (size_t)16 * a->n++, &v6))
			abort();
		return;
	}
	for (unsigned i = 0; i < a->n; i++)
		to += strlen(to) + 1;
	memcpy(to, word.p, word.n);
	a->n++;
}

static struct dns_answer *answer_of(const struct record *r, enum dns_type type, uint64_t until_ns)
{
	static const struct {
		const char *word;
		enum dns_status status;
	} fails[] = { { "none", DNS_NONE },
		      { "temp", DNS_TEMP },
		      { "timeout", DNS_TIMEOUT },
		      { "limit", DNS_LIMIT } };
	struct dns_answer *a = calloc(1, sizeof(*a) + 600);
	struct bytes rest = bytes_str(r->answer), word;

	if (a == NULL)
		abort();
	a->until_ns = until_ns;
	for (size_t i = 0; i < ARRAY_LEN(fails); i++)
		if (strcmp(r->answer, fails[i].word) == 0)
			a->status = fails[i].status;
	while (a->status == DNS_FOUND && bytes_next_word(&rest, &word))
		add(a, type, word);
	return a;
}

const struct dns_answer *__wrap_dns_ask(struct dns *d, struct dns_query *q)
{
	static const char *const words[] = {
		[DNS_A] = "A", [DNS_AAAA] = "AAAA", [DNS_PTR] = "PTR"
	};
	static struct dns_answer nothing = { .status = DNS_TEMP };

	free(TAKE(zone.answer));
	zone.asked++;
	for (unsigned i = 0; i < ARRAY_LEN(zone.row->zone); i++) {
		const struct record *r = &zone.row->zone[i];

		if (r->type == NULL || strcmp(r->type, words[q->type]) != 0 ||
		    strcmp(r->name, q->name) != 0)
			continue;
		zone.answer = answer_of(r, q->type, AGAIN + i);
		zone.wrong += q->due_ns != DUE || d != RESOLVER;
		if (!zone.later)
			return zone.answer;
		zone.waiting = q;
		return NULL;
	}
	printf("# asked for %s %s\n", words[q->type], q->name);
	zone.wrong++;
	return &nothing;
}

void __wrap_dns_cancel(struct dns_query *q)
{
	if (zone.waiting == q)
		zone.waiting = NULL;
}

const char *__wrap_dns_hosts_name(const struct dns *d UNUSED, const uint8_t *addr, bool v6)
{
	static const struct {
		const char *ip, *name;
	} lines[] = { { "10.1.1.1", "relay.here" },
		      { "fd00::1", "six.here" },
		      { "127.0.0.9", "nine.here" } };
	uint8_t ours[16];
	bool ours_v6;

	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (ip_parse(bytes_str(lines[i].ip), ours, &ours_v6) && ours_v6 == v6 &&
		    memcmp(ours, addr, v6 ? 16 : 4) == 0)
			return lines[i].name;
	return NULL;
}

/* --- the rows --- */

static unsigned told;

static void done(struct client_host *h UNUSED)
{
	told++;
}

static void begin(struct client_host *h, const struct row *row, bool later)
{
	zone.row = row;
	zone.later = later;
	zone.waiting = NULL;
	zone.asked = zone.wrong = told = 0;
	memset(h, 0xa5, sizeof(*h)); /* whoever asks need not have cleared it */
	h->done = done;
}

static void describe(const struct client_host *h, char *out, size_t size)
{
	int n = snprintf(out, size, "%s name=%s checked=%s", dns_status_name(h->status), h->name,
			 h->checked);

	if (h->question[0] != '\0' && h->status != DNS_FOUND)
		(void)snprintf(out + n, size - (size_t)n, " question=%s again=%d", h->question,
			       (int)((int64_t)h->again_ns - (int64_t)AGAIN));
}

static void test_rows(bool later)
{
	static struct client_host h;
	char got[700];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned asks = 0;
		bool now;

		while (asks < ARRAY_LEN(rows[i].zone) && rows[i].zone[asks].type != NULL)
			asks++;
		begin(&h, &rows[i], later);
		now = client_host_find(&h, RESOLVER, rows[i].ip, DUE);
		while (zone.waiting != NULL)
			TAKE(zone.waiting)->done(&h.query, zone.answer);
		describe(&h, got, sizeof(got));
		T_OK(strcmp(got, rows[i].want) == 0, "%s: %s", rows[i].what, got);
		T_OK(zone.wrong == 0 && zone.asked == asks, "%s: %u questions", rows[i].what,
		     zone.asked);
		T_OK(now == (asks == 0 || !later) && told == !now, "%s: told %s", rows[i].what,
		     later ? "later" : "at once");
	}
}

static void test_cancel(void)
{
	static struct client_host h;

	begin(&h, &rows[0], true);
	T_OK(!client_host_find(&h, RESOLVER, rows[0].ip, DUE) && zone.waiting == &h.query, "waits");
	client_host_cancel(&h);
	T_OK(zone.waiting == NULL && told == 0, "and does not, once cancelled");
}

int main(void)
{
	test_rows(false);
	test_rows(true);
	test_cancel();
	free(zone.answer);
	return t_done();
}
