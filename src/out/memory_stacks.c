/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sites as stacks.  Input: a pv_memory.  Output: numbers by node, a profile of them.
 */
#include "out/memory_stacks.h"

#include <stdlib.h>

#include "analyse/sites.h"
#include "base/cleanup.h"
#include "model/profile.h"
#include "model/strings.h"

static uint64_t weighed(uint64_t n, double weight)
{
	return weight > 1 ? (uint64_t)((double)n * weight + 0.5) : n;
}

struct pv_err *pv_memory_stacks(const struct pv_memory *memory, struct pv_vec *ret)
{
	enum pv_site_source source = pv_suspects_source(memory);
	uint32_t look = pv_memory_last_sites(memory, source);
	size_t n = memory->profile->nodes.n;
	_pv_free_ struct pv_memory_stack *by_node = calloc(n, sizeof(*by_node));
	struct pv_err *err = by_node ? NULL : &pv_enomem;

	for (uint32_t i = 0; i < memory->sites.n && !err; i++) {
		const struct pv_memory_site *site = pv_vec_at(&memory->sites, i);
		struct pv_memory_stack *stack = &by_node[site->node < n ? site->node : 0];
		struct pv_memory_count left = { 0 };

		if (site->source != source)
			continue;
		if (look != PV_MEMORY_NONE)
			left = pv_memory_site_at(memory, look, i);
		stack->node = site->node < n ? site->node : 0;
		stack->seen_count += weighed(site->seen_count, site->weight);
		stack->seen_bytes += weighed(site->seen_bytes, site->weight);
		stack->left_count += weighed(left.count, site->weight);
		stack->left_bytes += weighed(left.bytes, site->weight);
	}
	ret->n = 0;
	for (size_t i = 0; i < n && !err; i++) {
		if (by_node[i].seen_count || by_node[i].left_count)
			err = pv_vec_append(ret, &by_node[i], 1, NULL);
	}
	return err;
}

/* Ids count up from 0 in both, so that they are the same. */
static struct pv_err *copy_names(const struct pv_profile *from, struct pv_profile *to)
{
	struct pv_err *err = NULL;
	uint32_t id;

	for (uint32_t i = 0; i < pv_strings_n(from->strings) && !err; i++)
		err = pv_strings_add(to->strings, pv_strings_get(from->strings, i),
				     pv_strings_length(from->strings, i), &id);
	for (size_t i = 0; i < from->modules.n && !err; i++)
		err = pv_profile_module(to, pv_vec_at(&from->modules, i), &id);
	for (size_t i = 0; i < from->locs.n && !err; i++)
		err = pv_profile_loc(to, pv_vec_at(&from->locs, i), &id);
	for (size_t i = 1; i < from->nodes.n && !err; i++) {
		const struct pv_stack_node *node = pv_vec_at(&from->nodes, i);

		err = pv_profile_new_node(to, node->parent, node->loc, &id);
	}
	return err;
}

static struct pv_err *copy_target(const struct pv_profile *from, struct pv_profile *to,
				  uint32_t *thread_ret)
{
	struct pv_profile_process process = {
		.pid = from->pid,
		.generation = 1,
		.name = from->target_name,
		.title = from->title,
		.interpreter = from->interpreter,
	};
	uint32_t index;
	struct pv_err *err = pv_profile_process(to, &process, &index);

	to->target_name = from->target_name;
	to->title = from->title;
	to->pid = from->pid;
	to->interpreter = from->interpreter;
	to->problem = from->problem;
	to->engine = from->engine;
	to->host = from->host;
	to->start_unix_ns = from->start_unix_ns;
	to->duration_ns = from->duration_ns;
	to->own_cpu_ns = from->own_cpu_ns;
	return err ? err
		   : pv_profile_thread(to, index, from->pid,
				       pv_strings_get(from->strings, from->target_name),
				       thread_ret);
}

static void cleanup_profile(struct pv_profile **profile)
{
	pv_profile_destroy(*profile);
}

struct pv_err *pv_memory_profile(const struct pv_memory *memory, const struct pv_vec *stacks,
				 struct pv_profile **ret)
{
	PV_CLEANUP(cleanup_profile) struct pv_profile *profile = NULL;
	struct pv_err *err = pv_profile_create(&profile);
	uint32_t thread = 0;

	if (!err)
		err = copy_names(memory->profile, profile);
	if (!err)
		err = copy_target(memory->profile, profile, &thread);
	for (size_t i = 0; i < stacks->n && !err; i++) {
		const struct pv_memory_stack *stack = pv_vec_at(stacks, i);

		err = pv_profile_add(profile, stack->node, thread, stack->left_bytes);
	}
	if (!err)
		*ret = pv_steal(profile);
	return err;
}
