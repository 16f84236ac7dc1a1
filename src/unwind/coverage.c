/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much of an object's code its unwind table covers.  Input: the table.  Output: bytes, for
 * doctor.
 */
#include "unwind/table.h"

#include <string.h>

static struct pv_unwind_row row_at(const struct pv_unwind_table *table, uint32_t index)
{
	struct pv_unwind_row row;

	memcpy(&row, &table->cells[table->npages + index], sizeof(row));
	return row;
}

static void count(enum pv_cfa_kind kind, uint64_t n, struct pv_unwind_coverage *ret)
{
	if (kind == PV_CFA_UNSUPPORTED)
		ret->unsupported += n;
	else if (kind != PV_CFA_NONE)
		ret->covered += n;
	else if (n > PV_UNWIND_PADDING)
		ret->bare += n;
}

void pv_unwind_cover(const struct pv_unwind_table *table, uint64_t start, uint64_t end,
		     struct pv_unwind_coverage *ret)
{
	uint64_t at = start;

	for (uint32_t i = 0; i < table->nrows && at < end; i++) {
		struct pv_unwind_row row = row_at(table, i);
		uint64_t from = table->base + row.pc;
		uint64_t to = i + 1 < table->nrows ? table->base + row_at(table, i + 1).pc : end;

		if (from > at) {
			count(PV_CFA_NONE, (from < end ? from : end) - at, ret);
			at = from;
		}
		if (to > end)
			to = end;
		if (to <= at || at >= end)
			continue;
		count(row.kinds & 15, to - at, ret);
		at = to;
	}
	if (at < end)
		count(PV_CFA_NONE, end - at, ret);
}
