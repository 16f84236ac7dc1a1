/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The asyncio tasks that run on a thread.  Input: the thread state or the dict of
 * running tasks.  Output: after the outermost frame of a task's coroutine its
 * name, and from 3.14 on the names of the tasks that wait for it, as frames with
 * PV_PYFRAME_TASK; the names as PV_EVENT_CODE and PV_EVENT_PIECE.
 *
 * A task runs on this thread if the frame of its coroutine is on the stack: what
 * is read of other threads' tasks, or of what is no task, is not there.
 *
 * Sources: CPython Modules/_asynciomodule.c (TaskObj, enter_task, swap_current_task,
 * task_get_name), Objects/dictobject.c, 3.14 Python/remote_debugging's awaited_by.
 */
#ifndef PV_WALK_TASKS_H
#define PV_WALK_TASKS_H

#include "walk/code.h"
#include "walk/dict.h"

enum { PV_TASK_DIGITS = 19 }; /* of a number of 60 bits */

/* A task whose coroutine may be on this stack. */
static inline void pv_tasks_add(struct pv_ctx *c, __u64 task)
{
	struct pv_walk *w = c->w;
	const struct pv_asyncio *t = &c->proc->tasks;
	__u64 type = 0, size = 0, frame = 0;
	__u32 i = w->n_tasks;

	if (!task)
		return;
	/* one of Python code, which _enter_task() takes, too, is smaller */
	if (i >= PV_WALK_TASKS || pv_read(c, &type, 8, task + c->proc->py.ob_type) ||
	    pv_read(c, &size, 8, type + t->at.type_basicsize) || size < t->at.task_size ||
	    pv_read(c, &frame, 8, task + t->at.task_coro)) {
		w->task_unread = 1;
		return;
	}
	frame += t->at.coro_frame;
	if (!t->frame_is_inside && pv_read(c, &frame, 8, frame)) {
		w->task_unread = 1;
		return;
	}
	i = pv_masked(i, PV_WALK_TASKS);
	w->task_frame[i] = frame;
	w->task_object[i] = task;
	w->n_tasks = i + 1;
}

static long pv_tasks_entry_step(__u32 index, void *arg)
{
	struct pv_ctx *c = arg;

	if (index >= c->w->n_task_entries)
		return 1;
	pv_tasks_add(c, c->w->task_entries[(3 * index + 2) & (PV_WALK_TASK_WORDS - 1)]);
	return 0;
}

/* The running tasks of all threads.  It belongs to whoever holds the GIL, and may be renewed
 * meanwhile. */
static inline void pv_tasks_of_dict(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	const struct pv_asyncio *t = &c->proc->tasks;
	__u64 keys = 0, again = 0;
	__s64 indices;
	__u64 n;

	if (pv_read(c, &keys, 8, t->running + t->at.dict_keys) ||
	    pv_read(c, w->dict_keys, PV_WALK_DICT, keys)) {
		w->task_unread = 1;
		return;
	}
	n = PV_FIELD(__u64, w->dict_keys, PV_WALK_DICT, t->at.keys_n);
	indices = pv_dict_indices(&t->at, w->dict_keys);
	if (!n)
		return;
	/* loops are its keys, so that it is a dict of any keys */
	if (indices < 0 || n > PV_WALK_TASK_WORDS / 3 ||
	    pv_dict_entry(&t->at, w->dict_keys) != PV_DICT_ENTRY ||
	    pv_read(c, w->task_entries, pv_bounded(PV_DICT_ENTRY * n, 8 * PV_WALK_TASK_WORDS),
		    keys + t->at.keys_indices + indices) ||
	    pv_read(c, &again, 8, t->running + t->at.dict_keys) || again != keys) {
		w->task_unread = 1;
		return;
	}
	w->n_task_entries = n;
	pv_loop(PV_WALK_TASK_WORDS / 3, pv_tasks_entry_step, c);
}

/* One of the outer interpreters that this thread is in; the innermost is taken out already. */
static long pv_tasks_state_step(__u32 index, void *arg)
{
	struct pv_ctx *c = arg;
	struct pv_walk *w = c->w;
	__u64 state = w->state[index & (PV_WALK_STATES - 1)], task = 0;

	if (index >= w->n_states)
		return 1;
	if (!state)
		return 0;
	if (pv_read(c, &task, 8, state + c->proc->tasks.ts_running))
		w->task_unread = 1;
	else
		pv_tasks_add(c, task);
	return 0;
}

/* What runs, before the frames are walked. */
static inline void pv_tasks_find(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	const struct pv_asyncio *t = &c->proc->tasks;
	__u64 task = 0;

	w->n_tasks = w->task_unread = w->task_matched = w->task_coroutines = 0;
	if (!pv_env_tasks(c))
		return;
	if (t->kind == PV_TASKS_UNKNOWN) {
		w->task_unread = 1;
	} else if (t->kind == PV_TASKS_DICT) {
		pv_tasks_of_dict(c);
	} else if (t->kind == PV_TASKS_THREAD) {
		if (pv_read(c, &task, 8, w->tstate + t->ts_running))
			w->task_unread = 1;
		else
			pv_tasks_add(c, task);
		pv_loop(PV_WALK_STATES, pv_tasks_state_step, c);
	}
}

/*
 * "Task-N" into copy_bytes; its length.  Without branches, each of which would double what the
 * verifier has to look at: digits that are none go where the text is written over them, or wrap
 * to the end of the buffer.
 */
static inline __u32 pv_tasks_number(struct pv_walk *w, __u64 number)
{
	__u64 rest = number, power = 10;
	__u32 n = 1, i;

	for (i = 1; i < PV_TASK_DIGITS; i++) {
		n += 1 - (__u32)((number - power) >> 63);
		power *= 10;
	}
	for (i = 0; i < PV_TASK_DIGITS; i++) {
		w->copy_bytes[(5 + n - 1 - i) & (PV_PIECE_BYTES - 1)] = '0' + rest % 10;
		rest /= 10;
	}
	w->copy_bytes[0] = 'T';
	w->copy_bytes[1] = 'a';
	w->copy_bytes[2] = 's';
	w->copy_bytes[3] = 'k';
	w->copy_bytes[4] = '-';
	return 5 + n;
}

/* Sends the name whose n bytes are in copy_bytes. */
static inline void pv_tasks_emit(struct pv_ctx *c, __u64 key, __u64 address, __u32 n,
				 __u32 char_size)
{
	struct pv_walk *w = c->w;
	struct pv_event_code *code = &w->copy_code;

	code->hdr.type = PV_EVENT_CODE;
	code->hdr.reserved = 0;
	code->hdr.size = sizeof(*code);
	code->key = key;
	code->address = address;
	code->pid = w->sample.pid;
	code->generation = w->sample.generation;
	code->firstlineno = 0;
	code->linetable_kind = c->proc->py.linetable_kind;
	code->is_task = 1;
	code->reserved2 = 0;
	code->size[PV_PIECE_FILENAME] = 0;
	code->size[PV_PIECE_NAME] = n;
	code->size[PV_PIECE_LINETABLE] = 0;
	code->char_size[PV_PIECE_FILENAME] = 1;
	code->char_size[PV_PIECE_NAME] = char_size;
	w->copy_header.hdr.type = PV_EVENT_PIECE;
	w->copy_header.hdr.reserved = 0;
	w->copy_header.hdr.size = sizeof(w->copy_header) + n;
	w->copy_header.key = key;
	w->copy_header.offset = 0;
	w->copy_header.n = n;
	w->copy_header.piece = PV_PIECE_NAME;
	w->copy_header.reserved = 0;
	if (pv_env_emit(c, code, sizeof(*code)) ||
	    (n && pv_env_emit(c, &w->copy_header,
			      sizeof(w->copy_header) + pv_bounded(n, PV_PIECE_BYTES)))) {
		pv_env_lost(c, PV_LOSS_RING_CODE);
		return;
	}
	pv_env_code_mark(c, key, PV_CODE_SENT);
}

/* 3.12+: a task that was given no name has its number; 0 = unreadable. */
static inline __u64 pv_tasks_numbered(struct pv_ctx *c, __u64 key, __u64 name)
{
	const struct pv_tasklayout *at = &c->proc->tasks.at;
	__u64 number = 0, tag = 0;
	__u32 digits[2] = {};

	if (pv_read(c, &tag, 8, name + at->long_tag) || tag >> 3 > 2 ||
	    pv_read(c, digits, 8, name + at->long_digits))
		return 0;
	if (tag >> 3 > 0)
		number = digits[0];
	if (tag >> 3 > 1)
		number |= (__u64)digits[1] << 30;
	key = pv_mix(key, number);
	if (!pv_code_known(c, key))
		pv_tasks_emit(c, key, name, pv_tasks_number(c->w, number), 1);
	return key;
}

/*
 * Reads and sends the name of a task.  Its key is made of where the string is, its length, its
 * hash or end, and its beginning: names are short.  0 = unreadable.
 */
static inline __u64 pv_tasks_name(struct pv_ctx *c, __u64 task)
{
	const struct pv_tasklayout *at = &c->proc->tasks.at;
	struct pv_walk *w = c->w;
	struct pv_py_string string = {};
	__u64 name = 0, flags = 0, key, data, bytes;
	__u32 kind, n, head, i;

	key = pv_mix(0x6e616d657461736bULL, (__u64)w->sample.pid << 32 | w->sample.generation);
	if (pv_read(c, &name, 8, task + at->task_name) ||
	    pv_read(c, &string, sizeof(string), name + c->proc->py.ob_type))
		return 0;
	if (string.type != c->proc->unicode_type) {
		if (at->long_tag == PV_OFF_NONE ||
		    pv_read(c, &flags, 8, string.type + at->type_flags) || !(flags & PV_TYPE_LONG))
			return 0;
		return pv_tasks_numbered(c, key, name);
	}
	kind = pv_py_string_kind(c, string.state);
	data = pv_py_string_data(c, name, string.state);
	bytes = string.length * kind;
	if ((kind != 1 && kind != 2 && kind != 4) || !data || string.length > PV_PIECE_BYTES / 4)
		return 0;
	n = pv_bounded(bytes, PV_PIECE_BYTES);
	head = pv_bounded(n, PV_WALK_NAME_HEAD);
	for (i = 0; i < PV_WALK_NAME_HEAD / 8; i++)
		w->name_head[i] = 0;
	if (head && pv_read(c, w->name_head, head, data))
		return 0;
	key = pv_mix(pv_mix(key, name), pv_code_sum_string(c, name, false));
	for (i = 0; i < PV_WALK_NAME_HEAD / 8; i++)
		key = pv_mix(key, w->name_head[i]);
	if (pv_code_known(c, key))
		return key;
	if (n && pv_read(c, w->copy_bytes, n, data))
		return 0;
	pv_tasks_emit(c, key, name, n, kind);
	return key;
}

static inline void pv_tasks_push(struct pv_walk *w, __u64 key)
{
	__u32 i = w->sample.n_python;

	if (i >= PV_PYTHON_FRAMES_MAX)
		return;
	w->words[(2 * i) & (PV_WALK_WORDS - 1)] = key;
	w->words[(2 * i + 1) & (PV_WALK_WORDS - 1)] = (__u64)PV_PYFRAME_TASK << 32 | PV_LASTI_NONE;
	w->sample.n_python = i + 1;
}

/* One task, or a future that stands between two (gather()); goes on to what awaits it. */
static long pv_tasks_await_step(__u32 index, void *arg)
{
	struct pv_ctx *c = arg;
	struct pv_walk *w = c->w;
	const struct pv_asyncio *t = &c->proc->tasks;
	__u64 next = 0, key;
	__u8 is_task = 1, is_set = 0;

	if (index && pv_read(c, &is_task, 1, w->task + t->task_is_task)) {
		w->task_unread = 1;
		pv_tasks_push(w, PV_TASK_UNREAD);
		return 1;
	}
	if (is_task) {
		key = pv_tasks_name(c, w->task);
		pv_tasks_push(w, key ? key : PV_TASK_UNREAD);
		if (!key)
			w->task_unread = 1;
	}
	if (!t->task_awaited_by)
		return 1;
	if (pv_read(c, &next, 8, w->task + t->task_awaited_by) ||
	    pv_read(c, &is_set, 1, w->task + t->task_awaited_by_is_set)) {
		w->task_unread = 1;
		pv_tasks_push(w, PV_TASK_UNREAD);
		return 1;
	}
	if (!next)
		return 1;
	if (is_set || index == PV_WALK_AWAITED - 1) {
		pv_tasks_push(w, is_set ? PV_TASK_SEVERAL : PV_TASK_MORE);
		return 1;
	}
	w->task = next;
	return 0;
}

/* After w->frame was pushed: is it the outermost one of a task's coroutine? */
static inline void pv_tasks_match(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	__u32 i;

	w->task = 0;
	for (i = 0; i < PV_WALK_TASKS; i++) {
		if (i < w->n_tasks && w->task_frame[i] == w->frame)
			w->task = w->task_object[i];
	}
	if (!w->task)
		return;
	w->task_matched = 1;
	pv_loop(PV_WALK_AWAITED, pv_tasks_await_step, c);
}

#endif
