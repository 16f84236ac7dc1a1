/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a process's allocators are to be probed: CPython's own, and the C allocator that it
 * really uses, be it preloaded.  Input: a process.  Output: places for collect/probes.h, names,
 * and what cannot be seen.
 */
#ifndef PV_SESSION_ALLOCPLACES_H
#define PV_SESSION_ALLOCPLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"
#include "python/allocators.h"

struct pv_memory;
struct pv_natives;
struct pv_probed;
struct pv_probes;

struct pv_alloc_places {
	struct pv_natives *natives;      /* owned */
	struct pv_allocators allocators; /* of the interpreter; empty: there is none, or another */
	uint64_t bias;                   /* of the interpreter's object */
	uint32_t c_object;               /* id of the object that has malloc(); 0: none was found */
	char c_name[64];                 /* base name of its file */
	bool glibc;                      /* it is the C library's own */
	/* struct pv_alloc_place: of C functions */
	struct pv_vec c_places;
	size_t n_lost; /* ends of C functions that cannot be followed */
};

/* ret is to be deinitialised in any case. */
struct pv_err *pv_alloc_places_find(struct pv_probed *probed, struct pv_alloc_places *ret);
void pv_alloc_places_deinit(struct pv_alloc_places *places);

enum pv_alloc_wanted {
	PV_ALLOC_WANT_BLOCKS, /* each block that is allocated or freed */
	PV_ALLOC_WANT_POOLS,  /* pools that are taken */
};

/* Adds them to the probes, to be attached.  Nothing that could be added is an error. */
struct pv_err *pv_alloc_places_add(const struct pv_alloc_places *places,
				   const struct pv_probed *probed, struct pv_probes *probes,
				   enum pv_alloc_wanted wanted);

/* Some of them: see pv_alloc_places_choose(). */
struct pv_alloc_choice {
	bool c, python; /* blocks of the C allocator; that are taken of pools */
	/* of the latter the places, addresses in the process, that it says yes to */
	bool (*wants)(void *ctx, uint64_t address);
	void *ctx;
	/* of the former (glibc's) those calls alone that return to these addresses (uint64_t);
	 * their frees are not seen, either; NULL: all */
	const struct pv_vec *backs;
};

/*
 * Adds where such blocks are allocated, and where the C allocator's are freed.  That one of a pool
 * is given back is not seen: it is when the next one takes it.
 */
struct pv_err *pv_alloc_places_choose(const struct pv_alloc_places *places,
				      const struct pv_probed *probed, struct pv_probes *probes,
				      const struct pv_alloc_choice *choice);

/* What is not seen here, as sentences. */
struct pv_err *pv_alloc_places_blind(const struct pv_alloc_places *places,
				     const struct pv_probed *probed, struct pv_memory *memory);

#endif
