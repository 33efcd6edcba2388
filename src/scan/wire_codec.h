/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/wire_codec.h - inside this folder: one description of a structure serves both directions.
 * A field function writes *value, or reads into it, as the codec was set up.
 */
#ifndef SCAN_WIRE_CODEC_H
#define SCAN_WIRE_CODEC_H

#include <stdbool.h>

#include "core/arena.h"

struct wire_codec {
	uint8_t *out;    /* writing: where to; NULL when reading */
	size_t size, at; /* writing: room, bytes written */
	size_t reserve;  /* writing: of the room, kept for what must follow */
	struct bytes in; /* reading: what is left */
	struct arena *a; /* reading: where strings and arrays go */
	bool failed;     /* writing: no room; reading: malformed */
	bool no_memory;  /* reading: the arena is full */
	bool cut;        /* writing: something was left out */
	size_t clip;     /* writing: longest string kept */
	size_t things;   /* parts and members so far */
};

static inline bool wire_writing(const struct wire_codec *c)
{
	return c->out != NULL;
}

void wire_raw(struct wire_codec *c, void *p, size_t n);
void wire_u8(struct wire_codec *c, uint8_t *v);
void wire_u32(struct wire_codec *c, uint32_t *v);
void wire_u64(struct wire_codec *c, uint64_t *v);
void wire_i64(struct wire_codec *c, int64_t *v);
void wire_bool(struct wire_codec *c, bool *v);
/* An enum value as int, below @count. Returns it; 0 when malformed. */
unsigned wire_enum(struct wire_codec *c, unsigned v, unsigned count);
/* NULL is written as "". */
void wire_str(struct wire_codec *c, const char **s);
/* NULL stays NULL. */
void wire_opt_str(struct wire_codec *c, const char **s);
/* A NUL-terminated text in a fixed array. */
void wire_text(struct wire_codec *c, char *buf, size_t size);

/*
 * An array of @elem_size bytes each in *@base. Writing stops at the first element that does not
 * fit, or at @max, and sets @cut; what was written stays valid. Reading allocates.
 */
void wire_list(struct wire_codec *c, void **base, size_t *n, size_t elem_size, size_t max,
	       void (*each)(struct wire_codec *c, void *elem));

#endif
