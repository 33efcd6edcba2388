/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/secret.c - the password of the database leaves the reader of the disk in no bundle: its
 * characters are overwritten in what the source remembers, also where a variable or the
 * environment brought them, and where the line is a comment.
 */
#include "conf/conf_internal.h"

#define NESTED_MAX 10u /* variables made of variables */

static void hide(struct conf_loader *l, struct bytes part)
{
	/* what is empty stays so: "set" and "not set" must look alike in all processes */
	if (bytes_trim(part).n > 0)
		l->source->hide(l->source, part);
}

static void hide_environment(struct conf_loader *l, struct bytes value)
{
	ptrdiff_t at;

	while ((at = bytes_index(value, '$')) >= 0) {
		struct bytes answer, rest = bytes_from(value, (size_t)at + 1);
		size_t n = 0;
		const char *name;

		rest = bytes_from(rest, bytes_starts(rest, BYTES("{")));
		while (n < rest.n && (ascii_is_alnum(rest.p[n]) || rest.p[n] == '_'))
			n++;
		name = arena_str(l->c->arena, bytes_head(rest, n));
		if (name != NULL && n > 0 && l->source->env(l->source, name, &answer) == 0)
			hide(l, answer);
		value = bytes_from(rest, n);
	}
}

/* What %names% in @value stand for. */
static void hide_sources(struct conf_loader *l, struct bytes value, unsigned depth)
{
	struct bytes rest = value;
	ptrdiff_t open, close;

	hide_environment(l, value);
	while (depth < NESTED_MAX && (open = bytes_index(rest, '%')) >= 0) {
		struct conf_var *v;

		rest = bytes_from(rest, (size_t)open + 1);
		close = bytes_index(rest, '%');
		if (close < 0)
			return;
		v = conf_var_find(l->c, bytes_head(rest, (size_t)close));
		rest = bytes_from(rest, (size_t)close + 1);
		if (v == NULL || v->raw.n == 0)
			continue;
		v->secret = true;
		hide_sources(l, v->raw, depth + 1);
		hide(l, v->raw);
	}
}

bool conf_mentions_password(struct bytes text)
{
	for (; text.n > 0; text = bytes_from(text, 1)) {
		if (bytes_starts_nocase(text, BYTES("passw")))
			return true;
	}
	return false;
}

/* A mistyped "DB Passwort" holds the password all the same. */
static bool is_secret(const struct conf_loader *l, struct bytes key)
{
	enum opt_id id = opt_index_find(&l->index, key);

	return id == OPT_DB_PASSWORD || (id == OPT_ROWS && conf_mentions_password(key));
}

void conf_hide_value(struct conf_loader *l, struct bytes key, struct bytes value,
		     struct bytes to_line_end)
{
	if (conf_is_variable(key) || !is_secret(l, key))
		return;
	hide_sources(l, value, 0);
	hide(l, to_line_end);
}

void conf_hide_comment(struct conf_loader *l, struct bytes line)
{
	struct bytes text = bytes_trim(line);
	ptrdiff_t eq = bytes_index(text, '=');

	if (eq < 0)
		return;
	while (text.n > 0 && (text.p[0] == '#' || ascii_is_space(text.p[0])))
		text = bytes_from(text, 1);
	eq = bytes_index(text, '=');
	if (eq > 0 && is_secret(l, bytes_head(text, (size_t)eq)))
		hide(l, bytes_from(text, (size_t)eq + 1));
}
