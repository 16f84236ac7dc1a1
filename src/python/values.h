/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must be known of a CPython to read arguments and results (walk/value.h).
 */
#ifndef PV_PYTHON_VALUES_H
#define PV_PYTHON_VALUES_H

#include "abi/value.h"
#include "base/err.h"

struct pv_mem;
struct pv_python;

/* What cannot be had is PV_ERR_NOPROC with the reason. */
struct pv_err *pv_python_values(struct pv_mem *mem, const struct pv_python *python,
				struct pv_value_layout *ret);

#endif
