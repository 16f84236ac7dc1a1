/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader of values compiled for the host.  Input: struct pv_mem.  Output:
 * struct pv_values.
 */
#include "snap/values.h"

#include <string.h>

#include "target/mem.h"
#include "walk/reader.h"

static inline long pv_value_get(struct pv_value_reader *r, void *dst, __u32 n, __u64 addr)
{
	return pv_mem_read(r->home, dst, n, addr);
}

/* By words, which cross no page, since what is behind the NUL may not be mapped. */
static inline long pv_value_get_text(struct pv_value_reader *r, void *dst, __u32 n, __u64 addr)
{
	char *text = dst;
	__u32 at = 0, part;

	while (at < n - 1) {
		const char *end;

		part = 8 - ((addr + at) & 7);
		part = part < n - 1 - at ? part : n - 1 - at;
		if (pv_mem_read(r->home, text + at, part, addr + at))
			return -1;
		end = memchr(text + at, '\0', part);
		if (end) {
			at = (__u32)(end - text);
			memset(text + at, 0, n - at);
			return at + 1;
		}
		at += part;
	}
	text[n - 1] = '\0';
	return n;
}

static inline long pv_value_loop(__u32 n, long (*fn)(__u32 i, void *ctx), void *ctx)
{
	__u32 i;

	for (i = 0; i < n; i++) {
		if (fn(i, ctx))
			return i + 1;
	}
	return n;
}

#include "walk/arguments.h"
#include "walk/condition.h"
#include "walk/registers.h"
#include "walk/result.h"
#include "walk/value.h"

void pv_snap_arguments(struct pv_mem *mem, const struct pv_value_layout *layout, uint64_t frame,
		       struct pv_values *ret)
{
	struct pv_value_scratch scratch = {};
	struct pv_value_reader reader = { .layout = layout, .s = &scratch, .home = mem };

	pv_arguments_read(&reader, frame);
	*ret = scratch.values;
}

void pv_snap_argument_names(struct pv_mem *mem, const struct pv_value_layout *layout, uint64_t code,
			    struct pv_values *ret)
{
	struct pv_value_scratch scratch = {};
	struct pv_value_reader reader = { .layout = layout, .s = &scratch, .home = mem };

	pv_arguments_read_names(&reader, code);
	*ret = scratch.values;
}

void pv_snap_result_at_return(struct pv_mem *mem, const struct pv_value_layout *layout,
			      uint64_t frame, struct pv_values *ret)
{
	struct pv_value_scratch scratch = {};
	struct pv_value_reader reader = { .layout = layout, .s = &scratch, .home = mem };

	pv_result_at_return(&reader, frame);
	*ret = scratch.values;
}

void pv_snap_result_at_clear(struct pv_mem *mem, const struct pv_value_layout *layout,
			     uint64_t tstate, uint64_t frame, struct pv_values *ret)
{
	struct pv_value_scratch scratch = {};
	struct pv_value_reader reader = { .layout = layout, .s = &scratch, .home = mem };

	pv_result_at_clear(&reader, tstate, frame);
	*ret = scratch.values;
}

void pv_snap_result_of_eval(struct pv_mem *mem, const struct pv_value_layout *layout,
			    uint64_t object, struct pv_values *ret)
{
	struct pv_value_scratch scratch = {};
	struct pv_value_reader reader = { .layout = layout, .s = &scratch, .home = mem };

	pv_result_of_eval(&reader, object);
	*ret = scratch.values;
}

void pv_snap_registers(struct pv_mem *mem, const struct pv_signature *signature,
		       const uint64_t registers[PV_VALUE_REGISTERS], struct pv_values *ret)
{
	struct pv_value_scratch scratch = {};
	struct pv_value_reader reader = { .s = &scratch, .home = mem };
	__u64 copy[PV_VALUE_REGISTERS];

	for (size_t i = 0; i < PV_VALUE_REGISTERS; i++)
		copy[i] = registers[i];
	pv_registers_read(&reader, signature, copy);
	*ret = scratch.values;
}

enum pv_truth pv_snap_condition(const struct pv_condition *condition,
				const struct pv_values *values)
{
	struct pv_value_scratch scratch = { .values = *values };

	return pv_condition_holds(condition, &scratch);
}
