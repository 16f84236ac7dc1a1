/* SPDX-License-Identifier: BSD-2-Clause */
/* The asyncio tasks of a snapshot, for people and for machines. */
#ifndef PV_CMD_STACKTASKS_H
#define PV_CMD_STACKTASKS_H

#include "base/err.h"

struct pv_json;
struct pv_snapshot;

/* As a tree: each task with its coroutines, below it the tasks that it waits for. */
struct pv_err *pv_stack_print_tasks(const struct pv_snapshot *snapshot);

/* An array "tasks", or null where they are not known; awaited_by are indices in it. */
void pv_stack_tasks_json(struct pv_json *json, const struct pv_snapshot *snapshot);

#endif
