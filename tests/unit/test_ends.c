/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where functions end (probe/ends.h): functions written in assembler, where labels say which
 * instructions that are.  Input: cc, nm.  Output: Check's report; skipped where these are missing.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf/elf.h"
#include "probe/ends.h"
#include "probe/native.h"

#define FUNCTION(name, body)                                                                       \
	".globl " name "\n.type " name ",@function\n" name ":	.cfi_startproc\n" body             \
	"	.cfi_endproc\n	.size " name ", .-" name "\n"

static const char source[] = ".text\n" FUNCTION("two", "	test %edi, %edi\n	je 1f\n"
						       "two_a: ret\n1:	nop\ntwo_b: ret\n")
	/* it goes on in another, which has two ends, and in its own cold part */
	FUNCTION("tail",
		 "	test %edi, %edi\n	je cold_inside\n	jmp two\nback: nop\n"
		 "tail_a: ret\n")
	/* entered in the middle; it jumps back, which is no end */
	FUNCTION("cold", "	nop\ncold_inside: test %esi, %esi\n	je back\n"
			 "cold_a: ret\n")
	/* through the linkage table: to this object's own function, and to another's */
	FUNCTION("own", "	jmp two@PLT\n") FUNCTION("other", "other_a: jmp memset@PLT\n")
	/* a conditional one to another's cannot be told from going on */
	FUNCTION("maybe", "	jne memset@PLT\nmaybe_a: ret\n")
	/* to nobody knows where */
	FUNCTION("lost", "	test %edi, %edi\n	je 1f\n	jmp *%rax\n1:\nlost_a: ret\n")
	/* two that jump to each other */
	FUNCTION("ping", "	jmp pong\n")
		FUNCTION("pong", "	test %edi, %edi\n	je ping\n"
				 "pong_a: ret\n") "bare: nop\n	ret\n";

static char dir[64];
static struct pv_elf *elf;
static struct pv_native_code code;

static void setup(void)
{
	char command[256], path[96];
	FILE *file;
	int fd;

	strcpy(dir, "/tmp/pv-ends-XXXXXX");
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

/* The ends of a function are these labels; a leading '>' is one that jumps. */
static void check(const char *name, size_t n_lost, const char *const *want)
{
	struct pv_native_ends ends;
	size_t n = 0;

	ck_assert_ptr_null(pv_native_ends(&code, address(name), &ends));
	for (; want[n]; n++) {
		bool jump = want[n][0] == '>', found = false;
		uint64_t at = address(want[n] + jump), offset;

		for (size_t i = 0; i < ends.list.n; i++) {
			const struct pv_native_end *end = pv_vec_at(&ends.list, i);

			if (end->vaddr != at)
				continue;
			found = true;
			ck_assert(end->jump == jump);
			/* jumps are emulated, ret is not */
			ck_assert(end->emulated == jump);
			ck_assert(pv_elf_offset(elf, at, &offset));
			ck_assert_uint_eq(end->offset, offset);
		}
		ck_assert_msg(found, "%s: no end at %s", name, want[n]);
	}
	ck_assert_msg(ends.list.n == n, "%s: %zu ends", name, ends.list.n);
	ck_assert_msg(ends.n_lost == n_lost, "%s: %zu lost", name, ends.n_lost);
	pv_native_ends_deinit(&ends);
}

#define CHECK(name, lost, ...) check(name, lost, (const char *const[]){ __VA_ARGS__, NULL })

START_TEST(ends)
{
	CHECK("two", 0, "two_a", "two_b");
	CHECK("tail", 0, "two_a", "two_b", "tail_a", "cold_a");
	CHECK("own", 0, "two_a", "two_b");
	CHECK("other", 0, ">other_a");
	CHECK("maybe", 1, "maybe_a");
	CHECK("lost", 1, "lost_a");
	CHECK("ping", 0, "pong_a");
	/* without unwind information nobody knows where it stops */
	check("bare", 1, (const char *const[]){ NULL });
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ends");
	TCase *tcase = tcase_create("ends");
	SRunner *runner;
	int failed;

	if (system("command -v cc nm awk >/dev/null")) {
		printf("skip: needs cc, nm and awk\n");
		return EXIT_SUCCESS;
	}
	/* nm is run for each label */
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, ends);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
