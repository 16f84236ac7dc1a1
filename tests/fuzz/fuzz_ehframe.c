/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes the compiler of .eh_frame.  Input: section bytes; the first says at
 * which address they lie and what counts as code.  Output: an abort when the
 * table breaks what abi/unwind.h and unwind/table.h promise.
 *
 * tests/fuzz/run ehframe SECONDS, or by hand from the top of the tree:
 * clang -std=gnu17 -D_GNU_SOURCE -g -O1 -Isrc -fsanitize=fuzzer,address,undefined
 *   tests/fuzz/fuzz_ehframe.c src/base/err.c src/base/vec.c src/base/map.c
 *   src/elf/[a-z]*.c src/unwind/[a-z]*.c -lelf -lz -o fuzz_ehframe
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "elf/elf.h"
#include "unwind/cfi.h"
#include "unwind/table.h"

#include "../unit/unwind_row_at.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const uint64_t vaddrs[] = { 0, 0x2000, 0x400000, 0xfffffffffffff000 };

static void require(bool good)
{
	if (!good)
		abort();
}

static void check_pages(const struct pv_unwind_table *table, const struct pv_unwind_row *rows)
{
	uint32_t row = 0;

	for (uint32_t i = 0; i < table->npages; i++) {
		struct pv_unwind_page page;
		uint64_t start = (uint64_t)i << PV_UNWIND_PAGE_SHIFT;

		memcpy(&page, &table->cells[i], sizeof(page));
		while (row + 1 < table->nrows && rows[row + 1].pc <= start)
			row++;
		require(page.first == row);
		while (row + 1 < table->nrows && rows[row + 1].pc < start + 4096)
			row++;
		require(page.last == row);
	}
}

static void check_table(const struct pv_unwind_table *table)
{
	const struct pv_unwind_row *rows;

	if (!table->npages) {
		require(!table->nrows);
		return;
	}
	rows = (const struct pv_unwind_row *)(table->cells + table->npages);
	require(table->base % 4096 == 0 && table->nrows > 0 && rows[0].pc == 0);
	require(rows[table->nrows - 1].pc < (uint64_t)table->npages << PV_UNWIND_PAGE_SHIFT);
	for (uint32_t i = 0; i < table->nrows; i++) {
		require(i == 0 || rows[i - 1].pc < rows[i].pc);
		require((rows[i].kinds & 15) <= PV_CFA_UNSUPPORTED);
		require(rows[i].kinds >> 4 <= PV_RBP_AT_RBP);
		/* each row is the one that is found at its first byte and at its last */
		require(row_at(table, table->base + rows[i].pc) == &rows[i]);
		require(i == 0 || row_at(table, table->base + rows[i].pc - 1) == &rows[i - 1]);
	}
	check_pages(table, rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct pv_fde_range text[2] = { { 0, 0x10000 }, { 0x400000, 0x500000 } };
	struct pv_unwind_table table, again;
	uint64_t vaddr, entry;
	bool filter;

	if (n == 0)
		return 0;
	vaddr = vaddrs[data[0] & 3];
	entry = (uint64_t)(data[0] >> 3) << 8;
	filter = !(data[0] & 4); /* without, one FDE far up makes 8 MB of pages */
	if (pv_unwind_compile_raw(data + 1, n - 1, vaddr, text, filter ? 2 : 0, entry, &table))
		return 0; /* out of memory */
	check_table(&table);
	/* deterministic, whatever the FDEs overlap */
	require(!pv_unwind_compile_raw(data + 1, n - 1, vaddr, text, filter ? 2 : 0, entry,
				       &again));
	require(table.nrows == again.nrows && table.npages == again.npages &&
		(!table.cells ||
		 !memcmp(table.cells, again.cells, ((size_t)table.npages + table.nrows) * 8)));
	pv_unwind_table_deinit(&again);
	pv_unwind_table_deinit(&table);
	return 0;
}
