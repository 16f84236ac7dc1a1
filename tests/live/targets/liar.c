/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that says it is CPython and lies about all else.  Input: argv[1], the lie; the version
 * it claims is LIAR_VERSION.  Output: READY, then burns CPU in a function called
 * _PyEval_EvalFrameDefault, with what looks like a thread state under every thread-specific key.
 *
 * Lies, the content of every word that a reader could follow:
 *   self     every pointer leads to the same page: cycles of length one
 *   ring     pointers lead around a ring of many pages: a long cycle, with no word twice in a row
 *   wild     pointers into nothing, the kernel's half, odd addresses
 *   huge     2^60 in every word: lengths, counts, offsets
 *   minus    all bits set
 *   zero     nothing at all
 *   cookie   self, with 3.13's debug-offsets cookie and offsets of 2^60
 *   random   pseudo-random words, a third of them pointers into the lie
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef LIAR_VERSION
#define LIAR_VERSION 0x030B07F0
#endif

enum { RUNTIME_BYTES = 1 << 20, POOL_BYTES = 8 << 20 };

/* What CPython exports; large enough for every offset that a table could name. */
__attribute__((visibility("default"))) uint64_t _PyRuntime[RUNTIME_BYTES / 8]
	__attribute__((section(".PyRuntime,\"aw\",@progbits#")));
__attribute__((visibility("default"))) const unsigned long Py_Version = LIAR_VERSION;
__attribute__((visibility("default"))) uint64_t PyCode_Type[64], PyUnicode_Type[64], PyGen_Type[64];
__attribute__((visibility("default"))) uint64_t _Py_NoneStruct[16];

static volatile uint64_t sink;

__attribute__((visibility("default"), noinline)) void _PyEval_EvalFrameDefault(pid_t parent)
{
	uint64_t local[64]; /* where an anchor could be */

	for (int i = 0; i < 64; i++)
		local[i] = (uint64_t)_PyRuntime;
	while (getppid() == parent)
		for (int i = 0; i < 100000; i++)
			sink += local[i & 63];
}

__attribute__((visibility("default"))) const char *Py_GetVersion(void)
{
	return "3.11.7 (a lie)";
}

__attribute__((visibility("default"))) void Py_Initialize(void)
{
	sink++;
}

static uint64_t word(const char *lie, uint64_t *pool, size_t i)
{
	size_t words = POOL_BYTES / 8;

	switch (lie[0]) {
	case 's':
	case 'c':
		return (uint64_t)pool;
	case 'r':
		if (lie[1] == 'i') /* ring: on by a page and a little, around the pool */
			return (uint64_t)(pool + (i + 512 + 24) % words);
		if (random() % 3 == 0)
			return (uint64_t)(pool + random() % words);
		return (uint64_t)random() << 33 ^ (uint64_t)random();
	case 'w': {
		static const uint64_t wild[] = { 0x1,
						 0x7fffffffffff,
						 0xffffffff81000000,
						 0xdeadbeefdeadbeef,
						 0x800000000000,
						 0xfff,
						 0x7ffffffff001,
						 0x4141414141414141 };

		return wild[i % 8];
	}
	case 'h':
		return 1ULL << 60;
	case 'm':
		return ~0ULL;
	default:
		return 0;
	}
}

static void lie_about_everything(const char *lie)
{
	uint64_t *pool =
		mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_key_t key;

	if (pool == MAP_FAILED)
		exit(1);
	srandom(1);
	for (size_t i = 0; i < POOL_BYTES / 8; i++)
		pool[i] = word(lie, pool, i);
	for (size_t i = 0; i < RUNTIME_BYTES / 8; i++)
		_PyRuntime[i] = word(lie, pool, i);
	if (!strcmp(lie, "cookie")) {
		memcpy(_PyRuntime, "xdebugpy", 8);
		_PyRuntime[1] = LIAR_VERSION;
		_PyRuntime[2] = 0;
		for (int i = 3; i < 128; i++)
			_PyRuntime[i] = i & 1 ? 1ULL << 60 : 8;
	}
	for (int i = 0; i < 40; i++)
		if (!pthread_key_create(&key, NULL))
			pthread_setspecific(key, pool);
}

int main(int argc, char **argv)
{
	lie_about_everything(argc > 1 ? argv[1] : "self");
	printf("READY\n");
	fflush(stdout);
	_PyEval_EvalFrameDefault(getppid());
	return 0;
}
