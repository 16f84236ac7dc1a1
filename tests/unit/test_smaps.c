/* SPDX-License-Identifier: BSD-2-Clause */
/* /proc/PID/smaps as data, and what its mappings are for: on text, and on this very process. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/memory.h"
#include "heap/census.h"
#include "made_heap.h"
#include "session/mappings.h"
#include "target/smaps.h"

enum { MB = 1 << 20 };

static struct pv_vec entries;

static void setup(void)
{
	entries = (struct pv_vec)PV_VEC(struct pv_smap);
}

static void teardown(void)
{
	pv_vec_deinit(&entries);
}

static const struct pv_smap *at(size_t i)
{
	ck_assert_uint_lt(i, entries.n);
	return pv_vec_at(&entries, i);
}

START_TEST(text)
{
	static const char smaps[] =
		"00400000-00401000 r-xp 00000000 fe:00 12 /usr/bin/a b (deleted)\n"
		"Size:                  4 kB\n"
		"Rss:                   4 kB\n"
		"SwapPss:               7 kB\n"
		"VmFlags: rd ex mr mw me\n"
		"01000000-01021000 rw-p 00000000 00:00 0 [heap]\n"
		"Rss:                 100 kB\n"
		"Swap:                 12 kB\n"
		"7f0000000000-7f0000100000 rw-p 00000000 00:00 0 \n"
		"Rss:                   8 kB\n"
		"7f0000100000-7f0000101000 ---p 00000000 00:00 0\n"
		"7f1000000000-7f1000001000 rw-p 00000000 00:00 0 [anon:arena]\n"
		"7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]\n"
		"7ffc00100000-7ffc00101000 r-xp 00000000 00:00 0 [vdso]\n";
	bool ok = false;

	ck_assert_ptr_null(pv_smaps_parse(smaps, &entries, &ok));
	ck_assert(ok);
	ck_assert_uint_eq(entries.n, 7);
	ck_assert_int_eq(at(0)->kind, PV_SMAP_FILE);
	ck_assert_uint_eq(at(0)->resident_bytes, 4096);
	ck_assert_uint_eq(at(0)->swapped_bytes, 0);
	ck_assert_int_eq(at(1)->kind, PV_SMAP_HEAP);
	ck_assert_uint_eq(at(1)->resident_bytes, 100 * 1024);
	ck_assert_uint_eq(at(1)->swapped_bytes, 12 * 1024);
	ck_assert_int_eq(at(2)->kind, PV_SMAP_ANON);
	ck_assert_uint_eq(at(2)->end - at(2)->start, MB);
	ck_assert(at(2)->writable && at(2)->accessible);
	ck_assert(!at(3)->accessible);
	ck_assert_int_eq(at(4)->kind, PV_SMAP_ANON);
	ck_assert_int_eq(at(5)->kind, PV_SMAP_STACK);
	ck_assert_int_eq(at(6)->kind, PV_SMAP_OTHER);
}
END_TEST

START_TEST(wrong_text)
{
	static const char *const texts[] = {
		"Rss: 4 kB\n",
		"nonsense\n",
		"2000-1000 rw-p 00000000 00:00 0\n",
		"1000-2000 rw-p\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		bool ok = true;

		ck_assert_ptr_null(pv_smaps_parse(texts[i], &entries, &ok));
		ck_assert_msg(!ok, "%s", texts[i]);
	}
}
END_TEST

START_TEST(own)
{
	char *memory =
		mmap(NULL, 4 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t rss = 0, sp = 0;
	bool found = false;

	ck_assert_ptr_ne(memory, MAP_FAILED);
	madvise(memory, 4 * MB, MADV_NOHUGEPAGE);
	memset(memory, 1, MB);
	ck_assert_ptr_null(pv_smaps_read(getpid(), &entries));
	for (size_t i = 0; i < entries.n; i++) {
		if (at(i)->start <= (uintptr_t)memory && (uintptr_t)memory < at(i)->end)
			found = at(i)->kind == PV_SMAP_ANON && at(i)->resident_bytes >= MB;
	}
	ck_assert(found);
	ck_assert_ptr_null(pv_smaps_rss(getpid(), &rss));
	ck_assert_uint_gt(rss, MB);
	/* it runs, or is in the very system call that asks */
	if (pv_smaps_stack_pointer(getpid(), getpid(), &sp))
		ck_assert_uint_ne(sp, 0);
	ck_assert(!pv_smaps_stack_pointer(getpid(), 1 << 30, &sp));
	munmap(memory, 4 * MB);
}
END_TEST

static void add(uint64_t start, uint64_t size, enum pv_smap_kind kind, bool accessible,
		uint64_t resident)
{
	const struct pv_smap map = {
		.start = start,
		.end = start + size,
		.kind = kind,
		.writable = accessible,
		.accessible = accessible,
		.resident_bytes = resident,
	};

	ck_assert_ptr_null(pv_vec_append(&entries, &map, 1, NULL));
}

static struct pv_memory_point count(const struct pv_mappings_hints *hints)
{
	struct pv_memory_point point = { 0 };

	pv_mappings_count(&entries, hints, &point);
	return point;
}

START_TEST(classes)
{
	struct pv_vec stacks = PV_VEC(uint64_t);
	const struct pv_mappings_hints hints = { .arena_bytes = MB, .stacks = &stacks };
	struct pv_memory_point point;
	uint64_t sp = 0x20000000 + 8 * MB - 64;

	ck_assert_ptr_null(pv_vec_append(&stacks, &sp, 1, NULL));
	add(0x400000, MB, PV_SMAP_FILE, true, 1);
	add(0x1000000, MB + 4096, PV_SMAP_HEAP, true, 2);
	add(0x10000000, 3 * MB, PV_SMAP_ANON, true, 4);            /* arenas by their size */
	add(0x11000000, MB + 4096, PV_SMAP_ANON, true, 8);         /* none */
	add(0x20000000, 8 * MB, PV_SMAP_ANON, true, 16);           /* a thread's stack */
	add(0x24000000, 2 * MB, PV_SMAP_ANON, true, 32);           /* a thread's heap, */
	add(0x24000000 + 2 * MB, 62 * MB, PV_SMAP_ANON, false, 0); /* and the rest of it */
	add(0x30000000, 2 * MB, PV_SMAP_ANON, true, 64); /* aligned as one, and none: arenas */
	add(0x7ff00000, MB, PV_SMAP_OTHER, true, 128);
	point = count(&hints);
	ck_assert_uint_eq(point.resident[PV_MEMORY_FILES], 1);
	ck_assert_uint_eq(point.resident[PV_MEMORY_HEAP], 2 + 32);
	ck_assert_uint_eq(point.resident[PV_MEMORY_ARENAS], 4 + 64);
	ck_assert_uint_eq(point.resident[PV_MEMORY_ANON], 8);
	ck_assert_uint_eq(point.resident[PV_MEMORY_STACKS], 16);
	ck_assert_uint_eq(point.mapped[PV_MEMORY_HEAP], 3 * MB + 4096);
	pv_vec_deinit(&stacks);
}
END_TEST

/* Aligned and as large as a whole heap of a thread's arena: its head tells, where it can be read.
 */
START_TEST(whole_heaps)
{
	const uint64_t heap = 0x40000000, other = 0x50000000;
	struct made_heap made;
	const struct pv_mappings_hints unread = { .arena_bytes = MB };
	const struct pv_mappings_hints hints = { .arena_bytes = MB, .mem = &made.mem };
	struct pv_memory_point point;
	uint64_t at = heap + 0x8d0;

	made_start(&made);
	made_region(&made, heap, 64 * MB, "");
	made_region(&made, other, 64 * MB, "");
	/* struct heap_info and chunks; the other has something else in it */
	made_put(&made, heap, heap + 0x30);
	made_put(&made, heap + 16, 64 * MB);
	made_put(&made, heap + 24, 64 * MB);
	at = made_chunk(&made, at, 0x290, 5);
	at = made_chunk(&made, at, 0x400, 5);
	made_chunk(&made, at, heap + 64 * MB - at, 5);
	made_put(&made, other, 12345);
	add(heap, 64 * MB, PV_SMAP_ANON, true, 1);
	add(other, 64 * MB, PV_SMAP_ANON, true, 2);
	point = count(&hints);
	ck_assert_uint_eq(point.resident[PV_MEMORY_HEAP], 1);
	ck_assert_uint_eq(point.resident[PV_MEMORY_ARENAS], 2);
	ck_assert_uint_eq(count(&unread).resident[PV_MEMORY_HEAP], 3);
	made_end(&made);
}
END_TEST

/* The kernel joins arenas and what is mapped beside them: sizes tell nothing, pools do. */
START_TEST(arenas_by_their_pools)
{
	struct pv_vec pools = PV_VEC(struct pv_census_range);
	const struct pv_mappings_hints hints = { .arena_bytes = MB, .pools = &pools };
	const struct pv_census_range ranges[] = {
		{ 0x1004000, 0x1008000 },            /* in the heap: not looked at */
		{ 0x10000000, 0x10000000 + MB },     /* one whole, */
		{ 0x10180000, 0x10180000 + 2 * MB }, /* and one that goes on in the next mapping */
		{ 0x20000000, 0x20004000 },
		{ 0x40000000, 0x40004000 }, /* not mapped any more */
	};
	struct pv_memory_point point;

	ck_assert_ptr_null(pv_vec_append(&pools, ranges, sizeof(ranges) / sizeof(*ranges), NULL));
	add(0x1000000, MB, PV_SMAP_HEAP, true, MB);
	add(0x10000000, 2 * MB, PV_SMAP_ANON, true, 2 * MB);
	add(0x10200000, 2 * MB, PV_SMAP_ANON, true, MB);
	add(0x11000000, 8 * MB, PV_SMAP_ANON, true, 4096);    /* of the size of arenas */
	add(0x20000000, MB + 4096, PV_SMAP_ANON, true, 4096); /* less is in memory */
	point = count(&hints);
	ck_assert_uint_eq(point.mapped[PV_MEMORY_ARENAS], 3 * MB + 0x4000);
	ck_assert_uint_eq(point.mapped[PV_MEMORY_ANON], 10 * MB + 4096 - 0x4000);
	/* half a MB beside the pools of the first one, and the page of the third */
	ck_assert_uint_eq(point.resident[PV_MEMORY_ARENAS], 2 * MB + MB / 2 + 4096);
	ck_assert_uint_eq(point.resident[PV_MEMORY_ANON], MB / 2 + 4096);
	ck_assert_uint_eq(point.resident[PV_MEMORY_HEAP], MB);
	/* a census that found none */
	pools.n = 0;
	point = count(&hints);
	ck_assert_uint_eq(point.mapped[PV_MEMORY_ARENAS], 0);
	pv_vec_deinit(&pools);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("smaps");
	TCase *tcase = tcase_create("smaps");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, text);
	tcase_add_test(tcase, wrong_text);
	tcase_add_test(tcase, own);
	tcase_add_test(tcase, classes);
	tcase_add_test(tcase, whole_heaps);
	tcase_add_test(tcase, arenas_by_their_pools);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
