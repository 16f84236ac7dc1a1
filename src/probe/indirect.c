/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which function an IFUNC has become.  Input: relocations, the words that they have
 * filled in.  Output: an address.
 */
#include "probe/indirect.h"

#include <elf.h>
#include <string.h>

#include "elf/elf.h"
#include "target/mem.h"

struct choice {
	const struct pv_indirect_module *home; /* where the function is */
	const struct pv_indirect_module *at;   /* whose relocations are looked at */
	const char *name;
	uint64_t resolver;
	struct pv_mem *mem;
	uint64_t chosen;
	bool found;
};

static bool is_meant(const struct choice *choice, const struct pv_elf_relocation *relocation)
{
	switch (relocation->type) {
	case R_X86_64_IRELATIVE:
		return choice->at == choice->home && relocation->addend == choice->resolver;
	case R_X86_64_JUMP_SLOT:
	case R_X86_64_GLOB_DAT:
		return !strcmp(relocation->name, choice->name);
	default:
		return false;
	}
}

static bool on_relocation(void *ctx, const struct pv_elf_relocation *relocation)
{
	struct choice *choice = ctx;
	uint64_t word, vaddr;

	if (!is_meant(choice, relocation) ||
	    pv_mem_read_u64(choice->mem, choice->at->bias + relocation->vaddr, &word))
		return true;
	vaddr = word - choice->home->bias;
	if (!pv_elf_is_code(choice->home->elf, vaddr) || vaddr == choice->resolver)
		return true;
	/* not bound yet it leads to its own module's linkage table, which is code of it, too */
	if (choice->at == choice->home && relocation->type != R_X86_64_IRELATIVE)
		return true;
	choice->chosen = vaddr;
	choice->found = true;
	return false;
}

bool pv_indirect_chosen(const struct pv_indirect_module *modules, size_t n, size_t index,
			const char *name, uint64_t vaddr, struct pv_mem *mem, uint64_t *ret)
{
	struct choice choice = {
		.home = &modules[index],
		.name = name,
		.resolver = vaddr,
		.mem = mem,
	};

	/* its own module's first: they are filled in when it is loaded, whoever calls it */
	for (size_t i = 0; i < n && !choice.found; i++) {
		choice.at = &modules[i ? i - (i <= index) : index];
		pv_elf_each_relocation(choice.at->elf, on_relocation, &choice);
	}
	if (choice.found)
		*ret = choice.chosen;
	return choice.found;
}
