/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/top_screen.c - lines on a terminal. */
#include "tools/top_screen.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ncurses.h>

#include "tools/top_lines.h"

#define PLAIN_WIDTH 200
#define ESC_MS      50 /* within which the rest of a key's sequence comes */

struct top_screen {
	SCREEN *screen;
	attr_t styles[TOP_STYLES];
	struct top_lines lines;
};

static void choose_styles(struct top_screen *s, bool colour)
{
	s->styles[TOP_TITLE] = A_BOLD;
	s->styles[TOP_HEAD] = A_REVERSE;
	s->styles[TOP_WARN] = s->styles[TOP_BAD] = A_BOLD;
	if (!colour || !has_colors() || start_color() == ERR || use_default_colors() == ERR)
		return;
	(void)init_pair(1, COLOR_GREEN, -1);
	(void)init_pair(2, COLOR_YELLOW, -1);
	(void)init_pair(3, COLOR_RED, -1);
	s->styles[TOP_GOOD] = (attr_t)COLOR_PAIR(1);
	s->styles[TOP_WARN] = (attr_t)COLOR_PAIR(2);
	s->styles[TOP_BAD] = (attr_t)COLOR_PAIR(3);
}

void top_screen_close(struct top_screen **s)
{
	if (*s == NULL)
		return;
	if ((*s)->screen != NULL) {
		(void)endwin();
		delscreen((*s)->screen);
	}
	free(*s);
	*s = NULL;
}

/* TERM = dumb is known, but every line would go on where the last one ended. */
static bool can_move_cursor(void)
{
	const char *how = tigetstr("cup");

	return how != NULL && how != (const char *)-1;
}

int top_screen_open(struct top_screen **ret_s, bool colour, struct err *err)
{
	struct top_screen *s;

	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return err_set(err, ERR_INPUT, -ENOTTY,
			       "standard %s is not a terminal; --once prints one look",
			       isatty(STDOUT_FILENO) ? "input" : "output");
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return err_set(err, ERR_TEMP, -ENOMEM, "out of memory");
	(void)setlocale(LC_CTYPE, ""); /* names in UTF-8; numbers stay as they are */
	s->screen = newterm(NULL, stdout, stdin);
	if (s->screen == NULL || !can_move_cursor()) {
		const char *what = s->screen == NULL ? "no such terminal is known here"
						     : "it cannot move its cursor";

		top_screen_close(&s);
		return err_set(err, ERR_INPUT, -ENOTTY, "TERM = %s: %s; --once prints one look",
			       getenv("TERM") == NULL ? "" : getenv("TERM"), what);
	}
	(void)cbreak();
	(void)noecho();
	(void)curs_set(0);
	(void)keypad(stdscr, TRUE);
	choose_styles(s, colour);
	*ret_s = s;
	return 0;
}

/* No key came: did the terminal go? Reading from it would then never wait. */
static enum top_key no_key(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

	if (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
		return TOP_KEY_QUIT;
	return TOP_KEY_NONE;
}

/* Esc alone ends it; the rest of a sequence that TERM does not know is passed over. */
static enum top_key escape(void)
{
	enum top_key key = TOP_KEY_QUIT;

	timeout(ESC_MS);
	while (getch() != ERR) {
		key = TOP_KEY_NONE;
		timeout(0);
	}
	return key;
}

enum top_key top_screen_key(struct top_screen *s UNUSED, int ms)
{
	timeout(ms);
	switch (getch()) {
	case 'q':
	case 'Q':
		return TOP_KEY_QUIT;
	case 27:
		return escape();
	case ' ':
	case 'p':
		return TOP_KEY_PAUSE;
	case '+':
		return TOP_KEY_SOONER;
	case '-':
		return TOP_KEY_LATER;
	case KEY_RESIZE:
	case 'r':
	case 12: /* Ctrl-L */
		return TOP_KEY_REDRAW;
	case ERR:
		return no_key();
	default:
		return TOP_KEY_NONE;
	}
}

static void draw_line(struct top_screen *s, int row, const char *text, enum top_style style)
{
	(void)move(row, 0);
	(void)attrset((int)s->styles[style]);
	(void)addnstr(text, COLS);
	if (style == TOP_HEAD) /* the heading goes on to the edge */
		for (int i = (int)strlen(text); i < COLS; i++)
			(void)addch(' ');
	(void)attrset(A_NORMAL);
	if (style != TOP_HEAD)
		(void)clrtoeol();
}

void top_screen_draw(struct top_screen *s, const struct top_frame *f, const struct top_rates *r,
		     const char *note, bool trouble)
{
	unsigned height = LINES > 1 ? (unsigned)LINES - 1 : 1;

	top_lines(f, r, COLS > 0 ? (unsigned)COLS : 1, height, &s->lines);
	(void)erase();
	for (size_t i = 0; i < s->lines.n; i++)
		draw_line(s, (int)i, s->lines.line[i].text, s->lines.line[i].style);
	if (LINES > 1)
		draw_line(s, LINES - 1, note, trouble ? TOP_BAD : TOP_PLAIN);
	(void)refresh();
}

void top_print(const struct top_frame *f, const struct top_rates *r)
{
	struct top_lines *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return;
	top_lines(f, r, PLAIN_WIDTH, 0, l);
	for (size_t i = 0; i < l->n; i++)
		(void)puts(l->line[i].text);
	free(l);
}
