/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The native walker on tables and stacks made by hand: every rule by which a
 * frame is left.  Input: rows and words below.  Output: Check's report.
 *
 * One object at TEXT, one page of code, its rows as in abi/unwind.h; a stack of
 * 64 words at STACK.  No Python.
 */
#include "run.h"

enum { TEXT = 0x400000, STACK = 0x7000, WORDS = 64, CELLS = 64, MADE = 0x500000 };

struct machine {
	struct pv_mem mem;
	uint64_t stack[WORDS];
	uint64_t cells[CELLS];
	uint32_t n_cells;
	uint32_t n_asked;                /* for cells */
	struct pv_mapping mapping, made; /* made: code of no file, at MADE; end 0: none */
	unsigned char code[64];          /* of it */
	struct fixture fixture;
};

static int machine_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	struct machine *m = (struct machine *)mem;

	if (addr >= MADE && addr + n <= MADE + sizeof(m->code)) {
		memcpy(dst, m->code + (addr - MADE), n);
		return 0;
	}
	if (addr < STACK || addr + n > STACK + sizeof(m->stack))
		return -EFAULT;
	memcpy(dst, (char *)m->stack + (addr - STACK), n);
	return 0;
}

static bool machine_cell(void *ctx, uint32_t segment, uint32_t index, uint64_t *ret)
{
	struct machine *m = ctx;

	ck_assert_uint_eq(segment, 7);
	m->n_asked++;
	if (index < 10 || index - 10 >= m->n_cells)
		return false;
	*ret = m->cells[index - 10];
	return true;
}

/* Rows are added in the order of their pc, from TEXT on. */
static void row(struct machine *m, uint32_t pc, int cfa_off, int cfa, int rbp, int rbp_off)
{
	struct pv_unwind_row r = {
		.pc = pc, .cfa_off = cfa_off, .kinds = cfa | rbp << 4, .rbp_off = rbp_off
	};
	struct pv_unwind_page page = { .first = 0, .last = m->n_cells - 1 };

	ck_assert_uint_lt(m->n_cells, CELLS);
	memcpy(&m->cells[m->n_cells++], &r, sizeof(r));
	page.last = m->n_cells - 2;
	memcpy(&m->cells[0], &page, sizeof(page));
}

/* main at 0x000: outermost; f at 0x100: 2 words; then a gap. */
static void machine_init(struct machine *m)
{
	*m = (struct machine){
		.mem.read = machine_read,
		.n_cells = 1,
		.mapping = { .start = TEXT,
			     .end = TEXT + 0x1000,
			     .bias = TEXT,
			     .object = 1,
			     .segment = 7,
			     .cell = 10,
			     .npages = 1 },
	};
	fixture_init(&m->fixture);
	m->fixture.thread =
		(struct pv_snap_thread){ .pc = TEXT + 0x110, .sp = STACK, .bp = STACK + 0x100 };
	row(m, 0, 0, PV_CFA_END, PV_RBP_UNDEFINED, 0);
	row(m, 0x100, 2, PV_CFA_RSP, PV_RBP_SAME, 0);
	row(m, 0x200, 0, PV_CFA_NONE, PV_RBP_SAME, 0);
}

static void walk(struct machine *m, struct run *run)
{
	struct pv_mapping mappings[] = { m->mapping, m->made };
	struct pv_snap_source source = {
		.mem = &m->mem,
		.proc = m->fixture.proc,
		.mappings = mappings,
		.n_mappings = 1 + !!m->made.end,
		.cell = machine_cell,
		.cell_ctx = m,
	};

	run_source(run, &source, &m->fixture);
}

/* Where frames are, leaf first, as offsets from TEXT, and how it ends. */
static void expect(struct machine *m, const char *frames, int loss)
{
	struct pv_str text = {};
	struct run run;
	uint32_t i;

	walk(m, &run);
	for (i = 0; i < run.sample->n_native; i++) {
		uint64_t word = sample_natives(run.sample)[i];

		ok(pv_str_appendf(&text, "%s%s%llx%s", i ? " " : "",
				  word & PV_NAT_RAW ? "raw " : "",
				  (unsigned long long)(word & ((1ULL << PV_NAT_REL_BITS) - 1)),
				  word & PV_NAT_EXACT ? "!" : ""));
	}
	ck_assert_str_eq(pv_str_text(&text), frames);
	ck_assert_int_eq(run.sample->nat_loss, loss);
	ck_assert_int_eq(!!(run.sample->flags & PV_SAMPLE_NAT_END), loss == 0);
	pv_str_deinit(&text);
	run_deinit(&run);
}

START_TEST(by_the_stack_pointer)
{
	struct machine m;

	machine_init(&m);
	m.stack[1] = TEXT + 0x180; /* f called itself */
	m.stack[3] = TEXT + 0x20;
	expect(&m, "110! 180 20", 0);
}
END_TEST

/* A call that does not return is the last instruction: its return address is of no function. */
START_TEST(call_at_the_end_of_a_function)
{
	struct machine m;

	machine_init(&m);
	m.stack[1] = TEXT + 0x200;
	m.stack[3] = TEXT + 0x100; /* and main's, whose next is f */
	expect(&m, "110! 200 100", 0);
	/* an exact pc is what it is */
	m.fixture.thread.pc = TEXT + 0x100;
	expect(&m, "100! 200 100", 0);
	m.fixture.thread.pc = TEXT + 0x200;
	expect(&m, "200!", PV_LOSS_NAT_NOROW);
}
END_TEST

START_TEST(first_and_last_rows)
{
	struct machine m;

	machine_init(&m);
	m.stack[1] = TEXT + 1;
	m.fixture.thread.pc = TEXT + 0x1ff;
	expect(&m, "1ff! 1", 0);
	m.fixture.thread.pc = TEXT + 0xff;
	expect(&m, "ff!", 0);
	/* no row before the first: the page says so, or the row's own pc */
	m.cells[1] |= 0x10;
	m.fixture.thread.pc = TEXT + 0xf;
	expect(&m, "f!", PV_LOSS_NAT_NOROW);
	/* an empty page, a page that is not there, a table that is cut off */
	m.cells[0] = 1;
	expect(&m, "f!", PV_LOSS_NAT_NOROW);
	m.mapping.npages = 0;
	expect(&m, "f!", PV_LOSS_NAT_NOROW);
	machine_init(&m);
	m.n_cells = 2;
	expect(&m, "110!", PV_LOSS_NAT_NOROW);
	/* below the table's base */
	machine_init(&m);
	m.mapping.base = 0x1000;
	expect(&m, "110!", PV_LOSS_NAT_NOROW);
}
END_TEST

START_TEST(no_mapping)
{
	struct machine m;

	machine_init(&m);
	m.stack[1] = 0x1234;
	expect(&m, "110! raw 1234", PV_LOSS_NAT_NOMAP);
	m.stack[1] = TEXT + 0x1001;
	expect(&m, "110! raw 401001", PV_LOSS_NAT_NOMAP);
	/* a return address right behind the mapping belongs to its last byte */
	m.stack[1] = TEXT + 0x1000;
	expect(&m, "110! 1000", PV_LOSS_NAT_NOROW);
	m.stack[1] = TEXT;
	expect(&m, "110! raw 400000", PV_LOSS_NAT_NOMAP);
}
END_TEST

START_TEST(by_the_frame_pointer)
{
	struct machine m;

	machine_init(&m);
	row(&m, 0x300, 2, PV_CFA_RBP, PV_RBP_CFA, -2);
	row(&m, 0x400, 3, PV_CFA_RSP, PV_RBP_CFA, -3);
	row(&m, 0x500, 0, PV_CFA_NONE, 0, 0);
	m.fixture.thread.pc = TEXT + 0x310;
	m.fixture.thread.bp = STACK + 8 * 10;
	/* g: rbp and return address at rbp; its caller h, which keeps rbp 3 words below */
	m.stack[10] = 0x777;
	m.stack[11] = TEXT + 0x410;
	m.stack[12] = STACK + 8 * 30;
	m.stack[14] = TEXT + 0x310;
	/* g again, by what h restored */
	m.stack[30] = 0;
	m.stack[31] = TEXT + 0x10;
	expect(&m, "310! 410 310 10", 0);
	/* rbp that was not restored would lead to the first g again, or nowhere */
	m.stack[12] = STACK + 8 * 10;
	expect(&m, "310! 410 310", PV_LOSS_NAT_BADCFA);
}
END_TEST

START_TEST(realigned_stacks)
{
	struct machine m;

	machine_init(&m);
	/* CFA at *(rbp - 8), the caller's rbp at *rbp: gcc's main and AVX code */
	row(&m, 0x300, (uint8_t)-1, PV_CFA_DEREF_RBP, PV_RBP_AT_RBP, 0);
	/* CFA at *(rsp + 16) - 8 */
	row(&m, 0x400, (uint8_t)2 | (uint16_t)((uint8_t)-1 << 8), PV_CFA_DEREF_RSP, PV_RBP_SAME, 0);
	row(&m, 0x500, 2, PV_CFA_RBP, PV_RBP_SAME, 0);
	m.fixture.thread.pc = TEXT + 0x310;
	m.fixture.thread.bp = STACK + 8 * 4;
	m.stack[3] = STACK + 8 * 10;
	m.stack[4] = STACK + 8 * 24; /* the caller's rbp */
	m.stack[9] = TEXT + 0x410;
	m.stack[12] = STACK + 8 * 21;
	m.stack[19] = TEXT + 0x510;
	m.stack[25] = TEXT + 0x10;
	expect(&m, "310! 410 510 10", 0);
	m.stack[12] = 0xdead0000;
	expect(&m, "310! 410", PV_LOSS_NAT_READ);
	m.fixture.thread.bp = 0xdead0000;
	expect(&m, "310!", PV_LOSS_NAT_READ);
}
END_TEST

START_TEST(linkage_tables)
{
	struct machine m;

	machine_init(&m);
	row(&m, 0x300, 11, PV_CFA_PLT, PV_RBP_SAME, 0);
	m.fixture.thread.sp = STACK + 8;
	m.stack[1] = TEXT + 0x20;
	m.stack[2] = TEXT + 0x30;
	m.fixture.thread.pc = TEXT + 0x30a;
	expect(&m, "30a! 20", 0);
	m.fixture.thread.pc = TEXT + 0x30b;
	expect(&m, "30b! 30", 0);
}
END_TEST

/* The kernel's struct ucontext lies at the stack pointer: rbp, .., rsp, rip at 120. */
START_TEST(signal_frames)
{
	struct machine m;

	machine_init(&m);
	row(&m, 0x300, 0, PV_CFA_SIGRETURN, PV_RBP_SAME, 0);
	row(&m, 0x400, 2, PV_CFA_RBP, PV_RBP_SAME, 0);
	m.stack[1] = TEXT + 0x301;
	m.stack[2 + 15] = STACK + 8 * 40; /* rbp */
	m.stack[2 + 20] = STACK + 8 * 30; /* rsp */
	m.stack[2 + 21] = TEXT + 0x400;   /* rip: exact, the first instruction */
	m.stack[41] = TEXT + 0x10;
	expect(&m, "110! 301 400! 10", 0);
	/* from an alternate stack to a lower one */
	m.stack[2 + 20] = STACK - 0x1000;
	expect(&m, "110! 301 400! 10", 0);
	m.fixture.thread.sp = STACK + 8 * (WORDS - 2);
	m.stack[WORDS - 1] = TEXT + 0x301;
	expect(&m, "110! 301", PV_LOSS_NAT_READ);
}
END_TEST

START_TEST(frames_that_do_not_lie_above)
{
	struct machine m;

	machine_init(&m);
	row(&m, 0x300, 2, PV_CFA_RBP, PV_RBP_SAME, 0);
	row(&m, 0x400, 0, PV_CFA_RSP, PV_RBP_SAME, 0);
	row(&m, 0x500, -1, PV_CFA_RSP, PV_RBP_SAME, 0);
	m.fixture.thread.sp = STACK + 8 * 20;
	m.stack[21] = TEXT + 0x310;
	m.stack[11] = TEXT + 0x10;
	m.fixture.thread.bp = STACK + 8 * 10;
	expect(&m, "110! 310", PV_LOSS_NAT_BADCFA);
	/* the very same place is no frame, either */
	m.fixture.thread.bp = STACK + 8 * 20;
	expect(&m, "110! 310", PV_LOSS_NAT_BADCFA);
	m.stack[21] = TEXT + 0x410;
	expect(&m, "110! 410", PV_LOSS_NAT_BADCFA);
	m.stack[21] = TEXT + 0x510;
	expect(&m, "110! 510", PV_LOSS_NAT_BADCFA);
}
END_TEST

START_TEST(rules_that_are_none)
{
	struct machine m;
	int kind;

	for (kind = PV_CFA_UNSUPPORTED; kind < 16; kind++) {
		machine_init(&m);
		row(&m, 0x300, 2, kind, PV_RBP_SAME, 0);
		m.stack[1] = TEXT + 0x310;
		expect(&m, "110! 310", PV_LOSS_NAT_UNSUPPORTED);
	}
	machine_init(&m);
	m.stack[1] = TEXT + 0x210;
	expect(&m, "110! 210", PV_LOSS_NAT_NOROW);
	/* memory that ends */
	m.fixture.thread.sp = STACK + sizeof(m.stack);
	expect(&m, "110!", PV_LOSS_NAT_READ);
}
END_TEST

/* Code that was made at run time says by what comes next how its caller is found. */
START_TEST(code_of_no_file)
{
	static const unsigned char add[] = { 0x48, 0x83, 0xc4, 0x08, 0xc3 }, /* add $8,%rsp; ret */
		pop[] = { 0x5d, 0xc3 },                                      /* pop %rbp; ret */
		other[] = { 0x48, 0x83, 0xc4, 0x10, 0xc3 }, half[] = { 0x5d, 0x5d, 0xc3 };
	struct machine m;

	machine_init(&m);
	m.made = (struct pv_mapping){ .start = MADE, .end = MADE + 0x1000 };
	memcpy(m.code + 16, add, sizeof(add));
	memcpy(m.code + 32, pop, sizeof(pop));
	m.stack[1] = MADE + 16; /* f was called by it */
	m.stack[3] = TEXT + 0x180;
	m.stack[5] = TEXT + 0x20;
	expect(&m, "110! raw 500010 180 20", 0);
	m.stack[1] = MADE + 32;
	expect(&m, "110! raw 500020 180 20", 0);
	/* the frame pointer that it kept is its caller's */
	row(&m, 0x300, 2, PV_CFA_RBP, PV_RBP_CFA, -2);
	m.stack[2] = STACK + 8 * 20;
	m.stack[3] = TEXT + 0x310;
	m.stack[21] = TEXT + 0x20;
	expect(&m, "110! raw 500020 310 20", 0);
	/* its own pc, and anything else */
	m.fixture.thread.pc = MADE + 16;
	m.stack[1] = TEXT + 0x20;
	expect(&m, "raw 500010! 20", 0);
	memcpy(m.code + 16, other, sizeof(other));
	expect(&m, "raw 500010!", PV_LOSS_NAT_NOROW);
	memcpy(m.code + 16, half, sizeof(half));
	expect(&m, "raw 500010!", PV_LOSS_NAT_NOROW);
	m.fixture.thread.pc = MADE + sizeof(m.code) + 8;
	expect(&m, "raw 500048!", PV_LOSS_NAT_NOROW);
}
END_TEST

/* What was looked up once is remembered, with what it is. */
START_TEST(places_are_remembered)
{
	const struct pv_event_sample *sample;
	struct pv_snap *snap;
	struct machine m;
	uint32_t first;

	machine_init(&m);
	m.stack[1] = m.stack[3] = m.stack[5] = TEXT + 0x180;
	m.stack[7] = TEXT + 0x20;
	struct pv_snap_source source = {
		.mem = &m.mem,
		.proc = m.fixture.proc,
		.mappings = &m.mapping,
		.n_mappings = 1,
		.cell = machine_cell,
		.cell_ctx = &m,
	};

	ok(pv_snap_create(&source, NULL, &snap));
	ok(pv_snap_walk(snap, &m.fixture.thread, &sample));
	first = m.n_asked;
	ck_assert_uint_eq(sample->n_native, 5);
	ok(pv_snap_walk(snap, &m.fixture.thread, &sample));
	ck_assert_uint_eq(sample->n_native, 5);
	ck_assert_uint_eq(m.n_asked, first);
	ck_assert_uint_eq(sample_natives(sample)[1] & ((1ULL << PV_NAT_REL_BITS) - 1), 0x180);
	m.stack[3] = TEXT + 0x210;
	ok(pv_snap_walk(snap, &m.fixture.thread, &sample));
	ck_assert_int_eq(sample->nat_loss, PV_LOSS_NAT_NOROW);
	pv_snap_destroy(snap);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rules");
	TCase *tcase = tcase_create("rules");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, by_the_stack_pointer);
	tcase_add_test(tcase, call_at_the_end_of_a_function);
	tcase_add_test(tcase, first_and_last_rows);
	tcase_add_test(tcase, no_mapping);
	tcase_add_test(tcase, by_the_frame_pointer);
	tcase_add_test(tcase, realigned_stacks);
	tcase_add_test(tcase, linkage_tables);
	tcase_add_test(tcase, signal_frames);
	tcase_add_test(tcase, frames_that_do_not_lie_above);
	tcase_add_test(tcase, rules_that_are_none);
	tcase_add_test(tcase, code_of_no_file);
	tcase_add_test(tcase, places_are_remembered);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
