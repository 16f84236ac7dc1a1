/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions of which the dynamic linker chooses one of several for this CPU
 * (STT_GNU_IFUNC): memcpy and its like.  The symbol is of the code that chooses,
 * which runs once; what is called is seen in the process's linkage tables.  Input:
 * ELF objects, untrusted, and the process's memory.  Output: the chosen function.
 */
#ifndef PV_PROBE_INDIRECT_H
#define PV_PROBE_INDIRECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pv_elf;
struct pv_mem;

struct pv_indirect_module {
	const struct pv_elf *elf;
	uint64_t bias;
};

/*
 * name, vaddr: the symbol's, of modules[index].  The chosen function's vaddr in the same
 * module is *ret.  False: nothing in the process has been bound to it yet.
 */
bool pv_indirect_chosen(const struct pv_indirect_module *modules, size_t n, size_t index,
			const char *name, uint64_t vaddr, struct pv_mem *mem, uint64_t *ret);

#endif
