/* SPDX-License-Identifier: BSD-2-Clause */
/* speedscope's own JSON format; see docs/formats.md. */
#ifndef PV_OUT_SPEEDSCOPE_H
#define PV_OUT_SPEEDSCOPE_H

#include "out/format.h"

extern const struct pv_format pv_format_speedscope;

/* The same of samples that count something else than time: "bytes", as the schema has it. */
struct pv_err *pv_speedscope_write(const struct pv_profile *profile, const char *unit, FILE *file);

#endif
