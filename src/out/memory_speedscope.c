/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stays for https://www.speedscope.app: one profile whose weights are bytes.
 * Input: a hunt.  Output: JSON as out/speedscope.c has it.
 */
#include "base/cleanup.h"
#include "model/profile.h"
#include "out/memory.h"
#include "out/memory_stacks.h"
#include "out/speedscope.h"

static struct pv_err *speedscope_write(const struct pv_memory *memory, FILE *file)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec stacks = PV_VEC(struct pv_memory_stack);
	struct pv_profile *profile;
	struct pv_err *err = pv_memory_stacks(memory, &stacks);

	if (!err)
		err = pv_memory_profile(memory, &stacks, &profile);
	if (err)
		return err;
	err = pv_speedscope_write(profile, "bytes", file);
	pv_profile_destroy(profile);
	return err;
}

static const char *const speedscope_suffixes[] = { ".speedscope.json", NULL };

const struct pv_format pv_memory_format_speedscope = {
	.name = "speedscope",
	.suffixes = speedscope_suffixes,
	.help = "bytes that stay, for https://www.speedscope.app",
	.write_memory = speedscope_write,
};
