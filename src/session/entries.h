/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries of native functions, added to the probes in growing batches, so that what is too
 * dear shows early.  Input: functions by index.  Output: places for collect/probes.h.
 */
#ifndef PV_SESSION_ENTRIES_H
#define PV_SESSION_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_native_function;
struct pv_natives;
struct pv_probes;

enum {
	PV_ENTRIES_BATCH_MS = 10, /* between two batches */
	PV_ENTRIES_NEW_MS =
		100, /* so long a batch is given up by its own limit: the last one, too */
};

struct pv_entry {
	const struct pv_native_function *function; /* NULL: that index has no native function */
	bool wanted;       /* by its name: one that cannot be probed is an error */
	unsigned int keep; /* registers, besides those of all: see probe/native.h */
};

struct pv_entries {
	struct pv_natives *natives;
	/* the function of an index, which is what its probe says */
	struct pv_entry (*at)(const void *ctx, size_t index);
	const void *ctx;
	unsigned int keep; /* registers besides those that a callee saves: see probe/native.h */
	size_t n_added;    /* of the indices: their entries, if they have any */
	size_t n_refused;  /* cannot be probed */
	uint64_t added_ns; /* when one of several batches was added last; 0: there is but one */
};

/* Adds the next batch of all n to the probes, to be attached. */
struct pv_err *pv_entries_add(struct pv_entries *entries, size_t n, struct pv_probes *probes);

/*
 * To be called at each step: while batches of the n come, and until the last has shown what it
 * costs, probes are given up as soon as that is too much.
 */
void pv_entries_limit(const struct pv_entries *entries, size_t n, struct pv_probes *probes);

#endif
