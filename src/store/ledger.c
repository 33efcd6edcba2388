/* SPDX-License-Identifier: GPL-2.0-or-later */
/* store/ledger.c - the ids in flight. */
#include "store/ledger.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store_internal.h"

#define PLACES_MAX 1000000u

static const char magic[8] = "SPledg1";

/* On disk. Host byte order: the file never leaves the machine. */
struct ledger_head {
	char magic[8];
	uint64_t generation;
	uint64_t places;
	uint64_t sum;   /* of the three above */
	uint64_t owner; /* process id, for the message to the second gateway only */
	uint8_t unused[88];
};

struct ledger_place {
	_Atomic uint32_t used;
	uint32_t unused;
	uint64_t generation;
	uint64_t sum; /* of id and generation */
	char id[LEDGER_ID_MAX];
	uint8_t unused2[40];
};

/* A place never crosses a disk sector. */
_Static_assert(sizeof(struct ledger_head) == 128, "layout on disk");
_Static_assert(sizeof(struct ledger_place) == 128, "layout on disk");

struct ledger {
	int fd; /* holds the flock; -1 while half built */
	uint64_t generation;
	char (*leftover)[LEDGER_ID_MAX];
	size_t leftover_n;
	struct ledger_head *head; /* the mapping; NULL before ledger_start() */
	struct ledger_place *places;
	size_t map_bytes;
	unsigned places_n;
	unsigned *free_places; /* a stack */
	unsigned free_n, used_n;
};

static uint64_t head_sum(const struct ledger_head *h)
{
	return store_hash(bytes_of(h, offsetof(struct ledger_head, sum)), 0);
}

static uint64_t place_sum(const struct ledger_place *p)
{
	return store_hash(bytes_of(p->id, sizeof(p->id)), p->generation);
}

void ledger_close(struct ledger **l)
{
	if (*l == NULL)
		return;
	if ((*l)->head != NULL)
		(void)munmap((*l)->head, (*l)->map_bytes);
	fd_close(&(*l)->fd);
	free((*l)->leftover);
	free((*l)->free_places);
	free(*l);
	*l = NULL;
}

/* It may be the gateway of a supervisor that was killed, which ends when its mail is done. */
static int say_who(int fd, const char *path, struct err *err)
{
	struct ledger_head h;

	if (pread(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) && h.owner != 0)
		return err_set(err, ERR_TEMP, -EBUSY,
			       "'%s' is in use by process %" PRIu64
			       ": another gateway works on these queues; stop it first",
			       path, h.owner);
	return err_set(err, ERR_TEMP, -EBUSY, "'%s' is in use by another gateway; stop it first",
		       path);
}

static int check_file(int fd, const char *path, uint64_t *ret_size, struct err *err)
{
	struct stat st;
	int r = STORE_CALL("ledger_stat", fstat(fd, &st));

	if (r < 0)
		return err_code(err, r, "stat '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_CONFIG, -EINVAL,
			       "'%s' is not a regular file: remove it, it is made anew", path);
	if (st.st_uid != geteuid() && geteuid() != 0)
		return err_set(err, ERR_CONFIG, -EPERM,
			       "'%s' belongs to user %u, the gateway runs as user %u: "
			       "remove it or chown it",
			       path, (unsigned)st.st_uid, (unsigned)geteuid());
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

static bool is_leftover(const struct ledger_place *p, uint64_t generation)
{
	return atomic_load_explicit(&p->used, memory_order_relaxed) != 0 &&
	       p->generation == generation && p->sum == place_sum(p) &&
	       p->id[LEDGER_ID_MAX - 1] == '\0' && p->id[0] != '\0';
}

/* An unreadable head is not an error: it means a new file, or a power cut that no message is to
 * blame for. */
static int read_leftovers(struct ledger *l, const char *path, uint64_t size, struct err *err)
{
	struct ledger_head h;
	struct ledger_place p;
	int r;

	r = STORE_CALL("ledger_read", (int)pread(l->fd, &h, sizeof(h), 0));
	if (r < 0)
		return err_code(err, r, "read '%s'", path);
	if ((size_t)r < sizeof(h) || memcmp(h.magic, magic, sizeof(magic)) != 0 ||
	    h.sum != head_sum(&h) || h.places > PLACES_MAX ||
	    size < sizeof(h) + h.places * sizeof(p))
		return 0;
	l->generation = h.generation;
	l->leftover = calloc(h.places + 1, LEDGER_ID_MAX);
	if (l->leftover == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "'%s': out of memory", path);
	for (uint64_t i = 0; i < h.places; i++) {
		r = STORE_CALL("ledger_read",
			       (int)pread(l->fd, &p, sizeof(p), (off_t)((i + 1) * sizeof(p))));
		if (r < 0)
			return err_code(err, r, "read '%s'", path);
		if ((size_t)r == sizeof(p) && is_leftover(&p, h.generation))
			memcpy(l->leftover[l->leftover_n++], p.id, sizeof(p.id));
	}
	return 0;
}

int ledger_open(struct ledger **ret_l, const char *path, struct err *err)
{
	AUTO(ledger_close) struct ledger *l = calloc(1, sizeof(*l));
	uint64_t size = 0;
	int r;

	if (l == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "'%s': out of memory", path);
	l->fd = -1;
	l->fd = STORE_CALL("ledger_open",
			   open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
	if (l->fd < 0)
		return err_code(err, l->fd,
				"open '%s' (its directory must be writable for user %u)", path,
				(unsigned)geteuid());
	r = STORE_CALL("ledger_lock", flock(l->fd, LOCK_EX | LOCK_NB));
	if (r == -EWOULDBLOCK)
		return say_who(l->fd, path, err);
	if (r < 0)
		return err_code(err, r, "lock '%s'", path);
	r = check_file(l->fd, path, &size, err);
	if (r == 0)
		r = read_leftovers(l, path, size, err);
	if (r == 0)
		*ret_l = TAKE(l);
	return r;
}

size_t ledger_leftover_n(const struct ledger *l)
{
	return l->leftover_n;
}

const char *ledger_leftover(const struct ledger *l, size_t i)
{
	return l->leftover[i];
}

/* posix_fallocate(), because a hole in the file would be a SIGBUS when the disk is full. */
static int allocate(int fd, off_t n)
{
	errno = posix_fallocate(fd, 0, n);
	return errno == 0 ? 0 : -1;
}

static int map_file(struct ledger *l, unsigned places, struct err *err)
{
	size_t n = sizeof(struct ledger_head) + (size_t)places * sizeof(struct ledger_place);
	void *p = MAP_FAILED;
	int r;

	r = STORE_CALL("ledger_allocate", allocate(l->fd, (off_t)n));
	if (r < 0)
		return err_code(err, r, "allocate %zu bytes for the ledger of attempts", n);
	r = STORE_CALL("ledger_map", (p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, l->fd,
					       0)) == MAP_FAILED
					     ? -1
					     : 0);
	if (r < 0)
		return err_code(err, r, "map the ledger of attempts");
	l->head = p;
	l->places = (struct ledger_place *)(void *)((char *)p + sizeof(struct ledger_head));
	l->map_bytes = n;
	l->places_n = places;
	return 0;
}

/* The new generation makes all old places stale at once; clearing them is tidiness. */
static void write_head(struct ledger *l)
{
	struct ledger_head *h = l->head;

	*h = (struct ledger_head){ .generation = l->generation + 1, .places = l->places_n };
	memcpy(h->magic, magic, sizeof(magic));
	h->owner = (uint64_t)getpid();
	h->sum = head_sum(h);
	l->generation = h->generation;
	memset(l->places, 0, (size_t)l->places_n * sizeof(*l->places));
}

int ledger_reserve(struct ledger *l, unsigned places, struct err *err)
{
	if (places == 0 || places > PLACES_MAX || l->head != NULL)
		return err_set(err, ERR_BUG, -EINVAL, "ledger of attempts with %u places", places);
	l->free_places = calloc(places, sizeof(*l->free_places));
	if (l->free_places == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "ledger of attempts: out of memory");
	return map_file(l, places, err);
}

void ledger_start(struct ledger *l)
{
	write_head(l);
	free(l->leftover);
	l->leftover = NULL;
	l->leftover_n = 0;
	for (unsigned i = 0; i < l->places_n; i++)
		l->free_places[i] = l->places_n - 1 - i;
	l->free_n = l->places_n;
}

int ledger_put(struct ledger *l, const char *id, unsigned *ret_place)
{
	size_t n = strlen(id);
	struct ledger_place *p;

	if (n == 0 || n >= LEDGER_ID_MAX)
		return -EINVAL;
	if (l->free_n == 0)
		return -ENOSPC;
	*ret_place = l->free_places[--l->free_n];
	p = &l->places[*ret_place];
	memset(p->id, 0, sizeof(p->id));
	memcpy(p->id, id, n);
	p->generation = l->generation;
	p->sum = place_sum(p);
	atomic_store_explicit(&p->used, 1, memory_order_release);
	l->used_n++;
	return 0;
}

const char *ledger_id(const struct ledger *l, unsigned place)
{
	if (place >= l->places_n ||
	    atomic_load_explicit(&l->places[place].used, memory_order_relaxed) == 0)
		return NULL;
	return l->places[place].id;
}

void ledger_clear(struct ledger *l, unsigned place)
{
	if (ledger_id(l, place) == NULL)
		return;
	atomic_store_explicit(&l->places[place].used, 0, memory_order_release);
	l->free_places[l->free_n++] = place;
	l->used_n--;
}

unsigned ledger_used(const struct ledger *l)
{
	return l->used_n;
}
