/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * usage: two_pythons CODE (MODE LIBRARY HOME)...: maps several libpythons, each with its own
 * symbols.  MODE: "run" makes an interpreter of it that runs CODE in a thread of its own with
 * `which` set to its number; "map" only maps it.  Says READY when all are there.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 4 };

struct one {
	void *library;
	int number;
	const char *code;
	pthread_t thread;
};

static sem_t ready;

static void *run(void *arg)
{
	struct one *one = arg;
	void (*init)(int) = (void (*)(int))dlsym(one->library, "Py_InitializeEx");
	int (*simple)(const char *, void *) =
		(int (*)(const char *, void *))dlsym(one->library, "PyRun_SimpleStringFlags");
	char text[64];

	init(0);
	snprintf(text, sizeof(text), "which = %d", one->number);
	simple(text, NULL);
	sem_post(&ready);
	simple(one->code, NULL);
	return NULL;
}

int main(int argc, char **argv)
{
	struct one ones[MAX] = { 0 };
	int n = 0;

	sem_init(&ready, 0, 0);
	for (int i = 2; i + 2 < argc && n < MAX; i += 3, n++) {
		struct one *one = &ones[n];

		one->library = dlopen(argv[i + 1], RTLD_NOW | RTLD_LOCAL);
		if (!one->library) {
			fprintf(stderr, "%s\n", dlerror());
			return 1;
		}
		one->number = n;
		one->code = argv[1];
		if (strcmp(argv[i], "run"))
			continue;
		setenv("PYTHONHOME", argv[i + 2], 1);
		if (pthread_create(&one->thread, NULL, run, one))
			return 1;
		/* one after the other: the home is the process's */
		sem_wait(&ready);
	}
	puts("READY");
	fflush(stdout);
	for (int i = 0; i < n; i++) {
		if (ones[i].thread)
			pthread_join(ones[i].thread, NULL);
	}
	return 0;
}
