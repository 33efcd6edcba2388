/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables of options by which recipients of one message are told apart (policy_options,
 * edit_options()) hold every option that is asked for on the way of a message: the linker puts us
 * between those who ask and conf/ (--wrap), and all that is asked is noted.
 */
#include <stdlib.h>
#include <string.h>

#include "action/edit.h"
#include "policy/policy.h"
#include "tests/t.h"

static bool asked[OPT_ROWS];
static bool loading; /* conf_load() asks, too */

bool __real_conf_bool(const struct conf *c, enum opt_id id, const struct conf_who *who);
int64_t __real_conf_num(const struct conf *c, enum opt_id id, const struct conf_who *who);
double __real_conf_real(const struct conf *c, enum opt_id id, const struct conf_who *who);
const char *__real_conf_str(const struct conf *c, enum opt_id id, const struct conf_who *who);
const char *__real_conf_words(const struct conf *c, enum opt_id id, const struct conf_who *who);

bool __wrap_conf_bool(const struct conf *c, enum opt_id id, const struct conf_who *who);
int64_t __wrap_conf_num(const struct conf *c, enum opt_id id, const struct conf_who *who);
double __wrap_conf_real(const struct conf *c, enum opt_id id, const struct conf_who *who);
const char *__wrap_conf_str(const struct conf *c, enum opt_id id, const struct conf_who *who);
const char *__wrap_conf_words(const struct conf *c, enum opt_id id, const struct conf_who *who);

bool __wrap_conf_bool(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	asked[id] |= !loading;
	return __real_conf_bool(c, id, who);
}

int64_t __wrap_conf_num(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	asked[id] |= !loading;
	return __real_conf_num(c, id, who);
}

double __wrap_conf_real(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	asked[id] |= !loading;
	return __real_conf_real(c, id, who);
}

const char *__wrap_conf_str(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	asked[id] |= !loading;
	return __real_conf_str(c, id, who);
}

const char *__wrap_conf_words(const struct conf *c, enum opt_id id, const struct conf_who *who)
{
	asked[id] |= !loading;
	return __real_conf_words(c, id, who);
}

static const char *const to[] = { "b@x" };
static const struct conf_who who = { .from = "a@x", .to = to, .to_n = 1, .client_ip = "192.0.2.1" };

/* Every header has a name, and nothing is switched off. */
static const char all_headers[] =
	"Mail Header = X-M:\nInformation Header = X-I:\nID Header = X-D:\n"
	"IP Protocol Version Header = X-P:\nEnvelope From Header = X-F:\n"
	"Envelope To Header = X-T:\nAdd Envelope From Header = yes\n"
	"Add Envelope To Header = yes\nMark Unscanned Messages = yes\n"
	"Remove These Headers = X-Mozilla-Status\n";

static struct conf *load(const char *more)
{
	struct conf_report *report = conf_report_new();
	struct conf_source *s = NULL;
	struct conf *c = NULL;
	char text[2048];

	(void)snprintf(text, sizeof(text), "%s%s", all_headers, more);
	loading = true;
	if (report == NULL || conf_source_memory(&s, NULL) < 0 ||
	    conf_source_add(s, "/m.conf", CONF_FILE, false, bytes_str(text)) < 0 ||
	    conf_load(&c, s, "/m.conf", report, NULL) < 0)
		printf("# does not load\n");
	loading = false;
	conf_report_free(&report);
	conf_source_close(&s);
	return c;
}

static bool in_table(enum opt_id id, const enum opt_id *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (table[i] == id)
			return true;
	return false;
}

/* What is asked and what stands in @table must be the same. */
static void compare(const char *what, const enum opt_id *table, size_t n)
{
	bool same = true;

	for (int i = 0; i < OPT_ROWS; i++) {
		enum opt_id id = (enum opt_id)i;

		if (asked[id] == in_table(id, table, n))
			continue;
		printf("# %s: %s is %s\n", what, opt_rows[id].name,
		       asked[id] ? "asked for and not in the table"
				 : "in the table and never asked for");
		same = false;
	}
	T_OK(same, "%s: the table of %zu options is complete", what, n);
}

static void test_policy(void)
{
	static const char *const modes[] = { "Scan Messages = yes\n", "Scan Messages = virus\n",
					     "Scan Messages = no\n" };
	static const struct facts nothing;
	struct arena *a = arena_new(4 * MIB);

	memset(asked, 0, sizeof(asked));
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		struct conf *c = load(modes[i]);
		struct scan_request r;
		struct decision d;

		(void)policy_wants_scan(c, &who);
		T_OK(policy_request(c, &who, a, &r, NULL) == 0, "request with %.20s", modes[i]);
		policy_decide(c, &who, &r, &nothing, a, &d);
		conf_unref(&c);
	}
	compare("policy", policy_options, policy_options_n);
	arena_free(&a);
}

static void test_edit(enum edit_outcome outcome, const char *what)
{
	struct arena *a = arena_new(4 * MIB);
	struct queue_entry e = { .id = "id" };
	struct header_list list = { 0 };
	struct edit edit = { .list = &list, .arena = a };
	struct conf *c = load("");
	enum opt_id table[128];
	size_t n = edit_options(outcome, table, ARRAY_LEN(table));

	e.env = (struct envelope){ .sender = "a@x", .client_ip = "192.0.2.1", .to_n = 1 };
	e.env.to = (const char **)(uintptr_t)to;
	memset(asked, 0, sizeof(asked));
	T_OK(n <= ARRAY_LEN(table) && edit_for_delivery(&edit, c, &who, &e, outcome, NULL) == 0 &&
		     !edit.failed,
	     "edits: %s", what);
	compare(what, table, n);
	conf_unref(&c);
	arena_free(&a);
}

/* --- which decisions are one action --- */

#define QUARANTINE(more)                                                                           \
	{                                                                                          \
		.outcome = OUTCOME_QUARANTINE, .why = "w", more                                    \
	}
static const struct {
	struct decision a, b;
	bool same;
} actions[] = {
	{ { .outcome = OUTCOME_DELIVER, .why = "" },
	  { .outcome = OUTCOME_DELIVER, .why = "" },
	  true },
	{ { .outcome = OUTCOME_DELIVER, .scanned = true, .why = "" },
	  { .outcome = OUTCOME_DELIVER, .why = "" },
	  false },
	{ { .outcome = OUTCOME_DELIVER, .why = "" },
	  { .outcome = OUTCOME_DEFER, .why = "" },
	  false },
	{ { .outcome = OUTCOME_DEFER, .why = "x" },
	  { .outcome = OUTCOME_DEFER, .why = "y" },
	  true },
	{ { .outcome = OUTCOME_DEFER, .why = "" }, QUARANTINE(.scanned = true), false },
	{ QUARANTINE(.virus_infected = true), QUARANTINE(.virus_infected = true), true },
	{ QUARANTINE(.virus_infected = true), QUARANTINE(.name_infected = true), false },
	{ QUARANTINE(.size_infected = true), QUARANTINE(.other_infected = true), false },
	{ QUARANTINE(.virus_infected = true), QUARANTINE(.virus_infected = false), false },
	{ QUARANTINE(.name_infected = true), QUARANTINE(.name_infected = false), false },
	{ QUARANTINE(.size_infected = true), QUARANTINE(.size_infected = false), false },
	{ QUARANTINE(.other_infected = true), QUARANTINE(.other_infected = false), false },
	{ QUARANTINE(.scanned = true), QUARANTINE(.scanned = false), true },
	{ { .outcome = OUTCOME_QUARANTINE, .why = "a" },
	  { .outcome = OUTCOME_QUARANTINE, .why = "b" },
	  false },
	/* not carried out yet: nobody knows what makes two of them the same */
	{ { .outcome = OUTCOME_DELETE, .why = "" },
	  { .outcome = OUTCOME_DELETE, .why = "" },
	  false },
	{ { .outcome = OUTCOME_FORWARD, .why = "" },
	  { .outcome = OUTCOME_FORWARD, .why = "" },
	  false },
};

static void test_same(void)
{
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		T_OK(policy_same_action(&actions[i].a, &actions[i].b) == actions[i].same &&
			     policy_same_action(&actions[i].b, &actions[i].a) == actions[i].same,
		     "%zu: %s and %s are %s action", i, outcome_name(actions[i].a.outcome),
		     outcome_name(actions[i].b.outcome), actions[i].same ? "one" : "no one");
}

int main(void)
{
	test_policy();
	test_edit(EDIT_CLEAN, "clean");
	test_edit(EDIT_INFECTED, "infected");
	test_edit(EDIT_UNSCANNED, "unscanned");
	test_edit(EDIT_DISINFECTED, "disinfected");
	test_edit(EDIT_UNTOUCHED, "untouched");
	test_same();
	return t_done();
}
