/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base/output: a file appears whole or not at all, with mode 0600.
 * Input: a scratch directory.  Output: Check's report.
 */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/output.h"

static char dir[64];

static void setup(void)
{
	strcpy(dir, "/tmp/pv-test-output-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	unsetenv("SUDO_UID");
	unsetenv("SUDO_GID");
}

static int count_entries(void)
{
	DIR *d = opendir(".");
	int n = 0;

	ck_assert_ptr_nonnull(d);
	for (struct dirent *entry; (entry = readdir(d));)
		n += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
	closedir(d);
	return n;
}

static void teardown(void)
{
	DIR *d = opendir(".");

	for (struct dirent *entry; d && (entry = readdir(d));)
		unlink(entry->d_name);
	if (d)
		closedir(d);
	rmdir(dir);
}

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static const char *content(const char *path)
{
	static char text[64];
	FILE *file = fopen(path, "r");
	size_t n;

	if (!file)
		return NULL;
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	return text;
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

START_TEST(appears_at_commit)
{
	struct pv_output *output;
	struct stat st;

	umask(0);
	ok(pv_output_create("a.folded", &output));
	fputs("hello", pv_output_file(output));
	fflush(pv_output_file(output));
	ck_assert_int_ne(access("a.folded", F_OK), 0);
	ok(pv_output_commit(output));
	pv_output_destroy(output);
	ck_assert_str_eq(content("a.folded"), "hello");
	ck_assert_int_eq(stat("a.folded", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(count_entries(), 1);
}
END_TEST

START_TEST(replaces_whole)
{
	struct pv_output *output;
	struct stat st;

	write_text("a", "something long that was there before");
	ck_assert_int_eq(chmod("a", 0666), 0);
	ok(pv_output_create("a", &output));
	fputs("new", pv_output_file(output));
	ok(pv_output_commit(output));
	pv_output_destroy(output);
	ck_assert_str_eq(content("a"), "new");
	ck_assert_int_eq(stat("a", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(nothing_without_commit)
{
	struct pv_output *output;

	write_text("a", "old");
	ok(pv_output_create("a", &output));
	fputs("new", pv_output_file(output));
	pv_output_destroy(output);
	ck_assert_str_eq(content("a"), "old");
	ck_assert_int_eq(count_entries(), 1);
	pv_output_destroy(NULL);
}
END_TEST

START_TEST(symlink_is_replaced_not_followed)
{
	struct pv_output *output;

	write_text("precious", "old");
	ck_assert_int_eq(symlink("precious", "link"), 0);
	ok(pv_output_create("link", &output));
	fputs("new", pv_output_file(output));
	ok(pv_output_commit(output));
	pv_output_destroy(output);
	ck_assert_str_eq(content("precious"), "old");
	ck_assert_str_eq(content("link"), "new");
}
END_TEST

static void refused(const char *path, enum pv_err_kind kind, const char *says)
{
	struct pv_output *output = (struct pv_output *)&output;
	struct pv_err *err = pv_output_create(path, &output);

	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->kind, kind);
	ck_assert_msg(strstr(err->message, says) != NULL, "%s", err->message);
	ck_assert_ptr_eq(output, &output);
	pv_err_destroy(err);
}

START_TEST(refuses_at_once)
{
	refused("absent/a", PV_ERR_FAILED, "cannot write absent/a: No such file or directory");
	refused(".", PV_ERR_FAILED, "cannot write .: Is a directory");
	refused("b/", PV_ERR_USAGE, "not a file name");
	refused("", PV_ERR_USAGE, "not a file name");
	refused("/proc/self/fdinfo/x", PV_ERR_FAILED, "cannot write /proc/self/fdinfo/x");
}
END_TEST

START_TEST(device_is_written_in_place)
{
	struct pv_output *output;
	struct stat st;

	ok(pv_output_create("/dev/null", &output));
	fputs("x", pv_output_file(output));
	ok(pv_output_commit(output));
	pv_output_destroy(output);
	ck_assert_int_eq(stat("/dev/null", &st), 0);
	ck_assert(S_ISCHR(st.st_mode));
}
END_TEST

/* What grows in sight: the old file stays until then, and the new one whatever happens. */
START_TEST(appears_when_shown)
{
	struct pv_output *output;
	struct stat st;
	char got[8] = "";

	write_text("a", "old");
	umask(0);
	ok(pv_output_create("a", &output));
	ck_assert(pv_output_can_show(output));
	fputs("one", pv_output_file(output));
	fflush(pv_output_file(output));
	ck_assert_str_eq(content("a"), "old");
	ok(pv_output_show(output));
	ck_assert_str_eq(content("a"), "one");
	ck_assert_int_eq(stat("a", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	fputs(",two", pv_output_file(output));
	fflush(pv_output_file(output));
	ck_assert_str_eq(content("a"), "one,two");
	ok(pv_output_show(output));
	/* what was written can be read */
	rewind(pv_output_file(output));
	ck_assert_uint_eq(fread(got, 1, sizeof(got) - 1, pv_output_file(output)), 7);
	ck_assert_str_eq(got, "one,two");
	fseek(pv_output_file(output), 0, SEEK_END);
	fputs(",3", pv_output_file(output));
	ok(pv_output_commit(output));
	pv_output_destroy(output);
	ck_assert_str_eq(content("a"), "one,two,3");
	ck_assert_int_eq(count_entries(), 1);
}
END_TEST

START_TEST(shown_stays_without_commit)
{
	struct pv_output *output;

	write_text("precious", "old");
	ck_assert_int_eq(symlink("precious", "link"), 0);
	ok(pv_output_create("link", &output));
	fputs("new", pv_output_file(output));
	ok(pv_output_show(output));
	pv_output_destroy(output);
	ck_assert_str_eq(content("link"), "new");
	ck_assert_str_eq(content("precious"), "old");
	ck_assert_int_eq(count_entries(), 2);
}
END_TEST

START_TEST(what_cannot_be_shown)
{
	struct pv_output *output;

	ok(pv_output_create("/dev/null", &output));
	ck_assert(!pv_output_can_show(output));
	pv_output_destroy(output);
	ok(pv_output_create("-", &output));
	ck_assert(!pv_output_can_show(output));
	pv_output_destroy(output);
}
END_TEST

/* The directory goes away between the start and the capture. */
START_TEST(show_fails)
{
	struct pv_output *output;
	struct pv_err *err;

	ck_assert_int_eq(mkdir("d", 0700), 0);
	ok(pv_output_create("d/a", &output));
	ck_assert_int_eq(rmdir("d"), 0);
	err = pv_output_show(output);
	ck_assert_ptr_nonnull(err);
	ck_assert_str_eq(err->message, "cannot write d/a: No such file or directory");
	pv_err_destroy(err);
	pv_output_destroy(output);
}
END_TEST

START_TEST(full_disk_is_reported)
{
	struct pv_output *output;
	struct pv_err *err;

	ok(pv_output_create("/dev/full", &output));
	for (int i = 0; i < 10000; i++)
		fputs("0123456789", pv_output_file(output));
	err = pv_output_commit(output);
	ck_assert_ptr_nonnull(err);
	ck_assert_str_eq(err->message, "cannot write /dev/full: No space left on device");
	pv_err_destroy(err);
	pv_output_destroy(output);
}
END_TEST

START_TEST(fifo_is_written_in_place)
{
	struct pv_output *output;
	char got[8] = "";
	int fd;

	ck_assert_int_eq(mkfifo("pipe", 0600), 0);
	fd = open("pipe", O_RDONLY | O_NONBLOCK);
	ok(pv_output_create("pipe", &output));
	fputs("x", pv_output_file(output));
	ok(pv_output_commit(output));
	pv_output_destroy(output);
	ck_assert_int_eq(read(fd, got, sizeof(got)), 1);
	close(fd);
	ck_assert_int_eq(count_entries(), 1);
}
END_TEST

/* What is printed to standard output before the commit comes before it. */
START_TEST(stdout_is_buffered)
{
	struct pv_output *output;
	int saved = dup(STDOUT_FILENO);

	ck_assert_ptr_nonnull(freopen("out", "w", stdout));
	ok(pv_output_create("-", &output));
	fputs("profile", pv_output_file(output));
	fflush(pv_output_file(output));
	fputs("table,", stdout);
	ok(pv_output_commit(output));
	pv_output_destroy(output);
	ck_assert_str_eq(content("out"), "table,profile");
	dup2(saved, STDOUT_FILENO);
	close(saved);
}
END_TEST

START_TEST(belongs_to_sudo_user)
{
	struct pv_output *output;
	struct stat st;

	/* Only root can give files away. */
	if (geteuid())
		return;
	setenv("SUDO_UID", "1234", 1);
	setenv("SUDO_GID", "2345", 1);
	ok(pv_output_create("a", &output));
	ok(pv_output_commit(output));
	pv_output_destroy(output);
	ck_assert_int_eq(stat("a", &st), 0);
	ck_assert_uint_eq(st.st_uid, 1234);
	ck_assert_uint_eq(st.st_gid, 2345);

	setenv("SUDO_UID", "12x", 1);
	ok(pv_output_create("b", &output));
	ok(pv_output_commit(output));
	pv_output_destroy(output);
	ck_assert_int_eq(stat("b", &st), 0);
	ck_assert_uint_eq(st.st_uid, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("output");
	TCase *tcase = tcase_create("output");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, appears_at_commit);
	tcase_add_test(tcase, replaces_whole);
	tcase_add_test(tcase, nothing_without_commit);
	tcase_add_test(tcase, symlink_is_replaced_not_followed);
	tcase_add_test(tcase, refuses_at_once);
	tcase_add_test(tcase, device_is_written_in_place);
	tcase_add_test(tcase, appears_when_shown);
	tcase_add_test(tcase, shown_stays_without_commit);
	tcase_add_test(tcase, what_cannot_be_shown);
	tcase_add_test(tcase, show_fails);
	tcase_add_test(tcase, full_disk_is_reported);
	tcase_add_test(tcase, fifo_is_written_in_place);
	tcase_add_test(tcase, stdout_is_buffered);
	tcase_add_test(tcase, belongs_to_sudo_user);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
