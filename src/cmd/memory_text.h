/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hunt for memory as text.  Input: what it found, just now or in a recording.  Output: what
 * the user reads: the verdict first, then where and what, then how it was found out.
 */
#ifndef PV_CMD_MEMORY_TEXT_H
#define PV_CMD_MEMORY_TEXT_H

#include <stddef.h>

#include "base/err.h"

struct pv_leak;
struct pv_memory;
struct pv_term;

/* outputs: names of files that were written. */
struct pv_err *pv_memory_print(const struct pv_memory *memory, const struct pv_leak *leak,
			       const char *const *outputs, size_t n_outputs,
			       const struct pv_term *term);

#endif
