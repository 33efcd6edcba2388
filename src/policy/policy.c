/* SPDX-License-Identifier: GPL-2.0-or-later */
/* policy/policy.c - what may pass. */
#include "policy/policy.h"

#include <errno.h>
#include <string.h>

#include "core/text.h"

#define ATTACHMENTS_WHEN_ZERO 200 /* MailScanner's meaning of Maximum Attachments... = 0 */

static const char *const names[OUTCOMES] = {
	[OUTCOME_DELIVER] = "deliver",       [OUTCOME_DELIVER_MODIFIED] = "deliver-modified",
	[OUTCOME_QUARANTINE] = "quarantine", [OUTCOME_DELETE] = "delete",
	[OUTCOME_FORWARD] = "forward",       [OUTCOME_DEFER] = "defer",
};

const char *outcome_name(enum outcome o)
{
	return (unsigned)o < OUTCOMES ? names[o] : "unknown";
}

/* tests/policy/test_recipients.c fails when one is missing. */
const enum opt_id policy_options[] = {
	OPT_ALLOW_EXTERNAL_MESSAGE_BODIES,
	OPT_ALLOW_FILENAMES,
	OPT_ALLOW_FILETYPES,
	OPT_ALLOW_FILE_MIME_TYPES,
	OPT_ALLOW_PARTIAL_MESSAGES,
	OPT_ALLOW_PASSWORD_PROTECTED_ARCHIVES,
	OPT_ARCHIVES_ALLOW_FILENAMES,
	OPT_ARCHIVES_ALLOW_FILETYPES,
	OPT_ARCHIVES_ALLOW_FILE_MIME_TYPES,
	OPT_ARCHIVES_ARE,
	OPT_ARCHIVES_DENY_FILENAMES,
	OPT_ARCHIVES_DENY_FILETYPES,
	OPT_ARCHIVES_DENY_FILE_MIME_TYPES,
	OPT_ARCHIVES_FILENAME_RULES,
	OPT_ARCHIVES_FILETYPE_RULES,
	OPT_ARCHIVES_IGNORE_DAT_FILE_EXECUTABLE,
	OPT_ARCHIVES_MUST_BE_PASSWORD_PROTECTED,
	OPT_BLOCK_ENCRYPTED_MESSAGES,
	OPT_BLOCK_UNENCRYPTED_MESSAGES,
	OPT_CHECK_FILENAMES_IN_PASSWORD_PROTECTED_ARCHIVES,
	OPT_CLAMAV_FULL_MESSAGE_SCAN,
	OPT_DANGEROUS_CONTENT_SCANNING,
	OPT_DELIVER_UNPARSABLE_TNEF,
	OPT_DENY_FILENAMES,
	OPT_DENY_FILETYPES,
	OPT_DENY_FILE_MIME_TYPES,
	OPT_EXPAND_TNEF,
	OPT_FILENAME_RULES,
	OPT_FILETYPE_RULES,
	OPT_FILE_COMMAND,
	OPT_FIND_ARCHIVES_BY_CONTENT,
	OPT_FIND_UU_ENCODED_FILES,
	OPT_LOG_PERMITTED_FILENAMES,
	OPT_LOG_PERMITTED_FILETYPES,
	OPT_MAXIMUM_ARCHIVE_DEPTH,
	OPT_MAXIMUM_ARCHIVE_MEMBERS,
	OPT_MAXIMUM_ATTACHMENTS_PER_MESSAGE,
	OPT_MAXIMUM_ATTACHMENT_SIZE,
	OPT_MAXIMUM_EXPANDED_BYTES,
	OPT_MAXIMUM_EXPANSION_RATIO,
	OPT_MAXIMUM_HEADER_BYTES,
	OPT_MAXIMUM_HEADER_LINES,
	OPT_MAXIMUM_MEMBER_BYTES,
	OPT_MAXIMUM_MESSAGE_SIZE,
	OPT_MAXIMUM_MIME_DEPTH,
	OPT_MAXIMUM_MIME_PARTS,
	OPT_MESSAGE_CPU_LIMIT,
	OPT_MINIMUM_ATTACHMENT_SIZE,
	OPT_OVERRIDE_FILETYPES,
	OPT_SCAN_MESSAGES,
	OPT_UNPACK_MICROSOFT_DOCUMENTS,
	OPT_VIRUS_SCANNING,
};
const size_t policy_options_n = ARRAY_LEN(policy_options);

/* --- the request --- */

enum scan_mode { SCAN_NOTHING, SCAN_ALL, SCAN_VIRUS_ONLY };

/* Values of several recipients are joined: the one that asks for most wins. */
static enum scan_mode scan_mode(const struct conf *c, const struct conf_who *who)
{
	struct bytes rest = bytes_str(conf_words(c, OPT_SCAN_MESSAGES, who)), word;
	enum scan_mode mode = SCAN_NOTHING;

	while (bytes_next_word(&rest, &word)) {
		if (bytes_eq(word, BYTES("1")))
			return SCAN_ALL;
		if (bytes_eq(word, BYTES("2")))
			mode = SCAN_VIRUS_ONLY;
	}
	return mode;
}

bool policy_wants_scan(const struct conf *c, const struct conf_who *who)
{
	return scan_mode(c, who) != SCAN_NOTHING;
}

static void ask_content(const struct conf *c, const struct conf_who *who, struct scan_request *r)
{
	r->dangerous_content = conf_bool(c, OPT_DANGEROUS_CONTENT_SCANNING, who);
	r->check_types = conf_str(c, OPT_FILE_COMMAND, who)[0] != '\0';
	r->allow_partial = conf_bool(c, OPT_ALLOW_PARTIAL_MESSAGES, who);
	r->allow_external = conf_bool(c, OPT_ALLOW_EXTERNAL_MESSAGE_BODIES, who);
	r->block_encrypted = conf_bool(c, OPT_BLOCK_ENCRYPTED_MESSAGES, who);
	r->block_unencrypted = conf_bool(c, OPT_BLOCK_UNENCRYPTED_MESSAGES, who);
	r->max_message_bytes = conf_num(c, OPT_MAXIMUM_MESSAGE_SIZE, who);
	r->max_attachment_bytes = conf_num(c, OPT_MAXIMUM_ATTACHMENT_SIZE, who);
	r->min_attachment_bytes = conf_num(c, OPT_MINIMUM_ATTACHMENT_SIZE, who);
	r->override_filetypes = conf_bool(c, OPT_OVERRIDE_FILETYPES, who);
	r->log_permitted_names = conf_bool(c, OPT_LOG_PERMITTED_FILENAMES, who);
	r->log_permitted_types = conf_bool(c, OPT_LOG_PERMITTED_FILETYPES, who);
}

/* Scan Messages = virus: names, types, sizes and content are not asked for. */
static void ask_no_content(struct scan_request *r)
{
	r->allow_partial = r->allow_external = true;
	r->max_attachment_bytes = r->min_attachment_bytes = -1;
}

/* Unpacking serves the virus scan, too. */
static void ask_unpacking(const struct conf *c, const struct conf_who *who, struct scan_request *r)
{
	r->allow_encrypted_archives = conf_bool(c, OPT_ALLOW_PASSWORD_PROTECTED_ARCHIVES, who);
	r->require_encrypted_archives = conf_bool(c, OPT_ARCHIVES_MUST_BE_PASSWORD_PROTECTED, who);
	r->check_encrypted_names =
		conf_bool(c, OPT_CHECK_FILENAMES_IN_PASSWORD_PROTECTED_ARCHIVES, who);
	r->find_archives_by_content = conf_bool(c, OPT_FIND_ARCHIVES_BY_CONTENT, who);
	r->unpack_documents = conf_bool(c, OPT_UNPACK_MICROSOFT_DOCUMENTS, who);
	r->find_uu = conf_bool(c, OPT_FIND_UU_ENCODED_FILES, who);
	r->expand_tnef = conf_bool(c, OPT_EXPAND_TNEF, who);
	r->allow_broken_tnef = conf_bool(c, OPT_DELIVER_UNPARSABLE_TNEF, who);
	r->ignore_dat = conf_bool(c, OPT_ARCHIVES_IGNORE_DAT_FILE_EXECUTABLE, who);
	r->max_attachments = conf_num(c, OPT_MAXIMUM_ATTACHMENTS_PER_MESSAGE, who);
	if (r->max_attachments == 0)
		r->max_attachments = ATTACHMENTS_WHEN_ZERO;
}

static void ask_archives_are(const struct conf *c, const struct conf_who *who,
			     struct scan_request *r)
{
	struct bytes rest = bytes_str(conf_str(c, OPT_ARCHIVES_ARE, who)), word;
	size_t n = 0;

	while (bytes_next_word(&rest, &word)) {
		char initial = (char)ascii_lower(word.p[0]);

		if (n < sizeof(r->archives_are) - 1 && memchr(r->archives_are, initial, n) == NULL)
			r->archives_are[n++] = initial;
	}
	r->archives_are[n] = '\0';
}

/* Options of one set, in the order of struct scan_rules. */
struct rule_options {
	enum opt_id allow_names, deny_names, name_rules, allow_types, deny_types, type_rules,
		allow_mime_types, deny_mime_types;
};

static const struct rule_options rule_options[SCAN_RULES_SETS] = {
	[SCAN_RULES_NORMAL] = { OPT_ALLOW_FILENAMES, OPT_DENY_FILENAMES, OPT_FILENAME_RULES,
				OPT_ALLOW_FILETYPES, OPT_DENY_FILETYPES, OPT_FILETYPE_RULES,
				OPT_ALLOW_FILE_MIME_TYPES, OPT_DENY_FILE_MIME_TYPES },
	[SCAN_RULES_ARCHIVES] = { OPT_ARCHIVES_ALLOW_FILENAMES, OPT_ARCHIVES_DENY_FILENAMES,
				  OPT_ARCHIVES_FILENAME_RULES, OPT_ARCHIVES_ALLOW_FILETYPES,
				  OPT_ARCHIVES_DENY_FILETYPES, OPT_ARCHIVES_FILETYPE_RULES,
				  OPT_ARCHIVES_ALLOW_FILE_MIME_TYPES,
				  OPT_ARCHIVES_DENY_FILE_MIME_TYPES },
};

static bool ask_rule_set(const struct conf *c, const struct conf_who *who, struct arena *a,
			 const struct rule_options *o, struct scan_rules *rules)
{
	const struct {
		enum opt_id option;
		const char **ret;
	} fields[] = {
		{ o->allow_names, &rules->allow_names },
		{ o->deny_names, &rules->deny_names },
		{ o->name_rules, &rules->name_rules },
		{ o->allow_types, &rules->allow_types },
		{ o->deny_types, &rules->deny_types },
		{ o->type_rules, &rules->type_rules },
		{ o->allow_mime_types, &rules->allow_mime_types },
		{ o->deny_mime_types, &rules->deny_mime_types },
	};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		*fields[i].ret = arena_str(a, bytes_str(conf_str(c, fields[i].option, who)));
		if (*fields[i].ret == NULL)
			return false;
	}
	return true;
}

/* In the unit of the budget; the rows' bounds keep 0, "off", out. */
static const struct {
	enum budget_limit limit;
	enum opt_id option;
	uint64_t unit;
} limit_options[] = {
	{ BUDGET_EXPANDED_BYTES, OPT_MAXIMUM_EXPANDED_BYTES, 1 },
	{ BUDGET_MEMBER_BYTES, OPT_MAXIMUM_MEMBER_BYTES, 1 },
	{ BUDGET_RATIO, OPT_MAXIMUM_EXPANSION_RATIO, 1 },
	{ BUDGET_MEMBERS, OPT_MAXIMUM_ARCHIVE_MEMBERS, 1 },
	{ BUDGET_MIME_DEPTH, OPT_MAXIMUM_MIME_DEPTH, 1 },
	{ BUDGET_PARTS, OPT_MAXIMUM_MIME_PARTS, 1 },
	{ BUDGET_HEADER_BYTES, OPT_MAXIMUM_HEADER_BYTES, 1 },
	{ BUDGET_HEADER_LINES, OPT_MAXIMUM_HEADER_LINES, 1 },
	{ BUDGET_CPU_MS, OPT_MESSAGE_CPU_LIMIT, 1000 },
};

static void ask_limits(const struct conf *c, const struct conf_who *who, struct scan_request *r)
{
	int64_t depth = conf_num(c, OPT_MAXIMUM_ARCHIVE_DEPTH, who);

	r->limits = budget_default_limits;
	for (size_t i = 0; i < ARRAY_LEN(limit_options); i++) {
		int64_t v = conf_num(c, limit_options[i].option, who);

		if (v > 0)
			r->limits.max[limit_options[i].limit] = (uint64_t)v * limit_options[i].unit;
	}
	r->no_unpack = depth <= 0;
	if (depth > 0)
		r->limits.max[BUDGET_ARCHIVE_DEPTH] = (uint64_t)depth;
}

int policy_request(const struct conf *c, const struct conf_who *who, struct arena *a,
		   struct scan_request *ret_r, struct err *err)
{
	struct scan_request r = { .client_ip = "", .id = "" };

	if (who != NULL && who->client_ip != NULL)
		r.client_ip = who->client_ip;
	r.virus_scanning = conf_bool(c, OPT_VIRUS_SCANNING, who);
	r.full_message_scan = conf_bool(c, OPT_CLAMAV_FULL_MESSAGE_SCAN, who);
	if (scan_mode(c, who) == SCAN_VIRUS_ONLY)
		ask_no_content(&r);
	else
		ask_content(c, who, &r);
	ask_unpacking(c, who, &r);
	ask_archives_are(c, who, &r);
	ask_limits(c, who, &r);
	for (size_t i = 0; i < SCAN_RULES_SETS; i++)
		if (!ask_rule_set(c, who, a, &rule_options[i], &r.rules[i]))
			return err_set(err, ERR_LIMIT, -ENOMEM,
				       "no memory for the filename and filetype rules");
	*ret_r = r;
	return 0;
}

/* --- the decision --- */

bool policy_requires(const struct scan_request *r, enum check_id id)
{
	switch (id) {
	case CHECK_LIMITS:
	case CHECK_MIME:
		return true;
	case CHECK_ARCHIVES:
		return r->virus_scanning || r->dangerous_content;
	case CHECK_SIZES:
	case CHECK_FILENAMES:
		return r->dangerous_content;
	case CHECK_FILETYPES:
		return r->dangerous_content && r->check_types;
	case CHECK_CONTENT: /* partial messages and external bodies: also without the rest */
		return r->dangerous_content || !r->allow_partial || !r->allow_external;
	case CHECK_VIRUS:
		return r->virus_scanning;
	case CHECK_TEST:
	case CHECK_COUNT:
		break;
	}
	return false;
}

/* Nobody who was not asked may be missing; nobody who began may have stopped half-way: it may have
 * been about to find something. */
static bool is_missing(const struct scan_request *r, const struct facts *f, enum check_id id)
{
	enum check_state state = f->checks[id].state;

	return state != CHECK_RAN && (state != CHECK_SKIPPED || policy_requires(r, id));
}

static void add_infection(struct decision *d, const struct finding *f)
{
	switch (f->class != 0 ? f->class : f->kind == FINDING_VIRUS ? 'v' : 0) {
	case 'v':
		d->virus_infected = true;
		break;
	case 'f':
		d->name_infected = true;
		break;
	case 's':
		d->size_infected = true;
		break;
	default:
		d->other_infected = true;
	}
}

/* One printable line in the arena; @otherwise when that is full. */
static const char *say(struct arena *a, const char *what, const char *detail, const char *otherwise)
{
	char safe[400];
	const char *text =
		arena_printf(a, "%s%s%s", what, detail == NULL || detail[0] == '\0' ? "" : ": ",
			     text_escape(safe, sizeof(safe), bytes_str(detail)));

	return text == NULL ? otherwise : text;
}

static bool decide_findings(const struct facts *f, struct arena *a, struct decision *d)
{
	if (f->findings_n == 0)
		return false;
	for (size_t i = 0; i < f->findings_n; i++)
		add_infection(d, &f->findings[i]);
	d->outcome = OUTCOME_QUARANTINE;
	d->why = say(a, finding_kind_name(f->findings[0].kind),
		     f->findings[0].report != NULL && f->findings[0].report[0] != '\0'
			     ? f->findings[0].report
			     : f->findings[0].name,
		     "a finding");
	return true;
}

static bool decide_limit(const struct facts *f, struct arena *a, struct decision *d)
{
	if (!f->cut && f->limit_hit == BUDGET_NONE)
		return false;
	d->other_infected = true;
	d->outcome = OUTCOME_QUARANTINE;
	d->why = f->limit_hit == BUDGET_NONE ? "limit: more parts or findings than can be reported"
					     : say(a, "limit",
						   f->limit_why != NULL && f->limit_why[0] != '\0'
							   ? f->limit_why
							   : budget_limit_name(f->limit_hit),
						   "a limit");
	return true;
}

static bool decide_missing(const struct scan_request *r, const struct facts *f, struct arena *a,
			   struct decision *d)
{
	for (int i = 0; i < CHECK_COUNT; i++) {
		enum check_id id = (enum check_id)i;
		const char *what;

		if (!is_missing(r, f, id))
			continue;
		what = arena_printf(a, "check %s %s", check_name(id),
				    check_state_name(f->checks[id].state));
		d->outcome = OUTCOME_DEFER;
		d->why = what == NULL ? "a check did not finish"
				      : say(a, what, f->checks[id].why, "a check did not finish");
		return true;
	}
	return false;
}

void policy_decide(const struct conf *c UNUSED, const struct conf_who *who UNUSED,
		   const struct scan_request *r, const struct facts *f, struct arena *a,
		   struct decision *ret_d)
{
	/* Clean Header Value speaks of the virus scan, whatever else was looked at. */
	struct decision d = { .outcome = OUTCOME_DEFER, .scanned = r->virus_scanning, .why = "" };

	if (!decide_findings(f, a, &d) && !decide_limit(f, a, &d) && !decide_missing(r, f, a, &d))
		d.outcome = OUTCOME_DELIVER;
	*ret_d = d;
}

bool policy_same_action(const struct decision *a, const struct decision *b)
{
	if (a->outcome != b->outcome)
		return false;
	switch (a->outcome) {
	case OUTCOME_DEFER: /* nothing is done, for whatever reason */
		return true;
	case OUTCOME_DELIVER:
		return a->scanned == b->scanned;
	case OUTCOME_QUARANTINE: /* one note says for all recipients what was found */
		return a->virus_infected == b->virus_infected &&
		       a->name_infected == b->name_infected &&
		       a->size_infected == b->size_infected &&
		       a->other_infected == b->other_infected && strcmp(a->why, b->why) == 0;
	default: /* not carried out yet: never joined by accident */
		return false;
	}
}
