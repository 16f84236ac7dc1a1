/* SPDX-License-Identifier: BSD-2-Clause */
/* Ledgers made by hand: functions of a program, each with two sites, and changes in them. */
#ifndef LEDGERS_H
#define LEDGERS_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/refnet.h"
#include "base/str.h"
#include "model/profile.h"
#include "model/refs.h"

#include "stacks.h"

enum { MAIN, HANDLE, GOOD, BAD, HELPER, EVAL, FFI, INCREF, DECREF, FUNCTIONS };

static const char *const names[FUNCTIONS] = { "main", "handle",   "good",      "bad",      "helper",
					      "eval", "ffi_call", "Py_IncRef", "Py_DecRef" };

/* Frames of a stack: function, place, pc, number of the call. */
struct at {
	uint32_t function;
	uint64_t place, pc, number;
};

static inline struct pv_refs *new_refs(void)
{
	struct pv_refs *refs;

	ok(pv_refs_create(&refs));
	for (uint32_t i = 0; i < FUNCTIONS; i++) {
		struct pv_loc loc = { .kind = i <= HANDLE ? PV_LOC_PYTHON : PV_LOC_NATIVE };
		struct pv_ref_site site = { .function = i, .offset = 16, .vaddr = i };
		uint32_t id;

		loc.function = string_of(refs->profile, names[i]);
		loc.module = i == EVAL    ? string_of(refs->profile, "python3.11")
			     : i > HANDLE ? string_of(refs->profile, "ext.so")
					  : 0;
		ok(pv_profile_loc(refs->profile, &loc, &id));
		ck_assert_uint_eq(id, i);
		/* two sites of each: 2 i and 2 i + 1 */
		site.file = i > HANDLE ? string_of(refs->profile, "/src/ext.c") : 0;
		site.line = 10 * i + 1;
		ok(pv_vec_append(&refs->sites, &site, 1, NULL));
		site.line = 10 * i + 2;
		ok(pv_vec_append(&refs->sites, &site, 1, NULL));
	}
	return refs;
}

static inline void change(struct pv_refs *refs, uint32_t thread, const struct at *stack, size_t n,
			  uint32_t site, int64_t delta)
{
	struct pv_change one = { .sequence = refs->changes.n,
				 .thread = thread,
				 .site = site,
				 .python = PV_REFS_NONE,
				 .first = refs->frames.n,
				 .n = n,
				 .before = refs->last,
				 .after = refs->last + delta };

	for (size_t i = 0; i < n; i++) {
		struct pv_ref_frame frame = {
			.loc = stack[i].function,
			.function = stack[i].function,
			.kind = stack[i].function <= HANDLE ? PV_LOC_PYTHON : PV_LOC_NATIVE,
			.interpreter = stack[i].function == EVAL || stack[i].function >= INCREF,
			.place = stack[i].place,
			.pc = stack[i].pc,
			.site = PV_REFS_NONE,
			.number = stack[i].number
		};

		if (frame.kind == PV_LOC_PYTHON)
			one.python = (uint32_t)refs->frames.n;
		ok(pv_vec_append(&refs->frames, &frame, 1, NULL));
	}
	refs->last = one.after;
	ok(pv_vec_append(&refs->changes, &one, 1, NULL));
}

#define CHANGE(refs, site, delta, ...)                                                             \
	do {                                                                                       \
		const struct at _stack[] = { __VA_ARGS__ };                                        \
		change(refs, 0, _stack, sizeof(_stack) / sizeof(*_stack), site, delta);            \
	} while (0)

static inline const struct pv_refnet_function *find(const struct pv_refnet *net, uint32_t function)
{
	for (size_t i = 0; i < net->functions.n; i++) {
		const struct pv_refnet_function *one = pv_vec_at(&net->functions, i);

		if (one->function == function)
			return one;
	}
	return NULL;
}

/* How many calls had that net. */
static inline uint64_t calls_of(const struct pv_refnet *net, uint32_t function, int64_t value)
{
	const struct pv_refnet_function *one = find(net, function);

	for (size_t i = 0; one && i < one->n_nets; i++) {
		const struct pv_refnet_net *found = pv_vec_at(&net->nets, one->first_net + i);

		if (found->net == value)
			return found->calls;
	}
	return 0;
}

/* The caller's own take and give, which tell one call from the next. */
#define LOAD(refs)  CHANGE(refs, 2 * EVAL, 1, { MAIN, 1, 5, 0 })
#define STORE(refs) CHANGE(refs, 2 * EVAL + 1, -1, { MAIN, 1, 9, 0 })

static inline void call(struct pv_refs *refs, uint32_t function, bool forgets)
{
	LOAD(refs);
	CHANGE(refs, 2 * function, 1, { MAIN, 1, 7, 0 }, { function, 100, 1, 0 });
	if (!forgets)
		CHANGE(refs, 2 * function + 1, -1, { MAIN, 1, 7, 0 }, { function, 100, 2, 0 });
	STORE(refs);
}

#endif
