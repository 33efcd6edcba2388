/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/content.c - kinds of content that are refused as such: pieces of messages, bodies that lie
 * elsewhere, traps for mail programs, encryption where an option forbids or demands it. */
#include "scan/check.h"

struct trap {
	unsigned defect; /* enum mime_defect */
	enum finding_kind kind;
	char class;
	bool whole_message;
	const char *key, *report, *log, *option;
};

static const struct trap traps[] = {
	{ MIME_QP_BLANK_BOMB, FINDING_DOS, 0, true, "qpdosfound",
	  "A line of the text is an endless run of blanks",
	  "Content Checks: Detected and blocked a run of blanks in %id%", "" },
	{ MIME_PARTIAL, FINDING_CONTENT, 'e', false, "partialmessage",
	  "This is only a piece of a message, so it cannot be checked",
	  "Content Checks: Detected and blocked a partial message in %id%",
	  "Allow Partial Messages" },
	{ MIME_EXTERNAL, FINDING_CONTENT, 'e', false, "externalbody",
	  "The content of this part lies elsewhere, so it cannot be checked",
	  "Content Checks: Detected and blocked an external body in %id%",
	  "Allow External Message Bodies" },
	{ MIME_LONG_BOUNDARY, FINDING_CONTENT, 'v', true, "eudoralongmime",
	  "A MIME boundary is so long that it breaks some mail programs",
	  "Content Checks: Detected and blocked a long MIME boundary in %id%", "" },
};

static bool is_allowed(const struct scan_state *s, const struct trap *t)
{
	return (t->defect == MIME_PARTIAL && s->request->allow_partial) ||
	       (t->defect == MIME_EXTERNAL && s->request->allow_external);
}

static int find_trap(struct scan_state *s, const struct mime_part *p, const struct trap *t,
		     struct err *err)
{
	const char *path[] = { p->names != NULL ? p->names->text : "" };
	struct finding f = { .kind = t->kind,
			     .class = t->class,
			     .whole_message = t->whole_message,
			     .part = t->whole_message ? "" : p->id,
			     .path = path,
			     .path_n = t->whole_message ? 0 : 1,
			     .name = t->key,
			     .report = t->report,
			     .log = t->log,
			     .rule = t->option };

	return scan_add_finding(s, &f, err);
}

static int check_traps(struct scan_state *s, struct err *err)
{
	unsigned told = 0; /* of those that are about the whole message */

	for (struct mime_part *p = s->tree.root; p != NULL; p = mime_next(p))
		for (size_t i = 0; i < ARRAY_LEN(traps); i++) {
			const struct trap *t = &traps[i];
			int r;

			if ((p->defects & t->defect) == 0 || (told & t->defect) != 0 ||
			    is_allowed(s, t))
				continue;
			if (t->whole_message)
				told |= t->defect;
			r = find_trap(s, p, t, err);
			if (r < 0)
				return r;
		}
	return 0;
}

static int check_encryption(struct scan_state *s, struct err *err)
{
	const struct scan_request *r = s->request;
	bool encrypted = false;

	for (struct mime_part *p = s->tree.root; p != NULL; p = mime_next(p))
		encrypted |= p->encrypted;
	if (encrypted && r->block_encrypted)
		return scan_find(s, NULL, FINDING_ENCRYPTED, 'e', "encrypted",
				 "Encrypted messages are not accepted",
				 "Content Checks: Detected and blocked an encrypted message in "
				 "%id%",
				 "Block Encrypted Messages", err);
	if (!encrypted && r->block_unencrypted)
		return scan_find(s, NULL, FINDING_ENCRYPTED, 'e', "unencrypted",
				 "Only encrypted messages are accepted",
				 "Content Checks: Detected and blocked an unencrypted message in "
				 "%id%",
				 "Block Unencrypted Messages", err);
	return 0;
}

int check_content(struct scan_state *s, struct check_result *ret_result UNUSED, struct err *err)
{
	int r = check_traps(s, err);

	return r == 0 && s->request->dangerous_content ? check_encryption(s, err) : r;
}
