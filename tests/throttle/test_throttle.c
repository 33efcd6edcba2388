/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/throttle/test_throttle.c - the gateway's side: who is charged, decisions, lists, a
 * supervisor that does not listen, what a restart keeps. */
#include "throttle/throttle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/str.h"
#include "tests/t.h"

static char state[] = "/tmp/sallyport-throttle-XXXXXX";

static struct conf *configure(const char *more)
{
	AUTO(conf_source_close) struct conf_source *s = NULL;
	AUTO(str_fini) struct str text;
	struct conf *c;
	struct err err;

	str_init(&text, 8000);
	str_addf(&text,
		 "Throttle = enforce\nThrottle State File = %s\nThrottle Sources = 64\n"
		 "Throttle List Entries = 16\n%s",
		 state, more);
	if (conf_source_memory(&s, &err) < 0 ||
	    conf_source_add(s, "/c", CONF_FILE, false, str_bytes(&text)) < 0 ||
	    conf_load(&c, s, "/c", NULL, &err) < 0)
		abort();
	return c;
}

/* What a supervisor with nftables was told. */
struct told {
	bool deaf;
	unsigned n, anew;
	enum throttle_level refusing; /* of the last word to all */
	enum throttle_list list;
	char prefix[THROTTLE_PREFIX_TEXT];
	enum throttle_level level;
	uint32_t seconds;
};

static int tell(void *arg, enum throttle_list l, const struct throttle_prefix *p,
		enum throttle_level level, uint32_t seconds)
{
	struct told *t = arg;

	if (t->deaf)
		return -EAGAIN;
	if (l == THROTTLE_LIST_ALL) {
		t->anew++;
		t->refusing = level;
		return 0;
	}
	t->n++;
	t->list = l;
	(void)throttle_prefix_text(p, t->prefix);
	t->level = level;
	t->seconds = seconds;
	return 0;
}

struct world {
	struct loop *loop;
	struct metrics *metrics;
	struct conf *conf;
	struct throttle *t;
	struct told told;
};

static void start(struct world *w, const char *options)
{
	const int none[THROTTLE_FDS] = { -1, -1, -1, -1, -1, -1, -1, -1 };
	struct throttle_kernel_link link = { .method = THROTTLE_NFTABLES,
					     .nft = tell,
					     .nft_arg = &w->told };
	struct err err;
	int fds[THROTTLE_FDS];

	memcpy(fds, none, sizeof(fds));
	w->conf = configure(options);
	if (throttle_new(&w->t, w->loop, w->metrics, w->conf, &err) < 0)
		abort();
	throttle_attach(w->t, &link, fds);
}

static void stop(struct world *w)
{
	throttle_free(&w->t);
	conf_unref(&w->conf);
}

static void bombs(struct world *w, const char *ip, unsigned n, bool authenticated)
{
	const struct charge_facts f = { .n = { [CHARGE_BOMB] = 1 } };
	const struct conf_who who = { .from = "a@b.example", .client_ip = ip };

	for (unsigned i = 0; i < n; i++)
		throttle_charge(w->t, w->conf, &who, authenticated, &f);
}

static struct throttle_prefix prefix(const char *text)
{
	struct throttle_prefix p;

	if (!throttle_prefix_parse(text, &p))
		abort();
	return p;
}

static struct throttle_decision decide(struct world *w, const char *address)
{
	struct throttle_prefix p = prefix(address);
	struct throttle_decision d;

	throttle_decide(w->t, &p, throttle_now_ns(w->t), &d);
	return d;
}

static int add(struct world *w, enum throttle_list l, const char *text, enum throttle_level level,
	       uint32_t seconds)
{
	struct throttle_prefix p = prefix(text);
	struct err err;

	return throttle_add(w->t, l, &p, level, seconds, &err);
}

static int del(struct world *w, enum throttle_list l, const char *text)
{
	struct throttle_prefix p = prefix(text);
	struct err err;

	return throttle_del(w->t, l, &p, &err);
}

static const struct {
	const char *ip;
	unsigned bombs;
	bool authenticated;
	const char *asked;
	enum throttle_action want;
	enum throttle_level level;
} charges[] = {
	{ "192.0.2.1", 1, false, "192.0.2.1", THROTTLE_DO_PASS, THROTTLE_NORMAL },
	{ "192.0.2.2", 2, false, "192.0.2.2", THROTTLE_DO_SLOW, THROTTLE_SLOWER },
	{ "192.0.2.3", 4, false, "192.0.2.3", THROTTLE_DO_SLOW, THROTTLE_FEW },
	{ "192.0.3.4", 7, false, "192.0.3.4", THROTTLE_DO_REFUSE, THROTTLE_NOTHING },
	{ "192.0.4.5", 50, true, "192.0.4.5", THROTTLE_DO_PASS, THROTTLE_NORMAL },
	{ "198.51.100.77", 50, false, "198.51.100.77", THROTTLE_DO_PASS, THROTTLE_NORMAL },
	{ "127.0.0.1", 50, false, "127.0.0.1", THROTTLE_DO_PASS, THROTTLE_NORMAL },
	{ "0.0.0.0", 50, false, "0.0.0.0", THROTTLE_DO_PASS, THROTTLE_NORMAL },
	{ "::1", 50, false, "::1", THROTTLE_DO_PASS, THROTTLE_NORMAL },
	{ "not an address", 50, false, "192.0.2.200", THROTTLE_DO_PASS, THROTTLE_NORMAL },
	{ NULL, 50, false, "192.0.2.201", THROTTLE_DO_PASS, THROTTLE_NORMAL },
	{ "2001:db8:1:2::3", 7, false, "2001:db8:1:2:ffff::", THROTTLE_DO_REFUSE,
	  THROTTLE_NOTHING },
	{ "192.0.9.1", 0, false, "203.0.113.9", THROTTLE_DO_REFUSE, THROTTLE_NOTHING },
};

static void check_charges(struct world *w)
{
	start(w, "Throttle Allow = 198.51.100.0/24\nThrottle Deny = 203.0.113.0/24\n");
	for (size_t i = 0; i < ARRAY_LEN(charges); i++) {
		struct throttle_decision d;

		bombs(w, charges[i].ip, charges[i].bombs, charges[i].authenticated);
		d = decide(w, charges[i].asked);
		T_OK(d.action == charges[i].want && d.level == charges[i].level,
		     "%u bombs from %s%s: %s, %s (%s)", charges[i].bombs,
		     charges[i].ip == NULL ? "nobody" : charges[i].ip,
		     charges[i].authenticated ? " with a name" : "", throttle_action_name(d.action),
		     throttle_level_name(d.level), d.why);
	}
	T_OK(metrics_value(w->metrics, METRIC_THROTTLE_CHARGED) == 1 + 2 + 4 + 7 + 7,
	     "messages are counted");
	T_OK(metrics_value(w->metrics, METRIC_THROTTLE_NOTHING) == 2, "and penalties");
}

static size_t penalised(struct world *w)
{
	struct throttle_status s;

	throttle_status(w->t, &s);
	return s.penalised;
}

/* Goes on where check_charges() ended. */
static void check_restart(struct world *w)
{
	struct throttle_decision d;

	T_OK(add(w, THROTTLE_LIST_DENY, "192.0.5.0/24", THROTTLE_NORMAL, 3600) == 0, "one by hand");
	stop(w);
	w->told = (struct told){ 0 };
	start(w, "");
	d = decide(w, "192.0.2.3");
	T_OK(d.level == THROTTLE_FEW, "a restart keeps levels (%s)", d.why);
	T_OK(decide(w, "192.0.5.1").action == THROTTLE_DO_REFUSE, "and lists by hand");
	T_OK(decide(w, "203.0.113.9").action == THROTTLE_DO_PASS, "but no options of before");
	T_OK(w->told.anew == 1 && w->told.refusing != THROTTLE_NORMAL,
	     "what was for an earlier gateway goes");
	T_OK(w->told.n == 5, "the supervisor is told of four levels and a list: %u", w->told.n);
	stop(w);
	w->told = (struct told){ 0 };
	start(w, "Throttle Allow = 192.0.2.0/23 192.0.5.0/24\n");
	T_OK(decide(w, "192.0.2.3").action == THROTTLE_DO_PASS &&
		     decide(w, "192.0.3.4").action == THROTTLE_DO_PASS,
	     "who is allowed meanwhile passes");
	T_OK(penalised(w) == 1 && w->told.n == 3 + 1,
	     "  and is forgiven: of three entries and %zu penalty the supervisor is told (%u)",
	     penalised(w), w->told.n);
	stop(w);
	start(w, "");
	T_OK(decide(w, "192.0.2.3").action == THROTTLE_DO_PASS, "  for good");
	stop(w);
	(void)unlink(state);
}

static void check_lists(struct world *w)
{
	start(w, "Throttle Allow = 198.51.100.0/24\nThrottle Deny = ::/0\n");
	T_OK(add(w, THROTTLE_LIST_PENALTY, "192.0.2.0/24", THROTTLE_NOTHING, 0) == 0 &&
		     add(w, THROTTLE_LIST_PENALTY, "192.0.2.1", THROTTLE_SLOWER, 0) == 0,
	     "a host's milder penalty");
	T_OK(decide(w, "192.0.2.1").level == THROTTLE_NOTHING, "  does not hide its network's");
	T_OK(add(w, THROTTLE_LIST_ALLOW, "192.0.2.1", THROTTLE_NORMAL, 0) == 0 &&
		     decide(w, "192.0.2.1").action == THROTTLE_DO_PASS,
	     "the allow list does");
	T_OK(add(w, THROTTLE_LIST_DENY, "127.0.0.0/8", THROTTLE_NORMAL, 0) == -EINVAL, "loopback");
	T_OK(add(w, THROTTLE_LIST_DENY, "::/0", THROTTLE_NORMAL, 0) == -EINVAL &&
		     add(w, THROTTLE_LIST_ALLOW, "::/64", THROTTLE_NORMAL, 0) == -EINVAL,
	     "all of IPv6 would be all of IPv4, too");
	T_OK(decide(w, "203.0.113.99").action == THROTTLE_DO_PASS, "  nor by an option");
	T_OK(add(w, THROTTLE_LIST_DENY, "2000::/3", THROTTLE_NORMAL, 0) == 0 &&
		     decide(w, "2001:db8::9").action == THROTTLE_DO_REFUSE &&
		     decide(w, "203.0.113.99").action == THROTTLE_DO_PASS &&
		     del(w, THROTTLE_LIST_DENY, "2000::/3") == 0,
	     "  what is in use of it can be named");
	T_OK(add(w, THROTTLE_LIST_DENY, "::1", THROTTLE_NORMAL, 0) == -EINVAL, "  of IPv6");
	T_OK(add(w, THROTTLE_LIST_PENALTY, "192.0.2.9", THROTTLE_NORMAL, 0) == -EINVAL, "no level");
	T_OK(add(w, THROTTLE_LIST_ALLOW, "198.51.100.0/24", THROTTLE_NORMAL, 0) == -EEXIST,
	     "an option has it");
	T_OK(del(w, THROTTLE_LIST_ALLOW, "198.51.100.0/24") == -EPERM, "  and keeps it");
	T_OK(del(w, THROTTLE_LIST_DENY, "192.0.2.77") == -ENOENT, "not there");
	bombs(w, "192.0.7.7", 7, false);
	T_OK(add(w, THROTTLE_LIST_ALLOW, "192.0.7.0/24", THROTTLE_NORMAL, 0) == 0 &&
		     del(w, THROTTLE_LIST_ALLOW, "192.0.7.0/24") == 0 &&
		     decide(w, "192.0.7.7").action == THROTTLE_DO_PASS,
	     "who was allowed once owes nothing");
	bombs(w, "192.0.7.7", 7, false);
	T_OK(del(w, THROTTLE_LIST_PENALTY, "192.0.7.0/24") == 0 &&
		     decide(w, "192.0.7.7").action == THROTTLE_DO_PASS,
	     "a penalty of an account can be taken away");
	for (int i = 0; i < 15; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "10.0.%d.0/24", i);
		(void)!add(w, THROTTLE_LIST_ALLOW, text, THROTTLE_NORMAL, 0);
	}
	T_OK(add(w, THROTTLE_LIST_ALLOW, "10.1.0.0/24", THROTTLE_NORMAL, 0) == -ENOSPC, "full");
	stop(w);
	(void)unlink(state);
}

/* What people read about an address. */
static void check_why(struct world *w)
{
	static const struct {
		const char *address, *why;
	} cases[] = {
		{ "198.51.100.1", "198.51.100.0/24 is on the allow list" },
		{ "203.0.113.5", "203.0.113.0/24 is on the deny list" },
		{ "10.1.2.3", "10.1.0.0/16 is on the penalty list" },
		{ "192.0.8.1", "192.0.8.1 cost too much: 4 zip bombs and limits, 120.0 s" },
		{ "192.0.8.9", "192.0.8.0/24 cost too much: 16 zip bombs and limits, 480.0 s" },
		{ "192.0.9.9", "nothing is known against it" },
	};
	char text[32];

	start(w, "Throttle Allow = 198.51.100.0/24\nThrottle Deny = 203.0.113.0/24\n");
	T_OK(add(w, THROTTLE_LIST_PENALTY, "10.1.0.0/16", THROTTLE_FEW, 0) == 0, "by hand");
	for (int i = 1; i <= 4; i++) {
		(void)snprintf(text, sizeof(text), "192.0.8.%d", i);
		bombs(w, text, 4, false);
	}
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct throttle_decision d = decide(w, cases[i].address);

		T_OK(strcmp(d.why, cases[i].why) == 0, "%s: %s", cases[i].address, d.why);
	}
	T_OK(decide(w, "192.0.8.9").action == THROTTLE_DO_SLOW &&
		     decide(w, "192.0.8.9").level == THROTTLE_SLOWER,
	     "a neighbour is slowed for its network");
	T_OK(decide(w, "192.0.8.1").level == THROTTLE_FEW, "  which does not make it milder");
	T_OK(decide(w, "10.1.2.3").action == THROTTLE_DO_SLOW &&
		     decide(w, "10.1.2.3").level == THROTTLE_FEW,
	     "  as by hand");
	stop(w);
	(void)unlink(state);
	start(w, "Throttle Deny = 0.0.0.0/0\n");
	T_OK(decide(w, "127.0.0.1").action == THROTTLE_DO_PASS &&
		     decide(w, "::1").action == THROTTLE_DO_PASS &&
		     decide(w, "192.0.2.1").action == THROTTLE_DO_REFUSE,
	     "all are refused, this host is not");
	stop(w);
	(void)unlink(state);
}

/* Another file stands where the state was, or parts of it are damaged: what makes sense is taken.
 */
static void check_damaged(struct world *w)
{
	static const char *const texts[] = { "", "what is this\n", "\n\n\n" };
	char line[200];
	FILE *f;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		f = fopen(state, "w");
		if (f == NULL || fputs(texts[i], f) < 0 || fclose(f) != 0)
			abort();
		start(w, "");
		T_OK(penalised(w) == 0, "a state file that is none: %zu bytes", strlen(texts[i]));
		stop(w);
	}
	(void)unlink(state);
	start(w, "");
	bombs(w, "192.0.2.66", 7, false);
	T_OK(add(w, THROTTLE_LIST_DENY, "10.1.2.0/24", THROTTLE_NORMAL, 0) == 0,
	     "something to keep");
	stop(w);
	f = fopen(state, "a");
	if (f == NULL || fputs("account nonsense\nallow 192.0.2.66 and more\nwhat\n", f) < 0 ||
	    fclose(f) != 0)
		abort();
	start(w, "");
	T_OK(decide(w, "192.0.2.66").action == THROTTLE_DO_REFUSE &&
		     decide(w, "10.1.2.3").action == THROTTLE_DO_REFUSE,
	     "nonsense at its end: what was kept is there");
	stop(w);
	f = fopen(state, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strstr(line, "nonsense") != NULL)
			break;
	T_OK(f != NULL && feof(f), "and the next file is whole");
	if (f != NULL)
		(void)fclose(f);
	(void)unlink(state);
}

static void check_supervisor(struct world *w)
{
	struct conf *account = configure("Throttle = account\n"), *enforce = configure("");
	struct err err;

	start(w, "");
	w->told = (struct told){ .deaf = true };
	bombs(w, "192.0.2.66", 7, false);
	T_OK(w->told.n == 0, "a supervisor that does not listen");
	w->told.deaf = false;
	T_OK(loop_turn(w->loop, &err) == 0, "a turn of the loop");
	T_OK(w->told.n == 1 && strcmp(w->told.prefix, "192.0.2.66") == 0 &&
		     w->told.level == THROTTLE_NOTHING && w->told.seconds > 600,
	     "  it is told, the last word only: %u, %s for %u s", w->told.n, w->told.prefix,
	     w->told.seconds);
	throttle_reload(w->t, account);
	T_OK(w->told.n == 2 && w->told.seconds == 0, "Throttle = account: lifted");
	T_OK(decide(w, "192.0.2.66").action == THROTTLE_DO_REFUSE, "  the decision stays");
	throttle_reload(w->t, enforce);
	T_OK(w->told.n == 3 && w->told.seconds > 0, "Throttle = enforce: imposed again");
	stop(w);
	conf_unref(&account);
	conf_unref(&enforce);
	(void)unlink(state);
}

/* The sets of nftables cannot be read: what goes must be said. */
static void check_reload(struct world *w)
{
	struct conf *less = configure("Throttle Allow = 198.51.100.0/24\n");
	struct conf *none = configure("");

	start(w, "Throttle Allow = 192.0.2.0/24 198.51.100.0/24\n");
	w->told = (struct told){ 0 };
	throttle_reload(w->t, less);
	T_OK(w->told.n == 2, "a reload: one network goes, one stays (%u)", w->told.n);
	w->told = (struct told){ 0 };
	throttle_reload(w->t, none);
	T_OK(w->told.n == 1 && w->told.list == THROTTLE_LIST_ALLOW && w->told.seconds == 0 &&
		     strcmp(w->told.prefix, "198.51.100.0/24") == 0,
	     "  the last goes: %s for %u s", w->told.prefix, w->told.seconds);
	stop(w);
	conf_unref(&less);
	conf_unref(&none);
	(void)unlink(state);
}

static bool is_off(struct world *w)
{
	struct throttle_status s;

	throttle_status(w->t, &s);
	return s.off;
}

static void check_switch(struct world *w)
{
	struct conf *again = configure("");
	struct err err;

	start(w, "Throttle Deny = 192.0.2.0/24\n");
	w->told = (struct told){ .deaf = true };
	T_OK(throttle_switch(w->t, true, 0, &err) == -EAGAIN && !is_off(w),
	     "off, and the supervisor does not listen: %s", err.text);
	w->told = (struct told){ 0 };
	T_OK(throttle_switch(w->t, true, 0, &err) == 0 && is_off(w), "off");
	T_OK(w->told.anew == 1 && w->told.refusing == THROTTLE_NORMAL && w->told.seconds == 0,
	     "  nobody is refused");
	T_OK(decide(w, "192.0.2.1").action == THROTTLE_DO_REFUSE, "  the decision stays");
	bombs(w, "192.0.6.1", 7, false);
	T_OK(w->told.seconds == 0 && decide(w, "192.0.6.1").level == THROTTLE_NOTHING,
	     "  costs are kept, and nobody is refused for them");
	throttle_reload(w->t, again);
	T_OK(is_off(w) && w->told.seconds == 0, "  a reload does not switch it on");
	T_OK(throttle_switch(w->t, false, 0, &err) == 0 && !is_off(w), "on");
	T_OK(w->told.anew == 2 && w->told.refusing != THROTTLE_NORMAL && w->told.seconds > 0 &&
		     strcmp(w->told.prefix, "192.0.6.1") == 0,
	     "  who cost too much is refused");
	T_OK(throttle_switch(NULL, true, 0, &err) == -EINVAL, "Throttle = no: nothing to switch");
	stop(w);
	conf_unref(&again);
	(void)unlink(state);
}

static void check_many(struct world *w)
{
	unsigned added = 0;
	struct err err;

	start(w, "Throttle List Entries = 300\n");
	w->told = (struct told){ 0 };
	for (int i = 0; i < 250; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "10.0.%d.0/24", i);
		added += add(w, THROTTLE_LIST_DENY, text, THROTTLE_NORMAL, 0) == 0;
	}
	T_OK(added == 250 && w->told.n == 100, "250 at once: the channel is not filled (%u)",
	     w->told.n);
	for (int i = 0; i < 50 && w->told.n < 250; i++)
		(void)!loop_turn(w->loop, &err);
	T_OK(w->told.n == 250, "  the rest comes in the next turns");
	stop(w);
	(void)unlink(state);
}

static bool file_has(const char *path, const char *what)
{
	static char text[64 * KIB];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	fd_close(&fd);
	text[MAX_OF(n, 0)] = '\0';
	return strstr(text, what) != NULL;
}

/* Entries by command go to the disk, but not the whole file for each. */
static void check_writing(struct world *w)
{
	struct err err;

	start(w, "");
	T_OK(add(w, THROTTLE_LIST_DENY, "10.1.0.0/24", THROTTLE_NORMAL, 0) == 0 &&
		     add(w, THROTTLE_LIST_DENY, "10.2.0.0/24", THROTTLE_NORMAL, 0) == 0,
	     "two entries");
	for (int i = 0; i < 50 && access(state, F_OK) < 0; i++)
		(void)!loop_turn(w->loop, &err);
	T_OK(file_has(state, "deny 10.1.0.0/24 0\n") && !file_has(state, "10.2.0.0/24"),
	     "  the first is written at once, the second waits");
	stop(w);
	T_OK(file_has(state, "deny 10.1.0.0/24 0\n") && file_has(state, "deny 10.2.0.0/24 0\n"),
	     "  at the end there are both");
	(void)unlink(state);
}

/* What a later version wrote must not be lost by going back to this one. */
static void check_foreign(struct world *w)
{
	static const char later[] = "sallyport-throttle 2 1700000000\nsomething new\nend\n";
	char aside[sizeof(state) + 10];
	int fd = open(state, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	(void)snprintf(aside, sizeof(aside), "%s.unknown", state);
	if (fd < 0 || write(fd, later, sizeof(later) - 1) != (ssize_t)sizeof(later) - 1)
		abort();
	fd_close(&fd);
	start(w, "");
	stop(w);
	T_OK(file_has(aside, later), "a state file of another version is set aside");
	T_OK(file_has(state, "sallyport-throttle 1 "), "  and one of ours begun");
	(void)unlink(state);
	(void)unlink(aside);
}

static void check_none(struct world *w)
{
	struct conf *c = configure("Throttle = no\n");
	struct throttle *t = NULL;
	struct throttle_prefix p = prefix("192.0.2.1");
	struct throttle_decision d;
	struct throttle_status s;
	struct account_source top[1];
	struct err err;

	T_OK(throttle_new(&t, w->loop, w->metrics, c, &err) == 0 && t == NULL, "Throttle = no");
	throttle_decide(t, &p, 0, &d);
	throttle_status(t, &s);
	throttle_measure(t);
	throttle_reload(t, c);
	T_OK(d.action == THROTTLE_DO_PASS && s.accounts == 0 &&
		     throttle_costliest(t, top, 1) == 0 &&
		     throttle_add(t, THROTTLE_LIST_DENY, &p, THROTTLE_NORMAL, 0, &err) == -EINVAL &&
		     throttle_del(t, THROTTLE_LIST_DENY, &p, &err) == -EINVAL,
	     "  every question has an answer");
	throttle_free(&t);
	conf_unref(&c);
}

int main(void)
{
	struct world w = { .metrics = metrics_new() };
	int fd = mkstemp(state);
	struct err err;

	if (w.metrics == NULL || fd < 0)
		abort();
	fd_close(&fd);
	(void)unlink(state);
	if (loop_new(&w.loop, 64, &err) < 0)
		return t_skip_all(err.text);
	log_set_level(LOG_LEVEL_ERR);
	check_writing(&w); /* first: no earlier file is under way */
	check_charges(&w);
	check_restart(&w);
	check_lists(&w);
	check_why(&w);
	check_damaged(&w);
	check_supervisor(&w);
	check_reload(&w);
	check_switch(&w);
	check_many(&w);
	check_foreign(&w);
	check_none(&w);
	loop_free(&w.loop);
	metrics_free(&w.metrics);
	return t_done();
}
