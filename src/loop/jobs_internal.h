/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop/jobs_internal.h - layout of the shared job table, for jobs.c and the tests that play a
 * hostile worker.
 *
 * Who writes what is a matter of trust, not of page protection: the worker can write all of it.
 * So the gateway keeps its own copy of every index and of every slot's state, and reads from here
 * only done_tail, done[], result_n, the results, and - as hints - a slot's state, stage and time.
 */
#ifndef LOOP_JOBS_INTERNAL_H
#define LOOP_JOBS_INTERNAL_H

#include <stdatomic.h>

#include "loop/jobs.h"

#define JOBS_MAGIC      UINT32_C(0x5350a10b)
#define JOBS_VERSION    2u
#define JOBS_CACHE_LINE 64

enum slot_state { SLOT_FREE, SLOT_POSTED, SLOT_RUNNING, SLOT_DONE };

#define SLOT_HAS_HEAD_FD 1u
#define SLOT_HAS_BODY_FD 2u

struct jobs_slot {
	/* gateway */
	uint32_t kind, fds; /* SLOT_HAS_... */
	uint32_t request_n, head_n;
	uint64_t body_offset, body_bytes;
	/* worker, except that the gateway sets SLOT_POSTED */
	_Alignas(JOBS_CACHE_LINE) _Atomic uint32_t state;
	_Atomic uint32_t result_n;
	_Atomic uint64_t started_ns; /* CLOCK_MONOTONIC; both for people only, and hostile */
	_Atomic uint8_t stage;
};

struct jobs_shared {
	uint32_t magic, version;
	/* gateway -> worker. Indices count up for ever; a position is index % JOBS_SLOTS. */
	_Alignas(JOBS_CACHE_LINE) _Atomic uint32_t posted_tail;
	uint8_t posted[JOBS_SLOTS];
	/* worker -> gateway */
	_Alignas(JOBS_CACHE_LINE) _Atomic uint32_t done_tail;
	_Atomic uint8_t done[JOBS_SLOTS];
	/* "wake me": set by the sleeper, cleared by whoever wakes it. The first is a futex. */
	_Alignas(JOBS_CACHE_LINE) _Atomic uint32_t worker_sleeps;
	_Alignas(JOBS_CACHE_LINE) _Atomic uint32_t gateway_sleeps;

	struct jobs_slot slots[JOBS_SLOTS];
	_Alignas(4096) uint8_t requests[JOBS_SLOTS][JOBS_REQUEST_BYTES];
	uint8_t results[JOBS_SLOTS][JOBS_RESULT_BYTES];
};

_Static_assert((JOBS_SLOTS & (JOBS_SLOTS - 1)) == 0, "positions are index % JOBS_SLOTS");
_Static_assert(JOBS_SLOTS <= 32, "slot sets are 32-bit masks");
_Static_assert(sizeof(_Atomic uint32_t) == 4, "the futex is the atomic itself");

struct jobs_shared *jobs_shared_of(struct jobs *j);

#endif
