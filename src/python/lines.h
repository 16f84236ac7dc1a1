/* SPDX-License-Identifier: BSD-2-Clause */
/* Line tables of code objects: bytecode offset -> line.  The table is untrusted. */
#ifndef PV_PYTHON_LINES_H
#define PV_PYTHON_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "abi/layout.h"

/*
 * The line that lasti (bytes) belongs to, or -1 where the table says "no line".
 * lasti PV_LASTI_NONE gives firstlineno.  A damaged table gives a line or -1,
 * never a read beyond n.
 */
int pv_python_line(enum pv_linetable_kind kind, const uint8_t *table, size_t n,
		   uint32_t firstlineno, uint32_t lasti);

#endif
