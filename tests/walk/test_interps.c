/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread with states of two interpreters (walk/interps.h), on recorded threads whose lists of
 * states are then made wrong.  Input: the fixtures *-interp; that they are read right as they
 * are is for test_walk.c.  Output: Check's report.
 */
#include "overlay.h"
#include "run.h"

static char **names;
static int n_names;

struct world {
	struct fixture fixture;
	struct pv_mem *mem;
	struct overlay overlay;
	uint64_t inner, outer; /* interpreters: the newest is the head of the list */
};

static uint64_t word(struct world *world, uint64_t addr)
{
	uint64_t value;

	ck_assert_int_eq(pv_mem_read_u64(world->mem, addr, &value), 0);
	return value;
}

static void world_init(struct world *world, const char *name)
{
	const struct pv_proc *proc = &world->fixture.proc;

	load(name, &world->fixture, &world->mem);
	overlay_init(&world->overlay, world->mem);
	world->inner = word(world, proc->runtime + proc->py.rt_interpreters_head);
	world->outer = word(world, world->inner + proc->py.is_next);
	ck_assert_uint_ne(world->inner, world->outer);
}

static void world_deinit(struct world *world)
{
	pv_mem_destroy(world->mem);
	fixture_deinit(&world->fixture);
}

static void walk(struct world *world, struct run *run)
{
	struct pv_snap_source source = fixture_source(&world->fixture, &world->overlay.mem);

	run_source(run, &source, &world->fixture);
}

static unsigned int count(const struct run *run, const char *start)
{
	unsigned int n = 0;

	for (size_t i = 0; i < run->n_lines; i++)
		n += strncmp(run->lines[i], start, strlen(start)) == 0;
	return n;
}

/* All of the thread's frames, or a mark. */
static void check_marked(const struct run *run)
{
	ck_assert(!run->merged.complete);
	ck_assert(run->merged.marked || run->merged.truncated);
	ck_assert_uint_ne(run->merged.loss, 0);
	ck_assert_uint_eq(count(run, "python "), 0);
}

START_TEST(a_list_of_states_without_an_end)
{
	const struct pv_pylayout *py;
	struct world world;
	struct run run;
	uint64_t state;

	world_init(&world, names[_i]);
	py = &world.fixture.proc.py;
	state = word(&world, world.inner + py->is_threads_head);
	overlay_put_u64(&world.overlay, state + py->ts_next, state);
	walk(&world, &run);
	ck_assert_uint_eq(run.losses[PV_LOSS_PY_INTERPS], 1);
	ck_assert_uint_lt(world.overlay.n_reads, 4 * 512);
	check_marked(&run);
	run_deinit(&run);
	world_deinit(&world);
}
END_TEST

START_TEST(a_list_of_interpreters_without_an_end)
{
	const struct pv_pylayout *py;
	struct world world;
	struct run run;

	world_init(&world, names[_i]);
	py = &world.fixture.proc.py;
	overlay_put_u64(&world.overlay, world.inner + py->is_next, world.inner);
	walk(&world, &run);
	ck_assert_uint_eq(run.losses[PV_LOSS_PY_INTERPS], 1);
	ck_assert(run.sample->flags & PV_SAMPLE_PY_PART);
	check_marked(&run);
	run_deinit(&run);
	world_deinit(&world);
}
END_TEST

/* Only the state of one half is found: the native frames tell that the other is missing. */
START_TEST(a_half_that_is_not_found)
{
	const struct pv_pylayout *py;
	struct world world;
	struct run run;

	world_init(&world, names[_i]);
	py = &world.fixture.proc.py;
	overlay_put_u64(&world.overlay, world.inner + py->is_threads_head, 0);
	overlay_put_u64(&world.overlay, world.outer + py->is_threads_head, 0);
	walk(&world, &run);
	check_marked(&run);
	run_deinit(&run);
	world_deinit(&world);
}
END_TEST

/* Up to 3.6 they have no numbers, and the main one is the last of the list. */
START_TEST(without_numbers)
{
	struct world world;
	struct run run;

	world_init(&world, names[_i]);
	world.fixture.proc.py.is_id = 0;
	walk(&world, &run);
	ck_assert(run.merged.complete);
	ck_assert_uint_eq(count(&run, "interpreter ?"), 1);
	ck_assert_uint_eq(count(&run, "interpreter "), 1);
	run_deinit(&run);
	/* only the main one is there: its half alone */
	overlay_put_u64(&world.overlay,
			world.fixture.proc.runtime + world.fixture.proc.py.rt_interpreters_head,
			world.outer);
	walk(&world, &run);
	check_marked(&run);
	run_deinit(&run);
	world_deinit(&world);
}
END_TEST

/* Up to 3.9 the GIL alone tells which of the two is the inner one. */
START_TEST(without_the_gil_nothing_tells)
{
	const struct pv_proc *proc;
	struct world world;
	struct run run;

	world_init(&world, names[_i]);
	proc = &world.fixture.proc;
	if (proc->py.anchor_kind == PV_ANCHOR_NONE) {
		overlay_put_u64(&world.overlay, proc->runtime + proc->py.rt_tstate_current, 0);
		walk(&world, &run);
		ck_assert(run.sample->flags & PV_SAMPLE_PY_PART);
		check_marked(&run);
		run_deinit(&run);
	}
	world_deinit(&world);
}
END_TEST

START_TEST(an_id_that_is_none_is_no_label)
{
	struct world world;
	struct run run;

	world_init(&world, names[_i]);
	if (!world.fixture.proc.py.is_id) { /* 3.6 */
		world_deinit(&world);
		return;
	}
	overlay_put_u64(&world.overlay, world.inner + world.fixture.proc.py.is_id, 1ULL << 40);
	walk(&world, &run);
	ck_assert_uint_eq(count(&run, "interpreter "), 0);
	ck_assert_uint_eq(count(&run, "python "), 4);
	run_deinit(&run);
	overlay_put_u64(&world.overlay, world.inner + world.fixture.proc.py.is_id, 77);
	walk(&world, &run);
	ck_assert_uint_eq(count(&run, "interpreter 77"), 1);
	run_deinit(&run);
	world_deinit(&world);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("interps");
	TCase *tcase = tcase_create("interps");
	SRunner *runner;
	int failed;

	names = fixture_names("-interp", &n_names);
	if (!n_names)
		return 1;
	tcase_add_loop_test(tcase, a_list_of_states_without_an_end, 0, n_names);
	tcase_add_loop_test(tcase, a_list_of_interpreters_without_an_end, 0, n_names);
	tcase_add_loop_test(tcase, a_half_that_is_not_found, 0, n_names);
	tcase_add_loop_test(tcase, without_numbers, 0, n_names);
	tcase_add_loop_test(tcase, without_the_gil_nothing_tells, 0, n_names);
	tcase_add_loop_test(tcase, an_id_that_is_none_is_no_label, 0, n_names);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
