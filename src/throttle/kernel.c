/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/kernel.c - which of the kernel's means are in force: BPF, else nftables, else none. */
#include "throttle/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "throttle/kernel_internal.h"

struct throttle_kernel {
	struct throttle_bpf *bpf;
	struct throttle_nft *nft;
	enum throttle_method method;
	struct throttle_settings settings;
	bool off; /* by command: nobody is refused, whatever the settings say */
	struct throttle_part_state parts[THROTTLE_PARTS];
};

static void open_nft(struct throttle_kernel *k, const struct throttle_setup *s)
{
	struct throttle_part_state *p = &k->parts[THROTTLE_PART_NFTABLES];
	struct err why;

	if (throttle_nft_open(&k->nft, s, &why) < 0) {
		throttle_part_why(p, "%s", why.text);
		return;
	}
	p->active = true;
	k->method = THROTTLE_NFTABLES;
}

static int open_bpf(struct throttle_kernel *k, const struct throttle_setup *s, struct err *err)
{
	int r = throttle_bpf_open(&k->bpf, s, k->parts, err);

	if (r < 0)
		return r;
	if (k->parts[THROTTLE_PART_SK_LOOKUP].active)
		k->method = THROTTLE_SK_LOOKUP;
	else if (k->parts[THROTTLE_PART_XDP].active)
		k->method = THROTTLE_XDP_ALONE;
	return 0;
}

int throttle_kernel_open(struct throttle_kernel **ret_k, const struct throttle_setup *s,
			 struct err *err)
{
	AUTO(throttle_kernel_close) struct throttle_kernel *k = calloc(1, sizeof(*k));
	int r = 0;

	if (k == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "throttle: out of memory");
	k->method = THROTTLE_USER;
	k->settings = s->settings;
	if (s->method == THROTTLE_AUTO || s->method == THROTTLE_SK_LOOKUP)
		r = open_bpf(k, s, err);
	else if (s->pin_dir != NULL)
		r = throttle_bpf_forget(s->pin_dir, err);
	if (r < 0)
		return r;
	if (s->method == THROTTLE_NFTABLES ||
	    (s->method == THROTTLE_AUTO && k->method == THROTTLE_USER))
		open_nft(k, s);
	else
		throttle_nft_forget();
	*ret_k = TAKE(k);
	return 0;
}

void throttle_kernel_close(struct throttle_kernel **k)
{
	if (*k == NULL)
		return;
	throttle_bpf_close(&(*k)->bpf);
	throttle_nft_close(&(*k)->nft);
	free(*k);
	*k = NULL;
}

enum throttle_method throttle_kernel_method(const struct throttle_kernel *k)
{
	return k->method;
}

const struct throttle_part_state *throttle_kernel_parts(const struct throttle_kernel *k)
{
	return k->parts;
}

int throttle_kernel_settings(struct throttle_kernel *k, const struct throttle_settings *s,
			     struct err *err)
{
	struct throttle_settings mine = *s;
	int r = 0;

	if (k->off)
		mine.enforce = 0;
	if (k->nft != NULL)
		r = throttle_nft_settings(k->nft, &mine, err);
	else if (k->bpf != NULL)
		r = throttle_bpf_settings(k->bpf, &mine, err);
	if (r == 0)
		k->settings = *s;
	return r;
}

int throttle_kernel_nft_anew(struct throttle_kernel *k, bool refuse, struct err *err)
{
	bool before = k->off;
	int r;

	if (k->nft == NULL)
		return err_set(err, ERR_CONFIG, -EOPNOTSUPP, "nftables are not in use");
	r = throttle_nft_clear(k->nft, err);
	if (r < 0 || refuse != before)
		return r;
	k->off = !refuse;
	r = throttle_kernel_settings(k, &k->settings, err);
	if (r < 0)
		k->off = before;
	return r;
}

void throttle_kernel_fds(const struct throttle_kernel *k, int ret_fds[THROTTLE_FDS])
{
	for (int i = 0; i < THROTTLE_FDS; i++)
		ret_fds[i] = -1;
	if (k->bpf != NULL)
		throttle_bpf_fds(k->bpf, ret_fds);
}

int throttle_kernel_nft(struct throttle_kernel *k, const struct throttle_prefix *p,
			enum throttle_level level, uint32_t seconds, struct err *err)
{
	if (k->nft == NULL)
		return err_set(err, ERR_CONFIG, -EOPNOTSUPP, "nftables are not in use");
	return throttle_nft_penalty(k->nft, p, level, seconds, err);
}

int throttle_kernel_nft_list(struct throttle_kernel *k, enum throttle_list l,
			     const struct throttle_prefix *p, bool in, struct err *err)
{
	if (k->nft == NULL)
		return err_set(err, ERR_CONFIG, -EOPNOTSUPP, "nftables are not in use");
	return throttle_nft_list(k->nft, l, p, in, err);
}
