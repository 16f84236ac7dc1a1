/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stays as folded stacks: "frame;frame;... BYTES" a line, bytes that were left of what the
 * stack allocated at the last look.
 * Input: a hunt.  Output: lines as out/folded.c has them.
 */
#include "base/cleanup.h"
#include "model/profile.h"
#include "out/folded.h"
#include "out/memory.h"
#include "out/memory_stacks.h"

static struct pv_err *folded_write(const struct pv_memory *memory, FILE *file)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec stacks = PV_VEC(struct pv_memory_stack);
	struct pv_profile *profile;
	struct pv_err *err = pv_memory_stacks(memory, &stacks);

	if (!err)
		err = pv_memory_profile(memory, &stacks, &profile);
	if (err)
		return err;
	err = pv_format_folded.write(profile, file);
	pv_profile_destroy(profile);
	return err;
}

static const char *const folded_suffixes[] = { ".folded", ".txt", NULL };

const struct pv_format pv_memory_format_folded = {
	.name = "folded",
	.suffixes = folded_suffixes,
	.help = "bytes that stay by stack, for flame graph tools and diff",
	.write_memory = folded_write,
};
