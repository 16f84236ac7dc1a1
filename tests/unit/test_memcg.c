/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory control groups still give, by files as the kernel writes them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/memcg.h"

static char top[64];

static void put(const char *group, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s%s", top, group);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s%s/%s", top, group, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void setup(void)
{
	snprintf(top, sizeof(top), "/tmp/pv-memcg-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", top);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(second_version)
{
	ck_assert_uint_eq(pv_memcg_room_at(top, "/none", 0), UINT64_MAX);
	put("/a", "memory.max", "1000\n");
	put("/a", "memory.current", "900\n");
	put("/a/b", "memory.max", "max\n");
	put("/a/b", "memory.current", "800\n");
	/* that of the group above counts, too */
	ck_assert_uint_eq(pv_memcg_room_at(top, "/a/b", 0), 100);
	put("/a/b", "memory.max", "850\n");
	ck_assert_uint_eq(pv_memcg_room_at(top, "/a/b", 0), 50);
	/* files can go */
	put("/a/b", "memory.stat", "anon 1\nfile 700\ninactive_file 10\nactive_file 20\n");
	ck_assert_uint_eq(pv_memcg_room_at(top, "/a/b", 0), 80);
	put("/a/b", "memory.current", "900\n");
	put("/a/b", "memory.stat", "inactive_file 0\n");
	ck_assert_uint_eq(pv_memcg_room_at(top, "/a/b", 0), 0);
	put("/a/b", "memory.stat", "inactive_file 100000\n");
	ck_assert_uint_eq(pv_memcg_room_at(top, "/a/b", 0), 100);
	ck_assert_uint_eq(pv_memcg_room_at(top, "/../a", 0), UINT64_MAX);
}
END_TEST

START_TEST(first_version)
{
	put("/a", "memory.limit_in_bytes", "9223372036854771712\n");
	put("/a", "memory.usage_in_bytes", "900\n");
	ck_assert_uint_eq(pv_memcg_room_at(top, "/a", 1), 9223372036854771712ULL - 900);
	put("/a", "memory.limit_in_bytes", "1000\n");
	put("/a", "memory.stat", "inactive_file 7\ntotal_inactive_file 10\ntotal_active_file 5\n");
	ck_assert_uint_eq(pv_memcg_room_at(top, "/a", 1), 115);
	ck_assert_uint_eq(pv_memcg_room_at(top, "/a", 0), UINT64_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memcg");
	TCase *tcase = tcase_create("memcg");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, second_version);
	tcase_add_test(tcase, first_version);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
