/* SPDX-License-Identifier: BSD-2-Clause */
/* Which blocks are still there: a made-up heap that changes between two looks. */
#include "session/survivors.h"

#include "abi/allocs.h"
#include "made_heap.h"
#include "session/probed.h"

#define POOL  0x7f0000000000ULL
#define OTHER 0x7f0000004000ULL
#define CHUNK 0x560000100000ULL

enum { SIZE = 64, BLOCK_N = 8 };

static struct made_heap made;
static struct pv_probed probed;
static struct pv_survivors *survivors;
static uint64_t str_type, dict_type;

static void setup(void)
{
	made_start(&made);
	str_type = made_type(&made, "str", made.type_type, 0, 80, 0, 1UL << 28);
	dict_type = made_type(&made, "Thing", made.type_type, 0, 48, 0, 0);
	made_region(&made, POOL, 0x8000, "");
	made_region(&made, CHUNK, 0x20000, "[heap]");
	made_pool(&made, POOL, SIZE, BLOCK_N, NULL, 0);
	probed.mem = &made.mem;
	probed.image.python = made.python;
	ck_assert_ptr_null(pv_survivors_create(&probed, 16384, true, made.heap, &survivors));
}

static void teardown(void)
{
	pv_survivors_destroy(survivors);
	made_end(&made);
}

static uint64_t block_at(uint32_t i)
{
	return POOL + 48 + SIZE * (uint64_t)i;
}

static size_t add(uint64_t address, uint64_t size, enum pv_alloc_domain domain)
{
	struct pv_block block = { .address = address, .size = size, .domain = (uint8_t)domain };
	struct pv_vec blocks = PV_VEC(struct pv_block);

	ck_assert_ptr_null(pv_vec_append(&blocks, &block, 1, NULL));
	ck_assert_ptr_null(pv_survivors_add(survivors, &blocks));
	pv_vec_deinit(&blocks);
	return pv_survivors_blocks(survivors)->n;
}

static struct pv_survivors_look look(void)
{
	struct pv_survivors_look ret;

	ck_assert_ptr_null(pv_survivors_look(survivors, &ret));
	return ret;
}

/* An object with its type, four words behind that. */
static void put_object(uint64_t address, uint64_t type, uint64_t word)
{
	made_put(&made, address, 1);
	made_put(&made, address + 8, type);
	for (int i = 2; i < 8; i++)
		made_put(&made, address + 8 * (uint64_t)i, word + (uint64_t)i);
}

START_TEST(pool_blocks)
{
	static const uint32_t freed[] = { 3 };
	struct pv_survivors_look seen;

	for (uint32_t i = 0; i < BLOCK_N; i++)
		made_put(&made, block_at(i) + 40, i);
	ck_assert_uint_eq(add(block_at(2), SIZE, PV_ALLOC_OBJECT), 1);
	ck_assert_uint_eq(add(block_at(3), SIZE, PV_ALLOC_OBJECT), 2);
	/* never handed out; of another size class; not where a block begins */
	ck_assert_uint_eq(add(block_at(BLOCK_N), SIZE, PV_ALLOC_OBJECT), 2);
	ck_assert_uint_eq(add(block_at(4), 48, PV_ALLOC_OBJECT), 2);
	ck_assert_uint_eq(add(block_at(4) + 16, SIZE, PV_ALLOC_OBJECT), 2);
	ck_assert_uint_eq(look().same, 2);
	made_pool(&made, POOL, SIZE, BLOCK_N, freed, 1);
	seen = look();
	ck_assert_uint_eq(seen.same, 1);
	ck_assert_uint_eq(seen.gone, 1);
	ck_assert_uint_eq(seen.unread, 0);
	/* it is another's pool now */
	made_pool(&made, POOL, 32, BLOCK_N, NULL, 0);
	ck_assert_uint_eq(look().gone, 1);
	ck_assert_uint_eq(pv_survivors_blocks(survivors)->n, 0);
}
END_TEST

START_TEST(content)
{
	struct pv_survivors_look seen;

	made_put(&made, block_at(0) + 40, 7);
	add(block_at(0), SIZE, PV_ALLOC_OBJECT);
	/* counts at the front of a dict's keys change while it lives */
	made_put(&made, block_at(0) + 8, 99);
	ck_assert_uint_eq(look().same, 1);
	made_put(&made, block_at(0) + 40, 8);
	seen = look();
	ck_assert_uint_eq(seen.doubts, 1);
	ck_assert_uint_eq(seen.same, 0);
	/* and that is what it is from now on */
	ck_assert_uint_eq(look().same, 1);
}
END_TEST

START_TEST(objects)
{
	struct pv_survivors_look seen;
	const struct pv_block *block;

	put_object(block_at(0), dict_type, 100);
	put_object(block_at(1), str_type, 200);
	add(block_at(0), SIZE, PV_ALLOC_OBJECT);
	add(block_at(1), SIZE, PV_ALLOC_OBJECT);
	block = pv_vec_at(pv_survivors_blocks(survivors), 0);
	ck_assert_uint_eq(block->type, dict_type);
	/* reference counts, and of a str its hash and state */
	made_put(&made, block_at(0), 5);
	made_put(&made, block_at(1), 6);
	made_put(&made, block_at(1) + 24, 77);
	made_put(&made, block_at(1) + 32, 78);
	ck_assert_uint_eq(look().same, 2);
	/* a str never changes: it is another one; of others that is not known */
	made_put(&made, block_at(0) + 16, 1);
	made_put(&made, block_at(1) + 48, 1);
	seen = look();
	ck_assert_uint_eq(seen.doubts, 1);
	ck_assert_uint_eq(seen.gone, 1);
	/* another type is another object */
	put_object(block_at(0), str_type, 100);
	ck_assert_uint_eq(look().gone, 1);
}
END_TEST

START_TEST(chunks)
{
	struct pv_survivors_look seen;
	uint64_t next;

	next = made_chunk(&made, CHUNK, 128, 1);
	made_chunk(&made, next, 64, 1);
	ck_assert_uint_eq(add(CHUNK + 16, 100, PV_ALLOC_C), 1);
	/* it cannot hold so much */
	ck_assert_uint_eq(add(CHUNK + 16, 200, PV_ALLOC_C), 1);
	ck_assert_uint_eq(look().same, 1);
	ck_assert(
		!((const struct pv_block *)pv_vec_at(pv_survivors_blocks(survivors), 0))->changed);
	/* a thread's cache writes into it: it may be another's by now, also once it rests */
	made_put(&made, CHUNK + 16, 0x1234);
	ck_assert_uint_eq(look().doubts, 1);
	ck_assert_uint_eq(look().same, 1);
	ck_assert(((const struct pv_block *)pv_vec_at(pv_survivors_blocks(survivors), 0))->changed);
	/* the next one says that it is free */
	made_chunk(&made, next, 64, 0);
	ck_assert_uint_eq(look().gone, 1);
	/* a mapping of its own has no next one */
	made_chunk(&made, CHUNK, 0x1f000, 2);
	add(CHUNK + 16, 0x1e000, PV_ALLOC_C);
	ck_assert_uint_eq(look().same, 1);
	/* too much to compare all of it: both ends are */
	made_put(&made, CHUNK + 0x10000, 1);
	ck_assert_uint_eq(look().same, 1);
	made_put(&made, CHUNK + 0x1e000, 1);
	seen = look();
	ck_assert_uint_eq(seen.doubts, 1);
}
END_TEST

/* What malloc() keeps in a thread's cache looks used: glibc 2.36's, with a list of one. */
START_TEST(cached_chunks)
{
	const uint64_t cache = CHUNK + 0x1000;
	struct pv_vec caches = PV_VEC(uint64_t), states = PV_VEC(uint64_t);
	uint64_t first = CHUNK + 16;

	made_chunk(&made, made_chunk(&made, CHUNK, 128, 1), 64, 1);
	made_chunk(&made, cache - 16, 0x290, 1);
	ck_assert_ptr_null(pv_vec_append(&caches, &cache, 1, NULL));
	pv_survivors_caches(survivors, &caches, &states);
	ck_assert_uint_eq(add(first, 100, PV_ALLOC_C), 1);
	ck_assert_uint_eq(look().same, 1);
	/* a chunk of 128 is in the seventh bin; its link is protected: to nothing */
	made_put(&made, cache + 8, 1ULL << 32);
	made_put(&made, cache + 128 + 6 * 8, first);
	made_put(&made, first, first >> 12);
	ck_assert_uint_eq(look().gone, 1);
	/* and it is none from the first look on */
	ck_assert_uint_eq(add(first, 100, PV_ALLOC_C), 0);
	pv_vec_deinit(&caches);
	pv_vec_deinit(&states);
}
END_TEST

START_TEST(memory_is_gone)
{
	struct pv_survivors_look seen;

	add(block_at(0), SIZE, PV_ALLOC_OBJECT);
	made_chunk(&made, made_chunk(&made, CHUNK, 128, 1), 64, 1);
	add(CHUNK + 16, 100, PV_ALLOC_C);
	add(POOL + 0x1000, 0x1000, PV_ALLOC_MAPPING);
	ck_assert_uint_eq(pv_survivors_blocks(survivors)->n, 3);
	/* nothing is where it was */
	for (size_t i = 0; i < made.n_regions; i++)
		made.regions[i].start += 1ULL << 40;
	seen = look();
	ck_assert_uint_eq(seen.gone, 3);
	ck_assert_uint_eq(seen.unread, 3);
	for (size_t i = 0; i < made.n_regions; i++)
		made.regions[i].start -= 1ULL << 40;
}
END_TEST

START_TEST(pools)
{
	static const uint32_t all[] = { 0 };

	made_pool(&made, OTHER, SIZE, 1, NULL, 0);
	add(OTHER, 16384, PV_ALLOC_POOL);
	ck_assert_uint_eq(look().same, 1);
	/* no block is in use: it is given back */
	made_pool(&made, OTHER, SIZE, 1, all, 1);
	ck_assert_uint_eq(look().gone, 1);
}
END_TEST

START_TEST(lies)
{
	made.lie = 12345;
	for (uint32_t i = 0; i < BLOCK_N; i++)
		add(block_at(i), SIZE, PV_ALLOC_OBJECT);
	made_chunk(&made, made_chunk(&made, CHUNK, 128, 1), 64, 1);
	for (int i = 0; i < 200; i++) {
		add(CHUNK + 16, 100, PV_ALLOC_C);
		add(block_at(i % BLOCK_N), SIZE, PV_ALLOC_OBJECT);
		look();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("survivors");
	TCase *tcase = tcase_create("survivors");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, pool_blocks);
	tcase_add_test(tcase, content);
	tcase_add_test(tcase, objects);
	tcase_add_test(tcase, chunks);
	tcase_add_test(tcase, cached_chunks);
	tcase_add_test(tcase, memory_is_gone);
	tcase_add_test(tcase, pools);
	tcase_add_test(tcase, lies);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
