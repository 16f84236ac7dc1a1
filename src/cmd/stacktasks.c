/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tasks of `pitviper stack --tasks`.
 * Input: a snapshot.  Output: a tree as text, or JSON.
 */
#include "cmd/stacktasks.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "base/text.h"
#include "model/profile.h"
#include "model/snapshot.h"
#include "model/strings.h"
#include "out/format.h"

enum { DEPTH_MAX = 64 }; /* tasks that wait for one another */

/* Who is below whom. */
struct forest {
	const struct pv_snapshot *snapshot;
	uint32_t *first;    /* by task: in children; n_tasks + 1 of them */
	uint32_t *children; /* tasks */
	bool *printed;
};

static uint32_t awaiter(const struct pv_snapshot *snapshot, const struct pv_snapshot_task *task,
			uint32_t i)
{
	return snapshot->task_awaiters[task->first_awaiter + i];
}

static struct pv_err *forest_init(const struct pv_snapshot *snapshot, struct forest *ret)
{
	size_t n = snapshot->n_tasks, n_edges = 0;

	for (size_t i = 0; i < n; i++)
		n_edges += snapshot->tasks[i].n_awaiters;
	ret->snapshot = snapshot;
	ret->first = calloc(n + 2, sizeof(*ret->first));
	ret->children = calloc(n_edges + 1, sizeof(*ret->children));
	ret->printed = calloc(n + 1, sizeof(*ret->printed));
	if (!ret->first || !ret->children || !ret->printed)
		return &pv_enomem;
	/* a counting sort by the one that waits, whose places are filled from their end; index n:
	 * one that is not listed */
	for (size_t i = 0; i < n; i++) {
		for (uint32_t j = 0; j < snapshot->tasks[i].n_awaiters; j++)
			ret->first[awaiter(snapshot, &snapshot->tasks[i], j)]++;
	}
	for (size_t i = 0; i <= n; i++)
		ret->first[i + 1] += ret->first[i];
	for (size_t i = n; i-- > 0;) {
		for (uint32_t j = 0; j < snapshot->tasks[i].n_awaiters; j++)
			ret->children[--ret->first[awaiter(snapshot, &snapshot->tasks[i], j)]] =
				(uint32_t)i;
	}
	return NULL;
}

static void forest_deinit(struct forest *forest)
{
	free(forest->first);
	free(forest->children);
	free(forest->printed);
}

static struct pv_err *print_title(const struct pv_snapshot *snapshot,
				  const struct pv_snapshot_task *task, unsigned int depth,
				  const char *note)
{
	const struct pv_strings *strings = snapshot->profile->strings;
	PV_CLEANUP(pv_str_deinit) struct pv_str name = {};
	struct pv_err *err = NULL;

	if (task->has_name)
		err = pv_text_append(&name, pv_strings_get(strings, task->name),
				     pv_strings_length(strings, task->name));
	if (!err)
		printf("%*stask %s%s%s\n", 4 * depth, "",
		       task->has_name ? pv_str_text(&name) : "[unknown]",
		       task->running ? ", running" : "", note);
	return err;
}

static struct pv_err *print_frames(const struct pv_snapshot *snapshot,
				   const struct pv_snapshot_task *task, unsigned int depth)
{
	const struct pv_profile *profile = snapshot->profile;

	for (uint32_t i = 0; i < task->n_frames; i++) {
		PV_CLEANUP(pv_str_deinit) struct pv_str raw = {};
		PV_CLEANUP(pv_str_deinit) struct pv_str text = {};
		const struct pv_loc *loc =
			pv_vec_at(&profile->locs, snapshot->task_frames[task->first_frame + i]);
		struct pv_err *err = pv_frame_text(profile->strings, loc, PV_ESCAPE_NONE, &raw);

		if (!err)
			err = pv_text_append(&text, pv_str_text(&raw), raw.n);
		if (err)
			return err;
		printf("%*s    %s\n", 4 * depth, "", pv_str_text(&text));
	}
	return NULL;
}

static struct pv_err *print_task(struct forest *forest, uint32_t index, unsigned int depth)
{
	const struct pv_snapshot *snapshot = forest->snapshot;
	const struct pv_snapshot_task *task = &snapshot->tasks[index];
	uint32_t from = forest->first[index], to = forest->first[index + 1];
	struct pv_err *err;

	if (forest->printed[index])
		return print_title(snapshot, task, depth, ", see above");
	forest->printed[index] = true;
	err = print_title(snapshot, task, depth, task->cut ? " (not all of it could be read)" : "");
	if (!err)
		err = print_frames(snapshot, task, depth);
	if (depth == DEPTH_MAX && to > from) {
		printf("%*s    more tasks\n", 4 * depth, "");
		return err;
	}
	for (uint32_t i = from; !err && i < to; i++)
		err = print_task(forest, forest->children[i], depth + 1);
	return err;
}

/* Nobody who is listed waits for it. */
static bool is_root(const struct pv_snapshot *snapshot, const struct pv_snapshot_task *task)
{
	for (uint32_t i = 0; i < task->n_awaiters; i++) {
		if (awaiter(snapshot, task, i) < snapshot->n_tasks)
			return false;
	}
	return true;
}

static struct pv_err *print_forest(const struct pv_snapshot *snapshot, struct forest *forest)
{
	struct pv_err *err = NULL;
	bool said = false;

	for (uint32_t i = 0; !err && i < snapshot->n_tasks; i++) {
		if (is_root(snapshot, &snapshot->tasks[i]))
			err = print_task(forest, i, 0);
	}
	/* what is left is in a circle, or behind one, or very deep */
	for (uint32_t i = 0; !err && i < snapshot->n_tasks; i++) {
		if (forest->printed[i])
			continue;
		if (!said)
			printf("in a circle of tasks that wait for one another:\n");
		said = true;
		err = print_task(forest, i, 0);
	}
	return err;
}

struct pv_err *pv_stack_print_tasks(const struct pv_snapshot *snapshot)
{
	struct forest forest = {};
	struct pv_err *err;

	switch (snapshot->tasks_state) {
	case PV_SNAPSHOT_NOT_ASKED:
		return NULL;
	case PV_SNAPSHOT_NO_ASYNCIO:
		printf("\nno tasks: asyncio is not imported\n");
		return NULL;
	case PV_SNAPSHOT_NO_LIST:
		printf("\nonly tasks that run are shown: CPython keeps a list of all from 3.14 "
		       "on\n");
		return NULL;
	case PV_SNAPSHOT_NOT_FOUND:
		printf("\ntasks are not known: asyncio is there, but not where it keeps them\n");
		return NULL;
	case PV_SNAPSHOT_LISTED:
		break;
	}
	printf("\n%zu task%s%s\n", snapshot->n_tasks, snapshot->n_tasks == 1 ? "" : "s",
	       snapshot->tasks_too_many ? ": not all that is there was read, it is too much"
	       : snapshot->tasks_consistent
		       ? ""
		       : ", which changed while we looked: some may be missing, "
			 "or be as they were");
	err = forest_init(snapshot, &forest);
	if (!err)
		err = print_forest(snapshot, &forest);
	forest_deinit(&forest);
	return err;
}

static void put_frame(struct pv_json *json, const struct pv_profile *profile, uint32_t index)
{
	const struct pv_loc *loc = pv_vec_at(&profile->locs, index);

	pv_json_begin(json, NULL, '{');
	pv_json_bytes(json, "function", pv_strings_get(profile->strings, loc->function),
		      pv_strings_length(profile->strings, loc->function));
	pv_json_bytes(json, "file", pv_strings_get(profile->strings, loc->file),
		      pv_strings_length(profile->strings, loc->file));
	pv_json_int(json, "line", loc->line);
	pv_json_end(json, '}');
}

static void put_task(struct pv_json *json, const struct pv_snapshot *snapshot,
		     const struct pv_snapshot_task *task)
{
	const struct pv_strings *strings = snapshot->profile->strings;

	pv_json_begin(json, NULL, '{');
	if (task->has_name)
		pv_json_bytes(json, "name", pv_strings_get(strings, task->name),
			      pv_strings_length(strings, task->name));
	pv_json_int(json, "native_tid", task->native_tid);
	pv_json_bool(json, "running", task->running);
	pv_json_bool(json, "whole", !task->cut && task->has_name);
	pv_json_begin(json, "frames", '[');
	for (uint32_t i = 0; i < task->n_frames; i++)
		put_frame(json, snapshot->profile, snapshot->task_frames[task->first_frame + i]);
	pv_json_end(json, ']');
	pv_json_begin(json, "awaited_by", '[');
	for (uint32_t i = 0; i < task->n_awaiters; i++) {
		if (awaiter(snapshot, task, i) < snapshot->n_tasks)
			pv_json_int(json, NULL, awaiter(snapshot, task, i));
	}
	pv_json_end(json, ']');
	pv_json_end(json, '}');
}

void pv_stack_tasks_json(struct pv_json *json, const struct pv_snapshot *snapshot)
{
	static const char *const known[] = { [PV_SNAPSHOT_NO_ASYNCIO] = "no asyncio",
					     [PV_SNAPSHOT_NO_LIST] = "running only",
					     [PV_SNAPSHOT_NOT_FOUND] = "unknown",
					     [PV_SNAPSHOT_LISTED] = "all" };

	if (snapshot->tasks_state == PV_SNAPSHOT_NOT_ASKED)
		return;
	pv_json_string(json, "tasks_known", known[snapshot->tasks_state]);
	if (snapshot->tasks_state != PV_SNAPSHOT_LISTED)
		return;
	pv_json_bool(json, "tasks_consistent", snapshot->tasks_consistent);
	pv_json_bool(json, "tasks_too_many", snapshot->tasks_too_many);
	pv_json_begin(json, "tasks", '[');
	for (size_t i = 0; i < snapshot->n_tasks; i++)
		put_task(json, snapshot, &snapshot->tasks[i]);
	pv_json_end(json, ']');
}
