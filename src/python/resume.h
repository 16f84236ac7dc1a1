/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one code unit that a Python function executes first at each call, from 3.11 on: its RESUME.
 */
#ifndef PV_PYTHON_RESUME_H
#define PV_PYTHON_RESUME_H

#include <stdbool.h>
#include <stdint.h>

struct pv_mem;
struct pv_probe_python;
struct pv_pylayout;

struct pv_python_resume {
	uint64_t at;       /* address of its opcode's byte */
	uint64_t begun_at; /* a frame whose instruction pointer is lower has not executed it */
	uint8_t opcode;    /* as it is now: there are several kinds */
	/*
	 * The kind that its own handler reads once more, to change it into another: from 3.13 on
	 * the first (CPython 3.13 Python/bytecodes.c, _QUICKEN_RESUME); 0: none.
	 */
	uint8_t twice;
};

/*
 * code: address of the code object of a function that is no generator.  false: there is none
 * where it must be, as where a tool has put its own instruction there.
 */
bool pv_python_resume(struct pv_mem *mem, const struct pv_pylayout *layout,
		      const struct pv_probe_python *opcodes, uint64_t code,
		      struct pv_python_resume *ret);

#endif
