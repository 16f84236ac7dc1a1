/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Code without unwind information: musl is built with -fno-asynchronous-unwind-tables and
 * stripped of the rest, so that every thread of a program that uses it begins in such code.
 * Input: struct pv_elf (untrusted).  Output: rows by what the instructions do, see insn/flow.h.
 */
#ifndef PV_UNWIND_BARE_H
#define PV_UNWIND_BARE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "elf/elf.h"
#include "unwind/cfi.h"

struct pv_flow;

struct pv_bare {
	struct pv_flow *flow; /* NULL: there is none */
	uint64_t start, end;  /* ELF vaddrs of the code that it is about */
};

/*
 * Is it musl's own object?  Only that is followed: which calls return is known in a library that
 * calls no other, and code of any kind is not as musl's is.
 */
bool pv_bare_is_musl(const struct pv_elf *elf);

/* Follows the code of one segment; one that is too long, or not in the file, gives no flow. */
struct pv_err *pv_bare_follow(const struct pv_elf *elf, const struct pv_fde_range *text,
			      struct pv_bare *ret);
void pv_bare_deinit(struct pv_bare *bare);

/* Appends the rows of the ELF vaddrs [start, end), PV_CFA_NONE where nothing is known. */
struct pv_err *pv_bare_emit(const struct pv_bare *bare, uint64_t start, uint64_t end,
			    struct pv_cfi_rows *rows);

#endif
