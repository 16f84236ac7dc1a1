/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a walk costs that can be counted: reads of the target's memory, each of which takes as
 * long as walking a frame or two.  Input: the recorded threads of every version.  Output: Check's
 * report; with PV_SHOW_READS in the environment the counts, for docs/performance.md.
 *
 * Only reads of the Python half are counted: those of a walk that knows of Python less those of
 * one that does not.  All names are known already, as in all samples but a few.
 */
#include "run.h"

enum {
	BEGIN_READS = 8,  /* of a sample: thread state, its key, interpreters, holder of the GIL */
	TASKS_READS = 16, /* of --tasks: those that run, each its coroutine and name */
	INTERPS_READS = 12, /* of the lists of the few thread states that those fixtures have */
	LIST_READS = 24,    /* 2.7, of a thread that waits: one a thread state of the process */
	MOST_FRAMES = 2 * PV_PYTHON_FRAMES_MAX,
};

/*
 * A fixture has what was read when it was recorded.  In a process the bytes beside it are there,
 * too, so that they can be read along with it: here they are 0.
 */
struct mapped {
	struct pv_mem mem;
	struct pv_mem *fixture;
	unsigned int reads;
};

static int mapped_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct mapped *mapped = (struct mapped *)mem;
	bool any = false;
	size_t i;

	mapped->reads++;
	for (i = 0; i < n; i++) {
		if (!pv_mem_read(mapped->fixture, (char *)dst + i, 1, addr + i))
			any = true;
		else
			((char *)dst)[i] = 0;
	}
	return any ? 0 : -EFAULT;
}

struct counted {
	unsigned int reads, frames, runs, codes;
	struct pv_pylayout py;
};

static unsigned int distinct_codes(const struct pv_event_sample *sample)
{
	const struct pv_pyframe *python = (const struct pv_pyframe *)(sample + 1);
	unsigned int n = 0, i, k;

	for (i = 0; i < sample->n_python; i++) {
		for (k = 0; k < i && python[k].code != python[i].code; k++)
			;
		n += k == i && !(python[i].flags & PV_PYFRAME_EMPTY);
	}
	return n;
}

/* Reads of the second walk. */
static struct counted count(const char *name, bool with_python)
{
	const struct pv_event_sample *sample = NULL;
	struct mapped mapped = { .mem.read = mapped_read };
	struct pv_snap_source source;
	struct fixture fixture;
	struct counted ret = {};
	struct pv_snap *snap;

	load(name, &fixture, &mapped.fixture);
	source = fixture_source(&fixture, &mapped.mem);
	if (!with_python)
		source.proc.has_python = 0;
	ok(pv_snap_create(&source, NULL, &snap));
	ok(pv_snap_walk(snap, &fixture.thread, &sample));
	mapped.reads = 0;
	ok(pv_snap_walk(snap, &fixture.thread, &sample));
	ret.reads = mapped.reads;
	ret.frames = sample->n_python;
	ret.runs = sample->n_runs;
	ret.codes = distinct_codes(sample);
	ret.py = fixture.proc.py;
	pv_snap_destroy(snap);
	pv_mem_destroy(mapped.fixture);
	fixture_deinit(&fixture);
	return ret;
}

/* What ties a run to its eval frame: a boundary frame, a _PyCFrame and the one before, a CFrame. */
static unsigned int reads_of_run(const struct pv_pylayout *py)
{
	switch (py->anchor_kind) {
	case PV_ANCHOR_NONE:
		return 0;
	case PV_ANCHOR_ENTRY:
		return 2;
	default:
		return 1;
	}
}

/*
 * One read a frame, one a code object; where code objects have no serial number two more for
 * what proves that it is still the same one, and two a file for its name; 3.14t: two for the copy
 * of the bytecode that runs.
 */
START_TEST(no_more_reads_than_things)
{
	int n, n_recursive = 0;
	char **names = fixture_names("", &n);

	ck_assert_int_gt(n, 50);
	for (int i = 0; i < n; i++) {
		struct counted all = count(names[i], true), native = count(names[i], false);
		unsigned int python = all.reads - native.reads;
		bool serial = all.py.co_version != PV_OFF_NONE;
		unsigned int most = BEGIN_READS + all.frames + reads_of_run(&all.py) * all.runs +
				    (serial ? 1 : 3) * all.codes + (serial ? 0 : 4) +
				    (all.py.co_tlbc != PV_OFF_NONE ? 2 : 0) * all.codes +
				    (all.py.own_kind == PV_OWN_LIST ? LIST_READS : 0) +
				    (strstr(names[i], "interp") ? INTERPS_READS : 0) +
				    (strstr(names[i], "task") ? TASKS_READS : 0);

		/* the native half goes another way there if it does not know of Python */
		if (strstr(names[i], "torn") || strstr(names[i], "inlined") ||
		    strstr(names[i], "break") || strstr(names[i], "bridged"))
			continue;
		ck_assert_uint_lt(all.frames, MOST_FRAMES);
		if (getenv("PV_SHOW_READS"))
			fprintf(stderr, "%s: %u reads, %u frames in %u runs of %u functions\n",
				names[i], python, all.frames, all.runs, all.codes);
		ck_assert_msg(python <= most, "%s: %u reads for %u frames, %u at most", names[i],
			      python, all.frames, most);
		n_recursive += all.codes < all.frames;
	}
	ck_assert_int_gt(n_recursive, 5);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cost");
	TCase *cases = tcase_create("cost");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(cases, no_more_reads_than_things);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
