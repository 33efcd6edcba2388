/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store/ledger.h - the ids in flight, in a memory-mapped file: writing one costs no system call,
 * and a kill of the process at any instruction leaves the file as the program had written it.
 *
 * A place is filled first and marked used last; its sum covers id and generation, so that a place
 * that a power cut has torn, or that an older run left, is not taken for an id in flight. The file
 * is locked while it is open: one gateway only.
 */
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include "core/err.h"

#define LEDGER_ID_MAX 64 /* with NUL */

struct ledger;

/* Open or make the file and lock it. -EBUSY (ERR_CONFIG) names the process that has it. */
int ledger_open(struct ledger **ret_l, const char *path, struct err *err) MUST_CHECK;
void ledger_close(struct ledger **l);

/* Ids an earlier run had in flight when it was killed; lent until ledger_start(). */
size_t ledger_leftover_n(const struct ledger *l);
const char *ledger_leftover(const struct ledger *l, size_t i);

/* Make room for @places; what is in the file stays. Once. */
int ledger_reserve(struct ledger *l, unsigned places, struct err *err) MUST_CHECK;
/* Forget the leftovers and begin a generation, in which the functions below work. Cannot fail, so
 * that what was counted from the leftovers is counted once. */
void ledger_start(struct ledger *l);

/* -ENOSPC: full; -EINVAL: @id is empty or too long. */
int ledger_put(struct ledger *l, const char *id, unsigned *ret_place) MUST_CHECK;
/* NULL: the place is free. */
const char *ledger_id(const struct ledger *l, unsigned place);
void ledger_clear(struct ledger *l, unsigned place);
/* Places in use. */
unsigned ledger_used(const struct ledger *l);

#endif
