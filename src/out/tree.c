/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A walk over the stacks of a profile.
 * Input: the profile's tree of locations, and which of them are equal.
 * Output: calls, one for each frame of the joined tree, depth first.
 */
#include <stdlib.h>

#include "base/vec.h"
#include "model/profile.h"
#include "out/tree.h"

/* Nodes of the profile that are one frame here: members[first .. first + n - 1]. */
struct group {
	uint32_t rank, depth;
	size_t first, n;
	uint64_t total;
};

struct member {
	uint32_t rank, node;
};

struct walk {
	const uint32_t *rank;
	enum pv_tree_order order;
	const struct pv_stack_node *nodes;
	uint64_t *total;                   /* by node: samples of it and of what is below */
	uint32_t *child, *sibling;         /* by node: lists, 0 = end */
	struct pv_vec groups, members;     /* stacks: what is still to be entered */
	struct pv_vec found, found_groups; /* children of the frame at hand */
};

static void walk_deinit(struct walk *walk)
{
	free(walk->total);
	free(walk->child);
	free(walk->sibling);
	pv_vec_deinit(&walk->groups);
	pv_vec_deinit(&walk->members);
	pv_vec_deinit(&walk->found);
	pv_vec_deinit(&walk->found_groups);
}

static struct pv_err *walk_init(struct walk *walk, const struct pv_profile *profile)
{
	const struct pv_sample *samples = profile->samples.data;
	size_t n = profile->nodes.n;

	walk->nodes = profile->nodes.data;
	walk->total = calloc(n, sizeof(*walk->total));
	walk->child = calloc(n, sizeof(*walk->child));
	walk->sibling = calloc(n, sizeof(*walk->sibling));
	if (!walk->total || !walk->child || !walk->sibling)
		return &pv_enomem;
	for (size_t i = 0; i < profile->samples.n; i++)
		walk->total[samples[i].node] += samples[i].count;
	/* A parent stands before its children. */
	for (size_t i = n - 1; i > 0; i--) {
		uint32_t parent = walk->nodes[i].parent;

		walk->total[parent] += walk->total[i];
		walk->sibling[i] = walk->child[parent];
		walk->child[parent] = i;
	}
	return NULL;
}

static int compare_member(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static int compare_total(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->total != y->total)
		return x->total > y->total ? -1 : 1;
	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* The children of all members of a group that have samples, equal ones side by side. */
static struct pv_err *find_members(struct walk *walk, const struct group *group)
{
	const struct member *members = walk->members.data;
	struct pv_err *err = NULL;

	walk->found.n = 0;
	for (size_t i = 0; i < group->n && !err; i++) {
		uint32_t node = walk->child[members[group->first + i].node];

		for (; node && !err; node = walk->sibling[node]) {
			struct member member = { walk->rank[walk->nodes[node].loc], node };

			if (walk->total[node])
				err = pv_vec_append(&walk->found, &member, 1, NULL);
		}
	}
	if (!err && walk->found.n > 1)
		qsort(walk->found.data, walk->found.n, sizeof(struct member), compare_member);
	return err;
}

/* Groups what was found, in the order in which the frames are to be entered. */
static struct pv_err *find_groups(struct walk *walk, uint32_t depth)
{
	const struct member *found = walk->found.data;
	struct pv_err *err = NULL;

	walk->found_groups.n = 0;
	for (size_t i = 0, n = walk->found.n; i < n && !err;) {
		struct group group = { .rank = found[i].rank, .depth = depth, .first = i };

		for (; i < n && found[i].rank == group.rank; i++)
			group.total += walk->total[found[i].node];
		group.n = i - group.first;
		err = pv_vec_append(&walk->found_groups, &group, 1, NULL);
	}
	if (!err && walk->found_groups.n > 1 && walk->order == PV_TREE_BY_TOTAL)
		qsort(walk->found_groups.data, walk->found_groups.n, sizeof(struct group),
		      compare_total);
	return err;
}

/* The first to be entered is to be on top. */
static struct pv_err *push_groups(struct walk *walk)
{
	const struct group *groups = walk->found_groups.data;
	const struct member *found = walk->found.data;
	struct pv_err *err = NULL;

	for (size_t i = walk->found_groups.n; i > 0 && !err; i--) {
		struct group group = groups[i - 1];
		const struct member *first = found + group.first;

		group.first = walk->members.n;
		err = pv_vec_append(&walk->members, first, group.n, NULL);
		if (!err)
			err = pv_vec_append(&walk->groups, &group, 1, NULL);
	}
	return err;
}

static struct pv_err *walk_all(struct walk *walk, pv_tree_enter *enter, void *ctx)
{
	struct group root = { .n = 1, .total = walk->total[0] };
	struct pv_err *err = pv_vec_append(&walk->members, NULL, 1, NULL);

	if (!err)
		err = pv_vec_append(&walk->groups, &root, 1, NULL);
	while (walk->groups.n && !err) {
		struct group group = *(struct group *)pv_vec_at(&walk->groups, walk->groups.n - 1);
		struct pv_tree_frame frame = { group.rank, group.depth, group.total, group.total };

		err = find_members(walk, &group);
		if (!err)
			err = find_groups(walk, group.depth + 1);
		if (err)
			break;
		for (size_t i = 0; i < walk->found_groups.n; i++)
			frame.self -= ((struct group *)pv_vec_at(&walk->found_groups, i))->total;
		walk->groups.n--;
		walk->members.n = group.first;
		err = push_groups(walk);
		if (!err)
			err = enter(ctx, &frame);
	}
	return err;
}

struct pv_err *pv_tree_walk(const struct pv_profile *profile, const uint32_t *rank,
			    enum pv_tree_order order, pv_tree_enter *enter, void *ctx)
{
	struct walk walk = { .rank = rank,
			     .order = order,
			     .groups = PV_VEC(struct group),
			     .members = PV_VEC(struct member),
			     .found = PV_VEC(struct member),
			     .found_groups = PV_VEC(struct group) };
	struct pv_err *err = walk_init(&walk, profile);

	if (!err)
		err = walk_all(&walk, enter, ctx);
	walk_deinit(&walk);
	return err;
}

bool pv_tree_any_without_stack(const struct pv_profile *profile)
{
	const struct pv_sample *samples = profile->samples.data;

	for (size_t i = 0; i < profile->samples.n; i++) {
		if (!samples[i].node)
			return true;
	}
	return false;
}
