/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that is said of a profile.
 * Input: a profile.
 * Output: what the other files of analyse/ make of it.
 */
#include "analyse/verdict.h"

#include <stdlib.h>

#include "analyse/calltree.h"

enum {
	HOTTEST_MAX = 10,
	HOTPATH_MAX = 12,
};

static struct pv_err *find_path(const struct pv_profile *profile, struct pv_verdict *verdict)
{
	struct pv_calltree *tree;
	struct pv_err *err = pv_calltree_create(profile, PV_CALLTREE_ALL, &tree);

	if (err)
		return err;
	err = pv_hotpath_of(profile, tree, HOTPATH_MAX, &verdict->hotpath, &verdict->n_hotpath);
	pv_calltree_destroy(tree);
	return err;
}

/* Of a recording that breaks off before the first one nothing can be said, least of all "idle". */
static struct pv_err *say_nothing(struct pv_answer *ret)
{
	ret->spans = (struct pv_vec)PV_VEC(struct pv_span);
	return pv_str_appendf(&ret->text, "No sample is there before the break.\n");
}

struct pv_err *pv_verdict_of(const struct pv_profile *profile, const struct pv_wait *wait,
			     struct pv_verdict *ret)
{
	struct pv_verdict verdict = {};
	struct pv_err *err = pv_load_of(profile, &verdict.load);

	if (!err)
		err = pv_hottest_of(profile, HOTTEST_MAX, &verdict.hottest, &verdict.n_hottest);
	if (!err)
		err = find_path(profile, &verdict);
	if (!err)
		err = pv_turn_of(profile, &verdict.turn);
	if (!err && profile->cut && !verdict.load.samples)
		err = say_nothing(&verdict.answer);
	else if (!err)
		err = pv_answer_of(profile, &verdict.load, &verdict.turn, wait, &verdict.answer);
	if (err) {
		pv_verdict_deinit(&verdict);
		return err;
	}
	*ret = verdict;
	return NULL;
}

void pv_verdict_deinit(struct pv_verdict *verdict)
{
	free(verdict->hottest);
	free(verdict->hotpath);
	pv_answer_deinit(&verdict->answer);
}
