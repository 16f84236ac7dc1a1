/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The native functions of a process by name and by address.  Input: what it has mapped,
 * words.  Output: functions, or the reason why there is none, with those that may be
 * meant.
 *
 * A word is `symbol`, `library.so:symbol` or `library.so+0xADDRESS`, the address as
 * objdump shows it.  A library is its base name, with or without what follows the name
 * (`libmysqlclient`, `libc.so`), or a path or its last components.  A symbol may be a
 * pattern (fnmatch(3)).
 */
#ifndef PV_SESSION_NATIVES_H
#define PV_SESSION_NATIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"
#include "probe/native.h"

struct pv_image;
struct pv_mem;
struct pv_native_symbols;
struct pv_natives;
struct pv_object;
struct pv_objects;
struct pv_search;
struct pv_str;

/* One ELF object that the process has mapped. */
struct pv_native_module {
	const struct pv_object *object;
	uint64_t bias;
	uint64_t start;             /* of a mapping of its code */
	struct pv_native_code code; /* .elf NULL: not looked at yet */
	struct pv_search *search;
	struct pv_native_symbols *symbols;
};

struct pv_native_function {
	uint32_t object; /* id */
	uint64_t vaddr, size;
	char *name;          /* demangled, or "libfoo.so+0x1230"; owned */
	const char *library; /* base name; valid as long as the objects */
	bool exported;       /* other objects can call it by its name */
};

/* What a word is, by its form alone. */
enum pv_native_form {
	PV_NATIVE_PLAIN,     /* may as well be the name of a Python function */
	PV_NATIVE_QUALIFIED, /* with a library, or a pattern */
	PV_NATIVE_NEVER,     /* FILE:LINE */
};
enum pv_native_form pv_native_form(const char *word);

/* objects and mem are not owned. */
struct pv_err *pv_natives_create(pid_t pid, struct pv_objects *objects, struct pv_mem *mem,
				 struct pv_natives **ret);
void pv_natives_destroy(struct pv_natives *natives);

/* What the process has mapped now: an image that was built just now. */
struct pv_err *pv_natives_update(struct pv_natives *natives, const struct pv_image *image);

/* Is a library that the word names mapped?  True where it names none. */
bool pv_natives_mapped(const struct pv_natives *natives, const char *word);

/*
 * Appends the functions that the word means (struct pv_native_function), max at most:
 * more are PV_ERR_USAGE.  One alone unless it is a pattern: several, of which not one alone
 * is exported, or a place that is no function, are PV_ERR_USAGE with candidates.  None: nothing is
 * appended.
 */
struct pv_err *pv_natives_find(struct pv_natives *natives, const char *word, size_t max,
			       struct pv_vec *functions);
void pv_native_functions_deinit(struct pv_vec *functions);

/* How a function is named so that it alone is meant, or best. */
struct pv_err *pv_native_function_word(const struct pv_native_function *function,
				       struct pv_str *str);

/*
 * For a word that pv_natives_find() knows nothing of: "; like it: libfoo.so:bar, ..." and
 * what else should be known; nothing if there is nothing to say.
 */
struct pv_err *pv_natives_hint(struct pv_natives *natives, const char *word, struct pv_str *str);

/*
 * Calls fn for each object that a word means, with the symbol that it names; those of an
 * address, or a pattern, name none.
 */
struct pv_err *pv_natives_each(struct pv_natives *natives, const char *word,
			       struct pv_err *(*fn)(void *ctx, struct pv_native_module *module,
						    const char *symbol),
			       void *ctx);

/* Several, each as it is named best: the first of them, and of how many. */
struct pv_err *pv_native_functions_list(const struct pv_vec *functions, size_t n_all,
					struct pv_str *str);

/* The module by an object's id, by an address of the process; NULL: it is not mapped. */
struct pv_native_module *pv_natives_module(struct pv_natives *natives, uint32_t object);
struct pv_native_module *pv_natives_at(struct pv_natives *natives, uint64_t address);

/* Its functions' ranges; they are read at the first call. */
struct pv_err *pv_natives_code(struct pv_native_module *module, const struct pv_native_code **ret);

/* The function that holds a vaddr of a module: its name, and where it begins. */
struct pv_err *pv_natives_name(struct pv_native_module *module, uint64_t vaddr, struct pv_str *str,
			       uint64_t *start_ret);

/* The file of a module, as the process has it mapped. */
struct pv_err *pv_natives_open(const struct pv_natives *natives,
			       const struct pv_native_module *module, int *fd_ret);

#endif
