/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows as text, so that a person can review what is expected, and the promises
 * of a table.  Input: compiled tables.  Output: strings, failed assertions.
 */
#ifndef PV_TESTS_UNIT_UNWIND_ROWS_H
#define PV_TESTS_UNIT_UNWIND_ROWS_H

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "unwind/table.h"
#include "unwind_row_at.h"

enum { TEXT_BYTES = 96 };

static inline void row_text(const struct pv_unwind_row *row, char text[static TEXT_BYTES])
{
	int off = row->cfa_off * 8, rbp_off = row->rbp_off * 8;
	int deref = (int8_t)(row->cfa_off & 0xff) * 8, add = (int8_t)(row->cfa_off >> 8) * 8;
	int n = 0;

	switch (row->kinds & 15) {
	case PV_CFA_NONE:
		n = sprintf(text, "none");
		break;
	case PV_CFA_RSP:
		n = sprintf(text, "rsp%+d", off);
		break;
	case PV_CFA_RBP:
		n = sprintf(text, "rbp%+d", off);
		break;
	case PV_CFA_PLT:
		n = sprintf(text, "plt:%d", row->cfa_off);
		break;
	case PV_CFA_DEREF_RBP:
		n = sprintf(text, "*(rbp%+d)%+d", deref, add);
		break;
	case PV_CFA_DEREF_RSP:
		n = sprintf(text, "*(rsp%+d)%+d", deref, add);
		break;
	case PV_CFA_SIGRETURN:
		n = sprintf(text, "sigreturn");
		break;
	case PV_CFA_END:
		n = sprintf(text, "end");
		break;
	default:
		n = sprintf(text, "unsupported");
	}
	switch (row->kinds >> 4) {
	case PV_RBP_SAME:
		break;
	case PV_RBP_CFA:
		sprintf(text + n, " rbp=c%+d", rbp_off);
		break;
	case PV_RBP_UNDEFINED:
		sprintf(text + n, " rbp=?");
		break;
	default:
		sprintf(text + n, " rbp=*(rbp%+d)", rbp_off);
	}
}

static inline const struct pv_unwind_row *table_rows(const struct pv_unwind_table *table)
{
	return (const struct pv_unwind_row *)(table->cells + table->npages);
}

/* What abi/unwind.h and unwind/table.h promise, found by walking all rows. */
static inline void check_table(const struct pv_unwind_table *table)
{
	const struct pv_unwind_row *rows = table_rows(table);
	uint32_t row = 0;

	if (!table->npages) {
		ck_assert_uint_eq(table->nrows, 0);
		return;
	}
	ck_assert_uint_eq(table->base % 4096, 0);
	ck_assert_uint_gt(table->nrows, 0);
	ck_assert_uint_eq(rows[0].pc, 0);
	for (uint32_t i = 1; i < table->nrows; i++) {
		ck_assert_uint_lt(rows[i - 1].pc, rows[i].pc);
		ck_assert(memcmp(&rows[i - 1].cfa_off, &rows[i].cfa_off, 4) != 0);
	}
	ck_assert_uint_lt(rows[table->nrows - 1].pc, (uint64_t)table->npages * 4096);
	for (uint32_t i = 0; i < table->npages; i++) {
		struct pv_unwind_page page;
		uint64_t start = (uint64_t)i * 4096;

		memcpy(&page, &table->cells[i], 8);
		while (row + 1 < table->nrows && rows[row + 1].pc <= start)
			row++;
		bool first_good = page.first == row;
		while (row + 1 < table->nrows && rows[row + 1].pc < start + 4096)
			row++;
		if (!first_good || page.last != row)
			ck_abort_msg("page %u is %u..%u, should end at %u", i, page.first,
				     page.last, row);
	}
	ck_assert_ptr_null(row_at(table, table->base - 1));
	ck_assert_ptr_null(row_at(table, table->base + table->npages * 4096ULL));
}

#endif
