/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a CPython enters and leaves Python functions: places in its code for
 * uprobes.  No symbol of a function's inside is needed: from 3.11 on the table of
 * opcode handlers is found in the process's own data.
 */
#ifndef PV_PYTHON_SITES_H
#define PV_PYTHON_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/probe.h"
#include "base/err.h"

struct pv_mem;
struct pv_python;
struct pv_python_module;

struct pv_python_site {
	enum pv_probe_kind kind;
	uint64_t vaddr;  /* ELF virtual address of the instruction */
	bool emulated;   /* the cheap kind, see insn/site.h */
	bool generators; /* needed only for functions that can be left and entered again */
	uint8_t opcode;  /* of a handler, 0: none */
	uint8_t ended;   /* RESULT, RETURNED: the register that has the frame, 0: it is not known */
};

enum { PV_PYTHON_SITES_MAX = 64 };

struct pv_python_sites {
	struct pv_python_site list[PV_PYTHON_SITES_MAX];
	size_t n;
	struct pv_probe_python python;
	char table[96]; /* where the handlers are and how sure that is, for people */
};

/*
 * module: the interpreter's (python->module_path).  What does not validate is
 * PV_ERR_NOPROC with the reason.
 */
struct pv_err *pv_python_sites(struct pv_mem *mem, const struct pv_python_module *module,
			       const struct pv_python *python, struct pv_python_sites *ret);

#endif
