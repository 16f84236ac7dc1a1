/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walkers' host build on recorded threads.  Input: tests/fixtures/walk,
 * whose `expected` was checked against CPython itself when it was recorded
 * (tools/record-fixture).  Output: Check's report.
 *
 * Then everything that a walk reads is taken away once in turn: a read of
 * memory, a mapping, a cell of an unwind table.  What is still shown must be
 * a part of the truth in its order, and what is missing must be marked.
 */
#include "run.h"

/* The file `expected`. */
struct truth {
	char *status;
	char *lines[RUN_LINES]; /* the merged frames */
	size_t n_lines;
	char *all[RUN_LINES]; /* with the native frames that Python frames stand for */
	size_t n_all;
};

static char **names;
static int n_names;

static void read_truth(const char *name, struct truth *truth)
{
	_pv_fclose_ FILE *file = fopen(fixtures_path(name, "expected"), "re");
	_pv_free_ char *line = NULL;
	size_t capacity = 0;

	*truth = (struct truth){};
	ck_assert_ptr_nonnull(file);
	while (getline(&line, &capacity, file) >= 0) {
		char *bar = strstr(line, " | ");
		bool eval = strncmp(line, "eval ", 5) == 0;

		line[strcspn(line, "\n")] = '\0';
		ck_assert_uint_lt(truth->n_all, RUN_LINES);
		if (strncmp(line, "status ", 7) == 0) {
			truth->status = strdup(line);
			continue;
		}
		if (bar && (eval || strncmp(line, "native ", 7) == 0))
			*bar = '\0';
		if (!eval)
			truth->lines[truth->n_lines++] = strdup(line);
		if (eval) {
			ck_assert_int_ge(
				asprintf(&truth->all[truth->n_all++], "native %s", line + 5), 0);
		} else {
			truth->all[truth->n_all++] = strdup(line);
		}
	}
	ck_assert_ptr_nonnull(truth->status);
}

static void truth_deinit(struct truth *truth)
{
	size_t i;

	for (i = 0; i < truth->n_lines; i++)
		free(truth->lines[i]);
	for (i = 0; i < truth->n_all; i++)
		free(truth->all[i]);
	free(truth->status);
}

/* The native half of the sample, all of it, is that of the truth. */
static void check_natives(const struct run *run, const struct truth *truth,
			  const struct fixture *fixture)
{
	const uint64_t *natives = sample_natives(run->sample);
	size_t left = run->sample->n_native, i;
	struct pv_str text = {};

	for (i = 0; i < truth->n_all; i++) {
		if (strncmp(truth->all[i], "native ", 7) != 0)
			continue;
		ck_assert_uint_gt(left, 0);
		pv_str_clear(&text);
		ok(native_text(fixture, "native", natives[--left], &text));
		ck_assert_str_eq(pv_str_text(&text), truth->all[i]);
	}
	ck_assert_uint_eq(left, 0);
	pv_str_deinit(&text);
}

static void check_fixture(const char *name, bool foreign_cframes)
{
	struct fixture fixture;
	struct truth truth;
	struct pv_mem *mem;
	struct run run;
	size_t i;

	load(name, &fixture, &mem);
	read_truth(name, &truth);
	fixture.proc.py.foreign_cframes = foreign_cframes;
	struct pv_snap_source source = fixture_source(&fixture, mem);

	run_source(&run, &source, &fixture);
	for (i = 0; i < run.n_lines && i < truth.n_lines; i++)
		ck_assert_msg(strcmp(run.lines[i], truth.lines[i]) == 0, "%s: %s, expected %s",
			      name, run.lines[i], truth.lines[i]);
	ck_assert_msg(run.n_lines == truth.n_lines, "%s: %zu frames, expected %zu", name,
		      run.n_lines, truth.n_lines);
	ck_assert_msg(strcmp(run.status, truth.status) == 0, "%s: %s, expected %s", name,
		      run.status, truth.status);
	check_natives(&run, &truth, &fixture);
	/* an exact pc may be in a prologue, before the frame has its form */
	if (run.proc.reanchor_cfa > 0 && !fixture.proc.reanchor_cfa)
		ck_assert_uint_ne(run.proc.reanchor_pc, fixture.thread.pc);
	run_deinit(&run);
	truth_deinit(&truth);
	pv_mem_destroy(mem);
	fixture_deinit(&fixture);
}

START_TEST(fixture_gives_what_is_expected)
{
	check_fixture(names[_i], false);
}
END_TEST

/* 3.10: where a CFrame may not be the eval loop's the merge aligns the leaf, to the same end. */
START_TEST(the_leaf_is_aligned_by_the_merge)
{
	check_fixture("3.10-blocked", true);
	check_fixture("3.10-surplus", true);
	check_fixture("3.10-skip", true);
}
END_TEST

static bool is_task(const char *line)
{
	return strncmp(line, "task ", 5) == 0 || strcmp(line, "several tasks") == 0 ||
	       strcmp(line, "more tasks") == 0;
}

/* Is the line that was got this line of the truth?  A part that is unknown ("?", line 0) fits. */
static bool line_fits(const char *got, const char *want)
{
	char got_name[256], got_file[256], want_name[256], want_file[256];
	int got_line, want_line;

	if (strcmp(got, want) == 0)
		return true;
	if (sscanf(got, "python %255s (%255[^:]:%d)", got_name, got_file, &got_line) != 3 ||
	    sscanf(want, "python %255s (%255[^:]:%d)", want_name, want_file, &want_line) != 3)
		return false;
	return (strcmp(got_name, "?") == 0 || strcmp(got_name, want_name) == 0) &&
	       (strcmp(got_file, "?") == 0 || strcmp(got_file, want_file) == 0) &&
	       (got_line == 0 || got_line == want_line);
}

/* A bridge stands for its eval frame with the pc of another activation of it. */
static bool is_bridge(const struct run *run, const struct pv_frame_ref *ref)
{
	const uint64_t *natives = sample_natives(run->sample);
	uint32_t i;

	for (i = 0; i < run->sample->n_native; i++) {
		if (natives[i] & PV_NAT_BREAK &&
		    (natives[i] & ((1ULL << PV_NAT_REL_BITS) - 1)) == ref->value)
			return ref->kind == PV_REF_NATIVE;
	}
	return false;
}

/* What is shown is a part of the truth in its order, and if it is not all, it says so. */
static void check_part(const struct run *run, const struct truth *truth, const char *name,
		       const char *what, size_t which)
{
	size_t at = 0, i, shown = 0, expected = 0, tasks = 0, n_tasks = 0;

	for (i = 0; i < run->n_lines; i++) {
		const struct pv_frame_ref *ref = pv_vec_at(&run->merged.frames, i);

		if (ref->kind == PV_REF_MARKER || is_bridge(run, ref))
			continue;
		/* also where it is not known whether there is one more */
		if (ref->kind == PV_REF_LABEL && ref->value == PV_LABEL_TASK_UNREAD) {
			ck_assert(run->sample->flags & PV_SAMPLE_TASK_UNREAD);
			continue;
		}
		tasks += is_task(run->lines[i]);
		shown += !is_task(run->lines[i]);
		while (at < truth->n_all && !line_fits(run->lines[i], truth->all[at]))
			at++;
		ck_assert_msg(at < truth->n_all, "%s without %s %zu shows %s, which is not there",
			      name, what, which, run->lines[i]);
		at++;
	}
	for (i = 0; i < truth->n_lines; i++) {
		n_tasks += is_task(truth->lines[i]);
		expected +=
			strncmp(truth->lines[i], "marker ", 7) != 0 && !is_task(truth->lines[i]);
	}
	if (shown < expected)
		ck_assert_msg(!run->merged.complete && run->merged.loss &&
				      (run->merged.truncated || run->merged.marked ||
				       run->merged.bridged),
			      "%s without %s %zu loses frames silently: %s", name, what, which,
			      run->status);
	/* a task has no frame, and the stack is whole without: it says so itself */
	else if (tasks < n_tasks && run->merged.complete)
		ck_assert_msg(run->sample->flags & PV_SAMPLE_TASK_UNREAD,
			      "%s without %s %zu loses a task silently: %s", name, what, which,
			      run->status);
}

START_TEST(each_read_fails_once)
{
	const char *name = names[_i];
	struct fixture fixture;
	struct truth truth;
	struct pv_mem *mem;
	struct run run;
	unsigned int n, reads;

	load(name, &fixture, &mem);
	read_truth(name, &truth);
	struct pv_snap_source source = fixture_source(&fixture, mem);

	pv_mem_fixture_fail(mem, 0);
	run_source(&run, &source, &fixture);
	reads = pv_mem_fixture_reads(mem);
	ck_assert_uint_gt(reads, 3);
	run_deinit(&run);
	/* of the deep ones some: what they add is length */
	for (n = 1; n <= reads; n += 1 + reads / 128) {
		pv_mem_fixture_fail(mem, n);
		run_source(&run, &source, &fixture);
		ck_assert_uint_ge(pv_mem_fixture_reads(mem), n);
		/* a checksum that failed makes a code object new, to be copied once more */
		ck_assert_uint_le(pv_mem_fixture_reads(mem), 2 * reads);
		check_part(&run, &truth, name, "read", n);
		run_deinit(&run);
	}
	truth_deinit(&truth);
	pv_mem_destroy(mem);
	fixture_deinit(&fixture);
}
END_TEST

START_TEST(each_mapping_is_missing_once)
{
	const char *name = names[_i];
	struct fixture fixture;
	struct truth truth;
	struct pv_mem *mem;
	struct run run;
	size_t n;

	load(name, &fixture, &mem);
	read_truth(name, &truth);
	struct pv_snap_source source = fixture_source(&fixture, mem);

	for (n = 0; n < fixture.mappings.n; n++) {
		struct pv_mapping *mapping = pv_vec_at(&fixture.mappings, n), whole = *mapping;

		/* no table; then not there at all, but for one byte */
		mapping->npages = 0;
		run_source(&run, &source, &fixture);
		check_part(&run, &truth, name, "the table of mapping", n);
		run_deinit(&run);
		*mapping = whole;
		mapping->end = mapping->start + 1;
		run_source(&run, &source, &fixture);
		ck_assert(!run.merged.complete);
		run_deinit(&run);
		*mapping = whole;
	}
	truth_deinit(&truth);
	pv_mem_destroy(mem);
	fixture_deinit(&fixture);
}
END_TEST

/* The fixture's cells but one. */
struct gap {
	struct fixture *fixture;
	uint64_t key;
	bool hit;
};

static bool gap_cell(void *ctx, uint32_t segment, uint32_t index, uint64_t *ret)
{
	struct gap *gap = ctx;

	if (((uint64_t)segment << 32 | index) != gap->key)
		return fixture_cell(gap->fixture, segment, index, ret);
	gap->hit = true;
	return false;
}

START_TEST(each_cell_is_missing_once)
{
	const char *name = names[_i];
	struct fixture fixture;
	struct truth truth;
	struct pv_mem *mem;
	struct run run;
	size_t i;

	load(name, &fixture, &mem);
	read_truth(name, &truth);
	struct gap gap = { .fixture = &fixture };
	struct pv_snap_source source = fixture_source(&fixture, mem);

	source.cell = gap_cell;
	source.cell_ctx = &gap;
	for (i = 0; i < fixture.cells.capacity; i++) {
		if (!fixture.cells.used[i])
			continue;
		gap.key = fixture.cells.slots[i].key;
		gap.hit = false;
		run_source(&run, &source, &fixture);
		ck_assert_msg(gap.hit, "%s: cell %llx is never read", name,
			      (unsigned long long)gap.key);
		check_part(&run, &truth, name, "cell", i);
		run_deinit(&run);
	}
	truth_deinit(&truth);
	pv_mem_destroy(mem);
	fixture_deinit(&fixture);
}
END_TEST

static struct pv_err *refuse_event(void *ctx, const struct pv_event *event, size_t size)
{
	int *left = ctx;

	(void)event;
	(void)size;
	return (*left)-- == 0 ? pv_err_create(PV_ERR_FAILED, "full") : NULL;
}

START_TEST(code_objects_come_once_and_again_if_they_were_refused)
{
	const char *name = names[_i];
	struct pv_snap_handlers handlers = { .event = refuse_event };
	const struct pv_event_sample *sample = NULL;
	struct fixture fixture;
	struct pv_snap *snap;
	struct pv_mem *mem;
	struct pv_err *err;
	int left, n, before, refused;

	load(name, &fixture, &mem);
	struct pv_snap_source source = fixture_source(&fixture, mem);

	handlers.ctx = &left;
	ok(pv_snap_create(&source, &handlers, &snap));
	left = 1000;
	ok(pv_snap_walk(snap, &fixture.thread, &sample));
	n = 1000 - left;
	left = 1000;
	ok(pv_snap_walk(snap, &fixture.thread, &sample));
	ck_assert_int_eq(left, 1000);
	pv_snap_destroy(snap);

	for (refused = 0; refused < n; refused += 1 + n / 128) {
		ok(pv_snap_create(&source, &handlers, &snap));
		left = refused;
		err = pv_snap_walk(snap, &fixture.thread, &sample);
		ck_assert_ptr_nonnull(err);
		ck_assert_str_eq(err->message, "full");
		pv_err_destroy(err);
		/* what was refused, and only that object: CODE and three pieces or fewer */
		before = left = 1000;
		ok(pv_snap_walk(snap, &fixture.thread, &sample));
		ck_assert_int_ge(before - left, 1);
		ck_assert_int_le(before - left, 4);
		pv_snap_destroy(snap);
	}
	pv_mem_destroy(mem);
	fixture_deinit(&fixture);
}
END_TEST

static void cover(unsigned char *covered, const struct field *fields, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		memset(covered + fields[i].offset, 1, fields[i].size);
}

/* A new member of struct pv_pylayout, pv_proc or pv_asyncio needs its line in fixture.h. */
START_TEST(every_byte_of_the_process_entry_has_a_name)
{
	unsigned char layout[sizeof(struct pv_pylayout)] = {}, proc[sizeof(struct pv_proc)] = {};
	unsigned char tasks[sizeof(struct pv_asyncio)] = {};
	size_t i;

	cover(layout, py_fields, N_FIELDS(py_fields));
	for (i = 0; i < sizeof(struct pv_pylayout); i++)
		ck_assert_msg(layout[i], "byte %zu of struct pv_pylayout", i);
	cover(tasks, tasks_fields, N_FIELDS(tasks_fields));
	for (i = 0; i < sizeof(tasks); i++)
		ck_assert_msg(tasks[i], "byte %zu of struct pv_asyncio", i);
	cover(proc, proc_fields, N_FIELDS(proc_fields));
	for (i = 0; i < offsetof(struct pv_proc, py); i++)
		ck_assert_msg(proc[i], "byte %zu of struct pv_proc", i);
}
END_TEST

START_TEST(fixtures_of_all_interpreters_are_there)
{
	static const char *const wanted[] = {
		"2.7-blocked",
		"3.6-blocked",
		"3.7-blocked",
		"3.8-blocked",
		"3.9-blocked",
		"3.10-blocked",
		"3.11-blocked",
		"3.12-blocked",
		"3.13-blocked",
		"debian-2.7-blocked",
		"debian-3.9-blocked",
		"debian-3.11-blocked",
		"debian-3.13-blocked",
		"debian-3.14-blocked",
		"debian-3.15-blocked",
		"debug-3.9-blocked",
		"debug-3.11-blocked",
		"debug-3.13-blocked",
		"debug-3.14-blocked",
		"2.7-deep",
		"3.6-deep",
		"3.7-deep",
		"3.8-deep",
		"3.9-deep",
		"3.10-deep",
		"3.11-deep",
		"3.12-deep",
		"3.13-deep",
		"debian-3.14-deep",
		"debian-3.15-deep",
		"3.13t-blocked",
		"made-3.14t-blocked",
		"made-3.15t-blocked",
		"3.8-task",
		"3.9-task",
		"3.10-task",
		"3.11-task",
		"3.12-task",
		"3.13-task",
		"3.13t-task",
		"debian-3.14-task",
		"debian-3.15-task",
		"3.6-interp",
		"3.8-interp",
		"3.9-interp",
		"3.10-interp",
		"3.11-interp",
		"3.12-interp",
		"3.13-interp",
		"debian-3.15-interp",
	};
	size_t i;
	int n;

	for (i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		for (n = 0; n < n_names && strcmp(names[n], wanted[i]) != 0; n++)
			;
		ck_assert_msg(n < n_names, "no fixture %s", wanted[i]);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("walk");
	TCase *tcase = tcase_create("fixtures");
	SRunner *runner;
	int failed;

	names = fixture_names("", &n_names);
	tcase_add_test(tcase, fixtures_of_all_interpreters_are_there);
	tcase_add_test(tcase, every_byte_of_the_process_entry_has_a_name);
	tcase_add_loop_test(tcase, fixture_gives_what_is_expected, 0, n_names);
	tcase_add_test(tcase, the_leaf_is_aligned_by_the_merge);
	tcase_add_loop_test(tcase, each_read_fails_once, 0, n_names);
	tcase_add_loop_test(tcase, each_mapping_is_missing_once, 0, n_names);
	tcase_add_loop_test(tcase, each_cell_is_missing_once, 0, n_names);
	tcase_add_loop_test(tcase, code_objects_come_once_and_again_if_they_were_refused, 0,
			    n_names);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
