/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the reader of ELF objects with small images.  Input: an image.
 * Output: a sanitizer's report when something is read beyond it; every byte
 * that the interface hands out is touched.
 *
 * tests/fuzz/run elf SECONDS, or by hand from the top of the tree:
 * clang -std=gnu17 -D_GNU_SOURCE -g -O1 -Isrc -fsanitize=fuzzer,address,undefined
 *   tests/fuzz/fuzz_elf.c src/base/err.c src/base/vec.c src/base/map.c
 *   src/elf/[a-z]*.c src/unwind/[a-z]*.c -lelf -lz -o fuzz_elf
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "elf/elf.h"
#include "unwind/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static volatile uint64_t sink;

static void touch(const void *data, uint64_t n)
{
	const uint8_t *bytes = data;
	uint64_t sum = 0;

	for (uint64_t i = 0; bytes && i < n; i++)
		sum += bytes[i];
	sink += sum;
}

static bool see(void *ctx, const struct pv_elf_symbol *symbol)
{
	uint64_t *n = ctx;

	touch(symbol->name, strlen(symbol->name));
	touch(&symbol->vaddr, sizeof(symbol->vaddr));
	return ++*n < 100000;
}

static void use_sections(const struct pv_elf *elf)
{
	static const char *const names[] = { ".text", ".bss", ".eh_frame", ".gnu_debugdata", "" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct pv_elf_section section;

		if (pv_elf_section(elf, names[i], &section))
			touch(section.data, section.size);
	}
}

static void use_loads(const struct pv_elf *elf)
{
	for (size_t i = 0; i < pv_elf_n_loads(elf) && i < 64; i++) {
		const struct pv_elf_load *load = pv_elf_load_at(elf, i);
		uint64_t bias;

		touch(pv_elf_data(elf, load->vaddr, load->file_size), load->file_size);
		touch(pv_elf_data(elf, load->vaddr + load->file_size - 1, 1), 1);
		if (pv_elf_bias(elf, 0x7f0000000000, load->offset & ~0xfffULL, &bias))
			sink += bias;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct pv_elf_symbol symbol;
	struct pv_elf_section section;
	struct pv_unwind_table table;
	struct pv_fde_range *ranges;
	struct pv_elf *elf;
	struct pv_err *err = pv_elf_open_memory(data, n, &elf);
	const char *name;
	uint64_t seen = 0;
	size_t n_ranges;
	uint32_t crc;

	if (err) {
		pv_err_destroy(err);
		return 0;
	}
	touch(pv_elf_build_id(elf)->bytes, pv_elf_build_id(elf)->n);
	use_loads(elf);
	use_sections(elf);
	pv_elf_each_symbol(elf, see, &seen);
	if (pv_elf_find_symbol(elf, "main", &symbol))
		touch(symbol.name, strlen(symbol.name));
	if (pv_elf_debuglink(elf, &name, &crc))
		touch(name, strlen(name) + crc % 2);
	sink += pv_elf_file_crc(elf);
	if (pv_elf_eh_frame(elf, &section))
		touch(section.data, section.size);
	if (!pv_elf_fde_ranges(elf, &ranges, &n_ranges)) {
		touch(ranges, n_ranges * sizeof(*ranges));
		free(ranges);
	}
	if (!pv_unwind_compile(elf, &table)) {
		touch(table.cells, ((uint64_t)table.npages + table.nrows) * 8);
		pv_unwind_table_deinit(&table);
	}
	pv_elf_close(elf);
	return 0;
}
