/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of unwind/table.h on real objects: every byte of code against libdw,
 * which shares no code with us.  Input: this program, libc, the loader, the
 * vdso, a CPython where one is found.  Output: Check's report.
 */
#include <check.h>
#include <dlfcn.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

#include "elf/elf.h"
#include "unwind/table.h"
#include "unwind_rows.h"

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

/* libdw is looked up at run time; its header types the pointers. */
static struct {
	__typeof__(dwarf_getcfi_elf) *getcfi_elf;
	__typeof__(dwarf_cfi_end) *cfi_end;
	__typeof__(dwarf_cfi_addrframe) *cfi_addrframe;
	__typeof__(dwarf_frame_info) *frame_info;
	__typeof__(dwarf_frame_cfa) *frame_cfa;
	__typeof__(dwarf_frame_register) *frame_register;
} dw;

static void *dw_symbol(void *library, const char *name)
{
	void *symbol = dlsym(library, name);

	ck_assert_msg(symbol, "libdw has no %s", name);
	return symbol;
}

static void dw_open(void)
{
	void *library = dlopen("libdw.so.1", RTLD_NOW);

	ck_assert_msg(library, "%s (install libdw1)", dlerror());
	dw.getcfi_elf = dw_symbol(library, "dwarf_getcfi_elf");
	dw.cfi_end = dw_symbol(library, "dwarf_cfi_end");
	dw.cfi_addrframe = dw_symbol(library, "dwarf_cfi_addrframe");
	dw.frame_info = dw_symbol(library, "dwarf_frame_info");
	dw.frame_cfa = dw_symbol(library, "dwarf_frame_cfa");
	dw.frame_register = dw_symbol(library, "dwarf_frame_register");
}

static bool dw_fits(int64_t off, int64_t max_words)
{
	return off % 8 == 0 && off / 8 <= max_words && off / 8 >= -max_words - 1;
}

/* What the row should say of the CFA; "unsupported" if our format cannot. */
static void dw_cfa_text(const Dwarf_Op *ops, size_t n, bool signal, char text[static TEXT_BYTES])
{
	static const uint8_t plt[] = { DW_OP_breg7, DW_OP_breg16, DW_OP_lit15, DW_OP_and, 0,
				       DW_OP_ge,    DW_OP_lit3,   DW_OP_shl,   DW_OP_plus };
	int64_t off = n ? (int64_t)ops[0].number : 0;
	int64_t add = n == 3 ? (int64_t)ops[2].number : 0;
	bool is_plt = n == 9 && off == 8 && ops[1].number == 0;

	for (size_t i = 0; i < n && is_plt; i++)
		is_plt = i == 4 || ops[i].atom == plt[i];
	if (n == 0)
		strcpy(text, "none");
	else if (n == 1 && ops[0].atom == DW_OP_bregx && (ops[0].number | 1) == 7 &&
		 dw_fits((int64_t)ops[0].number2, INT16_MAX))
		sprintf(text, "%s%+" PRId64, ops[0].number == 7 ? "rsp" : "rbp",
			(int64_t)ops[0].number2);
	else if (is_plt)
		sprintf(text, "plt:%d", ops[4].atom - DW_OP_lit0);
	else if (signal && n == 2 && ops[0].atom == DW_OP_breg7 && off == 160)
		strcpy(text, "sigreturn");
	else if ((n == 2 || (n == 3 && ops[2].atom == DW_OP_plus_uconst && dw_fits(add, 127))) &&
		 ops[1].atom == DW_OP_deref && dw_fits(off, INT8_MAX) &&
		 (ops[0].atom == DW_OP_breg6 || ops[0].atom == DW_OP_breg7))
		sprintf(text, "*(%s%+" PRId64 ")%+" PRId64,
			ops[0].atom == DW_OP_breg6 ? "rbp" : "rsp", off, add);
	else
		strcpy(text, "unsupported");
}

static void dw_rbp_text(Dwarf_Frame *frame, char *text)
{
	Dwarf_Op memory[3], *ops;
	size_t n;
	int64_t off;

	ck_assert_int_eq(dw.frame_register(frame, 6, memory, &ops, &n), 0);
	if (n == 0 && !ops)
		return; /* same value; memory would be undefined */
	/* the CFA is pushed, then a constant added or an expression evaluated */
	off = n == 2 ? (int64_t)ops[1].number : 0;
	if (n == 2 && ops[0].atom == DW_OP_call_frame_cfa && ops[1].atom == DW_OP_plus_uconst &&
	    dw_fits(off, INT8_MAX))
		sprintf(text, " rbp=c%+" PRId64, off);
	else if (n == 2 && ops[0].atom == DW_OP_call_frame_cfa && ops[1].atom == DW_OP_breg6 &&
		 dw_fits(off, INT8_MAX))
		sprintf(text, " rbp=*(rbp%+" PRId64 ")", off);
	else
		strcpy(text, " rbp=?");
}

static void dw_text(Dwarf_Frame *frame, bool signal, char text[static TEXT_BYTES])
{
	Dwarf_Op memory[3], *ops;
	size_t n;

	ck_assert_int_eq(dw.frame_register(frame, 16, memory, &ops, &n), 0);
	if (n == 0 && ops == memory) { /* undefined */
		strcpy(text, "end");
		return;
	}
	bool usual = n == 2 && ops[0].atom == DW_OP_call_frame_cfa &&
		     ops[1].atom == DW_OP_plus_uconst && (int64_t)ops[1].number == -8;

	ck_assert_int_eq(dw.frame_cfa(frame, &ops, &n), 0);
	dw_cfa_text(ops, n, signal, text);
	if (!usual && strcmp(text, "sigreturn"))
		strcpy(text, "unsupported");
	if (strcmp(text, "unsupported") && strcmp(text, "sigreturn") && strcmp(text, "none"))
		dw_rbp_text(frame, text + strlen(text));
}

struct truth {
	const char *name;
	Dwarf_CFI *cfi;
	const struct pv_unwind_table *table;
	uint64_t entry;
	size_t n_compared, n_unsupported;
};

/* Compares at one pc; returns where libdw's row ends (pc + 1 outside of all FDEs). */
static uint64_t compare_at(struct truth *truth, uint64_t pc)
{
	const struct pv_unwind_row *row = row_at(truth->table, pc);
	char have[TEXT_BYTES] = "none", want[TEXT_BYTES] = "none";
	Dwarf_Frame *frame = NULL;
	Dwarf_Addr start, end = pc + 1;
	bool signal;

	if (!dw.cfi_addrframe(truth->cfi, pc, &frame)) {
		/* libdw looks up pc as it is; the signal flag is for callers that subtract 1 */
		ck_assert_int_ne(dw.frame_info(frame, &start, &end, &signal), -1);
		dw_text(frame, signal, want);
		free(frame);
	}
	if (row)
		row_text(row, have);
	/* where the program begins ours knows that nobody has called it */
	if (pc >= truth->entry && pc - truth->entry < 256 && !strcmp(want, "none") &&
	    !strcmp(have, "end"))
		strcpy(want, "end");
	ck_assert_msg(!strcmp(have, want), "%s at %#" PRIx64 ": have %s, libdw %s", truth->name, pc,
		      have, want);
	truth->n_compared++;
	truth->n_unsupported += !strcmp(have, "unsupported");
	return end > pc ? end : pc + 1;
}

/*
 * Where each row of libdw begins, then where each of ours does: between those
 * places neither changes, so this compares every byte of code.
 */
static void compare_all(const char *name, const struct pv_elf *elf, Elf *theirs)
{
	struct pv_unwind_table table;
	struct truth truth = { .name = name,
			       .cfi = dw.getcfi_elf(theirs),
			       .table = &table,
			       .entry = pv_elf_entry(elf) };
	struct timespec t0, t1;
	uint32_t i = 0;

	ck_assert_msg(truth.cfi, "%s: libdw finds no CFI", name);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	ok(pv_unwind_compile(elf, &table));
	clock_gettime(CLOCK_MONOTONIC, &t1);
	check_table(&table);
	ck_assert_uint_gt(table.nrows, 0);
	for (uint64_t pc = table.base, end; pc < table.base + table.npages * 4096ULL; pc = end) {
		while (i < table.nrows && table.base + table_rows(&table)[i].pc < pc)
			compare_at(&truth, table.base + table_rows(&table)[i++].pc);
		i += i < table.nrows && table.base + table_rows(&table)[i].pc == pc;
		end = compare_at(&truth, pc);
	}
	while (i < table.nrows)
		compare_at(&truth, table.base + table_rows(&table)[i++].pc);
	printf("# %s: %u FDEs, %u rows, %zu places equal libdw (%zu unsupported), %.1f ms\n", name,
	       table.n_fdes, table.nrows, truth.n_compared, truth.n_unsupported,
	       (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e6);
	pv_unwind_table_deinit(&table);
	dw.cfi_end(truth.cfi);
}

static void compare_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct pv_elf *elf;
	Elf *theirs;

	ck_assert_msg(fd >= 0, "%s: %m", path);
	elf_version(EV_CURRENT);
	theirs = elf_begin(fd, ELF_C_READ, NULL);
	ck_assert_ptr_nonnull(theirs);
	ok(pv_elf_open(fcntl(fd, F_DUPFD_CLOEXEC, 0), &elf));
	compare_all(path, elf, theirs);
	pv_elf_close(elf);
	elf_end(theirs);
	close(fd);
}

START_TEST(truth_of_this_program)
{
	dw_open();
	compare_file("/proc/self/exe");
}
END_TEST

static int compare_loaded(struct dl_phdr_info *info, size_t size, void *ctx)
{
	size_t *n = ctx;

	(void)size;
	if (strstr(info->dlpi_name, "/libc.so.6") || strstr(info->dlpi_name, "/ld-linux-x86-64")) {
		compare_file(info->dlpi_name);
		(*n)++;
	}
	return 0;
}

START_TEST(truth_of_libc_and_loader)
{
	size_t n = 0;

	dw_open();
	dl_iterate_phdr(compare_loaded, &n);
	ck_assert_uint_eq(n, 2);
}
END_TEST

START_TEST(truth_of_vdso)
{
	void *image = (void *)getauxval(AT_SYSINFO_EHDR);
	struct pv_elf *elf;
	Elf *theirs;

	ck_assert_ptr_nonnull(image);
	dw_open();
	elf_version(EV_CURRENT);
	theirs = elf_memory(image, 8192);
	ck_assert_ptr_nonnull(theirs);
	ok(pv_elf_open_memory(image, 8192, &elf));
	compare_all("vdso", elf, theirs);
	pv_elf_close(elf);
	elf_end(theirs);
}
END_TEST

/* PV_UNWIND_OBJECTS: more files, separated by spaces, for a broad run by hand. */
START_TEST(truth_of_python)
{
	const char *root = getenv("PYENV_ROOT"), *home = getenv("HOME"), *more;
	char pattern[512];
	glob_t found = { 0 };

	dw_open();
	if (root)
		snprintf(pattern, sizeof(pattern), "%s/versions/3.11.*/lib/libpython3.11.so.1.0",
			 root);
	else
		snprintf(pattern, sizeof(pattern),
			 "%s/.pyenv/versions/3.11.*/lib/libpython3.11.so.1.0", home ? home : "");
	glob(pattern, 0, NULL, &found);
	if (!found.gl_pathc)
		glob("/usr/bin/python3.11", 0, NULL, &found);
	more = getenv("PV_UNWIND_OBJECTS");
	while (more && *more) {
		int n = (int)strcspn(more, " ");

		snprintf(pattern, sizeof(pattern), "%.*s", n, more);
		glob(pattern, found.gl_pathc ? GLOB_APPEND : 0, NULL, &found);
		more += n + (more[n] == ' ');
	}
	if (!found.gl_pathc)
		printf("# no CPython 3.11 here: compared with other objects only\n");
	for (size_t i = 0; i < found.gl_pathc; i++)
		compare_file(found.gl_pathv[i]);
	globfree(&found);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("unwind truth");
	TCase *tcase = tcase_create("truth");

	tcase_add_test(tcase, truth_of_this_program);
	tcase_add_test(tcase, truth_of_libc_and_loader);
	tcase_add_test(tcase, truth_of_vdso);
	tcase_add_test(tcase, truth_of_python);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
