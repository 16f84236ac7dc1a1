/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A profile as plain data.
 * Input: locations, stacks and counts from session/.
 * Output: the same joined and counted, and questions answered on it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/frame.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/strings.h"

struct pv_err *pv_profile_create(struct pv_profile **ret)
{
	struct pv_profile *profile = calloc(1, sizeof(*profile));
	struct pv_err *err;

	if (!profile)
		return &pv_enomem;
	profile->locs = (struct pv_vec)PV_VEC(struct pv_loc);
	profile->nodes = (struct pv_vec)PV_VEC(struct pv_stack_node);
	profile->samples = (struct pv_vec)PV_VEC(struct pv_sample);
	profile->threads = (struct pv_vec)PV_VEC(struct pv_profile_thread);
	profile->processes = (struct pv_vec)PV_VEC(struct pv_profile_process);
	profile->ticks = (struct pv_vec)PV_VEC(struct pv_tick);
	profile->modules = (struct pv_vec)PV_VEC(struct pv_module);
	profile->sources = (struct pv_vec)PV_VEC(struct pv_source);
	profile->prefixes = (struct pv_vec)PV_VEC(struct pv_prefix);
	err = pv_strings_create(&profile->strings);
	if (!err)
		err = pv_vec_append(&profile->nodes, NULL, 1, NULL);
	if (err) {
		pv_profile_destroy(profile);
		return err;
	}
	*ret = profile;
	return NULL;
}

void pv_profile_destroy(struct pv_profile *profile)
{
	if (!profile)
		return;
	pv_strings_destroy(profile->strings);
	pv_vec_deinit(&profile->locs);
	pv_vec_deinit(&profile->nodes);
	pv_vec_deinit(&profile->samples);
	pv_vec_deinit(&profile->threads);
	pv_vec_deinit(&profile->processes);
	pv_vec_deinit(&profile->ticks);
	pv_vec_deinit(&profile->modules);
	for (size_t i = 0; i < profile->sources.n; i++)
		free(((struct pv_source *)pv_vec_at(&profile->sources, i))->text);
	pv_vec_deinit(&profile->sources);
	pv_vec_deinit(&profile->prefixes);
	pv_index_deinit(&profile->node_index);
	pv_index_deinit(&profile->sample_index);
	pv_map_deinit(&profile->loc_index);
	pv_map_deinit(&profile->thread_index);
	pv_map_deinit(&profile->process_index);
	pv_map_deinit(&profile->module_index);
	pv_map_deinit(&profile->source_index);
	free(profile);
}

/* Room for one more, so that what leads to it is there only if it is. */
static struct pv_err *make_room(struct pv_vec *vec)
{
	if (vec->n >= UINT32_MAX)
		return pv_err_create(PV_ERR_FAILED, "cannot keep more than 2^32 profile entries");
	return pv_vec_reserve(vec, 1);
}

static struct pv_err *append(struct pv_vec *vec, const void *element, uint32_t *ret)
{
	*ret = vec->n;
	return pv_vec_append(vec, element, 1, NULL);
}

/* Appends an element that key leads to from now on; both or nothing. */
static struct pv_err *append_indexed(struct pv_vec *vec, struct pv_map *index, uint64_t key,
				     const void *element, uint32_t *ret)
{
	struct pv_err *err = make_room(vec);

	if (!err)
		err = pv_map_set(index, key, vec->n);
	return err ? err : append(vec, element, ret);
}

static bool loc_equal(const struct pv_loc *a, const struct pv_loc *b)
{
	return a->function == b->function && a->file == b->file && a->module == b->module &&
	       a->line == b->line && a->kind == b->kind;
}

static uint64_t loc_hash(const struct pv_loc *loc)
{
	uint64_t hash = pv_hash((uint64_t)loc->function << 32 | loc->file);

	hash = pv_hash(hash ^ ((uint64_t)loc->module << 32 | (uint32_t)loc->line));
	return pv_hash(hash ^ loc->kind);
}

/* More than a few are made up, and would take time. */
enum { PREFIXES_MAX = 64 };

static struct pv_err *note_prefix(struct pv_profile *profile, const struct pv_loc *loc)
{
	const char *path = pv_strings_get(profile->strings, loc->file);
	struct pv_prefix prefix = { .file = loc->file };

	if (loc->kind == PV_LOC_PYTHON)
		prefix.n = pv_path_prefix(path, pv_strings_length(profile->strings, loc->file));
	if (!prefix.n || profile->prefixes.n == PREFIXES_MAX)
		return NULL;
	for (size_t i = profile->prefixes.n; i; i--) {
		const struct pv_prefix *known = pv_vec_at(&profile->prefixes, i - 1);

		if (known->n == prefix.n &&
		    !memcmp(pv_strings_get(profile->strings, known->file), path, prefix.n))
			return NULL;
	}
	return pv_vec_append(&profile->prefixes, &prefix, 1, NULL);
}

struct pv_err *pv_profile_loc(struct pv_profile *profile, const struct pv_loc *loc, uint32_t *ret)
{
	uint64_t key = loc_hash(loc), id;
	struct pv_err *err;

	while (pv_map_get(&profile->loc_index, key, &id)) {
		if (loc_equal(pv_vec_at(&profile->locs, id), loc)) {
			*ret = id;
			return NULL;
		}
		key = pv_hash(key + 1);
	}
	profile->has_spawned |= pv_loc_is_spawned(profile, loc);
	err = note_prefix(profile, loc);
	return err ? err : append_indexed(&profile->locs, &profile->loc_index, key, loc, ret);
}

/* The same with an index that does not keep the keys. */
static struct pv_err *append_large(struct pv_vec *vec, struct pv_index *index, uint64_t hash,
				   const void *element, uint32_t *ret)
{
	struct pv_err *err = make_room(vec);

	if (!err)
		err = pv_index_add(index, hash, vec->n);
	return err ? err : append(vec, element, ret);
}

static uint64_t node_hash(uint32_t parent, uint32_t loc)
{
	return pv_hash((uint64_t)parent << 32 | loc);
}

struct pv_err *pv_profile_new_node(struct pv_profile *profile, uint32_t parent, uint32_t loc,
				   uint32_t *ret)
{
	const struct pv_stack_node *above = pv_vec_at(&profile->nodes, parent);
	struct pv_stack_node node = { .parent = parent, .loc = loc, .depth = above->depth + 1 };
	size_t id = profile->nodes.n;
	struct pv_err *err;

	if (id >= UINT32_MAX)
		return pv_err_create(PV_ERR_FAILED, "cannot keep more than 2^32 profile entries");
	err = pv_vec_append(&profile->nodes, &node, 1, NULL);
	if (err)
		return err;
	*ret = id;
	return NULL;
}

/* Those that came without looking; the root is never looked for. */
static struct pv_err *index_new_nodes(struct pv_profile *profile)
{
	struct pv_err *err = NULL;

	while (!err && profile->node_index.n + 1 < profile->nodes.n) {
		uint32_t id = profile->node_index.n + 1;
		const struct pv_stack_node *node = pv_vec_at(&profile->nodes, id);

		err = pv_index_add(&profile->node_index, node_hash(node->parent, node->loc), id);
	}
	return err;
}

struct pv_err *pv_profile_node(struct pv_profile *profile, uint32_t parent, uint32_t loc,
			       uint32_t *ret)
{
	uint64_t hash = node_hash(parent, loc);
	struct pv_err *err = index_new_nodes(profile);
	size_t at = pv_index_start(&profile->node_index, hash);
	uint32_t id;

	if (err)
		return err;
	while (pv_index_next(&profile->node_index, hash, &at, &id)) {
		const struct pv_stack_node *have = pv_vec_at(&profile->nodes, id);

		if (have->parent == parent && have->loc == loc) {
			*ret = id;
			return NULL;
		}
	}
	/* the index follows at the next look */
	return pv_profile_new_node(profile, parent, loc, ret);
}

struct pv_err *pv_profile_process(struct pv_profile *profile,
				  const struct pv_profile_process *process, uint32_t *ret)
{
	uint64_t key = (uint64_t)process->pid << 32 | process->generation, id;
	struct pv_profile_process *have;
	uint64_t samples;

	if (!pv_map_get(&profile->process_index, key, &id))
		return append_indexed(&profile->processes, &profile->process_index, key, process,
				      ret);
	have = pv_vec_at(&profile->processes, id);
	samples = have->samples;
	*have = *process;
	have->samples = samples;
	*ret = id;
	return NULL;
}

struct pv_err *pv_profile_thread(struct pv_profile *profile, uint32_t process, uint32_t tid,
				 const char *name, uint32_t *ret)
{
	const struct pv_profile_process *of = pv_vec_at(&profile->processes, process);
	uint64_t key = (uint64_t)process << 32 | tid, id;
	struct pv_profile_thread thread = { .process = process, .pid = of->pid, .tid = tid };
	struct pv_err *err;

	err = pv_strings_add(profile->strings, name, strlen(name), &thread.name);
	if (err)
		return err;
	if (pv_map_get(&profile->thread_index, key, &id)) {
		struct pv_profile_thread *have = pv_vec_at(&profile->threads, id);

		/* Threads are born with their parent's name and get their own later. */
		if (thread.name)
			have->name = thread.name;
		*ret = id;
		return NULL;
	}
	return append_indexed(&profile->threads, &profile->thread_index, key, &thread, ret);
}

struct pv_err *pv_profile_module(struct pv_profile *profile, const struct pv_module *module,
				 uint32_t *ret)
{
	uint64_t id;

	if (!pv_map_get(&profile->module_index, module->name, &id))
		return append_indexed(&profile->modules, &profile->module_index, module->name,
				      module, ret);
	*ret = id;
	return NULL;
}

const struct pv_module *pv_profile_module_of(const struct pv_profile *profile,
					     const struct pv_loc *loc)
{
	uint64_t id;

	if (!loc->module || !pv_map_get(&profile->module_index, loc->module, &id))
		return NULL;
	return pv_vec_at(&profile->modules, id);
}

struct pv_err *pv_profile_add_source(struct pv_profile *profile, uint32_t file, const char *text,
				     size_t n, bool changed)
{
	struct pv_source source = { .file = file, .changed = changed, .n = n };
	struct pv_err *err;
	uint64_t id;
	uint32_t ret;

	if (pv_map_get(&profile->source_index, file, &id))
		return NULL;
	source.text = malloc(n + 1);
	if (!source.text)
		return &pv_enomem;
	if (n)
		memcpy(source.text, text, n);
	source.text[n] = '\0';
	err = append_indexed(&profile->sources, &profile->source_index, file, &source, &ret);
	if (err)
		free(source.text);
	return err;
}

/* The stack of a thread, found or added without samples. */
static struct pv_err *find_sample(struct pv_profile *profile, uint32_t node, uint32_t thread,
				  uint32_t *ret)
{
	uint64_t hash = pv_hash((uint64_t)node << 32 | thread);
	struct pv_sample sample = { .node = node, .thread = thread };
	size_t at = pv_index_start(&profile->sample_index, hash);
	uint32_t id;

	while (pv_index_next(&profile->sample_index, hash, &at, &id)) {
		const struct pv_sample *have = pv_vec_at(&profile->samples, id);

		if (have->node == node && have->thread == thread) {
			*ret = id;
			return NULL;
		}
	}
	return append_large(&profile->samples, &profile->sample_index, hash, &sample, ret);
}

static struct pv_err *add_count(struct pv_profile *profile, uint32_t node, uint32_t thread,
				uint64_t count, uint32_t *ret)
{
	struct pv_profile_process *process;
	struct pv_profile_thread *of;
	struct pv_err *err = find_sample(profile, node, thread, ret);

	if (err)
		return err;
	((struct pv_sample *)pv_vec_at(&profile->samples, *ret))->count += count;
	of = pv_vec_at(&profile->threads, thread);
	of->samples += count;
	process = pv_vec_at(&profile->processes, of->process);
	process->samples += count;
	return NULL;
}

struct pv_err *pv_profile_add(struct pv_profile *profile, uint32_t node, uint32_t thread,
			      uint64_t count)
{
	uint32_t id;

	return add_count(profile, node, thread, count, &id);
}

struct pv_err *pv_profile_add_at(struct pv_profile *profile, uint32_t node, uint32_t thread,
				 uint32_t slice, uint32_t count)
{
	struct pv_tick tick = { .slice = slice, .count = count };
	struct pv_err *err = pv_vec_reserve(&profile->ticks, 1);
	struct pv_sample *sample;

	if (!err)
		err = add_count(profile, node, thread, count, &tick.sample);
	if (err)
		return err;
	sample = pv_vec_at(&profile->samples, tick.sample);
	if (sample->last_tick) {
		struct pv_tick *last = pv_vec_at(&profile->ticks, sample->last_tick - 1);

		if (last->slice == slice && last->count <= UINT32_MAX - count) {
			last->count += count;
			return NULL;
		}
	}
	if (slice >= profile->n_slices)
		profile->n_slices = slice + 1;
	err = pv_vec_append(&profile->ticks, &tick, 1, NULL);
	sample->last_tick = profile->ticks.n;
	return err;
}

static int compare_slice(const void *a, const void *b)
{
	const struct pv_tick *x = a, *y = b;

	if (x->slice != y->slice)
		return x->slice < y->slice ? -1 : 1;
	return x->sample < y->sample ? -1 : x->sample > y->sample;
}

void pv_profile_sort_ticks(struct pv_profile *profile)
{
	if (profile->ticks.n)
		qsort(profile->ticks.data, profile->ticks.n, sizeof(struct pv_tick), compare_slice);
	for (size_t i = 0; i < profile->samples.n; i++)
		((struct pv_sample *)pv_vec_at(&profile->samples, i))->last_tick = 0;
}

struct pv_err *pv_profile_add_note(struct pv_profile *profile, const char *format, ...)
{
	_pv_free_ char *text = NULL, *joined = NULL;
	const char *note = pv_strings_get(profile->strings, profile->note);
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0)
		text = NULL;
	else
		n = asprintf(&joined, "%s%s%s", note, *note ? "; " : "", text);
	if (n < 0) {
		joined = NULL;
		return &pv_enomem;
	}
	return pv_strings_add(profile->strings, joined, n, &profile->note);
}

void pv_profile_forget_totals(struct pv_profile *profile)
{
	profile->target_cpu_ns = profile->own_cpu_ns = profile->probe_ns = 0;
	profile->n_unwatched = profile->unwatched_cpu_ns = profile->unwatched_least = 0;
	profile->waiting = (struct pv_waiting){ 0 };
}

void pv_profile_forget_stacks(struct pv_profile *profile)
{
	profile->nodes.n = 1;
	profile->samples.n = 0;
	profile->ticks.n = 0;
	pv_index_deinit(&profile->node_index);
	pv_index_deinit(&profile->sample_index);
}

static const struct pv_loc *node_loc(const struct pv_profile *profile, uint32_t node)
{
	const struct pv_stack_node *at = pv_vec_at(&profile->nodes, node);

	return pv_vec_at(&profile->locs, at->loc);
}

struct pv_err *pv_profile_functions(const struct pv_profile *profile, uint32_t **ret)
{
	_pv_free_ uint32_t *function = calloc(profile->locs.n + 1, sizeof(*function));
	struct pv_map index = { 0 };
	struct pv_err *err = function ? NULL : &pv_enomem;

	for (size_t i = 0; i < profile->locs.n && !err; i++) {
		struct pv_loc loc = *(struct pv_loc *)pv_vec_at(&profile->locs, i);
		uint64_t key, first;
		bool found;

		loc.line = 0;
		key = loc_hash(&loc);
		while ((found = pv_map_get(&index, key, &first))) {
			struct pv_loc other = *(struct pv_loc *)pv_vec_at(&profile->locs, first);

			other.line = 0;
			if (loc_equal(&other, &loc))
				break;
			key = pv_hash(key + 1);
		}
		if (!found)
			err = pv_map_set(&index, key, first = i);
		function[i] = first;
	}
	pv_map_deinit(&index);
	if (!err)
		*ret = pv_steal(function);
	return err;
}

/* Working memory of pv_profile_hottest(). */
struct hot_work {
	uint32_t *function;  /* by location: index into hot, where only first ones are used */
	uint64_t *node_self; /* by node: samples whose leaf it is */
	uint32_t *seen;      /* by function: last node that counted it, + 1 */
	struct pv_hot *hot;
	size_t n;
};

static void hot_work_deinit(struct hot_work *work)
{
	free(work->function);
	free(work->node_self);
	free(work->seen);
	free(work->hot);
}

static struct pv_err *hot_work_init(struct hot_work *work, const struct pv_profile *profile)
{
	size_t n_locs = profile->locs.n + 1;

	work->seen = calloc(n_locs, sizeof(*work->seen));
	work->hot = calloc(n_locs, sizeof(*work->hot));
	work->node_self = calloc(profile->nodes.n, sizeof(*work->node_self));
	if (!work->seen || !work->hot || !work->node_self)
		return &pv_enomem;
	for (size_t i = 0; i < profile->locs.n; i++)
		work->hot[i].loc = i;
	work->n = profile->locs.n;
	return pv_profile_functions(profile, &work->function);
}

static void hot_count(struct hot_work *work, const struct pv_profile *profile)
{
	for (size_t i = 0; i < profile->samples.n; i++) {
		const struct pv_sample *sample = pv_vec_at(&profile->samples, i);

		work->node_self[sample->node] += sample->count;
	}
	for (size_t leaf = 1; leaf < profile->nodes.n; leaf++) {
		uint64_t self = work->node_self[leaf];

		if (!self)
			continue;
		for (uint32_t at = leaf; at;) {
			const struct pv_stack_node *node = pv_vec_at(&profile->nodes, at);
			uint32_t function = work->function[node->loc];

			if (at == leaf)
				work->hot[function].self += self;
			if (work->seen[function] != leaf + 1) {
				work->seen[function] = leaf + 1;
				work->hot[function].total += self;
			}
			at = node->parent;
		}
	}
}

static int hot_compare(const void *a, const void *b)
{
	const struct pv_hot *x = a, *y = b;

	if (x->self != y->self)
		return x->self < y->self ? 1 : -1;
	if (x->total != y->total)
		return x->total < y->total ? 1 : -1;
	return x->loc < y->loc ? -1 : x->loc > y->loc;
}

/* Not functions: the root frames of --threads and --children; and what was never sampled. */
static void hot_drop(struct hot_work *work, const struct pv_profile *profile)
{
	size_t n = 0;

	for (size_t i = 0; i < work->n; i++) {
		const struct pv_loc *loc = pv_vec_at(&profile->locs, work->hot[i].loc);

		if (loc->kind < PV_LOC_THREAD && work->hot[i].total)
			work->hot[n++] = work->hot[i];
	}
	work->n = n;
}

struct pv_err *pv_profile_hottest(const struct pv_profile *profile, struct pv_hot **ret,
				  size_t *n_ret)
{
	struct hot_work work = { 0 };
	struct pv_err *err = hot_work_init(&work, profile);

	if (!err) {
		hot_count(&work, profile);
		hot_drop(&work, profile);
		qsort(work.hot, work.n, sizeof(*work.hot), hot_compare);
		*ret = pv_steal(work.hot);
		*n_ret = work.n;
	}
	hot_work_deinit(&work);
	return err;
}

struct pv_layers pv_profile_layers(const struct pv_profile *profile)
{
	struct pv_layers layers = { 0 };

	for (size_t i = 0; i < profile->samples.n; i++) {
		const struct pv_sample *sample = pv_vec_at(&profile->samples, i);
		const struct pv_loc *loc =
			sample->node ? node_loc(profile, sample->node) : &(struct pv_loc){ 0 };
		uint32_t kind = sample->node ? loc->kind : PV_LOC_MARKER;

		/* at the leaf it stands for the collector's own frames, which are not shown */
		if (sample->node && pv_frame_is_gc(profile, loc))
			kind = PV_LOC_NATIVE;
		switch (kind) {
		case PV_LOC_PYTHON:
			layers.python += sample->count;
			break;
		case PV_LOC_NATIVE:
		case PV_LOC_INLINED:
			layers.native += sample->count;
			break;
		case PV_LOC_KERNEL:
			layers.kernel += sample->count;
			break;
		default:
			layers.other += sample->count;
		}
	}
	return layers;
}

static struct pv_err *count_once(struct pv_map *seen, uint64_t key, uint32_t *count)
{
	uint64_t value;

	if (pv_map_get(seen, key, &value))
		return NULL;
	++*count;
	return pv_map_set(seen, key, 0);
}

struct pv_err *pv_profile_tasks(const struct pv_profile *profile, struct pv_tasks *ret)
{
	PV_CLEANUP(pv_map_deinit) struct pv_map processes = { 0 }, threads = { 0 };
	struct pv_tasks tasks = { 0 };
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < profile->threads.n; i++) {
		const struct pv_profile_thread *thread = pv_vec_at(&profile->threads, i);

		if (!thread->samples)
			continue;
		err = count_once(&threads, (uint64_t)thread->pid << 32 | thread->tid,
				 &tasks.threads);
		if (!err)
			err = count_once(&processes, thread->pid, &tasks.processes);
	}
	if (!err)
		*ret = tasks;
	return err;
}
