/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All Python functions that a process has, whether they ever run or not: its code
 * objects, found by their type in its memory, with the names that function objects
 * give them.  Nothing of the interpreter's own bookkeeping is needed, and the
 * process goes on meanwhile.
 */
#ifndef PV_PYTHON_FUNCTIONS_H
#define PV_PYTHON_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_maps;
struct pv_mem;
struct pv_python;

/* Names are UTF-8, lone surrogates as '?'. */
struct pv_python_function {
	uint64_t code; /* address of the code object */
	uint64_t file_at,
		name_at; /* of its co_filename, co_name: tell it from one that comes later */
	char *module;    /* __module__ of its function; NULL: it has none now */
	char *qualname;  /* up to 3.10 and without a function: co_name */
	char *file;
	uint32_t firstlineno;
	bool generator; /* or a coroutine: it can be left and entered again */
};

struct pv_python_functions {
	struct pv_vec list; /* struct pv_python_function, by code */
	uint64_t bytes;     /* of memory that was looked through */
	uint64_t swapped;   /* bytes that were not, because they are not in memory */
	size_t n_large;     /* mappings that were not, because they are too large */
};

/*
 * maps: of the process, read just now.  A process that is gone is PV_ERR_NOPROC.
 */
struct pv_err *pv_python_functions_find(pid_t pid, struct pv_mem *mem, const struct pv_maps *maps,
					const struct pv_python *python,
					struct pv_python_functions *ret);
void pv_python_functions_deinit(struct pv_python_functions *functions);

/* The one whose code object is at that address; NULL: none. */
const struct pv_python_function *pv_python_functions_at(const struct pv_python_functions *functions,
							uint64_t code);

#endif
