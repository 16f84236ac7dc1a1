/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls of a native function that does nothing, for bench/native_calls.py: "go N" times
 * as compilers make them, with something cheap to probe at the entry and behind the call.
 * Says the CPU time that a call took, in ns.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void loop(long n);

__asm__(".text\n"
	".globl callee\n.type callee, @function\n"
	"callee:\n\t.cfi_startproc\n"
	"\tpush %rbp\n\t.cfi_def_cfa_offset 16\n"
	"\tpop %rbp\n\t.cfi_def_cfa_offset 8\n"
	"\tret\n\t.cfi_endproc\n.size callee, .-callee\n"
	".globl loop\n.type loop, @function\n"
	"loop:\n\t.cfi_startproc\n"
	"\tpush %rbx\n\t.cfi_def_cfa_offset 16\n"
	"\tmov %rdi, %rbx\n"
	"1:\tcall callee\n"
	"\ttest %eax, %eax\n"
	"\tjmp 2f\n"
	"2:\tsub $1, %rbx\n"
	"\tjnz 1b\n"
	"\tpop %rbx\n\t.cfi_def_cfa_offset 8\n"
	"\tret\n\t.cfi_endproc\n.size loop, .-loop\n");

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
	char line[64];
	long n;

	/* a library of many functions, to be probed */
	if (argc > 1 && !dlopen(argv[1], RTLD_NOW))
		return 1;
	puts("READY");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		double start;

		if (sscanf(line, "go %ld", &n) != 1)
			continue;
		start = now_ns();
		loop(n);
		printf("TOOK %.1f\n", (now_ns() - start) / (double)n);
		fflush(stdout);
	}
	return 0;
}
