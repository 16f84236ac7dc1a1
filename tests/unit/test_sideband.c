/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * collect/sideband: records by the order of time, over the ring's end, of which
 * some are lost.  Input: rings made by hand, as the kernel lays them out.
 * Output: Check's report.
 */
#include <check.h>
#include <stdlib.h>

#include "base/vec.h"

static struct pv_err *append_and_more(struct pv_vec *vec, const void *elements, size_t n,
				      void *ret);

/* what happens between two rings' being read happens in here */
#define pv_vec_append append_and_more
#include "collect/sideband.c"
#undef pv_vec_append

enum {
	PAGE = 4096,
	RING = 4096,
	EVENTS = 32,
};

struct fork_record {
	struct perf_event_header header;
	uint32_t pid, parent, tid, parent_tid;
	uint64_t time;
	struct sample_id id;
};

struct comm_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	char name[16];
	struct sample_id id;
};

struct lost_record {
	struct perf_event_header header;
	uint64_t id, lost;
	struct sample_id sample;
};

static struct pv_sideband *sideband;
static struct pv_side_event got[EVENTS];
static size_t n_got;
static const struct fork_record *late; /* comes into ring 0 when ring 1 is being read */

static void put(size_t ring, const void *record, size_t n)
{
	struct perf_event_mmap_page *page = sideband->rings[ring].page;
	char *data = (char *)page + PAGE;
	size_t i;

	for (i = 0; i < n; i++)
		data[(page->data_head + i) % RING] = ((const char *)record)[i];
	page->data_head += n;
}

static struct fork_record birth(uint32_t pid, uint64_t time)
{
	return (struct fork_record){
		.header = { .type = PERF_RECORD_FORK, .size = sizeof(struct fork_record) },
		.pid = pid,
		.tid = pid,
		.parent = 1,
		.parent_tid = 2,
		.id.time = time,
	};
}

static void put_birth(size_t ring, uint32_t pid, uint64_t time)
{
	struct fork_record record = birth(pid, time);

	put(ring, &record, sizeof(record));
}

static struct pv_err *append_and_more(struct pv_vec *vec, const void *elements, size_t n, void *ret)
{
	const struct fork_record *record = late;

	late = NULL;
	if (record)
		put(0, record, sizeof(*record));
	return pv_vec_append(vec, elements, n, ret);
}

static struct pv_err *on_side(void *ctx, const struct pv_side_event *event)
{
	(void)ctx;
	ck_assert_uint_lt(n_got, EVENTS);
	got[n_got++] = *event;
	return NULL;
}

static void drain(void)
{
	struct pv_collect_handlers handlers = { .side = on_side };

	n_got = 0;
	ck_assert_ptr_null(pv_sideband_drain(sideband, &handlers));
}

static void setup(void)
{
	size_t i;

	sideband = calloc(1, sizeof(*sideband));
	sideband->rings = calloc(2, sizeof(*sideband->rings));
	sideband->events = (struct pv_vec)PV_VEC(struct pv_side_event);
	sideband->page_size = PAGE;
	sideband->n = 2;
	for (i = 0; i < 2; i++) {
		sideband->rings[i].fd = -1;
		sideband->rings[i].size = RING;
		sideband->rings[i].page = mmap(NULL, PAGE + RING, PROT_READ | PROT_WRITE,
					       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ck_assert_ptr_ne(sideband->rings[i].page, MAP_FAILED);
	}
	late = NULL;
}

static void teardown(void)
{
	pv_sideband_destroy(sideband);
}

START_TEST(test_order)
{
	put_birth(0, 10, 100);
	put_birth(0, 30, 300);
	put_birth(1, 20, 200);
	drain();
	ck_assert_uint_eq(n_got, 3);
	ck_assert_int_eq(got[0].pid, 10);
	ck_assert_int_eq(got[1].pid, 20);
	ck_assert_int_eq(got[2].pid, 30);
	ck_assert_int_eq(got[0].type, PV_SIDE_FORK);
	ck_assert_int_eq(got[0].parent_pid, 1);
	ck_assert_int_eq(got[0].parent_tid, 2);
	ck_assert_int_eq(got[0].tid, 10);
	drain();
	ck_assert_uint_eq(n_got, 0);
}
END_TEST

START_TEST(test_second_look)
{
	struct fork_record record = birth(10, 100);

	/* ring 0 is empty when it is read; then its birth comes, and what led from it to ring 1 */
	late = &record;
	put_birth(1, 20, 200);
	drain();
	ck_assert_uint_eq(n_got, 2);
	ck_assert_int_eq(got[0].pid, 10);
	ck_assert_int_eq(got[1].pid, 20);
}
END_TEST

START_TEST(test_over_the_end)
{
	unsigned int i;

	/* 4096 is no multiple of a record's size: one after the other stands across the end */
	for (i = 0; i < 3 * RING / sizeof(struct fork_record); i++) {
		put_birth(0, 1000 + i, i + 1);
		drain();
		ck_assert_uint_eq(n_got, 1);
		ck_assert_int_eq(got[0].pid, 1000 + i);
		ck_assert_uint_eq(got[0].time_ns, i + 1);
		ck_assert_uint_eq(sideband->rings[0].page->data_tail,
				  sideband->rings[0].page->data_head);
	}
}
END_TEST

START_TEST(test_names)
{
	struct comm_record record = {
		.header = { .type = PERF_RECORD_COMM, .size = sizeof(record) },
		.pid = 7,
		.tid = 8,
		.name = "as it is called",
	};

	put(0, &record, sizeof(record));
	record.header.misc = PERF_RECORD_MISC_COMM_EXEC;
	/* one without an end */
	memset(record.name, 'x', sizeof(record.name));
	record.id.time = 1;
	put(0, &record, sizeof(record));
	drain();
	ck_assert_uint_eq(n_got, 2);
	ck_assert_int_eq(got[0].type, PV_SIDE_NAME);
	ck_assert_int_eq(got[0].tid, 8);
	ck_assert_str_eq(got[0].name, "as it is called");
	ck_assert_int_eq(got[1].type, PV_SIDE_EXEC);
	ck_assert_str_eq(got[1].name, "xxxxxxxxxxxxxxx");
}
END_TEST

START_TEST(test_lost)
{
	struct lost_record record = {
		.header = { .type = PERF_RECORD_LOST, .size = sizeof(record) },
		.lost = 5,
		.sample.time = 150,
	};

	put_birth(0, 10, 100);
	put(0, &record, sizeof(record));
	put_birth(1, 20, 200);
	drain();
	ck_assert_uint_eq(n_got, 3);
	ck_assert_int_eq(got[1].type, PV_SIDE_LOST);
	ck_assert_int_eq(got[1].pid, 0);
	ck_assert_uint_eq(pv_sideband_lost(sideband), 5);
}
END_TEST

START_TEST(test_nonsense)
{
	struct perf_event_header header = { .type = PERF_RECORD_FORK, .size = sizeof(header) };

	/* too short for what it says it is; of a size that cannot be: the rest is given up */
	put(0, &header, sizeof(header));
	put_birth(0, 10, 100);
	header.size = 4;
	put(0, &header, sizeof(header));
	drain();
	ck_assert_uint_eq(n_got, 1);
	put_birth(0, 11, 100);
	drain();
	ck_assert_uint_eq(n_got, 1);
	ck_assert_int_eq(got[0].pid, 11);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sideband");
	TCase *tc = tcase_create("sideband");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_second_look);
	tcase_add_test(tc, test_over_the_end);
	tcase_add_test(tc, test_names);
	tcase_add_test(tc, test_lost);
	tcase_add_test(tc, test_nonsense);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
