/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fixture's memory in which some bytes are others, or cannot be read.
 * Input: another struct pv_mem, not owned.  Output: reads of it; where they were.
 */
#ifndef PV_TESTS_WALK_OVERLAY_H
#define PV_TESTS_WALK_OVERLAY_H

#include <errno.h>
#include <string.h>

#include "target/mem.h"

enum { OVERLAY_PATCHES = 16, OVERLAY_READS = 8192 };

struct overlay {
	struct pv_mem mem;
	struct pv_mem *inner;
	struct {
		uint64_t addr;
		unsigned char bytes[16];
		size_t n;
	} patches[OVERLAY_PATCHES];
	unsigned int n_patches;
	uint64_t bad; /* no read that begins here succeeds; 0: none */
	uint64_t reads[OVERLAY_READS];
	unsigned int n_reads; /* more than fit: counted only */
};

static inline int overlay_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct overlay *overlay = (struct overlay *)mem;
	int error;

	if (overlay->n_reads < OVERLAY_READS)
		overlay->reads[overlay->n_reads] = addr;
	overlay->n_reads++;
	if (overlay->bad && addr == overlay->bad)
		return -EFAULT;
	error = pv_mem_read(overlay->inner, dst, n, addr);
	for (unsigned int i = 0; i < overlay->n_patches; i++) {
		for (size_t j = 0; j < overlay->patches[i].n; j++) {
			uint64_t at = overlay->patches[i].addr + j;

			if (at >= addr && at < addr + n)
				((unsigned char *)dst)[at - addr] = overlay->patches[i].bytes[j];
		}
		/* what the fixture has not */
		if (addr >= overlay->patches[i].addr &&
		    addr + n <= overlay->patches[i].addr + overlay->patches[i].n)
			error = 0;
	}
	return error;
}

static inline void overlay_init(struct overlay *overlay, struct pv_mem *inner)
{
	*overlay = (struct overlay){ .mem.read = overlay_read, .inner = inner };
}

static inline void overlay_put(struct overlay *overlay, uint64_t addr, const void *bytes, size_t n)
{
	unsigned int i = overlay->n_patches++;

	overlay->patches[i].addr = addr;
	overlay->patches[i].n = n;
	memcpy(overlay->patches[i].bytes, bytes, n);
}

static inline void overlay_put_u64(struct overlay *overlay, uint64_t addr, uint64_t value)
{
	overlay_put(overlay, addr, &value, sizeof(value));
}

#endif
