/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store/attempts.c - counting attempts. The rows of the table are also kept in memory, by a hash of
 * the id, so that a message that never failed costs one look into that table and nothing else.
 */
#include "store/attempts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/attempts_db.h"
#include "store/ledger.h"
#include "store/store_internal.h"

/* What is known of an id that failed. Two ids with one hash of 64 bits share a count: at most one
 * of them is tried less often. */
struct known {
	uint64_t hash; /* 0: empty place */
	int64_t next_s;
	unsigned count;
};

struct attempts {
	struct attempts_db *db;
	struct ledger *ledger; /* NULL in a view */
	struct known *known;   /* open addressing, a power of two, at most half full */
	size_t known_n, known_cap;
};

static uint64_t hash_id(const char *id)
{
	uint64_t h = store_hash(bytes_str(id), 0);

	return h == 0 ? 1 : h;
}

/* The place of @hash, or the empty place where it would go. */
static struct known *known_at(const struct attempts *a, uint64_t hash)
{
	size_t mask = a->known_cap - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask)
		if (a->known[i].hash == hash || a->known[i].hash == 0)
			return &a->known[i];
}

static int known_grow(struct attempts *a)
{
	struct known *old = a->known;
	size_t old_cap = a->known_cap;

	a->known_cap = old_cap == 0 ? 1024 : old_cap * 2;
	a->known = calloc(a->known_cap, sizeof(*a->known));
	if (a->known == NULL) {
		a->known = old;
		a->known_cap = old_cap;
		return -ENOMEM;
	}
	for (size_t i = 0; i < old_cap; i++)
		if (old[i].hash != 0)
			*known_at(a, old[i].hash) = old[i];
	free(old);
	return 0;
}

static int known_set(struct attempts *a, const char *id, unsigned count, int64_t next_s)
{
	uint64_t hash = hash_id(id);
	struct known *k;

	if (2 * (a->known_n + 1) > a->known_cap && known_grow(a) < 0)
		return -ENOMEM;
	k = known_at(a, hash);
	if (k->hash == 0)
		a->known_n++;
	*k = (struct known){ .hash = hash, .next_s = next_s, .count = count };
	return 0;
}

/* Whoever was pushed behind the freed place moves up, so that looking never needs tombstones. */
static void known_remove(struct attempts *a, const char *id)
{
	struct known *k = known_at(a, hash_id(id));
	size_t mask = a->known_cap - 1, hole = (size_t)(k - a->known);

	if (k->hash == 0)
		return;
	for (size_t i = (hole + 1) & mask; a->known[i].hash != 0; i = (i + 1) & mask) {
		size_t home = a->known[i].hash & mask;

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		a->known[hole] = a->known[i];
		hole = i;
	}
	a->known[hole] = (struct known){ 0 };
	a->known_n--;
}

void attempts_close(struct attempts **a)
{
	if (*a == NULL)
		return;
	if ((*a)->ledger != NULL) {
		for (unsigned i = 0; ledger_used((*a)->ledger) > 0; i++)
			ledger_clear((*a)->ledger, i);
		ledger_close(&(*a)->ledger);
	}
	attempts_db_close(&(*a)->db);
	free((*a)->known);
	free(*a);
	*a = NULL;
}

static int remember(const struct attempts_row *r, void *arg)
{
	return known_set(arg, r->id, r->count, r->next_s);
}

static int count_one(struct attempts *a, const char *id, int64_t next_s, struct err *err)
{
	struct attempts_row row = { .next_s = next_s };

	(void)snprintf(row.id, sizeof(row.id), "%s", id);
	row.count = known_at(a, hash_id(id))->count + 1;
	if (known_set(a, id, row.count, next_s) < 0)
		return err_set(err, ERR_TEMP, -ENOMEM, "table of attempts: out of memory");
	return attempts_db_put(a->db, &row, err);
}

/* What was in flight when the last run was killed has failed. The ledger forgets it only after the
 * table knows it: a crash in between counts twice, never not at all. */
static int count_leftovers(struct attempts *a, int64_t now_s, struct err *err)
{
	int r = attempts_db_begin(a->db, err);

	for (size_t i = 0; r == 0 && i < ledger_leftover_n(a->ledger); i++)
		r = count_one(a, ledger_leftover(a->ledger, i), now_s, err);
	if (r == 0)
		r = attempts_db_commit(a->db, err);
	if (r < 0)
		attempts_db_rollback(a->db);
	return r;
}

static int open_ledger(struct attempts *a, const char *path, unsigned places, struct err *err)
{
	char name[600];
	int r;

	(void)snprintf(name, sizeof(name), "%s.ledger", path);
	r = ledger_open(&a->ledger, name, err);
	return r == 0 ? ledger_reserve(a->ledger, places, err) : r;
}

static int fill(struct attempts *a, int64_t now_s, struct err *err)
{
	int r = attempts_db_prune(a->db, now_s, err);

	if (r == 0 && known_grow(a) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = attempts_db_each(a->db, remember, a, err);
	if (r == -ENOMEM)
		return err_set(err, ERR_TEMP, r, "table of attempts: out of memory");
	if (r == 0 && ledger_leftover_n(a->ledger) > 0)
		r = count_leftovers(a, now_s, err);
	return r;
}

int attempts_open(struct attempts **ret_a, const char *path, unsigned in_flight_max, int64_t now_s,
		  char ret_notice[256], struct err *err)
{
	AUTO(attempts_close) struct attempts *a = calloc(1, sizeof(*a));
	int r;

	if (ret_notice != NULL)
		ret_notice[0] = '\0';
	if (a == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "attempts: out of memory");
	r = open_ledger(a, path, in_flight_max, err); /* first: its lock guards the database */
	if (r == 0)
		r = attempts_db_open(&a->db, path, ret_notice, err);
	if (r == 0)
		r = fill(a, now_s, err);
	if (r == 0)
		ledger_start(a->ledger);
	if (r == 0)
		*ret_a = TAKE(a);
	return r;
}

int attempts_open_view(struct attempts **ret_a, const char *path, struct err *err)
{
	AUTO(attempts_close) struct attempts *a = calloc(1, sizeof(*a));
	int r;

	if (a == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "attempts: out of memory");
	r = attempts_db_view(&a->db, path, err);
	if (r == 0)
		*ret_a = TAKE(a);
	return r;
}

int attempts_begin(struct attempts *a, const char *id, unsigned max, int64_t now_s,
		   unsigned *ret_place, unsigned *ret_count, struct err *err)
{
	const struct known *k = known_at(a, hash_id(id));
	bool spent = max != 0 && k->count >= max;
	int r;

	if (!spent && k->hash != 0 && now_s < k->next_s)
		return err_set(err, ERR_TEMP, -EAGAIN, "%s: not before its next time", id);
	r = ledger_put(a->ledger, id, ret_place);
	if (r < 0)
		return err_set(err, r == -ENOSPC ? ERR_TEMP : ERR_INPUT, r,
			       r == -ENOSPC ? "%s: ledger of attempts is full"
					    : "%s: not an id for the table of attempts",
			       id);
	*ret_count = k->count + 1;
	if (spent)
		return err_set(err, ERR_LIMIT, -EDQUOT, "%s: tried %u times, limit %u", id,
			       k->count, max);
	return 0;
}

/* NULL and a bug report when nothing is there: an id is ended once. */
static const char *in_hand(const struct attempts *a, unsigned place, struct err *err)
{
	const char *id = ledger_id(a->ledger, place);

	if (id == NULL)
		(void)err_set(err, ERR_BUG, -EBADF, "attempts: place %u is not in use", place);
	return id;
}

int attempts_done(struct attempts *a, unsigned place, struct err *err)
{
	const char *id = in_hand(a, place, err);
	int r = 0;

	if (id == NULL)
		return -EBADF;
	if (known_at(a, hash_id(id))->hash != 0) {
		known_remove(a, id);
		r = attempts_db_delete(a->db, id, err);
	}
	ledger_clear(a->ledger, place);
	return r;
}

void attempts_release(struct attempts *a, unsigned place)
{
	ledger_clear(a->ledger, place);
}

void attempts_postpone(struct attempts *a, unsigned place, int64_t now_s, unsigned delay_s)
{
	const char *id = ledger_id(a->ledger, place);

	/* without memory for it, it comes again with the next listing */
	if (id != NULL)
		(void)known_set(a, id, known_at(a, hash_id(id))->count, now_s + delay_s);
	ledger_clear(a->ledger, place);
}

int attempts_failed(struct attempts *a, unsigned place, int64_t now_s, unsigned delay_s,
		    struct err *err)
{
	const char *id = in_hand(a, place, err);
	int r;

	if (id == NULL)
		return -EBADF;
	r = count_one(a, id, now_s + delay_s, err);
	ledger_clear(a->ledger, place);
	return r;
}

static int move_row(struct attempts *a, const struct attempts_row *row, struct err *err)
{
	int r = attempts_db_begin(a->db, err);

	if (r == 0)
		r = attempts_db_delete(a->db, row->id, err);
	if (r == 0)
		r = attempts_db_archive(a->db, row, err);
	if (r == 0)
		r = attempts_db_commit(a->db, err);
	if (r < 0)
		attempts_db_rollback(a->db);
	return r;
}

int attempts_archive(struct attempts *a, unsigned place, int64_t now_s, struct err *err)
{
	const char *id = in_hand(a, place, err);
	struct attempts_row row = { .next_s = now_s };
	int r;

	if (id == NULL)
		return -EBADF;
	(void)snprintf(row.id, sizeof(row.id), "%s", id);
	row.count = known_at(a, hash_id(id))->count;
	known_remove(a, id);
	r = move_row(a, &row, err);
	ledger_clear(a->ledger, place);
	return r;
}

int attempts_list(struct attempts *a, bool archive, struct attempts_row *ret, size_t max,
		  struct err *err)
{
	return attempts_db_list(a->db, archive, ret, max, err);
}
