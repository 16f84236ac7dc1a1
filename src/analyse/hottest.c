/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hottest functions.
 * Input: a profile.
 * Output: functions by their own samples, with lines.
 */
#include "analyse/hottest.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "model/path.h"
#include "model/profile.h"

/* By location: samples whose leaf it is. */
static struct pv_err *count_self(const struct pv_profile *profile, uint64_t **ret)
{
	uint64_t *self = calloc(profile->locs.n + 1, sizeof(*self));

	if (!self)
		return &pv_enomem;
	for (size_t i = 0; i < profile->samples.n; i++) {
		const struct pv_sample *sample = pv_vec_at(&profile->samples, i);
		const struct pv_stack_node *node = pv_vec_at(&profile->nodes, sample->node);

		if (sample->node)
			self[node->loc] += sample->count;
	}
	*ret = self;
	return NULL;
}

/* The lines of one function; weights is working memory. */
static struct pv_err *find_lines(const struct pv_profile *profile, const uint32_t *function,
				 const uint64_t *self, struct pv_vec *weights,
				 struct pv_hottest *hottest)
{
	struct pv_err *err = NULL;

	weights->n = 0;
	for (size_t i = 0; !err && i < profile->locs.n; i++) {
		const struct pv_loc *loc = pv_vec_at(&profile->locs, i);
		struct pv_line_weight weight = { loc->line, self[i] };

		if (self[i] && function[i] == function[hottest->loc])
			err = pv_vec_append(weights, &weight, 1, NULL);
	}
	if (!err)
		hottest->lines = pv_lines_of(weights->data, weights->n);
	return err;
}

struct pv_err *pv_hottest_of(const struct pv_profile *profile, size_t max, struct pv_hottest **ret,
			     size_t *n_ret)
{
	_pv_free_ struct pv_hottest *list = calloc(max + 1, sizeof(*list));
	struct pv_vec weights PV_CLEANUP(pv_vec_deinit) = PV_VEC(struct pv_line_weight);
	_pv_free_ uint32_t *function = NULL;
	_pv_free_ struct pv_hot *hot = NULL;
	_pv_free_ uint64_t *self = NULL;
	struct pv_err *err = list ? NULL : &pv_enomem;
	size_t n_hot = 0, n;

	if (!err)
		err = pv_profile_hottest(profile, &hot, &n_hot);
	if (!err)
		err = pv_profile_functions(profile, &function);
	if (!err)
		err = count_self(profile, &self);
	for (n = 0; !err && n < n_hot && n < max && hot[n].self; n++) {
		list[n] = (struct pv_hottest){
			.loc = hot[n].loc,
			.self = hot[n].self,
			.total = hot[n].total,
			.own = pv_loc_is_own(profile, pv_vec_at(&profile->locs, hot[n].loc)),
		};
		err = find_lines(profile, function, self, &weights, &list[n]);
	}
	if (err)
		return err;
	*ret = pv_steal(list);
	*n_ret = n;
	return NULL;
}
