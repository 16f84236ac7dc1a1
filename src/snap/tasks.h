/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All asyncio tasks of a process (CPython 3.14 and later), with the stacks of their
 * coroutines and who waits for whom.  Input: a live process's memory, which changes
 * meanwhile.  Output: plain data, and whether two looks in a row were equal.
 */
#ifndef PV_SNAP_TASKS_H
#define PV_SNAP_TASKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_mem;
struct pv_snap;

/* A suspended coroutine or generator; keys as in PV_REF_PYTHON. */
struct pv_task_frame {
	uint64_t code; /* 0: unreadable */
	uint32_t lasti;
	uint32_t pad; /* two looks are compared byte by byte */
};

struct pv_task {
	uint64_t address;
	uint64_t name;       /* key as in PV_REF_TASK; 0: unreadable */
	uint32_t native_tid; /* as its own PID namespace has it; 0: its thread has ended */
	bool running;        /* its coroutine runs: its thread's stack shows where */
	bool cut;            /* more is there than is listed, or could not be read */
	uint16_t pad;
	uint32_t first_frame, n_frames;     /* in pv_task_list.frames, outermost first */
	uint32_t first_awaiter, n_awaiters; /* in pv_task_list.awaiters */
};

struct pv_task_list {
	struct pv_vec tasks;    /* struct pv_task */
	struct pv_vec frames;   /* struct pv_task_frame */
	struct pv_vec awaiters; /* uint64_t, addresses of tasks */
	bool consistent;        /* two looks were equal */
	bool whole;             /* the lists could be followed to their ends */
	bool too_many;          /* for one look: there is more */
};

/* proc.tasks.kind must be PV_TASKS_THREAD.  ret is overwritten, and owned by the caller. */
struct pv_err *pv_snap_tasks(struct pv_snap *snap, struct pv_mem *mem, uint32_t pid,
			     struct pv_task_list *ret);
void pv_task_list_deinit(struct pv_task_list *list);

#endif
