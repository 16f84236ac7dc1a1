/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * symbol/perfmap: lines of any kind, ranges that overlap, files of this and of other processes.
 * Input: made-up text; files /tmp/perf-PID.map of children of this test.  Output: Check's report.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "symbol/perfmap.h"
#include "target/process.h"

static struct pv_perfmap *map;

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static size_t add(const char *text)
{
	size_t used = 99999;

	ok(pv_perfmap_add(map, text, strlen(text), &used));
	return used;
}

/* NULL: no name. */
static void expect(uint64_t address, const char *name)
{
	const char *got = NULL;
	bool found = false;
	size_t n = 0;

	ok(pv_perfmap_at(map, address, &got, &n, &found));
	ck_assert_msg(found == (name != NULL), "%llx: %.*s", (unsigned long long)address, (int)n,
		      found ? got : "none");
	if (name) {
		ck_assert_uint_eq(n, strlen(name));
		ck_assert_msg(!memcmp(got, name, n), "%.*s, not %s", (int)n, got, name);
	}
}

static void setup(void)
{
	ok(pv_perfmap_create(0, &map));
}

static void teardown(void)
{
	pv_perfmap_destroy(map);
}

START_TEST(lines)
{
	const char *text = "7f0000001000 20 first\n0x7f0000001020 0x10 second, with blanks\n"
			   "7F0000001030 1 \xff\x01;\n7f0000002000 10 not ended";

	ck_assert_uint_eq(add(text), strlen(text) - strlen("7f0000002000 10 not ended"));
	ck_assert_uint_eq(pv_perfmap_n(map), 3);
	expect(0x7f0000000fff, NULL);
	expect(0x7f0000001000, "first");
	expect(0x7f000000101f, "first");
	expect(0x7f0000001020, "second, with blanks");
	expect(0x7f000000102f, "second, with blanks");
	expect(0x7f0000001030, "\xff\x01;");
	expect(0x7f0000001031, NULL);
	expect(0x7f0000002000, NULL);
	expect(0, NULL);
	expect(UINT64_MAX, NULL);
}
END_TEST

START_TEST(lines_that_make_no_sense)
{
	static const char *const bad[] = {
		"\n",
		" \n",
		"1000\n",
		"1000 10\n",
		"1000 10 \n",
		"1000  10 f\n",
		"1000 0 f\n",
		"-1000 10 f\n",
		"1000 -10 f\n",
		"0x 10 f\n",
		"g000 10 f\n",
		"10000000000000000 10 f\n",
		"fffffffffffffff0 20 f\n",
		"1000 ffffffffffffffff f\n",
		"1000 200000000000000 f\n",
		"1000\t10\tf\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ck_assert_uint_eq(add(bad[i]), strlen(bad[i]));
		ck_assert_msg(!pv_perfmap_n(map), "%s", bad[i]);
	}
	add("1000 10 good\n");
	expect(0x1008, "good");
}
END_TEST

START_TEST(the_later_one_is_right)
{
	add("1000 100 old\n1040 10 within\n10f0 40 over the end\n1000 8 over the start\n");
	expect(0x1000, "over the start");
	expect(0x1007, "over the start");
	expect(0x1008, "old");
	expect(0x1040, "within");
	expect(0x104f, "within");
	expect(0x1050, "old");
	expect(0x10ef, "old");
	expect(0x10f0, "over the end");
	expect(0x112f, "over the end");
	expect(0x1130, NULL);
	add("0 1000000 all\n");
	expect(0x1040, "all");
	expect(0, "all");
	expect(0xffffff, "all");
	add("1040 1 again\n");
	expect(0x1040, "again");
	expect(0x1041, "all");
}
END_TEST

/* Each address by the last line that covers it: looked for one by one. */
START_TEST(random_ranges)
{
	enum { LINES = 300, SPACE = 512 };
	int owner[SPACE + 64];
	char text[64], name[16];
	int round, i, at;

	srandom(7);
	for (round = 0; round < 20; round++) {
		pv_perfmap_destroy(map);
		ok(pv_perfmap_create(0, &map));
		memset(owner, -1, sizeof(owner));
		for (i = 0; i < LINES; i++) {
			int start = random() % SPACE, size = 1 + random() % (i % 3 ? 8 : 64);

			snprintf(text, sizeof(text), "%x %x f%d\n", start, size, i);
			add(text);
			for (at = start; at < start + size; at++)
				owner[at] = i;
			if (i % 50)
				continue;
			for (at = 0; at < SPACE + 64; at++) {
				snprintf(name, sizeof(name), "f%d", owner[at]);
				expect(at, owner[at] < 0 ? NULL : name);
			}
		}
	}
}
END_TEST

START_TEST(long_names)
{
	size_t n = PV_PERFMAP_NAME_MAX + 100, used;
	char *text = malloc(n + 32), *name = malloc(PV_PERFMAP_NAME_MAX + 8);
	int start = sprintf(text, "1000 10 ");

	memset(text + start, 'x', n);
	text[start + n] = '\n';
	ok(pv_perfmap_add(map, text, start + n + 1, &used));
	memset(name, 'x', PV_PERFMAP_NAME_MAX);
	strcpy(name + PV_PERFMAP_NAME_MAX, "...");
	expect(0x1000, name);
	free(text);
	free(name);
}
END_TEST

/* ---- files */

static char path[64];

static pid_t start(uid_t uid)
{
	int ready[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		if (uid && setresuid(uid, uid, uid))
			_exit(1);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", pid);
	unlink(path);
	pv_perfmap_destroy(map);
	ok(pv_perfmap_create(pid, &map));
	return pid;
}

static void stop(pid_t pid)
{
	unlink(path);
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void put(const char *text, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | flags, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void read_map(enum pv_perfmap_state want)
{
	enum pv_perfmap_state state = 99;

	ok(pv_perfmap_read(map, &state));
	ck_assert_int_eq(state, want);
}

START_TEST(file_that_grows)
{
	pid_t pid = start(0);

	read_map(PV_PERFMAP_NONE);
	put("1000 10 one\n2000 10 tw", 0);
	read_map(PV_PERFMAP_READ);
	expect(0x1000, "one");
	ck_assert_uint_eq(pv_perfmap_n(map), 1);
	put("o\n", O_APPEND);
	read_map(PV_PERFMAP_READ);
	expect(0x2000, "two");
	ck_assert_uint_eq(pv_perfmap_n(map), 2);
	/* another file, and a shorter one */
	unlink(path);
	put("2000 10 anew, and longer than before\n", 0);
	read_map(PV_PERFMAP_READ);
	expect(0x1000, NULL);
	expect(0x2000, "anew, and longer than before");
	put("1000 1 x\n", O_TRUNC);
	read_map(PV_PERFMAP_READ);
	expect(0x1000, "x");
	expect(0x2000, NULL);
	stop(pid);
	/* what is known stays known */
	read_map(PV_PERFMAP_READ);
	expect(0x1000, "x");
}
END_TEST

START_TEST(file_of_somebody_else)
{
	enum { NOBODY = 65534, OTHER = 4242 };
	pid_t pid;

	if (geteuid())
		return;
	pid = start(NOBODY);
	put("1000 10 lie\n", 0);
	ck_assert_int_eq(chown(path, OTHER, OTHER), 0);
	read_map(PV_PERFMAP_FOREIGN);
	expect(0x1000, NULL);
	ck_assert_int_eq(chown(path, NOBODY, NOBODY), 0);
	read_map(PV_PERFMAP_READ);
	expect(0x1000, "lie");
	unlink(path);
	put("1000 10 root's\n", 0);
	read_map(PV_PERFMAP_READ);
	expect(0x1000, "root's");
	/* what the process may not read, we do not read for it */
	unlink(path);
	put("1000 10 secret\n", 0);
	ck_assert_int_eq(chmod(path, 0600), 0);
	pv_perfmap_destroy(map);
	ok(pv_perfmap_create(pid, &map));
	read_map(PV_PERFMAP_NONE);
	expect(0x1000, NULL);
	stop(pid);
}
END_TEST

START_TEST(no_regular_file)
{
	char other[80];
	pid_t pid = start(0);

	snprintf(other, sizeof(other), "%s.other", path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	read_map(PV_PERFMAP_NONE);
	unlink(path);
	put("1000 10 f\n", 0);
	ck_assert_int_eq(rename(path, other), 0);
	ck_assert_int_eq(symlink(other, path), 0);
	read_map(PV_PERFMAP_NONE);
	ck_assert_int_eq(mkdir(other, 0700), -1);
	unlink(path);
	unlink(other);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	read_map(PV_PERFMAP_NONE);
	rmdir(path);
	stop(pid);
}
END_TEST

/* More than is read of it, as a sparse file; the names before that count. */
START_TEST(file_without_end)
{
	pid_t pid = start(0);

	put("1000 10 f\n", 0);
	ck_assert_int_eq(truncate(path, (off_t)PV_PERFMAP_BYTES_MAX + 4096), 0);
	read_map(PV_PERFMAP_FULL);
	expect(0x1000, "f");
	read_map(PV_PERFMAP_FULL);
	stop(pid);
}
END_TEST

START_TEST(inner_pid)
{
	pid_t inner = 0, pid = start(0);

	ck_assert(pv_process_inner_pid(pid, &inner));
	ck_assert_int_eq(inner, pid);
	stop(pid);
	ck_assert(!pv_process_inner_pid(pid, &inner));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("perfmap");
	TCase *tcase = tcase_create("perfmap");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, lines);
	tcase_add_test(tcase, lines_that_make_no_sense);
	tcase_add_test(tcase, the_later_one_is_right);
	tcase_add_test(tcase, random_ranges);
	tcase_add_test(tcase, long_names);
	tcase_add_test(tcase, file_that_grows);
	tcase_add_test(tcase, file_of_somebody_else);
	tcase_add_test(tcase, no_regular_file);
	tcase_add_test(tcase, file_without_end);
	tcase_add_test(tcase, inner_pid);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
