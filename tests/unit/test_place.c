/* SPDX-License-Identifier: BSD-2-Clause */
/* Namespaces of pitviper and of processes: the own ones, and others where this user may make them.
 */
#include <check.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/place.h"

START_TEST(our_own)
{
	struct pv_place place;

	ck_assert_ptr_null(pv_place_check());
	pv_place_of(getpid(), &place);
	ck_assert(!place.other_mounts && !place.other_pids && !place.other_users &&
		  !place.other_root);
	ck_assert_int_eq(place.inner_pid, 0);
}
END_TEST

START_TEST(nobody_is_as_ours)
{
	struct pv_place place = { .other_pids = true };

	pv_place_of(0x7fffffff, &place);
	ck_assert(!place.other_mounts && !place.other_pids && !place.other_users &&
		  !place.other_root);
}
END_TEST

/* In new user and PID namespaces, with the /proc of the old ones: what it finds, as bits. */
static void child_looks(int ready, int go)
{
	struct pv_err *err = pv_place_check();
	char byte = 0;

	if (err && err->kind == PV_ERR_FAILED && strstr(err->message, "/proc"))
		byte |= 1;
	pv_err_destroy(err);
	byte |= (char)(pv_place_own_pids() << 1 | pv_place_own_users() << 2);
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) < 0)
		_exit(1);
	_exit(0);
}

START_TEST(another_namespace)
{
	int number[2], ready[2], go[2], status;
	struct pv_place place;
	char byte = 0;
	pid_t outer, pid;

	ck_assert(!pipe(number) && !pipe(ready) && !pipe(go));
	outer = fork();
	if (!outer) {
		close(go[1]);
		if (unshare(CLONE_NEWUSER | CLONE_NEWPID))
			_exit(errno);
		pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			child_looks(ready[1], go[0]);
		}
		if (write(number[1], &pid, sizeof(pid)) != sizeof(pid))
			_exit(1);
		waitpid(pid, &status, 0);
		_exit(0);
	}
	close(number[1]);
	close(ready[1]);
	if (read(number[0], &pid, sizeof(pid)) != sizeof(pid)) {
		waitpid(outer, &status, 0);
		printf("skip: this user may make no namespaces: %s\n",
		       strerror(WEXITSTATUS(status)));
		return;
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 7);
	pv_place_of(pid, &place);
	ck_assert(place.other_pids && place.other_users && !place.other_root &&
		  !place.other_mounts);
	ck_assert_int_eq(place.inner_pid, 1);
	close(go[1]);
	waitpid(outer, &status, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("place");
	TCase *tcase = tcase_create("place");

	tcase_add_test(tcase, our_own);
	tcase_add_test(tcase, nobody_is_as_ours);
	tcase_add_test(tcase, another_namespace);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);

	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
