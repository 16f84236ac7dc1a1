/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap/pools, heap/kept: which block comes next, of pools and of freelists that were made here.
 * Input: made-up memory.  Output: Check's report.
 */
#include "made_heap.h"

#include "heap/kept.h"
#include "heap/pools.h"

static struct made_heap made;
#define HEAP  0x7f0000000000ULL
#define RING  (MADE_STATIC + 0x5008) /* head of the ring, in static data */
#define ARRAY (MADE_STATIC + 0x5400)

enum { POOL = 16384, BLOCK = 64 };

static void setup(void)
{
	made_start(&made);
	made_region(&made, HEAP, 0x100000, "");
}

static void teardown(void)
{
	made_end(&made);
}

static uint64_t block(uint64_t pool, uint64_t i)
{
	return pool + PV_POOL_HEAD_BYTES + i * BLOCK;
}

/* A pool of which `carved` blocks were handed out and n are free again, linked as they are given.
 */
static void put_pool(uint64_t pool, uint64_t carved, const uint64_t *free, size_t n, uint64_t next)
{
	uint64_t last = POOL - BLOCK;

	made_put(&made, pool, carved - n);
	made_put(&made, pool + 8, n ? block(pool, free[0]) : 0);
	made_put(&made, pool + 16, next);
	made_put(&made, pool + 24, RING);
	made_put(&made, pool + 32, (uint64_t)(BLOCK / 16 - 1) << 32);
	made_put(&made, pool + 40, (PV_POOL_HEAD_BYTES + carved * BLOCK) | last << 32);
	for (size_t i = 0; i < n; i++)
		made_put(&made, block(pool, free[i]), i + 1 < n ? block(pool, free[i + 1]) : 0);
}

START_TEST(blocks_that_come)
{
	static const uint64_t first[] = { 7, 2 }, second[] = { 1 };
	uint64_t a = HEAP + POOL, b = HEAP + 4 * POOL, ret[8];
	struct pv_pool pool;

	put_pool(a, 9, first, 2, b);
	put_pool(b, 3, second, 1, RING);
	made_put(&made, RING + 16, a);
	ck_assert(pv_pool_of(&made.mem, block(b, 1), POOL, &pool));
	ck_assert_uint_eq(pool.block_bytes, BLOCK);
	ck_assert(!pv_pool_of(&made.mem, block(b, 1) + 8, POOL, &pool));
	ck_assert_uint_eq(pv_pool_size_at(&made.mem, block(b, 1) + 8, POOL), BLOCK);
	ck_assert(pv_pool_of(&made.mem, block(b, 1), POOL, &pool));
	ck_assert_uint_eq(pv_pools_ring(&made.mem, &pool), RING);
	/* the list of the first pool, then what it never gave out */
	ck_assert_uint_eq(pv_pools_coming(&made.mem, RING, POOL, BLOCK, ret, 4), 4);
	ck_assert_uint_eq(ret[0], block(a, 7));
	ck_assert_uint_eq(ret[1], block(a, 2));
	ck_assert_uint_eq(ret[2], block(a, 9));
	ck_assert_uint_eq(ret[3], block(a, 10));
	/* of other sizes none */
	ck_assert_uint_eq(pv_pools_coming(&made.mem, RING, POOL, 2 * BLOCK, ret, 4), 0);
	/* a list that goes round ends: the next pool's come then */
	made_put(&made, block(a, 2), block(a, 7));
	ck_assert_uint_eq(pv_pools_coming(&made.mem, RING, POOL, BLOCK, ret, 3), 3);
	ck_assert_uint_eq(ret[2], block(b, 1));
}
END_TEST

START_TEST(a_full_pool_is_in_no_ring)
{
	struct pv_pool pool;
	uint64_t a = HEAP + POOL;

	put_pool(a, (POOL - PV_POOL_HEAD_BYTES) / BLOCK, NULL, 0, RING);
	made_put(&made, RING + 16, a);
	ck_assert(pv_pool_of(&made.mem, block(a, 1), POOL, &pool));
	ck_assert_uint_eq(pv_pools_ring(&made.mem, &pool), 0);
}
END_TEST

static struct pv_kept keeper(uint64_t type)
{
	return (struct pv_kept){ .mem = &made.mem,
				 .py = &made.python.proc.py,
				 .type = type,
				 .before = 16,
				 .block_bytes = BLOCK };
}

/* An object without references in the block i, which tells of another. */
static uint64_t put_kept(uint64_t pool, uint64_t i, uint64_t type, uint64_t next)
{
	uint64_t object = block(pool, i) + 16;

	made_put(&made, object, 0);
	made_put(&made, object + 8, type);
	made_put(&made, object + 24, next);
	return object;
}

START_TEST(what_a_type_keeps)
{
	struct pv_map_entry heap = { .start = HEAP, .end = HEAP + 0x100000, .writable = true };
	struct pv_maps maps = { .entries = &heap, .n = 1 };
	uint64_t type = MADE_STATIC + 0x4000, a = HEAP + POOL, ret[8], last, middle, first;
	struct pv_kept kept = keeper(type);
	static const uint64_t free[] = { 8 };
	size_t n;

	/* as tuples are linked: 5, 1, 3; one in use, and a free block that looks like one */
	put_pool(a, 9, free, 1, RING);
	last = put_kept(a, 3, type, 0);
	middle = put_kept(a, 1, type, last);
	first = put_kept(a, 5, type, middle);
	put_kept(a, 6, type, 0);
	made_put(&made, block(a, 6) + 16, 1);
	put_kept(a, 8, type, first);
	ck_assert_ptr_null(pv_kept_read(&kept, &maps, ret, 8, &n));
	ck_assert_uint_eq(n, 3);
	ck_assert_uint_eq(ret[0], first);
	ck_assert_uint_eq(ret[1], middle);
	ck_assert_uint_eq(ret[2], last);
	ck_assert_uint_eq(kept.array, 0);
}
END_TEST

/* From 3.14 on the first word tells of the next, and one that is immortal has flags there. */
START_TEST(what_a_type_keeps_since_314)
{
	struct pv_map_entry heap = { .start = HEAP, .end = HEAP + 0x100000, .writable = true };
	struct pv_maps maps = { .entries = &heap, .n = 1 };
	uint64_t type = MADE_STATIC + 0x4000, a = HEAP + POOL, ret[8], last, first;
	struct pv_kept kept = keeper(type);
	size_t n;

	made.python.proc.py.version_hex = 0x030e0000;
	put_pool(a, 12, NULL, 0, RING);
	last = put_kept(a, 3, type, 0);
	/* what stands behind it was the object's: of a tuple its items */
	first = put_kept(a, 5, type, last);
	put_kept(a, 3, type, first);
	made_put(&made, first, last);
	for (uint64_t i = 6; i < 12; i++)
		made_put(&made, put_kept(a, i, type, 0), 0x10000c0000000 + i % 2);
	ck_assert_ptr_null(pv_kept_read(&kept, &maps, ret, 4, &n));
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(ret[0], first);
	ck_assert_uint_eq(ret[1], last);
}
END_TEST

START_TEST(an_array_of_them)
{
	struct pv_map_entry both[] = {
		{ .start = MADE_STATIC, .end = MADE_STATIC + MADE_STATIC_BYTES, .writable = true },
		{ .start = HEAP, .end = HEAP + 0x100000, .writable = true },
	};
	struct pv_maps maps = { .entries = both, .n = 2 };
	uint64_t type = MADE_STATIC + 0x4000, a = HEAP + POOL, ret[3];
	struct pv_kept kept = keeper(type);
	size_t n;

	/* the last one is the next; behind it stands one that is alive */
	put_pool(a, 9, NULL, 0, RING);
	for (uint64_t i = 0; i < 6; i++)
		made_put(&made, ARRAY + 8 * i, put_kept(a, i, type, 0));
	made_put(&made, ARRAY + 48, put_kept(a, 7, type, 0));
	made_put(&made, block(a, 7) + 16, 2);
	ck_assert_ptr_null(pv_kept_read(&kept, &maps, ret, 3, &n));
	ck_assert_uint_eq(kept.array, ARRAY);
	ck_assert_uint_eq(n, 3);
	ck_assert_uint_eq(ret[0], block(a, 5) + 16);
	ck_assert_uint_eq(ret[2], block(a, 3) + 16);
	/* one was taken: the array alone is read */
	made_put(&made, block(a, 5) + 16, 1);
	ck_assert_ptr_null(pv_kept_read(&kept, &maps, ret, 3, &n));
	ck_assert_uint_eq(ret[0], block(a, 4) + 16);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pools");
	TCase *cases = tcase_create("next");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, blocks_that_come);
	tcase_add_test(cases, a_full_pool_is_in_no_ring);
	tcase_add_test(cases, what_a_type_keeps);
	tcase_add_test(cases, what_a_type_keeps_since_314);
	tcase_add_test(cases, an_array_of_them);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
