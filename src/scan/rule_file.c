/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scan/rule_file.c - lines of tab-separated columns into rows. */
#include "scan/rule_file.h"

#include <errno.h>
#include <stdio.h>

#include "core/str.h"
#include "core/text.h"

#define COLUMNS_MAX 5

struct parser {
	struct rule_file *file;
	struct arena *arena;
	struct err *err;
	unsigned line;
	size_t rows_cap, problems_cap;
};

/* The array @p with room for one more element; doubles inside the arena. NULL: arena full. */
static void *grow(struct arena *a, void *p, size_t n, size_t *cap, size_t size)
{
	size_t new_cap = *cap == 0 ? 16 : *cap * 2;
	void *q;

	if (n < *cap)
		return p;
	q = arena_array(a, new_cap, size);
	if (q == NULL)
		return NULL;
	if (n > 0)
		memcpy(q, p, n * size);
	*cap = new_cap;
	return q;
}

static int no_memory(struct parser *p)
{
	return err_set(p->err, ERR_LIMIT, -ENOMEM, "line %u: rule file needs too much memory",
		       p->line);
}

/* @detail (hostile bytes allowed) is put, escaped, between @before and @after. */
static int problem(struct parser *p, bool fatal, const char *before, struct bytes detail,
		   const char *after)
{
	struct rule_file *f = p->file;
	struct rule_problem *list;
	char shown[120];

	f->fatal_n += fatal;
	if (f->problems_n >= RULE_PROBLEMS_MAX)
		return 0;
	list = grow(p->arena, f->problems, f->problems_n, &p->problems_cap, sizeof(*list));
	if (list == NULL)
		return no_memory(p);
	f->problems = list;
	list += f->problems_n;
	list->fatal = fatal;
	list->line = p->line;
	list->text = arena_printf(p->arena, "%s%s%s", before,
				  text_escape(shown, sizeof(shown), detail), after);
	if (list->text == NULL)
		return no_memory(p);
	f->problems_n++;
	return 0;
}

static int plain_problem(struct parser *p, bool fatal, const char *text)
{
	return problem(p, fatal, text, BYTES(""), "");
}

static struct bytes trim_commas(struct bytes b)
{
	while (b.n > 0 && (b.p[0] == ',' || ascii_is_space(b.p[0])))
		b = bytes_from(b, 1);
	while (b.n > 0 && (b.p[b.n - 1] == ',' || ascii_is_space(b.p[b.n - 1])))
		b.n--;
	return b;
}

static bool contains_nocase(struct bytes b, struct bytes word)
{
	for (; b.n >= word.n; b = bytes_from(b, 1))
		if (bytes_starts_nocase(b, word))
			return true;
	return false;
}

/* Next run of bytes other than blanks and commas. */
static bool next_address(struct bytes *rest, struct bytes *ret)
{
	size_t n = 0;

	*rest = trim_commas(*rest);
	while (n < rest->n && rest->p[n] != ',' && !ascii_is_space(rest->p[n]))
		n++;
	*ret = bytes_head(*rest, n);
	*rest = bytes_from(*rest, n);
	return n > 0;
}

/* MailScanner joins the addresses with commas and splits at blanks later, so that two of them
 * become one that does not exist. Ours stay apart. */
static int forward_action(struct parser *p, struct bytes action, struct rule_row *row)
{
	AUTO(str_fini) struct str list;
	struct bytes address;

	str_init(&list, action.n + 1);
	while (next_address(&action, &address)) {
		if (bytes_index(address, '@') < 0)
			return problem(p, true, "'", address,
				       "' among the addresses to forward to is no address");
		if (list.n > 0)
			str_add_char(&list, ' ');
		str_add_bytes(&list, address);
	}
	row->action = RULE_FORWARD;
	row->argument = list.failed ? NULL : arena_str(p->arena, str_bytes(&list));
	return row->argument == NULL ? no_memory(p) : 0;
}

static int rename_action(struct parser *p, struct bytes text, struct rule_row *row)
{
	struct bytes rest = text, word;

	if (bytes_next_word(&rest, &word) && bytes_eq_nocase(word, BYTES("to")))
		text = bytes_trim(rest);
	row->action = RULE_RENAME;
	row->argument = arena_str(p->arena, text);
	return row->argument == NULL ? no_memory(p) : 0;
}

/*
 * First column. What is not understood is fatal: MailScanner warns and lets such a rule *allow*,
 * so that a mistyped "dney" opens what it was written to close.
 */
static int action_column(struct parser *p, struct bytes column, struct rule_row *row)
{
	struct bytes action = trim_commas(column), rest = action, word = { NULL, 0 };

	row->argument = "";
	if (bytes_index(action, '@') >= 0)
		return forward_action(p, action, row);
	(void)bytes_next_word(&rest, &word);
	if (bytes_starts_nocase(action, BYTES("deny"))) {
		row->action =
			contains_nocase(action, BYTES("delete")) ? RULE_DENY_DELETE : RULE_DENY;
		return 0;
	}
	if (bytes_eq_nocase(word, BYTES("rename")))
		return rename_action(p, bytes_trim(rest), row);
	if (bytes_eq_nocase(word, BYTES("allow"))) {
		row->action = RULE_ALLOW;
		return bytes_eq_nocase(action, word)
			       ? 0
			       : plain_problem(p, false, "words after 'allow' mean nothing");
	}
	return problem(p, true, "'", action,
		       "' is not an action: expected allow, deny, deny+delete, rename [to TEXT] "
		       "or addresses");
}

const char *rule_pattern_text(struct bytes written, struct arena *a)
{
	struct bytes b = written;

	if (b.n > 1 && b.p[0] == '/')
		b = bytes_from(b, 1);
	/* "\/" at the end is an escaped slash: taking it would leave a dangling backslash. */
	if (b.n > 1 && b.p[b.n - 1] == '/' && b.p[b.n - 2] != '\\')
		b.n--;
	if (b.n > 0 && b.p[0] == '*')
		return arena_printf(a, ".%.*s", (int)b.n, (const char *)b.p);
	return arena_str(a, b);
}

/* A column's text; '-' stands for none. NULL: arena full. */
static const char *text_column(struct parser *p, struct bytes column)
{
	return bytes_eq(column, BYTES("-")) ? "" : arena_str(p->arena, column);
}

static const char *regex_column(struct parser *p, struct bytes column)
{
	return bytes_eq(column, BYTES("-")) ? "" : rule_pattern_text(column, p->arena);
}

static size_t split(struct bytes line, struct bytes columns[COLUMNS_MAX])
{
	size_t n = 0;

	while (line.n > 0) {
		ptrdiff_t tab = bytes_index(line, '\t');
		size_t len = tab < 0 ? line.n : (size_t)tab;
		struct bytes column = bytes_trim(bytes_head(line, len));

		line = bytes_from(line, len + 1);
		if (column.n == 0)
			continue; /* a run of tabs, blanks among them, separates once */
		if (n < COLUMNS_MAX)
			columns[n] = column;
		n++;
	}
	return n;
}

static int add_row(struct parser *p, const struct rule_row *row)
{
	struct rule_file *f = p->file;
	struct rule_row *rows;

	if (f->rows_n >= RULE_ROWS_MAX)
		return err_set(p->err, ERR_LIMIT, -EFBIG, "line %u: more than %d rules in a file",
			       p->line, RULE_ROWS_MAX);
	rows = grow(p->arena, f->rows, f->rows_n, &p->rows_cap, sizeof(*rows));
	if (rows == NULL)
		return no_memory(p);
	f->rows = rows;
	f->rows[f->rows_n++] = *row;
	return 0;
}

static int rule_line(struct parser *p, struct bytes line)
{
	struct rule_row row = { .line = p->line, .mime_regex = "" };
	struct bytes columns[COLUMNS_MAX];
	size_t n = split(line, columns);
	int r;

	if (n != 4 && n != 5) {
		char found[32];

		(void)snprintf(found, sizeof(found), "%zu", n);
		return problem(p, false, "rule ignored: it has ", bytes_str(found),
			       " column(s), expected 4 or 5 with tabs between them (blanks do "
			       "not separate columns)");
	}
	r = action_column(p, columns[0], &row);
	if (r < 0 || row.action == RULE_NONE)
		return r;
	row.regex = regex_column(p, columns[1]);
	if (n == 5)
		row.mime_regex = regex_column(p, columns[2]);
	row.log_text = text_column(p, columns[n - 2]);
	row.user_text = text_column(p, columns[n - 1]);
	if (row.regex == NULL || row.mime_regex == NULL || row.log_text == NULL ||
	    row.user_text == NULL)
		return no_memory(p);
	if (row.regex[0] == '\0' && row.mime_regex[0] == '\0') {
		r = plain_problem(p, false, "this rule has no pattern and never matches");
		if (r < 0)
			return r;
	}
	return add_row(p, &row);
}

int rule_file_parse(struct rule_file *ret_f, struct bytes content, struct arena *a, struct err *err)
{
	struct rule_file file = { .rows = NULL };
	struct parser p = { .file = &file, .arena = a, .err = err };
	struct bytes line;
	int r = 0;

	if (bytes_starts(content, BYTES("\xef\xbb\xbf")))
		content = bytes_from(content, 3);
	while (r == 0 && bytes_next_line(&content, &line)) {
		p.line++;
		line = bytes_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		/* A pattern is a C string for the compilers: a NUL would cut it unseen. */
		r = bytes_index(line, '\0') >= 0
			    ? plain_problem(&p, true, "there is a NUL byte in this line")
			    : rule_line(&p, line);
	}
	if (r == 0)
		*ret_f = file;
	return r;
}
