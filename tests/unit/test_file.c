/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * target/file: what a process may name and what is read of it.
 * Input: files of a scratch directory, this process and children of its own.
 * Output: Check's report.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "target/file.h"
#include "target/process.h"

enum { NOBODY = 65534, N_MAX = 100, MS = 1000000 };

static char dir[64];

static void setup(void)
{
	strcpy(dir, "/tmp/pv-test-file-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chmod(dir, 0755), 0);
	ck_assert_int_eq(chdir(dir), 0);
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static void put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

/* NULL: not read, then the state. */
static void expect(pid_t pid, const char *path, const char *text, enum pv_file_state state)
{
	struct pv_file file = { 0 };
	struct pv_err *err = pv_file_read(pid, path, N_MAX, &file);

	ck_assert_msg(!err, "%s", err ? err->message : "");
	ck_assert_msg((int)file.state == (int)(text ? PV_FILE_READ : state), "%s: state %d", path,
		      file.state);
	if (text) {
		ck_assert_uint_eq(file.n, strlen(text));
		ck_assert_int_eq(memcmp(file.text, text, file.n), 0);
	}
	free(file.text);
}

static char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* A child that waits after it has become what prepare makes of it. */
static pid_t start(void (*prepare)(void))
{
	int ready[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		prepare();
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(paths)
{
	pid_t self = getpid();

	put("a.py", "text", 0600);
	put("empty.py", "", 0600);
	ck_assert_int_eq(mkdir("below", 0755), 0);
	put("below/b.py", "b", 0600);
	expect(self, in_dir("a.py"), "text", 0);
	expect(self, in_dir("empty.py"), "", 0);
	expect(self, "a.py", "text", 0);
	expect(self, "below/b.py", "b", 0);
	expect(self, "below/../a.py", "text", 0);
	expect(self, "none.py", NULL, PV_FILE_NONE);
	expect(self, "a.py/b.py", NULL, PV_FILE_NONE); /* as in a zip file */
	expect(self, "below", NULL, PV_FILE_NONE);
	expect(self, "", NULL, PV_FILE_NONE);
	/* below another directory it would be another file */
	ck_assert_int_eq(chdir("below"), 0);
	expect(self, "../a.py", NULL, PV_FILE_NONE);
	expect(self, "a.py", NULL, PV_FILE_NONE);
}
END_TEST

START_TEST(sizes)
{
	char text[N_MAX + 2] = { 0 };
	pid_t self = getpid();

	memset(text, 'x', N_MAX);
	put("most.py", text, 0600);
	expect(self, "most.py", text, 0);
	text[N_MAX] = 'x';
	put("large.py", text, 0600);
	expect(self, "large.py", NULL, PV_FILE_LARGE);
}
END_TEST

/* None of them may make us wait. */
START_TEST(not_regular)
{
	pid_t self = getpid();

	put("a.py", "text", 0600);
	ck_assert_int_eq(mkfifo("fifo.py", 0600), 0);
	ck_assert_int_eq(symlink("a.py", "link.py"), 0);
	ck_assert_int_eq(symlink("/proc/version", "proc.py"), 0);
	ck_assert_int_eq(symlink("/proc/self/exe", "magic.py"), 0);
	ck_assert_int_eq(symlink("loop.py", "loop.py"), 0);
	expect(self, "link.py", "text", 0);
	expect(self, in_dir("link.py"), "text", 0);
	expect(self, in_dir("fifo.py"), NULL, PV_FILE_NONE);
	expect(self, in_dir("proc.py"), NULL, PV_FILE_NONE);
	expect(self, in_dir("magic.py"), NULL, PV_FILE_NONE);
	expect(self, in_dir("loop.py"), NULL, PV_FILE_NONE);
	expect(self, "/dev/zero", NULL, PV_FILE_NONE);
	expect(self, "/dev/tty", NULL, PV_FILE_NONE);
	expect(self, "/proc/version", NULL, PV_FILE_NONE);
	expect(self, "/proc/self/mem", NULL, PV_FILE_NONE);
	expect(self, "/sys/kernel/profiling", NULL, PV_FILE_NONE);
}
END_TEST

static void do_nothing(void)
{
}

static void become_nobody(void)
{
	gid_t group = 4242;

	if (syscall(SYS_setgroups, 1, &group) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		_exit(1);
}

/* What the process may not read, we do not read for it. */
START_TEST(rights_of_the_process)
{
	pid_t pid;

	if (geteuid())
		return;
	put("open.py", "open", 0644);
	put("secret.py", "secret", 0600);
	put("group0.py", "group 0", 0640);
	put("group.py", "its group", 0640);
	ck_assert_int_eq(chown("group.py", 0, 4242), 0);
	ck_assert_int_eq(mkdir("closed", 0700), 0);
	put("closed/open.py", "open", 0644);
	pid = start(become_nobody);
	expect(pid, "open.py", "open", 0);
	expect(pid, in_dir("secret.py"), NULL, PV_FILE_NONE);
	expect(pid, in_dir("group0.py"), NULL, PV_FILE_NONE);
	expect(pid, in_dir("group.py"), "its group", 0);
	expect(pid, in_dir("closed/open.py"), NULL, PV_FILE_NONE);
	/* and ours are what they were */
	expect(getpid(), in_dir("secret.py"), "secret", 0);
	ck_assert_int_eq(access("closed/open.py", R_OK), 0);
	stop(pid);
}
END_TEST

static void change_root(void)
{
	if (chroot("inside") || chdir("/"))
		_exit(1);
}

START_TEST(root_of_the_process)
{
	pid_t pid;

	if (geteuid())
		return;
	ck_assert_int_eq(mkdir("inside", 0755), 0);
	put("a.py", "outside", 0644);
	put("inside/a.py", "inside", 0644);
	ck_assert_int_eq(symlink("/a.py", "inside/link.py"), 0);
	ck_assert_int_eq(symlink("../../a.py", "inside/out.py"), 0);
	pid = start(change_root);
	expect(pid, "/a.py", "inside", 0);
	expect(pid, "/link.py", "inside", 0);
	expect(pid, "/out.py", "inside", 0);
	expect(pid, in_dir("a.py"), NULL, PV_FILE_NONE);
	stop(pid);
}
END_TEST

START_TEST(process_that_is_gone)
{
	pid_t pid = start(do_nothing);

	put("a.py", "text", 0644);
	expect(pid, in_dir("a.py"), "text", 0);
	stop(pid);
	expect(pid, in_dir("a.py"), NULL, PV_FILE_GONE);
}
END_TEST

static uint64_t program_ns(pid_t pid)
{
	uint64_t ns;

	ck_assert(pv_process_program_ns(pid, &ns));
	return ns;
}

/* What a child has become is told by the end of this pipe: an exec closes it, too. */
static void wait_for_exec(int fd)
{
	char byte;

	ck_assert_int_eq(read(fd, &byte, 1), 0);
	close(fd);
}

static pid_t start_exec(void)
{
	int ready[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		execlp("sleep", "sleep", "1000", NULL);
		_exit(1);
	}
	close(ready[1]);
	wait_for_exec(ready[0]);
	return pid;
}

/* Until what starts now is later than this process by a clock tick. */
static void wait_for_a_tick(void)
{
	bool later;
	pid_t pid;

	do {
		pid = start_exec();
		later = program_ns(pid) > program_ns(getpid()) + 9 * MS;
		stop(pid);
	} while (!later);
}

/*
 * What a fork runs its ancestor may have read long before; what it has executed
 * it has read itself.  The two clocks are not read at the same moment: a millisecond.
 */
START_TEST(time_of_a_fork)
{
	uint64_t own = program_ns(getpid());
	pid_t fork_pid;

	wait_for_a_tick();
	fork_pid = start(do_nothing);
	ck_assert_uint_lt(program_ns(fork_pid), own + MS);
	ck_assert_uint_gt(program_ns(fork_pid), own - MS);
	stop(fork_pid);
}
END_TEST

/* Its parent has ended: who that was nobody tells, and so it is as old as its new parent. */
START_TEST(time_of_an_orphan)
{
	int ready[2];
	pid_t orphan, pid;

	wait_for_a_tick();
	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		orphan = start(do_nothing);
		_exit(write(ready[1], &orphan, sizeof(orphan)) != sizeof(orphan));
	}
	ck_assert_int_eq(read(ready[0], &orphan, sizeof(orphan)), sizeof(orphan));
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_uint_lt(program_ns(orphan), program_ns(getpid()) + MS);
	kill(orphan, SIGKILL);
	close(ready[0]);
	close(ready[1]);
}
END_TEST

/* A file of before the process, and one of after it. */
START_TEST(time_of_file_and_process)
{
	const struct timespec before[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
	struct pv_file file;
	uint64_t start_ns;
	pid_t pid = start(do_nothing);
	struct timespec now;

	put("a.py", "text", 0600);
	ck_assert_int_eq(utimensat(AT_FDCWD, "a.py", before, 0), 0);
	ck_assert_ptr_null(pv_file_read(pid, in_dir("a.py"), N_MAX, &file));
	free(file.text);
	ck_assert_uint_eq(file.mtime_ns, 1000000000ULL * 1000000000);
	clock_gettime(CLOCK_REALTIME, &now);
	ck_assert(pv_process_program_ns(pid, &start_ns));
	/* within a minute of now, and not after it by more than its tick */
	ck_assert_uint_gt(start_ns, (now.tv_sec - 60) * 1000000000ULL);
	ck_assert_uint_lt(start_ns, now.tv_sec * 1000000000ULL + now.tv_nsec + 20000000);
	stop(pid);
	ck_assert(!pv_process_program_ns(pid, &start_ns));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("file");
	TCase *tcase = tcase_create("file");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, paths);
	tcase_add_test(tcase, sizes);
	tcase_add_test(tcase, not_regular);
	tcase_add_test(tcase, rights_of_the_process);
	tcase_add_test(tcase, root_of_the_process);
	tcase_add_test(tcase, process_that_is_gone);
	tcase_add_test(tcase, time_of_a_fork);
	tcase_add_test(tcase, time_of_an_orphan);
	tcase_add_test(tcase, time_of_file_and_process);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
