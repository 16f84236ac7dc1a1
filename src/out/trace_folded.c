/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trace as folded stacks by time: "frame;frame;... NS" a line, from the traced
 * function down; NS is the time of the innermost frame itself, without what it calls,
 * in nanoseconds, all executions joined.
 * Input: a trace.
 * Output: lines as out/folded.c has them; their sum is the executions' duration.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "model/profile.h"
#include "model/strings.h"
#include "model/trace.h"
#include "out/folded.h"
#include "out/trace.h"

static void cleanup_profile(struct pv_profile **profile)
{
	pv_profile_destroy(*profile);
}

static struct pv_err *copy_string(const struct pv_trace *trace, struct pv_profile *profile,
				  uint32_t *id)
{
	const struct pv_strings *strings = trace->profile->strings;

	return pv_strings_add(profile->strings, pv_strings_get(strings, *id),
			      pv_strings_length(strings, *id), id);
}

static struct pv_err *copy_loc(const struct pv_trace *trace, struct pv_profile *profile,
			       uint32_t index, uint32_t *ret)
{
	struct pv_loc loc = *(const struct pv_loc *)pv_vec_at(&trace->profile->locs, index);
	struct pv_err *err = copy_string(trace, profile, &loc.function);

	if (!err)
		err = copy_string(trace, profile, &loc.file);
	if (!err)
		err = copy_string(trace, profile, &loc.module);
	return err ? err : pv_profile_loc(profile, &loc, ret);
}

/* Calls as stacks, nanoseconds as samples. */
static struct pv_err *fill(const struct pv_trace *trace, struct pv_profile *profile)
{
	_pv_free_ uint32_t *nodes = calloc(trace->calls.n + 1, sizeof(*nodes));
	_pv_free_ uint64_t *self = NULL;
	uint32_t process, thread, loc;
	struct pv_err *err = nodes ? pv_trace_self(trace, &self) : &pv_enomem;

	if (!err)
		err = pv_profile_process(profile, &(struct pv_profile_process){ .pid = 1 },
					 &process);
	if (!err)
		err = pv_profile_thread(profile, process, 1, "", &thread);
	for (size_t i = 0; i < trace->calls.n && !err; i++) {
		const struct pv_call *call = pv_vec_at(&trace->calls, i);
		uint32_t parent = call->parent == PV_CALL_NONE ? 0 : nodes[call->parent];

		err = copy_loc(trace, profile, call->function, &loc);
		if (!err)
			err = pv_profile_node(profile, parent, loc, &nodes[i]);
		if (!err && self[i])
			err = pv_profile_add(profile, nodes[i], thread, self[i]);
	}
	return err;
}

static struct pv_err *folded_write(const struct pv_trace *trace, FILE *file)
{
	PV_CLEANUP(cleanup_profile) struct pv_profile *profile = NULL;
	struct pv_err *err = pv_profile_create(&profile);

	if (!err)
		err = fill(trace, profile);
	return err ? err : pv_format_folded.write(profile, file);
}

static const char *const folded_suffixes[] = { ".folded", NULL };

const struct pv_format pv_trace_format_folded = {
	.name = "folded",
	.suffixes = folded_suffixes,
	.help = "nanoseconds by path of calls, for flame graph tools and diff",
	.write_trace = folded_write,
};
