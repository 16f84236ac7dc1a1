/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A condition on the arguments of a call, as the user wrote it and as the kernel's
 * side decides it: a short program of comparisons.  Written by session/condition.h, run
 * by walk/condition.h.
 */
#ifndef PV_ABI_CONDITION_H
#define PV_ABI_CONDITION_H

#include "abi/types.h"
#include "abi/value.h"

enum {
	PV_CONDITION_STEPS = 32,      /* power of two; each leaves two bits on a stack of 64 */
	PV_CONDITION_CONSTANTS = 8,   /* power of two */
	PV_CONDITION_CONSTANT = 0x80, /* an operand: a constant's index, else an argument's */
};

/* What a step does with the truths that the steps before have left. */
enum pv_condition_op {
	PV_CONDITION_EQ = 1, /* left and right are operands: it leaves one more */
	PV_CONDITION_NE = 2,
	PV_CONDITION_LT = 3,
	PV_CONDITION_LE = 4,
	PV_CONDITION_GT = 5,
	PV_CONDITION_GE = 6,
	PV_CONDITION_PREFIX = 7, /* does left begin with right, a constant text? */
	PV_CONDITION_TRUTH = 8,  /* is left true? */
	PV_CONDITION_NOT = 9,    /* of the last one */
	PV_CONDITION_AND = 10,   /* of the last two */
	PV_CONDITION_OR = 11,
};

/* Also on the stack. */
enum pv_truth {
	PV_FALSE = 0,
	PV_TRUE = 1,
	PV_UNKNOWN = 2, /* a value is unread, or of a type of which we know the name alone */
};

struct pv_condition_step {
	__u8 op; /* enum pv_condition_op */
	__u8 left, right;
	__u8 pad;
};

/* A constant text as it stands in memory, in one of the ways in which it may. */
enum pv_condition_form {
	PV_FORM_RAW = 0, /* bytes; of a str: as UTF-8 */
	PV_FORM_1 = 1,   /* characters of one byte */
	PV_FORM_2 = 2,   /* of two: UTF-16 */
	PV_FORM_4 = 3,
	PV_FORMS = 4,
};

struct pv_condition_text {
	__u64 words[PV_VALUE_BYTES / 8]; /* its first n bytes, then zeros */
	__u64 mask[PV_VALUE_BYTES / 8];  /* ones where these bytes are */
	__u32 size;                      /* all characters, in a form's own width; RAW: bytes */
	__u16 n;
	__u16 possible; /* 0: it has characters that this form has not */
};

struct pv_condition_constant {
	struct pv_value value; /* STR: width is that which CPython would choose; RAW: only bytes */
	struct pv_condition_text text[PV_FORMS];
};

struct pv_condition {
	__u32 n_steps; /* 0: there is none, all calls are wanted */
	__u32 n_constants;
	struct pv_condition_step steps[PV_CONDITION_STEPS];
	struct pv_condition_constant constants[PV_CONDITION_CONSTANTS];
};

#endif
