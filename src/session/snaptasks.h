/* SPDX-License-Identifier: BSD-2-Clause */
/* The asyncio tasks of a snapshot.  Input: a live process.  Output: tasks of pv_snapshot. */
#ifndef PV_SESSION_SNAPTASKS_H
#define PV_SESSION_SNAPTASKS_H

#include <sys/types.h>

#include "base/err.h"

struct pv_codes;
struct pv_image;
struct pv_mem;
struct pv_snapshot;
struct pv_symboliser;

/* Nothing of it is owned. */
struct pv_snaptasks_parts {
	pid_t pid;
	struct pv_mem *mem;
	const struct pv_image *image; /* with its tasks */
	struct pv_codes *codes;
	struct pv_symboliser *symboliser; /* of snapshot->profile */
};

/* Fills tasks and what belongs to them. */
struct pv_err *pv_snapshot_add_tasks(const struct pv_snaptasks_parts *parts,
				     struct pv_snapshot *snapshot);

#endif
