/* SPDX-License-Identifier: BSD-2-Clause */
/* speedscope's own JSON format; see docs/formats.md. */
#ifndef PV_OUT_SPEEDSCOPE_H
#define PV_OUT_SPEEDSCOPE_H

#include "out/format.h"

extern const struct pv_format pv_format_speedscope;

#endif
