/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Burns CPU under functions of the C library: in qsort()'s callback on the main thread, and in a
 * thread.  Input: none.  Output: READY.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 512 };

static volatile unsigned int sink;

static int compare(const void *a, const void *b)
{
	for (int i = 0; i < 200; i++)
		sink += (unsigned int)i;
	return *(const int *)a - *(const int *)b;
}

static void *on_thread(void *unused)
{
	(void)unused;
	for (;;)
		sink++;
	return NULL;
}

int main(void)
{
	pthread_t thread;
	int numbers[N];

	if (pthread_create(&thread, NULL, on_thread, NULL))
		return 1;
	puts("READY");
	fflush(stdout);
	for (;;) {
		for (int i = 0; i < N; i++)
			numbers[i] = rand();
		qsort(numbers, N, sizeof(numbers[0]), compare);
	}
}
