/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Arguments and results of native functions.  Input: integer registers, and what
 * the user says that they hold.  Output: struct pv_value, as of Python's.
 */
#ifndef PV_WALK_REGISTERS_H
#define PV_WALK_REGISTERS_H

#include "walk/value.h"

PV_FLAT void pv_register_signed(struct pv_value *v, __u64 number)
{
	if ((__s64)number < 0) {
		v->flags |= PV_VALUE_NEGATIVE;
		number = -number;
	}
	v->number = number;
	v->tag = PV_VALUE_INT;
}

/*
 * form: enum pv_register_form.  The psABI leaves the upper half of a register that holds
 * an int undefined.
 */
PV_FLAT void pv_register_read(struct pv_value_reader *r, struct pv_value *v, __u64 number,
			      __u32 form)
{
	pv_value_clear(v);
	switch (form) {
	case PV_REGISTER_S32:
		pv_register_signed(v, (__u64)(__s64)(__s32)number);
		break;
	case PV_REGISTER_S64:
		pv_register_signed(v, number);
		break;
	case PV_REGISTER_CHAR:
		pv_register_signed(v, (__u64)(__s64)(__s8)number);
		break;
	case PV_REGISTER_BOOL:
		v->number = !!(__u8)number;
		v->tag = PV_VALUE_BOOL;
		break;
	case PV_REGISTER_U32:
		v->number = (__u32)number;
		v->tag = PV_VALUE_INT;
		break;
	case PV_REGISTER_U64:
	case PV_REGISTER_HEX:
	case PV_REGISTER_POINTER:
		v->number = number;
		v->tag = PV_VALUE_INT;
		break;
	case PV_REGISTER_STRING:
		if (number)
			pv_value_text(r, v, number, PV_VALUE_C_STRING);
		else
			v->tag = PV_VALUE_NONE;
		break;
	default:
		v->tag = PV_VALUE_UNBOUND;
	}
}

/* Reads all registers of a signature; registers: rdi, rsi, rdx, rcx, r8, r9. */
PV_FLAT void pv_registers_read(struct pv_value_reader *r,
			       const volatile struct pv_signature *signature,
			       const __u64 *registers)
{
	struct pv_values *values = &r->s->values;
	__u32 n = pv_bounded(signature->n, PV_VALUE_REGISTERS), i;

	values->more = values->unread = values->result = 0;
	for (i = 0; i < PV_VALUE_REGISTERS; i++) {
		if (i < n)
			pv_register_read(r, &values->list[i], registers[i], signature->argument[i]);
	}
	values->n = n;
}

#endif
