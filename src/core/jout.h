/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * core/jout.h - writing JSON (RFC 8259) into a struct str, one pass, no tree. For output only;
 * what others send us is parsed by jansson in ctl/. Invalid UTF-8 becomes U+FFFD.
 */
#ifndef CORE_JOUT_H
#define CORE_JOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

#define JOUT_DEPTH_MAX 16

struct jout {
	struct str *out;
	unsigned depth;
	bool array[JOUT_DEPTH_MAX], any[JOUT_DEPTH_MAX];
};

void jout_begin(struct jout *j, struct str *out);

/* Open an object or array: as member @name of an object, or as an element (@name NULL). */
void jout_object(struct jout *j, const char *name);
void jout_array(struct jout *j, const char *name);
/* Close what was opened last. */
void jout_end(struct jout *j);

/* Members of the open object. A NULL pointer in @v writes null. */
void jout_member_str(struct jout *j, const char *name, struct bytes v);
void jout_member_num(struct jout *j, const char *name, uint64_t v);
void jout_member_int(struct jout *j, const char *name, int64_t v);
void jout_member_real(struct jout *j, const char *name, double v);
void jout_member_bool(struct jout *j, const char *name, bool v);
/* @json is well-formed JSON already. */
void jout_member_raw(struct jout *j, const char *name, const char *json);

/* Elements of the open array. */
void jout_str(struct jout *j, struct bytes v);

#endif
