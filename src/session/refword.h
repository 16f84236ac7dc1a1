/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The word that is watched: an object's count, as its Python has it, or a field.  Input: a layout,
 * what was asked for.  Output: what the kernel's side is told of it, and its value now.
 */
#ifndef PV_SESSION_REFWORD_H
#define PV_SESSION_REFWORD_H

#include <stdint.h>

#include "abi/refs.h"
#include "base/err.h"

struct pv_ledger_options;
struct pv_probed;
struct pv_pylayout;

struct pv_count_constants pv_refword_count(const struct pv_pylayout *py,
					   const struct pv_ledger_options *options);

/* A field that no debug register can watch is PV_ERR_USAGE. */
struct pv_err *pv_refword_check(const struct pv_ledger_options *options);

/* As it is now.  address: of the object; of a field: of the word. */
struct pv_err *pv_refword_read(const struct pv_probed *probed,
			       const struct pv_count_constants *counted, uint64_t address,
			       int64_t *ret);

/* Is an object of that type still there, with a count?  PV_ERR_FAILED says that it is not. */
struct pv_err *pv_refword_is_there(const struct pv_probed *probed,
				   const struct pv_count_constants *counted, uint64_t object,
				   uint64_t type);

#endif
