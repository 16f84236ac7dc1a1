/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * While places come and go the target traps and nothing is learnt: on a busy machine it would be
 * held up by our waiting for a CPU.  Input: our own priority.  Output: another one, for a while.
 */
#ifndef PV_SESSION_HURRY_H
#define PV_SESSION_HURRY_H

#include <stdbool.h>

/* Zero-initialised: we have our own priority. */
struct pv_hurry {
	bool on;
	int nice; /* our own */
};

/* Who may not have another goes on as before. */
void pv_hurry_begin(struct pv_hurry *hurry);
void pv_hurry_end(struct pv_hurry *hurry);

#endif
