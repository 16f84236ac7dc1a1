/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which instruction to put a uprobe on.  The kernel emulates a few (push, nop,
 * relative jumps and calls) and single-steps all others, which costs two traps
 * more and, under a hypervisor, twenty times as much.
 */
#ifndef PV_INSN_SITE_H
#define PV_INSN_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Registers by their number in instructions: 0 rax, 3 rbx, 4 rsp, 5 rbp, 6 rsi, 7 rdi, 8 r8 ... */
enum {
	PV_REG_RAX = 0,
	PV_REG_RDX = 2,
	PV_REG_RBX = 3,
	PV_REG_RSP = 4,
	PV_REG_RSI = 6,
	PV_REG_RDI = 7,
	PV_REGS = 16,
};

/* Those that a call preserves, rsp left out (psABI 1.0, 3.2.1): a mask of 1 << number. */
enum { PV_REGS_PRESERVED = 1 << PV_REG_RBX | 1 << 5 | 0xf << 12 };

struct pv_insn_site {
	unsigned int offset; /* of the instruction, bytes from the start of the code */
	unsigned int pushed; /* bytes that rsp is lower there than at the start */
	bool emulated;
};

/* Is the first instruction of code one that the kernel emulates? */
bool pv_insn_emulated(const uint8_t *code, size_t n);

/* Is it one that the kernel puts no uprobe on: with a lock or a segment prefix, privileged? */
bool pv_insn_refused(const uint8_t *code, size_t n);

/*
 * The cheapest place that is reached whenever the start of code is: the first
 * emulated instruction with only straight-line code before it that writes none of
 * the registers of keep (a mask of 1 << number).  Else the start itself.  That
 * nothing jumps in between is for the caller to make sure.
 */
struct pv_insn_site pv_insn_cheap_site(const uint8_t *code, size_t n, unsigned int keep);

/*
 * The first 64-bit store of a register to disp(base) in the straight-line code at
 * the start, base another register than rsp.  False: there is none.
 */
bool pv_insn_first_store(const uint8_t *code, size_t n, int64_t disp, unsigned int *base_ret,
			 unsigned int *value_ret);

/*
 * The target of the first direct call on the way where no conditional jump is
 * taken, before which a register was copied from another and not written since.
 */
bool pv_insn_call_with(const uint8_t *code, size_t n, uint64_t vaddr, unsigned int argument,
		       unsigned int copied_from, uint64_t *ret);

/* What stands at an offset into the code of a function, decoded from its start. */
enum pv_insn_place {
	PV_INSN_INSIDE,     /* the middle of an instruction, or it does not decode up to there */
	PV_INSN_START,      /* an instruction begins there */
	PV_INSN_AFTER_CALL, /* the same, and a call is the instruction before */
};

enum pv_insn_place pv_insn_place(const uint8_t *code, size_t n, size_t at);

/* How code goes on other than by calls and returns. */
struct pv_insn_jumps {
	bool out;      /* to what is no part of it, or to nobody knows where */
	bool to_start; /* to its own first instruction */
};

/* Of a function of n bytes at vaddr. */
struct pv_insn_jumps pv_insn_jumps(const uint8_t *code, size_t n, uint64_t vaddr);

#endif
