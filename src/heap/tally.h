/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the blocks of a heap are: objects by type, memory without a type by size.
 * Input: blocks in use, one after the other, as the walks of allocators find them.
 * Output: sums.
 *
 * A block is an object if a type stands where that type's objects have it, behind what they
 * have in front (PyGC_Head and so on), and the reference count is one.  What only one object
 * has (a list's items, a dict's table) is raw at first sight: it is noted, and becomes a part
 * of its owner's bytes by pv_tally_settle().
 */
#ifndef PV_HEAP_TALLY_H
#define PV_HEAP_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"

struct pv_heap;
struct pv_heap_type;
struct pv_maps;
struct pv_window;

/* Whose block it is. */
enum pv_tally_source {
	PV_TALLY_PYMALLOC, /* or mimalloc */
	PV_TALLY_MALLOC,
	PV_TALLY_SOURCES,
};

enum {
	PV_TALLY_CLASSES = 376, /* sizes up to 512 by 8, larger ones by eighths of powers of two */
	PV_TALLY_CACHE = 8192,
};

struct pv_tally_type {
	uint64_t n;
	uint64_t bytes;      /* of its blocks, as large as the allocator made them, and of parts */
	uint64_t part_bytes; /* of them: items, tables, values */
	uint64_t n_tracked;  /* by the garbage collector */
	/* of those in blocks: the size of the first, pv_tally_size(), and how many have it */
	uint32_t first_size;
	uint64_t n_first;
};

struct pv_tally_raw {
	uint64_t n, bytes;
};

/* Where blocks lie, so that a part's can be found: in ascending order. */
struct pv_tally_pool {
	uint64_t address, pool_bytes, block_bytes;
	uint64_t head_bytes; /* before the first block */
};

struct pv_tally_slot {
	uint64_t address;
	const struct pv_heap_type *type; /* NULL: it is none */
};

struct pv_tally {
	struct pv_heap *heap;
	const struct pv_maps *maps;
	struct pv_vec types; /* struct pv_tally_type, by the type's number */
	/* of other sizes than a type's first: pv_tally_size() << 32 | its number -> how many */
	struct pv_map sizes;
	struct pv_tally_raw raw[PV_TALLY_SOURCES][PV_TALLY_CLASSES];
	uint64_t n_objects, object_bytes;
	/* dead objects that CPython keeps for later use: they have a type, and no reference */
	uint64_t n_kept, kept_bytes;
	uint64_t n_debug;     /* blocks with the marks of PYTHONMALLOC=debug around them */
	struct pv_vec parts;  /* of objects, unsettled */
	struct pv_vec pools;  /* struct pv_tally_pool */
	struct pv_vec ranges; /* uint64_t pairs: where chunks of malloc() lie */
	struct pv_tally_slot *cache;
	uint64_t offsets[4]; /* where in a block an object can begin */
	unsigned int n_offsets;
	uint64_t old_cells; /* 2.7: ints and floats that share a block */
};

/* maps: of the process; neither is owned. */
struct pv_err *pv_tally_init(struct pv_tally *tally, struct pv_heap *heap,
			     const struct pv_maps *maps);
void pv_tally_deinit(struct pv_tally *tally);

/*
 * A block in use of `bytes` at `memory`; content: its first n_content bytes.  overhead: what
 * the allocator has beside it.
 */
struct pv_err *pv_tally_block(struct pv_tally *tally, enum pv_tally_source source, uint64_t memory,
			      uint64_t bytes, uint64_t overhead, const void *content,
			      size_t n_content);

/* An object that is in no block of these: static, or of another allocator; bytes: its size. */
struct pv_err *pv_tally_stray(struct pv_tally *tally, const struct pv_heap_type *type,
			      uint64_t bytes, bool tracked);

/* A raw block of malloc() that is free after all. */
void pv_tally_unused(struct pv_tally *tally, uint64_t bytes, uint64_t overhead);

/* The size of a block that is of a class by its number. */
static inline uint32_t pv_tally_size(enum pv_tally_source source, unsigned int number)
{
	return (uint32_t)source * PV_TALLY_CLASSES + number;
}

/* Gives parts to their owners.  window: to read the heads of chunks with. */
struct pv_err *pv_tally_settle(struct pv_tally *tally, struct pv_window *window);

/* The largest size of a class, bytes. */
uint64_t pv_tally_class_bytes(unsigned int number);

/* The same of the class that a block of so many bytes is counted in, its overhead included. */
uint64_t pv_tally_class_of(uint64_t bytes);

/* The largest size that is too small for the class whose largest is that; 0: the smallest class. */
uint64_t pv_tally_class_below(uint64_t class_bytes);

/* The type at address, by the tally's cache. */
const struct pv_heap_type *pv_tally_type_at(struct pv_tally *tally, uint64_t address);

#endif
