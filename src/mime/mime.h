/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mime/mime.h - the parts of a message, as *any* mail reader may see them.
 *
 * Scan workers only. The tree lives in the message's arena; raw ranges point into the message
 * buffer, which must stay. GMime gives the structure; where bytes can be read in more than one
 * way (two encodings, duplicate headers, broken boundaries, nested encoded words ...), each
 * reading that a known mail reader shows becomes a part of its own with @alternate set, so that
 * nothing is delivered that was not looked at.
 */
#ifndef MIME_MIME_H
#define MIME_MIME_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/budget.h"
#include "core/bytes.h"
#include "core/err.h"

enum mime_encoding {
	MIME_7BIT,
	MIME_BASE64,
	MIME_QP,
	MIME_UU,
	MIME_YENC,
	MIME_BINHEX,
	MIME_GZIP64, /* base64 of gzip */
	MIME_ENCODINGS
};

/* What is odd about a part or message (RFC 2045, 2046, 2047, 2231, 5322); bits. */
enum mime_defect {
	MIME_DUP_HEADER = 1u << 0,   /* Content-* header given twice */
	MIME_BAD_HEADER = 1u << 1,   /* a header line no reader agrees on */
	MIME_BAD_BOUNDARY = 1u << 2, /* missing, empty, too long or unterminated boundary */
	MIME_BAD_ENCODING = 1u << 3, /* unknown or self-contradicting transfer encoding */
	MIME_BAD_BASE64 = 1u << 4,   /* bytes outside the alphabet, data after padding */
	MIME_BAD_PARAM = 1u << 5,    /* parameter readers disagree on */
	MIME_NUL = 1u << 6,
	MIME_BARE_CR = 1u << 7,
	MIME_PARTIAL = 1u << 8,        /* message/partial */
	MIME_EXTERNAL = 1u << 9,       /* message/external-body */
	MIME_LONG_BOUNDARY = 1u << 10, /* 80 characters or more */
	MIME_NO_BLANK_LINE = 1u << 11, /* headers run into the body */
	MIME_QP_BLANK_BOMB = 1u << 12, /* decoded line of more than 100,000 blanks */
};

struct mime_name {
	const char *text;       /* UTF-8 as decoded; invalid bytes kept as they were */
	struct mime_name *next; /* other readings: raw, RFC 2047, RFC 2231, joined, ... */
};

/*
 * Where another reading hangs: below the part of the first reading that holds its bytes, which may
 * be a leaf. So a leaf can have children: files between its lines of text (@uu_member), a message
 * that it holds, other ways to decode or to cut it (@alternate). mime_next() visits them.
 *
 * Ids: "0" is a message with parts, "1" one without; "1", "1.2", "1.2.1" are IMAP's numbers; "2.0"
 * is the multipart that the message in part 2 consists of; other readings of part 1.2 are "1.2a",
 * "1.2b" ... "1.2aa". No two parts have the same id.
 */
struct mime_part {
	const char *id;
	struct mime_part *parent, *children, *next;
	const char *type;        /* "text/html", lower case, as declared; "text/plain" if none */
	const char *charset;     /* as declared; NULL: none. See mime/charset.h */
	struct mime_name *names; /* NULL: unnamed; first is what most readers show */
	struct bytes headers;    /* raw header block of the part */
	struct bytes raw;        /* raw body of the part */
	enum mime_encoding encoding;
	bool multipart, message; /* consists of children instead of content */
	bool attachment;         /* Content-Disposition: attachment */
	bool alternate;          /* another reading of bytes that an earlier part holds too */
	bool uu_member;          /* found as begin/end, yEnc or BinHex data inside a text part */
	bool encrypted; /* multipart/encrypted, application/pkcs7-mime enveloped, PGP MIME */
	unsigned depth; /* 0: the message itself; a reading is as deep as what it is a reading of */
	unsigned defects;
	struct bytes content; /* decoded, set by mime_decode(); points into @raw for 7bit */
	bool decoded;
	/* For mime/ itself: made from GMime's tree; readings looked for; readings made so far. */
	bool structural, examined;
	unsigned readings_n;
};

struct mime_tree {
	struct mime_part *root;
	/* As mime_parse() left them: mime_decode() may add parts and defects. Defects: all or-ed.
	 */
	unsigned parts_n, defects;
	const char *subject;    /* decoded UTF-8, NULL: none */
	const char *message_id; /* without blanks; NULL: none */
};

/* Once per process, before threads and forks. */
void mime_init(void);

/*
 * Limits that are cheap to ask on the raw bytes, before any parser sees them: header bytes and
 * lines of each header block, address-group nesting (':' in address headers), lines that start
 * with "--", multipart types. Charges BUDGET_MEMORY with an estimate of the parser's heap, which
 * is not in the arena. 0, or -EFBIG (ERR_LIMIT) with the limit in @b.
 */
int mime_prelimits(struct bytes message, struct budget *b, struct err *err) MUST_CHECK;

/*
 * Parse. @message must have passed mime_prelimits(). Charges parts, depth and memory.
 * Returns 0; -EFBIG (ERR_LIMIT): a limit, see @b; -EBADMSG (ERR_INPUT): not a message at all.
 */
int mime_parse(struct mime_tree *ret_t, struct bytes message, struct arena *a, struct budget *b,
	       struct err *err) MUST_CHECK;

/*
 * Decode the content of a leaf into the arena, once. Charges EXPANDED_BYTES; alternates charge it
 * for undecoded bytes too, since somebody has to look at them again. May add children to @p: walk
 * with mime_next(@p) after it, never before. 0 or -EFBIG (ERR_LIMIT).
 */
int mime_decode(struct mime_part *p, struct arena *a, struct budget *b, struct err *err) MUST_CHECK;

/* Depth-first walk: the part after @p, NULL at the end. Start with tree->root. */
struct mime_part *mime_next(struct mime_part *p);
static inline bool mime_is_leaf(const struct mime_part *p)
{
	return !p->multipart && !p->message;
}

#endif
