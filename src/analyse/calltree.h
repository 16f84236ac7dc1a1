/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tree of calls: stacks joined by function instead of by line, over all
 * threads and processes (their root frames are left out), direct recursion in
 * one call.  The interpreter's machinery of calling is left out, too: a Python
 * function stands right below the one that called it; and what has no name is one
 * call a module.  Branches are worked out when they are asked for, so that the
 * heavy ones of a large profile are cheap.  Input: a profile, which must outlive
 * the tree and not change.
 */
#ifndef PV_ANALYSE_CALLTREE_H
#define PV_ANALYSE_CALLTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyse/lines.h"
#include "base/err.h"

struct pv_calltree;
struct pv_profile;

struct pv_call {
	uint32_t loc;          /* one location of the function */
	struct pv_lines lines; /* of the frame, by its total samples */
	uint64_t total;        /* samples */
	bool own;              /* the user's own code */
	bool unnamed;          /* all functions of a module that have no name */
	bool recursive;        /* calls itself; known once its children were asked for */
};

enum pv_calltree_of {
	PV_CALLTREE_ALL,
	/* of the calls outside the user's own code: each sample belongs to its innermost own one */
	PV_CALLTREE_FOREIGN,
};

struct pv_err *pv_calltree_create(const struct pv_profile *profile, enum pv_calltree_of of,
				  struct pv_calltree **ret);
void pv_calltree_destroy(struct pv_calltree *tree);

enum { PV_CALLTREE_ROOT = 0 }; /* has no location; its total is all samples */

/* Calls id has n_ret children, first_ret and following, heaviest first. */
struct pv_err *pv_calltree_children(struct pv_calltree *tree, uint32_t id, uint32_t *first_ret,
				    uint32_t *n_ret);

/* Valid until the next call of pv_calltree_children(). */
const struct pv_call *pv_calltree_call(const struct pv_calltree *tree, uint32_t id);

/* Samples of a node of the profile's stacks; of a foreign tree, those that belong to it. */
uint64_t pv_calltree_node_total(const struct pv_calltree *tree, uint32_t node);

/* Starts again: the root stands for these nodes, n > 0. */
struct pv_err *pv_calltree_start_at(struct pv_calltree *tree, const uint32_t *nodes, size_t n);

#endif
