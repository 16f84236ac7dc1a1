/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of calls: ends of CPython's eval loop and calls of it, as gcc has written them. */
#include <check.h>
#include <stdlib.h>

#include "insn/call.h"
#include "insn/site.h"

enum { AT = 0x1000 };

static const struct pv_insn_call_query query = { PV_REG_RDI, 0x18, 0x18 };

struct found {
	struct pv_insn_call calls[4];
	size_t n;
};

static bool on_call(void *ctx, const struct pv_insn_call *call)
{
	struct found *found = ctx;

	ck_assert_uint_lt(found->n, 4);
	found->calls[found->n++] = *call;
	return true;
}

static struct pv_insn_call only_call(const uint8_t *code, size_t n)
{
	struct found found = { .n = 0 };

	pv_insn_each_known_call(code, n, AT, &query, on_call, &found);
	ck_assert_uint_eq(found.n, 1);
	return found.calls[0];
}

#define ONLY(...)                                                                                  \
	only_call((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

#define LOAD_NEXT  0x48, 0x8b, 0x43, 0x18       /* mov 0x18(%rbx),%rax */
#define STORE_HEAD 0x49, 0x89, 0x46, 0x18       /* mov %rax,0x18(%r14) */
#define ZERO_RDI   0x31, 0xff                   /* xor %edi,%edi */
#define CALL       0xe8, 0x00, 0x01, 0x00, 0x00 /* call */

/* CPython 3.6's, 7 instructions of it. */
START_TEST(end_of_eval)
{
	struct pv_insn_call call = ONLY(0x90, LOAD_NEXT, 0xc6, 0x83, 0x84, 0, 0, 0, 0, ZERO_RDI,
					0x48, 0x8b, 0x74, 0x24, 0x20, STORE_HEAD, CALL);

	ck_assert_uint_eq(call.at, AT + 23);
	ck_assert_uint_eq(call.next, AT + 28);
	ck_assert_uint_eq(call.target, AT + 28 + 0x100);
	ck_assert(!call.by_slot);
	ck_assert_int_eq(call.argument, PV_INSN_ARGUMENT_ZERO);
	ck_assert_int_eq(call.element, PV_REG_RBX);
	ck_assert_uint_eq(call.since, AT + 1); /* the load is the first that counts */
}
END_TEST

START_TEST(no_element)
{
	/* not stored */
	ck_assert_int_eq(ONLY(LOAD_NEXT, ZERO_RDI, CALL).element, PV_INSN_NO_REGISTER);
	/* stored on the stack: mov %rax,0x18(%rsp) */
	ck_assert_int_eq(ONLY(LOAD_NEXT, 0x48, 0x89, 0x44, 0x24, 0x18, CALL).element,
			 PV_INSN_NO_REGISTER);
	/* stored where it came from: mov %rax,0x18(%rbx) */
	ck_assert_int_eq(ONLY(LOAD_NEXT, 0x48, 0x89, 0x43, 0x18, CALL).element,
			 PV_INSN_NO_REGISTER);
	/* another was loaded: mov 0x20(%rbx),%rax */
	ck_assert_int_eq(ONLY(0x48, 0x8b, 0x43, 0x20, STORE_HEAD, CALL).element,
			 PV_INSN_NO_REGISTER);
	/* what was loaded is overwritten: xor %eax,%eax */
	ck_assert_int_eq(ONLY(LOAD_NEXT, 0x31, 0xc0, STORE_HEAD, CALL).element,
			 PV_INSN_NO_REGISTER);
	/* the element is, before and after it is taken off: mov %rcx,%rbx */
	ck_assert_int_eq(ONLY(LOAD_NEXT, 0x48, 0x89, 0xcb, STORE_HEAD, CALL).element,
			 PV_INSN_NO_REGISTER);
	ck_assert_int_eq(ONLY(LOAD_NEXT, STORE_HEAD, 0x48, 0x89, 0xcb, CALL).element,
			 PV_INSN_NO_REGISTER);
	/* Debian's 3.9: mov 0x18(%rbx),%rbx; mov %rbx,0x18(%r14) */
	ck_assert_int_eq(ONLY(0x48, 0x8b, 0x5b, 0x18, 0x49, 0x89, 0x5e, 0x18, CALL).element,
			 PV_INSN_NO_REGISTER);
	/* a jump is between: jmp */
	ck_assert_int_eq(ONLY(LOAD_NEXT, STORE_HEAD, 0xeb, 0, CALL).element, PV_INSN_NO_REGISTER);
	/* bytes that are no code: 0x06 */
	ck_assert_int_eq(ONLY(LOAD_NEXT, STORE_HEAD, 0x06, CALL).element, PV_INSN_NO_REGISTER);
}
END_TEST

START_TEST(arguments)
{
	struct pv_insn_call call = ONLY(0x48, 0x89, 0xef, CALL); /* mov %rbp,%rdi */

	ck_assert_int_eq(call.argument, PV_INSN_ARGUMENT_SET);
	ck_assert_int_eq(call.copied_from, 5);
	/* mov 0x68(%rsp),%rdi */
	call = ONLY(0x48, 0x8b, 0x7c, 0x24, 0x68, CALL);
	ck_assert_int_eq(call.argument, PV_INSN_ARGUMENT_SET);
	ck_assert_int_eq(call.copied_from, PV_INSN_NO_REGISTER);
	/* mov $0,%edi */
	ck_assert_int_eq(ONLY(0xbf, 0, 0, 0, 0, CALL).argument, PV_INSN_ARGUMENT_ZERO);
	ck_assert_int_eq(ONLY(0xbf, 1, 0, 0, 0, CALL).argument, PV_INSN_ARGUMENT_UNKNOWN);
	/* xor %sil,%dil; xor %esi,%edi */
	ck_assert_int_eq(ONLY(0x40, 0x30, 0xf7, CALL).argument, PV_INSN_ARGUMENT_UNKNOWN);
	ck_assert_int_eq(ONLY(0x31, 0xf7, CALL).argument, PV_INSN_ARGUMENT_UNKNOWN);
	/* nothing is said; and nothing any more: xor %edi,%edi; inc %edi */
	ck_assert_int_eq(ONLY(0x90, CALL).argument, PV_INSN_ARGUMENT_UNKNOWN);
	ck_assert_int_eq(ONLY(ZERO_RDI, 0xff, 0xc7, CALL).argument, PV_INSN_ARGUMENT_UNKNOWN);
	/* what it was copied from has changed: mov %rbp,%rdi; pop %rbp */
	call = ONLY(0x48, 0x89, 0xef, 0x5d, CALL);
	ck_assert_int_eq(call.argument, PV_INSN_ARGUMENT_SET);
	ck_assert_int_eq(call.copied_from, PV_INSN_NO_REGISTER);
}
END_TEST

/* A call keeps what is in rbx and r14, and nothing of its arguments. */
START_TEST(behind_a_call)
{
	static const uint8_t code[] = { LOAD_NEXT, STORE_HEAD, ZERO_RDI, CALL, CALL };
	struct found found = { .n = 0 };

	pv_insn_each_known_call(code, sizeof(code), AT, &query, on_call, &found);
	ck_assert_uint_eq(found.n, 2);
	ck_assert_int_eq(found.calls[0].argument, PV_INSN_ARGUMENT_ZERO);
	ck_assert_int_eq(found.calls[1].argument, PV_INSN_ARGUMENT_UNKNOWN);
	ck_assert_int_eq(found.calls[1].element, PV_REG_RBX);
}
END_TEST

START_TEST(by_slot)
{
	/* Debian's 3.9: mov %rbp,%rdi; call *0x578(%r14) */
	struct pv_insn_call call = ONLY(0x48, 0x89, 0xef, 0x41, 0xff, 0x96, 0x78, 0x05, 0, 0);
	struct found found = { .n = 0 };
	/* call *%rax; call *0x10(%rip); call *0x10(%rax,%rcx,8) */
	static const uint8_t others[] = { 0xff, 0xd0, 0xff, 0x15, 0x10, 0,
					  0,    0,    0xff, 0x54, 0xc8, 0x10 };

	ck_assert(call.by_slot);
	ck_assert_uint_eq(call.target, 0x578);
	ck_assert_int_eq(call.copied_from, 5);
	ck_assert_uint_eq(call.next, AT + 10);
	pv_insn_each_known_call(others, sizeof(others), AT, &query, on_call, &found);
	ck_assert_uint_eq(found.n, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("call");
	TCase *tcase = tcase_create("call");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, end_of_eval);
	tcase_add_test(tcase, no_element);
	tcase_add_test(tcase, arguments);
	tcase_add_test(tcase, behind_a_call);
	tcase_add_test(tcase, by_slot);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
