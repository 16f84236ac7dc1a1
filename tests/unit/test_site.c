/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions to put a uprobe on: bytes as compilers write them, places counted by hand. */
#include <check.h>
#include <stdlib.h>

#include "insn/site.h"

#define BYTES(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })

START_TEST(emulated)
{
	ck_assert(pv_insn_emulated(BYTES(0x55)));                    /* push %rbp */
	ck_assert(pv_insn_emulated(BYTES(0x41, 0x57)));              /* push %r15 */
	ck_assert(pv_insn_emulated(BYTES(0x90)));                    /* nop */
	ck_assert(pv_insn_emulated(BYTES(0xeb, 0x10)));              /* jmp */
	ck_assert(pv_insn_emulated(BYTES(0xe9, 0, 1, 0, 0)));        /* jmp */
	ck_assert(pv_insn_emulated(BYTES(0xe8, 0, 1, 0, 0)));        /* call */
	ck_assert(pv_insn_emulated(BYTES(0x74, 0x10)));              /* je */
	ck_assert(pv_insn_emulated(BYTES(0x0f, 0x85, 0, 1, 0, 0)));  /* jne */
	ck_assert(!pv_insn_emulated(BYTES(0xf3, 0x0f, 0x1e, 0xfa))); /* endbr64 */
	ck_assert(!pv_insn_emulated(BYTES(0x48, 0x83, 0xec, 0x10))); /* sub */
	ck_assert(!pv_insn_emulated(BYTES(0xc3)));                   /* ret */
	ck_assert(!pv_insn_emulated(BYTES(0xff, 0xd0)));             /* call *%rax */
	ck_assert(!pv_insn_emulated(BYTES(0x0f, 0x1f, 0x44, 0, 0))); /* nopl */
	ck_assert(!pv_insn_emulated(BYTES(0x66, 0xe9, 0, 1, 0, 0))); /* jmpw */
	ck_assert(!pv_insn_emulated(BYTES(0x41, 0x90)));             /* xchg %r8d,%eax */
	ck_assert(!pv_insn_emulated(BYTES(0x0f, 0x85)));             /* cut off */
	ck_assert(!pv_insn_emulated((const uint8_t *)"", 0));
}
END_TEST

START_TEST(shifted)
{
	/* endbr64; push %rbp */
	struct pv_insn_site site = pv_insn_cheap_site(BYTES(0xf3, 0x0f, 0x1e, 0xfa, 0x55), 0);

	ck_assert_uint_eq(site.offset, 4);
	ck_assert(site.emulated);
	ck_assert_uint_eq(site.pushed, 0);
	/* sub $0x18,%rsp; mov %rdi,%rbx; jne */
	site = pv_insn_cheap_site(BYTES(0x48, 0x83, 0xec, 0x18, 0x48, 0x89, 0xfb, 0x75, 0x10), 0);
	ck_assert_uint_eq(site.offset, 7);
	ck_assert_uint_eq(site.pushed, 0x18);
	/* the first one is cheap already */
	site = pv_insn_cheap_site(BYTES(0x55, 0x53), 0);
	ck_assert_uint_eq(site.offset, 0);
	ck_assert(site.emulated);
}
END_TEST

/* A register that is wanted must still be there: mov %rdi,%rsi; push %rbp. */
START_TEST(registers_are_kept)
{
	static const uint8_t code[] = { 0x48, 0x89, 0xfe, 0x55 };
	struct pv_insn_site site = pv_insn_cheap_site(code, sizeof(code), 1U << PV_REG_RDI);

	ck_assert_uint_eq(site.offset, 3);
	site = pv_insn_cheap_site(code, sizeof(code), 1U << PV_REG_RSI);
	ck_assert_uint_eq(site.offset, 0);
	ck_assert(!site.emulated);
	/* xor %esi,%esi; nop: a part of the register */
	site = pv_insn_cheap_site(BYTES(0x31, 0xf6, 0x90), 1U << PV_REG_RSI);
	ck_assert_uint_eq(site.offset, 0);
}
END_TEST

/* Nothing behind what may go elsewhere or does not decode, or leaves rsp unknown. */
START_TEST(not_shifted)
{
	/* call *%rax; push */
	ck_assert(!pv_insn_cheap_site(BYTES(0xff, 0xd0, 0x55), 0).emulated);
	/* ret; push */
	ck_assert(!pv_insn_cheap_site(BYTES(0xc3, 0x55), 0).emulated);
	/* jmp *%rax; nop */
	ck_assert(!pv_insn_cheap_site(BYTES(0xff, 0xe0, 0x90), 0).emulated);
	/* (bad); nop */
	ck_assert(!pv_insn_cheap_site(BYTES(0x06, 0x90), 0).emulated);
	/* and $-16,%rsp; push */
	ck_assert(!pv_insn_cheap_site(BYTES(0x48, 0x83, 0xe4, 0xf0, 0x55), 0).emulated);
	/* syscall; nop */
	ck_assert(!pv_insn_cheap_site(BYTES(0x0f, 0x05, 0x90), 0).emulated);
}
END_TEST

START_TEST(first_store)
{
	/* mov 8(%rbx),%rdi; mov %r15,0x38(%rbx) */
	static const uint8_t code[] = { 0x48, 0x8b, 0x7b, 0x08, 0x4c, 0x89, 0x7b, 0x38 };
	unsigned int base, value;

	ck_assert(pv_insn_first_store(code, sizeof(code), 0x38, &base, &value));
	ck_assert_uint_eq(base, PV_REG_RBX);
	ck_assert_uint_eq(value, 15);
	ck_assert(!pv_insn_first_store(code, sizeof(code), 0x40, &base, &value));
	/* on the stack: mov %rax,0x38(%rsp) */
	ck_assert(!pv_insn_first_store(BYTES(0x48, 0x89, 0x44, 0x24, 0x38), 0x38, &base, &value));
	/* 32 bits: mov %eax,0x38(%rbx) */
	ck_assert(!pv_insn_first_store(BYTES(0x89, 0x43, 0x38), 0x38, &base, &value));
}
END_TEST

START_TEST(call_with)
{
	uint64_t to = 0;

	/* jne; mov %rbx,%rdi; call +0x100 */
	ck_assert(pv_insn_call_with(BYTES(0x75, 0x20, 0x48, 0x89, 0xdf, 0xe8, 0, 1, 0, 0), 0x1000,
				    PV_REG_RDI, PV_REG_RBX, &to));
	ck_assert_uint_eq(to, 0x1000 + 10 + 0x100);
	/* of another register: mov %rbp,%rdi */
	ck_assert(!pv_insn_call_with(BYTES(0x48, 0x89, 0xef, 0xe8, 0, 1, 0, 0), 0x1000, PV_REG_RDI,
				     PV_REG_RBX, &to));
	/* written since: mov %rbx,%rdi; xor %edi,%edi; call */
	ck_assert(!pv_insn_call_with(BYTES(0x48, 0x89, 0xdf, 0x31, 0xff, 0xe8, 0, 1, 0, 0), 0x1000,
				     PV_REG_RDI, PV_REG_RBX, &to));
	/* the first call decides: call *%rax; mov %rbx,%rdi; call */
	ck_assert(!pv_insn_call_with(BYTES(0xff, 0xd0, 0x48, 0x89, 0xdf, 0xe8, 0, 1, 0, 0), 0x1000,
				     PV_REG_RDI, PV_REG_RBX, &to));
	/* never got there: jmp */
	ck_assert(!pv_insn_call_with(BYTES(0xeb, 0x05, 0x48, 0x89, 0xdf, 0xe8, 0, 1, 0, 0), 0x1000,
				     PV_REG_RDI, PV_REG_RBX, &to));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("site");
	TCase *tcase = tcase_create("site");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, emulated);
	tcase_add_test(tcase, shifted);
	tcase_add_test(tcase, registers_are_kept);
	tcase_add_test(tcase, not_shifted);
	tcase_add_test(tcase, first_store);
	tcase_add_test(tcase, call_with);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
