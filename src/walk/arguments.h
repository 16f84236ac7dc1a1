/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The arguments of a Python function at its beginning.  Input: its frame, at the
 * handler of RESUME (3.11 and later) or at eval's entry, where they stand in the
 * first local variables, in the order of the signature: positional, keyword-only,
 * *args, **kwargs (CPython Objects/codeobject.c, co_varnames).  Output:
 * r->s->values, in this order; or their names, read in the same way.
 *
 * An argument that inner functions use lives in a cell.  3.11 and later: MAKE_CELL has
 * put the cell into its place before RESUME.  3.x up to 3.10: its place is empty, and the
 * cell stands behind the local variables (Python/ceval.c, _PyEval_EvalCode(), co_cell2arg).
 * 2.7 leaves it in its place, too.
 */
#ifndef PV_WALK_ARGUMENTS_H
#define PV_WALK_ARGUMENTS_H

#include "walk/value.h"

enum {
	PV_CO_VARARGS = 4, /* Include/cpython/code.h */
	PV_CO_VARKEYWORDS = 8,
	PV_FAST_CELL = 0x40, /* co_localspluskinds: 3.11 Include/internal/pycore_code.h */
	PV_ARGUMENTS_LIMIT = 4096,
};

#define PV_ARGUMENTS_FIELD(type, r, offset) PV_FIELD(type, (r)->s->code, PV_VALUE_CODE, offset)

/* Reads the code object, and how many arguments it has. */
PV_FLAT long pv_arguments_code(struct pv_value_reader *r, __u64 code)
{
	const volatile struct pv_pylayout *py = &r->layout->py;
	struct pv_value_scratch *s = r->s;
	__u32 n = r->layout->code_len, positional, keyword = 0, all;

	if (n > PV_VALUE_CODE || pv_value_get(r, s->code, n, code))
		return -1;
	positional = PV_ARGUMENTS_FIELD(__u32, r, py->co_argcount);
	if (py->co_kwonlyargcount != PV_OFF_NONE)
		keyword = PV_ARGUMENTS_FIELD(__u32, r, py->co_kwonlyargcount);
	if (positional > PV_ARGUMENTS_LIMIT || keyword > PV_ARGUMENTS_LIMIT)
		return -1;
	s->flags = PV_ARGUMENTS_FIELD(__u32, r, py->co_flags);
	s->first_special = positional + keyword;
	all = s->first_special + !!(s->flags & PV_CO_VARARGS) + !!(s->flags & PV_CO_VARKEYWORDS);
	s->n = pv_bounded(all, PV_VALUES_MAX);
	s->values.more = all - s->n;
	return 0;
}

/* The first n items of a tuple. */
PV_FLAT long pv_arguments_items(struct pv_value_reader *r, __u64 *ret, __u64 tuple, __u32 n)
{
	n = pv_bounded(n, PV_VALUES_MAX);
	return n ? pv_value_get(r, ret, 8 * n, tuple + r->layout->py.tuple_items) : 0;
}

/*
 * <= 3.10: the cells of the frame, by the names of what they hold: names are interned, so
 * that the same one is the same object.
 */
PV_FLAT long pv_arguments_cells(struct pv_value_reader *r, __u64 locals)
{
	const volatile struct pv_pylayout *py = &r->layout->py;
	struct pv_value_scratch *s = r->s;
	__u64 tuple = PV_ARGUMENTS_FIELD(__u64, r, py->co_cellvars), n = 0;
	__u32 n_locals = PV_ARGUMENTS_FIELD(__u32, r, py->co_nlocals);

	s->n_cells = 0;
	if (pv_value_get(r, &n, 8, tuple + py->var_size))
		return -1;
	s->n_cells = pv_bounded(n, PV_VALUES_MAX);
	s->cells_at = locals + 8 * (__u64)n_locals;
	return pv_arguments_items(r, s->cells, tuple, s->n_cells);
}

/* Where the names of its arguments are: s->names. */
PV_FLAT long pv_arguments_names(struct pv_value_reader *r)
{
	__u64 names = PV_ARGUMENTS_FIELD(__u64, r, r->layout->py.co_varnames);

	return pv_arguments_items(r, r->s->names, names, r->s->n);
}

/* The frame's slots, and what else must be known of cells. */
PV_FLAT long pv_arguments_slots(struct pv_value_reader *r, __u64 frame)
{
	const volatile struct pv_pylayout *py = &r->layout->py;
	struct pv_value_scratch *s = r->s;
	__u64 locals = frame + py->fr_locals;
	__u32 n = pv_bounded(s->n, PV_VALUES_MAX), i;

	for (i = 0; i < PV_VALUES_MAX; i++)
		s->kinds[i] = 0;
	if (!n)
		return 0;
	if (pv_value_get(r, s->slots, 8 * n, locals))
		return -1;
	if (py->co_kinds != PV_OFF_NONE)
		return pv_value_get(r, s->kinds, n,
				    PV_ARGUMENTS_FIELD(__u64, r, py->co_kinds) + py->bytes_data);
	/* 2.7 has copied them, and has no need of it */
	if (py->int_value != PV_OFF_NONE)
		return 0;
	return pv_arguments_cells(r, locals) || pv_arguments_names(r) ? -1 : 0;
}

/* The object in a cell; false: it could not be read.  *slot: 0 where the cell is empty. */
PV_FLAT bool pv_arguments_in_cell(struct pv_value_reader *r, __u64 *slot)
{
	const volatile struct pv_value_layout *layout = r->layout;
	__u64 cell = *slot & ~(__u64)layout->py.code_tag_mask, type = 0;

	if (!cell)
		return true;
	if (pv_value_get(r, &type, 8, cell + layout->py.ob_type))
		return false;
	/* not yet: MAKE_CELL comes first */
	if (type != layout->types.cell_type)
		return true;
	return !pv_value_get(r, slot, 8, cell + layout->py.cell_value);
}

/* <= 3.10: argument i is not in its place: in which cell is it? */
PV_FLAT bool pv_arguments_find_cell(struct pv_value_reader *r, __u32 i, __u64 *slot)
{
	struct pv_value_scratch *s = r->s;
	__u64 name = s->names[i & (PV_VALUES_MAX - 1)];
	__u32 k, found = PV_VALUES_MAX;

	for (k = 0; k < PV_VALUES_MAX; k++) {
		if (k < s->n_cells && s->cells[k] == name)
			found = k;
	}
	if (found == PV_VALUES_MAX)
		return true;
	return !pv_value_get(r, slot, 8, s->cells_at + 8 * found) && pv_arguments_in_cell(r, slot);
}

PV_FLAT __u8 pv_arguments_flags(const struct pv_value_scratch *s, __u32 i)
{
	if (i < s->first_special)
		return 0;
	return i == s->first_special && s->flags & PV_CO_VARARGS ? PV_VALUE_POSITIONALS
								 : PV_VALUE_KEYWORDS;
}

static long pv_arguments_step(__u32 index, void *arg)
{
	struct pv_value_reader *r = arg;
	struct pv_value_scratch *s = r->s;
	const volatile struct pv_pylayout *py = &r->layout->py;
	__u32 i = pv_masked(index, PV_VALUES_MAX);
	struct pv_value *v = &s->values.list[i];
	bool is_there = true;
	__u64 slot;

	if (index >= s->n)
		return 1;
	if (s->names_only) {
		pv_value_read(r, v, s->names[i]);
		v->flags |= pv_arguments_flags(s, i);
		return 0;
	}
	slot = s->slots[i];
	if (s->kinds[i] & PV_FAST_CELL)
		is_there = pv_arguments_in_cell(r, &slot);
	else if (!slot && py->co_cellvars != PV_OFF_NONE && py->int_value == PV_OFF_NONE)
		is_there = pv_arguments_find_cell(r, i, &slot);
	if (is_there)
		pv_value_read_slot(r, v, slot);
	else
		pv_value_clear(v);
	return 0;
}

PV_FLAT void pv_arguments_begin(struct pv_value_reader *r)
{
	struct pv_values *values = &r->s->values;

	values->n = values->more = values->unread = values->result = 0;
}

PV_FLAT void pv_arguments_end(struct pv_value_reader *r, long err)
{
	struct pv_value_scratch *s = r->s;

	if (err) {
		s->values.more = 0;
		s->values.unread = 1;
		return;
	}
	pv_value_loop(PV_VALUES_MAX, pv_arguments_step, r);
	s->values.n = s->n;
}

/* Reads the arguments of the function that begins in frame into r->s->values. */
PV_FLAT void pv_arguments_read(struct pv_value_reader *r, __u64 frame)
{
	const volatile struct pv_pylayout *py = &r->layout->py;
	__u64 code = 0;

	pv_arguments_begin(r);
	r->s->names_only = 0;
	pv_arguments_end(r, pv_value_get(r, &code, 8, frame + py->fr_code) ||
				    pv_arguments_code(r, code & ~(__u64)py->code_tag_mask) ||
				    pv_arguments_slots(r, frame));
}

/* Reads the names of a code object's arguments into r->s->values. */
PV_FLAT void pv_arguments_read_names(struct pv_value_reader *r, __u64 code)
{
	pv_arguments_begin(r);
	r->s->names_only = 1;
	pv_arguments_end(r, pv_arguments_code(r, code) || pv_arguments_names(r));
}

#endif
