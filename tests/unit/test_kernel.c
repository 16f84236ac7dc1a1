/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of symbol/kernel.h.
 * Input: files like /proc/kallsyms made here, and /proc/kallsyms itself.
 * Output: Check's report.
 */
#include <check.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbol/kernel.h"

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static bool in_thread;

static struct pv_kernel_symbols *symbols_from(const char *text)
{
	char path[] = "/tmp/pv-kernel-XXXXXX";
	int fd = mkstemp(path);
	struct pv_kernel_symbols *symbols = NULL;
	const char *name;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	ok(pv_kernel_symbols_create(path, &symbols));
	if (in_thread)
		ok(pv_kernel_symbols_begin(symbols));
	pv_kernel_symbol_at(symbols, 0, &name); /* loads it */
	unlink(path);
	return symbols;
}

static void expect(struct pv_kernel_symbols *symbols, uint64_t addr, const char *expected)
{
	const char *name = NULL;
	bool found = pv_kernel_symbol_at(symbols, addr, &name);

	if (!expected)
		ck_assert_msg(!found, "%lx is %s", (unsigned long)addr, name);
	else
		ck_assert_msg(found && strcmp(name, expected) == 0, "%lx is %s, not %s",
			      (unsigned long)addr, name, expected);
}

START_TEST(text_modules_and_programs)
{
	struct pv_kernel_symbols *symbols;

	in_thread = _i;
	symbols = symbols_from("0000000000000000 A fixed_percpu_data\n"
			       "ffffffff81000000 T _stext\n"
			       "ffffffff81001000 t helper\n"
			       "ffffffff81001100 D some_data\n"
			       "ffffffff81001ff0 t __pfx_schedule\n"
			       "ffffffff81002000 T schedule\n"
			       "ffffffff81002100 W weak_one\n"
			       "ffffffff81002200 r table\n"
			       "ffffffffc0300000 t ext4_read\t[ext4]\n"
			       "ffffffffc0100000 t bpf_prog_6deef7357e7b4530_on_sample\t[bpf]\n");

	expect(symbols, 0, NULL);
	expect(symbols, 0xffffffff80ffffff, NULL);
	expect(symbols, 0xffffffff81000000, "_stext");
	expect(symbols, 0xffffffff81000fff, "_stext");
	expect(symbols, 0xffffffff81001000, "helper");
	expect(symbols, 0xffffffff81001200, "helper");
	expect(symbols, 0xffffffff81001ff8, "helper"); /* padding is no function */
	expect(symbols, 0xffffffff81002000, "schedule");
	expect(symbols, 0xffffffff810020ff, "schedule");
	expect(symbols, 0xffffffff81002300, "weak_one");
	expect(symbols, 0xffffffffc00fffff, NULL);
	expect(symbols, 0xffffffffc0100010, "bpf_prog_6deef7357e7b4530_on_sample");
	expect(symbols, 0xffffffffc0300001, "ext4_read");
	expect(symbols, UINT64_MAX, NULL);
	pv_kernel_symbols_destroy(symbols);
	pv_kernel_symbols_destroy(NULL);
}
END_TEST

START_TEST(aliases_do_not_depend_on_their_order)
{
	static const char *const lines[] = { "1000 t a\n", "1000 T __sys_x\n", "1000 T sys_xyz\n",
					     "1000 T sys_x\n", "1000 T sys_y\n" };

	for (size_t shift = 0; shift < 5; shift++) {
		char text[256] = "";

		for (size_t i = 0; i < 5; i++)
			strcat(text, lines[(i + shift) % 5]);
		struct pv_kernel_symbols *symbols = symbols_from(text);

		expect(symbols, 0x1004, "sys_x");
		pv_kernel_symbols_destroy(symbols);
	}
}
END_TEST

START_TEST(hidden_absent_and_damaged)
{
	struct pv_kernel_symbols *symbols = symbols_from("0000000000000000 T _stext\n"
							 "0000000000000000 T schedule\n");

	expect(symbols, 0, NULL);
	expect(symbols, 0xffffffff81000000, NULL);
	pv_kernel_symbols_destroy(symbols);
	ok(pv_kernel_symbols_create("/nonexistent/kallsyms", &symbols));
	expect(symbols, 0xffffffff81000000, NULL);
	pv_kernel_symbols_destroy(symbols);
	symbols = symbols_from("");
	expect(symbols, 1, NULL);
	pv_kernel_symbols_destroy(symbols);
	symbols = symbols_from("\nx\n1000\n1000 T\n1000 T \n1000 Tname\n2000 T good");
	expect(symbols, 0x1800, NULL);
	expect(symbols, 0x2000, "good");
	pv_kernel_symbols_destroy(symbols);
}
END_TEST

static size_t heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* The truth is the line of kallsyms itself. */
START_TEST(this_kernel)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	struct pv_kernel_symbols *symbols = NULL;
	unsigned long addr, schedule = 0;
	char type, name[512], line[1024];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx %c %511s", &addr, &type, name) == 3 && type == 'T' &&
		    strcmp(name, "schedule") == 0)
			schedule = addr;
	}
	if (file)
		fclose(file);
	if (!schedule) {
		printf("skip: this_kernel: its addresses are hidden\n");
		return;
	}
	size_t before = heap_bytes();

	ok(pv_kernel_symbols_create(NULL, &symbols));
	expect(symbols, schedule + 1, "schedule");
	expect(symbols, 0x400000, NULL);
	expect(symbols, 0x7fffffffffff, NULL);
	/* zero under ASan, which has another allocator */
	ck_assert_uint_lt(heap_bytes() - before, 6 << 20);
	pv_kernel_symbols_destroy(symbols);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel");
	TCase *tcase = tcase_create("kernel");

	tcase_add_loop_test(tcase, text_modules_and_programs, 0, 2);
	tcase_add_test(tcase, aliases_do_not_depend_on_their_order);
	tcase_add_test(tcase, hidden_absent_and_damaged);
	tcase_add_test(tcase, this_kernel);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
