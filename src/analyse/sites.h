/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where what stays was allocated: places in code, the most suspect first.  Pure.
 *
 * That something survives makes it no leak: a cache does, and what is in flight.  So sites
 * count by what of theirs stays, by how sure it is to stay, and no further than what grows can
 * explain.
 */
#ifndef PV_ANALYSE_SITES_H
#define PV_ANALYSE_SITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/memory.h"

struct pv_growth;
struct pv_profile;

/* A place in code that people can do something about; locations, PV_MEMORY_NONE: none. */
struct pv_spot {
	uint32_t python; /* the innermost own Python frame, or the innermost one */
	uint32_t under;  /* the Python frame that it called, if another one allocated */
	uint32_t native; /* the innermost C function outside the interpreter, the C library and
			    allocators that was called from there */
};

struct pv_spot pv_spot_of(const struct pv_memory *memory, uint32_t node);

/* Appends "app.py:41 under handle", "app.py:41 under leak (_ext.so)", "main (app)". */
struct pv_err *pv_spot_text(const struct pv_memory *memory, const struct pv_spot *spot,
			    struct pv_str *str);

/*
 * Objects of such a type are kept for reuse when they die (CPython 2.7 to 3.15, free lists of
 * Objects/): a block's stack is of its first use, which may be another's.
 */
bool pv_type_is_reused(const struct pv_memory *memory, uint32_t type);

/* Objects of such a type have no others, and no blocks beside their own. */
bool pv_type_is_alone(const struct pv_memory *memory, uint32_t type);

/* Sites of one place, together. */
struct pv_suspect {
	struct pv_spot spot;
	enum pv_site_source source;
	uint32_t type; /* index into types: of the most suspect site that has one; PV_MEMORY_NONE */
	bool reused;   /* it is of a pool, and of a type whose blocks are */
	uint32_t node; /* of the most suspect site */
	/* by what was seen, of all the time: times its weight */
	uint64_t seen_count, seen_bytes;
	uint64_t left_count, left_bytes; /* of these at the last look */
	double weight;                   /* of the site of which most was found to be left */
	uint64_t most_found;             /* of that */
	uint64_t found;                  /* blocks that were really found to be left */
	/* of these, of a type that grows, whose blocks are not reused, and that may have others */
	uint64_t sound;
	double survival;    /* left / seen */
	double bytes_per_s; /* that would stay, by what was seen; 0: not known */
	double score;
	double most, most_typed; /* of that score, of one site */
	/*
	 * Of its type, if that grows, so much was found, at sites that were watched for a share of
	 * the time of 1 / weight: about as much as grows, and of no other place half as much.  Then
	 * it is the place, however much else was allocated there and freed.
	 */
	uint64_t type_found;
	double type_weight;
	bool accounts;
};

/*
 * Which sites tell most of the heap: all allocations of a window, else bursts, else what
 * extended it.  They are never added up, since each sees what others see.  Without any, what was
 * mapped.
 */
enum pv_site_source pv_suspects_source(const struct pv_memory *memory);

/*
 * struct pv_suspect of the sites of a source, by score; only those that fit what grows have one.
 * growth: of the same memory.
 */
struct pv_err *pv_suspects_of(const struct pv_memory *memory, const struct pv_growth *growth,
			      enum pv_site_source source, struct pv_vec *ret);

/* Blocks that were found to be left of a suspect, of one type. */
uint64_t pv_suspect_found(const struct pv_memory *memory, const struct pv_suspect *suspect,
			  uint32_t type);

#endif
