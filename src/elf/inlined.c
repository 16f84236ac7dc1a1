/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the tree of debug information for inlined functions (DWARF 5, 3.3.8).
 * Input: .debug_info and what it needs, untrusted.  Output: struct pv_elf_inlined.
 *
 * libdw finds other files by paths that the information names (dwz's, split DWARF): the
 * target would choose what is opened, so no attribute that leads there is followed.
 */
#include "elf/inlined.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <string.h>
#include <time.h>

#include "elf/debug.h"
#include "elf/elf.h"

enum {
	DEPTH_MAX = 128,
	REFERENCES_MAX = 4, /* from an inlined place over a clone's to the declaration */
	CLOCK_EVERY = 256,
};

struct walk {
	uint64_t deadline;
	bool (*fn)(void *ctx, const struct pv_elf_inlined *place);
	void *ctx;
	unsigned n;
	bool stop, part;
};

struct level {
	Dwarf_Die die;
	uint64_t function; /* that it is in; 0: in none that has code */
};

bool pv_elf_has_debug_info(const struct pv_elf *elf)
{
	struct pv_elf_section section;

	return pv_elf_section(elf, ".debug_info", &section) && section.data && section.size;
}

static bool is_elsewhere(struct walk *walk, Dwarf_Attribute *attr)
{
	bool elsewhere = pv_elf_debug_elsewhere(attr);

	walk->part |= elsewhere;
	return elsewhere;
}

static const char *text_of(struct walk *walk, Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;

	return dwarf_attr(die, name, &attr) && !is_elsewhere(walk, &attr) ? dwarf_formstring(&attr)
									  : NULL;
}

static bool follow(struct walk *walk, Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	Dwarf_Die next;

	if (!dwarf_attr(die, name, &attr) || is_elsewhere(walk, &attr) ||
	    !dwarf_formref_die(&attr, &next))
		return false;
	*die = next;
	return true;
}

/* As symbol tables have it.  Of a method it stands with the declaration. */
static const char *name_of(struct walk *walk, Dwarf_Die die)
{
	const char *name = NULL, *linkage;

	for (int i = 0; i < REFERENCES_MAX; i++) {
		linkage = text_of(walk, &die, DW_AT_linkage_name);
		if (linkage)
			return linkage;
		if (!name)
			name = text_of(walk, &die, DW_AT_name);
		if (!follow(walk, &die, DW_AT_abstract_origin) &&
		    !follow(walk, &die, DW_AT_specification))
			break;
	}
	return name;
}

/* Where its code begins; 0: it has none, as abstract instances and declarations. */
static uint64_t code_of(Dwarf_Die *die)
{
	Dwarf_Addr base, start = 0, end;

	return dwarf_ranges(die, 0, &base, &start, &end) > 0 ? start : 0;
}

/* What linkers have left out keeps its information, at address 0 (or 1: -gc-sections' tombstone).
 */
static bool is_code(uint64_t vaddr)
{
	return vaddr > 1 && vaddr < UINT64_MAX - 1;
}

/* Is there anything to look for in it? */
static bool enter(struct walk *walk, struct level *level)
{
	struct pv_elf_inlined place;

	switch (dwarf_tag(&level->die)) {
	case DW_TAG_subprogram:
		level->function = code_of(&level->die);
		return is_code(level->function);
	case DW_TAG_inlined_subroutine:
		if (!level->function || !is_code(code_of(&level->die)))
			return true;
		place.function = level->function;
		place.name = name_of(walk, level->die);
		walk->stop = place.name && !walk->fn(walk->ctx, &place);
		return true;
	case DW_TAG_skeleton_unit:
		walk->part = true;
		return false;
	case DW_TAG_compile_unit:
		/* GCC's split DWARF 4: no more than a skeleton, too */
		walk->part |= dwarf_hasattr(&level->die, DW_AT_GNU_dwo_name) > 0;
		return true;
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
		return true;
	default:
		return false;
	}
}

static bool is_late(struct walk *walk)
{
	struct timespec now;

	if (walk->n++ % CLOCK_EVERY)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec >= walk->deadline;
}

/* A cycle of siblings ends with the time. */
static void walk_unit(struct walk *walk, const Dwarf_Die *unit)
{
	struct level levels[DEPTH_MAX] = { { .die = *unit } };
	size_t n = 1;

	while (n && !walk->stop) {
		if (is_late(walk)) {
			walk->part = walk->stop = true;
			return;
		}
		if (enter(walk, &levels[n - 1])) {
			bool fits = n < DEPTH_MAX;

			walk->part |= !fits;
			if (fits && !dwarf_child(&levels[n - 1].die, &levels[n].die)) {
				levels[n].function = levels[n - 1].function;
				n++;
				continue;
			}
		}
		while (n > 1 && dwarf_siblingof(&levels[n - 1].die, &levels[n - 1].die))
			n--;
		if (n == 1)
			return;
		levels[n - 1].function = levels[n - 2].function;
	}
}

static void walk_units(struct walk *walk, Dwarf *dwarf)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;
	int result;

	while (!(result = dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &die, NULL)) &&
	       !walk->stop)
		walk_unit(walk, &die);
	walk->part |= result < 0;
}

struct pv_err *pv_elf_each_inlined(const struct pv_elf *elf, uint64_t deadline,
				   bool (*fn)(void *ctx, const struct pv_elf_inlined *place),
				   void *ctx, enum pv_inlined_state *ret)
{
	struct walk walk = { .deadline = deadline, .fn = fn, .ctx = ctx };
	struct pv_elf_debug debug;
	struct pv_err *err;

	if (!pv_elf_has_debug_info(elf)) {
		*ret = PV_INLINED_NONE;
		return NULL;
	}
	*ret = PV_INLINED_PART;
	err = pv_elf_debug_open(elf, &debug);
	if (err)
		return err;
	walk.part = !debug.dwarf;
	if (debug.dwarf)
		walk_units(&walk, debug.dwarf);
	pv_elf_debug_close(&debug);
	if (!walk.part)
		*ret = PV_INLINED_ALL;
	return NULL;
}
