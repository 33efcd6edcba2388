/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests and facts survive the way there and back; what is malformed or too large says so. */
#include "scan/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/t.h"

#define OUT_BYTES (256u * 1024)

static uint8_t out[OUT_BYTES];

static const char *outer_path[] = { "a.zip", "b.zip", "c.exe" };

static struct fact_member members[3] = {
	{ .path = outer_path + 1, .path_n = 1, .size_bytes = 10 },
	{ .path = outer_path + 1, .path_n = 2, .size_bytes = UINT64_MAX, .encrypted = true },
	{ .path = NULL, .path_n = 0 },
};

static struct fact_part parts[2] = {
	{ .id = "1",
	  .type = "text/plain",
	  .name = "",
	  .file_type = "ASCII text",
	  .has_sha256 = true,
	  .sha256 = { 1, 2, 3 } },
	{ .id = "2",
	  .type = "application/zip",
	  .name = "a.zip",
	  .file_type = "",
	  .encrypted = true,
	  .size_bytes = 4096,
	  .alternate = true,
	  .members = members,
	  .members_n = 3 },
};

static struct finding findings[2] = {
	{ .kind = FINDING_VIRUS,
	  .class = 'v',
	  .part = "2",
	  .path = outer_path,
	  .path_n = 3,
	  .name = "Eicar",
	  .scanner = "Clamd",
	  .report = "Clamd: c.exe was infected: Eicar",
	  .log = "Clamd::INFECTED:: Eicar :: ./%id%/c.exe",
	  .rule = "" },
	{ .kind = FINDING_DOS,
	  .class = 0,
	  .whole_message = true,
	  .delete_part = true,
	  .part = "",
	  .name = "limit",
	  .scanner = "",
	  .report = "too much\x01\xff",
	  .log = "",
	  .rule = "Maximum Archive Depth" },
};

static struct fact_verdict verdicts[1] = {
	{ .sha256 = { 9 }, .virus = "Eicar", .file_type = "PE32", .mime_type = "application/x" }
};

static struct facts sample(void)
{
	struct facts f = { .findings = findings,
			   .findings_n = 2,
			   .parts = parts,
			   .parts_n = 2,
			   .verdicts = verdicts,
			   .verdicts_n = 1,
			   .subject = "hello",
			   .message_id = "a@b",
			   .cpu_us = 5,
			   .expanded_bytes = 1ull << 40,
			   .mime_defects = 3,
			   .limit_hit = BUDGET_RATIO,
			   .limit_why = "ratio" };

	f.checks[CHECK_VIRUS] =
		(struct check_result){ .state = CHECK_FAILED, .why = "no engine", .us = 7 };
	f.checks[CHECK_MIME].state = CHECK_RAN;
	f.has_stages = f.counted_events = true;
	f.stages[CHECK_VIRUS] = (struct cost){ 11, 12, { 13, 14, 15, 16 } };
	f.stages[STAGE_REST] = (struct cost){ 21, UINT64_MAX, { 23, 24, 25, UINT64_MAX } };
	return f;
}

static bool same_path(const char **a, size_t a_n, const char **b, size_t b_n)
{
	for (size_t i = 0; a_n == b_n && i < a_n; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return a_n == b_n;
}

static bool same_finding(const struct finding *a, const struct finding *b)
{
	return a->kind == b->kind && a->class == b->class && a->whole_message == b->whole_message &&
	       a->delete_part == b->delete_part && strcmp(a->part, b->part) == 0 &&
	       same_path(a->path, a->path_n, b->path, b->path_n) && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->scanner, b->scanner) == 0 && strcmp(a->report, b->report) == 0 &&
	       strcmp(a->log, b->log) == 0 && strcmp(a->rule, b->rule) == 0;
}

static bool same_part(const struct fact_part *a, const struct fact_part *b)
{
	bool same = strcmp(a->id, b->id) == 0 && strcmp(a->type, b->type) == 0 &&
		    strcmp(a->name, b->name) == 0 && strcmp(a->file_type, b->file_type) == 0 &&
		    a->size_bytes == b->size_bytes && a->has_sha256 == b->has_sha256 &&
		    memcmp(a->sha256, b->sha256, 32) == 0 && a->encrypted == b->encrypted &&
		    a->alternate == b->alternate && a->members_n == b->members_n;

	for (size_t i = 0; same && i < a->members_n; i++)
		same = a->members[i].size_bytes == b->members[i].size_bytes &&
		       a->members[i].encrypted == b->members[i].encrypted &&
		       same_path(a->members[i].path, a->members[i].path_n, b->members[i].path,
				 b->members[i].path_n);
	return same;
}

static void facts_there_and_back(void)
{
	struct facts f = sample(), g = { .findings = NULL };
	AUTO(arena_free) struct arena *a = arena_new(MIB);
	struct err err = { .kind = ERR_NONE };
	ssize_t n = wire_put_facts(&f, out, sizeof(out), &err);

	T_OK(n > 0, "facts are written: %zd bytes", n);
	T_OK(n > 0 && wire_get_facts(bytes_of(out, (size_t)n), a, &g, &err) == 0, "and read: %s",
	     err.text);
	T_OK(g.findings_n == 2 && same_finding(&g.findings[0], &findings[0]) &&
		     same_finding(&g.findings[1], &findings[1]),
	     "findings are the same");
	T_OK(g.parts_n == 2 && same_part(&g.parts[0], &parts[0]) &&
		     same_part(&g.parts[1], &parts[1]),
	     "parts and members are the same");
	T_OK(g.verdicts_n == 1 && memcmp(&g.verdicts[0], &verdicts[0], sizeof(verdicts[0])) == 0,
	     "verdicts are the same");
	T_OK(g.checks[CHECK_VIRUS].state == CHECK_FAILED && g.checks[CHECK_VIRUS].us == 7 &&
		     strcmp(g.checks[CHECK_VIRUS].why, "no engine") == 0 &&
		     g.checks[CHECK_MIME].state == CHECK_RAN && g.checks[CHECK_MIME].why == NULL,
	     "checks are the same");
	T_OK(!g.cut && strcmp(g.subject, "hello") == 0 && strcmp(g.message_id, "a@b") == 0 &&
		     g.cpu_us == 5 && g.expanded_bytes == 1ull << 40 && g.mime_defects == 3 &&
		     g.limit_hit == BUDGET_RATIO && strcmp(g.limit_why, "ratio") == 0,
	     "the rest is the same");
	T_OK(g.has_stages && g.counted_events &&
		     memcmp(&g.stages[CHECK_VIRUS], &f.stages[CHECK_VIRUS], sizeof(struct cost)) ==
			     0 &&
		     g.stages[STAGE_REST].cpu_ns == 21 && g.stages[STAGE_REST].events[2] == 25,
	     "costs are the same");
	T_OK(g.stages[STAGE_REST].wall_ns == FACTS_STAGE_NS_MAX &&
		     g.stages[STAGE_REST].events[3] == FACTS_STAGE_EVENTS_MAX,
	     "but none that cannot be");
}

/* What a worker in the hands of somebody else could write. */
static void hostile_costs(void)
{
	struct facts f = { .subject = "", .message_id = "", .limit_why = "", .has_stages = true },
		     g;
	AUTO(arena_free) struct arena *a = arena_new(MIB);
	struct err err = { .text = "" };
	ssize_t n;
	unsigned refused = 0, places = 0;

	f.stages[CHECK_MIME].cpu_ns = FACTS_STAGE_NS_MAX;
	f.stages[CHECK_MIME].events[0] = 5;
	n = wire_put_facts(&f, out, sizeof(out), NULL);
	T_OK(n > 0 && wire_get_facts(bytes_of(out, (size_t)n), a, &g, &err) == 0 &&
		     g.stages[CHECK_MIME].cpu_ns == FACTS_STAGE_NS_MAX &&
		     g.stages[CHECK_MIME].events[0] == 0,
	     "a day is the most; events that were not counted are not sent");
	for (ssize_t i = 0; i + 8 <= n; i++) {
		uint64_t v, more = FACTS_STAGE_NS_MAX + 1;

		memcpy(&v, out + i, sizeof(v));
		if (v != FACTS_STAGE_NS_MAX)
			continue;
		places++;
		memcpy(out + i, &more, sizeof(more));
		refused += wire_get_facts(bytes_of(out, (size_t)n), a, &g, &err) == -EBADMSG;
		memcpy(out + i, &v, sizeof(v));
	}
	T_OK(places == 1 && refused == 1, "a nanosecond more is refused: %s", err.text);
}

static void stage_names(void)
{
	unsigned named = 0;

	for (unsigned i = 0; i < STAGE_COUNT; i++)
		named += strcmp(stage_name(i), "unknown") != 0 &&
			 strchr("RPANVC", stage_letter(i)) != NULL;
	T_OK(named == STAGE_COUNT, "every stage has a name and a letter");
	T_OK(strcmp(stage_name(CHECK_VIRUS), "virus") == 0 && stage_letter(CHECK_VIRUS) == 'V' &&
		     strcmp(stage_name(STAGE_READ), "read") == 0 &&
		     stage_letter(STAGE_COUNT) == '?' && stage_letter(255) == '?',
	     "the right ones");
}

static void request_there_and_back(void)
{
	struct scan_request r = { .virus_scanning = true,
				  .expand_tnef = true,
				  .no_unpack = true,
				  .max_attachments = -1,
				  .max_message_bytes = INT64_MAX,
				  .archives_are = "zro",
				  .id = "1ABC",
				  .limits = budget_default_limits };
	struct scan_request g;
	AUTO(arena_free) struct arena *a = arena_new(MIB);
	struct err err = { .kind = ERR_NONE };
	ssize_t n;

	r.rules[SCAN_RULES_ARCHIVES].deny_names = "\\.exe$ \\.scr$";
	n = wire_put_request(&r, out, sizeof(out), &err);
	T_OK(n > 0 && wire_get_request(bytes_of(out, (size_t)n), a, &g, &err) == 0,
	     "a request goes there and back: %s", err.text);
	T_OK(g.virus_scanning && g.expand_tnef && g.no_unpack && !g.full_message_scan &&
		     g.max_attachments == -1 && g.max_message_bytes == INT64_MAX &&
		     strcmp(g.archives_are, "zro") == 0 && strcmp(g.id, "1ABC") == 0 &&
		     strcmp(g.client_ip, "") == 0,
	     "its values are the same, NULL reads as empty");
	T_OK(strcmp(g.rules[SCAN_RULES_ARCHIVES].deny_names, "\\.exe$ \\.scr$") == 0 &&
		     strcmp(g.rules[SCAN_RULES_NORMAL].deny_names, "") == 0 &&
		     memcmp(&g.limits, &r.limits, sizeof(g.limits)) == 0,
	     "rules and limits are the same");
	T_OK(wire_put_request(&r, out, 100, &err) == -EFBIG && err.kind == ERR_LIMIT,
	     "a request that does not fit says so: %s", err.text);
}

/* Every shortened and every damaged copy is refused or decodes within its limits; never worse. */
static void damage(void)
{
	struct facts f = sample(), g;
	AUTO(arena_free) struct arena *a = arena_new(MIB);
	struct err err;
	ssize_t n = wire_put_facts(&f, out, sizeof(out), NULL);
	unsigned short_ok = 0, states_bad = 0;

	for (ssize_t i = 0; i < n; i++) {
		if (wire_get_facts(bytes_of(out, (size_t)i), a, &g, &err) == 0)
			short_ok++;
		arena_reset(a);
	}
	T_OK(short_ok == 0, "no shortened copy is accepted");
	for (ssize_t i = 0; i < n; i++) {
		uint8_t was = out[i];

		out[i] = 0xff;
		if (wire_get_facts(bytes_of(out, (size_t)n), a, &g, &err) == 0)
			for (size_t c = 0; c < CHECK_COUNT; c++)
				states_bad += g.checks[c].state >= CHECK_STATES;
		out[i] = was;
		arena_reset(a);
	}
	T_OK(states_bad == 0, "no damaged byte makes an unknown state");
	T_OK(wire_get_facts(bytes_of(out, (size_t)n + 1), a, &g, &err) == -EBADMSG &&
		     err.kind == ERR_BUG,
	     "a trailing byte is refused: %s", err.text);
}

static void tiny_arena(void)
{
	struct facts f = sample(), g;
	AUTO(arena_free) struct arena *a = arena_new(64);
	struct err err;
	ssize_t n = wire_put_facts(&f, out, sizeof(out), NULL);

	T_OK(wire_get_facts(bytes_of(out, (size_t)n), a, &g, &err) == -ENOMEM &&
		     err.kind == ERR_LIMIT,
	     "a full arena is not called malformed: %s", err.text);
}

/* At every size: what comes back is whole, and less important things go first. */
static void cutting(void)
{
	struct facts f = sample(), g;
	AUTO(arena_free) struct arena *a = arena_new(MIB);
	struct err err;
	ssize_t whole = wire_put_facts(&f, out, sizeof(out), NULL);
	unsigned wrong = 0, refused = 0, fits = 0;

	for (size_t size = 0; size <= (size_t)whole; size++) {
		uint8_t *exact = malloc(size + 1);
		ssize_t n = wire_put_facts(&f, exact, size, &err);

		if (n == -EFBIG) {
			refused++;
			wrong += fits > 0; /* larger must not be worse */
		} else if (n < 0 || wire_get_facts(bytes_of(exact, (size_t)n), a, &g, &err) < 0) {
			wrong++;
		} else {
			fits++;
			wrong += g.findings_n == 0;
			wrong += g.findings_n < 2 && g.verdicts_n > 0 && size > 2000;
			wrong += g.cut != (size < (size_t)whole);
		}
		free(exact);
		arena_reset(a);
	}
	T_OK(wrong == 0, "%u sizes are refused, %u are cut properly, %u wrong", refused, fits,
	     wrong);
}

static void too_many(void)
{
	static struct finding many[FACTS_FINDINGS_MAX + 5];
	struct facts f = sample(), g;
	AUTO(arena_free) struct arena *a = arena_new(4 * MIB);
	struct err err = { .kind = ERR_NONE };
	ssize_t n;

	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = (struct finding){ .kind = FINDING_SIZE, .class = 's' };
	f.findings = many;
	f.findings_n = ARRAY_LEN(many);
	n = wire_put_facts(&f, out, sizeof(out), &err);
	T_OK(n > 0 && wire_get_facts(bytes_of(out, (size_t)n), a, &g, &err) == 0 &&
		     g.findings_n == FACTS_FINDINGS_MAX && g.cut && g.parts_n == 2,
	     "findings above the limit are cut, the rest stays: %s", err.text);
}

static void long_texts(void)
{
	char *text = malloc(MIB + 1);
	struct finding one = {
		.kind = FINDING_FILENAME, .class = 'f', .name = text, .report = text, .log = text
	};
	struct facts f = sample(), g;
	AUTO(arena_free) struct arena *a = arena_new(4 * MIB);
	struct err err = { .kind = ERR_NONE };
	ssize_t n;

	memset(text, 'x', MIB);
	text[MIB] = '\0';
	f.findings = &one;
	f.findings_n = 1;
	f.subject = text;
	n = wire_put_facts(&f, out, sizeof(out), &err);
	T_OK(n > 0 && wire_get_facts(bytes_of(out, (size_t)n), a, &g, &err) == 0 &&
		     g.findings_n == 1 && strlen(g.findings[0].report) == 4096 && g.parts_n == 2,
	     "a report of one megabyte is clipped, not lost: %s", err.text);
	free(text);
}

int main(void)
{
	facts_there_and_back();
	hostile_costs();
	stage_names();
	request_there_and_back();
	damage();
	tiny_arena();
	cutting();
	too_many();
	long_texts();
	return t_done();
}
