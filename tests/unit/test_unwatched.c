/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session/unwatched: the CPU time of children that are not recorded.
 * Input: children that the test makes, itself as the recorded process.
 * Output: Check's report.
 *
 * Clocks are compared with each other, never with a stopwatch: a child uses so
 * much by its own clock and says when it has.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "session/unwatched.h"
#include "target/process.h"

#define MS      1000000ULL
#define TICK_NS (2 * 10 * MS) /* of cutime, and of cstime */

static struct pv_unwatched *unwatched;
static struct pv_unwatched_sum sum;
static int said[2];
static int parent_death = SIGKILL; /* what a child gets then */

static void look(void)
{
	struct pv_err *err = pv_unwatched_look(unwatched, true, &sum);

	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static void begin(void)
{
	pid_t self = getpid();

	ck_assert_ptr_null(pv_unwatched_create(&self, 1, &unwatched));
	look();
	ck_assert_uint_eq(sum.cpu_ns, 0);
	ck_assert(!sum.least);
}

static void setup(void)
{
	ck_assert_int_eq(pipe(said), 0);
}

static void teardown(void)
{
	pv_unwatched_destroy(unwatched);
}

/* In a child. */
static void burn(uint64_t ns)
{
	struct timespec now;
	uint64_t start = 0, at;

	do {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
		at = now.tv_sec * 1000000000ULL + now.tv_nsec;
		start = start ? start : at;
	} while (at - start < ns);
}

static void say(void)
{
	if (write(said[1], "x", 1) != 1)
		_exit(1);
}

static void await(int n)
{
	char byte;

	while (n--)
		ck_assert_int_eq(read(said[0], &byte, 1), 1);
}

/* A child that says when it has used so much, once more at each SIGUSR1. */
static pid_t busy_child(uint64_t ns)
{
	pid_t pid;
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, parent_death);
	for (;;) {
		burn(ns);
		say();
		sigwait(&set, &number);
	}
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void expect(uint64_t ns, uint64_t more_ns)
{
	ck_assert_uint_ge(sum.cpu_ns + TICK_NS, ns);
	ck_assert_uint_le(sum.cpu_ns, ns + more_ns);
}

static uint64_t cpu_of(pid_t pid)
{
	uint64_t ns = 0;

	ck_assert(pv_process_cpu_ns(pid, &ns));
	return ns;
}

START_TEST(those_that_live)
{
	pid_t before = busy_child(40 * MS), born;
	uint64_t start;

	await(1);
	begin();
	start = cpu_of(before);
	kill(before, SIGUSR1);
	born = busy_child(60 * MS);
	await(2);
	look();
	ck_assert_uint_eq(sum.n, 2);
	ck_assert(!sum.least);
	ck_assert_uint_ge(sum.cpu_ns, 100 * MS);
	ck_assert_uint_le(sum.cpu_ns, cpu_of(before) - start + cpu_of(born) + 10 * MS);
	end(before);
	end(born);
}
END_TEST

/* The time of one that was counted while it lived is not counted again when it is waited for. */
START_TEST(those_that_end)
{
	pid_t pid = busy_child(100 * MS);
	uint64_t ns;

	begin();
	await(1);
	look();
	kill(pid, SIGUSR1);
	await(1);
	ns = cpu_of(pid);
	end(pid);
	look();
	ck_assert_uint_eq(sum.n, 1);
	ck_assert(sum.least);
	expect(ns, TICK_NS);
	look();
	expect(ns, TICK_NS);
	/* and one that no look has seen */
	pid = busy_child(100 * MS);
	await(1);
	ns += cpu_of(pid);
	end(pid);
	look();
	expect(ns, 2 * TICK_NS);
	ck_assert_uint_eq(sum.n, 1);
}
END_TEST

/* A zombie has its time until somebody asks. */
START_TEST(zombies)
{
	pid_t pid;
	siginfo_t info;
	uint64_t ns;

	begin();
	pid = busy_child(50 * MS);
	await(1);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, pid, &info, WEXITED | WNOWAIT), 0);
	ns = cpu_of(pid);
	look();
	ck_assert_uint_eq(sum.n, 1);
	ck_assert_uint_eq(sum.cpu_ns, ns);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	look();
	expect(ns, TICK_NS);
}
END_TEST

/* Grandchildren, one of which stays when its parent has gone. */
START_TEST(orphans)
{
	pid_t child, orphan = 0;
	int tell[2];

	ck_assert_int_eq(pipe(tell), 0);
	begin();
	child = fork();
	if (!child) {
		parent_death = 0;
		orphan = busy_child(50 * MS);
		if (write(tell[1], &orphan, sizeof(orphan)) != sizeof(orphan))
			_exit(1);
		pause();
	}
	ck_assert_int_eq(read(tell[0], &orphan, sizeof(orphan)), sizeof(orphan));
	await(1);
	look();
	ck_assert_uint_eq(sum.n, 2);
	ck_assert(!sum.least);
	ck_assert_uint_ge(sum.cpu_ns, 50 * MS);
	end(child);
	kill(orphan, SIGUSR1);
	await(1);
	look();
	kill(orphan, SIGKILL);
	ck_assert_uint_eq(sum.n, 2);
	ck_assert(sum.least);
	ck_assert_uint_ge(sum.cpu_ns, 100 * MS);
}
END_TEST

/* A parent that does not ask has no time of them: no more is told than is known. */
START_TEST(nobody_asks)
{
	pid_t pid;

	signal(SIGCHLD, SIG_IGN);
	pid = busy_child(100 * MS);
	await(1);
	begin();
	kill(pid, SIGUSR1);
	await(1);
	look();
	ck_assert_uint_ge(sum.cpu_ns, 100 * MS);
	kill(pid, SIGKILL);
	/* returns when there is no child any more */
	ck_assert_int_eq(waitpid(-1, NULL, 0), -1);
	look();
	ck_assert(sum.least);
	ck_assert_uint_ge(sum.cpu_ns, 100 * MS);
	ck_assert_uint_le(sum.cpu_ns, 100 * MS + TICK_NS);
}
END_TEST

/* Of a recorded process it is what is counted elsewhere, also when its parent has waited for it. */
START_TEST(recorded_children)
{
	pid_t pids[2] = { getpid() };

	pids[1] = busy_child(50 * MS);
	await(1);
	ck_assert_ptr_null(pv_unwatched_create(pids, 2, &unwatched));
	look();
	kill(pids[1], SIGUSR1);
	await(1);
	look();
	ck_assert_uint_eq(sum.n, 0);
	ck_assert_uint_eq(sum.cpu_ns, 0);
	end(pids[1]);
	look();
	ck_assert_uint_eq(sum.cpu_ns, 0);
	ck_assert(sum.least);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("unwatched");
	TCase *tcase = tcase_create("unwatched");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, those_that_live);
	tcase_add_test(tcase, those_that_end);
	tcase_add_test(tcase, zombies);
	tcase_add_test(tcase, orphans);
	tcase_add_test(tcase, nobody_asks);
	tcase_add_test(tcase, recorded_children);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
