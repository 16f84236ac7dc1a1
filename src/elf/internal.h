/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct pv_elf, shared by the files of this folder only.  Input: what elf.c
 * found in the headers.  Output: bounded views into the image.
 */
#ifndef PV_ELF_INTERNAL_H
#define PV_ELF_INTERNAL_H

#include "elf/elf.h"

/* A section header, as untrusted as it was; the bytes come by pv_elf_bytes. */
struct pv_elf_shdr {
	uint64_t vaddr, offset, size;
	uint32_t name, type, link;
};

struct pv_elf {
	const uint8_t *image; /* the whole file */
	size_t n;
	bool mapped; /* image is a file mapping, else malloc */
	struct pv_build_id build_id;
	struct pv_elf_load *loads;
	size_t n_loads;
	struct pv_elf_shdr *sections;
	size_t n_sections;
	size_t section_names;  /* index of .shstrtab */
	uint64_t eh_frame_hdr; /* vaddr of PT_GNU_EH_FRAME, 0: none */
};

/* n bytes of the file at offset, NULL if they are not all there. */
const uint8_t *pv_elf_bytes(const struct pv_elf *elf, uint64_t offset, uint64_t n);

/* All bytes that the file has from vaddr to the end of its segment; NULL: none. */
const uint8_t *pv_elf_data_from(const struct pv_elf *elf, uint64_t vaddr, uint64_t *n_ret);

/* A string table; every offset below n is a terminated string. */
struct pv_elf_strings {
	const char *data;
	uint64_t n;
};
struct pv_elf_strings pv_elf_strings(const struct pv_elf *elf, size_t section);

static inline const char *pv_elf_string(const struct pv_elf_strings *strings, uint64_t offset)
{
	return offset < strings->n ? strings->data + offset : NULL;
}

#endif
