/* SPDX-License-Identifier: BSD-2-Clause */
/* What a survey has seen, by site: sums made by hand. */
#include "session/surveysites.h"

#include <check.h>
#include <stdlib.h>

#include "heap/tally.h"
#include "session/survivors.h"

static struct pv_memory *memory;
static struct pv_survey_sites *sites;

static void start(enum pv_site_source source)
{
	ck_assert_ptr_null(pv_memory_create(&memory));
	ck_assert_ptr_null(pv_survey_sites_create(memory, source, NULL, &sites));
	/* two keys of one line, one of another */
	ck_assert_ptr_null(pv_survey_sites_stack(sites, 10, 1, PV_ALLOC_OBJECT));
	ck_assert_ptr_null(pv_survey_sites_stack(sites, 11, 1, PV_ALLOC_OBJECT));
	ck_assert_ptr_null(pv_survey_sites_stack(sites, 20, 2, PV_ALLOC_C));
}

static void end(void)
{
	pv_survey_sites_destroy(sites);
	pv_memory_destroy(memory);
}

static const struct pv_memory_site *site(uint64_t key)
{
	uint32_t index;

	ck_assert(pv_survey_sites_of(sites, key, &index));
	return pv_vec_at(&memory->sites, index);
}

static void seen(uint64_t key, uint32_t group, uint64_t allocs, uint64_t frees)
{
	struct pv_alloc_totals totals = { allocs, 100 * allocs, frees, 100 * frees };

	ck_assert_ptr_null(pv_survey_sites_seen(sites, key, group, &totals));
}

static void found(struct pv_vec *blocks, uint64_t key, uint32_t group, enum pv_block_state state)
{
	struct pv_block block = { .size = 64, .group = group, .state = (uint8_t)state };

	ck_assert(pv_survey_sites_of(sites, key, &block.site));
	ck_assert_ptr_null(pv_vec_append(blocks, &block, 1, NULL));
}

static struct pv_memory_count look_at(const struct pv_vec *blocks, uint64_t before_ns, uint64_t key)
{
	struct pv_memory_look look = { .kind = PV_LOOK_SITES };
	uint32_t index;

	ck_assert_ptr_null(pv_survey_sites_look(sites, &look, blocks, before_ns, 1));
	ck_assert(pv_survey_sites_of(sites, key, &index));
	return pv_memory_site_at(memory, pv_memory_last_look(memory, PV_LOOK_SITES), index);
}

START_TEST(keys)
{
	uint32_t a, b;

	start(PV_SITE_BURST);
	ck_assert(pv_survey_sites_of(sites, 10, &a) && pv_survey_sites_of(sites, 11, &b));
	ck_assert_uint_eq(a, b);
	ck_assert(pv_survey_sites_of(sites, 20, &b));
	ck_assert_uint_ne(a, b);
	ck_assert(!pv_survey_sites_of(sites, 30, &b));
	ck_assert_int_eq(site(10)->domain, PV_DOMAIN_OBJECT);
	ck_assert_int_eq(site(20)->domain, PV_DOMAIN_LIBC);
	/* a stack that did not come is nobody's */
	seen(30, 0, 5, 0);
	end();
}
END_TEST

START_TEST(groups)
{
	struct pv_vec blocks = PV_VEC(struct pv_block);
	struct pv_memory_count count;

	start(PV_SITE_BURST);
	seen(10, 0, 4, 1);
	seen(11, 0, 6, 0);
	ck_assert_ptr_null(pv_survey_sites_group(sites, 1000));
	/* totals go on */
	seen(10, 1, 9, 1);
	ck_assert_ptr_null(pv_survey_sites_group(sites, 2000));
	found(&blocks, 10, 0, PV_BLOCK_SAME);
	found(&blocks, 11, 0, PV_BLOCK_SAME);
	found(&blocks, 10, 0, PV_BLOCK_DOUBT);
	found(&blocks, 10, 1, PV_BLOCK_SAME);
	/* the second is too young */
	count = look_at(&blocks, 1500, 10);
	ck_assert_uint_eq(count.count, 2);
	ck_assert_uint_eq(count.bytes, 128);
	ck_assert_uint_eq(site(10)->seen_count, 10);
	ck_assert_uint_eq(site(10)->seen_bytes, 1000);
	ck_assert_uint_eq(site(10)->freed_count, 1);
	ck_assert_uint_eq(site(10)->bursts, 1);
	ck_assert_uint_eq(site(10)->bursts_survived, 1);
	count = look_at(&blocks, 2500, 10);
	ck_assert_uint_eq(count.count, 3);
	ck_assert_uint_eq(site(10)->seen_count, 15);
	ck_assert_uint_eq(site(10)->bursts, 2);
	ck_assert_uint_eq(site(10)->bursts_survived, 2);
	/* nothing is left */
	blocks.n = 0;
	count = look_at(&blocks, 3000, 10);
	ck_assert_uint_eq(count.count, 0);
	ck_assert_uint_eq(site(10)->bursts_survived, 0);
	ck_assert_uint_eq(site(10)->bursts, 2);
	ck_assert_uint_eq(site(20)->seen_count, 0);
	pv_vec_deinit(&blocks);
	end();
}
END_TEST

/* One of a class of the C library's blocks, which rests; it may have changed before. */
static void rests(struct pv_vec *blocks, uint64_t key, uint64_t all, bool changed)
{
	struct pv_block *block;

	found(blocks, key, 0, PV_BLOCK_SAME);
	block = pv_vec_at(blocks, blocks->n - 1);
	block->domain = PV_ALLOC_C;
	block->all = all;
	block->changed = changed;
}

/* Blocks come and go at one place, at another some stay: in the end these are in all of them. */
START_TEST(others_blocks)
{
	struct pv_vec blocks = PV_VEC(struct pv_block);

	start(PV_SITE_BURST);
	seen(10, 0, 100, 0);
	seen(20, 0, 100, 0);
	ck_assert_ptr_null(pv_survey_sites_group(sites, 1000));
	for (int i = 0; i < 9; i++)
		rests(&blocks, 10, 64, true);
	for (int i = 0; i < 4; i++)
		rests(&blocks, 20, 64, false);
	/* four may be chance */
	ck_assert_uint_eq(look_at(&blocks, 1500, 10).count, 9);
	rests(&blocks, 20, 64, false);
	ck_assert_uint_eq(look_at(&blocks, 1600, 10).count, 0);
	ck_assert_uint_eq(look_at(&blocks, 1700, 20).count, 5);
	/* of another class nothing is known, nor of an object, which may change while it lives */
	rests(&blocks, 10, 640, true);
	rests(&blocks, 10, 64, true);
	((struct pv_block *)pv_vec_at(&blocks, blocks.n - 1))->type = 0x1000;
	ck_assert_uint_eq(look_at(&blocks, 1800, 10).count, 2);
	pv_vec_deinit(&blocks);
	end();
}
END_TEST

/* By whose it is; what is large has another. */
static double weight(void *ctx, enum pv_memory_domain domain, uint64_t bytes)
{
	const double *weights = ctx;

	return bytes >= 1000 ? 7 : weights[domain];
}

START_TEST(all)
{
	double weights[PV_DOMAIN_N] = { [PV_DOMAIN_OBJECT] = 1.5, [PV_DOMAIN_LIBC] = 3 };
	struct pv_vec blocks = PV_VEC(struct pv_block);

	start(PV_SITE_ALL);
	ck_assert_ptr_null(pv_survey_sites_group(sites, 1000));
	seen(20, 0, 50, 20);
	look_at(&blocks, UINT64_MAX, 20);
	seen(20, 0, 80, 60);
	look_at(&blocks, UINT64_MAX, 20);
	ck_assert_uint_eq(site(20)->seen_count, 80);
	ck_assert_uint_eq(site(20)->freed_count, 60);
	ck_assert_uint_eq(site(20)->bursts, 1);
	/* each that is kept stands for four */
	found(&blocks, 20, 0, PV_BLOCK_SAME);
	ck_assert_ptr_null(pv_survey_sites_look(
		sites, &(struct pv_memory_look){ .kind = PV_LOOK_SITES }, &blocks, UINT64_MAX, 4));
	ck_assert_uint_eq(pv_memory_site_at(memory, 2, 1).count, 4);
	ck_assert_uint_eq(pv_memory_site_at(memory, 2, 1).bytes, 256);
	pv_survey_sites_weigh(sites, weight, weights);
	ck_assert_double_eq(site(20)->weight, 3);
	pv_vec_deinit(&blocks);
	end();
}
END_TEST

/* As a census names them. */
START_TEST(blocks_that_are_no_objects)
{
	struct pv_vec blocks = PV_VEC(struct pv_block);
	const struct pv_memory_type *type;
	double weights[PV_DOMAIN_N] = { [PV_DOMAIN_OBJECT] = 10, [PV_DOMAIN_LIBC] = 4 };

	start(PV_SITE_BURST);
	ck_assert_ptr_null(pv_survey_sites_group(sites, 1000));
	found(&blocks, 10, 0, PV_BLOCK_SAME);
	found(&blocks, 20, 0, PV_BLOCK_SAME);
	((struct pv_block *)pv_vec_at(&blocks, 0))->all = 368;
	((struct pv_block *)pv_vec_at(&blocks, 1))->all = 1216;
	((struct pv_block *)pv_vec_at(&blocks, 1))->domain = PV_ALLOC_C;
	look_at(&blocks, 1500, 10);
	type = pv_vec_at(&memory->types, site(10)->type);
	ck_assert_int_eq(type->kind, PV_TYPE_POOL_BLOCK);
	ck_assert_uint_eq(type->size, 368);
	type = pv_vec_at(&memory->types, site(20)->type);
	ck_assert_int_eq(type->kind, PV_TYPE_HEAP_BLOCK);
	ck_assert_uint_eq(type->size, 1280);
	/* 1025 to 2048 in eight steps; up to 512 by eight bytes */
	ck_assert_uint_eq(pv_tally_class_below(1280), 1152);
	ck_assert_uint_eq(pv_tally_class_below(1152), 1024);
	ck_assert_uint_eq(pv_tally_class_below(48), 40);
	ck_assert_uint_eq(pv_tally_class_below(8), 0);
	/* bursts may leave out some of them for a time */
	pv_survey_sites_weigh(sites, weight, weights);
	ck_assert_double_eq(site(10)->weight, 10);
	ck_assert_double_eq(site(20)->weight, 4);
	pv_vec_deinit(&blocks);
	end();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("surveysites");
	TCase *tcase = tcase_create("surveysites");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, keys);
	tcase_add_test(tcase, groups);
	tcase_add_test(tcase, others_blocks);
	tcase_add_test(tcase, all);
	tcase_add_test(tcase, blocks_that_are_no_objects);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
