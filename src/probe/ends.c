/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ends of native functions.  Input: code, .eh_frame and relocations of an ELF object, untrusted.
 * Output: struct pv_native_ends.
 */
#include "probe/ends.h"

#include <stdlib.h>

#include "insn/pool.h"
#include "insn/site.h"
#include "probe/native.h"

enum {
	PARTS_MAX = 32, /* functions, and what compilers have split off them */
	ENDS_MAX = 128,
	PART_BYTES_MAX = 1 << 20,
	LINKAGE_BYTES = 16,
};

struct walk {
	const struct pv_native_code *code;
	const struct pv_fde_range *parts[PARTS_MAX];
	size_t n_parts, n_done;
	struct pv_native_ends *ret;
	struct pv_err *err;
};

static struct pv_err *add_end(struct walk *walk, uint64_t at, bool jump)
{
	struct pv_native_end end = { .vaddr = at, .jump = jump };
	const uint8_t *code;

	for (size_t i = 0; i < walk->ret->list.n; i++) {
		if (((const struct pv_native_end *)pv_vec_at(&walk->ret->list, i))->vaddr == at)
			return NULL;
	}
	code = pv_elf_data(walk->code->elf, at, 1);
	if (walk->ret->list.n == ENDS_MAX || !code ||
	    !pv_elf_offset(walk->code->elf, at, &end.offset)) {
		walk->ret->n_lost++;
		return NULL;
	}
	for (size_t n = 8; n && !end.emulated; n /= 2) {
		code = pv_elf_data(walk->code->elf, at, n);
		end.emulated = code && pv_insn_emulated(code, n);
	}
	return pv_vec_append(&walk->ret->list, &end, 1, NULL);
}

/* All of the range that holds an address is looked at; false: there is none, or no room. */
static bool add_part(struct walk *walk, uint64_t vaddr)
{
	const struct pv_fde_range *fde =
		pv_elf_fde_find(walk->code->fdes, walk->code->n_fdes, vaddr);

	if (!fde)
		return false;
	for (size_t i = 0; i < walk->n_parts; i++) {
		if (walk->parts[i] == fde)
			return true;
	}
	if (walk->n_parts == PARTS_MAX || fde->end - fde->start > PART_BYTES_MAX)
		return false;
	walk->parts[walk->n_parts++] = fde;
	return true;
}

struct slot {
	uint64_t vaddr;
	const char *name;
};

static bool on_relocation(void *ctx, const struct pv_elf_relocation *relocation)
{
	struct slot *slot = ctx;

	if (relocation->vaddr == slot->vaddr)
		slot->name = relocation->name;
	return !slot->name;
}

/* Through an entry of the linkage table: the function of the same object, 0: it is another's. */
static void follow_linkage(const struct pv_elf *elf, uint64_t at, uint64_t *of_ret)
{
	const uint8_t *code = pv_elf_data(elf, at, LINKAGE_BYTES);
	struct pv_elf_symbol symbol;
	struct slot slot = { 0, NULL };

	if (!code || !pv_insn_linkage(code, LINKAGE_BYTES, at, &slot.vaddr))
		return;
	pv_elf_each_relocation(elf, on_relocation, &slot);
	*of_ret = slot.name && *slot.name && pv_elf_find_symbol(elf, slot.name, &symbol) &&
				  symbol.is_function && !symbol.is_indirect
			  ? symbol.vaddr
			  : 0;
}

static struct pv_err *add_jump(struct walk *walk, uint64_t at, uint64_t to)
{
	const uint8_t *code = pv_elf_data(walk->code->elf, at, 1);

	/* the linkage table may have unwind information of its own */
	follow_linkage(walk->code->elf, to, &to);
	if (to && add_part(walk, to))
		return NULL;
	/* a conditional one is hit where it does not jump, too */
	if (code && (code[0] == 0xe9 || code[0] == 0xeb))
		return add_end(walk, at, true);
	walk->ret->n_lost++;
	return NULL;
}

static bool on_way_out(void *ctx, enum pv_insn_exit exit, uint64_t at, uint64_t to)
{
	struct walk *walk = ctx;

	if (exit == PV_INSN_RETURN)
		walk->err = add_end(walk, at, false);
	else if (exit == PV_INSN_JUMP)
		walk->err = add_jump(walk, at, to);
	else
		walk->ret->n_lost++;
	return !walk->err;
}

static int compare_ends(const void *a, const void *b)
{
	const struct pv_native_end *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

struct pv_err *pv_native_ends(const struct pv_native_code *code, uint64_t vaddr,
			      struct pv_native_ends *ret)
{
	struct pv_native_ends ends = { .list = PV_VEC(struct pv_native_end) };
	struct walk walk = { .code = code, .ret = &ends };

	if (!add_part(&walk, vaddr))
		ends.n_lost++;
	while (!walk.err && walk.n_done < walk.n_parts) {
		const struct pv_fde_range *part = walk.parts[walk.n_done++];
		size_t n = part->end - part->start;
		const uint8_t *bytes = pv_elf_data(code->elf, part->start, n);

		if (bytes)
			pv_insn_each_exit(bytes, n, part->start, on_way_out, &walk);
		else
			ends.n_lost++;
	}
	if (walk.err) {
		pv_native_ends_deinit(&ends);
		return walk.err;
	}
	if (ends.list.n)
		qsort(ends.list.data, ends.list.n, sizeof(struct pv_native_end), compare_ends);
	*ret = ends;
	return NULL;
}

void pv_native_ends_deinit(struct pv_native_ends *ends)
{
	pv_vec_deinit(&ends->list);
}
