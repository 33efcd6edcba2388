/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/conf/test_opt.c - the option table itself, and finding rows. */
#include "conf/opt.h"

#include <ctype.h>
#include <string.h>

#include "conf/waits.h"
#include "tests/t.h"

static const struct {
	const char *key;
	enum opt_id want;
} finds[] = {
	{ "Max Children", OPT_MAX_CHILDREN },
	{ "max-children", OPT_MAX_CHILDREN },
	{ "MAXCHILDREN", OPT_MAX_CHILDREN },
	{ "children", OPT_MAX_CHILDREN },
	{ "Children", OPT_MAX_CHILDREN },
	{ "RBLTimeoutLen", OPT_SPAM_LIST_TIMEOUTS_HISTORY },
	{ "Archives: Filename Rules", OPT_ARCHIVES_FILENAME_RULES },
	{ "Archives Filename Rules", OPT_ARCHIVES_FILENAME_RULES },
	{ "afilenamerules", OPT_ARCHIVES_FILENAME_RULES },
	{ "Signature Image <img> Filename", OPT_SIGNATURE_IMAGE_IMG_FILENAME },
	{ "signature image img filename", OPT_SIGNATURE_IMAGE_IMG_FILENAME },
	{ "Sender Content Report", OPT_SENDER_CONTENT_REPORT },
	{ "Sender Bad Content Report", OPT_SENDER_CONTENT_REPORT },
	{ "Find UU-Encoded Files", OPT_FIND_UU_ENCODED_FILES },
	{ "PID file", OPT_PID_FILE },
	{ "Message Time Limit", OPT_MESSAGE_TIME_LIMIT },
	{ "Max Childre", OPT_ROWS },
	{ "Max Childrens", OPT_ROWS },
	{ "", OPT_ROWS },
	{ "---", OPT_ROWS },
	{ "%org-name%", OPT_ROWS },
};

static const struct {
	const char *key, *want;
} nears[] = {
	{ "Max Childern", "Max Children" },
	{ "Virus Scaning", "Virus Scanning" },
	{ "Quarantine Infection", "Quarantine Infections" },
	{ "Fliename Rules", "Filename Rules" },
	{ "Spam Action", "Spam Actions" },
	{ "qqqqqqqqqqqqqqqqqqqq", NULL },
	{ "x", NULL },
};

static void check_finds(void)
{
	for (size_t i = 0; i < ARRAY_LEN(finds); i++)
		T_OK(opt_find(bytes_str(finds[i].key)) == finds[i].want, "find '%s'", finds[i].key);
	for (size_t i = 0; i < ARRAY_LEN(nears); i++) {
		const char *got = opt_nearest(bytes_str(nears[i].key));

		T_OK(got == NULL ? nears[i].want == NULL
				 : nears[i].want != NULL && strcmp(got, nears[i].want) == 0,
		     "near '%s': %s", nears[i].key, got == NULL ? "none" : got);
	}
}

static bool ends_sentence(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && (s[n - 1] == '.' || s[n - 1] == ')');
}

/* Rows that cannot be right. */
static void check_rows(void)
{
	unsigned found = 0, docs = 0, words = 0, whys = 0, ours = 0, waiting = 0;

	for (enum opt_id id = 0; id < OPT_ROWS; id++) {
		const struct opt *o = &opt_rows[id];
		bool listed = o->type == OPT_YESNO || o->type == OPT_ENUM;
		bool idle = (o->flags & (OPT_OBSOLETE | OPT_NO_EFFECT)) != 0;

		found += opt_find(bytes_str(o->name)) == id &&
			 opt_find(bytes_str(o->internal)) == id;
		docs += o->doc != NULL && ends_sentence(o->doc) && o->section[0] != '\0';
		words += !listed || o->words != NULL;
		whys += idle == (o->why != NULL);
		waiting += (o->flags & OPT_LATER) == 0 || opt_waits_for(id) != NULL;
		ours += (o->flags & OPT_OURS) != 0;
	}
	T_OK(found == OPT_ROWS, "each row is found by both of its names (%u)", found);
	T_OK(docs == OPT_ROWS, "each row has a section and a sentence of documentation (%u)", docs);
	T_OK(words == OPT_ROWS, "each row of words has them (%u)", words);
	T_OK(whys == OPT_ROWS, "a row without effect says why, others do not (%u)", whys);
	T_OK(waiting == OPT_ROWS, "a row that waits says for what (%u)", waiting);
	T_OK(OPT_ROWS - ours == 398, "all 398 options of MailScanner (%u)", OPT_ROWS - ours);
}

int main(void)
{
	check_finds();
	check_rows();
	return t_done();
}
