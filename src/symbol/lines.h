/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Source lines of native code.  Input: an ELF object, or its separate debug file.  Output: the
 * line of an instruction as a person means it: that of the code that counts, not that of
 * Py_INCREF(), which the compiler has put there.
 */
#ifndef PV_SYMBOL_LINES_H
#define PV_SYMBOL_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct pv_elf;
struct pv_lines;

/*
 * Is it a function that does nothing but change a count, so that who calls it is meant?  As
 * Py_INCREF(), which is inlined or, at -O0, a function of each extension; Py_IncRef().
 */
bool pv_lines_is_helper(const char *function);

struct pv_line {
	const char *function; /* that the source has there, inlined or not; NULL: not known */
	const char *file;     /* path; NULL: not known */
	uint32_t line;        /* 0: not known */
	const char *helper;   /* the function of Python's headers that was skipped; NULL: none */
};

/* As pv_native_symbols_create(); nothing is read before the first question. */
struct pv_err *pv_lines_create(const struct pv_elf *elf, const char *path, const char *root,
			       struct pv_lines **ret);
void pv_lines_destroy(struct pv_lines *lines);

/* Is there debug information?  A broken one is none. */
struct pv_err *pv_lines_known(struct pv_lines *lines, bool *ret);

/* The instruction that holds vaddr; texts are valid until the end.  False: not known. */
struct pv_err *pv_lines_at(struct pv_lines *lines, uint64_t vaddr, struct pv_line *ret,
			   bool *found_ret);

/*
 * Calls fn for each place in [start, end) where a statement begins; stops when it returns false.
 */
struct pv_err *pv_lines_rows(struct pv_lines *lines, uint64_t start, uint64_t end,
			     bool (*fn)(void *ctx, uint64_t vaddr, const char *file, uint32_t line),
			     void *ctx);

#endif
