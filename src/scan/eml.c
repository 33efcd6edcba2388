/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/eml.c - a saved message inside an archive: its parts become members, as those of a message
 * that is attached are parts already. */
#include <strings.h>

#include "scan/unpack.h"

#define HEADERS_LOOK_BYTES (64 * KIB)

static bool is_field(struct bytes line)
{
	static const char *const names[] = {
		"Received:", "Return-Path:", "Delivered-To:", "From:", "To:",      "Date:",
		"Subject:",  "Message-ID:",  "MIME-Version:", "X-",    "Content-", "Reply-To:",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (bytes_starts_nocase(line, bytes_str(names[i])))
			return true;
	return false;
}

bool eml_is_message(struct bytes content)
{
	struct bytes rest = bytes_head(content, HEADERS_LOOK_BYTES), line;
	bool typed = false;

	if (!is_field(rest))
		return false;
	/* Without a type it is one text, which has been looked at as it is. */
	while (bytes_next_line(&rest, &line) && bytes_trim(line).n > 0)
		typed |= bytes_starts_nocase(line, BYTES("Content-Type:")) ||
			 bytes_starts_nocase(line, BYTES("Content-Transfer-Encoding:"));
	return typed;
}

static bool take_part(struct unpack *u, struct mime_part *p)
{
	struct member m = { .encrypted = false };
	int r;

	for (struct mime_name *n = p->names; n != NULL && m.names_n < MEMBER_NAMES_MAX; n = n->next)
		m.names[m.names_n++] = bytes_str(n->text);
	if (m.names_n == 0)
		m.names[m.names_n++] = BYTES("msg.txt");
	if (!unpack_begin(u, m.names[0]))
		return false;
	r = mime_decode(p, u->s->arena, &u->s->budget, NULL);
	m.unread = r < 0;
	m.content = p->content;
	if (r < 0)
		u->stop = true;
	return unpack_end(u, &m);
}

void unpack_eml(struct unpack *u)
{
	struct scan_state *s = u->s;
	struct mime_tree tree;
	struct err err = { .kind = ERR_NONE };
	int r;

	u->document = true;
	if (u->ask_only)
		return;
	r = mime_prelimits(u->content, &s->budget, &err);
	if (r == 0)
		r = mime_parse(&tree, u->content, s->arena, &s->budget, &err);
	if (r < 0) {
		u->stop = err.kind == ERR_LIMIT;
		unpack_broken(u, "%s", err.text);
		return;
	}
	for (struct mime_part *p = tree.root; p != NULL; p = mime_next(p))
		if (mime_is_leaf(p) && !take_part(u, p))
			return;
}
