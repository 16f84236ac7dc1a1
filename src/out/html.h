/* SPDX-License-Identifier: BSD-2-Clause */
/* The page of a profile: one HTML file that needs nothing else; see docs/formats.md. */
#ifndef PV_OUT_HTML_H
#define PV_OUT_HTML_H

#include "out/format.h"

extern const struct pv_format pv_format_html;

#endif
