/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the CFI interpreter, shared by cfi.c and the arch file, and the
 * compiler's entry for a raw section (tests, fuzzers).  Input: .eh_frame bytes
 * (untrusted).  Output: cells of abi/unwind.h.
 */
#ifndef PV_UNWIND_CFI_H
#define PV_UNWIND_CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/unwind.h"
#include "base/err.h"
#include "base/vec.h"
#include "elf/ehframe.h"
#include "elf/elf.h"

struct pv_unwind_table;

/* A DWARF expression: its bytes within the section. */
struct pv_cfi_expr {
	const uint8_t *at;
	size_t n;
};

enum pv_cfi_rule_kind {
	PV_RULE_SAME,
	PV_RULE_UNDEFINED,
	PV_RULE_AT_CFA, /* saved at CFA + offset */
	PV_RULE_EXPR,   /* saved at the address that expr computes */
	PV_RULE_OTHER,  /* in a register, a computed value: not compiled */
};

struct pv_cfi_rule {
	enum pv_cfi_rule_kind kind;
	int64_t offset;
	struct pv_cfi_expr expr;
};

enum pv_cfi_cfa_kind {
	PV_CFI_CFA_UNSET, /* no rule yet */
	PV_CFI_CFA_REG,   /* reg + offset */
	PV_CFI_CFA_EXPR,
	PV_CFI_CFA_BAD,
};

/* All that we track of a row of DWARF's table (DWARF 5, 6.4.1). */
struct pv_cfi_state {
	bool broken; /* nothing is known; the instructions themselves were bad */
	enum pv_cfi_cfa_kind cfa;
	uint64_t reg;
	int64_t offset;
	struct pv_cfi_expr expr;
	struct pv_cfi_rule fp, ra; /* the frame pointer's and the return address's */
};

/* A function to compile: [start, limit), cut short where the next one begins. */
struct pv_cfi_function {
	uint64_t start, limit, end; /* ELF vaddrs; end is the FDE's own */
	uint32_t insns, insns_end;
	uint32_t cie;
};

/* Rows being made; pcs are relative to base. */
struct pv_cfi_rows {
	struct pv_vec cells; /* of uint64_t; rows from index first on */
	size_t first;
	uint64_t base;
	uint32_t n_unsupported;
};

/* Appends a row unless it says what the row before it says. */
struct pv_err *pv_cfi_emit(struct pv_cfi_rows *rows, uint64_t vaddr, struct pv_unwind_row row);

/*
 * The state that the instructions of each CIE leave behind.  Made once a CIE:
 * running them for each FDE would let a small file cost quadratic time.
 */
struct pv_err *pv_cfi_initial_states(const struct pv_ehframe *it, struct pv_cfi_state **ret);

/* Runs the instructions of one function and emits its rows, without the end. */
struct pv_err *pv_cfi_run(const struct pv_ehframe *it, const struct pv_cfi_state *initial,
			  const struct pv_cfi_function *function, struct pv_cfi_rows *rows);

/*
 * Compiles raw .eh_frame bytes at vaddr.  Only code inside one of the n_text
 * ranges counts (n_text = 0: all of it).  entry: where the program begins, 0 if
 * it does not: nobody has called it, whether the section says so or not.
 */
struct pv_err *pv_unwind_compile_raw(const void *data, size_t n, uint64_t vaddr,
				     const struct pv_fde_range *text, size_t n_text, uint64_t entry,
				     struct pv_unwind_table *ret);

#endif
