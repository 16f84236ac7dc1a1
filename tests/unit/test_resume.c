/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a function's RESUME is: bytecode as CPython 3.11 and 3.13 make it. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/layout.h"
#include "abi/probe.h"
#include "python/resume.h"
#include "target/mem.h"

enum { CODE = 0x10000, START = 200, RESUME = 149, CHECK = 207, INSTRUMENTED = 236, MAKE_CELL = 94 };

static uint8_t bytes[64];
static size_t n_bytes;

static int read_bytes(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	(void)mem;
	if (addr < CODE + START || addr + n > CODE + START + n_bytes)
		return -EFAULT;
	memcpy(dst, bytes + (addr - CODE - START), n);
	return 0;
}

static bool find(uint32_t version, const char *units, size_t n, struct pv_python_resume *ret)
{
	struct pv_mem mem = { .read = read_bytes };
	struct pv_pylayout layout = {
		.version_hex = version,
		.instr_kind = PV_INSTR_POINTER,
		.co_code_adaptive = START,
	};
	struct pv_probe_python opcodes = { .resume = { RESUME, CHECK, INSTRUMENTED } };

	memcpy(bytes, units, n);
	n_bytes = n;
	return pv_python_resume(&mem, &layout, &opcodes, CODE, ret);
}

START_TEST(first)
{
	struct pv_python_resume resume;

	ck_assert(find(0x030d00f0, "\x95\0\x09\0", 4, &resume));
	ck_assert_uint_eq(resume.at, CODE + START);
	/* a frame that has not begun stands at the first instruction itself */
	ck_assert_uint_eq(resume.begun_at, CODE + START + 2);
	ck_assert_uint_eq(resume.opcode, RESUME);
	ck_assert_uint_eq(resume.twice, RESUME);
	/* before 3.13 it stands before it */
	ck_assert(find(0x030b02f0, "\x95\0\x09\0", 4, &resume));
	ck_assert_uint_eq(resume.begun_at, CODE + START);
	ck_assert_uint_eq(resume.twice, 0);
}
END_TEST

START_TEST(behind_cells)
{
	struct pv_python_resume resume;

	ck_assert(find(0x030d00f0, "\x5e\1\x5e\2\xcf\0", 6, &resume));
	ck_assert_uint_eq(resume.at, CODE + START + 4);
	ck_assert_uint_eq(resume.opcode, CHECK);
}
END_TEST

/* Of one that goes on; none within what is looked at; none in memory that can be read; too old. */
START_TEST(none)
{
	struct pv_python_resume resume = { .at = 1 };
	struct pv_mem mem = { .read = read_bytes };
	struct pv_pylayout old = { .version_hex = 0x030a00f0, .instr_kind = PV_INSTR_LASTI_UNITS };
	struct pv_probe_python opcodes = { 0 };

	ck_assert(!find(0x030d00f0, "\x95\1\x09\0", 4, &resume));
	ck_assert(!find(0x030d00f0, "\x09\0\x09\0", 4, &resume));
	ck_assert(!pv_python_resume(&mem, &old, &opcodes, CODE, &resume));
	ck_assert_uint_eq(resume.at, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resume");
	TCase *tcase = tcase_create("resume");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, first);
	tcase_add_test(tcase, behind_cells);
	tcase_add_test(tcase, none);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
