/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Native functions that compilers have put into others.  Input: the debug information of
 * what a process has mapped, words.  Output: sentences for the user.  It takes a second
 * where there is much, two at most: only for what was not found, and once for what was.
 */
#ifndef PV_SESSION_INLINED_H
#define PV_SESSION_INLINED_H

#include <stdint.h>

#include "base/err.h"

struct pv_native_function;
struct pv_natives;
struct pv_str;

/*
 * For a word that pv_natives_find() knows nothing of: into what it was inlined, or as
 * pv_natives_hint(), and if that cannot be told, why.
 */
struct pv_err *pv_inlined_hint(struct pv_natives *natives, const char *word, struct pv_str *str);

/*
 * For a function that is watched: of which of its calls from its own library nothing is seen;
 * nothing if there are none, or the debug information tells of none until the deadline
 * (CLOCK_MONOTONIC, ns).
 */
struct pv_err *pv_inlined_note(struct pv_natives *natives,
			       const struct pv_native_function *function, uint64_t deadline,
			       struct pv_str *str);

#endif
