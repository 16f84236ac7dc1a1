/* SPDX-License-Identifier: BSD-2-Clause */
/* What is garbage of a made-up heap, and what its collector says; memory that lies. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>

#include "heap/census.h"
#include "heap/collecting.h"
#include "heap/fill.h"
#include "heap/garbage.h"
#include "heap/gclist.h"
#include "heap/graph.h"
#include "made_heap.h"
#include "model/memory.h"

#define HEAP 0x7f0000000000ULL

enum {
	RUNTIME = 0x10000,
	INTERP = 0x20000,
	OBJECTS = 0x40000,
	APART = 256,
	FROZEN = 3,
};

static struct made_heap made;
static uint64_t tuple, text, last[4];
static unsigned int n_objects;

static uint64_t state(void)
{
	return HEAP + INTERP + made.python.proc.py.is_gc;
}

static uint64_t list_head(unsigned int list)
{
	const struct pv_heaplayout *at = pv_heap_layout(made.heap);

	return list == FROZEN ? state() + at->gc_permanent : state() + 24 + list * at->gc_stride;
}

static void link_after(uint64_t head, uint64_t next)
{
	made_put(&made, head, next);
	made_put(&made, next + 8, head);
}

static void setup(void)
{
	uint64_t object;

	made_start(&made);
	made_region(&made, HEAP, 0x80000, "");
	object = made_type(&made, "object", made.type_type, 0, 16, 0, 0);
	tuple = made_type(&made, "tuple", made.type_type, object, 24, 8, PV_TPFLAGS_HAVE_GC);
	text = made_type(&made, "Word", made.type_type, object, 24, 0, 0);
	made.python.proc.runtime = HEAP + RUNTIME;
	made_put(&made, HEAP + RUNTIME + made.python.proc.py.rt_interpreters_head, HEAP + INTERP);
	made_put(&made, state() + pv_heap_layout(made.heap)->gc_generation0, list_head(0));
	n_objects = 0;
	for (unsigned int i = 0; i < 4; i++) {
		last[i] = list_head(i);
		link_after(last[i], last[i]);
	}
}

static void teardown(void)
{
	made_end(&made);
}

static uint64_t new_object(uint64_t type, uint64_t count)
{
	uint64_t object = HEAP + OBJECTS + (uint64_t)APART * ++n_objects;

	made_put(&made, object, count);
	made_put(&made, object + 8, type);
	return object;
}

/* A tuple in a list of the collector's. */
static uint64_t listed(unsigned int list, uint64_t count)
{
	uint64_t object = new_object(tuple, count), head = object - 16;

	link_after(last[list], head);
	link_after(head, list_head(list));
	last[list] = head;
	return object;
}

/* The tuple has one more item. */
static void refer(uint64_t from, uint64_t to)
{
	uint64_t n;

	ck_assert(!pv_mem_read_u64(&made.mem, from + 16, &n));
	made_put(&made, from + 24 + 8 * n, to);
	made_put(&made, from + 16, n + 1);
}

static uint64_t garbage_of(uint64_t type)
{
	struct pv_garbage garbage;
	uint64_t n = 0;

	ck_assert_ptr_null(pv_garbage_find(made.heap, 0, &made.maps, &garbage));
	for (size_t i = 0; i < garbage.types.n; i++) {
		const struct pv_garbage_type *one = pv_vec_at(&garbage.types, i);

		if (one->type == type)
			n = one->n;
	}
	pv_garbage_deinit(&garbage);
	return n;
}

/* Two that have each other. */
static uint64_t cycle(unsigned int list)
{
	uint64_t a = listed(list, 1), b = listed(list, 1);

	refer(a, b);
	refer(b, a);
	return a;
}

START_TEST(cycles_are)
{
	cycle(0);
	cycle(2);
	ck_assert_uint_eq(garbage_of(tuple), 4);
}
END_TEST

START_TEST(what_somebody_has_is_not)
{
	uint64_t a = cycle(0), b = cycle(2), holder = listed(2, 1);

	/* by a word that is no object's; by an object that somebody has */
	made_put(&made, a, 2);
	refer(holder, b);
	made_put(&made, b, 2);
	ck_assert_uint_eq(garbage_of(tuple), 0);
	/* by one that only it itself has */
	refer(holder, holder);
	ck_assert_uint_eq(garbage_of(tuple), 3);
}
END_TEST

START_TEST(what_is_frozen_is_not)
{
	refer(cycle(FROZEN), cycle(2));
	ck_assert_uint_eq(garbage_of(tuple), 0);
}
END_TEST

/* Then something else is taken for a reference. */
START_TEST(more_references_than_counted)
{
	uint64_t a = cycle(0), b = cycle(0);

	refer(b, a);
	refer(b, a);
	ck_assert_uint_eq(garbage_of(tuple), 2);
}
END_TEST

START_TEST(what_hangs_on_it)
{
	uint64_t a = cycle(0), own = new_object(text, 1), shared = new_object(text, 2);
	uint64_t inner = new_object(tuple, 1), deep = new_object(text, 2);

	refer(a, own);
	refer(a, shared);
	/* a tuple in no list; what it has twice is its own */
	refer(a, inner);
	refer(inner, deep);
	refer(inner, deep);
	ck_assert_uint_eq(garbage_of(text), 2);
	ck_assert_uint_eq(garbage_of(tuple), 3);
}
END_TEST

/* 100 are used, 10 are garbage; at the census before it there were 130 in the lists. */
START_TEST(as_many_as_there_were_at_the_census)
{
	const struct pv_census_type then = { .type = tuple, .n_tracked = 130 };
	const struct pv_garbage_type now = { .type = tuple, .n = 10, .n_tracked = 110 };
	struct pv_garbage garbage = { .types = PV_VEC(struct pv_garbage_type) };
	struct pv_vec types = PV_VEC(struct pv_census_type);
	const struct pv_memory_look look = { .kind = PV_LOOK_CENSUS };
	struct pv_memory *memory;
	uint32_t at, type;

	ck_assert_ptr_null(pv_vec_append(&garbage.types, &now, 1, NULL));
	ck_assert_ptr_null(pv_vec_append(&types, &then, 1, NULL));
	ck_assert_ptr_null(pv_memory_create(&memory));
	ck_assert_ptr_null(pv_memory_look(memory, &look, &at));
	ck_assert_ptr_null(
		pv_memory_type_named(memory, PV_TYPE_OBJECT, "tuple", "", 0, tuple, &type));
	ck_assert_ptr_null(pv_memory_count_type(memory, at, type, 130, 1300));
	ck_assert_ptr_null(pv_garbage_fill(&garbage, made.heap, &types, memory, at));
	ck_assert_uint_eq(pv_memory_type_at(memory, at, type).garbage, 30);
	pv_memory_destroy(memory);
	pv_vec_deinit(&types);
	pv_garbage_deinit(&garbage);
}
END_TEST

START_TEST(lists_in_pieces)
{
	struct pv_garbage garbage;
	struct pv_err *err;
	uint64_t a = cycle(0);

	made_put(&made, state() + made.python.proc.py.gc_collecting, 1);
	err = pv_garbage_find(made.heap, 0, &made.maps, &garbage);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->kind, PV_ERR_NOPROC);
	pv_err_destroy(err);
	made_put(&made, state() + made.python.proc.py.gc_collecting, 0);
	made_put(&made, a - 16, 0x1234567890);
	err = pv_garbage_find(made.heap, 0, &made.maps, &garbage);
	ck_assert_ptr_nonnull(err);
	pv_err_destroy(err);
}
END_TEST

START_TEST(memory_that_lies)
{
	for (unsigned int i = 0; i < 100; i++)
		refer(cycle(i % 3), cycle(2));
	for (uint64_t lie = 1; lie < 200; lie++) {
		struct pv_memory_collector says;
		struct pv_garbage garbage;
		struct pv_err *err;

		made.lie = lie;
		err = pv_garbage_find(made.heap, 0, &made.maps, &garbage);
		if (!err)
			pv_garbage_deinit(&garbage);
		pv_err_destroy(err);
		pv_heap_collector_read(made.heap, 0, &says);
		ck_assert(!says.counted || says.full >> 48 == 0);
	}
}
END_TEST

START_TEST(what_the_collector_says)
{
	const struct pv_heaplayout *at = pv_heap_layout(made.heap);
	struct pv_memory_collector says;

	made_put(&made, state() + 8, 1ULL << 32);
	made_put(&made, list_head(0) + 16, 700);
	made_put(&made, state() + at->gc_full, 12);
	made_put(&made, state() + at->gc_full + 8, 3400);
	made_put(&made, state() + at->gc_long_lived, 5600);
	made_put(&made, state() + at->gc_long_lived + 8, 78);
	pv_heap_collector_read(made.heap, 0, &says);
	ck_assert(!says.disabled && says.counted && says.aged);
	ck_assert_uint_eq(says.full, 12);
	ck_assert_uint_eq(says.collected, 3400);
	ck_assert_uint_eq(says.old, 5600);
	ck_assert_uint_eq(says.pending, 78);
	/* no threshold; switched off; not of this world */
	made_put(&made, list_head(0) + 16, 0);
	pv_heap_collector_read(made.heap, 0, &says);
	ck_assert(says.disabled);
	made_put(&made, list_head(0) + 16, 700);
	made_put(&made, state() + 8, 0);
	pv_heap_collector_read(made.heap, 0, &says);
	ck_assert(says.disabled && says.counted);
	made_put(&made, state() + at->gc_full + 8, 1ULL << 60);
	pv_heap_collector_read(made.heap, 0, &says);
	ck_assert(!says.counted);
	/* of all interpreters; the switch is the main one's, which is the last */
	made_put(&made, state() + at->gc_full + 8, 3400);
	made_put(&made, HEAP + INTERP + made.python.proc.py.is_next, HEAP + INTERP);
	pv_heap_collector_read(made.heap, 0, &says);
	ck_assert_uint_eq(says.full, 12 * PV_INTERPRETERS_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("garbage");
	TCase *tcase = tcase_create("garbage");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, cycles_are);
	tcase_add_test(tcase, what_somebody_has_is_not);
	tcase_add_test(tcase, what_is_frozen_is_not);
	tcase_add_test(tcase, more_references_than_counted);
	tcase_add_test(tcase, what_hangs_on_it);
	tcase_add_test(tcase, as_many_as_there_were_at_the_census);
	tcase_add_test(tcase, lists_in_pieces);
	tcase_add_test(tcase, memory_that_lies);
	tcase_add_test(tcase, what_the_collector_says);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
