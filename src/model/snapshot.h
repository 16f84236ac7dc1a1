/* SPDX-License-Identifier: BSD-2-Clause */
/* What each thread of a process was doing at one moment, as plain data. */
#ifndef PV_MODEL_SNAPSHOT_H
#define PV_MODEL_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/profile.h"

struct pv_snapshot_thread {
	uint32_t pid, tid;
	char name[16];
	const char *state; /* static: "running", "sleeping", "disk sleep", ... */
	bool has_python;   /* it has a Python thread state */
	bool holds_gil;
	const char *attachment; /* static: "attached", "detached", "suspended"; NULL: has a GIL */
	bool complete;
	bool consistent; /* false: it ran while we looked, the stack is not to be trusted */
	uint32_t node;   /* leaf in profile->nodes */
};

struct pv_snapshot {
	struct pv_profile *profile;         /* strings, locs, nodes; owned */
	struct pv_snapshot_thread *threads; /* sorted by tid; owned */
	size_t n_threads;
	bool free_threaded;   /* its CPython is a free-threaded build */
	bool has_gil, no_gil; /* what it runs with now; neither: not known */
	char *python_error;   /* CPython is there but not readable: why; or NULL; owned */
};

void pv_snapshot_deinit(struct pv_snapshot *snapshot);

#endif
