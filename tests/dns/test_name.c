/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns: names of hosts, names of addresses in reverse, lists of servers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/ip.h"
#include "conf/servers.h"
#include "core/bytes.h"
#include "dns/dns.h"
#include "dns/hosts.h"
#include "tests/t.h"

#define L63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define L61 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi"

static const struct {
	const char *name, *want; /* NULL: no host name */
} hosts[] = {
	{ "mx.example", "mx.example" },
	{ "MX.Example", "mx.example" },
	{ "mx.example.", "mx.example" },
	{ "mx.example..", NULL },
	{ "localhost", "localhost" },
	{ "a", "a" },
	{ "_srv.example", "_srv.example" },
	{ "a--b.example", "a--b.example" },
	{ "xn--bcher-kva.example", "xn--bcher-kva.example" },
	{ "1-2-3-4.dyn.example", "1-2-3-4.dyn.example" },
	{ "7.example", "7.example" },
	{ "example.7up", "example.7up" },
	{ "", NULL },
	{ ".", NULL },
	{ ".example", NULL },
	{ "a..example", NULL },
	{ "192.0.2.1", NULL },
	{ "mx.example.1", NULL },
	{ "1", NULL },
	{ "a b.example", NULL },
	{ "a\tb.example", NULL },
	{ "a\nb.example", NULL },
	{ "a\001b.example", NULL },
	{ "a\\032b.example", NULL },
	{ "a\\.b.example", NULL },
	{ "b\303\274cher.example", NULL },
	{ "a/b.example", NULL },
	{ "a:b.example", NULL },
	{ "a@b.example", NULL },
	{ "*.example", NULL },
	{ "a%n.example", NULL },
	{ "\"a\".example", NULL },
	{ "<script>.example", NULL },
	{ L63 ".example", L63 ".example" },
	{ L63 "x.example", NULL },
	{ L63 "." L63 "." L63 "." L61, L63 "." L63 "." L63 "." L61 },
	{ L63 "." L63 "." L63 "." L61 ".", L63 "." L63 "." L63 "." L61 },
	{ L63 "." L63 "." L63 "." L61 "x", NULL },
};

static const struct {
	const char *ip, *zone, *want;
} reversed[] = {
	{ "192.0.2.1", NULL, "1.2.0.192.in-addr.arpa" },
	{ "255.255.255.255", NULL, "255.255.255.255.in-addr.arpa" },
	{ "0.0.0.0", NULL, "0.0.0.0.in-addr.arpa" },
	{ "192.0.2.99", "dnsbl.example", "99.2.0.192.dnsbl.example" },
	{ "::ffff:192.0.2.1", NULL, "1.2.0.192.in-addr.arpa" },
	{ "2001:db8::567:89ab", NULL,
	  "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa" },
	{ "::1", "l.example",
	  "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.l.example" },
	{ "2001:db8::1", L63 "." L63 "." L63, NULL }, /* 64 + 191 characters */
	{ "192.0.2.1", L63 "." L63 "." L63, "1.2.0.192." L63 "." L63 "." L63 },
};

static const struct {
	const char *text;
	int want;         /* how many, or a negative errno */
	const char *last; /* address of the last one */
	unsigned port;
} servers[] = {
	{ "", 0, NULL, 0 },
	{ " , ", 0, NULL, 0 },
	{ "192.0.2.53", 1, "192.0.2.53", 53 },
	{ "192.0.2.53:5353", 1, "192.0.2.53", 5353 },
	{ "2001:db8::53", 1, "2001:db8::53", 53 },
	{ "[2001:db8::53]", 1, "2001:db8::53", 53 },
	{ "[2001:db8::53]:5353", 1, "2001:db8::53", 5353 },
	{ "[192.0.2.53]:5353", 1, "192.0.2.53", 5353 },
	{ "192.0.2.1 192.0.2.2", 2, "192.0.2.2", 53 },
	{ "192.0.2.1,192.0.2.2:65535", 2, "192.0.2.2", 65535 },
	{ "\t192.0.2.1 ,\t::1", 2, "::1", 53 },
	{ "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 1.1.1.8", 8, "1.1.1.8", 53 },
	{ "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 1.1.1.8 1.1.1.9", -E2BIG, NULL,
	  0 },
	{ "ns.example", -EINVAL, NULL, 0 },
	{ "192.0.2.53:", -EINVAL, NULL, 0 },
	{ "192.0.2.53:0", -EINVAL, NULL, 0 },
	{ "192.0.2.53:65536", -EINVAL, NULL, 0 },
	{ "192.0.2.53:x", -EINVAL, NULL, 0 },
	{ "192.0.2", -EINVAL, NULL, 0 },
	{ "[2001:db8::53", -EINVAL, NULL, 0 },
	{ "[2001:db8::53]x", -EINVAL, NULL, 0 },
	{ "[2001:db8::53]:", -EINVAL, NULL, 0 },
	{ "192.0.2.1 oops", -EINVAL, NULL, 0 },
};

static void test_hosts(void)
{
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		char out[DNS_NAME_MAX + 1] = "unchanged";
		bool ok = dns_host_name(hosts[i].name, out);

		T_OK(ok == (hosts[i].want != NULL) &&
			     strcmp(out, hosts[i].want == NULL ? "unchanged" : hosts[i].want) == 0,
		     "host %zu: %.40s", i, hosts[i].want == NULL ? "(none)" : hosts[i].want);
	}
}

static void test_reversed(void)
{
	for (size_t i = 0; i < ARRAY_LEN(reversed); i++) {
		char out[DNS_NAME_MAX + 1] = "";
		uint8_t addr[16];
		bool v6, ok;

		ok = ip_parse(bytes_str(reversed[i].ip), addr, &v6) &&
		     dns_reverse_name(addr, v6, reversed[i].zone, out);
		T_OK(ok == (reversed[i].want != NULL) &&
			     strcmp(out, reversed[i].want == NULL ? "" : reversed[i].want) == 0,
		     "%s in reverse: %.40s", reversed[i].ip, out);
	}
}

static void test_servers(void)
{
	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		struct server list[SERVERS_MAX];
		struct err err = { .text = "" };
		int n = servers_parse(servers[i].text, list, &err);
		uint8_t addr[16] = { 0 };
		bool v6 = false;

		T_OK(n == servers[i].want, "'%s': %d", servers[i].text, n);
		if (n < 0)
			T_OK(err.kind == ERR_CONFIG && err.text[0] != '\0', "  says why: %s",
			     err.text);
		if (n > 0)
			T_OK(ip_parse(bytes_str(servers[i].last), addr, &v6) &&
				     list[n - 1].v6 == v6 &&
				     memcmp(list[n - 1].addr, addr, v6 ? 16 : 4) == 0 &&
				     list[n - 1].port == servers[i].port,
			     "  the last is %s port %u", servers[i].last, servers[i].port);
	}
}

static const char hosts_file[] = "# a comment\n"
				 "127.0.0.1\tlocalhost loopback\n"
				 "  192.0.2.1   Hub.Example.  hub # the hub\r\n"
				 "192.0.2.1 second.example\n"
				 "192.0.2.2 # no name\n"
				 "192.0.2.3\n"
				 "192.0.2.4 bad/name good.example\n"
				 "192.0.2 net.example\n"
				 "oops x.example\n"
				 "2001:DB8::1 six.example\n"
				 "::ffff:192.0.2.5 mapped.example\n"
				 "192.0.2.7 shut.example# the comment begins in the word\n"
				 "#192.0.2.8 off.example\n"
				 "192.0.2.9 #off.example\n"
				 "192.0.2.6 last.example";

static const struct {
	const char *ip, *want;
} in_hosts[] = {
	{ "127.0.0.1", "localhost" },
	{ "192.0.2.1", "hub.example" },
	{ "192.0.2.2", NULL },
	{ "192.0.2.3", NULL },
	{ "192.0.2.4", NULL },
	{ "192.0.2.0", NULL },
	{ "2001:db8::1", "six.example" },
	{ "2001:db8::2", NULL },
	{ "192.0.2.5", "mapped.example" },
	{ "192.0.2.6", "last.example" },
	{ "192.0.2.7", "shut.example" },
	{ "192.0.2.8", NULL },
	{ "192.0.2.9", NULL },
	{ "::", NULL },
	{ "0.0.0.0", NULL },
};

static void test_hosts_file(void)
{
	struct hosts h;
	uint8_t addr[16];
	bool v6;

	if (hosts_read(&h, bytes_str(hosts_file)) < 0)
		abort();
	for (size_t i = 0; i < ARRAY_LEN(in_hosts); i++) {
		const char *name = ip_parse(bytes_str(in_hosts[i].ip), addr, &v6)
					   ? hosts_name(&h, addr, v6)
					   : "?";

		T_OK(in_hosts[i].want == NULL ? name == NULL
					      : name != NULL && strcmp(name, in_hosts[i].want) == 0,
		     "hosts file: %s is %s", in_hosts[i].ip, name == NULL ? "unknown" : name);
	}
	T_OK(h.n == 6, "one name for each address");
	hosts_fini(&h);
	T_OK(hosts_read(&h, BYTES("")) == 0 && hosts_name(&h, addr, false) == NULL, "empty");
	hosts_fini(&h);
}

/* Whatever a line holds: names of hosts come out, and no more lines than are looked at. */
static void test_odd_hosts_file(void)
{
	static const char nul[] = "192.0.2.1 a\0b.example\n192.0.2.2 two.example\n";
	static const uint8_t one[4] = { 192, 0, 2, 1 }, two[4] = { 192, 0, 2, 2 };
	static char text[600 + HOSTS_LINES_MAX];
	struct hosts h;
	int n;

	if (hosts_read(&h, bytes_of(nul, sizeof(nul) - 1)) < 0)
		abort();
	T_OK(hosts_name(&h, one, false) == NULL && hosts_name(&h, two, false) != NULL,
	     "a name with a zero byte is none");
	hosts_fini(&h);
	n = snprintf(text, sizeof(text), "192.0.2.1 %0300d\n192.0.2.2 two.example\n", 7);
	if (hosts_read(&h, bytes_of(text, (size_t)n)) < 0)
		abort();
	T_OK(h.n == 1 && hosts_name(&h, two, false) != NULL, "nor is one of 300 characters");
	hosts_fini(&h);
	for (unsigned more = 0; more < 2; more++) {
		memset(text, '\n', HOSTS_LINES_MAX);
		n = snprintf(text + HOSTS_LINES_MAX - 1 + more, 100, "192.0.2.2 two.example\n");
		if (hosts_read(&h, bytes_of(text, HOSTS_LINES_MAX - 1 + more + (size_t)n)) < 0)
			abort();
		T_OK(h.n == 1 - more, "line %u %s", HOSTS_LINES_MAX + more,
		     more == 0 ? "counts" : "does not");
		hosts_fini(&h);
	}
}

int main(void)
{
	test_hosts();
	test_reversed();
	test_servers();
	test_hosts_file();
	test_odd_hosts_file();
	return t_done();
}
