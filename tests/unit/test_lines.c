/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of python/lines.h against CPython's own answers.
 * Input: fixtures/lines/ (tools/gen-lines-fixture), or the files named as arguments.
 * Output: Check's report; with arguments, counts and the first mismatches.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/event.h"
#include "python/lines.h"

struct counts {
	unsigned long codes, offsets, no_line, wrong;
};

struct table {
	enum pv_linetable_kind kind;
	uint8_t *bytes;
	size_t n;
	uint32_t firstlineno;
};

static void parse_code(struct table *table, char *text)
{
	char *hex = strchr(text, ' ') + 1;
	size_t n = strcspn(hex, " \n");

	table->firstlineno = (uint32_t)strtoul(text, NULL, 10);
	free(table->bytes);
	/* Exactly as large as the table, so that ASan sees a read beyond it. */
	table->n = *hex == '-' ? 0 : n / 2;
	table->bytes = malloc(table->n);
	for (size_t i = 0; i < table->n; i++) {
		unsigned int byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			abort();
		table->bytes[i] = (uint8_t)byte;
	}
}

static void check_lines(const struct table *table, const char *text, struct counts *counts)
{
	char *at;
	uint32_t end = (uint32_t)strtoul(text, &at, 10), offset, next;
	int line, step = table->kind == PV_LINES_LNOTAB_UNSIGNED ? 1 : 2;

	counts->codes++;
	while (*at == ' ') {
		offset = (uint32_t)strtoul(at, &at, 10);
		line = (int)strtol(at + 1, &at, 10);
		next = *at == ' ' ? (uint32_t)strtoul(at, NULL, 10) : end;
		for (; offset < next; offset += (uint32_t)step) {
			int got = pv_python_line(table->kind, table->bytes, table->n,
						 table->firstlineno, offset);

			counts->offsets++;
			counts->no_line += line == -1;
			if (got != line && counts->wrong++ < 10)
				fprintf(stderr, "kind %d first %u offset %u: %d, not %d\n",
					(int)table->kind, table->firstlineno, offset, got, line);
		}
	}
}

static void check_file(const char *path, struct counts *counts)
{
	FILE *file = fopen(path, "r");
	struct table table = { 0 };
	char *text = NULL;
	size_t size = 0;

	/* No ck_assert here: it also runs outside of Check. */
	if (!file) {
		perror(path);
		abort();
	}
	while (getline(&text, &size, file) > 0) {
		if (strncmp(text, "kind ", 5) == 0)
			table.kind = (enum pv_linetable_kind)atoi(text + 5);
		else if (strncmp(text, "code ", 5) == 0)
			parse_code(&table, text + 5);
		else if (strncmp(text, "lines ", 6) == 0)
			check_lines(&table, text + 6, counts);
	}
	free(text);
	free(table.bytes);
	fclose(file);
}

START_TEST(equals_cpython)
{
	const char *fixtures = getenv("PV_FIXTURES");
	char folder[4096], path[8192];
	struct counts counts = { 0 };
	unsigned int files = 0;
	struct dirent *entry;

	snprintf(folder, sizeof(folder), "%s/lines", fixtures ? fixtures : "tests/fixtures");
	DIR *dir = opendir(folder);

	ck_assert_msg(dir != NULL, "%s: %s", folder, strerror(errno));
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		check_file(path, &counts);
		files++;
	}
	closedir(dir);
	ck_assert_uint_ge(files, 6);
	ck_assert_uint_ge(counts.offsets, 5000);
	ck_assert_uint_ge(counts.no_line, 10);
	ck_assert_uint_eq(counts.wrong, 0);
}
END_TEST

/* By hand from Objects/lnotab_notes.txt: bpo-26107 made the line increment signed. */
START_TEST(lnotab_sign)
{
	static const uint8_t table[] = { 2, 1, 2, 0xfe };

	ck_assert_int_eq(pv_python_line(PV_LINES_LNOTAB, table, 4, 10, 0), 10);
	ck_assert_int_eq(pv_python_line(PV_LINES_LNOTAB, table, 4, 10, 2), 11);
	ck_assert_int_eq(pv_python_line(PV_LINES_LNOTAB, table, 4, 10, 4), 9);
	ck_assert_int_eq(pv_python_line(PV_LINES_LNOTAB_UNSIGNED, table, 4, 10, 4), 265);
	ck_assert_int_eq(pv_python_line(PV_LINES_LNOTAB, table, 3, 10, 4), 11);
}
END_TEST

/* By hand from PEP 626: -128 is "no line" and leaves the running line alone. */
START_TEST(pep626_gap)
{
	static const uint8_t table[] = { 4, 2, 4, 0x80, 4, 1 };

	ck_assert_int_eq(pv_python_line(PV_LINES_PEP626, table, 6, 10, 2), 12);
	ck_assert_int_eq(pv_python_line(PV_LINES_PEP626, table, 6, 10, 4), -1);
	ck_assert_int_eq(pv_python_line(PV_LINES_PEP626, table, 6, 10, 8), 13);
	ck_assert_int_eq(pv_python_line(PV_LINES_PEP626, table, 6, 10, 12), -1);
}
END_TEST

/* By hand from Objects/locations.md: codes 13 (+70, -1), 15 and 11. */
START_TEST(locations_codes)
{
	static const uint8_t table[] = { 0xe8, 0x4c, 0x02, 0xf9, 0xe8, 0x03, 0xd8, 0, 9 };

	ck_assert_int_eq(pv_python_line(PV_LINES_LOCATIONS, table, 9, 10, 0), 80);
	ck_assert_int_eq(pv_python_line(PV_LINES_LOCATIONS, table, 9, 10, 2), -1);
	ck_assert_int_eq(pv_python_line(PV_LINES_LOCATIONS, table, 9, 10, 4), -1);
	ck_assert_int_eq(pv_python_line(PV_LINES_LOCATIONS, table, 9, 10, 6), 79);
	ck_assert_int_eq(pv_python_line(PV_LINES_LOCATIONS, table, 9, 10, 8), 80);
	ck_assert_int_eq(pv_python_line(PV_LINES_LOCATIONS, table, 9, 10, 10), -1);
}
END_TEST

START_TEST(not_started)
{
	for (int kind = 0; kind <= PV_LINES_LOCATIONS; kind++) {
		ck_assert_int_eq(pv_python_line(kind, NULL, 0, 7, PV_LASTI_NONE), 7);
		ck_assert_int_eq(pv_python_line(kind, NULL, 0, 0x80000000, PV_LASTI_NONE), -1);
	}
}
END_TEST

/* Never a number that is no line, whatever the bytes. */
START_TEST(damaged)
{
	uint8_t table[512];
	uint32_t seed = 1;

	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)round % sizeof(table);

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1664525 + 1013904223;
			table[i] = (uint8_t)(seed >> 24) | (i % 7 ? 0 : 0x80);
		}
		ck_assert_int_ge(pv_python_line(round % 4, table, n, seed, seed >> 20), -1);
	}
	memset(table, 0x7f, sizeof(table));
	table[0] = 0xe8; /* an endless varint */
	ck_assert_int_ge(pv_python_line(PV_LINES_LOCATIONS, table, sizeof(table), 1, 0), -1);
	ck_assert_int_eq(pv_python_line(PV_LINES_LOCATIONS, table + 1, 8, 1, 0), -1);
}
END_TEST

static int check_arguments(int argc, char **argv)
{
	struct counts counts = { 0 };

	for (int i = 1; i < argc; i++)
		check_file(argv[i], &counts);
	printf("%lu code objects, %lu offsets (%lu without a line), %lu wrong\n", counts.codes,
	       counts.offsets, counts.no_line, counts.wrong);
	return counts.wrong != 0 || counts.offsets == 0;
}

int main(int argc, char **argv)
{
	TCase *tcase = tcase_create("lines");
	Suite *suite = suite_create("lines");
	SRunner *runner = srunner_create(suite);

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, equals_cpython);
	tcase_add_test(tcase, lnotab_sign);
	tcase_add_test(tcase, pep626_gap);
	tcase_add_test(tcase, locations_codes);
	tcase_add_test(tcase, not_started);
	tcase_add_test(tcase, damaged);
	if (argc > 1) {
		srunner_free(runner);
		return check_arguments(argc, argv);
	}
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
