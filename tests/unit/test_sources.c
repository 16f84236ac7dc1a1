/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session/sources and session/modules: which texts a profile keeps, and what its
 * libraries are called.  Input: files of a scratch directory, made-up objects.
 * Output: Check's report.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/loss.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/modules.h"
#include "session/sources.h"
#include "target/process.h"

static char dir[64];
static struct pv_profile *profile;
static struct pv_sources *sources;

static void setup(void)
{
	strcpy(dir, "/tmp/pv-test-sources-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_ptr_null(pv_profile_create(&profile));
	ck_assert_ptr_null(pv_sources_create(profile, &sources));
}

static void teardown(void)
{
	char command[128];

	pv_sources_destroy(sources);
	pv_profile_destroy(profile);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* A file as old as asked for: before this process, or in the future. */
static void put(const char *path, const char *text, time_t mtime)
{
	const struct timespec times[2] = { { .tv_sec = mtime }, { .tv_sec = mtime } };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
	ck_assert_int_eq(futimens(fd, times), 0);
	close(fd);
}

static uint32_t string(const char *bytes, size_t n)
{
	uint32_t id;

	ck_assert_ptr_null(pv_strings_add(profile->strings, bytes, n, &id));
	return id;
}

/* A Python frame in a stack; its file's id. */
static uint32_t see_bytes(const char *path, size_t n, int line, pid_t pid)
{
	struct pv_loc loc = { .kind = PV_LOC_PYTHON, .line = line };
	uint32_t id;

	loc.function = string("f", 1);
	loc.file = string(path, n);
	ck_assert_ptr_null(pv_profile_loc(profile, &loc, &id));
	ck_assert_ptr_null(pv_sources_take(sources, pid));
	return loc.file;
}

static uint32_t see(const char *path, int line)
{
	return see_bytes(path, strlen(path), line, getpid());
}

static const struct pv_source *source_of(uint32_t file)
{
	for (size_t i = 0; i < profile->sources.n; i++) {
		const struct pv_source *source = pv_vec_at(&profile->sources, i);

		if (source->file == file)
			return source;
	}
	return NULL;
}

static void expect(uint32_t file, const char *text, bool changed)
{
	const struct pv_source *source = source_of(file);

	if (!text) {
		ck_assert_ptr_null(source);
		return;
	}
	ck_assert_ptr_nonnull(source);
	ck_assert_str_eq(source->text, text);
	ck_assert_uint_eq(source->n, strlen(text));
	ck_assert_int_eq(source->changed, changed);
}

START_TEST(texts)
{
	put("old.py", "old\xff", 1000000000);
	put("new.py", "new", 4000000000);
	expect(see("old.py", 1), "old\xff", false);
	expect(see("new.py", 1), "new", true);
	/* once read, it stays as it was */
	put("old.py", "other", 4000000000);
	expect(see("old.py", 2), "old\xff", false);
	ck_assert_uint_eq(profile->sources.n, 2);
	ck_assert_uint_eq(profile->losses.count[PV_LOSS_SOURCE], 0);
}
END_TEST

/* Seconds tell: an edit right after the start is one that the process does not run. */
START_TEST(changed_by_seconds)
{
	uint64_t start_ns;
	time_t start;

	ck_assert(pv_process_program_ns(getpid(), &start_ns));
	start = start_ns / 1000000000;
	put("before.py", "before", start - 2);
	put("after.py", "after", start + 2);
	expect(see("before.py", 1), "before", false);
	expect(see("after.py", 1), "after", true);
}
END_TEST

START_TEST(no_files)
{
	struct pv_loc native = { .kind = PV_LOC_NATIVE, .file = string("old.py", 6) };
	char path[8192];
	uint32_t id;

	put("old.py", "old", 1000000000);
	put("<string>", "a trap", 1000000000);
	put("a", "cut at the NUL", 1000000000);
	memset(path, 'x', sizeof(path));
	expect(see("<string>", 1), NULL, false);
	expect(see("<frozen os>", 1), NULL, false);
	expect(see("", 1), NULL, false);
	expect(see("missing.py", 1), NULL, false);
	expect(see("old.py/in_a_zip.py", 1), NULL, false);
	expect(see_bytes("a\0b.py", 6, 1, getpid()), NULL, false);
	expect(see_bytes(path, sizeof(path), 1, getpid()), NULL, false);
	ck_assert_ptr_null(pv_profile_loc(profile, &native, &id));
	ck_assert_ptr_null(pv_sources_take(sources, getpid()));
	expect(native.file, NULL, false);
	ck_assert_uint_eq(profile->sources.n, 0);
	ck_assert_uint_eq(profile->losses.count[PV_LOSS_SOURCE], 0);
}
END_TEST

static void make_sized(const char *path, off_t n)
{
	put(path, "", 1000000000);
	ck_assert_int_eq(truncate(path, n), 0);
}

START_TEST(a_file_too_large)
{
	make_sized("most.py", PV_SOURCE_FILE_MAX);
	make_sized("large.py", PV_SOURCE_FILE_MAX + 1);
	see("most.py", 1);
	ck_assert_uint_eq(profile->sources.n, 1);
	expect(see("large.py", 1), NULL, false);
	/* counted once, however often it is seen */
	expect(see("large.py", 2), NULL, false);
	ck_assert_uint_eq(profile->losses.count[PV_LOSS_SOURCE], 1);
}
END_TEST

START_TEST(too_much_in_all)
{
	enum { N = PV_SOURCE_ALL_MAX / PV_SOURCE_FILE_MAX };
	char path[16];
	int i;

	for (i = 0; i < N + 3; i++) {
		snprintf(path, sizeof(path), "%d.py", i);
		make_sized(path, PV_SOURCE_FILE_MAX);
		see(path, 1);
	}
	ck_assert_uint_eq(profile->sources.n, N);
	ck_assert_uint_eq(profile->losses.count[PV_LOSS_SOURCE], 3);
	put("empty.py", "", 1000000000);
	see("empty.py", 1);
	ck_assert_uint_eq(profile->sources.n, N + 1);
}
END_TEST

/* A process that ends before we look has not seen the file for the last time. */
START_TEST(a_process_that_is_gone)
{
	uint32_t file;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	put("old.py", "old", 1000000000);
	file = see_bytes("old.py", 6, 1, pid);
	expect(file, NULL, false);
	see("old.py", 2);
	expect(file, "old", false);
}
END_TEST

START_TEST(none_are_wanted)
{
	ck_assert_ptr_null(pv_sources_take(NULL, getpid()));
}
END_TEST

static const char *add_module(const char *path, const char *build_id)
{
	uint32_t name;

	ck_assert_ptr_null(pv_modules_add(profile, path, build_id, &name));
	return pv_strings_get(profile->strings, name);
}

START_TEST(module_names)
{
	const struct pv_module *module;

	ck_assert_str_eq(add_module("/usr/lib/libc.so.6", "aa"), "libc.so.6");
	ck_assert_str_eq(add_module("[vdso]", "bb"), "[vdso]");
	ck_assert_str_eq(add_module("/v/numpy/random/_common.so", "c1"), "_common.so");
	ck_assert_str_eq(add_module("/v/numpy/fft/_common.so", "c2"), "fft/_common.so");
	ck_assert_str_eq(add_module("/w/numpy/fft/_common.so", "c3"), "/w/numpy/fft/_common.so");
	/* another file in the same place */
	ck_assert_str_eq(add_module("/w/numpy/fft/_common.so", "c4"),
			 "/w/numpy/fft/_common.so (c4)");
	/* those that are known keep their names */
	ck_assert_str_eq(add_module("/v/numpy/fft/_common.so", "c2"), "fft/_common.so");
	ck_assert_str_eq(add_module("/usr/lib/libc.so.6", "aa"), "libc.so.6");
	ck_assert_str_eq(add_module("/w/numpy/fft/_common.so", "c4"),
			 "/w/numpy/fft/_common.so (c4)");
	ck_assert_uint_eq(profile->modules.n, 6);
	module = pv_vec_at(&profile->modules, 3);
	ck_assert_str_eq(pv_strings_get(profile->strings, module->path), "/v/numpy/fft/_common.so");
	ck_assert_str_eq(pv_strings_get(profile->strings, module->build_id), "c2");
}
END_TEST

START_TEST(odd_module_paths)
{
	ck_assert_str_eq(add_module("relative.so", ""), "relative.so");
	ck_assert_str_eq(add_module("/relative.so", ""), "/relative.so");
	ck_assert_str_eq(add_module("/", ""), "/");
	ck_assert_str_eq(add_module("/a/", ""), "a/");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sources");
	TCase *tcase = tcase_create("sources");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, texts);
	tcase_add_test(tcase, changed_by_seconds);
	tcase_add_test(tcase, no_files);
	tcase_add_test(tcase, a_file_too_large);
	tcase_add_test(tcase, too_much_in_all);
	tcase_add_test(tcase, a_process_that_is_gone);
	tcase_add_test(tcase, none_are_wanted);
	tcase_add_test(tcase, module_names);
	tcase_add_test(tcase, odd_module_paths);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
