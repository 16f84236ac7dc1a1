/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data of a process's modules: where variables and static objects are, those included
 * that no file has bytes for (.bss), behind which the heap may follow without a gap.
 * Input: mappings and the ELF headers in them (untrusted).  Output: ranges.
 */
#ifndef PV_HEAP_MODULES_H
#define PV_HEAP_MODULES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_maps;
struct pv_mem;

struct pv_module_range {
	uint64_t start, end; /* from its first byte in memory to the end of its last segment */
	const char *path;    /* of the maps */
};

struct pv_module_ranges {
	struct pv_module_range *ranges; /* sorted */
	size_t n;
};

/* maps must outlive it. */
struct pv_err *pv_module_ranges_read(struct pv_mem *mem, const struct pv_maps *maps,
				     struct pv_module_ranges *ret);
void pv_module_ranges_deinit(struct pv_module_ranges *modules);

/* The one that address is in, or NULL. */
const struct pv_module_range *pv_module_range_find(const struct pv_module_ranges *modules,
						   uint64_t address);

#endif
