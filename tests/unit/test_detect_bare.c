/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of interpreters without symbols (python/bare.c): made-up objects whose file and
 * memory say everything, with CPython 3.8's offsets by hand.
 */
#include "made_process.h"

enum {
	KEY = 3,
	EVAL_TEXT = RODATA,
	GC_TEXT = RODATA + 0x40,
	TAG = RODATA + 0x80,
	NAMES = RODATA + 0xa0, /* of types, 8 bytes each */
	CODE_TYPE = DATA + 0x10,
	BYTES_TYPE = DATA + 0x40,
	STR_TYPE = DATA + 0x70,
	TYPE_TYPE = DATA + 0xa0,
	USES = TAIL,       /* takes the eval function's address */
	OTHER = 0x2800,    /* where another runtime would be */
	CALLS_EVAL = COLD, /* a second function */
	BUFFER = DATA + 0xd0,
};

static void lea(struct object *o, uint64_t at, uint64_t to)
{
	static const uint8_t bytes[] = { 0x48, 0x8d, 0x3d };

	memcpy(o->image + at, bytes, sizeof(bytes));
	put(o->image + at + 3, to - (at + 7), 4);
}

static void type(struct object *o, uint64_t at, unsigned int i, const char *name)
{
	strcpy((char *)o->image + NAMES + 8 * i, name);
	put(o->image + at + 8, o->bias + TYPE_TYPE, 8);
	put(o->image + at + 24, o->bias + NAMES + 8 * i, 8);
}

/* 3.8: initialized 12, interpreters.head 32 and .main 40, autoTSSkey 1392. */
static void runtime(struct object *o, uint64_t at, uint64_t interp)
{
	put(o->image + at + 12, 1, 4);
	put(o->image + at + 32, interp, 8);
	put(o->image + at + 40, interp, 8);
	put(o->image + at + 1392, 1, 4);
	put(o->image + at + 1396, KEY, 4);
}

static void start(struct process *p)
{
	heap_put(p, INTERP + 8, HEAP + TSTATE);
	heap_put(p, TSTATE + 16, HEAP + INTERP);
	heap_put(p, TSTATE + 176, HEAP + PTHREAD);
	heap_put(p, PTHREAD, HEAP + PTHREAD);
	heap_put(p, PTHREAD + 0x510, HEAP + BLOCK);
	heap_put(p, BLOCK + 16 * KEY + 8, HEAP + TSTATE);
}

static struct object *fill(struct process *p)
{
	struct object *o = object_add(p);

	strcpy((char *)o->image + EVAL_TEXT, "XXX lineno: %d, opcode: %d\n");
	strcpy((char *)o->image + GC_TEXT, "gc: collecting generation %d...\n");
	strcpy((char *)o->image + TAG, "cpython-38");
	strcpy((char *)o->image + TEXT, "3.8.18 (default, Nov 23 2026, 10:00:00) \n[GCC 12.2.0]");
	type(o, CODE_TYPE, 0, "code");
	type(o, BYTES_TYPE, 1, "bytes");
	type(o, STR_TYPE, 2, "str");
	type(o, TYPE_TYPE, 3, "type");
	lea(o, HOT + 0x20, EVAL_TEXT);
	lea(o, USES + 0x10, HOT);
	runtime(o, RUNTIME, HEAP + INTERP);
	start(p);
	return o;
}

static struct process *close_up(struct process *p, struct object *o)
{
	static const uint64_t ranges[][2] = { { HOT, TAIL }, { TAIL, COLD }, { COLD, RODATA } };

	frames_add(o, ranges, 3);
	object_open(p, o, "/opt/program");
	p->modules[0].bare = pv_python_is_bare(o->elf);
	add_libc(p);
	return p;
}

START_TEST(finds)
{
	struct process *p = process_create();
	struct object *o = fill(p);

	close_up(p, o);
	ck_assert(!pv_python_is_runtime(o->elf) && p->modules[0].bare);

	struct pv_python python = detect(p);

	ck_assert(python.found && python.initialized && python.bare && python.exact);
	ck_assert_str_eq(python.version, "3.8.18");
	ck_assert_uint_eq(python.proc.runtime, o->bias + RUNTIME);
	ck_assert_uint_eq(python.proc.code_type, o->bias + CODE_TYPE);
	ck_assert_uint_eq(python.proc.bytes_type, o->bias + BYTES_TYPE);
	ck_assert_uint_eq(python.proc.unicode_type, o->bias + STR_TYPE);
	ck_assert_uint_eq(python.proc.eval[0].start, o->bias + HOT);
	ck_assert_uint_eq(python.proc.eval[0].end, o->bias + TAIL);
	pv_python_deinit(&python);
	process_destroy(p);
}
END_TEST

/* Nothing of it may be guessed: each part is there twice, or not, or wrong. */
START_TEST(refuses)
{
	struct process *p = process_create();
	struct object *o = fill(p);

	runtime(o, OTHER, HEAP + INTERP);
	refused(close_up(p, o), "several places look like its _PyRuntime");

	p = process_create();
	o = fill(p);
	type(o, BUFFER, 0, "code");
	refused(close_up(p, o), "several places look like one of its types");

	p = process_create();
	o = fill(p);
	put(o->image + TYPE_TYPE + 8, o->bias + CODE_TYPE, 8);
	refused(close_up(p, o), "its types have no type");

	/* two functions use the text, and both have their address taken */
	p = process_create();
	o = fill(p);
	lea(o, CALLS_EVAL + 0x20, EVAL_TEXT);
	lea(o, USES + 0x20, CALLS_EVAL);
	refused(close_up(p, o), "2 functions may be it");

	p = process_create();
	o = fill(p);
	memset(o->image + USES + 0x10, 0x90, 7);
	refused(close_up(p, o), "0 functions may be it");

	p = process_create();
	o = fill(p);
	strcpy((char *)o->image + TEXT, "3.6.15 (default, Nov 23 2026, 10:00:00) \n[GCC 12.2.0]");
	strcpy((char *)o->image + TAG, "cpython-36");
	refused(close_up(p, o), "need its exported functions");
}
END_TEST

/* What looks like a runtime, but leads to nothing, is none. */
START_TEST(is_not_deceived)
{
	struct process *p = process_create();
	struct object *o = fill(p);

	runtime(o, OTHER, HEAP + TSTATE_2);
	/* a thread state that belongs to another interpreter */
	heap_put(p, TSTATE_2 + 8, HEAP + TSTATE);
	close_up(p, o);

	struct pv_python python = detect(p);

	ck_assert_uint_eq(python.proc.runtime, o->bias + RUNTIME);
	pv_python_deinit(&python);
	process_destroy(p);
}
END_TEST

static void wants_time(struct process *p)
{
	struct pv_python python;
	struct pv_err *err = pv_python_detect(&p->mem, p->modules, p->n_objects, &python);

	ck_assert(err && err->kind == PV_ERR_NOPROC && err->errnum == EAGAIN);
	ck_assert_msg(strstr(err->message, "without symbols in /opt/program"), "%s", err->message);
	pv_err_destroy(err);
	process_destroy(p);
}

/* Before it is initialised, and before the loader has done its work: later. */
START_TEST(not_yet)
{
	struct process *p = process_create();
	struct object *o = fill(p);

	put(o->image + RUNTIME + 12, 0, 4);
	wants_time(close_up(p, o));

	p = process_create();
	o = fill(p);
	memset(o->image + TEXT, 0, 1);
	wants_time(close_up(p, o));

	p = process_create();
	o = fill(p);
	memset(o->image + CODE_TYPE, 0, 32);
	wants_time(close_up(p, o));
}
END_TEST

START_TEST(every_read_fails)
{
	for (unsigned int i = 1; i < 40; i++) {
		struct process *p = process_create();
		struct object *o = fill(p);
		struct pv_python python;
		struct pv_err *err;

		close_up(p, o);
		p->fail_nth = i;
		err = pv_python_detect(&p->mem, p->modules, p->n_objects, &python);
		if (!err) {
			ck_assert_uint_eq(python.proc.runtime, o->bias + RUNTIME);
			ck_assert_uint_eq(python.proc.code_type, o->bias + CODE_TYPE);
			pv_python_deinit(&python);
		}
		pv_err_destroy(err);
		process_destroy(p);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("detect_bare");
	TCase *tcase = tcase_create("detect_bare");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, finds);
	tcase_add_test(tcase, refuses);
	tcase_add_test(tcase, is_not_deceived);
	tcase_add_test(tcase, not_yet);
	tcase_add_test(tcase, every_read_fails);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
