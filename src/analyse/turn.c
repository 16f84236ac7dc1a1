/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The turning point.
 * Input: the tree of calls.
 * Output: the call in which most of the time is spent, and the own call above it.
 */
#include "analyse/turn.h"

#include "base/cleanup.h"
#include "base/vec.h"
#include "model/profile.h"

enum {
	BIG_PERCENT = 20,  /* of all: a call so heavy is followed, */
	MOST_PERCENT = 50, /* or one that has so much of its caller's, */
	LEAST_PERCENT = 10 /* and this of all */
};

/* The heaviest child of a call if it is worth following, else 0. */
static struct pv_err *follow(struct pv_calltree *tree, uint32_t id, uint32_t *ret)
{
	uint64_t all = pv_calltree_call(tree, PV_CALLTREE_ROOT)->total, total, of;
	uint32_t first, n;
	struct pv_err *err = pv_calltree_children(tree, id, &first, &n);

	if (err)
		return err;
	*ret = 0;
	if (!n)
		return NULL;
	of = pv_calltree_call(tree, id)->total;
	total = pv_calltree_call(tree, first)->total;
	if (total * 100 >= all * BIG_PERCENT ||
	    (total * 100 >= of * MOST_PERCENT && total * 100 >= all * LEAST_PERCENT))
		*ret = first;
	return NULL;
}

/* The heaviest path from the root: ids of calls. */
static struct pv_err *heaviest(struct pv_calltree *tree, struct pv_vec *path)
{
	uint32_t id = PV_CALLTREE_ROOT;
	struct pv_err *err = follow(tree, id, &id);

	while (!err && id) {
		err = pv_vec_append(path, &id, 1, NULL);
		if (!err)
			err = follow(tree, id, &id);
	}
	return err;
}

static uint32_t kind_of(const struct pv_profile *profile, const struct pv_call *call)
{
	return ((const struct pv_loc *)pv_vec_at(&profile->locs, call->loc))->kind;
}

/* The path split at its last own call. */
struct split {
	const struct pv_call *own;    /* NULL: there is none */
	const struct pv_call *python; /* without own code: the last Python call above `what` */
	const struct pv_call *what;   /* below it, as far down as most of its time goes */
};

/* Further down is better, but what has no name says little. */
static bool better(const struct pv_call *than, const struct pv_call *call)
{
	return !than || than->unnamed || !call->unnamed;
}

static struct split split_path(const struct pv_profile *profile, const struct pv_calltree *tree,
			       const uint32_t *path, size_t n)
{
	uint64_t of = pv_calltree_call(tree, PV_CALLTREE_ROOT)->total;
	const struct pv_call *call, *python = NULL;
	struct split split = {};
	size_t below = 0, i;

	for (i = 0; i < n; i++) {
		call = pv_calltree_call(tree, path[i]);
		if (!call->own)
			continue;
		split.own = call;
		of = call->total;
		below = i + 1;
	}
	for (i = below; i < n; i++) {
		uint32_t kind;

		call = pv_calltree_call(tree, path[i]);
		kind = kind_of(profile, call);
		/* of other code something has to be named, though nothing has most of it */
		if (kind != PV_LOC_MARKER && better(split.what, call) &&
		    (call->total * 100 >= of * MOST_PERCENT || !split.own)) {
			split.what = call;
			split.python = python;
		}
		if (kind == PV_LOC_PYTHON)
			python = call;
	}
	return split;
}

struct pv_err *pv_turn_of(const struct pv_profile *profile, struct pv_calltree *tree,
			  struct pv_turn *ret)
{
	struct pv_vec path PV_CLEANUP(pv_vec_deinit) = PV_VEC(uint32_t);
	const struct pv_call *under;
	struct pv_err *err = heaviest(tree, &path);
	struct pv_turn turn = {};
	struct split split;

	if (err)
		return err;
	split = split_path(profile, tree, path.data, path.n);
	under = split.own ? split.own : split.python;
	turn.found = split.what || split.own;
	turn.spread = !split.what;
	turn.has_under = split.what && under;
	if (turn.found)
		turn.what = split.what ? *split.what : *split.own;
	if (turn.has_under)
		turn.under = *under;
	*ret = turn;
	return NULL;
}
