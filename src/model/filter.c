/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A part of a finished profile.
 * Input: a profile, and which of its threads.
 * Output: the same profile without the samples of the others.
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

/* new_id: by old sample: its new index + 1, 0 = taken away. */
static void drop_samples(struct pv_profile *profile, const bool *keep, uint32_t *new_id)
{
	size_t n = 0;

	for (size_t i = 0; i < profile->samples.n; i++) {
		struct pv_sample *sample = pv_vec_at(&profile->samples, i);
		struct pv_profile_thread *thread = pv_vec_at(&profile->threads, sample->thread);
		struct pv_profile_process *process =
			pv_vec_at(&profile->processes, thread->process);

		if (!keep[sample->thread]) {
			thread->samples -= sample->count;
			process->samples -= sample->count;
			continue;
		}
		*(struct pv_sample *)pv_vec_at(&profile->samples, n++) = *sample;
		new_id[i] = n;
	}
	profile->samples.n = n;
}

static void drop_ticks(struct pv_profile *profile, const uint32_t *new_id)
{
	size_t n = 0;

	for (size_t i = 0; i < profile->ticks.n; i++) {
		struct pv_tick tick = *(const struct pv_tick *)pv_vec_at(&profile->ticks, i);

		if (!new_id[tick.sample])
			continue;
		tick.sample = new_id[tick.sample] - 1;
		*(struct pv_tick *)pv_vec_at(&profile->ticks, n++) = tick;
	}
	profile->ticks.n = n;
}

struct pv_err *pv_profile_keep_threads(struct pv_profile *profile,
				       const struct pv_thread_filter *filter, size_t *n_ret)
{
	_pv_free_ bool *keep = calloc(profile->threads.n + 1, sizeof(*keep));
	_pv_free_ uint32_t *new_id = calloc(profile->samples.n + 1, sizeof(*new_id));
	size_t n = 0;

	if (!keep || !new_id)
		return &pv_enomem;
	for (size_t i = 0; i < profile->threads.n; i++) {
		keep[i] = passes(profile, pv_vec_at(&profile->threads, i), filter);
		n += keep[i];
	}
	drop_samples(profile, keep, new_id);
	drop_ticks(profile, new_id);
	*n_ret = n;
	return NULL;
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
