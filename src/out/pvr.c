/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A recording of a finished profile: what `pitviper report` makes every other
 * format of.
 * Input: a profile.  Output: the chunks of recfile/.
 */
#include "out/pvr.h"

#include "recfile/recfile.h"

static const char *const pvr_suffixes[] = { ".pvr", NULL };

const struct pv_format pv_format_pvr = {
	.name = "pvr",
	.suffixes = pvr_suffixes,
	.help = "a recording, which `pitviper report` turns into any other format",
	.write = pv_recfile_write,
};
