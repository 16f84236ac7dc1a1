/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tree of calls.
 * Input: a profile's tree of stacks, in which a node stands behind its parent.
 * Output: calls with their samples, lines joined.
 */
#include "analyse/calltree.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/vec.h"
#include "model/frame.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/strings.h"

struct call {
	struct pv_call shown;
	uint32_t function; /* as of pv_profile_functions() */
	size_t first_node; /* in nodes: the stack nodes that it joins */
	uint32_t n_nodes;
	uint32_t first_child, n_children;
	bool expanded;
};

/* A child in a stack, before equal functions are joined. */
struct branch {
	uint32_t function, node;
};

struct pv_calltree {
	const struct pv_profile *profile;
	bool foreign;                    /* PV_CALLTREE_FOREIGN */
	uint32_t *function;              /* by location */
	uint8_t *traits;                 /* by location */
	bool *transparent;               /* by stack node: no call of its own */
	uint64_t *total;                 /* by stack node, those below included */
	uint32_t *first_child, *sibling; /* by stack node, 0 = none */
	struct pv_vec calls;             /* struct call */
	struct pv_vec nodes;             /* uint32_t */
	struct pv_vec branches;          /* struct branch, working memory */
	struct pv_vec weights;           /* struct pv_line_weight, working memory */
};

/* Traits of a location. */
enum {
	OWN = 1,         /* the user's own code */
	PYTHON = 2,      /* a Python function */
	TRANSPARENT = 4, /* no call of its own */
	INTERPRETER = 8, /* native code of the interpreter or the C library */
};

static struct pv_err *find_traits(struct pv_calltree *tree)
{
	const struct pv_profile *profile = tree->profile;

	tree->traits = calloc(profile->locs.n + 1, sizeof(*tree->traits));
	if (!tree->traits)
		return &pv_enomem;
	for (size_t i = 0; i < profile->locs.n; i++) {
		const struct pv_loc *loc = pv_vec_at(&profile->locs, i);

		if (pv_loc_is_own(profile, loc))
			tree->traits[i] |= OWN;
		if (loc->kind == PV_LOC_PYTHON)
			tree->traits[i] |= PYTHON;
		/* root frames of --threads and --children, labels */
		if (loc->kind >= PV_LOC_THREAD)
			tree->traits[i] |= TRANSPARENT;
		if (pv_frame_is_interpreter(profile, loc))
			tree->traits[i] |= INTERPRETER;
		if (pv_frame_is_machinery(profile, loc))
			tree->traits[i] |= TRANSPARENT;
	}
	return NULL;
}

/* The addresses in a module without symbols are not functions to tell apart. */
static struct pv_err *join_unnamed(struct pv_calltree *tree)
{
	const struct pv_profile *profile = tree->profile;
	struct pv_map first = {};
	struct pv_err *err = NULL;
	uint64_t id;

	for (size_t i = 0; !err && i < profile->locs.n; i++) {
		const struct pv_loc *loc = pv_vec_at(&profile->locs, i);

		if (!pv_frame_is_unnamed(profile, loc))
			continue;
		if (!pv_map_get(&first, loc->module, &id))
			err = pv_map_set(&first, loc->module, id = i);
		tree->function[i] = id;
	}
	pv_map_deinit(&first);
	return err;
}

static const struct pv_stack_node *stack_node(const struct pv_calltree *tree, uint32_t node)
{
	return pv_vec_at(&tree->profile->nodes, node);
}

static uint8_t node_traits(const struct pv_calltree *tree, uint32_t node)
{
	return tree->traits[stack_node(tree, node)->loc];
}

/*
 * Totals from the leaves to the root, each node's children, and what is
 * transparent: by name, or code of the interpreter with Python code below it,
 * since that is how Python calls and not what is called.
 */
static void add_up(struct pv_calltree *tree)
{
	const struct pv_profile *profile = tree->profile;

	for (size_t i = 0; i < profile->samples.n; i++) {
		const struct pv_sample *sample = pv_vec_at(&profile->samples, i);

		tree->total[sample->node] += sample->count;
	}
	/* until a node is passed, its transparent[] says whether Python code is below it */
	for (uint32_t i = profile->nodes.n - 1; i; i--) {
		uint32_t parent = stack_node(tree, i)->parent;
		uint8_t traits = node_traits(tree, i);

		if (!tree->foreign || !(traits & OWN))
			tree->total[parent] += tree->total[i];
		tree->sibling[i] = tree->first_child[parent];
		tree->first_child[parent] = i;
		tree->transparent[parent] |= tree->transparent[i] || traits & PYTHON;
		tree->transparent[i] =
			traits & TRANSPARENT || (traits & INTERPRETER && tree->transparent[i]);
	}
}

struct pv_err *pv_calltree_start_at(struct pv_calltree *tree, const uint32_t *nodes, size_t n)
{
	struct call root = { .n_nodes = n };
	struct pv_err *err;

	tree->calls.n = tree->nodes.n = 0;
	for (size_t i = 0; i < n; i++)
		root.shown.total += tree->total[nodes[i]];
	err = pv_vec_append(&tree->nodes, nodes, n, NULL);
	return err ? err : pv_vec_append(&tree->calls, &root, 1, NULL);
}

static struct pv_err *prepare(struct pv_calltree *tree)
{
	size_t n = tree->profile->nodes.n;
	struct pv_err *err;

	tree->total = calloc(n, sizeof(*tree->total));
	tree->first_child = calloc(n, sizeof(*tree->first_child));
	tree->sibling = calloc(n, sizeof(*tree->sibling));
	tree->transparent = calloc(n, sizeof(*tree->transparent));
	if (!tree->total || !tree->first_child || !tree->sibling || !tree->transparent)
		return &pv_enomem;
	err = pv_profile_functions(tree->profile, &tree->function);
	if (!err)
		err = join_unnamed(tree);
	if (!err)
		err = find_traits(tree);
	if (err)
		return err;
	add_up(tree);
	return pv_calltree_start_at(tree, &(uint32_t){ 0 }, 1);
}

struct pv_err *pv_calltree_create(const struct pv_profile *profile, enum pv_calltree_of of,
				  struct pv_calltree **ret)
{
	struct pv_calltree *tree = calloc(1, sizeof(*tree));
	struct pv_err *err;

	if (!tree)
		return &pv_enomem;
	tree->profile = profile;
	tree->foreign = of == PV_CALLTREE_FOREIGN;
	tree->calls = (struct pv_vec)PV_VEC(struct call);
	tree->nodes = (struct pv_vec)PV_VEC(uint32_t);
	tree->branches = (struct pv_vec)PV_VEC(struct branch);
	tree->weights = (struct pv_vec)PV_VEC(struct pv_line_weight);
	err = prepare(tree);
	if (err) {
		pv_calltree_destroy(tree);
		return err;
	}
	*ret = tree;
	return NULL;
}

void pv_calltree_destroy(struct pv_calltree *tree)
{
	if (!tree)
		return;
	free(tree->function);
	free(tree->traits);
	free(tree->transparent);
	free(tree->total);
	free(tree->first_child);
	free(tree->sibling);
	pv_vec_deinit(&tree->calls);
	pv_vec_deinit(&tree->nodes);
	pv_vec_deinit(&tree->branches);
	pv_vec_deinit(&tree->weights);
	free(tree);
}

const struct pv_call *pv_calltree_call(const struct pv_calltree *tree, uint32_t id)
{
	return &((const struct call *)pv_vec_at(&tree->calls, id))->shown;
}

uint64_t pv_calltree_node_total(const struct pv_calltree *tree, uint32_t node)
{
	return tree->total[node];
}

/*
 * The branches of all nodes of a call.  Through recursion, and through what is
 * transparent, the call goes on: those nodes' branches are the call's.
 */
static struct pv_err *collect_branches(struct pv_calltree *tree, const struct call *call, bool root,
				       bool *recursive_ret)
{
	struct pv_vec todo = PV_VEC(uint32_t);
	struct pv_err *err;
	size_t i;

	tree->branches.n = 0;
	err = pv_vec_append(&todo, pv_vec_at(&tree->nodes, call->first_node), call->n_nodes, NULL);
	for (i = 0; !err && i < todo.n; i++) {
		uint32_t child = tree->first_child[*(uint32_t *)pv_vec_at(&todo, i)];

		for (; !err && child; child = tree->sibling[child]) {
			uint32_t loc = stack_node(tree, child)->loc;
			struct branch branch = { tree->function[loc], child };
			bool again = !root && branch.function == call->function;

			if (tree->foreign && tree->traits[loc] & OWN)
				continue;
			*recursive_ret |= again;
			if (again || tree->transparent[child])
				err = pv_vec_append(&todo, &child, 1, NULL);
			else if (tree->total[child])
				err = pv_vec_append(&tree->branches, &branch, 1, NULL);
		}
	}
	pv_vec_deinit(&todo);
	return err;
}

static int compare_branch(const void *a, const void *b)
{
	const struct branch *x = a, *y = b;

	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

static int compare_call(const void *a, const void *b)
{
	const struct call *x = a, *y = b;

	if (x->shown.total != y->shown.total)
		return x->shown.total < y->shown.total ? 1 : -1;
	return x->function < y->function ? -1 : x->function > y->function;
}

/* One call out of n branches of one function. */
static struct pv_err *add_call(struct pv_calltree *tree, const struct branch *branches, size_t n)
{
	struct call call = {
		.function = branches->function,
		.first_node = tree->nodes.n,
		.n_nodes = n,
	};
	const struct pv_loc *loc = pv_vec_at(&tree->profile->locs, branches->function);
	struct pv_err *err = NULL;
	size_t i;

	tree->weights.n = 0;
	for (i = 0; !err && i < n; i++) {
		struct pv_line_weight weight = { .samples = tree->total[branches[i].node] };
		const struct pv_stack_node *node = stack_node(tree, branches[i].node);

		weight.line = ((struct pv_loc *)pv_vec_at(&tree->profile->locs, node->loc))->line;
		call.shown.total += weight.samples;
		err = pv_vec_append(&tree->weights, &weight, 1, NULL);
		if (!err)
			err = pv_vec_append(&tree->nodes, &branches[i].node, 1, NULL);
	}
	if (err)
		return err;
	call.shown.loc = branches->function;
	call.shown.own = tree->traits[branches->function] & OWN;
	call.shown.unnamed = pv_frame_is_unnamed(tree->profile, loc);
	call.shown.lines = pv_lines_of(tree->weights.data, tree->weights.n);
	return pv_vec_append(&tree->calls, &call, 1, NULL);
}

static struct pv_err *expand(struct pv_calltree *tree, uint32_t id)
{
	const struct call *call = pv_vec_at(&tree->calls, id);
	struct call *of;
	uint32_t first = tree->calls.n;
	bool recursive = false;
	const struct branch *branches;
	struct pv_err *err;
	size_t i, n;

	err = collect_branches(tree, call, id == PV_CALLTREE_ROOT, &recursive);
	if (!err && tree->branches.n)
		qsort(tree->branches.data, tree->branches.n, sizeof(struct branch), compare_branch);
	branches = tree->branches.data;
	for (i = 0; !err && i < tree->branches.n; i += n) {
		for (n = 1; i + n < tree->branches.n; n++) {
			if (branches[i + n].function != branches[i].function)
				break;
		}
		err = add_call(tree, branches + i, n);
	}
	if (err)
		return err;
	of = pv_vec_at(&tree->calls, id);
	of->expanded = true;
	of->shown.recursive = recursive && !of->shown.unnamed;
	of->first_child = first;
	of->n_children = tree->calls.n - first;
	if (of->n_children)
		qsort(pv_vec_at(&tree->calls, first), of->n_children, sizeof(struct call),
		      compare_call);
	return NULL;
}

struct pv_err *pv_calltree_children(struct pv_calltree *tree, uint32_t id, uint32_t *first_ret,
				    uint32_t *n_ret)
{
	const struct call *call = pv_vec_at(&tree->calls, id);
	struct pv_err *err = call->expanded ? NULL : expand(tree, id);

	if (err)
		return err;
	call = pv_vec_at(&tree->calls, id);
	*first_ret = call->first_child;
	*n_ret = call->n_children;
	return NULL;
}
