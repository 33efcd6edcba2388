/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mime/charset.c - iconv that never fails. */
#include "mime/charset.h"

#include <errno.h>
#include <iconv.h>

#include "core/text.h"

enum { NAME_MAX_BYTES = 40 };

/* What mail uses; each may be a shared object that iconv opens on first use. */
static const char *const common[] = {
	"ISO-8859-1",   "ISO-8859-2",   "ISO-8859-5",   "ISO-8859-7",   "ISO-8859-8",
	"ISO-8859-9",   "ISO-8859-15",  "WINDOWS-1250", "WINDOWS-1251", "WINDOWS-1252",
	"WINDOWS-1253", "WINDOWS-1254", "WINDOWS-1255", "WINDOWS-1256", "WINDOWS-1257",
	"WINDOWS-1258", "KOI8-R",       "KOI8-U",       "GB2312",       "GBK",
	"GB18030",      "BIG5",         "SHIFT_JIS",    "EUC-JP",       "ISO-2022-JP",
	"EUC-KR",       "UTF-16LE",     "UTF-16BE",     "UTF-16",       "UTF-32",
	"UTF-7",        "TIS-620",      "ISO-8859-6",
};

/*
 * Never used and never closed: iconv unloads a converter soon after its last user is gone. The one
 * variable of this folder, written once before threads and forks.
 */
static iconv_t held[ARRAY_LEN(common)];

void charset_init(void)
{
	for (size_t i = 0; i < ARRAY_LEN(common); i++)
		if (held[i] == NULL)
			held[i] = iconv_open("UTF-8", common[i]);
}

static bool is_utf8_name(struct bytes charset)
{
	return bytes_eq_nocase(charset, BYTES("utf-8")) ||
	       bytes_eq_nocase(charset, BYTES("utf8")) ||
	       bytes_eq_nocase(charset, BYTES("us-ascii")) || charset.n == 0;
}

static iconv_t open_charset(struct bytes charset)
{
	char name[NAME_MAX_BYTES];

	if (charset.n >= sizeof(name))
		return (iconv_t)-1;
	for (size_t i = 0; i < charset.n; i++) {
		/* '/' would start iconv's own options (//IGNORE, //TRANSLIT). */
		if (charset.p[i] <= ' ' || charset.p[i] >= 0x7f || charset.p[i] == '/')
			return (iconv_t)-1;
		name[i] = (char)charset.p[i];
	}
	name[charset.n] = '\0';
	return iconv_open("UTF-8", name);
}

/* Convert; what cannot be converted is copied byte by byte. */
static size_t convert(iconv_t cd, struct bytes in, char *out, size_t room)
{
	char *from = (char *)(uintptr_t)in.p, *to = out;
	size_t left = in.n;

	while (left > 0 && room > 0) {
		if (iconv(cd, &from, &left, &to, &room) != (size_t)-1 || errno == E2BIG)
			break;
		if (room == 0)
			break;
		*to++ = *from++;
		left--;
		room--;
	}
	if (room > 0)
		(void)iconv(cd, NULL, NULL, &to, &room);
	return (size_t)(to - out);
}

/* RFC 2781: big endian unless a mark says otherwise; senders forget the mark both ways. */
static struct bytes utf16_order(struct bytes charset, struct bytes in)
{
	size_t even = 0, odd = 0;

	if (!bytes_eq_nocase(charset, BYTES("utf-16")) || in.n < 2)
		return charset;
	if ((in.p[0] == 0xff && in.p[1] == 0xfe) || (in.p[0] == 0xfe && in.p[1] == 0xff))
		return charset;
	for (size_t i = 0; i + 1 < in.n; i += 2) {
		even += in.p[i] == 0;
		odd += in.p[i + 1] == 0;
	}
	return even >= odd ? BYTES("utf-16be") : BYTES("utf-16le");
}

struct bytes charset_to_utf8(struct arena *a, struct bytes in, struct bytes charset)
{
	size_t room;
	iconv_t cd;
	char *out;

	if (is_utf8_name(charset))
		return in;
	cd = open_charset(utf16_order(charset, in));
	if (cd == (iconv_t)-1)
		return in;
	if (__builtin_mul_overflow(in.n, (size_t)4, &room)) {
		(void)iconv_close(cd);
		return in;
	}
	out = arena_alloc(a, room);
	if (out != NULL)
		in.n = convert(cd, in, out, room);
	(void)iconv_close(cd);
	if (out == NULL)
		return bytes_of(NULL, 0);
	arena_shrink(a, out, in.n);
	return bytes_of(out, in.n);
}
