/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host/group.h - what control groups leave us of this host: in containers, and under systemd's
 * CPUQuota= and MemoryMax=. Processors that may not be used at all (cpusets) are not told here:
 * host_allowed() has them.
 *
 * Both versions of control groups. Blocking: start-up, reload and tools only.
 */
#ifndef HOST_GROUP_H
#define HOST_GROUP_H

#include <stdint.h>

/* 0: no limit. */
struct host_group {
	uint32_t cpu_percent; /* of one processor: 150 is one and a half */
	uint64_t memory_bytes;
};

/* The least of what our group and all above it have. What cannot be read is no limit. @root: ""
 * for this host, or where a copy of its /proc and /sys is (tests). */
void host_group_read(struct host_group *ret_g, const char *root);

#endif
