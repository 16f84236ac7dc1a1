/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where RESUME is.  Input: a code object's bytecode, in the process.  Output: an address.
 *
 * Before it stand COPY_FREE_VARS and a MAKE_CELL for each cell (CPython 3.11 Python/compile.c,
 * insert_prefix_instructions()), which have no inline caches.
 */
#include "python/resume.h"

#include "abi/layout.h"
#include "abi/probe.h"
#include "target/mem.h"

enum { UNITS_MAX = 64, UNIT = 2, KIND_MASK = 3 };

static bool is_resume(const struct pv_probe_python *opcodes, uint8_t opcode)
{
	for (size_t i = 0; i < sizeof(opcodes->resume); i++) {
		if (opcode && opcodes->resume[i] == opcode)
			return true;
	}
	return false;
}

bool pv_python_resume(struct pv_mem *mem, const struct pv_pylayout *layout,
		      const struct pv_probe_python *opcodes, uint64_t code,
		      struct pv_python_resume *ret)
{
	/* up to 3.12 a frame has the instruction before the next one, later the one to be executed
	 */
	uint64_t start = code + layout->co_code_adaptive, past = layout->version_hex >= 0x030d0000;
	uint8_t units[UNITS_MAX][UNIT];

	if (layout->instr_kind != PV_INSTR_POINTER)
		return false;
	for (size_t i = 0; i < UNITS_MAX; i++) {
		if (pv_mem_read(mem, units[i], UNIT, start + UNIT * i))
			return false;
		if (!is_resume(opcodes, units[i][0]))
			continue;
		/* 0: the start of a function; others are of those that go on */
		if (units[i][1] & KIND_MASK)
			return false;
		ret->at = start + UNIT * i;
		ret->begun_at = ret->at + UNIT * past;
		ret->opcode = units[i][0];
		/* without the GIL it is not changed (3.13 Python/bytecodes.c, RESUME) */
		ret->twice = past && !layout->free_threaded ? opcodes->resume[0] : 0;
		return true;
	}
	return false;
}
