/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cache remembers, forgets what a teller said, is read-only for others, and never shows a
 * reader half an entry. */
#include "scan/verdict_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/t.h"

static struct fact_verdict verdict(unsigned n, const char *virus)
{
	struct fact_verdict v = { .file_type = "data" };

	memcpy(v.sha256, &n, sizeof(n));
	memcpy(v.sha256 + 28, &n, sizeof(n));
	(void)snprintf(v.virus, sizeof(v.virus), "%s", virus);
	return v;
}

static bool knows(const struct verdict_cache *c, uint64_t generation, unsigned n, const char *virus)
{
	struct fact_verdict key = verdict(n, ""), got;

	return verdict_cache_get(c, generation, key.sha256, &got) &&
	       strcmp(got.virus, virus) == 0 && memcmp(got.sha256, key.sha256, 32) == 0;
}

static void remembers(struct verdict_cache *c, const struct verdict_cache *reader)
{
	struct fact_verdict a = verdict(1, ""), b = verdict(2, "Eicar");

	T_OK(!knows(reader, 7, 1, ""), "an empty cache knows nothing");
	verdict_cache_put(c, 7, &a, 3);
	verdict_cache_put(c, 7, &b, 4);
	T_OK(knows(reader, 7, 1, "") && knows(reader, 7, 2, "Eicar"), "a reader sees what was put");
	T_OK(!knows(reader, 8, 1, ""), "another generation does not");
	b = verdict(2, "");
	verdict_cache_put(c, 7, &b, 5);
	T_OK(knows(reader, 7, 2, "Eicar"), "clean does not replace infected");
	a = verdict(1, "Late");
	verdict_cache_put(c, 7, &a, 5);
	T_OK(knows(reader, 7, 1, "Late"), "infected replaces clean");
	verdict_cache_take_back(c, 4);
	T_OK(!knows(reader, 7, 2, "Eicar") && knows(reader, 7, 1, "Late"),
	     "what one teller said is taken back, the rest stays");
	verdict_cache_take_back(c, 5);
	T_OK(!knows(reader, 7, 1, "Late"), "and that of another");
}

static void oldest_goes(struct verdict_cache *c)
{
	unsigned known = 0;

	/* One bucket: 4 entries, numbers that differ only in bytes the bucket does not depend on.
	 */
	for (unsigned i = 0; i < 5; i++) {
		struct fact_verdict v = verdict(0, "");

		v.sha256[20] = (uint8_t)(i + 1);
		verdict_cache_put(c, 9, &v, 1);
	}
	for (unsigned i = 0; i < 5; i++) {
		struct fact_verdict v = verdict(0, ""), got;

		v.sha256[20] = (uint8_t)(i + 1);
		if (verdict_cache_get(c, 9, v.sha256, &got))
			known |= 1u << i;
	}
	T_OK(known == 0x1e, "a full bucket gives up its oldest entry (0x%x)", known);
}

static void sealed(int fd)
{
	int mine = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct verdict_cache *c = NULL;
	struct err err;

	T_OK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED,
	     "nobody maps it for writing any more");
	T_OK(pwrite(fd, "x", 1, 0) < 0, "nor writes to it");
	T_OK(ftruncate(fd, 0) < 0, "nor cuts it");
	T_OK(verdict_cache_attach(&c, mine, &err) == -EBADMSG && c == NULL,
	     "another memory file is refused: %s", err.text);
	close(mine);
}

struct shared {
	struct verdict_cache *writer;
	const struct verdict_cache *reader;
	atomic_bool stop;
	atomic_uint torn, hits;
};

#define KEYS 8u

static void *read_all(void *arg)
{
	struct shared *s = arg;
	struct fact_verdict got;

	while (!atomic_load(&s->stop))
		for (unsigned i = 0; i < KEYS; i++) {
			struct fact_verdict key = verdict(i, "");

			if (!verdict_cache_get(s->reader, 1, key.sha256, &got))
				continue;
			atomic_fetch_add(&s->hits, 1);
			/* Each entry is written with two texts that must belong together. */
			if (strcmp(got.virus, got.file_type) != 0)
				atomic_fetch_add(&s->torn, 1);
		}
	return NULL;
}

static void readers_and_writer(struct verdict_cache *c, const struct verdict_cache *reader)
{
	struct shared s = { .writer = c, .reader = reader };
	pthread_t threads[3];

	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		(void)pthread_create(&threads[i], NULL, read_all, &s);
	for (unsigned round = 0; round < 20000 || atomic_load(&s.hits) < 1000; round++) {
		struct fact_verdict v = verdict(round % KEYS, "");

		(void)snprintf(v.virus, sizeof(v.virus), "name-%u-%0*u", round, (int)(round % 70),
			       round);
		memcpy(v.file_type, v.virus, sizeof(v.file_type));
		verdict_cache_put(c, 1, &v, 1);
		if (round % 100 == 0)
			verdict_cache_take_back(c, 1);
	}
	atomic_store(&s.stop, true);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		(void)pthread_join(threads[i], NULL);
	T_OK(atomic_load(&s.torn) == 0, "no reader saw half an entry in %u hits",
	     atomic_load(&s.hits));
}

int main(void)
{
	AUTO(verdict_cache_free) struct verdict_cache *c = NULL;
	AUTO(verdict_cache_free) struct verdict_cache *reader = NULL;
	AUTO(fd_close) int fd = -1;
	struct err err = { .kind = ERR_NONE };

	T_OK(verdict_cache_new(&c, 16, &fd, &err) == 0, "a new cache %s", err.text);
	if (c == NULL ||
	    !T_OK(verdict_cache_attach(&reader, fd, &err) == 0, "a reader %s", err.text))
		return t_done();
	sealed(fd);
	remembers(c, reader);
	oldest_goes(c);
	readers_and_writer(c, reader);
	return t_done();
}
