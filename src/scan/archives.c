/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scan/archives.c - what holds other files is opened, its members become leaves, and those are
 * looked at in turn. A file that can be read as several formats is opened as each of them.
 */
#include <errno.h>
#include <stdio.h>

#include "core/num.h"
#include "scan/unpack.h"
#include "scan/zip_directory.h"

#define MEMBER_BYTES_HARD_MAX (4 * GIB)
#define SFX_SEARCH_BYTES      MIB /* how far programs look for an archive behind a program */
#define UU_LINES_MAX          50u
#define SMALLEST_ARCHIVE      4u
#define EMPTY_ARCHIVE_BYTES   64u /* no format needs more to say that it holds nothing */

enum is { IS_NOT, IS_MAYBE, IS_SURE };

/* Which option decides about it. */
enum asked_by { ARCHIVE, DOCUMENT, TNEF, UU, MESSAGE };

struct format {
	const char *name;
	enum asked_by option;
	char origin;
	unpack_fn *open;
	/* @content may be moved forward to where the archive begins. */
	enum is (*is)(struct bytes *content);
	const char *magic; /* instead of is(): the first bytes */
	size_t magic_n, magic_at;
};

/* --- what is what --- */

static enum is is_zip(struct bytes *c)
{
	if (!zip_is_archive(*c))
		return IS_NOT;
	return bytes_starts(*c, BYTES("PK")) ? IS_SURE : IS_MAYBE;
}

static bool is_program(struct bytes c)
{
	return bytes_starts(c, BYTES("MZ")) || bytes_starts(c, BYTES("\x7f"
								     "ELF"));
}

/* At the start; or behind a program that unpacks itself, or whatever else stands there. */
static enum is starts_or_holds(struct bytes *c, struct bytes magic)
{
	ptrdiff_t at;

	if (bytes_starts(*c, magic))
		return IS_SURE;
	at = bytes_find(bytes_head(*c, SFX_SEARCH_BYTES), magic);
	if (at < 0 || bytes_starts(*c, BYTES("PK\3\4")))
		return IS_NOT;
	*c = bytes_from(*c, (size_t)at);
	return IS_MAYBE;
}

static enum is is_rar(struct bytes *c)
{
	return starts_or_holds(c, BYTES("Rar!\x1a\7"));
}

static enum is is_7z(struct bytes *c)
{
	return starts_or_holds(c, BYTES("7z\xbc\xaf\x27\x1c"));
}

static enum is is_cab(struct bytes *c)
{
	if (bytes_starts(*c, BYTES("MSCF")))
		return IS_SURE;
	return is_program(*c) ? starts_or_holds(c, BYTES("MSCF\0\0\0\0")) : IS_NOT;
}

/* "-lh5-" and its relatives: method names of LHA, LArc and PMarc, behind two bytes. */
static bool is_lha_method(const uint8_t *p)
{
	return p[0] == '-' && p[4] == '-' &&
	       ((p[1] == 'l' && (p[2] == 'h' || p[2] == 'z')) || (p[1] == 'p' && p[2] == 'm'));
}

static enum is is_lha(struct bytes *c)
{
	enum { METHOD_AT = 2, HEAD = 22 };
	struct bytes head = bytes_head(*c, SFX_SEARCH_BYTES / 8);

	if (c->n < HEAD)
		return IS_NOT;
	if (is_lha_method(c->p + METHOD_AT))
		return IS_SURE;
	if (!is_program(*c) && !bytes_starts(*c, BYTES("\x60")))
		return IS_NOT;
	for (size_t i = METHOD_AT; i + HEAD <= head.n; i++)
		if (is_lha_method(head.p + i)) {
			*c = bytes_from(*c, i - METHOD_AT);
			return IS_MAYBE;
		}
	return IS_NOT;
}

/* The checksum of a header block: the one thing all kinds of tar have. */
static enum is is_tar(struct bytes *c)
{
	enum { BLOCK = 512, SUM_AT = 148, SUM_BYTES = 8 };
	struct bytes field;
	uint64_t want, sum = 0;

	if (c->n < BLOCK || c->p[0] == 0)
		return IS_NOT;
	field = bytes_trim(bytes_of(c->p + SUM_AT, SUM_BYTES));
	while (field.n > 0 && (field.p[field.n - 1] == 0 || field.p[field.n - 1] == ' '))
		field.n--;
	if (num_parse(field, 8, UINT32_MAX, &want) < 0)
		return IS_NOT;
	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= SUM_AT && i < SUM_AT + SUM_BYTES ? ' ' : c->p[i];
	return sum == want && sum > 8 * ' ' ? IS_SURE : IS_NOT;
}

static enum is is_cpio(struct bytes *c)
{
	if (c->n < 26)
		return IS_NOT;
	if (bytes_starts(*c, BYTES("070701")) || bytes_starts(*c, BYTES("070702")) ||
	    bytes_starts(*c, BYTES("070707")))
		return IS_SURE;
	if (bytes_starts(*c, BYTES("\xc7\x71")) || bytes_starts(*c, BYTES("\x71\xc7")))
		return IS_MAYBE;
	return IS_NOT;
}

/* The archive's header: its size, the size of its fixed part, method 2 for "this is a comment". */
static enum is is_arj(struct bytes *c)
{
	enum { HEAD = 30, SIZE_MAX_BYTES = 2600 };

	if (c->n < HEAD || !bytes_starts(*c, BYTES("\x60\xea")))
		return IS_NOT;
	return (c->p[2] | c->p[3] << 8) <= SIZE_MAX_BYTES && c->p[4] >= HEAD && c->p[10] == 2
		       ? IS_SURE
		       : IS_NOT;
}

/* Without any of the flags that no version has. */
static enum is is_gzip(struct bytes *c)
{
	return bytes_starts(*c, BYTES("\x1f\x8b\x08")) && c->n >= 18 && (c->p[3] & 0xe0) == 0
		       ? IS_SURE
		       : IS_NOT;
}

static enum is is_bzip2(struct bytes *c)
{
	if (c->n < 14 || !bytes_starts(*c, BYTES("BZh")))
		return IS_NOT;
	return bytes_starts(bytes_from(*c, 4), BYTES("1AY&SY")) ||
			       bytes_starts(bytes_from(*c, 4), BYTES("\x17\x72\x45\x38\x50\x90"))
		       ? IS_SURE
		       : IS_NOT;
}

/* No magic: properties, dictionary size, then a length or "unknown". */
static enum is is_lzma(struct bytes *c)
{
	return c->n > 13 && c->p[0] == 0x5d && c->p[1] == 0 && c->p[2] == 0 ? IS_MAYBE : IS_NOT;
}

static enum is is_compress(struct bytes *c)
{
	return c->n > 3 && c->p[0] == 0x1f && c->p[1] == 0x9d ? IS_MAYBE : IS_NOT;
}

static enum is is_lz4(struct bytes *c)
{
	return bytes_starts(*c, BYTES("\x04\x22\x4d\x18")) ||
			       bytes_starts(*c, BYTES("\x02\x21\x4c\x18"))
		       ? IS_SURE
		       : IS_NOT;
}

static enum is is_uu(struct bytes *c)
{
	struct bytes rest = *c, line;

	for (unsigned i = 0; i < UU_LINES_MAX && bytes_next_line(&rest, &line); i++)
		if (bytes_starts(line, BYTES("begin ")) && line.n > 10 && ascii_is_digit(line.p[6]))
			return IS_MAYBE;
	return IS_NOT;
}

static enum is is_eml(struct bytes *c)
{
	return eml_is_message(*c) ? IS_MAYBE : IS_NOT;
}

#define MAGIC(text, at) .magic = (text), .magic_n = sizeof(text) - 1, .magic_at = (at)

static const struct format formats[] = {
	{ "zip", ARCHIVE, 'z', unpack_zip, is_zip, .magic = NULL },
	{ "rar", ARCHIVE, 'r', unpack_rar, is_rar, .magic = NULL },
	{ "7z", ARCHIVE, 'r', unpack_7z, is_7z, .magic = NULL },
	{ "cab", ARCHIVE, 'r', unpack_cab, is_cab, .magic = NULL },
	{ "lha", ARCHIVE, 'r', unpack_lha, is_lha, .magic = NULL },
	{ "tar", ARCHIVE, 'r', unpack_tar, is_tar, .magic = NULL },
	{ "cpio", ARCHIVE, 'r', unpack_cpio, is_cpio, .magic = NULL },
	{ "iso", ARCHIVE, 'r', unpack_iso, NULL, MAGIC("CD001", 32769) },
	{ "xar", ARCHIVE, 'r', unpack_unread, NULL, MAGIC("xar!", 0) },
	{ "arj", ARCHIVE, 'r', unpack_unread, is_arj, .magic = NULL },
	{ "ace", ARCHIVE, 'r', unpack_unread, NULL, MAGIC("**ACE**", 7) },
	{ "alz", ARCHIVE, 'r', unpack_unread, NULL, MAGIC("ALZ\1", 0) },
	{ "egg", ARCHIVE, 'r', unpack_unread, NULL, MAGIC("EGGA", 0) },
	{ "wim", ARCHIVE, 'r', unpack_unread, NULL, MAGIC("MSWIM\0\0\0", 0) },
	{ "squashfs", ARCHIVE, 'r', unpack_unread, NULL, MAGIC("hsqs", 0) },
	{ "ar", ARCHIVE, 'r', unpack_ar, NULL, MAGIC("!<arch>\n", 0) },
	{ "gzip", ARCHIVE, 'r', unpack_gzip, is_gzip, .magic = NULL },
	{ "bzip2", ARCHIVE, 'r', unpack_bzip2, is_bzip2, .magic = NULL },
	{ "xz", ARCHIVE, 'r', unpack_xz, NULL,
	  MAGIC("\xfd"
		"7zXZ\0",
		0) },
	{ "lzma", ARCHIVE, 'r', unpack_lzma, is_lzma, .magic = NULL },
	{ "lzip", ARCHIVE, 'r', unpack_lzip, NULL, MAGIC("LZIP", 0) },
	{ "zstd", ARCHIVE, 'r', unpack_zstd, NULL, MAGIC("\x28\xb5\x2f\xfd", 0) },
	{ "lz4", ARCHIVE, 'r', unpack_lz4, is_lz4, .magic = NULL },
	{ "compress", ARCHIVE, 'r', unpack_compress, is_compress, .magic = NULL },
	{ "rpm", ARCHIVE, 'r', unpack_rpm, NULL, MAGIC("\xed\xab\xee\xdb", 0) },
	{ "ole", DOCUMENT, 'o', unpack_ole, NULL, MAGIC("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0) },
	{ "tnef", TNEF, 't', unpack_tnef, NULL, MAGIC("\x78\x9f\x3e\x22", 0) },
	{ "uu", UU, 'u', unpack_uu, is_uu, .magic = NULL },
	{ "message", MESSAGE, 'n', unpack_eml, is_eml, .magic = NULL },
};

static enum is matches(const struct format *f, struct bytes *content)
{
	if (f->is != NULL)
		return f->is(content);
	return bytes_starts(bytes_from(*content, f->magic_at), bytes_of(f->magic, f->magic_n))
		       ? IS_SURE
		       : IS_NOT;
}

/* --- whether to look --- */

static bool has_archive_extension(const struct leaf *leaf)
{
	static const char *const extensions[] = {
		"001", "7z",  "arj", "bz2",  "bzip2", "cab", "cpio", "deb", "gz",  "gzip", "iso",
		"jar", "lha", "lzh", "lzma", "rar",   "rpm", "tar",  "taz", "tbz", "tbz2", "tgz",
		"tpz", "txz", "xar", "xz",   "z",     "zip", "zst",  "lz4", "lz",  "ar",
	};

	for (size_t i = 0; i < leaf->names_n; i++) {
		const char *dot = strrchr(leaf->names[i], '.');

		for (size_t k = 0; dot != NULL && k < ARRAY_LEN(extensions); k++)
			if (strcasecmp(dot + 1, extensions[k]) == 0)
				return true;
	}
	return false;
}

/* Find Archives By Content = no: only what says that it is one, by name or first bytes. */
static bool says_archive(const struct scan_state *s, const struct leaf *leaf)
{
	return s->request->find_archives_by_content || has_archive_extension(leaf) ||
	       bytes_starts(leaf->content, BYTES("PK")) ||
	       bytes_starts(leaf->content, BYTES("Rar!")) ||
	       bytes_starts(leaf->content, BYTES("MZ"));
}

/* Text parts of the message have been searched for uuencoded files by mime/. */
static bool mime_has_searched(const struct leaf *leaf)
{
	return leaf->container == NULL && strncmp(leaf->part->type, "text/", 5) == 0;
}

static bool is_asked(const struct scan_state *s, const struct leaf *leaf, enum asked_by option)
{
	const struct scan_request *r = s->request;

	switch (option) {
	case ARCHIVE:
		return says_archive(s, leaf);
	case DOCUMENT:
		return r->unpack_documents && !r->no_unpack;
	case TNEF:
		return r->expand_tnef;
	case MESSAGE:
		return !r->no_unpack && leaf->container != NULL; /* mime/ has read the others */
	case UU:
		return r->find_uu && !r->no_unpack && !mime_has_searched(leaf);
	}
	return false;
}

/* --- findings --- */

static const char *safe_name(struct unpack *u)
{
	return scan_safe_name(u->s, u->container->path[u->container->path_n - 1]);
}

/* @report and @log may be NULL: then memory was out. */
static int find_content(struct unpack *u, const struct finding *f, struct err *err)
{
	if (f->report == NULL || f->log == NULL)
		return scan_no_memory(u->s, err);
	return scan_find(u->s, u->container, f->kind, f->class, f->name, f->report, f->log, f->rule,
			 err);
}

static int find_encrypted(struct unpack *u, struct err *err)
{
	struct finding f = {
		.kind = FINDING_ENCRYPTED,
		.class = 'c',
		.name = "passwordprotected",
		.report = "This archive needs a password, so what it holds could not be checked",
		.log = arena_printf(u->s->arena, "Password-protected archive (%s) in %%id%%",
				    safe_name(u)),
		.rule = "Allow Password-Protected Archives",
	};

	return find_content(u, &f, err);
}

static int find_unencrypted(struct unpack *u, struct err *err)
{
	struct finding f = {
		.kind = FINDING_ENCRYPTED,
		.class = 'c',
		.name = "nonpasswordprotected",
		.report = "This archive has no password, which is required here",
		.log = arena_printf(u->s->arena, "Non-password-protected archive (%s) in %%id%%",
				    safe_name(u)),
		.rule = "Archives Must Be Password-Protected",
	};

	return find_content(u, &f, err);
}

static int find_unreadable(struct unpack *u, const struct format *format, struct err *err)
{
	struct finding f = {
		.kind = FINDING_CONTENT,
		.class = 'c',
		.name = "unreadablearchive",
		.report = arena_printf(u->s->arena, "This archive could not be read (%s: %s)",
				       format->name, u->why),
		.log = arena_printf(u->s->arena, "Unreadable archive (%s) in %%id%%", safe_name(u)),
	};

	return find_content(u, &f, err);
}

static int find_bad_tnef(struct unpack *u, struct err *err)
{
	struct finding f = {
		.kind = FINDING_UNPARSABLE,
		.class = 'e',
		.name = "badtnef",
		.report = "This Outlook attachment (TNEF) could not be read",
		.log = arena_printf(u->s->arena,
				    "Corrupt TNEF %s that cannot be analysed in message %%id%%",
				    safe_name(u)),
		.rule = "Deliver Unparsable TNEF",
	};

	return find_content(u, &f, err);
}

static int judge_encryption(struct unpack *u, struct err *err)
{
	const struct scan_request *r = u->s->request;
	struct leaf *c = u->container;
	bool told = c->container_encrypted;

	if (u->encrypted) {
		c->container_encrypted = true;
		if (c->fact != NULL)
			c->fact->encrypted = true;
		return told || r->allow_encrypted_archives ? 0 : find_encrypted(u, err);
	}
	if (r->require_encrypted_archives && !u->document && u->members_n > 0)
		return find_unencrypted(u, err);
	return 0;
}

static bool is_at_start(const struct unpack *u)
{
	return u->content.p == u->container->content.p;
}

static int judge_damage(struct unpack *u, const struct format *f, struct err *err)
{
	if (u->why[0] == '\0' || u->stop || f->option == DOCUMENT || f->option == UU ||
	    f->option == MESSAGE)
		return 0;
	if (f->option == TNEF)
		return u->s->request->allow_broken_tnef ? 0 : find_bad_tnef(u, err);
	/* What only looks like one may be no archive at all: an old presentation is full of pieces
	 * of zip archives. */
	if (!u->sure && (u->members_n == 0 || f->is == is_zip || !is_at_start(u)))
		return 0;
	if (is_program(u->container->content))
		return 0;
	return find_unreadable(u, f, err);
}

/* --- the walk --- */

static int open_as(struct scan_state *s, struct leaf *leaf, const struct format *f,
		   struct str *buffer, bool *ret_stop, struct err *err)
{
	struct unpack u = { .s = s,
			    .container = leaf,
			    .content = leaf->content,
			    .origin = f->origin,
			    .ask_only = s->request->no_unpack && f->option == ARCHIVE,
			    .buffer = buffer };
	enum is sure = matches(f, &u.content);
	int r;

	if (sure == IS_NOT)
		return 0;
	u.sure = sure == IS_SURE;
	f->open(&u);
	if (u.entries_n == 0 && !u.encrypted && u.content.n > EMPTY_ARCHIVE_BYTES &&
	    f->option == ARCHIVE && !(u.document && !s->request->unpack_documents))
		unpack_broken(&u, "no file could be found in it");
	leaf->document |= u.document;
	*ret_stop = u.stop && !u.too_deep;
	r = judge_encryption(&u, err);
	return r < 0 ? r : judge_damage(&u, f, err);
}

static int open_leaf(struct scan_state *s, struct leaf *leaf, struct str *buffer, bool *ret_stop,
		     struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(formats) && !*ret_stop; i++) {
		int r = is_asked(s, leaf, formats[i].option)
				? open_as(s, leaf, &formats[i], buffer, ret_stop, err)
				: 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int check_archives(struct scan_state *s, struct check_result *ret_result UNUSED, struct err *err)
{
	AUTO(str_fini) struct str buffer;
	uint64_t max = s->budget.limits.max[BUDGET_MEMBER_BYTES];
	bool stop = false;
	int r = 0;

	str_init(&buffer, (size_t)(max == 0 ? MEMBER_BYTES_HARD_MAX : max + MIB));
	/* New leaves are appended, so this comes to what was inside as well. */
	for (struct leaf *leaf = s->leaves; leaf != NULL && !stop && r == 0; leaf = leaf->next)
		if (!leaf->unread && leaf->content.n >= SMALLEST_ARCHIVE)
			r = open_leaf(s, leaf, &buffer, &stop, err);
	return r;
}
