/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/ruleset.c - reading rulesets. A mistake costs its line, never the load,
 * unless the option guards what passes.
 */
#include "conf/ruleset.h"

#include <errno.h>
#include <stdlib.h>

#include "conf/compat.h"
#include "conf/rule_screen.h"
#include "core/num.h"

#define PATTERN_FILES_DEEP 4u
#define PAIRS_MAX          4000000u /* of two files of patterns joined by "and" */

struct patterns {
	struct pattern *list;
	size_t n, cap;
};

/* Values by their text, so that a million rules that say "no" hold one. */
struct value_slot {
	struct bytes text;
	uint32_t value, next;
};

#define VALUE_BUCKETS 16384u

struct reader {
	struct conf_loader *l;
	struct ruleset *rs;
	struct conf_setting *set;
	enum opt_id id;
	struct conf_place at; /* the line */
	const uint8_t *line;  /* its first byte */
	bool has_default;
	bool as_mailscanner;      /* Compatibility, and the option can do no harm */
	bool rows;                /* of a database: each line begins with its number */
	struct value_slot *slots; /* one for each of rs->values */
	size_t slots_n, slots_cap;
	uint32_t buckets[VALUE_BUCKETS];
};

/* ---- is it one? ---- */

static bool ends_with_rules(struct bytes b)
{
	static const char *const ends[] = { "rule", "rules", "Rule", "Rules" };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct bytes end = bytes_str(ends[i]);

		if (b.n >= end.n && bytes_eq(bytes_from(b, b.n - end.n), end))
			return true;
	}
	return false;
}

bool ruleset_is_meant(struct conf_loader *l, enum opt_id id, const char *text)
{
	struct bytes b = bytes_str(text);
	bool slash = text[0] == '/', exec;

	switch (opt_rows[id].type) {
	case OPT_YESNO:
	case OPT_ENUM:
		return slash && !bytes_ends_nocase(b, BYTES("txt")) &&
		       !bytes_ends_nocase(b, BYTES("html"));
	case OPT_NUMBER:
		return slash;
	case OPT_DIR:
		return l->source->kind(l->source, text, &exec) == CONF_FILE;
	case OPT_FILE:
	case OPT_COMMAND:
		return slash && ends_with_rules(b);
	case OPT_STRING:
	case OPT_OTHER:
		return slash && ends_with_rules(b) &&
		       l->source->kind(l->source, text, &exec) == CONF_FILE;
	}
	return false;
}

/* ---- values ---- */

static uint32_t *value_bucket(struct reader *rd, struct bytes text)
{
	uint32_t h = rule_hash(KEY_KINDS, text);

	return &rd->buckets[h % VALUE_BUCKETS];
}

static uint32_t find_value(struct reader *rd, struct bytes text)
{
	uint32_t i = *value_bucket(rd, text);

	while (i != RULE_NONE && !bytes_eq(rd->slots[i].text, text))
		i = rd->slots[i].next;
	return i == RULE_NONE ? RULE_NONE : rd->slots[i].value;
}

static uint32_t add_value(struct reader *rd, struct bytes text, const struct conf_value *v)
{
	struct ruleset *rs = rd->rs;
	uint32_t *bucket = value_bucket(rd, text);

	if (!rule_grow(&rs->values, &rs->values_cap, rs->values_n, sizeof(*rs->values)) ||
	    !rule_grow(&rd->slots, &rd->slots_cap, rd->slots_n, sizeof(*rd->slots))) {
		rd->l->no_memory = true;
		return RULE_NONE;
	}
	rd->slots[rd->slots_n] = (struct value_slot){ text, (uint32_t)rs->values_n, *bucket };
	*bucket = (uint32_t)rd->slots_n++;
	rs->values[rs->values_n] = *v;
	return (uint32_t)rs->values_n++;
}

static void bad_value(struct reader *rd, struct conf_place at, const char *text, const char *why)
{
	const struct opt *o = &opt_rows[rd->id];

	if ((o->flags & OPT_GUARD) != 0)
		conf_fatal(rd->l, at, "%s: '%s' is not %s%s; mail would pass unchecked", o->name,
			   SHOWN(bytes_str(text)), why, conf_value_hint(text));
	else
		conf_problem_add(rd->l->report, CONF_ERROR, at,
				 "%s: '%s' is not %s%s; the rule is left out", o->name,
				 SHOWN(bytes_str(text)), why, conf_value_hint(text));
}

/* Values that are going to be joined have single blanks only. */
static const char *squeeze(struct reader *rd, const char *text)
{
	struct bytes rest = bytes_str(text), word;
	AUTO(str_fini) struct str s;
	const char *out;

	str_init(&s, CONF_VALUE_MAX_BYTES);
	while (bytes_next_word(&rest, &word)) {
		if (s.n > 0)
			str_add_char(&s, ' ');
		str_add_bytes(&s, word);
	}
	out = s.failed ? NULL : arena_str(rd->l->c->arena, str_bytes(&s));
	rd->l->no_memory |= out == NULL;
	return out;
}

/* The value @text as number in rs->values, RULE_NONE when it is bad (reported). */
static uint32_t read_value(struct reader *rd, struct bytes text)
{
	uint32_t known = find_value(rd, text);
	struct conf_place at = rd->at;
	struct conf_value v;
	const char *expanded, *why;

	if (known != RULE_NONE)
		return known;
	if (text.n > 0)
		at.column = (unsigned)(text.p - rd->line) + 1;
	expanded = conf_expand(rd->l, text, at);
	if (expanded == NULL)
		return RULE_NONE;
	if (!conf_value_parse(rd->l, rd->id, expanded, true, at, &v, &why)) {
		bad_value(rd, at, expanded, why);
		return RULE_NONE;
	}
	if (rd->rs->all_matches) {
		v.text = squeeze(rd, v.text);
		v.written = squeeze(rd, v.written);
	}
	return rd->l->no_memory ? RULE_NONE : add_value(rd, text, &v);
}

/* ---- patterns ---- */

static bool is_pattern_file(struct bytes text)
{
	return text.n > 1 && text.p[0] == '/' && text.p[text.n - 1] != '/';
}

static bool add_pattern(struct reader *rd, struct patterns *out, struct bytes text, bool virus,
			struct conf_place at)
{
	unsigned flags =
		(virus ? PATTERN_OF_REPORT : 0u) | (rd->as_mailscanner ? PATTERN_LOWER : 0u);
	struct pattern_note note;

	if (!rule_grow(&out->list, &out->cap, out->n, sizeof(*out->list)) ||
	    !pattern_parse(&out->list[out->n], rd->l->c->arena, text, flags, &note)) {
		rd->l->no_memory = true;
		return false;
	}
	out->n++;
	if (note.text[0] != '\0')
		conf_problem_add(rd->l->report, note.broken ? CONF_ERROR : CONF_WARNING, at, "%s",
				 note.text);
	return true;
}

static void add_patterns(struct reader *rd, struct patterns *out, struct bytes text, bool virus,
			 struct conf_place at, unsigned depth);

static void read_patterns(struct reader *rd, struct patterns *out, const char *path,
			  struct bytes content, bool virus, unsigned depth)
{
	struct conf_place at = { .file = path };
	struct bytes line, word;

	while (bytes_next_line(&content, &line) && !rd->l->no_memory) {
		ptrdiff_t comment = bytes_index(line, '#');
		struct bytes rest = comment < 0 ? line : bytes_head(line, (size_t)comment);

		at.line++;
		if (!bytes_next_word(&rest, &word))
			continue;
		at.column = (unsigned)(word.p - line.p) + 1;
		if (bytes_trim(rest).n > 0)
			conf_problem_add(rd->l->report, CONF_WARNING, at,
					 "one pattern on each line; the rest of this one is "
					 "ignored");
		add_patterns(rd, out, word, virus, at, depth);
	}
}

/* One pattern, or all of a file of patterns. */
static void add_patterns(struct reader *rd, struct patterns *out, struct bytes text, bool virus,
			 struct conf_place at, unsigned depth)
{
	const char *path;
	struct bytes content;
	int r;

	if (!is_pattern_file(text)) {
		(void)add_pattern(rd, out, text, virus, at);
		return;
	}
	if (depth >= PATTERN_FILES_DEEP) {
		conf_problem_add(rd->l->report, CONF_ERROR, at,
				 "files of patterns nest deeper than %u", PATTERN_FILES_DEEP);
		return;
	}
	path = arena_str(rd->l->c->arena, text);
	if (path == NULL) {
		rd->l->no_memory = true;
		return;
	}
	r = rd->l->source->read(rd->l->source, path, &content);
	if (r < 0)
		conf_problem_add(rd->l->report, CONF_ERROR, at,
				 "the file of patterns '%s' cannot be read: %s", SHOWN(text),
				 conf_why_unread(r));
	else
		read_patterns(rd, out, path, content, virus, depth + 1);
}

/* ---- rules ---- */

/* One side of a line: its direction and everything its pattern stands for. */
struct side {
	enum rule_direction direction;
	struct patterns patterns;
};

/* Where @part of the line stands. */
static struct conf_place place_of(const struct reader *rd, struct bytes part)
{
	struct conf_place at = rd->at;

	at.column = (unsigned)(part.p - rd->line) + 1;
	return at;
}

static bool contains_nocase(struct bytes b, struct bytes part)
{
	for (; b.n >= part.n; b = bytes_from(b, 1)) {
		if (bytes_starts_nocase(b, part))
			return true;
	}
	return false;
}

static bool parse_direction(struct bytes word, enum rule_direction *ret)
{
	bool from = contains_nocase(word, BYTES("from")), to = contains_nocase(word, BYTES("to"));

	if (contains_nocase(word, BYTES("virus")))
		*ret = RULE_VIRUS;
	else if (contains_nocase(word, BYTES("and")))
		*ret = RULE_BOTH;
	else if (from && to)
		*ret = RULE_OR;
	else if (from || to)
		*ret = from ? RULE_FROM : RULE_TO;
	else
		return false;
	return true;
}

/* "bad.de" */
static bool is_hex_word(const struct pattern *p)
{
	bool letters = false;

	for (uint32_t i = 0; p->kind == PATTERN_IP_TEXT && i < p->n; i++) {
		if (p->text[i] == ':')
			return false;
		letters |= p->text[i] >= 'a';
	}
	return letters;
}

/* A client's address or name says nothing about recipients. */
static bool can_match(struct reader *rd, const struct pattern *p, enum rule_direction d)
{
	bool plain = p->kind >= PATTERN_IP && p->kind <= PATTERN_IP_REGEX;

	if (!pattern_is_ip(p) && !pattern_is_host(p))
		return p->kind != PATTERN_NEVER;
	rd->l->c->wants_host |= pattern_is_host(p);
	if (d == RULE_TO || d == RULE_BOTH) {
		if (is_hex_word(p)) /* a domain, most likely: that has been said */
			return false;
		conf_problem_add(rd->l->report, CONF_WARNING, rd->at,
				 "an IP address or host name is no recipient: the rule never "
				 "matches; write From:");
		return false;
	}
	if (d == RULE_OR && plain && rd->rs->all_matches) {
		conf_problem_add(rd->l->report, CONF_WARNING, rd->at,
				 "with this option FromOrTo: and an IP address never match; write "
				 "From:");
		return false;
	}
	return true;
}

static bool add_cond(struct reader *rd, const struct pattern *p, enum rule_direction d)
{
	struct ruleset *rs = rd->rs;

	if (!rule_grow(&rs->conds, &rs->conds_cap, rs->conds_n, sizeof(*rs->conds)))
		return false;
	rs->conds[rs->conds_n++] = (struct rule_cond){ .pattern = *p,
						       .rule = (uint32_t)rs->rules_n,
						       .direction = (uint8_t)d };
	return true;
}

static bool store_rule(struct reader *rd, const struct side *one, const struct pattern *p,
		       const struct side *two, const struct pattern *q, uint32_t value)
{
	struct ruleset *rs = rd->rs;
	struct rule r = { .line = rd->at.line, .value = value, .cond = (uint32_t)rs->conds_n };

	if (!rule_grow(&rs->rules, &rs->rules_cap, rs->rules_n, sizeof(*rs->rules)) ||
	    !add_cond(rd, p, one->direction))
		return false;
	if (q != NULL) {
		r.two = 1;
		if (!add_cond(rd, q, two->direction))
			return false;
	}
	rs->rules[rs->rules_n++] = r;
	return true;
}

static void set_default(struct reader *rd, uint32_t value)
{
	if (rd->has_default && rd->set->value.at.line != rd->at.line &&
	    strcmp(rd->set->value.written, rd->rs->values[value].written) != 0)
		conf_note_add(rd->l, rd->set->value.at,
			      "the default is set again at %s %u; this %s counts for nothing",
			      conf_place_unit(rd->at.file), rd->at.line,
			      conf_place_unit(rd->at.file));
	rd->has_default = true;
	rd->set->value = rd->rs->values[value];
	rd->set->value.at = rd->at;
}

static void add_rule(struct reader *rd, const struct side *one, const struct pattern *p,
		     const struct side *two, const struct pattern *q, uint32_t value)
{
	if (p->kind == PATTERN_ANY && (q == NULL || q->kind == PATTERN_ANY)) {
		set_default(rd, value);
		return;
	}
	if (!can_match(rd, p, one->direction) || (q != NULL && !can_match(rd, q, two->direction)))
		return;
	if (!store_rule(rd, one, p, two, q, value))
		rd->l->no_memory = true;
}

/* Each pattern of one side with the one that stands at its place on the other. */
static void add_in_step(struct reader *rd, const struct side *one, const struct side *two,
			uint32_t value)
{
	size_t n = MIN_OF(one->patterns.n, two->patterns.n);

	for (size_t i = 0; i < n && !rd->l->no_memory; i++)
		add_rule(rd, one, &one->patterns.list[i], two, &two->patterns.list[i], value);
}

/* Each pattern of one side with each of the other. */
static void add_pairs(struct reader *rd, const struct side *one, const struct side *two,
		      uint32_t value)
{
	const struct patterns *a = &one->patterns, *b = &two->patterns;

	if (a->n > 0 && b->n > PAIRS_MAX / a->n) {
		conf_problem_add(rd->l->report, CONF_ERROR, rd->at,
				 "the two files of patterns make more than %u pairs; the rule is "
				 "left out",
				 PAIRS_MAX);
		return;
	}
	for (size_t i = 0; i < a->n; i++) {
		for (size_t k = 0; k < b->n && !rd->l->no_memory; k++)
			add_rule(rd, one, &a->list[i], two, &b->list[k], value);
	}
}

/* ---- lines ---- */

struct fields {
	struct bytes direction[2], pattern[2], value;
	bool two;
};

/* False: there are too few. */
static bool split_fields(struct bytes text, struct fields *f)
{
	struct bytes rest = text, word, behind;

	*f = (struct fields){ 0 };
	if (!bytes_next_word(&rest, &f->direction[0]) || !bytes_next_word(&rest, &f->pattern[0]))
		return false;
	f->value = bytes_trim(rest);
	behind = rest;
	f->two = bytes_next_word(&behind, &word) && bytes_eq_nocase(word, BYTES("and"));
	if (!f->two)
		return true;
	if (!bytes_next_word(&behind, &f->direction[1]) ||
	    !bytes_next_word(&behind, &f->pattern[1]))
		return false;
	f->value = bytes_trim(behind);
	return true;
}

static bool read_side(struct reader *rd, struct side *s, struct bytes direction,
		      struct bytes pattern)
{
	ptrdiff_t colon;

	if (!parse_direction(direction, &s->direction)) {
		conf_problem_add(rd->l->report, CONF_ERROR, place_of(rd, direction),
				 "'%s' is not a direction: expected From:, To:, FromOrTo:, "
				 "FromAndTo: or Virus:",
				 SHOWN(direction));
		return false;
	}
	colon = bytes_index(direction, ':');
	if (colon >= 0 && (size_t)colon + 1 < direction.n)
		conf_problem_add(rd->l->report, CONF_WARNING, place_of(rd, direction),
				 "'%s' is read as a direction alone; is there a blank missing "
				 "behind the ':'?",
				 SHOWN(direction));
	add_patterns(rd, &s->patterns, pattern, s->direction == RULE_VIRUS, place_of(rd, pattern),
		     0);
	return !rd->l->no_memory;
}

/* "From: a and To: b and To: c VALUE" */
static void warn_third(struct reader *rd, struct bytes value)
{
	enum rule_direction ignored;
	struct bytes rest = value, word;

	if (bytes_next_word(&rest, &word) && bytes_eq_nocase(word, BYTES("and")) &&
	    bytes_next_word(&rest, &word) && word.p[word.n - 1] == ':' &&
	    parse_direction(word, &ignored))
		conf_problem_add(rd->l->report, CONF_WARNING, place_of(rd, value),
				 "a rule has two conditions at most: '%s' is taken for the value",
				 SHOWN(value));
}

static void read_rule(struct reader *rd, const struct fields *f)
{
	struct side one = { 0 }, two = { 0 };
	uint32_t value = RULE_NONE;

	if (read_side(rd, &one, f->direction[0], f->pattern[0]) &&
	    (!f->two || read_side(rd, &two, f->direction[1], f->pattern[1]))) {
		value = read_value(rd, f->value);
		if (f->two)
			warn_third(rd, f->value);
	}
	if (value != RULE_NONE && f->two && rd->as_mailscanner)
		add_in_step(rd, &one, &two, value);
	else if (value != RULE_NONE && f->two)
		add_pairs(rd, &one, &two, value);
	for (size_t i = 0; value != RULE_NONE && !f->two && i < one.patterns.n; i++)
		add_rule(rd, &one, &one.patterns.list[i], NULL, NULL, value);
	free(one.patterns.list);
	free(two.patterns.list);
}

static bool may_be_empty(enum opt_type t)
{
	return t == OPT_STRING || t == OPT_OTHER;
}

static void read_rule_line(struct reader *rd, struct bytes line)
{
	ptrdiff_t comment = bytes_index(line, '#');
	struct bytes text = bytes_trim(comment < 0 ? line : bytes_head(line, (size_t)comment));
	struct fields f;

	if (text.n == 0)
		return;
	rd->line = line.p;
	rd->at.column = (unsigned)(text.p - line.p) + 1;
	if (bytes_index(text, '\0') >= 0)
		conf_problem_add(rd->l->report, CONF_ERROR, rd->at, "the line holds a NUL byte");
	else if (!split_fields(text, &f) ||
		 (f.value.n == 0 && !may_be_empty(opt_rows[rd->id].type)))
		conf_problem_add(rd->l->report, CONF_ERROR, rd->at,
				 "too few fields: expected DIRECTION PATTERN VALUE or DIRECTION "
				 "PATTERN and DIRECTION PATTERN VALUE, with blanks between them");
	else
		read_rule(rd, &f);
}

/* A row without a number has that of the one before it, plus one. */
static void take_row_number(struct reader *rd, struct bytes *line)
{
	ptrdiff_t tab = bytes_index(*line, '\t');
	struct bytes number = bytes_trim(bytes_head(*line, tab < 0 ? 0 : (size_t)tab));
	uint64_t n;

	*line = bytes_from(*line, (size_t)tab + 1);
	if (num_parse(number, 10, UINT32_MAX, &n) == 0)
		rd->at.line = (unsigned)n;
}

static void read_rules(struct reader *rd, struct bytes content)
{
	struct bytes line;

	if (bytes_starts(content, BYTES("\xef\xbb\xbf")))
		content = bytes_from(content, 3);
	while (bytes_next_line(&content, &line) && !rd->l->no_memory) {
		rd->at.line++;
		if (rd->rows)
			take_row_number(rd, &line);
		read_rule_line(rd, line);
	}
}

/* ---- the whole file ---- */

static void ruleset_free(void *arg)
{
	struct ruleset *rs = arg;

	rule_screen_free(&rs->screen);
	free(rs->rules);
	free(rs->conds);
	free(rs->entries);
	free(rs->values);
	free(rs->linear);
	free(rs->heads);
	free(rs->filter);
	free(rs);
}

static struct ruleset *ruleset_new(struct conf_loader *l, enum opt_id id, const char *path)
{
	struct ruleset *rs = calloc(1, sizeof(*rs));

	if (rs == NULL || arena_on_free(l->c->arena, ruleset_free, rs) < 0) {
		l->no_memory = true;
		return NULL;
	}
	rs->file = path;
	rs->all_matches = opt_rows[id].ruleset != OPT_FIRST_MATCH;
	rs->joint = id == OPT_SPAMASSASSIN_RULE_ACTIONS ? ',' : ' ';
	return rs;
}

static void cannot_read(struct conf_loader *l, enum opt_id id, const char *path,
			struct conf_place at, int r)
{
	const struct opt *o = &opt_rows[id];

	if ((o->flags & OPT_GUARD) != 0)
		conf_fatal(l, at, "%s: the ruleset '%s' cannot be read: %s", o->name,
			   SHOWN(bytes_str(path)), conf_why_unread(r));
	else
		conf_problem_add(l->report, CONF_ERROR, at,
				 "%s: the ruleset '%s' cannot be read: %s; the default '%s' is "
				 "used",
				 o->name, SHOWN(bytes_str(path)), conf_why_unread(r), o->def);
}

static void free_reader(struct reader **rd)
{
	if (*rd != NULL)
		free((*rd)->slots);
	free(*rd);
	*rd = NULL;
}

static bool read_into(struct conf_loader *l, enum opt_id id, struct ruleset *rs,
		      struct bytes content, bool rows)
{
	AUTO(free_reader) struct reader *rd = calloc(1, sizeof(*rd));

	if (rd == NULL) {
		l->no_memory = true;
		return false;
	}
	rd->l = l;
	rd->rs = rs;
	rd->id = id;
	rd->as_mailscanner = l->c->compatible && compat_is_harmless(id);
	rd->rows = rows;
	rd->set = &l->c->settings[id];
	rd->at.file = rs->file;
	memset(rd->buckets, 0xff, sizeof(rd->buckets));
	read_rules(rd, content);
	if (!l->no_memory && (!rule_index_build(rs) || !rule_screen_build(l, rs)))
		l->no_memory = true;
	return rd->has_default;
}

static bool load(struct conf_loader *l, enum opt_id id, const char *name, struct bytes content,
		 bool rows, struct conf_place at)
{
	struct ruleset *rs;

	if (opt_rows[id].ruleset == OPT_NO_RULESET)
		conf_problem_add(l->report, CONF_WARNING, at,
				 "%s should be a simple value; the ruleset is read, but where it "
				 "is asked without a message only its default counts",
				 opt_rows[id].name);
	rs = ruleset_new(l, id, name);
	if (rs == NULL)
		return false;
	l->c->settings[id].rules = rs;
	l->c->settings[id].all_matches = rs->all_matches;
	return read_into(l, id, rs, content, rows);
}

bool ruleset_load(struct conf_loader *l, enum opt_id id, const char *path, struct conf_place at)
{
	struct bytes content;
	int r = l->source->read(l->source, path, &content);

	if (r == 0)
		return load(l, id, path, content, false, at);
	cannot_read(l, id, path, at, r);
	return false;
}

bool ruleset_load_rows(struct conf_loader *l, enum opt_id id, const char *name, struct bytes rows,
		       struct conf_place at)
{
	return load(l, id, name, rows, true, at);
}
