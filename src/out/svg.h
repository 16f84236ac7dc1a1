/* SPDX-License-Identifier: BSD-2-Clause */
/* A flame graph as one SVG file without script; see docs/formats.md. */
#ifndef PV_OUT_SVG_H
#define PV_OUT_SVG_H

#include "out/format.h"

extern const struct pv_format pv_format_svg;

#endif
