/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/conf/test_rule_expr.c - patterns as expressions for Hyperscan: what is handed over, what is
 * not, and that whatever matches holds the literals, for a rule whose literal is wrong is never
 * asked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/rule_screen.h"
#include "core/str.h"
#include "tests/t.h"

#define VIRUS "Virus "
#define NO    "one by one"

/* "CLASS WHOLE LITERAL LITERAL..."; literals as they are, without their escapes. */
static const struct {
	const char *pattern, *want;
} cases[] = {
	/* literals of four and more */
	{ "/^newsy@x\\.org$/", "address ^newsy@x\\.org$ newsy@x.org" },
	{ "/^joe@/", "address ^joe@ joe@" },
	{ "/joe/", "address joe" },
	{ "/news.late/", "address news.late news late" },
	{ "/news\\.late/", "address news\\.late news.late" },
	{ "/news\\-late/", "address news\\-late news-late" },
	{ "/news\\dlate/", "address news\\dlate news late" },
	{ "/news\\blate/", "address news\\blate news late" },
	{ "/news\\Blate/", "address news\\Blate news late" },
	{ "/news[xy]late/", "address news[xy]late news late" },
	{ "/news[^xy]late/", "address news[^xy]late news late" },
	{ "/[news]late/", "address [news]late late" },
	{ "/[\\]news]late/", "address [\\]news]late late" },
	{ "/[\\dx]late/", "address [\\dx]late late" },
	{ "/[[]late/", "address [[]late late" },
	{ "/news$|^late/", "address news$|^late" },
	/* what may be missing is in none */
	{ "/newsx?late/", "address newsx?late news late" },
	{ "/newsx*late/", "address newsx*late news late" },
	{ "/newsx+late/", "address newsx+late newsx late" },
	{ "/newsx*?late/", "address newsx*?late news late" },
	{ "/newsx+?late/", "address newsx+?late newsx late" },
	{ "/newsx?\?late/", "address newsx?\?late news late" },
	{ "/newsx{2}late/", "address newsx{2}late newsx late" },
	{ "/newsx{1,}late/", "address newsx{1,}late newsx late" },
	{ "/newsx{0,2}late/", "address newsx{0,2}late news late" },
	{ "/newsx{0}late/", NO },
	{ "/joes?/", "address joes?" },
	{ "/joe\\.?late/", "address joe\\.?late late" },
	{ "/news\\d?late/", "address news\\d?late news late" },
	/* nor what is one of several */
	{ "/news|late/", "address news|late" },
	{ "/(news|late)xyzz/", "address (news|late)xyzz xyzz" },
	{ "/news(late)/", "address news(late) news" },
	{ "/news(?:late)?more/", "address news(?:late)?more news more" },
	{ "/news(l(a)t)e?more/", "address news(l(a)t)e?more news more" },
	{ "/news(\\.late)more/", "address news(\\.late)more news more" },
	{ "/news(a|b)late|more/", "address news(a|b)late|more" },
	{ "/news(\\.\\.\\.\\.)?more/", "address news(\\.\\.\\.\\.)?more news more" },
	/* a repeat behind a repeat is another thing, one behind what follows it is not */
	{ "/newsx+\\.+late/", "address newsx+\\.+late newsx late" },
	{ "/newsx+(a)+late/", "address newsx+(a)+late newsx late" },
	{ "/newsx+[a]+late/", "address newsx+[a]+late newsx late" },
	{ "/newsx+a+late/", "address newsx+a+late newsx late" },
	{ "/newsa+{2}late/", NO },
	{ "/newsa{2/", NO },
	{ "/newsa{2,3/", NO },
	{ "/[x:]late/", "address [x:]late late" },
	/* both libraries may read these differently, or nobody knows */
	{ "/news\\x61/", NO },
	{ "/news\\h/", NO },
	{ "/news(?=late)/", NO },
	{ "/news(?i:late)/", NO },
	{ "/news(?<=s)late/", NO },
	{ "/(*ANYCRLF)news/", NO },
	{ "/news(*ACCEPT)/", NO },
	{ "/new[[:alpha:]]s/", NO },
	{ "/new[[.x.]]s/", NO },
	{ "/(n)ews\\1/", NO },
	{ "/[]a]news/", NO },
	{ "/[^]a]news/", NO },
	{ "/[a-\\d]news/", NO },
	{ "/[\\d-x]news/", NO },
	{ "/[\\bx]news/", NO },
	{ "/newsa++late/", NO },
	{ "/newsa?+late/", NO },
	{ "/newsa{2}+late/", NO },
	{ "/new s/", NO },
	{ "/new\ts/", NO },
	{ "/n\303\251ws/", NO },
	{ "/[\303]news/", NO },
	{ "/news{,3}/", NO },
	{ "/news{x}/", NO },
	/* too large, or matching nothing at all */
	{ "/newsa{64}/", "address newsa{64} newsa" },
	{ "/newsa{65}/", NO },
	{ "/news(a{16}){16}/", "address news(a{16}){16} news" },
	{ "/news(a{16}){17}/", NO },
	{ "/x*/", NO },
	{ "/(news|)/", NO },
	/* on other subjects */
	{ "/^192\\.0\\./", "client ^192\\.0\\. 192.0." },
	{ "host:/^mx[0-9]+\\.pool/", "host ^mx[0-9]+\\.pool .pool" },
	{ "host-nocheck:/pool$/", "host pool$ pool" },
	{ VIRUS "(klez|bagle).worm", "report (klez|bagle)\\.worm .worm" },
	{ VIRUS "klez$", NO }, /* '$' is in front of a line feed, too */
	/* wildcards */
	{ "*news*@*", "address news.*\\x40 news" },
	{ "j*@x*.example", "address ^j.*\\x40x.*\\x2eexample\\.?$ .example" },
	{ "*-bounce@*.org", "address \\x2dbounce\\x40.*\\x2eorg\\.?$ -bounce@ .org" },
	{ "jo*@*", "address ^jo.*\\x40" },
	{ "host:*.dyn.test", "host \\x2e.*\\x2edyn\\x2etest$ .dyn.test" },
	{ "host:dyn*", "host \\x2edyn .dyn" },
	{ VIRUS "w32/k*z", "report w32\\x2fk.*z w32/k" },
	{ VIRUS "eicar", "report eicar eicar" },
	/* found by their keys */
	{ "joe@x.org", NO },
	{ "*@x.org", NO },
	{ "*@*.x.org", NO },
	{ "joe@", NO },
	{ "*", NO },
	{ "192.0.2.0/24", NO },
	{ "192.0.", NO },
	{ "host:x.org", NO },
	{ "/(/", NO },
};

static struct arena *arena;

static struct pattern parse(const char *text)
{
	struct pattern_note note;
	struct pattern p;
	bool virus = strncmp(text, VIRUS, strlen(VIRUS)) == 0;

	if (!pattern_parse(&p, arena, bytes_str(text + (virus ? strlen(VIRUS) : 0)),
			   virus ? PATTERN_OF_REPORT : 0, &note))
		abort();
	return p;
}

static unsigned hex(uint8_t c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

/* A literal without its escapes: "\xHH". */
static void plain(struct bytes literal, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < literal.n; i++) {
		bool escaped = literal.p[i] == '\\';

		out[n++] = (char)(escaped ? hex(literal.p[i + 2]) * 16 + hex(literal.p[i + 3])
					  : literal.p[i]);
		i += escaped ? 3 : 0;
	}
	out[n] = '\0';
}

static void describe(const char *pattern, struct str *got)
{
	static const char *const names[] = { [SCREEN_ADDRESS] = "address",
					     [SCREEN_CLIENT] = "client",
					     [SCREEN_HOST] = "host",
					     [SCREEN_REPORT] = "report" };
	AUTO(str_fini) struct str whole, literals;
	struct pattern p = parse(pattern);
	enum screen_class class;
	struct bytes rest, one;
	char text[400];

	str_init(&whole, 64 * KIB);
	str_init(&literals, 64 * KIB);
	str_add(&whole, "of the last");
	str_add(&literals, "of the last");
	str_reset(got);
	if (!rule_expression(&p, &class, &whole, &literals)) {
		str_add(got, NO);
		return;
	}
	str_addf(got, "%s %s", names[class], str_view(&whole));
	rest = str_bytes(&literals);
	while (bytes_next_line(&rest, &one)) {
		plain(one, text);
		str_addf(got, " %s", text);
	}
}

static void check_cases(void)
{
	AUTO(str_fini) struct str got;

	str_init(&got, 64 * KIB);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		describe(cases[i].pattern, &got);
		T_OK(strcmp(str_view(&got), cases[i].want) == 0, "%s: %s", cases[i].pattern,
		     str_view(&got));
	}
}

static void check_lengths(void)
{
	AUTO(str_fini) struct str got;
	char text[320];

	str_init(&got, 64 * KIB);
	for (size_t n = 300; n <= 301; n++) {
		memset(text, 'a', sizeof(text));
		text[0] = text[n + 1] = '/';
		text[n + 2] = '\0';
		describe(text, &got);
		T_OK((strcmp(str_view(&got), NO) == 0) == (n > 300), "%zu characters: %.20s", n,
		     str_view(&got));
		text[0] = text[n + 1] = '*';
		memcpy(text + 1, "a@b*", 4);
		text[n] = '\0';
		describe(text, &got);
		T_OK((strcmp(str_view(&got), NO) == 0) == (n > 300), "%zu with wildcards: %.20s", n,
		     str_view(&got));
	}
}

/* --- whatever matches holds every literal --- */

static uint64_t seed = 20261126;

static unsigned below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 33) % n);
}

#define PICK(list) list[below(ARRAY_LEN(list))]

static const char *const words[] = { "news", "late", "joe", "x", "bounce", "@", ".", "-1" };

static void random_expression(struct str *s)
{
	static const char *const atoms[] = { "news",  "late", "joe",   "x",        "bounce",
					     "\\.",   ".",    "[a-n]", "\\w",      "(?:news|x)",
					     "(joe)", "@",    "[^@]",  "(x|late)", "\\b" };
	static const char *const repeats[] = { "?", "*", "+", "{0,2}", "{2}", "{1,}", "*?", "??" };

	str_reset(s);
	str_add_char(s, '/');
	for (unsigned i = 0, n = 1 + below(5); i < n; i++) {
		str_add(s, PICK(atoms));
		if (below(3) == 0)
			str_add(s, PICK(repeats));
		if (below(10) == 0)
			str_add_char(s, '|');
	}
	str_add_char(s, '/');
}

/* How many literals of @p are not in @subject. */
static unsigned missing(const struct str *literals, const char *subject)
{
	struct bytes rest = str_bytes(literals), one;
	unsigned n = 0;
	char text[400];

	while (bytes_next_line(&rest, &one)) {
		plain(one, text);
		n += strstr(subject, text) == NULL;
	}
	return n;
}

static void check_random(void)
{
	AUTO(str_fini) struct str expression, subject, whole, literals;
	struct regex_scratch scratch = { 0 };
	unsigned wrong = 0, matched = 0;
	enum screen_class class;

	str_init(&expression, 4 * KIB);
	str_init(&subject, 4 * KIB);
	str_init(&whole, 64 * KIB);
	str_init(&literals, 64 * KIB);
	for (unsigned i = 0; i < 2000; i++) {
		struct pattern p;

		arena_reset(arena);
		random_expression(&expression);
		p = parse(str_view(&expression));
		if (!rule_expression(&p, &class, &whole, &literals) || literals.n == 0)
			continue;
		for (unsigned k = 0; k < 50; k++) {
			unsigned lost;

			str_reset(&subject);
			for (unsigned w = 0, n = 1 + below(6); w < n; w++)
				str_add(&subject, PICK(words));
			if (!pattern_match_address(&p, str_bytes(&subject), &scratch))
				continue;
			matched++;
			lost = missing(&literals, str_view(&subject));
			wrong += lost > 0;
			if (lost > 0 && wrong < 5)
				printf("# %s matches %s\n", str_view(&expression),
				       str_view(&subject));
		}
	}
	regex_scratch_fini(&scratch);
	T_OK(wrong == 0, "of %u matches %u lack a literal", matched, wrong);
	T_OK(matched > 1000, "  and there were matches");
}

int main(void)
{
	arena = arena_new(MIB);
	if (arena == NULL)
		abort();
	check_cases();
	check_lengths();
	check_random();
	arena_free(&arena);
	return t_done();
}
