/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looks up addresses in line tables and in the tree of inlined calls.
 * Input: .debug_line, .debug_info and what they need, untrusted.  Output: struct pv_elf_place.
 *
 * As in inlined.c no attribute is followed that leads to another file: the target would choose
 * what is opened.
 */
#include "elf/lines.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#include "elf/debug.h"
#include "elf/elf.h"

enum {
	DEPTH_MAX = 64,
	CHAIN_MAX = 64,
	REFERENCES_MAX = 4, /* from an inlined place over a clone's to the declaration */
	DIES_MAX = 1 << 22, /* looked at for one address */
};

struct pv_elf_lines {
	struct pv_elf_debug debug;
};

/* Functions and inlined calls around an address, outermost first. */
struct chain {
	uint64_t vaddr;
	Dwarf_Die dies[CHAIN_MAX];
	size_t n;
	unsigned n_looked;
};

static const char *name_of(Dwarf_Die die)
{
	for (int i = 0; i < REFERENCES_MAX; i++) {
		Dwarf_Attribute attr;
		Dwarf_Die next;

		if (dwarf_attr(&die, DW_AT_name, &attr) && !pv_elf_debug_elsewhere(&attr))
			return dwarf_formstring(&attr);
		if (!dwarf_attr(&die, DW_AT_abstract_origin, &attr) &&
		    !dwarf_attr(&die, DW_AT_specification, &attr))
			return NULL;
		if (pv_elf_debug_elsewhere(&attr) || !dwarf_formref_die(&attr, &next))
			return NULL;
		die = next;
	}
	return NULL;
}

struct pv_err *pv_elf_lines_open(const struct pv_elf *elf, struct pv_elf_lines **ret)
{
	struct pv_elf_lines *lines = calloc(1, sizeof(*lines));
	struct pv_err *err;

	*ret = NULL;
	if (!lines)
		return &pv_enomem;
	err = pv_elf_debug_open(elf, &lines->debug);
	if (err || !lines->debug.dwarf) {
		pv_elf_lines_close(lines);
		return err;
	}
	*ret = lines;
	return NULL;
}

void pv_elf_lines_close(struct pv_elf_lines *lines)
{
	if (!lines)
		return;
	pv_elf_debug_close(&lines->debug);
	free(lines);
}

static bool find_unit(struct pv_elf_lines *lines, uint64_t vaddr, Dwarf_Die *ret)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;

	while (!dwarf_get_units(lines->debug.dwarf, unit, &unit, NULL, NULL, &die, NULL)) {
		if (dwarf_tag(&die) != DW_TAG_compile_unit || dwarf_haspc(&die, vaddr) <= 0)
			continue;
		*ret = die;
		return true;
	}
	return false;
}

/* Does it, or may what is in it, hold the address? */
static bool enter(struct chain *chain, Dwarf_Die *die)
{
	switch (dwarf_tag(die)) {
	case DW_TAG_subprogram:
	case DW_TAG_inlined_subroutine:
		if (dwarf_haspc(die, chain->vaddr) <= 0 || chain->n >= CHAIN_MAX)
			return false;
		chain->dies[chain->n++] = *die;
		return true;
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
		return dwarf_haspc(die, chain->vaddr) > 0;
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
		return true;
	default:
		return false;
	}
}

/* The next die after the one at levels[*n - 1], in it or behind it; false: there is none. */
static bool go_on(Dwarf_Die levels[DEPTH_MAX], size_t *n, bool inside)
{
	if (inside && *n < DEPTH_MAX && !dwarf_child(&levels[*n - 1], &levels[*n])) {
		++*n;
		return true;
	}
	while (*n > 1 && dwarf_siblingof(&levels[*n - 1], &levels[*n - 1]))
		--*n;
	return *n > 1;
}

/*
 * From the unit down: what holds the address stands in what holds it, too.  A cycle of siblings
 * ends with the number of those that are looked at.
 */
static void find_chain(struct chain *chain, const Dwarf_Die *unit)
{
	Dwarf_Die levels[DEPTH_MAX] = { *unit };
	size_t n = 1, deepest = 0; /* deepest: level of the innermost that holds it */
	bool inside = true;

	while (go_on(levels, &n, inside) && chain->n_looked++ < DIES_MAX) {
		size_t before = chain->n;

		if (n <= deepest)
			return;
		inside = enter(chain, &levels[n - 1]);
		if (chain->n > before)
			deepest = n;
	}
}

static const char *file_of(Dwarf_Die *unit, uint64_t index)
{
	Dwarf_Files *files;
	size_t n;

	if (dwarf_getsrcfiles(unit, &files, &n) || index >= n)
		return NULL;
	return dwarf_filesrc(files, index, NULL, NULL);
}

static uint64_t number_of(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	Dwarf_Word value = 0;

	if (!dwarf_attr(die, name, &attr) || dwarf_formudata(&attr, &value))
		return 0;
	return value;
}

static void place_of_row(Dwarf_Line *row, struct pv_elf_place *ret)
{
	int line = 0;

	ret->file = dwarf_linesrc(row, NULL, NULL);
	ret->line = !dwarf_lineno(row, &line) && line > 0 ? (uint32_t)line : 0;
}

size_t pv_elf_lines_at(struct pv_elf_lines *lines, uint64_t vaddr, struct pv_elf_place *ret,
		       size_t max)
{
	struct chain chain = { .vaddr = vaddr };
	struct pv_elf_place place = { 0 };
	Dwarf_Line *row;
	Dwarf_Die unit;
	size_t n = 0;

	if (!max || !find_unit(lines, vaddr, &unit))
		return 0;
	row = dwarf_getsrc_die(&unit, vaddr);
	if (row)
		place_of_row(row, &place);
	find_chain(&chain, &unit);
	if (!chain.n) {
		ret[n] = place;
		return row ? 1 : 0;
	}
	for (size_t i = chain.n; i && n < max; i--) {
		Dwarf_Die *die = &chain.dies[i - 1];

		place.function = name_of(*die);
		ret[n++] = place;
		place.file = file_of(&unit, number_of(die, DW_AT_call_file));
		place.line = (uint32_t)number_of(die, DW_AT_call_line);
	}
	return n;
}

void pv_elf_lines_rows(struct pv_elf_lines *lines, uint64_t start, uint64_t end,
		       bool (*fn)(void *ctx, uint64_t vaddr, const struct pv_elf_place *place),
		       void *ctx)
{
	Dwarf_Lines *rows;
	Dwarf_Die unit;
	size_t n;

	if (!find_unit(lines, start, &unit) || dwarf_getsrclines(&unit, &rows, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		Dwarf_Line *row = dwarf_onesrcline(rows, i);
		struct pv_elf_place place = { 0 };
		Dwarf_Addr at = 0;
		bool begins = false, ends = false;

		if (!row || dwarf_lineaddr(row, &at) || at < start || at >= end ||
		    dwarf_linebeginstatement(row, &begins) || !begins ||
		    dwarf_lineendsequence(row, &ends) || ends)
			continue;
		place_of_row(row, &place);
		if (!fn(ctx, at, &place))
			return;
	}
}
