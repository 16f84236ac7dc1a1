/* SPDX-License-Identifier: BSD-2-Clause */
/* Recordings as an output format; see docs/recording.md. */
#ifndef PV_OUT_PVR_H
#define PV_OUT_PVR_H

#include "out/format.h"

extern const struct pv_format pv_format_pvr;

#endif
