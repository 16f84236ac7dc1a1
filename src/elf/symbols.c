/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The symbols of .symtab and .dynsym.  Input: the sections of an open object,
 * untrusted.  Output: defined symbols with an address, in file order.
 */
#include <elf.h>
#include <string.h>

#include "elf/elf.h"
#include "elf/internal.h"

/* Has it a name and an address in the object?  TLS values are offsets; ABS are version names. */
static bool symbol_wanted(const Elf64_Sym *sym)
{
	switch (ELF64_ST_TYPE(sym->st_info)) {
	case STT_NOTYPE:
	case STT_OBJECT:
	case STT_FUNC:
	case STT_GNU_IFUNC:
		break;
	default:
		return false;
	}
	return sym->st_name && sym->st_shndx != SHN_UNDEF && sym->st_shndx != SHN_ABS &&
	       sym->st_shndx != SHN_COMMON;
}

/* The versions of the symbols of .dynsym (LSB 5.0 core, 10.7.2); NULL: there are none. */
static const uint8_t *versions_of(const struct pv_elf *elf, const struct pv_elf_shdr *table,
				  uint64_t n)
{
	for (size_t i = 1; table->type == SHT_DYNSYM && i < elf->n_sections; i++) {
		const struct pv_elf_shdr *shdr = &elf->sections[i];

		if (shdr->type == SHT_GNU_versym && shdr->size / sizeof(Elf64_Versym) >= n)
			return pv_elf_bytes(elf, shdr->offset, shdr->size);
	}
	return NULL;
}

/* One that only programs which were linked long ago get: foo@V1, where foo@@V2 is the default. */
static bool is_old_version(const uint8_t *versions, uint64_t index, const char *name)
{
	const char *at = strchr(name, '@');
	Elf64_Versym version = 0;

	if (versions)
		memcpy(&version, versions + index * sizeof(version), sizeof(version));
	return version & 0x8000 || (at && at != name && at[1] != '@');
}

static bool each_of_table(const struct pv_elf *elf, const struct pv_elf_shdr *table,
			  bool (*fn)(void *ctx, const struct pv_elf_symbol *symbol), void *ctx)
{
	const uint8_t *data = pv_elf_bytes(elf, table->offset, table->size);
	struct pv_elf_strings strings = pv_elf_strings(elf, table->link);
	uint64_t n = data ? table->size / sizeof(Elf64_Sym) : 0;
	const uint8_t *versions = versions_of(elf, table, n);

	for (uint64_t i = 1; i < n; i++) {
		struct pv_elf_symbol symbol;
		Elf64_Sym sym;
		unsigned int type;

		memcpy(&sym, data + i * sizeof(sym), sizeof(sym));
		if (!symbol_wanted(&sym))
			continue;
		type = ELF64_ST_TYPE(sym.st_info);
		symbol = (struct pv_elf_symbol){
			.vaddr = sym.st_value,
			.size = sym.st_size,
			.name = pv_elf_string(&strings, sym.st_name),
			.is_function = type == STT_FUNC || type == STT_GNU_IFUNC,
			.is_indirect = type == STT_GNU_IFUNC,
			.is_global = ELF64_ST_BIND(sym.st_info) != STB_LOCAL,
			.from_dynsym = table->type == SHT_DYNSYM,
		};
		if (!symbol.name || !*symbol.name)
			continue;
		symbol.is_old = is_old_version(versions, i, symbol.name);
		if (!fn(ctx, &symbol))
			return false;
	}
	return true;
}

void pv_elf_each_symbol(const struct pv_elf *elf,
			bool (*fn)(void *ctx, const struct pv_elf_symbol *symbol), void *ctx)
{
	static const uint32_t types[] = { SHT_SYMTAB, SHT_DYNSYM };

	for (size_t t = 0; t < 2; t++) {
		/* One table of a kind (gABI); more would let a small file cost much time. */
		for (size_t i = 1; i < elf->n_sections; i++) {
			if (elf->sections[i].type != types[t])
				continue;
			if (!each_of_table(elf, &elf->sections[i], fn, ctx))
				return;
			break;
		}
	}
}

struct find {
	const char *name;
	size_t n;
	struct pv_elf_symbol symbol;
	bool found;
};

/* .symtab carries versioned names, as in memcpy@@GLIBC_2.14. */
static bool find_one(void *ctx, const struct pv_elf_symbol *symbol)
{
	struct find *find = ctx;

	if (*symbol->name != *find->name || strncmp(symbol->name, find->name, find->n) ||
	    (symbol->name[find->n] && symbol->name[find->n] != '@'))
		return true;
	find->symbol = *symbol;
	find->found = true;
	return false;
}

bool pv_elf_find_symbol(const struct pv_elf *elf, const char *name, struct pv_elf_symbol *ret)
{
	struct find find = { .name = name, .n = strlen(name) };

	pv_elf_each_symbol(elf, find_one, &find);
	if (find.found)
		*ret = find.symbol;
	return find.found;
}
