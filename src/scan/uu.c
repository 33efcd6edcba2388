/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/uu.c - uuencoded files inside a file (option Find UU-Encoded Files). */
#include "core/num.h"
#include "scan/unpack.h"

/* "begin 644 NAME"; empty: it is not such a line. */
static struct bytes begin_name(struct bytes line)
{
	struct bytes mode;
	uint64_t value;

	if (!bytes_starts(line, BYTES("begin ")))
		return BYTES("");
	line = bytes_from(line, 6);
	if (!bytes_next_word(&line, &mode) || mode.n > 4 || num_parse(mode, 8, 07777, &value) < 0)
		return BYTES("");
	return bytes_trim(line);
}

static uint8_t value_of(uint8_t c)
{
	return (uint8_t)((c - ' ') & 0x3f);
}

/* One line of up to 63 bytes: its length, then four characters for three bytes. A short line is
 * taken as if blanks had been cut off its end. */
static bool decode_line(struct unpack *u, struct bytes line)
{
	uint8_t out[66];
	size_t n = value_of(line.p[0]), made = 0;

	line = bytes_from(line, 1);
	while (made < n) {
		uint8_t v[4];

		for (size_t i = 0; i < 4; i++)
			v[i] = i < line.n ? value_of(line.p[i]) : 0;
		out[made++] = (uint8_t)(v[0] << 2 | v[1] >> 4);
		out[made++] = (uint8_t)(v[1] << 4 | v[2] >> 2);
		out[made++] = (uint8_t)(v[2] << 6 | v[3]);
		line = bytes_from(line, 4);
	}
	return unpack_data(u, bytes_of(out, n));
}

static bool take_file(struct unpack *u, struct bytes name, struct bytes *rest)
{
	struct member m = { .names = { name }, .names_n = 1 };
	struct bytes line;

	if (!unpack_begin(u, name))
		return false;
	while (bytes_next_line(rest, &line)) {
		while (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (bytes_eq(line, BYTES("end")))
			break;
		if (line.n < 2 || line.p[0] < ' ' || line.p[0] > '`')
			continue;
		if (!u->ask_only && !decode_line(u, line)) {
			m.unread = true;
			break;
		}
	}
	return unpack_end(u, &m);
}

void unpack_uu(struct unpack *u)
{
	struct bytes rest = u->content, line;

	u->document = true; /* an encoding: it cannot have a password */
	while (bytes_next_line(&rest, &line)) {
		struct bytes name = begin_name(line);

		if (name.n > 0 && !take_file(u, name, &rest))
			return;
	}
}
