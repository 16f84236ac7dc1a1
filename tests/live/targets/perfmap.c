/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program with code of its own making, as a JIT has it: a loop of bytes in memory that no file
 * is behind.  It says where ("READY ADDRESS SIZE") and runs it for ever, called by
 * calls_made_code().
 * usage: perfmap [TURNS]: of the loop in each call, 100000 if not said
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* mov $TURNS,%ecx; 1: dec %ecx; jnz 1b; ret */
static unsigned char code[] = { 0xb9, 0, 0, 0, 0, 0xff, 0xc9, 0x75, 0xfc, 0xc3 };

__attribute__((noinline)) static void calls_made_code(void (*made)(void))
{
	for (;;)
		made();
}

int main(int argc, char **argv)
{
	uint32_t turns = argc > 1 ? (uint32_t)atol(argv[1]) : 100000;
	unsigned char *area =
		mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		return 1;
	memcpy(code + 1, &turns, sizeof(turns));
	memcpy(area + 64, code, sizeof(code));
	if (mprotect(area, 8192, PROT_READ | PROT_EXEC))
		return 1;
	printf("READY %lx %zx\n", (unsigned long)(area + 64), sizeof(code));
	fflush(stdout);
	calls_made_code((void (*)(void))(area + 64));
}
