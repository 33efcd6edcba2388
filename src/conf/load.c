/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/load.c - reading the configuration files line by line, then converting what each option
 * ended up with. Values are substituted when their line is read and converted at the end, so that
 * only the last of several lines for one option is judged, as MailScanner does it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/compat.h"
#include "conf/conf_internal.h"
#include "conf/ruleset.h"
#include "core/num.h"

#define MAILSCANNER_VERSION "5.5.3"

#define INCLUDE_DEPTH_MAX 20u
#define SUGGESTIONS_MAX   50u /* a file of another program has thousands of unknown keys */

void conf_fatal(struct conf_loader *l, struct conf_place at, const char *fmt, ...)
{
	AUTO(str_fini) struct str place;
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_problem_add(l->report, CONF_ERROR, at, "%s", text);
	str_init(&place, 4096);
	conf_place_add(&place, at.file, at.line);
	if (!l->fatal)
		(void)err_set(&l->why, ERR_CONFIG, -EINVAL, "%s: %s", str_view(&place), text);
	l->fatal = true;
}

void conf_note_add(struct conf_loader *l, struct conf_place at, const char *fmt, ...)
{
	struct conf_note *n = arena_zalloc(l->c->arena, sizeof(*n));
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n != NULL)
		n->text = arena_str(l->c->arena, bytes_str(text));
	if (n == NULL || n->text == NULL) {
		l->no_memory = true;
		return;
	}
	n->at = at;
	n->next = l->c->notes;
	l->c->notes = n;
}

const char *conf_keep_name(struct conf_loader *l, const char *path)
{
	const char *name = arena_str(l->c->arena, bytes_str(path));

	l->no_memory |= name == NULL;
	return name == NULL ? "" : name;
}

static unsigned file_bucket(const char *path)
{
	uint32_t h = 2166136261u;

	for (; *path != '\0'; path++)
		h = (h ^ (uint8_t)*path) * 16777619u;
	return h % CONF_FILE_BUCKETS;
}

static struct conf_kept_file *find_file(const struct conf *c, const char *path)
{
	struct conf_kept_file *f = c->files[file_bucket(path)];

	while (f != NULL && strcmp(f->path, path) != 0)
		f = f->next;
	return f;
}

int conf_file(const struct conf *c, const char *path, struct bytes *ret_content)
{
	const struct conf_kept_file *f = find_file(c, path);

	if (f == NULL)
		return -ENOENT;
	*ret_content = f->content;
	return 0;
}

int conf_keep_file(struct conf_loader *l, const char *path)
{
	struct bytes content;
	int r;

	if (find_file(l->c, path) != NULL)
		return 0;
	r = l->source->read(l->source, path, &content);
	return r < 0 ? r : conf_keep_content(l, path, content);
}

int conf_keep_content(struct conf_loader *l, const char *path, struct bytes content)
{
	struct conf_kept_file **bucket = &l->c->files[file_bucket(path)];
	struct conf_kept_file *f = arena_zalloc(l->c->arena, sizeof(*f));

	if (f != NULL) {
		f->path = arena_str(l->c->arena, bytes_str(path));
		f->content = bytes_of(arena_dup(l->c->arena, content), content.n);
	}
	if (f == NULL || f->path == NULL || f->content.p == NULL) {
		l->no_memory = true;
		return -ENOMEM;
	}
	f->next = *bucket;
	*bucket = f;
	return 0;
}

/* ---- lines ---- */

static void read_file(struct conf_loader *l, const char *path, struct bytes content);

static bool was_seen(struct conf_loader *l, const char *path)
{
	struct conf_var *v;

	for (v = l->seen; v != NULL; v = v->next) {
		if (strcmp(v->name, path) == 0)
			return true;
	}
	v = arena_zalloc(l->c->arena, sizeof(*v));
	if (v == NULL) {
		l->no_memory = true;
		return true;
	}
	v->name = path;
	v->next = l->seen;
	l->seen = v;
	return false;
}

static void include_one(struct conf_loader *l, const char *path, struct conf_place at)
{
	struct bytes content;
	int r;

	if (was_seen(l, path)) {
		conf_problem_add(l->report, CONF_WARNING, at,
				 "%s has been read before and is skipped", path);
		return;
	}
	r = l->source->read(l->source, path, &content);
	if (r == 0)
		read_file(l, path, content);
	else if (r == -EISDIR)
		conf_problem_add(l->report, CONF_WARNING, at,
				 "%s is a directory and is skipped; 'include %s/*' reads the files "
				 "in it",
				 path, path);
	else
		conf_problem_add(l->report, CONF_ERROR, at, "%s cannot be read and is skipped: %s",
				 path, conf_why_unread(r));
}

/* Files of one shell pattern; lent by the source. */
static void include_matches(struct conf_loader *l, struct bytes pattern, struct conf_place at)
{
	const char *text = arena_str(l->c->arena, pattern);
	struct bytes names, name;
	int r;

	if (text == NULL) {
		l->no_memory = true;
		return;
	}
	r = l->source->glob(l->source, text, &names);
	if (r == -EACCES) {
		conf_problem_add(l->report, CONF_ERROR, at,
				 "'%s' cannot be looked up and is skipped: %s", SHOWN(pattern),
				 conf_why_unread(r));
		return;
	}
	if (r < 0 || names.n == 0) {
		conf_problem_add(l->report, CONF_WARNING, at, "no file matches '%s'%s",
				 SHOWN(pattern), conf_value_hint(text));
		return;
	}
	while (bytes_next_line(&names, &name)) {
		const char *path = arena_str(l->c->arena, name);

		if (path != NULL)
			include_one(l, path, at);
		l->no_memory |= path == NULL;
	}
}

static void include(struct conf_loader *l, struct bytes what, struct conf_place at)
{
	const char *patterns = conf_expand(l, what, at);
	struct bytes rest, pattern;

	if (patterns == NULL)
		return;
	if (*patterns == '\0') {
		conf_fatal(l, at, "include needs the name of a file");
		return;
	}
	if (l->depth >= INCLUDE_DEPTH_MAX) {
		conf_problem_add(l->report, CONF_ERROR, at, "includes nest deeper than %u files",
				 INCLUDE_DEPTH_MAX);
		return;
	}
	rest = bytes_str(patterns);
	while (bytes_next_word(&rest, &pattern))
		include_matches(l, pattern, at);
}

void conf_unknown_key(struct conf_loader *l, struct bytes key, struct conf_place at)
{
	const char *near = l->unknown_n++ < SUGGESTIONS_MAX ? opt_nearest(key) : NULL;

	if (bytes_eq_nocase(key, BYTES("include")))
		conf_problem_add(l->report, CONF_WARNING, at,
				 "there is no option 'include', and nothing is read; write "
				 "'include FILE' without '='");
	else if (near != NULL)
		conf_problem_add(l->report, CONF_WARNING, at,
				 "there is no option '%s'; did you mean '%s'?", SHOWN(key), near);
	else
		conf_problem_add(l->report, CONF_WARNING, at, "there is no option '%s'",
				 SHOWN(key));
}

bool conf_is_variable(struct bytes key)
{
	return key.n > 2 && key.p[0] == '%' && key.p[key.n - 1] == '%' &&
	       bytes_index(bytes_of(key.p + 1, key.n - 2), '%') < 0;
}

static void set_variable(struct conf_loader *l, struct bytes name, struct bytes raw,
			 const char *text, struct conf_place at)
{
	struct conf_var *v;

	if (conf_var_set(l, name, text, at) < 0) {
		l->no_memory = true;
		return;
	}
	v = conf_var_find(l->c, name);
	v->raw = raw;
}

static void assign(struct conf_loader *l, struct bytes key, struct bytes value,
		   struct conf_place key_at, struct conf_place value_at)
{
	struct conf_report *report = l->report;
	enum opt_id id = OPT_ROWS;
	const char *text;

	if (!conf_is_variable(key) && opt_key_is_empty(key)) {
		conf_fatal(l, key_at, "there is no option name in front of '='");
		return;
	}
	if (!conf_is_variable(key))
		id = opt_index_find(&l->index, key);
	if (id == OPT_DB_PASSWORD)
		l->report = NULL; /* a problem would show what it holds between two % signs */
	text = conf_expand(l, value, value_at);
	l->report = report;
	if (text == NULL)
		return;
	if (conf_is_variable(key)) {
		set_variable(l, bytes_of(key.p + 1, key.n - 2), value, text, key_at);
		return;
	}
	if (id == OPT_ROWS) {
		conf_unknown_key(l, key, key_at);
		return;
	}
	/* another file may well replace it: that is what conf.d is for */
	if (l->raw[id].text != NULL && l->raw[id].at.file == value_at.file)
		conf_note_add(l, l->raw[id].at,
			      "%s is set again at line %u; this line counts for nothing",
			      opt_rows[id].name, value_at.line);
	l->raw[id] = (struct conf_raw){ text, value_at };
}

static struct bytes without_comment(struct bytes line)
{
	ptrdiff_t at = bytes_index(line, '#');

	return bytes_trim(at < 0 ? line : bytes_head(line, (size_t)at));
}

static unsigned column_of(struct bytes line, struct bytes part)
{
	return (unsigned)(part.p - line.p) + 1;
}

static bool is_include(struct bytes line)
{
	return bytes_starts_nocase(line, BYTES("include")) &&
	       (line.n == 7 || ascii_is_space(line.p[7]));
}

/* An option's name at the beginning of @text, with nothing or a colon behind it. */
static bool begins_with_option(const struct conf_loader *l, struct bytes text)
{
	for (size_t n = text.n; n > 2; n--) {
		bool ends = n == text.n || ascii_is_space(text.p[n]) || text.p[n] == ':';

		if (ends && opt_index_find(&l->index, bytes_head(text, n)) != OPT_ROWS)
			return true;
	}
	return false;
}

/* What whoever wrote the line may have had in mind. */
static const char *line_hint(const struct conf_loader *l, struct bytes text)
{
	if (l->goes_on)
		return " (lines cannot be continued: write the value in one line)";
	if (text.p[0] == ';' || bytes_starts(text, BYTES("//")))
		return " (a comment begins with '#')";
	if (begins_with_option(l, text))
		return " (the '=' behind the option's name is missing)";
	return "";
}

static void read_line(struct conf_loader *l, struct bytes line, struct conf_place at)
{
	struct bytes text = without_comment(line), key, value;
	struct conf_place value_at = at;
	ptrdiff_t eq;

	if (text.n == 0) {
		conf_hide_comment(l, line);
		return;
	}
	at.column = column_of(line, text);
	if (bytes_index(text, '\0') >= 0) {
		conf_fatal(l, at, "the line holds a NUL byte");
		return;
	}
	eq = bytes_index(text, '=');
	if (eq < 0 && is_include(text)) {
		include(l, bytes_trim(bytes_from(text, 7)), at);
		return;
	}
	if (eq < 0) {
		conf_fatal(l, at,
			   "'%s' makes no sense here; expected 'Option = value', "
			   "'%%name%% = text' or 'include FILE'%s",
			   conf_mentions_password(text) ? "DB Password ..." : SHOWN(text),
			   line_hint(l, text));
		return;
	}
	key = bytes_trim(bytes_head(text, (size_t)eq));
	value = bytes_trim(bytes_from(text, (size_t)eq + 1));
	value_at.column = value.n == 0 ? at.column + (unsigned)eq + 1 : column_of(line, value);
	assign(l, key, value, at, value_at);
	conf_hide_value(l, key, value,
			bytes_from(line, (size_t)(text.p - line.p) + (size_t)eq + 1));
}

static void read_file(struct conf_loader *l, const char *path, struct bytes content)
{
	struct conf_place at = { .file = path };
	struct bytes line;

	if (bytes_starts(content, BYTES("\xef\xbb\xbf")))
		content = bytes_from(content, 3);
	if (bytes_starts(content, BYTES("\xff\xfe")) || bytes_starts(content, BYTES("\xfe\xff"))) {
		at.line = at.column = 1;
		conf_fatal(l, at, "the file is written in UTF-16; save it as UTF-8 or Latin-1");
		return;
	}
	l->depth++;
	l->goes_on = false;
	while (!l->no_memory && bytes_next_line(&content, &line)) {
		at.line++;
		read_line(l, line, at);
		line = without_comment(line);
		l->goes_on = line.n > 0 && line.p[line.n - 1] == '\\';
	}
	l->depth--;
}

/* ---- conversion ---- */

static bool take_value(struct conf_loader *l, enum opt_id id)
{
	struct conf_raw *raw = &l->raw[id];
	struct conf_setting *set = &l->c->settings[id];
	const struct opt *o = &opt_rows[id];
	const char *why;

	if (conf_value_parse(l, id, raw->text, true, raw->at, &set->value, &why))
		return true;
	if ((o->flags & OPT_GUARD) != 0)
		conf_fatal(l, raw->at, "%s: '%s' is not %s%s; mail would pass unchecked", o->name,
			   SHOWN(bytes_str(raw->text)), why, conf_value_hint(raw->text));
	else
		conf_problem_add(l->report, CONF_ERROR, raw->at,
				 "%s: '%s' is not %s%s; the default '%s' is used", o->name,
				 SHOWN(bytes_str(raw->text)), why, conf_value_hint(raw->text),
				 o->def);
	return false;
}

/* Perl code of the site: it cannot run here, and whom it would have let through nobody knows. */
static bool is_function(const char *text)
{
	return text[0] == '&';
}

/* What does here what the function did there. */
static const char *instead_of_function(enum opt_id id)
{
	if (id == OPT_ALWAYS_LOOKED_UP_LAST || id == OPT_ALWAYS_LOOKED_UP_LAST_AFTER_BATCH)
		return "Message Log writes one JSON line for each message";
	if (opt_rows[id].ruleset == OPT_NO_RULESET)
		return "write a plain value";
	return "write a plain value, a file of rules (/PATH.rules) or a ruleset from a database "
	       "(NAME.customize, with SQL Ruleset or LDAP Server)";
}

static void refuse_function(struct conf_loader *l, enum opt_id id)
{
	const struct opt *o = &opt_rows[id];
	struct conf_place at = l->raw[id].at;

	l->c->settings[id].function = l->raw[id].text;
	if ((o->flags & OPT_GUARD) != 0)
		conf_fatal(l, at,
			   "%s: Perl functions cannot run here; mail would pass unchecked; %s",
			   o->name, instead_of_function(id));
	else
		conf_problem_add(l->report, CONF_ERROR, at,
				 "%s: Perl function %s cannot run here; the default '%s' is used; "
				 "%s",
				 o->name, SHOWN(bytes_str(l->raw[id].text)), o->def,
				 instead_of_function(id));
}

static bool empty_is_missing(enum opt_type type)
{
	return type == OPT_DIR || type == OPT_FILE || type == OPT_NUMBER || type == OPT_COMMAND;
}

/* Defaults go through the same parser, but need not exist on this host. */
static void take_default(struct conf_loader *l, enum opt_id id)
{
	struct conf_setting *set = &l->c->settings[id];
	const struct conf_place at = { .file = "default" };
	const char *text = conf_expand(l, bytes_str(opt_rows[id].def), at), *why;

	if (text == NULL)
		return;
	if (!conf_value_parse(l, id, text, false, (struct conf_place){ 0 }, &set->value, &why) &&
	    !l->no_memory)
		conf_fatal(l, at, "%s: bad default", opt_rows[id].name);
	set->default_written = text;
}

static void convert(struct conf_loader *l, enum opt_id id)
{
	struct conf_setting *set = &l->c->settings[id];
	const struct conf_raw *raw = &l->raw[id];

	take_default(l, id);
	set->set_at = raw->at;
	set->raw = id == OPT_DB_PASSWORD ? NULL : raw->text;
	if (raw->text == NULL || (*raw->text == '\0' && empty_is_missing(opt_rows[id].type)))
		return;
	if (id == OPT_DB_PASSWORD) /* any text is one, and none may be repeated in a message */
		set->is_set = take_value(l, id);
	else if (is_function(raw->text))
		refuse_function(l, id);
	else if (conf_database_has_ruleset(l, raw->text, raw->at))
		set->is_set = conf_database_ruleset(l, id, raw->text, raw->at);
	else if (ruleset_is_meant(l, id, raw->text))
		set->is_set = ruleset_load(l, id, raw->text, raw->at);
	else
		set->is_set = take_value(l, id);
	set->rejected = !set->is_set && set->rules == NULL;
	if (id == OPT_DB_PASSWORD && set->value.text[0] != '\0')
		set->value.text = set->value.written = CONF_HIDDEN;
}

static void note_where(struct conf_loader *l, enum opt_id id)
{
	struct conf_setting *set = &l->c->settings[id];
	const struct conf_place *at = &l->raw[id].at;

	set->where = "default";
	if (set->is_set && set->rules != NULL)
		at = &set->value.at;
	if (set->is_set) {
		AUTO(str_fini) struct str place;

		str_init(&place, 4096);
		conf_place_add(&place, at->file, at->line);
		set->where = place.failed ? NULL : arena_str(l->c->arena, str_bytes(&place));
	}
	l->no_memory |= set->where == NULL;
}

/* -1, 0, 1 as strcmp(), number by number; what is no number counts as 0. */
static int version_compare(struct bytes a, struct bytes b)
{
	while (a.n > 0 || b.n > 0) {
		uint64_t x = 0, y = 0;

		if (num_take(&a, UINT32_MAX, &x) < 0 || num_take(&b, UINT32_MAX, &y) < 0)
			break;
		if (x != y)
			return x < y ? -1 : 1;
		a = bytes_from(a, 1);
		b = bytes_from(b, 1);
	}
	return (a.n > 0) - (b.n > 0);
}

static void check_version(struct conf_loader *l)
{
	const struct conf_raw *raw = &l->raw[OPT_MAILSCANNER_VERSION_NUMBER];

	if (raw->text != NULL &&
	    version_compare(bytes_str(raw->text), bytes_str(MAILSCANNER_VERSION)) > 0)
		conf_problem_add(l->report, CONF_WARNING, raw->at,
				 "the file was written for MailScanner %s; this program follows %s",
				 SHOWN(bytes_str(raw->text)), MAILSCANNER_VERSION);
}

static void predefine(struct conf_loader *l, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct bytes dir = bytes_of(path, slash == NULL ? 0 : (size_t)(slash - path));
	const struct conf_place nowhere = { 0 };
	const char *kept = slash == NULL ? "." : arena_str(l->c->arena, dir);

	l->no_memory |= kept == NULL ||
			conf_var_set(l, BYTES("version"), SALLYPORT_VERSION, nowhere) < 0 ||
			conf_var_set(l, BYTES("conf-dir"), kept, nowhere) < 0;
}

/* Last of all: it counts more than files and databases. */
static void take_command_line(struct conf_loader *l)
{
	const struct conf_place at = { .file = CONF_PLACE_SWITCH };
	char name[CONF_SWITCH_NAME_MAX];
	struct bytes value;

	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		if (l->source->made(l->source, conf_switch_name(id, name), &value) < 0)
			continue;
		l->raw[id] = (struct conf_raw){ arena_str(l->c->arena, value), at };
		l->no_memory |= l->raw[id].text == NULL;
	}
}

static void read_files(struct conf_loader *l, const char *path, struct bytes content)
{
	const char *name = conf_keep_name(l, path);

	l->c->path = name;
	opt_index_build(&l->index);
	predefine(l, name);
	(void)was_seen(l, name);
	read_file(l, name, content);
}

static void load_all(struct conf_loader *l, const char *path, struct bytes content)
{
	read_files(l, path, content);
	conf_database_read(l);
	if (l->why.code == -ECANCELED) /* who asks wanted to know no more */
		return;
	take_command_line(l);
	/* rules are read by it */
	l->c->compatible = compat_wanted(l->raw[OPT_COMPATIBILITY].text);
	for (enum opt_id id = 0; id < OPT_ROWS && !l->no_memory; id++) {
		convert(l, id);
		note_where(l, id);
	}
	check_version(l);
	if (!l->no_memory)
		l->c->one_for_many =
			conf_bool(l->c, OPT_USE_DEFAULT_RULES_WITH_MULTIPLE_RECIPIENTS, NULL);
}

static struct conf *snapshot_new(void)
{
	static atomic_uint_fast64_t generations; /* the one global: must differ in the process */
	struct conf *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->arena = arena_new(CONF_SNAPSHOT_MAX);
	atomic_init(&c->refs, 1);
	c->generation = atomic_fetch_add(&generations, 1) + 1;
	if (c->arena == NULL)
		conf_unref(&c);
	return c;
}

static void free_loader(struct conf_loader **l)
{
	free(*l);
}

int conf_load(struct conf **ret_c, struct conf_source *s, const char *path,
	      struct conf_report *report, struct err *err)
{
	AUTO(free_loader) struct conf_loader *l = calloc(1, sizeof(*l));
	AUTO(conf_unref) struct conf *c = snapshot_new();
	struct bytes content;
	int r;

	if (l == NULL || c == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	l->c = c;
	l->source = s;
	l->report = report;
	r = s->read(s, path, &content);
	if (r < 0)
		return err_set(err, ERR_CONFIG, r, "configuration file '%s': %s", path,
			       conf_why_unread(r));
	load_all(l, path, content);
	if (l->no_memory)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration '%s': out of memory", path);
	if (l->fatal) {
		if (err != NULL)
			*err = l->why;
		return l->why.code;
	}
	*ret_c = TAKE(c);
	return 0;
}

int conf_glance(struct conf_source *s, const char *path, enum opt_id id, struct str *ret,
		struct err *err)
{
	AUTO(free_loader) struct conf_loader *l = calloc(1, sizeof(*l));
	AUTO(conf_unref) struct conf *c = snapshot_new();
	struct conf_value value = { .text = "" };
	struct bytes content;
	const char *why;
	int r;

	if (l == NULL || c == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration: out of memory");
	l->c = c;
	l->source = s;
	r = s->read(s, path, &content);
	if (r < 0)
		return err_code(err, r, "configuration file '%s'", path);
	read_files(l, path, content);
	take_default(l, id);
	if (l->raw[id].text == NULL ||
	    !conf_value_parse(l, id, l->raw[id].text, false, l->raw[id].at, &value, &why))
		value = c->settings[id].value;
	if (l->no_memory)
		return err_set(err, ERR_TEMP, -ENOMEM, "configuration '%s': out of memory", path);
	str_add(ret, value.text);
	return 0;
}
