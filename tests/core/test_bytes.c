/* SPDX-License-Identifier: GPL-2.0-or-later */
/* core/bytes: searching and splitting. */
#include "core/bytes.h"

#include "tests/t.h"

int main(void)
{
	struct bytes rest = BYTES("one\r\ntwo\n\nlast"), line;
	size_t lens[] = { 4, 3, 0, 4 };

	for (size_t i = 0; i < ARRAY_LEN(lens); i++)
		T_OK(bytes_next_line(&rest, &line) && line.n == lens[i], "line %zu", i);
	T_OK(!bytes_next_line(&rest, &line), "no more lines");
	T_OK(bytes_find(BYTES("abcabd"), BYTES("abd")) == 3, "find");
	T_OK(bytes_find(BYTES("abc"), BYTES("")) == 0 && bytes_find(BYTES(""), BYTES("a")) == -1,
	     "empty");
	T_OK(bytes_eq_nocase(BYTES("FoO"), BYTES("fOo")) &&
		     !bytes_eq_nocase(BYTES("foo"), BYTES("fo")),
	     "case");
	T_OK(bytes_ends_nocase(BYTES("a.EXE"), BYTES(".exe")), "suffix");
	T_OK(bytes_eq(bytes_trim(BYTES(" \t a b\r\n")), BYTES("a b")), "trim");
	rest = BYTES("  a  bc ");
	T_OK(bytes_next_word(&rest, &line) && bytes_eq(line, BYTES("a")), "word 1");
	T_OK(bytes_next_word(&rest, &line) && bytes_eq(line, BYTES("bc")), "word 2");
	T_OK(!bytes_next_word(&rest, &line), "no word 3");
	T_OK(bytes_from(BYTES("ab"), 5).n == 0, "from beyond the end");
	return t_done();
}
