/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of python/detect.h on free-threaded builds: which build it is, and whether it runs with
 * a GIL all the same.  Input: made-up processes, with the offsets of 3.13.5t.  Output: Check's
 * report.
 */
#include "made_process.h"
#include "offsets_free_threaded.h"

/* On the heap: a sub-interpreter and the GIL.  Offsets of 3.13.5t, by hand. */
enum { SUB = 0x300, GIL = 0x1800, NEXT = 7264, ID = 7272, THREADS = 7344, CEVAL_GIL = 16 };

static struct process *python_3_13t(void)
{
	struct process *p = process_create();
	struct object *o = object_add(p);

	add_symbols(o);
	add_version(o, 0x030d05f0);
	memcpy(o->image + RUNTIME, debug_3_13t, sizeof(debug_3_13t));
	put(o->image + RUNTIME + 600, 1, 4);               /* initialized */
	put(o->image + RUNTIME + 632, HEAP + SUB, 8);      /* interpreters.head */
	put(o->image + RUNTIME + 2160, 1 | 1ULL << 32, 8); /* autoTSSkey: 1 */
	heap_put(p, SUB + NEXT, HEAP + INTERP);
	heap_put(p, SUB + ID, 1);
	heap_put(p, INTERP + THREADS, HEAP + TSTATE);
	heap_put(p, INTERP + CEVAL_GIL, HEAP + GIL);
	heap_put(p, TSTATE + 16, HEAP + INTERP);
	heap_put(p, TSTATE + 152, HEAP + PTHREAD);
	heap_put(p, PTHREAD, HEAP + PTHREAD);
	heap_put(p, PTHREAD + 0x510, HEAP + BLOCK);
	heap_put(p, BLOCK + 16 + 8, HEAP + TSTATE);
	object_open(p, o, "/usr/bin/python3.13t");
	add_libc(p);
	return p;
}

START_TEST(is_told)
{
	struct process *p = python_3_13t();
	struct pv_python python = detect(p);

	ck_assert(python.found && python.initialized && !python.debug);
	ck_assert_str_eq(python.version, "3.13.5 free-threaded");
	ck_assert(python.proc.py.free_threaded);
	ck_assert(!python.unverified && !python.tail_calls);
	pv_python_deinit(&python);
	process_destroy(p);
}
END_TEST

/* --with-tail-call-interp of 3.14 and younger; the version here does not matter. */
START_TEST(tail_calls)
{
	struct process *p = python_3_13t();
	struct object *o = &p->objects[0];
	struct pv_python python;

	pv_elf_close(o->elf);
	o->symtab = true; /* they are local */
	symbol(o, "_TAIL_CALL_RESUME", HOT, 0x80, STT_FUNC);
	object_open(p, o, "/usr/bin/python3.13t");
	python = detect(p);
	ck_assert(python.tail_calls);
	ck_assert_str_eq(python.version,
			 "3.13.5 free-threaded, tail-calling interpreter (unverified)");
	pv_python_deinit(&python);
	process_destroy(p);
}
END_TEST

START_TEST(gil)
{
	struct process *p = python_3_13t();
	struct pv_python python = detect(p);
	struct pv_proc *proc = &python.proc;

	ck_assert_int_eq(pv_python_gil(&p->mem, proc), PV_GIL_NONE);
	/* a count of what needs it, or INT_MAX; next to it other things */
	heap_put(p, GIL, 0x7fffffff);
	ck_assert_int_eq(pv_python_gil(&p->mem, proc), PV_GIL_THERE);
	heap_put(p, GIL, 0xffffffff00000000);
	ck_assert_int_eq(pv_python_gil(&p->mem, proc), PV_GIL_NONE);
	/* the sub-interpreter's own one does not count */
	heap_put(p, SUB + CEVAL_GIL, HEAP + PTHREAD);
	ck_assert_int_eq(pv_python_gil(&p->mem, proc), PV_GIL_NONE);
	/* what cannot be read is not known: each read in turn */
	for (unsigned int n = 1; n <= 6; n++) {
		p->reads = 0;
		p->fail_nth = n;
		ck_assert_int_eq(pv_python_gil(&p->mem, proc), PV_GIL_UNKNOWN);
	}
	p->fail_nth = 0;
	heap_put(p, SUB + NEXT, HEAP + SUB); /* a circle without a main interpreter */
	ck_assert_int_eq(pv_python_gil(&p->mem, proc), PV_GIL_UNKNOWN);
	heap_put(p, SUB + NEXT, 0);
	ck_assert_int_eq(pv_python_gil(&p->mem, proc), PV_GIL_UNKNOWN);
	/* all others have one */
	proc->py.free_threaded = 0;
	ck_assert_int_eq(pv_python_gil(&p->mem, proc), PV_GIL_THERE);
	pv_python_deinit(&python);
	process_destroy(p);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("free_threaded");
	Suite *suite = suite_create("free_threaded");
	SRunner *runner = srunner_create(suite);

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, is_told);
	tcase_add_test(tcase, tail_calls);
	tcase_add_test(tcase, gil);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
