/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A child process of one function.  Input: argv[1], CPU milliseconds to burn.
 * Output: the CPU nanoseconds that it has used when it ends, 8 bytes on standard output.
 */
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

__attribute__((noinline)) void burns(uint64_t ns)
{
	while (cpu_ns() < ns) {
		for (int i = 0; i < 20000; i++)
			sink += i;
	}
}

int main(int argc, char **argv)
{
	uint64_t ns;

	burns(argc > 1 ? strtoull(argv[1], NULL, 10) * 1000000 : 0);
	ns = cpu_ns();
	return write(1, &ns, sizeof(ns)) != sizeof(ns);
}
