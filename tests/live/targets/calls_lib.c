/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library for latency_native.cpp that counts its own calls: what a probe says of them
 * is held against these numbers.  Built once for the target, and once more as what it
 * loads and unloads (PLUGIN).
 */
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef PLUGIN
#define NAME(x) plugin_##x
#else
#define NAME(x) lib_##x
#endif

/* Calls, by function, and the time that NAME(sleep) has measured itself. */
uint64_t NAME(calls)[8], NAME(slept_ns);

enum { WORK, SLEEP, TAIL, RECURSE, CALL_BACK, LOOP, HIDDEN };

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* No prologue to be had: every instruction of it must be single-stepped. */
__attribute__((noinline)) int NAME(work)(int x)
{
	__atomic_fetch_add(&NAME(calls)[WORK], 1, __ATOMIC_RELAXED);
	return x * 3 + 1;
}

__attribute__((noinline)) void NAME(sleep)(long ns)
{
	uint64_t start_ns = now_ns();
	struct timespec time = { .tv_nsec = ns };

	__atomic_fetch_add(&NAME(calls)[SLEEP], 1, __ATOMIC_RELAXED);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
	__atomic_fetch_add(&NAME(slept_ns), now_ns() - start_ns, __ATOMIC_RELAXED);
}

/* It ends by a jump to NAME(work), with the return address of its own caller. */
__attribute__((noinline, optimize("O2"))) int NAME(tail)(int x)
{
	__atomic_fetch_add(&NAME(calls)[TAIL], 1, __ATOMIC_RELAXED);
	return NAME(work)(x + 1);
}

__attribute__((noinline, optimize("no-optimize-sibling-calls"))) int NAME(recurse)(int depth)
{
	__atomic_fetch_add(&NAME(calls)[RECURSE], 1, __ATOMIC_RELAXED);
	return depth > 0 ? NAME(recurse)(depth - 1) + 1 : 0;
}

/* What it calls may throw, jump, switch stacks, end the thread, fork. */
__attribute__((noinline)) int NAME(call_back)(int (*fn)(void *), void *arg)
{
	int ret;

	__atomic_fetch_add(&NAME(calls)[CALL_BACK], 1, __ATOMIC_RELAXED);
	ret = fn(arg);
	return ret + 1;
}

/* Its loop begins at its first instruction: to go round is no call. */
__asm__(".pushsection .text\n"
#ifdef PLUGIN
	".globl plugin_loop\n.type plugin_loop, @function\nplugin_loop:\n"
#else
	".globl lib_loop\n.type lib_loop, @function\nlib_loop:\n"
#endif
	"\t.cfi_startproc\n"
	"\tsub $1, %edi\n"
	"\tjg .-3\n"
	"\tmov %edi, %eax\n"
	"\tret\n"
	"\t.cfi_endproc\n"
#ifdef PLUGIN
	".size plugin_loop, .-plugin_loop\n"
#else
	".size lib_loop, .-lib_loop\n"
#endif
	".popsection\n");

/* It has a symbol only as long as the library is not stripped. */
static __attribute__((noinline)) int hidden(int x)
{
	__atomic_fetch_add(&NAME(calls)[HIDDEN], 1, __ATOMIC_RELAXED);
	return x ^ 5;
}

int NAME(use_hidden)(int x)
{
	return hidden(x) + 1;
}

/* Two libraries have it. */
__attribute__((noinline)) int same_name(int x)
{
	return x + 1;
}
