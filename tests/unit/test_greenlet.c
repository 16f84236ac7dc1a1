/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which module exchanges stacks.  Input: paths as wheels and distributions have them.
 * Output: Check's report.
 */
#include <check.h>
#include <stdlib.h>

#include "snap/image.h"

START_TEST(modules_that_exchange_stacks)
{
	static const char *const yes[] = {
		"/usr/lib/python3/dist-packages/greenlet/"
		"_greenlet.cpython-311-x86_64-linux-gnu.so",
		"/venv/lib/python3.10/site-packages/greenlet/_greenlet.abi3.so",
		/* 0.4 */
		"/venv/lib/python3.8/site-packages/greenlet.cpython-38-x86_64-linux-gnu.so",
		"/usr/lib/python2.7/dist-packages/greenlet.so",
		"/usr/lib/python2.7/dist-packages/greenlet.x86_64-linux-gnu.so",
	};

	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		ck_assert_msg(pv_image_is_greenlet(yes[i]), "%s", yes[i]);
}
END_TEST

START_TEST(others)
{
	static const char *const no[] = {
		"/venv/lib/python3.7/site-packages/gevent/"
		"_greenlet.cpython-37m-x86_64-linux-gnu.so",
		"/venv/lib/python3.7/site-packages/gevent/greenlet.cpython-37m-x86_64-linux-gnu.so",
		"/venv/lib/python3.11/site-packages/gevent/"
		"_gevent_cgreenlet.cpython-311-x86_64-linux-gnu.so",
		"/venv/lib/python3.11/site-packages/greenlet/tests/"
		"_test_extension.cpython-311-x86_64-linux-gnu.so",
		"/srv/greenlet/core.so",
		"/usr/lib/libgreenlet.so",
		"/usr/lib/greenlet.py",
		"/usr/bin/greenlet",
		"greenlet.so",
		"[vdso]",
		"",
	};

	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		ck_assert_msg(!pv_image_is_greenlet(no[i]), "%s", no[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("greenlet");
	TCase *tcase = tcase_create("greenlet");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, modules_that_exchange_stacks);
	tcase_add_test(tcase, others);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
