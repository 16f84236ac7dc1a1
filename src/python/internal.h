/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The steps of detection, each in its own file.  Input: an interpreter's ELF
 * object and the process's memory.  Output: parts of struct pv_python.
 */
#ifndef PV_PYTHON_INTERNAL_H
#define PV_PYTHON_INTERNAL_H

#include "python/detect.h"

/* The module that holds the interpreter's code, and the one that holds its data. */
struct pv_interpreter {
	const struct pv_python_module *code;
	/* An executable that took _PyRuntime over by copy relocation, else NULL. */
	const struct pv_python_module *copy;
	uint64_t runtime; /* address of _PyRuntime; 0: 2.7 and 3.6, which have none */
};

/* version.c: PY_VERSION_HEX; micro 0 when *exact_ret is false (3.10 or older, not initialised). */
struct pv_err *pv_python_version(struct pv_mem *mem, const struct pv_interpreter *interpreter,
				 uint32_t *ret, bool *exact_ret, char *source, size_t source_size);

/* eval.c: eval, torn and inlined, as addresses in the process; proc.py is filled in already. */
struct pv_err *pv_python_eval(const struct pv_python_module *module, struct pv_python *python);

/* collector.c: collector, as addresses in the process; not found leaves all of it empty. */
struct pv_err *pv_python_collector(const struct pv_python_module *module, struct pv_python *python);

/*
 * thread.c: how a thread finds its own thread state, by what proc.py says of it:
 * the pthread_* or tls_* members of proc.  An error: not to be had.
 */
struct pv_err *pv_python_own(struct pv_mem *mem, const struct pv_python_module *code,
			     const struct pv_python_module *modules, size_t n_modules,
			     struct pv_proc *proc, char *source, size_t source_size);

/*
 * variables.c: 2.7 and 3.6, the variables that became _PyRuntime: sets proc.runtime
 * and proc.py.rt_*.  *initialized_ret: the address of the flag of Py_Initialize().
 */
struct pv_err *pv_python_variables(const struct pv_python_module *code, struct pv_proc *proc,
				   uint64_t *initialized_ret);

/*
 * thread.c: follows the pointers as the walkers will.  initialized: address of the
 * int that says that Py_Initialize() is done.  *ret: an interpreter with a thread
 * exists and the thread's own way leads to it; false with no error: not yet (or no
 * longer) initialised.  What cannot be is an error.
 */
struct pv_err *pv_python_validate(struct pv_mem *mem, const struct pv_proc *proc,
				  uint64_t initialized, bool *ret);

#endif
