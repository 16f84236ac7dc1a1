/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verdict on made-up hunts: leaks of several kinds are found and named, and nothing clean is
 * accused: caches, warm-up, fragmentation, what is in flight.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/leak.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"

enum { LOOKS = 10 };

static struct pv_memory *memory;
static struct pv_leak leak;
static uint64_t seed;
static const char *native_below; /* the C function that sites are in; NULL: none */

static uint32_t random_below(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static void setup(void)
{
	seed = 1;
	native_below = NULL;
	ok(pv_memory_create(&memory));
	memory->profile->pid = 42;
	for (uint64_t i = 0; i < LOOKS; i++) {
		const struct pv_memory_look look = { .kind = PV_LOOK_CENSUS,
						     .at_ns = i * 1000000000 };
		uint32_t ret;

		ok(pv_memory_look(memory, &look, &ret));
	}
	memory->rungs[PV_RUNG_HOLDERS].state = PV_RUNG_CLIMBED;
	memory->rungs[PV_RUNG_BURSTS].took_ns = 100000000;
}

static void teardown(void)
{
	pv_leak_deinit(&leak);
	pv_memory_destroy(memory);
}

static void judge(void)
{
	pv_leak_deinit(&leak);
	ok(pv_leak_of(memory, &leak));
}

static uint32_t type_of(enum pv_memory_type_kind kind, const char *name, uint64_t size)
{
	uint32_t ret;

	ok(pv_memory_type_named(memory, kind, name, NULL, size, 0, &ret));
	return ret;
}

/* count(i) objects of 100 bytes at look i. */
static uint32_t counted(const char *name, uint64_t (*count)(uint32_t i))
{
	uint32_t type = type_of(PV_TYPE_OBJECT, name, 0);

	for (uint32_t i = 0; i < LOOKS; i++) {
		uint64_t n = count(i);

		ok(pv_memory_count_type(memory, i, type, n, 100 * n));
	}
	return type;
}

static uint64_t steady(uint32_t i)
{
	return 1000 + 50 * i;
}

static uint64_t slow(uint32_t i)
{
	static const uint64_t counts[LOOKS] = { 700, 702, 702, 703, 705, 706, 706, 708, 710, 711 };

	return counts[i];
}

/* A table that grows in gulps, as interpreters have them. */
static uint64_t gulps(uint32_t i)
{
	static const uint64_t counts[LOOKS] = { 84, 84, 84, 90, 90, 90, 90, 96, 96, 102 };

	return counts[i];
}

static uint64_t flat(uint32_t i)
{
	(void)i;
	return 5000;
}

static uint64_t noisy(uint32_t i)
{
	(void)i;
	return 5000 + random_below(400);
}

static uint64_t warming(uint32_t i)
{
	return 1000 + (uint64_t)(800 * (1 - exp(-(double)i / 1.5)));
}

static uint64_t sawtooth(uint32_t i)
{
	return 1000 + i % 4 * 200;
}

/* n seconds of resident bytes of a class, and as much mapped. */
static void points(enum pv_memory_class what, size_t n, double (*bytes)(size_t i))
{
	if (!memory->points.n) {
		for (size_t i = 0; i < n; i++) {
			struct pv_memory_point point = { .at_ns = i * 1000000000,
							 .rss_bytes = 100000000 };

			ok(pv_vec_append(&memory->points, &point, 1, NULL));
		}
	}
	for (size_t i = 0; i < n; i++) {
		struct pv_memory_point *point = pv_vec_at(&memory->points, i);

		point->resident[what] = point->mapped[what] = (uint64_t)bytes(i);
		point->rss_bytes += point->resident[what];
	}
}

static double megabyte_a_second(size_t i)
{
	return 5e6 + 1e6 * (double)i;
}

static double fifty_kilobytes_a_second(size_t i)
{
	return 5e7 + 5e4 * (double)i;
}

static double constant(size_t i)
{
	(void)i;
	return 5e6;
}

static uint32_t frame(uint32_t parent, enum pv_loc_kind kind, const char *function,
		      const char *file, const char *module, int32_t line)
{
	struct pv_profile *profile = memory->profile;
	struct pv_loc loc = { .kind = kind, .line = line };
	uint32_t id, node;

	ok(pv_strings_add(profile->strings, function, strlen(function), &loc.function));
	ok(pv_strings_add(profile->strings, file, strlen(file), &loc.file));
	ok(pv_strings_add(profile->strings, module, strlen(module), &loc.module));
	ok(pv_profile_loc(profile, &loc, &id));
	ok(pv_profile_node(profile, parent, id, &node));
	return node;
}

static uint32_t site_of(enum pv_site_source source, const char *function, int32_t line,
			uint32_t type, uint64_t seen, uint64_t left)
{
	struct pv_memory_site one = {
		.source = source,
		.type = type,
		.seen_count = seen,
		.seen_bytes = seen * 100,
		.weight = 1,
		.bursts = 5,
		.bursts_survived = left ? 5 : 0,
	};
	const struct pv_memory_look look = { .kind = PV_LOOK_SITES,
					     .source = source,
					     .at_ns = 9500000000 };
	uint32_t at = pv_memory_last_sites(memory, source), ret, node;

	if (at == PV_MEMORY_NONE)
		ok(pv_memory_look(memory, &look, &at));
	node = frame(0, PV_LOC_PYTHON, "<module>", "/srv/app/app.py", "", 90);
	one.node = frame(node, PV_LOC_PYTHON, function, "/srv/app/app.py", "", line);
	if (native_below)
		one.node = frame(one.node, PV_LOC_NATIVE, native_below, "", "_ext-x.so", 0);
	if (!memory->bursts.n) {
		for (uint64_t i = 0; i < 5; i++) {
			const struct pv_memory_burst burst = { .start_ns = i * 1000000000,
							       .end_ns =
								       i * 1000000000 + 20000000 };

			ok(pv_vec_append(&memory->bursts, &burst, 1, NULL));
		}
	}
	ok(pv_memory_site(memory, &one, &ret));
	ok(pv_memory_count_site(memory, at, ret, left, left * 100));
	return one.node;
}

/* A Python line that allocated in five bursts of 20 ms, of which some are left. */
static uint32_t site(const char *function, int32_t line, uint32_t type, uint64_t seen,
		     uint64_t left)
{
	return site_of(PV_SITE_BURST, function, line, type, seen, left);
}

static uint32_t subject(uint32_t type, uint64_t objects, uint64_t lost)
{
	const struct pv_memory_subject one = {
		.type = type,
		.objects = objects,
		.of = objects,
		.lost_objects = lost,
		.lost_references = lost,
		.looks = 2,
	};

	ok(pv_vec_append(&memory->subjects, &one, 1, NULL));
	return (uint32_t)(memory->subjects.n - 1);
}

static void holder(uint32_t of, enum pv_holder_kind kind, const char *text, uint64_t objects)
{
	struct pv_memory_holder one = {
		.subject = of,
		.kind = kind,
		.type = PV_MEMORY_NONE,
		.references = objects,
		.objects = objects,
	};

	ok(pv_strings_add(memory->profile->strings, text, strlen(text), &one.text));
	ok(pv_vec_append(&memory->holders, &one, 1, NULL));
}

static void says(const char *text)
{
	ck_assert_msg(strstr(pv_str_text(&leak.text), text), "\"%s\" is not in:\n%s", text,
		      pv_str_text(&leak.text));
}

START_TEST(a_leak_is_named_by_type_and_line)
{
	uint32_t dict = counted("dict", steady);
	const struct pv_suspect *first;

	counted("str", noisy);
	/* churn: far more of it is left at the last look, of far more that was seen */
	site("churn", 10, dict, 50000, 2500);
	site("leak", 41, dict, 6, 6);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	ck_assert_int_eq(leak.where, PV_LEAK_TYPES);
	ck_assert_double_eq_tol(leak.bytes_per_s, 5000, 1);
	ck_assert_uint_eq(leak.types[0], dict);
	first = pv_vec_at(&leak.suspects, 0);
	ck_assert_uint_eq(first->left_count, 6);
	says("grows 5.00 kB/s (Python objects 100 %).");
	says("100 % of that is `dict`, in blocks first used at app.py:41 under leak.\n"
	     "blocks of `dict` are used again: it may be another place that runs after that one.");
	ck_assert(!strstr(pv_str_text(&leak.text), "allocated"));
}
END_TEST

START_TEST(a_slow_leak_is_found_if_references_are_lost)
{
	uint32_t tuple = counted("tuple", slow);

	counted("str", noisy);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
	/* 1.2 a second: 100 after 83 s */
	says("`tuple` may: 120 B/s, 11 more than at the start: too little to tell from what "
	     "settles in; look longer, -d 120.");
	subject(tuple, 711, 11);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_LOST);
	ck_assert_uint_eq(leak.types[0], tuple);
}
END_TEST

START_TEST(a_lost_reference_is_the_guilty_type)
{
	uint32_t str = counted("str", steady), tuple = counted("tuple", slow), of;

	of = subject(tuple, 711, 11);
	of = subject(str, 1450, 0);
	holder(of, PV_HOLDER_BLOCK, "tuple +24", 450);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_LOST);
	ck_assert_uint_eq(leak.types[0], tuple);
	says("11 of these `tuple` have one reference more than anyone holds: a lost reference, not "
	     "a cache.");
	ck_assert_str_eq(pv_str_text(&leak.next),
			 "sudo pitviper refs -p 42 --alloc '*' --type tuple");
}
END_TEST

/* Where nothing can be watched, its lines can. */
START_TEST(the_next_step_has_the_c_function_that_allocates)
{
	uint32_t tuple = counted("tuple", steady);

	subject(tuple, 1450, 440);
	native_below = "parse_row";
	site("leak", 41, tuple, 20, 20);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_LOST);
	ck_assert_str_eq(pv_str_text(&leak.next),
			 "sudo pitviper refs -p 42 --alloc '*' --type tuple "
			 "--or-lines _ext-x.so:parse_row");
}
END_TEST

/* No word of a shell. */
START_TEST(the_next_step_has_no_c_function_that_needs_quotes)
{
	uint32_t tuple = counted("tuple", steady);

	subject(tuple, 1450, 440);
	native_below = "ns::parse<int>(int)";
	site("leak", 41, tuple, 20, 20);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_LOST);
	ck_assert_str_eq(pv_str_text(&leak.next),
			 "sudo pitviper refs -p 42 --alloc '*' --type tuple");
}
END_TEST

START_TEST(lost_references_of_what_does_not_grow_are_none)
{
	subject(counted("tuple", flat), 5000, 300);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
	/* nor if something else does */
	counted("dict", steady);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
}
END_TEST

START_TEST(one_look_is_no_proof_of_a_lost_reference)
{
	uint32_t of = subject(counted("tuple", steady), 1450, 450);

	((struct pv_memory_subject *)pv_vec_at(&memory->subjects, of))->looks = 1;
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
}
END_TEST

START_TEST(a_growing_cache_is_held)
{
	uint32_t of = subject(counted("dict", steady), 1450, 1);

	holder(of, PV_HOLDER_STACK, "stack of thread 42", 3);
	holder(of, PV_HOLDER_NAMED, "module app -> _cache", 1400);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_HELD);
	says("held by module app -> _cache.");
	ck_assert_uint_eq(leak.next.n, 0);
}
END_TEST

START_TEST(a_full_cache_is_clean)
{
	uint32_t node = counted("Node", flat);

	site("lru", 12, node, 900, 900);
	holder(subject(node, 5000, 0), PV_HOLDER_NAMED, "module app -> _lru", 5000);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
	says("does not grow");
}
END_TEST

START_TEST(warm_up_is_clean)
{
	counted("code", warming);
	points(PV_MEMORY_HEAP, 30, constant);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
	says("what filled and stayed: `code`");
	ck_assert(!strstr(pv_str_text(&leak.text), "still rose"));
}
END_TEST

/* A warm-up, and a leak that is a fifth as fast. */
static uint64_t warming_and_leaking(uint32_t i)
{
	return warming(i) + 30 * i;
}

START_TEST(warm_up_that_goes_on)
{
	counted("code", warming_and_leaking);
	points(PV_MEMORY_HEAP, 30, constant);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
	says("what filled: `code`, ");
	says("it still rose in the last quarter of the time, by 6");
}
END_TEST

START_TEST(fragmentation_is_clean)
{
	counted("dict", flat);
	points(PV_MEMORY_HEAP, 30, megabyte_a_second);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
	says("fragmentation");
	/* of a heap that cannot be read that is not known */
	memory->other_allocator = true;
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	says("grows 1.00 MB/s (C heap).");
}
END_TEST

/* What comes and goes is in the same class as what is never freed. */
static uint64_t rough(uint32_t i)
{
	static const uint64_t counts[LOOKS] = { 300,  1500, 900,  1700, 1000,
						2900, 2300, 3500, 2600, 4800 };

	return counts[i];
}

START_TEST(a_heap_in_use_is_no_fragmentation)
{
	uint32_t block = type_of(PV_TYPE_HEAP_BLOCK, "", 1280);

	for (uint32_t i = 0; i < LOOKS; i++)
		ok(pv_memory_count_type(memory, i, block, rough(i), 1280 * rough(i)));
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
	points(PV_MEMORY_HEAP, 30, megabyte_a_second);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	ck_assert_uint_eq(leak.types[0], block);
}
END_TEST

/* Few looks tell of the heap, too: what is in use of it need not grow with it. */
START_TEST(few_looks_at_a_fragmented_heap_accuse_nobody)
{
	uint32_t block;

	pv_memory_destroy(memory);
	ok(pv_memory_create(&memory));
	block = type_of(PV_TYPE_HEAP_BLOCK, "", 1024);
	for (uint32_t i = 0; i < 6; i++) {
		const struct pv_memory_look look = { .kind = PV_LOOK_CENSUS,
						     .at_ns = i * 4000000000 };
		uint32_t ret;

		ok(pv_memory_look(memory, &look, &ret));
		ok(pv_memory_count_type(memory, ret, block, flat(i), 1024 * flat(i)));
	}
	points(PV_MEMORY_HEAP, 30, megabyte_a_second);
	judge();
	ck_assert_int_lt(leak.kind, PV_LEAK_GROWING);
}
END_TEST

static uint64_t grown(uint32_t i)
{
	return 300 + 100 * i;
}

/* Blocks of a class that does not grow are none of what does, if no object has parts. */
START_TEST(raw_blocks_are_told_by_their_class)
{
	uint32_t ticket = type_of(PV_TYPE_POOL_BLOCK, "", 368);
	uint32_t other = type_of(PV_TYPE_POOL_BLOCK, "", 128), dict;
	const struct pv_suspect *first;

	for (uint32_t i = 0; i < LOOKS; i++) {
		ok(pv_memory_count_type(memory, i, ticket, grown(i), 368 * grown(i)));
		ok(pv_memory_count_type(memory, i, other, flat(i), 128 * flat(i)));
	}
	/* nor of what little else comes and goes */
	for (uint32_t i = 0; i < LOOKS; i++)
		ok(pv_memory_count_type(memory, i, type_of(PV_TYPE_POOL_BLOCK, "", 64), 5000 + i,
					64 * (5000 + i)));
	site("churn", 10, other, 40, 40);
	site("stamp", 41, ticket, 20, 6);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	first = pv_vec_at(&leak.suspects, 0);
	ck_assert_uint_eq(first->type, ticket);
	ck_assert_double_eq(first[1].score, 0);
	says("blocks of 368 B, allocated at app.py:41 under stamp.");
	/* nor parts of objects that are smaller than they are, or that have none */
	dict = counted("dict", steady);
	for (uint32_t i = 0; i < LOOKS; i++)
		ok(pv_memory_count_type(memory, i, type_of(PV_TYPE_OBJECT, "str", 0), steady(i),
					300 * steady(i)));
	judge();
	first = pv_vec_at(&leak.suspects, 0);
	ck_assert_double_eq(first[1].score, 0);
	/* but they may be the tables of objects that grow */
	for (uint32_t i = 0; i < LOOKS; i++)
		ok(pv_memory_count_type(memory, i, dict, 0, 60 * steady(i)));
	judge();
	first = pv_vec_at(&leak.suspects, 0);
	ck_assert_double_gt(first[1].score, 0);
	ck_assert_uint_eq(leak.types[0], ticket);
}
END_TEST

/* An object's values are a block of their own, whose stack may be the one that is found. */
START_TEST(objects_are_said_before_their_blocks)
{
	uint32_t block = type_of(PV_TYPE_POOL_BLOCK, "", 48), node = counted("Node", steady);

	for (uint32_t i = 0; i < LOOKS; i++)
		ok(pv_memory_count_type(memory, i, block, grown(i), 48 * grown(i)));
	site("link", 41, block, 20, 20);
	judge();
	ck_assert_uint_eq(((const struct pv_suspect *)pv_vec_at(&leak.suspects, 0))->type, block);
	ck_assert_uint_eq(leak.types[0], node);
	ck_assert_uint_eq(leak.types[1], block);
}
END_TEST

/* Bursts are short: they may have seen nothing of what grows, and pools did. */
START_TEST(pools_tell_where_bursts_do_not)
{
	uint32_t ticket = type_of(PV_TYPE_POOL_BLOCK, "", 368);
	uint32_t other = type_of(PV_TYPE_POOL_BLOCK, "", 128);

	memory->rungs[PV_RUNG_GROWTH].took_ns = 5000000000;
	for (uint32_t i = 0; i < LOOKS; i++)
		ok(pv_memory_count_type(memory, i, ticket, grown(i), 368 * grown(i)));
	site("churn", 10, other, 40, 40);
	site_of(PV_SITE_GROWTH, "stamp", 41, ticket, 20, 10);
	judge();
	says("blocks of 368 B, allocated at app.py:41 under stamp.");
	/* enough of it in the bursts is better: these have all allocations */
	site("press", 51, ticket, 20, 6);
	judge();
	says("blocks of 368 B, allocated at app.py:51 under press.");
}
END_TEST

/* Many classes, each so rough that it tells nothing, make a heap that surely grows. */
START_TEST(a_heap_that_grows_in_all_sizes)
{
	uint32_t block = 0;

	for (uint64_t size = 1024; size < 1024 + 64 * 12; size += 64) {
		block = type_of(PV_TYPE_HEAP_BLOCK, "", size);
		for (uint32_t i = 0; i < LOOKS; i++) {
			uint64_t n = 1000 + 6 * i + random_below(60);

			ok(pv_memory_count_type(memory, i, block, n, 1024 * n));
		}
	}
	site("render", 41, block, 20, 6);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
	points(PV_MEMORY_HEAP, 30, constant);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
	points(PV_MEMORY_HEAP, 30, fifty_kilobytes_a_second);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	ck_assert_int_eq(leak.where, PV_LEAK_MAPPINGS);
	ck_assert_int_eq(leak.mappings, PV_MEMORY_HEAP);
	says("(C heap)");
	says("most likely allocated at app.py:41 under render.");
}
END_TEST

START_TEST(what_fills_in_gulps_is_clean)
{
	counted("slot", gulps);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
}
END_TEST

START_TEST(what_is_in_flight_is_clean)
{
	char name[16];

	counted("gc", sawtooth);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		counted(name, noisy);
	}
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_CLEAN);
}
END_TEST

START_TEST(mappings_that_pile_up)
{
	counted("dict", flat);
	points(PV_MEMORY_ANON, 30, megabyte_a_second);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	ck_assert_int_eq(leak.where, PV_LEAK_MAPPINGS);
	says("grows 1.00 MB/s (anonymous mappings).");
}
END_TEST

/* Stacks of threads have 8 MB each, of which next to nothing is in memory. */
START_TEST(what_is_mapped_and_not_touched_is_said)
{
	points(PV_MEMORY_STACKS, 30, megabyte_a_second);
	judge();
	says("grows 1.00 MB/s (thread stacks).\n");
	for (size_t i = 0; i < memory->points.n; i++)
		((struct pv_memory_point *)pv_vec_at(&memory->points, i))
			->resident[PV_MEMORY_STACKS] = 60000 + 1000 * i;
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	says("grows 1.00 MB/s (thread stacks), mapped: of that 1.00 kB/s come into memory.\n");
}
END_TEST

START_TEST(blocks_that_nobody_has)
{
	uint32_t block = type_of(PV_TYPE_HEAP_BLOCK, "", 128), of;

	for (uint32_t i = 0; i < LOOKS; i++)
		ok(pv_memory_count_type(memory, i, block, 100 + 30 * i, 128 * (100 + 30 * i)));
	of = subject(block, 200, 0);
	holder(of, PV_HOLDER_NONE, "", 180);
	holder(of, PV_HOLDER_MAPPING, "[heap]+0x10", 20);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_LOST);
	says("(Python objects 0 %)");
	says("nobody has the address of 180 of 200");
	ck_assert_uint_eq(leak.next.n, 0);
}
END_TEST

START_TEST(cycles_without_the_collector)
{
	uint32_t of = subject(counted("Node", steady), 1450, 0);

	holder(of, PV_HOLDER_BLOCK, "Node +16", 1400);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_GROWING);
	says("held by Node +16, to which no name leads.");
	memory->gc_disabled = true;
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_LOST);
	says("cycles");
}
END_TEST

START_TEST(too_short)
{
	memory->looks.n = 2;
	points(PV_MEMORY_HEAP, 2, constant);
	judge();
	ck_assert_int_eq(leak.kind, PV_LEAK_UNKNOWN);
}
END_TEST

START_TEST(the_c_function_below_the_line)
{
	uint32_t node = frame(0, PV_LOC_PYTHON, "handle", "/srv/app/handler.py", "", 41);
	struct pv_str text = { 0 };
	struct pv_spot spot;

	node = frame(node, PV_LOC_NATIVE, "_PyEval_EvalFrameDefault", "", "libpython3.11.so.1.0",
		     0);
	node = frame(node, PV_LOC_NATIVE, "array_argsort", "", "multiarray.so", 0);
	node = frame(node, PV_LOC_NATIVE, "operator new(unsigned long)", "", "libstdc++.so.6", 0);
	node = frame(node, PV_LOC_NATIVE, "malloc", "", "libc.so.6", 0);
	spot = pv_spot_of(memory, node);
	ok(pv_spot_text(memory, &spot, &text));
	ck_assert_str_eq(pv_str_text(&text), "handler.py:41 under array_argsort (multiarray.so)");
	pv_str_deinit(&text);
	/* what of the C++ library is in the extension itself; what returns something of it is not
	 */
	node = frame(0, PV_LOC_PYTHON, "handle", "/srv/app/handler.py", "", 41);
	node = frame(node, PV_LOC_NATIVE, "std::string (anonymous namespace)::text_of<int>(int)",
		     "", "ext.so", 0);
	node = frame(node, PV_LOC_NATIVE,
		     "void std::vector<double, std::allocator<double> >::_M_insert<double>(int)",
		     "", "ext.so", 0);
	node = frame(node, PV_LOC_NATIVE, "operator new(unsigned long)", "", "ext.so", 0);
	spot = pv_spot_of(memory, node);
	ok(pv_spot_text(memory, &spot, &text));
	ck_assert_str_eq(pv_str_text(&text),
			 "handler.py:41 under std::string (anonymous namespace)::text_of<int>(int) "
			 "(ext.so)");
	pv_str_deinit(&text);
	/* a program in C alone */
	node = frame(0, PV_LOC_NATIVE, "main", "", "app", 0);
	node = frame(node, PV_LOC_NATIVE, "malloc", "", "libc.so.6", 0);
	spot = pv_spot_of(memory, node);
	ok(pv_spot_text(memory, &spot, &text));
	ck_assert_str_eq(pv_str_text(&text), "main (app)");
	pv_str_deinit(&text);
}
END_TEST

START_TEST(slopes)
{
	double at_s[200], values[200];
	struct pv_slope slope;

	for (int i = 0; i < 200; i++) {
		at_s[i] = i;
		values[i] = 3.0 * i;
	}
	slope = pv_slope_of(at_s, values, 200, 10);
	ck_assert(slope.grows && !slope.flattened);
	ck_assert_double_eq_tol(slope.per_s, 3, 1e-9);
	/* few values tell of great growth alone */
	ck_assert(!pv_slope_of(at_s, values, 4, 1).known);
	ck_assert(pv_slope_of(at_s, values, 6, 1).grows);
	ck_assert(!pv_slope_of(at_s, values, 6, 10).grows);
	/* too little */
	ck_assert(!pv_slope_of(at_s, values, 200, 1000).grows);
	/* it stops half-way */
	for (int i = 100; i < 200; i++)
		values[i] = values[99];
	slope = pv_slope_of(at_s, values, 200, 10);
	ck_assert(!slope.grows && slope.flattened);
	ck_assert(!pv_slope_of(at_s, values, 1, 1).known);
	ck_assert(!pv_slope_of(at_s, values, 0, 1).known);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("leak");
	TCase *tcase = tcase_create("leak");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_leak_is_named_by_type_and_line);
	tcase_add_test(tcase, a_slow_leak_is_found_if_references_are_lost);
	tcase_add_test(tcase, a_lost_reference_is_the_guilty_type);
	tcase_add_test(tcase, the_next_step_has_the_c_function_that_allocates);
	tcase_add_test(tcase, the_next_step_has_no_c_function_that_needs_quotes);
	tcase_add_test(tcase, lost_references_of_what_does_not_grow_are_none);
	tcase_add_test(tcase, one_look_is_no_proof_of_a_lost_reference);
	tcase_add_test(tcase, a_growing_cache_is_held);
	tcase_add_test(tcase, a_full_cache_is_clean);
	tcase_add_test(tcase, warm_up_is_clean);
	tcase_add_test(tcase, warm_up_that_goes_on);
	tcase_add_test(tcase, fragmentation_is_clean);
	tcase_add_test(tcase, a_heap_in_use_is_no_fragmentation);
	tcase_add_test(tcase, few_looks_at_a_fragmented_heap_accuse_nobody);
	tcase_add_test(tcase, raw_blocks_are_told_by_their_class);
	tcase_add_test(tcase, objects_are_said_before_their_blocks);
	tcase_add_test(tcase, pools_tell_where_bursts_do_not);
	tcase_add_test(tcase, a_heap_that_grows_in_all_sizes);
	tcase_add_test(tcase, what_fills_in_gulps_is_clean);
	tcase_add_test(tcase, what_is_in_flight_is_clean);
	tcase_add_test(tcase, mappings_that_pile_up);
	tcase_add_test(tcase, what_is_mapped_and_not_touched_is_said);
	tcase_add_test(tcase, blocks_that_nobody_has);
	tcase_add_test(tcase, cycles_without_the_collector);
	tcase_add_test(tcase, too_short);
	tcase_add_test(tcase, the_c_function_below_the_line);
	tcase_add_test(tcase, slopes);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
