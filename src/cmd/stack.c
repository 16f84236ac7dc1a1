/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pitviper stack: what is each thread doing now.  Input: a PID.  Output: the
 * merged stack of every thread, leaf first, as text or JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "base/text.h"
#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/stacktasks.h"
#include "model/frame.h"
#include "model/profile.h"
#include "model/snapshot.h"
#include "model/strings.h"
#include "out/format.h"
#include "session/resolve.h"
#include "session/session.h"

struct stack_options {
	bool json, tasks;
};

static const struct pv_option stack_option_table[] = {
	{ 0, "tasks", NULL, "asyncio tasks, and who waits for whom (all from CPython 3.14 on)",
	  PV_OPTION_FLAG, offsetof(struct stack_options, tasks) },
	{ 0, "json", NULL, "for machines: one JSON object for each process", PV_OPTION_FLAG,
	  offsetof(struct stack_options, json) },
	{},
};

static const struct pv_usage stack_usage = {
	.command = "stack",
	.synopsis = "[OPTIONS] PID|NAME",
	.summary = "The merged Python, native and kernel stack of every thread of a process, now, "
		   "without\nstopping it.  Of a NAME that a process and its descendants have, such "
		   "as gunicorn, all\nof them, one after the other.",
	.example = "  sudo pitviper stack 4127\n  sudo pitviper stack gunicorn\n",
	.options = stack_option_table,
};

static const struct pv_loc *node_loc(const struct pv_profile *profile, uint32_t node,
				     uint32_t *parent_ret)
{
	const struct pv_stack_node *at = pv_vec_at(&profile->nodes, node);

	*parent_ret = at->parent;
	return pv_vec_at(&profile->locs, at->loc);
}

static void print_thread_json(struct pv_json *json, const struct pv_profile *profile,
			      const struct pv_snapshot_thread *thread)
{
	uint32_t node = thread->node;

	pv_json_begin(json, NULL, '{');
	pv_json_int(json, "tid", thread->tid);
	pv_json_string(json, "name", thread->name);
	pv_json_bool(json, "main", thread->tid == thread->pid);
	pv_json_string(json, "state", thread->state);
	pv_json_bool(json, "python", thread->has_python);
	pv_json_bool(json, "gil", thread->holds_gil);
	if (thread->attachment)
		pv_json_string(json, "attachment", thread->attachment);
	pv_json_bool(json, "complete", thread->complete);
	pv_json_bool(json, "consistent", thread->consistent);
	pv_json_bool(json, "task_unread", thread->task_unread);
	pv_json_begin(json, "frames", '[');
	while (node) {
		const struct pv_loc *loc = node_loc(profile, node, &node);

		pv_json_begin(json, NULL, '{');
		pv_json_string(json, "kind", pv_frame_kind(loc->kind));
		pv_json_bytes(json, "function", pv_strings_get(profile->strings, loc->function),
			      pv_strings_length(profile->strings, loc->function));
		pv_json_bytes(json, "file", pv_strings_get(profile->strings, loc->file),
			      pv_strings_length(profile->strings, loc->file));
		pv_json_int(json, "line", loc->line);
		pv_json_string(json, "module", pv_strings_get(profile->strings, loc->module));
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
	pv_json_end(json, '}');
}

static void print_json(const struct pv_snapshot *snapshot)
{
	const struct pv_profile *profile = snapshot->profile;
	struct pv_json json = { .file = stdout };
	size_t i;

	pv_json_begin(&json, NULL, '{');
	pv_json_int(&json, "pid", profile->pid);
	pv_json_string(&json, "name", pv_strings_get(profile->strings, profile->target_name));
	pv_json_string(&json, "interpreter",
		       pv_strings_get(profile->strings, profile->interpreter));
	if (snapshot->python_error)
		pv_json_string(&json, "python_error", snapshot->python_error);
	if (snapshot->has_gil || snapshot->no_gil)
		pv_json_bool(&json, "gil_enabled", snapshot->has_gil);
	pv_json_begin(&json, "threads", '[');
	for (i = 0; i < snapshot->n_threads; i++)
		print_thread_json(&json, profile, &snapshot->threads[i]);
	pv_json_end(&json, ']');
	pv_stack_tasks_json(&json, snapshot);
	pv_json_end(&json, '}');
	putchar('\n');
}

static struct pv_err *print_frame(const struct pv_profile *profile, const struct pv_loc *loc)
{
	struct pv_str raw PV_CLEANUP(pv_str_deinit) = {}, text PV_CLEANUP(pv_str_deinit) = {};
	struct pv_err *err = pv_frame_text(profile->strings, loc, false, &raw);

	if (!err)
		err = pv_text_append(&text, pv_str_text(&raw), raw.n);
	if (!err)
		printf("    %s\n", pv_str_text(&text));
	return err;
}

static struct pv_err *print_thread(const struct pv_profile *profile,
				   const struct pv_snapshot_thread *thread)
{
	struct pv_str name PV_CLEANUP(pv_str_deinit) = {};
	struct pv_err *err = pv_text_append(&name, thread->name, strlen(thread->name));
	uint32_t node = thread->node;

	if (err)
		return err;
	printf("\nthread %u \"%s\"%s  %s%s%s%s%s%s\n", thread->tid, pv_str_text(&name),
	       thread->tid == thread->pid ? ", main" : "", thread->state,
	       thread->attachment ? ", " : "", thread->attachment ? thread->attachment : "",
	       thread->holds_gil ? ", holds the GIL" : "",
	       thread->task_unread ? ", a task may run that could not be read" : "",
	       thread->consistent ? thread->complete ? "" : ", stack not complete"
				  : ", ran while we looked: no stack; try again");
	while (!err && node)
		err = print_frame(profile, node_loc(profile, node, &node));
	return err;
}

/* All of them: isolated interpreters have a GIL each, and one may pass on while we look. */
static void print_holders(const struct pv_snapshot *snapshot)
{
	bool any = false;

	for (size_t i = 0; i < snapshot->n_threads; i++) {
		const struct pv_snapshot_thread *thread = &snapshot->threads[i];

		if (!thread->holds_gil)
			continue;
		printf("%s%u", any ? ", " : ", GIL held by ", thread->tid);
		any = true;
	}
	if (!any && snapshot->no_gil)
		printf(", no GIL");
}

static struct pv_err *print_text(const struct pv_snapshot *snapshot)
{
	const struct pv_profile *profile = snapshot->profile;
	const char *interpreter = pv_strings_get(profile->strings, profile->interpreter);
	struct pv_str name PV_CLEANUP(pv_str_deinit) = {};
	struct pv_err *err;
	size_t i;

	err = pv_text_append(&name, pv_strings_get(profile->strings, profile->target_name),
			     pv_strings_length(profile->strings, profile->target_name));
	if (err)
		return err;
	printf("%u %s, %s, %zu thread%s", profile->pid, pv_str_text(&name),
	       *interpreter ? interpreter : "no CPython", snapshot->n_threads,
	       snapshot->n_threads == 1 ? "" : "s");
	print_holders(snapshot);
	printf("\n");
	if (snapshot->python_error)
		printf("Python frames are not shown: %s\n", snapshot->python_error);
	for (i = 0; !err && i < snapshot->n_threads; i++)
		err = print_thread(profile, &snapshot->threads[i]);
	return err ? err : pv_stack_print_tasks(snapshot);
}

static struct pv_err *show(const struct stack_options *options, pid_t pid)
{
	struct pv_snapshot snapshot;
	struct pv_err *err = pv_session_snapshot(pid, options->tasks, &snapshot);

	if (err)
		return err;
	if (options->json)
		print_json(&snapshot);
	else
		err = print_text(&snapshot);
	pv_snapshot_deinit(&snapshot);
	return err;
}

/* A worker that ends meanwhile is no reason not to show the others. */
static struct pv_err *show_all(const struct stack_options *options, const struct pv_vec *pids)
{
	struct pv_str why PV_CLEANUP(pv_str_deinit) = {};
	struct pv_err *err = NULL;
	size_t n_gone = 0;

	for (size_t i = 0; !err && i < pids->n; i++) {
		if (i && !options->json)
			putchar('\n');
		err = show(options, *(pid_t *)pv_vec_at(pids, i));
		if (err && err->kind == PV_ERR_NOPROC && ++n_gone < pids->n) {
			struct pv_err *gone = pv_steal(err);

			pv_str_clear(&why);
			err = pv_text_append(&why, gone->message, strlen(gone->message));
			fprintf(stderr, "pitviper: %s\n", pv_str_text(&why));
			pv_err_destroy(gone);
		}
	}
	return err;
}

static struct pv_err *run(int argc, char **argv, int *status_ret)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec pids = PV_VEC(pid_t);
	struct stack_options options = {};
	struct pv_err *err;
	int first;
	bool help;

	(void)status_ret;
	err = pv_options_parse(&stack_usage, argc, argv, &options, &first, &help);
	if (err || help)
		return err;
	if (argc - first != 1)
		return pv_err_create(PV_ERR_USAGE,
				     "stack wants one process; see `pitviper stack --help`");
	err = pv_resolve(argv[first], false, &pids);
	return err ? err : show_all(&options, &pids);
}

const struct pv_command pv_command_stack = {
	.name = "stack",
	.summary = "what is each thread doing now? merged stacks, without stopping it",
	.usage = &stack_usage,
	.run = run,
};
