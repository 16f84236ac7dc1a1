/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Native calls that have ended in other ways than by a return: an exception, longjmp, the end
 * of their thread.  Nothing is hit then, so they are looked for among the open ones.
 * Input: the kernel's side, the process's memory.  Output: how many of which function.
 */
#ifndef PV_SESSION_SWEEP_H
#define PV_SESSION_SWEEP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_calls;
struct pv_mem;

/* What the kernel's rows do not hold. */
struct pv_swept {
	uint32_t function;
	uint64_t by, n;
};

struct pv_sweep {
	struct pv_vec found; /* struct pv_swept */
	uint64_t unended;    /* of them: the end alone was not seen */
	uint64_t unreturned; /* of them: the place that they return to had no probe */
	uint64_t n_open;     /* calls that were still under way at the last look */
	uint64_t at_ns;      /* of the last look */
};

void pv_sweep_init(struct pv_sweep *sweep);
void pv_sweep_deinit(struct pv_sweep *sweep);

/* Looks at all open calls, and takes those out that are over. */
struct pv_err *pv_sweep(struct pv_sweep *sweep, pid_t pid, struct pv_mem *mem,
			struct pv_calls *calls);

#endif
