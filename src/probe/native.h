/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where to put probes on native functions: the cheapest instruction that is executed
 * whenever the function is entered, and whenever a call returns.  A breakpoint within
 * an instruction would break the target, so a place that cannot be proved to begin
 * one is refused.  Input: an ELF object, untrusted.  Output: places in its file.
 */
#ifndef PV_PROBE_NATIVE_H
#define PV_PROBE_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/elf.h"
#include "insn/site.h"

/* An object and the ranges of its functions, which its unwind information gives. */
struct pv_native_code {
	const struct pv_elf *elf; /* not owned */
	struct pv_fde_range *fdes;
	size_t n_fdes;
};

struct pv_err *pv_native_code_init(const struct pv_elf *elf, struct pv_native_code *ret);
void pv_native_code_deinit(struct pv_native_code *code);

/* Where the function that holds vaddr begins; false: there is no unwind information for it. */
bool pv_native_function(const struct pv_native_code *code, uint64_t vaddr, uint64_t *start_ret,
			uint64_t *size_ret);

struct pv_native_site {
	uint64_t vaddr;  /* ELF virtual address of the instruction */
	uint64_t offset; /* the same, bytes into the file */
	uint32_t pushed; /* bytes that rsp is lower there than where it stands for */
	bool emulated;   /* the cheap kind, see insn/site.h */
	bool tails;      /* of an entry: it may end by a jump to another function */
	bool loops;      /* of an entry: it jumps to its own first instruction */
};

/*
 * Registers that a place must leave as they were (a mask of 1 << number): those that
 * a callee saves, by which a call and its return are known; those of arguments; of results, of
 * one word, too.
 */
enum {
	PV_NATIVE_SAVED = PV_REGS_PRESERVED,
	PV_NATIVE_ARGUMENTS = 1 << 7 | 1 << 6 | 1 << 2 | 1 << 1 | 3 << 8,
	PV_NATIVE_RESULT = 1 << 0 | 1 << 2,
	PV_NATIVE_WORD = 1 << 0,
};

/*
 * The entry of the function that begins at vaddr; size: its symbol's, 0: not known.
 * False: it cannot be probed, why is *why_ret (static).
 */
bool pv_native_entry(const struct pv_native_code *code, uint64_t vaddr, uint64_t size,
		     unsigned int keep, struct pv_native_site *ret, const char **why_ret);

/*
 * The instruction at vaddr itself, within the function that holds it: what is told apart there is
 * what was done before it, so that no other place will do.
 */
bool pv_native_exact(const struct pv_native_code *code, uint64_t vaddr, struct pv_native_site *ret,
		     const char **why_ret);

/*
 * Where a call returns to.  What jumps there from elsewhere hits it, too: whether a call
 * has returned is seen by its stack pointer.
 */
bool pv_native_return(const struct pv_native_code *code, uint64_t vaddr, unsigned int keep,
		      struct pv_native_site *ret, const char **why_ret);

#endif
