/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mime/decode.h - transfer decoders: pure functions over bytes, no allocation, no failure.
 *
 * Each writes to @out, which must hold the number of bytes its _bound() names, and tells whether
 * @in was what the encoding's definition allows. What is not allowed is read the way most mail
 * readers do; for base64, on which readers disagree most, enum base64_rule lists the others.
 */
#ifndef MIME_DECODE_H
#define MIME_DECODE_H

#include <stdbool.h>

#include "core/bytes.h"

/* How a reader treats base64 that is not clean; bits. 0: skip foreign bytes, padding ends the
 * quantum, decoding goes on (concatenated base64). */
enum base64_rule {
	BASE64_STOP_AT_PAD = 1u << 0,  /* nothing counts after a complete padding */
	BASE64_STOP_AT_JUNK = 1u << 1, /* nothing counts after a foreign byte */
	BASE64_SKIP_PAD = 1u << 2,     /* '=' is a foreign byte like any other */
	BASE64_LINE_RESET = 1u << 3,   /* each line is decoded for itself */
	BASE64_BLANK_RESET = 1u << 4,  /* an empty line starts over */
	BASE64_URL = 1u << 5,          /* '-' and '_' stand for '+' and '/' */
	BASE64_PAD_PENDING = 1u << 6,  /* '=' counts only where it completes a quantum */
	BASE64_COUNT_PAD = 1u << 7,    /* '=' fills a place of the quantum, wherever it stands */
	BASE64_LINE_DROP = 1u << 8,    /* the unfinished quantum at the end of a line is dropped */
};

static inline size_t base64_bound(size_t n)
{
	return n / 4 * 3 + 64; /* the vector store writes beyond the last byte */
}

/* How far @in was what RFC 2045 allows: alphabet, line ends between quanta, padding at the end. */
struct base64_clean {
	bool all;
	size_t in_n, out_n; /* whole lines that nobody disputes, and what they decode to */
};

/* Returns the bytes written. What is not clean is decoded by rule 0. */
size_t base64_decode(uint8_t *out, struct bytes in, struct base64_clean *ret_clean);
/* By other rules; byte by byte. */
size_t base64_decode_by(uint8_t *out, struct bytes in, unsigned rules);
/* The rules, or-ed, that may read @in differently from rule 0. */
unsigned base64_disputes(struct bytes in);
/* True when the first lines of @in could be nothing but base64. */
bool base64_looks_like(struct bytes in);

static inline size_t qp_bound(size_t n)
{
	return n * 2 + 64; /* QP_DROP_LOWER works in two steps; vector stores */
}

/* How a reader treats "=" that starts no escape. */
enum qp_rule {
	QP_KEEP,       /* show it */
	QP_DROP,       /* leave it and the next two bytes out */
	QP_RESUME,     /* leave it out, and one hex digit behind it; a second '=' starts again */
	QP_DROP_LOWER, /* "=a" (lower case) is left out before anything else is decoded */
};

size_t qp_decode(uint8_t *out, struct bytes in, bool *ret_clean);
size_t qp_decode_by(uint8_t *out, struct bytes in, enum qp_rule rule);
bool qp_looks_like(struct bytes in);
/* Length of the longest run of blanks that fills a line of its own. */
size_t qp_longest_blank_line(struct bytes decoded);

/* Data in the midst of text ("begin 644 name", "=ybegin", BinHex's banner). */
enum block_kind { BLOCK_UU, BLOCK_XX, BLOCK_UU_BASE64, BLOCK_YENC, BLOCK_BINHEX };

struct block {
	enum block_kind kind;
	struct bytes name;  /* as written in the text; for BinHex inside the data: empty */
	struct bytes body;  /* encoded lines without the begin and end lines */
	struct bytes whole; /* with them */
};

/* The next block in *@rest, which moves behind it. False: none left. Linear in all of @rest. */
bool block_next(struct bytes *rest, struct block *ret_block);

/* A whole body declared as uuencode, yEnc or BinHex, with or without its begin line. */
bool block_whole(struct bytes in, enum block_kind kind, struct block *ret_block);

static inline size_t block_bound(size_t n)
{
	return n * 2 + 64;
}

/* BinHex may expand (run lengths): at most @max bytes are written. *@ret_name: name inside. */
size_t uu_decode(uint8_t *out, struct bytes body, bool xx);
size_t yenc_decode(uint8_t *out, struct bytes body);
size_t binhex_decode(uint8_t *out, size_t max, struct bytes body, char ret_name[64]);

#endif
