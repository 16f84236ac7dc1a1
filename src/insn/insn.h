/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instruction decoding (Zydis) behind our few questions.  No Zydis type leaves
 * this folder.
 */
#ifndef PV_INSN_INSN_H
#define PV_INSN_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The frame-switch window of CPython 3.10 to 3.12: in the prologue of
 * _PyEval_EvalFrameDefault, from just after the store of &cframe into
 * tstate->cframe (offset ts_cframe) up to and including the last store of
 * cframe.current_frame (PV_INSN_NO_FIELD: has none, 3.10) and cframe.previous,
 * and any store that follows before the next branch.  code: n bytes of the
 * function at address vaddr.  Both fields stored before &cframe is published:
 * there is no window, start == end == 0.  False if the pattern is not there.
 */
enum { PV_INSN_NO_FIELD = 0xffff };

bool pv_insn_cframe_window(const uint8_t *code, size_t n, uint64_t vaddr, unsigned int ts_cframe,
			   unsigned int cf_current_frame, unsigned int cf_previous,
			   uint64_t *start_ret, uint64_t *end_ret);

/*
 * The same switch when a call runs inlined (3.11, 3.12: DISPATCH_INLINED): calls
 * fn for every window from just after the store of a new frame into
 * cframe.current_frame up to and including the last pointer stored in the same
 * basic block: the new frame's previous and its caller's instruction are among
 * them, through whatever register.  prologue: the function's start, where
 * &cframe is found as above (false: not there, or not addressed from rsp);
 * code: the part to look at.
 */
bool pv_insn_inlined_windows(const uint8_t *prologue, size_t n_prologue, const uint8_t *code,
			     size_t n, uint64_t vaddr, unsigned int ts_cframe,
			     unsigned int cf_current_frame, unsigned int cf_previous,
			     bool (*fn)(void *ctx, uint64_t start, uint64_t end), void *ctx);

/*
 * Where _PyEval_EvalFrameDefault of 3.12 and younger keeps its boundary frame: the prologue
 * stores the address of that local variable into its second argument, at offset previous
 * (frame->previous = &entry_frame).  *cfa_ret: the CFA less that address; *rbp_ret: where rbp
 * is saved, in words from the CFA; *pc_ret: just after the store.  False: not found.
 */
bool pv_insn_boundary_frame(const uint8_t *code, size_t n, uint64_t vaddr, unsigned int previous,
			    int32_t *cfa_ret, int32_t *rbp_ret, uint64_t *pc_ret);

/* Calls fn for every direct jump or conditional jump in code with its target; decoding resyncs at
 * bad bytes. */
void pv_insn_each_jump(const uint8_t *code, size_t n, uint64_t vaddr,
		       bool (*fn)(void *ctx, uint64_t from, uint64_t to), void *ctx);

/* Does any of these lead behind `after`, up to `last` itself: into the middle of what begins there?
 */
bool pv_insn_jumps_into(const uint8_t *code, size_t n, uint64_t vaddr, uint64_t after,
			uint64_t last);

/* As pv_insn_each_jump(), for every direct call; from: where it returns to. */
void pv_insn_each_call(const uint8_t *code, size_t n, uint64_t vaddr,
		       bool (*fn)(void *ctx, uint64_t from, uint64_t to), void *ctx);

/*
 * Bytes of the function that code begins with: up to the instruction that leaves it and that no
 * conditional jump leads over.  Where it goes on behind that it is cut short.
 */
size_t pv_insn_extent(const uint8_t *code, size_t n);

/*
 * Calls fn for every place in code that takes the address target: the operand of
 * lea disp(%rip),%reg, or where code is not position-independent of mov $imm32 to a
 * register or to memory.  Found by the bytes and not by decoding, so that
 * megabytes of code take milliseconds.  Returns early when fn returns false.
 */
void pv_insn_each_address(const uint8_t *code, size_t n, uint64_t vaddr, uint64_t target,
			  bool (*fn)(void *ctx, uint64_t at), void *ctx);

/*
 * An accessor of one variable, a few instructions long: its first load from an
 * address relative to rip into a register of `bits` bits.  False: it has none.
 */
bool pv_insn_variable(const uint8_t *code, size_t n, uint64_t vaddr, unsigned int bits,
		      uint64_t *ret);

/*
 * Calls fn for every address that a short function puts into a register as a constant
 * (lea relative to rip, or an immediate).  Returns early when fn returns false.
 */
void pv_insn_each_constant(const uint8_t *code, size_t n, uint64_t vaddr,
			   bool (*fn)(void *ctx, uint64_t address), void *ctx);

/*
 * An accessor of one thread-local variable.  local-exec: mov %fs:OFFSET,%reg, then
 * *slot_ret is 0; general-dynamic: lea SLOT(%rip),%rdi, call, mov OFFSET(%rax),%reg,
 * where SLOT holds the module and an offset to be added.  False: neither.
 */
bool pv_insn_thread_local(const uint8_t *code, size_t n, uint64_t vaddr, uint64_t *slot_ret,
			  int64_t *offset_ret);

/*
 * An accessor of the current thread's array of words, as musl's pthread_getspecific() is:
 * mov %fs:0,%a; mov OFFSET(%a),%b; mov (%b,%rdi,8),%c; ret.  False: it is another.
 */
bool pv_insn_thread_array(const uint8_t *code, size_t n, uint64_t vaddr, int64_t *offset_ret);

#endif
