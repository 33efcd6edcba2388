/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tools/host_scan.c - mail like real mail in size and kind: most is text of some KB, some HTML, a
 * few attachments of which one is large (measured on 10,179 real messages: median 6.6 KB, mean
 * 20 KB, one in a hundred above 183 KB).
 */
#include "tools/host_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/str.h"
#include "policy/policy.h"
#include "scan/scan.h"
#include "worker/scratch.h"

#define KIB_OF(n)     ((n)*1024u)
#define MESSAGE_MAX   (400 * KIB)
#define REQUEST_BYTES (4 * MIB)
#define SCAN_BYTES    (512 * MIB)

static const struct {
	unsigned text, html, attachment; /* bytes */
	const char *name, *type;
} kinds[] = {
	{ KIB_OF(1), 0, 0, NULL, NULL },
	{ KIB_OF(2), 0, 0, NULL, NULL },
	{ KIB_OF(3), 0, 0, NULL, NULL },
	{ KIB_OF(4), 0, 0, NULL, NULL },
	{ KIB_OF(5), 0, 0, NULL, NULL },
	{ KIB_OF(7), 0, 0, NULL, NULL },
	{ KIB_OF(1), KIB_OF(3), 0, NULL, NULL },
	{ KIB_OF(2), KIB_OF(5), 0, NULL, NULL },
	{ KIB_OF(2), KIB_OF(9), 0, NULL, NULL },
	{ KIB_OF(3), KIB_OF(15), 0, NULL, NULL },
	{ KIB_OF(4), KIB_OF(30), 0, NULL, NULL },
	{ KIB_OF(1), 0, KIB_OF(8), "note.txt", "text/plain" },
	{ KIB_OF(1), KIB_OF(2), KIB_OF(20), "figures.csv", "text/csv" },
	{ KIB_OF(1), 0, KIB_OF(40), "picture.bin", "application/octet-stream" },
	{ KIB_OF(1), KIB_OF(4), KIB_OF(130), "scan.bin", "application/octet-stream" },
};

struct host_scan {
	struct scan_engine *engine;
	struct arena *kept;  /* of the request */
	struct arena *arena; /* in a process: of the message */
	struct scanner *scanner;
	struct scan_request request;
	struct bytes mail[ARRAY_LEN(kinds)];
	struct str text[ARRAY_LEN(kinds)];
	unsigned next;
	char root[64], tmp[80]; /* directories for libclamav, one for each process */
};

/* --- mail --- */

static const char *const words[] = { "river",   "garden", "letter", "window", "market",  "silver",
				     "morning", "bridge", "winter", "candle", "harbour", "signal" };

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 16;
}

static void add_text(struct str *s, size_t bytes, const char *before, const char *after,
		     uint32_t *state)
{
	size_t end = s->n + bytes;

	while (s->n < end && !s->failed) {
		str_add(s, before);
		for (int i = 0; i < 9; i++)
			str_addf(s, "%s ", words[next_random(state) % ARRAY_LEN(words)]);
		str_addf(s, "%s\n", after);
	}
}

/* Base64 of noise, or of text when @plain. */
static void add_base64(struct str *s, size_t bytes, bool plain, uint32_t *state)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t done = 0; done < bytes && !s->failed; done += 57) {
		for (int i = 0; i < 19; i++) {
			uint32_t v =
				plain ? 0x61626320 : next_random(state) << 8 | next_random(state);

			for (int k = 3; k >= 0; k--)
				str_add_char(s, digits[v >> (6 * k) & 63]);
		}
		str_add_char(s, '\n');
	}
}

static void make_message(struct str *s, size_t kind)
{
	uint32_t state = (uint32_t)kind + 1;

	str_addf(s,
		 "From: Ada Example <ada@example.org>\nTo: Bo Example <bo@example.net>\n"
		 "Subject: Letter %zu\nDate: Mon, 23 Nov 2026 10:00:00 +0000\n"
		 "Message-ID: <%zu@example.org>\nMIME-Version: 1.0\n"
		 "Content-Type: multipart/mixed; boundary=\"==part==\"\n\n"
		 "--==part==\nContent-Type: text/plain; charset=utf-8\n\n",
		 kind, kind);
	add_text(s, kinds[kind].text, "", "", &state);
	if (kinds[kind].html > 0) {
		str_add(s, "--==part==\nContent-Type: text/html; charset=utf-8\n\n<html><body>\n");
		add_text(s, kinds[kind].html,
			 "<p style=\"margin: 0\"><a href=\"https://example.org/\">", "</a></p>",
			 &state);
		str_add(s, "</body></html>\n");
	}
	if (kinds[kind].attachment > 0) {
		str_addf(s,
			 "--==part==\nContent-Type: %s; name=\"%s\"\n"
			 "Content-Transfer-Encoding: base64\n"
			 "Content-Disposition: attachment; filename=\"%s\"\n\n",
			 kinds[kind].type, kinds[kind].name, kinds[kind].name);
		add_base64(s, kinds[kind].attachment, strncmp(kinds[kind].type, "text", 4) == 0,
			   &state);
	}
	str_add(s, "--==part==--\n");
}

static int make_mail(struct host_scan *s, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		str_init(&s->text[i], MESSAGE_MAX);
		make_message(&s->text[i], i);
		s->mail[i] = str_bytes(&s->text[i]);
		if (s->text[i].failed)
			return err_set(err, ERR_TEMP, -ENOMEM, "test mail: out of memory");
	}
	return 0;
}

const char *host_scan_describe(const struct host_scan *s, unsigned *ret_n, uint64_t *ret_mean_bytes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		sum += s->mail[i].n;
	*ret_n = ARRAY_LEN(kinds);
	*ret_mean_bytes = sum / ARRAY_LEN(kinds);
	return scan_engine_describe(s->engine);
}

/* --- engine --- */

static int make_root(struct host_scan *s, struct err *err)
{
	static const char *const tops[] = { "/dev/shm", "/tmp" };

	for (size_t i = 0; i < ARRAY_LEN(tops); i++) {
		(void)snprintf(s->root, sizeof(s->root), "%s/sallyport-host-XXXXXX", tops[i]);
		if (mkdtemp(s->root) != NULL)
			return 0;
	}
	s->root[0] = '\0';
	return err_errno(err, "directory for the scan in /dev/shm or /tmp");
}

int host_scan_new(struct host_scan **ret_s, const struct conf *c, struct err *err)
{
	static const char *const to[] = { "bo@example.net" };
	const struct conf_who who = {
		.from = "ada@example.org", .to = to, .to_n = 1, .client_ip = "192.0.2.1"
	};
	AUTO(host_scan_free) struct host_scan *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "scan: out of memory");
	s->kept = arena_new(REQUEST_BYTES);
	if (s->kept == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "scan: out of memory");
	r = make_mail(s, err);
	if (r == 0)
		r = policy_request(c, &who, s->kept, &s->request, err);
	if (r == 0)
		r = make_root(s, err);
	if (r == 0)
		r = scan_engine_new(&s->engine, c, err);
	if (r < 0)
		return r;
	s->request.id = "host";
	s->request.client_ip = who.client_ip;
	*ret_s = TAKE(s);
	return 0;
}

static void remove_root(const struct host_scan *s)
{
	int fd = s->root[0] == '\0' ? -1 : open(s->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (scratch_clean(fd) == 0)
		(void)rmdir(s->root);
	fd_close(&fd);
}

void host_scan_free(struct host_scan **s)
{
	if (*s == NULL)
		return;
	remove_root(*s);
	scan_engine_free(&(*s)->engine);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		str_fini(&(*s)->text[i]);
	arena_free(&(*s)->kept);
	free(*s);
	*s = NULL;
}

/* --- the work --- */

static int scan_prepare(void *arg, unsigned index, struct err *err)
{
	struct host_scan *s = arg;

	(void)snprintf(s->tmp, sizeof(s->tmp), "%s/%u", s->root, index);
	if (mkdir(s->tmp, 0700) < 0 && errno != EEXIST)
		return err_errno(err, "make '%s'", s->tmp);
	s->arena = arena_new(SCAN_BYTES);
	if (s->arena == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "scan: out of memory");
	return scanner_new(&s->scanner, s->engine, s->tmp, NULL, err);
}

static int scan_step(void *arg, struct bench_counts *add, struct err *err)
{
	struct host_scan *s = arg;
	struct bytes m = s->mail[s->next++ % ARRAY_LEN(kinds)];
	struct facts f;
	int r = scan_message(s->scanner, &s->request, m, s->arena, &f, err);

	for (size_t i = 0; r == 0 && i < CHECK_COUNT; i++)
		if (f.checks[i].state == CHECK_FAILED && f.checks[i].why != NULL &&
		    strcmp(f.checks[i].why, "not reached") != 0)
			r = err_set(err, ERR_TEMP, -EIO, "%s: %s", check_name((enum check_id)i),
				    f.checks[i].why);
	arena_reset(s->arena);
	add->units += m.n;
	add->more++;
	return r;
}

struct bench_work host_scan_work(struct host_scan *s)
{
	return (struct bench_work){ "scan", scan_prepare, scan_step, s };
}
