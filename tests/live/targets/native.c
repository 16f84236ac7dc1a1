/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program without Python.  Input: argv[1], CPU seconds to burn, or "sleep".
 * Output: READY, then a known chain of calls, with system calls now and then.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

__attribute__((noinline)) void leaf_of_c(void)
{
	for (int i = 0; i < 20000; i++)
		sink += i;
	for (int i = 0; i < 40; i++)
		sink += getppid();
}

__attribute__((noinline)) void middle_of_c(void)
{
	for (int i = 0; i < 10; i++)
		leaf_of_c();
	sink++;
}

__attribute__((noinline)) void outer_of_c(double seconds)
{
	pid_t parent = getppid();

	while ((double)clock() / CLOCKS_PER_SEC < seconds && getppid() == parent)
		middle_of_c();
	sink++;
}

__attribute__((noinline)) void sleeps_in_c(void)
{
	printf("READY\n");
	fflush(stdout);
	for (;;)
		pause();
}

static void *other(void *arg)
{
	for (;;)
		pause();
	return arg;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "sleep")) {
		pthread_t thread;

		pthread_create(&thread, NULL, other, NULL);
		sleeps_in_c();
		return 0;
	}
	printf("READY\n");
	fflush(stdout);
	outer_of_c(argc > 1 ? atof(argv[1]) : 1);
	return 0;
}
