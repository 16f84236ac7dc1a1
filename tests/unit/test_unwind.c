/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the compiler behind unwind/table.h: odd forms, layouts and records.
 * Input: sections written below.  Output: Check's report.
 */
#include <check.h>
#include <dwarf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf/elf.h"
#include "unwind/cfi.h"
#include "unwind/table.h"
#include "unwind_rows.h"

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
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
	ok(pv_unwind_compile_raw(copy, s->n, SECTION_VADDR, NULL, 0, 0, &table));
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
	ok(pv_unwind_compile_raw(s.data, s.n, SECTION_VADDR, text, 2, 0, &table));
	check_rows(&table, "text ranges", "1000 rsp+8; 1008 none; 3010 rsp+8; 3020 none");
	pv_unwind_table_deinit(&table);
	ok(pv_unwind_compile_raw(NULL, 0, SECTION_VADDR, NULL, 0, 0, &table));
	ck_assert_uint_eq(table.npages, 0);
	pv_unwind_table_deinit(&table);
}
END_TEST

/* Where a program begins nobody has called it; an FDE there knows better. */
START_TEST(entry)
{
	static const struct {
		uint64_t entry;
		const char *rows;
	} cases[] = {
		{ 0, "1000 rsp+8; 1010 none; 1800 rsp+8; 1810 none" },
		{ 0x1010, "1000 rsp+8; 1010 end; 1110 none; 1800 rsp+8; 1810 none" },
		{ 0x1020, "1000 rsp+8; 1010 none; 1020 end; 1120 none; 1800 rsp+8; 1810 none" },
		{ 0x17c0, "1000 rsp+8; 1010 none; 17c0 end; 1800 rsp+8; 1810 none" },
		{ 0x1804, "1000 rsp+8; 1010 none; 1800 rsp+8; 1810 none" },
		{ 0x1fc0, "1000 rsp+8; 1010 none; 1800 rsp+8; 1810 none; 1fc0 end" },
		{ 0x9000, "1000 rsp+8; 1010 none; 1800 rsp+8; 1810 none" },
	};
	struct section s = { 0 };
	size_t cie = put_cie(&s, "", SDATA4, 1, BYTES(USUAL));

	put_fde(&s, cie, SDATA4, 0x1000, 0x10, BYTES(DW_CFA_nop));
	put_fde(&s, cie, SDATA4, 0x1800, 0x10, BYTES(DW_CFA_nop));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pv_unwind_table table;

		ok(pv_unwind_compile_raw(s.data, s.n, SECTION_VADDR, NULL, 0, cases[i].entry,
					 &table));
		check_rows(&table, "entry", cases[i].rows);
		pv_unwind_table_deinit(&table);
	}
}
END_TEST

/* --- how much of the code is covered --- */

static void cover(const struct pv_unwind_row *rows, uint32_t n, uint64_t start, uint64_t end,
		  uint64_t covered, uint64_t unsupported, uint64_t bare)
{
	uint64_t cells[16] = { 0 };
	struct pv_unwind_table table = { .base = 0x1000, .npages = 1, .nrows = n, .cells = cells };
	struct pv_unwind_coverage coverage = { 0 };

	ck_assert_uint_lt(n, 15);
	memcpy(&cells[1], rows, n * sizeof(*rows));
	pv_unwind_cover(&table, start, end, &coverage);
	ck_assert_uint_eq(coverage.covered, covered);
	ck_assert_uint_eq(coverage.unsupported, unsupported);
	ck_assert_uint_eq(coverage.bare, bare);
}

START_TEST(coverage)
{
	static const struct pv_unwind_row rows[] = {
		{ .pc = 0, .kinds = PV_CFA_NONE },
		{ .pc = 0x100, .kinds = PV_CFA_RSP },
		{ .pc = 0x180, .kinds = PV_CFA_NONE },
		{ .pc = 0x18f, .kinds = PV_CFA_END },
		{ .pc = 0x200, .kinds = PV_CFA_NONE },
		{ .pc = 0x210, .kinds = PV_CFA_RBP },
		{ .pc = 0x220, .kinds = PV_CFA_UNSUPPORTED },
		{ .pc = 0x280, .kinds = PV_CFA_NONE },
	};
	enum { N = sizeof(rows) / sizeof(*rows) };

	/* 15 bytes between two functions are padding, 16 are not */
	cover(rows, N, 0x1100, 0x1280, 0x80 + 0x71 + 0x10, 0x60, 0x10);
	cover(rows, N, 0x1000, 0x1300, 0x80 + 0x71 + 0x10, 0x60, 0x100 + 0x10 + 0x80);
	cover(rows, N, 0x800, 0x1000, 0, 0, 0x800);
	cover(rows, N, 0x800, 0x1110, 0x10, 0, 0x800 + 0x100);
	cover(rows, N, 0x1140, 0x1150, 0x10, 0, 0);
	cover(rows, N, 0x1230, 0x1240, 0, 0x10, 0);
	cover(rows, N, 0x2000, 0x2010, 0, 0, 0x10);
	cover(rows, 0, 0x1000, 0x1100, 0, 0, 0x100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("unwind");
	TCase *by_hand = tcase_create("by hand");

	tcase_add_loop_test(by_hand, instruction_forms, 0, sizeof(forms) / sizeof(*forms));
	tcase_add_loop_test(by_hand, function_layouts, 0, sizeof(layouts) / sizeof(*layouts));
	tcase_add_loop_test(by_hand, pointer_encodings, 0, sizeof(encodings));
	tcase_add_test(by_hand, code_alignment);
	tcase_add_test(by_hand, signal_frames);
	tcase_add_test(by_hand, odd_records);
	tcase_add_test(by_hand, only_code_counts);
	tcase_add_test(by_hand, entry);
	tcase_add_test(by_hand, coverage);
	suite_add_tcase(suite, by_hand);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
