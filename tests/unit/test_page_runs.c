/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages there are: as the kernel scans for them, and as pagemap has them. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target/populated.h"

enum { PAGES = 700, RUNS = 400, PAGE = 4096 };

static char *area;
static bool there[PAGES];

static void setup(void)
{
	area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(area, MAP_FAILED);
	madvise(area, PAGES * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < PAGES; i++) {
		there[i] = i % 7 == 3 || i % 7 == 4 || i > PAGES - 20;
		if (there[i])
			area[i * PAGE] = 1;
	}
}

static void teardown(void)
{
	munmap(area, PAGES * PAGE);
}

/* All of the area, so many pages and runs at a time. */
static void check_runs(int fd, size_t n_pages, size_t max)
{
	struct pv_page_run runs[RUNS];
	uint64_t start = (uintptr_t)area, end = start + PAGES * PAGE, at = start;
	bool seen[PAGES] = { false };

	while (at < end) {
		uint64_t to;
		size_t n;

		pv_page_runs_read(fd, at, end, n_pages, runs, max, &n, &to);
		ck_assert_uint_gt(to, at);
		ck_assert_uint_le(to, end);
		ck_assert_uint_le(n, max);
		for (size_t i = 0; i < n; i++) {
			ck_assert_uint_ge(runs[i].start, i ? runs[i - 1].end + PAGE : at);
			ck_assert_uint_le(runs[i].end, to);
			for (uint64_t page = runs[i].start; page < runs[i].end; page += PAGE)
				seen[(page - start) / PAGE] = true;
		}
		at = to;
	}
	ck_assert(!memcmp(seen, there, sizeof(there)));
}

static void check_all(int fd)
{
	check_runs(fd, 10000, RUNS);
	check_runs(fd, 10, RUNS);
	check_runs(fd, 10000, 3);
	check_runs(fd, 1, 1);
}

START_TEST(own)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);

	ck_assert_int_ge(fd, 0);
	check_all(fd);
	close(fd);
}
END_TEST

/* A file has no such call: it is read as pagemap is by an older kernel. */
START_TEST(by_entries)
{
	uint64_t first = (uintptr_t)area / PAGE, entry;
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	for (int i = 0; i < PAGES; i++) {
		/* present, swapped, or a page of a file that is not there */
		entry = there[i] ? 1ULL << (i % 2 ? 63 : 62) : 1ULL << 61;
		ck_assert_int_eq(pwrite(fileno(file), &entry, sizeof(entry),
					(off_t)((first + (uint64_t)i) * sizeof(entry))),
				 sizeof(entry));
	}
	check_all(fileno(file));
	fclose(file);
}
END_TEST

/* What cannot be read is not there, and has an end. */
START_TEST(nothing)
{
	struct pv_page_run runs[4];
	uint64_t start = (uintptr_t)area, to;
	size_t n;

	pv_page_runs_read(-1, start, start + 5 * PAGE, 100, runs, 4, &n, &to);
	ck_assert_uint_eq(n, 0);
	ck_assert_uint_gt(to, start);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("page_runs");
	TCase *tcase = tcase_create("page_runs");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, own);
	tcase_add_test(tcase, by_entries);
	tcase_add_test(tcase, nothing);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
