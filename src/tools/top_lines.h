/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/top_lines.h - a look as lines of text, for a terminal of any size. */
#ifndef TOOLS_TOP_LINES_H
#define TOOLS_TOP_LINES_H

#include "tools/top_model.h"

#define TOP_LINES_MAX 400
#define TOP_LINE_MAX  256

enum top_style { TOP_PLAIN, TOP_TITLE, TOP_HEAD, TOP_GOOD, TOP_WARN, TOP_BAD, TOP_STYLES };

struct top_lines {
	struct {
		enum top_style style;
		char text[TOP_LINE_MAX];
	} line[TOP_LINES_MAX];
	size_t n;
};

/* Lines of at most @width characters. @height 0: all there is; else at most so many, where the
 * longest lists are cut first and say how much is left out. */
void top_lines(const struct top_frame *f, const struct top_rates *r, unsigned width,
	       unsigned height, struct top_lines *ret_l);

#endif
