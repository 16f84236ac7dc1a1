/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Constants of a condition, as Python writes them: numbers, texts, None, True, False.
 */
#ifndef PV_SESSION_CONSTANT_H
#define PV_SESSION_CONSTANT_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/condition.h"

/*
 * Reads the constant that text begins with.  Returns its length; 0: there is none, and
 * *why_ret is NULL, or there is one that cannot be, and it says why.  old: for CPython 2.7.
 */
size_t pv_constant_parse(const char *text, bool old, struct pv_condition_constant *ret,
			 const char **why_ret);

#endif
