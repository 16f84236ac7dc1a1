/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The row in effect at an address.  Input: a compiled table.  Output: one of its rows.
 */
#ifndef PV_TESTS_UNIT_UNWIND_ROW_AT_H
#define PV_TESTS_UNIT_UNWIND_ROW_AT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "unwind/table.h"

/* vaddr: as in the ELF file; NULL: there is none. */
static inline const struct pv_unwind_row *row_at(const struct pv_unwind_table *table,
						 uint64_t vaddr)
{
	const struct pv_unwind_row *rows;
	struct pv_unwind_page page;
	uint64_t pc = vaddr - table->base, index = pc >> PV_UNWIND_PAGE_SHIFT;

	if (vaddr < table->base || index >= table->npages)
		return NULL;
	memcpy(&page, &table->cells[index], sizeof(page));
	rows = (const struct pv_unwind_row *)(table->cells + table->npages);
	while (page.first < page.last) {
		uint32_t middle = page.first + (page.last - page.first + 1) / 2;

		if (rows[middle].pc <= pc)
			page.first = middle;
		else
			page.last = middle - 1;
	}
	return page.first == page.last && rows[page.first].pc <= pc ? &rows[page.first] : NULL;
}

#endif
