/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle/account.c - a hash table of accounts with chains of indices; a list by last charge to
 * find who leaves when it is full; a list of those with a penalty, so that their end costs no look
 * at the others.
 */
#include "throttle/account.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conf/ip.h"
#include "throttle/prefixes.h"

#define COST_MAX_MS    1e9f /* eleven days: nobody is forgiven later for having cost more */
#define FORGOTTEN_MS   0.5f
#define STRIKES_MAX    5u /* the longest penalty is 16 times the first */
#define EVICT_LOOKS    16u
#define SWEEP_PER_TICK 256u
#define BITS_V4_HOST   128
#define BITS_V4_NET    120
#define BITS_V6_HOST   64
#define BITS_V6_NET    48

/* Indices into entries[] are one higher, so that 0 is none. */
struct links {
	uint32_t next, prev;
};

struct entry {
	struct account_source s;
	uint32_t chain; /* next in the bucket, or in the free list */
	struct links lru, penalised;
};

struct list {
	uint32_t first, last;
	size_t n;
};

struct account {
	struct account_settings set;
	account_change *change;
	void *change_arg;
	uint64_t seed, evicted;
	/* Entries 1..fresh were used once; the others are untouched memory, which costs nothing. */
	uint32_t max, free, fresh, swept;
	size_t buckets_n; /* a power of two */
	uint32_t *buckets;
	struct entry *entries;
	struct list lru, penalised; /* lru: last charged first */
};

const char *charge_reason_text(enum charge_reason r)
{
	static const char *const texts[CHARGE_REASONS] = {
		[CHARGE_CPU] = "scan CPU",
		[CHARGE_EXPANDED] = "expanded data",
		[CHARGE_BOMB] = "zip bombs and limits",
		[CHARGE_VIRUS] = "viruses",
		[CHARGE_BLOCKED] = "blocked files",
		[CHARGE_CONTENT] = "dangerous content",
		[CHARGE_ENCRYPTED] = "encrypted files",
		[CHARGE_SPAM] = "spam",
		[CHARGE_WORKER] = "lost scan workers",
	};

	return texts[r];
}

/* --- prices --- */

static float at_most(double ms)
{
	return ms > (double)COST_MAX_MS ? COST_MAX_MS : (float)ms;
}

void charge_price(const struct charge_prices *p, const struct charge_facts *f, struct charge *ret_c)
{
	double cpu = (double)f->cpu_us / 1000, free_ms = p->free_ms, total = 0;
	double expanded = (double)f->expanded_bytes / 1e6 * p->expanded_ms_mb;

	*ret_c = (struct charge){ 0 };
	ret_c->ms[CHARGE_CPU] = at_most(fmax(cpu - free_ms, 0));
	ret_c->ms[CHARGE_EXPANDED] = at_most(fmax(expanded - fmax(free_ms - cpu, 0), 0));
	for (int i = CHARGE_BOMB; i < CHARGE_REASONS; i++) {
		ret_c->n[i] = f->n[i];
		ret_c->ms[i] = at_most((double)f->n[i] * p->each_ms[i]);
	}
	for (int i = 0; i < CHARGE_REASONS; i++) {
		total += (double)ret_c->ms[i];
		if (i < CHARGE_BOMB)
			ret_c->n[i] = ret_c->ms[i] > 0;
	}
	ret_c->total_ms = at_most(total);
}

/* --- addresses --- */

static bool is_v4(const uint8_t addr[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(addr, mapped, sizeof(mapped)) == 0;
}

static void prefix_of(const uint8_t addr[16], uint8_t bits, struct throttle_prefix *ret_p)
{
	memcpy(ret_p->addr, addr, 16);
	ret_p->bits = bits;
	ip_mask(ret_p->addr, bits);
}

void account_host(const uint8_t addr[16], struct throttle_prefix *ret_p)
{
	prefix_of(addr, is_v4(addr) ? BITS_V4_HOST : BITS_V6_HOST, ret_p);
}

void account_network(const uint8_t addr[16], struct throttle_prefix *ret_p)
{
	prefix_of(addr, is_v4(addr) ? BITS_V4_NET : BITS_V6_NET, ret_p);
}

bool account_is_nobody(const uint8_t addr[16])
{
	static const uint8_t zeros[16], one[16] = { [15] = 1 };

	if (is_v4(addr))
		return addr[12] == 127 || memcmp(addr + 12, zeros, 4) == 0;
	return memcmp(addr, zeros, 16) == 0 || memcmp(addr, one, 16) == 0;
}

/* --- the table --- */

static struct entry *at(const struct account *a, uint32_t i)
{
	return i == 0 ? NULL : &a->entries[i - 1];
}

static uint32_t index_of(const struct account *a, const struct entry *e)
{
	return (uint32_t)(e - a->entries) + 1;
}

/* The one of the two lists that @off is the member of. */
static struct links *links_of(const struct account *a, uint32_t i, size_t off)
{
	return (struct links *)(void *)((char *)at(a, i) + off);
}

static void list_remove(struct account *a, struct list *l, struct entry *e, size_t off)
{
	struct links *own = links_of(a, index_of(a, e), off);

	if (own->prev != 0)
		links_of(a, own->prev, off)->next = own->next;
	else
		l->first = own->next;
	if (own->next != 0)
		links_of(a, own->next, off)->prev = own->prev;
	else
		l->last = own->prev;
	*own = (struct links){ 0 };
	l->n--;
}

static void list_push(struct account *a, struct list *l, struct entry *e, size_t off)
{
	uint32_t i = index_of(a, e);

	*links_of(a, i, off) = (struct links){ .next = l->first };
	if (l->first != 0)
		links_of(a, l->first, off)->prev = i;
	else
		l->last = i;
	l->first = i;
	l->n++;
}

#define LRU       offsetof(struct entry, lru)
#define PENALISED offsetof(struct entry, penalised)

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	h ^= h >> 29;
	h *= UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

static uint32_t *bucket_of(const struct account *a, const struct throttle_prefix *p)
{
	uint64_t high, low;

	memcpy(&high, p->addr, 8);
	memcpy(&low, p->addr + 8, 8);
	return &a->buckets[mix(mix(mix(a->seed ^ high) ^ low) + p->bits) & (a->buckets_n - 1)];
}

static struct entry *find(const struct account *a, const struct throttle_prefix *p)
{
	uint32_t i = *bucket_of(a, p);

	while (i != 0 && (at(a, i)->s.prefix.bits != p->bits ||
			  memcmp(at(a, i)->s.prefix.addr, p->addr, 16) != 0))
		i = at(a, i)->chain;
	return at(a, i);
}

/* @e has no penalty. */
static void drop(struct account *a, struct entry *e)
{
	uint32_t i = index_of(a, e), *link = bucket_of(a, &e->s.prefix);

	while (*link != i)
		link = &at(a, *link)->chain;
	*link = e->chain;
	list_remove(a, &a->lru, e, LRU);
	*e = (struct entry){ .chain = a->free };
	a->free = i;
}

static float part_left(const struct account *a, uint64_t age_ns)
{
	return (float)exp2(-(double)age_ns / (double)a->set.half_life_ns);
}

static void decay(const struct account *a, struct account_source *s, uint64_t now_ns)
{
	float factor, total = 0;

	if (now_ns <= s->updated_ns)
		return;
	factor = part_left(a, now_ns - s->updated_ns);
	for (int i = 0; i < CHARGE_REASONS; i++) {
		s->ms[i] *= factor;
		total += s->ms[i];
	}
	s->total_ms = total;
	s->updated_ns = now_ns;
}

static void tell(struct account *a, const struct entry *e, enum throttle_level before)
{
	if (a->change != NULL)
		a->change(a->change_arg, &e->s, before);
}

/*
 * Of some that were not charged for longest the least costly leaves, one with a penalty only when
 * all have one: its penalty ends early. Those that stay become young, so that the next look finds
 * others.
 */
static void make_room(struct account *a, uint64_t now_ns)
{
	struct entry *worst = NULL, *e;
	enum throttle_level level;

	for (unsigned i = 0; i < EVICT_LOOKS && i < a->lru.n; i++) {
		e = at(a, a->lru.last);
		decay(a, &e->s, now_ns);
		if (worst == NULL || e->s.level < worst->s.level ||
		    (e->s.level == worst->s.level && e->s.total_ms < worst->s.total_ms))
			worst = e;
		list_remove(a, &a->lru, e, LRU);
		list_push(a, &a->lru, e, LRU);
	}
	a->evicted++;
	level = worst->s.level;
	if (level > THROTTLE_NORMAL) {
		list_remove(a, &a->penalised, worst, PENALISED);
		worst->s.level = THROTTLE_NORMAL;
		tell(a, worst, level);
	}
	drop(a, worst);
}

static struct entry *open_account(struct account *a, const struct throttle_prefix *p,
				  uint64_t now_ns)
{
	struct entry *e = find(a, p);
	uint32_t *bucket;

	if (e != NULL) {
		decay(a, &e->s, now_ns);
		list_remove(a, &a->lru, e, LRU);
		list_push(a, &a->lru, e, LRU);
		return e;
	}
	if (a->free == 0 && a->fresh < a->max) {
		e = at(a, ++a->fresh);
	} else {
		if (a->free == 0)
			make_room(a, now_ns);
		e = at(a, a->free);
		a->free = e->chain;
	}
	bucket = bucket_of(a, p);
	*e = (struct entry){ .s = { .prefix = *p, .updated_ns = now_ns }, .chain = *bucket };
	*bucket = index_of(a, e);
	list_push(a, &a->lru, e, LRU);
	return e;
}

/* --- levels --- */

/* The highest whose limit, times @part, is reached. */
static enum throttle_level level_for(const struct account_source *s, float part)
{
	for (int l = THROTTLE_NOTHING; l > THROTTLE_NORMAL; l--)
		if (s->limits.ms[l] > 0 && s->total_ms >= s->limits.ms[l] * part)
			return (enum throttle_level)l;
	return THROTTLE_NORMAL;
}

static void set_level(struct account *a, struct entry *e, enum throttle_level level,
		      uint64_t now_ns, uint64_t duration_ns)
{
	enum throttle_level before = e->s.level;

	if (before == THROTTLE_NORMAL && level > THROTTLE_NORMAL)
		list_push(a, &a->penalised, e, PENALISED);
	if (before > THROTTLE_NORMAL && level == THROTTLE_NORMAL)
		list_remove(a, &a->penalised, e, PENALISED);
	if (before != level)
		e->s.since_ns = now_ns;
	e->s.level = (uint8_t)level;
	e->s.until_ns = level == THROTTLE_NORMAL ? 0 : now_ns + duration_ns;
	tell(a, e, before);
}

static uint64_t duration(const struct account *a, const struct entry *e)
{
	return a->set.penalty_ns << (MAX_OF(e->s.strikes, 1u) - 1);
}

static void judge(struct account *a, struct entry *e, uint64_t now_ns)
{
	enum throttle_level want = level_for(&e->s, 1);

	if (want > e->s.level) {
		e->s.strikes = (uint8_t)MIN_OF(e->s.strikes + 1u, STRIKES_MAX);
		set_level(a, e, want, now_ns, duration(a, e));
	} else if (want == e->s.level && want > THROTTLE_NORMAL &&
		   e->s.until_ns < now_ns + duration(a, e) / 2) {
		/* It goes on. Not at each message: the kernel is told of every change. */
		set_level(a, e, want, now_ns, duration(a, e));
	}
}

static void add_cost(struct entry *e, const struct charge *c)
{
	struct account_source *s = &e->s;
	float total = 0, too_much;

	for (int i = 0; i < CHARGE_REASONS; i++) {
		s->ms[i] += c->ms[i];
		total += s->ms[i];
		if (__builtin_add_overflow(s->n[i], c->n[i], &s->n[i]))
			s->n[i] = UINT32_MAX;
	}
	too_much = total > COST_MAX_MS ? COST_MAX_MS / total : 1;
	for (int i = 0; i < CHARGE_REASONS; i++)
		s->ms[i] *= too_much;
	s->total_ms = MIN_OF(total, COST_MAX_MS);
	s->charges += s->charges < UINT32_MAX;
}

static void charge_one(struct account *a, const struct throttle_prefix *p, const struct charge *c,
		       const struct account_limits *limits, float factor, uint64_t now_ns)
{
	struct entry *e = open_account(a, p, now_ns);

	for (int l = 0; l <= THROTTLE_NOTHING; l++)
		e->s.limits.ms[l] = limits->ms[l] * factor;
	add_cost(e, c);
	judge(a, e, now_ns);
}

/*
 * The part of @c that counts against the network of @host (NULL: a new one): no more than brings
 * that one address to its highest level. So a network owes at most as much for one sender, who may
 * have taken over a scan worker and tell any cost, and his neighbours are not refused for him.
 */
static float networks_part(const struct entry *host, const struct charge *c,
			   const struct account_limits *limits)
{
	int highest = THROTTLE_NOTHING;
	float room;

	while (highest > THROTTLE_NORMAL && !(limits->ms[highest] > 0))
		highest--;
	if (highest == THROTTLE_NORMAL)
		return 1;
	if (host == NULL)
		return MIN_OF(limits->ms[highest] / c->total_ms, 1.0f);
	room = limits->ms[highest] - host->s.total_ms;
	if (host->s.level >= highest || room <= 0)
		return 0;
	return MIN_OF(room / c->total_ms, 1.0f);
}

static void charge_network(struct account *a, const struct throttle_prefix *p,
			   const struct charge *c, const struct account_limits *limits, float part,
			   uint64_t now_ns)
{
	struct charge own = *c;

	for (int i = 0; i < CHARGE_REASONS; i++)
		own.ms[i] *= part;
	charge_one(a, p, &own, limits, (float)a->set.network_factor, now_ns);
}

void account_charge(struct account *a, const uint8_t addr[16], const struct charge *c,
		    const struct account_limits *limits, uint64_t now_ns)
{
	struct throttle_prefix host, network;
	struct entry *e;
	float part;

	if (!(c->total_ms > 0))
		return;
	account_host(addr, &host);
	account_network(addr, &network);
	e = find(a, &host);
	if (e != NULL)
		decay(a, &e->s, now_ns);
	part = networks_part(e, c, limits);
	if (a->set.network_factor > 0 && part > 0)
		charge_network(a, &network, c, limits, part, now_ns);
	charge_one(a, &host, c, limits, 1, now_ns);
}

/* --- time --- */

static void end_penalty(struct account *a, struct entry *e, uint64_t now_ns)
{
	enum throttle_level want;

	decay(a, &e->s, now_ns);
	want = level_for(&e->s, 0.5f);
	want = MIN_OF(want, (enum throttle_level)e->s.level);
	set_level(a, e, want, now_ns, a->set.penalty_ns);
}

void account_tick(struct account *a, uint64_t now_ns)
{
	uint32_t i = a->penalised.first;

	while (i != 0) {
		struct entry *e = at(a, i);

		i = e->penalised.next;
		if (now_ns >= e->s.until_ns)
			end_penalty(a, e, now_ns);
	}
	for (unsigned n = 0; n < SWEEP_PER_TICK && n < a->fresh; n++) {
		struct entry *e = &a->entries[a->swept];

		a->swept = (a->swept + 1) % a->fresh;
		if (e->s.prefix.bits == 0 || e->s.level > THROTTLE_NORMAL)
			continue;
		decay(a, &e->s, now_ns);
		if (e->s.total_ms < FORGOTTEN_MS)
			drop(a, e);
	}
}

/* --- questions --- */

bool account_get(struct account *a, const struct throttle_prefix *p, uint64_t now_ns,
		 struct account_source *ret_s)
{
	struct entry *e = find(a, p);

	if (e == NULL)
		return false;
	decay(a, &e->s, now_ns);
	*ret_s = e->s;
	return true;
}

size_t account_forgive_all(struct account *a,
			   bool (*is_one)(const void *arg, const struct throttle_prefix *p),
			   const void *arg)
{
	size_t n = 0;

	for (uint32_t i = 1; i <= a->fresh && a->lru.n > 0; i++) {
		struct entry *e = at(a, i);

		if (e->s.prefix.bits == 0 || !is_one(arg, &e->s.prefix))
			continue;
		if (e->s.level > THROTTLE_NORMAL)
			set_level(a, e, THROTTLE_NORMAL, e->s.updated_ns, 0);
		drop(a, e);
		n++;
	}
	return n;
}

static bool is_inside_arg(const void *arg, const struct throttle_prefix *p)
{
	return prefix_covers(arg, p);
}

size_t account_forgive(struct account *a, const struct throttle_prefix *p)
{
	return account_forgive_all(a, is_inside_arg, p);
}

static bool is_cost(float ms)
{
	return ms >= 0 && ms <= COST_MAX_MS; /* false for what is no number */
}

void account_restore(struct account *a, const struct account_source *s, uint64_t age_ns,
		     uint64_t now_ns)
{
	/* However wrong the clock was: no longer than a penalty of this run can be. */
	uint64_t longest_ns = now_ns + (a->set.penalty_ns << (STRIKES_MAX - 1));
	float factor = part_left(a, age_ns);
	struct charge c = { 0 };
	struct entry *e;

	if (s->prefix.bits == 0 || s->level > THROTTLE_NOTHING)
		return;
	for (int i = 0; i < CHARGE_REASONS; i++) {
		c.ms[i] = is_cost(s->ms[i]) ? s->ms[i] * factor : 0;
		c.n[i] = s->n[i];
	}
	e = open_account(a, &s->prefix, now_ns);
	e->s.strikes = (uint8_t)MIN_OF(s->strikes, STRIKES_MAX);
	e->s.limits = s->limits;
	add_cost(e, &c);
	e->s.charges = s->charges;
	if (s->level == THROTTLE_NORMAL || s->until_ns <= now_ns)
		return;
	set_level(a, e, s->level, now_ns, MIN_OF(s->until_ns, longest_ns) - now_ns);
	e->s.since_ns = MIN_OF(s->since_ns, now_ns);
}

/*
 * The costliest so far as a heap, the least of them on top. A sorted list would be moved for each
 * of a flood of accounts, which come in rising order: the later, the less was forgiven.
 */
struct rank {
	float ms;
	uint32_t i;
};

/* Put @r where it belongs from the top of @heap on. */
static void sink(struct rank *heap, size_t n, struct rank r)
{
	size_t at = 0, child;

	while ((child = 2 * at + 1) < n) {
		if (child + 1 < n && heap[child + 1].ms < heap[child].ms)
			child++;
		if (heap[child].ms >= r.ms)
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = r;
}

static void rise(struct rank *heap, size_t at, struct rank r)
{
	while (at > 0 && heap[(at - 1) / 2].ms > r.ms) {
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = r;
}

size_t account_costliest(struct account *a, uint64_t now_ns, struct account_source *ret_s,
			 size_t max)
{
	struct rank heap[ACCOUNT_COSTLIEST_MAX];
	size_t n = 0;

	max = MIN_OF(max, (size_t)ACCOUNT_COSTLIEST_MAX);
	for (uint32_t i = 1; i <= a->fresh && max > 0; i++) {
		struct account_source *s = &at(a, i)->s;

		/* It only became less since: what was too little then needs no arithmetic now. */
		if (s->prefix.bits == 0 || (n == max && s->total_ms <= heap[0].ms))
			continue;
		decay(a, s, now_ns);
		if (n < max)
			rise(heap, n++, (struct rank){ s->total_ms, i });
		else if (s->total_ms > heap[0].ms)
			sink(heap, n, (struct rank){ s->total_ms, i });
	}
	for (size_t left = n; left > 0; left--) {
		ret_s[left - 1] = at(a, heap[0].i)->s;
		sink(heap, left - 1, heap[left - 1]);
	}
	return n;
}

void account_each_penalised(struct account *a,
			    void (*each)(void *arg, const struct account_source *s), void *arg)
{
	for (uint32_t i = a->penalised.first; i != 0; i = at(a, i)->penalised.next)
		each(arg, &at(a, i)->s);
}

size_t account_n(const struct account *a)
{
	return a->lru.n;
}

size_t account_penalised_n(const struct account *a)
{
	return a->penalised.n;
}

uint64_t account_evicted(const struct account *a)
{
	return a->evicted;
}

/* --- life --- */

void account_configure(struct account *a, const struct account_settings *s)
{
	assert(s->half_life_ns > 0 && s->penalty_ns > 0);
	a->set = *s;
	/* Five strikes must not overflow a time. */
	a->set.penalty_ns = MIN_OF(s->penalty_ns, UINT64_MAX >> (STRIKES_MAX + 4));
}

int account_new(struct account **ret_a, uint32_t sources_max, uint64_t seed,
		const struct account_settings *s, account_change *change, void *arg,
		struct err *err)
{
	AUTO(account_free) struct account *a = calloc(1, sizeof(*a));

	assert(sources_max > 0);
	if (a == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "throttle: out of memory");
	a->max = sources_max;
	a->seed = seed;
	a->change = change;
	a->change_arg = arg;
	a->buckets_n = 1;
	while (a->buckets_n < sources_max)
		a->buckets_n *= 2;
	a->buckets = calloc(a->buckets_n, sizeof(*a->buckets));
	a->entries = calloc(sources_max, sizeof(*a->entries));
	if (a->buckets == NULL || a->entries == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM,
			       "throttle: no memory for Throttle Sources = %u", sources_max);
	account_configure(a, s);
	*ret_a = TAKE(a);
	return 0;
}

void account_free(struct account **a)
{
	if (*a == NULL)
		return;
	free((*a)->buckets);
	free((*a)->entries);
	free(*a);
	*a = NULL;
}
