/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Makes the table of one object: functions sorted, compiled to rows, and an
 * index by pages before them.  Input: .eh_frame, untrusted.  Output: cells.
 */
#include "unwind/table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "elf/ehframe.h"
#include "elf/elf.h"
#include "unwind/bare.h"
#include "unwind/cfi.h"

enum { PAGE_BYTES = 1 << PV_UNWIND_PAGE_SHIFT };

/* Linkers make one, post-link tools a few; a bound keeps the look-ups linear. */
enum { TEXT_RANGES_MAX = 32 };

/* Row pcs have 32 bits. */
#define SPAN_MAX (1ULL << 32)

/* glibc's ld.so begins with 61 bytes by hand, _start and _dl_start_user, without an FDE. */
enum { ENTRY_BYTES_MAX = 256 };

static const struct pv_unwind_row row_none = { .kinds = PV_CFA_NONE };
static const struct pv_unwind_row row_end = { .kinds = PV_CFA_END };

/* Cuts the function to the first text range that holds its start. */
static bool clip_to_text(struct pv_cfi_function *function, const struct pv_fde_range *text,
			 size_t n_text)
{
	if (n_text == 0)
		return true;
	for (size_t i = 0; i < n_text; i++) {
		if (function->start < text[i].start || function->start >= text[i].end)
			continue;
		if (function->end > text[i].end)
			function->end = text[i].end;
		return true;
	}
	return false;
}

/*
 * By start.  Of functions that begin together the longest comes last, and of
 * equal ones the first in the file: it is the one that keeps its rows.
 */
static int compare_functions(const void *a, const void *b)
{
	const struct pv_cfi_function *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->end != y->end)
		return x->end < y->end ? -1 : 1;
	return x->insns > y->insns ? -1 : x->insns < y->insns;
}

static void sort_functions(struct pv_vec *functions)
{
	const struct pv_cfi_function *f = functions->data;

	/* Linkers mostly leave them in order. */
	for (size_t i = 1; i < functions->n; i++) {
		if (f[i - 1].start < f[i].start)
			continue;
		qsort(functions->data, functions->n, sizeof(*f), compare_functions);
		return;
	}
}

static struct pv_err *read_functions(struct pv_ehframe *it, const struct pv_fde_range *text,
				     size_t n_text, struct pv_vec *functions)
{
	for (;;) {
		struct pv_cfi_function function;
		struct pv_ehframe_fde fde;
		struct pv_err *err;
		bool found;

		err = pv_ehframe_next(it, &fde, &found);
		if (err)
			return err;
		if (!found)
			return NULL;
		function = (struct pv_cfi_function){
			.start = fde.start,
			.end = fde.end,
			.insns = fde.insns,
			.insns_end = fde.insns_end,
			.cie = fde.cie,
		};
		if (!clip_to_text(&function, text, n_text))
			continue;
		err = pv_vec_append(functions, &function, 1, NULL);
		if (err)
			return err;
	}
}

/*
 * Ends each function where the next one begins, as a binary search over the
 * starts finds it (libgcc's unwind-dw2-fde-dip.c), drops what lies over 4 GiB
 * above the first, and says how far the table reaches: to `end` in any case.
 */
static uint32_t limit_functions(struct pv_vec *functions, uint64_t base, uint64_t end,
				uint32_t *npages_ret)
{
	struct pv_cfi_function *f = functions->data;
	size_t n = functions->n;
	uint32_t n_dropped = 0;

	while (n > 0 && f[n - 1].start - base >= SPAN_MAX) {
		n--;
		n_dropped++;
	}
	functions->n = n;
	for (size_t i = 0; i < n; i++) {
		if (f[i].end - base > SPAN_MAX)
			f[i].end = base + SPAN_MAX;
		f[i].limit = i + 1 < n && f[i + 1].start < f[i].end ? f[i + 1].start : f[i].end;
		if (f[i].limit > end)
			end = f[i].limit;
	}
	*npages_ret = (uint32_t)((end - base + PAGE_BYTES - 1) >> PV_UNWIND_PAGE_SHIFT);
	return n_dropped;
}

/* What is known of code that the section does not tell of. */
struct rest {
	uint64_t entry; /* 0: it is not the beginning of a program */
	struct pv_bare bare;
};

/* Between functions there is nothing, but for the code that a program begins with. */
static struct pv_err *emit_gap(struct pv_cfi_rows *rows, uint64_t start, uint64_t end,
			       const struct rest *rest)
{
	struct pv_err *err = NULL;
	uint64_t entry = rest->entry, entry_end;

	if (start >= end)
		return NULL;
	if (rest->bare.flow)
		return pv_bare_emit(&rest->bare, start, end, rows);
	if (!entry || entry < start || entry >= end)
		return pv_cfi_emit(rows, start, row_none);
	if (entry > start)
		err = pv_cfi_emit(rows, start, row_none);
	if (!err)
		err = pv_cfi_emit(rows, entry, row_end);
	entry_end = end - entry > ENTRY_BYTES_MAX ? entry + ENTRY_BYTES_MAX : end;
	return err || entry_end == end ? err : pv_cfi_emit(rows, entry_end, row_none);
}

static struct pv_err *compile_functions(const struct pv_ehframe *it, const struct pv_vec *functions,
					uint64_t span, const struct rest *rest,
					struct pv_cfi_rows *rows)
{
	const struct pv_cfi_function *f = functions->data;
	_pv_free_ struct pv_cfi_state *initial = NULL;
	struct pv_err *err = pv_cfi_initial_states(it, &initial);

	/* So that every page has a row in effect at its start. */
	if (!err)
		err = emit_gap(rows, rows->base, functions->n ? f[0].start : rows->base + span,
			       rest);
	for (size_t i = 0; i < functions->n && !err; i++) {
		uint64_t next = i + 1 < functions->n ? f[i + 1].start : rows->base + span;

		if (f[i].start == f[i].limit)
			continue;
		err = pv_cfi_run(it, &initial[f[i].cie], &f[i], rows);
		if (!err)
			err = emit_gap(rows, f[i].limit, next, rest);
	}
	return err;
}

static void fill_pages(uint64_t *cells, uint32_t npages, uint32_t nrows)
{
	const struct pv_unwind_row *rows = (const struct pv_unwind_row *)(cells + npages);
	uint32_t next = 0; /* the first row that is not below the page */

	for (uint32_t page = 0; page < npages; page++) {
		uint64_t start = (uint64_t)page << PV_UNWIND_PAGE_SHIFT;
		struct pv_unwind_page entry;

		while (next < nrows && rows[next].pc < start)
			next++;
		entry.first = next < nrows && rows[next].pc == start ? next : next - 1;
		while (next < nrows && rows[next].pc < start + PAGE_BYTES)
			next++;
		entry.last = next - 1;
		memcpy(&cells[page], &entry, sizeof(entry));
	}
}

static struct pv_err *make_table(const struct pv_ehframe *it, struct pv_vec *functions,
				 const struct rest *rest, struct pv_unwind_table *ret)
{
	const struct pv_cfi_function *f;
	uint64_t first = UINT64_MAX;
	struct pv_cfi_rows rows = { .cells = PV_VEC(uint64_t) };
	struct pv_unwind_table table = { .n_unsupported = it->n_skipped };
	struct pv_err *err;
	uint64_t *cells;

	sort_functions(functions);
	f = functions->data;
	if (functions->n)
		first = f[0].start;
	if (rest->bare.flow && rest->bare.start < first)
		first = rest->bare.start;
	table.base = rows.base = first & ~(uint64_t)(PAGE_BYTES - 1);
	table.n_unsupported +=
		limit_functions(functions, table.base, rest->bare.end, &table.npages);
	rows.first = table.npages;
	err = pv_vec_append(&rows.cells, NULL, table.npages, NULL);
	if (!err)
		err = compile_functions(
			it, functions, (uint64_t)table.npages << PV_UNWIND_PAGE_SHIFT, rest, &rows);
	if (err) {
		pv_vec_deinit(&rows.cells);
		return err;
	}
	table.nrows = (uint32_t)(rows.cells.n - table.npages);
	table.n_fdes = (uint32_t)functions->n;
	table.by_code = rest->bare.flow;
	table.n_unsupported += rows.n_unsupported;
	cells = rows.cells.data;
	fill_pages(cells, table.npages, table.nrows);
	/* The vector grew by doubling; the table may live long. */
	table.cells = realloc(cells, rows.cells.n * sizeof(*cells));
	if (!table.cells)
		table.cells = cells;
	*ret = table;
	return NULL;
}

static void deinit_rest(struct rest *rest)
{
	pv_bare_deinit(&rest->bare);
}

/* Does the section tell of less than half of the code?  In musl it is that of libgcc alone. */
static bool is_bare(const struct pv_vec *functions, const struct pv_fde_range *text, size_t n_text)
{
	const struct pv_cfi_function *f = functions->data;
	uint64_t told = 0, code = 0;

	for (size_t i = 0; i < functions->n; i++)
		told += f[i].end - f[i].start;
	for (size_t i = 0; i < n_text; i++)
		code += text[i].end - text[i].start;
	return told < code / 2;
}

/* elf: NULL if there is only the section. */
static struct pv_err *compile(const struct pv_elf_section *section, const struct pv_elf *elf,
			      const struct pv_fde_range *text, size_t n_text, uint64_t entry,
			      struct pv_unwind_table *ret)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec functions = PV_VEC(struct pv_cfi_function);
	PV_CLEANUP(pv_ehframe_deinit) struct pv_ehframe it = { 0 };
	PV_CLEANUP(deinit_rest) struct rest rest = { .entry = entry };
	struct pv_err *err;

	pv_ehframe_init(&it, section->data, section->size, section->vaddr);
	err = read_functions(&it, text, n_text, &functions);
	/* linkers make one segment of code */
	if (!err && elf && n_text == 1 && is_bare(&functions, text, n_text) && pv_bare_is_musl(elf))
		err = pv_bare_follow(elf, text, &rest.bare);
	if (err)
		return err;
	if (functions.n || rest.bare.flow)
		return make_table(&it, &functions, &rest, ret);
	*ret = (struct pv_unwind_table){ .n_unsupported = it.n_skipped };
	return NULL;
}

struct pv_err *pv_unwind_compile_raw(const void *data, size_t n, uint64_t vaddr,
				     const struct pv_fde_range *text, size_t n_text, uint64_t entry,
				     struct pv_unwind_table *ret)
{
	struct pv_elf_section section = { .vaddr = vaddr, .size = n, .data = data };

	return compile(&section, NULL, text, n_text, entry, ret);
}

struct pv_err *pv_unwind_compile(const struct pv_elf *elf, struct pv_unwind_table *ret)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec text = PV_VEC(struct pv_fde_range);
	struct pv_elf_section section;

	if (!pv_elf_eh_frame(elf, &section))
		section = (struct pv_elf_section){ 0 };
	for (size_t i = 0; i < pv_elf_n_loads(elf) && text.n < TEXT_RANGES_MAX; i++) {
		const struct pv_elf_load *load = pv_elf_load_at(elf, i);
		struct pv_fde_range range = { .start = load->vaddr };
		struct pv_err *err;

		if (!load->executable ||
		    __builtin_add_overflow(load->vaddr, load->file_size, &range.end))
			continue;
		err = pv_vec_append(&text, &range, 1, NULL);
		if (err)
			return err;
	}
	if (text.n == 0) {
		*ret = (struct pv_unwind_table){ 0 };
		return NULL;
	}
	return compile(&section, elf, text.data, text.n, pv_elf_entry(elf), ret);
}

void pv_unwind_table_deinit(struct pv_unwind_table *table)
{
	if (table->mapping)
		munmap(table->mapping, table->mapping_size);
	else
		free((void *)(uintptr_t)table->cells);
	*table = (struct pv_unwind_table){ 0 };
}
