/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where compilers have put a function's code into that of others.  Input: the debug
 * information of an ELF object (DWARF 5, 3.3.8), untrusted.  Output: the places.
 * libdw underneath, but none of its types leaves this folder.
 */
#ifndef PV_ELF_INLINED_H
#define PV_ELF_INLINED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct pv_elf;

struct pv_elf_inlined {
	const char *name;  /* of what is inlined, mangled where it is so; valid for the call */
	uint64_t function; /* vaddr of the function whose code it has become */
};

enum pv_inlined_state {
	PV_INLINED_NONE, /* there is no debug information */
	PV_INLINED_ALL,  /* all of it was read */
	PV_INLINED_PART, /* not all: time was up, it is too large, broken, or in yet other files */
};

/* .debug_info is there: as much as can be told without reading it. */
bool pv_elf_has_debug_info(const struct pv_elf *elf);

/*
 * Calls fn for each place that has code; stops when fn returns false.  deadline: of
 * CLOCK_MONOTONIC, in ns.
 */
struct pv_err *pv_elf_each_inlined(const struct pv_elf *elf, uint64_t deadline,
				   bool (*fn)(void *ctx, const struct pv_elf_inlined *place),
				   void *ctx, enum pv_inlined_state *ret);

#endif
