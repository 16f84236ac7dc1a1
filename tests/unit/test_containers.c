/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base/vec, base/map, base/index, base/str.
 * Input: none; a plain array is the model that the map is compared with.
 * Output: Check's report.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../quiet_check.h"
#include "base/index.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

START_TEST(vec_appends_and_grows)
{
	struct pv_vec vec = PV_VEC(uint32_t);
	uint32_t *first;

	for (uint32_t i = 0; i < 1000; i++) {
		ok(pv_vec_append(&vec, &i, 1, &first));
		ck_assert_ptr_eq(first, pv_vec_at(&vec, i));
	}
	ck_assert_uint_eq(vec.n, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(*(uint32_t *)pv_vec_at(&vec, i), i);
	ok(pv_vec_append(&vec, NULL, 3, &first));
	ck_assert_uint_eq(first[0] | first[1] | first[2], 0);
	ck_assert_uint_eq(vec.n, 1003);
	pv_vec_deinit(&vec);
	ck_assert_uint_eq(vec.n, 0);
	pv_vec_deinit(&vec);
}
END_TEST

START_TEST(vec_refuses_overflow)
{
	struct pv_vec vec = PV_VEC(uint64_t);
	uint64_t one = 1;

	ok(pv_vec_append(&vec, &one, 1, NULL));
	ck_assert_ptr_eq(pv_vec_reserve(&vec, SIZE_MAX), &pv_enomem);
	ck_assert_ptr_eq(pv_vec_reserve(&vec, SIZE_MAX / 8), &pv_enomem);
	ck_assert_ptr_eq(pv_vec_reserve(&vec, SIZE_MAX / 2 + 1), &pv_enomem);
	ck_assert_uint_eq(vec.n, 1);
	ck_assert_uint_eq(*(uint64_t *)pv_vec_at(&vec, 0), 1);
	pv_vec_deinit(&vec);
}
END_TEST

START_TEST(vec_nothing)
{
	struct pv_vec vec = PV_VEC(uint64_t);

	ok(pv_vec_append(&vec, NULL, 0, NULL));
	ck_assert_uint_eq(vec.n, 0);
	pv_vec_deinit(&vec);
}
END_TEST

START_TEST(map_empty)
{
	struct pv_map map = { 0 };
	uint64_t value = 77;

	ck_assert(!pv_map_get(&map, 0, &value));
	ck_assert_uint_eq(value, 77);
	pv_map_remove(&map, 0);
	pv_map_deinit(&map);
}
END_TEST

START_TEST(map_extreme_keys)
{
	struct pv_map map = { 0 };
	uint64_t value;

	ok(pv_map_set(&map, 0, UINT64_MAX));
	ok(pv_map_set(&map, UINT64_MAX, 0));
	ok(pv_map_set(&map, 0, 5));
	ck_assert_uint_eq(map.n, 2);
	ck_assert(pv_map_get(&map, 0, &value));
	ck_assert_uint_eq(value, 5);
	ck_assert(pv_map_get(&map, UINT64_MAX, &value));
	ck_assert_uint_eq(value, 0);
	pv_map_deinit(&map);
}
END_TEST

/* 300,000 random insertions and removals over few keys, so that clusters form and break. */
START_TEST(map_equals_model)
{
	enum { KEYS = 512 };
	static uint64_t model[KEYS]; /* 0 = absent */
	struct pv_map map = { 0 };
	uint64_t seed = 12345, value;
	size_t n = 0;

	for (uint64_t step = 1; step <= 300000; step++) {
		uint64_t key;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		key = (seed >> 33) % KEYS;
		if (seed >> 63) {
			n += !model[key];
			model[key] = step;
			ok(pv_map_set(&map, key, step));
		} else {
			n -= !!model[key];
			model[key] = 0;
			pv_map_remove(&map, key);
		}
		ck_assert_uint_eq(map.n, n);
		if (step % 1000)
			continue;
		for (uint64_t k = 0; k < KEYS; k++) {
			ck_assert_int_eq(pv_map_get(&map, k, &value), !!model[k]);
			if (model[k])
				ck_assert_uint_eq(value, model[k]);
		}
	}
	pv_map_deinit(&map);
}
END_TEST

/* Elements that are their own places; equal halves of hashes are kept apart by the caller. */
START_TEST(index_equals_model)
{
	enum { ELEMENTS = 3000 };
	struct pv_index index = { 0 };
	uint32_t found;

	for (uint32_t i = 0; i < ELEMENTS; i++) {
		/* few upper halves, so that they collide; all lower ones */
		uint64_t hash = (uint64_t)(i % 100) << 32 | i;
		size_t at = pv_index_start(&index, hash);
		uint32_t n = 0;

		while (pv_index_next(&index, hash, &at, &found)) {
			ck_assert_uint_eq(found % 100, i % 100);
			ck_assert_uint_lt(found, i);
			n++;
		}
		ck_assert_uint_eq(n, i / 100);
		ok(pv_index_add(&index, hash, i));
		ck_assert_uint_eq(index.n, i + 1);
	}
	pv_index_deinit(&index);
	ck_assert(!pv_index_next(&index, 7, &(size_t){ 0 }, &found));
	/* the largest place, and a hash that is 0 */
	ok(pv_index_add(&index, 0, UINT32_MAX - 1));
	ck_assert(pv_index_next(&index, 0, &(size_t){ 0 }, &found));
	ck_assert_uint_eq(found, UINT32_MAX - 1);
	pv_index_deinit(&index);
}
END_TEST

START_TEST(hash_of_bytes)
{
	const char text[] = "abcdefghijklmnopqrstuvwxyz";
	char shifted[40];

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		ck_assert_uint_ne(pv_hash_bytes(text, n), pv_hash_bytes(text, n + 1));
		memcpy(shifted + n % 8, text, n);
		ck_assert_uint_eq(pv_hash_bytes(text, n), pv_hash_bytes(shifted + n % 8, n));
	}
	/* Length counts: a tail of zeroes is not padding. */
	ck_assert_uint_ne(pv_hash_bytes("a", 1), pv_hash_bytes("a\0", 2));
}
END_TEST

START_TEST(str_builds)
{
	struct pv_str str = { 0 };

	ck_assert_str_eq(pv_str_text(&str), "");
	ok(pv_str_append(&str, "abc", 2));
	ok(pv_str_appendf(&str, "%d-%s", 7, "x"));
	ck_assert_str_eq(pv_str_text(&str), "ab7-x");
	ck_assert_uint_eq(str.n, 5);
	pv_str_clear(&str);
	ck_assert_str_eq(pv_str_text(&str), "");
	for (int i = 0; i < 1000; i++)
		ok(pv_str_appendf(&str, "%010d", i));
	ck_assert_uint_eq(str.n, 10000);
	ck_assert_uint_eq(strlen(str.data), 10000);
	ck_assert_str_eq(str.data + 9990, "0000000999");
	pv_str_deinit(&str);
	ck_assert_ptr_eq(pv_str_append(&str, "", SIZE_MAX), &pv_enomem);
	pv_str_deinit(&str);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("containers");
	TCase *tcase = tcase_create("containers");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, vec_appends_and_grows);
	tcase_add_test(tcase, vec_refuses_overflow);
	tcase_add_test(tcase, vec_nothing);
	tcase_add_test(tcase, map_empty);
	tcase_add_test(tcase, map_extreme_keys);
	tcase_add_test(tcase, map_equals_model);
	tcase_add_test(tcase, index_equals_model);
	tcase_add_test(tcase, hash_of_bytes);
	tcase_add_test(tcase, str_builds);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
