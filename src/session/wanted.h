/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions, Python or native, that words mean in a process.  Input: a process,
 * words.  Output: functions in the order of the words; words whose library is not
 * loaded yet.
 */
#ifndef PV_SESSION_WANTED_H
#define PV_SESSION_WANTED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/vec.h"
#include "session/natives.h"

struct pv_probed;
struct pv_python_function;
struct pv_str;

struct pv_wanted {
	const char *word;
	const struct pv_python_function *python; /* NULL: a native one */
	struct pv_native_function native;
	bool pattern; /* one of many that the word means */
};

struct pv_wanted_set {
	struct pv_vec list;    /* struct pv_wanted */
	struct pv_vec waiting; /* const char *: words whose library is not mapped */
	struct pv_err *python; /* why the process's Python functions cannot be had; or NULL */
	bool asked_python;     /* they were looked for */
	bool generators;       /* one can be left and entered again */
	size_t n_native;
};

enum { PV_WANTED_MAX = 8192 };

/* words are not owned, and must outlive the set.  ret is to be deinitialised in any case. */
struct pv_err *pv_wanted_find(struct pv_probed *probed, struct pv_natives *natives,
			      const char *const *words, size_t n, struct pv_wanted_set *ret);
void pv_wanted_deinit(struct pv_wanted_set *set);

/* Appends a line of each word that waits, for people. */
struct pv_err *pv_wanted_note(struct pv_natives *natives, const struct pv_wanted_set *set,
			      struct pv_str *note);

/*
 * Looks again for those that wait; what is new is at the end of the list.  A word whose
 * library is there and has no such function is an error.
 */
struct pv_err *pv_wanted_retry(struct pv_natives *natives, struct pv_wanted_set *set);

#endif
