/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Untrusted bytes as text for people: names of a target in a line on a terminal.
 */
#ifndef PV_BASE_TEXT_H
#define PV_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_str;

/*
 * Bytes of the UTF-8 sequence at the start of s, 0 if there is no valid one (RFC
 * 3629: no overlong forms, no surrogates, nothing above U+10FFFF); ret: its code
 * point.  n must not be 0.
 */
size_t pv_text_decode(const char *s, size_t n, unsigned int *ret);

/*
 * A character that is obeyed rather than shown: control characters, line ends of
 * every kind, what reorders or hides its neighbours (bidirectional overrides,
 * zero-width characters, tags).
 */
bool pv_text_is_command(unsigned int c);

/*
 * Appends bytes so that a terminal shows them and obeys none: what is not valid
 * UTF-8 or a command becomes \xNN a byte, a backslash becomes two.
 */
struct pv_err *pv_text_append(struct pv_str *str, const char *bytes, size_t n);

/* The same of a text that is escaped already, if its maker kept its word: backslashes stay. */
struct pv_err *pv_text_append_escaped(struct pv_str *str, const char *bytes, size_t n);

/* Columns on a terminal; LC_CTYPE must be a UTF-8 locale, else all characters count as one. */
size_t pv_text_width(const char *text, size_t n);

/* Shortens what str holds from byte `from` on to so many columns, at its end, where "…" says so. */
struct pv_err *pv_text_cut(struct pv_str *str, size_t from, size_t columns);

/* "1,234,567" */
struct pv_number {
	char text[27];
};
struct pv_number pv_text_number(uint64_t n);

/* "812 ns", "12.3 us", "3.06 ms", "1.50 s": three digits. */
struct pv_duration {
	char text[24];
};
struct pv_duration pv_text_duration(uint64_t ns);

/* "812 B", "12.3 kB", "1.50 MB": three digits, of 1000; a negative number has its sign. */
struct pv_bytes {
	char text[24];
};
struct pv_bytes pv_text_bytes(double n);

/*
 * "57 %", with at most two decimals; what is something is not said as nothing, nor
 * what is not all as all: "<0.1 %", ">99 %".  The pages have the same rule (text.js).
 */
struct pv_percent {
	char text[32];
};
struct pv_percent pv_text_percent(uint64_t part, uint64_t whole, unsigned int decimals);

#endif
