/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the cache of unwind tables: what is read back, and what is not
 * believed.  Input: this process's libc.  Output: Check's report.
 */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf/elf.h"
#include "unwind/table.h"

static char directory[64], cache[640], file[640], libc_path[640];
static struct pv_elf *libc;
static struct pv_unwind_table fresh;

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

static int open_libc(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	if (!strstr(info->dlpi_name, "/libc.so.6"))
		return 0;
	snprintf(libc_path, sizeof(libc_path), "%s", info->dlpi_name);
	ok(pv_elf_open(open(info->dlpi_name, O_RDONLY | O_CLOEXEC), &libc));
	return 1;
}

static void load(struct pv_unwind_table *ret)
{
	ok(pv_unwind_load(libc, cache, ret));
	ck_assert_uint_eq(ret->base, fresh.base);
	ck_assert_uint_eq(ret->npages, fresh.npages);
	ck_assert_uint_eq(ret->nrows, fresh.nrows);
	ck_assert_uint_eq(ret->n_fdes, fresh.n_fdes);
	ck_assert_uint_eq(ret->n_unsupported, fresh.n_unsupported);
	ck_assert(!memcmp(ret->cells, fresh.cells, (fresh.npages + fresh.nrows) * 8UL));
}

/* True if it came out of the file. */
static bool load_is_mapped(void)
{
	struct pv_unwind_table table;
	bool mapped;

	load(&table);
	mapped = table.mapping != NULL;
	pv_unwind_table_deinit(&table);
	return mapped;
}

/* The number of files in the cache; the name of the last one goes to `file`. */
static int count_files(void)
{
	DIR *dir = opendir(cache);
	struct dirent *entry;
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%.300s/%.300s", cache, entry->d_name);
		n++;
	}
	closedir(dir);
	return n;
}

static void setup(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(directory, sizeof(directory), "%.40s/pv-cache-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(cache, sizeof(cache), "%s/not/yet", directory);
	libc = NULL;
	dl_iterate_phdr(open_libc, NULL);
	ck_assert_ptr_nonnull(libc);
	ok(pv_unwind_compile(libc, &fresh));
	ck_assert(!load_is_mapped());
	ck_assert_int_eq(count_files(), 1);
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
	pv_unwind_table_deinit(&fresh);
	pv_elf_close(libc);
}

START_TEST(second_load_is_mapped)
{
	struct stat st;

	ck_assert(load_is_mapped());
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(count_files(), 1);
}
END_TEST

START_TEST(no_cache_directory)
{
	struct pv_unwind_table table;

	ok(pv_unwind_load(libc, NULL, &table));
	ck_assert_ptr_null(table.mapping);
	ck_assert_uint_eq(table.nrows, fresh.nrows);
	pv_unwind_table_deinit(&table);
	/* a file where the directory should be, also for root */
	snprintf(cache, sizeof(cache), "%s", file);
	ck_assert(!load_is_mapped());
	ck_assert(!load_is_mapped());
}
END_TEST

/* One bit wrong in the header, the first and last page entries, rows, the last byte. */
static const long broken_at[] = { 0, 8, 12, 16, 24, 32, 36, 44, 48, 56, 64, 95, 96, 3000, -1 };

START_TEST(broken_byte)
{
	int fd = open(file, O_RDWR | O_CLOEXEC);
	long at = broken_at[_i];
	struct stat st;
	uint8_t byte;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	if (at < 0)
		at += st.st_size;
	ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	close(fd);
	ck_assert_msg(!load_is_mapped(), "a bit at %ld is wrong, and the file was believed", at);
	ck_assert_msg(load_is_mapped(), "the broken file was not replaced");
}
END_TEST

START_TEST(wrong_size)
{
	struct stat st;

	ck_assert_int_eq(stat(file, &st), 0);
	const off_t sizes[] = {
		0, 95, 96, st.st_size - 8, st.st_size - 1, st.st_size + 4, st.st_size + 8
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		ck_assert_int_eq(truncate(file, sizes[i]), 0);
		ck_assert_msg(!load_is_mapped(), "size %ld was believed", (long)sizes[i]);
		ck_assert(load_is_mapped());
	}
}
END_TEST

START_TEST(not_ours)
{
	char other[128];

	ck_assert_int_eq(chmod(file, 0620), 0);
	ck_assert(!load_is_mapped());
	ck_assert(load_is_mapped());
	ck_assert_int_eq(chmod(file, 0602), 0);
	ck_assert(!load_is_mapped());
	/* a symbolic link is replaced, not followed */
	snprintf(other, sizeof(other), "%s/other", directory);
	ck_assert_int_eq(rename(file, other), 0);
	ck_assert_int_eq(symlink(other, file), 0);
	ck_assert(!load_is_mapped());
	ck_assert(load_is_mapped());
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(file, 12345, 12345), 0);
		ck_assert(!load_is_mapped());
		ck_assert(load_is_mapped());
	}
}
END_TEST

/* The same build-id in an object of another layout gets a table of its own. */
START_TEST(stolen_build_id)
{
	struct pv_unwind_table table;
	struct pv_elf *thief;
	struct stat st;
	Elf64_Ehdr *ehdr;
	Elf64_Phdr *phdr;
	uint8_t *image;
	FILE *libc_file = fopen(libc_path, "re");

	ck_assert_ptr_nonnull(libc_file);
	ck_assert_int_eq(fstat(fileno(libc_file), &st), 0);
	image = malloc((size_t)st.st_size);
	ck_assert_ptr_nonnull(image);
	ck_assert_uint_eq(fread(image, 1, (size_t)st.st_size, libc_file), (size_t)st.st_size);
	fclose(libc_file);
	ehdr = (Elf64_Ehdr *)image;
	phdr = (Elf64_Phdr *)(image + ehdr->e_phoff);
	while (phdr->p_type != PT_LOAD || !(phdr->p_flags & PF_X))
		phdr++;
	ok(pv_elf_open_memory(image, (size_t)st.st_size, &thief));
	ok(pv_unwind_load(thief, cache, &table));
	ck_assert_ptr_nonnull(table.mapping);
	pv_unwind_table_deinit(&table);
	pv_elf_close(thief);
	/* its code ends earlier */
	phdr->p_filesz -= 4096;
	ok(pv_elf_open_memory(image, (size_t)st.st_size, &thief));
	ok(pv_unwind_load(thief, cache, &table));
	ck_assert_ptr_null(table.mapping);
	ck_assert_uint_lt(table.nrows, fresh.nrows);
	pv_unwind_table_deinit(&table);
	pv_elf_close(thief);
	free(image);
	ck_assert_int_eq(count_files(), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("unwind cache");
	TCase *tcase = tcase_create("cache");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, second_load_is_mapped);
	tcase_add_test(tcase, no_cache_directory);
	tcase_add_loop_test(tcase, broken_byte, 0, sizeof(broken_at) / sizeof(*broken_at));
	tcase_add_test(tcase, wrong_size);
	tcase_add_test(tcase, not_ours);
	tcase_add_test(tcase, stolen_build_id);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
