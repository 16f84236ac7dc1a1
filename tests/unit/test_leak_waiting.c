/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verdict where garbage waits for the garbage collector, on made-up hunts: what is nothing else
 * is not accused, what leaks beside it is found.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/leak.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"

enum { LOOKS = 10, BYTES = 100, ALL = 1 << 20 };

static struct pv_memory *memory;
static struct pv_leak leak;

typedef uint64_t number_at(uint32_t look);

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static struct pv_memory_look *look_at(uint32_t i)
{
	return pv_vec_at(&memory->looks, i);
}

/* A collector that had three full collections, and none since; all looks tell garbage. */
static void setup(void)
{
	ok(pv_memory_create(&memory));
	for (uint64_t i = 0; i < LOOKS; i++) {
		const struct pv_memory_look look = {
			.kind = PV_LOOK_CENSUS,
			.at_ns = i * 1000000000,
			.has_garbage = true,
			.collector = { .counted = true,
				       .full = 3,
				       .collected = 200,
				       .aged = true,
				       .old = 40000,
				       .pending = 2000 + 100 * i },
		};
		uint32_t ret;

		ok(pv_memory_look(memory, &look, &ret));
	}
	memory->rungs[PV_RUNG_HOLDERS].state = PV_RUNG_CLIMBED;
}

static void teardown(void)
{
	pv_leak_deinit(&leak);
	pv_memory_destroy(memory);
}

static enum pv_leak_kind judge(void)
{
	pv_leak_deinit(&leak);
	ok(pv_leak_of(memory, &leak));
	return leak.kind;
}

static void says(const char *text)
{
	ck_assert_msg(strstr(pv_str_text(&leak.text), text) != NULL, "no \"%s\" in:\n%s", text,
		      pv_str_text(&leak.text));
}

static void says_no(const char *text)
{
	ck_assert_msg(!strstr(pv_str_text(&leak.text), text), "\"%s\" in:\n%s", text,
		      pv_str_text(&leak.text));
}

static uint32_t counted(enum pv_memory_type_kind kind, const char *name, number_at *live,
			number_at *garbage)
{
	uint32_t type;

	ok(pv_memory_type_named(memory, kind, name, kind == PV_TYPE_OBJECT ? "app" : NULL,
				kind == PV_TYPE_OBJECT ? 0 : 64, 0, &type));
	for (uint32_t i = 0; i < LOOKS; i++) {
		uint64_t n = live(i) + garbage(i);

		ok(pv_memory_count_type(memory, i, type, n, BYTES * n));
		if (look_at(i)->has_garbage)
			pv_memory_count_garbage(memory, i, type, garbage(i));
	}
	return type;
}

static void collects(uint32_t from, uint64_t collected)
{
	for (uint32_t i = from; i < LOOKS; i++) {
		look_at(i)->collector.full++;
		look_at(i)->collector.collected += collected;
		look_at(i)->collector.pending = 100 * (i - from);
	}
}

static void is_disabled(void)
{
	memory->gc_disabled = true;
	for (uint32_t i = 0; i < LOOKS; i++)
		look_at(i)->collector.disabled = true;
}

static void tells_from(uint32_t first)
{
	for (uint32_t i = 0; i < LOOKS; i++)
		look_at(i)->has_garbage = i >= first;
}

static void held_by_each_other(uint32_t type)
{
	const struct pv_memory_subject one = {
		.type = type, .objects = 1000, .of = 1000, .looks = 2
	};
	struct pv_memory_holder held = {
		.kind = PV_HOLDER_BLOCK, .type = type, .objects = 950, .references = 950
	};

	ok(pv_strings_add(memory->profile->strings, "Node +16", 8, &held.text));
	ok(pv_vec_append(&memory->subjects, &one, 1, NULL));
	ok(pv_vec_append(&memory->holders, &held, 1, NULL));
}

static uint64_t none(uint32_t i)
{
	(void)i;
	return 0;
}

static uint64_t flat(uint32_t i)
{
	(void)i;
	return 1000;
}

static uint64_t fifty(uint32_t i)
{
	return 100 + 50 * i;
}

static uint64_t thirty(uint32_t i)
{
	return 500 + 30 * i;
}

/* Not a quarter of what was there. */
static uint64_t many_more(uint32_t i)
{
	return 5000 + 30 * i;
}

static uint64_t some_more(uint32_t i)
{
	return 5000 + 8 * i;
}

static uint64_t four_hundred(uint32_t i)
{
	return 8000 + 400 * i;
}

static uint64_t up_and_down(uint32_t i)
{
	return 5000 + i % 2 * 20 + 10 * i;
}

static uint64_t from_nothing(uint32_t i)
{
	return 20 + 50 * i;
}

static uint64_t up_by_ten(uint32_t i)
{
	return 30 + 10 * i;
}

static uint64_t two_hundred(uint32_t i)
{
	return 100 + 200 * i;
}

static uint64_t sawtooth(uint32_t i)
{
	return i % 4 * 300;
}

/* Freed between looks 4 and 5. */
static uint64_t freed(uint32_t i)
{
	return i < 5 ? 100 + 50 * i : 50 * (i - 5);
}

START_TEST(waits)
{
	counted(PV_TYPE_OBJECT, "Node", flat, fifty);
	counted(PV_TYPE_OBJECT, "Text", flat, fifty);
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
	says("does not leak: what grows is garbage that waits for the garbage collector: ");
	says("`app.Node` and `app.Text`, which nobody has but each other.");
	/* 7,100 of 10,000 are left, 100 come in a second */
	says("it has 40,000 old objects, and the next comes when there are a quarter more, in some "
	     "71 s: -d 120 sees it.");
	ck_assert_uint_eq(leak.growth.types.n, 0);
	ck_assert_uint_eq(leak.growth.waiting.n, 2);
	ck_assert_uint_eq(leak.growth.collections.seen, 0);
	ck_assert_uint_eq(leak.growth.collections.garbage, 1100);
}
END_TEST

/* Where nothing is known of old objects, as of 3.14, and of collections, as of 3.6. */
START_TEST(waits_for_nobody_knows_when)
{
	counted(PV_TYPE_OBJECT, "Node", flat, fifty);
	for (uint32_t i = 0; i < LOOKS; i++)
		look_at(i)->collector.aged = false;
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
	says("no full collection came in this time: look longer, -d 30.");
	for (uint32_t i = 0; i < LOOKS; i++)
		look_at(i)->collector.counted = false;
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
	says_no("full collection");
}
END_TEST

START_TEST(leaks_without_garbage)
{
	counted(PV_TYPE_OBJECT, "Node", fifty, none);
	ck_assert_int_eq(judge(), PV_LEAK_GROWING);
	ck_assert_double_eq_tol(leak.bytes_per_s, 50 * BYTES, 1);
	says_no("garbage");
}
END_TEST

START_TEST(leaks_beside_garbage)
{
	uint32_t node = counted(PV_TYPE_OBJECT, "Node", thirty, fifty);

	counted(PV_TYPE_OBJECT, "Text", flat, fifty);
	ck_assert_int_eq(judge(), PV_LEAK_GROWING);
	ck_assert_uint_eq(leak.types[0], node);
	/* what is garbage is no part of it */
	ck_assert_double_eq_tol(leak.bytes_per_s, 30 * BYTES, 1);
	says("garbage grows, too, and is not in this: `app.Text`");
}
END_TEST

/* Full collections make the number fall again and again, to a floor that rises. */
START_TEST(leaks_below_garbage)
{
	counted(PV_TYPE_OBJECT, "Node", thirty, sawtooth);
	collects(4, 900);
	collects(8, 900);
	ck_assert_int_eq(judge(), PV_LEAK_GROWING);
	ck_assert_double_eq_tol(leak.bytes_per_s, 30 * BYTES, 1);
}
END_TEST

START_TEST(is_freed_in_the_hunt)
{
	counted(PV_TYPE_OBJECT, "Node", flat, freed);
	collects(5, 300);
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
}
END_TEST

/* The little that there was before one tells nothing. */
START_TEST(was_freed_as_it_began)
{
	counted(PV_TYPE_OBJECT, "Node", flat, from_nothing);
	collects(1, 20);
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
	says("1 full collection came in this time.");
}
END_TEST

/* The collector saw it, and left it: a type of C that does not tell it all that it has. */
START_TEST(outlives_a_collection)
{
	counted(PV_TYPE_OBJECT, "Node", flat, fifty);
	collects(5, 0);
	ck_assert_int_eq(judge(), PV_LEAK_GROWING);
}
END_TEST

START_TEST(nobody_collects)
{
	held_by_each_other(counted(PV_TYPE_OBJECT, "Node", none, fifty));
	is_disabled();
	/* what the collection of its start freed is less than what is left */
	ck_assert_int_eq(judge(), PV_LEAK_LOST);
	says("held by each other alone, and the garbage collector is disabled");
	says_no("waits");
	/* how much that was is not known */
	for (uint32_t i = 0; i < LOOKS; i++)
		look_at(i)->collector.counted = false;
	ck_assert_int_eq(judge(), PV_LEAK_LOST);
}
END_TEST

START_TEST(the_program_collects)
{
	held_by_each_other(counted(PV_TYPE_OBJECT, "Node", none, fifty));
	is_disabled();
	for (uint32_t i = 0; i < LOOKS; i++)
		look_at(i)->collector.collected = 1000;
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
	says("full collections have freed 1,000 objects so far, and 550 wait now");
	/* 450 more in 9 s */
	ck_assert_double_eq_tol(leak.growth.collections.next_s, 9, 0.1);
	for (uint32_t i = 0; i < LOOKS; i++)
		look_at(i)->collector.collected = 100;
	ck_assert_int_eq(judge(), PV_LEAK_LOST);
}
END_TEST

START_TEST(the_program_collects_while_one_looks)
{
	held_by_each_other(counted(PV_TYPE_OBJECT, "Node", none, from_nothing));
	is_disabled();
	ck_assert_int_eq(judge(), PV_LEAK_LOST);
	collects(1, 20);
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
	says("1 full collection came in this time, which the program has made itself");
}
END_TEST

/* Freed between looks 6 and 7, and more of it at the end than at the start. */
static uint64_t turns(uint32_t i)
{
	return i < 7 ? 100 + 100 * i : 100 * (i - 7);
}

static uint64_t fills(uint32_t i)
{
	return i < 3 ? 100 * i : 300;
}

/* It has not filled anything, and does not stay. */
START_TEST(comes_and_goes)
{
	counted(PV_TYPE_OBJECT, "Node", none, turns);
	is_disabled();
	collects(7, 700);
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
	says("what came and went is garbage: `app.Node`, which nobody has but each other.");
	says("1 full collection came in this time, which the program has made itself");
	says_no("filled");
	/* beside it something fills, and stays */
	counted(PV_TYPE_OBJECT, "Cache", fills, none);
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
	says("what came and went is garbage: `app.Node`, which");
	says("what filled and stayed: `app.Cache`");
}
END_TEST

START_TEST(few_looks_tell_garbage)
{
	tells_from(7);
	counted(PV_TYPE_OBJECT, "Node", flat, fifty);
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
	counted(PV_TYPE_OBJECT, "Text", thirty, fifty);
	ck_assert_int_eq(judge(), PV_LEAK_UNKNOWN);
	says("most of what grows is garbage that waits");
	says("whether more than that grows cannot be told from so few looks: look longer, -d 30.");
}
END_TEST

/* Six are enough if each has more than the one before. */
START_TEST(some_looks_tell_garbage)
{
	tells_from(4);
	counted(PV_TYPE_OBJECT, "Node", many_more, fifty);
	ck_assert_int_eq(judge(), PV_LEAK_GROWING);
	ck_assert_double_eq_tol(leak.bytes_per_s, 30 * BYTES, 1);
	counted(PV_TYPE_OBJECT, "Text", up_and_down, fifty);
	ck_assert_int_eq(judge(), PV_LEAK_GROWING);
	says("`app.Text`, which nobody has but each other");
}
END_TEST

/* But not for little, nor for a small part of what grows: that may come and go. */
START_TEST(some_looks_tell_too_little)
{
	tells_from(4);
	counted(PV_TYPE_OBJECT, "Node", many_more, four_hundred);
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
	counted(PV_TYPE_OBJECT, "Text", some_more, fifty);
	ck_assert_int_eq(judge(), PV_LEAK_UNKNOWN);
}
END_TEST

START_TEST(one_look_tells_garbage)
{
	tells_from(9);
	counted(PV_TYPE_OBJECT, "Node", flat, fifty);
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
	says("garbage that waits");
}
END_TEST

START_TEST(no_look_tells_garbage)
{
	tells_from(LOOKS);
	counted(PV_TYPE_OBJECT, "Node", flat, fifty);
	ck_assert_int_eq(judge(), PV_LEAK_GROWING);
}
END_TEST

/* Tables and values of garbage are garbage, too; of what there are more, it is not. */
START_TEST(blocks_are_parts_of_garbage)
{
	counted(PV_TYPE_OBJECT, "Node", flat, fifty);
	counted(PV_TYPE_POOL_BLOCK, "", fifty, none);
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
	says("blocks that are no objects, 5.00 kB/s, are taken for parts of it.");
	ck_assert_uint_eq(leak.growth.waiting.n, 2);
}
END_TEST

/* But fewer and larger ones may be what malloc() gave and free() was not called for. */
START_TEST(larger_blocks_than_garbage)
{
	uint32_t block;

	counted(PV_TYPE_OBJECT, "Node", flat, fifty);
	block = counted(PV_TYPE_HEAP_BLOCK, "", up_by_ten, none);
	for (uint32_t i = 0; i < LOOKS; i++)
		ok(pv_memory_count_type(memory, i, block, 0, 20000 * up_by_ten(i)));
	ck_assert_int_eq(judge(), PV_LEAK_UNKNOWN);
	says("what grows may be garbage that waits for the garbage collector: `app.Node`");
	says("blocks that are no objects grow beside it, by 201 kB/s, which is more: whether they "
	     "are parts of it cannot be told before it is freed.");
	says("-d 120 sees it.");
	says_no("does not leak");
}
END_TEST

START_TEST(more_blocks_than_garbage)
{
	uint32_t block;

	counted(PV_TYPE_OBJECT, "Node", flat, fifty);
	block = counted(PV_TYPE_POOL_BLOCK, "", two_hundred, none);
	ck_assert_int_eq(judge(), PV_LEAK_GROWING);
	ck_assert_uint_eq(leak.types[0], block);
}
END_TEST

static void mapped(enum pv_memory_class what, uint64_t more)
{
	for (uint64_t i = 0; i < LOOKS; i++) {
		struct pv_memory_point point = { .at_ns = i * 1000000000, .rss_bytes = ALL };

		point.resident[what] = point.mapped[what] = ALL + more * i;
		point.rss_bytes += point.resident[what];
		ok(pv_vec_append(&memory->points, &point, 1, NULL));
	}
}

static void arenas(uint64_t more)
{
	mapped(PV_MEMORY_ARENAS, more);
}

/* What the heap takes for garbage is no mapping that grows, nor fragmentation. */
START_TEST(heaps_grow_for_garbage)
{
	for (uint32_t i = 0; i < 8; i++) {
		char name[] = "Node0";

		name[4] = (char)('0' + i);
		counted(PV_TYPE_OBJECT, name, flat, fifty);
	}
	arenas(40000);
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
	says("garbage that waits");
	says_no("fragmentation");
}
END_TEST

START_TEST(heaps_grow_for_garbage_and_more)
{
	counted(PV_TYPE_OBJECT, "Node", thirty, two_hundred);
	counted(PV_TYPE_OBJECT, "Text", thirty, two_hundred);
	arenas(46000);
	ck_assert_int_eq(judge(), PV_LEAK_GROWING);
	ck_assert_int_eq(leak.where, PV_LEAK_TYPES);
	ck_assert_double_eq_tol(leak.bytes_per_s, 60 * BYTES, 1);
}
END_TEST

/* Room that was there before is used first, so that they grow by more than the leak, and less. */
START_TEST(heaps_grow_less_than_garbage)
{
	counted(PV_TYPE_OBJECT, "Node", thirty, two_hundred);
	counted(PV_TYPE_OBJECT, "Text", thirty, two_hundred);
	counted(PV_TYPE_OBJECT, "Link", thirty, two_hundred);
	arenas(32000);
	ck_assert_int_eq(judge(), PV_LEAK_GROWING);
	ck_assert_int_eq(leak.where, PV_LEAK_TYPES);
}
END_TEST

/* What mmap() gave is not what small objects take. */
START_TEST(mappings_grow_beside_garbage)
{
	counted(PV_TYPE_OBJECT, "Node", flat, two_hundred);
	counted(PV_TYPE_OBJECT, "Text", flat, two_hundred);
	counted(PV_TYPE_OBJECT, "Link", flat, two_hundred);
	mapped(PV_MEMORY_ANON, 60000);
	ck_assert_int_eq(judge(), PV_LEAK_GROWING);
	ck_assert_int_eq(leak.where, PV_LEAK_MAPPINGS);
	ck_assert_int_eq(leak.mappings, PV_MEMORY_ANON);
	says("garbage grows, too, and is not in this: ");
}
END_TEST

START_TEST(mappings_grow_for_large_garbage)
{
	uint32_t node = counted(PV_TYPE_OBJECT, "Node", flat, fifty);

	for (uint32_t i = 0; i < LOOKS; i++)
		ok(pv_memory_count_type(memory, i, node, 0, 2000 * fifty(i)));
	mapped(PV_MEMORY_ANON, 60000);
	ck_assert_int_eq(judge(), PV_LEAK_CLEAN);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("leak_waiting");
	TCase *tcase = tcase_create("leak_waiting");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, waits);
	tcase_add_test(tcase, waits_for_nobody_knows_when);
	tcase_add_test(tcase, leaks_without_garbage);
	tcase_add_test(tcase, leaks_beside_garbage);
	tcase_add_test(tcase, leaks_below_garbage);
	tcase_add_test(tcase, is_freed_in_the_hunt);
	tcase_add_test(tcase, was_freed_as_it_began);
	tcase_add_test(tcase, outlives_a_collection);
	tcase_add_test(tcase, nobody_collects);
	tcase_add_test(tcase, the_program_collects);
	tcase_add_test(tcase, the_program_collects_while_one_looks);
	tcase_add_test(tcase, comes_and_goes);
	tcase_add_test(tcase, few_looks_tell_garbage);
	tcase_add_test(tcase, some_looks_tell_garbage);
	tcase_add_test(tcase, some_looks_tell_too_little);
	tcase_add_test(tcase, one_look_tells_garbage);
	tcase_add_test(tcase, no_look_tells_garbage);
	tcase_add_test(tcase, blocks_are_parts_of_garbage);
	tcase_add_test(tcase, larger_blocks_than_garbage);
	tcase_add_test(tcase, more_blocks_than_garbage);
	tcase_add_test(tcase, heaps_grow_for_garbage);
	tcase_add_test(tcase, heaps_grow_for_garbage_and_more);
	tcase_add_test(tcase, heaps_grow_less_than_garbage);
	tcase_add_test(tcase, mappings_grow_beside_garbage);
	tcase_add_test(tcase, mappings_grow_for_large_garbage);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
