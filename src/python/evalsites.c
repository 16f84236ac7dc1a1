/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Up to CPython 3.10 every Python function is a call of eval: where that begins and where it ends.
 * Input: the interpreter's ELF object, stripped or not, and the process's data.
 * Output: struct pv_python_sites, or the reason why it cannot be had.
 */
#include "python/sitefinder.h"

#include <string.h>

#include "base/cleanup.h"
#include "insn/call.h"
#include "insn/pool.h"
#include "target/mem.h"

enum { INTERP_BYTES = 8192 }; /* of PyInterpreterState, as far as is looked */

/*
 * Does eval call _Py_CheckFunctionResult() when it ends?  A shared library calls it by
 * its linkage table, all others directly, unless eval has it inlined.
 */
static struct pv_err *is_result_called(const struct pv_site_finder *f, uint64_t result, bool *ret)
{
	struct pv_site_calls all = { .target = result }, within = { .target = result };
	struct pv_err *err = pv_site_calls(f, &all);
	uint64_t vaddr;
	size_t n;

	for (size_t i = 0; pv_site_eval(f, i, &vaddr, &n); i++)
		pv_site_calls_in(f, (struct pv_range){ vaddr, vaddr + n }, &within);
	*ret = within.n || !all.n;
	return err;
}

/* Eval's calls, as far as they may be where it ends. */
struct endings {
	uint64_t target;             /* of them; 0: none was found */
	struct pv_insn_call list[4]; /* where it ends */
	size_t n;
	bool doubt; /* there may be others */
};

/* A call that stands where a frame is left, with NULL for its callable. */
static bool is_ending(const struct pv_insn_call *call)
{
	return !call->by_slot && call->argument == PV_INSN_ARGUMENT_ZERO && call->element > 0;
}

static bool on_ending(void *ctx, const struct pv_insn_call *call)
{
	struct endings *all = ctx;

	if (!is_ending(call))
		return true;
	if (all->n == sizeof(all->list) / sizeof(all->list[0]) ||
	    (all->n && call->target != all->target))
		all->doubt = true;
	else
		all->list[all->n++] = *call;
	all->target = call->target;
	return !all->doubt;
}

/* All others of the same function have a callable. */
static bool on_other_call(void *ctx, const struct pv_insn_call *call)
{
	struct endings *all = ctx;

	if (!call->by_slot && call->target == all->target && !is_ending(call) &&
	    call->argument != PV_INSN_ARGUMENT_SET)
		all->doubt = true;
	return !all->doubt;
}

/* Eval's frame is one of a list, tstate->frame; f_back is the next one. */
static struct pv_insn_call_query query_of(const struct pv_site_finder *f, unsigned int argument)
{
	const struct pv_pylayout *py = &f->python->proc.py;

	return (struct pv_insn_call_query){ argument, py->fr_previous, py->ts_frame };
}

static void each_eval_call(const struct pv_site_finder *f, const struct pv_insn_call_query *query,
			   bool (*fn)(void *ctx, const struct pv_insn_call *call), void *ctx)
{
	const uint8_t *code;
	uint64_t vaddr;
	size_t n;

	for (size_t i = 0; (code = pv_site_eval(f, i, &vaddr, &n)); i++)
		pv_insn_each_known_call(code, n, vaddr, query, fn, ctx);
}

/* Does a call of target reach a function, at once or by the linkage table? */
static bool leads_to(const struct pv_site_finder *f, struct pv_mem *mem, uint64_t target,
		     uint64_t function)
{
	const uint8_t *code;
	uint64_t slot, there;
	size_t n;

	if (target == function)
		return true;
	code = pv_site_code(f->module->elf, target, 16, &n);
	return code && pv_insn_linkage(code, n, target, &slot) &&
	       !pv_mem_read_u64(mem, f->module->bias + slot, &there) &&
	       there == f->module->bias + function;
}

/*
 * Where eval ends it calls _Py_CheckFunctionResult(NULL, ...) as its last act, after `tstate->frame
 * = f->f_back` (Python/ceval.c, exit_eval_frame): a hit of that call is of no other function's
 * result, and a register has the frame.  False: it is not found, or not all of it for sure.
 */
static bool find_endings(const struct pv_site_finder *f, struct pv_mem *mem, uint64_t result,
			 unsigned int argument, struct endings *ret)
{
	struct pv_insn_call_query query = query_of(f, argument);

	each_eval_call(f, &query, on_ending, ret);
	if (!ret->n || ret->doubt || !leads_to(f, mem, ret->target, result))
		return false;
	each_eval_call(f, &query, on_other_call, ret);
	for (size_t i = 0; i < ret->n; i++)
		ret->doubt |= pv_site_jumped_into(f, ret->list[i].since, ret->list[i].at);
	return !ret->doubt;
}

/* The last site that was added has the frame in a register. */
static void set_ended(struct pv_site_finder *f, uint8_t number, bool first)
{
	struct pv_probe_python *python = &f->ret->python;

	f->ret->list[f->ret->n - 1].ended = number;
	python->ended_known = true;
	if (first)
		python->ended_register = number;
	else if (python->ended_register != number)
		python->ended_register = 0;
}

static struct pv_err *add_endings(struct pv_site_finder *f, const struct endings *endings)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < endings->n; i++) {
		/* of a direct call, which is emulated */
		err = pv_site_add(f, PV_PROBE_RESULT, endings->list[i].at,
				  (struct pv_insn_site){ .emulated = true }, 0);
		if (!err)
			set_ended(f, (uint8_t)endings->list[i].element, i == 0);
	}
	return err;
}

/* The offset in PyInterpreterState of the pointer to eval, by which it is called (PEP 523). */
static bool eval_slot(const struct pv_site_finder *f, struct pv_mem *mem, uint64_t *ret)
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

/* Where calls of eval return to, and the register that has the frame meanwhile, 0: none has. */
struct returns {
	uint64_t slot;
	uint64_t at[PV_PYTHON_SITES_MAX];
	uint8_t ended[PV_PYTHON_SITES_MAX];
	size_t n;
	bool all_ended;
};

static bool on_return(void *ctx, const struct pv_insn_call *call)
{
	struct returns *all = ctx;
	bool known = call->copied_from > 0 && PV_REGS_PRESERVED & 1U << call->copied_from;

	if (!call->by_slot || call->target != all->slot || all->n == PV_PYTHON_SITES_MAX)
		return true;
	all->all_ended &= known;
	all->ended[all->n] = known ? (uint8_t)call->copied_from : 0;
	all->at[all->n++] = call->next;
	return true;
}

/* The same of `call *SLOT(register)`. */
static bool may_call_slot(const uint8_t *code, size_t n, uint64_t slot)
{
	for (size_t i = 0; i + 6 <= n; i++) {
		uint32_t offset;

		memcpy(&offset, code + i + 2, sizeof(offset));
		if (code[i] == 0xff && (code[i + 1] & 0xf8) == 0x90 && offset == slot)
			return true;
	}
	return false;
}

/* In all functions, as pv_site_calls() has it. */
static struct pv_err *find_returns(const struct pv_site_finder *f, unsigned int argument,
				   struct returns *all)
{
	struct pv_insn_call_query query = query_of(f, argument);
	_pv_free_ struct pv_fde_range *fdes = NULL;
	size_t n_fdes;
	struct pv_err *err = pv_elf_fde_ranges(f->module->elf, &fdes, &n_fdes);

	for (size_t i = 0; !err && i < n_fdes; i++) {
		size_t n = fdes[i].end - fdes[i].start;
		const uint8_t *code = pv_elf_data(f->module->elf, fdes[i].start, n);

		if (code && may_call_slot(code, n, all->slot))
			pv_insn_each_known_call(code, n, fdes[i].start, &query, on_return, all);
	}
	return err;
}

static struct pv_err *add_returns(struct pv_site_finder *f, struct pv_mem *mem,
				  unsigned int argument)
{
	struct returns all = { .all_ended = true };
	struct pv_err *err;

	if (!eval_slot(f, mem, &all.slot))
		return pv_site_refuse(f, "its interpreter has no pointer to its eval function");
	err = find_returns(f, argument, &all);
	if (!err && !all.n)
		return pv_site_refuse(f, "no call of its eval function was found");
	for (size_t i = 0; !err && i < all.n; i++) {
		err = pv_site_add_function(f, PV_PROBE_RETURNED, all.at[i], 0,
					   1U << PV_REG_RAX |
						   (all.all_ended ? 1U << all.ended[i] : 0));
		if (!err && all.all_ended)
			set_ended(f, all.ended[i], i == 0);
	}
	return err;
}

static struct pv_err *add_results(struct pv_site_finder *f, struct pv_mem *mem,
				  unsigned int argument, unsigned int value)
{
	struct endings endings = { 0 };
	struct pv_elf_symbol result;
	struct pv_err *err;
	bool called;

	if (!pv_elf_find_symbol(f->module->elf, "_Py_CheckFunctionResult", &result))
		return pv_site_refuse(f, "it has no symbol _Py_CheckFunctionResult");
	if (find_endings(f, mem, result.vaddr, argument, &endings))
		return add_endings(f, &endings);
	err = is_result_called(f, result.vaddr, &called);
	if (err)
		return err;
	if (called)
		return pv_site_add_function(f, PV_PROBE_RESULT, result.vaddr, result.size,
					    1U << argument | 1U << value);
	return add_returns(f, mem, argument);
}

/*
 * Up to 3.10 every Python function is a call of eval, and tstate->frame is the
 * caller's again before it returns (Python/ceval.c, exit_eval_frame).  3.9 put
 * tstate before the arguments of it and of _Py_CheckFunctionResult().
 */
struct pv_err *pv_sites_of_eval(struct pv_site_finder *f, struct pv_mem *mem)
{
	struct pv_range eval = f->python->proc.eval[0];
	bool tstate_first = f->python->proc.py.version_hex >= 0x03090000;
	unsigned int argument = tstate_first ? PV_REG_RSI : PV_REG_RDI;
	unsigned int value = tstate_first ? PV_REG_RDX : PV_REG_RSI;
	struct pv_probe_python *python = &f->ret->python;
	struct pv_err *err;

	if (f->python->proc.py.version_hex < 0x03060000)
		return pv_site_refuse(f, "2.7 is not supported by this command");
	err = pv_site_add_function(f, PV_PROBE_EVAL, eval.start - f->module->bias,
				   eval.end - eval.start, 1U << argument);
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
