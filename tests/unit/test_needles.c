/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of heap/needles.h and heap/search.h: what is found in memory, and what is not.
 * Input: bytes made here, memory of this process.  Output: Check's report.
 */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "heap/needles.h"
#include "heap/search.h"
#include "target/mem.h"

#define HEAP 0x7f1234560000ULL

struct hits {
	struct pv_hit list[64];
	size_t n;
};

static struct pv_err *on_hit(void *ctx, const struct pv_hit *hit)
{
	struct hits *hits = ctx;

	if (hits->n < 64)
		hits->list[hits->n] = *hit;
	hits->n++;
	return NULL;
}

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

/* Two objects of 64 bytes behind a PyGC_Head of 16, and one without. */
static struct pv_needles *make(bool wide)
{
	const struct pv_needle list[] = {
		{ .address = HEAP + 0x110, .size = 64, .header = 16, .gc = 16, .id = 7 },
		{ .address = HEAP + 0x20, .size = 32, .id = 3 },
	};
	struct pv_needles *needles;

	ok(pv_needles_create(list, 2, wide, &needles));
	return needles;
}

static struct hits look(bool wide, const void *bytes, size_t n)
{
	struct pv_needles *needles = make(wide);
	struct hits hits = { .n = 0 };

	ok(pv_needles_scan(needles, bytes, n, 0x1000, on_hit, &hits));
	pv_needles_destroy(needles);
	return hits;
}

START_TEST(quick_finds_objects_heads_and_marks)
{
	uint64_t words[67] = { 0 };
	struct hits hits;

	words[0] = HEAP + 0x110;
	words[17] = HEAP + 0x20;
	words[40] = HEAP + 0x100;     /* the head */
	words[41] = HEAP + 0x110 + 1; /* 3.14: _PyStackRef, borrowed */
	words[42] = HEAP + 0x118;     /* in it */
	words[65] = HEAP + 0x110;
	hits = look(false, words, 66 * sizeof(*words));
	ck_assert_uint_eq(hits.n, 5);
	ck_assert_uint_eq(hits.list[0].at, 0x1000);
	ck_assert_uint_eq(hits.list[0].id, 7);
	ck_assert_int_eq(hits.list[0].kind, PV_HIT_OBJECT);
	ck_assert_uint_eq(hits.list[1].id, 3);
	ck_assert_int_eq(hits.list[2].kind, PV_HIT_GC);
	ck_assert_int_eq(hits.list[3].kind, PV_HIT_OBJECT);
	ck_assert(!hits.list[3].plain);
	ck_assert_uint_eq(hits.list[4].at, 0x1000 + 65 * 8);
}
END_TEST

START_TEST(wide_finds_what_is_hidden)
{
	uint64_t words[67] = { 0 }, odd = HEAP + 0x110;
	struct hits hits;

	words[1] = HEAP + 0x128;                          /* a field of it */
	words[2] = 0xabcd000000000000ULL | (HEAP + 0x20); /* marks above */
	memcpy((char *)words + 83, &odd, sizeof(odd));
	words[60] = HEAP + 0x150; /* behind its end */
	hits = look(true, words, 66 * sizeof(*words));
	ck_assert_uint_eq(hits.n, 3);
	ck_assert_int_eq(hits.list[0].kind, PV_HIT_INTERIOR);
	ck_assert_uint_eq(hits.list[0].id, 7);
	ck_assert(hits.list[0].plain && hits.list[0].aligned);
	ck_assert_int_eq(hits.list[1].kind, PV_HIT_OBJECT);
	ck_assert(!hits.list[1].plain);
	ck_assert_uint_eq(hits.list[2].at, 0x1000 + 83);
	ck_assert_int_eq(hits.list[2].kind, PV_HIT_OBJECT);
	ck_assert(!hits.list[2].aligned);
	ck_assert_uint_eq(look(false, words, 66 * sizeof(*words)).n, 0);
}
END_TEST

START_TEST(many_are_all_found)
{
	enum { N = 50000 };
	struct pv_needle *list = calloc(N, sizeof(*list));
	uint64_t *words = calloc(2 * N + 1, sizeof(*words));
	struct pv_needles *needles;
	struct hits hits;

	for (uint32_t i = 0; i < N; i++) {
		list[i] = (struct pv_needle){ .address = HEAP + 4096ULL * i, .size = 48, .id = i };
		words[2 * i + 1] = list[i].address;
		/* no object's */
		words[2 * i] = list[i].address + 2048;
	}
	for (int wide = 0; wide < 2; wide++) {
		hits.n = 0;
		ok(pv_needles_create(list, N, wide, &needles));
		ok(pv_needles_scan(needles, words, 2 * N * sizeof(*words), 0, on_hit, &hits));
		pv_needles_destroy(needles);
		ck_assert_uint_eq(hits.n, N);
	}
	free(list);
	free(words);
}
END_TEST

START_TEST(nonsense_is_refused)
{
	const struct pv_needle bad[] = {
		{ .address = 8, .size = 8, .header = 16 },
		{ .address = HEAP, .size = 0 },
		{ .address = 1ULL << 60, .size = 8 },
		{ .address = HEAP, .size = 8, .header = 8, .gc = 16 },
	};
	struct pv_needles *needles;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct pv_err *err = pv_needles_create(&bad[i], 1, true, &needles);

		ck_assert_ptr_nonnull(err);
		pv_err_destroy(err);
	}
	ok(pv_needles_create(NULL, 0, false, &needles));
	ok(pv_needles_word(needles, HEAP, 0, on_hit, NULL));
	pv_needles_destroy(needles);
}
END_TEST

/* This very process: a pointer in a page that may not be read any more, in one that never was. */
START_TEST(search_reads_all_that_was_written)
{
	size_t bytes = 64ULL << 30;
	char *large = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t *hidden =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct pv_needle needle = { .address = HEAP, .size = 64, .id = 1 };
	struct pv_heap_search_source source = { .pid = getpid() };
	struct pv_heap_search_result result;
	struct pv_heap_search *search;
	struct pv_needles *needles;
	struct hits hits = { .n = 0 };
	bool seen[2] = { false, false };

	ck_assert(large != MAP_FAILED && hidden != MAP_FAILED);
	hidden[5] = HEAP;
	ck_assert_int_eq(mprotect(hidden, 4096, PROT_NONE), 0);
	*(uint64_t *)(large + bytes / 2 + 8) = HEAP;
	ok(pv_mem_live_create(getpid(), &source.mem));
	ok(pv_mem_forced_create(getpid(), &source.forced));
	ok(pv_heap_search_create(&source, &search));
	ok(pv_needles_create(&needle, 1, false, &needles));
	ok(pv_heap_search_pass(search, needles, true, true, on_hit, &hits, &result));
	for (size_t i = 0; i < hits.n && i < 64; i++) {
		seen[0] |= hits.list[i].at == (uintptr_t)&hidden[5];
		seen[1] |= hits.list[i].at == (uintptr_t)(large + bytes / 2 + 8);
	}
	ck_assert(seen[0] && seen[1]);
	ck_assert_uint_eq(result.unread, 0);
	ck_assert_uint_lt(result.bytes, 1ULL << 30);
	/* what changes is looked at again, and nothing else */
	*(uint64_t *)(large + bytes / 2 + 8) = 0;
	ok(pv_heap_search_pass(search, needles, false, true, on_hit, &hits, &result));
	*(uint64_t *)(large + bytes / 2 + 16) = HEAP;
	hits.n = 0;
	ok(pv_heap_search_quick(search, needles, false, on_hit, &hits, &result));
	seen[0] = seen[1] = false;
	for (size_t i = 0; i < hits.n && i < 64; i++) {
		seen[0] |= hits.list[i].at == (uintptr_t)&hidden[5];
		seen[1] |= hits.list[i].at == (uintptr_t)(large + bytes / 2 + 16);
	}
	ck_assert(!seen[0] && seen[1]);
	pv_needles_destroy(needles);
	pv_heap_search_destroy(search);
	pv_mem_destroy(source.forced);
	pv_mem_destroy(source.mem);
	munmap(large, bytes);
	munmap(hidden, 4096);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("needles");
	TCase *tcase = tcase_create("needles");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, quick_finds_objects_heads_and_marks);
	tcase_add_test(tcase, wide_finds_what_is_hidden);
	tcase_add_test(tcase, many_are_all_found);
	tcase_add_test(tcase, nonsense_is_refused);
	tcase_add_test(tcase, search_reads_all_that_was_written);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
