/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A census: what a process's heap holds, objects and bytes by type, at one look, without
 * stopping it.  Input: its memory, by way of pymalloc's pools, malloc()'s chunks and the
 * garbage collector's lists.  Output: plain sums; two of them have a difference.
 *
 * While the process runs, each pool and each stretch of chunks is of another moment: what
 * moves between them may be counted twice or not at all, what stays is counted once.
 */
#ifndef PV_HEAP_CENSUS_H
#define PV_HEAP_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "heap/gclist.h"
#include "heap/object.h"

struct pv_maps;

enum { PV_CENSUS_ALLOCATOR_BYTES = 128 };

struct pv_census_type {
	char name[PV_HEAP_NAME_BYTES];   /* tp_name, without the module */
	char module[PV_HEAP_NAME_BYTES]; /* "collections"; "": builtins, or it is not known */
	uint64_t type;                   /* its address */
	uint64_t n;
	/* of its objects' blocks and of what only they have: a list's items, a dict's table */
	uint64_t bytes;
	uint64_t part_bytes; /* of them, the latter */
	uint64_t n_tracked;  /* by the garbage collector */
};

/* Objects of a type, by the size of the block that each has. */
struct pv_census_size {
	uint64_t type;      /* its address */
	uint64_t bytes_max; /* as of blocks that are no objects */
	bool pymalloc;
	uint64_t n;
};

/* Blocks that are no objects, by size. */
struct pv_census_raw {
	uint64_t bytes_max; /* the largest of the class; up to 512 they go by 8, then double */
	bool pymalloc;      /* else malloc() */
	uint64_t n, bytes;
};

/* From start to end, exclusive. */
struct pv_census_range {
	uint64_t start, end;
};

struct pv_census {
	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC: when it was looked at */
	struct pv_vec types;       /* struct pv_census_type, most bytes first */
	struct pv_vec raw;         /* struct pv_census_raw */
	struct pv_vec sizes;       /* struct pv_census_size */
	uint64_t n_objects, object_bytes;
	uint64_t n_raw, raw_bytes;
	/* dead objects that CPython keeps for reuse: each has a block, none is counted above */
	uint64_t n_kept, kept_bytes;

	/* pymalloc, or the pages of a free-threaded build's mimalloc; bytes */
	uint64_t n_arenas; /* as far as pools in use tell */
	uint64_t n_pools, pool_bytes, pool_free_bytes;
	struct pv_vec pools; /* struct pv_census_range: where they are, in order */
	/* uint64_t: where malloc() keeps what is free beside: threads' caches, states of arenas */
	struct pv_vec caches, states;
	uint64_t n_segments; /* of mimalloc */
	/* malloc() */
	uint64_t chunk_bytes, chunk_free_bytes, chunk_top_bytes;
	uint64_t n_cached, cached_bytes; /* free ones in threads' caches and fast bins */
	uint64_t n_thread_heaps, n_mapped, mapped_bytes;
	uint64_t other_bytes;   /* resident and private, but of neither allocator */
	uint64_t skipped_bytes; /* [heap], where it is another allocator's */
	uint64_t read_bytes;

	bool lists_followed;
	struct pv_gclist_counts lists; /* what is in the collector's lists */
	uint64_t n_stray; /* of them, in no block that was found: counted by type, too */

	/* what may be wrong */
	uint64_t n_torn_pools, n_breaks, broken_bytes;
	bool fast_bins_unknown;
	char others[PV_CENSUS_ALLOCATOR_BYTES]; /* other allocators that are mapped, whose blocks
						   are not seen; "" */
};

struct pv_census_options {
	const struct pv_maps *maps; /* of the process, fresh */
	pid_t pid;                  /* 0: no process, all pages count as there (fixtures) */
	bool no_lists;              /* leaves out the collector's lists */
	/*
	 * Addresses of blocks that malloc() gave, PV_CENSUS_ASKED each: which of them are chunks in
	 * use is told in their values.  What was freed and joined to another free one still looks
	 * like one by itself, until somebody writes over it.  NULL: none is asked for.
	 */
	struct pv_map *asked;
};

enum pv_census_asked {
	PV_CENSUS_ASKED, /* not known */
	PV_CENSUS_CHUNK,
	PV_CENSUS_NO_CHUNK,
};

/*
 * Whose malloc() the process's is: "glibc", or the names of others that are mapped, which are not
 * read.  True: of others.
 */
bool pv_census_allocator(const struct pv_maps *maps, char *name_ret, size_t n);

/*
 * heap reads the live process; its types are forgotten first.  Refused with a reason
 * (PV_ERR_NOPROC): free-threaded builds whose allocator is not as it is known.
 */
struct pv_err *pv_census_take(struct pv_heap *heap, const struct pv_census_options *options,
			      struct pv_census *ret);
void pv_census_deinit(struct pv_census *census);

/* How a type changed from one census to the next. */
struct pv_census_change {
	/* of the later census, or of the earlier one where it is gone */
	const char *name, *module;
	int64_t n, bytes; /* later minus earlier */
	uint64_t n_later, bytes_later;
};

/* struct pv_census_change, most bytes more first; types of one name in one module are one. */
struct pv_err *pv_census_compare(const struct pv_census *earlier, const struct pv_census *later,
				 struct pv_vec *ret);

#endif
