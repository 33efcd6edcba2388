/* SPDX-License-Identifier: GPL-2.0-or-later */
/* throttle/kernel_internal.h - what the files of the kernel's share know of each other. */
#ifndef THROTTLE_KERNEL_INTERNAL_H
#define THROTTLE_KERNEL_INTERNAL_H

#include <limits.h>

#include "core/base.h"
#include "throttle/kernel.h"

bool throttle_prefix_is_v4(const struct throttle_prefix *p);
/* Keep the first @bits. */
void throttle_prefix_mask(struct throttle_prefix *p, unsigned bits);

/* -ERANGE: a bucket deeper than the kernel's numbers. */
int throttle_settings_check(const struct throttle_settings *s, struct err *err) MUST_CHECK;

void throttle_part_why(struct throttle_part_state *p, const char *fmt, ...) PRINTF(2, 3);

/* --- BPF: kernel_bpf.c, or stub_bpf.c --- */

struct throttle_bpf;

/* *@ret_b is NULL when nothing could be loaded; @parts say why. -EBUSY: another daemon has it. */
int throttle_bpf_open(struct throttle_bpf **ret_b, const struct throttle_setup *s,
		      struct throttle_part_state parts[THROTTLE_PARTS], struct err *err) MUST_CHECK;
void throttle_bpf_close(struct throttle_bpf **b);
int throttle_bpf_settings(struct throttle_bpf *b, const struct throttle_settings *s,
			  struct err *err) MUST_CHECK;
/* Detach what an earlier run left attached below @pin_dir. -EBUSY: another daemon has it. */
int throttle_bpf_forget(const char *pin_dir, struct err *err) MUST_CHECK;
void throttle_bpf_fds(const struct throttle_bpf *b, int ret_fds[THROTTLE_FDS]);

/* --- pins: kernel_pins.c --- */

struct throttle_pins {
	int lock_fd;        /* of the directory; -1: no pins */
	char dir[PATH_MAX]; /* of this network namespace */
};

/* Make (and mount) what is missing and lock it. -EBUSY: locked by another. */
int throttle_pins_open(struct throttle_pins *p, const char *pin_dir, struct err *err) MUST_CHECK;
/* True: @pin_dir is there, with what an earlier run may have left. */
bool throttle_pins_exist(const char *pin_dir);
void throttle_pins_close(struct throttle_pins *p);
/* Descriptor of what is pinned as @name, or -1. */
int throttle_pins_get(const struct throttle_pins *p, const char *name);
int throttle_pins_put(const struct throttle_pins *p, const char *name, int fd,
		      struct err *err) MUST_CHECK;
void throttle_pins_remove(const struct throttle_pins *p, const char *name);
/* Detach the links whose names begin with @start, but for those that @keep says. */
void throttle_pins_sweep(const struct throttle_pins *p, const char *start,
			 bool (*keep)(void *arg, const char *name), void *arg);

/* --- links: kernel_links.c --- */

#define THROTTLE_LINK_NAME 40

/* A program attached somewhere. */
struct throttle_link {
	int fd; /* -1: not attached */
	char name[THROTTLE_LINK_NAME];
};

/*
 * Attach @prog_fd where @target says: a descriptor of the network namespace, or the number of an
 * interface; @type and @flags are the kernel's. A pinned link of that name gets the program
 * instead. @keep: pin it, so that it outlives us.
 */
int throttle_link_attach(struct throttle_link *l, const struct throttle_pins *pins, int prog_fd,
			 int target, int type, uint32_t flags, bool keep,
			 struct err *err) MUST_CHECK;
/* The same for a tracepoint, whose link cannot be given another program: new first, then old. */
int throttle_link_trace(struct throttle_link *l, const struct throttle_pins *pins, int prog_fd,
			bool keep, struct err *err) MUST_CHECK;
/* Run an iterator program to its end. */
int throttle_link_iterate(int prog_fd, struct err *err) MUST_CHECK;
void throttle_link_close(struct throttle_link *l);

/* --- nftables: kernel_nft.c, or stub_nft.c --- */

struct throttle_nft;

int throttle_nft_open(struct throttle_nft **ret_n, const struct throttle_setup *s,
		      struct err *err) MUST_CHECK;
void throttle_nft_close(struct throttle_nft **n);
int throttle_nft_settings(struct throttle_nft *n, const struct throttle_settings *s,
			  struct err *err) MUST_CHECK;
/* Take everybody out of all lists. */
int throttle_nft_clear(struct throttle_nft *n, struct err *err) MUST_CHECK;
/* Remove the table that an earlier run left; not that of a daemon that lives. */
void throttle_nft_forget(void);
int throttle_nft_penalty(struct throttle_nft *n, const struct throttle_prefix *p,
			 enum throttle_level level, uint32_t seconds, struct err *err) MUST_CHECK;
int throttle_nft_list(struct throttle_nft *n, enum throttle_list l, const struct throttle_prefix *p,
		      bool in, struct err *err) MUST_CHECK;

#endif
