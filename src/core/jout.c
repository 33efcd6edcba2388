/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/jout.c - the JSON writer. */
#include "core/jout.h"

#include <assert.h>
#include <inttypes.h>

#include "core/text.h"

void jout_begin(struct jout *j, struct str *out)
{
	*j = (struct jout){ .out = out };
}

static void add_quoted(struct str *s, struct bytes v)
{
	str_add_char(s, '"');
	while (v.n > 0) {
		size_t n = text_utf8_length(v);

		if (n == 0) {
			str_add(s, "\xef\xbf\xbd");
			n = 1;
		} else if (v.p[0] == '"' || v.p[0] == '\\') {
			str_add_char(s, '\\');
			str_add_bytes(s, bytes_head(v, 1));
		} else if (v.p[0] == '\n') {
			str_add(s, "\\n");
		} else if (v.p[0] < 0x20 || v.p[0] == 0x7f) {
			str_addf(s, "\\u%04x", v.p[0]);
		} else {
			str_add_bytes(s, bytes_head(v, n));
		}
		v = bytes_from(v, n);
	}
	str_add_char(s, '"');
}

/* Comma and name before a value. */
static void lead(struct jout *j, const char *name)
{
	if (j->depth > 0) {
		if (j->any[j->depth - 1])
			str_add_char(j->out, ',');
		j->any[j->depth - 1] = true;
	}
	if (name != NULL) {
		add_quoted(j->out, bytes_str(name));
		str_add_char(j->out, ':');
	}
}

static void open_level(struct jout *j, const char *name, bool array)
{
	assert(j->depth < JOUT_DEPTH_MAX);
	lead(j, name);
	str_add_char(j->out, array ? '[' : '{');
	j->array[j->depth] = array;
	j->any[j->depth] = false;
	j->depth++;
}

void jout_object(struct jout *j, const char *name)
{
	open_level(j, name, false);
}

void jout_array(struct jout *j, const char *name)
{
	open_level(j, name, true);
}

void jout_end(struct jout *j)
{
	assert(j->depth > 0);
	j->depth--;
	str_add_char(j->out, j->array[j->depth] ? ']' : '}');
}

void jout_member_str(struct jout *j, const char *name, struct bytes v)
{
	lead(j, name);
	if (v.p == NULL)
		str_add(j->out, "null");
	else
		add_quoted(j->out, v);
}

void jout_member_num(struct jout *j, const char *name, uint64_t v)
{
	lead(j, name);
	str_addf(j->out, "%" PRIu64, v);
}

void jout_member_int(struct jout *j, const char *name, int64_t v)
{
	lead(j, name);
	str_addf(j->out, "%" PRId64, v);
}

void jout_member_real(struct jout *j, const char *name, double v)
{
	lead(j, name);
	str_addf(j->out, "%.3f", v);
}

void jout_member_bool(struct jout *j, const char *name, bool v)
{
	lead(j, name);
	str_add(j->out, v ? "true" : "false");
}

void jout_member_raw(struct jout *j, const char *name, const char *json)
{
	lead(j, name);
	str_add(j->out, json);
}

void jout_str(struct jout *j, struct bytes v)
{
	jout_member_str(j, NULL, v);
}
