/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The compiled unwind table of one ELF object, and the mappings of a process,
 * as they stand in the BPF maps and in the cache file.
 *
 * A table is an array of 8-byte cells: first one struct pv_unwind_page for
 * each 4 KiB page of [base, base + npages * 4096), then the rows, sorted by pc.
 */
#ifndef PV_ABI_UNWIND_H
#define PV_ABI_UNWIND_H

#include "abi/types.h"

/* How the canonical frame address (CFA) is found.  Low 4 bits of kinds. */
enum pv_cfa_kind {
	PV_CFA_NONE = 0,        /* no unwind information here (a gap) */
	PV_CFA_RSP = 1,         /* rsp + cfa_off */
	PV_CFA_RBP = 2,         /* rbp + cfa_off */
	PV_CFA_PLT = 3,         /* rsp + 8 + ((rip & 15) >= cfa_off ? 8 : 0) */
	PV_CFA_DEREF_RBP = 4,   /* *(rbp + cfa_off) + cfa_add */
	PV_CFA_DEREF_RSP = 5,   /* *(rsp + cfa_off) + cfa_add */
	PV_CFA_SIGRETURN = 6,   /* 'S' augmentation: registers are in the ucontext at sp */
	PV_CFA_END = 7,         /* return address undefined: outermost frame */
	PV_CFA_UNSUPPORTED = 8, /* a rule that we do not compile */
};

/* Where the caller's rbp is.  High 4 bits of kinds. */
enum pv_rbp_kind {
	PV_RBP_SAME = 0, /* unchanged */
	PV_RBP_CFA = 1,  /* *(cfa + rbp_off * 8) */
	PV_RBP_UNDEFINED = 2,
	PV_RBP_AT_RBP = 3, /* *(rbp + rbp_off * 8): frames with realigned stacks */
};

/*
 * One row, in effect from pc up to the next row.  cfa_off counts 8-byte words;
 * an offset that is no multiple of 8 compiles to PV_CFA_UNSUPPORTED.  For DEREF kinds the low byte
 * of cfa_off is the signed offset in words, the high byte the signed addend in
 * words.  For PLT cfa_off is the threshold (11 in all linkers seen).
 */
struct pv_unwind_row {
	__u32 pc;      /* from the object's base */
	__s16 cfa_off; /* 8-byte words */
	__u8 kinds;    /* enum pv_cfa_kind | enum pv_rbp_kind << 4 */
	__s8 rbp_off;  /* 8-byte words, from the CFA */
};
PV_STATIC_ASSERT(sizeof(struct pv_unwind_row) == 8, "a row is 8 bytes");

/* The rows of one 4 KiB page: the row in effect at its start .. its last. */
struct pv_unwind_page {
	__u32 first; /* index of a row, from the first row of the table */
	__u32 last;  /* inclusive; last < first: no row at all */
};
PV_STATIC_ASSERT(sizeof(struct pv_unwind_page) == 8, "a page entry is 8 bytes");

enum { PV_UNWIND_PAGE_SHIFT = 12 };

/*
 * One executable mapping of a process.  Sorted by start within a process.
 * elf_vaddr = pc - bias;  row pc = elf_vaddr - base.
 */
struct pv_mapping {
	__u64 start, end; /* addresses in the process, end exclusive */
	__u64 bias;       /* load bias: process address - ELF virtual address */
	__u32 object;     /* id of the object (1..), 0: no file (JIT, anonymous) */
	__u32 segment;    /* which segment of the unwind arena */
	__u32 cell;       /* first cell (page entries) within the segment */
	__u32 npages;     /* number of page entries, 0: no table */
	__u64 base;       /* ELF virtual address of page 0 */
};
PV_STATIC_ASSERT(sizeof(struct pv_mapping) == 48, "a mapping is 48 bytes");

#endif
