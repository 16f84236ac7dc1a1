/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fixture of arguments but for its memory: the file `values`, as text: the layout, then
 * lines "frame ADDRESS CODE ARGUMENTS".  Written by watch_values.c, read by
 * test_values.c.  Every number stands by its name, so that a struct of ours can change.
 */
#ifndef PV_TESTS_WALK_VALUES_FIXTURE_H
#define PV_TESTS_WALK_VALUES_FIXTURE_H

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/value.h"
#include "base/str.h"

struct values_field {
	const char *name;
	size_t offset, size;
};

#define VALUES_FIELD(member)                                                                       \
	{                                                                                          \
#member, offsetof(struct pv_value_layout, member),                                 \
			sizeof(((struct pv_value_layout *)0)->member)                              \
	}

static const struct values_field values_fields[] = {
	VALUES_FIELD(py.version_hex),
	VALUES_FIELD(py.code_tag_mask),
	VALUES_FIELD(py.fr_code),
	VALUES_FIELD(py.fr_instr),
	VALUES_FIELD(py.ob_type),
	VALUES_FIELD(py.var_size),
	VALUES_FIELD(py.bytes_data),
	VALUES_FIELD(py.str_length),
	VALUES_FIELD(py.str_state),
	VALUES_FIELD(py.str_ascii_data),
	VALUES_FIELD(py.str_compact_data),
	VALUES_FIELD(py.str_kind_shift),
	VALUES_FIELD(py.fr_locals),
	VALUES_FIELD(py.co_flags),
	VALUES_FIELD(py.co_argcount),
	VALUES_FIELD(py.co_kwonlyargcount),
	VALUES_FIELD(py.co_nlocals),
	VALUES_FIELD(py.co_varnames),
	VALUES_FIELD(py.co_kinds),
	VALUES_FIELD(py.co_cellvars),
	VALUES_FIELD(py.co_consts),
	VALUES_FIELD(py.tuple_items),
	VALUES_FIELD(py.int_value),
	VALUES_FIELD(py.long_tag),
	VALUES_FIELD(py.long_digits),
	VALUES_FIELD(py.float_value),
	VALUES_FIELD(py.cell_value),
	VALUES_FIELD(py.unicode_data),
	VALUES_FIELD(py.tp_name),
	VALUES_FIELD(py.ts_exception),
	VALUES_FIELD(py.ts_executor),
	VALUES_FIELD(types.long_type),
	VALUES_FIELD(types.int_type),
	VALUES_FIELD(types.bool_type),
	VALUES_FIELD(types.float_type),
	VALUES_FIELD(types.unicode_type),
	VALUES_FIELD(types.bytes_type),
	VALUES_FIELD(types.cell_type),
	VALUES_FIELD(types.none),
	VALUES_FIELD(opcodes.return_value),
	VALUES_FIELD(opcodes.instrumented_return_value),
	VALUES_FIELD(opcodes.return_const),
	VALUES_FIELD(opcodes.instrumented_return_const),
	VALUES_FIELD(opcodes.extended_arg),
	VALUES_FIELD(py.unicode_width),
	VALUES_FIELD(code_len),
};

static inline void values_fixture_write_layout(const struct pv_value_layout *layout, FILE *file)
{
	for (size_t i = 0; i < sizeof(values_fields) / sizeof(*values_fields); i++) {
		uint64_t value = 0;

		memcpy(&value, (const char *)layout + values_fields[i].offset,
		       values_fields[i].size);
		fprintf(file,
			values_fields[i].size > 2 ? "%s = 0x%" PRIx64 "\n" : "%s = %" PRIu64 "\n",
			values_fields[i].name, value);
	}
}

/* A line "NAME = NUMBER". */
static inline bool values_fixture_parse(struct pv_value_layout *layout, const char *line)
{
	char name[64];
	uint64_t value;

	if (sscanf(line, "%63s = %" SCNi64, name, (int64_t *)&value) != 2)
		return false;
	for (size_t i = 0; i < sizeof(values_fields) / sizeof(*values_fields); i++) {
		if (strcmp(values_fields[i].name, name) == 0) {
			memcpy((char *)layout + values_fields[i].offset, &value,
			       values_fields[i].size);
			return true;
		}
	}
	return false;
}

#endif
