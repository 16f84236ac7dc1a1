/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of native code, of this very program; and patterns of stacks. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "elf/elf.h"
#include "session/nextalloc.h"
#include "symbol/lines.h"

#include "stacks.h"

extern char __executable_start;

static volatile int counted;

/* As an extension at -O2 has it: code of Python's headers within a function. */
static inline __attribute__((always_inline)) void Py_INCREF(volatile int *count)
{
	*count += 1;
}

enum { FIRST_LINE = __LINE__ + 1 };
static __attribute__((noinline)) int counts(int n)
{
	for (int i = 0; i < n; i++)
		Py_INCREF(&counted);
	return counted;
}
enum { LAST_LINE = __LINE__ };

static uint64_t vaddr_of(const void *code)
{
	return (uint64_t)((const char *)code - &__executable_start);
}

static struct pv_elf *open_self(void)
{
	struct pv_elf *elf;

	ok(pv_elf_open(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), &elf));
	return elf;
}

struct seen {
	struct pv_lines *lines;
	uint64_t last;
	size_t n, n_helped;
};

static bool on_row(void *ctx, uint64_t vaddr, const char *file, uint32_t line)
{
	struct seen *seen = ctx;
	struct pv_line found;
	bool known;

	(void)file;
	(void)line;
	ok(pv_lines_at(seen->lines, vaddr, &found, &known));
	ck_assert(known);
	ck_assert_str_eq(found.function, "counts");
	ck_assert_uint_ge(found.line, FIRST_LINE);
	ck_assert_uint_le(found.line, LAST_LINE);
	ck_assert_str_eq(strrchr(found.file, '/') + 1, "test_native_lines.c");
	seen->n_helped += found.helper && !strcmp(found.helper, "Py_INCREF");
	seen->n++;
	return true;
}

START_TEST(a_helper_stands_for_its_caller)
{
	struct pv_elf *elf = open_self();
	struct seen seen = { 0 };
	uint64_t start = vaddr_of((void *)counts);
	struct pv_elf_symbol symbol;
	bool known;

	ck_assert_int_gt(counts(1), 0);
	ok(pv_lines_create(elf, "/proc/self/exe", "", &seen.lines));
	ok(pv_lines_known(seen.lines, &known));
	ck_assert(known);
	ck_assert(pv_elf_find_symbol(elf, "counts", &symbol));
	ck_assert_uint_eq(symbol.vaddr, start);
	ok(pv_lines_rows(seen.lines, start, start + symbol.size, on_row, &seen));
	ck_assert_uint_gt(seen.n, 1);
	ck_assert_uint_gt(seen.n_helped, 0);
	pv_lines_destroy(seen.lines);
	pv_elf_close(elf);
}
END_TEST

static bool none(void *ctx, uint64_t vaddr, const char *file, uint32_t line)
{
	(void)ctx;
	(void)vaddr;
	(void)file;
	(void)line;
	ck_abort_msg("there is no code there");
	return false;
}

START_TEST(what_is_no_code_has_no_line)
{
	struct pv_elf *elf = open_self();
	struct pv_lines *lines;
	struct pv_line found;
	bool known;

	ok(pv_lines_create(elf, "/proc/self/exe", "", &lines));
	ok(pv_lines_at(lines, 0, &found, &known));
	ck_assert(!known);
	ok(pv_lines_at(lines, UINT64_MAX, &found, &known));
	ck_assert(!known);
	ok(pv_lines_rows(lines, UINT64_MAX - 16, UINT64_MAX, none, NULL));
	pv_lines_destroy(lines);
	pv_elf_close(elf);
}
END_TEST

START_TEST(helpers)
{
	ck_assert(pv_lines_is_helper("Py_INCREF"));
	ck_assert(pv_lines_is_helper("_Py_atomic_add_ssize"));
	ck_assert(!pv_lines_is_helper("Py_INCREFS"));
	ck_assert(!pv_lines_is_helper("PyTuple_New"));
}
END_TEST

START_TEST(patterns)
{
	static const char stack[] = "main (app.py:1);handle (app.py:41);array_argsort (multi.so)";

	ck_assert(pv_next_matches(stack, "app.py:41"));
	ck_assert(!pv_next_matches(stack, "app.py:4"));
	ck_assert(pv_next_matches(stack, "app.py:1"));
	ck_assert(pv_next_matches(stack, "handle"));
	ck_assert(pv_next_matches(stack, "handle (app.py:41);array_argsort"));
	ck_assert(!pv_next_matches(stack, "array_argsort (multi.so);handle"));
	ck_assert(pv_next_matches(stack, "*handle*argsort*"));
	ck_assert(!pv_next_matches(stack, "handle*"));
	ck_assert(!pv_next_matches("", "x"));
}
END_TEST

/* What times of watching cost stays below the budget on the mean; one without a budget is no
 * division by 0. */
START_TEST(gaps)
{
	uint64_t now = 1000, spent = 0;

	for (uint64_t i = 1; i <= 100; i++) {
		spent += i * 1000;
		now = pv_next_due(now, i * 1000, 0.25);
		ck_assert_uint_ge(now - 1000, 4 * spent);
	}
	ck_assert_uint_eq(now - 1000, 4 * spent);
	ck_assert_uint_eq(pv_next_due(7, 0, 0.25), 7);
	ck_assert_uint_eq(pv_next_due(0, 1000, 0), 1000000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("native_lines");
	TCase *tcase = tcase_create("native_lines");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_helper_stands_for_its_caller);
	tcase_add_test(tcase, what_is_no_code_has_no_line);
	tcase_add_test(tcase, helpers);
	tcase_add_test(tcase, patterns);
	tcase_add_test(tcase, gaps);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
