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
#include "python/internal.h"
#include "target/mem.h"

enum {
	TABLE = 256, /* entries */
	DISTINCT_MIN = 100,
	HANDLERS_MIN = 40, /* that store the instruction pointer */
	HANDLER_BYTES = 256,
	DATA_BYTES_MAX = 64 << 20,
	OPCODES_MAX = 4,
	INTERP_BYTES = 8192, /* of PyInterpreterState, as far as is looked */
	RUN_MAX = 2 * TABLE, /* 3.15 has two tables; longer runs are other tables */
};

/*
 * What differs from version to version: Include/opcode.h, from 3.13 on
 * Include/opcode_ids.h.  0 ends a list: it is CACHE, never executed.
 */
struct version {
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

static const struct version versions[] = {
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

static const struct version *find_version(uint32_t version_hex)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (versions[i].minor == version_hex >> 16)
			return &versions[i];
	}
	return NULL;
}

struct finder {
	const struct pv_python_module *module;
	const struct pv_python *python;
	const struct version *version;
	uint64_t handlers[TABLE]; /* ELF virtual addresses */
	uint64_t table;           /* address in the process */
	size_t n_tables;          /* different ones that look right */
	unsigned int frame_register, agree, stores;
	struct pv_python_sites *ret;
};

static bool is_code(const struct pv_elf *elf, uint64_t vaddr)
{
	for (size_t i = 0; i < pv_elf_n_loads(elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(elf, i);

		if (load->executable && vaddr >= load->vaddr &&
		    vaddr - load->vaddr < load->file_size)
			return true;
	}
	return false;
}

/* Up to max bytes of code at vaddr; fewer at the end of the file's part. */
static const uint8_t *code_at(const struct pv_elf *elf, uint64_t vaddr, size_t max, size_t *n_ret)
{
	for (size_t n = max; n >= 16; n /= 2) {
		const uint8_t *code = pv_elf_data(elf, vaddr, n);

		if (code) {
			*n_ret = n;
			return code;
		}
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
	uint64_t sorted[TABLE];
	size_t distinct = 1;

	memcpy(sorted, handlers, sizeof(sorted));
	qsort(sorted, TABLE, sizeof(sorted[0]), compare_u64);
	for (size_t i = 1; i < TABLE; i++)
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
static void count_frame_register(struct finder *f, const uint64_t *handlers)
{
	const struct pv_pylayout *py = &f->python->proc.py;
	unsigned int votes[PV_REGS][PV_REGS] = { 0 };

	f->agree = f->stores = 0;
	for (size_t i = 0; i < TABLE; i++) {
		unsigned int base, value;
		const uint8_t *code;
		size_t n;

		if (seen_before(handlers, i))
			continue;
		code = code_at(f->module->elf, handlers[i], HANDLER_BYTES, &n);
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

	for (size_t i = 0; i < TABLE; i++)
		n += handlers[i] == handlers[opcode];
	return n == 1;
}

static bool all_own(const struct version *version, const uint64_t *handlers)
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

static void try_table(struct finder *f, const uint64_t *words, uint64_t address)
{
	struct finder trial = *f;

	for (size_t i = 0; i < TABLE; i++)
		trial.handlers[i] = words[i] - f->module->bias;
	if (!looks_like_table(trial.handlers) || !all_own(f->version, trial.handlers))
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
static void scan_words(struct finder *f, const uint64_t *words, size_t n, uint64_t address)
{
	for (size_t i = 0, end; i < n; i = end + 1) {
		for (end = i; end < n && is_code(f->module->elf, words[end] - f->module->bias);)
			end++;
		/* 3.15: the one that records traces for the JIT comes first */
		if (end - i == RUN_MAX)
			try_table(f, words + i + TABLE, address + 8 * (i + TABLE));
		else if (end - i >= TABLE && end - i < RUN_MAX)
			try_table(f, words + i, address + 8 * i);
	}
}

static struct pv_err *scan_load(struct finder *f, struct pv_mem *mem,
				const struct pv_elf_load *load)
{
	uint64_t start = (f->module->bias + load->vaddr + 7) & ~7ULL;
	uint64_t bytes = load->file_size & ~7ULL;
	_pv_free_ uint64_t *words = NULL;

	if (bytes < TABLE * 8 || bytes > DATA_BYTES_MAX)
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

static struct pv_err *refuse(const struct finder *f, const char *why)
{
	return pv_err_create(PV_ERR_NOPROC, "cannot see the calls of the CPython %s in %s: %s",
			     f->python->version, f->module->path, why);
}

static struct pv_err *find_table(struct finder *f, struct pv_mem *mem)
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
		return refuse(f, f->n_tables ? "several tables look like its opcodes' handlers"
					     : "its table of opcode handlers was not found");
	snprintf(f->ret->table, sizeof(f->ret->table), "at 0x%llx, %u of %u handlers agree",
		 (unsigned long long)f->table, f->agree, f->stores);
	return NULL;
}

struct jumps {
	uint64_t after, last; /* a jump into (after, last] is one into the middle */
	bool found;
};

static bool on_jump(void *ctx, uint64_t from, uint64_t to)
{
	struct jumps *jumps = ctx;

	(void)from;
	jumps->found = to > jumps->after && to <= jumps->last;
	return !jumps->found;
}

/* Does anything of the range go on between the start of a place and its site? */
static bool jumped_into(const struct pv_elf *elf, struct pv_range range, uint64_t start,
			uint64_t site)
{
	struct jumps jumps = { start, site, false };
	uint64_t n = range.end - range.start;
	const uint8_t *code = pv_elf_data(elf, range.start, n);

	if (!code)
		return true;
	pv_insn_each_jump(code, n, range.start, on_jump, &jumps);
	return jumps.found;
}

/* The same in all of eval's parts, and of the handlers that begin there. */
static bool eval_jumps_into(const struct finder *f, uint64_t start, uint64_t site)
{
	const struct pv_proc *proc = &f->python->proc;

	for (size_t i = 0; i < TABLE; i++) {
		if (f->handlers[i] > start && f->handlers[i] <= site)
			return true;
	}
	for (size_t i = 0; i < PV_EVAL_RANGES_MAX; i++) {
		struct pv_range range = proc->eval[i];

		range.start -= f->module->bias;
		range.end -= f->module->bias;
		if (proc->eval[i].end && jumped_into(f->module->elf, range, start, site))
			return true;
	}
	return false;
}

static struct pv_err *add_site(struct finder *f, enum pv_probe_kind kind, uint64_t start,
			       struct pv_insn_site site, uint8_t opcode)
{
	if (f->ret->n == PV_PYTHON_SITES_MAX)
		return refuse(f, "it has more places than there is room for");
	f->ret->list[f->ret->n++] = (struct pv_python_site){
		.kind = kind,
		.vaddr = start + site.offset,
		.emulated = site.emulated,
		.opcode = opcode,
	};
	return NULL;
}

static struct pv_err *add_handlers(struct finder *f, const uint8_t *opcodes,
				   enum pv_probe_kind kind)
{
	struct pv_err *err = NULL;

	for (; !err && *opcodes; opcodes++) {
		uint64_t start = f->handlers[*opcodes];
		struct pv_insn_site site;
		const uint8_t *code;
		size_t n;

		code = code_at(f->module->elf, start, HANDLER_BYTES, &n);
		if (!code)
			return refuse(f, "a handler lies outside its file");
		site = pv_insn_cheap_site(code, n, 1U << f->frame_register);
		if (site.offset && eval_jumps_into(f, start, start + site.offset))
			site = (struct pv_insn_site){ .emulated = pv_insn_emulated(code, n) };
		err = add_site(f, kind, start, site, *opcodes);
	}
	return err;
}

/*
 * A function's entry, or where a call returns to (size 0); keep: the registers that hold its
 * arguments or result.
 */
static struct pv_err *add_function(struct finder *f, enum pv_probe_kind kind, uint64_t start,
				   uint64_t size, unsigned int keep)
{
	struct pv_range range = { start, start + size };
	struct pv_insn_site site;
	const uint8_t *code;
	size_t n;

	code = code_at(f->module->elf, start, HANDLER_BYTES, &n);
	if (!code)
		return refuse(f, "a function lies outside its file");
	site = pv_insn_cheap_site(code, n, keep);
	if (site.offset && size && jumped_into(f->module->elf, range, start, start + site.offset))
		site = (struct pv_insn_site){ .emulated = pv_insn_emulated(code, n) };
	return add_site(f, kind, start, site, 0);
}

/*
 * The function that takes a frame down, with or without an exception.  Without a
 * symbol: what RETURN_VALUE calls first with its frame.
 */
static struct pv_err *add_clear(struct finder *f)
{
	const struct version *version = f->version;
	uint64_t start = f->handlers[version->return_value];
	struct pv_elf_symbol symbol = { 0 };
	const uint8_t *code;
	size_t n;

	if (!pv_elf_find_symbol(f->module->elf, version->clear, &symbol)) {
		code = code_at(f->module->elf, start, HANDLER_BYTES, &n);
		if (!code ||
		    !pv_insn_call_with(code, n, start, version->clear_register, f->frame_register,
				       &symbol.vaddr) ||
		    !is_code(f->module->elf, symbol.vaddr))
			return refuse(f, "the function that takes down its frames was not found");
	}
	return add_function(f, PV_PROBE_CLEAR, symbol.vaddr, symbol.size,
			    1U << version->clear_register | 1U << PV_REG_RDI);
}

/* Where the calls of something return to. */
struct calls {
	uint64_t target; /* an address, or the offset of a pointer to it in a structure */
	bool by_slot;
	uint64_t returns[PV_PYTHON_SITES_MAX];
	size_t n;
};

static bool on_call(void *ctx, uint64_t from, uint64_t to)
{
	struct calls *calls = ctx;

	if (to == calls->target && calls->n < PV_PYTHON_SITES_MAX)
		calls->returns[calls->n++] = from;
	return true;
}

/* May there be such a call in the bytes?  Quick; where there may be, they are decoded. */
static bool may_call(const struct calls *calls, const uint8_t *code, size_t n, uint64_t vaddr)
{
	/* call rel32; call *disp32(register) */
	size_t opcode = calls->by_slot ? 2 : 1;

	for (size_t i = 0; i + opcode + 4 <= n; i++) {
		int32_t value;

		memcpy(&value, code + i + opcode, sizeof(value));
		if (calls->by_slot ? code[i] == 0xff && (code[i + 1] & 0xf8) == 0x90 &&
					     (uint64_t)(int64_t)value == calls->target
				   : code[i] == 0xe8 && vaddr + i + 5 + (uint64_t)(int64_t)value ==
								calls->target)
			return true;
	}
	return false;
}

static void find_calls_in(const struct finder *f, struct pv_range range, struct calls *calls)
{
	uint64_t n = range.end - range.start;
	const uint8_t *code = pv_elf_data(f->module->elf, range.start, n);

	if (!code || !may_call(calls, code, n, range.start))
		return;
	if (calls->by_slot)
		pv_insn_each_slot_call(code, n, range.start, on_call, calls);
	else
		pv_insn_each_call(code, n, range.start, on_call, calls);
}

/* In all functions: decoded from their start, since a probe within an instruction would break it.
 */
static struct pv_err *find_calls(const struct finder *f, struct calls *calls)
{
	_pv_free_ struct pv_fde_range *fdes = NULL;
	size_t n_fdes;
	struct pv_err *err = pv_elf_fde_ranges(f->module->elf, &fdes, &n_fdes);

	for (size_t i = 0; !err && i < n_fdes; i++)
		find_calls_in(f, (struct pv_range){ fdes[i].start, fdes[i].end }, calls);
	return err;
}

static struct pv_err *add_ends_in_callers(struct finder *f)
{
	const uint8_t opcodes[] = { f->version->return_value, 0 };
	struct calls calls = { .target = f->python->proc.eval[0].start - f->module->bias };
	struct pv_err *err = find_calls(f, &calls);

	/* a shared library calls it by its linkage table, and then inlines nothing of this */
	if (!err && calls.n)
		err = add_handlers(f, opcodes, PV_PROBE_LEAVE);
	for (size_t i = 0; !err && i < calls.n; i++)
		err = add_function(f, PV_PROBE_FAILED, calls.returns[i], 0, 1U << PV_REG_RAX);
	return err;
}

static struct pv_err *sites_of_handlers(struct finder *f, struct pv_mem *mem)
{
	struct pv_probe_python *python = &f->ret->python;
	struct pv_err *err = find_table(f, mem);
	struct pv_range eval = f->python->proc.eval[0];
	size_t n_always;

	if (!err)
		err = add_handlers(f, f->version->resume, PV_PROBE_ENTER);
	if (!err)
		err = add_clear(f);
	if (!err && f->version->ends_in_callers)
		err = add_ends_in_callers(f);
	n_always = f->ret->n;
	/* _PyEval_EvalFrameDefault(tstate, frame, throwflag) */
	if (!err)
		err = add_function(f, PV_PROBE_THROW, eval.start - f->module->bias,
				   eval.end - eval.start,
				   1U << PV_REG_RDI | 1U << PV_REG_RSI | 1U << PV_REG_RDX);
	if (!err)
		err = add_handlers(f, f->version->yield, PV_PROBE_YIELD);
	for (size_t i = n_always; !err && i < f->ret->n; i++)
		f->ret->list[i].generators = true;
	if (err)
		return err;
	python->frame_register = f->frame_register;
	python->clear_register = f->version->clear_register;
	python->eval_register = PV_REG_RSI;
	python->skip_oparg = f->version->skip_oparg;
	memcpy(python->resume, f->version->resume, sizeof(python->resume));
	memcpy(python->yield, f->version->yield, sizeof(python->yield));
	python->ts_exception = f->version->ts_exception;
	python->tstate_argument = f->version->clear_register != PV_REG_RDI;
	return NULL;
}

/*
 * Does eval call _Py_CheckFunctionResult() when it ends?  A shared library calls it by
 * its linkage table, all others directly, unless eval has it inlined.
 */
static struct pv_err *is_result_called(const struct finder *f, uint64_t result, bool *ret)
{
	const struct pv_range *eval = f->python->proc.eval;
	struct calls all = { .target = result }, within = { .target = result };
	struct pv_err *err = find_calls(f, &all);

	for (size_t i = 0; i < PV_EVAL_RANGES_MAX && eval[i].end; i++)
		find_calls_in(f,
			      (struct pv_range){ eval[i].start - f->module->bias,
						 eval[i].end - f->module->bias },
			      &within);
	*ret = within.n || !all.n;
	return err;
}

/* The offset in PyInterpreterState of the pointer to eval, by which it is called (PEP 523). */
static bool eval_slot(const struct finder *f, struct pv_mem *mem, uint64_t *ret)
{
	const struct pv_proc *proc = &f->python->proc;
	uint64_t words[INTERP_BYTES / 8], interp;

	if (pv_mem_read_u64(mem, proc->runtime + proc->py.rt_interpreters_head, &interp))
		return false;
	for (size_t at = 0; at < sizeof(words); at += 256) {
		if (pv_mem_read(mem, (char *)words + at, 256, interp + at))
			memset((char *)words + at, 0, 256);
	}
	for (size_t i = 0; i < INTERP_BYTES / 8; i++) {
		if (words[i] == proc->eval[0].start) {
			*ret = 8 * i;
			return true;
		}
	}
	return false;
}

static struct pv_err *add_results(struct finder *f, struct pv_mem *mem, unsigned int argument,
				  unsigned int value)
{
	struct calls calls = { .by_slot = true };
	struct pv_elf_symbol result;
	struct pv_err *err;
	bool called;

	if (!pv_elf_find_symbol(f->module->elf, "_Py_CheckFunctionResult", &result))
		return refuse(f, "it has no symbol _Py_CheckFunctionResult");
	err = is_result_called(f, result.vaddr, &called);
	if (err)
		return err;
	if (called)
		return add_function(f, PV_PROBE_RESULT, result.vaddr, result.size,
				    1U << argument | 1U << value);
	if (!eval_slot(f, mem, &calls.target))
		return refuse(f, "its interpreter has no pointer to its eval function");
	err = find_calls(f, &calls);
	if (!err && !calls.n)
		return refuse(f, "no call of its eval function was found");
	for (size_t i = 0; !err && i < calls.n; i++)
		err = add_function(f, PV_PROBE_RETURNED, calls.returns[i], 0, 1U << PV_REG_RAX);
	return err;
}

/*
 * Up to 3.10 every Python function is a call of eval, and tstate->frame is the
 * caller's again before it returns (Python/ceval.c, exit_eval_frame).  3.9 put
 * tstate before the arguments of it and of _Py_CheckFunctionResult().
 */
static struct pv_err *sites_of_functions(struct finder *f, struct pv_mem *mem)
{
	struct pv_range eval = f->python->proc.eval[0];
	bool tstate_first = f->python->proc.py.version_hex >= 0x03090000;
	unsigned int argument = tstate_first ? PV_REG_RSI : PV_REG_RDI;
	unsigned int value = tstate_first ? PV_REG_RDX : PV_REG_RSI;
	struct pv_probe_python *python = &f->ret->python;
	struct pv_err *err;

	if (f->python->proc.py.version_hex < 0x03060000)
		return refuse(f, "2.7 is not supported by this command");
	err = add_function(f, PV_PROBE_EVAL, eval.start - f->module->bias, eval.end - eval.start,
			   1U << argument);
	if (!err)
		err = add_results(f, mem, argument, value);
	python->eval_register = argument;
	python->result_register = argument;
	python->value_register = value;
	/* PyFrameObject.f_stacktop, 3.10: f_state; debug builds have two pointers before ob_refcnt
	 */
	python->suspended_by_state = f->python->proc.py.version_hex >= 0x030a0000;
	python->fr_suspended =
		(uint16_t)((python->suspended_by_state ? 108 : 72) + f->python->proc.py.ob_refcnt);
	return err;
}

struct pv_err *pv_python_sites(struct pv_mem *mem, const struct pv_python_module *module,
			       const struct pv_python *python, struct pv_python_sites *ret)
{
	struct pv_python_sites sites = { .n = 0 };
	struct finder finder = { .module = module, .python = python, .ret = &sites };
	const struct pv_pylayout *py = &python->proc.py;
	struct pv_err *err;

	/* from 3.14 on each thread has its own copy of a function's instructions; none was at hand
	 */
	if (py->free_threaded && py->version_hex >= 0x030e0000)
		return refuse(&finder, "free-threaded builds of 3.14 and later are not supported");
	if (python->tail_calls)
		return refuse(&finder, "its eval loop is many functions (a tail-calling build)");
	if (py->frame_kind == PV_FRAME_OBJECT) {
		err = sites_of_functions(&finder, mem);
	} else {
		finder.version = find_version(py->version_hex);
		err = finder.version ? sites_of_handlers(&finder, mem)
				     : refuse(&finder, "its opcodes are not known");
	}
	if (!err)
		*ret = sites;
	return err;
}
