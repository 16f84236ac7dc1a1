/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a process waits, for a profile.  Input: a snapshot of its threads, taken
 * here.  Output: profile->waiting.
 */
#ifndef PV_SESSION_WAITING_H
#define PV_SESSION_WAITING_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct pv_profile;

/* n_processes: of which it was chosen.  One that ends in this moment waits nowhere. */
struct pv_err *pv_waiting_look(pid_t pid, uint32_t n_processes, struct pv_profile *profile);

#endif
