/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relocations that the dynamic linker does.  Input: the sections of an open
 * object, untrusted.  Output: places, types and names of symbols.
 */
#include <elf.h>
#include <string.h>

#include "elf/elf.h"
#include "elf/internal.h"

static const char *symbol_name(const struct pv_elf *elf, const struct pv_elf_shdr *symbols,
			       uint64_t index)
{
	struct pv_elf_strings strings;
	const uint8_t *data;
	const char *name;
	Elf64_Sym sym;

	if (!symbols || !index || index >= symbols->size / sizeof(sym))
		return "";
	data = pv_elf_bytes(elf, symbols->offset, symbols->size);
	if (!data)
		return "";
	memcpy(&sym, data + index * sizeof(sym), sizeof(sym));
	strings = pv_elf_strings(elf, symbols->link);
	name = pv_elf_string(&strings, sym.st_name);
	return name ? name : "";
}

/* The symbols that a section's relocations are of; of a static program's they have none. */
static const struct pv_elf_shdr *symbols_of(const struct pv_elf *elf,
					    const struct pv_elf_shdr *table)
{
	if (table->link >= elf->n_sections || elf->sections[table->link].type != SHT_DYNSYM)
		return NULL;
	return &elf->sections[table->link];
}

void pv_elf_each_relocation(const struct pv_elf *elf,
			    bool (*fn)(void *ctx, const struct pv_elf_relocation *relocation),
			    void *ctx)
{
	for (size_t i = 1; i < elf->n_sections; i++) {
		const struct pv_elf_shdr *table = &elf->sections[i], *symbols;
		const uint8_t *data;

		if (table->type != SHT_RELA || !table->vaddr)
			continue;
		data = pv_elf_bytes(elf, table->offset, table->size);
		symbols = symbols_of(elf, table);
		for (uint64_t k = 0; data && k < table->size / sizeof(Elf64_Rela); k++) {
			struct pv_elf_relocation relocation;
			Elf64_Rela rela;

			memcpy(&rela, data + k * sizeof(rela), sizeof(rela));
			relocation = (struct pv_elf_relocation){
				.vaddr = rela.r_offset,
				.addend = (uint64_t)rela.r_addend,
				.name = symbol_name(elf, symbols, ELF64_R_SYM(rela.r_info)),
				.type = (uint32_t)ELF64_R_TYPE(rela.r_info),
			};
			if (!fn(ctx, &relocation))
				return;
		}
	}
}
