/* SPDX-License-Identifier: GPL-2.0-or-later */
/* action/deliver.c - the header rows of a delivery, in their order. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "action/edit.h"

struct delivery {
	struct edit *e;
	const struct conf *c;
	const struct conf_who *who;
	const struct queue_entry *entry;
	enum edit_outcome outcome;
	enum edit_multiple multiple;
};

/* Text of an option that names a header; NULL when it is empty: that header is not wanted. */
static const char *wanted(const struct delivery *d, enum opt_id name)
{
	const char *text = conf_str(d->c, name, d->who);

	return text[0] == '\0' ? NULL : text;
}

static const char *value(const struct delivery *d, enum opt_id id)
{
	return conf_str(d->c, id, d->who);
}

static int subject(struct delivery *d, struct err *err UNUSED)
{
	edit_uniq(d->e, "Subject:");
	return 0;
}

static int information(struct delivery *d, struct err *err UNUSED)
{
	const char *name = wanted(d, OPT_INFORMATION_HEADER);

	if (name != NULL)
		edit_replace(d->e, name, value(d, OPT_INFORMATION_HEADER_VALUE));
	return 0;
}

static int id(struct delivery *d, struct err *err UNUSED)
{
	const char *name = wanted(d, OPT_ID_HEADER);

	if (name != NULL)
		edit_replace(d->e, name, d->entry->id);
	return 0;
}

static int mail_header(struct delivery *d, struct err *err UNUSED)
{
	static const enum opt_id values[] = {
		[EDIT_CLEAN] = OPT_CLEAN_HEADER_VALUE,
		[EDIT_INFECTED] = OPT_INFECTED_HEADER_VALUE,
		[EDIT_UNSCANNED] = OPT_UNSCANNED_HEADER_VALUE,
		[EDIT_DISINFECTED] = OPT_DISINFECTED_HEADER_VALUE,
	};
	const char *name = wanted(d, OPT_MAIL_HEADER), *text;

	if (d->outcome == EDIT_UNSCANNED && !conf_bool(d->c, OPT_MARK_UNSCANNED_MESSAGES, d->who))
		return 0;
	text = value(d, values[d->outcome]);
	if (name != NULL && text[0] != '\0')
		edit_multiple(d->e, d->multiple, name, text);
	return 0;
}

static int ip_version(struct delivery *d, struct err *err UNUSED)
{
	const char *name = wanted(d, OPT_IP_PROTOCOL_VERSION_HEADER);

	if (name != NULL)
		edit_replace(d->e, name,
			     strchr(d->entry->env.client_ip, ':') == NULL ? "IPv4" : "IPv6");
	return 0;
}

static int envelope_from(struct delivery *d, struct err *err UNUSED)
{
	const char *name = wanted(d, OPT_ENVELOPE_FROM_HEADER);

	if (name != NULL && conf_bool(d->c, OPT_ADD_ENVELOPE_FROM_HEADER, d->who))
		edit_replace(d->e, name, d->entry->env.sender);
	return 0;
}

static int envelope_to(struct delivery *d, struct err *err UNUSED)
{
	const char *name = wanted(d, OPT_ENVELOPE_TO_HEADER);

	if (name != NULL && conf_bool(d->c, OPT_ADD_ENVELOPE_TO_HEADER, d->who))
		edit_replace_list(d->e, name, d->entry->env.to, d->entry->env.to_n);
	return 0;
}

static int remove_these(struct delivery *d, struct err *err)
{
	struct bytes rest = bytes_str(value(d, OPT_REMOVE_THESE_HEADERS));
	int r = 0;

	while (r == 0 && rest.n > 0) {
		size_t n = 0;
		char *word;

		while (n < rest.n && !ascii_is_space(rest.p[n]) && rest.p[n] != ',')
			n++;
		word = arena_str(d->e->arena, bytes_head(rest, n));
		if (word == NULL)
			d->e->failed = true;
		else if (n > 0)
			r = edit_delete(d->e, word, err);
		rest = bytes_from(rest, n + 1);
	}
	return r;
}

/*
 * In MailScanner's order. Not here: what needs a changed body, a spam verdict or another envelope.
 */
typedef int row(struct delivery *d, struct err *err);
#define ROWS_MAX 9
static row *const scanned[ROWS_MAX] = {
	subject, information, id, mail_header, ip_version, envelope_from, envelope_to, remove_these,
};
static row *const unscanned[ROWS_MAX] = {
	subject, information, id, mail_header, remove_these, ip_version, envelope_from, envelope_to,
};

/* tests/policy/test_recipients.c fails when one is missing. */
#define CLEAN       (1u << EDIT_CLEAN)
#define INFECTED    (1u << EDIT_INFECTED)
#define UNSCANNED   (1u << EDIT_UNSCANNED)
#define DISINFECTED (1u << EDIT_DISINFECTED)
#define ALL         (CLEAN | INFECTED | UNSCANNED | DISINFECTED)
static const struct {
	enum opt_id id;
	unsigned outcomes;
} options[] = {
	{ OPT_INFORMATION_HEADER, ALL },
	{ OPT_INFORMATION_HEADER_VALUE, ALL },
	{ OPT_ID_HEADER, ALL },
	{ OPT_MAIL_HEADER, ALL },
	{ OPT_CLEAN_HEADER_VALUE, CLEAN },
	{ OPT_INFECTED_HEADER_VALUE, INFECTED },
	{ OPT_UNSCANNED_HEADER_VALUE, UNSCANNED },
	{ OPT_DISINFECTED_HEADER_VALUE, DISINFECTED },
	{ OPT_MARK_UNSCANNED_MESSAGES, UNSCANNED },
	{ OPT_IP_PROTOCOL_VERSION_HEADER, ALL },
	{ OPT_ENVELOPE_FROM_HEADER, ALL },
	{ OPT_ADD_ENVELOPE_FROM_HEADER, ALL },
	{ OPT_ENVELOPE_TO_HEADER, ALL },
	{ OPT_ADD_ENVELOPE_TO_HEADER, ALL },
	{ OPT_REMOVE_THESE_HEADERS, ALL },
	{ OPT_MULTIPLE_HEADERS, ALL },
	{ OPT_PLACE_NEW_HEADERS_AT_TOP_OF_MESSAGE, ALL },
};

size_t edit_options(enum edit_outcome outcome, enum opt_id *ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if ((options[i].outcomes >> outcome & 1) == 0)
			continue;
		if (n < max)
			ret[n] = options[i].id;
		n++;
	}
	return n;
}

static enum edit_multiple multiple(const char *words)
{
	if (strcmp(words, "add") == 0)
		return EDIT_ADD;
	return strcmp(words, "replace") == 0 ? EDIT_REPLACE : EDIT_APPEND;
}

int edit_for_delivery(struct edit *e, const struct conf *c, const struct conf_who *who,
		      const struct queue_entry *entry, enum edit_outcome outcome, struct err *err)
{
	struct delivery d = { e, c, who, entry, outcome, EDIT_APPEND };
	row *const *rows = outcome == EDIT_UNSCANNED ? unscanned : scanned;
	int r = 0;

	if (outcome == EDIT_UNTOUCHED)
		return 0;
	d.multiple = multiple(conf_words(c, OPT_MULTIPLE_HEADERS, who));
	e->at_top = conf_bool(c, OPT_PLACE_NEW_HEADERS_AT_TOP_OF_MESSAGE, who);
	e->dkim = e->at_top && d.multiple == EDIT_ADD;
	for (size_t i = 0; r == 0 && rows[i] != NULL; i++)
		r = rows[i](&d, err);
	if (r == 0 && e->failed)
		r = err_set(err, ERR_LIMIT, -ENOMEM, "message %s: no memory to edit its headers",
			    entry->id);
	return r;
}
