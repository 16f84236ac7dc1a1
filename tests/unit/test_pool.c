/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fast paths of CPython's object allocator, and ends of functions: bytes as compilers write them,
 * of pyenv's 3.13 and Debian's 3.11, and what must not be taken for them.
 */
#include <check.h>
#include <stdlib.h>

#include "insn/pool.h"

#define BYTES(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })
#define AT         0x1000

/* mov 0x10(%rdx),%rdi; cmp %rdi,%rdx; je +0x1e; mov 0x8(%rdx),%rax; addl $1,(%rdx); ret */
#define NEXT 0x48, 0x8b, 0x7a, 0x10, 0x48, 0x39, 0xfa
#define FREE 0x48, 0x8b, 0x42, 0x08
#define INCR 0x83, 0x02, 0x01

struct seen {
	struct pv_insn_pool_site sites[4];
	size_t n;
};

static bool on_site(void *ctx, const struct pv_insn_pool_site *site)
{
	struct seen *seen = ctx;

	ck_assert_uint_lt(seen->n, 4);
	seen->sites[seen->n++] = *site;
	return true;
}

static struct seen takes(const uint8_t *code, size_t n)
{
	struct seen seen = { .n = 0 };

	pv_insn_each_pool_take(code, n, AT, on_site, &seen);
	/* the quick look may say yes too often, but never no */
	ck_assert(!seen.n || pv_insn_may_pool(code, n));
	return seen;
}

static struct seen gives(const uint8_t *code, size_t n)
{
	struct seen seen = { .n = 0 };

	pv_insn_each_pool_give(code, n, AT, on_site, &seen);
	ck_assert(!seen.n || pv_insn_may_pool(code, n));
	return seen;
}

START_TEST(a_block_is_taken)
{
	struct seen seen = takes(BYTES(NEXT, 0x74, 0x1e, FREE, INCR, 0xc3));

	ck_assert_uint_eq(seen.n, 1);
	ck_assert_uint_eq(seen.sites[0].vaddr, AT + 7);
	ck_assert_uint_eq(seen.sites[0].pool, 2);
	ck_assert_uint_eq(seen.sites[0].taken_next, AT + 9 + 0x1e);
	/* cmp %r9,0x10(%r9); je near; incl (%r9) */
	seen = takes(BYTES(0x4d, 0x39, 0x49, 0x10, 0x0f, 0x84, 0, 1, 0, 0, 0x41, 0xff, 0x01));
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_uint_eq(seen.sites[0].vaddr, AT + 4);
	ck_assert_uint_eq(seen.sites[0].pool, 9);
	ck_assert_uint_eq(seen.sites[0].taken_next, AT + 10 + 0x100);
	/* two copies in one function */
	seen = takes(BYTES(NEXT, 0x74, 0x1e, FREE, INCR, 0xc3, NEXT, 0x74, 0x1e, INCR, 0xc3));
	ck_assert_uint_eq(seen.n, 2);
}
END_TEST

START_TEST(no_block_is_taken)
{
	/* jne: then what follows is where there is none */
	ck_assert_uint_eq(takes(BYTES(NEXT, 0x75, 0x1e, FREE, INCR, 0xc3)).n, 0);
	/* another field than nextpool */
	ck_assert_uint_eq(
		takes(BYTES(0x48, 0x8b, 0x7a, 0x18, 0x48, 0x39, 0xfa, 0x74, 0x1e, INCR)).n, 0);
	/* the register is another's behind the jump: mov %rax,%rdx */
	ck_assert_uint_eq(takes(BYTES(NEXT, 0x74, 0x1e, 0x48, 0x89, 0xc2, INCR)).n, 0);
	/* and before it */
	ck_assert_uint_eq(
		takes(BYTES(0x48, 0x8b, 0x7a, 0x10, 0x48, 0x89, 0xc2, 0x74, 0x1e, INCR)).n, 0);
	/* two jumps between */
	ck_assert_uint_eq(takes(BYTES(NEXT, 0x74, 0x1e, 0x74, 0x1e, INCR)).n, 0);
	/* a reference count of 64 bits: addq $1,(%rdx) */
	ck_assert_uint_eq(takes(BYTES(NEXT, 0x74, 0x1e, 0x48, INCR)).n, 0);
	/* by two */
	ck_assert_uint_eq(takes(BYTES(NEXT, 0x74, 0x1e, 0x83, 0x02, 0x02)).n, 0);
	/* a jump away between them: what is behind it is reached from elsewhere */
	ck_assert_uint_eq(takes(BYTES(NEXT, 0x74, 0x1e, 0xeb, 0x00, INCR)).n, 0);
	ck_assert_uint_eq(takes(BYTES(INCR)).n, 0);
}
END_TEST

START_TEST(a_block_is_given_back)
{
	/*
	 * mov 0x8(%rax),%rcx; mov %rcx,(%rbx); mov (%rax),%edi; mov %rbx,0x8(%rax);
	 * lea -1(%rdi),%edx; mov %edx,(%rax); test %rcx,%rcx; je
	 */
	struct seen seen =
		gives(BYTES(0x48, 0x8b, 0x48, 0x08, 0x48, 0x89, 0x0b, 0x8b, 0x38, 0x48, 0x89, 0x58,
			    0x08, 0x8d, 0x57, 0xff, 0x89, 0x10, 0x48, 0x85, 0xc9, 0x74, 0x40));

	ck_assert_uint_eq(seen.n, 1);
	ck_assert_uint_eq(seen.sites[0].vaddr, AT + 21);
	ck_assert_uint_eq(seen.sites[0].pool, 0);
	/* not linked to the next one: a pool that is made */
	ck_assert_uint_eq(
		gives(BYTES(0x48, 0x8b, 0x48, 0x08, 0x48, 0x89, 0x58, 0x08, 0x74, 0x40)).n, 0);
	/* the pool's register is another's at the jump: xor %eax,%eax */
	ck_assert_uint_eq(gives(BYTES(0x48, 0x8b, 0x48, 0x08, 0x48, 0x89, 0x0b, 0x48, 0x89, 0x58,
				      0x08, 0x31, 0xc0, 0x74, 0x40))
				  .n,
			  0);
	/* no jump at all, but a return */
	ck_assert_uint_eq(gives(BYTES(0x48, 0x8b, 0x48, 0x08, 0x48, 0x89, 0x0b, 0x48, 0x89, 0x58,
				      0x08, 0xc3, 0x74, 0x40))
				  .n,
			  0);
}
END_TEST

struct exits {
	enum pv_insn_exit kinds[8];
	uint64_t at[8], to[8];
	size_t n;
};

static bool on_exit_of(void *ctx, enum pv_insn_exit exit, uint64_t at, uint64_t to)
{
	struct exits *exits = ctx;

	exits->kinds[exits->n] = exit;
	exits->at[exits->n] = at;
	exits->to[exits->n++] = to;
	return exits->n < 8;
}

START_TEST(ways_out)
{
	struct exits exits = { .n = 0 };

	/* jmp within; je out; jmp out; jmp *%rax; call; bnd ret */
	pv_insn_each_exit(BYTES(0xeb, 0x00, 0x74, 0x7f, 0xe9, 0, 1, 0, 0, 0xff, 0xe0, 0xe8, 0, 1, 0,
				0, 0xf2, 0xc3),
			  AT, on_exit_of, &exits);
	ck_assert_uint_eq(exits.n, 4);
	ck_assert_int_eq(exits.kinds[0], PV_INSN_JUMP);
	ck_assert_uint_eq(exits.to[0], AT + 4 + 0x7f);
	ck_assert_int_eq(exits.kinds[1], PV_INSN_JUMP);
	ck_assert_uint_eq(exits.at[1], AT + 4);
	ck_assert_uint_eq(exits.to[1], AT + 9 + 0x100);
	ck_assert_int_eq(exits.kinds[2], PV_INSN_LOST);
	ck_assert_int_eq(exits.kinds[3], PV_INSN_RETURN);
	ck_assert_uint_eq(exits.at[3], AT + 16);
}
END_TEST

START_TEST(linkage)
{
	uint64_t slot;

	ck_assert(pv_insn_linkage(BYTES(0xff, 0x25, 0, 1, 0, 0), AT, &slot));
	ck_assert_uint_eq(slot, AT + 6 + 0x100);
	/* endbr64; bnd jmp */
	ck_assert(pv_insn_linkage(BYTES(0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 0, 1, 0, 0), AT,
				  &slot));
	ck_assert_uint_eq(slot, AT + 11 + 0x100);
	ck_assert(!pv_insn_linkage(BYTES(0xe9, 0, 1, 0, 0), AT, &slot));
	ck_assert(!pv_insn_linkage(BYTES(0xff, 0x20), AT, &slot));
	ck_assert(!pv_insn_linkage(BYTES(0xff, 0x25, 0), AT, &slot));
}
END_TEST

START_TEST(first_call)
{
	uint64_t to;

	/* mov %rsi,0x8(%rsp); call */
	ck_assert(
		pv_insn_first_call(BYTES(0x48, 0x89, 0x74, 0x24, 0x08, 0xe8, 0, 1, 0, 0), AT, &to));
	ck_assert_uint_eq(to, AT + 10 + 0x100);
	/* behind a jump, by a pointer, behind a return */
	ck_assert(!pv_insn_first_call(BYTES(0x74, 0x10, 0xe8, 0, 1, 0, 0), AT, &to));
	ck_assert(!pv_insn_first_call(BYTES(0xff, 0xd0, 0xe8, 0, 1, 0, 0), AT, &to));
	ck_assert(!pv_insn_first_call(BYTES(0xc3, 0xe8, 0, 1, 0, 0), AT, &to));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pool");
	TCase *tcase = tcase_create("pool");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, a_block_is_taken);
	tcase_add_test(tcase, no_block_is_taken);
	tcase_add_test(tcase, a_block_is_given_back);
	tcase_add_test(tcase, ways_out);
	tcase_add_test(tcase, linkage);
	tcase_add_test(tcase, first_call);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
