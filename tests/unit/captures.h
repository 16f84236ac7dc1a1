/* SPDX-License-Identifier: BSD-2-Clause */
/* A capture as a recording, and what must be there of any part of it: for test_recfile*.c. */
#ifndef PV_TESTS_CAPTURES_H
#define PV_TESTS_CAPTURES_H

#include "recfile/scan.h"
#include "recordings.h"

enum { CAPTURE_SAMPLES = 12, EPOCH_SAMPLES = 5, FLUSH_SAMPLES = 3 };

/* The stack and thread of sample i: all sorts, some again. */
static inline void add_capture_sample(struct pv_profile *profile, unsigned int i,
				      uint32_t *node_ret, uint32_t *thread_ret)
{
	char name[16];

	snprintf(name, sizeof(name), "f%u", i % 4);
	*node_ret = frame(profile, 0, PV_LOC_PYTHON, name, "a.py", 1);
	if (i % 3)
		*node_ret = frame(profile, *node_ret, PV_LOC_NATIVE, "read", "", 0);
	*thread_ret = i % 2;
}

static inline void add_capture_threads(struct pv_profile *profile)
{
	struct pv_profile_process process = { .pid = 1, .generation = 1 };
	uint32_t p, id;

	process.name = string(profile, "p");
	ok(pv_profile_process(profile, &process, &p));
	ok(pv_profile_thread(profile, p, 1, "one", &id));
	ok(pv_profile_thread(profile, p, 2, "two", &id));
}

static inline uint64_t capture_time(unsigned int i)
{
	/* a little out of order */
	return i * 1000 - (i % 4 == 3 ? 1500 : 0);
}

static inline void write_capture(FILE *file)
{
	struct pv_recwriter *writer;
	struct pv_profile *profile;
	uint32_t node, thread;

	ok(pv_profile_create(&profile));
	ok(pv_recwriter_create(file, profile, &writer));
	profile->period_ns = 1000;
	ok(pv_recwriter_flush(writer));
	add_capture_threads(profile);
	for (unsigned int i = 0; i < CAPTURE_SAMPLES; i++) {
		if (i && i % EPOCH_SAMPLES == 0) {
			ok(pv_recwriter_forget_stacks(writer));
			pv_profile_forget_stacks(profile);
		}
		add_capture_sample(profile, i, &node, &thread);
		ok(pv_recwriter_sample(writer, capture_time(i), node, thread));
		profile->quality.samples++;
		profile->quality.complete++;
		profile->duration_ns = i * 1000;
		if (i % FLUSH_SAMPLES == 2)
			ok(pv_recwriter_flush(writer));
	}
	ok(pv_recwriter_end(writer));
	pv_recwriter_destroy(writer);
	pv_profile_destroy(profile);
}

static inline struct memory capture(void)
{
	struct memory memory = { 0 };
	FILE *file = open_memstream(&memory.data, &memory.n);

	ck_assert_ptr_nonnull(file);
	write_capture(file);
	ck_assert_int_eq(fclose(file), 0);
	return memory;
}

static inline uint64_t total(const struct pv_profile *profile)
{
	uint64_t n = 0;

	for (size_t i = 0; i < profile->samples.n; i++)
		n += ((const struct pv_sample *)pv_vec_at(&profile->samples, i))->count;
	return n;
}

/* Samples by stack and thread equal those of the capture's first n. */
static inline void same_samples(const struct pv_profile *read, uint64_t n)
{
	struct pv_profile *expected;
	char a[256], b[256];
	uint32_t node, thread;

	ok(pv_profile_create(&expected));
	add_capture_threads(expected);
	for (uint64_t i = 0; i < n; i++) {
		add_capture_sample(expected, i, &node, &thread);
		ok(pv_profile_add(expected, node, thread, 1));
	}
	ck_assert_uint_eq(expected->samples.n, read->samples.n);
	/* both have them in the order of their first sight */
	for (size_t i = 0; i < expected->samples.n; i++) {
		const struct pv_sample *x = pv_vec_at(&expected->samples, i);
		const struct pv_sample *y = pv_vec_at(&read->samples, i);

		stack_text(expected, x->node, a, sizeof(a));
		stack_text(read, y->node, b, sizeof(b));
		ck_assert_str_eq(a, b);
		ck_assert_uint_eq(x->thread, y->thread);
		ck_assert_uint_eq(x->count, y->count);
	}
	pv_profile_destroy(expected);
}

/* Ticks are those of the first n samples, each in its slice. */
static inline void same_times(const struct pv_profile *read, uint64_t n)
{
	uint64_t counted = 0;
	_Bool found;

	for (size_t i = 0; i < read->ticks.n; i++)
		counted += ((const struct pv_tick *)pv_vec_at(&read->ticks, i))->count;
	ck_assert_uint_eq(counted, n);
	for (uint64_t i = 0; i < n; i++) {
		found = false;
		for (size_t k = 0; k < read->ticks.n && !found; k++) {
			const struct pv_tick *tick = pv_vec_at(&read->ticks, k);

			found = capture_time(i) / read->slice_ns == tick->slice;
		}
		ck_assert(found);
	}
}

/* A prefix, marked as cut, with totals of what is there; returns the number of samples. */
static inline uint64_t check_prefix(const struct memory *memory)
{
	struct pv_profile *read;
	uint64_t n;

	ok(read_memory(memory, &read));
	n = total(read);
	ck_assert(read->cut);
	says(read, "breaks off");
	same_samples(read, n);
	same_times(read, n);
	ck_assert_uint_eq(read->quality.samples, n);
	ck_assert_uint_le(read->quality.complete, n);
	ck_assert_uint_ge(read->quality.complete + FLUSH_SAMPLES, n);
	if (n)
		ck_assert_uint_ge(read->duration_ns, capture_time(n - 1));
	pv_profile_destroy(read);
	return n;
}

#endif
