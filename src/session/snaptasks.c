/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The asyncio tasks of a snapshot.
 * Input: what snap/tasks.c reads.  Output: the same with names, and indices in place of addresses.
 */
#include "session/snaptasks.h"

#include <stdlib.h>

#include "abi/event.h"
#include "base/map.h"
#include "model/profile.h"
#include "model/snapshot.h"
#include "model/strings.h"
#include "session/symbolise.h"
#include "snap/image.h"
#include "snap/snap.h"
#include "snap/tasks.h"
#include "symbol/python.h"

static struct pv_err *on_event(void *ctx, const struct pv_event *event, size_t size)
{
	struct pv_err *err;

	return pv_codes_take(ctx, event, size, &err) ? err : NULL;
}

static struct pv_err *add_name(const struct pv_snaptasks_parts *parts, const struct pv_task *from,
			       struct pv_profile *profile, struct pv_snapshot_task *task)
{
	struct pv_code_place place = {};

	if (!from->name || !pv_codes_place(parts->codes, from->name, 0, &place) || !place.qualname)
		return NULL;
	task->has_name = true;
	return pv_strings_add(profile->strings, place.qualname, place.qualname_n, &task->name);
}

static struct pv_err *allocate(const struct pv_task_list *list, struct pv_snapshot *snapshot)
{
	snapshot->tasks = calloc(list->tasks.n + 1, sizeof(*snapshot->tasks));
	snapshot->task_frames = calloc(list->frames.n + 1, sizeof(*snapshot->task_frames));
	snapshot->task_awaiters = calloc(list->awaiters.n + 1, sizeof(*snapshot->task_awaiters));
	if (!snapshot->tasks || !snapshot->task_frames || !snapshot->task_awaiters)
		return &pv_enomem;
	snapshot->n_tasks = list->tasks.n;
	snapshot->tasks_consistent = list->consistent;
	snapshot->tasks_too_many = list->too_many;
	return NULL;
}

static struct pv_err *add_tasks(const struct pv_snaptasks_parts *parts,
				const struct pv_task_list *list, struct pv_map *by_address,
				struct pv_snapshot *snapshot)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < list->tasks.n; i++) {
		const struct pv_task *from = pv_vec_at(&list->tasks, i);
		struct pv_snapshot_task *task = &snapshot->tasks[i];

		task->native_tid = from->native_tid;
		task->running = from->running;
		task->cut = from->cut;
		task->first_frame = from->first_frame;
		task->n_frames = from->n_frames;
		task->first_awaiter = from->first_awaiter;
		task->n_awaiters = from->n_awaiters;
		err = add_name(parts, from, snapshot->profile, task);
		if (!err)
			err = pv_map_set(by_address, from->address, i);
	}
	return err;
}

static struct pv_err *convert(const struct pv_snaptasks_parts *parts,
			      const struct pv_task_list *list, struct pv_map *by_address,
			      struct pv_snapshot *snapshot)
{
	struct pv_err *err = allocate(list, snapshot);
	bool known;

	if (!err)
		err = add_tasks(parts, list, by_address, snapshot);
	for (size_t i = 0; !err && i < list->frames.n; i++) {
		const struct pv_task_frame *frame = pv_vec_at(&list->frames, i);

		err = pv_symbolise_python(parts->symboliser, frame->code, frame->lasti, &known,
					  &snapshot->task_frames[i]);
	}
	for (size_t i = 0; !err && i < list->awaiters.n; i++) {
		uint64_t index = list->tasks.n;

		pv_map_get(by_address, *(const uint64_t *)pv_vec_at(&list->awaiters, i), &index);
		snapshot->task_awaiters[i] = (uint32_t)index;
	}
	return err;
}

static enum pv_snapshot_tasks state_of(uint8_t kind)
{
	switch (kind) {
	case PV_TASKS_NONE:
		return PV_SNAPSHOT_NO_ASYNCIO;
	case PV_TASKS_DICT:
		return PV_SNAPSHOT_NO_LIST;
	case PV_TASKS_THREAD:
		return PV_SNAPSHOT_LISTED;
	default:
		return PV_SNAPSHOT_NOT_FOUND;
	}
}

struct pv_err *pv_snapshot_add_tasks(const struct pv_snaptasks_parts *parts,
				     struct pv_snapshot *snapshot)
{
	struct pv_snap_handlers handlers = { .ctx = parts->codes, .event = on_event };
	struct pv_snap_source source = { .mem = parts->mem };
	struct pv_map by_address = {};
	struct pv_task_list list;
	struct pv_snap *snap;
	struct pv_err *err;

	snapshot->tasks_state = state_of(parts->image->python.proc.tasks.kind);
	if (snapshot->tasks_state != PV_SNAPSHOT_LISTED)
		return NULL;
	source.proc = parts->image->python.proc;
	source.proc.generation = PV_GENERATION_FIRST;
	err = pv_snap_create(&source, &handlers, &snap);
	if (err)
		return err;
	err = pv_snap_tasks(snap, parts->mem, parts->pid, &list);
	pv_snap_destroy(snap);
	if (err)
		return err;
	err = convert(parts, &list, &by_address, snapshot);
	pv_map_deinit(&by_address);
	pv_task_list_deinit(&list);
	return err;
}
