/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must be known of a CPython to read arguments and results.  Input: what
 * was detected of it (its offsets, the addresses of its types).  Output: struct
 * pv_value_layout, or the reason why its values cannot be read.
 */
#include "python/values.h"

#include "python/detect.h"
#include "target/mem.h"

/* Include/opcode.h, from 3.13 on Include/opcode_ids.h. */
static const struct {
	uint32_t minor; /* upper half of PY_VERSION_HEX */
	struct pv_value_opcodes opcodes;
} versions[] = {
	{ 0x030b, { .return_value = 83, .extended_arg = 144 } },
	{ 0x030c,
	  { .return_value = 83,
	    .instrumented_return_value = 242,
	    .return_const = 121,
	    .instrumented_return_const = 247,
	    .extended_arg = 144 } },
	{ 0x030d,
	  { .return_value = 36,
	    .instrumented_return_value = 239,
	    .return_const = 103,
	    .instrumented_return_const = 240,
	    .extended_arg = 71 } },
	{ 0x030e, { .return_value = 35, .instrumented_return_value = 246, .extended_arg = 69 } },
	{ 0x030f, { .return_value = 33, .instrumented_return_value = 245, .extended_arg = 67 } },
};

static struct pv_err *refuse(const struct pv_python *python, const char *why)
{
	return pv_err_create(PV_ERR_NOPROC, "cannot read the values of the CPython %s in %s: %s",
			     python->version, python->module_path, why);
}

static bool have_types(const struct pv_python *python)
{
	const struct pv_value_types *types = &python->types;

	if (python->proc.py.int_value != PV_OFF_NONE &&
	    (!types->int_type || !python->proc.py.unicode_width))
		return false;
	return types->long_type && types->bool_type && types->float_type && types->unicode_type &&
	       types->bytes_type && types->cell_type && types->none;
}

/*
 * Digits of 15 bits are an option of configure: then PyLong_Type.tp_itemsize is 2
 * (Include/object.h: tp_name, tp_basicsize, tp_itemsize).
 */
static bool has_large_digits(struct pv_mem *mem, const struct pv_python *python)
{
	uint64_t at = python->types.long_type + python->proc.py.tp_name + 16, size;

	return !pv_mem_read_u64(mem, at, &size) && size == sizeof(uint32_t);
}

static uint16_t end_of(uint16_t offset, uint16_t bytes, uint16_t so_far)
{
	return offset != PV_OFF_NONE && offset + bytes > so_far ? (uint16_t)(offset + bytes)
								: so_far;
}

static uint16_t code_length(const struct pv_pylayout *py)
{
	uint16_t n = end_of(py->co_flags, 4, 0);

	n = end_of(py->co_argcount, 4, n);
	n = end_of(py->co_kwonlyargcount, 4, n);
	n = end_of(py->co_nlocals, 4, n);
	n = end_of(py->co_varnames, 8, n);
	n = end_of(py->co_kinds, 8, n);
	return end_of(py->co_cellvars, 8, n);
}

struct pv_err *pv_python_values(struct pv_mem *mem, const struct pv_python *python,
				struct pv_value_layout *ret)
{
	const struct pv_pylayout *py = &python->proc.py;
	struct pv_value_layout layout = {
		.py = *py,
		.types = python->types,
		.code_len = code_length(py),
	};
	bool known = py->frame_kind == PV_FRAME_OBJECT;

	if (!have_types(python))
		return refuse(python, "its basic types have no symbols");
	if (!has_large_digits(mem, python))
		return refuse(python, "its ints are not of 30-bit digits");
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (versions[i].minor == py->version_hex >> 16) {
			layout.opcodes = versions[i].opcodes;
			known = true;
		}
	}
	if (!known)
		return refuse(python, "its opcodes are not known");
	*ret = layout;
	return NULL;
}
