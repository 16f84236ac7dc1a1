/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The turning point.
 * Input: a profile.
 * Output: the own function with most samples, or its line, and the call of other
 * code below it that has most of those.
 */
#include "analyse/turn.h"

#include <stdlib.h>

#include "analyse/lines.h"
#include "base/cleanup.h"
#include "base/vec.h"
#include "model/frame.h"
#include "model/limits.h"
#include "model/path.h"
#include "model/profile.h"

/* The own function to which most samples belong, and its stack nodes. */
struct group {
	struct pv_call call;
	struct pv_vec nodes; /* uint32_t */
};

struct work {
	const struct pv_profile *profile;
	struct pv_calltree *tree; /* foreign */
	uint32_t *function;       /* by location */
	uint64_t *samples;        /* by function that is own */
};

static const struct pv_loc *loc_of(const struct pv_profile *profile, uint32_t node)
{
	const struct pv_stack_node *at = pv_vec_at(&profile->nodes, node);

	return pv_vec_at(&profile->locs, at->loc);
}

static uint32_t function_of(const struct work *work, uint32_t node)
{
	return work
		->function[((struct pv_stack_node *)pv_vec_at(&work->profile->nodes, node))->loc];
}

/* The own function with most samples, none if there is no own code: false. */
static bool find_heaviest(struct work *work, struct group *group)
{
	const struct pv_profile *profile = work->profile;
	uint64_t best = 0;

	for (uint32_t node = 1; node < profile->nodes.n; node++) {
		uint64_t n = pv_calltree_node_total(work->tree, node);
		uint32_t function = function_of(work, node);

		if (!n || !pv_loc_is_own(profile, pv_vec_at(&profile->locs, function)))
			continue;
		work->samples[function] += n;
		if (work->samples[function] <= best)
			continue;
		best = work->samples[function];
		group->call.loc = function;
	}
	group->call.total = best;
	group->call.own = true;
	return best;
}

/* The nodes of that function, or of one line of it: 0 = all lines. */
static struct pv_err *take_nodes(const struct work *work, int32_t line, struct group *group)
{
	struct pv_err *err = NULL;

	group->nodes.n = 0;
	group->call.total = 0;
	for (uint32_t node = 1; !err && node < work->profile->nodes.n; node++) {
		uint64_t n = pv_calltree_node_total(work->tree, node);

		if (!n || function_of(work, node) != group->call.loc ||
		    (line && loc_of(work->profile, node)->line != line))
			continue;
		group->call.total += n;
		err = pv_vec_append(&group->nodes, &node, 1, NULL);
	}
	return err;
}

/* Narrows the group to one line if that has most of it. */
static struct pv_err *narrow(const struct work *work, struct group *group)
{
	struct pv_vec weights PV_CLEANUP(pv_vec_deinit) = PV_VEC(struct pv_line_weight);
	uint64_t hottest = 0;
	struct pv_err *err = take_nodes(work, 0, group);

	for (size_t i = 0; !err && i < group->nodes.n; i++) {
		uint32_t node = *(uint32_t *)pv_vec_at(&group->nodes, i);
		struct pv_line_weight weight = { loc_of(work->profile, node)->line,
						 pv_calltree_node_total(work->tree, node) };

		err = pv_vec_append(&weights, &weight, 1, NULL);
	}
	if (err)
		return err;
	group->call.lines = pv_lines_of(weights.data, weights.n);
	for (size_t i = 0; i < group->nodes.n; i++) {
		uint32_t node = *(uint32_t *)pv_vec_at(&group->nodes, i);

		if (loc_of(work->profile, node)->line == group->call.lines.hottest)
			hottest += pv_calltree_node_total(work->tree, node);
	}
	if (hottest * 100 < group->call.total * PV_LIMIT_LINE_PERCENT)
		return NULL;
	group->call.lines.first = group->call.lines.last = group->call.lines.hottest;
	return take_nodes(work, group->call.lines.hottest, group);
}

/* Further down is better, but what has no name says little. */
static bool is_better(const struct pv_turn *than, const struct pv_call *call)
{
	return !than->found || than->what.unnamed || !call->unnamed;
}

/* From the tree's root down, as long as one callee has most of the root's samples. */
static struct pv_err *follow(const struct work *work, struct pv_turn *turn)
{
	uint64_t of = pv_calltree_call(work->tree, PV_CALLTREE_ROOT)->total;
	uint32_t id = PV_CALLTREE_ROOT, first, n;
	struct pv_call python = {};
	struct pv_err *err;

	while (!(err = pv_calltree_children(work->tree, id, &first, &n)) && n) {
		const struct pv_call *call = pv_calltree_call(work->tree, first);
		uint32_t kind = ((struct pv_loc *)pv_vec_at(&work->profile->locs, call->loc))->kind;

		if (call->total * 100 < of * PV_LIMIT_MOST_PERCENT)
			break;
		turn->in_gc =
			pv_frame_is_gc(work->profile, pv_vec_at(&work->profile->locs, call->loc));
		if (turn->in_gc) {
			turn->found = true;
			turn->what = *call;
			turn->under = python;
			turn->has_under = python.total;
			break;
		}
		if (kind != PV_LOC_MARKER && is_better(turn, call)) {
			turn->found = true;
			turn->what = *call;
			turn->under = python;
			turn->has_under = python.total && kind != PV_LOC_PYTHON;
		}
		if (kind == PV_LOC_PYTHON)
			python = *call;
		id = first;
	}
	return err;
}

static bool has_cpython(const struct pv_profile *profile)
{
	if (profile->interpreter || profile->problem)
		return true;
	for (size_t i = 0; i < profile->processes.n; i++) {
		const struct pv_profile_process *process = pv_vec_at(&profile->processes, i);

		if (process->samples && (process->interpreter || process->problem))
			return true;
	}
	return false;
}

/* What is in a stack, by node: of the node and of those above it. */
enum {
	HAS_OWN = 1,
	HAS_PYTHON = 2,
	HAS_GAP = 4,
};

static struct pv_err *stack_traits(const struct work *work, uint8_t **ret)
{
	const struct pv_profile *profile = work->profile;
	_pv_free_ uint8_t *locs = calloc(profile->locs.n + 1, sizeof(*locs));
	uint8_t *nodes = calloc(profile->nodes.n + 1, sizeof(*nodes));

	if (!locs || !nodes) {
		free(nodes);
		return &pv_enomem;
	}
	for (size_t i = 0; i < profile->locs.n; i++) {
		const struct pv_loc *loc = pv_vec_at(&profile->locs, i);

		locs[i] = (pv_loc_is_own(profile, loc) ? HAS_OWN : 0) |
			  (loc->kind == PV_LOC_PYTHON ? HAS_PYTHON : 0) |
			  (pv_frame_is_gap(profile, loc) ? HAS_GAP : 0);
	}
	for (size_t i = 1; i < profile->nodes.n; i++) {
		const struct pv_stack_node *node = pv_vec_at(&profile->nodes, i);

		nodes[i] = nodes[node->parent] | locs[node->loc];
	}
	*ret = nodes;
	return NULL;
}

/* Whether it can be told whose code ran. */
static struct pv_err *find_doubts(const struct work *work, struct pv_turn *turn)
{
	const struct pv_profile *profile = work->profile;
	_pv_free_ uint8_t *traits = NULL;
	struct pv_err *err = stack_traits(work, &traits);
	uint64_t incomplete = 0;
	bool python = false;

	if (err)
		return err;
	for (size_t i = 0; i < profile->samples.n; i++) {
		const struct pv_sample *sample = pv_vec_at(&profile->samples, i);
		uint8_t of = traits[sample->node];

		python |= of & HAS_PYTHON;
		if (!(of & HAS_OWN) && (of & HAS_GAP || !sample->node))
			incomplete += sample->count;
	}
	turn->unreadable = !python && has_cpython(profile);
	turn->incomplete = incomplete * 2 > turn->foreign;
	return NULL;
}

static bool has_fair_share(const struct work *work, const struct pv_turn *turn)
{
	uint64_t all = 0;

	for (size_t i = 0; i < work->profile->samples.n; i++)
		all += ((struct pv_sample *)pv_vec_at(&work->profile->samples, i))->count;
	return turn->own * 100 >= all * PV_LIMIT_FAIR_PERCENT ||
	       turn->own * 100 >= turn->foreign * PV_LIMIT_FAIR_FOREIGN_PERCENT;
}

static struct pv_err *find(struct work *work, struct group *group, struct pv_turn *turn)
{
	struct pv_err *err = find_doubts(work, turn);

	if (err)
		return err;
	turn->is_foreign = !turn->has_own || !has_fair_share(work, turn);
	if (turn->is_foreign)
		return follow(work, turn);
	err = narrow(work, group);
	if (!err)
		err = pv_calltree_start_at(work->tree, group->nodes.data, group->nodes.n);
	if (!err)
		err = follow(work, turn);
	if (err)
		return err;
	turn->has_under = turn->found;
	if (turn->found)
		turn->under = group->call;
	else
		turn->what = group->call;
	turn->found = true;
	return NULL;
}

struct pv_err *pv_turn_of(const struct pv_profile *profile, struct pv_turn *ret)
{
	struct group group = { .nodes = PV_VEC(uint32_t) };
	struct work work = { .profile = profile };
	struct pv_turn turn = {};
	struct pv_err *err;

	err = pv_calltree_create(profile, PV_CALLTREE_FOREIGN, &work.tree);
	if (!err)
		err = pv_profile_functions(profile, &work.function);
	if (!err) {
		work.samples = calloc(profile->locs.n + 1, sizeof(*work.samples));
		err = work.samples ? NULL : &pv_enomem;
	}
	if (!err) {
		turn.foreign = pv_calltree_node_total(work.tree, 0);
		turn.has_own = find_heaviest(&work, &group);
		turn.own = group.call.total;
		err = find(&work, &group, &turn);
	}
	pv_calltree_destroy(work.tree);
	free(work.function);
	free(work.samples);
	pv_vec_deinit(&group.nodes);
	if (err)
		return err;
	*ret = turn;
	return NULL;
}
