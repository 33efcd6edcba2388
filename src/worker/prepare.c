/* SPDX-License-Identifier: GPL-2.0-or-later */
/* worker/prepare.c - character sets, time zone, huge pages, memory nodes. */
#include "worker/prepare.h"

#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/num.h"

/* One name for each module of the C library that mail uses; aliases come with it. */
static const char *const charsets[] = {
	"ISO-8859-1",   "ISO-8859-2",   "ISO-8859-3",   "ISO-8859-4",   "ISO-8859-5",
	"ISO-8859-6",   "ISO-8859-7",   "ISO-8859-8",   "ISO-8859-9",   "ISO-8859-10",
	"ISO-8859-11",  "ISO-8859-13",  "ISO-8859-14",  "ISO-8859-15",  "ISO-8859-16",
	"WINDOWS-1250", "WINDOWS-1251", "WINDOWS-1252", "WINDOWS-1253", "WINDOWS-1254",
	"WINDOWS-1255", "WINDOWS-1256", "WINDOWS-1257", "WINDOWS-1258", "CP874",
	"CP932",        "CP949",        "KOI8-R",       "KOI8-U",       "KOI8-T",
	"IBM437",       "IBM850",       "IBM852",       "IBM855",       "IBM858",
	"IBM862",       "IBM866",       "MACINTOSH",    "MAC-CYRILLIC", "UTF-7",
	"UTF-16",       "UTF-32",       "UCS-2",        "GB2312",       "GBK",
	"GB18030",      "BIG5",         "BIG5-HKSCS",   "EUC-TW",       "EUC-JP",
	"EUC-KR",       "SHIFT_JIS",    "ISO-2022-JP",  "ISO-2022-KR",  "ISO-2022-CN",
	"JOHAB",        "TIS-620",      "TCVN",         "ARMSCII-8",    "HP-ROMAN8",
};
_Static_assert(ARRAY_LEN(charsets) <= PREPARE_CHARSETS_MAX, "room for every set");

void prepare_libraries(struct prepared *ret_p)
{
	*ret_p = (struct prepared){ .n = 0 };
	tzset();
	for (size_t i = 0; i < ARRAY_LEN(charsets); i++) {
		iconv_t set = iconv_open("UTF-8", charsets[i]);

		if (set != (iconv_t)-1)
			ret_p->sets[ret_p->n++] = set;
	}
}

void prepare_fini(struct prepared *p)
{
	while (p->n > 0)
		(void)iconv_close(p->sets[--p->n]);
}

/* --- huge pages --- */

#define HUGE_BYTES   (2 * MIB)
#define MAP_BYTES    (4 * MIB)  /* smaller ones are not worth it */
#define RANGE_MAX    (64 * GIB) /* more is address space somebody reserved (sanitizers do) */
#define MAPS_MAX     4096u
#define ADV_COLLAPSE 25 /* Linux 6.1; the installed headers may be older */

struct range {
	uint64_t start, end;
};

static bool take_hex(struct bytes *rest, uint8_t end, uint64_t *ret)
{
	ptrdiff_t at = bytes_index(*rest, end);

	if (at < 0 || num_parse(bytes_head(*rest, (size_t)at), 16, UINT64_MAX, ret) < 0)
		return false;
	*rest = bytes_from(*rest, (size_t)at + 1);
	return true;
}

/* "START-END rw-p OFFSET DEV INODE [NAME]": private, writable, no file behind it. */
static bool is_candidate(struct bytes line, struct range *ret)
{
	struct bytes word[5];
	size_t n = 0;

	if (!take_hex(&line, '-', &ret->start) || !take_hex(&line, ' ', &ret->end))
		return false;
	while (n < ARRAY_LEN(word) && bytes_next_word(&line, &word[n]))
		n++;
	return n >= 4 && bytes_eq(word[0], BYTES("rw-p")) && bytes_eq(word[3], BYTES("0")) &&
	       (n == 4 || !bytes_starts(word[4], BYTES("[stack"))) &&
	       ret->end - ret->start >= MAP_BYTES && ret->end - ret->start <= RANGE_MAX;
}

/* All of them first: advising changes the map while it is read. */
static size_t find_ranges(struct range *ret, size_t max)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	size_t n = 0;

	if (f == NULL)
		return 0;
	while (n < max && fgets(line, sizeof(line), f) != NULL)
		n += is_candidate(bytes_str(line), &ret[n]);
	(void)fclose(f);
	return n;
}

static uint64_t collapse(const struct range *r, bool now)
{
	uint64_t start = (r->start + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1), bytes = 0;

	(void)madvise((void *)(uintptr_t)r->start, r->end - r->start, MADV_HUGEPAGE);
	if (!now)
		return 0;
	/* Step by step: one that cannot be had (never touched, no memory) does not end the rest. */
	for (; start + HUGE_BYTES <= r->end; start += HUGE_BYTES)
		if (madvise((void *)(uintptr_t)start, HUGE_BYTES, ADV_COLLAPSE) == 0)
			bytes += HUGE_BYTES;
	return bytes;
}

uint64_t prepare_huge_pages(uint64_t min_bytes, bool now)
{
	struct range *ranges = calloc(MAPS_MAX, sizeof(*ranges));
	size_t n = ranges == NULL ? 0 : find_ranges(ranges, MAPS_MAX);
	uint64_t all = 0, done = 0;

	for (size_t i = 0; i < n; i++)
		all += ranges[i].end - ranges[i].start;
	for (size_t i = 0; i < n && all >= min_bytes; i++)
		done += collapse(&ranges[i], now);
	free(ranges);
	return done;
}

/* --- memory nodes: by number, as libnuma is only these calls --- */

#define NODES_MAX 1024u
#define NODE_BITS (8 * sizeof(unsigned long))

static unsigned allowed_nodes(unsigned long mask[NODES_MAX / NODE_BITS])
{
	unsigned n = 0;

	memset(mask, 0, NODES_MAX / 8);
	if (syscall(SYS_get_mempolicy, NULL, mask, NODES_MAX, NULL, MPOL_F_MEMS_ALLOWED) < 0)
		return 0;
	for (size_t i = 0; i < NODES_MAX / NODE_BITS; i++)
		n += (unsigned)__builtin_popcountl(mask[i]);
	return n;
}

void prepare_spread_memory(void)
{
	unsigned long mask[NODES_MAX / NODE_BITS];

	/* Refused, or a kernel without: memory then comes from where we run, which works too. */
	if (allowed_nodes(mask) > 1)
		(void)syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, mask, NODES_MAX);
}

/* Preferred, not bound: a scan must not die because one node is full. */
void prepare_own_memory(int node)
{
	unsigned long mask[NODES_MAX / NODE_BITS] = { 0 };

	if (node < 0 || node >= (int)NODES_MAX) {
		(void)syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
		return;
	}
	mask[(size_t)node / NODE_BITS] = 1ul << ((size_t)node % NODE_BITS);
	(void)syscall(SYS_set_mempolicy, MPOL_PREFERRED, mask, NODES_MAX);
}
