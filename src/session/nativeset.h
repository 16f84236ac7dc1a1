/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The native functions whose calls `trace` records: found by words, probed in growing
 * batches, with the places that they return to.  Input: a process, words.  Output: places for
 * collect/probes.h, functions by index.
 */
#ifndef PV_SESSION_NATIVESET_H
#define PV_SESSION_NATIVESET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/native.h"
#include "base/err.h"
#include "base/vec.h"

struct pv_inside;
struct pv_native_function;
struct pv_native_set;
struct pv_natives;
struct pv_probed;
struct pv_probes;
struct pv_signature;

enum { PV_NATIVE_SET_MAX = 50000 };

/* Nothing is owned; all must outlive the set. */
struct pv_native_set_options {
	struct pv_probed *probed;
	struct pv_natives *natives;
	/* it is the set's first; NULL: executions are of a Python function */
	const struct pv_native_function *trigger;
	const struct pv_signature *signature; /* its letters; NULL: none were given */
	bool arguments;                       /* its arguments are read in any case */
	/*
	 * const char *: a library, or what pv_natives_find() knows, which may be followed by
	 * letters of its arguments (session/signature.h).  Without any: the trigger's library
	 */
	const struct pv_vec *words;
	bool usual; /* the trigger's library and the interpreter's C API, besides the words */
	/* const char *: patterns of names and libraries; what is not shown is not probed */
	const struct pv_vec *only, *skip;
};

struct pv_err *pv_native_set_create(const struct pv_native_set_options *options,
				    struct pv_native_set **ret);
void pv_native_set_destroy(struct pv_native_set *set);

/*
 * How the kernel's side finds the Python frame that is current.  An error where native calls
 * of greenlets could not be told apart.
 */
struct pv_err *pv_native_set_path(const struct pv_probed *probed, bool python,
				  struct pv_native_path *ret);

/* Adds the entry of the trigger alone. */
struct pv_err *pv_native_set_add_first(struct pv_native_set *set, struct pv_probes *probes);

/* Adds the next batch of entries to the probes, to be attached. */
struct pv_err *pv_native_set_add(struct pv_native_set *set, struct pv_probes *probes);

/* At each step: see pv_entries_limit(). */
void pv_native_set_limit(const struct pv_native_set *set, struct pv_probes *probes);

/* Is one to come? */
bool pv_native_set_grows(const struct pv_native_set *set);

/* Attaches the places that calls were seen to return to for the first time. */
struct pv_err *pv_native_set_returns(struct pv_native_set *set, struct pv_probes *probes,
				     struct pv_inside *inside);

size_t pv_native_set_count(const struct pv_native_set *set);
const struct pv_native_function *pv_native_set_function(const struct pv_native_set *set,
							size_t index);

/* The letters that a function was given; NULL: none. */
const struct pv_signature *pv_native_set_signature(const struct pv_native_set *set, size_t index);

/* Have any, and any a letter for what is returned? */
bool pv_native_set_letters(const struct pv_native_set *set, bool results);

/* Does a pattern of the list (fnmatch(3)) match the name, or the file or library? */
bool pv_native_set_matches(const struct pv_vec *patterns, const char *name, const char *file);

#endif
