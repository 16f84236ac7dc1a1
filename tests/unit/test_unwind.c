/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of unwind/table.h: odd forms by hand, real objects against libdw.
 * Input: bytes written below; the test's own program, libc, the loader, the
 * vdso, and a CPython where one is found.  Output: Check's report.
 */
#include <check.h>
#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

#include "elf/elf.h"
#include "unwind/cfi.h"
#include "unwind/table.h"

enum { TEXT_BYTES = 96 };

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

/* --- rows as text, so that a person can review what is expected --- */

static void row_text(const struct pv_unwind_row *row, char text[static TEXT_BYTES])
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

static const struct pv_unwind_row *table_rows(const struct pv_unwind_table *table)
{
	return (const struct pv_unwind_row *)(table->cells + table->npages);
}

/* What abi/unwind.h and unwind/table.h promise, found by walking all rows. */
static void check_table(const struct pv_unwind_table *table)
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
	ck_assert_ptr_null(pv_unwind_row_at(table, table->base - 1));
	ck_assert_ptr_null(pv_unwind_row_at(table, table->base + table->npages * 4096ULL));
}

static void check_rows(const struct pv_unwind_table *table, const char *name, const char *expected)
{
	char text[4096] = "";
	size_t n = 0;

	check_table(table);
	for (uint32_t i = 0; i < table->nrows; i++) {
		char row[TEXT_BYTES];

		row_text(&table_rows(table)[i], row);
		n += (size_t)sprintf(text + n, "%s%" PRIx64 " %s", i ? "; " : "",
				     table->base + table_rows(table)[i].pc, row);
		ck_assert_uint_lt(n, sizeof(text) - TEXT_BYTES - 32);
	}
	ck_assert_msg(!strcmp(text, expected), "%s:\n have %s\n want %s", name, text, expected);
}

/* --- sections by hand --- */

struct section {
	uint8_t data[1024];
	size_t n, record;
};

enum { SECTION_VADDR = 0x80000 };

static void put(struct section *s, const void *bytes, size_t n)
{
	ck_assert_uint_le(n, sizeof(s->data) - s->n);
	memcpy(s->data + s->n, bytes, n);
	s->n += n;
}

static void put_number(struct section *s, uint64_t value, size_t n)
{
	put(s, &value, n);
}

static void begin_record(struct section *s)
{
	s->record = s->n;
	put_number(s, 0, 4);
}

static void end_record(struct section *s)
{
	uint32_t length;

	while (s->n % 8 != 4)
		put_number(s, DW_CFA_nop, 1);
	length = (uint32_t)(s->n - s->record - 4);
	memcpy(s->data + s->record, &length, 4);
}

#define BYTES(...) (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })

/* def_cfa rsp 8; offset rip at cfa-8 */
#define USUAL DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1

/* augmentation "zR" plus `more`; returns its offset. */
static size_t put_cie(struct section *s, const char *more, uint8_t encoding, uint8_t code_align,
		      const uint8_t *insns, size_t n)
{
	begin_record(s);
	put_number(s, 0, 4);
	put_number(s, 1, 1);
	put(s, "zR", 2);
	put(s, more, strlen(more) + 1);
	put(s, BYTES(code_align, 0x78 /* -8 */, 16, 1, encoding));
	put(s, insns, n);
	end_record(s);
	return s->record;
}

static void put_pointer(struct section *s, uint8_t encoding, uint64_t value)
{
	static const uint8_t sizes[16] = { 8, 0, 2, 4, 8, 0, 0, 0, 8, 0, 2, 4, 8, 0, 0, 0 };
	uint8_t byte;

	if (encoding & DW_EH_PE_pcrel)
		value -= SECTION_VADDR + s->n;
	if (sizes[encoding & 15]) {
		put_number(s, value, sizes[encoding & 15]);
		return;
	}
	for (; value >= 0x80; value >>= 7) {
		byte = (uint8_t)(value | 0x80);
		put(s, &byte, 1);
	}
	put_number(s, value, 1);
}

static void put_fde(struct section *s, size_t cie, uint8_t encoding, uint64_t start, uint64_t size,
		    const uint8_t *insns, size_t n)
{
	begin_record(s);
	put_number(s, s->n - cie, 4);
	put_pointer(s, encoding, start);
	put_pointer(s, encoding & 15, size);
	put_number(s, 0, 1);
	put(s, insns, n);
	end_record(s);
}

static struct pv_unwind_table compile(const struct section *s)
{
	struct pv_unwind_table table;

	/* A copy of the exact size, so that ASan sees a read beyond it. */
	uint8_t *copy = malloc(s->n);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, s->data, s->n);
	ok(pv_unwind_compile_raw(copy, s->n, SECTION_VADDR, NULL, 0, &table));
	free(copy);
	return table;
}

enum { SDATA4 = DW_EH_PE_pcrel | DW_EH_PE_sdata4 };

static const struct form {
	const char *name;
	const uint8_t *insns;
	size_t n;
	const char *expected;
} forms[] = {
	{ "nothing", BYTES(DW_CFA_nop), "1000 rsp+8; 1100 none" },
	{ "push rbp, mov rsp rbp, leave",
	  BYTES(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 6, 2,
		DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, 6, DW_CFA_advance_loc1, 0x40,
		DW_CFA_def_cfa, 7, 8),
	  "1000 rsp+8; 1001 rsp+16 rbp=c-16; 1004 rbp+16 rbp=c-16; 1044 rsp+8 rbp=c-16; 1100 "
	  "none" },
	{ "advance_loc2 and 4",
	  BYTES(DW_CFA_advance_loc2, 2, 0, DW_CFA_def_cfa_offset, 16, DW_CFA_advance_loc4, 3, 0, 0,
		0, DW_CFA_def_cfa_offset, 24),
	  "1000 rsp+8; 1002 rsp+16; 1005 rsp+24; 1100 none" },
	{ "advance by 0 keeps the last state",
	  BYTES(DW_CFA_def_cfa_offset, 16, DW_CFA_advance_loc | 0, DW_CFA_def_cfa_offset, 24),
	  "1000 rsp+24; 1100 none" },
	{ "advance beyond the end", BYTES(DW_CFA_advance_loc2, 0, 1, DW_CFA_def_cfa_offset, 16),
	  "1000 rsp+8; 1100 none" },
	{ "set_loc, pc-relative to its own field (section + 0x2e)",
	  BYTES(DW_CFA_set_loc, 0xe2, 0x0f, 0xf8, 0xff, DW_CFA_def_cfa_offset, 16),
	  "1000 rsp+8; 1010 rsp+16; 1100 none" },
	{ "remember, restore: the CFA too",
	  BYTES(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 6, 2,
		DW_CFA_remember_state, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 8,
		DW_CFA_restore | 6, DW_CFA_advance_loc | 1, DW_CFA_restore_state),
	  "1000 rsp+8; 1001 rsp+16 rbp=c-16; 1002 rsp+8; 1003 rsp+16 rbp=c-16; 1100 none" },
	{ "restore_extended, offset_extended",
	  BYTES(DW_CFA_offset_extended, 6, 3, DW_CFA_advance_loc | 1, DW_CFA_restore_extended, 6),
	  "1000 rsp+8 rbp=c-24; 1001 rsp+8; 1100 none" },
	{ "signed forms",
	  BYTES(DW_CFA_def_cfa_sf, 7, 0x7e /* -2 */, DW_CFA_offset_extended_sf, 6, 4,
		DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset_sf, 0x7d),
	  "1000 rsp+16 rbp=c-32; 1001 rsp+24 rbp=c-32; 1100 none" },
	{ "GNU forms", BYTES(DW_CFA_GNU_args_size, 16, DW_CFA_GNU_negative_offset_extended, 6, 2),
	  "1000 rsp+8 rbp=c+16; 1100 none" },
	{ "registers that are not tracked",
	  BYTES(DW_CFA_offset | 3, 5, DW_CFA_undefined, 12, DW_CFA_register, 13, 14,
		DW_CFA_val_offset, 15, 1, DW_CFA_val_expression, 14, 1, DW_OP_lit0),
	  "1000 rsp+8; 1100 none" },
	{ "rbp: undefined, same, lost in other ways",
	  BYTES(DW_CFA_undefined, 6, DW_CFA_advance_loc | 1, DW_CFA_same_value, 6,
		DW_CFA_advance_loc | 1, DW_CFA_register, 6, 3, DW_CFA_advance_loc | 1,
		DW_CFA_val_offset, 6, 3, DW_CFA_advance_loc | 1, DW_CFA_offset | 6, 2,
		DW_CFA_advance_loc | 1, DW_CFA_offset | 6, 0x81, 1),
	  "1000 rsp+8 rbp=?; 1001 rsp+8; 1002 rsp+8 rbp=?; 1004 rsp+8 rbp=c-16; 1005 rsp+8 rbp=?; "
	  "1100 none" },
	{ "an offset that is no multiple of 8", BYTES(DW_CFA_def_cfa_offset, 12),
	  "1000 unsupported; 1100 none" },
	{ "a large frame", BYTES(DW_CFA_def_cfa_offset, 0xf8, 0xff, 0x0f), /* 0x3fff8 */
	  "1000 rsp+262136; 1100 none" },
	{ "too large a frame", BYTES(DW_CFA_def_cfa_offset, 0x80, 0x80, 0x10), /* 0x40000 */
	  "1000 unsupported; 1100 none" },
	{ "PLT, threshold 10",
	  BYTES(DW_CFA_def_cfa_expression, 11, DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15,
		DW_OP_and, DW_OP_lit10, DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus),
	  "1000 plt:10; 1100 none" },
	{ "almost the PLT",
	  BYTES(DW_CFA_def_cfa_expression, 11, DW_OP_breg7, 16, DW_OP_breg16, 0, DW_OP_lit15,
		DW_OP_and, DW_OP_lit11, DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus),
	  "1000 unsupported; 1100 none" },
	{ "almost the PLT: greater, not greater or equal",
	  BYTES(DW_CFA_def_cfa_expression, 11, DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15,
		DW_OP_and, DW_OP_lit11, DW_OP_gt, DW_OP_lit3, DW_OP_shl, DW_OP_plus),
	  "1000 unsupported; 1100 none" },
	{ "realigned stack: cfa in r10, then in a slot",
	  BYTES(DW_CFA_def_cfa, 10, 0, DW_CFA_advance_loc | 9, DW_CFA_expression, 6, 2, DW_OP_breg6,
		0, DW_CFA_advance_loc | 5, DW_CFA_def_cfa_expression, 3, DW_OP_breg6, 0x78,
		DW_OP_deref, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_expression, 5, DW_OP_breg7, 8,
		DW_OP_deref, DW_OP_plus_uconst, 24),
	  "1000 unsupported; 100e *(rbp-8)+0 rbp=*(rbp+0); 100f *(rsp+8)+24 rbp=*(rbp+0); "
	  "1100 none" },
	{ "rbp in a slot of another register", BYTES(DW_CFA_expression, 6, 2, DW_OP_breg7, 0),
	  "1000 rsp+8 rbp=?; 1100 none" },
	{ "outermost", BYTES(DW_CFA_advance_loc | 4, DW_CFA_undefined, 16),
	  "1000 rsp+8; 1004 end; 1100 none" },
	{ "return address elsewhere", BYTES(DW_CFA_offset | 16, 2), "1000 unsupported; 1100 none" },
	{ "register half of an expression",
	  BYTES(DW_CFA_def_cfa_expression, 1, DW_OP_lit0, DW_CFA_def_cfa_register, 6),
	  "1000 unsupported; 1100 none" },
	{ "an unknown instruction ends what we know",
	  BYTES(DW_CFA_advance_loc | 4, 0x3f, DW_CFA_advance_loc | 4, DW_CFA_def_cfa_offset, 16),
	  "1000 rsp+8; 1004 unsupported; 1100 none" },
	{ "restore without remember", BYTES(DW_CFA_restore_state), "1000 unsupported; 1100 none" },
	{ "an expression beyond the record",
	  BYTES(DW_CFA_def_cfa_expression, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
	  "1000 unsupported; 1100 none" },
};

START_TEST(instruction_forms)
{
	const struct form *form = &forms[_i];
	struct section s = { 0 };
	struct pv_unwind_table table;
	size_t cie = put_cie(&s, "", SDATA4, 1, BYTES(USUAL));

	put_fde(&s, cie, SDATA4, 0x1000, 0x100, form->insns, form->n);
	table = compile(&s);
	check_rows(&table, form->name, form->expected);
	ck_assert_uint_eq(table.n_fdes, 1);
	ck_assert_int_eq(table.n_unsupported > 0,
			 strstr(form->expected, "unsupported") != NULL ||
				 (strstr(form->expected, "rbp=?") != NULL));
	pv_unwind_table_deinit(&table);
}
END_TEST

/* Every function of every layout is [start, size) with its frame size, in this order. */
static const struct layout {
	const char *name;
	struct {
		uint64_t start, size;
		uint8_t cfa;
	} functions[4];
	const char *expected;
} layouts[] = {
	{ "a gap, then none",
	  { { 0x1000, 0x10, 8 }, { 0x1020, 0x10, 16 }, { 0x1030, 8, 24 } },
	  "1000 rsp+8; 1010 none; 1020 rsp+16; 1030 rsp+24; 1038 none" },
	{ "equal neighbours become one row",
	  { { 0x1000, 0x10, 8 }, { 0x1010, 0x10, 8 } },
	  "1000 rsp+8; 1020 none" },
	{ "unsorted",
	  { { 0x1020, 0x10, 16 }, { 0x1000, 0x20, 8 } },
	  "1000 rsp+8; 1020 rsp+16; 1030 none" },
	{ "the later start wins, also when it ends earlier",
	  { { 0x1000, 0x100, 8 }, { 0x1040, 0x10, 16 }, { 0x1080, 0x100, 24 } },
	  "1000 rsp+8; 1040 rsp+16; 1050 none; 1080 rsp+24; 1180 none" },
	{ "of one start the longest",
	  { { 0x1000, 0x20, 8 }, { 0x1000, 0x40, 16 } },
	  "1000 rsp+16; 1040 none" },
	{ "of one start, whatever the order",
	  { { 0x1000, 0x40, 16 }, { 0x1000, 0x20, 8 } },
	  "1000 rsp+16; 1040 none" },
	{ "of equal ranges the first",
	  { { 0x1000, 0x20, 8 }, { 0x1000, 0x20, 16 } },
	  "1000 rsp+8; 1020 none" },
	{ "empty ones are nothing",
	  { { 0x1000, 0, 8 }, { 0x1010, 0x10, 16 } },
	  "1000 none; 1010 rsp+16; 1020 none" },
	{ "begins within a page, ends at one: no row after the last page",
	  { { 0x1ff0, 0x1010, 8 } },
	  "1000 none; 1ff0 rsp+8" },
	{ "a function over many pages, a hole over many",
	  { { 0x1800, 0x5000, 8 }, { 0xc800, 0x10, 16 } },
	  "1000 none; 1800 rsp+8; 6800 none; c800 rsp+16; c810 none" },
	{ "over 4 GiB apart: the far one is dropped",
	  { { 0x1000, 0x10, 8 }, { 0x100002000, 0x10, 16 } },
	  "1000 rsp+8; 1010 none" },
	{ "up to the last byte of 4 GiB",
	  { { 0x1000, 0x10, 8 }, { 0x100000ff0, 0x100, 16 } },
	  "1000 rsp+8; 1010 none; 100000ff0 rsp+16" },
};

START_TEST(function_layouts)
{
	const struct layout *layout = &layouts[_i];
	struct section s = { 0 };
	struct pv_unwind_table table;
	size_t cie = put_cie(&s, "", DW_EH_PE_absptr, 1, BYTES(USUAL));

	for (size_t i = 0; i < 4 && layout->functions[i].cfa; i++)
		put_fde(&s, cie, DW_EH_PE_absptr, layout->functions[i].start,
			layout->functions[i].size,
			BYTES(DW_CFA_def_cfa_offset, layout->functions[i].cfa));
	table = compile(&s);
	check_rows(&table, layout->name, layout->expected);
	pv_unwind_table_deinit(&table);
}
END_TEST

static const uint8_t encodings[] = {
	DW_EH_PE_absptr,
	DW_EH_PE_udata2,
	DW_EH_PE_udata4,
	DW_EH_PE_udata8,
	DW_EH_PE_uleb128,
	DW_EH_PE_sdata2,
	DW_EH_PE_sdata4,
	DW_EH_PE_sdata8,
	SDATA4,
	DW_EH_PE_pcrel | DW_EH_PE_sdata8,
	DW_EH_PE_pcrel | DW_EH_PE_absptr,
};

START_TEST(pointer_encodings)
{
	struct section s = { 0 };
	struct pv_unwind_table table;
	size_t cie = put_cie(&s, "", encodings[_i], 1, BYTES(USUAL));

	put_fde(&s, cie, encodings[_i], 0x1000, 0x100, BYTES(DW_CFA_nop));
	table = compile(&s);
	check_rows(&table, "encoding", "1000 rsp+8; 1100 none");
	pv_unwind_table_deinit(&table);
}
END_TEST

START_TEST(code_alignment)
{
	struct section s = { 0 };
	struct pv_unwind_table table;
	size_t cie = put_cie(&s, "", SDATA4, 4, BYTES(USUAL));

	put_fde(&s, cie, SDATA4, 0x1000, 0x100,
		BYTES(DW_CFA_advance_loc | 3, DW_CFA_def_cfa_offset, 16));
	table = compile(&s);
	check_rows(&table, "code alignment 4", "1000 rsp+8; 100c rsp+16; 1100 none");
	pv_unwind_table_deinit(&table);
}
END_TEST

/* 'S' with the ucontext layout is the trampoline; without, it is a frame like others. */
START_TEST(signal_frames)
{
	struct section s = { 0 };
	struct pv_unwind_table table;
	size_t cie = put_cie(&s, "S", SDATA4, 1, BYTES(USUAL));

	put_fde(&s, cie, SDATA4, 0x1000, 0x10,
		BYTES(DW_CFA_def_cfa_expression, 4, DW_OP_breg7, 0xa0, 1, DW_OP_deref,
		      DW_CFA_expression, 6, 3, DW_OP_breg7, 0xf8, 0, DW_CFA_expression, 16, 3,
		      DW_OP_breg7, 0xa8, 1));
	put_fde(&s, cie, SDATA4, 0x1010, 0x10, BYTES(DW_CFA_nop));
	/* rip a word further up */
	put_fde(&s, cie, SDATA4, 0x1020, 0x10,
		BYTES(DW_CFA_def_cfa_expression, 4, DW_OP_breg7, 0xa0, 1, DW_OP_deref,
		      DW_CFA_expression, 6, 3, DW_OP_breg7, 0xf8, 0, DW_CFA_expression, 16, 3,
		      DW_OP_breg7, 0xb0, 1));
	table = compile(&s);
	check_rows(&table, "signal frame",
		   "1000 sigreturn; 1010 rsp+8; 1020 unsupported; 1030 none");
	pv_unwind_table_deinit(&table);
}
END_TEST

START_TEST(odd_records)
{
	struct section s = { 0 };
	struct pv_unwind_table table;
	size_t cie, unknown;

	/* before any CIE, with a pointer to -1 (found by fuzz_ehframe) */
	put_fde(&s, SIZE_MAX, SDATA4, 0x1000, 0x10, BYTES(DW_CFA_nop));
	/* version 4, no augmentation */
	begin_record(&s);
	put(&s, BYTES(0, 0, 0, 0, 4, 0, 8, 0, 1, 0x78, 16, USUAL));
	end_record(&s);
	cie = s.record;
	begin_record(&s);
	put_number(&s, s.n - cie, 4);
	put_pointer(&s, DW_EH_PE_absptr, 0x1000);
	put_pointer(&s, DW_EH_PE_absptr, 0x10);
	end_record(&s);
	put_number(&s, 0, 4); /* a terminator that is not the last record */
	unknown = put_cie(&s, "?", SDATA4, 1, BYTES(USUAL));
	put_fde(&s, unknown, SDATA4, 0x1010, 0x10, BYTES(DW_CFA_nop));
	/* a CIE pointer into the middle of nowhere, one to an FDE, an indirect pointer */
	put_fde(&s, cie + 8, SDATA4, 0x1020, 0x10, BYTES(DW_CFA_nop));
	put_fde(&s, s.record, SDATA4, 0x1030, 0x10, BYTES(DW_CFA_nop));
	cie = put_cie(&s, "", DW_EH_PE_indirect | SDATA4, 1, BYTES(USUAL));
	put_fde(&s, cie, SDATA4, 0x1040, 0x10, BYTES(DW_CFA_nop));
	/* a return address column that is not rip */
	begin_record(&s);
	put(&s, BYTES(0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 3, 1, SDATA4, USUAL));
	end_record(&s);
	put_fde(&s, s.record, SDATA4, 0x1050, 0x10, BYTES(USUAL));
	/* an expression that leaves its CIE (found by fuzz_ehframe) */
	cie = put_cie(&s, "", SDATA4, 1, BYTES(DW_CFA_def_cfa_expression, 0x7f));
	put_fde(&s, cie, SDATA4, 0x1060, 0x10, BYTES(USUAL));
	put_number(&s, 0x1000, 4); /* a record that does not fit */
	table = compile(&s);
	check_rows(&table, "odd records", "1000 rsp+8; 1010 none; 1050 unsupported; 1070 none");
	ck_assert_uint_eq(table.n_fdes, 3);
	ck_assert_uint_eq(table.n_unsupported, 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1);
	pv_unwind_table_deinit(&table);
}
END_TEST

START_TEST(only_code_counts)
{
	static const struct pv_fde_range text[] = { { 0x1000, 0x1008 }, { 0x3000, 0x4000 } };
	struct section s = { 0 };
	struct pv_unwind_table table;
	size_t cie = put_cie(&s, "", SDATA4, 1, BYTES(USUAL));

	put_fde(&s, cie, SDATA4, 0x1000, 0x10, BYTES(DW_CFA_nop));
	put_fde(&s, cie, SDATA4, 0x2000, 0x10, BYTES(DW_CFA_nop));
	put_fde(&s, cie, SDATA4, 0x3010, 0x10, BYTES(DW_CFA_nop));
	ok(pv_unwind_compile_raw(s.data, s.n, SECTION_VADDR, text, 2, &table));
	check_rows(&table, "text ranges", "1000 rsp+8; 1008 none; 3010 rsp+8; 3020 none");
	pv_unwind_table_deinit(&table);
	ok(pv_unwind_compile_raw(NULL, 0, SECTION_VADDR, NULL, 0, &table));
	ck_assert_uint_eq(table.npages, 0);
	pv_unwind_table_deinit(&table);
}
END_TEST

/* --- real objects against libdw, which shares no code with us --- */

/* libdw is not linked into tests; its header types the pointers. */
static struct {
	__typeof__(dwarf_getcfi_elf) *getcfi_elf;
	__typeof__(dwarf_cfi_end) *cfi_end;
	__typeof__(dwarf_cfi_addrframe) *cfi_addrframe;
	__typeof__(dwarf_frame_info) *frame_info;
	__typeof__(dwarf_frame_cfa) *frame_cfa;
	__typeof__(dwarf_frame_register) *frame_register;
} dw;

static void *dw_symbol(void *library, const char *name)
{
	void *symbol = dlsym(library, name);

	ck_assert_msg(symbol, "libdw has no %s", name);
	return symbol;
}

static void dw_open(void)
{
	void *library = dlopen("libdw.so.1", RTLD_NOW);

	ck_assert_msg(library, "%s (install libdw1)", dlerror());
	dw.getcfi_elf = dw_symbol(library, "dwarf_getcfi_elf");
	dw.cfi_end = dw_symbol(library, "dwarf_cfi_end");
	dw.cfi_addrframe = dw_symbol(library, "dwarf_cfi_addrframe");
	dw.frame_info = dw_symbol(library, "dwarf_frame_info");
	dw.frame_cfa = dw_symbol(library, "dwarf_frame_cfa");
	dw.frame_register = dw_symbol(library, "dwarf_frame_register");
}

static bool dw_fits(int64_t off, int64_t max_words)
{
	return off % 8 == 0 && off / 8 <= max_words && off / 8 >= -max_words - 1;
}

/* What the row should say of the CFA; "unsupported" if our format cannot. */
static void dw_cfa_text(const Dwarf_Op *ops, size_t n, bool signal, char text[static TEXT_BYTES])
{
	static const uint8_t plt[] = { DW_OP_breg7, DW_OP_breg16, DW_OP_lit15, DW_OP_and, 0,
				       DW_OP_ge,    DW_OP_lit3,   DW_OP_shl,   DW_OP_plus };
	int64_t off = n ? (int64_t)ops[0].number : 0;
	int64_t add = n == 3 ? (int64_t)ops[2].number : 0;
	bool is_plt = n == 9 && off == 8 && ops[1].number == 0;

	for (size_t i = 0; i < n && is_plt; i++)
		is_plt = i == 4 || ops[i].atom == plt[i];
	if (n == 0)
		strcpy(text, "none");
	else if (n == 1 && ops[0].atom == DW_OP_bregx && (ops[0].number | 1) == 7 &&
		 dw_fits((int64_t)ops[0].number2, INT16_MAX))
		sprintf(text, "%s%+" PRId64, ops[0].number == 7 ? "rsp" : "rbp",
			(int64_t)ops[0].number2);
	else if (is_plt)
		sprintf(text, "plt:%d", ops[4].atom - DW_OP_lit0);
	else if (signal && n == 2 && ops[0].atom == DW_OP_breg7 && off == 160)
		strcpy(text, "sigreturn");
	else if ((n == 2 || (n == 3 && ops[2].atom == DW_OP_plus_uconst && dw_fits(add, 127))) &&
		 ops[1].atom == DW_OP_deref && dw_fits(off, INT8_MAX) &&
		 (ops[0].atom == DW_OP_breg6 || ops[0].atom == DW_OP_breg7))
		sprintf(text, "*(%s%+" PRId64 ")%+" PRId64,
			ops[0].atom == DW_OP_breg6 ? "rbp" : "rsp", off, add);
	else
		strcpy(text, "unsupported");
}

static void dw_rbp_text(Dwarf_Frame *frame, char *text)
{
	Dwarf_Op memory[3], *ops;
	size_t n;
	int64_t off;

	ck_assert_int_eq(dw.frame_register(frame, 6, memory, &ops, &n), 0);
	if (n == 0 && !ops)
		return; /* same value; memory would be undefined */
	/* the CFA is pushed, then a constant added or an expression evaluated */
	off = n == 2 ? (int64_t)ops[1].number : 0;
	if (n == 2 && ops[0].atom == DW_OP_call_frame_cfa && ops[1].atom == DW_OP_plus_uconst &&
	    dw_fits(off, INT8_MAX))
		sprintf(text, " rbp=c%+" PRId64, off);
	else if (n == 2 && ops[0].atom == DW_OP_call_frame_cfa && ops[1].atom == DW_OP_breg6 &&
		 dw_fits(off, INT8_MAX))
		sprintf(text, " rbp=*(rbp%+" PRId64 ")", off);
	else
		strcpy(text, " rbp=?");
}

static void dw_text(Dwarf_Frame *frame, bool signal, char text[static TEXT_BYTES])
{
	Dwarf_Op memory[3], *ops;
	size_t n;

	ck_assert_int_eq(dw.frame_register(frame, 16, memory, &ops, &n), 0);
	if (n == 0 && ops == memory) { /* undefined */
		strcpy(text, "end");
		return;
	}
	bool usual = n == 2 && ops[0].atom == DW_OP_call_frame_cfa &&
		     ops[1].atom == DW_OP_plus_uconst && (int64_t)ops[1].number == -8;

	ck_assert_int_eq(dw.frame_cfa(frame, &ops, &n), 0);
	dw_cfa_text(ops, n, signal, text);
	if (!usual && strcmp(text, "sigreturn"))
		strcpy(text, "unsupported");
	if (strcmp(text, "unsupported") && strcmp(text, "sigreturn") && strcmp(text, "none"))
		dw_rbp_text(frame, text + strlen(text));
}

struct truth {
	const char *name;
	Dwarf_CFI *cfi;
	const struct pv_unwind_table *table;
	size_t n_compared, n_unsupported;
};

/* Compares at one pc; returns where libdw's row ends (pc + 1 outside of all FDEs). */
static uint64_t compare_at(struct truth *truth, uint64_t pc)
{
	const struct pv_unwind_row *row = pv_unwind_row_at(truth->table, pc);
	char have[TEXT_BYTES] = "none", want[TEXT_BYTES] = "none";
	Dwarf_Frame *frame = NULL;
	Dwarf_Addr start, end = pc + 1;
	bool signal;

	if (!dw.cfi_addrframe(truth->cfi, pc, &frame)) {
		/* libdw looks up pc as it is; the signal flag is for callers that subtract 1 */
		ck_assert_int_ne(dw.frame_info(frame, &start, &end, &signal), -1);
		dw_text(frame, signal, want);
		free(frame);
	}
	if (row)
		row_text(row, have);
	ck_assert_msg(!strcmp(have, want), "%s at %#" PRIx64 ": have %s, libdw %s", truth->name, pc,
		      have, want);
	truth->n_compared++;
	truth->n_unsupported += !strcmp(have, "unsupported");
	return end > pc ? end : pc + 1;
}

/*
 * Where each row of libdw begins, then where each of ours does: between those
 * places neither changes, so this compares every byte of code.
 */
static void compare_all(const char *name, const struct pv_elf *elf, Elf *theirs)
{
	struct pv_unwind_table table;
	struct truth truth = { .name = name, .cfi = dw.getcfi_elf(theirs), .table = &table };
	struct timespec t0, t1;
	uint32_t i = 0;

	ck_assert_msg(truth.cfi, "%s: libdw finds no CFI", name);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	ok(pv_unwind_compile(elf, &table));
	clock_gettime(CLOCK_MONOTONIC, &t1);
	check_table(&table);
	ck_assert_uint_gt(table.nrows, 0);
	for (uint64_t pc = table.base, end; pc < table.base + table.npages * 4096ULL; pc = end) {
		while (i < table.nrows && table.base + table_rows(&table)[i].pc < pc)
			compare_at(&truth, table.base + table_rows(&table)[i++].pc);
		i += i < table.nrows && table.base + table_rows(&table)[i].pc == pc;
		end = compare_at(&truth, pc);
	}
	while (i < table.nrows)
		compare_at(&truth, table.base + table_rows(&table)[i++].pc);
	printf("# %s: %u FDEs, %u rows, %zu places equal libdw (%zu unsupported), %.1f ms\n", name,
	       table.n_fdes, table.nrows, truth.n_compared, truth.n_unsupported,
	       (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e6);
	pv_unwind_table_deinit(&table);
	dw.cfi_end(truth.cfi);
}

static void compare_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct pv_elf *elf;
	Elf *theirs;

	ck_assert_msg(fd >= 0, "%s: %m", path);
	elf_version(EV_CURRENT);
	theirs = elf_begin(fd, ELF_C_READ, NULL);
	ck_assert_ptr_nonnull(theirs);
	ok(pv_elf_open(fcntl(fd, F_DUPFD_CLOEXEC, 0), &elf));
	compare_all(path, elf, theirs);
	pv_elf_close(elf);
	elf_end(theirs);
	close(fd);
}

START_TEST(truth_of_this_program)
{
	dw_open();
	compare_file("/proc/self/exe");
}
END_TEST

static int compare_loaded(struct dl_phdr_info *info, size_t size, void *ctx)
{
	size_t *n = ctx;

	(void)size;
	if (strstr(info->dlpi_name, "/libc.so.6") || strstr(info->dlpi_name, "/ld-linux-x86-64")) {
		compare_file(info->dlpi_name);
		(*n)++;
	}
	return 0;
}

START_TEST(truth_of_libc_and_loader)
{
	size_t n = 0;

	dw_open();
	dl_iterate_phdr(compare_loaded, &n);
	ck_assert_uint_eq(n, 2);
}
END_TEST

START_TEST(truth_of_vdso)
{
	void *image = (void *)getauxval(AT_SYSINFO_EHDR);
	struct pv_elf *elf;
	Elf *theirs;

	ck_assert_ptr_nonnull(image);
	dw_open();
	elf_version(EV_CURRENT);
	theirs = elf_memory(image, 8192);
	ck_assert_ptr_nonnull(theirs);
	ok(pv_elf_open_memory(image, 8192, &elf));
	compare_all("vdso", elf, theirs);
	pv_elf_close(elf);
	elf_end(theirs);
}
END_TEST

/* PV_UNWIND_OBJECTS: more files, separated by spaces, for a broad run by hand. */
START_TEST(truth_of_python)
{
	const char *root = getenv("PYENV_ROOT"), *home = getenv("HOME"), *more;
	char pattern[512];
	glob_t found = { 0 };

	dw_open();
	if (root)
		snprintf(pattern, sizeof(pattern), "%s/versions/3.11.*/lib/libpython3.11.so.1.0",
			 root);
	else
		snprintf(pattern, sizeof(pattern),
			 "%s/.pyenv/versions/3.11.*/lib/libpython3.11.so.1.0", home ? home : "");
	glob(pattern, 0, NULL, &found);
	if (!found.gl_pathc)
		glob("/usr/bin/python3.11", 0, NULL, &found);
	more = getenv("PV_UNWIND_OBJECTS");
	while (more && *more) {
		int n = (int)strcspn(more, " ");

		snprintf(pattern, sizeof(pattern), "%.*s", n, more);
		glob(pattern, found.gl_pathc ? GLOB_APPEND : 0, NULL, &found);
		more += n + (more[n] == ' ');
	}
	if (!found.gl_pathc)
		printf("# no CPython 3.11 here: compared with other objects only\n");
	for (size_t i = 0; i < found.gl_pathc; i++)
		compare_file(found.gl_pathv[i]);
	globfree(&found);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("unwind");
	TCase *by_hand = tcase_create("by hand"), *truth = tcase_create("truth");

	tcase_set_timeout(by_hand, 30); /* a table over 4 GiB has a million pages */
	tcase_add_loop_test(by_hand, instruction_forms, 0, sizeof(forms) / sizeof(*forms));
	tcase_add_loop_test(by_hand, function_layouts, 0, sizeof(layouts) / sizeof(*layouts));
	tcase_add_loop_test(by_hand, pointer_encodings, 0, sizeof(encodings));
	tcase_add_test(by_hand, code_alignment);
	tcase_add_test(by_hand, signal_frames);
	tcase_add_test(by_hand, odd_records);
	tcase_add_test(by_hand, only_code_counts);
	suite_add_tcase(suite, by_hand);
	tcase_set_timeout(truth, 120);
	tcase_add_test(truth, truth_of_this_program);
	tcase_add_test(truth, truth_of_libc_and_loader);
	tcase_add_test(truth, truth_of_vdso);
	tcase_add_test(truth, truth_of_python);
	suite_add_tcase(suite, truth);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
