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
	bool task_unread; /* with tasks: one may run, and could not be read */
	bool consistent;  /* false: it ran while we looked, the stack is not to be trusted */
	uint32_t node;    /* leaf in profile->nodes */
};

/* An asyncio task; see pv_snapshot for what it has indices in. */
struct pv_snapshot_task {
	uint32_t name; /* string id; has_name */
	uint32_t
		native_tid; /* as the process's own PID namespace has it; 0: its thread has ended */
	bool has_name;      /* false: it could not be read */
	bool running;       /* its thread's stack shows where */
	bool cut;           /* frames or awaiters are missing */
	uint32_t first_frame, n_frames;     /* of its coroutine, outermost first */
	uint32_t first_awaiter, n_awaiters; /* the tasks that wait for it */
};

/* What is known of the tasks that do not run. */
enum pv_snapshot_tasks {
	PV_SNAPSHOT_NOT_ASKED,
	PV_SNAPSHOT_NO_ASYNCIO, /* it is not imported */
	PV_SNAPSHOT_NO_LIST,    /* CPython before 3.14 keeps none */
	PV_SNAPSHOT_NOT_FOUND,  /* it is there, and where it has its tasks is not known */
	PV_SNAPSHOT_LISTED,
};

struct pv_snapshot {
	struct pv_profile *profile;         /* strings, locs, nodes; owned */
	struct pv_snapshot_thread *threads; /* sorted by tid; owned */
	size_t n_threads;
	bool free_threaded;   /* its CPython is a free-threaded build */
	bool has_gil, no_gil; /* what it runs with now; neither: not known */
	enum pv_snapshot_tasks tasks_state;
	struct pv_snapshot_task *tasks; /* owned, as are the next two */
	uint32_t *task_frames;          /* indices of profile->locs */
	uint32_t *task_awaiters;        /* indices of tasks; n_tasks: one that is not listed */
	size_t n_tasks;
	bool tasks_consistent; /* false: they changed while we looked, or were too many */
	bool tasks_too_many;   /* there is more */
	char *python_error;    /* CPython is there but not readable: why; or NULL; owned */
};

void pv_snapshot_deinit(struct pv_snapshot *snapshot);

#endif
