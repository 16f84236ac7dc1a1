/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Has a process loaded a library?  Input: what it has mapped, again and again.  Output: when it
 * is time to look again for a function that is not there yet.
 */
#ifndef PV_SESSION_LOADS_H
#define PV_SESSION_LOADS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum { PV_LOADS_MS = 50 }; /* not more often */

/* All 0 before the first look. */
struct pv_loads {
	uint64_t looked_ns, mapped;
};

/* changed_ret: has its executable memory changed since the last look?  Untouched if it is too soon.
 */
struct pv_err *pv_loads_look(struct pv_loads *loads, pid_t pid, bool *changed_ret);

#endif
