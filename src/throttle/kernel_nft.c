/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * throttle/kernel_nft.c - the same limits as rules of a table of our own, where BPF cannot be had.
 *
 * Addresses are in one set for each list and prefix length, made when it is first needed: a set of
 * intervals refuses entries that overlap, and a host and its network do. The table belongs to our
 * netlink socket, so that a daemon that is killed leaves no rules behind (kernel 5.12 and later).
 *
 * Limits: no events and no counts for each source; a slower source's prefix has one bucket. With
 * "keep" the table stays, but the next start begins with empty sets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <nftables/libnftables.h>

#include "core/str.h"
#include "throttle/kernel_internal.h"

#define TABLE           "inet sallyport"
#define ENTRIES_DEFAULT 65536
#define SCRIPT_MAX      (256 * KIB)
#define FORGET_S        600 /* a bucket that rests so long is full */
#define BITS            129
#define SECOND_NS       UINT64_C(1000000000)

/* The lists, in the order in which they are asked. */
enum kind { KIND_ALLOW, KIND_DENY, KIND_NOTHING, KIND_FEW, KIND_SLOWER, KINDS };

static const char *const kinds[KINDS] = { "allow", "deny", "nothing", "few", "slower" };
static const enum kind kind_of_level[] = {
	[THROTTLE_SLOWER] = KIND_SLOWER,
	[THROTTLE_FEW] = KIND_FEW,
	[THROTTLE_NOTHING] = KIND_NOTHING,
};

struct throttle_nft {
	struct nft_ctx *ctx;
	struct throttle_settings settings;
	uint32_t sources_max, lists_max;
	bool keep;
	bool made[KINDS][2][BITS]; /* sets that exist: [kind][is IPv6][bits] */
};

/* A prefix the way a rule has it. */
struct place {
	bool v6;
	unsigned bits; /* of the family's own address */
	char saddr[80];
	char address[INET6_ADDRSTRLEN];
};

static void place_of(struct place *pl, const struct throttle_prefix *p)
{
	struct throttle_prefix mask = { .bits = p->bits };
	char text[INET6_ADDRSTRLEN];
	int family;

	pl->v6 = !throttle_prefix_is_v4(p);
	pl->bits = pl->v6 ? p->bits : p->bits - 96u;
	family = pl->v6 ? AF_INET6 : AF_INET;
	memset(mask.addr, 0xff, sizeof(mask.addr));
	throttle_prefix_mask(&mask, p->bits);
	(void)inet_ntop(family, pl->v6 ? mask.addr : mask.addr + 12, text, sizeof(text));
	(void)inet_ntop(family, pl->v6 ? p->addr : p->addr + 12, pl->address, sizeof(pl->address));
	(void)snprintf(pl->saddr, sizeof(pl->saddr), p->bits == 128 ? "%s saddr" : "%s saddr & %s",
		       pl->v6 ? "ip6" : "ip", text);
}

static struct throttle_prefix tier_prefix(int tier)
{
	static const uint8_t bits[THROTTLE_TIERS] = { 128, 120, 128, 64, 48 };
	struct throttle_prefix p = { .bits = bits[tier] };

	if (tier <= THROTTLE_V4_NET)
		p.addr[10] = p.addr[11] = 0xff;
	return p;
}

/* The library tells in a buffer what it would print; its first line is the reason. */
static int run(struct throttle_nft *n, struct str *script, struct err *err)
{
	char said[160];
	int r;

	if (script->failed)
		return err_set(err, ERR_TEMP, -ENOMEM, "nftables: out of memory");
	r = nft_run_cmd_from_buffer(n->ctx, str_view(script));
	(void)snprintf(said, sizeof(said), "%s", nft_ctx_get_error_buffer(n->ctx));
	said[strcspn(said, "\n")] = '\0';
	(void)nft_ctx_get_output_buffer(n->ctx);
	if (r == 0)
		return 0;
	return err_set(err, ERR_CONFIG, strstr(said, "not permitted") != NULL ? -EPERM : -EIO,
		       "nftables: %s", said[0] != '\0' ? said : "no reason given");
}

/* "5/minute": the unit in which little is lost. */
static void add_rate(struct str *s, uint64_t interval_ns, uint64_t burst)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = { { "second", SECOND_NS },
		      { "minute", 60 * SECOND_NS },
		      { "hour", 3600 * SECOND_NS },
		      { "day", 86400 * SECOND_NS } };
	size_t u = 0;

	while (u < ARRAY_LEN(units) - 1 && units[u].ns / interval_ns < 10 &&
	       units[u].ns % interval_ns != 0)
		u++;
	str_addf(s, "limit rate over %llu/%s burst %llu packets",
		 (unsigned long long)MAX_OF(units[u].ns / interval_ns, UINT64_C(1)), units[u].name,
		 (unsigned long long)MAX_OF(burst, UINT64_C(1)));
}

static const char *refusal(const struct throttle_nft *n)
{
	return n->settings.enforce != 0 ? "counter reject with tcp reset" : "counter";
}

static void add_dynamic_set(struct str *s, const struct throttle_nft *n, const char *name,
			    const struct place *pl, const char *more)
{
	str_addf(s, "add set " TABLE " %s%d_%u { type ipv%d_addr; size %u; flags dynamic%s; }\n",
		 name, pl->v6 ? 6 : 4, pl->bits, pl->v6 ? 6 : 4, n->sources_max, more);
}

static void add_limit_sets(struct str *s, const struct throttle_nft *n, const char *rate,
			   const char *count, const struct place *pl)
{
	char more[40];

	(void)snprintf(more, sizeof(more), ",timeout; timeout %ds", FORGET_S);
	add_dynamic_set(s, n, rate, pl, more);
	add_dynamic_set(s, n, count, pl, "");
}

/* Rules in @chain that begin with @match, which may be empty. */
static void add_rate_rule(struct str *s, const struct throttle_nft *n, const char *chain,
			  const char *match, const char *set, const struct place *pl,
			  uint64_t interval_ns, uint64_t burst)
{
	if (interval_ns == 0)
		return;
	str_addf(s, "add rule " TABLE " %s %s add @%s%d_%u { %s ", chain, match, set,
		 pl->v6 ? 6 : 4, pl->bits, pl->saddr);
	add_rate(s, interval_ns, burst);
	str_addf(s, " } %s\n", refusal(n));
}

static void add_count_rule(struct str *s, const struct throttle_nft *n, const char *chain,
			   const char *match, const char *set, const struct place *pl,
			   uint32_t concurrent)
{
	if (concurrent > 0)
		str_addf(s, "add rule " TABLE " %s %s add @%s%d_%u { %s ct count over %u } %s\n",
			 chain, match, set, pl->v6 ? 6 : 4, pl->bits, pl->saddr, concurrent,
			 refusal(n));
}

static void add_ports(struct str *s, const struct throttle_nft *n)
{
	const char *between = "";

	for (int i = 0; i < THROTTLE_PORTS_MAX && n->settings.ports[i] != 0; i++) {
		str_addf(s, "%s%u", between, n->settings.ports[i]);
		between = ", ";
	}
}

/* What depends on settings: which packets, and the rates of the tiers. */
static void add_rules(struct str *s, const struct throttle_nft *n)
{
	if (n->settings.ports[0] == 0)
		return;
	str_add(s, "add rule " TABLE " input meta l4proto tcp tcp dport { ");
	add_ports(s, n);
	str_add(s, " } tcp flags & (fin|syn|rst|ack) == syn jump judge\n");
	for (int pass = 0; pass < 2; pass++)
		for (int tier = 0; tier < THROTTLE_TIERS; tier++) {
			const struct throttle_rate *r = &n->settings.tiers[tier];
			struct throttle_prefix p = tier_prefix(tier);
			struct place pl;

			place_of(&pl, &p);
			if (pass == 0)
				add_count_rule(s, n, "tiers", "", "count", &pl, r->concurrent);
			else
				add_rate_rule(s, n, "tiers", "", "rate", &pl, r->interval_ns,
					      r->burst);
		}
}

static void add_table(struct str *s, const struct throttle_nft *n, bool owner)
{
	str_add(s, "add table " TABLE "\ndelete table " TABLE "\n");
	str_addf(s, "add table " TABLE " %s\n", owner ? "{ flags owner; }" : "");
	str_add(s, "add chain " TABLE " input { type filter hook input priority -5; }\n"
		   "add chain " TABLE " judge\nadd chain " TABLE " tiers\n");
	if ((n->settings.flags & THROTTLE_F_LOOPBACK) == 0)
		str_add(s, "add rule " TABLE " judge ip saddr 127.0.0.0/8 accept\n"
			   "add rule " TABLE " judge ip6 saddr ::1 accept\n");
	for (int k = 0; k < KINDS; k++)
		str_addf(s, "add chain " TABLE " %s\nadd rule " TABLE " judge jump %s\n", kinds[k],
			 kinds[k]);
	str_add(s, "add rule " TABLE " judge jump tiers\n");
	for (int tier = 0; tier < THROTTLE_TIERS; tier++) {
		struct throttle_prefix p = tier_prefix(tier);
		struct place pl;

		place_of(&pl, &p);
		add_limit_sets(s, n, "rate", "count", &pl);
	}
	add_rules(s, n);
}

static int make_table(struct throttle_nft *n, bool owner, struct err *err)
{
	AUTO(str_fini) struct str script;

	str_init(&script, SCRIPT_MAX);
	add_table(&script, n, owner);
	return run(n, &script, err);
}

/* The library prints to standard error when it may not, so it is not asked then. */
static bool may_change_network(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capget, &head, data) == 0 &&
	       (data[0].effective & 1u << CAP_NET_ADMIN) != 0;
}

static struct nft_ctx *new_context(void)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);

	if (ctx == NULL)
		return NULL;
	if (nft_ctx_buffer_output(ctx) == 0 && nft_ctx_buffer_error(ctx) == 0)
		return ctx;
	nft_ctx_free(ctx);
	return NULL;
}

int throttle_nft_open(struct throttle_nft **ret_n, const struct throttle_setup *s, struct err *err)
{
	AUTO(throttle_nft_close) struct throttle_nft *n = calloc(1, sizeof(*n));
	int r = throttle_settings_check(&s->settings, err);

	if (r < 0)
		return r;
	if (n == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "nftables: out of memory");
	if (!may_change_network())
		return err_set(err, ERR_CONFIG, -EPERM,
			       "nftables: not permitted: CAP_NET_ADMIN is needed");
	n->settings = s->settings;
	n->sources_max = s->sources_max > 0 ? s->sources_max : ENTRIES_DEFAULT;
	n->lists_max = s->lists_max > 0 ? s->lists_max : ENTRIES_DEFAULT;
	n->keep = true; /* nothing to remove yet */
	n->ctx = new_context();
	if (n->ctx == NULL)
		return err_set(err, ERR_TEMP, -EIO, "nftables: the library cannot start");
	r = make_table(n, !s->keep, err);
	if (r < 0 && r != -EPERM && !s->keep)
		r = make_table(n, false, err);
	if (r < 0)
		return r;
	n->keep = s->keep;
	*ret_n = TAKE(n);
	return 0;
}

void throttle_nft_close(struct throttle_nft **n)
{
	if (*n == NULL)
		return;
	if ((*n)->ctx != NULL && !(*n)->keep)
		(void)nft_run_cmd_from_buffer((*n)->ctx, "delete table " TABLE);
	if ((*n)->ctx != NULL)
		nft_ctx_free((*n)->ctx);
	free(*n);
	*n = NULL;
}

/* What happens to addresses in the set of this kind and prefix length. */
static void add_kind_rules(struct str *s, const struct throttle_nft *n, enum kind k,
			   const struct place *pl)
{
	const struct throttle_settings *set = &n->settings;
	const struct throttle_rate *r = &set->tiers[pl->v6 ? THROTTLE_V6_HOST : THROTTLE_V4_HOST];
	char match[128];

	(void)snprintf(match, sizeof(match), "%s @%s%d_%u", pl->saddr, kinds[k], pl->v6 ? 6 : 4,
		       pl->bits);
	switch (k) {
	case KIND_ALLOW:
		str_addf(s, "add rule " TABLE " allow %s accept\n", match);
		break;
	case KIND_FEW:
		add_limit_sets(s, n, "few_rate", "few_count", pl);
		add_count_rule(s, n, "few", match, "few_count", pl, 1);
		add_rate_rule(s, n, "few", match, "few_rate", pl,
			      60 * SECOND_NS / MAX_OF(set->few_per_minute, 1u), 1);
		break;
	case KIND_SLOWER:
		add_limit_sets(s, n, "slower_rate", "slower_count", pl);
		add_rate_rule(s, n, "slower", match, "slower_rate", pl,
			      r->interval_ns * MAX_OF(set->slower_div, 1u), r->burst);
		break;
	case KIND_DENY:
	case KIND_NOTHING:
	case KINDS:
	default:
		str_addf(s, "add rule " TABLE " %s %s %s\n", kinds[k], match, refusal(n));
	}
}

/* Elements keep the limit they were made with. */
static void add_flush(struct str *s, const char *rate, const char *count, const struct place *pl)
{
	str_addf(s, "flush set " TABLE " %s%d_%u\nflush set " TABLE " %s%d_%u\n", rate,
		 pl->v6 ? 6 : 4, pl->bits, count, pl->v6 ? 6 : 4, pl->bits);
}

/* A set that was made, as far as names go. */
static struct place place_of_set(bool v6, unsigned bits)
{
	struct throttle_prefix p = { .bits = (uint8_t)(v6 ? bits : bits + 96) };
	struct place pl;

	if (!v6)
		p.addr[10] = p.addr[11] = 0xff;
	place_of(&pl, &p);
	return pl;
}

/* The rules of lists have rates and refusals in them, too. */
static void add_kinds_anew(struct str *s, const struct throttle_nft *n)
{
	for (int k = 0; k < KINDS; k++) {
		str_addf(s, "flush chain " TABLE " %s\n", kinds[k]);
		for (unsigned i = 0; i < 2 * BITS; i++) {
			struct place pl;

			if (!n->made[k][i / BITS][i % BITS])
				continue;
			pl = place_of_set(i / BITS == 1, i % BITS);
			if (k == KIND_FEW)
				add_flush(s, "few_rate", "few_count", &pl);
			if (k == KIND_SLOWER)
				add_flush(s, "slower_rate", "slower_count", &pl);
			add_kind_rules(s, n, (enum kind)k, &pl);
		}
	}
}

int throttle_nft_settings(struct throttle_nft *n, const struct throttle_settings *s,
			  struct err *err)
{
	AUTO(str_fini) struct str script;
	struct throttle_settings before = n->settings;
	int r = throttle_settings_check(s, err);

	str_init(&script, SCRIPT_MAX);
	if (r < 0)
		return r;
	/* Most reloads change nothing here, and are not to fill everybody's bucket. */
	if (memcmp(s, &before, sizeof(before)) == 0)
		return 0;
	n->settings = *s;
	str_add(&script, "flush chain " TABLE " input\nflush chain " TABLE " tiers\n");
	for (int tier = 0; tier < THROTTLE_TIERS; tier++) {
		struct throttle_prefix p = tier_prefix(tier);
		struct place pl;

		place_of(&pl, &p);
		add_flush(&script, "rate", "count", &pl);
	}
	add_kinds_anew(&script, n);
	add_rules(&script, n);
	r = run(n, &script, err);
	if (r < 0)
		n->settings = before;
	return r;
}

int throttle_nft_clear(struct throttle_nft *n, struct err *err)
{
	AUTO(str_fini) struct str script;

	str_init(&script, SCRIPT_MAX);
	for (int k = 0; k < KINDS; k++)
		for (unsigned i = 0; i < 2 * BITS; i++)
			if (n->made[k][i / BITS][i % BITS])
				str_addf(&script, "flush set " TABLE " %s%d_%u\n", kinds[k],
					 i / BITS == 1 ? 6 : 4, i % BITS);
	return script.n > 0 ? run(n, &script, err) : 0;
}

/* Looked for first: on most hosts there is none, and no table of ours is to be made there. */
void throttle_nft_forget(void)
{
	struct nft_ctx *ctx = may_change_network() ? new_context() : NULL;

	if (ctx == NULL)
		return;
	if (nft_run_cmd_from_buffer(ctx, "list table " TABLE) == 0)
		(void)nft_run_cmd_from_buffer(ctx, "delete table " TABLE);
	nft_ctx_free(ctx);
}

/* In one transaction with what follows: take it out of set @k, whether it is there or not. */
static void add_removal(struct str *s, const struct throttle_nft *n, enum kind k,
			const struct place *pl)
{
	if (!n->made[k][pl->v6][pl->bits])
		return;
	for (int i = 0; i < 2; i++)
		str_addf(s, "%s element " TABLE " %s%d_%u { %s }\n", i == 0 ? "add" : "delete",
			 kinds[k], pl->v6 ? 6 : 4, pl->bits, pl->address);
}

static void add_element(struct str *s, const struct throttle_nft *n, enum kind k,
			const struct place *pl, uint32_t seconds)
{
	if (!n->made[k][pl->v6][pl->bits]) {
		str_addf(s,
			 "add set " TABLE " %s%d_%u { type ipv%d_addr; size %u; flags timeout; }\n",
			 kinds[k], pl->v6 ? 6 : 4, pl->bits, pl->v6 ? 6 : 4, n->lists_max);
		add_kind_rules(s, n, k, pl);
	}
	str_addf(s, "add element " TABLE " %s%d_%u { %s", kinds[k], pl->v6 ? 6 : 4, pl->bits,
		 pl->address);
	if (seconds > 0)
		str_addf(s, " timeout %us", seconds);
	str_add(s, " }\n");
}

/* @p is in set @k of those from @first to @last and in no other of them; @in false: in none. */
static int move(struct throttle_nft *n, const struct throttle_prefix *p, enum kind first,
		enum kind last, enum kind k, bool in, uint32_t seconds, struct err *err)
{
	AUTO(str_fini) struct str script;
	struct throttle_prefix masked = *p;
	struct place pl;
	int r;

	throttle_prefix_mask(&masked, p->bits);
	place_of(&pl, &masked);
	str_init(&script, SCRIPT_MAX);
	for (int i = (int)first; i <= (int)last; i++)
		add_removal(&script, n, (enum kind)i, &pl);
	if (in)
		add_element(&script, n, k, &pl, seconds);
	r = script.n > 0 ? run(n, &script, err) : 0;
	if (r == 0 && in)
		n->made[k][pl.v6][pl.bits] = true;
	return r;
}

int throttle_nft_penalty(struct throttle_nft *n, const struct throttle_prefix *p,
			 enum throttle_level level, uint32_t seconds, struct err *err)
{
	bool in = level > THROTTLE_NORMAL && level <= THROTTLE_NOTHING && seconds > 0;

	return move(n, p, KIND_NOTHING, KIND_SLOWER, in ? kind_of_level[level] : KIND_NOTHING, in,
		    seconds, err);
}

int throttle_nft_list(struct throttle_nft *n, enum throttle_list l, const struct throttle_prefix *p,
		      bool in, struct err *err)
{
	enum kind k = l == THROTTLE_LIST_ALLOW ? KIND_ALLOW : KIND_DENY;

	if (l == THROTTLE_LIST_PENALTY)
		return err_set(err, ERR_BUG, -EINVAL, "nftables: penalties have a call of theirs");
	return move(n, p, k, k, k, in, 0, err);
}
