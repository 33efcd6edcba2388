/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/top_lines.c - what stands where in `sallyport top`. */
#include "tools/top_lines.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base.h"
#include "core/text.h"

#define AGE_WARN_S 5.0
#define AGE_BAD_S  30.0
#define BAR        10 /* characters */

struct page {
	struct top_lines *out;
	const struct top_frame *f;
	const struct top_rates *r;
	unsigned width;
};

/* At most @width bytes, and no half of a character at the end. */
static void cut_text(char *text, unsigned width)
{
	size_t n = strlen(text), start = MIN_OF(n, (size_t)width);

	text[start] = '\0';
	n = start;
	while (start > 0 && n - start < 3 && ((uint8_t)text[start] & 0xc0) != 0xc0)
		start--;
	if (((uint8_t)text[start] & 0xc0) == 0xc0 &&
	    text_utf8_length(bytes_of(text + start, n - start)) == 0)
		text[start] = '\0';
}

static void PRINTF(3, 4) put(struct page *p, enum top_style style, const char *fmt, ...)
{
	struct top_lines *l = p->out;
	va_list args;

	if (l->n == TOP_LINES_MAX)
		return;
	l->line[l->n].style = style;
	va_start(args, fmt);
	(void)vsnprintf(l->line[l->n].text, TOP_LINE_MAX, fmt, args);
	va_end(args);
	cut_text(l->line[l->n].text, p->width);
	l->n++;
}

/* "3:02:01", "42.1 s": as short as it can be read. */
static const char *age_text(double s, char out[24])
{
	uint64_t whole = s < 0 ? 0 : (uint64_t)s;

	if (s < 0)
		(void)snprintf(out, 24, "-");
	else if (s < 100)
		(void)snprintf(out, 24, "%.1f s", s);
	else
		(void)snprintf(out, 24, "%" PRIu64 ":%02u:%02u", whole / 3600,
			       (unsigned)(whole / 60 % 60), (unsigned)(whole % 60));
	return out;
}

static const char *bytes_text(double n, char out[24])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	size_t i = 0;

	for (; n >= 1000 && i + 1 < ARRAY_LEN(units); i++)
		n /= 1000;
	(void)snprintf(out, 24, "%.1f %s", n, units[i]);
	return out;
}

static const char *bar(double share, char out[BAR + 1])
{
	size_t full = share <= 0 ? 0 : share >= 1 ? BAR : (size_t)(share * BAR + 0.5);

	memset(out, '.', BAR);
	memset(out, '#', full);
	out[BAR] = '\0';
	return out;
}

static void put_head(struct page *p)
{
	const struct top_frame *f = p->f;
	const struct top_rates *r = p->r;
	char up[24], bytes[24];
	bool fine = f->workers_up > 0 && !f->draining && r->deaths == 0;

	put(p, TOP_TITLE, "Sallyport %s   up %s   %s", f->version, age_text(f->uptime_s, up),
	    f->engine);
	put(p, fine ? TOP_GOOD : TOP_WARN,
	    "%s: %" PRIu64 " scan threads, %" PRIu64 " of %" PRIu64 " messages in hand%s",
	    f->draining         ? "stopping"
	    : f->workers_up > 0 ? "scanning"
				: "waiting for the scan engine",
	    f->workers_up, f->in_flight, f->in_flight_max,
	    r->deaths > 0 ? ", workers are dying" : "");
	put(p, TOP_PLAIN,
	    "per second: %.1f delivered, %.1f quarantined, %.1f deferred, %s, %.1f cache hits",
	    r->delivered, r->quarantined, r->deferred, bytes_text(r->bytes, bytes), r->cache_hits);
}

static void put_dirs(struct page *p, size_t max)
{
	char age[24];

	put(p, TOP_HEAD, "%10s %10s  QUEUE", "WAITING", "OLDEST");
	for (size_t i = 0; i < p->f->dirs_n && i < max; i++) {
		const struct top_dir *d = &p->f->dirs[i];
		char waiting[24] = "-";

		if (d->waiting >= 0)
			(void)snprintf(waiting, sizeof(waiting), "%" PRId64, d->waiting);
		put(p, d->oldest_s > AGE_BAD_S ? TOP_WARN : TOP_PLAIN, "%10s %10s  %s", waiting,
		    age_text(d->oldest_s, age), d->path);
	}
}

static enum top_style thread_style(const struct top_thread *t)
{
	if (t->age_s > AGE_BAD_S)
		return TOP_BAD;
	return t->age_s > AGE_WARN_S ? TOP_WARN : TOP_PLAIN;
}

/* The bar grows with the logarithm of the message's age: full at the half minute that is too long.
 */
static double age_share(double s)
{
	double share = 0;

	for (double at = 0.03; at < s && share < 1; at *= 2)
		share += 0.1;
	return share;
}

static void put_threads(struct page *p, size_t max)
{
	const struct top_frame *f = p->f;
	char age[24], line[BAR + 1];

	put(p, TOP_HEAD, "%8s %4s %5s %8s  %-11s %10s %-10s %s", "THREAD", "CORE", "CPU", "DONE/S",
	    "STATE", "AGE", "", "MESSAGE");
	for (size_t i = 0; i < f->threads_n && i < max; i++) {
		const struct top_thread *t = &f->threads[i];
		char core[12] = "-";

		if (t->core >= 0)
			(void)snprintf(core, sizeof(core), "%d", t->core);
		put(p, thread_style(t), "%8d %4s %4.0f%% %8.1f  %c %-9s %10s %s %s", t->pid, core,
		    p->r->thread_cpu[i] * 100, p->r->thread_done[i], t->state,
		    top_state_name(t->state), t->id[0] == '\0' ? "-" : age_text(t->age_s, age),
		    bar(age_share(t->age_s), line), t->id);
	}
	if (f->threads_n > max)
		put(p, TOP_PLAIN, "         and %zu more", f->threads_n - max);
}

static void put_stages(struct page *p, size_t max)
{
	const struct top_frame *f = p->f;
	double whole = 0;
	char line[BAR + 1];

	for (size_t i = 0; i < f->stages_n; i++)
		whole += p->r->stage_cpu[i];
	put(p, TOP_HEAD, "%-14s %6s %10s %9s %9s", "STAGE", "SHARE", "", "TIMES/S", "US EACH");
	for (size_t i = 0; i < f->stages_n && i < max; i++) {
		double share = whole > 0 ? p->r->stage_cpu[i] / whole : 0;

		put(p, TOP_PLAIN, "%-14s %5.1f%% %s %9.1f %9.1f", f->stages[i].name, share * 100,
		    bar(share, line), p->r->stage_count[i], p->r->stage_us[i]);
	}
}

static enum top_style level_style(const struct top_source *s)
{
	if (strcmp(s->level, "nothing") == 0)
		return TOP_BAD;
	return strcmp(s->level, "normal") == 0 ? TOP_PLAIN : TOP_WARN;
}

static void put_sources(struct page *p, size_t max)
{
	const struct top_frame *f = p->f;

	put(p, TOP_HEAD, "%10s %-8s %-26s %s", "COST MS", "LEVEL", "SOURCE", "WHY");
	for (size_t i = 0; i < f->sources_n && i < max; i++) {
		const struct top_source *s = &f->sources[i];

		put(p, level_style(s), "%10.0f %-8s %-26s %s", s->cost_ms, s->level, s->address,
		    s->why);
	}
}

static void put_throttle(struct page *p)
{
	const struct top_frame *f = p->f;
	char refused[TOP_LINE_MAX] = "";
	double all = 0;
	size_t n = 0;

	for (size_t i = 0; i < f->verdicts_n; i++) {
		if (!f->verdicts[i].refused)
			continue;
		all += p->r->verdicts[i];
		n += (size_t)snprintf(refused + n, n < sizeof(refused) ? sizeof(refused) - n : 0,
				      "%s %s %.1f", n > 0 ? "," : ":", f->verdicts[i].name,
				      p->r->verdicts[i]);
		n = MIN_OF(n, sizeof(refused) - 1);
	}
	put(p, TOP_HEAD, "THROTTLE %s", f->throttle);
	put(p, all > 0 ? TOP_WARN : TOP_PLAIN,
	    "lists: %" PRIu64 " allowed, %" PRIu64 " denied, %" PRIu64
	    " penalties; refused per second %.1f%s",
	    f->allow_n, f->deny_n, f->penalties_n, all, refused);
}

/* How many rows each list may have, so that everything fits in @height. */
struct shares {
	size_t dirs, threads, stages, sources;
};

static void cut(size_t *rows, size_t least, size_t *over)
{
	size_t give = *rows > least ? MIN_OF(*rows - least, *over) : 0;

	*rows -= give;
	*over -= give;
}

static struct shares share_out(const struct top_frame *f, unsigned height)
{
	struct shares s = { f->dirs_n, f->threads_n, f->stages_n, f->sources_n };
	const size_t fixed = 3 + 4 + 2; /* the head, four headings, the throttle */
	size_t all, over;

	if (height == 0)
		return s;
	all = fixed + s.dirs + s.threads + s.stages + s.sources + 1;
	over = all > height ? all - height : 0;
	cut(&s.sources, 5, &over);
	cut(&s.threads, 8, &over);
	cut(&s.stages, 3, &over);
	cut(&s.dirs, 2, &over);
	cut(&s.sources, 1, &over);
	cut(&s.threads, 1, &over);
	cut(&s.stages, 0, &over);
	return s;
}

void top_lines(const struct top_frame *f, const struct top_rates *r, unsigned width,
	       unsigned height, struct top_lines *ret_l)
{
	struct page p = { .out = ret_l, .f = f, .r = r, .width = width };
	struct shares s = share_out(f, height);

	ret_l->n = 0;
	put_head(&p);
	put_dirs(&p, s.dirs);
	put_threads(&p, s.threads);
	put_stages(&p, s.stages);
	put_sources(&p, s.sources);
	put_throttle(&p);
	if (height > 0 && ret_l->n > height)
		ret_l->n = height;
}
