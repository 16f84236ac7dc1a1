/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of target/process.h on children that the test itself makes.
 * Input: /proc of these.
 * Output: Check's report.
 */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "target/process.h"

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static void expect_noproc(struct pv_err *err, const char *text)
{
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->kind, PV_ERR_NOPROC);
	ck_assert_msg(strstr(err->message, text), "\"%s\" lacks \"%s\"", err->message, text);
	pv_err_destroy(err);
}

START_TEST(name_with_parentheses_and_newline)
{
	int ready[2];

	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_NAME, ") Z 1\n(a) 0 0");
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	char byte;
	struct pv_process process = { 0 };

	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ok(pv_process_read(pid, &process));
	/* control characters are not for terminals */
	ck_assert_str_eq(process.name, ") Z 1?(a) 0 0");
	ck_assert_msg(process.state == 'S' || process.state == 'R', "%c", process.state);
	ck_assert(!process.kernel_thread);
	ck_assert_uint_eq(process.uid, geteuid());
	ck_assert_uint_eq(process.n_threads, 1);
	ck_assert_int_eq(process.threads[0].tid, pid);
	ck_assert_str_eq(process.threads[0].name, process.name);
	ok(pv_process_check(&process));
	pv_process_deinit(&process);

	kill(pid, SIGKILL);
	siginfo_t info;

	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	ok(pv_process_read(pid, &process));
	ck_assert_int_eq(process.state, 'Z');
	ck_assert_str_eq(process.cmdline, "");
	ck_assert_str_eq(process.exe, "");
	expect_noproc(pv_process_check(&process), "zombie");
	pv_process_deinit(&process);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	expect_noproc(pv_process_read(pid, &process), "no such process");
	expect_noproc(pv_process_read(0, &process), "no such process");
	expect_noproc(pv_process_read(-1, &process), "no such process");
}
END_TEST

START_TEST(kernel_thread)
{
	FILE *file = fopen("/proc/2/comm", "r");
	char name[32] = "";

	if (!file || !fgets(name, sizeof(name), file) || strcmp(name, "kthreadd\n") != 0) {
		printf("skip: kernel_thread: no kthreadd to be seen here\n");
		if (file)
			fclose(file);
		return;
	}
	fclose(file);
	struct pv_process process = { 0 };

	ok(pv_process_read(2, &process));
	ck_assert(process.kernel_thread);
	expect_noproc(pv_process_check(&process), "kernel thread");
	pv_process_deinit(&process);
}
END_TEST

struct worker {
	pthread_barrier_t barrier;
	pid_t tid;
};

static uint64_t cpu_clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void *worker_run(void *arg)
{
	struct worker *worker = arg;

	worker->tid = (pid_t)syscall(SYS_gettid);
	prctl(PR_SET_NAME, "worker");
	while (cpu_clock_ns(CLOCK_THREAD_CPUTIME_ID) < 100000000)
		;
	pthread_barrier_wait(&worker->barrier);
	pthread_barrier_wait(&worker->barrier);
	return NULL;
}

START_TEST(threads_and_their_cpu_time)
{
	struct worker worker = { 0 };
	struct pv_process process = { 0 };
	pthread_t thread;
	pid_t *tids = NULL;
	size_t n = 0;

	pthread_barrier_init(&worker.barrier, NULL, 2);
	ck_assert_int_eq(pthread_create(&thread, NULL, worker_run, &worker), 0);
	pthread_barrier_wait(&worker.barrier);
	ok(pv_process_read(getpid(), &process));
	ck_assert_uint_eq(process.n_threads, 2);
	ck_assert_int_eq(process.threads[0].tid, getpid());
	ck_assert_int_eq(process.threads[1].tid, worker.tid);
	ck_assert_str_eq(process.threads[1].name, "worker");
	/* Two counts of whole ticks (10 ms), each rounded down. */
	ck_assert_uint_ge(process.threads[1].cpu_ns, 80000000);
	ck_assert_uint_lt(process.threads[1].cpu_ns, 1000000000);
	ck_assert_uint_ge(process.cpu_ns + 20000000, process.threads[1].cpu_ns);
	ck_assert_uint_le(process.cpu_ns, cpu_clock_ns(CLOCK_PROCESS_CPUTIME_ID));
	ok(pv_process_tids(getpid(), &tids, &n));
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(tids[1], worker.tid);
	free(tids);

	struct pv_process other = { 0 };

	expect_noproc(pv_process_read(worker.tid, &other), "is a thread of process");
	pthread_barrier_wait(&worker.barrier);
	pthread_join(thread, NULL);
	pv_process_deinit(&process);
	pthread_barrier_destroy(&worker.barrier);
}
END_TEST

/* While nobody has waited for it. */
START_TEST(how_it_ended)
{
	int hold[2], code = -1, status;
	siginfo_t info;

	ck_assert_int_eq(pipe(hold), 0);
	for (int sig = 0; sig <= SIGKILL; sig += SIGKILL) {
		pid_t pid = fork();

		if (pid == 0) {
			char byte;

			/* a name that looks like what follows a name */
			prctl(PR_SET_NAME, "a) Z 1 2 3");
			if (read(hold[0], &byte, 1) == 1)
				_exit(3);
			_exit(4);
		}
		ck_assert(!pv_process_exit_code(pid, &code)); /* it runs */
		if (sig)
			kill(pid, sig);
		else
			ck_assert_int_eq(write(hold[1], "x", 1), 1);
		ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
		ck_assert(pv_process_exit_code(pid, &code));
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(code, status);
		ck_assert(!pv_process_exit_code(pid, &code));
	}
}
END_TEST

START_TEST(start_time_and_command_line)
{
	struct pv_process process = { 0 };
	int hold[2], echo[2];
	char byte;

	ck_assert_int_eq(pipe(hold), 0);
	ck_assert_int_eq(pipe(echo), 0);
	struct timespec before, after;

	clock_gettime(CLOCK_BOOTTIME, &before);
	pid_t pid = fork();

	if (pid == 0) {
		dup2(hold[0], 0);
		dup2(echo[1], 1);
		close(hold[1]);
		execl("/bin/cat", "kitty", "-", "", "-", NULL);
		_exit(127);
	}
	clock_gettime(CLOCK_BOOTTIME, &after);
	/*
	 * What cat echoes proves that its exec is over. A close-on-exec pipe would not: the kernel
	 * closes it before it sets the name and the arguments (Linux, fs/exec.c, begin_new_exec).
	 */
	close(echo[1]);
	ck_assert_int_eq(write(hold[1], "x", 1), 1);
	ck_assert_int_eq(read(echo[0], &byte, 1), 1);
	ok(pv_process_read(pid, &process));
	ck_assert_str_eq(process.cmdline, "kitty -  -");
	char *cat = realpath("/bin/cat", NULL);

	ck_assert_str_eq(process.exe, cat);
	free(cat);
	ck_assert_str_eq(process.name, "cat");
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);

	ck_assert_uint_ge(process.start_ticks + 1,
			  (uint64_t)before.tv_sec * hz +
				  (uint64_t)before.tv_nsec / (1000000000 / hz));
	ck_assert_uint_le(process.start_ticks, (uint64_t)after.tv_sec * hz +
						       (uint64_t)after.tv_nsec / (1000000000 / hz) +
						       1);
	pv_process_deinit(&process);
	kill(pid, SIGKILL); /* before its input ends: it would complain of the file "" */
	waitpid(pid, NULL, 0);
	close(hold[1]);
	close(hold[0]);
	close(echo[0]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("process");
	TCase *tcase = tcase_create("process");

	tcase_add_test(tcase, name_with_parentheses_and_newline);
	tcase_add_test(tcase, kernel_thread);
	tcase_add_test(tcase, threads_and_their_cpu_time);
	tcase_add_test(tcase, how_it_ended);
	tcase_add_test(tcase, start_time_and_command_line);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
