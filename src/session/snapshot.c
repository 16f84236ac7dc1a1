/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One stack a thread, now.  Input: the task iterator for threads that sleep,
 * the sampler for a moment for those that run.  Output: pv_snapshot.
 *
 * A thread that runs cannot be walked from outside: its registers are not
 * saved and its stack changes.  It is sampled on its own CPU instead.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "abi/event.h"
#include "abi/process.h"
#include "base/cleanup.h"
#include "base/vec.h"
#include "collect/collect.h"
#include "model/profile.h"
#include "model/snapshot.h"
#include "model/strings.h"
#include "python/tasks.h"
#include "session/session.h"
#include "session/snaptasks.h"
#include "session/symbolise.h"
#include "snap/image.h"
#include "snap/merge.h"
#include "snap/objects.h"
#include "symbol/perfmap.h"
#include "symbol/python.h"
#include "target/mem.h"
#include "target/process.h"

enum {
	ROUNDS = 5, /* looks at threads that change between running and sleeping */
	/* and at those that want to run and are never seen to: the machine has others to run */
	WAITING_ROUNDS = 50,
	SAMPLE_HZ = 2000,
	SAMPLE_MS = 20, /* for running threads, each round */
};

/* What is kept of a thread. */
struct look {
	struct pv_event_sample *sample; /* owned; NULL = none */
	bool settled;                   /* another look would find no better one */
	bool runs;                      /* at the last look: on a CPU, or waiting for one */
};

struct snapper {
	pid_t pid;
	bool tasks;
	struct pv_process process;
	struct pv_mem *mem;
	struct pv_objects *objects;
	struct pv_image image;
	struct pv_codes *codes;
	struct pv_symboliser *symboliser;
	struct pv_perfmap *perfmap;
	struct pv_merged merged;
	struct pv_snapshot *out;
	struct pv_vec looks; /* struct look, by thread of out */
};

static struct pv_snapshot_thread *find_thread(struct snapper *s, uint32_t tid)
{
	size_t i;

	for (i = 0; i < s->out->n_threads; i++) {
		if (s->out->threads[i].tid == tid)
			return &s->out->threads[i];
	}
	return NULL;
}

static const char *state_text(char state)
{
	switch (state) {
	case 'R':
		return "running";
	case 'S':
		return "sleeping";
	case 'D':
		return "disk sleep";
	case 'T':
	case 't':
		return "stopped";
	case 'Z':
	case 'X':
		return "dead";
	case 'I':
		return "idle";
	default:
		return "unknown";
	}
}

/* The kernel's TASK_* bits (include/linux/sched.h); a sample on its own CPU has none. */
static const char *task_state_text(unsigned int state)
{
	if (!state)
		return "running";
	if (state & 4 || state & 8)
		return "stopped";
	return state & 1 ? "sleeping" : "disk sleep";
}

/*
 * Keeps the first sample of each thread, but for one that was caught in the middle of a call:
 * it is seen a moment later.  One that has no end is no such thing, and stays: code without
 * unwind information has none as often as one looks, and to look until the thread is elsewhere
 * would show where it hardly ever is.
 */
static struct pv_err *on_sample(struct snapper *s, const struct pv_event_sample *sample)
{
	struct pv_snapshot_thread *thread = find_thread(s, sample->tid);
	struct pv_event_sample *copy;
	struct pv_err *err;
	struct look *look;

	if (!thread)
		return NULL;
	look = pv_vec_at(&s->looks, thread - s->out->threads);
	look->runs |= !!(sample->flags & PV_SAMPLE_RUNNING);
	if (look->settled || sample->flags & PV_SAMPLE_RUNNING)
		return NULL;
	err = pv_merge(sample, sample->hdr.size, &s->image.merge, &s->merged);
	if (err || (look->sample && s->merged.marked))
		return err;
	copy = malloc(sample->hdr.size);
	if (!copy)
		return &pv_enomem;
	memcpy(copy, sample, sample->hdr.size);
	free(look->sample);
	look->sample = copy;
	look->settled = !s->merged.marked;
	thread->consistent = true;
	thread->complete = s->merged.complete;
	/* the state that belongs to this very stack */
	thread->state = task_state_text(sample->task_state);
	thread->task_unread = sample->flags & PV_SAMPLE_TASK_UNREAD;
	thread->has_python = s->image.python.found && !(sample->flags & PV_SAMPLE_NO_TSTATE);
	thread->holds_gil = s->out->has_gil && sample->flags & PV_SAMPLE_ATTACHED;
	if (thread->has_python && s->out->free_threaded)
		thread->attachment = sample->flags & PV_SAMPLE_ATTACHED    ? "attached"
				     : sample->flags & PV_SAMPLE_SUSPENDED ? "suspended"
									   : "detached";
	return NULL;
}

static struct pv_err *on_event(void *ctx, const struct pv_event *event, size_t size)
{
	struct snapper *s = ctx;
	struct pv_err *err;

	if (event->type == PV_EVENT_SAMPLE && size >= sizeof(struct pv_event_sample) &&
	    event->size <= size)
		return on_sample(s, (const struct pv_event_sample *)event);
	return pv_codes_take(s->codes, event, size, &err) ? err : NULL;
}

static struct pv_err *on_side(void *ctx, const struct pv_side_event *event)
{
	(void)ctx;
	(void)event;
	return NULL;
}

/* Is there anything that one more look could find? */
static bool is_enough(const struct snapper *s, int round)
{
	size_t i;

	for (i = 0; i < s->looks.n; i++) {
		const struct look *look = pv_vec_at(&s->looks, i);

		if (!look->settled &&
		    (round < ROUNDS || (look->runs && !look->sample && round < WAITING_ROUNDS)))
			return false;
	}
	return true;
}

static struct pv_err *look_at_all(struct snapper *s, struct pv_collect *iterator,
				  const struct pv_collect_handlers *handlers)
{
	struct pv_err *err;
	size_t i;

	for (i = 0; i < s->looks.n; i++)
		((struct look *)pv_vec_at(&s->looks, i))->runs = false;
	err = pv_collect_snapshot(iterator);
	return err ? err : pv_collect_drain(iterator, 0, handlers);
}

static struct pv_err *create_engine(struct snapper *s, bool iterator, struct pv_collect **ret)
{
	struct pv_collect_options options = {
		.snapshot = iterator,
		.snapshot_pid = s->pid,
		.frequency = SAMPLE_HZ,
		.tasks = s->tasks,
	};
	struct pv_err *err = pv_collect_create(&options, ret);

	if (!err)
		err = pv_collect_load(*ret);
	return err ? err : pv_collect_put(*ret, &s->image, s->objects, PV_GENERATION_FIRST);
}

/* The sampler for a moment: those that run meanwhile show themselves. */
static struct pv_err *sample_running(struct pv_collect *sampler,
				     const struct pv_collect_handlers *handlers)
{
	struct timespec moment = { .tv_nsec = SAMPLE_MS * 1000000L };

	nanosleep(&moment, NULL);
	return pv_collect_drain(sampler, 0, handlers);
}

static struct pv_err *take(struct snapper *s)
{
	struct pv_collect_handlers handlers = { .ctx = s, .event = on_event, .side = on_side };
	struct pv_collect *iterator = NULL, *sampler = NULL;
	struct pv_err *err;
	bool added;
	int round;

	err = create_engine(s, true, &iterator);
	for (round = 1; !err; round++) {
		err = look_at_all(s, iterator, &handlers);
		/* all of them sleep: there is nothing to sample */
		if (err || is_enough(s, 0))
			break;
		if (!sampler) {
			err = create_engine(s, false, &sampler);
			/* the only one: there is room */
			if (!err)
				err = pv_collect_add(sampler, s->pid, &added);
			if (!err)
				err = pv_collect_start(sampler);
		}
		if (!err)
			err = sample_running(sampler, &handlers);
		if (is_enough(s, round))
			break;
	}
	pv_collect_destroy(sampler);
	pv_collect_destroy(iterator);
	return err;
}

/* Names for what was taken. */
static struct pv_err *symbolise(struct snapper *s)
{
	struct pv_err *err = NULL;
	size_t i;

	pv_symboliser_use_image(s->symboliser, &s->image, s->perfmap);
	for (i = 0; !err && i < s->out->n_threads; i++) {
		const struct look *look = pv_vec_at(&s->looks, i);
		const struct pv_event_sample *sample = look->sample;
		struct pv_snapshot_thread *thread = &s->out->threads[i];
		uint32_t missing;

		if (!sample)
			continue;
		err = pv_merge(sample, sample->hdr.size, &s->image.merge, &s->merged);
		if (!err)
			err = pv_symbolise(s->symboliser, &s->merged, 0, &thread->node, &missing);
		if (!err && missing)
			thread->complete = false;
	}
	return err;
}

static struct pv_err *list_threads(struct snapper *s)
{
	size_t i;

	s->out->threads = calloc(s->process.n_threads + 1, sizeof(*s->out->threads));
	if (!s->out->threads)
		return &pv_enomem;
	for (i = 0; i < s->process.n_threads; i++) {
		struct pv_snapshot_thread *thread = &s->out->threads[i];

		thread->pid = s->pid;
		thread->tid = s->process.threads[i].tid;
		memcpy(thread->name, s->process.threads[i].name, sizeof(thread->name));
		thread->state = state_text(s->process.threads[i].state);
	}
	s->out->n_threads = s->process.n_threads;
	return pv_vec_append(&s->looks, NULL, s->out->n_threads, NULL);
}

static struct pv_err *prepare(struct snapper *s)
{
	_pv_free_ char *cache = pv_objects_default_cache();
	struct pv_err *err = pv_process_check(&s->process);
	const char *why;

	if (!err)
		err = pv_profile_create(&s->out->profile);
	if (!err)
		err = list_threads(s);
	if (!err)
		err = pv_codes_create(&s->codes);
	if (!err)
		err = pv_objects_create(cache, &s->objects);
	if (!err)
		err = pv_symboliser_create(s->objects, s->codes, s->out->profile, &s->symboliser);
	if (!err)
		err = pv_perfmap_create(s->pid, &s->perfmap);
	if (!err)
		err = pv_mem_live_create(s->pid, &s->mem);
	if (!err)
		err = pv_image_build(s->pid, s->objects, s->mem, NULL, &s->image);
	if (!err && s->image.python.found) {
		enum pv_gil gil = pv_python_gil(s->mem, &s->image.python.proc);

		s->out->free_threaded = s->image.python.proc.py.free_threaded;
		s->out->has_gil = gil == PV_GIL_THERE;
		s->out->no_gil = gil == PV_GIL_NONE;
	}
	if (err || !s->tasks)
		return err;
	pv_image_find_tasks(&s->image, s->objects, s->mem);
	why = pv_python_tasks_refused(&s->image.python);
	if (why)
		return pv_err_create(PV_ERR_NOPROC,
				     "no --tasks of %d (%s, CPython %s): %s; leave the option out",
				     s->pid, s->process.name, s->image.python.version, why);
	return NULL;
}

/* What the header of the snapshot says. */
static struct pv_err *describe(struct snapper *s)
{
	struct pv_profile *profile = s->out->profile;
	struct pv_err *err;
	char text[112] = "";

	if (s->image.python.found)
		snprintf(text, sizeof(text), "CPython %s", s->image.python.version);
	s->out->python_error = pv_steal(s->image.python_error);
	profile->pid = s->pid;
	err = pv_strings_add(profile->strings, text, strlen(text), &profile->interpreter);
	return err ? err
		   : pv_strings_add(profile->strings, s->process.name, strlen(s->process.name),
				    &profile->target_name);
}

static struct pv_err *list_tasks(struct snapper *s)
{
	struct pv_snaptasks_parts parts = { .pid = s->pid,
					    .mem = s->mem,
					    .image = &s->image,
					    .codes = s->codes,
					    .symboliser = s->symboliser };

	return pv_snapshot_add_tasks(&parts, s->out);
}

static void snapper_deinit(struct snapper *s)
{
	size_t i;

	for (i = 0; i < s->looks.n; i++)
		free(((struct look *)pv_vec_at(&s->looks, i))->sample);
	pv_vec_deinit(&s->looks);
	pv_vec_deinit(&s->merged.frames);
	pv_image_deinit(&s->image);
	pv_symboliser_destroy(s->symboliser);
	pv_perfmap_destroy(s->perfmap);
	pv_codes_destroy(s->codes);
	pv_objects_destroy(s->objects);
	pv_mem_destroy(s->mem);
	pv_process_deinit(&s->process);
}

struct pv_err *pv_session_snapshot(pid_t pid, bool tasks, struct pv_snapshot *ret)
{
	struct pv_snapshot snapshot = {};
	struct snapper s = { .pid = pid, .tasks = tasks, .out = &snapshot };
	struct pv_err *err;

	s.merged.frames = (struct pv_vec)PV_VEC(struct pv_frame_ref);
	s.looks = (struct pv_vec)PV_VEC(struct look);
	err = pv_process_read(pid, &s.process);
	if (err)
		return err;
	err = prepare(&s);
	if (!err)
		err = take(&s);
	if (!err)
		err = symbolise(&s);
	if (!err && tasks)
		err = list_tasks(&s);
	if (!err)
		err = describe(&s);
	snapper_deinit(&s);
	if (err) {
		pv_snapshot_deinit(&snapshot);
		return err;
	}
	*ret = snapshot;
	return NULL;
}
