/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd/outputs and cmd/filename: what is written when one of several outputs cannot be,
 * and what a file is called that was not named.
 * Input: a scratch directory, /dev/full, names of any bytes.  Output: Check's report.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/str.h"
#include "cmd/filename.h"
#include "cmd/outputs.h"
#include "model/trace.h"
#include "out/folded.h"
#include "out/format.h"

#include "stacks.h"

static char dir[64];

static void setup(void)
{
	strcpy(dir, "/tmp/pv-test-outputs-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static void expect_file(const char *path, const char *text)
{
	char content[64] = "";
	FILE *file = fopen(path, "r");

	ck_assert_msg(file != NULL, "%s", path);
	ck_assert_uint_eq(fread(content, 1, sizeof(content) - 1, file), strlen(text));
	ck_assert_str_eq(content, text);
	fclose(file);
}

static void expect_paths(const struct pv_outputs *outputs, const char *const *paths, size_t n)
{
	ck_assert_uint_eq(outputs->paths.n, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_str_eq(pv_outputs_paths(outputs)[i], paths[i]);
}

static void expect_error(struct pv_err *err, int errnum, const char *says)
{
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->errnum, errnum);
	ck_assert_msg(strstr(err->message, says) != NULL, "%s", err->message);
	pv_err_destroy(err);
}

START_TEST(all_are_written)
{
	static const char *const paths[] = { "a.folded", "b.folded" };
	struct pv_profile *p = profile_of(10);
	struct pv_outputs outputs;

	add(p, 7, "p f /a.py 1");
	pv_outputs_init(&outputs);
	for (size_t i = 0; i < 2; i++)
		ok(pv_outputs_add(&outputs, paths[i], NULL));
	ok(pv_outputs_write(&outputs, p, false));
	expect_paths(&outputs, paths, 2);
	expect_file("a.folded", "f (a.py:1) 7\n");
	expect_file("b.folded", "f (a.py:1) 7\n");
	pv_outputs_deinit(&outputs);
	pv_profile_destroy(p);
}
END_TEST

/* At its commit: a device that is full, wherever it stands among the others. */
START_TEST(one_that_fails_is_no_loss_of_the_others)
{
	const char *const written[] = { "a.folded", "b.folded" };
	struct pv_profile *p = profile_of(10);
	struct pv_outputs outputs;

	add(p, 7, "p f /a.py 1");
	pv_outputs_init(&outputs);
	for (int i = 0; i < 3; i++)
		ok(pv_outputs_add(&outputs, i == _i ? "/dev/full" : written[i - (i > _i)],
				  &pv_format_folded));
	expect_error(pv_outputs_write(&outputs, p, false), ENOSPC, "/dev/full");
	expect_paths(&outputs, written, 2);
	expect_file("a.folded", "f (a.py:1) 7\n");
	expect_file("b.folded", "f (a.py:1) 7\n");
	pv_outputs_deinit(&outputs);
	pv_profile_destroy(p);
}
END_TEST

/* The same endings, another table. */
START_TEST(traces_are_written)
{
	static const char *const paths[] = { "a.folded", "a.txt" };
	struct pv_loc loc = { .line = 7 };
	struct pv_outputs outputs;
	struct pv_trace *trace;
	uint32_t id;

	ok(pv_trace_create(&trace));
	loc.function = string_of(trace->profile, "f");
	loc.file = string_of(trace->profile, "/a.py");
	ok(pv_profile_loc(trace->profile, &loc, &trace->function));
	ok(pv_trace_begin(trace, &(struct pv_execution){ .number = 1 }));
	ok(pv_trace_add(trace, &(struct pv_call){ .end_ns = 12 }, PV_CALL_NONE, &id));
	/* of a thread */
	ok(pv_profile_process(trace->profile, &(struct pv_profile_process){ .pid = 7 }, &id));
	ok(pv_profile_thread(trace->profile, id, 7, "main", &id));
	pv_outputs_init_traces(&outputs);
	for (size_t i = 0; i < 2; i++)
		ok(pv_outputs_add(&outputs, paths[i], NULL));
	ok(pv_outputs_write_trace(&outputs, trace));
	expect_paths(&outputs, paths, 2);
	expect_file("a.folded", "f (a.py:7) 12\n");
	ck_assert_int_eq(access("a.txt", F_OK), 0);
	pv_outputs_deinit(&outputs);
	pv_trace_destroy(trace);
}
END_TEST

static struct pv_err *refuse(const struct pv_profile *profile, FILE *file)
{
	(void)profile;
	fputs("half of it", file);
	return pv_err_create(PV_ERR_FAILED, "too odd");
}

/* While it is written: nothing of it is there; all that failed is told. */
START_TEST(one_that_breaks_off_is_not_there)
{
	static const struct pv_format odd = { .name = "odd", .write = refuse };
	static const char *const written[] = { "b.folded" };
	struct pv_profile *p = profile_of(10);
	struct pv_outputs outputs;

	add(p, 7, "p f /a.py 1");
	pv_outputs_init(&outputs);
	ok(pv_outputs_add(&outputs, "a.odd", &odd));
	ok(pv_outputs_add(&outputs, "b.folded", NULL));
	ok(pv_outputs_add(&outputs, "/dev/full", NULL));
	expect_error(
		pv_outputs_write(&outputs, p, false), 0,
		"cannot write a.odd: too odd; cannot write /dev/full: No space left on device");
	expect_paths(&outputs, written, 1);
	pv_outputs_deinit(&outputs);
	ck_assert_int_ne(access("a.odd", F_OK), 0);
	expect_file("b.folded", "f (a.py:1) 7\n");
	pv_profile_destroy(p);
}
END_TEST

/* No room: what it takes is told, of each; what they had taken is free for those after them. */
START_TEST(what_an_output_takes)
{
	static const char *const written[] = { "c.folded" };
	struct rlimit old, small = { 1000, 1000 };
	struct pv_profile *p = profile_of(10);
	char stack[32];
	struct pv_outputs outputs;
	struct pv_err *err;

	/* 24 bytes each */
	for (int i = 0; i < 100; i++) {
		snprintf(stack, sizeof(stack), "p function_%03d /a.py 1", i);
		add(p, 7, stack);
	}
	pv_outputs_init(&outputs);
	ok(pv_outputs_add(&outputs, "a.folded", NULL));
	ok(pv_outputs_add(&outputs, "b.folded", NULL));
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	err = pv_outputs_write(&outputs, p, false);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	ck_assert_ptr_nonnull(err);
	ck_assert_str_eq(err->message, "cannot write a.folded: File too large (it takes 3 kB); "
				       "cannot write b.folded: File too large (it takes 3 kB)");
	pv_err_destroy(err);
	ck_assert(outputs.lost);
	expect_paths(&outputs, NULL, 0);
	pv_outputs_deinit(&outputs);
	ck_assert_int_ne(access("a.folded", F_OK), 0);
	/* a device is no file that one loses */
	pv_outputs_init(&outputs);
	ok(pv_outputs_add(&outputs, "/dev/full", &pv_format_folded));
	ok(pv_outputs_add(&outputs, "c.folded", NULL));
	err = pv_outputs_write(&outputs, p, false);
	ck_assert_ptr_nonnull(err);
	ck_assert_str_eq(err->message, "cannot write /dev/full: No space left on device");
	pv_err_destroy(err);
	ck_assert(!outputs.lost);
	expect_paths(&outputs, written, 1);
	pv_outputs_deinit(&outputs);
	pv_profile_destroy(p);
}
END_TEST

static const struct {
	const char *name, *file;
} names[] = {
	{ "python3", "pitviper-python3-42.html" },
	{ "", "pitviper--42.html" },
	{ "a.b-c_d+e", "pitviper-a.b-c_d+e-42.html" },
	{ "../x y;$(z)\n", "pitviper-.._x_y___z__-42.html" },
	{ "größe日🐍", "pitviper-größe日🐍-42.html" },
	/* what reorders, hides, or ends a line */
	{ "a\u202etxt\u200b\u2028\U000e0041b", "pitviper-a_txt___b-42.html" },
	{ "\xc2\x9b"
	  "31m\033",
	  "pitviper-_31m_-42.html" },
	/* no UTF-8: alone, overlong, cut short, a surrogate */
	{ "\xff|\xc0\xaf|\xe6\x97", "pitviper-_______-42.html" },
	{ "\xed\xa0\x80", "pitviper-___-42.html" },
};

START_TEST(names_of_files)
{
	struct pv_str str = {};

	ok(pv_filename_append(&str, names[_i].name, 42, ".html"));
	ck_assert_str_eq(pv_str_text(&str), names[_i].file);
	pv_str_deinit(&str);
}
END_TEST

/* Cut between characters; what tells it apart stays. */
START_TEST(a_long_name_fits)
{
	struct pv_str str = {};
	char name[1000];

	memset(name, 'x', sizeof(name));
	memcpy(name + 127, "\u00fc", 2);
	name[sizeof(name) - 1] = '\0';
	ok(pv_filename_append(&str, name, 42, ".html"));
	ck_assert_uint_eq(str.n, 9 + 127 + 8);
	ck_assert_str_eq(pv_str_text(&str) + str.n - 9, "x-42.html");
	pv_str_deinit(&str);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("outputs");
	TCase *tcase = tcase_create("outputs");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, all_are_written);
	tcase_add_test(tcase, traces_are_written);
	tcase_add_loop_test(tcase, one_that_fails_is_no_loss_of_the_others, 0, 3);
	tcase_add_test(tcase, one_that_breaks_off_is_not_there);
	tcase_add_test(tcase, what_an_output_takes);
	tcase_add_loop_test(tcase, names_of_files, 0, sizeof(names) / sizeof(*names));
	tcase_add_test(tcase, a_long_name_fits);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
