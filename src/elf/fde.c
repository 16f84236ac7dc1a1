/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where .eh_frame is, and the address ranges of its FDEs.  Input: an open
 * object, untrusted.  Output: function ranges that exist even when stripped.
 */
#include <elf.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "elf/ehframe.h"
#include "elf/elf.h"
#include "elf/internal.h"
#include "elf/reader.h"

/* The vaddr of .eh_frame as .eh_frame_hdr has it (LSB 5.0 core, 10.6.2). */
static bool hdr_eh_frame(const struct pv_elf *elf, uint64_t *ret)
{
	uint64_t vaddr = elf->eh_frame_hdr, n, value;
	const uint8_t *data = pv_elf_data_from(elf, vaddr, &n);
	struct pv_reader r;

	if (!data || n < 4 || data[0] != 1 || data[1] == PV_PE_OMIT)
		return false;
	r = (struct pv_reader){ .at = data + 4, .end = data + n };
	value = pv_reader_encoded(&r, data[1], vaddr + 4, vaddr);
	if (r.bad)
		return false;
	*ret = value;
	return true;
}

/* The size that the section header gives, if one begins at vaddr. */
static uint64_t section_size_at(const struct pv_elf *elf, uint64_t vaddr)
{
	for (size_t i = 1; i < elf->n_sections; i++) {
		const struct pv_elf_shdr *shdr = &elf->sections[i];

		/* SHT_X86_64_UNWIND is what the psABI and lld call it. */
		if (shdr->vaddr == vaddr && shdr->size &&
		    (shdr->type == SHT_PROGBITS || shdr->type == SHT_X86_64_UNWIND))
			return shdr->size;
	}
	return 0;
}

bool pv_elf_eh_frame(const struct pv_elf *elf, struct pv_elf_section *ret)
{
	uint64_t vaddr, n;
	const void *data;

	if (!elf->eh_frame_hdr || !hdr_eh_frame(elf, &vaddr))
		return pv_elf_section(elf, ".eh_frame", ret) && ret->data;
	n = section_size_at(elf, vaddr);
	data = pv_elf_data(elf, vaddr, n);
	if (!data || !n) {
		data = pv_elf_data_from(elf, vaddr, &n);
		if (!data)
			return false;
		n = pv_ehframe_size(data, n);
	}
	*ret = (struct pv_elf_section){ vaddr, n, data };
	return true;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct pv_fde_range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? -1 : x->end > y->end;
}

struct pv_err *pv_elf_fde_ranges(const struct pv_elf *elf, struct pv_fde_range **ret, size_t *n_ret)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec ranges = PV_VEC(struct pv_fde_range);
	PV_CLEANUP(pv_ehframe_deinit) struct pv_ehframe it = { 0 };
	struct pv_elf_section section = { 0 };
	bool found = true;

	if (!pv_elf_eh_frame(elf, &section))
		section = (struct pv_elf_section){ 0 };
	pv_ehframe_init(&it, section.data, section.size, section.vaddr);
	for (;;) {
		struct pv_ehframe_fde fde;
		struct pv_err *err = pv_ehframe_next(&it, &fde, &found);

		if (err)
			return err;
		if (!found)
			break;
		err = pv_vec_append(&ranges, &(struct pv_fde_range){ fde.start, fde.end }, 1, NULL);
		if (err)
			return err;
	}
	if (ranges.n)
		qsort(ranges.data, ranges.n, sizeof(struct pv_fde_range), compare_ranges);
	*n_ret = ranges.n;
	*ret = pv_steal(ranges.data);
	return NULL;
}

const struct pv_fde_range *pv_elf_fde_find(const struct pv_fde_range *ranges, size_t n,
					   uint64_t vaddr)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges[middle].end <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && ranges[low].start <= vaddr ? &ranges[low] : NULL;
}
