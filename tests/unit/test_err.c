/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base/err: kinds, messages, ownership.
 * Input: none.  Output: Check's report.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

START_TEST(create_formats)
{
	struct pv_err *err = pv_err_create(PV_ERR_USAGE, "no %s in %d", "x", 42);

	ck_assert_str_eq(err->message, "no x in 42");
	ck_assert_int_eq(err->kind, PV_ERR_USAGE);
	ck_assert_int_eq(err->errnum, 0);
	pv_err_destroy(err);
}
END_TEST

START_TEST(errno_gives_kind_and_reason)
{
	static const struct {
		int errnum;
		enum pv_err_kind kind;
	} cases[] = {
		{ EPERM, PV_ERR_PERMISSION }, { EACCES, PV_ERR_PERMISSION },
		{ ESRCH, PV_ERR_NOPROC },     { ENOENT, PV_ERR_FAILED },
		{ EIO, PV_ERR_FAILED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct pv_err *err = pv_err_errno(cases[i].errnum, "cannot read %d", 7);

		ck_assert_int_eq(err->kind, cases[i].kind);
		ck_assert_int_eq(err->errnum, cases[i].errnum);
		pv_err_destroy(err);
	}
}
END_TEST

START_TEST(errno_message)
{
	struct pv_err *err = pv_err_errno(ENOENT, "cannot open %s", "a");

	ck_assert_str_eq(err->message, "cannot open a: No such file or directory");
	pv_err_destroy(err);
}
END_TEST

START_TEST(enomem_is_static)
{
	struct pv_err *err = pv_err_errno(ENOMEM, "cannot map");

	ck_assert_ptr_eq(err, &pv_enomem);
	ck_assert_ptr_eq(pv_err_wrap(err, "in vain"), &pv_enomem);
	ck_assert_str_eq(err->message, "out of memory");
	pv_err_destroy(err);
	pv_err_destroy(NULL);
	ck_assert_str_eq(pv_enomem.message, "out of memory");
}
END_TEST

START_TEST(wrap_keeps_kind)
{
	struct pv_err *err = pv_err_errno(EACCES, "cannot open b");

	err = pv_err_wrap(err, "cannot watch %d", 9);
	ck_assert_str_eq(err->message, "cannot watch 9: cannot open b: Permission denied");
	ck_assert_int_eq(err->kind, PV_ERR_PERMISSION);
	ck_assert_int_eq(err->errnum, EACCES);
	pv_err_destroy(err);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("err");
	TCase *tcase = tcase_create("err");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, create_formats);
	tcase_add_test(tcase, errno_gives_kind_and_reason);
	tcase_add_test(tcase, errno_message);
	tcase_add_test(tcase, enomem_is_static);
	tcase_add_test(tcase, wrap_keeps_kind);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
