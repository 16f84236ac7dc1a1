/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Native functions with arguments of each kind.  Says READY; at each line N it calls told() N times,
 * and says what it called it with and what came back, a line each; then DONE.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char longest[100];

__attribute__((noinline)) static long inner(long n, const char *text)
{
	__asm__ volatile("" : "+r"(n));
	return n - (text ? (long)strlen(text) : 7);
}

/* Its first instructions are not of the cheap kind, and they write registers. */
__attribute__((noinline)) int told(int n, const char *text, unsigned long size, void *at, char c,
				   bool yes)
{
	volatile long sum = inner((long)n - (long)(size >> 40), text);

	return (int)(sum + c + yes + (at ? 1 : 0));
}

__attribute__((noinline)) const char *text_of(unsigned int n)
{
	static const char *const texts[] = { "first", "s\xc3\xa9" "cond\n", NULL };

	__asm__ volatile("" : "+r"(n));
	return n % 4 == 3 ? longest : texts[n % 4];
}

int main(void)
{
	char line[32];

	memset(longest, 'x', sizeof(longest) - 1);
	printf("READY\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		for (int i = 0; i < atoi(line); i++) {
			const char *text = text_of((unsigned int)i);
			int n = i % 2 ? -i : i;
			unsigned long size = 1UL << (i % 64);
			int result = told(n, text, size, line, (char)('a' + i % 26), i % 3);

			printf("TOLD %d %lu %p %c %d %d\n", n, size, (void *)line, 'a' + i % 26,
			       i % 3 != 0, result);
		}
		printf("DONE\n");
		fflush(stdout);
	}
	return 0;
}
