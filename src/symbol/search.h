/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From names to native functions: native.h the other way round.  Input: the symbols
 * of an ELF object and of its separate debug file, untrusted; a name, or a pattern.
 * Output: the functions that have it.
 */
#ifndef PV_SYMBOL_SEARCH_H
#define PV_SYMBOL_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"
#include "elf/inlined.h"

struct pv_elf;
struct pv_search;

struct pv_found {
	uint64_t vaddr, size; /* size 0: not known */
	char *name;           /* demangled, without version; owned */
	bool indirect;        /* vaddr is of what chooses the function (IFUNC) */
	bool global;
};

enum pv_search_how {
	PV_SEARCH_NAME,    /* as the file has it, or demangled, with or without parameters */
	PV_SEARCH_PATTERN, /* the same by fnmatch(3) */
	PV_SEARCH_NEAR,    /* the name is a part of it: worth naming where none was found */
};

/* elf, path, root: as pv_native_symbols_create() has them; elf is not owned. */
struct pv_err *pv_search_create(const struct pv_elf *elf, const char *path, const char *root,
				struct pv_search **ret);
void pv_search_destroy(struct pv_search *search);

/*
 * Appends functions (struct pv_found), each address once, those of a default version
 * alone where others have the name, too; parts that are jumped to (.cold) are none.
 * At most max in all; how many there are is *n_ret.
 */
struct pv_err *pv_search_find(struct pv_search *search, const char *name, enum pv_search_how how,
			      size_t max, struct pv_vec *found, size_t *n_ret);
void pv_found_deinit(struct pv_vec *found);

/* Has the object, or its debug file, a symbol of a function at all? */
bool pv_search_any(struct pv_search *search);

/* A function whose code holds that of another. */
struct pv_search_host {
	uint64_t vaddr;
	size_t n; /* places */
};

/*
 * Appends the functions (struct pv_search_host, each once) into which compilers have put
 * those of a name, those with most places first, by the debug information of the object or of its
 * debug file. deadline: as pv_elf_each_inlined() has it.
 */
struct pv_err *pv_search_inlined(struct pv_search *search, const char *name, uint64_t deadline,
				 struct pv_vec *hosts, enum pv_inlined_state *ret);

/* A pattern: with *, ? or [. */
bool pv_search_is_pattern(const char *name);

#endif
