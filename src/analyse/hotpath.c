/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hottest path.
 * Input: the tree of calls.
 * Output: its heaviest calls, as rows of a small tree.
 */
#include "analyse/hotpath.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "model/profile.h"

enum {
	SHOWN_PERCENT = 5, /* of all samples: what carries less is not shown */
	/* a call hands on what it has if one child has so much of it: */
	OWN_HANDS_ON_PERCENT = 95,
	OTHER_HANDS_ON_PERCENT = 80,
};

#define NO_ROW ((uint32_t)-1)

/* A call that may become a row. */
struct entry {
	uint32_t call;
	uint32_t row;         /* of its caller, or NO_ROW */
	uint32_t folded;      /* calls since that row */
	uint32_t last_folded; /* the last of them */
	bool below_own;       /* called by own code */
	bool below_python;    /* with a Python call anywhere above it */
};

struct row {
	uint32_t call, parent, folded;
};

struct work {
	const struct pv_profile *profile;
	struct pv_calltree *tree;
	uint64_t least;         /* samples of a call that is shown */
	struct pv_vec frontier; /* struct entry */
	struct pv_vec rows;     /* struct row, a caller before its callees */
};

static uint64_t total(const struct work *work, uint32_t call)
{
	return pv_calltree_call(work->tree, call)->total;
}

static struct entry take_heaviest(struct work *work)
{
	struct entry *entries = work->frontier.data, best;
	size_t at = 0, i;

	for (i = 1; i < work->frontier.n; i++) {
		if (total(work, entries[i].call) > total(work, entries[at].call))
			at = i;
	}
	best = entries[at];
	entries[at] = entries[--work->frontier.n];
	return best;
}

static bool is_python(const struct work *work, uint32_t call)
{
	const struct pv_loc *loc =
		pv_vec_at(&work->profile->locs, pv_calltree_call(work->tree, call)->loc);

	return loc->kind == PV_LOC_PYTHON;
}

/* of: the call whose children come next, or the root. */
static struct entry entry_below(const struct work *work, const struct entry *of, uint32_t child)
{
	return (struct entry){
		.call = child,
		.below_own = pv_calltree_call(work->tree, of->call)->own,
		.below_python = of->below_python ||
				(of->call != PV_CALLTREE_ROOT && is_python(work, of->call)),
	};
}

static struct pv_err *push_children(struct work *work, const struct entry *of, uint32_t row)
{
	struct pv_err *err;
	uint32_t first, n, i;

	err = pv_calltree_children(work->tree, of->call, &first, &n);
	for (i = 0; !err && i < n && total(work, first + i) >= work->least; i++) {
		struct entry entry = entry_below(work, of, first + i);

		entry.row = row;
		err = pv_vec_append(&work->frontier, &entry, 1, NULL);
	}
	return err;
}

/*
 * In a chain of own code, unless other Python code called it; or in one of other
 * code, unless own code did.  Where a chain ends, or forks, is shown.
 */
static struct pv_err *only_hands_on(struct work *work, const struct entry *entry, bool *ret,
				    uint32_t *child_ret)
{
	const struct pv_call *call, *child;
	struct pv_err *err;
	uint32_t n;
	bool forks;

	err = pv_calltree_children(work->tree, entry->call, child_ret, &n);
	if (err)
		return err;
	*ret = false;
	if (!n)
		return NULL;
	call = pv_calltree_call(work->tree, entry->call);
	child = pv_calltree_call(work->tree, *child_ret);
	forks = n > 1 && total(work, *child_ret + 1) >= work->least;
	if (forks || child->total < work->least ||
	    child->total * 100 <
		    call->total * (call->own ? OWN_HANDS_ON_PERCENT : OTHER_HANDS_ON_PERCENT))
		return NULL;
	*ret = call->own ? child->own && (entry->below_own || !entry->below_python)
			 : !entry->below_own;
	return NULL;
}

static struct pv_err *add_row(struct work *work, struct entry *entry, uint32_t *ret)
{
	struct row row = { .call = entry->call, .parent = entry->row, .folded = entry->folded };
	struct pv_err *err;

	/* to fold a single call saves nothing, but near the root it only bores */
	if (entry->folded == 1 && entry->row != NO_ROW) {
		struct row single = { .call = entry->last_folded, .parent = entry->row };

		row.parent = work->rows.n;
		row.folded = 0;
		err = pv_vec_append(&work->rows, &single, 1, NULL);
		if (err)
			return err;
	}
	*ret = work->rows.n;
	return pv_vec_append(&work->rows, &row, 1, NULL);
}

static struct pv_err *take_rows(struct work *work, size_t max)
{
	struct entry root = { .call = PV_CALLTREE_ROOT };
	struct pv_err *err = push_children(work, &root, NO_ROW);

	while (!err && work->frontier.n && work->rows.n < max) {
		struct entry entry = take_heaviest(work);
		uint32_t child, row;
		bool folds;

		err = only_hands_on(work, &entry, &folds, &child);
		if (err)
			break;
		if (folds) {
			struct entry next = entry_below(work, &entry, child);

			next.row = entry.row;
			next.folded = entry.folded + 1;
			next.last_folded = entry.call;
			err = pv_vec_append(&work->frontier, &next, 1, NULL);
			continue;
		}
		err = add_row(work, &entry, &row);
		if (!err)
			err = push_children(work, &entry, row);
	}
	return err;
}

/* Rows were found by weight; they are shown each below its caller. */
static void order(const struct work *work, uint32_t parent, uint32_t depth,
		  struct pv_hotpath_row *out, size_t *n)
{
	const struct row *rows = work->rows.data;

	for (size_t i = 0; i < work->rows.n; i++) {
		if (rows[i].parent != parent)
			continue;
		out[(*n)++] = (struct pv_hotpath_row){
			.call = *pv_calltree_call(work->tree, rows[i].call),
			.depth = depth,
			.folded = rows[i].folded,
		};
		order(work, i, depth + 1, out, n);
	}
}

struct pv_err *pv_hotpath_of(const struct pv_profile *profile, struct pv_calltree *tree, size_t max,
			     struct pv_hotpath_row **ret, size_t *n_ret)
{
	struct work work = {
		.profile = profile,
		.tree = tree,
		.least = pv_calltree_call(tree, PV_CALLTREE_ROOT)->total * SHOWN_PERCENT / 100,
		.frontier = PV_VEC(struct entry),
		.rows = PV_VEC(struct row),
	};
	_pv_free_ struct pv_hotpath_row *out = NULL;
	struct pv_err *err;
	size_t n = 0;

	work.least += !work.least;
	err = take_rows(&work, max);
	if (!err) {
		out = calloc(work.rows.n + 1, sizeof(*out));
		err = out ? NULL : &pv_enomem;
	}
	if (!err) {
		order(&work, NO_ROW, 0, out, &n);
		*ret = pv_steal(out);
		*n_ret = n;
	}
	pv_vec_deinit(&work.frontier);
	pv_vec_deinit(&work.rows);
	return err;
}
