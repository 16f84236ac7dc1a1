/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a process waits.
 * Input: a snapshot of its threads' stacks.
 * Output: the call that waits and the Python line above it.
 */
#include "analyse/wait.h"

#include <string.h>

#include "base/text.h"
#include "model/frame.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/snapshot.h"
#include "model/strings.h"

/* What the kernel's entry of a system call is named on x86_64 (syscall_wrapper.h). */
static const char syscall_prefix[] = "__x64_sys_";

/* Candidates on the way from the leaf to the root. */
struct way {
	const struct pv_loc *call;   /* the innermost C function with a public name */
	const struct pv_loc *native; /* the innermost C function with a name */
	const char *syscall;         /* "epoll_wait" */
	const struct pv_loc *leaf;
	const struct pv_loc *own, *python; /* innermost */
};

static bool waits(const struct pv_snapshot_thread *thread)
{
	return thread->consistent && thread->node && strcmp(thread->state, "running");
}

/* The main thread if it waits, else the first. */
static const struct pv_snapshot_thread *choose(const struct pv_snapshot *snapshot)
{
	const struct pv_snapshot_thread *first = NULL;

	for (size_t i = 0; i < snapshot->n_threads; i++) {
		const struct pv_snapshot_thread *thread = &snapshot->threads[i];

		if (!waits(thread))
			continue;
		if (thread->tid == thread->pid)
			return thread;
		if (!first)
			first = thread;
	}
	return first;
}

static void take_native(struct way *way, const struct pv_profile *profile, const struct pv_loc *loc)
{
	const char *name = pv_strings_get(profile->strings, loc->function);

	/* C below the innermost Python frame only; "[unknown ...]" is no name */
	if (way->python || *name == '[')
		return;
	if (!way->native)
		way->native = loc;
	if (!way->call && *name != '_')
		way->call = loc;
}

static struct way walk(const struct pv_profile *profile, uint32_t node)
{
	struct way way = {};

	while (node) {
		const struct pv_stack_node *at = pv_vec_at(&profile->nodes, node);
		const struct pv_loc *loc = pv_vec_at(&profile->locs, at->loc);
		const char *name = pv_strings_get(profile->strings, loc->function);

		if (!way.leaf)
			way.leaf = loc;
		if (loc->kind == PV_LOC_KERNEL &&
		    !strncmp(name, syscall_prefix, sizeof(syscall_prefix) - 1))
			way.syscall = name + sizeof(syscall_prefix) - 1;
		if (loc->kind == PV_LOC_NATIVE)
			take_native(&way, profile, loc);
		if (loc->kind == PV_LOC_PYTHON && !way.own && pv_loc_is_own(profile, loc))
			way.own = loc;
		if (loc->kind == PV_LOC_PYTHON && !way.python)
			way.python = loc;
		node = at->parent;
	}
	return way;
}

/* libc's public function says more than the system call, that more than a private one. */
static struct pv_err *name_function(const struct pv_profile *profile, const struct way *way,
				    struct pv_str *str)
{
	if (way->call)
		return pv_frame_function(profile, way->call, str);
	if (way->syscall)
		return pv_text_append(str, way->syscall, strlen(way->syscall));
	return pv_frame_function(profile, way->native ? way->native : way->leaf, str);
}

struct pv_err *pv_wait_of(const struct pv_snapshot *snapshot, struct pv_wait *ret)
{
	const struct pv_snapshot_thread *thread = choose(snapshot);
	const struct pv_profile *profile = snapshot->profile;
	struct pv_wait wait = {};
	const struct pv_loc *place;
	struct pv_err *err;
	struct way way;

	if (!thread) {
		*ret = wait;
		return NULL;
	}
	wait.found = true;
	wait.stopped = !strcmp(thread->state, "stopped");
	wait.main = thread->tid == thread->pid;
	wait.tid = thread->tid;
	wait.pid = thread->pid;
	wait.n_others = snapshot->n_threads - 1;
	way = walk(profile, thread->node);
	place = way.own ? way.own : way.python;
	err = name_function(profile, &way, &wait.function);
	if (!err && place)
		err = pv_frame_place(profile, place, place->line, place->line, &wait.place);
	if (!err)
		err = pv_text_append(&wait.thread, thread->name,
				     strnlen(thread->name, sizeof(thread->name)));
	if (err) {
		pv_wait_deinit(&wait);
		return err;
	}
	*ret = wait;
	return NULL;
}

struct pv_err *pv_wait_put(const struct pv_wait *wait, struct pv_profile *profile)
{
	struct pv_waiting *waiting = &profile->waiting;
	struct pv_err *err;

	if (!wait->found)
		return NULL;
	err = pv_strings_add(profile->strings, pv_str_text(&wait->function), wait->function.n,
			     &waiting->function);
	if (!err)
		err = pv_strings_add(profile->strings, pv_str_text(&wait->place), wait->place.n,
				     &waiting->place);
	if (!err)
		err = pv_strings_add(profile->strings, pv_str_text(&wait->thread), wait->thread.n,
				     &waiting->thread);
	waiting->tid = wait->tid;
	waiting->n_others = wait->n_others;
	waiting->pid = wait->pid;
	waiting->n_processes = wait->n_processes;
	waiting->stopped = wait->stopped;
	return err;
}

/* Text for people, if it is: its backslashes stay as they are, nothing else may be obeyed. */
static struct pv_err *take_text(const struct pv_profile *profile, uint32_t id, struct pv_str *str)
{
	const char *text = pv_strings_get(profile->strings, id);
	size_t n = pv_strings_length(profile->strings, id);
	struct pv_err *err = NULL;

	while (!err && n) {
		const char *backslash = memchr(text, '\\', n);
		size_t before = backslash ? (size_t)(backslash - text) : n;

		err = pv_text_append(str, text, before);
		if (!err && backslash)
			err = pv_str_append(str, text + before, 1);
		before += !!backslash;
		text += before;
		n -= before;
	}
	return err;
}

struct pv_err *pv_wait_get(const struct pv_profile *profile, struct pv_wait *ret)
{
	const struct pv_waiting *waiting = &profile->waiting;
	struct pv_wait wait = {
		.found = waiting->tid,
		.stopped = waiting->stopped,
		.tid = waiting->tid,
		.n_others = waiting->n_others,
		.pid = waiting->pid ? waiting->pid : profile->pid,
		.n_processes = waiting->n_processes,
	};
	struct pv_err *err = take_text(profile, waiting->function, &wait.function);

	wait.main = wait.tid == wait.pid;
	if (!err)
		err = take_text(profile, waiting->place, &wait.place);
	if (!err)
		err = take_text(profile, waiting->thread, &wait.thread);
	if (err) {
		pv_wait_deinit(&wait);
		return err;
	}
	*ret = wait;
	return NULL;
}

void pv_wait_deinit(struct pv_wait *wait)
{
	pv_str_deinit(&wait->function);
	pv_str_deinit(&wait->place);
	pv_str_deinit(&wait->thread);
}
