/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A heap profile for pprof: alloc_objects, alloc_space of what was seen, inuse_objects,
 * inuse_space of what was left of it at the last look, the names that Go's heap profiles have.
 * Input: a hunt.  Output: a gzipped protocol buffer as out/pprof.c has it.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "model/profile.h"
#include "out/memory.h"
#include "out/memory_stacks.h"
#include "out/pprof.h"

enum { VALUES = 4 };

static struct pv_err *pprof_write(const struct pv_memory *memory, FILE *file)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec stacks = PV_VEC(struct pv_memory_stack);
	struct pv_pprof_values values = {
		.n = VALUES,
		.types = { "alloc_objects", "alloc_space", "inuse_objects", "inuse_space" },
		.units = { "count", "bytes", "count", "bytes" },
		.shown = VALUES - 1,
	};
	_pv_free_ int64_t *numbers = NULL;
	struct pv_profile *profile;
	struct pv_err *err = pv_memory_stacks(memory, &stacks);

	if (!err)
		numbers = calloc(stacks.n + 1, VALUES * sizeof(*numbers));
	if (!err && !numbers)
		err = &pv_enomem;
	for (size_t i = 0; i < stacks.n && !err; i++) {
		const struct pv_memory_stack *stack = pv_vec_at(&stacks, i);
		int64_t *of = numbers + VALUES * i;

		of[0] = (int64_t)stack->seen_count;
		of[1] = (int64_t)stack->seen_bytes;
		of[2] = (int64_t)stack->left_count;
		of[3] = (int64_t)stack->left_bytes;
	}
	values.values = numbers;
	if (!err)
		err = pv_memory_profile(memory, &stacks, &profile);
	if (err)
		return err;
	err = pv_pprof_write(profile, &values, file);
	pv_profile_destroy(profile);
	return err;
}

static const char *const pprof_suffixes[] = { ".pb.gz", NULL };

const struct pv_format pv_memory_format_pprof = {
	.name = "pprof",
	.suffixes = pprof_suffixes,
	.help = "a heap profile for pprof: alloc and inuse, objects and space",
	.binary = true,
	.write_memory = pprof_write,
};
