/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf/print_manual.c - docs/man/sallyport.conf.5. */
#include "conf/print.h"

static const char head[] =
	".\\\" SPDX-License-Identifier: GPL-2.0-or-later\n"
	".\\\" Made from the option table by scripts/gen-conf; do not edit.\n"
	".TH SALLYPORT.CONF 5 \"\" \"Sallyport\" \"File formats\"\n"
	".\\\" Long paths would tear holes into adjusted lines.\n"
	".ad l\n"
	".SH NAME\n"
	"sallyport.conf \\- configuration of the Sallyport mail security gateway\n"
	".SH DESCRIPTION\n"
	"The format is that of MailScanner 5, whose files are read as they are.\n"
	".SS Lines\n"
	"Everything from the first # to the end of a line is ignored, wherever it stands: a value\n"
	"cannot contain one. Lines are not continued.\n"
	".TP\n"
	".IB Option \" = \" value\n"
	"Sets an option. In the name only letters and digits count, in any case. The last line for "
	"an\n"
	"option wins. An unknown name gives a warning, a line that makes no sense stops the load.\n"
	".TP\n"
	".BI % name \"% = \" text\n"
	"Defines a variable. \\fB%\\fIname\\fB%\\fR is replaced in the lines \\fIbelow\\fR; "
	"setting the\n"
	"variable again changes nothing above. Predefined are %conf-dir%, the directory of the "
	"main\n"
	"file, and %version%.\n"
	".TP\n"
	".BI include \" pattern\"\n"
	"Reads the files that match the shell pattern, sorted by name, each of them once.\n"
	".PP\n"
	"After variables, \\fB$NAME\\fR and \\fB${NAME}\\fR are replaced from the environment, and "
	"then\n"
	"\\fB\\en\\fR by a line feed.\n"
	".SS Values\n"
	"A bad value gives a problem, and the built-in default holds. Numbers may have a fraction, "
	"_\n"
	"between digits, and one of k, m and g behind them: thousand, million, billion. An empty "
	"value\n"
	"of a number, file, directory or command is as if the line were missing; of text it is the "
	"empty\n"
	"text. Where a bad value would let mail pass unchecked, the configuration is refused.\n"
	".SS Rulesets\n"
	"Most options take the name of a ruleset instead of a value: a file, by convention ending "
	"in\n"
	"\\fB.rules\\fR, with lines\n"
	".PP\n"
	".RS\n"
	".I direction pattern value\n"
	".br\n"
	".IB \"direction pattern\" \" and \" \"direction pattern value\"\n"
	".RE\n"
	".PP\n"
	"Directions are From:, To: (any recipient), FromOrTo:, FromAndTo: (the sender and all "
	"recipients)\n"
	"and Virus: (text of a report). Patterns are\n"
	".TP\n"
	".B user@domain, domain, *.domain, user@, *\n"
	"Envelope addresses; * is any run of characters. A domain does not stand for its "
	"sub-domains. Other\n"
	"characters of regular expressions count as such.\n"
	".TP\n"
	".B /expression/\n"
	"A regular expression on the address, in any case. One without any lower-case letter, not "
	"even in\n"
	"an escape, is matched with the client's IP address.\n"
	".TP\n"
	".B 192.0.2.1, 192.0.2., 192.0.2.0/24, 192.0.2.1-192.0.2.9, 2001:db8::/32\n"
	"The client's IP address. What consists of the characters 0-9 a-f . : only is the "
	"beginning of an\n"
	"address, even if it looks like a domain: write *@bad.de.\n"
	".TP\n"
	".B host:name, host-nocheck:name\n"
	"The client's name and all names below it; with host: only if the name leads back to the "
	"address.\n"
	".TP\n"
	".B /file\n"
	"A file with one pattern on each line.\n"
	".TP\n"
	".B default\n"
	"The value when no rule matches, wherever the line stands. The null sender matches only "
	"/^$/.\n"
	".PP\n"
	"Depending on the option, the first matching rule counts, or the values of all matching "
	"rules\n"
	"are joined, those of To: once for each matching recipient.\n"
	".SH OPTIONS\n"
	"Shown are the values of the sample file.\n";

static const char tail[] = ".SH SEE ALSO\n.BR sallyport (1),\n.BR sallyportd (8)\n";

static void add_escaped(struct str *out, const char *text)
{
	bool start = true;

	for (; *text != '\0'; text++) {
		if (start && (*text == '.' || *text == '\''))
			str_add(out, "\\&");
		if (*text == '\\')
			str_add(out, "\\e");
		else if (*text == '-')
			str_add(out, "\\-");
		else
			str_add_char(out, *text);
		start = false;
	}
}

static void add_sentence(struct str *out, const char *label, const char *text)
{
	str_add(out, label);
	add_escaped(out, text);
	str_add(out, ".\n");
}

static void add_flags(struct str *out, const struct opt *o)
{
	if (o->ruleset == OPT_FIRST_MATCH)
		str_add(out, "May be a ruleset.\n");
	if (o->ruleset == OPT_ALL_MATCHES)
		str_add(out, "May be a ruleset of which all matching rules count.\n");
	if (o->shipped != NULL)
		add_sentence(out, "If the line is missing: ", *o->def == '\0' ? "empty" : o->def);
	if ((o->flags & OPT_OURS) != 0)
		str_add(out, "Not an option of MailScanner.\n");
	if ((o->flags & OPT_RESTART) != 0)
		str_add(out, "Read only at the start.\n");
	if ((o->flags & OPT_LATER) != 0)
		str_add(out, "Not built yet: accepted without effect.\n");
}

static void add_row(struct str *out, const struct opt *o)
{
	const char *value = o->shipped != NULL ? o->shipped : o->def;
	AUTO(str_fini) struct str values;

	str_init(&values, 4000);
	str_add(out, ".TP\n\\fB");
	add_escaped(out, o->name);
	str_add(out, "\\fR = ");
	add_escaped(out, value);
	str_add_char(out, '\n');
	add_escaped(out, o->doc);
	str_add_char(out, '\n');
	if (o->why != NULL) {
		str_add(out, "Accepted without effect: ");
		add_escaped(out, o->why);
		str_add_char(out, '\n');
		return;
	}
	conf_print_values(&values, o);
	add_sentence(out, "Value: ", str_view(&values));
	add_flags(out, o);
}

void conf_print_manual(struct str *out)
{
	const char *section = "";

	str_add(out, head);
	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		const struct opt *o = &opt_rows[id];

		if (strcmp(section, o->section) != 0) {
			str_add(out, ".SS ");
			add_escaped(out, o->section);
			str_add_char(out, '\n');
		}
		section = o->section;
		add_row(out, o);
	}
	str_add(out, tail);
}
