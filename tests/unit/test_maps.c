/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of target/maps.h on mappings that the test itself makes.
 * Input: this process's /proc/self/maps, temporary files.
 * Output: Check's report.
 */
#include <check.h>
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "target/maps.h"

enum { PAGE = 4096 };

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

/* A file of two pages with the given text at its start, mapped from its second page. */
static char *file_map(const char *path, const char *text)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	ck_assert_int_eq(ftruncate(fd, 2 * PAGE), 0);
	char *addr = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);

	ck_assert_ptr_ne(addr, MAP_FAILED);
	close(fd);
	return addr;
}

static void entry_expect(const struct pv_maps *maps, const char *addr, const char *path,
			 bool deleted)
{
	const struct pv_map_entry *entry = pv_maps_find(maps, (uintptr_t)addr);

	ck_assert_ptr_nonnull(entry);
	ck_assert_uint_eq(entry->start, (uintptr_t)addr);
	ck_assert_uint_eq(entry->end, (uintptr_t)addr + PAGE);
	ck_assert_uint_eq(entry->offset, PAGE);
	ck_assert(entry->readable && !entry->writable && !entry->executable);
	ck_assert_str_eq(entry->path, path);
	ck_assert_int_eq(entry->deleted, deleted);
}

static void open_expect(const struct pv_maps *maps, const char *addr, const char *text)
{
	char got[32] = "";
	int fd = -1;

	ok(pv_map_entry_open(getpid(), pv_maps_find(maps, (uintptr_t)addr), &fd));
	ck_assert_int_ge(read(fd, got, strlen(text)), 1);
	ck_assert_str_eq(got, text);
	close(fd);
}

START_TEST(odd_names_and_deleted_files)
{
	char dir[] = "/tmp/pv-maps-XXXXXX", plain[64], newline[64], gone[64], suffix[64];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(plain, sizeof(plain), "%s/a b  c", dir);
	snprintf(newline, sizeof(newline), "%s/new\nline\\x", dir);
	snprintf(gone, sizeof(gone), "%s/gone", dir);
	snprintf(suffix, sizeof(suffix), "%s/end ", dir);
	char *a = file_map(plain, "plain"), *b = file_map(newline, "newline");
	char *c = file_map(gone, "gone"), *d = file_map(suffix, "suffix");

	unlink(gone);
	struct pv_maps maps = { 0 };

	ok(pv_maps_read(getpid(), &maps));
	entry_expect(&maps, a, plain, false);
	entry_expect(&maps, b, newline, false);
	entry_expect(&maps, c, gone, true);
	entry_expect(&maps, d, suffix, false);
	open_expect(&maps, a, "plain");
	open_expect(&maps, b, "newline");
	open_expect(&maps, d, "suffix");
	if (geteuid() == 0)
		open_expect(&maps, c, "gone");
	else
		printf("skip: open of a deleted file: not root\n");

	struct stat st;

	ck_assert_int_eq(stat(plain, &st), 0);
	ck_assert_uint_eq(pv_maps_find(&maps, (uintptr_t)a)->inode, st.st_ino);
	pv_maps_deinit(&maps);
	munmap(a, PAGE);
	munmap(b, PAGE);
	munmap(c, PAGE);
	munmap(d, PAGE);
	unlink(plain);
	unlink(newline);
	unlink(suffix);
	rmdir(dir);
}
END_TEST

/* Without map_files (no privilege) a file replaced under its name must not be taken for the old. */
START_TEST(replaced_file_is_refused)
{
	char dir[] = "/tmp/pv-maps-XXXXXX", path[64], other[64];
	struct pv_maps maps = { 0 };
	int fd = -1;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/lib", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	char *a = file_map(path, "old");

	ok(pv_maps_read(getpid(), &maps));
	struct pv_map_entry entry = *pv_maps_find(&maps, (uintptr_t)a);

	entry.start = entry.end + PAGE; /* no map_files link has this name */
	ok(pv_map_entry_open(getpid(), &entry, &fd));
	close(fd);
	entry.device ^= 0x100; /* as on btrfs, where stat gives another device */
	struct pv_err *err = pv_map_entry_open(getpid(), &entry, &fd);

	ck_assert_ptr_nonnull(err);
	pv_err_destroy(err);
	entry.device ^= 0x100;
	munmap(file_map(other, "x"), PAGE);
	ck_assert_int_eq(rename(other, path), 0);
	err = pv_map_entry_open(getpid(), &entry, &fd);
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(err->message, "another"));
	pv_err_destroy(err);
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	err = pv_map_entry_open(getpid(), &entry, &fd); /* must not hang */
	ck_assert_ptr_nonnull(err);
	pv_err_destroy(err);
	pv_maps_deinit(&maps);
	munmap(a, PAGE);
	unlink(path);
	rmdir(dir);
}
END_TEST

static int object_check(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];

		if (phdr->p_type != PT_LOAD || !(phdr->p_flags & PF_X))
			continue;
		const struct pv_map_entry *entry =
			pv_maps_find(ctx, info->dlpi_addr + phdr->p_vaddr);

		ck_assert_ptr_nonnull(entry);
		ck_assert(entry->executable);
		if (strstr(info->dlpi_name, "libc.so")) {
			char *real = realpath(info->dlpi_name, NULL);

			ck_assert_str_eq(entry->path, real);
			ck_assert_uint_eq(entry->offset, phdr->p_offset & ~(uint64_t)(PAGE - 1));
			free(real);
		}
	}
	return 0;
}

START_TEST(agrees_with_the_dynamic_linker)
{
	struct pv_maps maps = { 0 };
	bool vdso = false;

	ok(pv_maps_read(getpid(), &maps));
	dl_iterate_phdr(object_check, &maps);
	for (size_t i = 0; i < maps.n; i++) {
		vdso |= strcmp(maps.entries[i].path, "[vdso]") == 0;
		ck_assert(i == 0 || maps.entries[i - 1].end <= maps.entries[i].start);
	}
	ck_assert(vdso);
	const struct pv_map_entry *stack = pv_maps_find(&maps, (uintptr_t)&vdso);

	ck_assert_ptr_nonnull(stack);
	ck_assert(stack->readable && stack->writable);
	ck_assert_ptr_null(pv_maps_find(&maps, 0));
	ck_assert_ptr_null(pv_maps_find(&maps, 0xffff800000000000));
	ck_assert_ptr_null(pv_maps_find(&(struct pv_maps){ 0 }, 1));
	pv_maps_deinit(&maps);
}
END_TEST

START_TEST(absent_and_zombie)
{
	struct pv_maps maps = { 0 };
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	siginfo_t info;

	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	ok(pv_maps_read(pid, &maps));
	ck_assert_uint_eq(maps.n, 0);
	pv_maps_deinit(&maps);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	struct pv_err *err = pv_maps_read(pid, &maps);

	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->kind, PV_ERR_NOPROC);
	pv_err_destroy(err);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("maps");
	TCase *tcase = tcase_create("maps");

	tcase_add_test(tcase, odd_names_and_deleted_files);
	tcase_add_test(tcase, replaced_file_is_refused);
	tcase_add_test(tcase, agrees_with_the_dynamic_linker);
	tcase_add_test(tcase, absent_and_zombie);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
