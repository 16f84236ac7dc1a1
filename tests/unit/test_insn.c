/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of insn/insn.h on prologues as compilers made them.
 * Input: code in this file's asm (the order of instructions is that of the builds named).
 * Output: Check's report; the truth are labels in the code.
 */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>

#include "insn/insn.h"

extern const uint8_t code_3_11[], start_3_11[], stop_3_11[], end_3_11[];
extern const uint8_t code_3_11_deb[], start_3_11_deb[], stop_3_11_deb[], end_3_11_deb[];
extern const uint8_t code_3_12[], start_3_12[], stop_3_12[], end_3_12[];
extern const uint8_t code_3_10[], end_3_10[];
extern const uint8_t code_rbp[], start_rbp[], stop_rbp[], end_rbp[];
extern const uint8_t code_branch[], end_branch[];
extern const uint8_t code_heap[], end_heap[];
extern const uint8_t code_clear[], start_clear[], stop_clear[], end_clear[];
extern const uint8_t code_inlined[], start_inlined[], stop_inlined[], second_inlined[],
	end_inlined[];
extern const uint8_t code_jumps[], in_jumps[], end_jumps[];
extern const uint8_t code_entry[], linked_entry[], end_entry[];
extern const uint8_t code_entry_rbp[], linked_entry_rbp[], end_entry_rbp[];
extern const uint8_t entry_other[], entry_heap[], entry_aligned[], entry_called[], entry_moved[],
	entry_unsaved[], entry_jump[], entry_end[];

__asm__(".pushsection .rodata\n"
	/* pyenv 3.11.7, gcc 12 -O3: cframe at 0xa0(%rsp) */
	"code_3_11: push %r15\n push %r14\n push %r13\n push %r12\n push %rbp\n push %rbx\n"
	"sub $0x118,%rsp\n test %rdi,%rdi\n je code_3_11\n"
	"mov 0x10(%rdi),%rax\n mov %rsi,%rbp\n lea 0xa0(%rsp),%rsi\n mov %rdi,%r12\n"
	"movq %rbp,%xmm0\n mov %rax,0x20(%rsp)\n mov 0x38(%rdi),%rax\n movzbl (%rax),%ecx\n"
	"movq %rax,%xmm3\n mov %rsi,0x38(%rdi)\n"
	"start_3_11: mov 0x8(%rax),%rsi\n punpcklqdq %xmm3,%xmm0\n mov 0x20(%rdi),%eax\n"
	"movb $1,0x44(%rbp)\n mov %cl,0xa0(%rsp)\n mov %rsi,0x30(%rbp)\n movups %xmm0,0xa8(%rsp)\n"
	"stop_3_11: test %edx,%edx\n jne code_3_11\n movq $0,0x18(%rsp)\n ret\n end_3_11:\n"
	/* Debian 3.11.2: another store follows before the branch */
	"code_3_11_deb: push %r15\n push %rbx\n sub $0x128,%rsp\n test %rdi,%rdi\n je "
	"end_3_11_deb\n"
	"movq %rsi,%xmm0\n test %edx,%edx\n mov %rdi,%r12\n mov 0x38(%rdi),%rax\n"
	"movzbl (%rax),%ecx\n movq %rax,%xmm3\n punpcklqdq %xmm3,%xmm0\n mov %cl,0xb0(%rsp)\n"
	"lea 0xb0(%rsp),%rcx\n mov %rcx,0x38(%rdi)\n"
	"start_3_11_deb: mov 0x8(%rax),%rcx\n movb $1,0x44(%rsi)\n mov %rcx,0x30(%rsi)\n"
	"lea -1(%rax),%edx\n movups %xmm0,0xb8(%rsp)\n mov %edx,0x20(%rdi)\n"
	"stop_3_11_deb: jne code_3_11_deb\n ret\n end_3_11_deb:\n"
	/* pyenv 3.12.1: the boundary frame at 0xf0(%rsp) is published by frame->previous */
	"code_3_12: push %rbx\n sub $0x148,%rsp\n mov %rdi,8(%rsp)\n test %rdi,%rdi\n je end_3_12\n"
	"lea 0x80(%rsp),%rax\n mov %edx,%ebp\n mov %rsi,%rbx\n mov 0x38(%rdi),%rdx\n"
	"mov %rax,0x38(%rdi)\n"
	"start_3_12: mov 0x10(%rdi),%rax\n movb $3,0x136(%rsp)\n movq %rdx,%xmm2\n"
	"movl $0,0x130(%rsp)\n lea 0xf0(%rsp),%rax\n movhps (%rdx),%xmm0\n mov %rax,0x40(%rsp)\n"
	"mov %rax,0x8(%rsi)\n movaps %xmm0,0xf0(%rsp)\n movq %rsi,%xmm0\n"
	"punpcklqdq %xmm2,%xmm0\n mov %edx,0x24(%rdi)\n movaps %xmm0,0x80(%rsp)\n"
	"stop_3_12: test %eax,%eax\n jle code_3_12\n ret\n end_3_12:\n"
	/* pyenv 3.10.13 (there tstate->cframe is at 0x30): previous is stored before the
	   publication, use_tracing after it */
	"code_3_10: push %rbp\n push %rbx\n sub $0x148,%rsp\n cmp 0x40(%rcx),%eax\n jg end_3_10\n"
	"mov 0x30(%rbp),%rdx\n mov (%rdx),%eax\n mov %rdx,0x138(%rsp)\n lea 0x130(%rsp),%rdx\n"
	"mov %rdx,0x38(%rbp)\n mov %eax,0x130(%rsp)\n mov %rbx,0x18(%rbp)\n test %eax,%eax\n"
	"je code_3_10\n ret\n end_3_10:\n"
	/* a realigned frame, the address copied, two plain stores, rsp moved in between */
	"code_rbp: push %rbp\n mov %rsp,%rbp\n push %r15\n and $-32,%rsp\n sub $0x100,%rsp\n"
	"call end_rbp\n lea 0x40(%rsp),%rcx\n mov %rcx,%r8\n push %r14\n mov %r8,0x38(%r13)\n"
	"start_rbp: mov %rbx,0x50(%rsp)\n mov %rdx,0x58(%rsp)\n"
	"stop_rbp: jmp *%rax\n end_rbp:\n"
	/* a branch before the last store: not the pattern */
	"code_branch: sub $0x100,%rsp\n lea 0x40(%rsp),%rcx\n mov %rcx,0x38(%rdi)\n"
	"mov %rbx,0x48(%rsp)\n je code_branch\n mov %rdx,0x50(%rsp)\n ret\n end_branch:\n"
	/* what is stored at 0x38 is no stack address, or goes to the stack */
	"code_heap: sub $0x100,%rsp\n mov %rcx,0x38(%rdi)\n lea 0x40(%rsp),%rcx\n"
	"mov %rcx,0x38(%rsp)\n mov %rbx,0x48(%rsp)\n mov %rdx,0x50(%rsp)\n ret\n end_heap:\n"
	/* cleared slots before the publication are not the two pointers */
	"code_clear: sub $0x100,%rsp\n movq $0,0x48(%rsp)\n movq $0,0x50(%rsp)\n"
	"lea 0x40(%rsp),%rcx\n mov %rcx,0x38(%rdi)\n"
	"start_clear: mov %rbx,0x48(%rsp)\n mov %rdx,0x50(%rsp)\n stop_clear: ret\n end_clear:\n"
	/* pyenv 3.12.1: FOR_ITER_GEN and two others; cframe.current_frame at 0x80(%rsp) */
	"code_inlined: mov %rdx,0x80(%rsp)\n"
	"start_inlined: lea 0x48(%rbx),%rcx\n mov %eax,0x88(%r12)\n mov %rax,0x30(%r12)\n"
	"mov %rax,0x38(%rbx)\n mov %rax,0x18(%rsp)\n mov %rbx,0x50(%r12)\n"
	"stop_inlined: mov %rdx,%rbx\n mov %eax,0x40(%rbx)\n jmp *%rax\n"
	/* a return: nothing follows; a spill next to it; a store before it, in another block */
	"mov %rbx,0x80(%rsp)\n mov %rbx,0x88(%rsp)\n call code_inlined\n mov %rbx,8(%rdx)\n"
	"je code_inlined\n mov %rbx,8(%rdx)\n mov %rdx,0x80(%rsp)\n ret\n mov %rbx,8(%rdx)\n"
	".byte 0x06\n"
	"second_inlined: mov %rdx,0x80(%rsp)\n mov %rbx,8(%rdx)\n je code_inlined\n"
	"end_inlined:\n"
	/* jumps: short, near, conditional; an indirect one and a call do not count; bad bytes */
	"code_jumps: jmp in_jumps\n call in_jumps\n jmp *%rax\n .byte 0x06, 0x06\n"
	"in_jumps: je code_jumps\n jne . + 0x1000\n ret\n end_jumps:\n"
	/* Debian 3.13.5: the boundary frame at 0x110(%rsp) */
	"code_entry: push %r15\n push %r14\n push %r13\n push %r12\n push %rbp\n push %rbx\n"
	"sub $0x168,%rsp\n test %rdi,%rdi\n je code_entry\n mov 0x48(%rdi),%rax\n"
	"mov %rsi,%rbx\n movq $0x1000,0x110(%rsp)\n mov %rax,0x118(%rsp)\n"
	"lea 0x110(%rsp),%rax\n mov %rax,0x8(%rsi)\n"
	"linked_entry: mov %rsi,0x48(%rdi)\n ret\n end_entry:\n"
	/* Debian 3.14.10: with a frame pointer, at -0x90(%rbp); here through a copy of rsi */
	"code_entry_rbp: push %rbp\n mov %rsp,%rbp\n sub $0x2d0,%rsp\n mov %rbx,-0x28(%rbp)\n"
	"mov %rsi,%rbx\n lea -0x38(%rbp),%rcx\n mov %rcx,-0x50(%rbp)\n call code_entry\n"
	"lea -0x90(%rbp),%rax\n mov %rax,0x8(%rbx)\n"
	"linked_entry_rbp: ret\n end_entry_rbp:\n"
	/* into what the first argument points to; a pointer that is none to the stack */
	"entry_other: push %rbp\n lea 0x40(%rsp),%rax\n mov %rax,0x8(%rdi)\n ret\n"
	"entry_heap: push %rbp\n mov 0x40(%rsp),%rax\n mov %rax,0x8(%rsi)\n ret\n"
	/* where the CFA is cannot be told; the argument is lost; another field of it */
	"entry_aligned: push %rbp\n and $-32,%rsp\n lea 0x40(%rsp),%rax\n mov %rax,0x8(%rsi)\n "
	"ret\n"
	"entry_called: push %rbp\n call entry_heap\n lea 0x40(%rsp),%rax\n mov %rax,0x8(%rsi)\n "
	"ret\n"
	"entry_moved: push %rbp\n lea 0x40(%rsp),%rax\n add $8,%rsi\n mov %rax,0x8(%rsi)\n ret\n"
	/* the caller's rbp is nowhere; a jump before it */
	"entry_unsaved: sub $0x80,%rsp\n lea 0x40(%rsp),%rax\n mov %rax,0x8(%rsi)\n ret\n"
	"entry_jump: push %rbp\n lea -0x40(%rsp),%rax\n jmp entry_end\n mov %rax,0x8(%rsi)\n ret\n"
	"entry_end:\n"
	".popsection\n");

enum { TS_CFRAME = 0x38, VADDR = 0x500000 };

static bool window(const uint8_t *code, const uint8_t *end, unsigned int current,
		   unsigned int previous, uint64_t *start_ret, uint64_t *end_ret)
{
	*start_ret = *end_ret = 1;
	return pv_insn_cframe_window(code, (size_t)(end - code), VADDR, TS_CFRAME, current,
				     previous, start_ret, end_ret);
}

#define CHECK_WINDOW(name, current, previous)                                                      \
	do {                                                                                       \
		uint64_t from, to;                                                                 \
                                                                                                   \
		ck_assert(window(code_##name, end_##name, current, previous, &from, &to));         \
		ck_assert_uint_eq(from - VADDR, (uint64_t)(start_##name - code_##name));           \
		ck_assert_uint_eq(to - VADDR, (uint64_t)(stop_##name - code_##name));              \
	} while (0)

START_TEST(prologues)
{
	CHECK_WINDOW(3_11, 8, 16);
	CHECK_WINDOW(3_11_deb, 8, 16);
	CHECK_WINDOW(3_12, 0, 8);
	CHECK_WINDOW(rbp, 8, 16);
	CHECK_WINDOW(clear, 8, 16);
}
END_TEST

START_TEST(complete_before)
{
	uint64_t from, to;

	ck_assert(window(code_3_10, end_3_10, PV_INSN_NO_FIELD, 8, &from, &to));
	ck_assert_uint_eq(from, 0);
	ck_assert_uint_eq(to, 0);
}
END_TEST

START_TEST(no_pattern)
{
	uint64_t from, to;

	ck_assert(!window(code_branch, end_branch, 8, 16, &from, &to));
	ck_assert(!window(code_heap, end_heap, 8, 16, &from, &to));
	ck_assert(!window(code_3_11, start_3_11, 8, 16, &from, &to));
	ck_assert(!window(code_3_11, code_3_11, 8, 16, &from, &to));
	/* Fields that this prologue does not store. */
	ck_assert(!window(code_3_11, end_3_11, 8, 0x80, &from, &to));
	ck_assert_uint_eq(from, 1);
	ck_assert_uint_eq(to, 1);
}
END_TEST

/* A truncated instruction, or random bytes: an answer, no crash. */
START_TEST(garbage)
{
	uint8_t code[256];
	uint32_t seed = 7;
	uint64_t from, to;
	int32_t cfa, rbp;

	for (int round = 0; round < 5000; round++) {
		for (size_t i = 0; i < sizeof(code); i++) {
			seed = seed * 1664525 + 1013904223;
			code[i] = (uint8_t)(seed >> 24);
		}
		if (window(code, code + sizeof(code), 8, 16, &from, &to))
			ck_assert_uint_le(from, to);
		(void)pv_insn_boundary_frame(code, sizeof(code), VADDR, code[0], &cfa, &rbp, &from);
	}
	for (const uint8_t *end = code_3_12; end < stop_3_12; end++)
		ck_assert(!window(code_3_12, end, 0, 8, &from, &to));
}
END_TEST

static bool entry(const uint8_t *code, const uint8_t *end, int32_t *cfa, int32_t *rbp, uint64_t *pc)
{
	*cfa = *rbp = 77;
	*pc = 77;
	return pv_insn_boundary_frame(code, (size_t)(end - code), VADDR, 8, cfa, rbp, pc);
}

START_TEST(boundary_frames)
{
	const uint8_t *const none[] = { entry_other, entry_heap,    entry_aligned, entry_called,
					entry_moved, entry_unsaved, entry_jump,    entry_end };
	int32_t cfa, rbp;
	uint64_t pc;

	ck_assert(entry(code_entry, end_entry, &cfa, &rbp, &pc));
	ck_assert_int_eq(cfa, 144);
	ck_assert_int_eq(rbp, -6);
	ck_assert_uint_eq(pc - VADDR, (uint64_t)(linked_entry - code_entry));
	ck_assert(entry(code_entry_rbp, end_entry_rbp, &cfa, &rbp, &pc));
	ck_assert_int_eq(cfa, 160);
	ck_assert_int_eq(rbp, -2);
	ck_assert_uint_eq(pc - VADDR, (uint64_t)(linked_entry_rbp - code_entry_rbp));
	for (size_t i = 0; i + 1 < sizeof(none) / sizeof(*none); i++) {
		ck_assert_msg(!entry(none[i], none[i + 1], &cfa, &rbp, &pc), "%zu", i);
		ck_assert_int_eq(cfa, 77);
		ck_assert_int_eq(rbp, 77);
		ck_assert_uint_eq(pc, 77);
	}
	for (const uint8_t *end = code_entry; end < linked_entry; end++)
		ck_assert(!entry(code_entry, end, &cfa, &rbp, &pc));
}
END_TEST

struct windows {
	uint64_t start[8], end[8];
	size_t n;
};

static bool on_window(void *ctx, uint64_t start, uint64_t end)
{
	struct windows *windows = ctx;

	ck_assert_uint_lt(windows->n, 8);
	windows->start[windows->n] = start - VADDR;
	windows->end[windows->n++] = end - VADDR;
	return true;
}

START_TEST(inlined_windows)
{
	struct windows windows = { 0 };
	size_t n = (size_t)(end_inlined - code_inlined);
	size_t second = (size_t)(second_inlined - code_inlined);

	ck_assert(pv_insn_inlined_windows(code_3_12, (size_t)(end_3_12 - code_3_12), code_inlined,
					  n, VADDR, TS_CFRAME, 0, 8, on_window, &windows));
	ck_assert_uint_eq(windows.n, 2);
	ck_assert_uint_eq(windows.start[0], (uint64_t)(start_inlined - code_inlined));
	ck_assert_uint_eq(windows.end[0], (uint64_t)(stop_inlined - code_inlined));
	ck_assert_uint_eq(windows.start[1], second + 8); /* of the 8-byte mov to 0x80(%rsp) */
	ck_assert_uint_eq(windows.end[1], second + 12);

	/* Another slot than this function's; no cframe; not addressed from rsp. */
	windows.n = 0;
	ck_assert(pv_insn_inlined_windows(code_3_11, (size_t)(end_3_11 - code_3_11), code_inlined,
					  n, VADDR, TS_CFRAME, 8, 16, on_window, &windows));
	ck_assert(!pv_insn_inlined_windows(code_heap, (size_t)(end_heap - code_heap), code_inlined,
					   n, VADDR, TS_CFRAME, 0, 8, on_window, &windows));
	ck_assert_uint_eq(windows.n, 0);
}
END_TEST

struct jumps {
	uint64_t from[8], to[8];
	size_t n, stop_at;
};

static bool on_jump(void *ctx, uint64_t from, uint64_t to)
{
	struct jumps *jumps = ctx;

	ck_assert_uint_lt(jumps->n, 8);
	jumps->from[jumps->n] = from;
	jumps->to[jumps->n++] = to;
	return jumps->n != jumps->stop_at;
}

START_TEST(each_jump)
{
	struct jumps jumps = { .stop_at = 100 };
	uint64_t in = (uint64_t)(in_jumps - code_jumps);
	size_t n = (size_t)(end_jumps - code_jumps);

	pv_insn_each_jump(code_jumps, n, VADDR, on_jump, &jumps);
	ck_assert_uint_eq(jumps.n, 3);
	ck_assert_uint_eq(jumps.from[0], VADDR);
	ck_assert_uint_eq(jumps.to[0], VADDR + in);
	ck_assert_uint_eq(jumps.from[1], VADDR + in);
	ck_assert_uint_eq(jumps.to[1], VADDR);
	ck_assert_uint_eq(jumps.to[2], jumps.from[2] + 0x1000);

	jumps = (struct jumps){ .stop_at = 2 };
	pv_insn_each_jump(code_jumps, n, VADDR, on_jump, &jumps);
	ck_assert_uint_eq(jumps.n, 2);
}
END_TEST

struct addresses {
	uint64_t at[8];
	size_t n, stop_at;
};

static bool on_address(void *ctx, uint64_t at)
{
	struct addresses *addresses = ctx;

	ck_assert_uint_lt(addresses->n, 8);
	addresses->at[addresses->n++] = at;
	return addresses->n != addresses->stop_at;
}

/* Labels stand before the 32-bit operands; the offsets are those of ADDRESS from code. */
START_TEST(each_address)
{
	static const uint8_t code[] = {
		0x48, 0x8d, 0x3d, 0xf9, 0x0f, 0,    0,    /* lea 0xff9(%rip),%rdi: + 7 = 0x1000 */
		0x4c, 0x8d, 0x0d, 0xf2, 0x0f, 0,    0,    /* lea 0xff2(%rip),%r9: + 14 */
		0x48, 0x8b, 0x05, 0xeb, 0x0f, 0,    0,    /* mov 0xfeb(%rip),%rax: reads there */
		0x48, 0x8d, 0x3d, 0xe5, 0x0f, 0,    0,    /* lea, one byte beyond */
		0xbf, 0x00, 0x20, 0x40, 0,    0x90, 0x90, /* mov $0x402000,%edi */
		0x41, 0xb8, 0x00, 0x20, 0x40, 0,    0x90, /* mov $0x402000,%r8d */
		0x3d, 0x00, 0x20, 0x40, 0,    0x90, 0x90, /* cmp $0x402000,%eax */
		0x48, 0x8d, 0x3d,                         /* cut off */
	};
	enum { CODE = 0x401000 };
	struct addresses addresses = { .stop_at = 100 };

	pv_insn_each_address(code, sizeof(code), CODE, CODE + 0x1000, on_address, &addresses);
	ck_assert_uint_eq(addresses.n, 4);
	ck_assert_uint_eq(addresses.at[0], CODE + 3);
	ck_assert_uint_eq(addresses.at[1], CODE + 10);
	ck_assert_uint_eq(addresses.at[2], CODE + 29);
	ck_assert_uint_eq(addresses.at[3], CODE + 37);

	addresses = (struct addresses){ .stop_at = 2 };
	pv_insn_each_address(code, sizeof(code), CODE, CODE + 0x1000, on_address, &addresses);
	ck_assert_uint_eq(addresses.n, 2);
	/* the same bytes elsewhere: no constant of 32 bits reaches there, and 4 GiB away is not
	 * here */
	addresses = (struct addresses){ .stop_at = 100 };
	pv_insn_each_address(code, sizeof(code), CODE + (1ULL << 40), CODE + 0x1000, on_address,
			     &addresses);
	ck_assert_uint_eq(addresses.n, 2);
	addresses.n = 0;
	pv_insn_each_address(code, sizeof(code), CODE + (1ULL << 40), CODE + (1ULL << 40) + 0x1000,
			     on_address, &addresses);
	ck_assert_uint_eq(addresses.n, 2);
	ck_assert_uint_eq(addresses.at[0], CODE + (1ULL << 40) + 3);
	addresses.n = 0;
	for (size_t n = 0; n < 7; n++)
		pv_insn_each_address(code, n, CODE, CODE + 0x1000, on_address, &addresses);
	ck_assert_uint_eq(addresses.n, 0);
}
END_TEST

/* Code at fixed addresses also stores an address as it is, or sign-extends it into a register. */
START_TEST(each_stored_address)
{
	static const uint8_t code[] = {
		0x48, 0xc7, 0x40, 0x10, 0x00, 0x20, 0x40, 0, /* movq $0x402000,0x10(%rax) */
		0x49, 0xc7, 0x84, 0x24, 0x50, 0x03, 0,    0, /* movq ..., 0x350(%r12) */
		0x00, 0x20, 0x40, 0,    0x90, 0x48, 0xc7, 0xc7,
		0x00, 0x20, 0x40, 0,                   /* mov $0x402000,%rdi */
		0x48, 0xc7, 0x05, 1,    2,    3,    4, /* movq ..., 0x4030201(%rip) */
		0x00, 0x20, 0x40, 0,    0x48, 0xc7, 0x78, 0x10,
		0x00, 0x20, 0x40, 0,                         /* C7 /7: none */
		0x48, 0xc6, 0x40, 0x10, 0x00, 0x20, 0x40, 0, /* movb, and what follows it */
		0xc7, 0x40, 0x10, 0x00, 0x20, 0x40, 0,       /* movl: half an address */
	};
	enum { CODE = 0x401000 };
	struct addresses addresses = { .stop_at = 100 };

	pv_insn_each_address(code, sizeof(code), CODE, CODE + 0x1000, on_address, &addresses);
	ck_assert_uint_eq(addresses.n, 4);
	ck_assert_uint_eq(addresses.at[0], CODE + 4);
	ck_assert_uint_eq(addresses.at[1], CODE + 16);
	ck_assert_uint_eq(addresses.at[2], CODE + 24);
	ck_assert_uint_eq(addresses.at[3], CODE + 35);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("insn");
	Suite *suite = suite_create("insn");
	SRunner *runner = srunner_create(suite);

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, prologues);
	tcase_add_test(tcase, complete_before);
	tcase_add_test(tcase, no_pattern);
	tcase_add_test(tcase, garbage);
	tcase_add_test(tcase, boundary_frames);
	tcase_add_test(tcase, inlined_windows);
	tcase_add_test(tcase, each_jump);
	tcase_add_test(tcase, each_address);
	tcase_add_test(tcase, each_stored_address);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
