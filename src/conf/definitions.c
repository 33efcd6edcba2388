/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf/definitions.c - the files of definitions, line by line. MailScanner dies of a definition it
 * does not understand and silently never uses a host it cannot find; here both are told, at the
 * line.
 */
#include "conf/definitions.h"

#include <stdlib.h>

#include "conf/conf_internal.h"
#include "conf/explain.h"
#include "conf/ip.h"

#define TOLD_MAX 50u /* of one file: a list of another format has a million lines */

struct reader {
	const struct conf *c;
	struct conf_report *r;
	struct conf_place at;
	struct bytes line; /* as in the file */
	size_t told;
};

static void tell(struct reader *rd, enum conf_severity severity, struct bytes part,
		 const char *text)
{
	rd->at.column = (unsigned)(part.p - rd->line.p) + 1;
	if (rd->told < TOLD_MAX)
		conf_problem_add(rd->r, severity, rd->at, "'%s' %s", SHOWN(part), text);
	else if (rd->told == TOLD_MAX)
		conf_problem_add(rd->r, severity, rd->at,
				 "more than %u problems in this file; the rest is not shown",
				 TOLD_MAX);
	rd->told++;
}

/* ---- spam lists and virus scanners ---- */

/* Two fields or three, separated by blanks. */
static bool split_definition(struct reader *rd, struct bytes text, struct bytes *ret_value)
{
	struct bytes rest = text, name, more;

	if (!bytes_next_word(&rest, &name) || !bytes_next_word(&rest, ret_value)) {
		tell(rd, CONF_ERROR, text, "is no definition: expected a name and its value");
		return false;
	}
	if (bytes_next_word(&rest, &more) && bytes_trim(rest).n > 0) {
		tell(rd, CONF_ERROR, bytes_trim(rest),
		     "is one word too many: expected a name and one or two values, and comments in "
		     "lines of their own");
		return false;
	}
	return true;
}

static bool is_zone(struct bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		if (!ascii_is_alnum(b.p[i]) && b.p[i] != '-' && b.p[i] != '_' &&
		    (b.p[i] != '.' || i == 0))
			return false;
	return b.n > 0 && bytes_index(b, '.') > 0;
}

static void check_spam_list(struct reader *rd, struct bytes text)
{
	struct bytes value, zone, answer;
	uint8_t addr[16];
	ptrdiff_t eq;
	bool v6;

	if (!split_definition(rd, text, &value))
		return;
	eq = bytes_index(value, '=');
	zone = eq < 0 ? value : bytes_head(value, (size_t)eq);
	if (!is_zone(zone)) {
		tell(rd, CONF_ERROR, value, "is no zone: expected ZONE or ZONE=ANSWER");
		return;
	}
	if (eq < 0)
		return;
	answer = bytes_from(value, (size_t)eq + 1);
	if (!ip_parse(answer, addr, &v6) || v6)
		tell(rd, CONF_ERROR, value,
		     "has no IPv4 address behind '=': expected an answer such as 127.0.0.2");
}

static void check_scanner(struct reader *rd, struct bytes text)
{
	struct bytes wrapper;

	if (split_definition(rd, text, &wrapper) && wrapper.p[0] != '/')
		tell(rd, CONF_WARNING, wrapper, "is no absolute path of a wrapper");
}

/* ---- hosts and domains ---- */

static bool has_upper(struct bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] >= 'A' && b.p[i] <= 'Z')
			return true;
	return false;
}

static void check_host(struct reader *rd, struct bytes text)
{
	struct bytes rest = text, host, bare;

	if (!bytes_next_word(&rest, &host))
		return;
	bare = bytes_starts(host, BYTES("*.")) ? bytes_from(host, 2) : host;
	if (bytes_eq(host, BYTES("REMOVE")) && bytes_trim(rest).n > 0)
		tell(rd, CONF_WARNING, host,
		     "takes nothing off the list, nor did it in MailScanner; delete the host's "
		     "line");
	else if (has_upper(host))
		tell(rd, CONF_WARNING, host, "is never found: hosts are looked up in lower case");
	else if (bytes_index(bare, '*') >= 0 || bytes_index(bare, '/') >= 0 ||
		 bytes_index(bare, ':') >= 0 || bytes_index(bare, '@') >= 0)
		tell(rd, CONF_WARNING, host, "is never found: expected HOST or *.DOMAIN");
}

static void check_country(struct reader *rd, struct bytes text)
{
	struct bytes rest = text, domain;
	unsigned dots = 0;

	if (!bytes_next_word(&rest, &domain))
		return;
	for (size_t i = 0; i < domain.n; i++)
		dots += domain.p[i] == '.';
	if (dots > 2)
		tell(rd, CONF_WARNING, domain,
		     "is skipped: expected a domain with one or two dots, such as co.uk");
}

static void check_phrase(struct reader *rd, struct bytes text)
{
	if (bytes_index(text, '=') <= 0)
		tell(rd, CONF_WARNING, text, "is no phrase: expected KEY = TEXT");
}

/* ---- files ---- */

static void check_file(struct reader *rd, struct bytes content,
		       void (*check)(struct reader *rd, struct bytes text))
{
	if (bytes_starts(content, BYTES("\xef\xbb\xbf")))
		content = bytes_from(content, 3);
	rd->told = 0;
	rd->at.line = 0;
	while (bytes_next_line(&content, &rd->line)) {
		struct bytes text = bytes_trim(rd->line);

		rd->at.line++;
		if (text.n == 0 || text.p[0] == '#')
			continue;
		if (bytes_index(text, '\0') >= 0)
			tell(rd, CONF_ERROR, text, "holds a NUL byte");
		else
			check(rd, text);
	}
}

static const struct kind {
	enum opt_id id, switch_id; /* OPT_ROWS: no option switches it off */
	void (*check)(struct reader *rd, struct bytes text);
} kinds[] = {
	{ OPT_SPAM_LIST_DEFINITIONS, OPT_ROWS, check_spam_list },
	{ OPT_VIRUS_SCANNER_DEFINITIONS, OPT_ROWS, check_scanner },
	{ OPT_PHISHING_SAFE_SITES_FILE, OPT_FIND_PHISHING_FRAUD, check_host },
	{ OPT_PHISHING_BAD_SITES_FILE, OPT_FIND_PHISHING_FRAUD, check_host },
	{ OPT_COUNTRY_SUB_DOMAINS_LIST, OPT_ROWS, check_country },
	{ OPT_LANGUAGE_STRINGS, OPT_ROWS, check_phrase },
};

/* MailScanner does not read them then. */
static bool is_switched_off(const struct conf *c, enum opt_id id)
{
	return id < OPT_ROWS && c->settings[id].rules == NULL && !conf_bool(c, id, NULL);
}

static void check_words(struct reader *rd, const struct kind *k, const char *files)
{
	struct bytes rest = bytes_str(files), word, content;

	while (bytes_next_word(&rest, &word)) {
		rd->at.file = arena_str(rd->c->arena, word);
		if (rd->at.file != NULL && conf_file(rd->c, rd->at.file, &content) == 0)
			check_file(rd, content, k->check);
	}
}

/* ---- names in options ---- */

static bool is_defined(struct bytes content, struct bytes name)
{
	struct bytes line, word;

	while (bytes_next_line(&content, &line)) {
		line = bytes_trim(line);
		if (bytes_next_word(&line, &word) && bytes_eq_nocase(word, name))
			return true;
	}
	return false;
}

static void check_names(struct reader *rd, enum opt_id id, const char *value)
{
	const char *file = conf_str(rd->c, OPT_SPAM_LIST_DEFINITIONS, NULL);
	struct bytes rest = bytes_str(value), name, content;

	if (conf_file(rd->c, file, &content) < 0)
		return;
	while (bytes_next_word(&rest, &name)) {
		const char *text;

		name.n -= name.p[name.n - 1] == ',';
		if (name.n == 0 || is_defined(content, name))
			continue;
		text = arena_printf(rd->c->arena, "%s: '%s' is not defined in %s",
				    opt_rows[id].name, SHOWN(name), SHOWN(bytes_str(file)));
		if (text != NULL)
			conf_report_option(rd->c, rd->r, CONF_WARNING, id, text);
	}
}

/* Everything that @id can be for anybody: files of kind @k, or names when that is NULL. */
static void each_value(struct reader *rd, enum opt_id id, const struct kind *k)
{
	const char **values;
	size_t n;

	if (conf_values(rd->c, id, &values, &n) < 0)
		return; /* what is checked next says that there is no memory */
	for (size_t i = 0; i < n; i++) {
		if (k != NULL)
			check_words(rd, k, values[i]);
		else
			check_names(rd, id, values[i]);
	}
	free(values);
}

void conf_check_definitions(const struct conf *c, struct conf_report *r)
{
	static const enum opt_id named[] = { OPT_SPAM_LIST, OPT_SPAM_DOMAIN_LIST };
	struct reader rd = { .c = c, .r = r };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!is_switched_off(c, kinds[i].switch_id))
			each_value(&rd, kinds[i].id, &kinds[i]);
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		each_value(&rd, named[i], NULL);
}
