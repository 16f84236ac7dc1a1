/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Begins a flow wherever an object says that a function begins: its symbols and its entry.  Calls
 * and addresses in the code itself lead to the others.  Addresses of code in data do not say it:
 * an interpreter's table of labels consists of them.  Input: an object.  Output: rows.
 */
#include "unwind/bare.h"

#include <string.h>

#include "abi/unwind.h"
#include "insn/flow.h"

enum { WORD = 8 };

struct beginner {
	struct pv_bare *bare;
	struct pv_err *err;
};

static bool is_inside(const struct pv_bare *bare, uint64_t vaddr)
{
	return vaddr >= bare->start && vaddr < bare->end;
}

/* A part that compilers have moved away is not called: it goes on with the function's frame. */
static bool begin_symbol(void *ctx, const struct pv_elf_symbol *symbol)
{
	struct beginner *b = ctx;

	if (symbol->is_function && is_inside(b->bare, symbol->vaddr) &&
	    !strstr(symbol->name, ".cold"))
		b->err = pv_flow_begin(b->bare->flow, symbol->vaddr - b->bare->start);
	return !b->err;
}

bool pv_bare_is_musl(const struct pv_elf *elf)
{
	struct pv_elf_symbol symbol;

	/* musl 1.1.7 and later ldso/dynlink.c: the stages of its own start */
	return pv_elf_find_symbol(elf, "__dls3", &symbol) &&
	       pv_elf_find_symbol(elf, "__libc_start_main", &symbol);
}

struct pv_err *pv_bare_follow(const struct pv_elf *elf, const struct pv_fde_range *text,
			      struct pv_bare *ret)
{
	struct pv_bare bare = { .start = text->start, .end = text->end };
	struct beginner b = { .bare = &bare };
	size_t n = text->end - text->start;
	const void *code = n <= PV_FLOW_BYTES_MAX ? pv_elf_data(elf, text->start, n) : NULL;
	uint64_t entry = pv_elf_entry(elf);

	*ret = (struct pv_bare){ 0 };
	if (!code)
		return NULL;
	b.err = pv_flow_create(code, n, &bare.flow);
	if (!b.err && entry && is_inside(&bare, entry))
		b.err = pv_flow_begin_outermost(bare.flow, entry - bare.start);
	if (!b.err)
		pv_elf_each_symbol(elf, begin_symbol, &b);
	if (!b.err)
		b.err = pv_flow_run(bare.flow);
	if (b.err)
		pv_bare_deinit(&bare);
	*ret = bare;
	return b.err;
}

void pv_bare_deinit(struct pv_bare *bare)
{
	pv_flow_destroy(bare->flow);
	*bare = (struct pv_bare){ 0 };
}

static struct pv_unwind_row to_row(const struct pv_flow_frame *frame)
{
	static const uint8_t kinds[] = {
		[PV_FLOW_UNKNOWN] = PV_CFA_NONE,
		[PV_FLOW_RSP] = PV_CFA_RSP,
		[PV_FLOW_RBP] = PV_CFA_RBP,
		[PV_FLOW_OUTERMOST] = PV_CFA_END,
		[PV_FLOW_SIGRETURN] = PV_CFA_SIGRETURN,
	};
	struct pv_unwind_row row = {
		.kinds = kinds[frame->cfa],
		.cfa_off = (int16_t)(frame->cfa_off / WORD),
	};
	int32_t words = frame->rbp_off / WORD;

	if (frame->rbp == PV_FLOW_RBP_SAVED && words >= INT8_MIN) {
		row.kinds |= PV_RBP_CFA << 4;
		row.rbp_off = (int8_t)words;
	} else if (frame->rbp != PV_FLOW_RBP_SAME) {
		row.kinds |= PV_RBP_UNDEFINED << 4;
	}
	return row;
}

struct pv_err *pv_bare_emit(const struct pv_bare *bare, uint64_t start, uint64_t end,
			    struct pv_cfi_rows *rows)
{
	static const struct pv_unwind_row none = { .kinds = PV_CFA_NONE };
	uint64_t at = start, reached = start;
	struct pv_flow_frame frame;
	uint64_t limit = end < bare->start ? 0 : end - bare->start;
	struct pv_err *err = NULL;

	while (!err &&
	       pv_flow_next(bare->flow, at < bare->start ? 0 : at - bare->start, limit, &frame)) {
		uint64_t from = bare->start + frame.start, to = bare->start + frame.end;

		/* a handler returns to it, and is looked up as if it had been called from before it
		 */
		if (frame.cfa == PV_FLOW_SIGRETURN && from > reached)
			from--;
		if (from > reached)
			err = pv_cfi_emit(rows, reached, none);
		if (!err)
			err = pv_cfi_emit(rows, from, to_row(&frame));
		at = reached = to;
	}
	return err || reached >= end ? err : pv_cfi_emit(rows, reached, none);
}
