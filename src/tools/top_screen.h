/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/top_screen.h - `sallyport top` on a terminal: the only user of ncurses. */
#ifndef TOOLS_TOP_SCREEN_H
#define TOOLS_TOP_SCREEN_H

#include "tools/top_model.h"

struct top_screen;

/* -ENOTTY (ERR_INPUT): standard input or output is no terminal, or one that nobody knows (TERM) or
 * that cannot move its cursor. */
int top_screen_open(struct top_screen **ret_s, bool colour, struct err *err) MUST_CHECK;
void top_screen_close(struct top_screen **s);

enum top_key {
	TOP_KEY_NONE,
	TOP_KEY_QUIT,
	TOP_KEY_REDRAW,
	TOP_KEY_PAUSE,
	TOP_KEY_SOONER,
	TOP_KEY_LATER
};
/* Wait for a key, at most @ms; a resized terminal is TOP_KEY_REDRAW, one that is gone
 * TOP_KEY_QUIT. */
enum top_key top_screen_key(struct top_screen *s, int ms);

/* Draw a look; @note is shown at the bottom ("paused", why there is nothing new: @trouble). */
void top_screen_draw(struct top_screen *s, const struct top_frame *f, const struct top_rates *r,
		     const char *note, bool trouble);

/* The same without a terminal, as lines of text on standard output. */
void top_print(const struct top_frame *f, const struct top_rates *r);

#endif
