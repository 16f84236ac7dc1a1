/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What people call the places that references were found at: a path from a module or a frame
 * ("module app -> _cache -> dict['k']"), or, where none leads there, whose memory it is
 * ("list +16", "_ext.so+0x40a0", "stack of thread 4127").  Input: places, the objects of a
 * process.  Output: texts, and which places are of one holder.
 *
 * From the modules and frames the objects are gone through breadth first, so that the shortest
 * path is found, until all places have a name.  Memory and time are bounded: 4 million objects
 * with references to others, a few seconds.  The other way round, up from a place, takes a
 * search of all memory for each step; a table of all pointers takes as much memory as the heap.
 */
#ifndef PV_HEAP_NAMES_H
#define PV_HEAP_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"
#include "model/memory.h"

struct pv_heap;
struct pv_heap_search;

/*
 * A holder: of places with equal paths but for keys and indices.  Those that all of several places
 * have in common are told.
 */
struct pv_names_group {
	char *text;           /* owned; UTF-8, or any byte of the target's */
	uint8_t kind;         /* enum pv_holder_kind */
	uint64_t type;        /* of a BLOCK: address of its type, 0: it is no object */
	uint64_t n;           /* places */
	uint64_t path;        /* of its text without keys, and its kind: the same at another look */
	uint64_t used, limit; /* of the one that all lead through (heap/bounded.h); limit 0: none */
};

#define PV_NAMES_LIMIT_NS 5000000000ULL

struct pv_names_options {
	uint64_t enough;   /* so many places with a path are all that matter; 0: all */
	size_t exact_max;  /* so many places get a path with keys and indices, too */
	uint64_t limit_ns; /* to go through objects; 0: PV_NAMES_LIMIT_NS */
};

struct pv_names {
	struct pv_vec groups; /* struct pv_names_group */
	uint32_t *group;      /* by place */
	char **exact;         /* by place; NULL: as its group */
	size_t n;
	uint64_t n_objects; /* gone through */
	uint64_t took_ns;
	bool partial; /* not all objects could be gone through */
};

/* places: addresses of words, or of registers; search: the one that found them. */
struct pv_err *pv_names_find(struct pv_heap *heap, struct pv_heap_search *search,
			     const uint64_t *places, size_t n,
			     const struct pv_names_options *options, struct pv_names *ret);
void pv_names_deinit(struct pv_names *names);

/*
 * The object that a name means: MODULE, then attributes, of modules, classes and objects, all
 * joined by dots ("app.config.Cache.entries").  PV_ERR_USAGE: there is none, and how far the
 * name led; PV_ERR_FAILED: it took longer than PV_NAMES_LIMIT_NS, since something lies.  pid: whose
 * memory that is: what of it was never touched is not read; 0: no process, all of it is.
 */
struct pv_err *pv_names_resolve(struct pv_heap *heap, pid_t pid, const char *name, uint64_t *ret);

#endif
