/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tools/ms_lint.c - MailScanner's --lint: the configuration, what it names, and a test virus
 * through the sandbox. The order is MailScanner's; steps it needs for Perl say what
 * stands there.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/explain.h"
#include "store/attempts.h"
#include "tools/cli.h"
#include "tools/mailscanner.h"

#define TEST_FILE "/tmp/sallyport-lint.XXXXXX"

/* In two pieces, so that no scanner mistakes this program for what it looks for. */
static const char *const eicar[] = { "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EI",
				     "CAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*" };

static int print_problems(const struct conf_report *r)
{
	int worst = EX_OK;

	for (size_t i = 0; i < conf_report_count(r); i++) {
		const struct conf_problem *p = conf_report_at(r, i);
		AUTO(str_fini) struct str place;

		str_init(&place, 4096);
		conf_problem_place(p, &place);
		(void)fprintf(stderr, "%s: %s: %s\n", str_view(&place),
			      p->severity == CONF_ERROR ? "error" : "warning", p->text);
		if (p->severity == CONF_ERROR)
			worst = EX_CONFIG;
	}
	return worst;
}

/* RFC 5322: printable, no blank, no colon but the last one. */
static int check_header_name(const struct conf *c)
{
	const char *name = conf_str(c, OPT_MAIL_HEADER, NULL);
	size_t n = strlen(name);

	n -= n > 0 && name[n - 1] == ':';
	for (size_t i = 0; i < n; i++) {
		if (name[i] > 0x20 && name[i] < 0x7f && name[i] != ':')
			continue;
		(void)printf("Mail Header: '%s' holds a character that no header name may have\n",
			     name);
		return EX_CONFIG;
	}
	(void)printf("Mail Header: '%s' is a header name\n", name);
	return EX_OK;
}

/* spamassassin.conf beside the configuration has its own idea of the sender's header. */
static int check_envelope_header(const struct conf *c)
{
	const char *want = conf_str(c, OPT_ENVELOPE_FROM_HEADER, NULL), *dir;
	char path[4200], line[400];
	int code = EX_OK;
	FILE *f;

	dir = conf_variable(c, "conf-dir");
	(void)snprintf(path, sizeof(path), "%s/spamassassin.conf", dir == NULL ? "." : dir);
	f = fopen(path, "re");
	if (f == NULL) {
		(void)printf("spamassassin.conf: none at %s, not compared\n", path);
		return EX_OK;
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		struct bytes rest = bytes_trim(bytes_str(line)), word, wanted = bytes_str(want);

		if (!bytes_next_word(&rest, &word) ||
		    !bytes_eq(word, BYTES("envelope_sender_header")) ||
		    !bytes_next_word(&rest, &word))
			continue;
		if (wanted.n > 0 && wanted.p[wanted.n - 1] == ':')
			wanted = bytes_head(wanted, wanted.n - 1);
		if (bytes_eq_nocase(word, wanted))
			continue;
		(void)printf("%s: envelope_sender_header is '%.*s', Envelope From Header is "
			     "'%s'\n",
			     path, (int)word.n, (const char *)word.p, want);
		code = EX_CONFIG;
	}
	(void)fclose(f);
	if (code == EX_OK)
		(void)printf("%s: agrees with Envelope From Header\n", path);
	return code;
}

/* The gateway makes it; here only whether it can be read. */
static int check_attempts(const struct conf *c)
{
	const char *path = conf_str(c, OPT_PROCESSING_ATTEMPTS_DATABASE, NULL);
	struct attempts *a = NULL;
	struct err err;
	int r = attempts_open_view(&a, path, &err);

	attempts_close(&a);
	if (r == -ENOENT)
		(void)printf("Processing Attempts Database: %s will be made by the gateway\n",
			     path);
	else if (r < 0)
		(void)printf("Processing Attempts Database: %s\n", err.text);
	else
		(void)printf("Processing Attempts Database: %s can be read\n", path);
	return r < 0 && r != -ENOENT ? EX_CONFIG : EX_OK;
}

static int write_test_message(char path[sizeof(TEST_FILE)])
{
	int fd;
	FILE *f;

	memcpy(path, TEST_FILE, sizeof(TEST_FILE));
	fd = mkstemp(path);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (f == NULL)
		return -errno;
	(void)fprintf(f,
		      "From: sender@example.com\nTo: recip@example.com\n"
		      "Subject: Virus Scanner Test Message\nMIME-Version: 1.0\n"
		      "Content-Type: multipart/mixed; boundary=\"lint\"\n\n"
		      "--lint\nContent-Type: text/plain\n\nA test of the virus scanners.\n"
		      "--lint\nContent-Type: application/octet-stream; name=\"eicar.com\"\n"
		      "Content-Disposition: attachment; filename=\"eicar.com\"\n\n%s%s\n"
		      "--lint--\n",
		      eicar[0], eicar[1]);
	return fclose(f) == 0 ? 0 : -errno;
}

/* Through the sandbox, as the gateway would. */
static int scan_test_message(const char *conf_path)
{
	/* the scan writes in its arguments */
	char path[sizeof(TEST_FILE)], from[] = "sender@example.com", to[] = "recip@example.com";
	char *args[] = { (char *)"scan",
			 (char *)"-c",
			 (char *)(uintptr_t)conf_path,
			 (char *)"--from",
			 from,
			 (char *)"--to",
			 to,
			 (char *)"--ip",
			 (char *)"10.1.1.1",
			 path,
			 NULL };
	int r = write_test_message(path);

	if (r < 0) {
		(void)printf("/tmp: a file cannot be written there: %s\n", strerror(-r));
		return EX_CANTCREAT;
	}
	(void)printf("/tmp: can be written\n"
		     "Scanning a test message with the EICAR file, as sender@example.com to "
		     "recip@example.com from 10.1.1.1:\n");
	(void)fflush(stdout);
	optind = 0; /* the scan reads a command line of its own */
	r = cmd_scan((int)ARRAY_LEN(args) - 1, args);
	(void)unlink(path);
	if (r == 1)
		(void)printf("The test message was recognised.\n");
	else if (r == 0)
		(void)printf("The test message passed: check Scan Messages, Virus Scanning and the "
			     "signatures.\n");
	return r == 1 ? EX_OK : r == 0 ? EX_CONFIG : r;
}

static int check_rest(const char *conf_path, const struct conf *c)
{
	int (*const steps[])(const struct conf *c) = { check_header_name, check_envelope_header,
						       check_attempts };
	int code = EX_OK, r;

	(void)printf("RAR archives: read by libarchive, unrar is not needed\n"
		     "Lock files: none are needed between the gateway and its workers\n");
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		r = steps[i](c);
		code = r != EX_OK ? r : code;
	}
	(void)printf("Virus Scanners = %s; in use: clamav (library, in the sandbox)\n",
		     conf_str(c, OPT_VIRUS_SCANNERS, NULL));
	r = scan_test_message(conf_path);
	return r != EX_OK ? r : code;
}

int ms_lint(const char *conf_path, bool quick)
{
	AUTO(conf_report_free) struct conf_report *report = conf_report_new();
	AUTO(conf_unref) struct conf *c = NULL;
	struct cli cli = { .conf_path = conf_path };
	int code, r;

	if (report == NULL)
		return EX_TEMPFAIL;
	(void)printf("Reading configuration file %s\n", conf_path);
	code = cli_load(&cli, &c, NULL, report);
	if (c != NULL)
		(void)cli_check_all(c, report);
	r = print_problems(report);
	(void)printf("%zu %s in the configuration\n", conf_report_count(report),
		     conf_report_count(report) == 1 ? "problem" : "problems");
	if (code != EX_OK || quick)
		return code != EX_OK ? code : r;
	code = check_rest(conf_path, c);
	return code != EX_OK ? code : r;
}
