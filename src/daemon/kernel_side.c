/* SPDX-License-Identifier: GPL-2.0-or-later */
/* daemon/kernel_side.c - load, tell, refuse by nftables. */
#include "daemon/kernel_side.h"

#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/str.h"
#include "throttle/options.h"

#define TROUBLE_GAP_NS UINT64_C(60000000000)

static void say_what_works(const struct throttle_kernel *k)
{
	const struct throttle_part_state *parts = throttle_kernel_parts(k);
	enum throttle_method method = throttle_kernel_method(k);
	AUTO(str_fini) struct str missing;

	str_init(&missing, 1900);
	for (int p = 0; p < THROTTLE_PARTS; p++)
		if (parts[p].why[0] != '\0')
			str_addf(&missing, "%s%s: %s", missing.n == 0 ? "" : "; ",
				 throttle_part_name((enum throttle_part)p), parts[p].why);
	if (method == THROTTLE_USER)
		log_warning(
			"Throttle = enforce: nothing refuses connections, costs are kept only%s%s",
			missing.n == 0 ? "" : "; ", str_view(&missing));
	else if (missing.n > 0)
		log_warning(
			"Throttle = enforce: connections are refused by %s; not all of it is to "
			"be had: %s",
			throttle_method_name(method), str_view(&missing));
	else
		log_info("Throttle = enforce: connections are refused by %s",
			 throttle_method_name(method));
}

struct throttle_kernel *kernel_side_open(const struct conf *c)
{
	AUTO(arena_free) struct arena *a = NULL;
	bool enforce = throttle_conf_mode(c) == THROTTLE_ENFORCE;
	struct throttle_kernel *k = NULL;
	struct throttle_setup setup;
	struct err err = { .text = "out of memory" };
	int r = -1;

	a = arena_new(64 * KIB);
	if (a != NULL)
		r = throttle_conf_setup(c, a, &setup, &err);
	/* What an earlier run with Throttle Keep left attached would go on refusing. */
	if (r == 0 && !enforce)
		setup.method = THROTTLE_USER;
	if (r == 0)
		r = throttle_kernel_open(&k, &setup, &err);
	if (!enforce) {
		throttle_kernel_close(&k);
		return NULL;
	}
	if (r < 0) {
		log_warning(
			"Throttle = enforce: %s; nothing refuses connections, costs are kept only",
			err.text);
		return NULL;
	}
	say_what_works(k);
	return k;
}

static int tell_part(int channel, int part, const struct throttle_part_state *s, struct err *err)
{
	struct channel_msg m = { .type = CHANNEL_KERNEL_PART,
				 .status = s->active,
				 .serial = (uint64_t)part };

	(void)snprintf(m.text, sizeof(m.text), "%s", s->why);
	return channel_send(channel, &m, NULL, 0, err);
}

int kernel_side_tell(const struct throttle_kernel *k, int channel, struct err *err)
{
	struct channel_msg m = { .type = CHANNEL_KERNEL };
	int fds[THROTTLE_FDS], sent[THROTTLE_FDS], r = 0;
	size_t n = 0;

	_Static_assert(THROTTLE_FDS <= CHANNEL_FDS_MAX, "all of them in one record");
	if (k == NULL)
		return 0;
	for (int p = 0; r == 0 && p < THROTTLE_PARTS; p++)
		r = tell_part(channel, p, &throttle_kernel_parts(k)[p], err);
	throttle_kernel_fds(k, fds);
	for (int i = 0; i < THROTTLE_FDS; i++)
		if (fds[i] >= 0) {
			m.serial |= UINT64_C(1) << i;
			sent[n++] = fds[i];
		}
	m.status = (int)throttle_kernel_method(k);
	return r < 0 ? r : channel_send(channel, &m, sent, n, err);
}

void kernel_side_reload(struct throttle_kernel *k, const struct conf *c)
{
	struct throttle_settings settings;
	struct err err;

	/* Maps are the gateway's to write, who knows whether a command switched it off. */
	if (k == NULL || throttle_kernel_method(k) != THROTTLE_NFTABLES)
		return;
	throttle_conf_settings(c, &settings);
	if (throttle_kernel_settings(k, &settings, &err) < 0)
		log_warning("Throttle: %s; the limits from before the reload stay", err.text);
}

/* The same trouble comes with every entry: one line a minute. */
static void trouble(const struct err *err)
{
	static uint64_t said_ns; /* one supervisor in a process */
	uint64_t now = clock_now_ns();

	if (said_ns != 0 && now - said_ns < TROUBLE_GAP_NS)
		return;
	said_ns = now;
	log_warning("Throttle: nftables: %s", err->text);
}

void kernel_side_refuse(struct throttle_kernel *k, const struct channel_msg *m)
{
	uint64_t list = m->serial >> 32;
	uint32_t seconds = (uint32_t)m->serial;
	struct throttle_prefix p;
	struct err err;
	int r;

	if (k == NULL || list > THROTTLE_LIST_ALL || m->status < 0 ||
	    m->status > THROTTLE_NOTHING || !throttle_prefix_parse(m->text, &p))
		return;
	if (list == THROTTLE_LIST_ALL)
		r = throttle_kernel_nft_anew(k, m->status != THROTTLE_NORMAL, &err);
	else if (list == THROTTLE_LIST_PENALTY)
		r = throttle_kernel_nft(k, &p, (enum throttle_level)m->status, seconds, &err);
	else
		r = throttle_kernel_nft_list(k, (enum throttle_list)list, &p, seconds > 0, &err);
	if (r < 0)
		trouble(&err);
}
