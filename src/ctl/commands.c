/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl/commands.c - what can be asked: one row a command. */
#include <errno.h>
#include <string.h>

#include "ctl/internal.h"
#include "metrics/metrics.h"
#include "msg/gate.h"

static void add_dir(void *arg, const char *path)
{
	jout_str(arg, bytes_str(path));
}

static int status(struct ctl *c, const json_t *request UNUSED, struct jout *j,
		  struct err *err UNUSED)
{
	struct gate_status s = { .engine = "" };

	if (c->gate != NULL)
		gate_status(c->gate, &s);
	jout_member_str(j, "version", bytes_str(SALLYPORT_VERSION));
	jout_member_num(j, "generation", s.generation);
	jout_member_str(j, "engine", bytes_str(s.engine));
	jout_member_num(j, "in_flight", s.in_flight);
	jout_member_num(j, "in_flight_max", s.in_flight_max);
	jout_member_num(j, "workers", s.workers);
	jout_member_num(j, "workers_up", s.workers_up);
	jout_member_num(j, "scan_threads", s.threads);
	if (s.loop_core >= 0)
		jout_member_num(j, "loop_core", (uint64_t)s.loop_core);
	jout_member_bool(j, "draining", s.draining);
	jout_array(j, "dirs");
	if (c->gate != NULL)
		gate_each_dir(c->gate, add_dir, j);
	jout_end(j);
	return 0;
}

static void add_message(void *arg, const struct gate_message *m)
{
	struct jout *j = arg;

	jout_object(j, NULL);
	jout_member_str(j, "id", bytes_str(m->id));
	jout_member_str(j, "state", bytes_str(m->state));
	jout_member_str(j, "from", bytes_str(m->from));
	jout_member_num(j, "size", m->size_bytes);
	jout_member_num(j, "age_ms", m->age_ms);
	jout_member_num(j, "attempts", m->attempts);
	jout_member_str(j, "why", bytes_str(m->why));
	jout_end(j);
}

static void add_attempt(void *arg, const char *id, unsigned count, int64_t next_in_s)
{
	struct jout *j = arg;

	jout_object(j, NULL);
	jout_member_str(j, "id", bytes_str(id));
	jout_member_num(j, "count", count);
	jout_member_int(j, "next_in_s", next_in_s);
	jout_end(j);
}

static int queue(struct ctl *c, const json_t *request UNUSED, struct jout *j,
		 struct err *err UNUSED)
{
	jout_array(j, "attempts");
	if (c->gate != NULL)
		gate_each_attempt(c->gate, add_attempt, j);
	jout_end(j);
	jout_array(j, "messages");
	if (c->gate != NULL)
		gate_each_message(c->gate, add_message, j);
	jout_end(j);
	return 0;
}

static int stats(struct ctl *c, const json_t *request UNUSED, struct jout *j,
		 struct err *err UNUSED)
{
	if (c->gate != NULL)
		gate_measure(c->gate);
	metrics_json(c->metrics, j, "metrics");
	return 0;
}

static int metrics_page(struct ctl *c, const json_t *request UNUSED, struct jout *j,
			struct err *err)
{
	AUTO(str_fini) struct str page;

	str_init(&page, CTL_REPLY_BYTES_MAX / 4);
	ctl_put_page(c, &page);
	jout_member_str(j, "content_type", bytes_str("text/plain; version=0.0.4; charset=utf-8"));
	if (page.failed)
		return err_set(err, ERR_LIMIT, -EFBIG, "the metrics page is too large");
	jout_member_str(j, "page", str_bytes(&page));
	return 0;
}

static int rescan(struct ctl *c, const json_t *request UNUSED, struct jout *j UNUSED,
		  struct err *err UNUSED)
{
	if (c->gate != NULL)
		gate_rescan(c->gate);
	return 0;
}

static int reload(struct ctl *c, const json_t *request UNUSED, struct jout *j UNUSED,
		  struct err *err UNUSED)
{
	c->reload(c->reload_arg);
	return 0;
}

static const struct {
	const char *name;
	ctl_command *run;
} commands[] = {
	{ "status", status },
	{ "queue", queue },
	{ "stats", stats },
	{ "rescan", rescan },
	{ "reload", reload },
	{ "metrics", metrics_page },
	{ "top", ctl_top },
	{ "throttle-list", ctl_throttle_list },
	{ "throttle-add", ctl_throttle_add },
	{ "throttle-del", ctl_throttle_del },
	{ "throttle-stats", ctl_throttle_stats },
	{ "throttle-why", ctl_throttle_why },
	{ "throttle-decide", ctl_throttle_decide },
	{ "throttle-sources", ctl_throttle_sources },
	{ "throttle-off", ctl_throttle_off },
	{ "throttle-on", ctl_throttle_on },
};

static void refuse(struct jout *j, const char *why)
{
	jout_member_bool(j, "ok", false);
	jout_member_str(j, "error", bytes_str(why));
}

static void unknown(struct jout *j)
{
	AUTO(str_fini) struct str text;

	str_init(&text, 1000);
	str_add(&text, "unknown command; known are");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		str_addf(&text, "%s %s", i == 0 ? "" : ",", commands[i].name);
	refuse(j, str_view(&text));
}

static void run_command(struct ctl *c, struct jout *j, const char *name, const json_t *request)
{
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, name) == 0) {
			if (commands[i].run(c, request, j, &err) < 0)
				refuse(j, err.text);
			else
				jout_member_bool(j, "ok", true);
			return;
		}
	unknown(j);
}

void ctl_answer(struct ctl *c, struct bytes in, struct str *reply)
{
	json_t *request = json_loadb((const char *)in.p, in.n, JSON_REJECT_DUPLICATES, NULL);
	const char *name = json_string_value(json_object_get(request, "command"));
	struct jout j;

	jout_begin(&j, reply);
	jout_object(&j, NULL);
	if (name == NULL)
		refuse(&j, "expected one line with a JSON object: {\"command\": NAME}");
	else
		run_command(c, &j, name, request);
	jout_end(&j);
	json_decref(request);
}
