/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/test_conf.c - lines, substitutions and value types of the main file. */
#include <errno.h>
#include <stdio.h>

#include "core/num.h"
#include "core/str.h"
#include "tests/conf/site.h"

/* One configuration, one option, what it must be and what must be said about it. */
struct one {
	const char *text;
	enum opt_id id;
	const char *value; /* internal, or the number as %g; NULL: loading must fail */
	const char *says;  /* part of a problem; NULL: no problem at all */
	unsigned line, column;
};

static const struct one lines[] = {
	/* keys and comments */
	{ "Max Children = 7\n", OPT_MAX_CHILDREN, "7", NULL, 0, 0 },
	{ "  max CHILDREN=7  \r\n", OPT_MAX_CHILDREN, "7", NULL, 0, 0 },
	{ "Max Children = 7 # eight\n", OPT_MAX_CHILDREN, "7", NULL, 0, 0 },
	{ "# Max Children = 7\n", OPT_MAX_CHILDREN, "5", NULL, 0, 0 },
	{ "Max Children = 7", OPT_MAX_CHILDREN, "7", NULL, 0, 0 },
	{ "\xef\xbb\xbf# byte order mark\nchildren = 8\n", OPT_MAX_CHILDREN, "8", NULL, 0, 0 },
	{ "Max Children = 7\nChildren = 9\n", OPT_MAX_CHILDREN, "9", NULL, 0, 0 },
	{ "Children = 9\nMax Children = 7\n", OPT_MAX_CHILDREN, "7", NULL, 0, 0 },
	{ "Max Children = 7\nMax Children = seven\n", OPT_MAX_CHILDREN, "5", "is not a number", 2,
	  16 },
	{ "Max Children = seven\nMax Children = 7\n", OPT_MAX_CHILDREN, "7", NULL, 0, 0 },
	{ "Notices From = a = b\n", OPT_NOTICES_FROM, "a = b", NULL, 0, 0 },
	{ "Notices From = pound # sign\n", OPT_NOTICES_FROM, "pound", NULL, 0, 0 },
	{ "\n\n  Max Childern = 7\n", OPT_MAX_CHILDREN, "5", "did you mean 'Max Children'", 3, 3 },
	{ "Zwiebelkuchen = 7\n", OPT_MAX_CHILDREN, "5", "there is no option 'Zwiebelkuchen'", 1,
	  1 },
	{ "Max Children 7\n", OPT_MAX_CHILDREN, NULL, "makes no sense", 1, 1 },
	{ "a = b\n nonsense\n", OPT_MAX_CHILDREN, NULL, "makes no sense", 2, 2 },
	{ " = 7\n", OPT_MAX_CHILDREN, NULL, "no option name", 1, 2 },
	{ "--- = 7\n", OPT_MAX_CHILDREN, NULL, "no option name", 1, 1 },
	{ "include = 7\n", OPT_MAX_CHILDREN, "5", "write 'include FILE' without '='", 1, 1 },
	{ "include \"/f1\"\n", OPT_MAX_CHILDREN, "5", "leave them out", 1, 1 },
	{ "include /f1 /nowhere\n", OPT_MAX_CHILDREN, NULL, "no file matches '/nowhere'", 1, 1 },
	{ "; comment\n", OPT_MAX_CHILDREN, NULL, "a comment begins with '#'", 1, 1 },
	{ "// comment\n", OPT_MAX_CHILDREN, NULL, "a comment begins with '#'", 1, 1 },
	{ "Notices To = a, \\\n  b\n", OPT_MAX_CHILDREN, NULL, "lines cannot be continued", 2, 3 },
	{ "Max Children: 7\n", OPT_MAX_CHILDREN, NULL, "the '=' behind the option's name", 1, 1 },
	{ "max children 7\n", OPT_MAX_CHILDREN, NULL, "the '=' behind the option's name", 1, 1 },
	{ "MTA\n", OPT_MAX_CHILDREN, NULL, "the '=' behind the option's name", 1, 1 },
	{ "\xff\xfeM\0\n", OPT_MAX_CHILDREN, NULL, "is written in UTF-16", 1, 1 },
	{ "include\n", OPT_MAX_CHILDREN, NULL, "needs the name", 1, 1 },
	{ "include /nowhere/*\n", OPT_MAX_CHILDREN, "5", "no file matches", 1, 1 },
	{ "includes /nowhere/*\n", OPT_MAX_CHILDREN, NULL, "makes no sense", 1, 1 },

	/* substitution */
	{ "%org-name% = acme\nNotices From = %org-name% mail\n", OPT_NOTICES_FROM, "acme mail",
	  NULL, 0, 0 },
	{ "%Org-Name% = acme\nNotices From = %ORG-NAME%\n", OPT_NOTICES_FROM, "acme", NULL, 0, 0 },
	{ "Notices From = [%nobody%]\n", OPT_NOTICES_FROM, "[]", "%nobody% is not defined", 1, 16 },
	{ "%a% = 1\nNotices From = %a%\n%a% = 2\n", OPT_NOTICES_FROM, "1", NULL, 0, 0 },
	{ "%a% = 1\n%b% = %a%%a%\n%a% = 2\nNotices From = %b%%a%\n", OPT_NOTICES_FROM, "112", NULL,
	  0, 0 },
	{ "%a% =\nNotices From = x%a%y\n", OPT_NOTICES_FROM, "xy", NULL, 0, 0 },
	{ "Spam Score Number Format = %5.2f\n", OPT_SPAM_SCORE_NUMBER_FORMAT, "%5.2f", NULL, 0, 0 },
	{ "Spam Score Number Format = %d of %d\n", OPT_SPAM_SCORE_NUMBER_FORMAT, "d",
	  "%d of % is not defined", 1, 28 },
	{ "Spam Score Number Format = 100%%\n", OPT_SPAM_SCORE_NUMBER_FORMAT, "100%%", NULL, 0, 0 },
	{ "Notices From = %conf-dir%\n", OPT_NOTICES_FROM, "/site", NULL, 0, 0 },
	{ "Notices From = v%version%\n", OPT_NOTICES_FROM, "v" SALLYPORT_VERSION, NULL, 0, 0 },
	{ "Hostname = the $HOST mail\n", OPT_HOSTNAME, "the mx1 mail", NULL, 0, 0 },
	{ "Hostname = ${HOST}x\n", OPT_HOSTNAME, "mx1x", NULL, 0, 0 },
	{ "Hostname = [$NOTHING]\n", OPT_HOSTNAME, "[]", NULL, 0, 0 },
	{ "Hostname = 5$ and ${HOST and $-\n", OPT_HOSTNAME, "5$ and ${HOST and $-", NULL, 0, 0 },
	{ "%d% = $HOST\nHostname = %d%\n", OPT_HOSTNAME, "mx1", NULL, 0, 0 },
	{ "Notice Signature = a\\nb\\tc\n", OPT_NOTICE_SIGNATURE, "a\nb\\tc", NULL, 0, 0 },

	/* yes, no and other words */
	{ "Virus Scanning = No\n", OPT_VIRUS_SCANNING, "0", NULL, 0, 0 },
	{ "Virus Scanning = YES,\n", OPT_VIRUS_SCANNING, "1", NULL, 0, 0 },
	{ "Virus Scanning = yes, no\n", OPT_VIRUS_SCANNING, "1 0", NULL, 0, 0 },
	{ "Virus Scanning = yse\n", OPT_VIRUS_SCANNING, "1", "not one of: no, yes", 1, 18 },
	{ "Virus Scanning = no maybe\n", OPT_VIRUS_SCANNING, "1", "'no maybe' is not one of", 1,
	  18 },
	{ "Virus Scanning = \"no\"\n", OPT_VIRUS_SCANNING, "1", "one of: no, yes (quotes count", 1,
	  18 },
	{ "Virus Scanning = no \\\n", OPT_VIRUS_SCANNING, "1", "(lines cannot be continued", 1,
	  18 },
	{ "Virus Scanning = 0\n", OPT_VIRUS_SCANNING, "1", "is not one of", 1, 18 },
	{ "Virus Scanning =\n", OPT_VIRUS_SCANNING, "1", "'' is not one of", 1, 17 },
	{ "Allow IFrame Tags = disarm\n", OPT_ALLOW_IFRAME_TAGS, "convert", NULL, 0, 0 },
	{ "Allow IFrame Tags = Convert\n", OPT_ALLOW_IFRAME_TAGS, "convert", NULL, 0, 0 },
	{ "Scan Messages = virus\n", OPT_SCAN_MESSAGES, "2", NULL, 0, 0 },
	{ "Use TNEF Contents = add\n", OPT_USE_TNEF_CONTENTS, "1", NULL, 0, 0 },
	{ "Missing Mail Archive Is = FILE\n", OPT_MISSING_MAIL_ARCHIVE_IS, "0", NULL, 0, 0 },
	{ "Spam Modify Subject = end\n", OPT_SPAM_MODIFY_SUBJECT, "end", NULL, 0, 0 },
	{ "Virus Scanning = no a@b.example\n", OPT_VIRUS_SCANNING, "0 a@b.example",
	  "address 'a@b.example' stands among", 1, 18 },
	{ "Read IP Address From Received Header = 2\n", OPT_READ_IP_ADDRESS_FROM_RECEIVED_HEADER,
	  "2", NULL, 0, 0 },
	{ "Read IP Address From Received Header = yes\n", OPT_READ_IP_ADDRESS_FROM_RECEIVED_HEADER,
	  "1", NULL, 0, 0 },
	{ "Read IP Address From Received Header = first\n",
	  OPT_READ_IP_ADDRESS_FROM_RECEIVED_HEADER, "0", "one of: no, yes, <number>", 1, 40 },

	/* numbers */
	{ "Max Children = 1_000\n", OPT_MAX_CHILDREN, "1000", NULL, 0, 0 },
	{ "Max Children = 2k\n", OPT_MAX_CHILDREN, "2000", NULL, 0, 0 },
	{ "Max Children = 2M\n", OPT_MAX_CHILDREN, "2e+06", NULL, 0, 0 },
	{ "Max Children = 2g\n", OPT_MAX_CHILDREN, "2e+09", NULL, 0, 0 },
	{ "Max Children = 1.5k\n", OPT_MAX_CHILDREN, "1500", NULL, 0, 0 },
	{ "Max Children = .5\n", OPT_MAX_CHILDREN, "0.5", NULL, 0, 0 },
	{ "Maximum Attachment Size = -1\n", OPT_MAXIMUM_ATTACHMENT_SIZE, "-1", NULL, 0, 0 },
	{ "Required SpamAssassin Score = 6.5\n", OPT_REQUIRED_SPAMASSASSIN_SCORE, "6.5", NULL, 0,
	  0 },
	{ "Max Children = 20 bytes\n", OPT_MAX_CHILDREN, "20", "is ignored", 1, 16 },
	{ "Max Children = 1,000\n", OPT_MAX_CHILDREN, "1", "'1,000' counts as 1; ',000' behind", 1,
	  16 },
	{ "Max Children = 0x10\n", OPT_MAX_CHILDREN, "0", "'0x10' counts as 0; 'x10' behind", 1,
	  16 },
	{ "Max Children = 1e6\n", OPT_MAX_CHILDREN, "1", "counts as 1;", 1, 16 },
	{ "Max Children = \xc2\xa0"
	  "3\n",
	  OPT_MAX_CHILDREN, "5", "'\\xc2\\xa03' is not a number", 1, 16 },
	{ "Max Children = 20mb\n", OPT_MAX_CHILDREN, "2e+07", "'b' behind the number", 1, 16 },
	{ "Max Children = 20 m\n", OPT_MAX_CHILDREN, "20", "is ignored", 1, 16 },
	{ "Max Children = m\n", OPT_MAX_CHILDREN, "5", "is not a number", 1, 16 },
	{ "Max Children = -\n", OPT_MAX_CHILDREN, "5", "is not a number", 1, 16 },
	{ "Max Children = .\n", OPT_MAX_CHILDREN, "5", "is not a number", 1, 16 },
	{ "Max Children =\n", OPT_MAX_CHILDREN, "5", NULL, 0, 0 },
	{ "Max Messages In Flight = 0\n", OPT_MAX_MESSAGES_IN_FLIGHT, "256", "in 1..65536", 1, 26 },
	{ "Worker Tmpfs Size = 1t\n", OPT_WORKER_TMPFS_SIZE, "2.56e+08", "not a number in", 1, 21 },

	/* directories, files, commands */
	{ "Quarantine Dir = /q/\n", OPT_QUARANTINE_DIR, "/q", NULL, 0, 0 },
	{ "Quarantine Dir = /nowhere\n", OPT_QUARANTINE_DIR, "/var/spool/MailScanner/quarantine",
	  "is not an existing directory", 1, 18 },
	{ "Quarantine Dir =\n", OPT_QUARANTINE_DIR, "/var/spool/MailScanner/quarantine", NULL, 0,
	  0 },
	{ "Lockfile Dir = /nowhere\n", OPT_LOCKFILE_DIR, "/nowhere", NULL, 0, 0 },
	{ "Phishing Safe Sites File = /f1 /f2\n", OPT_PHISHING_SAFE_SITES_FILE, "/f1 /f2", NULL, 0,
	  0 },
	{ "Phishing Safe Sites File = /f1 /f3\n", OPT_PHISHING_SAFE_SITES_FILE,
	  "/etc/MailScanner/phishing.safe.sites.conf", "'/f1 /f3' is not a file", 1, 28 },
	{ "Phishing Safe Sites File = /q\n", OPT_PHISHING_SAFE_SITES_FILE,
	  "/etc/MailScanner/phishing.safe.sites.conf", "is not a file", 1, 28 },
	{ "PID file = /not/yet.pid\n", OPT_PID_FILE, "/not/yet.pid", NULL, 0, 0 },
	{ "Sendmail = /bin/sm -x\n", OPT_SENDMAIL, "/bin/sm -x", NULL, 0, 0 },
	{ "Sendmail = /f1 -x\n", OPT_SENDMAIL, "/usr/sbin/sendmail", "executable", 1, 12 },
	{ "Filename Rules = /f1\n", OPT_FILENAME_RULES, "/f1", NULL, 0, 0 },
	{ "Filename Rules = /nowhere\n", OPT_FILENAME_RULES, NULL, "mail would pass unchecked", 1,
	  18 },
	{ "Filename Rules = names.conf\n", OPT_FILENAME_RULES, NULL, "mail would pass unchecked", 1,
	  18 },
	{ "Filename Rules =\n", OPT_FILENAME_RULES, "", NULL, 0, 0 },

	/* networks and ports */
	{ "Throttle Allow = 192.0.2.0/24, 2001:db8::/32 ::1\n", OPT_THROTTLE_ALLOW,
	  "192.0.2.0/24, 2001:db8::/32 ::1", NULL, 0, 0 },
	{ "Throttle Deny = 192.0.2.1 192.0.2.0/33\n", OPT_THROTTLE_DENY, "192.0.2.1 192.0.2.0/33",
	  "'192.0.2.0/33' is not an address or a network", 1, 27 },
	{ "Throttle Deny = /nowhere\n", OPT_THROTTLE_DENY, "/nowhere", "'/nowhere' is not a file",
	  1, 17 },
	{ "Throttle Ports = 25 465\n", OPT_THROTTLE_PORTS, "25 465", NULL, 0, 0 },
	{ "Throttle Ports =\n", OPT_THROTTLE_PORTS, "", NULL, 0, 0 },
	{ "Throttle Ports = 25 smtps\n", OPT_THROTTLE_PORTS, "25 465 587", "list of at most 16 TCP",
	  1, 18 },
	{ "Throttle Ports = 0\n", OPT_THROTTLE_PORTS, "25 465 587", "TCP ports", 1, 18 },
	{ "Throttle Ports = 65536\n", OPT_THROTTLE_PORTS, "25 465 587", "TCP ports", 1, 18 },
	{ "Throttle = enforce\n", OPT_THROTTLE, "2", NULL, 0, 0 },
	{ "Throttle = on\n", OPT_THROTTLE, "1", "one of: no, account, enforce", 1, 12 },

	/* any other text */
	{ "Silent Viruses = All-Viruses,\n", OPT_SILENT_VIRUSES, "All-Viruses", NULL, 0, 0 },
	{ "Silent Viruses =\n", OPT_SILENT_VIRUSES, "", NULL, 0, 0 },
	{ "Mail Header = X My Scanner:\n", OPT_MAIL_HEADER, "X-My-Scanner:", NULL, 0, 0 },
	{ "Mail Header = X My Scanner\n", OPT_MAIL_HEADER, "X My Scanner", NULL, 0, 0 },
	{ "Remove These Headers = X-A: X-B:\n", OPT_REMOVE_THESE_HEADERS, "X-A: X-B:", NULL, 0, 0 },
	{ "MTA = Exim4\n", OPT_MTA, "Exim4", NULL, 0, 0 },
	{ "MTA = qmial\n", OPT_MTA, "qmial", "none of the known words", 1, 7 },
	{ "Is Definitely Not Spam = &SQLWhitelist\n", OPT_IS_DEFINITELY_NOT_SPAM, "0",
	  "Perl function &SQLWhitelist cannot run", 1, 26 },
	{ "Is Definitely Not Spam = &SQLWhitelist\n", OPT_IS_DEFINITELY_NOT_SPAM, "0",
	  "a file of rules (/PATH.rules) or a ruleset from a database", 1, 26 },
	{ "Always Looked Up Last = &MailWatchLogging\n", OPT_ALWAYS_LOOKED_UP_LAST, "0",
	  "Message Log writes one JSON line", 1, 25 },
	{ "Max Children = &F\n", OPT_MAX_CHILDREN, "5", "write a plain value", 1, 16 },
	{ "Deny Filenames = &SiteNames(1)\n", OPT_DENY_FILENAMES, NULL, "mail would pass unchecked",
	  1, 18 },

	{ "MailScanner Version Number = 5.5.3\n", OPT_MAILSCANNER_VERSION_NUMBER, "5.5.3", NULL, 0,
	  0 },
	{ "MailScanner Version Number = 5.10\n", OPT_MAILSCANNER_VERSION_NUMBER, "5.10",
	  "was written for MailScanner 5.10", 1, 30 },
	{ "MailScanner Version Number = 4.85.2\n", OPT_MAILSCANNER_VERSION_NUMBER, "4.85.2", NULL,
	  0, 0 },

	/* built-in defaults are not the shipped values */
	{ "", OPT_RESTART_EVERY, "14400", NULL, 0, 0 },
	{ "", OPT_MAXIMUM_ARCHIVE_DEPTH, "2", NULL, 0, 0 },
	{ "", OPT_HIGH_SCORING_SPAM_ACTIONS, "deliver header \"X-Spam-Status: Yes\"", NULL, 0, 0 },
	{ "", OPT_FIRST_CHECK, "mcp", NULL, 0, 0 },
	{ "", OPT_FILENAME_RULES, "", NULL, 0, 0 },
	{ "", OPT_USE_WATERMARKING, "1", NULL, 0, 0 },
	{ "", OPT_MAX_SPAM_CHECK_SIZE, "150000", NULL, 0, 0 },
	{ "", OPT_NOTICE_SIGNATURE, "-- \nMailScanner\nEmail Processor\nwww.mailscanner.info", NULL,
	  0, 0 },
};

static void show_value(const struct conf *c, enum opt_id id, char *out, size_t size)
{
	enum opt_type type = opt_rows[id].type;

	if (type == OPT_NUMBER)
		(void)snprintf(out, size, "%g", conf_real(c, id, NULL));
	else if (type == OPT_YESNO || type == OPT_ENUM)
		(void)snprintf(out, size, "%s", conf_words(c, id, NULL));
	else
		(void)snprintf(out, size, "%s", conf_str(c, id, NULL));
}

static void check_one(const struct one *o)
{
	const struct conf_problem *p;
	char got[200] = "(not loaded)";
	struct site s;

	site_open(&s);
	site_file(&s, SITE_MAIN, o->text);
	site_file(&s, "/f1", "one");
	site_file(&s, "/f2", "two");
	site_dir(&s, "/q");
	site_command(&s, "/bin/sm");
	if (conf_source_add_env(s.source, "HOST", "mx1") < 0)
		abort();
	site_load(&s);
	if (s.conf != NULL)
		show_value(s.conf, o->id, got, sizeof(got));
	T_OK(o->value == NULL ? s.r < 0 && s.err.kind == ERR_CONFIG : strcmp(got, o->value) == 0,
	     "%.40s -> '%s'", o->text, got);
	p = site_problem(&s, o->says == NULL ? "" : o->says);
	if (!T_OK(o->says == NULL ? p == NULL
				  : p != NULL && p->line == o->line && p->column == o->column &&
					    strcmp(p->file, SITE_MAIN) == 0,
		  "  says %s at %u:%u", o->says == NULL ? "nothing" : o->says, o->line, o->column))
		site_show(&s);
	site_close(&s);
}

static void check_includes(void)
{
	struct site s;

	site_open(&s);
	site_file(&s, SITE_MAIN,
		  "%x% = 1\nMax Children = 2\ninclude %conf-dir%/conf.d/*\nNotices From = %x%\n");
	site_file(&s, "/site/conf.d/b", "Max Children = 4\n%x% = 2\n");
	site_file(&s, "/site/conf.d/a", "Max Children = 3\nInclude /site/other\n");
	site_file(&s, "/site/conf.d/.hidden", "Max Children = 99\n");
	site_file(&s, "/site/other", "Restart Every = %x%00\ninclude /site/main.conf\n");
	site_dir(&s, "/site/conf.d/old");
	site_load(&s);
	T_OK(s.r == 0 && conf_num(s.conf, OPT_MAX_CHILDREN, NULL) == 4,
	     "included files are read in order of their names, hidden ones are not");
	T_OK(s.r == 0 && conf_num(s.conf, OPT_RESTART_EVERY, NULL) == 100, "nested include");
	T_OK(s.r == 0 && strcmp(conf_str(s.conf, OPT_NOTICES_FROM, NULL), "2") == 0,
	     "a variable set in an included file holds behind it");
	T_OK(s.r == 0 && strcmp(conf_variable(s.conf, "X"), "2") == 0 &&
		     conf_variable(s.conf, "y") == NULL,
	     "conf_variable");
	T_OK(s.r == 0 &&
		     strcmp(conf_where(s.conf, OPT_MAX_CHILDREN, NULL), "/site/conf.d/b:1") == 0,
	     "where a value came from");
	T_OK(site_problem(&s, "has been read before") != NULL &&
		     strcmp(site_problem(&s, "read before")->file, "/site/other") == 0,
	     "a file is read once");
	T_OK(site_problem(&s, "'include /site/conf.d/old/*' reads") != NULL,
	     "a directory is skipped");
	site_close(&s);
}

static void check_include_depth(void)
{
	char name[40], text[60];
	struct site s;

	site_open(&s);
	site_file(&s, SITE_MAIN, "include /n/1\n");
	for (unsigned i = 1; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "/n/%u", i);
		(void)snprintf(text, sizeof(text), "Max Children = %u\ninclude /n/%u\n", i, i + 1);
		site_file(&s, name, text);
	}
	site_load(&s);
	T_OK(s.r == 0 && conf_num(s.conf, OPT_MAX_CHILDREN, NULL) == 19 &&
		     site_problem(&s, "nest deeper") != NULL,
	     "includes have a depth limit");
	site_close(&s);
}

static void check_errors(void)
{
	struct site s;

	site_text(&s, "one\ntwo\nMax Children = x\nthree\n");
	T_OK(s.r < 0 && s.conf == NULL && strstr(s.err.text, "/site/main.conf:1: 'one'") != NULL,
	     "the first fatal mistake is the reason: %s", s.err.text);
	T_OK(conf_report_count(s.report) == 4, "and all mistakes are in the report");
	site_close(&s);

	site_open(&s);
	site_load(&s);
	T_OK(s.r == -ENOENT && s.err.kind == ERR_CONFIG, "no main file: %s", s.err.text);
	site_close(&s);

	site_open(&s);
	if (conf_source_add(s.source, SITE_MAIN, CONF_FILE, false, BYTES("a = \0b\n")) < 0)
		abort();
	site_load(&s);
	T_OK(s.r < 0 && site_problem(&s, "NUL") != NULL, "a NUL byte is refused");
	site_close(&s);
}

static void check_many_problems(void)
{
	AUTO(str_fini) struct str text;
	const struct conf_problem *last;
	struct site s;

	str_init(&text, MIB);
	for (unsigned i = 0; i < 12000; i++)
		str_addf(&text, "qqqqzzzz %u = x\n", i);
	site_text(&s, str_view(&text));
	last = conf_report_at(s.report, conf_report_count(s.report) - 1);
	T_OK(s.r == 0 && conf_report_count(s.report) == 10001 &&
		     strstr(last->text, "more than 10000 problems") != NULL,
	     "the report has an end");
	site_close(&s);
}

static void check_bools(void)
{
	struct site s;

	site_text(&s, "Add Envelope To Header = yes no\nAdd Envelope From Header = yes no\n"
		      "Virus Scanning = no yes\nClamd Use Threads = no no\n"
		      "Allow Password-Protected Archives = yes yes\n");
	T_OK(!conf_bool(s.conf, OPT_ADD_ENVELOPE_TO_HEADER, NULL), "only ones");
	T_OK(!conf_bool(s.conf, OPT_ADD_ENVELOPE_FROM_HEADER, NULL), "no zero");
	T_OK(conf_bool(s.conf, OPT_ALLOW_PASSWORD_PROTECTED_ARCHIVES, NULL), "no zero, yes");
	T_OK(conf_bool(s.conf, OPT_VIRUS_SCANNING, NULL), "any one");
	T_OK(!conf_bool(s.conf, OPT_CLAMD_USE_THREADS, NULL), "two noes are no");
	T_OK(strcmp(conf_written(s.conf, OPT_VIRUS_SCANNING, NULL), "no yes") == 0 &&
		     strcmp(conf_where(s.conf, OPT_VIRUS_SCANNING, NULL), "/site/main.conf:3") == 0,
	     "as written, and where");
	T_OK(strcmp(conf_where(s.conf, OPT_SCAN_MESSAGES, NULL), "default") == 0 &&
		     strcmp(conf_written(s.conf, OPT_SCAN_MESSAGES, NULL), "yes") == 0,
	     "the default, as written");
	site_close(&s);
}

static void check_life(void)
{
	struct bytes content;
	struct conf *kept;
	struct site s, t;

	site_open(&s);
	site_file(&s, SITE_MAIN, "Filename Rules = /f1\n");
	site_file(&s, "/f1", "allow\tx\t-\t-\n");
	site_load(&s);
	site_text(&t, "Max Children = 2\n");
	T_OK(conf_generation(s.conf) != conf_generation(t.conf), "generations differ");
	kept = conf_ref(s.conf);
	site_close(&s);
	site_close(&t);
	T_OK(conf_file(kept, "/f1", &content) == 0 && bytes_starts(content, BYTES("allow")) &&
		     conf_file(kept, "/f2", &content) == -ENOENT,
	     "a snapshot outlives its source, with the files it names");
	conf_unref(&kept);
	T_OK(kept == NULL, "and is gone with the last reference");
}

/* Our own numbers: both ends of what is allowed, and the next ones beyond. */
static void check_bound(enum opt_id id, double v, bool allowed)
{
	char text[200], says[200];
	struct site s;

	(void)snprintf(text, sizeof(text), "%s = %.0f\n", opt_rows[id].name, v);
	(void)snprintf(says, sizeof(says), "a number in %s", opt_rows[id].words);
	site_text(&s, text);
	if (!T_OK(s.conf != NULL && (site_problem(&s, says) == NULL) == allowed &&
			  (!allowed || (double)conf_num(s.conf, id, NULL) == v),
		  "%.60s  is %s", text, allowed ? "a number in bounds" : "not"))
		site_show(&s);
	site_close(&s);
}

static void check_bounds(void)
{
	unsigned n = 0;

	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		struct bytes b = bytes_str(opt_rows[id].words == NULL ? "" : opt_rows[id].words);
		uint64_t min, max;

		if (opt_rows[id].type != OPT_NUMBER || num_take(&b, UINT64_MAX, &min) < 0 ||
		    !bytes_starts(b, BYTES("..")))
			continue;
		b = bytes_from(b, 2);
		if (num_take(&b, UINT64_MAX, &max) < 0)
			continue;
		n++;
		check_bound(id, (double)min, true);
		check_bound(id, (double)max, true);
		check_bound(id, (double)min - 1, false);
		check_bound(id, (double)max + 1, false);
	}
	T_OK(n > 30, "%u options have bounds", n);
}

/* Many includes, one after the other, are not deep. */
static void check_include_row(void)
{
	AUTO(str_fini) struct str text;
	char path[40];
	struct site s;

	str_init(&text, 4000);
	site_open(&s);
	for (unsigned i = 0; i < 50; i++) {
		(void)snprintf(path, sizeof(path), "/site/row/%u", i);
		str_addf(&text, "include %s\n", path);
		site_file(&s, path, i == 49 ? "Max Children = 9\n" : "\n");
	}
	site_file(&s, SITE_MAIN, str_view(&text));
	site_load(&s);
	T_OK(s.conf != NULL && conf_num(s.conf, OPT_MAX_CHILDREN, NULL) == 9 &&
		     conf_report_count(s.report) == 0,
	     "fifty includes in a row");
	site_close(&s);
}

/* A password is used, and never shown. */
static void check_secret(void)
{
	struct site s;

	site_text(&s, "DB Password = xyzzy\n");
	T_OK(s.conf != NULL && strcmp(conf_str(s.conf, OPT_DB_PASSWORD, NULL), "(hidden)") == 0 &&
		     strcmp(conf_written(s.conf, OPT_DB_PASSWORD, NULL), "(hidden)") == 0,
	     "a password is hidden");
	site_close(&s);
	site_text(&s, "DB Password =\n");
	T_OK(s.conf != NULL && conf_str(s.conf, OPT_DB_PASSWORD, NULL)[0] == '\0',
	     "that there is none is not");
	site_close(&s);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		check_one(&lines[i]);
	check_includes();
	check_include_depth();
	check_include_row();
	check_bounds();
	check_secret();
	check_errors();
	check_many_problems();
	check_bools();
	check_life();
	return t_done();
}
