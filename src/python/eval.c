/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where _PyEval_EvalFrameDefault (2.7: PyEval_EvalFrameEx) is: its hot part, the parts that gcc
 * split off
 * (.cold), and the window in which 3.10 to 3.12 switch frames.
 * Input: the interpreter's ELF object, stripped or not.  Output: address ranges.
 */
#include <string.h>

#include "base/cleanup.h"
#include "elf/elf.h"
#include "insn/insn.h"
#include "python/internal.h"

/* PEP 523 (3.6) renamed it. */
static const char *eval_name_of(const struct pv_pylayout *py)
{
	return py->version_hex < 0x03060000 ? "PyEval_EvalFrameEx" : "_PyEval_EvalFrameDefault";
}

/*
 * No prologue seen so far is longer; where its stores cannot be told apart,
 * all of it counts as the window.
 */
enum { PROLOGUE_BYTES = 0x180 };

struct parts {
	const struct pv_elf *elf;
	const char *eval_name;
	const struct pv_fde_range *fdes;
	size_t n_fdes;
	struct pv_range hot; /* ELF virtual addresses */
	struct pv_range found[PV_EVAL_RANGES_MAX];
	size_t n;
	bool full;  /* more parts than room */
	bool named; /* a part is known by its symbol */
};

static void part_add(struct parts *parts, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < parts->n; i++) {
		if (parts->found[i].start == start)
			return;
	}
	if (start >= end)
		return;
	if (parts->n == PV_EVAL_RANGES_MAX) {
		parts->full = true;
		return;
	}
	parts->found[parts->n++] = (struct pv_range){ start, end };
}

/* The range of a symbol: its FDE, else its size. */
static struct pv_range symbol_range(const struct parts *parts, const struct pv_elf_symbol *symbol)
{
	const struct pv_fde_range *fde = pv_elf_fde_find(parts->fdes, parts->n_fdes, symbol->vaddr);

	if (fde && fde->start == symbol->vaddr)
		return (struct pv_range){ fde->start, fde->end };
	if (symbol->size > UINT64_MAX - symbol->vaddr)
		return (struct pv_range){ 0, 0 };
	return (struct pv_range){ symbol->vaddr, symbol->vaddr + symbol->size };
}

/* gcc's names of parts and copies: .cold, .cold.N, .constprop.N, .localalias ... */
static bool on_symbol(void *ctx, const struct pv_elf_symbol *symbol)
{
	struct parts *parts = ctx;
	size_t n = strlen(parts->eval_name);
	struct pv_range range;

	if (strncmp(symbol->name, parts->eval_name, n) != 0 || symbol->name[n] != '.')
		return true;
	range = symbol_range(parts, symbol);
	part_add(parts, range.start, range.end);
	parts->named = true;
	return true;
}

static bool in_range(const struct pv_range *range, uint64_t vaddr)
{
	return vaddr >= range->start && vaddr < range->end;
}

struct jump_back {
	const struct pv_range *hot;
	bool found;
};

static bool on_jump_back(void *ctx, uint64_t from, uint64_t to)
{
	struct jump_back *back = ctx;

	(void)from;
	back->found = in_range(back->hot, to) && to != back->hot->start;
	return !back->found;
}

/*
 * A direct jump out of the hot part goes to its cold part or is a tail call.
 * Only a part of the same function jumps back into the middle of it.
 */
static bool on_jump_out(void *ctx, uint64_t from, uint64_t to)
{
	struct parts *parts = ctx;
	const struct pv_fde_range *fde;
	struct jump_back back = { &parts->hot, false };
	const void *code;

	(void)from;
	if (in_range(&parts->hot, to))
		return true;
	for (size_t i = 0; i < parts->n; i++) {
		if (in_range(&parts->found[i], to))
			return true;
	}
	fde = pv_elf_fde_find(parts->fdes, parts->n_fdes, to);
	if (!fde)
		return true;
	code = pv_elf_data(parts->elf, fde->start, fde->end - fde->start);
	if (!code)
		return true;
	pv_insn_each_jump(code, fde->end - fde->start, fde->start, on_jump_back, &back);
	if (back.found)
		part_add(parts, fde->start, fde->end);
	return true;
}

/* tstate->cframe; tstate->frame is the same one from 3.11 on. */
static unsigned int cframe_offset(const struct pv_pylayout *py)
{
	return py->ts_cframe == PV_OFF_NONE ? py->ts_frame : py->ts_cframe;
}

static void find_torn(const struct parts *parts, uint64_t bias, struct pv_python *python)
{
	const struct pv_pylayout *py = &python->proc.py;
	uint64_t start = 0, end = 0, size = parts->hot.end - parts->hot.start;
	char *source = python->sources.torn;
	size_t n = sizeof(python->sources.torn);
	unsigned int current = py->cf_current_frame;
	const void *code;

	if (py->cf_previous == PV_OFF_NONE) {
		snprintf(source, n, "none: this version has no cframe");
		return;
	}
	if (current == PV_OFF_NONE)
		current = PV_INSN_NO_FIELD;
	code = pv_elf_data(parts->elf, parts->hot.start, size);
	if (!code || !pv_insn_cframe_window(code, size, parts->hot.start, cframe_offset(py),
					    current, py->cf_previous, &start, &end)) {
		start = parts->hot.start;
		end = start + (size < PROLOGUE_BYTES ? size : PROLOGUE_BYTES);
		snprintf(source, n, "not recognised: the first %u bytes of %s",
			 (unsigned int)(end - start), parts->eval_name);
	} else if (start == end) {
		snprintf(source, n, "none: the prologue publishes a complete cframe");
		return;
	} else {
		snprintf(source, n, "prologue, +0x%x to +0x%x",
			 (unsigned int)(start - parts->hot.start),
			 (unsigned int)(end - parts->hot.start));
	}
	python->proc.torn.start = start + bias;
	python->proc.torn.end = end + bias;
}

/*
 * 3.12 and younger: the anchor is a local of eval, its boundary frame, so that its distance from
 * the CFA can be read from the code.  Else the native walker learns it from the first eval frame
 * that it meets, which may never come: the code that CPython's JIT makes has no unwind
 * information, and a loop may never leave it.
 */
static void find_anchor(const struct parts *parts, uint64_t bias, struct pv_python *python)
{
	struct pv_proc *proc = &python->proc;
	uint64_t size = parts->hot.end - parts->hot.start;
	const void *code = pv_elf_data(parts->elf, parts->hot.start, size);
	uint64_t pc;

	if (proc->py.anchor_kind == PV_ANCHOR_SHIM && code &&
	    pv_insn_boundary_frame(code, size, parts->hot.start, proc->py.fr_previous,
				   &proc->reanchor_cfa, &proc->reanchor_rbp, &pc))
		proc->reanchor_pc = pc + bias;
}

struct windows {
	struct pv_python *python;
	uint64_t bias;
	size_t n;
};

static bool on_window(void *ctx, uint64_t start, uint64_t end)
{
	struct windows *windows = ctx;

	if (windows->n < PV_INLINED_MAX)
		windows->python->proc.inlined[windows->n] =
			(struct pv_range){ start + windows->bias, end + windows->bias };
	windows->n++;
	return true;
}

/* 3.11 and 3.12: the new frame goes into cframe.current_frame, calls run inlined. */
static void find_inlined(const struct parts *parts, uint64_t bias, struct pv_python *python)
{
	const struct pv_pylayout *py = &python->proc.py;
	struct windows windows = { .python = python, .bias = bias };
	size_t n_hot = parts->hot.end - parts->hot.start;
	const void *hot = pv_elf_data(parts->elf, parts->hot.start, n_hot);
	size_t n = strlen(python->sources.torn);
	bool known = hot != NULL;

	if (py->cf_current_frame == PV_OFF_NONE)
		return;
	for (size_t i = 0; known && i < parts->n; i++) {
		uint64_t start = parts->found[i].start, size = parts->found[i].end - start;
		const void *code = pv_elf_data(parts->elf, start, size);

		known = code && pv_insn_inlined_windows(hot, n_hot, code, size, start,
							cframe_offset(py), py->cf_current_frame,
							py->cf_previous, on_window, &windows);
	}
	if (!known)
		snprintf(python->sources.torn + n, sizeof(python->sources.torn) - n,
			 "; inlined calls: unknown");
	else
		snprintf(python->sources.torn + n, sizeof(python->sources.torn) - n,
			 "; inlined calls: %zu%s", windows.n,
			 windows.n > PV_INLINED_MAX ? ", too many" : "");
}

struct pv_err *pv_python_eval(const struct pv_interpreter *interpreter, struct pv_python *python)
{
	const struct pv_python_module *module = interpreter->code;
	struct pv_proc *proc = &python->proc;
	struct pv_python_sources *sources = &python->sources;
	const char *eval_name = eval_name_of(&proc->py);
	struct parts parts = { .elf = module->elf, .eval_name = eval_name };
	_pv_free_ struct pv_fde_range *fdes = NULL;
	struct pv_elf_symbol symbol = { 0 };
	struct pv_err *err;
	const void *code;

	if (interpreter->bare)
		symbol.vaddr = interpreter->bare->eval;
	else if (!pv_elf_find_symbol(module->elf, eval_name, &symbol))
		return pv_err_create(PV_ERR_NOPROC, "%s has no symbol %s", module->path, eval_name);
	err = pv_elf_fde_ranges(module->elf, &fdes, &parts.n_fdes);
	if (err)
		return pv_err_wrap(err, "cannot find the parts of %s in %s", eval_name,
				   module->path);
	parts.fdes = fdes;
	parts.hot = symbol_range(&parts, &symbol);
	if (parts.hot.start >= parts.hot.end)
		return pv_err_create(PV_ERR_NOPROC, "%s of %s has no known size", eval_name,
				     module->path);
	part_add(&parts, parts.hot.start, parts.hot.end);
	pv_elf_each_symbol(module->elf, on_symbol, &parts);
	if (!parts.named) {
		code = pv_elf_data(module->elf, parts.hot.start, parts.hot.end - parts.hot.start);
		if (code)
			pv_insn_each_jump(code, parts.hot.end - parts.hot.start, parts.hot.start,
					  on_jump_out, &parts);
	}
	if (parts.full && proc->py.anchor_kind == PV_ANCHOR_NONE)
		return pv_err_create(PV_ERR_NOPROC, "%s of %s has more than %d parts", eval_name,
				     module->path, PV_EVAL_RANGES_MAX);
	for (size_t i = 0; i < parts.n; i++) {
		proc->eval[i].start = parts.found[i].start + module->bias;
		proc->eval[i].end = parts.found[i].end + module->bias;
	}
	snprintf(sources->eval, sizeof(sources->eval), "%s, %zu part%s%s", eval_name, parts.n,
		 parts.n == 1 ? "" : "s",
		 parts.named    ? " by symbol"
		 : parts.n == 1 ? ""
				: " by its jumps");
	find_anchor(&parts, module->bias, python);
	find_torn(&parts, module->bias, python);
	/* compiled without optimisation it may be anywhere */
	if ((python->debug || interpreter->bare) && proc->torn.end &&
	    strstr(sources->torn, "not recognised"))
		return pv_err_create(PV_ERR_NOPROC,
				     "where this %sbuild switches frames is not recognised",
				     python->debug ? "debug " : "");
	find_inlined(&parts, module->bias, python);
	return NULL;
}
