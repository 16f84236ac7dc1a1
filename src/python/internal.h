/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The steps of detection, each in its own file.  Input: an interpreter's ELF
 * object and the process's memory.  Output: parts of struct pv_python.
 */
#ifndef PV_PYTHON_INTERNAL_H
#define PV_PYTHON_INTERNAL_H

#include "elf/elf.h"
#include "python/detect.h"

/* What stands for the symbols of an interpreter that has none, as ELF virtual addresses. */
struct pv_python_bare {
	uint64_t runtime, eval;
	uint64_t code_type, bytes_type, unicode_type;
	uint32_t version; /* PY_VERSION_HEX; 0: by its text */
};

/* The module that holds the interpreter's code, and the one that holds its data. */
struct pv_interpreter {
	const struct pv_python_module *code;
	/* An executable that took _PyRuntime over by copy relocation, else NULL. */
	const struct pv_python_module *copy;
	uint64_t runtime; /* address of _PyRuntime; 0: 2.7 and 3.6, which have none */
	const struct pv_python_bare *bare; /* NULL: it has symbols */
};

/* version.c: PY_VERSION_HEX; micro 0 when *exact_ret is false (3.10 or older, not initialised). */
struct pv_err *pv_python_version(struct pv_mem *mem, const struct pv_interpreter *interpreter,
				 uint32_t *ret, bool *exact_ret, char *source, size_t source_size);

/*
 * bare.c: an interpreter without symbols, by what is in its file and its data.  An error:
 * what could not be found; *pending_ret: because it is not initialised yet.
 */
struct pv_err *pv_python_bare(struct pv_mem *mem, const struct pv_python_module *module,
			      struct pv_python_bare *ret, bool *pending_ret);

/* Texts that one function alone of CPython uses. */
enum pv_python_text {
	PV_TEXT_COLLECTOR,   /* printed under gc.set_debug(gc.DEBUG_STATS) */
	PV_TEXT_OPCODE,      /* the eval loop's of a byte that is no opcode; 2.7 to 3.11 */
	PV_TEXT_OPCODE_3_12, /* the same from 3.12 on */
};

/*
 * collector.c: the one function that uses a text, with all its parts of up to part_max
 * bytes; parts: PV_COLLECTOR_PARTS_MAX.  Returns why there is none.
 */
const char *pv_python_by_text(const struct pv_elf *elf, const struct pv_fde_range *fdes,
			      size_t n_fdes, enum pv_python_text which, size_t part_max,
			      struct pv_fde_range *parts, size_t *n_ret);

/* eval.c: eval, torn and inlined, as addresses in the process; proc.py is filled in already. */
struct pv_err *pv_python_eval(const struct pv_interpreter *interpreter, struct pv_python *python);

/* collector.c: does the object hold the texts that every CPython has? */
bool pv_python_has_texts(const struct pv_elf *elf);

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

/* thread.c: the interpreter whose id is 0; 0: there is none yet, or it is not to be read. */
uint64_t pv_python_main_interpreter(struct pv_mem *mem, const struct pv_proc *proc);

/*
 * thread.c: follows the pointers as the walkers will.  initialized: address of the
 * int that says that Py_Initialize() is done.  *ret: an interpreter with a thread
 * exists and the thread's own way leads to it; false with no error: not yet (or no
 * longer) initialised.  What cannot be is an error.
 */
struct pv_err *pv_python_validate(struct pv_mem *mem, const struct pv_proc *proc,
				  uint64_t initialized, bool *ret);

#endif
