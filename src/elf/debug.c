/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opens debug information in memory, bounded.  Input: struct pv_elf.  Output: struct pv_elf_debug.
 */
#include "elf/debug.h"

#include <dwarf.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "elf/inlined.h"
#include "elf/internal.h"

/* Of libpython's 30 MiB; what is more takes longer to inflate than anybody waits. */
static const uint64_t bytes_max = 256 << 20;

/* How large it is once it is inflated. */
static uint64_t inflated(Elf *e)
{
	uint64_t n = 0;

	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(e, scn));) {
		GElf_Shdr shdr;
		GElf_Chdr chdr;
		uint64_t size = 0;

		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type == SHT_NOBITS)
			continue;
		if (shdr.sh_flags & SHF_COMPRESSED)
			size = gelf_getchdr(scn, &chdr) ? chdr.ch_size : 0;
		if (__builtin_add_overflow(n, size, &n))
			return UINT64_MAX;
	}
	return n;
}

struct pv_err *pv_elf_debug_open(const struct pv_elf *elf, struct pv_elf_debug *ret)
{
	*ret = (struct pv_elf_debug){ 0 };
	if (!pv_elf_has_debug_info(elf) || elf->n > bytes_max)
		return NULL;
	ret->copy = malloc(elf->n);
	if (!ret->copy)
		return &pv_enomem;
	memcpy(ret->copy, elf->image, elf->n);
	ret->elf = elf_memory(ret->copy, elf->n);
	if (ret->elf && inflated(ret->elf) <= bytes_max)
		ret->dwarf = dwarf_begin_elf(ret->elf, DWARF_C_READ, NULL);
	return NULL;
}

void pv_elf_debug_close(struct pv_elf_debug *debug)
{
	dwarf_end(debug->dwarf);
	elf_end(debug->elf);
	free(debug->copy);
	*debug = (struct pv_elf_debug){ 0 };
}

bool pv_elf_debug_elsewhere(Dwarf_Attribute *attr)
{
	switch (dwarf_whatform(attr)) {
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
	case DW_FORM_ref_sup4:
	case DW_FORM_ref_sup8:
	case DW_FORM_strp_sup:
		return true;
	default:
		return false;
	}
}
