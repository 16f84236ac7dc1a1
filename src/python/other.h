/* SPDX-License-Identifier: BSD-2-Clause */
/* Pythons that are not CPython: told apart, not read. */
#ifndef PV_PYTHON_OTHER_H
#define PV_PYTHON_OTHER_H

#include "base/err.h"

struct pv_elf;

/* Why no Python function of this object's interpreter can be shown; NULL: it is none that is known.
 */
const char *pv_python_other(const struct pv_elf *elf, const char *path);

#endif
