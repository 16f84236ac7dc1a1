/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One ELF object: build-id, segments, sections, symbols, FDE ranges.  Input: a
 * file descriptor, or an image in memory (vdso).  All of it is untrusted.
 * libelf underneath, but no libelf type leaves this folder.
 */
#ifndef PV_ELF_ELF_H
#define PV_ELF_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { PV_BUILD_ID_MAX = 32 };

struct pv_build_id {
	uint8_t bytes[PV_BUILD_ID_MAX];
	size_t n; /* 0: the object has none */
};

struct pv_elf;

/* Takes ownership of fd, also on failure.  The file is mapped, not copied. */
struct pv_err *pv_elf_open(int fd, struct pv_elf **ret);

/* An image in memory, copied (vdso). */
struct pv_err *pv_elf_open_memory(const void *image, size_t n, struct pv_elf **ret);
void pv_elf_close(struct pv_elf *elf);

const struct pv_build_id *pv_elf_build_id(const struct pv_elf *elf);

/* ELF virtual address of the first instruction that a program runs; 0: none. */
uint64_t pv_elf_entry(const struct pv_elf *elf);

/* A program header of type PT_LOAD, in file order. */
struct pv_elf_load {
	uint64_t vaddr, offset, file_size, mem_size;
	bool executable, writable;
};
size_t pv_elf_n_loads(const struct pv_elf *elf);
const struct pv_elf_load *pv_elf_load_at(const struct pv_elf *elf, size_t index);

/*
 * Load bias (process address - ELF vaddr) of a mapping that begins at start
 * with the given file offset; false if no PT_LOAD matches.
 */
bool pv_elf_bias(const struct pv_elf *elf, uint64_t start, uint64_t offset, uint64_t *ret);

/* Where in the file the byte at an ELF virtual address is; false: it is not there. */
bool pv_elf_offset(const struct pv_elf *elf, uint64_t vaddr, uint64_t *ret);

/* Is it in a segment that is executed? */
bool pv_elf_is_code(const struct pv_elf *elf, uint64_t vaddr);

/* Bytes at an ELF virtual address from the file (NULL: not in the file, or fewer than n there). */
const void *pv_elf_data(const struct pv_elf *elf, uint64_t vaddr, size_t n);

/* A section by name (needs section headers); false if absent. data may be NULL (NOBITS). */
struct pv_elf_section {
	uint64_t vaddr, size;
	const void *data;
};
bool pv_elf_section(const struct pv_elf *elf, const char *name, struct pv_elf_section *ret);

/* .eh_frame by PT_GNU_EH_FRAME (works when stripped of section headers), else by section. */
bool pv_elf_eh_frame(const struct pv_elf *elf, struct pv_elf_section *ret);

/* A symbol of any type that has an address; .symtab first, then .dynsym. */
struct pv_elf_symbol {
	uint64_t vaddr, size;
	const char *name; /* valid while the elf is open */
	bool is_function; /* FUNC or GNU_IFUNC */
	bool is_indirect; /* GNU_IFUNC: vaddr is of what chooses the function */
	bool is_global;
	bool is_old; /* of a version that is not the default one */
	bool from_dynsym;
};

/* Exact name, false if absent. */
bool pv_elf_find_symbol(const struct pv_elf *elf, const char *name, struct pv_elf_symbol *ret);

/* Calls fn for every defined symbol of .symtab and .dynsym; stops when fn returns false. */
void pv_elf_each_symbol(const struct pv_elf *elf,
			bool (*fn)(void *ctx, const struct pv_elf_symbol *symbol), void *ctx);

/* What the dynamic linker fills in. */
struct pv_elf_relocation {
	uint64_t vaddr;   /* of the place that is filled in */
	uint64_t addend;  /* of type R_X86_64_IRELATIVE: the function that chooses */
	const char *name; /* of the symbol, "" if there is none; valid while the elf is open */
	uint32_t type;
};

/* Calls fn for every relocation of the object's; stops when fn returns false. */
void pv_elf_each_relocation(const struct pv_elf *elf,
			    bool (*fn)(void *ctx, const struct pv_elf_relocation *relocation),
			    void *ctx);

/* .gnu_debuglink: file name and CRC; false if absent. */
bool pv_elf_debuglink(const struct pv_elf *elf, const char **name_ret, uint32_t *crc_ret);

/* CRC-32 as .gnu_debuglink wants it, over the whole file. */
uint32_t pv_elf_file_crc(const struct pv_elf *elf);

/* One function range of .eh_frame. */
struct pv_fde_range {
	uint64_t start, end; /* ELF virtual addresses, end exclusive */
};

/* All ranges, sorted by start; ret is owned by the caller (free). */
struct pv_err *pv_elf_fde_ranges(const struct pv_elf *elf, struct pv_fde_range **ret,
				 size_t *n_ret);

/* The range that holds vaddr, among sorted ones; NULL: none does. */
const struct pv_fde_range *pv_elf_fde_find(const struct pv_fde_range *ranges, size_t n,
					   uint64_t vaddr);

#endif
