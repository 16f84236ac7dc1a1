/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the accessors in insn/insn.h.  Input: functions as compilers made them.
 * Output: Check's report.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "insn/insn.h"

/* PyGILState_GetThisThreadState() of Debian's python3.15 */
static const uint8_t local_exec[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x64, 0x48, 0x8b,
				      0x04, 0x25, 0xd8, 0xff, 0xff, 0xff, 0xc3 };

/* The same in libpython3.15 */
static const uint8_t general_dynamic[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5,
					   0x48, 0x8d, 0x3d, 0x61, 0xa6, 0x4a, 0x00, 0xe8,
					   0x5c, 0x9d, 0xcf, 0xff, 0x5d, 0x48, 0x8b, 0x80,
					   0x28, 0x00, 0x00, 0x00, 0xc3 };

/* The same in CPython 3.6, where it looks into autoInterpreterState first */
static const uint8_t by_key[] = { 0x48, 0x83, 0x3d, 0x70, 0xa1, 0x18, 0x00, 0x00, 0x74,
				  0x0e, 0x8b, 0x3d, 0x80, 0x81, 0x13, 0x00, 0xe9, 0x4b,
				  0xa7, 0xee, 0xff, 0x0f, 0x1f, 0x00, 0x31, 0xc0, 0xc3 };

/* PyInterpreterState_Head() of CPython 2.7 */
static const uint8_t head[] = { 0x48, 0x8b, 0x05, 0xc9, 0x08, 0x0e, 0x00, 0xc3 };

START_TEST(thread_local_variables)
{
	uint64_t slot = 1;
	int64_t offset = 0;

	ck_assert(pv_insn_thread_local(local_exec, sizeof(local_exec), 0x42fa7d, &slot, &offset));
	ck_assert_uint_eq(slot, 0);
	ck_assert_int_eq(offset, -40);
	ck_assert(pv_insn_thread_local(general_dynamic, sizeof(general_dynamic), 0x3cf120, &slot,
				       &offset));
	ck_assert_uint_eq(slot, 0x879790);
	ck_assert_int_eq(offset, 0x28);
	ck_assert(!pv_insn_thread_local(by_key, sizeof(by_key), 0, &slot, &offset));
	ck_assert(!pv_insn_thread_local(head, sizeof(head), 0, &slot, &offset));
}
END_TEST

START_TEST(variables)
{
	uint64_t at;

	ck_assert(pv_insn_variable(head, sizeof(head), 0x116e00, 64, &at));
	ck_assert_uint_eq(at, 0x1f76d0);
	ck_assert(pv_insn_variable(by_key, sizeof(by_key), 0x174d70, 32, &at));
	ck_assert_uint_eq(at, 0x2acf00);
	ck_assert(!pv_insn_variable(by_key, sizeof(by_key), 0, 64, &at));
	ck_assert(!pv_insn_variable(head, sizeof(head), 0, 32, &at));
	ck_assert(!pv_insn_variable(local_exec, sizeof(local_exec), 0, 64, &at));
}
END_TEST

/* Cut off anywhere, and each byte changed in turn: an answer or none, but no crash. */
START_TEST(garbage)
{
	uint8_t code[sizeof(general_dynamic)];
	uint64_t slot;
	int64_t offset;

	for (size_t n = 0; n < sizeof(code) - 1; n++)
		ck_assert(!pv_insn_thread_local(general_dynamic, n, 0, &slot, &offset));
	for (size_t i = 0; i < 256 * sizeof(code); i++) {
		memcpy(code, general_dynamic, sizeof(code));
		code[i / 256] = (uint8_t)i;
		pv_insn_thread_local(code, sizeof(code), 0, &slot, &offset);
		pv_insn_variable(code, sizeof(code), 0, 64, &slot);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("accessor");
	Suite *suite = suite_create("accessor");
	SRunner *runner = srunner_create(suite);

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, thread_local_variables);
	tcase_add_test(tcase, variables);
	tcase_add_test(tcase, garbage);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
