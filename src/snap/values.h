/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader of values (walk/value.h) compiled for the host: the same source as
 * in the kernel, over a struct pv_mem.
 */
#ifndef PV_SNAP_VALUES_H
#define PV_SNAP_VALUES_H

#include <stdint.h>

#include "abi/condition.h"
#include "abi/value.h"

struct pv_mem;

/* The arguments of the function that begins in a frame: walk/arguments.h. */
void pv_snap_arguments(struct pv_mem *mem, const struct pv_value_layout *layout, uint64_t frame,
		       struct pv_values *ret);

/* The names of a code object's arguments. */
void pv_snap_argument_names(struct pv_mem *mem, const struct pv_value_layout *layout, uint64_t code,
			    struct pv_values *ret);

/* What a function returns, at the three kinds of places: walk/result.h. */
void pv_snap_result_at_return(struct pv_mem *mem, const struct pv_value_layout *layout,
			      uint64_t frame, struct pv_values *ret);
void pv_snap_result_at_clear(struct pv_mem *mem, const struct pv_value_layout *layout,
			     uint64_t tstate, uint64_t frame, struct pv_values *ret);
void pv_snap_result_of_eval(struct pv_mem *mem, const struct pv_value_layout *layout,
			    uint64_t object, struct pv_values *ret);

/* Arguments of a native function: rdi, rsi, rdx, rcx, r8, r9. */
void pv_snap_registers(struct pv_mem *mem, const struct pv_signature *signature,
		       const uint64_t registers[PV_VALUE_REGISTERS], struct pv_values *ret);

/* Does it hold of these arguments? */
enum pv_truth pv_snap_condition(const struct pv_condition *condition,
				const struct pv_values *values);

#endif
