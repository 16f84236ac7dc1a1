/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Samples made by hand, for tests of the merge.
 *
 * A merged stack is compared as text, root first: "P1" a Python frame with
 * key 1, "N1" object 1 address 0x100, "R1" an address, "K1" the kernel.
 */
#ifndef PV_TESTS_MERGE_SAMPLE_H
#define PV_TESTS_MERGE_SAMPLE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "snap/merge.h"

enum {
	END = PV_PYFRAME_RUN_END,
	EMPTY = PV_PYFRAME_EMPTY | PV_PYFRAME_RUN_END,
	SKIP = PV_PYFRAME_SKIP | PV_PYFRAME_RUN_END,
	BOTH = PV_SAMPLE_NAT_END | PV_SAMPLE_PY_END,
};

#define EVAL  PV_NAT_ANCHOR
#define BREAK PV_NAT_BREAK

struct sample {
	struct pv_event_sample head;
	uint64_t words[64];
	size_t size;
};

static struct pv_merged merged;

static const struct pv_merge_options anchored, counted = { .counted = true },
					       no_native = { .no_native = true },
					       from_root = { .from_root = true };

static inline void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static inline struct sample make(uint32_t flags)
{
	return (struct sample){ .head = { .flags = flags },
				.size = sizeof(struct pv_event_sample) };
}

static inline void put(struct sample *s, uint64_t word)
{
	s->words[(s->size - sizeof(s->head)) / 8] = word;
	s->size += 8;
}

/* Frames are added Python, kernel, native, each leaf first. */
static inline void python(struct sample *s, uint64_t key, uint32_t flags)
{
	put(s, key);
	put(s, (uint64_t)flags << 32 | (2 * key));
	s->head.n_python++;
	s->head.n_runs += flags & END && !(flags & PV_PYFRAME_SKIP);
}

static inline void kernel(struct sample *s, uint64_t n)
{
	put(s, n);
	s->head.n_kernel++;
}

static inline void native(struct sample *s, uint64_t object, uint64_t flags)
{
	put(s, object << PV_NAT_REL_BITS | object << 8 | flags);
	s->head.n_native++;
}

static inline void expect(const struct sample *s, const struct pv_merge_options *options,
			  const char *expected)
{
	struct pv_str text = {};
	size_t i;

	ok(pv_merge(&s->head, s->size, options, &merged));
	for (i = 0; i < merged.frames.n; i++) {
		const struct pv_frame_ref *ref = pv_vec_at(&merged.frames, i);
		static const char letters[] = "PNRK";

		if (i)
			ok(pv_str_append(&text, " ", 1));
		if (ref->kind == PV_REF_MARKER)
			ok(pv_str_appendf(&text, "%s", pv_mark_text(ref->value)));
		else if (ref->kind == PV_REF_LABEL)
			ok(pv_str_appendf(&text, "%s", pv_label_text(ref->value)));
		else
			ok(pv_str_appendf(&text, "%c%llu", letters[ref->kind],
					  (unsigned long long)(ref->kind == PV_REF_NATIVE
								       ? ref->detail
								       : ref->value)));
		if (ref->kind == PV_REF_NATIVE)
			ck_assert_uint_eq(ref->value, (uint64_t)ref->detail << 8);
		if (ref->kind == PV_REF_PYTHON && ref->detail != (uint32_t)PV_LASTI_NONE)
			ck_assert_uint_eq(ref->detail, 2 * ref->value);
	}
	ck_assert_str_eq(pv_str_text(&text), expected);
	pv_str_deinit(&text);
}

static inline void expect_state(bool complete, bool truncated, bool marked, bool bridged, int loss)
{
	ck_assert_int_eq(merged.complete, complete);
	ck_assert_int_eq(merged.truncated, truncated);
	ck_assert_int_eq(merged.marked, marked);
	ck_assert_int_eq(merged.bridged, bridged);
	ck_assert_int_eq(merged.loss, loss);
}

static inline void setup(void)
{
	merged = (struct pv_merged){ .frames = PV_VEC(struct pv_frame_ref) };
}

static inline void teardown(void)
{
	pv_vec_deinit(&merged.frames);
}

/* The collector is object 3, where native() puts its frames. */
#define COLLECTOR                                                                                  \
	.collector = {                                                                             \
		.object = 3,                                                                       \
		.n = 2,                                                                            \
		.parts = { { 0x100, 0x180 }, { 0x280, 0x300 } },                                   \
	}

static const struct pv_merge_options with_gc = { COLLECTOR },
				     counted_gc = { COLLECTOR, .counted = true },
				     no_native_gc = { COLLECTOR, .no_native = true },
				     no_native_counted_gc = { COLLECTOR, .no_native = true,
							      .counted = true };

static inline void expect_gc(bool gc, bool unknown)
{
	ck_assert_int_eq(merged.gc, gc);
	ck_assert_int_eq(merged.gc_unknown, unknown);
}

/* Two runs, of two frames and of one, between native frames. */
static inline struct sample two_runs(uint32_t flags)
{
	struct sample s = make(flags);

	python(&s, 1, 0);
	python(&s, 2, END);
	python(&s, 3, END);
	native(&s, 1, PV_NAT_EXACT);
	native(&s, 2, EVAL);
	native(&s, 3, 0);
	native(&s, 4, EVAL);
	native(&s, 5, 0);
	return s;
}

#endif
