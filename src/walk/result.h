/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a Python function returns.  Input: its frame where it ends.  Output:
 * r->s->values: one value, and in .result whether it was seen.
 *
 * 3.11 and later: RETURN_VALUE finds the value stack empty but for its operand
 * (Python/bytecodes.c, assert(EMPTY())), so that this stands at the stack's bottom, right
 * behind the local variables; and popping it moves a pointer but leaves the slot as it
 * is until the frame is cleared.  RETURN_CONST (3.12, 3.13) has its operand in co_consts.
 * The instruction that the frame stands at tells which of them it is; at any other it
 * ends by an exception.  Code of the JIT compiler keeps the stack in registers: not seen.
 */
#ifndef PV_WALK_RESULT_H
#define PV_WALK_RESULT_H

#include "walk/arguments.h"

/* The operand of RETURN_VALUE. */
PV_FLAT void pv_result_on_stack(struct pv_value_reader *r, __u64 frame, __u64 code)
{
	const volatile struct pv_pylayout *py = &r->layout->py;
	struct pv_values *values = &r->s->values;
	__u64 slot = 0;
	__u32 n = 0;

	if (pv_value_get(r, &n, 4, code + py->co_nlocals) || n > 1 << 20 ||
	    pv_value_get(r, &slot, 8, frame + py->fr_locals + 8 * (__u64)n))
		return;
	pv_value_read_slot(r, &values->list[0], slot);
	/* nothing returns NULL */
	if (values->list[0].tag == PV_VALUE_UNBOUND)
		return;
	values->n = 1;
	values->result = PV_RESULT_RETURNED;
}

/* The operand of RETURN_CONST; unit: it and the code unit before it. */
PV_FLAT void pv_result_constant(struct pv_value_reader *r, const __u8 *unit, __u64 code)
{
	const volatile struct pv_pylayout *py = &r->layout->py;
	struct pv_values *values = &r->s->values;
	__u64 tuple = 0, n = 0, object = 0;
	__u32 i = unit[3];

	if (pv_value_get(r, &tuple, 8, code + py->co_consts) ||
	    pv_value_get(r, &n, 8, tuple + py->var_size))
		return;
	/*
	 * With more constants the unit before may be its EXTENDED_ARG, or an inline cache
	 * that looks like one.
	 */
	if (i >= n || (n > 256 && unit[0] == r->layout->opcodes.extended_arg) ||
	    pv_value_get(r, &object, 8, tuple + py->tuple_items + 8 * (__u64)i))
		return;
	pv_value_read(r, &values->list[0], object);
	values->n = 1;
	values->result = PV_RESULT_RETURNED;
}

PV_FLAT void pv_result_begin(struct pv_value_reader *r)
{
	struct pv_values *values = &r->s->values;

	values->n = values->more = values->unread = 0;
	values->result = PV_RESULT_NOT_SEEN;
}

/* 3.11: at the handler of RETURN_VALUE. */
PV_FLAT void pv_result_at_return(struct pv_value_reader *r, __u64 frame)
{
	const volatile struct pv_pylayout *py = &r->layout->py;
	__u64 code = 0;

	pv_result_begin(r);
	if (!pv_value_get(r, &code, 8, frame + py->fr_code))
		pv_result_on_stack(r, frame, code & ~(__u64)py->code_tag_mask);
}

/*
 * 3.11 and later: at the function that takes a frame down.  tstate: its first argument
 * from 3.12 on.
 */
PV_FLAT void pv_result_at_clear(struct pv_value_reader *r, __u64 tstate, __u64 frame)
{
	const volatile struct pv_pylayout *py = &r->layout->py;
	const volatile struct pv_value_opcodes *opcodes = &r->layout->opcodes;
	__u64 code = 0, at = 0, exception = 0, executor = 0;
	__u8 unit[4] = {};

	pv_result_begin(r);
	if (pv_value_get(r, &code, 8, frame + py->fr_code) ||
	    pv_value_get(r, &at, 8, frame + py->fr_instr) || pv_value_get(r, unit, 4, at - 2))
		return;
	if (py->ts_exception != PV_OFF_NONE) {
		if (pv_value_get(r, &exception, 8, tstate + py->ts_exception))
			return;
		if (exception) {
			r->s->values.result = PV_RESULT_RAISED;
			return;
		}
	}
	if (py->ts_executor != PV_OFF_NONE &&
	    (pv_value_get(r, &executor, 8, tstate + py->ts_executor) || executor))
		return;
	code &= ~(__u64)py->code_tag_mask;
	if (unit[2] == opcodes->return_value ||
	    (unit[2] && unit[2] == opcodes->instrumented_return_value))
		pv_result_on_stack(r, frame, code);
	else if (unit[2] && (unit[2] == opcodes->return_const ||
			     unit[2] == opcodes->instrumented_return_const))
		pv_result_constant(r, unit, code);
	else if (py->ts_exception == PV_OFF_NONE)
		r->s->values.result = PV_RESULT_RAISED;
}

/* Up to 3.10: eval's own result; NULL: an exception. */
PV_FLAT void pv_result_of_eval(struct pv_value_reader *r, __u64 object)
{
	pv_result_begin(r);
	if (!object) {
		r->s->values.result = PV_RESULT_RAISED;
		return;
	}
	pv_value_read(r, &r->s->values.list[0], object);
	r->s->values.n = 1;
	r->s->values.result = PV_RESULT_RETURNED;
}

#endif
