/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What grows in a process, and whether it goes on: by mapping over time and by type over the
 * looks of a census.  Pure: plain data in, plain data out.
 *
 * A warm-up grows, too, but less and less; caches fill and stay; what is in flight goes up and
 * down.  So growth counts only if it is seen at (nearly) every look and is as fast towards
 * the end as before.
 */
#ifndef PV_ANALYSE_GROWTH_H
#define PV_ANALYSE_GROWTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyse/collections.h"
#include "analyse/slope.h"
#include "base/err.h"
#include "base/vec.h"
#include "model/memory.h"

/* A type whose number of objects grows, or flattened. */
struct pv_growth_type {
	uint32_t type;
	struct pv_slope count;
	struct pv_memory_count first, last;
	double bytes_per_s;
	int64_t gained_bytes;
};

struct pv_growth {
	double seconds;                                /* from the first point to the last */
	struct pv_slope resident[PV_MEMORY_N_CLASSES]; /* bytes */
	struct pv_slope mapped[PV_MEMORY_N_CLASSES];
	struct pv_slope rss;
	struct pv_slope in_use; /* all bytes of the census */
	bool has_census;        /* two looks and more */
	bool suspected;         /* anything rises */
	bool sure;              /* so many looks that small growth shows, and all of the heap */
	bool little;            /* what the types gained is no more than what settles in */
	struct pv_vec types;    /* struct pv_growth_type: those that grow, by bytes a second */
	struct pv_vec rising;   /* the same of those that may grow, with their bytes */
	struct pv_vec filled;   /* the same of those that grew at first, by bytes gained */
	/* the same of those that grow, but are garbage that is still to be freed:
	 * analyse/collections.h
	 */
	struct pv_vec waiting;
	struct pv_vec turns;  /* of those that are garbage, too, but do not grow: freed at times */
	bool unclear;         /* whether more of them grows than garbage */
	bool parts_unclear;   /* whether the blocks among them are parts of it */
	double waiting_per_s; /* their bytes */
	double parts_per_s;   /* of these, of blocks that are no objects */
	double large_per_s;   /* of these, what may have mappings of its own */
	struct pv_collections collections; /* who frees them, and when */
	double bytes_per_s;                /* of all types that grow */
	int64_t gained_bytes;              /* of them */
	uint64_t gained_count;
};

/* So long, s, until little growth at its rate is none any more; 0: not known. */
double pv_growth_enough_s(const struct pv_growth *growth);

/* What is in use does not grow, or far less than the heaps do. */
bool pv_growth_is_flat(const struct pv_growth *growth);

struct pv_err *pv_growth_of(const struct pv_memory *memory, struct pv_growth *ret);
void pv_growth_deinit(struct pv_growth *growth);

/*
 * Amid a hunt: indices (uint32_t) of the types that it is worth to look for alone, by bytes a
 * second: what grows so far, if that is so rare that bursts of everything would meet few of it, or
 * if next to nothing but blocks of the C library does.  types_ret: empty before; none: all.
 */
struct pv_err *pv_growth_sought(const struct pv_memory *memory, struct pv_vec *types_ret);

/*
 * Amid a hunt: does anything rise so far, however few the looks are?  Not for a verdict, but to
 * look closer.
 */
struct pv_err *pv_growth_suspected(const struct pv_memory *memory, bool *ret);

#endif
