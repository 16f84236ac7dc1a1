/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPython's object allocator as machine code: the places where it takes a block from a
 * pool and puts one back, also where a compiler has copied that into its callers.
 *
 * The struct pool_header of Objects/obmalloc.c (from 3.12 on
 * Include/internal/pycore_obmalloc.h) has been the same since Python 2.3: ref.count at 0,
 * freeblock at 8, nextpool at 16.  What is done with these three is so peculiar that no
 * symbol is needed; whoever probes such a place looks at the pool once more.
 */
#ifndef PV_INSN_POOL_H
#define PV_INSN_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pv_insn_pool_site {
	uint64_t vaddr;      /* of a conditional jump, which the kernel emulates */
	unsigned int pool;   /* the register that has the pool's address there */
	uint64_t taken_next; /* where the jump leads: of a take, where there is no such pool */
};

/* May there be one in the bytes?  Quick; where there may be, they are decoded. */
bool pv_insn_may_pool(const uint8_t *code, size_t n);

/*
 * pymalloc_alloc(): if (pool != pool->nextpool) { ++pool->ref.count; bp = pool->freeblock; ...
 * At the jump the block that will be taken is pool->freeblock, unless pool->nextpool is the pool
 * itself: then there is none, and the jump leads to where a new one is taken.
 * code: a function of n bytes at vaddr.  Returns early when fn returns false.
 */
void pv_insn_each_pool_take(const uint8_t *code, size_t n, uint64_t vaddr,
			    bool (*fn)(void *ctx, const struct pv_insn_pool_site *site), void *ctx);

/*
 * pymalloc_free(): *(block **)p = lastfree = pool->freeblock; pool->freeblock = p; ...
 * if (lastfree == NULL).  At that jump the block that was given back is pool->freeblock.
 */
void pv_insn_each_pool_give(const uint8_t *code, size_t n, uint64_t vaddr,
			    bool (*fn)(void *ctx, const struct pv_insn_pool_site *site), void *ctx);

/* How a function is left. */
enum pv_insn_exit {
	PV_INSN_RETURN, /* a ret instruction */
	PV_INSN_JUMP,   /* a jump to another function, also a conditional one */
	PV_INSN_LOST,   /* a jump to nobody knows where */
};

/* Calls fn for every exit of a function of n bytes at vaddr; to: of PV_INSN_JUMP. */
void pv_insn_each_exit(const uint8_t *code, size_t n, uint64_t vaddr,
		       bool (*fn)(void *ctx, enum pv_insn_exit exit, uint64_t at, uint64_t to),
		       void *ctx);

/* The pointer by which an entry of a linkage table jumps: [endbr64;] [bnd] jmp *disp(%rip). */
bool pv_insn_linkage(const uint8_t *code, size_t n, uint64_t vaddr, uint64_t *slot_ret);

/* The target of the first direct call in straight-line code.  False: there is none near. */
bool pv_insn_first_call(const uint8_t *code, size_t n, uint64_t vaddr, uint64_t *ret);

#endif
