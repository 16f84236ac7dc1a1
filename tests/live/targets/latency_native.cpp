// SPDX-License-Identifier: BSD-2-Clause
// A target for `pitviper latency` on native functions: it does what its standard input says
// with calls of calls_lib.c, whose own counts it prints.  All that is hard for probes is
// in it: exceptions, longjmp, switched stacks, threads that end within a call, fork, dlclose.
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <string>
#include <vector>

extern "C" {
extern uint64_t lib_calls[8], lib_slept_ns;
int lib_work(int);
void lib_sleep(long);
int lib_tail(int);
int lib_recurse(int);
int lib_call_back(int (*)(void *), void *);
int lib_loop(int);
int lib_use_hidden(int);
int same_name(int);
}

static volatile int sink;

static uint64_t now_ns()
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void nap(long ns)
{
	struct timespec time = { 0, ns };

	nanosleep(&time, nullptr);
}

// ---- callers

extern "C" __attribute__((noinline)) void caller_one(int n)
{
	for (int i = 0; i < n; i++)
		sink += lib_work(i);
}

extern "C" __attribute__((noinline)) void caller_two(int n)
{
	for (int i = 0; i < n; i++) {
		sink += lib_work(i);
		sink -= lib_work(i + 1);
	}
}

// ---- exceptions, longjmp

static int throws_odd(void *arg)
{
	long i = (long)arg;

	if (i & 1)
		throw std::string("odd");
	return 0;
}

static void do_throw(int n)
{
	for (long i = 0; i < n; i++) {
		try {
			sink += lib_call_back(throws_odd, (void *)i);
		} catch (const std::string &) {
			sink += lib_work(1);
		}
	}
}

static jmp_buf out;

static int jumps_odd(void *arg)
{
	long i = (long)arg;

	if (i & 1)
		longjmp(out, 1);
	return 0;
}

static void do_jump(int n)
{
	for (volatile long i = 0; i < n; i = i + 1) {
		if (!setjmp(out))
			sink += lib_call_back(jumps_odd, (void *)i);
	}
}

// ---- several stacks in one thread

enum { STACKS = 20, STACK_BYTES = 64 * 1024 };

static ucontext_t home, coroutines[STACKS];

static int switches(void *arg)
{
	long k = (long)arg;

	swapcontext(&coroutines[k], &home);
	return 0;
}

static void coroutine(int k)
{
	sink += lib_call_back(switches, (void *)(long)k);
}

// All are in the middle of the call at once; they end in the order of their beginning.
static void do_switch(long ns)
{
	static char stacks[STACKS][STACK_BYTES];

	for (int k = 0; k < STACKS; k++) {
		getcontext(&coroutines[k]);
		coroutines[k].uc_stack.ss_sp = stacks[k];
		coroutines[k].uc_stack.ss_size = STACK_BYTES;
		coroutines[k].uc_link = &home;
		makecontext(&coroutines[k], (void (*)())coroutine, 1, k);
		swapcontext(&home, &coroutines[k]);
	}
	nap(ns);
	for (int k = 0; k < STACKS; k++)
		swapcontext(&home, &coroutines[k]);
}

// ---- threads

static int exits(void *)
{
	pthread_exit(nullptr);
}

static void *thread_exits(void *)
{
	sink += lib_call_back(exits, nullptr);
	return nullptr;
}

static void *thread_works(void *arg)
{
	caller_one((int)(long)arg);
	return nullptr;
}

static void run_threads(int n, void *(*fn)(void *), void *arg)
{
	std::vector<pthread_t> threads(n);

	for (auto &thread : threads)
		pthread_create(&thread, nullptr, fn, arg);
	for (auto &thread : threads)
		pthread_join(thread, nullptr);
}

// ---- fork in the middle of a call

// The child returns from the call as its parent does, calls on, and waits to be looked at.
static int forks(void *)
{
	return fork();
}

static void do_fork(int n)
{
	int pid = lib_call_back(forks, nullptr) - 1;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < n; i++)
			sink += lib_work(i);
		for (;;)
			pause();
	}
	printf("CHILD %d\n", pid);
	fflush(stdout);
}

// ---- a library that comes and goes

static void do_plugin(const char *path, int n)
{
	void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!plugin) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	auto work = (int (*)(int))dlsym(plugin, "plugin_work");
	auto sleep = (void (*)(long))dlsym(plugin, "plugin_sleep");
	// the first call waits, so that whoever waits for the library can see it
	sleep(300 * 1000 * 1000);
	for (int i = 0; i < n; i++)
		sink += work(i);
	dlclose(plugin);
}

extern "C" __attribute__((noinline)) void caller_copies(int n)
{
	void *(*volatile copy)(void *, const void *, size_t) = memcpy;
	char from[100] = "", to[100];

	for (int i = 0; i < n; i++)
		copy(to, from, sizeof(to));
}

static inline __attribute__((always_inline)) int inlined_everywhere(int x)
{
	return x * 7 + sink;
}

extern "C" __attribute__((noinline)) int caller_inlines(int n)
{
	for (int i = 0; i < n; i++)
		sink = inlined_everywhere(i);
	return sink;
}

// inlined, and with code of its own, since its address is taken
extern "C" inline int inlined_or_not(int x)
{
	return x * 11 + sink;
}

extern "C" __attribute__((noinline)) int caller_half(int n)
{
	int (*volatile call)(int) = inlined_or_not;

	for (int i = 0; i < n; i++)
		sink = inlined_or_not(call(i));
	return sink;
}

static void repeat(const std::string &what, long n, long b)
{
	for (long i = 0; i < n; i++) {
		if (what == "sleep")
			lib_sleep(b);
		else if (what == "tail")
			sink += lib_tail((int)i);
		else if (what == "recurse")
			sink += lib_recurse((int)b);
		else if (what == "loop")
			sink += lib_loop((int)b);
		else if (what == "hidden")
			sink += lib_use_hidden((int)i);
		else if (what == "same")
			sink += same_name((int)i);
	}
}

static void obey(const char *word, long a, long b, const char *path)
{
	std::string what = word;

	if (what == "one")
		caller_one((int)a);
	else if (what == "two")
		caller_two((int)a);
	else if (what == "threads")
		run_threads((int)b, thread_works, (void *)a);
	else if (what == "throw")
		do_throw((int)a);
	else if (what == "jump")
		do_jump((int)a);
	else if (what == "switch")
		do_switch(a);
	else if (what == "die")
		run_threads((int)a, thread_exits, nullptr);
	else if (what == "fork")
		do_fork((int)a);
	else if (what == "plugin")
		do_plugin(path, (int)a);
	else if (what == "copy")
		caller_copies((int)a);
	else if (what == "inline")
		caller_inlines((int)a);
	else if (what == "half")
		caller_half((int)a);
	else
		repeat(what, a, b);
}

int main()
{
	char line[1024], word[64], path[900];

	printf("READY\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		long a = 0, b = 0;

		path[0] = '\0';
		if (sscanf(line, "%63s %ld %ld %899s", word, &a, &b, path) < 1)
			continue;

		uint64_t start_ns = now_ns();

		obey(word, a, b, path);
		printf("DONE %llu", (unsigned long long)(now_ns() - start_ns));
		for (int i = 0; i < 7; i++)
			printf(" %llu", (unsigned long long)lib_calls[i]);
		printf(" %llu\n", (unsigned long long)lib_slept_ns);
		fflush(stdout);
	}
	return 0;
}
