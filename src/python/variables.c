/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPython 2.7 and 3.6 have no _PyRuntime: what became its members are variables,
 * most of them static.  Input: the interpreter's ELF object, stripped or not: the
 * exported functions that return them.  Output: where they are.
 */
#include "elf/elf.h"
#include "insn/insn.h"
#include "python/internal.h"

/* The variable of `bits` bits that a function returns or passes on. */
static struct pv_err *find_variable(const struct pv_python_module *code, const char *function,
				    unsigned int bits, uint64_t *ret)
{
	struct pv_elf_symbol symbol;
	const void *bytes;

	if (!pv_elf_find_symbol(code->elf, function, &symbol))
		return pv_err_create(PV_ERR_NOPROC, "%s has no symbol %s", code->path, function);
	bytes = pv_elf_data(code->elf, symbol.vaddr, symbol.size);
	if (!bytes || !pv_insn_variable(bytes, symbol.size, symbol.vaddr, bits, ret))
		return pv_err_create(PV_ERR_NOPROC, "the code of %s in %s is not understood",
				     function, code->path);
	return NULL;
}

struct pv_err *pv_python_variables(const struct pv_python_module *code, struct pv_proc *proc,
				   uint64_t *initialized_ret)
{
	enum { HEAD, CURRENT, INITIALIZED, KEY, N };
	struct pv_elf_symbol current;
	uint64_t at[N] = { 0 }, base = UINT64_MAX;
	struct pv_err *err;

	if (!pv_elf_find_symbol(code->elf, "_PyThreadState_Current", &current))
		return pv_err_create(PV_ERR_NOPROC, "%s has no symbol _PyThreadState_Current",
				     code->path);
	at[CURRENT] = current.vaddr;
	err = find_variable(code, "PyInterpreterState_Head", 64, &at[HEAD]);
	if (!err)
		err = find_variable(code, "Py_IsInitialized", 32, &at[INITIALIZED]);
	if (!err && proc->py.own_kind == PV_OWN_KEY)
		err = find_variable(code, "PyGILState_GetThisThreadState", 32, &at[KEY]);
	if (err)
		return err;
	for (int i = 0; i < N; i++) {
		if (at[i] && at[i] < base)
			base = at[i];
	}
	/* an offset of 0 means "has none" */
	base -= sizeof(uint64_t);
	for (int i = 0; i < N; i++) {
		if (at[i] && at[i] - base > UINT32_MAX)
			return pv_err_create(PV_ERR_NOPROC, "the variables of %s lie too far apart",
					     code->path);
	}
	proc->runtime = code->bias + base;
	proc->py.rt_interpreters_head = (uint32_t)(at[HEAD] - base);
	proc->py.rt_tstate_current = (uint32_t)(at[CURRENT] - base);
	if (at[KEY])
		proc->py.rt_tss_key = (uint32_t)(at[KEY] - base);
	*initialized_ret = code->bias + at[INITIALIZED];
	return NULL;
}
