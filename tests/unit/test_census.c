/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap/pymalloc, glibc, tally, census: blocks in use, by what they hold; heaps that lie.
 * Input: made-up memory.  Output: Check's report.
 */
#include "made_heap.h"

#include "heap/fill.h"
#include "heap/glibc.h"
#include "heap/pymalloc.h"
#include "heap/window.h"
#include "model/memory.h"

static struct made_heap made;
static uint64_t tuple_type, list_type, float_type;
#define BRK    0x1000000ULL
#define ARENA  0x7f0000000000ULL
#define THREAD 0x7f4000000000ULL
enum { BRK_BYTES = 0x20000, ARENA_BYTES = 0x100000 };

static void setup(void)
{
	uint64_t object;

	made_start(&made);
	made_region(&made, BRK, BRK_BYTES, "[heap]");
	made_region(&made, ARENA, ARENA_BYTES, "");
	/* in ascending order, as the kernel has them */
	made.entries[3] = made.entries[0];
	made.entries[0] = made.entries[1];
	made.entries[1] = made.entries[3];
	object = made_type(&made, "object", made.type_type, 0, 16, 0, 0);
	tuple_type = made_type(&made, "tuple", made.type_type, object, 24, 8, PV_TPFLAGS_HAVE_GC);
	list_type = made_type(&made, "list", made.type_type, object, 40, 0, PV_TPFLAGS_HAVE_GC);
	float_type = made_type(&made, "float", made.type_type, object, 24, 0, 0);
	/* an empty heap: nothing but the top chunk */
	made_chunk(&made, BRK, BRK_BYTES, 1);
}

static void teardown(void)
{
	made_end(&made);
}

static void put_object(uint64_t address, uint64_t type, uint64_t refcount, uint64_t tracked)
{
	if (type != float_type) {
		made_put(&made, address, tracked);
		address += 16;
	}
	made_put(&made, address, refcount);
	made_put(&made, address + 8, type);
}

START_TEST(test_pool)
{
	const uint32_t free_ones[] = { 7, 0, 3 };
	struct pv_pool pool;
	char *bytes;

	made_pool(&made, ARENA, 64, 20, free_ones, 3);
	bytes = made_at(&made, ARENA);
	ck_assert(pv_pool_check(bytes, ARENA, 16384));
	ck_assert(pv_pool_read(bytes, ARENA, 16384, &pool));
	ck_assert_uint_eq(pool.block_bytes, 64);
	ck_assert_uint_eq(pool.n_carved, 20);
	ck_assert_uint_eq(pool.n_used, 17);
	ck_assert(!pool.torn);
	for (uint32_t i = 0; i < 20; i++)
		ck_assert_int_eq(pv_pool_is_used(&pool, i), i != 7 && i != 0 && i != 3);
	ck_assert(!pv_pool_is_used(&pool, 20));
	/* not at that address: the list leads out of it */
	ck_assert(!pv_pool_check(bytes, ARENA + 16384, 16384));
	/* lists that lie: a circle, a block between two, one beyond what was carved */
	made_put(&made, ARENA + 48 + 3 * 64, ARENA + 48 + 7 * 64);
	ck_assert(pv_pool_read(bytes, ARENA, 16384, &pool) && pool.torn);
	made_put(&made, ARENA + 48 + 3 * 64, ARENA + 48 + 8 * 64 + 16);
	ck_assert(pv_pool_read(bytes, ARENA, 16384, &pool) && pool.torn);
	made_put(&made, ARENA + 48 + 3 * 64, ARENA + 48 + 20 * 64);
	ck_assert(pv_pool_read(bytes, ARENA, 16384, &pool) && pool.torn);
	ck_assert_uint_eq(pool.n_used, 17);
	made_put(&made, ARENA + 48 + 3 * 64, ARENA + 48 + 64ULL * 10000000);
	ck_assert(pv_pool_read(bytes, ARENA, 16384, &pool) && pool.torn);
	/* a count that disagrees */
	made_put(&made, ARENA + 48 + 3 * 64, 0);
	made_put(&made, ARENA, 16);
	ck_assert(pv_pool_read(bytes, ARENA, 16384, &pool) && pool.torn);
	/* given back: nothing is used */
	made_put(&made, ARENA, 0);
	ck_assert(pv_pool_read(bytes, ARENA, 16384, &pool));
	ck_assert_uint_eq(pool.n_used, 0);
}
END_TEST

START_TEST(test_no_pool)
{
	/* each word of the head, wrong */
	static const struct {
		unsigned int offset;
		uint64_t word;
	} wrong[] = {
		{ 0, 21 },
		{ 8, 1 },
		{ 8, ARENA + 8 },
		{ 16, 0 },
		{ 24, 0 },
		{ 32, 64ULL << 32 },
		{ 32, 2ULL << 32 },
		{ 32, UINT32_MAX | 3ULL << 32 },
		{ 40, 48 | (16384ULL - 64) << 32 },
		{ 40, (48 + 64 * 20 + 1) | (16384ULL - 64) << 32 },
		{ 40, 0xffffffff | (16384ULL - 64) << 32 },
		{ 40, (48 + 64 * 20) | 16384ULL << 32 },
		{ 40, (48 + 64 * 20) | 0xffffffffULL << 32 },
	};
	char zeroes[16384] = { 0 };
	struct pv_pool pool;

	ck_assert(!pv_pool_read(zeroes, ARENA, 16384, &pool));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		made_pool(&made, ARENA, 64, 20, NULL, 0);
		ck_assert(pv_pool_check(made_at(&made, ARENA), ARENA, 16384));
		made_put(&made, ARENA + wrong[i].offset, wrong[i].word);
		ck_assert_msg(!pv_pool_check(made_at(&made, ARENA), ARENA, 16384), "%zu", i);
	}
}
END_TEST

/* Whatever the bytes of a pool are, what is read of it stays within. */
START_TEST(test_random_pools)
{
	uint64_t seed = 1, *words = made_at(&made, ARENA);
	unsigned int pools = 0;

	for (int round = 0; round < 20000; round++) {
		struct pv_pool pool;

		made_pool(&made, ARENA, 16 + 16 * (uint32_t)(round % 32), 9, NULL, 0);
		for (int i = 0; i < 8; i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			uint64_t value = seed >> 33 & 3 ? ARENA + (seed >> 40 & 0x3ff8) : seed;

			words[seed >> 50 & 0x7f] = value;
		}
		if (!pv_pool_read(words, ARENA, 16384, &pool))
			continue;
		pools++;
		ck_assert_uint_le(pool.n_used, pool.n_carved);
		ck_assert_uint_le(pool.n_carved, PV_POOL_BLOCKS_MAX);
		ck_assert_uint_le(pv_pool_offset(&pool, pool.n_carved), 16384);
	}
	ck_assert_uint_gt(pools, 100);
}
END_TEST

START_TEST(test_objects)
{
	const uint32_t free_ones[] = { 4 };
	struct pv_census census;

	/* blocks of 64: two tuples, one that is dead, a list and its items, a free one, raw ones */
	made_pool(&made, ARENA, 64, 9, free_ones, 1);
	put_object(ARENA + 48, tuple_type, 1, ARENA);
	put_object(ARENA + 48 + 64, tuple_type, 3, 0);
	put_object(ARENA + 48 + 2 * 64, tuple_type, 0, 0);
	put_object(ARENA + 48 + 3 * 64, list_type, 1, ARENA);
	made_put(&made, ARENA + 48 + 3 * 64 + 16 + 24, ARENA + 48 + 5 * 64);
	/* the items: a pointer first, and then something of a type: no object */
	made_put(&made, ARENA + 48 + 5 * 64, ARENA + 48);
	made_put(&made, ARENA + 48 + 5 * 64 + 8, float_type);
	/* a free block keeps what it had */
	made_put(&made, ARENA + 48 + 4 * 64 + 8, float_type);
	put_object(ARENA + 48 + 6 * 64, float_type, 2, 0);
	/* another list with the same items, as dicts share keys: they count once */
	put_object(ARENA + 48 + 7 * 64, list_type, 1, ARENA);
	made_put(&made, ARENA + 48 + 7 * 64 + 16 + 24, ARENA + 48 + 5 * 64);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_pools, 1);
	ck_assert_uint_eq(census.n_torn_pools, 0);
	ck_assert_uint_eq(made_line(&census, "tuple")->n, 2);
	ck_assert_uint_eq(made_line(&census, "tuple")->n_tracked, 1);
	ck_assert_uint_eq(made_line(&census, "tuple")->bytes, 128);
	ck_assert_uint_eq(made_line(&census, "list")->n, 2);
	ck_assert_uint_eq(made_line(&census, "list")->bytes, 192);
	ck_assert_uint_eq(made_line(&census, "list")->part_bytes, 64);
	ck_assert_uint_eq(made_line(&census, "float")->n, 1);
	ck_assert_uint_eq(census.n_kept, 1);
	ck_assert_uint_eq(census.n_raw, 1);
	ck_assert_uint_eq(census.raw_bytes, 64);
	ck_assert_uint_eq(census.n_objects, 5);
	pv_census_deinit(&census);
}
END_TEST

/* An object of a type must have room for it, and a count that is no address. */
START_TEST(test_no_objects)
{
	struct pv_census census;

	made_pool(&made, ARENA, 32, 3, NULL, 0);
	put_object(ARENA + 48, list_type, 1, ARENA); /* 16 + 40 bytes */
	put_object(ARENA + 48 + 32, float_type, BRK + 0x100, 0);
	put_object(ARENA + 48 + 64, float_type, BRK + 0x101, 0);
	census = made_census(&made);
	ck_assert_uint_eq(made_line(&census, "list")->n, 0);
	ck_assert_uint_eq(made_line(&census, "float")->n, 1);
	ck_assert_uint_eq(census.n_raw, 2);
	pv_census_deinit(&census);
}
END_TEST

START_TEST(test_debug_hooks)
{
	struct pv_census census;

	made_pool(&made, ARENA, 96, 1, NULL, 0);
	made_put(&made, ARENA + 48 + 8, 0xfdfdfdfdfdfdfd00 | 'o');
	put_object(ARENA + 48 + 16, tuple_type, 1, ARENA);
	census = made_census(&made);
	ck_assert_uint_eq(made_line(&census, "tuple")->n, 1);
	ck_assert_uint_eq(made_line(&census, "tuple")->bytes, 96);
	pv_census_deinit(&census);
}
END_TEST

/* A used float, a free chunk, a used tuple, the rest. */
static uint64_t make_chunks(uint64_t at)
{
	made_put(&made, at + 16, 1);
	made_put(&made, at + 24, float_type);
	at = made_chunk(&made, at, 48, 1);
	at = made_chunk(&made, at, 64, 1);
	made_put(&made, at, 64); /* prev_size of a free one */
	put_object(at + 16, tuple_type, 1, BRK);
	at = made_chunk(&made, at, 1040, 0);
	made_chunk(&made, at, BRK + BRK_BYTES - at, 1);
	return at;
}

START_TEST(test_chunks)
{
	struct pv_census census;

	make_chunks(BRK);
	census = made_census(&made);
	ck_assert_uint_eq(made_line(&census, "float")->n, 1);
	ck_assert_uint_eq(made_line(&census, "float")->bytes, 48);
	ck_assert_uint_eq(made_line(&census, "tuple")->n, 1);
	ck_assert_uint_eq(made_line(&census, "tuple")->bytes, 1040);
	ck_assert_uint_eq(census.chunk_free_bytes, 64);
	ck_assert_uint_eq(census.n_breaks, 0);
	ck_assert_uint_eq(census.n_raw, 0);
	pv_census_deinit(&census);
}
END_TEST

/* Whatever a size says, the walk ends, and finds what is behind it again. */
START_TEST(test_broken_chunks)
{
	const uint64_t sizes[] = { 0,
				   1,
				   8,
				   16 | 1,
				   24 | 1,
				   33,
				   0xfffffffffffffff1,
				   -32,
				   1ULL << 63,
				   BRK_BYTES + 1,
				   64 | 2,
				   128 | 1 };
	struct pv_census census;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		memset(made_at(&made, BRK), 0, BRK_BYTES);
		make_chunks(BRK);
		made_put(&made, BRK + 48 + 8, sizes[i]);
		census = made_census(&made);
		ck_assert_msg(census.n_breaks > 0, "%zu", i);
		ck_assert_uint_gt(census.broken_bytes, 0);
		ck_assert_uint_lt(census.broken_bytes, 256);
		ck_assert_uint_eq(made_line(&census, "tuple")->n, 1);
		pv_census_deinit(&census);
	}
	/* what the next one says of a free one's size is another */
	memset(made_at(&made, BRK), 0, BRK_BYTES);
	make_chunks(BRK);
	made_put(&made, BRK + 48 + 64, 80);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_breaks, 1);
	ck_assert_uint_eq(census.broken_bytes, 64);
	pv_census_deinit(&census);
	/* nothing of it is a chunk */
	memset(made_at(&made, BRK), 0x5a, BRK_BYTES);
	census = made_census(&made);
	ck_assert_uint_eq(census.broken_bytes, BRK_BYTES);
	pv_census_deinit(&census);
}
END_TEST

START_TEST(test_mapped_chunks)
{
	struct pv_census census;

	/* one of each glibc: its size with its head, or without */
	put_object(ARENA + 0x10000 + 16, tuple_type, 1, ARENA);
	made_put(&made, ARENA + 0x10000 + 8, 0x5000 | 2);
	put_object(ARENA + 0x20000 + 16, tuple_type, 1, ARENA);
	made_put(&made, ARENA + 0x20000 + 8, (0x3000 - 16) | 2);
	/* larger than its mapping, not of whole pages, with other flags */
	made_put(&made, ARENA + 0x30000 + 8, (uint64_t)ARENA_BYTES | 2);
	made_put(&made, ARENA + 0x40000 + 8, 0x1800 | 2);
	made_put(&made, ARENA + 0x50000 + 8, 0x2000 | 3);
	/* what lies in a chunk is no pool */
	made_pool(&made, ARENA + 0x14000, 64, 9, NULL, 0);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_mapped, 2);
	ck_assert_uint_eq(census.mapped_bytes, 0x8000);
	ck_assert_uint_eq(census.n_pools, 0);
	ck_assert_uint_eq(made_line(&census, "tuple")->n, 2);
	ck_assert_uint_eq(made_line(&census, "tuple")->bytes, 0x8000);
	pv_census_deinit(&census);
}
END_TEST

START_TEST(test_thread_heap)
{
	uint64_t at = THREAD + 0x8d0;
	struct pv_census census;

	made_region(&made, THREAD, 0x21000, "");
	made_put(&made, THREAD, THREAD + 0x30);
	made_put(&made, THREAD + 16, 0x21000);
	made_put(&made, THREAD + 24, 0x21000);
	at = made_chunk(&made, at, 0x290, 5);
	put_object(at + 16, tuple_type, 1, THREAD);
	at = made_chunk(&made, at, 0x400, 5);
	/* it ends with fence posts, as the heap of an arena that goes on elsewhere */
	at = made_chunk(&made, at, THREAD + 0x21000 - 32 - at, 5);
	at = made_chunk(&made, at, 16, 1);
	made_chunk(&made, at, 0, 1);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_thread_heaps, 1);
	ck_assert_uint_eq(census.n_breaks, 0);
	ck_assert_uint_eq(made_line(&census, "tuple")->n, 1);
	pv_census_deinit(&census);
	/* a size beyond the mapping: it is none */
	made_put(&made, THREAD + 16, 0x22000);
	made_put(&made, THREAD + 24, 0x22000);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_thread_heaps, 0);
	pv_census_deinit(&census);
}
END_TEST

/* What grew between a look at the mappings and one at the heap is no reason not to see it. */
START_TEST(test_grown_thread_heap)
{
	uint64_t at = THREAD + 0x8d0;
	struct pv_census census;

	made_region(&made, THREAD, 0x21000, "");
	made_put(&made, THREAD, THREAD + 0x30);
	made_put(&made, THREAD + 16, 0x22000);
	made_put(&made, THREAD + 24, 0x22000);
	at = made_chunk(&made, at, 0x290, 5);
	put_object(at + 16, tuple_type, 1, THREAD);
	at = made_chunk(&made, at, 0x400, 5);
	made_chunk(&made, at, THREAD + 0x22000 - at, 1);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_thread_heaps, 1);
	ck_assert_uint_eq(census.n_breaks, 0);
	ck_assert_uint_eq(made_line(&census, "tuple")->n, 1);
	ck_assert_uint_ge(census.chunk_top_bytes, THREAD + 0x21000 - at);
	pv_census_deinit(&census);
	/* no top chunk ends amid a page */
	made_chunk(&made, at, THREAD + 0x22000 - at - 16, 1);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_thread_heaps, 0);
	pv_census_deinit(&census);
}
END_TEST

static uint64_t told(const struct pv_map *asked, uint64_t address)
{
	uint64_t value;

	ck_assert(pv_map_get(asked, address, &value));
	return value;
}

/* What was freed and joined to what is free before it has its old head still. */
START_TEST(test_asked_chunks)
{
	const uint64_t used = BRK + 16, joined = BRK + 128 + 64 + 16, far = BRK - 0x100000;
	struct pv_map asked = { 0 };
	const struct pv_census_options options = { .maps = &made.maps,
						   .no_lists = true,
						   .asked = &asked };
	struct pv_census census;
	uint64_t at;

	at = made_chunk(&made, BRK, 128, 1);
	made_chunk(&made, at + 64, 64, 0);
	at = made_chunk(&made, at, 128, 1);
	at = made_chunk(&made, at, 64, 0);
	made_put(&made, at - 64, 128);
	made_chunk(&made, at, BRK + BRK_BYTES - at, 1);
	ck_assert_ptr_null(pv_map_set(&asked, used, PV_CENSUS_ASKED));
	ck_assert_ptr_null(pv_map_set(&asked, joined, PV_CENSUS_ASKED));
	ck_assert_ptr_null(pv_map_set(&asked, far, PV_CENSUS_ASKED));
	ck_assert_ptr_null(pv_census_take(made.heap, &options, &census));
	ck_assert_uint_eq(told(&asked, used), PV_CENSUS_CHUNK);
	ck_assert_uint_eq(told(&asked, joined), PV_CENSUS_NO_CHUNK);
	/* where nothing was looked at */
	ck_assert_uint_eq(told(&asked, far), PV_CENSUS_ASKED);
	pv_census_deinit(&census);
	pv_map_deinit(&asked);
}
END_TEST

/* A thread's cache: glibc 2.36's, with one list of two and protected links. */
START_TEST(test_cached_chunks)
{
	uint64_t cache = BRK + 16, first = BRK + 0x290 + 16, second = first + 48;
	uint64_t third = second + 48;
	struct pv_census census;
	uint64_t at;

	at = made_chunk(&made, BRK, 0x290, 1);
	at = made_chunk(&made, at, 48, 1);
	at = made_chunk(&made, at, 48, 1);
	at = made_chunk(&made, at, 48, 1);
	made_chunk(&made, at, BRK + BRK_BYTES - at, 1);
	made_put(&made, cache, 2ULL << 16);
	made_put(&made, cache + 128 + 8, first);
	made_put(&made, first, second ^ first >> 12);
	made_put(&made, second, 0 ^ second >> 12);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_cached, 2);
	ck_assert_uint_eq(census.cached_bytes, 96);
	ck_assert_uint_eq(census.n_raw, 2); /* the cache itself and the third */
	pv_census_deinit(&census);
	/* a circle, a chunk of another size: then it is no cache */
	made_put(&made, second, first ^ second >> 12);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_cached, 0);
	pv_census_deinit(&census);
	made_put(&made, second, (BRK + 16) ^ second >> 12);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_cached, 0);
	pv_census_deinit(&census);
	/* a list of this bin that goes on in one of another size */
	at = third + 48;
	made_chunk(&made, third + 48 - 16, 64, 1);
	made_chunk(&made, third + 48 - 16 + 64, BRK + BRK_BYTES - (third + 48 - 16 + 64), 1);
	made_put(&made, second, at ^ second >> 12);
	made_put(&made, at, at >> 12);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_cached, 0);
	pv_census_deinit(&census);
	/* before 2.32 links are plain */
	made_put(&made, first, second);
	made_put(&made, second, 0);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_cached, 2);
	pv_census_deinit(&census);
}
END_TEST

/* Memory that is something else at each look: it ends, and stays within bounds (ASan). */
START_TEST(test_liar)
{
	struct pv_census_options options = { .maps = &made.maps };
	const uint32_t free_ones[] = { 5, 1, 8 };

	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct pv_census census;
		struct pv_err *err;

		made.lie = 0;
		for (uint64_t i = 0; i < 32; i++)
			made_pool(&made, ARENA + 16384 * i, 16 + 16 * (uint32_t)(i % 32), 20,
				  free_ones, 3);
		make_chunks(BRK);
		made.lie = seed * 0x9e3779b97f4a7c15ULL;
		err = pv_census_take(made.heap, &options, &census);
		made.lie = 0;
		if (!err)
			pv_census_deinit(&census);
		pv_err_destroy(err);
	}
}
END_TEST

START_TEST(test_refused)
{
	struct pv_census_options options = { .maps = &made.maps };
	struct pv_census census;
	struct pv_err *err;

	made.python.proc.py.free_threaded = 1;
	err = pv_census_take(made.heap, &options, &census);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->kind, PV_ERR_NOPROC);
	ck_assert_ptr_nonnull(strstr(err->message, "mimalloc"));
	pv_err_destroy(err);
}
END_TEST

/* A free-threaded 3.13: one segment with two pages, and each of its numbers wrong in turn. */
START_TEST(test_segments)
{
	const uint64_t segment = 0x20000000000ULL, table = segment + 264, page = segment + 0x10000;
	static const struct {
		unsigned int offset;
		uint64_t word;
	} wrong[] = {
		{ 32, 0x2010000 }, { 224, 513 }, { 232, 2 }, { 240, 2 }, { 248, 600 }, { 224, 0 },
	};
	struct pv_census census;
	uint64_t at;

	made.python.proc.py.free_threaded = 1;
	made.python.proc.py.ob_ref_local = 12;
	made.python.proc.py.ob_ref_shared = 16;
	made.python.proc.py.ob_type = 24;
	made_region(&made, segment, 0x40000, "");
	made_put(&made, segment + 32, 32 << 20);
	made_put(&made, segment + 224, 512);
	made_put(&made, segment + 232, 1);
	made_put(&made, segment + 248, 512);
	/* slice 1: blocks of 64, 5 of 1,021 carved, one of them free, one freed by another thread
	 */
	made_put(&made, table + 96, 1);
	made_put(&made, table + 96 + 8, 5ULL << 16 | 1021ULL << 32);
	at = page + 3 * 64;
	made_put(&made, table + 96 + 16, at);
	made_put(&made, table + 96 + 24, 4 | 64ULL << 32);
	made_put(&made, table + 96 + 40, (at + 128) | 2);
	/* slice 2: impossible, more blocks than there is room for */
	made_put(&made, table + 192, 1);
	made_put(&made, table + 192 + 8, 5ULL << 16 | 1024ULL << 32);
	made_put(&made, table + 192 + 24, 5 | 64ULL << 32);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_segments, 1);
	ck_assert_uint_eq(census.n_pools, 1);
	ck_assert_uint_eq(census.n_torn_pools, 0);
	ck_assert_uint_eq(census.n_raw, 3);
	ck_assert_uint_eq(census.raw_bytes, 192);
	pv_census_deinit(&census);
	/* a list of free blocks in a circle, and one out of the page */
	made_put(&made, at, at);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_torn_pools, 1);
	pv_census_deinit(&census);
	made_put(&made, at, page + 0x20000);
	census = made_census(&made);
	ck_assert_uint_eq(census.n_torn_pools, 1);
	pv_census_deinit(&census);
	made_put(&made, at, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct pv_census_options options = { .maps = &made.maps };
		uint64_t before;
		struct pv_err *err;

		memcpy(&before, made_at(&made, segment + wrong[i].offset), 8);
		made_put(&made, segment + wrong[i].offset, wrong[i].word);
		err = pv_census_take(made.heap, &options, &census);
		ck_assert_msg(err != NULL, "%zu", i);
		ck_assert_int_eq(err->kind, PV_ERR_NOPROC);
		pv_err_destroy(err);
		made_put(&made, segment + wrong[i].offset, before);
	}
}
END_TEST

START_TEST(test_change)
{
	struct pv_census earlier, later;
	const struct pv_census_change *change;
	struct pv_vec changes;

	made_pool(&made, ARENA, 64, 3, NULL, 0);
	put_object(ARENA + 48, tuple_type, 1, ARENA);
	put_object(ARENA + 48 + 64, list_type, 1, ARENA);
	earlier = made_census(&made);
	put_object(ARENA + 48 + 64, tuple_type, 1, ARENA);
	put_object(ARENA + 48 + 128, tuple_type, 1, ARENA);
	later = made_census(&made);
	ck_assert_ptr_null(pv_census_compare(&earlier, &later, &changes));
	ck_assert_uint_eq(changes.n, 2);
	change = pv_vec_at(&changes, 0);
	ck_assert_str_eq(change->name, "tuple");
	ck_assert_int_eq(change->n, 2);
	ck_assert_int_eq(change->bytes, 128);
	ck_assert_uint_eq(change->n_later, 3);
	change = pv_vec_at(&changes, 1);
	ck_assert_str_eq(change->name, "list");
	ck_assert_int_eq(change->n, -1);
	ck_assert_uint_eq(change->n_later, 0);
	pv_vec_deinit(&changes);
	pv_census_deinit(&earlier);
	pv_census_deinit(&later);
}
END_TEST

START_TEST(test_fill)
{
	struct pv_memory *memory;
	struct pv_memory_count count;
	const struct pv_memory_look *look;
	struct pv_census census;
	uint32_t index, type;

	made_pool(&made, ARENA, 64, 3, NULL, 0);
	put_object(ARENA + 48, made_type(&made, "collections.deque", made.type_type, 0, 48, 0, 0),
		   1, 0);
	/* without a head: an object at the block's beginning */
	made_put(&made, ARENA + 48, 1);
	made_put(&made, ARENA + 56, MADE_STATIC + 0x400 * (made.n_types - 1));
	census = made_census(&made);
	ck_assert_ptr_null(pv_memory_create(&memory));
	ck_assert_ptr_null(pv_census_fill(&census, 77, memory, &index));
	look = pv_vec_at(&memory->looks, index);
	ck_assert_uint_eq(look->at_ns, 77);
	ck_assert(!look->partial);
	ck_assert_ptr_null(
		pv_memory_type_named(memory, PV_TYPE_OBJECT, "deque", "collections", 0, 0, &type));
	count = pv_memory_type_at(memory, index, type);
	ck_assert_uint_eq(count.count, 1);
	ck_assert_uint_eq(count.bytes, 64);
	ck_assert_ptr_null(
		pv_memory_type_named(memory, PV_TYPE_POOL_BLOCK, NULL, NULL, 64, 0, &type));
	ck_assert_uint_eq(pv_memory_type_at(memory, index, type).count, 2);
	pv_memory_destroy(memory);
	pv_census_deinit(&census);
}
END_TEST

/* Whose malloc() it is, by what is mapped. */
START_TEST(test_allocator)
{
	static const struct {
		const char *path[2], *name;
		bool other;
	} cases[] = {
		{ { "/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/app" }, "glibc", false },
		{ { "/usr/lib/x86_64-linux-musl/libc.so", "/usr/bin/app" }, "musl", true },
		{ { "/lib/ld-musl-x86_64.so.1", "/usr/bin/app" }, "musl", true },
		{ { "/lib/libc.so.6", "/lib/libjemalloc.so.2" }, "jemalloc", true },
		{ { "/lib/libc.so.6", "/lib/libmusli.so" }, "glibc", false },
		{ { "/usr/bin/app", "[vdso]" }, "one that is not known", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pv_map_entry entries[2] = {
			{ .executable = true, .path = (char *)(uintptr_t)cases[i].path[0] },
			{ .executable = true, .path = (char *)(uintptr_t)cases[i].path[1] },
		};
		struct pv_maps maps = { .entries = entries, .n = 2 };
		char name[PV_CENSUS_ALLOCATOR_BYTES];

		ck_assert_int_eq(pv_census_allocator(&maps, name, sizeof(name)), cases[i].other);
		ck_assert_str_eq(name, cases[i].name);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("census");
	TCase *cases = tcase_create("blocks");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, test_pool);
	tcase_add_test(cases, test_no_pool);
	tcase_add_test(cases, test_random_pools);
	tcase_add_test(cases, test_objects);
	tcase_add_test(cases, test_no_objects);
	tcase_add_test(cases, test_debug_hooks);
	tcase_add_test(cases, test_chunks);
	tcase_add_test(cases, test_broken_chunks);
	tcase_add_test(cases, test_mapped_chunks);
	tcase_add_test(cases, test_thread_heap);
	tcase_add_test(cases, test_grown_thread_heap);
	tcase_add_test(cases, test_asked_chunks);
	tcase_add_test(cases, test_cached_chunks);
	tcase_add_test(cases, test_liar);
	tcase_add_test(cases, test_refused);
	tcase_add_test(cases, test_segments);
	tcase_add_test(cases, test_change);
	tcase_add_test(cases, test_fill);
	tcase_add_test(cases, test_allocator);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
