/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --if EXPR: a condition on the arguments of a call.
 *
 *   condition   or-ed, and-ed, negated comparisons: || or, && and, ! not, parentheses
 *   comparison  OPERAND == != < <= > >= OPERAND; OPERAND is None, is not None;
 *               NAME.startswith(TEXT); NAME alone: is it true?
 *   operand     an argument by its name or as arg1, arg2 ...; a number; 'text', b'bytes';
 *               None, True, False
 */
#ifndef PV_SESSION_CONDITION_H
#define PV_SESSION_CONDITION_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/condition.h"
#include "base/err.h"

/* What a condition may speak of. */
struct pv_condition_scope {
	const char *const *names; /* of the arguments, in their order; NULL: they have none */
	size_t n;                 /* how many there are */
	bool old;                 /* CPython 2.7 */
};

/* An error is PV_ERR_USAGE and names the column, from 1 on. */
struct pv_err *pv_condition_parse(const char *text, const struct pv_condition_scope *scope,
				  struct pv_condition *ret);

#endif
