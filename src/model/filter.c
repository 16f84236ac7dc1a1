/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A part of a finished profile.
 * Input: a profile, and which of its threads.
 * Output: a profile of these alone: no name, path or text of the others is in it.
 */
#include "model/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/profile.h"
#include "model/strings.h"

static bool passes(const struct pv_profile *profile, const struct pv_profile_thread *thread,
		   const struct pv_thread_filter *filter)
{
	const char *name = pv_strings_get(profile->strings, thread->name);
	char tid[16];

	if (filter->pid && thread->pid != filter->pid)
		return false;
	if (!filter->thread)
		return true;
	snprintf(tid, sizeof(tid), "%u", thread->tid);
	return !strcmp(filter->thread, tid) || !strcmp(filter->thread, name);
}

/* What becomes of the old profile's indices in the new one; each + 1, 0: it is left out. */
struct part {
	const struct pv_profile *from;
	struct pv_profile *to;
	uint32_t *threads, *processes, *samples, *nodes, *locs;
};

static struct pv_err *part_init(const struct pv_profile *from, struct part *ret)
{
	ret->from = from;
	ret->threads = calloc(from->threads.n + 1, sizeof(*ret->threads));
	ret->processes = calloc(from->processes.n + 1, sizeof(*ret->processes));
	ret->samples = calloc(from->samples.n + 1, sizeof(*ret->samples));
	ret->nodes = calloc(from->nodes.n + 1, sizeof(*ret->nodes));
	ret->locs = calloc(from->locs.n + 1, sizeof(*ret->locs));
	if (!ret->threads || !ret->processes || !ret->samples || !ret->nodes || !ret->locs)
		return &pv_enomem;
	return pv_profile_create(&ret->to);
}

static void part_deinit(struct part *part)
{
	free(part->threads);
	free(part->processes);
	free(part->samples);
	free(part->nodes);
	free(part->locs);
	pv_profile_destroy(part->to);
}

/* A string of the old one in the new one. */
static struct pv_err *take_text(const struct part *part, uint32_t id, uint32_t *ret)
{
	return pv_strings_add(part->to->strings, pv_strings_get(part->from->strings, id),
			      pv_strings_length(part->from->strings, id), ret);
}

static struct pv_err *take_texts(const struct part *part, uint32_t *const *ids)
{
	struct pv_err *err = NULL;

	for (; !err && *ids; ids++)
		err = take_text(part, **ids, *ids);
	return err;
}

static struct pv_err *take_process(struct part *part, uint32_t index)
{
	struct pv_profile_process process =
		*(struct pv_profile_process *)pv_vec_at(&part->from->processes, index);
	struct pv_err *err;
	uint32_t new;

	if (part->processes[index])
		return NULL;
	process.samples = 0;
	err = take_texts(part, (uint32_t *const[]){ &process.name, &process.title,
						    &process.interpreter, &process.problem, NULL });
	if (!err)
		err = pv_profile_process(part->to, &process, &new);
	if (!err)
		part->processes[index] = new + 1;
	return err;
}

/* The threads that pass, and their processes; those of the one that was asked for in any case. */
static struct pv_err *take_threads(struct part *part, const struct pv_thread_filter *filter)
{
	struct pv_err *err = NULL;

	for (uint32_t i = 0; !err && i < part->from->processes.n; i++) {
		const struct pv_profile_process *process = pv_vec_at(&part->from->processes, i);

		if (filter->pid ? process->pid == filter->pid : !filter->thread)
			err = take_process(part, i);
	}
	for (uint32_t i = 0; !err && i < part->from->threads.n; i++) {
		const struct pv_profile_thread *thread = pv_vec_at(&part->from->threads, i);
		uint32_t new = 0;

		if (!passes(part->from, thread, filter))
			continue;
		err = take_process(part, thread->process);
		if (!err)
			err = pv_profile_thread(
				part->to, part->processes[thread->process] - 1, thread->tid,
				pv_strings_get(part->from->strings, thread->name), &new);
		if (!err)
			part->threads[i] = new + 1;
	}
	return err;
}

static struct pv_err *take_loc(struct part *part, uint32_t index)
{
	struct pv_loc loc = *(struct pv_loc *)pv_vec_at(&part->from->locs, index);
	const struct pv_module *old = pv_profile_module_of(part->from, &loc);
	struct pv_module module = old ? *old : (struct pv_module){ 0 };
	struct pv_err *err;
	uint32_t new;

	if (part->locs[index])
		return NULL;
	err = take_texts(part,
			 (uint32_t *const[]){ &loc.function, &loc.file, &loc.module, &module.name,
					      &module.path, &module.build_id, NULL });
	if (!err && old)
		err = pv_profile_module(part->to, &module, &new);
	if (!err)
		err = pv_profile_loc(part->to, &loc, &new);
	if (!err)
		part->locs[index] = new + 1;
	return err;
}

/* The stacks of samples that stay: a parent stands before its children. */
static struct pv_err *take_nodes(struct part *part)
{
	const struct pv_vec *samples = &part->from->samples;
	struct pv_err *err = NULL;

	for (size_t i = 0; i < samples->n; i++) {
		const struct pv_sample *sample = pv_vec_at(samples, i);
		uint32_t node = part->threads[sample->thread] ? sample->node : 0;

		for (; node && !part->nodes[node];
		     node = ((struct pv_stack_node *)pv_vec_at(&part->from->nodes, node))->parent)
			part->nodes[node] = 1;
	}
	part->nodes[0] = 1;
	for (size_t i = 1; !err && i < part->from->nodes.n; i++) {
		const struct pv_stack_node *node = pv_vec_at(&part->from->nodes, i);
		uint32_t new = 0;

		if (!part->nodes[i])
			continue;
		err = take_loc(part, node->loc);
		if (!err)
			err = pv_profile_new_node(part->to, part->nodes[node->parent] - 1,
						  part->locs[node->loc] - 1, &new);
		part->nodes[i] = new + 1;
	}
	return err;
}

static struct pv_err *take_samples(struct part *part)
{
	struct pv_profile *to = part->to;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < part->from->samples.n; i++) {
		struct pv_sample sample = *(struct pv_sample *)pv_vec_at(&part->from->samples, i);
		struct pv_profile_thread *thread;
		struct pv_profile_process *process;

		if (!part->threads[sample.thread])
			continue;
		sample.thread = part->threads[sample.thread] - 1;
		sample.node = part->nodes[sample.node] - 1;
		sample.last_tick = 0;
		thread = pv_vec_at(&to->threads, sample.thread);
		thread->samples += sample.count;
		process = pv_vec_at(&to->processes, thread->process);
		process->samples += sample.count;
		err = pv_vec_append(&to->samples, &sample, 1, NULL);
		part->samples[i] = (uint32_t)to->samples.n;
	}
	for (size_t i = 0; !err && i < part->from->ticks.n; i++) {
		struct pv_tick tick = *(struct pv_tick *)pv_vec_at(&part->from->ticks, i);

		if (!part->samples[tick.sample])
			continue;
		tick.sample = part->samples[tick.sample] - 1;
		err = pv_vec_append(&to->ticks, &tick, 1, NULL);
	}
	return err;
}

/* The texts of files that frames name. */
static struct pv_err *take_sources(struct part *part)
{
	_pv_free_ bool *named = calloc(pv_strings_n(part->from->strings) + 1, sizeof(*named));
	struct pv_err *err = NULL;

	if (!named)
		return &pv_enomem;
	for (size_t i = 0; i < part->from->locs.n; i++) {
		if (part->locs[i])
			named[((struct pv_loc *)pv_vec_at(&part->from->locs, i))->file] = true;
	}
	for (size_t i = 0; !err && i < part->from->sources.n; i++) {
		const struct pv_source *source = pv_vec_at(&part->from->sources, i);
		uint32_t file = source->file;

		if (!named[file])
			continue;
		err = take_text(part, file, &file);
		if (!err)
			err = pv_profile_add_source(part->to, file, source->text, source->n,
						    source->changed);
	}
	return err;
}

/*
 * What is said of the whole capture.  Its first process gives its name to all of it: to a part
 * without that process the first of its own does.
 */
static struct pv_err *take_capture(struct part *part)
{
	struct pv_profile *to = part->to, head = *part->from;
	const struct pv_profile_process *first = NULL;
	bool has_first = false;

	for (size_t i = 0; i < part->from->processes.n; i++) {
		const struct pv_profile_process *process = pv_vec_at(&part->from->processes, i);

		if (!part->processes[i])
			continue;
		first = first ? first : process;
		has_first = has_first || process->pid == head.pid;
	}
	if (first && !has_first) {
		head.pid = first->pid;
		head.target_name = first->name;
		head.title = first->title;
		head.interpreter = first->interpreter;
		head.problem = first->problem;
	}
	/* where a process waited at the end is told of the whole */
	head.waiting = (struct pv_waiting){ 0 };

	struct pv_err *err =
		take_texts(part, (uint32_t *const[]){ &head.target_name, &head.title,
						      &head.interpreter, &head.problem,
						      &head.engine, &head.host, &head.note, NULL });

	/* all but what is counted by index: that is the part's own */
	head.strings = to->strings;
	head.locs = to->locs;
	head.nodes = to->nodes;
	head.samples = to->samples;
	head.threads = to->threads;
	head.processes = to->processes;
	head.ticks = to->ticks;
	head.modules = to->modules;
	head.sources = to->sources;
	head.prefixes = to->prefixes;
	head.node_index = to->node_index;
	head.sample_index = to->sample_index;
	head.loc_index = to->loc_index;
	head.thread_index = to->thread_index;
	head.process_index = to->process_index;
	head.module_index = to->module_index;
	head.source_index = to->source_index;
	*to = head;
	return err;
}

struct pv_err *pv_profile_keep_threads(struct pv_profile *profile,
				       const struct pv_thread_filter *filter, size_t *n_ret)
{
	struct part part = { 0 };
	struct pv_profile whole;
	struct pv_err *err;

	*n_ret = 0;
	for (size_t i = 0; i < profile->threads.n; i++)
		*n_ret += passes(profile, pv_vec_at(&profile->threads, i), filter);
	if (!*n_ret)
		return NULL;
	err = part_init(profile, &part);
	if (!err)
		err = take_threads(&part, filter);
	if (!err)
		err = take_nodes(&part);
	if (!err)
		err = take_samples(&part);
	if (!err)
		err = take_sources(&part);
	if (!err)
		err = take_capture(&part);
	if (!err) {
		whole = *profile;
		*profile = *part.to;
		*part.to = whole;
	}
	part_deinit(&part);
	return err;
}

/* What a stack's markers say; the bits of a frame and of all below the root. */
enum stack_says {
	SAYS_INCOMPLETE = 1 << 0,
	SAYS_TRUNCATED = 1 << 1,
	SAYS_BRIDGED = 1 << 2,
	SAYS_MARKED = 1 << 3,
	SAYS_PYTHON = 1 << 4,
	SAYS_KERNEL = 1 << 5, /* of the leaf alone */
	SAYS_GC = 1 << 6,
};

static unsigned int loc_says(const struct pv_profile *profile, const struct pv_loc *loc)
{
	static const struct {
		const char *text;
		unsigned int says;
	} markers[] = {
		{ "[gc]", SAYS_GC },
		{ "[truncated]", SAYS_INCOMPLETE | SAYS_TRUNCATED },
		{ "[new mapping]", SAYS_INCOMPLETE | SAYS_TRUNCATED },
		{ "[unwind break]", SAYS_INCOMPLETE | SAYS_BRIDGED },
		{ "[torn]", SAYS_INCOMPLETE | SAYS_MARKED },
		{ "[greenlet switch]", SAYS_INCOMPLETE | SAYS_MARKED },
		{ "[mismatch]", SAYS_INCOMPLETE | SAYS_MARKED },
		{ "[python unreadable]", SAYS_INCOMPLETE | SAYS_MARKED },
	};
	const char *text = pv_strings_get(profile->strings, loc->function);

	if (loc->kind == PV_LOC_PYTHON)
		return SAYS_PYTHON;
	if (loc->kind == PV_LOC_KERNEL)
		return SAYS_KERNEL;
	if (loc->kind != PV_LOC_MARKER)
		return 0;
	for (size_t i = 0; i < sizeof(markers) / sizeof(*markers); i++) {
		if (!strcmp(text, markers[i].text))
			return markers[i].says;
	}
	return SAYS_INCOMPLETE;
}

struct pv_err *pv_profile_count_quality(struct pv_profile *profile)
{
	struct pv_quality *quality = &profile->quality;
	size_t n_locs = profile->locs.n, n_nodes = profile->nodes.n;
	_pv_free_ uint8_t *locs = calloc(n_locs + 1, sizeof(*locs));
	_pv_free_ uint8_t *nodes = calloc(n_nodes, sizeof(*nodes));

	if (!locs || !nodes)
		return &pv_enomem;
	for (size_t i = 0; i < n_locs; i++)
		locs[i] = loc_says(profile, pv_vec_at(&profile->locs, i));
	/* a parent stands before its children */
	for (size_t i = 1; i < n_nodes; i++) {
		const struct pv_stack_node *node = pv_vec_at(&profile->nodes, i);

		nodes[i] = (nodes[node->parent] & ~SAYS_KERNEL) | locs[node->loc];
	}
	*quality = (struct pv_quality){ 0 };
	for (size_t i = 0; i < profile->samples.n; i++) {
		const struct pv_sample *sample = pv_vec_at(&profile->samples, i);
		unsigned int says = nodes[sample->node];

		/* a stack without any frame shows nothing */
		if (!sample->node)
			says = SAYS_INCOMPLETE;
		quality->samples += sample->count;
		quality->complete += says & SAYS_INCOMPLETE ? 0 : sample->count;
		quality->truncated += says & SAYS_TRUNCATED ? sample->count : 0;
		quality->marked += says & SAYS_MARKED ? sample->count : 0;
		quality->bridged += says & SAYS_BRIDGED ? sample->count : 0;
		quality->with_python += says & SAYS_PYTHON ? sample->count : 0;
		quality->kernel += says & SAYS_KERNEL ? sample->count : 0;
		quality->gc += says & SAYS_GC ? sample->count : 0;
	}
	return NULL;
}
