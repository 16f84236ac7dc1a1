/* SPDX-License-Identifier: BSD-2-Clause */
/* Says who traces it, by what the kernel says (proc(5), TracerPid), then burns 0.3 s of CPU. */
#include <stdio.h>
#include <string.h>
#include <time.h>

static volatile unsigned long sink;

__attribute__((noinline)) void burns_here(void)
{
	while (clock() < CLOCKS_PER_SEC * 3 / 10) {
		for (int i = 0; i < 20000; i++)
			sink += i;
	}
}

int main(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];

	while (status && fgets(line, sizeof(line), status)) {
		if (!strncmp(line, "TracerPid:", 10))
			printf("%s", line);
	}
	fflush(stdout);
	burns_here();
	return 7;
}
