/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/expand.c - what is replaced in a value at the moment its line is read: %name%, then
 * environment variables, then \n. The result of one step is not looked at by the same step again.
 */
#include <errno.h>

#include "conf/conf_internal.h"

struct conf_var *conf_var_find(const struct conf *c, struct bytes name)
{
	for (struct conf_var *v = c->vars; v != NULL; v = v->next) {
		if (bytes_eq_nocase(bytes_str(v->name), name))
			return v;
	}
	return NULL;
}

const char *conf_var_get(const struct conf *c, struct bytes name)
{
	const struct conf_var *v = conf_var_find(c, name);

	return v == NULL ? NULL : v->text;
}

int conf_var_set(struct conf_loader *l, struct bytes name, const char *text, struct conf_place at)
{
	struct conf_var *v = conf_var_find(l->c, name);

	if (v != NULL && v->used && !v->secret && strcmp(v->text, text) != 0)
		conf_note_add(l, at,
			      "%%%s%% is changed here, but the lines above that use it keep '%s'",
			      v->name, SHOWN(bytes_str(v->text)));
	if (v == NULL) {
		v = arena_zalloc(l->c->arena, sizeof(*v));
		if (v == NULL)
			return -ENOMEM;
		v->name = arena_str(l->c->arena, name);
		if (v->name == NULL)
			return -ENOMEM;
		v->next = l->c->vars;
		l->c->vars = v;
	}
	v->text = text;
	v->raw = bytes_of(NULL, 0);
	v->used = false;
	return 0;
}

/* The two signs of %name% are the nearest ones, so two literal % signs lose what is between. */
static void expand_vars(struct conf_loader *l, struct bytes in, struct str *out,
			struct conf_place at)
{
	for (;;) {
		ptrdiff_t open = bytes_index(in, '%');
		struct conf_var *v;
		struct bytes name;
		ptrdiff_t close;

		close = open < 0 ? -1 : bytes_index(bytes_from(in, (size_t)open + 1), '%');
		if (close < 0)
			break;
		str_add_bytes(out, bytes_head(in, (size_t)open));
		in = bytes_from(in, (size_t)open + 1);
		if (close == 0) {
			str_add_char(out, '%');
			continue;
		}
		name = bytes_head(in, (size_t)close);
		in = bytes_from(in, (size_t)close + 1);
		v = conf_var_find(l->c, name);
		if (v != NULL) {
			str_add(out, v->text);
			v->used = true;
			continue;
		}
		conf_problem_add(l->report, CONF_WARNING, at,
				 "%%%s%% is not defined at this line and is left out", SHOWN(name));
	}
	str_add_bytes(out, in);
}

static bool is_word(uint8_t c)
{
	return ascii_is_alnum(c) || c == '_';
}

/* The name at the start of @in, which is behind a '$'; moves @in behind it. Empty: none. */
static struct bytes take_env_name(struct bytes *in)
{
	bool braces = in->n > 0 && in->p[0] == '{';
	struct bytes b = bytes_from(*in, braces);
	size_t n = 0;

	while (n < b.n && is_word(b.p[n]))
		n++;
	if (n == 0 || (braces && (n == b.n || b.p[n] != '}')))
		return bytes_of(NULL, 0);
	*in = bytes_from(b, n + braces);
	return bytes_head(b, n);
}

static void expand_env(struct conf_loader *l, struct bytes in, struct str *out)
{
	ptrdiff_t at;

	while ((at = bytes_index(in, '$')) >= 0) {
		struct bytes name, value;
		const char *asked;

		str_add_bytes(out, bytes_head(in, (size_t)at));
		in = bytes_from(in, (size_t)at + 1);
		name = take_env_name(&in);
		if (name.n == 0) {
			str_add_char(out, '$');
			continue;
		}
		asked = arena_str(l->c->arena, name);
		if (asked == NULL)
			l->no_memory = true;
		else if (l->source->env(l->source, asked, &value) == 0)
			str_add_bytes(out, value);
	}
	str_add_bytes(out, in);
}

static void expand_newlines(struct bytes in, struct str *out)
{
	ptrdiff_t at;

	while ((at = bytes_find(in, BYTES("\\n"))) >= 0) {
		str_add_bytes(out, bytes_head(in, (size_t)at));
		str_add_char(out, '\n');
		in = bytes_from(in, (size_t)at + 2);
	}
	str_add_bytes(out, in);
}

static bool has_any(struct bytes b, const char *set)
{
	for (size_t i = 0; i < b.n; i++) {
		if (strchr(set, b.p[i]) != NULL)
			return true;
	}
	return false;
}

static const char *keep(struct conf_loader *l, struct bytes b)
{
	const char *s = arena_str(l->c->arena, b);

	l->no_memory |= s == NULL;
	return s;
}

const char *conf_expand(struct conf_loader *l, struct bytes text, struct conf_place at)
{
	AUTO(str_fini) struct str vars, env, out;

	str_init(&vars, CONF_VALUE_MAX_BYTES);
	str_init(&env, CONF_VALUE_MAX_BYTES);
	str_init(&out, CONF_VALUE_MAX_BYTES);
	if (!has_any(text, "%$\\"))
		return keep(l, text);
	expand_vars(l, text, &vars, at);
	expand_env(l, str_bytes(&vars), &env);
	expand_newlines(str_bytes(&env), &out);
	if (vars.failed || env.failed || out.failed) {
		/* or out of memory; in no case may the line count for nothing */
		conf_fatal(l, at, "the value is longer than %zu bytes after substitution",
			   CONF_VALUE_MAX_BYTES);
		return NULL;
	}
	return keep(l, bytes_trim(str_bytes(&out)));
}
