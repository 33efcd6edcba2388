/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/value.c - text of a value to what its option's type makes of it. */
#include <errno.h>

#include "conf/conf_internal.h"
#include "conf/networks.h"
#include "conf/servers.h"
#include "core/cpus.h"
#include "core/num.h"

struct parse {
	struct conf_loader *l;
	const struct opt *opt;
	enum opt_id id;
	struct bytes text;
	bool check;
	struct conf_place at;
	struct conf_value *v;
	const char *why;
};

static bool bad(struct parse *p, const char *why)
{
	p->why = why;
	return false;
}

/* ---- yes/no and other words ---- */

/* The next "word=value" of a row's words. */
static bool next_word(struct bytes *rest, struct bytes *ret_word, struct bytes *ret_value)
{
	struct bytes item;
	ptrdiff_t end, eq;

	if (rest->n == 0)
		return false;
	end = bytes_index(*rest, ';');
	item = end < 0 ? *rest : bytes_head(*rest, (size_t)end);
	*rest = bytes_from(*rest, end < 0 ? rest->n : (size_t)end + 1);
	item = bytes_trim(item);
	eq = bytes_index(item, '=');
	*ret_word = eq < 0 ? item : bytes_head(item, (size_t)eq);
	*ret_value = eq < 0 ? bytes_of(NULL, 0) : bytes_from(item, (size_t)eq + 1);
	return true;
}

static bool is_number(struct bytes b)
{
	uint64_t n;

	return num_parse(b, 10, UINT32_MAX, &n) == 0;
}

static bool word_value(const struct opt *o, struct bytes word, struct bytes *ret)
{
	struct bytes rest = bytes_str(o->words), known, value;

	if (bytes_index(word, '@') >= 0) {
		*ret = word;
		return true;
	}
	while (next_word(&rest, &known, &value)) {
		if (bytes_eq_nocase(known, word)) {
			*ret = value;
			return true;
		}
		if (bytes_eq(known, BYTES("<number>")) && is_number(word)) {
			*ret = word;
			return true;
		}
	}
	return false;
}

const char *conf_value_expected(struct conf_loader *l, enum opt_id id)
{
	struct bytes rest = bytes_str(opt_rows[id].words), word, value;
	AUTO(str_fini) struct str s;
	const char *out;

	str_init(&s, 1000);
	while (next_word(&rest, &word, &value)) {
		if (s.n > 0)
			str_add(&s, ", ");
		str_add_bytes(&s, word);
	}
	out = arena_printf(l->c->arena, "one of: %s", str_view(&s));
	return out == NULL ? "a known word" : out;
}

static bool parse_words(struct parse *p)
{
	struct bytes rest = p->text, word, value;
	AUTO(str_fini) struct str out;

	str_init(&out, CONF_VALUE_MAX_BYTES);
	while (bytes_next_word(&rest, &word)) {
		if (word.p[word.n - 1] == ',')
			word.n--;
		if (!word_value(p->opt, word, &value))
			return bad(p, conf_value_expected(p->l, p->id));
		if (p->check && bytes_index(word, '@') >= 0)
			conf_problem_add(
				p->l->report, CONF_WARNING, p->at,
				"%s: the address '%s' stands among the words of the value; "
				"a rule has one pattern",
				p->opt->name, SHOWN(word));
		if (out.n > 0)
			str_add_char(&out, ' ');
		str_add_bytes(&out, value);
	}
	p->l->no_memory |= out.failed;
	if (out.n == 0 || out.failed)
		return bad(p, conf_value_expected(p->l, p->id));
	p->v->text = arena_str(p->l->c->arena, str_bytes(&out));
	return true;
}

/* ---- numbers ---- */

/* Takes the digits at the start of @b; the value of "" is 0. */
static double take_digits(struct bytes *b, size_t *ret_n, double *ret_scale)
{
	double v = 0;

	*ret_n = 0;
	*ret_scale = 1;
	while (b->n > 0 && (ascii_is_digit(b->p[0]) || b->p[0] == '_')) {
		if (b->p[0] != '_') {
			v = v * 10 + (b->p[0] - '0');
			*ret_scale *= 10;
			(*ret_n)++;
		}
		*b = bytes_from(*b, 1);
	}
	return v;
}

static double unit_of(uint8_t c)
{
	switch (ascii_lower(c)) {
	case 'k':
		return 1e3;
	case 'm':
		return 1e6;
	case 'g':
		return 1e9;
	default:
		return 0;
	}
}

static bool take_number(struct bytes *b, double *ret)
{
	bool minus = b->n > 0 && b->p[0] == '-';
	size_t whole_n, part_n = 0;
	double scale, v;

	*b = bytes_from(*b, minus);
	v = take_digits(b, &whole_n, &scale);
	if (b->n > 0 && b->p[0] == '.') {
		double part;

		*b = bytes_from(*b, 1);
		part = take_digits(b, &part_n, &scale);
		v += part_n > 300 ? 0 : part / scale;
	}
	*ret = minus ? -v : v;
	return whole_n + part_n > 0;
}

/* "MIN..MAX" of our own rows. */
static bool in_bounds(const struct opt *o, double v)
{
	struct bytes b = bytes_str(o->words);
	uint64_t min, max;

	if (o->words == NULL)
		return true;
	if (num_take(&b, UINT64_MAX, &min) < 0 || !bytes_starts(b, BYTES("..")))
		return true;
	b = bytes_from(b, 2);
	return num_take(&b, UINT64_MAX, &max) < 0 || (v >= (double)min && v <= (double)max);
}

static bool parse_number(struct parse *p)
{
	bool is_auto = p->id == OPT_MAX_CHILDREN && bytes_eq_nocase(p->text, BYTES("auto"));
	struct bytes b = is_auto ? BYTES("0") : p->text;
	double v;

	if (!take_number(&b, &v))
		return bad(p, "a number, such as 20, 6.5, 100_000, 50k, 20m or 2g");
	if (b.n > 0 && unit_of(b.p[0]) > 0) {
		v *= unit_of(b.p[0]);
		b = bytes_from(b, 1);
	}
	if (!in_bounds(p->opt, v))
		return bad(p, arena_printf(p->l->c->arena, "a number in %s", p->opt->words));
	if (b.n > 0 && p->check)
		conf_problem_add(p->l->report, CONF_WARNING, p->at,
				 "%s: '%s' counts as %.15g; '%s' behind the number is ignored",
				 p->opt->name, SHOWN(p->text), v, SHOWN(b));
	p->v->num = v;
	p->v->text = p->v->written;
	return true;
}

/* ---- files ---- */

static enum conf_kind kind_of(struct parse *p, struct bytes path, const char **ret_path,
			      bool *ret_exec)
{
	*ret_exec = false;
	*ret_path = arena_str(p->l->c->arena, path);
	if (*ret_path == NULL) {
		p->l->no_memory = true;
		return CONF_NONE;
	}
	return p->l->source->kind(p->l->source, *ret_path, ret_exec);
}

static bool parse_dir(struct parse *p)
{
	struct bytes b = p->text;
	const char *path;
	bool exec;

	if (b.n > 1 && b.p[b.n - 1] == '/')
		b.n--;
	if (kind_of(p, b, &path, &exec) != CONF_DIR && p->check)
		return bad(p, "an existing directory");
	p->v->text = path;
	return path != NULL;
}

static bool no_file(struct parse *p, const char *path, int code)
{
	return bad(p, arena_printf(p->l->c->arena, "a file that exists and can be read (%s: %s)",
				   SHOWN(bytes_str(path)), conf_why_unread(code)));
}

/* Keep the content of @path; also of what is not there, since reading knows why. */
static int keep_file(struct parse *p, const char *path, enum conf_kind kind)
{
	if (kind == CONF_DIR)
		return -EISDIR;
	return kind == CONF_OTHER ? -EINVAL : conf_keep_file(p->l, path);
}

/* Each word of @p->text must be a file that can be read, unless nothing is checked. */
static bool keep_words(struct parse *p, bool only_if_file)
{
	bool guard = (p->opt->flags & OPT_GUARD) != 0;
	struct bytes rest = p->text, word;

	while (bytes_next_word(&rest, &word)) {
		const char *path;
		enum conf_kind kind;
		bool exec;
		int r;

		if (only_if_file && word.p[0] != '/' && !guard)
			continue;
		kind = kind_of(p, word, &path, &exec);
		if (path == NULL)
			return false;
		r = keep_file(p, path, kind);
		if (r < 0 && p->check && (!only_if_file || guard))
			return no_file(p, path, r);
	}
	return true;
}

static bool parse_file(struct parse *p)
{
	p->v->text = p->v->written;
	return p->id == OPT_PID_FILE || keep_words(p, false);
}

static bool parse_command(struct parse *p)
{
	struct bytes rest = p->text, word;
	const char *path;
	bool exec;

	p->v->text = p->v->written;
	if (!p->check)
		return true;
	if (!bytes_next_word(&rest, &word) || kind_of(p, word, &path, &exec) != CONF_FILE || !exec)
		return bad(p, "a command whose first word is an executable file");
	return true;
}

/* ---- any text ---- */

/* "X Mail Scanner:" would not be a header. */
static void join_header_name(struct parse *p, char *s)
{
	size_t n = strlen(s);

	if ((p->opt->flags & OPT_HEADER_NAME) == 0 || n == 0 || s[n - 1] != ':')
		return;
	for (size_t i = 0; i < n; i++) {
		if (ascii_is_space((uint8_t)s[i]))
			s[i] = '-';
	}
}

static bool contains_nocase(struct bytes b, struct bytes word)
{
	for (; b.n >= word.n; b = bytes_from(b, 1)) {
		if (bytes_starts_nocase(b, word))
			return true;
	}
	return false;
}

/* STRING rows with "a|b" words take anything, but a slip of the pen deserves a word. */
static void warn_unknown_word(struct parse *p)
{
	struct bytes rest = bytes_str(p->opt->words);

	if (!p->check || p->opt->words == NULL || p->text.n == 0)
		return;
	while (rest.n > 0) {
		ptrdiff_t end = bytes_index(rest, '|');
		struct bytes word = end < 0 ? rest : bytes_head(rest, (size_t)end);

		rest = bytes_from(rest, end < 0 ? rest.n : (size_t)end + 1);
		if (bytes_eq(word, BYTES("<number>")) ? ascii_is_digit(p->text.p[0])
						      : contains_nocase(p->text, word))
			return;
	}
	conf_problem_add(p->l->report, CONF_WARNING, p->at,
			 "%s: '%s' is none of the known words %s", p->opt->name, SHOWN(p->text),
			 p->opt->words);
}

static bool are_ports(struct parse *p)
{
	uint16_t ports[CONF_PORTS_MAX];

	return conf_ports_parse(p->text, ports) >= 0 ||
	       bad(p, "a list of at most 16 TCP ports from 1 to 65535");
}

/* What cannot be listened on is left out; the others are served. */
static void check_listeners(struct parse *p)
{
	struct bytes rest = p->text, word;
	struct server s;

	for (int n = 0; bytes_next_word(&rest, &word); n++) {
		if (!listener_parse(word, &s))
			conf_problem_add(p->l->report, CONF_ERROR, p->at,
					 "%s: '%s' is not an address and port such as "
					 "127.0.0.1:9199 or [::1]:9199; it is left out",
					 p->opt->name, SHOWN(word));
		else if (n >= LISTENERS_MAX)
			conf_problem_add(p->l->report, CONF_ERROR, p->at,
					 "%s: '%s' is one too many of at most %d; it is left out",
					 p->opt->name, SHOWN(word), LISTENERS_MAX);
	}
}

/* "auto", "" or a list of numbers; a loop runs on one core only. */
static bool is_cpu_list(struct parse *p)
{
	struct bytes rest = bytes_str(p->opt->words);
	struct cpus set;
	struct err err;

	while (rest.n > 0) {
		ptrdiff_t end = bytes_index(rest, '|');
		struct bytes word = end < 0 ? rest : bytes_head(rest, (size_t)end);

		if (bytes_eq_nocase(word, p->text))
			return true;
		rest = bytes_from(rest, end < 0 ? rest.n : (size_t)end + 1);
	}
	if (cpus_parse(p->text, &set, &err) < 0)
		return bad(p, arena_printf(p->l->c->arena, "one of %s, or a list of numbers: %s",
					   p->opt->words, err.text));
	if (p->id == OPT_LOOP_CORE && cpus_count(&set) > 1)
		return bad(p, "one of auto|none, or the number of one core");
	return true;
}

static bool is_server_list(struct parse *p)
{
	struct server list[SERVERS_MAX];
	struct err err;

	p->v->text = p->v->written;
	if (servers_parse(p->v->text, list, &err) < 0)
		return bad(p, arena_printf(p->l->c->arena, "a list of servers: %s", err.text));
	return true;
}

static bool parse_text(struct parse *p)
{
	struct bytes b = p->text;
	char *s;

	if ((p->opt->flags & OPT_CPU_LIST) != 0) {
		p->v->text = p->v->written;
		return is_cpu_list(p);
	}
	if ((p->opt->flags & OPT_SERVERS) != 0)
		return is_server_list(p);
	if (b.n > 0 && b.p[b.n - 1] == ',')
		b.n--;
	s = arena_str(p->l->c->arena, b);
	if (s == NULL) {
		p->l->no_memory = true;
		return false;
	}
	join_header_name(p, s);
	p->v->text = s;
	warn_unknown_word(p);
	if ((p->opt->flags & OPT_PORTS) != 0 && !are_ports(p))
		return false;
	if ((p->opt->flags & OPT_NAMES_FILES) != 0 && !keep_words(p, true))
		return false;
	if ((p->opt->flags & OPT_LISTENERS) != 0 && p->check)
		check_listeners(p);
	if ((p->opt->flags & OPT_NETWORKS) != 0 && p->check)
		conf_networks_check(p->l, p->opt->name, p->text, p->at);
	return true;
}

const char *conf_value_hint(const char *text)
{
	static const char *const quotes[] = { "\"",           "'",
					      "\xe2\x80\x98", "\xe2\x80\x99",
					      "\xe2\x80\x9c", "\xe2\x80\x9d" };
	struct bytes b = bytes_str(text);

	for (size_t i = 0; i < ARRAY_LEN(quotes); i++)
		if (bytes_starts(b, bytes_str(quotes[i])))
			return " (quotes count as part of a value: leave them out)";
	if (b.n > 0 && b.p[b.n - 1] == '\\')
		return " (lines cannot be continued: write the value in one line)";
	return "";
}

static bool (*const parsers[])(struct parse *p) = {
	[OPT_YESNO] = parse_words, [OPT_ENUM] = parse_words, [OPT_NUMBER] = parse_number,
	[OPT_DIR] = parse_dir,     [OPT_FILE] = parse_file,  [OPT_COMMAND] = parse_command,
	[OPT_STRING] = parse_text, [OPT_OTHER] = parse_text,
};

bool conf_value_parse(struct conf_loader *l, enum opt_id id, const char *text, bool check,
		      struct conf_place at, struct conf_value *ret_v, const char **ret_why)
{
	struct conf_value v = { .written = text, .at = at };
	const struct opt *o = &opt_rows[id];
	struct parse p = { .l = l, .opt = o, .id = id, .text = bytes_str(text), .at = at, .v = &v };

	/* what is not used needs not exist */
	p.check = check && (o->flags & (OPT_OBSOLETE | OPT_NO_EFFECT)) == 0;
	if (!parsers[o->type](&p) || v.text == NULL) {
		*ret_why = p.why == NULL ? "memory" : p.why;
		return false;
	}
	*ret_v = v;
	return true;
}
