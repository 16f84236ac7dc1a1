/* SPDX-License-Identifier: BSD-2-Clause */
/* Folded stacks, the text format of flame graph tools; see docs/formats.md. */
#ifndef PV_OUT_FOLDED_H
#define PV_OUT_FOLDED_H

#include "out/format.h"

extern const struct pv_format pv_format_folded;

#endif
