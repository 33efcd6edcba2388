/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/database.c - options and rulesets that come from SQL or LDAP. Who is asked stands
 * in the files alone. A question without an answer makes loading fail: half a configuration must
 * not judge mail. All answers are kept by the source, so that a bundle of it needs no database.
 */
#include <errno.h>

#include "conf/conf_internal.h"
#include "conf/ruleset.h"
#include "core/num.h"

#define SERIAL_MAX ((uint64_t)INT64_MAX)

static const char *raw_of(const struct conf_loader *l, enum opt_id id)
{
	return l->raw[id].text == NULL ? "" : l->raw[id].text;
}

static bool is_given(const struct conf_loader *l, enum opt_id id)
{
	return *raw_of(l, id) != '\0';
}

static bool has_ldap(const struct conf_loader *l)
{
	return is_given(l, OPT_LDAP_SERVER);
}

static enum opt_id statement_of(enum conf_query_kind what)
{
	static const enum opt_id ids[CONF_QUERIES] = {
		[CONF_QUERY_SERIAL] = OPT_SQL_SERIAL_NUMBER,
		[CONF_QUERY_PEEK] = OPT_SQL_QUICK_PEEK,
		[CONF_QUERY_SETTINGS] = OPT_SQL_CONFIG,
		[CONF_QUERY_RULESET] = OPT_SQL_RULESET,
		[CONF_QUERY_SPAMASSASSIN] = OPT_SQL_SPAMASSASSIN_CONFIG,
	};

	return ids[what];
}

/* Whether the files say how to ask it in SQL. */
static bool asks_sql(const struct conf_loader *l, enum conf_query_kind what)
{
	return is_given(l, OPT_DB_DSN) && is_given(l, statement_of(what));
}

static void failed(struct conf_loader *l, const struct conf_query *q, struct err *err)
{
	bool no_connection = err->code == -ENOTCONN;
	enum opt_id id = q->ldap         ? OPT_LDAP_SERVER
			 : no_connection ? OPT_DB_DSN
					 : statement_of(q->what);
	bool first = !l->fatal && err->code != -ECANCELED;

	conf_fatal(l, l->raw[id].at, "%s%s%s: %s", opt_rows[id].name,
		   *q->argument == '\0' || no_connection ? "" : " for ",
		   no_connection ? "" : SHOWN(bytes_str(q->argument)), err->text);
	if (err->code == -ECANCELED)
		l->why = *err;
	if (first) { /* a database that is away may come back; a mistake stays one */
		l->why.kind = err->kind;
		l->why.code = err->code;
	}
	l->no_database = true;
}

/* @name of a ruleset, for option @id; "": the answers to the statement @id. */
static void note_unread(struct conf_loader *l, enum opt_id id, const char *name, const char *why)
{
	struct conf_setting *set = &l->c->settings[id];

	set->unread = name;
	set->unread_why = arena_str(l->c->arena, bytes_str(why));
	l->no_memory |= set->unread_why == NULL;
	l->unread = true;
}

/* False: no answer, and loading fails or goes on without. */
static bool ask_for(struct conf_loader *l, bool ldap, enum conf_query_kind what,
		    const char *argument, enum opt_id for_id, struct bytes *ret_rows)
{
	struct conf_query q = { .what = what,
				.ldap = ldap,
				.argument = argument,
				.dsn = raw_of(l, OPT_DB_DSN),
				.username = raw_of(l, OPT_DB_USERNAME),
				.password = raw_of(l, OPT_DB_PASSWORD),
				.statement = raw_of(l, statement_of(what)),
				.server = raw_of(l, OPT_LDAP_SERVER),
				.base = raw_of(l, OPT_LDAP_BASE),
				.site = raw_of(l, OPT_LDAP_SITE),
				.cache = raw_of(l, OPT_SQL_CACHE_FILE),
				.debug = bytes_eq_nocase(bytes_str(raw_of(l, OPT_SQL_DEBUG)),
							 BYTES("yes")) };
	struct err err = { .kind = ERR_NONE };

	if (l->no_database)
		return false;
	if (l->source->query(l->source, &q, ret_rows, &err) == 0)
		return true;
	if (err.code != -ENODATA)
		failed(l, &q, &err);
	else if (for_id != OPT_ROWS)
		note_unread(l, for_id, argument, err.text);
	else
		note_unread(l, ldap ? OPT_LDAP_SERVER : statement_of(what), "", err.text);
	return false;
}

static bool ask(struct conf_loader *l, bool ldap, enum conf_query_kind what, const char *argument,
		struct bytes *ret_rows)
{
	return ask_for(l, ldap, what, argument, OPT_ROWS, ret_rows);
}

/* The next row: its two columns. */
static bool next_row(struct bytes *rows, struct bytes *ret_first, struct bytes *ret_second)
{
	struct bytes line;
	ptrdiff_t tab;

	if (!bytes_next_line(rows, &line))
		return false;
	tab = bytes_index(line, '\t');
	*ret_first = bytes_trim(bytes_head(line, tab < 0 ? 0 : (size_t)tab));
	*ret_second = bytes_trim(bytes_from(line, (size_t)(tab + 1)));
	return true;
}

/* ---- serial numbers ---- */

static void set_serial(struct conf_loader *l, enum conf_back_end b, struct bytes text,
		       struct conf_place at)
{
	uint64_t n;

	if (num_parse(bytes_trim(text), 10, SERIAL_MAX, &n) == 0)
		l->c->serials[b].number = (int64_t)n;
	else
		conf_problem_add(l->report, CONF_ERROR, at,
				 "'%s' is not a serial number; expected digits; changes of the "
				 "database will not be noticed",
				 SHOWN(text));
}

/* Before all else: what changes from here on has a larger one. */
static void read_serial(struct conf_loader *l, bool ldap)
{
	enum opt_id id = ldap ? OPT_LDAP_SERVER : OPT_SQL_SERIAL_NUMBER;
	struct bytes rows, first, value;

	if (!ask(l, ldap, CONF_QUERY_SERIAL, "", &rows))
		return;
	if (next_row(&rows, &first, &value))
		set_serial(l, ldap ? CONF_LDAP : CONF_SQL, value, l->raw[id].at);
	else if (!ldap)
		conf_problem_add(l->report, CONF_ERROR, l->raw[id].at,
				 "%s: no row; changes of the database will not be noticed",
				 opt_rows[id].name);
}

/* ---- options ---- */

static bool is_about_databases(enum opt_id id)
{
	switch (id) {
	case OPT_DB_DSN:
	case OPT_DB_USERNAME:
	case OPT_DB_PASSWORD:
	case OPT_SQL_SERIAL_NUMBER:
	case OPT_SQL_QUICK_PEEK:
	case OPT_SQL_CONFIG:
	case OPT_SQL_RULESET:
	case OPT_SQL_SPAMASSASSIN_CONFIG:
	case OPT_LDAP_SERVER:
	case OPT_LDAP_BASE:
	case OPT_LDAP_SITE:
	case OPT_SQL_CACHE_FILE:
		return true;
	default:
		return false;
	}
}

static bool is_sane(struct conf_loader *l, struct bytes key, struct bytes value,
		    struct conf_place at)
{
	if (bytes_index(key, '\0') >= 0 || bytes_index(value, '\0') >= 0) {
		conf_fatal(l, at, "the row holds a NUL byte");
		return false;
	}
	return true;
}

static void set_option(struct conf_loader *l, enum opt_id id, struct bytes value,
		       struct conf_place at)
{
	const char *text;

	if (is_about_databases(id)) {
		conf_problem_add(l->report, CONF_WARNING, at,
				 "%s counts in configuration files only; the row is ignored",
				 opt_rows[id].name);
		return;
	}
	text = conf_expand(l, value, at);
	if (text != NULL)
		l->raw[id] = (struct conf_raw){ text, at };
}

static void peek_one(struct conf_loader *l, enum opt_id id, const char *name)
{
	struct conf_place at = { .file = CONF_PLACE_SQL "Quick Peek", .line = 1 };
	struct bytes rows, first, value;

	if (ask(l, false, CONF_QUERY_PEEK, name, &rows) && next_row(&rows, &first, &value) &&
	    is_sane(l, first, value, at))
		set_option(l, id, value, at);
}

/* Sites store either "Max Children" or "maxchildren". */
static void peek(struct conf_loader *l, enum opt_id id)
{
	const struct conf_place before = l->raw[id].at;
	const char *name = opt_rows[id].name;
	char squeezed[100];
	size_t n = 0;

	peek_one(l, id, name);
	for (; *name != '\0' && n < sizeof(squeezed) - 1; name++) {
		if (ascii_is_alnum((uint8_t)*name))
			squeezed[n++] = (char)ascii_lower((uint8_t)*name);
	}
	squeezed[n] = '\0';
	if (l->raw[id].at.file == before.file && l->raw[id].at.line == before.line)
		peek_one(l, id, squeezed);
}

static void peek_all(struct conf_loader *l)
{
	for (enum opt_id id = 0; id < OPT_ROWS && !l->no_database && !l->unread; id++) {
		if ((opt_rows[id].flags & (OPT_RESTART | OPT_EARLY)) != 0)
			peek(l, id);
	}
}

static void take_variables(struct conf_loader *l, struct bytes rows, const char *file)
{
	struct conf_place at = { .file = file };
	struct bytes key, value;

	while (next_row(&rows, &key, &value)) {
		const char *text;

		at.line++;
		if (!conf_is_variable(key) || !is_sane(l, key, value, at))
			continue;
		key = bytes_of(key.p + 1, key.n - 2);
		if (conf_var_get(l->c, key) != NULL)
			continue; /* files come first */
		text = conf_expand(l, value, at);
		l->no_memory |= text != NULL && conf_var_set(l, key, text, at) < 0;
	}
}

static void take_options(struct conf_loader *l, bool ldap, struct bytes rows, const char *file)
{
	struct conf_place at = { .file = file };
	struct bytes key, value;

	while (next_row(&rows, &key, &value)) {
		enum opt_id id;

		at.line++;
		if (conf_is_variable(key) || !is_sane(l, key, value, at))
			continue;
		id = opt_index_find(&l->index, key);
		if (bytes_eq_nocase(key, BYTES("confserialnumber")))
			set_serial(l, ldap ? CONF_LDAP : CONF_SQL, value, at);
		else if (id != OPT_ROWS)
			set_option(l, id, value, at);
		else
			conf_unknown_key(l, key, at);
	}
}

static void read_options(struct conf_loader *l, bool ldap)
{
	const char *file = ldap ? CONF_PLACE_LDAP "Base" : CONF_PLACE_SQL "Config";
	struct bytes rows;

	if (!ask(l, ldap, CONF_QUERY_SETTINGS, "", &rows))
		return;
	if (rows.n == 0)
		conf_problem_add(l->report, CONF_WARNING,
				 l->raw[ldap ? OPT_LDAP_SERVER : OPT_SQL_CONFIG].at,
				 "%s: there is nothing for this host",
				 ldap ? "LDAP Server" : "SQL Config");
	take_variables(l, rows, file);
	take_options(l, ldap, rows, file);
}

static void keep_spamassassin(struct conf_loader *l)
{
	struct bytes rows, first, line;
	AUTO(str_fini) struct str text;

	if (!ask(l, false, CONF_QUERY_SPAMASSASSIN, "", &rows))
		return;
	str_init(&text, CONF_ROWS_MAX_BYTES);
	while (next_row(&rows, &first, &line)) {
		str_add_bytes(&text, line);
		str_add_char(&text, '\n');
	}
	l->no_memory |=
		text.failed || conf_keep_content(l, CONF_SPAMASSASSIN_LINES, str_bytes(&text)) < 0;
}

static void read_sql(struct conf_loader *l)
{
	bool any = false;

	for (enum conf_query_kind k = 0; k < CONF_QUERIES; k++)
		any |= asks_sql(l, k);
	if (!any)
		conf_problem_add(l->report, CONF_WARNING, l->raw[OPT_DB_DSN].at,
				 "DB DSN names a database, but there is no SQL statement to ask "
				 "it: SQL Config, SQL Ruleset");
	if (asks_sql(l, CONF_QUERY_SERIAL))
		read_serial(l, false);
	if (asks_sql(l, CONF_QUERY_PEEK))
		peek_all(l);
	if (asks_sql(l, CONF_QUERY_SETTINGS))
		read_options(l, false);
	if (asks_sql(l, CONF_QUERY_SPAMASSASSIN))
		keep_spamassassin(l);
	l->c->serials[CONF_SQL].used = any;
}

void conf_database_read(struct conf_loader *l)
{
	for (enum conf_back_end b = 0; b < CONF_BACK_ENDS; b++)
		l->c->serials[b] = (struct conf_serial){ .number = -1 };
	if (l->fatal || l->no_memory) /* what the files say is wrong already */
		return;
	if (is_given(l, OPT_DB_DSN))
		read_sql(l);
	if (!has_ldap(l))
		return;
	read_serial(l, true);
	read_options(l, true);
	l->c->serials[CONF_LDAP].used = true;
}

/* ---- rulesets ---- */

bool conf_database_has_ruleset(struct conf_loader *l, const char *text, struct conf_place at)
{
	struct bytes b = bytes_str(text), rest = b, word;
	bool named = strstr(text, "customise") != NULL || strstr(text, "customize") != NULL ||
		     (b.n > 8 && bytes_eq(bytes_from(b, b.n - 8), BYTES(".RuleSet")));

	if (!named || has_ldap(l) || asks_sql(l, CONF_QUERY_RULESET))
		return named;
	if (bytes_next_word(&rest, &word) && word.n == b.n) /* a sentence may hold such a word */
		conf_note_add(l, at,
			      "'%s' looks like a ruleset in a database, but there is neither DB "
			      "DSN with SQL Ruleset nor LDAP Server",
			      SHOWN(b));
	return false;
}

static void no_rules(struct conf_loader *l, enum opt_id id, const char *name, struct conf_place at)
{
	const struct opt *o = &opt_rows[id];

	if ((o->flags & OPT_GUARD) != 0)
		conf_fatal(l, at, "%s: the database has no ruleset '%s'; mail would pass unchecked",
			   o->name, SHOWN(bytes_str(name)));
	else
		conf_problem_add(l->report, CONF_ERROR, at,
				 "%s: the database has no ruleset '%s'; the default '%s' is used",
				 o->name, SHOWN(bytes_str(name)), o->def);
}

bool conf_database_ruleset(struct conf_loader *l, enum opt_id id, const char *name,
			   struct conf_place at)
{
	bool ldap = !asks_sql(l, CONF_QUERY_RULESET);
	const char *file;
	struct bytes rows;

	if (!ask_for(l, ldap, CONF_QUERY_RULESET, name, id, &rows))
		return false;
	if (rows.n == 0) {
		no_rules(l, id, name, at);
		return false;
	}
	file = arena_printf(l->c->arena, "%s %s", ldap ? "LDAP ruleset" : "SQL Ruleset",
			    SHOWN(bytes_str(name)));
	l->no_memory |= file == NULL;
	return file != NULL && ruleset_load_rows(l, id, file, rows, at);
}
