/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a native function ends: its ret instructions, and those of the functions that it
 * jumps to instead of returning.  At each of them the stack pointer is what it was at the entry,
 * so that whoever probes them knows an end for certain, without a uretprobe, which puts an
 * address of its own on the stack.  Input: an ELF object, untrusted.  Output: places in its file.
 */
#ifndef PV_PROBE_ENDS_H
#define PV_PROBE_ENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_native_code;

struct pv_native_end {
	uint64_t vaddr;  /* ELF virtual address of the instruction */
	uint64_t offset; /* the same, bytes into the file */
	bool jump;       /* not a return but a jump to what is in no file that is known here */
	bool emulated;   /* the cheap kind, see insn/site.h */
};

struct pv_native_ends {
	struct pv_vec list; /* struct pv_native_end, by vaddr */
	size_t n_lost;      /* ways out that cannot be followed: calls that end so are not seen */
};

/* Of the function that begins at vaddr.  One without unwind information has none that are known. */
struct pv_err *pv_native_ends(const struct pv_native_code *code, uint64_t vaddr,
			      struct pv_native_ends *ret);
void pv_native_ends_deinit(struct pv_native_ends *ends);

#endif
