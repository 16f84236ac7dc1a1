/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What is seen of a process's allocations: the types between bpf/allocs.bpf.c and
 * collect/allocs.c.
 */
#ifndef PV_ABI_ALLOCS_H
#define PV_ABI_ALLOCS_H

#include "abi/event.h"
#include "abi/types.h"

/* In the cookie of a place, above what abi/probe.h has. */
enum {
	PV_ALLOC_PUSHED_SHIFT = 16, /* rsp is so many words lower there than at the entry */
	PV_ALLOC_PUSHED_MASK = 0xffff,
	PV_ALLOC_WHAT_SHIFT = 32, /* the register of a pool; enum pv_alloc_function */
	PV_ALLOC_WHAT_MASK = 0xff,
};

/* Functions by what their arguments mean. */
enum pv_alloc_function {
	PV_ALLOC_MALLOC = 1,   /* (size) */
	PV_ALLOC_CALLOC = 2,   /* (n, size) */
	PV_ALLOC_REALLOC = 3,  /* (block, size) */
	PV_ALLOC_MEMALIGN = 4, /* (alignment, size) */
	PV_ALLOC_POSIX = 5,    /* posix_memalign(block *, alignment, size) */
	PV_ALLOC_MMAP = 6,     /* (address, size, protection, ...) */
	PV_ALLOC_FREE = 7,     /* (block) */
	PV_ALLOC_FUNCTIONS = 8,
};

/* Whose a block is. */
enum pv_alloc_domain {
	PV_ALLOC_OBJECT = 1,  /* of a pool of pymalloc; size is its size class's */
	PV_ALLOC_C = 2,       /* of malloc() and the like; size is what was asked for */
	PV_ALLOC_MAPPING = 3, /* of mmap() */
	PV_ALLOC_POOL = 4,    /* a pool itself */
};

/* What of a stack tells allocations apart. */
enum pv_alloc_stacks {
	PV_ALLOC_COUNT = 0, /* nothing */
	PV_ALLOC_LINE = 1,  /* the instruction of the Python function that runs */
	PV_ALLOC_MERGED = 2,
};

/* A block that was allocated and not given back since; the key is its address. */
struct pv_alloc {
	__u64 stack; /* key of its stack; 0: it could not be taken */
	__u64 size;  /* bytes */
	__u64 time_ns;
	__u32 tid;
	__u32 domain;
};

/* All allocations with one stack; where a share is kept, what is counted is what that stands for.
 */
struct pv_alloc_totals {
	__u64 allocs, bytes;
	__u64 frees, freed_bytes; /* of these */
};

/* After the sample that it belongs to: the stack of a key. */
struct pv_event_alloc_stack {
	struct pv_event hdr;
	__u64 key;
	__u64 time_ns; /* of the sample */
	__u32 tid;
	__u32 domain;
};

enum {
	PV_ALLOC_STACKS_MAX = 65536,
	PV_ALLOC_BURST_MAX = 65536, /* blocks of a burst that can be kept */
	PV_ALLOC_POOLS_MAX = 16384,
	/*
	 * Of everything: a block takes 96 bytes of a kernel's cache of objects, and 16 of the
	 * hash table's own: 2,000,000 are 224 MB, below the 256 MB that are promised.
	 */
	PV_ALLOC_ALL_MAX = 2000000,
	PV_ALLOC_THRASH = 4, /* a pool that is taken so often in one window only goes to and fro */
	PV_ALLOC_SHIFT_MAX = 24,
	PV_ALLOC_SIZES_MAX = 8,
	PV_ALLOC_CLASS_BYTES = 8, /* of a class of sizes of pools' blocks; there are 64 */
	PV_ALLOC_TAKES_MAX = 2048,
	PV_ALLOC_BACKS_MAX = 4096,
};

enum pv_alloc_armed {
	PV_ALLOC_OFF = 0,
	PV_ALLOC_ON = 1,
	/* the kernel's side has seen enough: blocks that are freed are still taken out */
	PV_ALLOC_FREES = 2,
};

/* Sizes that a program may ask malloc() for, bytes, both included. */
struct pv_alloc_sizes {
	__u64 least, most;
};

/* What a place has taken of pools so far; a place is the address of its instruction. */
struct pv_alloc_take {
	__u64 count;
	__u64 classes; /* a bit for each class of its blocks' sizes: pv_alloc_class() */
};

/* What calls of C functions that return to an address were given so far. */
struct pv_alloc_back {
	__u64 count;
	__u64 least, most; /* bytes that were asked for */
};

/* What runs: read and written by both sides. */
struct pv_alloc_state {
	__u32 armed;   /* enum pv_alloc_armed */
	__u32 shift;   /* of addresses only those are kept whose hash ends in so many zeros */
	__u32 thinned; /* by user space: to what shift blocks were taken out */
	__u32 aimed;   /* only blocks of some sizes count: */
	__u64 classes; /* of pools, of these classes: pv_alloc_class() */
	/* of the C allocator, of these sizes */
	struct pv_alloc_sizes sizes[PV_ALLOC_SIZES_MAX];
	__u64 n_sizes;
	/* when it has: allocations and thrash, CLOCK_MONOTONIC; 0: never */
	__u64 n_max, until_ns;
	__u64 end_ns;               /* when it had; 0: not yet */
	__u64 live;                 /* blocks that are kept */
	__u64 allocs, bytes, frees; /* that were seen; frees of any block */
	__u64 dropped;              /* blocks that were freed and so are not kept any more */
	__u64 new_pools;            /* times that a pool was taken */
	__u64 thrash;               /* of them: by pools that go to and fro */
	__u64 unread;               /* pools that made no sense, or could not be read */
	__u64 unmatched;            /* ends of C functions whose beginning was not seen */
	__u64 failed;               /* allocations that were not granted */
	__u64 no_room;              /* blocks that could not be kept */
	__u64 no_stack;             /* blocks without a stack: no scratch, no room for its key */
	__u64 walks;                /* stacks that were taken */
	__u64 added_ns; /* of the target's time, for what was done about allocations beyond the hits
			 */
};

/* The bit of a class of blocks of pools, which have 512 bytes at most; 0: it is larger. */
static inline __u64 pv_alloc_class(__u64 bytes)
{
	__u64 class = (bytes - 1) / PV_ALLOC_CLASS_BYTES;

	return bytes && class < 64 ? 1ULL << class : 0;
}

/* Of blocks by that shift of struct pv_alloc_state, the same on both sides: is this one kept? */
static inline int pv_alloc_is_kept(__u64 address, __u32 shift)
{
	address *= 0x9e3779b97f4a7c15ULL;
	return !((address ^ address >> 32) & ((1ULL << (shift & 31)) - 1));
}

#endif
