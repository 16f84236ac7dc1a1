/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a CPython's object allocator (pymalloc) takes blocks from its pools and puts them back.
 * Input: the interpreter's ELF object, stripped or not.  Output: places for uprobes.
 *
 * Builds with profile-guided optimisation have copies of the allocator in some 200 of its
 * callers (Debian's 3.11: 171, 3.14: 209), so that the function itself sees one allocation in
 * eight.  All copies have the same conditional jump, where a register has the pool
 * (insn/pool.h): those are the places.  The kernel emulates it, so a hit is cheap.
 */
#ifndef PV_PYTHON_ALLOCATORS_H
#define PV_PYTHON_ALLOCATORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_elf;
struct pv_python;

struct pv_pool_site {
	uint64_t vaddr; /* ELF virtual address */
	uint8_t pool;   /* the register that has the pool there, as insn/site.h numbers them */
};

struct pv_allocators {
	struct pv_vec takes; /* struct pv_pool_site: a block is about to be taken */
	struct pv_vec gives; /* the same: one was given back */
	/* allocate_from_new_pool(), the one function that takes a pool; 0: up to 3.8 it is inlined
	 */
	uint64_t new_pool;
	/* where it is 0: uint64_t, ELF virtual addresses that are reached only to take a pool */
	struct pv_vec slow;
	size_t n_copies; /* places that call new_pool: as many copies there are of the allocator */
	size_t n_missed; /* of them: copies whose blocks are not seen, since nothing was recognised
			  */
	uint32_t pool_bytes;
};

/* None of it in a free-threaded build, which has another allocator: all is empty then. */
struct pv_err *pv_allocators_find(const struct pv_elf *elf, const struct pv_python *python,
				  struct pv_allocators *ret);
void pv_allocators_deinit(struct pv_allocators *allocators);

#endif
