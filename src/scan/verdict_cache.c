/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/verdict_cache.c - buckets of four entries, each bucket with a sequence number that is odd
 * while the one writer is in it (a seqlock). Entries are read and written as atomic words: readers
 * in other processes may come by at any moment, and what they then see is thrown away.
 *
 * No fences: the writer's words are release stores, the reader's acquire loads. A reader that saw
 * one word of a change therefore also sees the odd number that was written before it.
 */
#include "scan/verdict_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC       UINT64_C(0x3154435652455653)
#define BUCKET_WAYS 4u
#define ENTRIES_MAX ((size_t)1 << 24)
#define READ_TRIES  16
#define SEALS       (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE)

/* What a bucket holds, as plain memory. @stamp 0: empty. */
struct entry {
	uint64_t stamp, generation, teller;
	uint8_t sha256[32];
	char virus[96], file_type[96], mime_type[64];
};
#define WORDS (sizeof(struct entry) / sizeof(uint64_t))
_Static_assert(sizeof(struct entry) % sizeof(uint64_t) == 0, "entries are copied as words");
_Static_assert(sizeof(((struct entry *)0)->virus) == sizeof(((struct fact_verdict *)0)->virus) &&
		       sizeof(((struct entry *)0)->file_type) ==
			       sizeof(((struct fact_verdict *)0)->file_type) &&
		       sizeof(((struct entry *)0)->mime_type) ==
			       sizeof(((struct fact_verdict *)0)->mime_type),
	       "texts are copied whole");

struct bucket {
	_Atomic uint64_t seq;
	_Atomic uint64_t words[BUCKET_WAYS][WORDS];
};

struct table {
	uint64_t magic, buckets_n;
	struct bucket buckets[];
};

struct verdict_cache {
	struct table *table;
	size_t size, buckets_n; /* own copies: the table is only believed once */
	uint64_t stamp;
};

static size_t table_size(size_t buckets_n)
{
	return sizeof(struct table) + buckets_n * sizeof(struct bucket);
}

static struct bucket *bucket_of(const struct verdict_cache *c, uint64_t generation,
				const uint8_t sha256[32])
{
	uint64_t hash;

	memcpy(&hash, sha256, sizeof(hash));
	return &c->table->buckets[(hash ^ generation) & (c->buckets_n - 1)];
}

static void load(struct entry *e, const struct bucket *b, unsigned way)
{
	uint64_t words[WORDS];

	for (size_t i = 0; i < WORDS; i++)
		words[i] = atomic_load_explicit(&b->words[way][i], memory_order_acquire);
	memcpy(e, words, sizeof(*e));
}

/* Writer only. */
static void store(struct bucket *b, unsigned way, const struct entry *e)
{
	uint64_t words[WORDS];
	uint64_t seq = atomic_load_explicit(&b->seq, memory_order_relaxed);

	memcpy(words, e, sizeof(*e));
	atomic_store_explicit(&b->seq, seq + 1, memory_order_relaxed);
	for (size_t i = 0; i < WORDS; i++)
		atomic_store_explicit(&b->words[way][i], words[i], memory_order_release);
	atomic_store_explicit(&b->seq, seq + 2, memory_order_release);
}

static bool is_key(const struct entry *e, uint64_t generation, const uint8_t sha256[32])
{
	return e->stamp != 0 && e->generation == generation &&
	       memcmp(e->sha256, sha256, sizeof(e->sha256)) == 0;
}

static int map(struct verdict_cache *c, int fd, int protection, struct err *err)
{
	void *p = mmap(NULL, c->size, protection, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return err_errno(err, "verdict cache: map %zu bytes", c->size);
	c->table = p;
	return 0;
}

static int make(struct verdict_cache *c, int fd, struct err *err)
{
	int r;

	if (ftruncate(fd, (off_t)c->size) < 0)
		return err_errno(err, "verdict cache: size %zu", c->size);
	r = map(c, fd, PROT_READ | PROT_WRITE, err);
	if (r < 0)
		return r;
	c->table->magic = MAGIC;
	c->table->buckets_n = c->buckets_n;
	/* After our own mapping: nobody else can make a writable one any more. */
	if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0)
		return err_errno(err, "verdict cache: seal");
	return 0;
}

int verdict_cache_new(struct verdict_cache **ret_c, size_t entries, int *ret_fd, struct err *err)
{
	AUTO(verdict_cache_free) struct verdict_cache *c = calloc(1, sizeof(*c));
	AUTO(fd_close) int fd = -1;
	int r;

	if (c == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "verdict cache: out of memory");
	if (entries > ENTRIES_MAX)
		return err_set(err, ERR_CONFIG, -EINVAL, "verdict cache: %zu entries, at most %zu",
			       entries, ENTRIES_MAX);
	c->buckets_n = 1;
	while (c->buckets_n * BUCKET_WAYS < entries)
		c->buckets_n *= 2;
	c->size = table_size(c->buckets_n);
	fd = memfd_create("verdict-cache", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_errno(err, "verdict cache: memory file");
	r = make(c, fd, err);
	if (r < 0)
		return r;
	*ret_fd = fd;
	fd = -1;
	*ret_c = TAKE(c);
	return 0;
}

/* The size is the file's own, so that a header that lies cannot make us read beyond it. */
static int measure(struct verdict_cache *c, int fd, struct err *err)
{
	uint64_t head[2];
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 ||
	    pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) || head[0] != MAGIC ||
	    head[1] == 0 || head[1] > ENTRIES_MAX || (head[1] & (head[1] - 1)) != 0 ||
	    (uint64_t)st.st_size != table_size(head[1]))
		return err_set(err, ERR_BUG, -EBADMSG, "not a sealed verdict cache");
	c->buckets_n = head[1];
	c->size = table_size(head[1]);
	return 0;
}

int verdict_cache_attach(struct verdict_cache **ret_c, int fd, struct err *err)
{
	AUTO(verdict_cache_free) struct verdict_cache *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "verdict cache: out of memory");
	r = measure(c, fd, err);
	if (r == 0)
		r = map(c, fd, PROT_READ, err);
	if (r < 0)
		return r;
	*ret_c = TAKE(c);
	return 0;
}

void verdict_cache_free(struct verdict_cache **c)
{
	if (*c == NULL)
		return;
	if ((*c)->table != NULL)
		(void)munmap((*c)->table, (*c)->size);
	free(*c);
	*c = NULL;
}

/* The entry of the same key, or else an empty or the oldest one. */
static unsigned way_for(const struct bucket *b, uint64_t generation, const uint8_t sha256[32],
			struct entry *ret_old)
{
	struct entry e;
	uint64_t oldest = UINT64_MAX;
	unsigned best = 0;

	for (unsigned way = 0; way < BUCKET_WAYS; way++) {
		load(&e, b, way);
		if (is_key(&e, generation, sha256)) {
			*ret_old = e;
			return way;
		}
		if (e.stamp < oldest) {
			oldest = e.stamp;
			*ret_old = e;
			best = way;
		}
	}
	return best;
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t n = strnlen(from, size - 1);

	memset(to, 0, size);
	memcpy(to, from, n);
}

void verdict_cache_put(struct verdict_cache *c, uint64_t generation, const struct fact_verdict *v,
		       uint16_t teller)
{
	struct bucket *b = bucket_of(c, generation, v->sha256);
	struct entry old, e = { .generation = generation, .teller = teller };
	unsigned way = way_for(b, generation, v->sha256, &old);

	/* One engine gives one answer. Where two workers differ, the bad news is kept. */
	if (is_key(&old, generation, v->sha256) && old.virus[0] != '\0' && v->virus[0] == '\0')
		return;
	e.stamp = ++c->stamp;
	memcpy(e.sha256, v->sha256, sizeof(e.sha256));
	copy_text(e.virus, sizeof(e.virus), v->virus);
	copy_text(e.file_type, sizeof(e.file_type), v->file_type);
	copy_text(e.mime_type, sizeof(e.mime_type), v->mime_type);
	store(b, way, &e);
}

void verdict_cache_take_back(struct verdict_cache *c, uint16_t teller)
{
	static const struct entry empty;
	struct entry e;

	for (size_t i = 0; i < c->buckets_n; i++) {
		struct bucket *b = &c->table->buckets[i];

		for (unsigned way = 0; way < BUCKET_WAYS; way++) {
			load(&e, b, way);
			if (e.stamp != 0 && e.teller == teller)
				store(b, way, &empty);
		}
	}
}

/* 1: found; 0: not there; -1: the writer was in this bucket. */
static int try_get(const struct bucket *b, uint64_t generation, const uint8_t sha256[32],
		   struct entry *ret_e)
{
	uint64_t seq = atomic_load_explicit(&b->seq, memory_order_acquire);
	int found = 0;

	if ((seq & 1) != 0)
		return -1;
	for (unsigned way = 0; way < BUCKET_WAYS && found == 0; way++) {
		load(ret_e, b, way);
		found = is_key(ret_e, generation, sha256) ? 1 : 0;
	}
	return atomic_load_explicit(&b->seq, memory_order_relaxed) == seq ? found : -1;
}

bool verdict_cache_get(const struct verdict_cache *c, uint64_t generation, const uint8_t sha256[32],
		       struct fact_verdict *ret_v)
{
	const struct bucket *b = bucket_of(c, generation, sha256);
	struct entry e;
	int found = -1;

	/* A writer that was stopped in the middle must not stop readers: unknown is an answer. */
	for (int i = 0; i < READ_TRIES && found < 0; i++)
		found = try_get(b, generation, sha256, &e);
	if (found <= 0)
		return false;
	memcpy(ret_v->sha256, e.sha256, sizeof(e.sha256));
	copy_text(ret_v->virus, sizeof(ret_v->virus), e.virus);
	copy_text(ret_v->file_type, sizeof(ret_v->file_type), e.file_type);
	copy_text(ret_v->mime_type, sizeof(ret_v->mime_type), e.mime_type);
	return true;
}
