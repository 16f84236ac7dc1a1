/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Values of a target: arguments and results of Python and native functions, as
 * the kernel's side (walk/value.h) hands them over.  Nothing of it is stored in
 * files.  Append only: never renumber.
 */
#ifndef PV_ABI_VALUE_H
#define PV_ABI_VALUE_H

#include "abi/layout.h"
#include "abi/types.h"

enum {
	PV_VALUES_MAX = 16,     /* power of two; the rest is counted */
	PV_VALUE_BYTES = 64,    /* of a text; power of two */
	PV_VALUE_REGISTERS = 6, /* integer arguments of a native function: the x86-64 psABI */
};

enum pv_value_tag {
	PV_VALUE_UNREAD = 0,  /* it could not be read, or is not what it must be */
	PV_VALUE_UNBOUND = 1, /* there is no object */
	PV_VALUE_NONE = 2,
	PV_VALUE_BOOL = 3,     /* number: 0, 1 */
	PV_VALUE_INT = 4,      /* number: its absolute value */
	PV_VALUE_LARGE = 5,    /* an int of more than 64 bits; size: how many */
	PV_VALUE_FLOAT = 6,    /* number: the bits of a double */
	PV_VALUE_STR = 7,      /* n bytes of characters of `width` bytes; size: all characters */
	PV_VALUE_RAW = 8,      /* n bytes; size: all of them; 2.7: str */
	PV_VALUE_OBJECT = 9,   /* of another type: its name's n bytes */
	PV_VALUE_C_STRING = 10 /* n bytes; size: the same, whether cut or not */
};

/* pv_value.flags */
enum {
	PV_VALUE_NEGATIVE = 1,    /* of INT and LARGE */
	PV_VALUE_CUT = 2,         /* there is more of it than n bytes */
	PV_VALUE_OLD = 4,         /* 2.7: text as it was there */
	PV_VALUE_POSITIONALS = 8, /* a name: of *args */
	PV_VALUE_KEYWORDS = 16,   /* a name: of **kwargs */

};

struct pv_value {
	__u8 tag; /* enum pv_value_tag */
	__u8 flags;
	__u8 width; /* of STR: 1, 2, 4 */
	__u8 n;
	__u32 size;
	union {
		__u64 number;
		__u64 words[PV_VALUE_BYTES / 8]; /* all beyond n bytes are 0 */
		__u8 bytes[PV_VALUE_BYTES];
	};
};
PV_STATIC_ASSERT(sizeof(struct pv_value) == 72, "values follow one another");

/* How a call ended, as far as it was seen. */
enum pv_result_kind {
	PV_RESULT_NOT_SEEN = 0,
	PV_RESULT_RETURNED = 1, /* the value is there */
	PV_RESULT_RAISED = 2,
};

/* Arguments of a call; names of arguments; or, as the only one of the list, a result. */
struct pv_values {
	__u32 n;      /* of list, as far as they are there */
	__u32 more;   /* arguments that there was no room for */
	__u32 unread; /* the function could not be looked into: n is 0 */
	__u32 result; /* enum pv_result_kind */
	struct pv_value list[PV_VALUES_MAX];
};

/* What an integer register of a native function holds; the letters are of session/signature.h. */
enum pv_register_form {
	PV_REGISTER_SKIPPED = 0, /* not shown, and 0 in conditions' place */
	PV_REGISTER_S32 = 1,
	PV_REGISTER_U32 = 2,
	PV_REGISTER_S64 = 3,
	PV_REGISTER_U64 = 4,
	PV_REGISTER_HEX = 5,
	PV_REGISTER_POINTER = 6,
	PV_REGISTER_CHAR = 7,
	PV_REGISTER_STRING = 8,
	PV_REGISTER_BOOL = 9,
	PV_REGISTER_FORMS = 10,
};

struct pv_signature {
	__u8 n; /* of argument */
	__u8 argument[PV_VALUE_REGISTERS];
	__u8 result; /* PV_REGISTER_SKIPPED: not wanted */
};

/* The types whose values are shown, and None: addresses in the process. */
struct pv_value_types {
	__u64 long_type; /* int; 2.7: long */
	__u64 int_type;  /* 2.7, else 0 */
	__u64 bool_type, float_type;
	__u64 unicode_type; /* str; 2.7: unicode */
	__u64 bytes_type;   /* 2.7: str */
	__u64 cell_type, none;
};

/* The instructions that end a function: Include/opcode.h; 0: there is none such. */
struct pv_value_opcodes {
	__u8 return_value, instrumented_return_value;
	__u8 return_const, instrumented_return_const; /* 3.12, 3.13 */
	__u8 extended_arg;
};

/* All that the reading of values must know of an interpreter: python/values.h fills it. */
struct pv_value_layout {
	struct pv_pylayout py;
	struct pv_value_types types;
	struct pv_value_opcodes opcodes;
	__u16 code_len; /* bytes of a code object that are read */
};

#endif
