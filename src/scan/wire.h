/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/wire.h - requests and facts as bytes in the shared job table. Both directions are validated
 * as hostile: a worker that was taken over may write anything.
 */
#ifndef SCAN_WIRE_H
#define SCAN_WIRE_H

#include <sys/types.h>

#include "core/arena.h"
#include "core/err.h"
#include "scan/facts.h"
#include "scan/request.h"

/* Encode into @out (@size bytes). Returns the length, or -EFBIG (ERR_LIMIT). */
ssize_t wire_put_request(const struct scan_request *r, uint8_t *out, size_t size,
			 struct err *err) MUST_CHECK;
/* Facts that do not fit are cut (parts and members first, then verdicts, findings last), with
 * facts.cut set, so that the outcome is never lost. Returns the length; -EFBIG only when not even
 * one finding fits. */
ssize_t wire_put_facts(const struct facts *f, uint8_t *out, size_t size,
		       struct err *err) MUST_CHECK;

/* Decode; everything is copied into @a. -EBADMSG (ERR_BUG): malformed. @in must not be shared. */
int wire_get_request(struct bytes in, struct arena *a, struct scan_request *ret_r,
		     struct err *err) MUST_CHECK;
int wire_get_facts(struct bytes in, struct arena *a, struct facts *ret_f,
		   struct err *err) MUST_CHECK;

#endif
