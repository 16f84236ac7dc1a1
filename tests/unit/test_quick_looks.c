/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap/search, heap/holders: looks that are cut short or have gaps.
 * Input: this process's own memory, an object that is made up.  Output: Check's report.
 */
#include "made_heap.h"

#include <sys/mman.h>
#include <unistd.h>

#include "heap/holders.h"
#include "heap/search.h"

#define HEAP   0x7f0000000000ULL
#define OBJECT (HEAP + 48)

enum {
	PAGE = 4096,
	PAGES = 8,
	/* registers are asked for twice in each look; whole ones: the first, and two again */
	WHOLE = 6,
};

/* The process's own memory, with a page that is not to be read. */
struct gap {
	struct pv_mem mem;
	struct pv_mem *live;
	uint64_t page;
};

static struct made_heap made;
static struct gap gap;
static struct pv_heap_search *search;
static int asked, cut_at;

static int gap_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	const struct gap *self = (const struct gap *)mem;

	if (addr < self->page + PAGE && addr + n > self->page)
		return -EFAULT;
	return pv_mem_read(self->live, dst, n, addr);
}

/* From this call on there is no time left. */
static struct pv_err *registers(void *ctx, struct pv_vec *ret)
{
	(void)ctx;
	(void)ret;
	if (++asked == cut_at)
		search->source.until_ns = 1;
	return NULL;
}

static void setup(void)
{
	struct pv_heap_search_source source = {
		.pid = getpid(),
		.mem = &gap.mem,
		.registers = registers,
	};

	made_start(&made);
	made_region(&made, HEAP, 0x10000, "");
	gap = (struct gap){ .mem.read = gap_read, .page = UINT64_MAX - 2 * PAGE };
	ck_assert_ptr_null(pv_mem_live_create(getpid(), &gap.live));
	ck_assert_ptr_null(pv_heap_search_create(&source, &search));
	asked = cut_at = 0;
}

static void teardown(void)
{
	pv_heap_search_destroy(search);
	pv_mem_destroy(gap.live);
	made_end(&made);
}

static struct pv_err *on_hit(void *ctx, const struct pv_hit *hit)
{
	(void)ctx;
	(void)hit;
	return NULL;
}

/* A quick look at pages of which one is not to be read, and at those that have gone. */
START_TEST(test_quick)
{
	char *area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	struct pv_populated_range range = { (uintptr_t)area, (uintptr_t)area + PAGES * PAGE, 0,
					    true };
	struct pv_needle needle = { .address = OBJECT, .size = 48 };
	struct pv_heap_search_result result;
	struct pv_needles *needles;

	ck_assert_ptr_ne(area, MAP_FAILED);
	memset(area, 1, PAGES * PAGE);
	ck_assert_ptr_null(pv_needles_create(&needle, 1, true, &needles));
	ck_assert_ptr_null(pv_vec_append(&search->active, &range, 1, NULL));
	ck_assert_ptr_null(pv_heap_search_quick(search, needles, false, on_hit, NULL, &result));
	ck_assert_uint_eq(result.bytes, PAGES * PAGE);
	ck_assert_uint_eq(result.unread, 0);
	gap.page = range.start + 3 * PAGE;
	ck_assert_ptr_null(pv_heap_search_quick(search, needles, false, on_hit, NULL, &result));
	ck_assert_uint_eq(result.bytes, (PAGES - 1) * PAGE);
	ck_assert_uint_eq(result.unread, PAGE);
	/* what is not there is no gap */
	munmap(area, PAGES * PAGE);
	ck_assert_ptr_null(pv_heap_search_quick(search, needles, false, on_hit, NULL, &result));
	ck_assert_uint_eq(result.unread, 0);
	pv_needles_destroy(needles);
}
END_TEST

/* An object that says it has a hundred thousand references, of which there are none. */
static struct pv_holders find(void)
{
	uint64_t type = made_type(&made, "one", made.type_type, 0, 48, 0, 0), object = OBJECT;
	struct pv_holders_options options = { .lost = true, .apart_ns = 1 };
	struct pv_holders found;

	made_pool(&made, HEAP, 48, 4, NULL, 0);
	made_put(&made, OBJECT, 100000);
	made_put(&made, OBJECT + 8, type);
	ck_assert_ptr_null(pv_holders_find(made.heap, search, &object, 1, &options, &found));
	ck_assert_uint_eq(found.n_objects, 1);
	return found;
}

START_TEST(test_lost)
{
	struct pv_holders found = find();

	ck_assert(!found.partial);
	ck_assert_uint_eq(found.looks, 2);
	ck_assert_uint_eq(found.quick, 24);
	ck_assert_uint_gt(found.objects[0].lost, 0);
	pv_holders_deinit(&found);
}
END_TEST

/* Time is over when the whole looks have been had, but not the quick ones: it proves nothing. */
START_TEST(test_lost_but_late)
{
	struct pv_holders found;

	cut_at = WHOLE + 1;
	found = find();
	ck_assert_uint_eq(found.looks, 2);
	ck_assert_uint_eq(found.unread, 0);
	ck_assert(found.partial);
	ck_assert_uint_eq(found.objects[0].lost, 0);
	pv_holders_deinit(&found);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("quick looks");
	TCase *cases = tcase_create("looks");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, test_quick);
	tcase_add_test(cases, test_lost);
	tcase_add_test(cases, test_lost_but_late);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
