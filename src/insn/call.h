/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of a call from the straight-line code before it: of one of its arguments,
 * and of a list that an element was taken off.
 */
#ifndef PV_INSN_CALL_H
#define PV_INSN_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What to look out for. */
struct pv_insn_call_query {
	unsigned int argument; /* the register that it is in */
	/* `*HEAD = *ELEMENT`: the element is taken off its list */
	int64_t next; /* offset in the element of the pointer to the next one */
	int64_t head; /* the same in what has the first one, by another register */
};

enum pv_insn_argument {
	PV_INSN_ARGUMENT_UNKNOWN, /* nothing in that line has written it */
	PV_INSN_ARGUMENT_ZERO,
	PV_INSN_ARGUMENT_SET, /* to what is in a register or in memory, or to an address */
};

enum { PV_INSN_NO_REGISTER = -1 };

struct pv_insn_call {
	uint64_t at, next; /* the call, and where it returns to */
	uint64_t target;   /* an address; by_slot: the offset of the member that points to it */
	bool by_slot;
	enum pv_insn_argument argument;
	int copied_from; /* the register that has the argument, too */
	int element;     /* that has what was taken off its list */
	uint64_t since;  /* the first instruction that this rests on: nothing may jump in behind */
};

/*
 * Calls fn for every direct call in code, and for those of what a structure's member points to.
 * Decoding resyncs at bad bytes.  Returns early when fn returns false.
 */
void pv_insn_each_known_call(const uint8_t *code, size_t n, uint64_t vaddr,
			     const struct pv_insn_call_query *query,
			     bool (*fn)(void *ctx, const struct pv_insn_call *call), void *ctx);

#endif
