/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where modules' data are.
 * Input: struct pv_maps, ELF program headers in the process.  Output: ranges.
 */
#include "heap/modules.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "target/maps.h"
#include "target/mem.h"

enum { SEGMENTS_MAX = 64 };
#define MODULE_MAX (4ULL << 30) /* bytes; no module is that large */

/* The end of its segments in memory; 0: it is no ELF file. */
static uint64_t end_of(struct pv_mem *mem, uint64_t base)
{
	Elf64_Phdr segments[SEGMENTS_MAX];
	uint64_t low = UINT64_MAX, high = 0;
	Elf64_Ehdr head;

	if (pv_mem_read(mem, &head, sizeof(head), base) || memcmp(head.e_ident, ELFMAG, SELFMAG) ||
	    head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_phentsize != sizeof(Elf64_Phdr) ||
	    !head.e_phnum || head.e_phnum > SEGMENTS_MAX || head.e_phoff > PN_XNUM ||
	    pv_mem_read(mem, segments, head.e_phnum * sizeof(*segments), base + head.e_phoff))
		return 0;
	for (int i = 0; i < head.e_phnum; i++) {
		const Elf64_Phdr *segment = &segments[i];

		if (segment->p_type != PT_LOAD || segment->p_memsz > MODULE_MAX)
			continue;
		/* the first one is mapped from the beginning of its page */
		if (segment->p_vaddr - segment->p_offset % 4096 < low)
			low = segment->p_vaddr - segment->p_offset % 4096;
		if (segment->p_vaddr + segment->p_memsz > high)
			high = segment->p_vaddr + segment->p_memsz;
	}
	low &= ~4095ULL;
	return high <= low || high - low > MODULE_MAX ? 0 : base + (high - low);
}

struct pv_err *pv_module_ranges_read(struct pv_mem *mem, const struct pv_maps *maps,
				     struct pv_module_ranges *ret)
{
	struct pv_vec ranges = PV_VEC(struct pv_module_range);
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < maps->n; i++) {
		const struct pv_map_entry *entry = &maps->entries[i];
		struct pv_module_range range = { entry->start, entry->end, entry->path };
		struct pv_module_range *last = ranges.n ? pv_vec_at(&ranges, ranges.n - 1) : NULL;

		if (!entry->inode || entry->shared)
			continue;
		if (last && entry->start < last->end && entry->end <= last->end)
			continue;
		if (!entry->offset && entry->readable) {
			uint64_t end = end_of(mem, entry->start);

			range.end = end > range.end ? end : range.end;
		}
		err = pv_vec_append(&ranges, &range, 1, NULL);
	}
	if (err) {
		pv_vec_deinit(&ranges);
		return err;
	}
	*ret = (struct pv_module_ranges){ ranges.data, ranges.n };
	return NULL;
}

void pv_module_ranges_deinit(struct pv_module_ranges *modules)
{
	free(modules->ranges);
	*modules = (struct pv_module_ranges){ 0 };
}

const struct pv_module_range *pv_module_range_find(const struct pv_module_ranges *modules,
						   uint64_t address)
{
	size_t lo = 0, hi = modules->n;

	/* the last one that begins at or before it */
	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if (modules->ranges[middle].start <= address)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo && address < modules->ranges[lo - 1].end ? &modules->ranges[lo - 1] : NULL;
}
