/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/unpack.h - inside this folder: how the readers of archives, documents and encodings hand
 * over what they find. The budget is asked here, before each member and each piece.
 */
#ifndef SCAN_UNPACK_H
#define SCAN_UNPACK_H

#include "core/str.h"
#include "scan/check.h"

/* One container while it is opened. */
struct unpack {
	struct scan_state *s;
	struct leaf *container;
	struct bytes content; /* of the container, or from where the archive begins in it */
	char origin;          /* of the members: leaf.origin */
	bool sure;            /* the first bytes are no accident */
	bool ask_only;        /* nothing is unpacked, only encryption is looked for */
	bool stop;            /* a limit: nothing more may come out of this container */
	bool too_deep;        /* the limit is the depth, which other containers do not share */
	bool document;        /* not an archive in the sense of the options */
	bool encrypted;       /* something in it needs a password */
	struct str *buffer;   /* the member in work */
	size_t charged;       /* of it, to the budget's CPU clock */
	size_t entries_n;     /* whatever it listed, folders too */
	size_t members_n;     /* files that came out or have a name at least */
	char why[128];        /* the first thing that could not be read; "" */
};

#define MEMBER_NAMES_MAX 4u

struct member {
	struct bytes names[MEMBER_NAMES_MAX]; /* readings, hostile; the first is the usual one */
	size_t names_n;
	struct bytes content; /* lies in the container already; empty: what unpack_data() got */
	bool encrypted, unread;
};

/* One more member comes. False: it may not, stop. */
bool unpack_begin(struct unpack *u, struct bytes name);
/* A piece of its content. False: a limit; the member is unread, stop. */
bool unpack_data(struct unpack *u, struct bytes piece);
/* It is complete (or unread): make it a leaf. False: stop. */
bool unpack_end(struct unpack *u, struct member *m);
/* What a program that unpacks a nameless content calls it: the container's name without its last
 * extension, ".tgz" and its like becoming ".tar". */
struct bytes unpack_stem(struct unpack *u);
/* Something could not be read. Only the first reason is kept; hostile bytes allowed. */
void unpack_broken(struct unpack *u, const char *fmt, ...) PRINTF(2, 3);

/* A name in UTF-16, as UTF-8 in the arena; cut at its NUL. Empty when memory is out. */
struct bytes unpack_utf16(struct unpack *u, struct bytes text);

/* The readers. Each looks at u->content, which begins with what its row in archives.c asks for. */
typedef void unpack_fn(struct unpack *u);

unpack_fn unpack_zip, unpack_ole, unpack_tnef, unpack_uu, unpack_eml;
bool eml_is_message(struct bytes content);
/* libarchive's formats */
unpack_fn unpack_rar, unpack_7z, unpack_cab, unpack_lha, unpack_tar, unpack_cpio, unpack_iso,
	unpack_ar;
/* formats that nothing here reads: what they hold stays unknown, and that is reported */
unpack_fn unpack_unread;
/* compressed single files */
unpack_fn unpack_gzip, unpack_bzip2, unpack_xz, unpack_lzma, unpack_lzip, unpack_zstd, unpack_lz4,
	unpack_compress, unpack_rpm;

/* One member of a zip archive, by libarchive: @packed as it lies in the archive. */
struct zip_packed {
	struct bytes data;
	unsigned method;
	uint64_t unpacked_bytes; /* as claimed */
	uint32_t crc;
};
/* False: could not be unpacked (see u->stop and u->why). */
bool unpack_zip_member(struct unpack *u, const struct zip_packed *p);

#endif
