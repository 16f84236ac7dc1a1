/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a process waits, for a profile.  Input: a snapshot of its threads, taken
 * here.  Output: profile->waiting.
 */
#ifndef PV_SESSION_WAITING_H
#define PV_SESSION_WAITING_H

#include <sys/types.h>

#include "base/err.h"

struct pv_profile;

/* One that ends in this moment waits nowhere. */
struct pv_err *pv_waiting_look(pid_t pid, struct pv_profile *profile);

#endif
