/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places in an interpreter's code where Python functions begin and end.
 * Input: the interpreter's ELF object, stripped or not, and the process's data.
 * Output: struct pv_python_sites, or the reason why it cannot be had.
 *
 * 3.11 and later: Python/ceval.c has `static void *opcode_targets[256]`, the
 * address of each opcode's handler.  The table has no symbol in a stripped
 * binary, but nothing else looks like it: 256 pointers into the code, most of
 * them different, and each handler first stores the instruction pointer in its
 * frame, at one offset through one register.
 */
#include "python/sites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "elf/elf.h"
#include "insn/insn.h"
#include "insn/site.h"
#include "python/sitefinder.h"
#include "target/mem.h"

enum {
	DISTINCT_MIN = 100,
	HANDLERS_MIN = 40, /* that store the instruction pointer */
	DATA_BYTES_MAX = 64 << 20,
	OPCODES_MAX = 4,
	RUN_MAX = 2 * PV_OPCODES, /* 3.15 has two tables; longer runs are other tables */
};

/*
 * What differs from version to version: Include/opcode.h, from 3.13 on
 * Include/opcode_ids.h.  0 ends a list: it is CACHE, never executed.
 */
struct pv_opcode_places {
	uint32_t minor;                  /* upper half of PY_VERSION_HEX */
	uint8_t resume[OPCODES_MAX + 1]; /* RESUME, RESUME_QUICK or _CHECK, INSTRUMENTED_RESUME */
	uint8_t yield[OPCODES_MAX + 1];
	uint8_t return_value;
	/* the function that takes down a frame, however it ends; found by its call where it has no
	 * symbol */
	const char *clear;
	uint8_t clear_register;
	/*
	 * 3.11: what was called from C is taken down by whoever called eval, and compilers inline
	 * that: its ends are RETURN_VALUE, and eval's failure.
	 */
	bool ends_in_callers;
	uint16_t ts_exception; /* PyThreadState.current_exception, 3.11: curexc_type */
	uint8_t skip_oparg;    /* 3.15: 4, the RESUME of a genexpr's creation
				  (Include/internal/pycore_opcode_utils.h) */
};

static const struct pv_opcode_places versions[] = {
	{ 0x030b, { 151, 150 }, { 86 }, 83, "_PyFrame_Clear", PV_REG_RDI, true, 96, 0 },
	{ 0x030c,
	  { 151, 240 },
	  { 150, 243 },
	  83,
	  "_PyEvalFrameClearAndPop",
	  PV_REG_RSI,
	  false,
	  96,
	  0 },
	{ 0x030d,
	  { 149, 207, 236 },
	  { 118, 241 },
	  36,
	  "_PyEval_FrameClearAndPop",
	  PV_REG_RSI,
	  false,
	  112,
	  0 },
	{ 0x030e,
	  { 128, 196, 245 },
	  { 120, 247 },
	  35,
	  "_PyEval_FrameClearAndPop",
	  PV_REG_RSI,
	  false,
	  112,
	  0 },
	{ 0x030f,
	  { 128, 200, 201, 244 },
	  { 119, 246 },
	  33,
	  "_PyEval_FrameClearAndPop",
	  PV_REG_RSI,
	  false,
	  136,
	  4 },
};

static const struct pv_opcode_places *find_version(uint32_t version_hex)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (versions[i].minor == version_hex >> 16)
			return &versions[i];
	}
	return NULL;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Are they as many as handlers are?  Cold ones may lie at the other end of the code. */
static bool looks_like_table(const uint64_t *handlers)
{
	uint64_t sorted[PV_OPCODES];
	size_t distinct = 1;

	memcpy(sorted, handlers, sizeof(sorted));
	qsort(sorted, PV_OPCODES, sizeof(sorted[0]), compare_u64);
	for (size_t i = 1; i < PV_OPCODES; i++)
		distinct += sorted[i] != sorted[i - 1];
	return distinct >= DISTINCT_MIN;
}

static bool seen_before(const uint64_t *handlers, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (handlers[k] == handlers[i])
			return true;
	}
	return false;
}

/* Which register do the handlers keep the frame in?  By how many, of how many that tell. */
static void count_frame_register(struct pv_site_finder *f, const uint64_t *handlers)
{
	const struct pv_pylayout *py = &f->python->proc.py;
	unsigned int votes[PV_REGS][PV_REGS] = { 0 };

	f->agree = f->stores = 0;
	for (size_t i = 0; i < PV_OPCODES; i++) {
		unsigned int base, value;
		const uint8_t *code;
		size_t n;

		if (seen_before(handlers, i))
			continue;
		code = pv_site_code(f->module->elf, handlers[i], PV_HANDLER_BYTES, &n);
		if (!code || !pv_insn_first_store(code, n, py->fr_instr, &base, &value))
			continue;
		f->stores++;
		if (++votes[base][value] > f->agree) {
			f->agree = votes[base][value];
			f->frame_register = base;
		}
	}
}

/* An opcode's handler that is no other opcode's, too. */
static bool is_own(const uint64_t *handlers, uint8_t opcode)
{
	size_t n = 0;

	for (size_t i = 0; i < PV_OPCODES; i++)
		n += handlers[i] == handlers[opcode];
	return n == 1;
}

static bool all_own(const struct pv_opcode_places *version, const uint64_t *handlers)
{
	for (const uint8_t *op = version->resume; *op; op++) {
		if (!is_own(handlers, *op))
			return false;
	}
	for (const uint8_t *op = version->yield; *op; op++) {
		if (!is_own(handlers, *op))
			return false;
	}
	return is_own(handlers, version->return_value);
}

static void try_table(struct pv_site_finder *f, const uint64_t *words, uint64_t address)
{
	struct pv_site_finder trial = *f;

	for (size_t i = 0; i < PV_OPCODES; i++)
		trial.handlers[i] = words[i] - f->module->bias;
	if (!looks_like_table(trial.handlers) || !all_own(f->places, trial.handlers))
		return;
	count_frame_register(&trial, trial.handlers);
	/* more than three of four, and not by chance */
	if (trial.agree < HANDLERS_MIN || 4 * trial.agree <= 3 * trial.stores)
		return;
	trial.table = address;
	trial.n_tables++;
	*f = trial;
}

/* Every run of pointers into the code that is as long as a table, or two. */
static void scan_words(struct pv_site_finder *f, const uint64_t *words, size_t n, uint64_t address)
{
	for (size_t i = 0, end; i < n; i = end + 1) {
		for (end = i;
		     end < n && pv_site_is_code(f->module->elf, words[end] - f->module->bias);)
			end++;
		/* 3.15: the one that records traces for the JIT comes first */
		if (end - i == RUN_MAX)
			try_table(f, words + i + PV_OPCODES, address + 8 * (i + PV_OPCODES));
		else if (end - i >= PV_OPCODES && end - i < RUN_MAX)
			try_table(f, words + i, address + 8 * i);
	}
}

static struct pv_err *scan_load(struct pv_site_finder *f, struct pv_mem *mem,
				const struct pv_elf_load *load)
{
	uint64_t start = (f->module->bias + load->vaddr + 7) & ~7ULL;
	uint64_t bytes = load->file_size & ~7ULL;
	_pv_free_ uint64_t *words = NULL;

	if (bytes < PV_OPCODES * 8 || bytes > DATA_BYTES_MAX)
		return NULL;
	words = malloc(bytes);
	if (!words)
		return &pv_enomem;
	/* what lies between two pages that are protected otherwise is read page by page */
	for (uint64_t at = 0, n; at < bytes; at += n) {
		n = bytes - at < 4096 ? bytes - at : 4096;
		if (pv_mem_read(mem, (char *)words + at, n, start + at))
			memset((char *)words + at, 0, n);
	}
	scan_words(f, words, bytes / 8, start);
	return NULL;
}

static struct pv_err *find_table(struct pv_site_finder *f, struct pv_mem *mem)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < pv_elf_n_loads(f->module->elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(f->module->elf, i);

		if (!load->executable)
			err = scan_load(f, mem, load);
	}
	if (err)
		return err;
	if (f->n_tables != 1)
		return pv_site_refuse(f, f->n_tables
						 ? "several tables look like its opcodes' handlers"
						 : "its table of opcode handlers was not found");
	snprintf(f->ret->table, sizeof(f->ret->table), "at 0x%llx, %u of %u handlers agree",
		 (unsigned long long)f->table, f->agree, f->stores);
	return NULL;
}

static struct pv_err *add_handlers(struct pv_site_finder *f, const uint8_t *opcodes,
				   enum pv_probe_kind kind)
{
	struct pv_err *err = NULL;

	for (; !err && *opcodes; opcodes++) {
		uint64_t start = f->handlers[*opcodes];
		struct pv_insn_site site;
		const uint8_t *code;
		size_t n;

		code = pv_site_code(f->module->elf, start, PV_HANDLER_BYTES, &n);
		if (!code)
			return pv_site_refuse(f, "a handler lies outside its file");
		site = pv_insn_cheap_site(code, n, 1U << f->frame_register);
		if (site.offset && pv_site_jumped_into(f, start, start + site.offset))
			site = (struct pv_insn_site){ .emulated = pv_insn_emulated(code, n) };
		err = pv_site_add(f, kind, start, site, *opcodes);
	}
	return err;
}

/* What RETURN_VALUE calls first with its frame. */
static bool call_of_return(const struct pv_site_finder *f, uint64_t *ret)
{
	uint64_t start = f->handlers[f->places->return_value];
	const uint8_t *code;
	size_t n;

	code = pv_site_code(f->module->elf, start, PV_HANDLER_BYTES, &n);
	return code &&
	       pv_insn_call_with(code, n, start, f->places->clear_register, f->frame_register, ret);
}

/* The function that takes a frame down, with or without an exception. */
static struct pv_err *find_clear(const struct pv_site_finder *f, struct pv_elf_symbol *ret)
{
	*ret = (struct pv_elf_symbol){ 0 };
	if (!pv_elf_find_symbol(f->module->elf, f->places->clear, ret) &&
	    (!call_of_return(f, &ret->vaddr) || !pv_site_is_code(f->module->elf, ret->vaddr)))
		return pv_site_refuse(f, "the function that takes down its frames was not found");
	return NULL;
}

static struct pv_err *add_clear(struct pv_site_finder *f, uint64_t vaddr, uint64_t size,
				unsigned int frame)
{
	f->ret->python.clear_register = frame;
	f->ret->python.tstate_argument = frame != PV_REG_RDI;
	return pv_site_add_function(f, PV_PROBE_CLEAR, vaddr, size, 1U << frame | 1U << PV_REG_RDI);
}

/*
 * Without a serial number only its end tells a code object from the next one at its address.  That
 * is a function that nothing but the type knows, tp_dealloc (Objects/codeobject.c, code_dealloc).
 * Where it is not found each call must have a look at its code object.
 */
static struct pv_err *add_code_gone(struct pv_site_finder *f, struct pv_mem *mem)
{
	const struct pv_proc *proc = &f->python->proc;
	struct pv_fde_range range;
	uint64_t dealloc;

	/* PyTypeObject: after ob_size tp_name, tp_basicsize, tp_itemsize (Include/object.h) */
	if (proc->py.co_version != PV_OFF_NONE || !proc->code_type ||
	    pv_mem_read_u64(mem, proc->code_type + proc->py.var_size + 32, &dealloc) ||
	    !pv_site_range(f, dealloc - f->module->bias, &range))
		return NULL;
	return pv_site_add_function(f, PV_PROBE_CODE_GONE, range.start, range.end - range.start,
				    1U << PV_REG_RDI);
}

/* Eval's calls of what takes down a frame, where RETURN_VALUE has its own. */
struct unwinding {
	const struct pv_site_finder *f;
	uint64_t clear;  /* _PyFrame_Clear(frame) */
	size_t n_clear;  /* calls of it */
	uint64_t target; /* _PyEvalFrameClearAndPop(tstate, frame), which calls it; 0: not found */
	bool doubt;      /* several */
};

static bool on_eval_call(void *ctx, uint64_t from, uint64_t to)
{
	struct unwinding *u = ctx;
	const uint8_t *code;
	uint64_t callee;
	size_t n;

	(void)from;
	u->n_clear += to == u->clear;
	if (to == u->clear || to == u->target)
		return true;
	code = pv_site_code(u->f->module->elf, to, PV_HANDLER_BYTES, &n);
	if (!code || !pv_insn_call_with(code, n, to, PV_REG_RDI, PV_REG_RSI, &callee) ||
	    callee != u->clear)
		return true;
	u->doubt |= u->target != 0;
	u->target = to;
	return true;
}

/*
 * Where RETURN_VALUE itself takes its frame down and calls fail by way of another function, that
 * one is the place, so that calls that return do not hit two.
 */
static bool find_unwinding(const struct pv_site_finder *f, uint64_t clear, struct pv_fde_range *ret)
{
	struct unwinding u = { .f = f, .clear = clear };
	uint64_t returning, vaddr;
	const uint8_t *code;
	size_t n;

	if (!call_of_return(f, &returning) || returning != clear)
		return false;
	for (size_t i = 0; (code = pv_site_eval(f, i, &vaddr, &n)); i++)
		pv_insn_each_call(code, n, vaddr, on_eval_call, &u);
	return u.n_clear == 1 && u.target && !u.doubt && pv_site_range(f, u.target, ret);
}

/* Where calls end: what takes down their frames, for 3.11 more. */
static struct pv_err *add_ends(struct pv_site_finder *f)
{
	const uint8_t opcodes[] = { f->places->return_value, 0 };
	struct pv_site_calls calls = { .target = f->python->proc.eval[0].start - f->module->bias };
	struct pv_elf_symbol clear;
	struct pv_fde_range unwinding;
	struct pv_err *err = find_clear(f, &clear);

	if (!err && f->places->ends_in_callers)
		err = pv_site_calls(f, &calls);
	if (err)
		return err;
	/* a shared library calls it by its linkage table, and then inlines nothing of this */
	if (!calls.n)
		return add_clear(f, clear.vaddr, clear.size, f->places->clear_register);
	err = find_unwinding(f, clear.vaddr, &unwinding)
		      ? add_clear(f, unwinding.start, unwinding.end - unwinding.start, PV_REG_RSI)
		      : add_clear(f, clear.vaddr, clear.size, f->places->clear_register);
	if (!err)
		err = add_handlers(f, opcodes, PV_PROBE_LEAVE);
	for (size_t i = 0; !err && i < calls.n; i++)
		err = pv_site_add_function(f, PV_PROBE_FAILED, calls.returns[i], 0,
					   1U << PV_REG_RAX);
	return err;
}

static struct pv_err *sites_of_handlers(struct pv_site_finder *f, struct pv_mem *mem)
{
	struct pv_probe_python *python = &f->ret->python;
	struct pv_err *err = find_table(f, mem);
	struct pv_range eval = f->python->proc.eval[0];
	size_t n_always;

	if (!err)
		err = add_handlers(f, f->places->resume, PV_PROBE_ENTER);
	if (!err)
		err = add_ends(f);
	n_always = f->ret->n;
	/* _PyEval_EvalFrameDefault(tstate, frame, throwflag) */
	if (!err)
		err = pv_site_add_function(f, PV_PROBE_THROW, eval.start - f->module->bias,
					   eval.end - eval.start,
					   1U << PV_REG_RDI | 1U << PV_REG_RSI | 1U << PV_REG_RDX);
	if (!err)
		err = add_handlers(f, f->places->yield, PV_PROBE_YIELD);
	for (size_t i = n_always; !err && i < f->ret->n; i++)
		f->ret->list[i].generators = true;
	if (err)
		return err;
	python->frame_register = f->frame_register;
	python->eval_register = PV_REG_RSI;
	python->skip_oparg = f->places->skip_oparg;
	memcpy(python->resume, f->places->resume, sizeof(python->resume));
	memcpy(python->yield, f->places->yield, sizeof(python->yield));
	python->ts_exception = f->places->ts_exception;
	return NULL;
}

struct pv_err *pv_python_sites(struct pv_mem *mem, const struct pv_python_module *module,
			       const struct pv_python *python, struct pv_python_sites *ret)
{
	struct pv_python_sites sites = { .n = 0 };
	struct pv_site_finder finder = { .module = module, .python = python, .ret = &sites };
	const struct pv_pylayout *py = &python->proc.py;
	struct pv_err *err;

	/* from 3.14 on each thread has its own copy of a function's instructions; none was at hand
	 */
	if (py->free_threaded && py->version_hex >= 0x030e0000)
		return pv_site_refuse(&finder,
				      "free-threaded builds of 3.14 and later are not supported");
	if (python->tail_calls)
		return pv_site_refuse(&finder,
				      "its eval loop is many functions (a tail-calling build)");
	if (py->frame_kind == PV_FRAME_OBJECT) {
		err = pv_sites_of_eval(&finder, mem);
	} else {
		finder.places = find_version(py->version_hex);
		err = finder.places ? sites_of_handlers(&finder, mem)
				    : pv_site_refuse(&finder, "its opcodes are not known");
	}
	if (!err)
		err = add_code_gone(&finder, mem);
	if (!err)
		*ret = sites;
	return err;
}
