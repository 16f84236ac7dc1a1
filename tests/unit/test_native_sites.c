/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places of native functions (probe/native.h): functions written in assembler, where a
 * label of its own says which instruction is to be probed; nm(1) tells where it is.
 * Input: cc, nm.  Output: Check's report; skipped where these are missing.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "elf/elf.h"
#include "probe/native.h"

static const char source[] =
	".text\n"
	/* after endbr64, what is not emulated and pushes */
	"plain: .type plain,@function\n"
	"	.cfi_startproc\n	endbr64\n	sub $24, %rsp\n"
	"want_plain: jmp 1f\n1:	add $24, %rsp\n	ret\n	.cfi_endproc\n	.size plain, .-plain\n"
	/* the loop's head is between its start and the first cheap instruction */
	"headed: .type headed,@function\n"
	"	.cfi_startproc\n"
	"want_headed: endbr64\n1:	mov %edi, %eax\n	push %rax\n	pop %rax\n	"
	"jmp 1b\n"
	"	.cfi_endproc\n	.size headed, .-headed\n"
	/* its loop is all of it */
	"looped: .type looped,@function\n"
	"	.cfi_startproc\n	sub $1, %edi\n"
	"want_looped: jg looped\n	ret\n	.cfi_endproc\n	.size looped, .-looped\n"
	/* a register that a callee saves is written before the first cheap instruction */
	"saved: .type saved,@function\n"
	"	.cfi_startproc\n"
	"want_saved: mov %rdi, %rbx\n	push %rax\n	pop %rax\n	ret\n"
	"	.cfi_endproc\n	.size saved, .-saved\n"
	/* it goes on in another function */
	"tailed: .type tailed,@function\n"
	"	.cfi_startproc\n"
	"want_tailed: push %rbp\n	pop %rbp\n	jmp plain\n	.cfi_endproc\n"
	"	.size tailed, .-tailed\n"
	/* calls: one with something cheap behind it, one without, one that never returns */
	"caller: .type caller,@function\n"
	"	.cfi_startproc\n	push %rbx\n	call plain\n"
	"after_first: mov %eax, %ebp\n	mov %eax, %eax\n	call *%rax\n"
	"after_second: mov %eax, %ecx\n	sub $8, %rsp\n"
	"want_second: push %rdx\n	.byte 0x48, 0xb8\n"
	"within: call plain\n"
	"no_call:	nop\n	nop\n	nop\n	nop\n	ret\n"
	"	.cfi_endproc\n	.size caller, .-caller\n"
	/* the kernel puts no probe on a locked instruction, as glibc and OpenSSL begin some
	   functions */
	"locked: .type locked,@function\n"
	"	.cfi_startproc\n	lock addl $1, 32(%rdi)\n	ret\n	.cfi_endproc\n	"
	".size locked, .-locked\n"
	/* no unwind information: a symbol must do */
	"bare: .type bare,@function\n	endbr64\n"
	"want_bare: push %rbp\n	call plain\n"
	"after_bare: pop %rbp\n	ret\n	.size bare, .-bare\n	.skip 16, 0x90\n";

static char dir[64];
static struct pv_elf *elf;
static struct pv_native_code code;

static void setup(void)
{
	char command[256], path[96];
	FILE *file;
	int fd;

	strcpy(dir, "/tmp/pv-sites-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/code.s", dir);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(source, file);
	fclose(file);
	snprintf(command, sizeof(command), "cd %s && cc -shared -o code.so code.s 2>/dev/null",
		 dir);
	ck_assert_int_eq(system(command), 0);
	snprintf(path, sizeof(path), "%s/code.so", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_ptr_null(pv_elf_open(fd, &elf));
	ck_assert_ptr_null(pv_native_code_init(elf, &code));
}

static void teardown(void)
{
	char command[96];

	pv_native_code_deinit(&code);
	pv_elf_close(elf);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static uint64_t address(const char *name)
{
	char command[256];
	unsigned long value = 0;
	FILE *pipe;

	snprintf(command, sizeof(command), "nm %s/code.so | awk '$3 == \"%s\" { print $1 }'", dir,
		 name);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	ck_assert_msg(fscanf(pipe, "%lx", &value) == 1, "no %s", name);
	pclose(pipe);
	return value;
}

static struct pv_native_site entry(const char *name, const char *want)
{
	struct pv_native_site site;
	const char *why = "";

	ck_assert_msg(pv_native_entry(&code, address(name), 0, PV_NATIVE_SAVED, &site, &why),
		      "%s: %s", name, why);
	ck_assert_msg(site.vaddr == address(want), "%s: at %#lx", name, (unsigned long)site.vaddr);
	return site;
}

START_TEST(entries)
{
	struct pv_native_site site = entry("plain", "want_plain");
	uint64_t offset;

	ck_assert(site.emulated);
	ck_assert_uint_eq(site.pushed, 24);
	ck_assert(!site.loops && !site.tails);
	ck_assert(pv_elf_offset(elf, site.vaddr, &offset));
	ck_assert_uint_eq(site.offset, offset);
	ck_assert(!entry("headed", "want_headed").emulated);
	site = entry("looped", "want_looped");
	ck_assert(site.loops && site.emulated);
	ck_assert(!entry("saved", "want_saved").emulated);
	site = entry("tailed", "want_tailed");
	ck_assert(site.tails && !site.loops);
	ck_assert(entry("bare", "want_bare").emulated);
}
END_TEST

/* A breakpoint there would break the target. */
START_TEST(no_entry)
{
	struct pv_native_site site;
	const char *why = "";

	ck_assert(!pv_native_entry(&code, address("plain") + 1, 0, 0, &site, &why));
	ck_assert_str_eq(why, "no instruction begins there");
	ck_assert(!pv_native_entry(&code, 0x10, 0, 0, &site, &why));
	ck_assert_str_eq(why, "it is not in code");
	ck_assert(!pv_native_entry(&code, address("locked"), 0, 0, &site, &why));
	ck_assert_str_eq(why, "the kernel probes no such instruction");
}
END_TEST

static bool return_at(const char *name, struct pv_native_site *site, const char **why)
{
	return pv_native_return(&code, address(name), PV_NATIVE_SAVED, site, why);
}

START_TEST(returns)
{
	struct pv_native_site site;
	const char *why = "";

	/* rbp is written at once: no further */
	ck_assert_msg(return_at("after_first", &site, &why), "%s", why);
	ck_assert_uint_eq(site.vaddr, address("after_first"));
	ck_assert(!site.emulated);
	ck_assert_msg(return_at("after_second", &site, &why), "%s", why);
	ck_assert_uint_eq(site.vaddr, address("want_second"));
	ck_assert_uint_eq(site.pushed, 8);
	ck_assert(site.emulated);
}
END_TEST

START_TEST(no_return)
{
	struct pv_native_site site;
	const char *why = "";

	/* a call's bytes stand before it, but within an instruction */
	ck_assert(!return_at("no_call", &site, &why));
	ck_assert_str_eq(why, "no call stands before it");
	ck_assert(!return_at("within", &site, &why));
	ck_assert(!return_at("want_second", &site, &why));
	ck_assert(!return_at("caller", &site, &why));
	ck_assert(!return_at("after_bare", &site, &why));
	ck_assert_str_eq(why, "it has no unwind information");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("native_sites");
	TCase *tcase = tcase_create("native_sites");
	SRunner *runner;
	int failed;

	if (system("command -v cc nm awk >/dev/null")) {
		printf("skip: needs cc, nm and awk\n");
		return EXIT_SUCCESS;
	}
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, entries);
	tcase_add_test(tcase, no_entry);
	tcase_add_test(tcase, returns);
	tcase_add_test(tcase, no_return);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
