/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/sizes.c - size of the message, size and number of its attachments (options Maximum Message
 * Size, Maximum and Minimum Attachment Size, Maximum Attachments Per Message). */
#include <inttypes.h>

#include "scan/check.h"

#define PARTS_DEFAULT 200 /* what 0 stands for */

static int find_size(struct scan_state *s, const struct leaf *leaf, const char *key,
		     const char *report, const char *log, const char *option, struct err *err)
{
	if (report == NULL || log == NULL)
		return scan_no_memory(s, err);
	return scan_find(s, leaf, FINDING_SIZE, 's', key, report, log, option, err);
}

static int check_message(struct scan_state *s, struct err *err)
{
	int64_t max = s->request->max_message_bytes;

	if (max <= 0 || s->message.n <= (uint64_t)max)
		return 0;
	return find_size(s, NULL, "toobig",
			 arena_printf(s->arena,
				      "The message is larger than allowed: %zu bytes, at most "
				      "%" PRId64,
				      s->message.n, max),
			 arena_printf(s->arena, "Message size check: %zu > %" PRId64 " in %%id%%",
				      s->message.n, max),
			 "Maximum Message Size", err);
}

/* The text of a mail is no attachment; whatever has a name is. */
static bool is_attachment(const struct leaf *leaf)
{
	const char *type = leaf->part->type;

	if (leaf->container != NULL || leaf->part->alternate)
		return false;
	return leaf->names_n > 0 ||
	       (strcmp(type, "text/plain") != 0 && strcmp(type, "text/html") != 0);
}

static int check_attachment(struct scan_state *s, const struct leaf *leaf, struct err *err)
{
	const char *name = scan_safe_name(s, leaf->path[0]);
	int64_t max = s->request->max_attachment_bytes, min = s->request->min_attachment_bytes;
	uint64_t n = leaf->content.n;

	if (max >= 0 && n > (uint64_t)max)
		return find_size(s, leaf, "attachmenttoolarge",
				 arena_printf(s->arena,
					      "Attachment is larger than allowed: %" PRIu64
					      " bytes, at most %" PRId64 " (%s)",
					      n, max, name),
				 arena_printf(s->arena,
					      "Attachment size check: %" PRIu64 " > %" PRId64
					      " (%s) in %%id%%",
					      n, max, name),
				 "Maximum Attachment Size", err);
	if (min >= 0 && n < (uint64_t)min)
		return find_size(s, leaf, "attachmenttoosmall",
				 arena_printf(s->arena,
					      "Attachment is smaller than allowed: %" PRIu64
					      " bytes, at least %" PRId64 " (%s)",
					      n, min, name),
				 arena_printf(s->arena,
					      "Attachment size check: %" PRIu64 " < %" PRId64
					      " (%s) in %%id%%",
					      n, min, name),
				 "Minimum Attachment Size", err);
	return 0;
}

/* MailScanner counts the parts it puts into its tree, and reaching the number is too many. */
static int check_number(struct scan_state *s, struct err *err)
{
	int64_t max =
		s->request->max_attachments == 0 ? PARTS_DEFAULT : s->request->max_attachments;
	uint64_t n = 0;
	const char *report, *log;

	for (struct mime_part *p = s->tree.root; p != NULL; p = mime_next(p))
		n += p->alternate ? 0 : 1;
	if (max < 0 || n < (uint64_t)max)
		return 0;
	report = arena_printf(s->arena, "The message has more parts than allowed: %" PRIu64, n);
	log = arena_printf(s->arena, "Too many attachments (%" PRIu64 ") in %%id%%", n);
	if (report == NULL || log == NULL)
		return scan_no_memory(s, err);
	return scan_find(s, NULL, FINDING_SIZE, 'e', "toomanyattachments", report, log,
			 "Maximum Attachments Per Message", err);
}

int check_sizes(struct scan_state *s, struct check_result *ret_result UNUSED, struct err *err)
{
	int r = check_number(s, err);

	if (!s->request->dangerous_content)
		return r;
	if (r == 0)
		r = check_message(s, err);
	for (const struct leaf *leaf = s->leaves; leaf != NULL && r == 0; leaf = leaf->next)
		if (is_attachment(leaf) && !leaf->unread)
			r = check_attachment(s, leaf, err);
	return r;
}
