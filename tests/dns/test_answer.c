/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns: what is read from the bytes of an answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/num.h"
#include "core/str.h"
#include "dns/internal.h"
#include "tests/dns/wire.h"
#include "tests/t.h"

enum { A = 1, NS = 2, CNAME = 5, PTR = 12, AAAA = 28 };

#define Q "1.2.0.192.in-addr.arpa"

/*
 * The answer as words: "PTR owner target", "CNAME owner target", "A owner n" (192.0.2.n), "AAAA
 * owner n" (2001:db8::n), "SOA zone ttl minimum"; "!" in front: in the authority section. TTL is
 * 600 for the first record and 100 more for each further one.
 */
static const struct {
	const char *name;
	enum dns_type type;
	const char *records;
	const char *want; /* status, then names or last bytes of addresses, "+" for more; TTL */
} cases[] = {
	{ Q, DNS_PTR, "PTR " Q " mx.example", "found mx.example ttl 600" },
	{ Q, DNS_PTR, "PTR " Q " MX.Example", "found mx.example ttl 600" },
	{ Q, DNS_PTR, "PTR 1.2.0.192.IN-ADDR.ARPA mx.example", "found mx.example ttl 600" },
	{ Q, DNS_PTR, "PTR " Q " b.example|PTR " Q " a.example|PTR " Q " c.example",
	  "found a.example b.example c.example ttl 600" },
	{ Q, DNS_PTR, "PTR " Q " a.example|PTR " Q " a.example", "found a.example ttl 600" },
	{ Q, DNS_PTR, "PTR other.example mx.example", "no such name ttl 0" },
	{ Q, DNS_PTR, "A " Q " 7", "no such name ttl 0" },
	{ Q, DNS_PTR, "", "no such name ttl 0" },
	{ Q, DNS_PTR, "!SOA 2.0.192.in-addr.arpa 900 300", "no such name ttl 300" },
	{ Q, DNS_PTR, "!SOA 2.0.192.in-addr.arpa 200 300", "no such name ttl 200" },
	{ Q, DNS_PTR, "!PTR 2.0.192.in-addr.arpa a-name-longer-than-a-soa.example",
	  "no such name ttl 0" },
	{ Q, DNS_PTR,
	  "CNAME " Q " 1.0-25.2.0.192.in-addr.arpa|PTR 1.0-25.2.0.192.in-addr.arpa mx.example",
	  "found mx.example ttl 600" },
	{ Q, DNS_PTR, "PTR x.example mx.example|CNAME " Q " x.example",
	  "found mx.example ttl 600" },
	{ Q, DNS_PTR, "CNAME " Q " x.example", "no such name ttl 0" },
	{ Q, DNS_PTR, "CNAME " Q " " Q, "server failure ttl 0" },
	{ Q, DNS_PTR, "CNAME " Q " x.example|CNAME x.example " Q, "server failure ttl 0" },
	{ "a", DNS_A,
	  "CNAME a b|CNAME b c|CNAME c d|CNAME d e|CNAME e f|CNAME f g|CNAME g h|CNAME h i|A i 7",
	  "found 7 ttl 600" },
	{ "a", DNS_A,
	  "CNAME a b|CNAME b c|CNAME c d|CNAME d e|CNAME e f|CNAME f g|CNAME g h|CNAME h i|CNAME i "
	  "j|A j 7",
	  "server failure ttl 0" },
	/* names that are none */
	{ Q, DNS_PTR, "PTR " Q " .", "no such name ttl 0" },
	{ Q, DNS_PTR, "PTR " Q " a_b.example", "found a_b.example ttl 600" },
	{ Q, DNS_PTR, "PTR " Q " a\001b.example", "no such name ttl 0" },
	{ Q, DNS_PTR, "PTR " Q " a\\b.example", "no such name ttl 0" },
	{ Q, DNS_PTR, "PTR " Q " \377\376.example", "no such name ttl 0" },
	{ Q, DNS_PTR, "PTR " Q " 192.0.2.1", "no such name ttl 0" },
	{ Q, DNS_PTR, "PTR " Q " <b>.example|PTR " Q " mx.example", "found mx.example ttl 600" },
	/* addresses */
	{ "mx.example", DNS_A, "A mx.example 9|A mx.example 3", "found 3 9 ttl 600" },
	{ "mx.example", DNS_A, "A MX.EXAMPLE 9", "found 9 ttl 600" },
	{ "mx.example", DNS_A, "AAAA mx.example 9", "no such name ttl 0" },
	{ "mx.example", DNS_A, "A x.mx.example 9", "no such name ttl 0" },
	{ "mx.example", DNS_AAAA, "AAAA mx.example 9", "found 9 ttl 600" },
	{ "mx.example", DNS_AAAA, "A mx.example 9|AAAA mx.example 1", "found 1 ttl 700" },
	{ "mx.example", DNS_A, "!A mx.example 9", "no such name ttl 0" },
};

static unsigned number(struct bytes word)
{
	uint64_t v;

	if (num_parse(word, 10, UINT32_MAX, &v) < 0)
		abort();
	return (unsigned)v;
}

static void add_address(struct wire *w, bool v6, const char *owner, unsigned ttl_s, unsigned last)
{
	uint8_t a[4] = { 192, 0, 2, (uint8_t)last };
	uint8_t aaaa[16] = { 0x20, 1, 0xd, 0xb8, [15] = (uint8_t)last };

	if (v6)
		wire_bytes(w, owner, AAAA, ttl_s, aaaa, sizeof(aaaa));
	else
		wire_bytes(w, owner, A, ttl_s, a, sizeof(a));
}

static void add(struct wire *w, char *text, unsigned ttl_s)
{
	char *save = NULL, *type = strtok_r(text, " ", &save), *owner = strtok_r(NULL, " ", &save);
	struct bytes rest = bytes_str(save), word;

	if (strcmp(type, "PTR") == 0 || strcmp(type, "CNAME") == 0) {
		wire_to_name(w, owner, type[0] == 'P' ? PTR : CNAME, ttl_s, save);
		return;
	}
	if (!bytes_next_word(&rest, &word))
		abort();
	if (strcmp(type, "SOA") == 0)
		wire_soa(w, owner, number(word), number(bytes_trim(rest)));
	else
		add_address(w, strcmp(type, "AAAA") == 0, owner, ttl_s, number(word));
}

static void build(struct wire *w, const char *name, enum dns_type type, const char *records)
{
	static const unsigned wire_type[] = { [DNS_A] = A, [DNS_AAAA] = AAAA, [DNS_PTR] = PTR };
	unsigned ttl_s = 600, n[2] = { 0, 0 };
	char copy[600], *save = NULL;

	wire_begin(w, name, wire_type[type], 0, 0);
	(void)snprintf(copy, sizeof(copy), "%s", records);
	for (char *r = strtok_r(copy, "|", &save); r != NULL; r = strtok_r(NULL, "|", &save)) {
		n[r[0] == '!']++;
		add(w, r + (r[0] == '!'), ttl_s);
		ttl_s += 100;
	}
	w->p[7] = (uint8_t)n[0];
	w->p[9] = (uint8_t)n[1];
}

static void describe(const struct dns_answer *a, enum dns_type type, uint32_t ttl_s,
		     struct str *out)
{
	str_add(out, dns_status_name(a->status));
	for (unsigned i = 0; i < a->n; i++) {
		if (type == DNS_PTR)
			str_addf(out, " %s", dns_answer_name(a, i));
		else
			str_addf(out, " %u", dns_answer_addr(a, i)[type == DNS_A ? 3 : 15]);
	}
	str_addf(out, "%s ttl %u", a->more ? " +" : "", ttl_s);
}

static bool reads(struct wire *w, enum dns_type type, const char *name, const char *want)
{
	AUTO(str_fini) struct str got;
	uint8_t *exact = malloc(w->n); /* the sanitizer sees a byte too far */
	struct dns_answer *a;
	uint32_t ttl_s = 1;
	bool same;

	str_init(&got, 8192);
	if (exact == NULL)
		abort();
	memcpy(exact, w->p, w->n);
	a = answer_read(type, name, bytes_of(exact, w->n), &ttl_s);
	describe(a, type, ttl_s, &got);
	same = strcmp(str_view(&got), want) == 0;
	if (!same)
		printf("# got: %s\n", str_view(&got));
	free(a);
	free(exact);
	return same;
}

static void test_cases(void)
{
	static struct wire w;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		build(&w, cases[i].name, cases[i].type, cases[i].records);
		T_OK(reads(&w, cases[i].type, cases[i].name, cases[i].want), "%zu: %s", i,
		     cases[i].want);
	}
}

/* A hundred names, in any order: the same eight are looked at. */
static void test_many_names(void)
{
	static struct wire w;
	char name[32];

	for (unsigned order = 0; order < 3; order++) {
		wire_begin(&w, Q, PTR, 100, 0);
		for (unsigned i = 0; i < 100; i++) {
			(void)snprintf(name, sizeof(name), "h%02u.example",
				       (i * 37 + order * 11) % 100);
			wire_to_name(&w, Q, PTR, 60, name);
		}
		T_OK(reads(&w, DNS_PTR, Q,
			   "found h00.example h01.example h02.example h03.example h04.example "
			   "h05.example h06.example h07.example + ttl 60"),
		     "of 100 names the first eight");
	}
}

static void test_many_addresses(void)
{
	static struct wire w;
	uint8_t addr[4] = { 192, 0, 2 };
	struct dns_answer *a;
	uint32_t ttl_s;

	wire_begin(&w, "a.example", A, 200, 0);
	for (unsigned i = 0; i < 200; i++) {
		addr[3] = (uint8_t)(199 - i);
		wire_bytes(&w, "a.example", A, 60, addr, 4);
	}
	a = answer_read(DNS_A, "a.example", bytes_of(w.p, w.n), &ttl_s);
	T_OK(a->status == DNS_FOUND && a->n == DNS_ADDRS_MAX && a->more &&
		     dns_answer_addr(a, 0)[3] == 0 && dns_answer_addr(a, 63)[3] == 63,
	     "of 200 addresses the lowest 64");
	free(a);
}

/* Behind @skip records of another name come @type "a.example" and its data. */
static void begin_late(struct wire *w, unsigned skip)
{
	static const uint8_t addr[4] = { 192, 0, 2, 1 };

	wire_begin(w, "a.example", A, skip + 1, 0);
	for (unsigned i = 0; i < skip; i++)
		wire_bytes(w, "b.example", A, 60, addr, 4);
}

static void test_last_record(void)
{
	static const uint8_t addr[4] = { 192, 0, 2, 9 };
	static struct wire w;

	begin_late(&w, ANSWER_RECORDS - 1);
	wire_bytes(&w, "a.example", A, 60, addr, 4);
	T_OK(reads(&w, DNS_A, "a.example", "found 9 ttl 60"), "the 256th record counts");
	begin_late(&w, ANSWER_RECORDS);
	wire_bytes(&w, "a.example", A, 60, addr, 4);
	T_OK(reads(&w, DNS_A, "a.example", "no such name ttl 0"), "the 257th does not");

	begin_late(&w, ANSWER_RECORDS - 1);
	wire_to_name(&w, "a.example", CNAME, 60, "b.example");
	T_OK(reads(&w, DNS_A, "a.example", "found 1 ttl 60"), "a CNAME as the 256th record");
	begin_late(&w, ANSWER_RECORDS);
	wire_to_name(&w, "a.example", CNAME, 60, "b.example");
	T_OK(reads(&w, DNS_A, "a.example", "no such name ttl 0"), "a CNAME as the 257th");

	begin_late(&w, ANSWER_RECORDS - 2);
	w.p[9] = 1;
	wire_bytes(&w, "b.example", A, 60, addr, 4);
	wire_soa(&w, "example", 900, 300);
	T_OK(reads(&w, DNS_A, "a.example", "no such name ttl 300"), "SOA as the 256th record");
	begin_late(&w, ANSWER_RECORDS - 1);
	w.p[9] = 1;
	wire_bytes(&w, "b.example", A, 60, addr, 4);
	wire_soa(&w, "example", 900, 300);
	T_OK(reads(&w, DNS_A, "a.example", "no such name ttl 0"), "SOA as the 257th");

	wire_begin(&w, "a.example", A, ANSWER_RECORDS + 1, 0);
	wire_bytes(&w, "a.example", A, 60, addr, 4);
	for (unsigned i = 0; i < ANSWER_RECORDS; i++)
		wire_bytes(&w, "b.example", A, 60, addr, 4);
	T_OK(reads(&w, DNS_A, "a.example", "found 9 + ttl 60"), "what was not read may say more");
}

/* Class @class instead of IN in the record whose data begins at @data. */
static void set_class(struct wire *w, size_t data, unsigned class)
{
	w->p[data - 8] = (uint8_t)(class >> 8);
	w->p[data - 7] = (uint8_t) class;
}

static void test_class(void)
{
	static const uint8_t addr[4] = { 192, 0, 2, 9 };
	static struct wire w;
	size_t at;

	for (unsigned class = 1; class <= 3; class += 2) {
		const char *what = class == 1 ? "IN" : "CH, not IN";

		wire_begin(&w, "a.example", A, 1, 0);
		at = wire_record(&w, "a.example", A, 60);
		memcpy(w.p + w.n, addr, 4);
		w.n += 4;
		wire_end(&w, at);
		set_class(&w, at, class);
		T_OK(reads(&w, DNS_A, "a.example",
			   class == 1 ? "found 9 ttl 60" : "no such name ttl 0"),
		     "an address of class %s", what);

		wire_begin(&w, "a.example", A, 2, 0);
		at = wire_record(&w, "a.example", CNAME, 60);
		wire_name(&w, "b.example");
		wire_end(&w, at);
		set_class(&w, at, class);
		wire_bytes(&w, "b.example", A, 60, addr, 4);
		T_OK(reads(&w, DNS_A, "a.example",
			   class == 1 ? "found 9 ttl 60" : "no such name ttl 0"),
		     "a CNAME of class %s", what);

		wire_begin(&w, "a.example", A, 0, 1);
		at = w.n + 1 + strlen("example") + 1 + 10;
		wire_soa(&w, "example", 900, 300);
		set_class(&w, at, class);
		T_OK(reads(&w, DNS_A, "a.example",
			   class == 1 ? "no such name ttl 300" : "no such name ttl 0"),
		     "a SOA of class %s", what);
	}
}

/* A CNAME's target, written with escapes, is longer than a name may be. */
static void test_long_target(void)
{
	static struct wire w;
	char name[256];

	memset(name, 0xff, sizeof(name));
	name[60] = name[120] = name[180] = '.';
	name[240] = '\0';
	wire_begin(&w, Q, PTR, 1, 0);
	wire_to_name(&w, Q, CNAME, 60, name);
	T_OK(reads(&w, DNS_PTR, Q, "server failure ttl 0"), "a CNAME to a name that is too long");

	for (size_t length = DNS_NAME_MAX; length <= DNS_NAME_MAX + 1; length++) {
		memset(name, 'a', sizeof(name));
		name[63] = name[127] = name[191] = '.';
		name[192] = (char)0xff; /* four characters of the text */
		name[length - 3] = '\0';
		wire_begin(&w, Q, PTR, 1, 0);
		wire_to_name(&w, Q, CNAME, 60, name);
		T_OK(reads(&w, DNS_PTR, Q,
			   length == DNS_NAME_MAX ? "no such name ttl 0" : "server failure ttl 0"),
		     "a CNAME to a name of %zu characters", length);
	}
}

static void test_short_soa(void)
{
	static struct wire w;
	static const uint8_t data[22] = { [20] = 1, [21] = 44 };

	wire_begin(&w, "a.example", A, 0, 1);
	wire_bytes(&w, "example", 6, 900, data, 22);
	T_OK(reads(&w, DNS_A, "a.example", "no such name ttl 300"), "the shortest SOA");
	wire_begin(&w, "a.example", A, 0, 1);
	wire_bytes(&w, "example", 6, 900, data + 1, 21);
	T_OK(reads(&w, DNS_A, "a.example", "no such name ttl 0"), "a SOA too short to be one");
}

/* Cut anywhere, a message is a failure or says less: never "no such name" where there was one. */
static void test_cut(void)
{
	static struct wire w, cut;
	unsigned bad = 0, n = 0;

	build(&w, Q, DNS_PTR, "CNAME " Q " x.example|PTR x.example mx.example");
	for (size_t end = 0; end < w.n; end++) {
		cut = w;
		cut.n = end == 0 ? 1 : end;
		bad += !reads(&cut, DNS_PTR, Q, "server failure ttl 0");
		n++;
	}
	T_OK(bad == 0, "%u cut messages are failures", n);
}

static void test_broken(void)
{
	static struct wire w;
	uint8_t addr[4] = { 192, 0, 2, 1 };
	size_t at;

	wire_begin(&w, Q, PTR, 1, 0);
	w.p[12] = 0xc0; /* the question's name points at itself */
	w.p[13] = 12;
	T_OK(reads(&w, DNS_PTR, Q, "server failure ttl 0"), "a name that points at itself");

	wire_begin(&w, Q, PTR, 1, 0);
	at = wire_record(&w, Q, PTR, 60);
	w.p[w.n++] = 0xc0;
	w.p[w.n++] = (uint8_t)at;
	wire_end(&w, at);
	T_OK(reads(&w, DNS_PTR, Q, "server failure ttl 0"), "data that points at itself");

	wire_begin(&w, Q, PTR, 1, 0);
	at = wire_record(&w, Q, PTR, 60);
	wire_name(&w, "mx.example");
	wire_16(&w, 0);
	wire_end(&w, at);
	T_OK(reads(&w, DNS_PTR, Q, "server failure ttl 0"), "a name shorter than its record");

	wire_begin(&w, Q, PTR, 2, 0);
	at = wire_record(&w, Q, CNAME, 60);
	wire_name(&w, "x.example");
	wire_16(&w, 0);
	wire_end(&w, at);
	wire_to_name(&w, "x.example", PTR, 60, "mx.example");
	T_OK(reads(&w, DNS_PTR, Q, "server failure ttl 0"), "a CNAME shorter than its record");

	for (unsigned type = CNAME; type <= PTR; type += PTR - CNAME) {
		wire_begin(&w, Q, PTR, 1, 0);
		wire_bytes(&w, Q, type, 60, addr, 0);
		T_OK(reads(&w, DNS_PTR, Q, "server failure ttl 0"), "type %u without data", type);
	}

	wire_begin(&w, "a.example", A, 1, 0);
	wire_bytes(&w, "a.example", A, 60, addr, 3);
	T_OK(reads(&w, DNS_A, "a.example", "server failure ttl 0"), "an address of three bytes");

	wire_begin(&w, "a.example", A, 2, 0);
	wire_bytes(&w, "a.example", A, 60, addr, 4);
	T_OK(reads(&w, DNS_A, "a.example", "server failure ttl 0"), "fewer records than it says");

	wire_begin(&w, "a.example", A, 1, 0);
	w.p[5] = 2;
	wire_bytes(&w, "a.example", A, 60, addr, 4);
	T_OK(reads(&w, DNS_A, "a.example", "server failure ttl 0"), "two questions");

	wire_begin(&w, "a.example", A, 1, 0);
	wire_bytes(&w, "a.example", A, 0x80000001, addr, 4);
	T_OK(reads(&w, DNS_A, "a.example", "found 1 ttl 0"), "a negative TTL is none");
}

int main(void)
{
	test_cases();
	test_many_names();
	test_many_addresses();
	test_last_record();
	test_class();
	test_long_target();
	test_short_soa();
	test_cut();
	test_broken();
	return t_done();
}
