/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/conf/test_edits.c - 10,000 random edits of a good configuration: whatever a typing error
 * does, loading ends, every problem names a file and a line, and what loads can be asked. Seeded.
 */
#include "core/str.h"
#include "tests/conf/site.h"

#define EDITS 10000u

static uint64_t seed = 42;

static unsigned below(size_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 33) % n);
}

static const char main_text[] =
	"%org-name% = acme\n%rules-dir% = /site/rules\n%etc-dir% = /site\n"
	"Max Children = 5\nRun As User =\nQueue Scan Interval = 6\n"
	"Outgoing Queue Dir = /q\nIncoming Queue Dir = /q\nQuarantine Dir = /q/\n"
	"MTA = sendmail\nSendmail = /bin/sm -t\nScan Messages = %rules-dir%/scan.rules\n"
	"Maximum Message Size = %rules-dir%/size.rules\nMaximum Attachment Size = -1\n"
	"Maximum Archive Depth = 8\nVirus Scanning = yes\nSilent Viruses = HTML-IFrame "
	"All-Viruses\n"
	"Allow IFrame Tags = disarm\nFilename Rules = %etc-dir%/filename.rules.conf\n"
	"Mail Header = X-%org-name%-MailScanner:\nHostname = The %org-name% ($HOSTNAME) "
	"MailScanner\n"
	"Notice Signature = -- \\nMailScanner\\nwww.example.com\n"
	"Spam Actions = deliver header \"X-Spam-Status: Yes\"\n"
	"Is Definitely Not Spam = %rules-dir%/white.rules\nRequired SpamAssassin Score = 6.5\n"
	"Virus Modify Subject = start\nMax Messages In Flight = 256\n"
	"include /site/conf.d/*\n";

static const char rules_text[] =
	"# comment\nFrom: joe@example.com yes\nFrom: *.example.org no\nTo: news@ yes\n"
	"FromOrTo: 192.0.2.0/24 no\nFrom: 10.0.0.1-10.0.0.99 yes\nFrom: 2001:db8::/32 yes\n"
	"From: /^root@/ yes\nFrom: host:example.net no\nFromAndTo: *@example.com yes\n"
	"From: a.example and To: b.example no\nVirus: eicar yes\nFrom: /site/list yes\n"
	"From: jo[eh]*@x.example no\nFromOrTo: default yes\n";

static const char list_text[] = "a@b\n@c.example\n10/8\n";

/* Bytes that mean something to the parser are likelier. */
static char some_byte(void)
{
	static const char odd[] = "%$#=/\\*@.:&,- \t\r\n{}[]()<>\"'0aZ\0\xff";

	return below(3) == 0 ? (char)below(256) : odd[below(sizeof(odd) - 1)];
}

static void edit(struct str *s)
{
	size_t at = s->n == 0 ? 0 : below(s->n);
	size_t n = 1 + below(40);

	n = MIN_OF(n, s->n - at);

	switch (below(4)) {
	case 0: /* other byte */
		if (s->n > 0)
			s->p[at] = some_byte();
		break;
	case 1: /* cut a piece out */
		memmove(s->p + at, s->p + at + n, s->n - at - n);
		s->n -= n;
		break;
	case 2: /* one more byte */
		str_add_char(s, ' ');
		memmove(s->p + at + 1, s->p + at, s->n - at - 1);
		s->p[at] = some_byte();
		break;
	default: /* the same piece once more, at the end */
		for (size_t i = 0; i < n; i++)
			str_add_char(s, s->p[at + i]);
	}
}

static void add_edited(struct site *s, const char *path, const char *text, size_t n, unsigned edits)
{
	AUTO(str_fini) struct str t;

	str_init(&t, MIB);
	str_add_bytes(&t, bytes_of(text, n));
	while (edits-- > 0)
		edit(&t);
	if (conf_source_add(s->source, path, CONF_FILE, false, str_bytes(&t)) < 0)
		abort();
}

static void make(struct site *s)
{
	unsigned where = below(3);

	site_open(s);
	add_edited(s, SITE_MAIN, main_text, sizeof(main_text) - 1, where == 0 ? 1 + below(4) : 0);
	add_edited(s, "/site/rules/white.rules", rules_text, sizeof(rules_text) - 1,
		   where == 1 ? 1 + below(4) : 0);
	add_edited(s, "/site/list", list_text, sizeof(list_text) - 1,
		   where == 2 ? 1 + below(3) : 0);
	site_file(s, "/site/rules/scan.rules", "To: x@y.org virus\nFromOrTo: default yes\n");
	site_file(s, "/site/rules/size.rules", "From: x@y.org 5m\nFromOrTo: default 50k\n");
	site_file(s, "/site/filename.rules.conf", "allow\tx\t-\t-\n");
	site_file(s, "/site/conf.d/10", "Log Level = debug\n");
	site_dir(s, "/q");
	site_command(s, "/bin/sm");
}

/* Ask everything once, with and without a message. */
static size_t ask_all(const struct conf *c)
{
	static const char *const to[] = { "x@y.org", "b@b.example" };
	static const char *const reports[] = { "Eicar" };
	const struct conf_who who = { .from = "joe@example.com",
				      .to = to,
				      .to_n = 2,
				      .client_ip = "192.0.2.7",
				      .client_host = "mx.example.net",
				      .client_host_checked = "mx.example.net",
				      .reports = reports,
				      .reports_n = 1 };
	size_t n = 0;

	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		n += strlen(conf_written(c, id, &who)) + strlen(conf_written(c, id, NULL));
		n += strlen(conf_where(c, id, &who));
		n += opt_rows[id].type == OPT_YESNO && conf_bool(c, id, &who);
	}
	return n;
}

static bool problems_are_placed(const struct site *s)
{
	for (size_t i = 0; i < conf_report_count(s->report); i++) {
		const struct conf_problem *p = conf_report_at(s->report, i);

		if (p->file[0] != '/' || p->line == 0 || p->column == 0 || p->text[0] == '\0')
			return false;
	}
	return true;
}

int main(void)
{
	unsigned loaded = 0, refused = 0, with_problems = 0, unplaced = 0, silent = 0;
	size_t asked = 0;
	struct site s;

	site_open(&s);
	for (unsigned i = 0; i < EDITS; i++) {
		site_close(&s);
		make(&s);
		site_load(&s);
		loaded += s.r == 0;
		refused += s.r < 0;
		silent += s.r < 0 && (s.err.kind != ERR_CONFIG || conf_report_count(s.report) == 0);
		with_problems += conf_report_count(s.report) > 0;
		unplaced += !problems_are_placed(&s);
		if (s.conf != NULL)
			asked += ask_all(s.conf);
	}
	site_close(&s);
	T_OK(loaded + refused == EDITS && asked > 0, "%u edits: %u load, %u do not", EDITS, loaded,
	     refused);
	T_OK(loaded > EDITS / 2 && with_problems > EDITS / 5, "%u give problems", with_problems);
	T_OK(unplaced == 0, "every problem has a file, a line and a column");
	T_OK(silent == 0, "every refusal has a reason");
	return t_done();
}
