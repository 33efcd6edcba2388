/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/print_sample.c - config/sallyport.conf. */
#include "conf/print.h"

#define COMMENT_COLUMNS 96u

static const char head[] =
	"# Sallyport configuration: the format and the options of MailScanner 5, and a section of "
	"our "
	"own.\n"
	"#\n"
	"# This file is made from the option table (scripts/gen-conf); put your own settings into "
	"a "
	"file\n"
	"# in conf.d/, which is read last. sallyport.conf(5) tells the syntax, rulesets included.\n"
	"# \"sallyport check\" names every mistake; \"sallyport config --changed\" shows what you "
	"changed.\n"
	"\n"
	"# Who you are. Lines below use these variables as they are *here*, so change them here.\n"
	"%org-name% = yoursite\n"
	"%org-long-name% = Your Organisation Name Here\n"
	"%web-site% = www.your-organisation.com\n"
	"\n"
	"# Where files are. %conf-dir% is the directory of this file.\n"
	"%etc-dir% = %conf-dir%\n"
	"%report-dir% = %etc-dir%/reports/en\n"
	"%rules-dir% = %etc-dir%/rules\n"
	"%mcp-dir% = %etc-dir%/mcp\n";

static const char tail[] = "\n# Your own settings; the last line for an option counts.\n"
			   "include %etc-dir%/conf.d/*\n";

/* @text as comment lines, broken at blanks. */
static void add_comment(struct str *out, const char *text)
{
	struct bytes rest = bytes_str(text), word;
	size_t column = 0;

	while (bytes_next_word(&rest, &word)) {
		if (column > 0 && column + 1 + word.n > COMMENT_COLUMNS) {
			str_add_char(out, '\n');
			column = 0;
		}
		if (column == 0) {
			str_add_char(out, '#');
			column = 1;
		}
		str_add_char(out, ' ');
		str_add_bytes(out, word);
		column += 1 + word.n;
	}
	str_add_char(out, '\n');
}

static void add_words(struct str *out, const char *words)
{
	struct bytes rest = bytes_str(words);
	bool first = true;

	while (rest.n > 0) {
		ptrdiff_t end = bytes_index(rest, ';');
		struct bytes item = end < 0 ? rest : bytes_head(rest, (size_t)end);
		ptrdiff_t eq;

		rest = bytes_from(rest, end < 0 ? rest.n : (size_t)end + 1);
		item = bytes_trim(item);
		eq = bytes_index(item, '=');
		if (!first)
			str_add(out, rest.n == 0 ? " or " : ", ");
		str_add_bytes(out, eq < 0 ? item : bytes_head(item, (size_t)eq));
		first = false;
	}
}

static void add_cpu_list(struct str *out, const char *words)
{
	for (; *words != '\0'; words++) {
		if (*words == '|')
			str_add(out, ", ");
		else
			str_add_char(out, *words);
	}
	str_add(out, ", or numbers such as 0,2-5");
}

static void add_known(struct str *out, const char *words)
{
	str_add(out, "text; known are ");
	for (; *words != '\0'; words++) {
		if (*words == '|')
			str_add(out, ", ");
		else
			str_add_char(out, *words);
	}
}

static void add_bounds(struct str *out, const char *words)
{
	struct bytes b = bytes_str(words);
	ptrdiff_t at = bytes_find(b, BYTES(".."));

	str_add(out, "a number from ");
	str_add_bytes(out, bytes_head(b, (size_t)at));
	str_add(out, " to ");
	str_add_bytes(out, bytes_from(b, (size_t)at + 2));
}

void conf_print_values(struct str *out, const struct opt *o)
{
	static const char *const plain[] = {
		[OPT_NUMBER] = "a number; k, m and g are thousands, millions and billions",
		[OPT_DIR] = "an existing directory",
		[OPT_FILE] = "an existing file, or several",
		[OPT_COMMAND] = "a command with its arguments",
		[OPT_STRING] = "text",
		[OPT_OTHER] = "text",
	};

	if (o->type == OPT_YESNO || o->type == OPT_ENUM)
		add_words(out, o->words);
	else if ((o->flags & OPT_CPU_LIST) != 0)
		add_cpu_list(out, o->words);
	else if (o->words != NULL && o->type == OPT_NUMBER)
		add_bounds(out, o->words);
	else if (o->words != NULL)
		add_known(out, o->words);
	else
		str_add(out, plain[o->type]);
}

static bool is_idle(const struct opt *o)
{
	return (o->flags & (OPT_NO_EFFECT | OPT_OBSOLETE)) != 0;
}

static void add_facts(struct str *s, const struct opt *o)
{
	str_add(s, "Value: ");
	conf_print_values(s, o);
	if (o->ruleset == OPT_FIRST_MATCH)
		str_add(s, ". May be a ruleset");
	if (o->ruleset == OPT_ALL_MATCHES)
		str_add(s, ". May be a ruleset of which all matching rules count");
	if (o->shipped != NULL)
		str_addf(s, ". If the line is missing: %s", o->def[0] == '\0' ? "empty" : o->def);
	str_add_char(s, '.');
	if ((o->flags & OPT_RESTART) != 0)
		str_add(s, " Read only at the start.");
	if ((o->flags & OPT_LATER) != 0)
		str_add(s, " Not built yet: accepted without effect.");
}

/* An option without effect is shown, but as a comment. */
static void add_row(struct str *out, const struct opt *o)
{
	const char *value = o->shipped != NULL ? o->shipped : o->def;
	AUTO(str_fini) struct str facts;

	str_init(&facts, 4000);
	add_facts(&facts, o);
	str_add_char(out, '\n');
	add_comment(out, o->doc);
	if (!is_idle(o))
		add_comment(out, str_view(&facts));
	else
		str_addf(out, "# Without effect: %s\n", o->why);
	str_addf(out, "%s%s =%s%s\n", is_idle(o) ? "#" : "", o->name, *value == '\0' ? "" : " ",
		 value);
	out->failed |= facts.failed;
}

static void add_heading(struct str *out, const char *section)
{
	str_add(out, "\n\n# ");
	for (size_t i = 0; i < strlen(section); i++)
		str_add_char(out, '=');
	str_addf(out, "\n# %s\n# ", section);
	for (size_t i = 0; i < strlen(section); i++)
		str_add_char(out, '=');
	str_add_char(out, '\n');
}

void conf_print_sample(struct str *out)
{
	const char *section = "";

	str_add(out, head);
	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		const struct opt *o = &opt_rows[id];

		if (strcmp(section, o->section) != 0)
			add_heading(out, o->section);
		section = o->section;
		add_row(out, o);
	}
	str_add(out, tail);
}
