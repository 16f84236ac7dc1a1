/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From what the user calls a Python function to its code objects.  Input:
 * "module.qualname", "qualname", "file.py:LINE"; all functions of a process.
 * Output: one function, or a list of those that may be meant.
 */
#ifndef PV_SESSION_PICK_H
#define PV_SESSION_PICK_H

#include <stddef.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_python_functions;

/* How many functions word may mean. */
struct pv_err *pv_pick_meant(const struct pv_python_functions *functions, const char *word,
			     size_t *n_ret);

/*
 * Appends the code objects of the one function that word means to picked
 * (const struct pv_python_function *): one that was defined several times, by a
 * module imported anew, has several.  None, or several functions: PV_ERR_USAGE
 * with candidates.
 */
struct pv_err *pv_pick(const struct pv_python_functions *functions, const char *word,
		       struct pv_vec *picked);

#endif
