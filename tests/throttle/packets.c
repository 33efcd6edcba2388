/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/throttle/packets.c - frames from a line of words, and programs run on them. */
#include "tests/throttle/packets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "core/bytes.h"
#include "core/num.h"

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* @size more bytes, all 0, which the header before calls @number. */
static uint8_t *add(struct frame *f, size_t size, unsigned number)
{
	uint8_t *p = f->bytes + f->n;

	if (f->next_size == 2)
		put16(f->bytes + f->next_at, number);
	else if (f->next_size == 1)
		f->bytes[f->next_at] = (uint8_t)number;
	f->next_size = 0;
	if (f->n + size > FRAME_MAX) {
		fprintf(stderr, "packets: too long\n");
		size = 0;
	}
	f->n += size;
	return p;
}

static void next_is(struct frame *f, const uint8_t *at, size_t size)
{
	f->next_at = (size_t)(at - f->bytes);
	f->next_size = size;
}

static void add_eth(struct frame *f)
{
	uint8_t *p = add(f, 14, 0);

	memset(p, 0x02, 12);
	next_is(f, p + 12, 2);
}

static void add_tag(struct frame *f, unsigned type)
{
	uint8_t *p = add(f, 4, type);

	put16(p, 100);
	next_is(f, p + 2, 2);
}

static uint8_t *last_ip4(struct frame *f)
{
	return f->bytes + f->total_at - 2;
}

static void add_ip4(struct frame *f, const char *address)
{
	uint8_t *p = add(f, 20, 0x0800);

	p[0] = 0x45;
	p[8] = 64;
	f->total_at = (size_t)(p + 2 - f->bytes);
	(void)inet_pton(AF_INET, address, p + 12);
	(void)inet_pton(AF_INET, "192.0.2.25", p + 16);
	next_is(f, p + 9, 1);
}

static void add_opts(struct frame *f, unsigned size)
{
	size_t at = f->next_at, next_size = f->next_size;
	uint8_t *p = add(f, size, 0);

	memset(p, 1, size);
	last_ip4(f)[0] = (uint8_t)(0x45 + size / 4);
	f->next_at = at;
	f->next_size = next_size;
}

static void add_ip6(struct frame *f, const char *address)
{
	uint8_t *p = add(f, 40, 0x86dd);

	p[0] = 0x60;
	p[7] = 64;
	f->payload_at = (size_t)(p + 4 - f->bytes);
	(void)inet_pton(AF_INET6, address, p + 8);
	(void)inet_pton(AF_INET6, "2001:db8::25", p + 24);
	next_is(f, p + 6, 1);
}

static void add_ext(struct frame *f, unsigned number, size_t size, unsigned length_byte)
{
	uint8_t *p = add(f, size, number);

	p[1] = (uint8_t)length_byte;
	next_is(f, p, 1);
}

static void add_frag6(struct frame *f, unsigned offset)
{
	uint8_t *p = add(f, 8, 44);

	put16(p + 2, offset << 3 | 1u);
	next_is(f, p, 1);
}

static void add_tcp(struct frame *f, unsigned port)
{
	uint8_t *p = add(f, 20, 6);

	put16(p, 40000);
	put16(p + 2, port);
	p[12] = 0x50;
}

static void add_udp(struct frame *f, unsigned port)
{
	uint8_t *p = add(f, 8, 17);

	put16(p, 40000);
	put16(p + 2, port);
}

/* The flags of the TCP header that was put last. */
static void flag(struct frame *f, unsigned bits)
{
	f->bytes[f->n - 20 + 13] |= (uint8_t)bits;
}

static void finish(struct frame *f)
{
	if (f->total_at != 0 && f->bytes[f->total_at] == 0 && f->bytes[f->total_at + 1] == 0)
		put16(f->bytes + f->total_at, (unsigned)(f->n - f->total_at + 2));
	if (f->payload_at != 0)
		put16(f->bytes + f->payload_at, (unsigned)(f->n - f->payload_at - 36));
}

static const struct {
	const char *name;
	unsigned number, size, length_byte;
} extensions[] = {
	{ "hop", 0, 16, 1 }, { "route", 43, 24, 2 }, { "dest", 60, 8, 0 }, { "ah", 51, 24, 4 },
	{ "esp", 50, 8, 0 }, { "none", 59, 8, 0 },   { "hip", 139, 8, 0 },
};

static bool add_extension(struct frame *f, const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(extensions); i++)
		if (strcmp(word, extensions[i].name) == 0) {
			add_ext(f, extensions[i].number, extensions[i].size,
				extensions[i].length_byte);
			return true;
		}
	return false;
}

static bool add_flag(struct frame *f, const char *word)
{
	static const struct {
		const char *name;
		unsigned bits;
	} flags[] = { { "fin", 1 }, { "syn", 2 }, { "rst", 4 }, { "ack", 16 }, { "ece", 0xc0 } };

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (strcmp(word, flags[i].name) == 0) {
			flag(f, flags[i].bits);
			return true;
		}
	return false;
}

static void add_word(struct frame *f, const char *name, const char *value, unsigned n)
{
	if (strcmp(name, "vlan") == 0)
		add_tag(f, 0x8100);
	else if (strcmp(name, "qinq") == 0)
		add_tag(f, 0x88a8);
	else if (strcmp(name, "old") == 0)
		add_tag(f, 0x9100);
	else if (strcmp(name, "arp") == 0)
		(void)add(f, 28, 0x0806);
	else if (strcmp(name, "ip4") == 0)
		add_ip4(f, value);
	else if (strcmp(name, "opts") == 0)
		add_opts(f, n);
	else if (strcmp(name, "frag") == 0)
		put16(last_ip4(f) + 6, n);
	else if (strcmp(name, "mf") == 0)
		last_ip4(f)[6] |= 0x20;
	else if (strcmp(name, "ip6") == 0)
		add_ip6(f, value);
	else if (strcmp(name, "frag6") == 0)
		add_frag6(f, n);
	else if (strcmp(name, "tcp") == 0)
		add_tcp(f, n);
	else if (strcmp(name, "udp") == 0)
		add_udp(f, n);
	else if (strcmp(name, "icmp") == 0)
		(void)add(f, 8, 1);
	else if (strcmp(name, "pad") == 0)
		(void)add(f, n, 0);
	else if (strcmp(name, "total") == 0)
		put16(f->bytes + f->total_at, n);
	else if (strcmp(name, "version") == 0)
		f->bytes[14] = (uint8_t)((f->bytes[14] & 15u) | n << 4);
	else if (strcmp(name, "length") == 0)
		last_ip4(f)[0] = (uint8_t)(0x40 + n);
	else if (!add_extension(f, name) && !add_flag(f, name))
		fprintf(stderr, "packets: what is '%s'?\n", name);
}

void frame_build(struct frame *f, const char *words)
{
	char copy[256], *save = NULL;
	uint64_t cut = 0;

	memset(f, 0, sizeof(*f));
	(void)snprintf(copy, sizeof(copy), "%s", words);
	add_eth(f);
	for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		char *value = strchr(w, '=');
		uint64_t n = 0;

		if (value != NULL) {
			*value++ = '\0';
			if (num_parse(bytes_str(value), 10, 65535, &n) < 0)
				n = 0;
		}
		if (strcmp(w, "cut") == 0)
			cut = n;
		else
			add_word(f, w, value, (unsigned)n);
	}
	finish(f);
	if (cut > 0 && cut < f->n)
		f->n = cut;
}

int frame_run(int prog_fd, const struct frame *f, unsigned repeat, uint32_t *ret_ns)
{
	uint8_t out[FRAME_MAX + 256];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->bytes, .data_size_in = (uint32_t)f->n,
		    .data_out = out, .data_size_out = sizeof(out), .repeat = (int)repeat);

	if (bpf_prog_test_run_opts(prog_fd, &opts) < 0)
		return -errno;
	if (ret_ns != NULL)
		*ret_ns = opts.duration;
	return (int)opts.retval;
}

int lookup_run(int prog_fd, const char *address, uint16_t port, uint32_t protocol, unsigned repeat,
	       uint32_t *ret_ns)
{
	struct bpf_sk_lookup ctx = { .protocol = protocol, .local_port = port };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .repeat = (int)repeat);

	ctx.remote_port = htons(40000);
	ctx.family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
	if (ctx.family == AF_INET) {
		(void)inet_pton(AF_INET, address, &ctx.remote_ip4);
		(void)inet_pton(AF_INET, "192.0.2.25", &ctx.local_ip4);
	} else {
		(void)inet_pton(AF_INET6, address, ctx.remote_ip6);
		(void)inet_pton(AF_INET6, "2001:db8::25", ctx.local_ip6);
	}
	if (bpf_prog_test_run_opts(prog_fd, &opts) < 0)
		return -errno;
	if (ret_ns != NULL)
		*ret_ns = opts.duration;
	return (int)opts.retval;
}
