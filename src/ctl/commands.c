/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ctl/commands.c - what can be asked: one row a command. */
#include <string.h>

#include <jansson.h>

#include "ctl/internal.h"
#include "metrics/metrics.h"
#include "msg/gate.h"

static void add_dir(void *arg, const char *path)
{
	json_str(arg, bytes_str(path));
}

static void status(struct ctl *c, struct json *j)
{
	struct gate_status s = { .engine = "" };

	if (c->gate != NULL)
		gate_status(c->gate, &s);
	json_member_str(j, "version", bytes_str(SALLYPORT_VERSION));
	json_member_num(j, "generation", s.generation);
	json_member_str(j, "engine", bytes_str(s.engine));
	json_member_num(j, "in_flight", s.in_flight);
	json_member_num(j, "in_flight_max", s.in_flight_max);
	json_member_num(j, "workers", s.workers);
	json_member_num(j, "workers_up", s.workers_up);
	json_member_bool(j, "draining", s.draining);
	json_array(j, "dirs");
	if (c->gate != NULL)
		gate_each_dir(c->gate, add_dir, j);
	json_end(j);
}

static void add_message(void *arg, const struct gate_message *m)
{
	struct json *j = arg;

	json_object(j, NULL);
	json_member_str(j, "id", bytes_str(m->id));
	json_member_str(j, "state", bytes_str(m->state));
	json_member_str(j, "from", bytes_str(m->from));
	json_member_num(j, "size", m->size_bytes);
	json_member_num(j, "age_ms", m->age_ms);
	json_member_num(j, "attempts", m->attempts);
	json_member_str(j, "why", bytes_str(m->why));
	json_end(j);
}

static void queue(struct ctl *c, struct json *j)
{
	json_array(j, "messages");
	if (c->gate != NULL)
		gate_each_message(c->gate, add_message, j);
	json_end(j);
}

static void stats(struct ctl *c, struct json *j)
{
	metrics_json(c->metrics, j, "metrics");
}

static void rescan(struct ctl *c, struct json *j UNUSED)
{
	if (c->gate != NULL)
		gate_rescan(c->gate);
}

static void reload(struct ctl *c, struct json *j UNUSED)
{
	c->reload(c->reload_arg);
}

static const struct {
	const char *name;
	void (*run)(struct ctl *c, struct json *j); /* adds members to the open object */
} commands[] = {
	{ "status", status }, { "queue", queue },   { "stats", stats },
	{ "rescan", rescan }, { "reload", reload },
};

static void refuse(struct json *j, const char *why)
{
	json_member_bool(j, "ok", false);
	json_member_str(j, "error", bytes_str(why));
}

static void run_command(struct ctl *c, struct json *j, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, name) == 0) {
			json_member_bool(j, "ok", true);
			commands[i].run(c, j);
			return;
		}
	refuse(j, "unknown command; known are status, queue, stats, rescan, reload");
}

void ctl_answer(struct ctl *c, struct bytes in, struct str *reply)
{
	json_t *request = json_loadb((const char *)in.p, in.n, JSON_REJECT_DUPLICATES, NULL);
	const char *name = json_string_value(json_object_get(request, "command"));
	struct json j;

	json_begin(&j, reply);
	json_object(&j, NULL);
	if (name == NULL)
		refuse(&j, "expected one line with a JSON object: {\"command\": NAME}");
	else
		run_command(c, &j, name);
	json_end(&j);
	json_decref(request);
}
