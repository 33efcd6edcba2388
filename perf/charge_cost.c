/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * perf/charge_cost.c - what charging a message and deciding about a connection cost the gateway,
 * beside the cheapest system call of the same run. Best of several rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"
#include "throttle/account.h"
#include "throttle/prefixes.h"

enum { ROUNDS = 7, TIMES = 200000, SOURCES = 65536, NETWORKS = 20000 };

static const struct account_settings settings = { 300000000000u, 600000000000u, 8 };
static const struct account_limits limits = { { 0, 50000, 100000, 200000 } };
static const struct charge_prices prices = { .free_ms = 100,
					     .expanded_ms_mb = 1,
					     .each_ms = { [CHARGE_BLOCKED] = 1 } };

struct bench {
	struct account *account;
	struct prefix_set set;
	uint64_t now_ns, sum;
};

static void address(uint8_t addr[16], uint32_t n)
{
	memset(addr, 0, 10);
	addr[10] = addr[11] = 0xff;
	addr[12] = (uint8_t)(n >> 24);
	addr[13] = (uint8_t)(n >> 16);
	addr[14] = (uint8_t)(n >> 8);
	addr[15] = (uint8_t)n;
}

static void charge(struct bench *b, uint32_t source, uint32_t blocked)
{
	struct charge_facts f = { .cpu_us = 4000,
				  .expanded_bytes = 70000,
				  .n = { [CHARGE_BLOCKED] = blocked } };
	struct charge c;
	uint8_t addr[16];

	charge_price(&prices, &f, &c);
	address(addr, source);
	b->now_ns += 1000;
	account_charge(b->account, addr, &c, &limits, b->now_ns);
}

static void system_call(struct bench *b, uint32_t i)
{
	b->sum += (uint64_t)syscall(SYS_getppid) + i;
}

static void free_message(struct bench *b, uint32_t i)
{
	charge(b, 0x0a000000 + i % 1000, 0);
}

static void known_source(struct bench *b, uint32_t i)
{
	charge(b, 0x0a000000 + i % 1000, 1);
}

/* Every source is new and the table is full. */
static void new_source(struct bench *b, uint32_t i)
{
	charge(b, 0x20000000 + i * 977, 1);
}

static void list(struct bench *b, uint32_t i)
{
	struct throttle_prefix p = { .bits = 128 };

	address(p.addr, 0xc0000000 + i * 7919);
	b->sum += prefix_set_match(&b->set, &p, b->now_ns) != NULL;
}

static double measure(struct bench *b, void (*run)(struct bench *, uint32_t))
{
	double best = 0;

	for (int r = 0; r < ROUNDS; r++) {
		uint64_t began = clock_thread_cpu_ns();
		double ns;

		for (uint32_t i = 0; i < TIMES; i++)
			run(b, i + (uint32_t)r * TIMES);
		ns = (double)(clock_thread_cpu_ns() - began) / TIMES;
		best = r == 0 || ns < best ? ns : best;
	}
	return best;
}

static void fill_list(struct bench *b)
{
	struct err err;

	prefix_set_init(&b->set, NETWORKS);
	for (uint32_t i = 0; i < NETWORKS; i++) {
		struct prefix_entry e = { .p = { .bits = 120 } };

		address(e.p.addr, 0xc0000000 + (i * 7u << 8));
		if (i % 3 == 0)
			e.p.bits = 128;
		if (prefix_set_append(&b->set, &e, &err) < 0)
			abort();
	}
	prefix_set_sort(&b->set);
}

int main(void)
{
	static const struct {
		const char *what;
		void (*run)(struct bench *b, uint32_t i);
	} rows[] = {
		{ "an ordinary message: nothing to charge", free_message },
		{ "a charge, the source is known", known_source },
		{ "a charge, the source is new, the table full", new_source },
		{ "a look through a list of 20,000 networks", list },
	};
	struct bench b = { .now_ns = 1 };
	double call;
	struct err err;

	if (account_new(&b.account, SOURCES, 99, &settings, NULL, NULL, &err) < 0)
		abort();
	fill_list(&b);
	call = measure(&b, system_call);
	(void)printf("%-46s %8.1f ns\n", "a system call (getppid)", call);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double ns = measure(&b, rows[i].run);

		(void)printf("%-46s %8.1f ns %6.2f system calls\n", rows[i].what, ns, ns / call);
	}
	account_free(&b.account);
	prefix_set_fini(&b.set);
	return b.sum == 0;
}
