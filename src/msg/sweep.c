/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg/sweep.c - hidden left-overs of interrupted quarantining, in every directory that Quarantine
 * Dir can name for anybody, and in those that it named before: a file beside the attempts
 * database remembers them, since who is killed leaves them behind, and the next configuration may
 * know nothing of them. A ruleset can name thousands, on a disk that is slow or away, so a thread
 * looks at them while mail flows. It needs no care for that mail: what somebody is at work on is
 * locked, and the sweep of another gateway could come at any time as well.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/log.h"
#include "msg/internal.h"

#define PROBLEMS_MAX 10 /* said at a time */

/* Sorted, each once; lent. */
struct dir_list {
	const char **v;
	size_t n;
};

static void dir_list_fini(struct dir_list *l)
{
	free(l->v);
	*l = (struct dir_list){ 0 };
}

/* --- in the thread --- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_once(struct dir_list *l)
{
	size_t n = 0;

	if (l->n == 0)
		return;
	qsort(l->v, l->n, sizeof(*l->v), by_text);
	for (size_t i = 1; i < l->n; i++)
		if (strcmp(l->v[n], l->v[i]) != 0)
			l->v[++n] = l->v[i];
	l->n = n + 1;
}

static bool is_in(const struct dir_list *l, const char *dir)
{
	return l->n > 0 && bsearch(&dir, l->v, l->n, sizeof(*l->v), by_text) != NULL;
}

/* @now and the lines of @text, whose line ends become NULs. */
static int join(struct dir_list *ret, const struct dir_list *now, struct str *text)
{
	size_t lines = 0;

	for (size_t i = 0; i < text->n; i++)
		lines += text->p[i] == '\n';
	ret->v = calloc(now->n + lines, sizeof(*ret->v));
	if (ret->v == NULL)
		return -ENOMEM;
	memcpy(ret->v, now->v, now->n * sizeof(*ret->v));
	ret->n = now->n;
	for (char *line = text->p; lines > 0; lines--) {
		char *end = strchrnul(line, '\n');

		if (*end != '\n') /* a NUL: not written by us */
			break;
		*end = '\0';
		if (line[0] == '/')
			ret->v[ret->n++] = line;
		line = end + 1;
	}
	sort_once(ret);
	return 0;
}

static void problem(struct sweeper *s, const char *text)
{
	if (s->problems_n++ < PROBLEMS_MAX)
		str_addf(&s->problems, "%s\n", text);
}

/* What stands in the file already is not written again. */
static void remember(struct sweeper *s, const struct dir_list *l, struct bytes known)
{
	AUTO(str_fini) struct str text;
	struct err err;

	str_init(&text, QUARANTINE_MEMORY_MAX);
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i][0] == '/' && strchr(l->v[i], '\n') == NULL)
			str_addf(&text, "%s\n", l->v[i]);
	if (bytes_eq(str_bytes(&text), known))
		return;
	if (text.failed)
		(void)err_set(&err, ERR_LIMIT, -E2BIG,
			      "there are more quarantines than '%s' may hold", s->memory);
	else if (quarantine_memory_write(s->memory, str_bytes(&text), &err) == 0)
		return;
	problem(s, err.text);
}

/* The default is checked before it is used (site.c); mail for others waits when they are no good.
 */
static void check(struct sweeper *s, const struct dir_list *now)
{
	const struct site *site = s->site;
	const char *checked = conf_str(site->conf, OPT_QUARANTINE_DIR, NULL);
	struct err err;

	for (size_t i = 0; i < now->n && !atomic_load(&s->stop); i++) {
		struct quarantine_settings set = { .dir = now->v[i],
						   .user = site->quarantine_uid,
						   .group = site->quarantine_gid,
						   .file_mode = site->quarantine_mode };

		if (strcmp(now->v[i], checked) != 0 && quarantine_check(&set, &err) < 0)
			problem(s, err.text);
	}
}

/* Leaves in @keep what a later start shall look at: those of now, and those that could not be. */
static void sweep_all(struct sweeper *s, const struct dir_list *all, const struct dir_list *now,
		      struct dir_list *keep)
{
	struct err err;

	for (size_t i = 0; i < all->n; i++) {
		bool stopped = atomic_load(&s->stop);
		int n = stopped ? 0 : quarantine_sweep(all->v[i], &err);

		if (n < 0)
			problem(s, err.text);
		else
			s->removed += (unsigned)n;
		if (stopped || n < 0 || !s->first || is_in(now, all->v[i]))
			keep->v[keep->n++] = all->v[i];
	}
}

static void work(struct sweeper *s)
{
	AUTO(dir_list_fini) struct dir_list now = { 0 }, all = { 0 }, keep = { 0 };
	AUTO(str_fini) struct str text, known;
	struct err err;

	str_init(&text, QUARANTINE_MEMORY_MAX);
	str_init(&known, QUARANTINE_MEMORY_MAX);
	if (quarantine_memory_read(s->memory, &text, &err) < 0) {
		problem(s, err.text);
		str_reset(&text);
	}
	str_add_bytes(&known, str_bytes(&text));
	if (conf_values(s->site->conf, OPT_QUARANTINE_DIR, &now.v, &now.n) == 0) {
		sort_once(&now);
		keep.v = join(&all, &now, &text) < 0 ? NULL : calloc(all.n, sizeof(*keep.v));
	}
	if (keep.v == NULL) {
		problem(s, "quarantines: out of memory; left-overs stay for the next start");
		return;
	}
	remember(s, &all, str_bytes(&known));
	sweep_all(s, &all, &now, &keep);
	check(s, &now);
	if (s->first)
		remember(s, &keep, BYTES(""));
}

static void *run(void *arg)
{
	struct sweeper *s = arg;

	work(s);
	(void)!eventfd_write(s->event_fd, 1);
	return NULL;
}

/* --- on the loop --- */

static void tell(struct sweeper *s)
{
	struct bytes text = str_bytes(&s->problems), line;

	while (bytes_next_line(&text, &line))
		log_warning("%.*s", (int)line.n, (const char *)line.p);
	if (s->problems_n > PROBLEMS_MAX)
		log_warning("and %u more quarantines with a problem", s->problems_n - PROBLEMS_MAX);
	if (s->removed > 0)
		log_notice("Quarantine: removed %u unfinished entries of an earlier run (their "
			   "messages are still in the queue)",
			   s->removed);
}

static void end(struct sweeper *s)
{
	eventfd_t n;

	(void)pthread_join(s->thread, NULL);
	(void)!eventfd_read(s->event_fd, &n);
	s->running = false;
	tell(s);
	site_unref(&s->site);
	str_reset(&s->problems);
	s->problems_n = s->removed = 0;
	s->first = false;
}

static void start(struct sweeper *s, struct site *site)
{
	int r;

	s->site = site_ref(site);
	r = gate_start_thread(s->gate, &s->thread, run, s);
	if (r < 0) {
		log_warning("the thread that looks for left-overs in quarantine: %s", strerror(-r));
		site_unref(&s->site);
		return;
	}
	s->running = true;
	if (!s->polling)
		loop_poll(s->gate->loop, &s->op, s->event_fd);
	s->polling = true;
}

static void ended(struct op *op, int result UNUSED, bool more)
{
	struct sweeper *s = CONTAINER_OF(op, struct sweeper, op);
	struct site *next = TAKE(s->next);

	s->polling = more;
	if (s->running)
		end(s);
	if (next != NULL)
		start(s, next);
	site_unref(&next);
}

int sweep_init(struct sweeper *s, struct gate *g, struct err *err)
{
	const char *beside = conf_str(g->site->conf, OPT_PROCESSING_ATTEMPTS_DATABASE, NULL);

	s->gate = g;
	s->op.done = ended;
	s->first = true;
	str_init(&s->problems, 64 * KIB);
	if (asprintf(&s->memory, "%s.quarantines", beside) < 0) {
		s->memory = NULL;
		return err_set(err, ERR_TEMP, -ENOMEM, "gateway: out of memory");
	}
	s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return s->event_fd < 0 ? err_errno(err, "eventfd for sweeps") : 0;
}

void sweep_begin(struct sweeper *s, struct site *site)
{
	if (!s->running) {
		start(s, site);
		return;
	}
	site_unref(&s->next);
	s->next = site_ref(site);
}

void sweep_fini(struct sweeper *s)
{
	atomic_store(&s->stop, true);
	if (s->running)
		end(s);
	if (s->polling)
		loop_cancel(s->gate->loop, &s->op);
	site_unref(&s->next);
	fd_close(&s->event_fd);
	str_fini(&s->problems);
	free(s->memory);
	s->memory = NULL;
}
