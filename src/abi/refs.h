/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What `refs` records of one word of a process, mostly an object's reference count: the
 * types between bpf/watch.bpf.c and collect/watch.c.
 */
#ifndef PV_ABI_REFS_H
#define PV_ABI_REFS_H

#include "abi/event.h"
#include "abi/types.h"

/* How the count stands in the object. */
enum pv_count_format {
	PV_COUNT_WHOLE = 1, /* up to 3.11: Py_ssize_t */
	PV_COUNT_LOW =
		2, /* 3.12+: its lower 32 bits; with the highest of them set it is immortal */
	PV_COUNT_SPLIT = 3, /* free-threaded: u32 of the owner, s64 of the others shifted by 2 */
	PV_COUNT_FIELD = 4, /* no count: any word of 1, 2, 4 or 8 bytes */
};

/*
 * No count has any of these bits (from 3.14 on there are flags above them), but every address of
 * what a mapping gave: what was an object is free, and tells of the next free block.
 */
#define PV_COUNT_NO_BITS 0x0000ffff00000000ULL

/* Lowest bits of ob_ref_shared: the owner's part has been added to it (CPython 3.13 refcount.h). */
enum { PV_COUNT_MERGED = 3 };

/* Set before the programs are loaded. */
struct pv_count_constants {
	__u64 changes_max;
	__u64 bare_ns; /* what a write costs before the program is run */
	__u32 format;  /* enum pv_count_format */
	__u32 size;    /* FIELD: bytes */
	__u16 count_at, type_at, local_at, shared_at;
	__u8 zero_only;    /* the change to 0 alone is recorded */
	__u8 lines;        /* no watchpoints, but probes on lines */
	__u16 tuple_items; /* offset of the first item in a tuple */
	__u32 whole_head;  /* there is one word at count_at that counts */
};

/* What is followed; by user space, before anything is watched. */
struct pv_count_object {
	__u64 address; /* of the object; FIELD: of the word */
	__u64 object;  /* the object that calls may be given */
	__u64 type;    /* what its ob_type is; 0: it is no object */
};

/* Why nothing is recorded any more. */
enum pv_count_end {
	PV_COUNT_GOES_ON = 0,
	PV_COUNT_FREED = 1,    /* the count has come to 0 */
	PV_COUNT_IMMORTAL = 2, /* it was made immortal */
	PV_COUNT_REPLACED = 3, /* another type stands there: the memory was used again */
	PV_COUNT_ENOUGH = 4,   /* changes_max */
	PV_COUNT_BUDGET = 5,   /* writes cost more than the budget */
};

/* What runs: read and written by both sides. */
struct pv_count_state {
	__u64 armed; /* by user space: changes are recorded */
	__s64 base;  /* by user space: the value before the write number base_at */
	__u64 base_at;
	__s64 last;       /* after the last write */
	__u64 writes;     /* hits of the watchpoint */
	__u64 changes;    /* of these: those that changed it, armed; their sequence numbers */
	__u64 unchanged;  /* armed, and it is as it was */
	__u64 late;       /* after the end */
	__u64 unread;     /* the word could not be read */
	__u64 no_scratch; /* changes without a stack */
	__u64 lost;       /* changes for which the ring had no room */
	__u64 spent_ns;   /* by the target in the program */
	__u64 resolve;    /* by user space: functions are probed, whose calls have numbers */
	__u64 end;        /* enum pv_count_end */
	__u64 unpaid_ns;  /* what writes cost and the budget does not know of yet */
};

/*
 * Following from birth: a few addresses are watched, at which objects of count_object.type come and
 * go.  A life begins with the store of 1 to the count of an object of that type, and ends when the
 * count comes to 0.  Which lives are followed is decided by the way to their birth: the instruction
 * that stored, and where the Python code stood.
 */
enum { PV_LIVES_SLOTS = 4, PV_LIVES_WAYS_MAX = 4096, PV_LIVES_COUNT_MAX = 1 << 24 };

enum pv_life_state {
	PV_LIFE_UNKNOWN = 0, /* nobody has written yet: user space may know more, and set it */
	PV_LIFE_NONE,        /* no object of that type is there */
	PV_LIFE_OTHER,       /* one is there that is none of those that are looked for */
	PV_LIFE_FOLLOWED,
};

/* One address; all but the first two by the kernel's side. */
struct pv_life_slot {
	__u64 object; /* by user space: where its head is to be; 0: nothing is watched */
	__u64 skip;   /* by user space: the life of that number need not be followed */
	__u64 life;   /* number of the last one that was followed, from 1 */
	__u64 state;  /* enum pv_life_state */
	__s64 last;   /* the count after the last write */
	__u64 birth_ip, birth_ns;
	__u64 touched_ns; /* by the last write */
	__u64 writes, births;
	__u64 missed; /* writes while all was `over` */
};

/* What is known of births by one way. */
struct pv_life_way {
	__u32 wanted, others; /* births that were looked at */
	__u32 passed;         /* by the kernel's side: those that were not */
};

struct pv_lives_state {
	__u64 on;       /* by user space: addresses are watched, not one object */
	__u64 hold;     /* by user space: no life begins to be followed */
	__u64 limit_ns; /* by user space: so much all may cost; then `over` is set */
	__u64 over;     /* nothing is looked at any more; user space sets it back */
	__u64 cost_ns;  /* of the target's time, so far */
	__u64 number;   /* lives that were followed */
	__u64 births;   /* that were seen */
	__u64 passed;   /* of these: by a way that never led to what is looked for */
};

/* Calls of a probed function since it is. */
struct pv_count_calls {
	__u64 all;
	__u64 given; /* of these: the object is among the arguments, as far as that shows */
};

/*
 * The older way: probes on each line of one function.  Rows are the addresses where statements
 * begin; a call under way knows what the count was at the last of them.
 */
enum { PV_COUNT_ROWS_MAX = 4096, PV_COUNT_NESTED = 8 };

struct pv_count_call {
	__u64 sp;  /* address of its return address; 0: there is none */
	__s64 was; /* the count at the last row */
	__u64 row; /* address of that row */
};

struct pv_count_thread {
	__u32 depth;
	__u32 pad;
	struct pv_count_call calls[PV_COUNT_NESTED];
};

/* Frames whose place on the stack is told, of either half, from the leaf on; a power of two. */
enum { PV_CHANGE_PLACES = 512, PV_CHANGE_NUMBERS = 32, PV_CHANGE_FUNCTIONS_MAX = 256 };

/* The number of a call, above it the index of the function + 1; 0: none is known. */
enum { PV_CHANGE_FUNCTION_SHIFT = 48 };

/*
 * One change.  The sample of the stack comes before it.  followed by: __u64 python[n_python],
 * addresses of frames; __u64 native[n_native], their CFAs, 0: not known.
 */
struct pv_event_change {
	struct pv_event hdr;
	__u64 time_ns;  /* the sample's */
	__u64 sequence; /* 0, counts up */
	__s64 before, after;
	__u64 ip; /* of the instruction that follows the one that wrote */
	__u64 sp;
	__u32 tid;
	__u32 flags;
	__u64 numbers[PV_CHANGE_NUMBERS]; /* of the calls of the native frames from the leaf on */
	__u16 n_python, n_native;
	__u32 life;   /* number of the life that it is of; 0: none is told apart */
	__u64 way;    /* PV_CHANGE_BIRTH: key in `ways`; 0: none */
	__u64 object; /* of a life: where its head is */
};
enum {
	PV_CHANGE_KERNEL = 1, /* written by the kernel for the thread: ip is where it will go on */
	PV_CHANGE_NO_STACK = 2, /* no sample came before it */
	PV_CHANGE_LINE = 4,     /* made since the row that begins at ip - 1 */
	PV_CHANGE_BIRTH = 8,    /* the first of a life */
};

#endif
