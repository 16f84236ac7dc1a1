/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Does a condition hold?  Input: the arguments that walk/arguments.h or
 * walk/registers.h has read, a struct pv_condition.  Output: true, false, or not
 * known, in Kleene's three-valued logic: what cannot be decided is no "no".
 *
 * Comparisons mean what they mean in Python, of ints and floats exactly; there are no
 * floating-point numbers in BPF, so they are compared by their bits.
 */
#ifndef PV_WALK_CONDITION_H
#define PV_WALK_CONDITION_H

#include "abi/condition.h"
#include "walk/value.h"

/* How two numbers stand to one another. */
enum pv_order {
	PV_ORDER_LESS = 0,
	PV_ORDER_EQUAL = 1,
	PV_ORDER_GREATER = 2,
	PV_ORDER_NONE = 3,    /* one of them is not a number (NaN) */
	PV_ORDER_UNKNOWN = 4, /* they are no numbers, or too large */
};

enum { PV_DOUBLE_BIAS = 1023, PV_DOUBLE_FRACTION = 52, PV_DOUBLE_SPECIAL = 2047 };

typedef const volatile struct pv_value pv_any_value;

PV_FLAT void pv_number_of_double(struct pv_number_parts *ret, __u64 bits)
{
	__u64 mantissa = bits & ((1ULL << PV_DOUBLE_FRACTION) - 1);
	__s32 exponent = bits >> PV_DOUBLE_FRACTION & PV_DOUBLE_SPECIAL, shift;

	ret->is_number = 1;
	ret->negative = bits >> 63;
	if (exponent == PV_DOUBLE_SPECIAL) {
		ret->not_a_number = !!mantissa;
		ret->bits = 0xffffffff;
		return;
	}
	if (exponent)
		mantissa |= 1ULL << PV_DOUBLE_FRACTION;
	/* the number is mantissa * 2^shift */
	shift = exponent - PV_DOUBLE_BIAS - PV_DOUBLE_FRACTION;
	if (shift > 63 - PV_DOUBLE_FRACTION) {
		ret->bits = exponent - PV_DOUBLE_BIAS + 1;
		ret->fraction = mantissa;
	} else if (shift >= 0) {
		ret->whole = mantissa << (shift & 63);
	} else if (shift > -PV_DOUBLE_FRACTION - 1) {
		ret->whole = mantissa >> (-shift & 63);
		ret->fraction = mantissa & ((1ULL << (-shift & 63)) - 1);
		/* of one whole part other than 0 all have the same shift */
		if (!ret->whole)
			ret->fraction = bits << 1;
	} else {
		ret->fraction = bits << 1;
	}
	if (!ret->whole && !ret->fraction && !ret->bits)
		ret->negative = 0;
}

PV_FLAT void pv_number_of(struct pv_number_parts *ret, pv_any_value *v)
{
	ret->is_float = v->tag == PV_VALUE_FLOAT;
	ret->is_number = ret->negative = ret->not_a_number = ret->bits = 0;
	ret->whole = ret->fraction = 0;
	switch (v->tag) {
	case PV_VALUE_BOOL:
	case PV_VALUE_INT:
		ret->whole = v->number;
		break;
	case PV_VALUE_LARGE:
		ret->bits = v->size;
		break;
	case PV_VALUE_FLOAT:
		pv_number_of_double(ret, v->number);
		return;
	default:
		return;
	}
	ret->is_number = 1;
	ret->negative = v->flags & PV_VALUE_NEGATIVE;
}

PV_FLAT __u32 pv_order_of(__u64 a, __u64 b)
{
	return a < b ? PV_ORDER_LESS : a > b ? PV_ORDER_GREATER : PV_ORDER_EQUAL;
}

/* Of two without their signs. */
PV_FLAT __u32 pv_order_sizes(const struct pv_number_parts *a, const struct pv_number_parts *b,
			     bool floats)
{
	if (a->bits != b->bits)
		return pv_order_of(a->bits, b->bits);
	/* both infinite, or floats: the mantissa decides */
	if (a->bits == 0xffffffff && floats)
		return PV_ORDER_EQUAL;
	if (a->bits && !floats)
		return PV_ORDER_UNKNOWN;
	if (a->whole != b->whole)
		return pv_order_of(a->whole, b->whole);
	return pv_order_of(a->fraction, b->fraction);
}

PV_FLAT __u32 pv_order_parts(const struct pv_number_parts *a, const struct pv_number_parts *b)
{
	__u32 order;

	if (!a->is_number || !b->is_number)
		return PV_ORDER_UNKNOWN;
	if (a->not_a_number || b->not_a_number)
		return PV_ORDER_NONE;
	if (!a->negative != !b->negative)
		return a->negative ? PV_ORDER_LESS : PV_ORDER_GREATER;
	order = pv_order_sizes(a, b, a->is_float && b->is_float);
	if (a->negative && order <= PV_ORDER_GREATER)
		order = PV_ORDER_GREATER - order;
	return order;
}

/* To s->order. */
PV_FLAT void pv_order_numbers(struct pv_value_scratch *s, pv_any_value *left, pv_any_value *right)
{
	pv_number_of(&s->left, left);
	pv_number_of(&s->right, right);
	s->order = pv_order_parts(&s->left, &s->right);
}

PV_FLAT bool pv_value_is_number(pv_any_value *v)
{
	return v->tag >= PV_VALUE_BOOL && v->tag <= PV_VALUE_FLOAT;
}

PV_FLAT bool pv_value_is_text(pv_any_value *v)
{
	return v->tag == PV_VALUE_STR || v->tag == PV_VALUE_RAW || v->tag == PV_VALUE_C_STRING;
}

/* The differences between two texts, 0: none. */
PV_FLAT __u64 pv_text_differs(pv_any_value *v, const volatile struct pv_condition_text *text)
{
	__u64 differs = 0;
	__u32 i;

	for (i = 0; i < PV_VALUE_BYTES / 8; i++)
		differs |= (v->words[i] ^ text->words[i]) & text->mask[i];
	return differs;
}

/*
 * The form in which a constant may be in a value; PV_FORMS: in none.  A b'' is bytes
 * alone; a '' is characters, and where text is bytes (2.7, C) those of its UTF-8.
 */
PV_FLAT __u32 pv_form_of(pv_any_value *v, pv_any_value *constant)
{
	if (v->tag == PV_VALUE_STR)
		return constant->tag != PV_VALUE_STR && !(v->flags & PV_VALUE_OLD) ? PV_FORMS
		       : v->width == 1                                             ? PV_FORM_1
		       : v->width == 2                                             ? PV_FORM_2
										   : PV_FORM_4;
	if (v->tag == PV_VALUE_RAW && constant->tag == PV_VALUE_STR && !(v->flags & PV_VALUE_OLD))
		return PV_FORMS;
	return PV_FORM_RAW;
}

/* Is it, or does it begin with, a constant? */
PV_FLAT __u32 pv_condition_text(pv_any_value *v,
				const volatile struct pv_condition_constant *constant, bool prefix)
{
	__u32 form = pv_form_of(v, &constant->value), n, width;
	const volatile struct pv_condition_text *text;

	if (form >= PV_FORMS)
		return prefix ? PV_UNKNOWN : PV_FALSE;
	text = &constant->text[form & (PV_FORMS - 1)];
	n = text->n;
	width = form == PV_FORM_4 ? 4 : form == PV_FORM_2 ? 2 : 1;
	if (!text->possible || v->n < n || pv_text_differs(v, text))
		return PV_FALSE;
	if (prefix)
		return v->size < text->size            ? PV_FALSE
		       : (__u64)text->size * width > n ? PV_UNKNOWN
						       : PV_TRUE;
	if (v->tag == PV_VALUE_C_STRING && v->flags & PV_VALUE_CUT)
		return n < v->n ? PV_FALSE : PV_UNKNOWN;
	if (v->size != text->size)
		return PV_FALSE;
	/* CPython 3 makes no character wider than it must be */
	if (v->tag == PV_VALUE_STR && !(v->flags & PV_VALUE_OLD) &&
	    v->width != constant->value.width)
		return PV_FALSE;
	return (__u64)text->size * width > n ? PV_UNKNOWN : PV_TRUE;
}

/* Two arguments, both texts. */
PV_FLAT __u32 pv_condition_same_text(pv_any_value *a, pv_any_value *b)
{
	bool old = (a->flags | b->flags) & PV_VALUE_OLD;
	__u64 differs = 0;
	__u32 i;

	if (a->tag != b->tag || a->width != b->width)
		return old ? PV_UNKNOWN : PV_FALSE;
	/* behind their n bytes both have zeros */
	for (i = 0; i < PV_VALUE_BYTES / 8; i++)
		differs |= a->words[i] ^ b->words[i];
	if (a->n != b->n || a->size != b->size || differs)
		return PV_FALSE;
	return (a->flags | b->flags) & PV_VALUE_CUT ? PV_UNKNOWN : PV_TRUE;
}

PV_FLAT bool pv_value_is_opaque(pv_any_value *v)
{
	return v->tag == PV_VALUE_UNREAD || v->tag == PV_VALUE_UNBOUND || v->tag == PV_VALUE_OBJECT;
}

/* constant: of right, or NULL. */
PV_FLAT __u32 pv_condition_equal(struct pv_value_scratch *s, pv_any_value *left,
				 pv_any_value *right,
				 const volatile struct pv_condition_constant *constant)
{
	/* None equals nothing else, whatever that is */
	if ((left->tag == PV_VALUE_NONE && right->tag == PV_VALUE_OBJECT) ||
	    (right->tag == PV_VALUE_NONE && left->tag == PV_VALUE_OBJECT))
		return PV_FALSE;
	if (pv_value_is_opaque(left) || pv_value_is_opaque(right))
		return PV_UNKNOWN;
	if (left->tag == PV_VALUE_NONE || right->tag == PV_VALUE_NONE)
		return left->tag == right->tag;
	if (pv_value_is_text(left) && pv_value_is_text(right))
		return constant ? pv_condition_text(left, constant, false)
				: pv_condition_same_text(left, right);
	if (!pv_value_is_number(left) || !pv_value_is_number(right))
		return PV_FALSE;
	if (s->order == PV_ORDER_UNKNOWN)
		return PV_UNKNOWN;
	return s->order == PV_ORDER_EQUAL;
}

PV_FLAT __u32 pv_condition_ordered(__u32 order, __u32 op)
{
	switch (order) {
	case PV_ORDER_LESS:
		return op == PV_CONDITION_LT || op == PV_CONDITION_LE;
	case PV_ORDER_EQUAL:
		return op == PV_CONDITION_LE || op == PV_CONDITION_GE;
	case PV_ORDER_GREATER:
		return op == PV_CONDITION_GT || op == PV_CONDITION_GE;
	case PV_ORDER_NONE:
		return PV_FALSE;
	default:
		return PV_UNKNOWN;
	}
}

PV_FLAT __u32 pv_condition_truth(pv_any_value *v)
{
	switch (v->tag) {
	case PV_VALUE_NONE:
		return PV_FALSE;
	case PV_VALUE_BOOL:
	case PV_VALUE_INT:
		return !!v->number;
	case PV_VALUE_LARGE:
	case PV_VALUE_C_STRING: /* a pointer */
		return PV_TRUE;
	case PV_VALUE_FLOAT:
		return !!(v->number << 1);
	case PV_VALUE_STR:
	case PV_VALUE_RAW:
		return !!v->size;
	default:
		return PV_UNKNOWN;
	}
}

PV_FLAT __u32 pv_truth_not(__u32 a)
{
	return a == PV_UNKNOWN ? PV_UNKNOWN : !a;
}

PV_FLAT __u32 pv_truth_and(__u32 a, __u32 b)
{
	if (a == PV_FALSE || b == PV_FALSE)
		return PV_FALSE;
	return a == PV_TRUE && b == PV_TRUE ? PV_TRUE : PV_UNKNOWN;
}

/* One run of a condition; lives on the (BPF) stack. */
struct pv_condition_run {
	const volatile struct pv_condition *condition;
	struct pv_value_scratch *s;
};

/* One comparison, by what pv_order_numbers() has made of its operands. */
PV_FLAT __u32 pv_condition_decide(struct pv_value_scratch *s, __u32 op, pv_any_value *a,
				  pv_any_value *b,
				  const volatile struct pv_condition_constant *constant)
{
	switch (op) {
	case PV_CONDITION_TRUTH:
		return pv_condition_truth(a);
	case PV_CONDITION_PREFIX:
		return constant && pv_value_is_text(a) ? pv_condition_text(a, constant, true)
						       : PV_UNKNOWN;
	case PV_CONDITION_EQ:
		return pv_condition_equal(s, a, b, constant);
	case PV_CONDITION_NE:
		return pv_truth_not(pv_condition_equal(s, a, b, constant));
	default:
		return pv_condition_ordered(s->order, op);
	}
}

/* To s->truth. */
PV_FLAT void pv_condition_compare(struct pv_condition_run *run, __u32 op, __u32 left, __u32 right)
{
	const volatile struct pv_condition_constant *constant = NULL;
	struct pv_value_scratch *s = run->s;
	const struct pv_values *values = &s->values;
	pv_any_value *a, *b;

	s->truth = PV_UNKNOWN;
	if (left >= values->n)
		return;
	a = &values->list[pv_masked(left, PV_VALUES_MAX)];
	b = a;
	if (right & PV_CONDITION_CONSTANT) {
		constant = &run->condition->constants[pv_masked(right, PV_CONDITION_CONSTANTS)];
		b = &constant->value;
	} else if (op != PV_CONDITION_TRUTH) {
		if (right >= values->n)
			return;
		b = &values->list[pv_masked(right, PV_VALUES_MAX)];
	}
	pv_order_numbers(s, a, b);
	s->truth = pv_condition_decide(s, op, a, b, constant);
}

static long pv_condition_step(__u32 index, void *arg)
{
	struct pv_condition_run *run = arg;
	struct pv_value_scratch *s = run->s;
	const volatile struct pv_condition_step *step;
	__u32 op, a, b;

	if (index >= run->condition->n_steps)
		return 1;
	step = &run->condition->steps[pv_masked(index, PV_CONDITION_STEPS)];
	op = step->op;
	a = s->truths & 3;
	b = s->truths >> 2 & 3;
	if (op == PV_CONDITION_NOT) {
		s->truth = pv_truth_not(a);
		s->truths >>= 2;
	} else if (op == PV_CONDITION_AND) {
		s->truth = pv_truth_and(a, b);
		s->truths >>= 4;
	} else if (op == PV_CONDITION_OR) {
		s->truth = pv_truth_not(pv_truth_and(pv_truth_not(a), pv_truth_not(b)));
		s->truths >>= 4;
	} else {
		pv_condition_compare(run, op, step->left, step->right);
	}
	s->truths = s->truths << 2 | (s->truth & 3);
	return 0;
}

/* enum pv_truth, of the arguments in s->values. */
PV_FLAT __u32 pv_condition_holds(const volatile struct pv_condition *condition,
				 struct pv_value_scratch *s)
{
	struct pv_condition_run run;

	if (!condition->n_steps)
		return PV_TRUE;
	if (s->values.unread)
		return PV_UNKNOWN;
	run.condition = condition;
	run.s = s;
	s->truths = 0;
	pv_value_loop(PV_CONDITION_STEPS, pv_condition_step, &run);
	return s->truths & 3;
}

#endif
