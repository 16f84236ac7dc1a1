/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The records of one .eh_frame section: CIEs and FDEs.  Input: the raw bytes
 * (untrusted) and their ELF virtual address.  Output: FDE ranges for fde.c,
 * and what the compiler in unwind/ needs to interpret their instructions.
 */
#ifndef PV_ELF_EHFRAME_H
#define PV_ELF_EHFRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"

/* Instructions are given as offsets into the section, end exclusive. */
struct pv_ehframe_cie {
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_register;
	uint32_t insns, insns_end;
	uint8_t encoding;  /* enum pv_pointer_encoding of addresses in its FDEs */
	bool augmented;    /* 'z': FDEs carry a length of augmentation data */
	bool signal_frame; /* 'S' */
	bool usable;       /* false: an augmentation that we do not know */
};

struct pv_ehframe_fde {
	uint64_t start, end; /* ELF virtual addresses, end exclusive, start < end */
	uint32_t insns, insns_end;
	uint32_t cie; /* index for pv_ehframe_cie_at */
};

struct pv_ehframe {
	const uint8_t *data;
	size_t n;
	uint64_t vaddr;
	size_t at; /* offset of the next record */
	struct pv_vec cies;
	struct pv_map cie_by_offset;
	uint64_t last_cie_offset; /* most FDEs share the CIE of the one before */
	uint32_t last_cie;
	uint32_t n_skipped; /* FDEs that could not be read; empty ones do not count */
};

/* The data must outlive the iterator.  Sections over 4 GiB are cut there. */
void pv_ehframe_init(struct pv_ehframe *it, const void *data, size_t n, uint64_t vaddr);
void pv_ehframe_deinit(struct pv_ehframe *it);

/*
 * The next FDE in file order; found_ret is false at the end.  Only CIEs that
 * were passed as records are accepted, so hostile CIE pointers cannot make
 * overlapping CIEs, and the work stays linear in the size of the section.
 */
struct pv_err *pv_ehframe_next(struct pv_ehframe *it, struct pv_ehframe_fde *ret, bool *found_ret);

static inline const struct pv_ehframe_cie *pv_ehframe_cie_at(const struct pv_ehframe *it,
							     uint32_t index)
{
	return pv_vec_at(&it->cies, index);
}

/* Bytes up to the zero terminator (or the first impossible record). */
size_t pv_ehframe_size(const void *data, size_t n);

#endif
