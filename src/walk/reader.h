/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The state of a reader of values, and what its homes must provide.  Input: what is
 * known of the interpreter.  Output: struct pv_values, in pv_value_scratch.values.
 *
 * There are two homes, BPF and the host over a struct pv_mem, which define these
 * static inline functions and then include walk/value.h and what needs it:
 *
 *   long pv_value_get(struct pv_value_reader *r, void *dst, __u32 n, __u64 addr);
 *	0, or negative: nothing usable in dst
 *   long pv_value_get_text(struct pv_value_reader *r, void *dst, __u32 n, __u64 addr);
 *	as far as a NUL, and that, or n - 1 bytes and a NUL; how many in all, or negative
 *   long pv_value_loop(__u32 n, long (*fn)(__u32 i, void *ctx), void *ctx);
 *	calls fn until it returns 1, n times at most
 */
#ifndef PV_WALK_READER_H
#define PV_WALK_READER_H

#include "abi/value.h"
#include "walk/walk.h"

/* A BPF program may be eight calls deep, and it has its own before it comes here. */
#define PV_FLAT static inline __attribute__((always_inline))

enum { PV_VALUE_CODE = 256 }; /* power of two, bytes copied of a code object */

/* What of a number is compared. */
struct pv_number_parts {
	__u32 is_number, is_float, negative, not_a_number;
	__u32 pad;
	__u32 bits;     /* of the whole part, as far as it is larger than 64 bits; ~0: infinite */
	__u64 whole;    /* without its sign; of what is larger: nothing */
	__u64 fraction; /* behind the point, 0: none; comparable within floats of one whole part */
};

/*
 * In a map value, or in the host's memory.  Of what is there the verifier knows nothing, so that
 * branches that only write there are one to it: see walk/walk.h.
 */
struct pv_value_scratch {
	struct pv_values values; /* what was read */
	__u64 slots[PV_VALUES_MAX], names[PV_VALUES_MAX], cells[PV_VALUES_MAX];
	__u8 kinds[PV_VALUES_MAX];
	__u8 code[PV_VALUE_CODE + PV_WALK_PAD];
	__u64 cells_at; /* <= 3.10: where the cells of the frame are */
	__u32 n, n_cells, names_only, first_special;
	__u32 flags;                        /* co_flags */
	__u64 text[PV_VALUE_BYTES / 8 + 1]; /* of walk/value.h: with room to see what is cut */
	/* walk/condition.h */
	__u32 order, truth;
	__u64 truths; /* a stack, two bits each, the last one lowest */
	struct pv_number_parts left, right;
	__u32 pad;
};

struct pv_value_reader {
	/* volatile: constants of a BPF program are set when it is loaded */
	const volatile struct pv_value_layout *layout;
	struct pv_value_scratch *s;
	void *home;
};

#endif
