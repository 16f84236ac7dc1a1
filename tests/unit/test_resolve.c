/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of session/resolve.h on children that the test itself makes.
 * Input: /proc of these.
 * Output: Check's report.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session/resolve.h"

static char name[16];

/* A child called name; with one of its own that is called so if `more`. */
static pid_t start(bool more)
{
	int ready[2];
	char byte;

	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		if (more && !fork())
			prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	for (int i = 0; i < 1 + more; i++)
		ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void setup(void)
{
	snprintf(name, sizeof(name), "pv-who-%d", getpid());
}

/* How many processes the word means. */
static size_t resolve(const char *word, bool one, pid_t *first_ret)
{
	struct pv_vec pids = PV_VEC(pid_t);
	struct pv_err *err = pv_resolve(word, one, &pids);
	size_t n = pids.n;

	ck_assert_msg(!err, "%s", err ? err->message : "");
	*first_ret = *(pid_t *)pv_vec_at(&pids, 0);
	pv_vec_deinit(&pids);
	return n;
}

static void refused(const char *word, bool one, enum pv_err_kind kind, const char *why)
{
	struct pv_vec pids = PV_VEC(pid_t);
	struct pv_err *err = pv_resolve(word, one, &pids);

	ck_assert_msg(err != NULL, "`%s` is taken for a process", word);
	ck_assert_int_eq(err->kind, kind);
	ck_assert_msg(strstr(err->message, why), "\"%s\" lacks \"%s\"", err->message, why);
	ck_assert_uint_eq(pids.n, 0);
	pv_err_destroy(err);
}

START_TEST(numbers)
{
	pid_t pid;

	ck_assert_uint_eq(resolve("4711", true, &pid), 1);
	ck_assert_int_eq(pid, 4711);
	refused("0", false, PV_ERR_USAGE, "not a process id");
	refused("99999999999999999999", false, PV_ERR_USAGE, "not a process id");
	refused("4294967297", false, PV_ERR_USAGE, "not a process id");
	refused("", false, PV_ERR_USAGE, "empty");
	refused("-4", false, PV_ERR_NOPROC, "no process is called `-4`");
	refused("4x", false, PV_ERR_NOPROC, "no process is called `4x`");
}
END_TEST

START_TEST(one_of_a_name)
{
	pid_t pid, child;

	refused(name, false, PV_ERR_NOPROC, name);
	child = start(false);
	ck_assert_uint_eq(resolve(name, true, &pid), 1);
	ck_assert_int_eq(pid, child);
	kill(child, SIGKILL);
	siginfo_t info;

	ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	/* a zombie has its name still */
	refused(name, false, PV_ERR_NOPROC, name);
	stop(child);
	/* neither is a kernel thread a program, nor are we meant */
	refused("kthreadd", false, PV_ERR_NOPROC, "kthreadd");
	prctl(PR_SET_NAME, name);
	refused(name, false, PV_ERR_NOPROC, name);
}
END_TEST

START_TEST(a_tree_is_taken_whole)
{
	struct pv_vec pids = PV_VEC(pid_t);
	pid_t child = start(true);
	char text[96];

	for (int i = 0; i < 2; i++) {
		/* what is there already is not added again */
		ck_assert_ptr_null(pv_resolve(name, false, &pids));
		ck_assert_uint_eq(pids.n, 2);
	}
	ck_assert(*(pid_t *)pv_vec_at(&pids, 0) == child || *(pid_t *)pv_vec_at(&pids, 1) == child);
	pv_vec_deinit(&pids);
	refused(name, true, PV_ERR_USAGE, "name of 2 processes");
	snprintf(text, sizeof(text), "%d (%s, for ", child, name);
	refused(name, true, PV_ERR_USAGE, text);
	refused(name, true, PV_ERR_USAGE, ", parent of the others)");
	stop(child);
}
END_TEST

START_TEST(siblings_are_told)
{
	pid_t first = start(false), second = start(false);
	char text[32];

	snprintf(text, sizeof(text), "%d (", first);
	refused(name, false, PV_ERR_USAGE, text);
	snprintf(text, sizeof(text), "%d (", second);
	refused(name, false, PV_ERR_USAGE, text);
	refused(name, false, PV_ERR_USAGE, "second");
	refused(name, false, PV_ERR_USAGE, "); name one");
	stop(first);
	stop(second);
}
END_TEST

START_TEST(a_long_list_is_cut)
{
	pid_t pids[12];

	for (size_t i = 0; i < 12; i++)
		pids[i] = start(false);
	refused(name, false, PV_ERR_USAGE, "12 processes");
	refused(name, false, PV_ERR_USAGE, "and 4 more");
	for (size_t i = 0; i < 12; i++)
		stop(pids[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resolve");
	TCase *tcase = tcase_create("resolve");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, numbers);
	tcase_add_test(tcase, one_of_a_name);
	tcase_add_test(tcase, a_tree_is_taken_whole);
	tcase_add_test(tcase, siblings_are_told);
	tcase_add_test(tcase, a_long_list_is_cut);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
