/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of target/mem.h: live memory, the recorder and the fixture.
 * Input: this process, a child, temporary files.
 * Output: Check's report.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/mem.h"

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static void file_create(char *path, const char *text)
{
	strcpy(path, "/tmp/pv-mem-XXXXXX");
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

START_TEST(live_reads_a_child)
{
	static char secret[] = "parent";
	int ready[2];

	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();

	if (pid == 0) {
		strcpy(secret, "child!");
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	char byte, got[sizeof(secret)];
	struct pv_mem *mem = NULL;

	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ok(pv_mem_live_create(pid, &mem));
	ck_assert_int_eq(pv_mem_read(mem, got, sizeof(got), (uintptr_t)secret), 0);
	ck_assert_str_eq(got, "child!");
	ck_assert_str_eq(secret, "parent");
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(pv_mem_read(mem, got, sizeof(got), (uintptr_t)secret), -ESRCH);
	pv_mem_destroy(mem);

	struct pv_err *err = pv_mem_live_create(pid, &mem);

	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->kind, PV_ERR_NOPROC);
	pv_err_destroy(err);
}
END_TEST

START_TEST(live_reads_all_or_nothing)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *two =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char got[16];
	struct pv_mem *mem = NULL;

	ck_assert_ptr_ne(two, MAP_FAILED);
	memset(two, 'a', 2 * page);
	ok(pv_mem_live_create(getpid(), &mem));
	ck_assert_int_eq(pv_mem_read(mem, got, 16, (uintptr_t)two + page - 8), 0);
	ck_assert_int_eq(got[15], 'a');
	ck_assert_int_eq(munmap(two + page, page), 0);
	ck_assert_int_eq(pv_mem_read(mem, got, 8, (uintptr_t)two + page - 8), 0);
	ck_assert_int_eq(pv_mem_read(mem, got, 9, (uintptr_t)two + page - 8), -EFAULT);
	ck_assert_int_eq(pv_mem_read(mem, got, 16, UINT64_MAX - 7), -EFAULT);
	ck_assert_int_eq(pv_mem_read(mem, got, 8, 0), -EFAULT);
	ck_assert_int_eq(pv_mem_read(mem, got, 0, 0), 0);
	munmap(two, page);
	pv_mem_destroy(mem);
	pv_mem_destroy(NULL);
}
END_TEST

START_TEST(live_refuses_another_users_process)
{
	/* Root may read all: drop to nobody in a child and try on the parent. */
	if (geteuid() != 0) {
		printf("skip: live_refuses_another_users_process: not root\n");
		return;
	}
	pid_t pid = fork();

	if (pid == 0) {
		struct pv_mem *mem = NULL;

		if (setgid(65534) || setuid(65534))
			_exit(2);
		struct pv_err *err = pv_mem_live_create(getppid(), &mem);

		_exit(err && err->kind == PV_ERR_PERMISSION ? 0 : 1);
	}
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(fixture_reads_merged_lines)
{
	char path[64], got[8];
	struct pv_mem *mem = NULL;

	file_create(path, "# comment\n\n"
			  "1008: 08 09 0a 0b\n"
			  "1000: 0001020304050607\n"
			  "0x2000:ff\n"
			  "ffffffffffffff00: aa\n");
	ok(pv_mem_fixture_create(path, &mem));
	ck_assert_int_eq(pv_mem_read(mem, got, 8, 0x1004), 0);
	ck_assert_mem_eq(got, "\x04\x05\x06\x07\x08\x09\x0a\x0b", 8);
	ck_assert_int_eq(pv_mem_read(mem, got, 8, 0x1005), -EFAULT);
	ck_assert_int_eq(pv_mem_read(mem, got, 1, 0xfff), -EFAULT);
	ck_assert_int_eq(pv_mem_read(mem, got, 1, 0x100c), -EFAULT);
	ck_assert_int_eq(pv_mem_read(mem, got, 1, 0x2000), 0);
	ck_assert_int_eq(pv_mem_read(mem, got, 1, 0xffffffffffffff00), 0);
	ck_assert_int_eq(pv_mem_read(mem, got, 2, UINT64_MAX), -EFAULT);
	ck_assert_uint_eq(pv_mem_fixture_reads(mem), 7);
	pv_mem_fixture_fail(mem, 2);
	ck_assert_int_eq(pv_mem_read(mem, got, 1, 0x1000), 0);
	ck_assert_int_eq(pv_mem_read(mem, got, 1, 0x1000), -EFAULT);
	ck_assert_int_eq(pv_mem_read(mem, got, 1, 0x1000), 0);
	ck_assert_uint_eq(pv_mem_fixture_reads(mem), 3);
	pv_mem_destroy(mem);
	unlink(path);
}
END_TEST

START_TEST(fixture_refuses_what_it_cannot_read)
{
	static const char *const bad[] = { "1000 00\n",
					   "1000: 0\n",
					   "1000: 0g\n",
					   "1000: 00\nxyz: 00\n",
					   "1000: 0001\n1001: 02\n",
					   "1000: 00\n1000: 00\n",
					   "fffffffffffffffff: 00\n",
					   "ffffffffffffffff: 0000\n" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char path[64];
		struct pv_mem *mem = NULL;

		file_create(path, bad[i]);
		struct pv_err *err = pv_mem_fixture_create(path, &mem);

		ck_assert_msg(err, "accepted \"%s\"", bad[i]);
		ck_assert_ptr_nonnull(strstr(err->message, path));
		pv_err_destroy(err);
		unlink(path);
	}
	struct pv_mem *mem = NULL;
	struct pv_err *err = pv_mem_fixture_create("/nonexistent/fixture", &mem);

	ck_assert_ptr_nonnull(err);
	pv_err_destroy(err);
}
END_TEST

START_TEST(recorder_writes_what_was_read)
{
	static const char text[] = "2ffe: 1122\n"
				   "3000: 33445566778899aa bbccddeeff000102 0304\n"
				   "5000: 01\n";
	char in[64], out[64], got[20], line[256];
	struct pv_mem *inner = NULL, *rec = NULL;

	file_create(in, text);
	file_create(out, "");
	ok(pv_mem_fixture_create(in, &inner));
	ok(pv_mem_recorder_create(inner, &rec));
	ck_assert_int_eq(pv_mem_read(rec, got, 1, 0x5000), 0);
	ck_assert_int_eq(pv_mem_read(rec, got, 1, 0x4000), -EFAULT);
	ck_assert_int_eq(pv_mem_read(rec, got, 4, 0x2ffe), 0);
	ck_assert_int_eq(pv_mem_read(rec, got, 17, 0x3001), 0);
	ck_assert_mem_eq(got, "\x44\x55\x66\x77", 4);
	ok(pv_mem_recorder_write(rec, out));
	/* A second write gives the same, also after more reads of the same bytes. */
	ck_assert_int_eq(pv_mem_read(rec, got, 4, 0x2ffe), 0);
	ok(pv_mem_recorder_write(rec, out));
	FILE *file = fopen(out, "r");
	size_t n = fread(line, 1, sizeof(line) - 1, file);

	line[n] = '\0';
	fclose(file);
	ck_assert_str_eq(line, text);
	pv_mem_destroy(rec);
	pv_mem_destroy(inner);
	unlink(in);
	unlink(out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mem");
	TCase *tcase = tcase_create("mem");

	tcase_add_test(tcase, live_reads_a_child);
	tcase_add_test(tcase, live_reads_all_or_nothing);
	tcase_add_test(tcase, live_refuses_another_users_process);
	tcase_add_test(tcase, fixture_reads_merged_lines);
	tcase_add_test(tcase, fixture_refuses_what_it_cannot_read);
	tcase_add_test(tcase, recorder_writes_what_was_read);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
