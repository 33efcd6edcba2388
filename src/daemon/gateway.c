/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/gateway.c - the gateway process: its loop, its channel, its control socket. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/fault.h"
#include "core/log.h"
#include "ctl/commands.h"
#include "daemon/bundle_load.h"
#include "daemon/channel.h"
#include "daemon/roles.h"
#include "loop/loop.h"
#include "metrics/metrics.h"
#include "msg/cores.h"
#include "msg/gate.h"
#include "throttle/throttle.h"

#define RING_ENTRIES 512
#define ALIVE_NS     UINT64_C(1000000000)

#define ZYGOTES_WAITING_MAX 4u

struct gateway {
	struct loop *loop;
	struct metrics *metrics;
	struct gate *gate;
	struct ctl *ctl;
	struct throttle *throttle; /* NULL: none wanted, or not yet */
	struct throttle_kernel_link kernel;
	int kernel_fds[THROTTLE_FDS]; /* until there is a throttle to take them */
	bool kernel_told;
	struct op channel_op;
	struct timer alive;
	struct conf *conf;       /* the newest, perhaps not yet in force */
	uint64_t serial;         /* of conf */
	struct bundle_load load; /* the next one; zygotes that come meanwhile wait behind it */
	struct op load_op;
	bool load_polling;
	struct waiting_zygote {
		struct channel_msg m;
		int bundle_fd, sock;
	} waiting[ZYGOTES_WAITING_MAX];
	unsigned waiting_n;
	int exit_code;
	bool draining, done, once;
	const char *only_id; /* once: NULL for all */
};

static void say(enum channel_type type, uint64_t serial, int status, const char *text)
{
	struct channel_msg m = { .type = type, .status = status, .serial = serial };
	struct err err;

	(void)snprintf(m.text, sizeof(m.text), "%s", text);
	if (channel_send(CHANNEL_FD, &m, NULL, 0, &err) < 0 && err.code != -EPIPE)
		log_warning("supervisor: %s", err.text);
}

static void fail(struct gateway *g, uint64_t serial, const struct err *err)
{
	say(CHANNEL_FAILED, serial, err->kind == ERR_TEMP ? EX_TEMPFAIL : EX_CONFIG, err->text);
	if (g->gate == NULL) {
		g->exit_code = err->kind == ERR_TEMP ? EX_TEMPFAIL : EX_CONFIG;
		g->done = true;
	}
}

static void on_gate(void *arg, enum gate_event e, uint64_t generation, const char *text)
{
	const struct gateway *g = arg;
	/* 0: of a configuration before the newest */
	uint64_t serial = generation == conf_generation(g->conf) ? g->serial : 0;

	switch (e) {
	case GATE_ZYGOTE_READY:
		if (serial != 0)
			log_from_conf(g->conf);
		say(CHANNEL_READY, serial, 0, text);
		break;
	case GATE_ZYGOTE_FAILED:
		say(CHANNEL_FAILED, serial, EX_CONFIG, text);
		break;
	case GATE_ZYGOTE_LOST:
		log_warning("%s; mail waits until a new one is up", text);
		say(CHANNEL_LOST, serial, 0, text);
		break;
	}
}

static void take_conf(struct gateway *g, struct conf *c, uint64_t serial)
{
	conf_unref(&g->conf);
	g->conf = c;
	g->serial = serial;
}

/* --- throttle --- */

static int refuse_by_nft(void *arg UNUSED, enum throttle_list l, const struct throttle_prefix *p,
			 enum throttle_level level, uint32_t seconds)
{
	struct channel_msg m = { .type = CHANNEL_REFUSE,
				 .status = (int)level,
				 .serial = (uint64_t)l << 32 | seconds };
	struct err err;

	(void)throttle_prefix_text(p, m.text);
	return channel_send(CHANNEL_FD, &m, NULL, 0, &err);
}

static void kernel_part(struct gateway *g, const struct channel_msg *m)
{
	if (m->serial >= THROTTLE_PARTS)
		return;
	g->kernel.parts[m->serial].active = m->status == 1;
	(void)snprintf(g->kernel.parts[m->serial].why, sizeof(g->kernel.parts[0].why), "%.*s",
		       (int)sizeof(g->kernel.parts[0].why) - 1, m->text);
}

static void kernel_fds(struct gateway *g, const struct channel_msg *m, int fds[CHANNEL_FDS_MAX])
{
	size_t n = 0;

	if (g->kernel_told)
		return;
	for (int i = 0; i < THROTTLE_FDS; i++)
		if ((m->serial & UINT64_C(1) << i) != 0 && n < CHANNEL_FDS_MAX)
			g->kernel_fds[i] = TAKE_FD(fds[n++]);
	g->kernel.method = (enum throttle_method)m->status;
	g->kernel.nft = refuse_by_nft;
	g->kernel_told = true;
}

/* Without it mail flows all the same. */
static void start_throttle(struct gateway *g)
{
	struct err err;

	if (throttle_new(&g->throttle, g->loop, g->metrics, g->conf, &err) < 0)
		log_warning("%s; no costs are kept", err.text);
	if (g->kernel_told)
		throttle_attach(g->throttle, &g->kernel, g->kernel_fds);
	gate_set_throttle(g->gate, g->throttle);
	ctl_set_throttle(g->ctl, g->throttle);
}

/* The first configuration: there is no mail in hand that could wait. */
static int begin(struct gateway *g, const struct channel_msg *m, int bundle_fd, struct err *err)
{
	struct conf *c = NULL;
	int r = bundle_load_now(&c, bundle_fd, m->text, err);

	if (r < 0)
		return r;
	take_conf(g, c, m->serial);
	log_from_conf(c);
	r = gate_new(&g->gate, g->loop, g->metrics, g->conf, (int64_t)clock_unix_s(), err);
	if (r < 0)
		return r;
	if (g->once)
		gate_once(g->gate, g->only_id);
	gate_on_event(g->gate, on_gate, g);
	ctl_set_gate(g->ctl, g->gate);
	start_throttle(g);
	return 0;
}

/* One zygote for a configuration that is known, or must be read first. @bundle_fd and @sock are
 * taken over, whatever comes of it. */
static void take_zygote(struct gateway *g, const struct channel_msg *m, int bundle_fd, int sock)
{
	struct err err;
	int r = 0;

	if (g->gate == NULL) {
		cores_allow_long(true);
		r = begin(g, m, bundle_fd, &err);
		cores_allow_long(false);
	} else if (g->serial != m->serial) {
		r = bundle_load_begin(&g->load, g->gate, m, bundle_fd, sock, &err);
		if (r == 0) {
			if (!g->load_polling)
				loop_poll(g->loop, &g->load_op, g->load.event_fd);
			g->load_polling = true;
			return;
		}
	}
	if (r == 0)
		r = gate_add_zygote(g->gate, TAKE_FD(sock), g->conf, m->text, bundle_fd, &err);
	if (r < 0)
		fail(g, m->serial, &err);
	fd_close(&bundle_fd);
	fd_close(&sock);
}

static void new_zygote(struct gateway *g, const struct channel_msg *m, int bundle_fd, int sock)
{
	if (!g->load.running) {
		take_zygote(g, m, bundle_fd, sock);
	} else if (g->waiting_n < ZYGOTES_WAITING_MAX) {
		g->waiting[g->waiting_n++] = (struct waiting_zygote){ *m, bundle_fd, sock };
	} else { /* it sees that its socket is gone, and ends; who waits for it must know */
		struct err err;

		(void)err_set(&err, ERR_TEMP, -EBUSY, "too many zygotes at once");
		fail(g, m->serial, &err);
		fd_close(&bundle_fd);
		fd_close(&sock);
	}
}

static void take_waiting(struct gateway *g)
{
	while (g->waiting_n > 0 && !g->load.running) {
		struct waiting_zygote z = g->waiting[0];

		g->waiting_n--;
		memmove(g->waiting, g->waiting + 1, g->waiting_n * sizeof(z));
		take_zygote(g, &z.m, z.bundle_fd, z.sock);
	}
}

/* Should the poll be refused (@result), the thread is waited for here. */
static void load_done(struct op *op, int result UNUSED, bool more)
{
	struct gateway *g = CONTAINER_OF(op, struct gateway, load_op);
	struct bundle_load *b = &g->load;
	int bundle_fd, sock;

	g->load_polling = more;
	if (!b->running)
		return;
	bundle_load_end(b);
	bundle_fd = TAKE_FD(b->bundle_fd);
	sock = TAKE_FD(b->sock);
	if (b->result < 0) {
		fail(g, b->m.serial, &b->err);
		fd_close(&bundle_fd);
		fd_close(&sock);
	} else {
		take_conf(g, TAKE(b->conf), b->m.serial);
		take_zygote(g, &b->m, bundle_fd, sock);
	}
	take_waiting(g);
}

static void drain(struct gateway *g)
{
	g->draining = true;
	if (g->gate != NULL)
		gate_drain(g->gate);
}

/* Whatever becomes of the reload that comes with it. */
static void reopen(struct gateway *g)
{
	if (g->gate != NULL)
		gate_reopen(g->gate);
}

static void reload_wanted(void *arg)
{
	reopen(arg);
	say(CHANNEL_RELOAD, 0, 0, "");
}

static void listen_on(struct gateway *g, int fd)
{
	struct err err;

	if (g->ctl != NULL ||
	    ctl_new(&g->ctl, g->loop, fd, g->metrics, reload_wanted, g, &err) == 0)
		return;
	log_err("control socket: %s", err.text);
	fd_close(&fd);
}

/* After CHANNEL_LISTEN. */
static void serve_pages(struct gateway *g, int fd)
{
	struct err err = { .text = "there is no control socket" };

	if (g->ctl != NULL && ctl_serve_pages(g->ctl, fd, &err) == 0)
		return;
	log_warning("metrics page: %s", err.text);
	fd_close(&fd);
}

static void handle(struct gateway *g, const struct channel_msg *m, int fds[CHANNEL_FDS_MAX])
{
	switch (m->type) {
	case CHANNEL_ZYGOTE:
		new_zygote(g, m, fds[0], fds[1]);
		fds[0] = fds[1] = -1;
		break;
	case CHANNEL_LISTEN:
		listen_on(g, fds[0]);
		fds[0] = -1;
		break;
	case CHANNEL_PAGES:
		serve_pages(g, fds[0]);
		fds[0] = -1;
		break;
	case CHANNEL_DRAIN:
		drain(g);
		break;
	case CHANNEL_REOPEN:
		reopen(g);
		break;
	case CHANNEL_KERNEL_PART:
		kernel_part(g, m);
		break;
	case CHANNEL_KERNEL:
		kernel_fds(g, m, fds);
		break;
	default:
		break;
	}
	for (int i = 0; i < CHANNEL_FDS_MAX; i++)
		fd_close(&fds[i]);
}

static void channel_event(struct op *op, int result, bool more)
{
	struct gateway *g = CONTAINER_OF(op, struct gateway, channel_op);
	int fds[CHANNEL_FDS_MAX], r = result < 0 ? result : 1;
	struct channel_msg m;
	struct err err;

	while (r == 1) {
		r = channel_recv(CHANNEL_FD, &m, fds, &err);
		if (r == 1)
			handle(g, &m, fds);
	}
	if (r < 0) {
		/* Nobody is left who could restart us: finish and go. */
		if (!g->draining)
			log_warning("the supervisor is gone: finishing what is in hand");
		drain(g);
	} else if (!more) {
		loop_poll(g->loop, &g->channel_op, CHANNEL_FD);
	}
}

static void alive(struct timer *t)
{
	struct gateway *g = CONTAINER_OF(t, struct gateway, alive);

	say(CHANNEL_ALIVE, g->serial, 0, "");
	(void)!loop_timer_set(g->loop, t, loop_now_ns(g->loop) + ALIVE_NS);
}

static int run(struct gateway *g)
{
	struct err err;

	loop_poll(g->loop, &g->channel_op, CHANNEL_FD);
	alive(&g->alive);
	while (!g->done) {
		if (loop_turn(g->loop, &err) < 0) {
			log_err("gateway: %s", err.text);
			return EX_OSERR;
		}
		if (!g->draining && g->gate != NULL && gate_once_done(g->gate))
			drain(g);
		if (g->draining && (g->gate == NULL || gate_idle(g->gate))) {
			say(CHANNEL_DRAINED, g->serial, 0, "");
			g->done = true;
		}
	}
	return g->exit_code;
}

int gateway_main(const struct daemon_options *o)
{
	struct gateway g = { .channel_op.done = channel_event,
			     .alive.fire = alive,
			     .load_op.done = load_done,
			     .once = o->once,
			     .only_id = o->only_id };
	struct err err;
	int code;

	for (int i = 0; i < THROTTLE_FDS; i++)
		g.kernel_fds[i] = -1;

	bundle_load_init(&g.load);
	fault_set_role("gateway");
	(void)signal(SIGPIPE, SIG_IGN);
	/* The supervisor turns signals into messages; a Ctrl-C at the terminal reaches us too. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	g.metrics = metrics_new();
	if (g.metrics == NULL || loop_new(&g.loop, RING_ENTRIES, &err) < 0) {
		if (g.metrics == NULL)
			(void)err_set(&err, ERR_TEMP, -ENOMEM, "out of memory");
		log_err("gateway: %s", err.text);
		say(CHANNEL_FAILED, 0, EX_OSERR, err.text);
		return EX_OSERR;
	}
	code = run(&g);
	bundle_load_fini(&g.load);
	ctl_free(&g.ctl);
	gate_free(&g.gate);
	throttle_free(&g.throttle);
	conf_unref(&g.conf);
	loop_free(&g.loop);
	metrics_free(&g.metrics);
	return code;
}
