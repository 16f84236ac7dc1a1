/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks of slow calls as text and JSON.  Input: counts, a profile.  Output: lines.
 */
#include "cmd/latency_slow.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "base/text.h"
#include "model/frame.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/slow.h"

enum {
	STACKS_MAX = 10,
	FRAMES_MAX = 16, /* of a stack, from the leaf on */
};

static const struct pv_loc *loc_of(const struct pv_profile *profile, uint32_t node)
{
	const struct pv_stack_node *one = pv_vec_at(&profile->nodes, node);

	return pv_vec_at(&profile->locs, one->loc);
}

static uint32_t parent_of(const struct pv_profile *profile, uint32_t node)
{
	return ((const struct pv_stack_node *)pv_vec_at(&profile->nodes, node))->parent;
}

static struct pv_err *print_frame(const struct pv_profile *profile, const struct pv_loc *loc,
				  FILE *file)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str function = { 0 };
	PV_CLEANUP(pv_str_deinit) struct pv_str place = { 0 };
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_err *err = pv_frame_function(profile, loc, &function);

	if (!err)
		err = pv_frame_place(profile, loc, loc->line > 0 ? loc->line : 0,
				     loc->line > 0 ? loc->line : 0, &place);
	if (!err && place.n)
		err = pv_str_appendf(&function, " (%s)", pv_str_text(&place));
	if (!err)
		err = pv_text_append(&text, pv_str_text(&function), function.n);
	if (!err)
		fprintf(file, "                 %s\n", pv_str_text(&text));
	return err;
}

/* The outermost Python function; 0: there is none. */
static uint32_t outermost_python(const struct pv_profile *profile, uint32_t leaf)
{
	uint32_t found = 0;

	for (uint32_t node = leaf; node; node = parent_of(profile, node)) {
		if (loc_of(profile, node)->kind == PV_LOC_PYTHON)
			found = node;
	}
	return found;
}

/* Leaf first; how Python is started and calls, and whatever is too far out, is left out. */
static struct pv_err *print_stack(const struct pv_profile *profile,
				  const struct pv_slow_stack *stack, FILE *file,
				  unsigned int *lines)
{
	struct pv_duration sum = pv_text_duration(stack->sum_ns),
			   max = pv_text_duration(stack->max_ns);
	uint32_t outermost = outermost_python(profile, stack->node);
	bool outside = false;
	struct pv_err *err = NULL;
	size_t n = 0, more = 0;

	fprintf(file, "  %11s  %s in all, %s at most, on\n", pv_text_number(stack->calls).text,
		sum.text, max.text);
	++*lines;
	for (uint32_t node = stack->node; !err && node; node = parent_of(profile, node)) {
		const struct pv_loc *loc = loc_of(profile, node);

		if (node != stack->node && (pv_frame_is_machinery(profile, loc) ||
					    (outside && pv_frame_is_interpreter(profile, loc))))
			continue;
		outside |= node == outermost;
		if (n++ >= FRAMES_MAX) {
			more++;
			continue;
		}
		err = print_frame(profile, loc, file);
		++*lines;
	}
	if (!err && more) {
		fprintf(file, "                 and %zu more\n", more);
		++*lines;
	}
	return err;
}

struct pv_err *pv_latency_print_slow(struct pv_slow *slow, size_t function, FILE *file,
				     unsigned int *lines_ret)
{
	const struct pv_vec *stacks = pv_slow_stacks(slow);
	struct pv_err *err = NULL;
	size_t n = 0;

	*lines_ret = 0;
	for (size_t i = 0; !err && i < stacks->n; i++) {
		const struct pv_slow_stack *stack = pv_vec_at(stacks, i);

		if (stack->function == function && ++n <= STACKS_MAX)
			err = print_stack(pv_slow_profile(slow), stack, file, lines_ret);
	}
	if (!err && n > STACKS_MAX) {
		fprintf(file, "  and %zu more stacks; --json has all\n", n - STACKS_MAX);
		++*lines_ret;
	}
	return err;
}

static void put_text(struct pv_json *json, const char *key, const struct pv_profile *profile,
		     uint32_t id)
{
	pv_json_bytes(json, key, pv_strings_get(profile->strings, id),
		      pv_strings_length(profile->strings, id));
}

/* As `stack --json` has them, the leaf first. */
static void put_frames(struct pv_json *json, const struct pv_profile *profile, uint32_t leaf)
{
	pv_json_begin(json, "frames", '[');
	for (uint32_t node = leaf; node; node = parent_of(profile, node)) {
		const struct pv_loc *loc = loc_of(profile, node);

		pv_json_begin(json, NULL, '{');
		pv_json_string(json, "kind", pv_frame_kind(loc->kind));
		put_text(json, "function", profile, loc->function);
		put_text(json, "file", profile, loc->file);
		pv_json_int(json, "line", loc->line);
		put_text(json, "module", profile, loc->module);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
}

void pv_latency_put_slow(struct pv_json *json, struct pv_slow *slow, size_t function)
{
	const struct pv_vec *stacks = pv_slow_stacks(slow);

	pv_json_begin(json, "stacks", '[');
	for (size_t i = 0; i < stacks->n; i++) {
		const struct pv_slow_stack *stack = pv_vec_at(stacks, i);

		if (stack->function != function)
			continue;
		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "calls", (int64_t)stack->calls);
		pv_json_int(json, "sum_ns", (int64_t)stack->sum_ns);
		pv_json_int(json, "max_ns", (int64_t)stack->max_ns);
		put_frames(json, pv_slow_profile(slow), stack->node);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
}
