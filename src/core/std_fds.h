/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/std_fds.h - standard input, output and error of a program: that they are there, and that
 * what was printed arrived. */
#ifndef CORE_STD_FDS_H
#define CORE_STD_FDS_H

/*
 * For the first line of main(): open what the caller closed, or the next file that is opened would
 * get its number and be written over by printf(). Standard output becomes one that cannot be
 * written, so that std_out_end() says so; the others become /dev/null.
 */
void std_fds_open(void);

/*
 * For the end of main(): @code, or EX_IOERR when that says all is well (0, 1) but something printed
 * did not arrive (disk full, closed), which is then told on standard error.
 */
int std_out_end(int code);

#endif
