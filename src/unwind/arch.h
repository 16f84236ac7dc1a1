/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the CFI compiler must know of the machine: the registers it tracks and
 * how a state becomes a row.  One arch_NAME.c implements it.
 */
#ifndef PV_UNWIND_ARCH_H
#define PV_UNWIND_ARCH_H

#include "unwind/cfi.h"

/* DWARF register numbers of the frame pointer and the return address. */
extern const uint64_t pv_arch_fp, pv_arch_ra;

/* What the ABI says before any instruction. */
void pv_arch_initial_state(struct pv_cfi_state *ret);

/* False if the state had to be simplified: the row says UNSUPPORTED, or rbp UNDEFINED. */
bool pv_arch_encode(const struct pv_cfi_state *state, bool signal_frame, struct pv_unwind_row *ret);

#endif
