/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * core/json.h - writing JSON (RFC 8259) into a struct str, one pass, no tree. For output only;
 * what others send us is parsed by jansson in ctl/. Invalid UTF-8 becomes U+FFFD.
 */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "core/str.h"

#define JSON_DEPTH_MAX 16

struct json {
	struct str *out;
	unsigned depth;
	bool array[JSON_DEPTH_MAX], any[JSON_DEPTH_MAX];
};

void json_begin(struct json *j, struct str *out);

/* Open an object or array: as member @name of an object, or as an element (@name NULL). */
void json_object(struct json *j, const char *name);
void json_array(struct json *j, const char *name);
/* Close what was opened last. */
void json_end(struct json *j);

/* Members of the open object. A NULL pointer in @v writes null. */
void json_member_str(struct json *j, const char *name, struct bytes v);
void json_member_num(struct json *j, const char *name, uint64_t v);
void json_member_int(struct json *j, const char *name, int64_t v);
void json_member_real(struct json *j, const char *name, double v);
void json_member_bool(struct json *j, const char *name, bool v);

/* Elements of the open array. */
void json_str(struct json *j, struct bytes v);
void json_num(struct json *j, uint64_t v);

#endif
