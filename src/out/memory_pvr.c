/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A recording of a hunt: what `pitviper report` makes every other format of.
 * Input: a hunt.  Output: the chunks of recfile/.
 */
#include "out/memory.h"
#include "recfile/recfile.h"

static const char *const pvr_suffixes[] = { ".pvr", NULL };

const struct pv_format pv_memory_format_pvr = {
	.name = "pvr",
	.suffixes = pvr_suffixes,
	.help = "a recording, which `pitviper report` turns into any other format",
	.binary = true,
	.write_memory = pv_recfile_write_memory,
};
