/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/top_model.c - from the gateway's answers to a look, and from two looks to rates. */
#include "tools/top_model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "core/text.h"

/* --- reading --- */

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s == NULL ? "" : s;
}

/* A path or address may hold anything: what is shown is escaped and short. */
static void copy_text(char out[TOP_TEXT_MAX], const json_t *o, const char *name)
{
	(void)text_escape(out, TOP_TEXT_MAX, bytes_str(text_of(o, name)));
}

static int64_t int_of(const json_t *o, const char *name, int64_t missing)
{
	const json_t *v = json_object_get(o, name);

	return json_is_integer(v) ? (int64_t)json_integer_value(v) : missing;
}

static uint64_t count_of(const json_t *o, const char *name)
{
	int64_t n = int_of(o, name, 0);

	return n < 0 ? 0 : (uint64_t)n;
}

static void read_head(struct top_frame *f, const json_t *top)
{
	const json_t *totals = json_object_get(top, "totals");

	copy_text(f->version, top, "version");
	copy_text(f->engine, top, "engine");
	f->uptime_s = (double)count_of(top, "uptime_ms") / 1000;
	f->in_flight = count_of(top, "in_flight");
	f->in_flight_max = count_of(top, "in_flight_max");
	f->workers_up = count_of(top, "workers_up");
	f->draining = json_is_true(json_object_get(top, "draining"));
	f->totals = (struct top_totals){
		.delivered = count_of(totals, "delivered"),
		.quarantined = count_of(totals, "quarantined"),
		.deferred = count_of(totals, "deferred"),
		.bytes = count_of(totals, "bytes"),
		.cache_hits = count_of(totals, "cache_hits"),
		.deaths = count_of(totals, "worker_deaths"),
	};
}

static void read_queues(struct top_frame *f, const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct top_dir *d = &f->dirs[f->dirs_n];

		if (f->dirs_n == TOP_DIRS_MAX)
			return;
		f->dirs_n++;
		copy_text(d->path, o, "path");
		d->waiting = int_of(o, "messages", -1);
		d->oldest_s = (double)int_of(o, "oldest_s", -1);
	}
}

static void read_threads(struct top_frame *f, const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct top_thread *t = &f->threads[f->threads_n];
		const char *state = text_of(o, "state");

		if (f->threads_n == TOP_THREADS_MAX)
			return;
		f->threads_n++;
		t->pid = (int)int_of(o, "pid", 0);
		t->worker = (int)int_of(o, "worker", 0);
		t->core = (int)int_of(o, "core", -1);
		t->state = *state > ' ' && *state <= '~' ? *state : '?';
		copy_text(t->id, o, "id");
		t->age_s = (double)count_of(o, "age_ms") / 1000;
		t->done = count_of(o, "messages");
		t->cpu_us = count_of(o, "cpu_us");
	}
}

static void read_stages(struct top_frame *f, const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct top_stage *s = &f->stages[f->stages_n];

		if (f->stages_n == TOP_STAGES_MAX)
			return;
		f->stages_n++;
		copy_text(s->name, o, "name");
		s->count = count_of(o, "count");
		s->cpu_us = count_of(o, "cpu_us");
	}
}

static void copy_name(char out[TOP_TEXT_MAX], const char *text)
{
	(void)text_escape(out, TOP_TEXT_MAX, bytes_str(text));
}

/* The kernel's counts: letting in is no news, but its rate is. */
static void read_verdicts(struct top_frame *f, const json_t *layers)
{
	const char *layer, *name;
	json_t *counts, *n; /* as jansson's loop wants them */

	json_object_foreach((json_t *)(uintptr_t)layers, layer, counts)
	{
		json_object_foreach(counts, name, n)
		{
			size_t i = 0;

			while (i < f->verdicts_n && strcmp(f->verdicts[i].name, name) != 0)
				i++;
			if (i == TOP_VERDICTS_MAX)
				continue;
			if (i == f->verdicts_n) {
				copy_name(f->verdicts[f->verdicts_n++].name, name);
				f->verdicts[i].refused = strncmp(name, "pass", 4) != 0;
			}
			f->verdicts[i].n +=
				json_is_integer(n) ? (uint64_t)json_integer_value(n) : 0;
		}
	}
}

/* What it does, not only what was asked for. */
static void say_throttle(char out[TOP_TEXT_MAX], const json_t *stats)
{
	const char *mode = text_of(stats, "mode"), *method = text_of(stats, "method");

	if (strcmp(mode, "enforce") != 0)
		(void)snprintf(out, TOP_TEXT_MAX, "%.20s", mode);
	else if (json_is_true(json_object_get(stats, "off")))
		(void)snprintf(out, TOP_TEXT_MAX, "enforce, switched off by command");
	else if (strcmp(method, "user") == 0)
		(void)snprintf(out, TOP_TEXT_MAX, "enforce, but nothing refuses connections");
	else
		(void)snprintf(out, TOP_TEXT_MAX, "enforce by %.40s", method);
}

static void read_throttle(struct top_frame *f, const json_t *stats)
{
	const json_t *entries = json_object_get(stats, "entries");

	if (!json_is_true(json_object_get(stats, "ok"))) {
		copy_name(f->throttle, "off");
		return;
	}
	say_throttle(f->throttle, stats);
	f->allow_n = count_of(entries, "allow");
	f->deny_n = count_of(entries, "deny");
	f->penalties_n = count_of(entries, "penalty") + count_of(stats, "penalised");
	read_verdicts(f, json_object_get(stats, "counts"));
}

/* "zip bombs 30 s, scan CPU 2 s": what made the account, but for trifles. */
static void join_reasons(char out[TOP_TEXT_MAX], const json_t *reasons, double cost_s)
{
	const json_t *o;
	size_t i, n = 0;

	json_array_foreach(reasons, i, o)
	{
		double s = json_number_value(json_object_get(o, "cost_s"));
		char name[40];

		if (s < cost_s / 100 || n >= TOP_TEXT_MAX)
			continue;
		(void)text_escape(name, sizeof(name), bytes_str(text_of(o, "reason")));
		n += (size_t)snprintf(out + n, TOP_TEXT_MAX - n, "%s%s %.1f s", n > 0 ? ", " : "",
				      name, s);
	}
}

static void read_sources(struct top_frame *f, const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct top_source *s = &f->sources[f->sources_n];

		if (f->sources_n == TOP_SOURCES_MAX)
			return;
		f->sources_n++;
		copy_text(s->address, o, "prefix");
		copy_text(s->level, o, "level");
		s->cost_ms = json_number_value(json_object_get(o, "cost_s")) * 1000;
		join_reasons(s->why, json_object_get(o, "reasons"), s->cost_ms / 1000);
	}
}

/* An answer in JSON; NULL: it is none. Freed by the caller. */
static json_t *answer_of(const char *text, const char *command, struct err *err)
{
	json_t *o = json_loads(text, 0, NULL);

	if (o == NULL)
		(void)err_set(err, ERR_TEMP, -EBADMSG, "the gateway's answer to %s is not JSON",
			      command);
	return o;
}

int top_read(const char *top, const char *stats, const char *sources, double at_s,
	     struct top_frame *ret_f, struct err *err)
{
	json_t *t = answer_of(top, "top", err);
	json_t *s = t == NULL ? NULL : answer_of(stats, "throttle-stats", err);
	json_t *who = s == NULL ? NULL : answer_of(sources, "throttle-sources", err);
	int r = who == NULL ? -EBADMSG : 0;

	if (r == 0 && !json_is_true(json_object_get(t, "ok")))
		r = err_set(err, ERR_TEMP, -EBADMSG,
			    "the gateway does not know the command top: is it an older one?");
	if (r == 0) {
		memset(ret_f, 0, sizeof(*ret_f));
		ret_f->at_s = at_s;
		read_head(ret_f, t);
		read_queues(ret_f, json_object_get(t, "queues"));
		read_threads(ret_f, json_object_get(t, "workers"));
		read_stages(ret_f, json_object_get(t, "stages"));
		read_throttle(ret_f, s);
		read_sources(ret_f, json_object_get(who, "sources"));
	}
	json_decref(t);
	json_decref(s);
	json_decref(who);
	return r;
}

/* --- rates --- */

static double rate(uint64_t before, uint64_t now, double s)
{
	return (double)(now < before ? now : now - before) / s;
}

static void rate_threads(const struct top_frame *b, const struct top_frame *n, double s,
			 struct top_rates *r)
{
	for (size_t i = 0; i < n->threads_n; i++) {
		const struct top_thread *t = &n->threads[i];

		for (size_t k = 0; k < b->threads_n; k++) {
			if (b->threads[k].worker != t->worker)
				continue;
			r->thread_done[i] = rate(b->threads[k].done, t->done, s);
			r->thread_cpu[i] = rate(b->threads[k].cpu_us, t->cpu_us, s) / 1e6;
			break;
		}
	}
}

static void rate_stages(const struct top_frame *b, const struct top_frame *n, double s,
			struct top_rates *r)
{
	for (size_t i = 0; i < n->stages_n && i < b->stages_n; i++) {
		const struct top_stage *now = &n->stages[i], *before = &b->stages[i];

		if (strcmp(now->name, before->name) != 0)
			continue;
		r->stage_cpu[i] = rate(before->cpu_us, now->cpu_us, s) / 1e6;
		r->stage_count[i] = rate(before->count, now->count, s);
		r->stage_us[i] =
			r->stage_count[i] > 0 ? r->stage_cpu[i] * 1e6 / r->stage_count[i] : 0;
	}
}

void top_rates(const struct top_frame *before, const struct top_frame *now, struct top_rates *ret_r)
{
	const struct top_totals *b = &before->totals, *n = &now->totals;
	double s = now->at_s - before->at_s;

	memset(ret_r, 0, sizeof(*ret_r));
	if (s <= 0)
		return;
	ret_r->delivered = rate(b->delivered, n->delivered, s);
	ret_r->quarantined = rate(b->quarantined, n->quarantined, s);
	ret_r->deferred = rate(b->deferred, n->deferred, s);
	ret_r->bytes = rate(b->bytes, n->bytes, s);
	ret_r->cache_hits = rate(b->cache_hits, n->cache_hits, s);
	ret_r->deaths = rate(b->deaths, n->deaths, s);
	rate_threads(before, now, s, ret_r);
	rate_stages(before, now, s, ret_r);
	for (size_t i = 0; i < now->verdicts_n && i < before->verdicts_n; i++) /* one order */
		ret_r->verdicts[i] = rate(before->verdicts[i].n, now->verdicts[i].n, s);
}

const char *top_state_name(char state)
{
	static const struct {
		char letter;
		const char *name;
	} states[] = {
		{ 'S', "starting" }, { 'E', "ending" },  { 'I', "idle" },
		{ 'R', "reading" },  { 'P', "parsing" }, { 'A', "archives" },
		{ 'N', "names" },    { 'V', "viruses" }, { 'C', "content" },
	};

	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (states[i].letter == state)
			return states[i].name;
	return "?";
}

/* --- JSON --- */

static void json_head(const struct top_frame *f, const struct top_rates *r, struct jout *j)
{
	jout_member_str(j, "version", bytes_str(f->version));
	jout_member_real(j, "uptime_s", f->uptime_s);
	jout_member_str(j, "engine", bytes_str(f->engine));
	jout_member_bool(j, "draining", f->draining);
	jout_member_num(j, "in_flight", f->in_flight);
	jout_member_num(j, "in_flight_max", f->in_flight_max);
	jout_member_num(j, "workers_up", f->workers_up);
	jout_object(j, "per_second");
	jout_member_real(j, "delivered", r->delivered);
	jout_member_real(j, "quarantined", r->quarantined);
	jout_member_real(j, "deferred", r->deferred);
	jout_member_real(j, "bytes", r->bytes);
	jout_member_real(j, "cache_hits", r->cache_hits);
	jout_member_real(j, "worker_deaths", r->deaths);
	jout_end(j);
}

static void json_work(const struct top_frame *f, const struct top_rates *r, struct jout *j)
{
	jout_array(j, "queues");
	for (size_t i = 0; i < f->dirs_n; i++) {
		jout_object(j, NULL);
		jout_member_str(j, "path", bytes_str(f->dirs[i].path));
		jout_member_int(j, "messages", f->dirs[i].waiting);
		jout_member_real(j, "oldest_s", f->dirs[i].oldest_s);
		jout_end(j);
	}
	jout_end(j);
	jout_array(j, "threads");
	for (size_t i = 0; i < f->threads_n; i++) {
		const struct top_thread *t = &f->threads[i];

		jout_object(j, NULL);
		jout_member_int(j, "worker", t->worker);
		jout_member_int(j, "pid", t->pid);
		jout_member_int(j, "core", t->core);
		jout_member_str(j, "state", bytes_of(&t->state, 1));
		jout_member_str(j, "id", bytes_str(t->id));
		jout_member_real(j, "age_s", t->age_s);
		jout_member_real(j, "done_per_second", r->thread_done[i]);
		jout_member_real(j, "cpu", r->thread_cpu[i]);
		jout_end(j);
	}
	jout_end(j);
	jout_array(j, "stages");
	for (size_t i = 0; i < f->stages_n; i++) {
		jout_object(j, NULL);
		jout_member_str(j, "name", bytes_str(f->stages[i].name));
		jout_member_real(j, "per_second", r->stage_count[i]);
		jout_member_real(j, "cpu", r->stage_cpu[i]);
		jout_member_real(j, "cpu_us_each", r->stage_us[i]);
		jout_end(j);
	}
	jout_end(j);
}

static void json_throttle(const struct top_frame *f, const struct top_rates *r, struct jout *j)
{
	jout_array(j, "sources");
	for (size_t i = 0; i < f->sources_n; i++) {
		jout_object(j, NULL);
		jout_member_str(j, "prefix", bytes_str(f->sources[i].address));
		jout_member_str(j, "level", bytes_str(f->sources[i].level));
		jout_member_real(j, "cost_ms", f->sources[i].cost_ms);
		jout_member_str(j, "why", bytes_str(f->sources[i].why));
		jout_end(j);
	}
	jout_end(j);
	jout_object(j, "throttle");
	jout_member_str(j, "state", bytes_str(f->throttle));
	jout_member_num(j, "allow", f->allow_n);
	jout_member_num(j, "deny", f->deny_n);
	jout_member_num(j, "penalties", f->penalties_n);
	jout_object(j, "per_second");
	for (size_t i = 0; i < f->verdicts_n; i++)
		jout_member_real(j, f->verdicts[i].name, r->verdicts[i]);
	jout_end(j);
	jout_end(j);
}

void top_json(const struct top_frame *f, const struct top_rates *r, struct jout *j)
{
	json_head(f, r, j);
	json_work(f, r, j);
	json_throttle(f, r, j);
}
