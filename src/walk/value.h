/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One Python object as a value.  Input: its address in the target.  Output: a
 * struct pv_value: what it is, or PV_VALUE_UNREAD; never what it is not: only
 * objects whose type is exactly one of those that we know are looked into.
 *
 * Needs a home (walk/reader.h).
 *
 * Sources: CPython Include/longintrepr.h, 3.12 Include/cpython/longintrepr.h
 * (lv_tag), Include/cpython/unicodeobject.h, Include/floatobject.h,
 * 3.14 Include/internal/pycore_stackref.h.
 */
#ifndef PV_WALK_VALUE_H
#define PV_WALK_VALUE_H

#include "walk/reader.h"

enum {
	PV_VALUE_DIGIT_BITS = 30,
	PV_VALUE_DIGITS = 3, /* that can be 64 bits */
	PV_STACKREF_INT = 3, /* in the lowest bits of a _PyStackRef: no object but an int */
};
/* More than any object has: what says so is none. */
#define PV_VALUE_SIZE_MAX (1ULL << 40)

PV_FLAT void pv_value_clear(struct pv_value *v)
{
	__u32 i;

	v->tag = PV_VALUE_UNREAD;
	v->flags = v->width = v->n = 0;
	v->size = 0;
	for (i = 0; i < PV_VALUE_BYTES / 8; i++)
		v->words[i] = 0;
}

/* Bytes at addr of a text that has `all` of them; what fails leaves v UNREAD. */
PV_FLAT void pv_value_copy(struct pv_value_reader *r, struct pv_value *v, __u64 addr, __u64 all,
			   __u8 tag)
{
	__u32 n = pv_bounded(all, PV_VALUE_BYTES);

	if (n && pv_value_get(r, v->bytes, n, addr)) {
		/* a part may have been copied */
		pv_value_clear(v);
		return;
	}
	v->n = n;
	if (all > PV_VALUE_BYTES)
		v->flags |= PV_VALUE_CUT;
	v->tag = tag;
}

/* A C string: a type's name, an argument of a native function. */
PV_FLAT void pv_value_text(struct pv_value_reader *r, struct pv_value *v, __u64 addr, __u8 tag)
{
	__u64 *text = r->s->text;
	__u32 i;
	long n;

	for (i = 0; i <= PV_VALUE_BYTES / 8; i++)
		text[i] = 0;
	n = pv_value_get_text(r, text, PV_VALUE_BYTES + 2, addr);
	if (n <= 0)
		return;
	/* without its NUL: 65 where there may be more */
	n--;
	for (i = 0; i < PV_VALUE_BYTES / 8; i++)
		v->words[i] = text[i];
	if (n > PV_VALUE_BYTES)
		v->flags |= PV_VALUE_CUT;
	v->n = n > PV_VALUE_BYTES ? PV_VALUE_BYTES : n;
	v->size = v->n;
	v->tag = tag;
}

/* What is of no type that is looked into: the type's name. */
PV_FLAT void pv_value_object(struct pv_value_reader *r, struct pv_value *v, __u64 type)
{
	__u64 name = 0;

	if (pv_value_get(r, &name, 8, type + r->layout->py.tp_name))
		return;
	pv_value_text(r, v, name, PV_VALUE_OBJECT);
}

PV_FLAT __u32 pv_value_bits(__u32 digit)
{
	__u32 bits = 0, step;

	for (step = 16; step; step /= 2) {
		if (digit >> (bits + step))
			bits += step;
	}
	return bits + (digit >> bits);
}

/*
 * An int of n digits at addr.  In CPython all but the last may be 0, none has more than
 * 30 bits.
 */
PV_FLAT void pv_value_digits(struct pv_value_reader *r, struct pv_value *v, __u64 addr, __u64 n)
{
	__u32 digit[PV_VALUE_DIGITS + 1] = {}, last = 0;
	__u64 bits;

	v->tag = PV_VALUE_INT;
	if (!n)
		return;
	v->tag = PV_VALUE_UNREAD;
	if (n >= PV_VALUE_SIZE_MAX || pv_value_get(r, &last, 4, addr + 4 * (n - 1)) || !last ||
	    last >> PV_VALUE_DIGIT_BITS)
		return;
	bits = PV_VALUE_DIGIT_BITS * (n - 1) + pv_value_bits(last);
	if (bits > 64) {
		v->size = bits > 0xffffffff ? 0xffffffff : bits;
		v->tag = PV_VALUE_LARGE;
		return;
	}
	/* three reads of a constant size: n is 1 to 3 */
	if (pv_value_get(r, &digit[0], 4, addr) ||
	    (n > 1 && pv_value_get(r, &digit[1], 4, addr + 4)) ||
	    (n > 2 && pv_value_get(r, &digit[2], 4, addr + 8)) ||
	    (digit[0] | digit[1] | digit[2]) >> PV_VALUE_DIGIT_BITS)
		return;
	v->number = (__u64)digit[0] | (__u64)digit[1] << PV_VALUE_DIGIT_BITS |
		    (__u64)digit[2] << 2 * PV_VALUE_DIGIT_BITS;
	v->tag = PV_VALUE_INT;
}

/* An int, a long of 2.7, a bool from 3.0 on. */
PV_FLAT void pv_value_long(struct pv_value_reader *r, struct pv_value *v, __u64 object)
{
	const volatile struct pv_pylayout *py = &r->layout->py;
	__u64 size = 0;
	bool negative;

	if (pv_value_get(r, &size, 8,
			 object + (py->long_tag != PV_OFF_NONE ? py->long_tag : py->var_size)))
		return;
	if (py->long_tag != PV_OFF_NONE) {
		/* 0 positive, 1 zero, 2 negative; bit 2 is a flag */
		negative = (size & 3) == 2;
		if ((size & 3) == 3 || ((size & 3) == 1) != !(size >> 3))
			return;
		size >>= 3;
	} else {
		negative = (__s64)size < 0;
		size = negative ? -size : size;
	}
	pv_value_digits(r, v, object + py->long_digits, size);
	if (negative)
		v->flags |= PV_VALUE_NEGATIVE;
}

/* 2.7: PyIntObject, a C long; a bool is one, too. */
PV_FLAT void pv_value_int(struct pv_value_reader *r, struct pv_value *v, __u64 object)
{
	__u64 number = 0;

	if (pv_value_get(r, &number, 8, object + r->layout->py.int_value))
		return;
	if ((__s64)number < 0) {
		number = -number;
		v->flags |= PV_VALUE_NEGATIVE;
	}
	v->number = number;
	v->tag = PV_VALUE_INT;
}

PV_FLAT void pv_value_bool(struct pv_value_reader *r, struct pv_value *v, __u64 object)
{
	if (r->layout->py.int_value != PV_OFF_NONE)
		pv_value_int(r, v, object);
	else
		pv_value_long(r, v, object);
	if (v->tag != PV_VALUE_INT)
		return;
	v->tag = v->number < 2 && !v->flags ? PV_VALUE_BOOL : PV_VALUE_UNREAD;
}

PV_FLAT void pv_value_float(struct pv_value_reader *r, struct pv_value *v, __u64 object)
{
	__u64 number = 0;

	if (pv_value_get(r, &number, 8, object + r->layout->py.float_value))
		return;
	v->number = number;
	v->tag = PV_VALUE_FLOAT;
}

/* PyASCIIObject from the length on: Include/cpython/unicodeobject.h. */
struct pv_value_string {
	__u64 length;
	__u64 hash;
	__u32 state; /* interned, kind:3 compact:1 ascii:1 */
};

PV_FLAT void pv_value_characters(struct pv_value_reader *r, struct pv_value *v, __u64 addr,
				 __u64 length, __u32 width)
{
	if (length >= PV_VALUE_SIZE_MAX)
		return;
	v->width = width;
	v->size = length > 0xffffffff ? 0xffffffff : length;
	pv_value_copy(r, v, addr, length * width, PV_VALUE_STR);
}

/* 3.x: one, two or four bytes a character, behind the object or, of old, elsewhere. */
PV_FLAT void pv_value_str(struct pv_value_reader *r, struct pv_value *v, __u64 object, __u64 type)
{
	const volatile struct pv_pylayout *py = &r->layout->py;
	__u64 data = 0, length = 0;
	__u32 state = 0, kind;

	if (pv_value_get(r, &length, 8, object + py->str_length) ||
	    pv_value_get(r, &state, 4, object + py->str_state))
		return;
	state >>= py->str_kind_shift & 15;
	kind = state & 7;
	if (kind != 1 && kind != 2 && kind != 4) {
		/* up to 3.11 one may still be an array of wchar_t, whose length is elsewhere */
		pv_value_object(r, v, type);
		return;
	}
	if (state >> 3 & 1)
		data = object + (state >> 4 & 1 ? py->str_ascii_data : py->str_compact_data);
	else if (pv_value_get(r, &data, 8, object + py->str_compact_data))
		return;
	pv_value_characters(r, v, data, length, kind);
}

/* 2.7: a unicode object: UTF-16 or UTF-32, elsewhere. */
PV_FLAT void pv_value_unicode(struct pv_value_reader *r, struct pv_value *v, __u64 object)
{
	const volatile struct pv_pylayout *py = &r->layout->py;
	__u64 length = 0, data = 0;

	if (pv_value_get(r, &length, 8, object + py->var_size) ||
	    pv_value_get(r, &data, 8, object + py->unicode_data))
		return;
	v->flags |= PV_VALUE_OLD;
	pv_value_characters(r, v, data, length, py->unicode_width);
}

PV_FLAT void pv_value_raw(struct pv_value_reader *r, struct pv_value *v, __u64 object)
{
	const volatile struct pv_pylayout *py = &r->layout->py;
	__u64 size = 0;

	if (pv_value_get(r, &size, 8, object + py->var_size) || size >= PV_VALUE_SIZE_MAX)
		return;
	if (py->int_value != PV_OFF_NONE)
		v->flags |= PV_VALUE_OLD;
	v->size = size > 0xffffffff ? 0xffffffff : size;
	pv_value_copy(r, v, object + py->bytes_data, size, PV_VALUE_RAW);
}

static inline void pv_value_read(struct pv_value_reader *r, struct pv_value *v, __u64 object)
{
	const volatile struct pv_value_types *types = &r->layout->types;
	__u64 type = 0;

	pv_value_clear(v);
	if (!object) {
		v->tag = PV_VALUE_UNBOUND;
		return;
	}
	if (object == types->none) {
		v->tag = PV_VALUE_NONE;
		return;
	}
	if (pv_value_get(r, &type, 8, object + r->layout->py.ob_type) || !type)
		return;
	if (type == types->long_type)
		pv_value_long(r, v, object);
	else if (type == types->int_type)
		pv_value_int(r, v, object);
	else if (type == types->bool_type)
		pv_value_bool(r, v, object);
	else if (type == types->float_type)
		pv_value_float(r, v, object);
	else if (type == types->bytes_type)
		pv_value_raw(r, v, object);
	else if (type != types->unicode_type)
		pv_value_object(r, v, type);
	else if (r->layout->py.str_state != PV_OFF_NONE)
		pv_value_str(r, v, object, type);
	else
		pv_value_unicode(r, v, object);
}

/* The same of a local variable's slot: from 3.14 on a _PyStackRef, tagged in its lowest bits. */
PV_FLAT void pv_value_read_slot(struct pv_value_reader *r, struct pv_value *v, __u64 slot)
{
	__u64 mask = r->layout->py.code_tag_mask;

	if (mask && (slot & mask) == PV_STACKREF_INT) {
		pv_value_clear(v);
		slot = (__u64)((__s64)slot >> 2);
		if ((__s64)slot < 0) {
			v->flags |= PV_VALUE_NEGATIVE;
			slot = -slot;
		}
		v->number = slot;
		v->tag = PV_VALUE_INT;
		return;
	}
	pv_value_read(r, v, slot & ~mask);
}

#endif
