/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a thread finds its own thread state where there is no key of the C library's:
 * lists of thread states (2.7), thread-local storage and base frames (3.15).
 * Input: words at addresses below.  Output: Check's report.
 */
#include "run.h"

enum {
	BASE = 0x10000,
	WORDS = 1024,
	RUNTIME = BASE,
	HEAD = 0x8,
	HOLDER = 0x10,
	INTERP = BASE + 0x100,
	INTERP_2 = BASE + 0x140,
	STATE = BASE + 0x200, /* each 0x100 */
	THREAD = BASE + 0x1000,
	DTV = BASE + 0x1100,
	BLOCK = BASE + 0x1400,
	FRAME = 0xdead0000, /* not readable: the walk has come as far as that */
};

struct world {
	struct pv_mem mem;
	uint64_t words[WORDS];
	unsigned int n_reads;
	struct fixture fixture;
};

static int world_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct world *w = (struct world *)mem;

	w->n_reads++;
	if (addr < BASE || n > sizeof(w->words) || addr - BASE > sizeof(w->words) - n)
		return -EFAULT;
	memcpy(dst, (char *)w->words + (addr - BASE), n);
	return 0;
}

static bool no_cell(void *ctx, uint32_t segment, uint32_t index, uint64_t *ret)
{
	(void)ctx, (void)segment, (void)index, (void)ret;
	return false;
}

static void put(struct world *w, uint64_t addr, uint64_t value)
{
	w->words[(addr - BASE) / 8] = value;
}

/* CPython 2.7's offsets, by hand. */
static void world_2_7(struct world *w)
{
	struct pv_proc *p = &w->fixture.proc;

	*w = (struct world){ .mem.read = world_read };
	fixture_init(&w->fixture);
	w->fixture.thread = (struct pv_snap_thread){ .fsbase = THREAD, .sp = 8, .pc = 8 };
	p->has_python = 1;
	p->runtime = RUNTIME;
	p->py.own_kind = PV_OWN_LIST;
	p->py.rt_interpreters_head = HEAD;
	p->py.rt_tstate_current = HOLDER;
	p->py.is_next = 0;
	p->py.is_threads_head = 8;
	p->py.ts_next = 0;
	p->py.ts_interp = 8;
	p->py.ts_frame = 16;
	p->py.ts_thread_id = 144;
	p->py.ts_len = 152;
	p->py.fr_len = 104;
	p->py.fr_start = 24;
	put(w, RUNTIME + HEAD, INTERP);
}

/* The i-th thread state, at the end of its interpreter's list. */
static void state(struct world *w, unsigned int i, uint64_t interp, uint64_t thread, uint64_t frame)
{
	uint64_t at = STATE + i * 0x100, link = interp + 8;

	while (w->words[(link - BASE) / 8])
		link = w->words[(link - BASE) / 8];
	put(w, link, at);
	put(w, at + 8, interp);
	put(w, at + 16, frame);
	put(w, at + w->fixture.proc.py.ts_thread_id, thread);
}

/* The flags of the sample without those of the native half; loss and where it stopped. */
static void expect(struct world *w, uint32_t flags, int loss, uint64_t at)
{
	struct pv_snap_source source = { .mem = &w->mem, .proc = w->fixture.proc, .cell = no_cell };
	struct run run;

	run_source(&run, &source, &w->fixture);
	ck_assert_uint_eq(run.sample->flags & ~(uint32_t)PV_SAMPLE_NAT_END, flags);
	ck_assert_int_eq(run.sample->py_loss, loss);
	if (loss)
		ck_assert_uint_eq(run.sample->fail_addr, at);
	run_deinit(&run);
}

START_TEST(the_holder_of_the_gil_is_the_quick_way)
{
	struct world w;

	world_2_7(&w);
	state(&w, 0, INTERP, THREAD, FRAME);
	put(&w, RUNTIME + HOLDER, STATE);
	put(&w, RUNTIME + HEAD, 0); /* not looked at */
	expect(&w, PV_SAMPLE_ATTACHED, PV_LOSS_PY_READ, FRAME);
	/* one that has no frame yet */
	put(&w, STATE + 16, 0);
	expect(&w, PV_SAMPLE_ATTACHED | PV_SAMPLE_FRAMELESS | PV_SAMPLE_PY_END, 0, 0);
}
END_TEST

START_TEST(without_the_gil_by_the_lists)
{
	struct world w;

	world_2_7(&w);
	put(&w, INTERP, INTERP_2);
	state(&w, 0, INTERP, THREAD + 0x1000, FRAME + 8);
	state(&w, 1, INTERP, THREAD + 0x2000, FRAME + 16);
	put(&w, RUNTIME + HOLDER, STATE);
	expect(&w, PV_SAMPLE_NO_TSTATE, 0, 0);
	/* in the second interpreter */
	state(&w, 2, INTERP_2, THREAD, FRAME);
	expect(&w, 0, PV_LOSS_PY_READ, FRAME);
	/* made for a thread that has not started: its maker's id, and no frame */
	state(&w, 3, INTERP, THREAD, 0);
	expect(&w, 0, PV_LOSS_PY_READ, FRAME);
	put(&w, STATE + 0x200 + 16, 0);
	expect(&w, PV_SAMPLE_FRAMELESS | PV_SAMPLE_PY_END, 0, 0);
}
END_TEST

/* None of these is "no Python": what cannot be known is marked. */
START_TEST(lists_that_do_not_tell)
{
	const uint32_t lost = PV_SAMPLE_NO_TSTATE;
	struct world w;

	/* two with frames: of two interpreters */
	world_2_7(&w);
	put(&w, INTERP, INTERP_2);
	state(&w, 0, INTERP, THREAD, FRAME);
	state(&w, 1, INTERP_2, THREAD, FRAME);
	expect(&w, lost, PV_LOSS_PY_READ, RUNTIME);
	/* one that was freed meanwhile */
	world_2_7(&w);
	state(&w, 0, INTERP, THREAD, FRAME);
	put(&w, STATE + 8, 0x1234);
	expect(&w, lost, PV_LOSS_PY_READ, RUNTIME);
	/* circles */
	world_2_7(&w);
	state(&w, 0, INTERP, THREAD + 8, FRAME);
	put(&w, STATE, STATE);
	expect(&w, lost, PV_LOSS_PY_READ, RUNTIME);
	world_2_7(&w);
	put(&w, INTERP, INTERP);
	expect(&w, lost, PV_LOSS_PY_READ, RUNTIME);
	/* not readable */
	world_2_7(&w);
	put(&w, INTERP + 8, 0x8);
	expect(&w, lost, PV_LOSS_PY_READ, RUNTIME);
	put(&w, RUNTIME + HEAD, 0x8);
	expect(&w, lost, PV_LOSS_PY_READ, RUNTIME);
}
END_TEST

/* 3.6: autoTLSkey is an int, -1 before Py_Initialize() and after Py_Finalize(). */
START_TEST(a_key_that_is_an_int)
{
	enum { KEY = 0x20 };
	struct world w;
	struct pv_proc *p = &w.fixture.proc;

	world_2_7(&w);
	p->py.own_kind = PV_OWN_KEY;
	p->py.rt_tss_key = KEY;
	p->pthread_specific = 0x100;
	p->pthread_key_size = 16;
	p->pthread_key_data = 8;
	p->pthread_key_block = 32;
	state(&w, 0, INTERP, THREAD, FRAME);
	put(&w, THREAD + 0x100, BLOCK);
	put(&w, BLOCK + 5 * 16 + 8, STATE);
	put(&w, RUNTIME + KEY, 5 | 0xffffffff00000000); /* what follows is not of it */
	expect(&w, 0, PV_LOSS_PY_READ, FRAME);
	put(&w, RUNTIME + KEY, 0xffffffff);
	expect(&w, PV_SAMPLE_NO_TSTATE, 0, 0);
	put(&w, RUNTIME + KEY, 1024);
	expect(&w, PV_SAMPLE_NO_TSTATE, PV_LOSS_PY_READ, RUNTIME);
}
END_TEST

/* musl keeps an array of words by key, and no blocks. */
START_TEST(a_key_in_an_array)
{
	enum { KEY = 0x20 };
	struct world w;
	struct pv_proc *p = &w.fixture.proc;

	world_2_7(&w);
	p->py.own_kind = PV_OWN_TSS;
	p->py.rt_tss_key = KEY;
	p->pthread_specific = 0x80;
	p->pthread_key_size = 8;
	p->pthread_key_data = 0;
	p->pthread_key_block = 1024;
	state(&w, 0, INTERP, THREAD, FRAME);
	put(&w, THREAD + 0x80, BLOCK);
	put(&w, BLOCK + 37 * 8, STATE);
	put(&w, RUNTIME + KEY, 1 | 37ULL << 32);
	expect(&w, 0, PV_LOSS_PY_READ, FRAME);
	put(&w, RUNTIME + KEY, 1 | 36ULL << 32);
	put(&w, BLOCK + 36 * 8, 0); /* another thread's state */
	expect(&w, PV_SAMPLE_NO_TSTATE, 0, 0);
}
END_TEST

/* CPython 3.15's way. */
static void world_3_15(struct world *w)
{
	struct pv_pylayout *py = &w->fixture.proc.py;

	world_2_7(w);
	py->own_kind = PV_OWN_TLS;
	py->frame_kind = PV_FRAME_INTERP;
	py->anchor_kind = PV_ANCHOR_SHIM;
	py->rt_tstate_current = 0;
	py->owner_boundary = 3;
	py->owner_generator = 1;
	py->ts_base_frame = 24;
	py->fr_start = 0;
	py->fr_len = 80;
	py->fr_code = 0;
	py->fr_previous = 8;
	py->fr_instr = 56;
	py->fr_owner = 74;
	state(w, 0, INTERP, THREAD, FRAME);
	w->fixture.proc.tls_offset = -40;
	put(w, THREAD - 40, STATE);
}

START_TEST(thread_local_storage)
{
	struct world w;

	world_3_15(&w);
	expect(&w, 0, PV_LOSS_PY_READ, FRAME);
	put(&w, THREAD - 40, 0);
	expect(&w, PV_SAMPLE_NO_TSTATE, 0, 0);
	/* libpython: the third module, by the dtv */
	w.fixture.proc.tls_module = 3;
	w.fixture.proc.tls_offset = 0x28;
	put(&w, THREAD + 8, DTV);
	put(&w, DTV + 3 * 16, BLOCK);
	put(&w, BLOCK + 0x28, STATE);
	expect(&w, 0, PV_LOSS_PY_READ, FRAME);
	put(&w, DTV + 3 * 16, ~0ULL); /* not used by this thread */
	expect(&w, PV_SAMPLE_NO_TSTATE, 0, 0);
	put(&w, THREAD + 8, 8);
	expect(&w, PV_SAMPLE_NO_TSTATE, PV_LOSS_PY_READ, RUNTIME);
}
END_TEST

START_TEST(base_frames)
{
	enum { BASE_FRAME = BASE + 0x1800, SHIM = BASE + 0x1900 };
	struct world w;

	/* nothing runs */
	world_3_15(&w);
	put(&w, STATE + 16, BASE_FRAME);
	put(&w, STATE + 24, BASE_FRAME);
	expect(&w, PV_SAMPLE_FRAMELESS | PV_SAMPLE_PY_END, 0, 0);
	/* a boundary frame, then the end */
	put(&w, STATE + 16, SHIM);
	put(&w, SHIM + 72, 3 << 16);
	put(&w, SHIM + 8, BASE_FRAME);
	expect(&w, PV_SAMPLE_PY_END, 0, 0);
	/* the same chain ends elsewhere: not whole */
	put(&w, SHIM + 8, 0);
	expect(&w, 0, PV_LOSS_PY_UNLINKED, 8);
}
END_TEST

/* Two interpreters; INTERP is the main one, and the home of this thread's state. */
static void world_of_two(struct world *w)
{
	enum { MAIN = 0x10 };
	struct pv_pylayout *py = &w->fixture.proc.py;

	world_3_15(w);
	py->is_id = 16;
	py->ts_root_cframe = PV_OFF_NONE;
	put(w, RUNTIME + HEAD, INTERP_2);
	put(w, RUNTIME + MAIN, INTERP);
	put(w, INTERP_2, INTERP);
	put(w, INTERP_2 + 16, 1);
	state(w, 1, INTERP_2, THREAD + 0x1000, FRAME);
}

/* How often the lists were too long, and the words that were read. */
static unsigned int too_many(struct world *w, unsigned int *n_reads_ret)
{
	struct pv_snap_source source = { .mem = &w->mem, .proc = w->fixture.proc, .cell = no_cell };
	struct run run;
	unsigned int n;

	w->n_reads = 0;
	run_source(&run, &source, &w->fixture);
	n = run.losses[PV_LOSS_PY_INTERPS];
	*n_reads_ret = w->n_reads;
	run_deinit(&run);
	return n;
}

/* A list that leads into itself stands for one without end. */
START_TEST(many_threads_and_interpreters)
{
	enum { FEW = 40, MOST = 600 };
	struct world w;
	unsigned int n;

	/* in the home, and nothing of this thread elsewhere: it is not looked through */
	world_of_two(&w);
	put(&w, STATE, STATE);
	ck_assert_uint_eq(too_many(&w, &n), 0);
	ck_assert_uint_lt(n, FEW);
	/* with frames of this thread elsewhere the home may have more of them */
	put(&w, STATE + 0x100 + w.fixture.proc.py.ts_thread_id, THREAD);
	ck_assert_uint_eq(too_many(&w, &n), 1);
	ck_assert_uint_lt(n, MOST);
	put(&w, STATE, 0);
	ck_assert_uint_eq(too_many(&w, &n), 0);
	/* in the other one */
	world_of_two(&w);
	put(&w, STATE + 0x100, STATE + 0x100);
	ck_assert_uint_eq(too_many(&w, &n), 1);
	ck_assert_uint_lt(n, MOST);
	/* one interpreter: there is nothing to look for */
	put(&w, RUNTIME + HEAD, INTERP);
	ck_assert_uint_eq(too_many(&w, &n), 0);
	ck_assert_uint_lt(n, FEW);
}
END_TEST

/* _PyStackRef (3.14): the low bits of a code pointer are no part of the address. */
START_TEST(tagged_code_pointers)
{
	enum { LEAF = BASE + 0x1800, CODE = BASE + 0x1900 };
	struct world w;

	world_3_15(&w);
	w.fixture.proc.py.code_tag_mask = 3;
	w.fixture.proc.py.co_len = 144;
	put(&w, STATE + 16, LEAF);
	put(&w, LEAF, CODE | 1);
	/* it is none: but it was looked for there */
	expect(&w, 0, PV_LOSS_PY_BADCODE, CODE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("own");
	TCase *tcase = tcase_create("own");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, the_holder_of_the_gil_is_the_quick_way);
	tcase_add_test(tcase, without_the_gil_by_the_lists);
	tcase_add_test(tcase, lists_that_do_not_tell);
	tcase_add_test(tcase, a_key_that_is_an_int);
	tcase_add_test(tcase, a_key_in_an_array);
	tcase_add_test(tcase, tagged_code_pointers);
	tcase_add_test(tcase, thread_local_storage);
	tcase_add_test(tcase, base_frames);
	tcase_add_test(tcase, many_threads_and_interpreters);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
