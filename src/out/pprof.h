/* SPDX-License-Identifier: BSD-2-Clause */
/* pprof's protocol buffer, gzipped; see docs/formats.md. */
#ifndef PV_OUT_PPROF_H
#define PV_OUT_PPROF_H

#include "out/format.h"

extern const struct pv_format pv_format_pprof;

#endif
