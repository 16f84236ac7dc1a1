/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which sizes of blocks are worth watching alone: those of what grows, where that is rare or of
 * the C library's alone.  Input: censuses, what grows by them.  Output: an aim for a survey.
 */
#ifndef PV_SESSION_AIM_H
#define PV_SESSION_AIM_H

#include <stdbool.h>

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "collect/allocs.h"
#include "model/memory.h"

struct pv_census;

/* Objects by type and size of their blocks; zero-initialised is empty. */
struct pv_aim_sizes {
	bool begun;
	struct pv_map first; /* how many there were at the first census, of a type and a size */
	struct pv_vec last;  /* struct pv_census_size, of the last */
};

/* One more census; its sizes are taken over. */
struct pv_err *pv_aim_note(struct pv_aim_sizes *sizes, struct pv_census *census);
void pv_aim_deinit(struct pv_aim_sizes *sizes);

/* memory: what the same censuses have filled.  False in *any_ret: all blocks are to be watched. */
struct pv_err *pv_aim_of(const struct pv_aim_sizes *sizes, const struct pv_memory *memory,
			 struct pv_allocs_aim *ret, bool *any_ret);

/* For how long which blocks were watched; zero-initialised is empty. */
struct pv_aim_times {
	struct pv_vec list;
};

/* aim: NULL, all of them. */
struct pv_err *pv_aim_times_note(struct pv_aim_times *times, const struct pv_allocs_aim *aim,
				 uint64_t ns);
void pv_aim_times_deinit(struct pv_aim_times *times);

/*
 * So long blocks of a domain, and so many bytes, were.  Of blocks of many sizes the mean may be
 * none that was watched: then all the time.
 */
uint64_t pv_aim_times_of(const struct pv_aim_times *times, enum pv_memory_domain domain,
			 uint64_t bytes);

/* What was left out, as a sentence of what is not seen. */
struct pv_err *pv_aim_times_tell(const struct pv_aim_times *times, struct pv_memory *memory);

/* Is a block of the aim: of a pool, or of the C allocator and so many bytes asked for? */
bool pv_aim_has(const struct pv_allocs_aim *aim, bool pool, uint64_t bytes);

#endif
