/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The unwind table of one ELF object: .eh_frame compiled into the cells of
 * abi/unwind.h.  Input: struct pv_elf (untrusted).  Output: cells that go into
 * a BPF map, a host walk, or the cache file of the build-id.
 */
#ifndef PV_UNWIND_TABLE_H
#define PV_UNWIND_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/unwind.h"
#include "base/err.h"

struct pv_elf;

/*
 * In a table with pages the first row has pc 0 and every page entry has
 * first <= last < nrows, so a row is in effect everywhere.  The bytes after
 * the end of a function that no other follows are under a PV_CFA_NONE row.
 */
struct pv_unwind_table {
	uint64_t base;         /* ELF vaddr of page 0, multiple of 4096 */
	uint32_t npages;       /* page entries at the start of cells */
	uint32_t nrows;        /* rows after them */
	const uint64_t *cells; /* npages + nrows cells of 8 bytes */
	uint32_t n_fdes;
	uint32_t n_unsupported; /* rows, and FDEs, that we could not compile in full */
	bool by_code;           /* code that .eh_frame does not tell of was followed, see bare.h */
	void *mapping;          /* cells belong to this file mapping, or NULL = malloc */
	size_t mapping_size;
};

/* Neither .eh_frame nor code that can be followed gives an empty table (npages = 0), not an error.
 */
struct pv_err *pv_unwind_compile(const struct pv_elf *elf, struct pv_unwind_table *ret);
void pv_unwind_table_deinit(struct pv_unwind_table *table);

/*
 * The same by way of a cache directory (NULL: none), keyed by build-id and
 * format version; a cache file that fails its checks is compiled anew; a
 * directory that cannot be written is no error.  Files appear atomically, 0600.
 */
struct pv_err *pv_unwind_load(const struct pv_elf *elf, const char *cache_dir,
			      struct pv_unwind_table *ret);

/* Bytes of code. */
struct pv_unwind_coverage {
	uint64_t covered;     /* under a row that finds the caller, or the outermost frame */
	uint64_t unsupported; /* under one that we do not compile */
	uint64_t bare;        /* under none */
};

enum { PV_UNWIND_PADDING = 15 }; /* bytes at most by which linkers and compilers align functions */

/*
 * What becomes of the ELF vaddrs [start, end), added to ret.  Gaps between functions that
 * may be padding are not counted at all.
 */
void pv_unwind_cover(const struct pv_unwind_table *table, uint64_t start, uint64_t end,
		     struct pv_unwind_coverage *ret);

#endif
