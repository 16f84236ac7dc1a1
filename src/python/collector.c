/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the cyclic garbage collector is: the one function that does a whole
 * collection (Modules/gcmodule.c: collect() in 3.8 and 3.9, gc_collect_main()
 * from 3.10, in Python/gc.c from 3.13), whatever copies and parts compilers made.
 * Input: the interpreter's ELF object, stripped or not.  Output: address ranges.
 *
 * The function tells itself apart by the text that it prints under
 * gc.set_debug(gc.DEBUG_STATS): in all versions no other code uses it.
 */
#include <string.h>

#include "base/cleanup.h"
#include "elf/elf.h"
#include "insn/insn.h"
#include "python/internal.h"

/*
 * Texts are put together here: a program that held them whole, such as this one, would
 * be taken for a CPython without symbols.
 */
static const char *const pieces[][2] = {
	[PV_TEXT_COLLECTOR] = { "gc: collecting", " generation %d...\n" },
	[PV_TEXT_OPCODE] = { "XXX lineno: %d,", " opcode: %d\n" },
	[PV_TEXT_OPCODE_3_12] = { "%U:%d: unknown", " opcode %d" },
};

enum { TEXT_BYTES = 64 };

static void text_make(enum pv_python_text which, char ret[TEXT_BYTES])
{
	snprintf(ret, TEXT_BYTES, "%s%s", pieces[which][0], pieces[which][1]);
}

enum {
	BYTES_MAX = 1 << 28,  /* to look through; a hostile file may name its bytes many times */
	PART_MAX = 1 << 16,   /* bytes; the collector has 5 kB in all builds seen */
	GATE_BYTES = 1 << 26, /* to look through of an object that may be anything */
	LOOKS_MAX = 64,       /* at functions that the collector jumps to: a few tail calls */
};

struct search {
	const struct pv_elf *elf;
	const struct pv_fde_range *fdes;
	size_t n_fdes;
	char text[TEXT_BYTES]; /* n_text bytes with its NUL: a longer text may begin alike */
	size_t n_text, part_max;
	struct pv_fde_range found[PV_COLLECTOR_PARTS_MAX];
	size_t n, looks;
	uint64_t bytes; /* looked through so far */
	bool too_many;  /* parts, or jumps */
};

static void part_add(struct search *search, const struct pv_fde_range *fde)
{
	for (size_t i = 0; i < search->n; i++) {
		if (search->found[i].start == fde->start)
			return;
	}
	if (search->n == PV_COLLECTOR_PARTS_MAX) {
		search->too_many = true;
		return;
	}
	search->found[search->n++] = *fde;
}

/* The bytes of a segment; NULL: not in the file, or more than we look through. */
static const void *load_data(struct search *search, const struct pv_elf_load *load)
{
	const void *data = pv_elf_data(search->elf, load->vaddr, load->file_size);

	if (!data || load->file_size > BYTES_MAX - search->bytes)
		return NULL;
	search->bytes += load->file_size;
	return data;
}

/* The only place of the text in what is not to be written; 0: none, or several. */
static uint64_t text_find(struct search *search)
{
	uint64_t ret = 0;

	for (size_t i = 0; i < pv_elf_n_loads(search->elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(search->elf, i);
		const char *data, *at;

		if (load->writable)
			continue;
		data = at = load_data(search, load);
		while (at && (at = memmem(at, load->file_size - (at - data), search->text,
					  search->n_text))) {
			if (ret)
				return 0;
			ret = load->vaddr + (at - data);
			at++;
		}
	}
	return ret;
}

/* The function, or part of one, that vaddr lies in; NULL: none, or too large to be looked at. */
static const struct pv_fde_range *part_at(const struct search *search, uint64_t vaddr)
{
	const struct pv_fde_range *fde = pv_elf_fde_find(search->fdes, search->n_fdes, vaddr);

	return fde && fde->end - fde->start <= search->part_max ? fde : NULL;
}

static bool on_address(void *ctx, uint64_t at)
{
	struct search *search = ctx;
	const struct pv_fde_range *fde = part_at(search, at);

	if (fde)
		part_add(search, fde);
	return true;
}

static bool inside(const struct pv_fde_range *range, uint64_t vaddr)
{
	return vaddr >= range->start && vaddr < range->end;
}

struct jumps {
	const struct pv_fde_range *to;
	bool any, middle;
};

static bool on_jump_to(void *ctx, uint64_t from, uint64_t to)
{
	struct jumps *jumps = ctx;

	(void)from;
	jumps->any |= inside(jumps->to, to);
	jumps->middle |= inside(jumps->to, to) && to != jumps->to->start;
	return !jumps->middle;
}

static struct jumps jumps_between(const struct pv_elf *elf, const struct pv_fde_range *from,
				  const struct pv_fde_range *to)
{
	struct jumps jumps = { .to = to };
	const void *code = pv_elf_data(elf, from->start, from->end - from->start);

	if (code)
		pv_insn_each_jump(code, from->end - from->start, from->start, on_jump_to, &jumps);
	return jumps;
}

struct part {
	struct search *search;
	struct pv_fde_range range;
};

/*
 * Two ranges that jump into each other, one of them into the other's middle, are parts
 * of one function: a tail call goes to a start, and its target does not jump back.
 */
static bool on_jump_out(void *ctx, uint64_t from, uint64_t to)
{
	struct part *part = ctx;
	struct search *search = part->search;
	const struct pv_fde_range *fde;
	struct jumps back;

	(void)from;
	if (inside(&part->range, to))
		return true;
	for (size_t i = 0; i < search->n; i++) {
		if (inside(&search->found[i], to))
			return true;
	}
	fde = part_at(search, to);
	if (!fde)
		return true;
	if (search->looks++ == LOOKS_MAX) {
		search->too_many = true;
		return false;
	}
	back = jumps_between(search->elf, fde, &part->range);
	if (back.middle || (back.any && to != fde->start))
		part_add(search, fde);
	return true;
}

/* Adds the other parts of the functions found so far. */
static void add_parts(struct search *search)
{
	for (size_t i = 0; i < search->n; i++) {
		struct part part = { search, search->found[i] };
		uint64_t size = part.range.end - part.range.start;
		const void *code = pv_elf_data(search->elf, part.range.start, size);

		if (code)
			pv_insn_each_jump(code, size, part.range.start, on_jump_out, &part);
	}
}

static const char *search_all(struct search *search)
{
	uint64_t target = text_find(search);

	if (!target)
		return "its text is not there, or not once";
	for (size_t i = 0; i < pv_elf_n_loads(search->elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(search->elf, i);
		const void *code = load->executable ? load_data(search, load) : NULL;

		if (code)
			pv_insn_each_address(code, load->file_size, load->vaddr, target, on_address,
					     search);
	}
	if (!search->n)
		return "no function uses its text";
	add_parts(search);
	return search->too_many ? "it has too many parts or jumps" : NULL;
}

const char *pv_python_by_text(const struct pv_elf *elf, const struct pv_fde_range *fdes,
			      size_t n_fdes, enum pv_python_text which, size_t part_max,
			      struct pv_fde_range *parts, size_t *n_ret)
{
	struct search search = {
		.elf = elf,
		.fdes = fdes,
		.n_fdes = n_fdes,
		.part_max = part_max,
	};
	const char *why;

	text_make(which, search.text);
	search.n_text = strlen(search.text) + 1;
	why = search_all(&search);
	if (why)
		return why;
	memcpy(parts, search.found, search.n * sizeof(*parts));
	*n_ret = search.n;
	return NULL;
}

static bool has_text(const struct pv_elf *elf, enum pv_python_text which)
{
	struct search search = { .elf = elf, .bytes = BYTES_MAX - GATE_BYTES };

	text_make(which, search.text);
	search.n_text = strlen(search.text) + 1;
	return text_find(&search);
}

bool pv_python_has_texts(const struct pv_elf *elf)
{
	return has_text(elf, PV_TEXT_COLLECTOR) &&
	       (has_text(elf, PV_TEXT_OPCODE) || has_text(elf, PV_TEXT_OPCODE_3_12));
}

struct pv_err *pv_python_collector(const struct pv_python_module *module, struct pv_python *python)
{
	struct pv_fde_range parts[PV_COLLECTOR_PARTS_MAX];
	size_t n_fdes, n = 0;
	_pv_free_ struct pv_fde_range *fdes = NULL;
	struct pv_err *err = pv_elf_fde_ranges(module->elf, &fdes, &n_fdes);
	char *source = python->sources.collector;
	const char *why;

	if (err)
		return pv_err_wrap(err, "cannot find the garbage collector in %s", module->path);
	why = pv_python_by_text(module->elf, fdes, n_fdes, PV_TEXT_COLLECTOR, PART_MAX, parts, &n);
	if (why) {
		snprintf(source, sizeof(python->sources.collector), "not found: %s", why);
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		python->collector[i].start = parts[i].start + module->bias;
		python->collector[i].end = parts[i].end + module->bias;
	}
	snprintf(source, sizeof(python->sources.collector), "%zu part%s by its text", n,
		 n == 1 ? "" : "s");
	return NULL;
}
