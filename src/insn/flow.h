/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the caller's frame is at each instruction of code that has no unwind information, found
 * by following what the instructions themselves do to rsp and rbp, from the beginnings of
 * functions on, through jumps and calls.  Input: bytes of code, untrusted, and beginnings.
 * Output: stretches of code with what is known there.  What is reached by two ways that do not
 * agree, by a jump through a register or not at all is not known: nothing is guessed.
 *
 * Taken for granted is the psABI's contract (1.0, 3.2.1 and 3.2.2): a call leaves rsp and rbp as
 * they were, and where a function has put the caller's rbp it stays.
 */
#ifndef PV_INSN_FLOW_H
#define PV_INSN_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum pv_flow_cfa {
	PV_FLOW_UNKNOWN,
	PV_FLOW_RSP,       /* rsp + cfa_off */
	PV_FLOW_RBP,       /* rbp + cfa_off */
	PV_FLOW_OUTERMOST, /* nobody has called it: the program's entry, what clone() begins */
	PV_FLOW_SIGRETURN, /* the kernel's signal frame is at rsp */
};

enum pv_flow_rbp {
	PV_FLOW_RBP_SAME,
	PV_FLOW_RBP_SAVED, /* at CFA + rbp_off */
	PV_FLOW_RBP_LOST,
};

/* [start, end): offsets into the code; bytes of offsets are multiples of 8. */
struct pv_flow_frame {
	uint64_t start, end;
	enum pv_flow_cfa cfa;
	enum pv_flow_rbp rbp;
	int32_t cfa_off, rbp_off;
};

/* Longer code is refused by pv_flow_create(): 12 bytes of memory are taken a byte of it. */
enum { PV_FLOW_BYTES_MAX = 4 << 20 };

struct pv_flow;

/* code: n bytes, which must outlive the flow. */
struct pv_err *pv_flow_create(const uint8_t *code, size_t n, struct pv_flow **ret);
void pv_flow_destroy(struct pv_flow *flow);

/* A function begins at this offset; outside of the code: nothing is done. */
struct pv_err *pv_flow_begin(struct pv_flow *flow, uint64_t offset);

/* A program begins there. */
struct pv_err *pv_flow_begin_outermost(struct pv_flow *flow, uint64_t offset);

/* Follows all that was begun.  Once. */
struct pv_err *pv_flow_run(struct pv_flow *flow);

/* The first stretch that begins in [offset, limit); false: there is none. */
bool pv_flow_next(const struct pv_flow *flow, uint64_t offset, uint64_t limit,
		  struct pv_flow_frame *ret);

#endif
