/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks without how the interpreter calls.
 * Input: a profile's tree of stacks, in which a node stands behind its parent.
 * Output: a tree of its own, and the samples in it.
 */
#include "out/calls.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "model/frame.h"
#include "model/profile.h"

struct lift {
	const struct pv_profile *profile;
	const struct pv_stack_node *nodes;
	uint8_t *lifted;      /* by node */
	uint32_t *below;      /* by node: where in the new tree what it calls stands */
	uint32_t *at;         /* by node: what stands for it in the new tree */
	struct pv_vec made;   /* struct pv_stack_node */
	struct pv_vec shared; /* struct pv_sample */
};

static void lift_deinit(struct lift *lift)
{
	free(lift->lifted);
	free(lift->below);
	free(lift->at);
	pv_vec_deinit(&lift->made);
	pv_vec_deinit(&lift->shared);
}

/* From the leaves on, so that it is known what is below. */
static struct pv_err *find_lifted(struct lift *lift, uint32_t *n_ret)
{
	const struct pv_profile *profile = lift->profile;
	_pv_free_ uint8_t *caller = calloc(profile->locs.n + 1, sizeof(*caller));
	uint32_t n = 0;

	if (!caller)
		return &pv_enomem;
	for (size_t i = 0; i < profile->locs.n; i++)
		caller[i] = pv_frame_is_interpreter(profile, pv_vec_at(&profile->locs, i));
	for (size_t i = profile->nodes.n - 1; i > 0; i--) {
		const struct pv_loc *loc = pv_vec_at(&profile->locs, lift->nodes[i].loc);

		/* until here it says: Python code is below */
		lift->lifted[lift->nodes[i].parent] |=
			lift->lifted[i] || loc->kind == PV_LOC_PYTHON;
		lift->lifted[i] &= caller[lift->nodes[i].loc];
		n += lift->lifted[i];
	}
	*n_ret = n;
	return NULL;
}

static struct pv_err *make_nodes(struct lift *lift)
{
	const struct pv_sample *samples = lift->profile->samples.data;
	_pv_free_ uint8_t *self = calloc(lift->profile->nodes.n, sizeof(*self));
	struct pv_err *err;

	if (!self)
		return &pv_enomem;
	for (size_t i = 0; i < lift->profile->samples.n; i++)
		self[samples[i].node] = 1;
	err = pv_vec_append(&lift->made, lift->nodes, 1, NULL);
	for (size_t i = 1; i < lift->profile->nodes.n && !err; i++) {
		struct pv_stack_node node = lift->nodes[i];

		node.parent = lift->below[node.parent];
		node.depth =
			((struct pv_stack_node *)pv_vec_at(&lift->made, node.parent))->depth + 1;
		lift->below[i] = lift->at[i] = lift->made.n;
		if (lift->lifted[i])
			lift->below[i] = node.parent;
		if (!lift->lifted[i] || self[i])
			err = pv_vec_append(&lift->made, &node, 1, NULL);
	}
	return err;
}

static struct pv_err *share_samples(struct lift *lift)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; i < lift->profile->samples.n && !err; i++) {
		struct pv_sample sample =
			*(struct pv_sample *)pv_vec_at(&lift->profile->samples, i);

		sample.node = lift->at[sample.node];
		err = pv_vec_append(&lift->shared, &sample, 1, NULL);
	}
	return err;
}

struct pv_err *pv_calls_lift(const struct pv_profile *profile, struct pv_vec *ret,
			     struct pv_vec *samples_ret, uint32_t *n_ret)
{
	struct lift lift PV_CLEANUP(lift_deinit) = {
		.profile = profile,
		.nodes = profile->nodes.data,
		.made = PV_VEC(struct pv_stack_node),
		.shared = PV_VEC(struct pv_sample),
	};
	struct pv_err *err;
	uint32_t n;

	lift.lifted = calloc(profile->nodes.n, sizeof(*lift.lifted));
	lift.below = calloc(profile->nodes.n, sizeof(*lift.below));
	lift.at = calloc(profile->nodes.n, sizeof(*lift.at));
	if (!lift.lifted || !lift.below || !lift.at)
		return &pv_enomem;
	err = find_lifted(&lift, &n);
	if (!err)
		err = make_nodes(&lift);
	if (!err)
		err = share_samples(&lift);
	if (err)
		return err;
	*ret = lift.made;
	*samples_ret = lift.shared;
	*n_ret = n;
	lift.made = (struct pv_vec)PV_VEC(struct pv_stack_node);
	lift.shared = (struct pv_vec)PV_VEC(struct pv_sample);
	return NULL;
}
