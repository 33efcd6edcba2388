/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/stub_nft.c - in place of kernel_nft.c where libnftables is missing. */
#include <errno.h>

#include "throttle/kernel_internal.h"

static int without(struct err *err)
{
	return err_set(err, ERR_CONFIG, -EOPNOTSUPP,
		       "built without nftables: libnftables-dev was missing");
}

int throttle_nft_open(struct throttle_nft **ret_n UNUSED, const struct throttle_setup *s UNUSED,
		      struct err *err)
{
	return without(err);
}

void throttle_nft_close(struct throttle_nft **n UNUSED)
{
}

int throttle_nft_settings(struct throttle_nft *n UNUSED, const struct throttle_settings *s UNUSED,
			  struct err *err)
{
	return without(err);
}

int throttle_nft_clear(struct throttle_nft *n UNUSED, struct err *err)
{
	return without(err);
}

void throttle_nft_forget(void)
{
}

int throttle_nft_penalty(struct throttle_nft *n UNUSED, const struct throttle_prefix *p UNUSED,
			 enum throttle_level level UNUSED, uint32_t seconds UNUSED, struct err *err)
{
	return without(err);
}

int throttle_nft_list(struct throttle_nft *n UNUSED, enum throttle_list l UNUSED,
		      const struct throttle_prefix *p UNUSED, bool in UNUSED, struct err *err)
{
	return without(err);
}
