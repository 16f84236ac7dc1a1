/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which line of its source an instruction is of.  Input: the debug information of an ELF object
 * (DWARF 5, 6.2 and 3.3.8), untrusted.  Output: places, inlined calls taken apart.
 * libdw underneath, but none of its types leaves this folder.
 */
#ifndef PV_ELF_LINES_H
#define PV_ELF_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_elf;
struct pv_elf_lines;

struct pv_elf_place {
	const char *function; /* as the source has it; NULL: not known */
	const char *file;     /* path; NULL: not known */
	uint32_t line;        /* 0: not known */
};

/* elf: not needed any more afterwards.  *ret is NULL where it has no debug information. */
struct pv_err *pv_elf_lines_open(const struct pv_elf *elf, struct pv_elf_lines **ret);
void pv_elf_lines_close(struct pv_elf_lines *lines);

/*
 * The instruction at vaddr, innermost first: an inlined function, then where that was called ...
 * up to the function whose code it is.  How many there are, max at most; 0: nothing is known.
 * Texts are valid until the end.
 */
size_t pv_elf_lines_at(struct pv_elf_lines *lines, uint64_t vaddr, struct pv_elf_place *ret,
		       size_t max);

/*
 * Calls fn for each place in [start, end) where a statement begins (is_stmt), in the order of
 * addresses; stops when fn returns false.
 */
void pv_elf_lines_rows(struct pv_elf_lines *lines, uint64_t start, uint64_t end,
		       bool (*fn)(void *ctx, uint64_t vaddr, const struct pv_elf_place *place),
		       void *ctx);

#endif
