/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf/dns_bench.c - what the name of a client costs: when nobody knows it yet (PTR, then A, from
 * a server of its own on loopback), and from the cache.
 *
 * dns_bench [CLIENTS [AT_ONCE]]: 8,000 clients, 128 at once. Processor time is that of the asking
 * thread, kernel included.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/num.h"
#include "dns/client_host.h"
#include "tests/dns/wire.h"

#define CLIENTS_MAX 1000000u
#define WARM_ROUNDS 20u

struct bench {
	struct loop *loop;
	struct dns *dns;
	struct slot {
		struct client_host host;
		struct bench *bench;
		bool busy;
	} * slots;
	unsigned n, at_once, begun, ended, wrong;
};

static void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "dns_bench: %s: %s\n", what, why);
	_exit(1);
}

/* --- the server: "cD-C-B-A.example" is the name of A.B.C.D --- */

/* Numbers in the labels from @p on, at most four; returns where the name ends. */
static const uint8_t *read_numbers(const uint8_t *p, uint8_t ret[4])
{
	unsigned n = 0;
	bool inside = false;

	for (; *p != 0; p += *p + 1u)
		for (unsigned i = 1; i <= *p; i++) {
			bool digit = ascii_is_digit(p[i]);

			if (digit && n < 4)
				ret[n] = (uint8_t)((inside ? ret[n] * 10 : 0) + p[i] - '0');
			else if (!digit && inside)
				n++;
			inside = digit;
			if (i == *p && inside) {
				n++;
				inside = false;
			}
		}
	return p;
}

static void answer(struct wire *out, const uint8_t *query)
{
	uint8_t v[4] = { 0 };
	const uint8_t *end = read_numbers(query + 12, v);
	size_t n = (size_t)(end - query) + 5, at;
	char name[64];

	memcpy(out->p, query, n);
	memcpy(out->p + 2, (const uint8_t[]){ 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0 }, 10);
	out->n = n;
	wire_16(out, 0xc00c);
	wire_16(out, end[2]);
	wire_16(out, 1);
	wire_16(out, 0);
	wire_16(out, 3600);
	wire_16(out, 0);
	at = out->n;
	if (end[2] == 12) {
		(void)snprintf(name, sizeof(name), "c%u-%u-%u-%u.example", v[0], v[1], v[2], v[3]);
		wire_name(out, name);
	} else {
		for (int i = 3; i >= 0; i--)
			out->p[out->n++] = v[i];
	}
	wire_end(out, at);
}

static void serve(int fd)
{
	static uint8_t query[4096];
	static struct wire out;

	for (;;) {
		struct sockaddr_in from;
		socklen_t from_n = sizeof(from);
		ssize_t n = recvfrom(fd, query, sizeof(query) - 1, 0, (struct sockaddr *)&from,
				     &from_n);

		if (n < 12)
			continue;
		query[n] = 0;
		answer(&out, query);
		(void)!sendto(fd, out.p, out.n, 0, (struct sockaddr *)&from, from_n);
	}
}

static pid_t start_server(char *ret_address, size_t size)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = 4 << 20;
	pid_t pid;

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		die("socket", "cannot be had on loopback");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	pid = fork();
	if (pid < 0)
		die("fork", "failed");
	if (pid == 0)
		serve(fd);
	(void)close(fd);
	(void)snprintf(ret_address, size, "127.0.0.1:%u", ntohs(a.sin_port));
	return pid;
}

/* --- the one who asks --- */

static void address_of(unsigned i, char ret[32])
{
	(void)snprintf(ret, 32, "10.%u.%u.%u", i >> 16 & 255, i >> 8 & 255, i & 255);
}

static void check(struct bench *b, const struct client_host *h)
{
	b->ended++;
	b->wrong += h->status != DNS_FOUND || strcmp(h->name, h->checked) != 0;
}

static void done(struct client_host *h)
{
	struct slot *s = CONTAINER_OF(h, struct slot, host);

	check(s->bench, h);
	s->busy = false;
}

static void begin(struct bench *b, struct slot *s)
{
	char ip[32];

	address_of(b->begun++, ip);
	s->bench = b;
	s->host.done = done;
	s->busy = !client_host_find(&s->host, b->dns, ip, 0);
	if (!s->busy)
		check(b, &s->host);
}

static void ask_all(struct bench *b)
{
	struct err err;

	b->begun = b->ended = 0;
	while (b->ended < b->n) {
		for (unsigned i = 0; i < b->at_once; i++)
			while (b->begun < b->n && !b->slots[i].busy)
				begin(b, &b->slots[i]);
		if (b->ended < b->n && loop_turn(b->loop, &err) < 0)
			die("loop", err.text);
	}
}

static void report(const struct bench *b, const char *what, unsigned rounds, uint64_t wall_ns,
		   uint64_t cpu_ns)
{
	double n = (double)b->n * rounds;

	(void)printf("%-10s %9.0f clients/s  %7.2f us of processor time each\n", what,
		     n * 1e9 / (double)wall_ns, (double)cpu_ns / 1000 / n);
}

static void measure(struct bench *b, const char *what, unsigned rounds)
{
	uint64_t wall = clock_now_ns(), cpu = clock_thread_cpu_ns();

	for (unsigned i = 0; i < rounds; i++)
		ask_all(b);
	report(b, what, rounds, clock_now_ns() - wall, clock_thread_cpu_ns() - cpu);
}

static unsigned argument(int argc, char **argv, int i, unsigned otherwise, unsigned max)
{
	uint64_t v = otherwise;

	if (i < argc && num_parse(bytes_str(argv[i]), 10, max, &v) < 0)
		die(argv[i], "is no number, or too large");
	return (unsigned)MAX_OF(v, 1u);
}

int main(int argc, char **argv)
{
	struct bench b = { .n = argument(argc, argv, 1, 8000, CLIENTS_MAX),
			   .at_once = argument(argc, argv, 2, 128, 65536) };
	char address[40];
	pid_t server = start_server(address, sizeof(address));
	struct dns_settings set = { .servers = address,
				    .timeout_ms = 10000,
				    .tries = 3,
				    .in_flight_max = 256,
				    .queued_max = 65536,
				    .cache_max = 2 * b.n + 1000 };
	struct dns_stats stats;
	struct err err;

	b.slots = calloc(b.at_once, sizeof(*b.slots));
	if (b.slots == NULL || loop_new(&b.loop, 256, &err) < 0 ||
	    dns_new(&b.dns, b.loop, &set, &err) < 0)
		die("start", b.slots == NULL ? "out of memory" : err.text);
	measure(&b, "unknown", 1);
	measure(&b, "cached", WARM_ROUNDS);
	dns_stats(b.dns, &stats);
	(void)printf("%u clients, %u at once: %llu questions to the server, %llu from the cache, "
		     "%u wrong\n",
		     b.n, b.at_once, (unsigned long long)stats.asked,
		     (unsigned long long)stats.hits, b.wrong);
	(void)kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
	dns_free(&b.dns);
	loop_free(&b.loop);
	free(b.slots);
	return b.wrong == 0 ? 0 : 1;
}
