/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of insn/flow.h and unwind/bare.h: code by hand, and objects whose compiler says in
 * .eh_frame what the flow must find by the code alone.
 * Input: bytes, libc, this program.  Output: Check's report.
 */
#include <check.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf/elf.h"
#include "insn/flow.h"
#include "insn/insn.h"
#include "unwind/bare.h"
#include "unwind/table.h"
#include "unwind_rows.h"

static void ok(struct pv_err *err)
{
	ck_assert_msg(!err, "%s", err ? err->message : "");
}

/* ---- code by hand */

/* What is known at the offset, as text: "" where no code was reached. */
static const char *at(const struct pv_flow *flow, uint64_t offset)
{
	static char text[64];
	struct pv_flow_frame frame;
	int n = 0;

	if (!pv_flow_next(flow, offset, offset + 1, &frame))
		return "";
	switch (frame.cfa) {
	case PV_FLOW_UNKNOWN:
		return "unknown";
	case PV_FLOW_OUTERMOST:
		return "outermost";
	case PV_FLOW_SIGRETURN:
		return "sigreturn";
	default:
		n = sprintf(text, "%s+%d", frame.cfa == PV_FLOW_RSP ? "rsp" : "rbp", frame.cfa_off);
	}
	if (frame.rbp == PV_FLOW_RBP_SAVED)
		sprintf(text + n, " rbp@%d", frame.rbp_off);
	else if (frame.rbp == PV_FLOW_RBP_LOST)
		sprintf(text + n, " rbp lost");
	return text;
}

static struct pv_flow *follow(const uint8_t *code, size_t n)
{
	struct pv_flow *flow;

	ok(pv_flow_create(code, n, &flow));
	ok(pv_flow_begin(flow, 0));
	ok(pv_flow_run(flow));
	return flow;
}

START_TEST(frame_pointer)
{
	static const uint8_t code[] = {
		0x55,                   /* 0: push %rbp */
		0x48, 0x89, 0xe5,       /* 1: mov %rsp,%rbp */
		0x53,                   /* 4: push %rbx */
		0x48, 0x83, 0xe4, 0xe0, /* 5: and $-32,%rsp */
		0x90,                   /* 9: nop */
		0x48, 0x8d, 0x65, 0xf8, /* 10: lea -8(%rbp),%rsp */
		0x5b,                   /* 14: pop %rbx */
		0xc9,                   /* 15: leave; rsp is rbp here */
		0xc3,                   /* 16: ret */
	};
	struct pv_flow *flow = follow(code, sizeof(code));

	ck_assert_str_eq(at(flow, 0), "rsp+8");
	ck_assert_str_eq(at(flow, 1), "rsp+16 rbp@-16");
	ck_assert_str_eq(at(flow, 5), "rsp+24 rbp@-16");
	ck_assert_str_eq(at(flow, 9), "rbp+16 rbp@-16");
	ck_assert_str_eq(at(flow, 14), "rsp+24 rbp@-16");
	ck_assert_str_eq(at(flow, 16), "rsp+8");
	pv_flow_destroy(flow);
}
END_TEST

START_TEST(branches)
{
	static const uint8_t code[] = {
		0x48, 0x83, 0xec, 0x18,       /* 0: sub $24,%rsp */
		0x85, 0xff,                   /* 4: test %edi,%edi */
		0x74, 0x05,                   /* 6: je 13 */
		0x48, 0x83, 0xc4, 0x18,       /* 8: add $24,%rsp */
		0xc3,                         /* 12: ret */
		0x48, 0x89, 0x6c, 0x24, 0x08, /* 13: mov %rbp,8(%rsp) */
		0x31, 0xed,                   /* 18: xor %ebp,%ebp */
		0x48, 0x8b, 0x6c, 0x24, 0x08, /* 20: mov 8(%rsp),%rbp */
		0xeb, 0xed,                   /* 25: jmp 8 */
		0x90,                         /* 27: not reached */
	};
	struct pv_flow *flow = follow(code, sizeof(code));

	ck_assert_str_eq(at(flow, 6), "rsp+32");
	ck_assert_str_eq(at(flow, 12), "rsp+8");
	ck_assert_str_eq(at(flow, 13), "rsp+32");
	ck_assert_str_eq(at(flow, 20), "rsp+32 rbp@-24");
	ck_assert_str_eq(at(flow, 25), "rsp+32");
	ck_assert_str_eq(at(flow, 27), "");
	pv_flow_destroy(flow);
}
END_TEST

/* Two ways that do not agree: from there on nothing is known, and the rest is not touched. */
START_TEST(ways_that_disagree)
{
	static const uint8_t code[] = {
		0x85, 0xff, /* 0: test %edi,%edi */
		0x74, 0x01, /* 2: je 5 */
		0x50,       /* 4: push %rax */
		0x90,       /* 5: nop */
		0xc3,       /* 6: ret */
	};
	struct pv_flow *flow = follow(code, sizeof(code));

	ck_assert_str_eq(at(flow, 4), "rsp+8");
	ck_assert_str_eq(at(flow, 5), "unknown");
	ck_assert_str_eq(at(flow, 6), "unknown");
	pv_flow_destroy(flow);
}
END_TEST

/* What follows a call of what never returns is another function's. */
START_TEST(calls_that_do_not_return)
{
	static const uint8_t code[] = {
		0x50,                         /* 0: push %rax */
		0xe8, 0x06, 0x00, 0x00, 0x00, /* 1: call 12 */
		0xe8, 0x05, 0x00, 0x00, 0x00, /* 6: call 16 */
		0xc3,                         /* 11: ret, of nobody */
		0x31, 0xc0,                   /* 12: xor %eax,%eax */
		0xeb, 0x04,                   /* 14: jmp 20 */
		0x90,                         /* 16: nop */
		0xeb, 0xfd,                   /* 17: jmp 16 */
		0x90,                         /* 19 */
		0xc3,                         /* 20: ret */
	};
	struct pv_flow *flow = follow(code, sizeof(code));

	ck_assert_str_eq(at(flow, 6), "rsp+16");
	ck_assert_str_eq(at(flow, 11), "");
	ck_assert_str_eq(at(flow, 12), "rsp+8");
	ck_assert_str_eq(at(flow, 16), "rsp+8");
	pv_flow_destroy(flow);
}
END_TEST

/* musl 1.2.3 src/thread/x86_64/clone.s and src/signal/x86_64/restore.s */
START_TEST(begins_of_stacks)
{
	static const uint8_t code[] = {
		0x48, 0x8d, 0x05, 0x20, 0x00, 0x00, 0x00, /* 0: lea 39(%rip),%rax */
		0x48, 0x83, 0xee, 0x08,                   /* 7: sub $8,%rsi */
		0x48, 0x89, 0x0e,                         /* 11: mov %rcx,(%rsi) */
		0x0f, 0x05,                               /* 14: syscall */
		0x85, 0xc0,                               /* 16: test %eax,%eax */
		0x75, 0x0f,                               /* 18: jne 35 */
		0x31, 0xed,                               /* 20: xor %ebp,%ebp */
		0x5f,                                     /* 22: pop %rdi */
		0x41, 0xff, 0xd1,                         /* 23: call *%r9 */
		0x89, 0xc7,                               /* 26: mov %eax,%edi */
		0x31, 0xc0,                               /* 28: xor %eax,%eax */
		0xb0, 0x3c,                               /* 30: mov $60,%al */
		0x0f, 0x05,                               /* 32: syscall */
		0xf4,                                     /* 34: hlt */
		0xc3,                                     /* 35: ret */
		0x90, 0x90, 0x90, 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, /* 39: mov $15,%rax */
		0x0f, 0x05,                                                 /* 46: syscall */
	};
	struct pv_flow *flow = follow(code, sizeof(code));

	ck_assert_str_eq(at(flow, 18), "rsp+8");
	ck_assert_str_eq(at(flow, 20), "rsp+8");
	ck_assert_str_eq(at(flow, 22), "outermost");
	ck_assert_str_eq(at(flow, 26), "outermost");
	ck_assert_str_eq(at(flow, 34), "outermost");
	ck_assert_str_eq(at(flow, 35), "rsp+8");
	ck_assert_str_eq(at(flow, 39), "sigreturn");
	ck_assert_str_eq(at(flow, 46), "sigreturn");
	pv_flow_destroy(flow);
}
END_TEST

/* A function that only loses the caller's rbp is not the outermost. */
START_TEST(rbp_lost)
{
	static const uint8_t code[] = {
		0x31, 0xed, /* 0: xor %ebp,%ebp */
		0x90,       /* 2: nop */
		0xff, 0xe0, /* 3: jmp *%rax */
	};
	struct pv_flow *flow = follow(code, sizeof(code));

	ck_assert_str_eq(at(flow, 2), "rsp+8 rbp lost");
	pv_flow_destroy(flow);
}
END_TEST

START_TEST(extents)
{
	static const uint8_t code[] = {
		0x85, 0xff, /* 0: test %edi,%edi */
		0x74, 0x01, /* 2: je 5 */
		0xc3,       /* 4: ret */
		0x90,       /* 5: nop */
		0xc3,       /* 6: ret */
		0x90,       /* 7: another's */
	};

	ck_assert_uint_eq(pv_insn_extent(code, sizeof(code)), 7);
	ck_assert_uint_eq(pv_insn_extent(code, 3), 2);
	ck_assert_uint_eq(pv_insn_extent(code, 0), 0);
}
END_TEST

/* ---- objects that have .eh_frame: it is not looked at by the flow, and says what is right */

struct truth {
	size_t n, n_same, n_unknown; /* not known: by the flow */
	size_t n_bare;               /* by .eh_frame */
	size_t n_mute;               /* functions by hand that push, and never tell .eh_frame */
	size_t n_wrong;
};

/*
 * glibc 2.36 sysdeps/x86_64/addmul_1.S and its like push registers under one row that says rsp+8
 * from end to end; and its entry (csu/version.c) is compiled as if it were called.
 */
static bool is_mute(const struct pv_unwind_table *table, const struct pv_bare *bare,
		    const struct pv_fde_range *fde, uint64_t entry)
{
	struct pv_flow_frame first;

	if (!fde)
		return false;
	if (entry && entry >= fde->start && entry < fde->end)
		return true;
	/* it begins as a called one does: what differs is what it has pushed since */
	return row_at(table, fde->start) == row_at(table, fde->end - 1) &&
	       pv_flow_next(bare->flow, fde->start - bare->start, fde->start - bare->start + 1,
			    &first) &&
	       first.cfa == PV_FLOW_RSP && first.cfa_off == 8;
}

/* The same frame; the caller's rbp may be read from where it was saved while it is still in rbp. */
static bool alike(const struct pv_flow_frame *frame, const struct pv_unwind_row *row)
{
	int kind = row->kinds & 15, rbp = row->kinds >> 4;

	if (frame->cfa == PV_FLOW_OUTERMOST)
		return kind == PV_CFA_END;
	if (frame->cfa == PV_FLOW_SIGRETURN)
		return kind == PV_CFA_SIGRETURN;
	if (kind == PV_CFA_PLT)
		return true;
	if (frame->cfa == PV_FLOW_RSP && kind == PV_CFA_RSP && frame->cfa_off != row->cfa_off * 8)
		return false;
	if (frame->cfa == PV_FLOW_RBP && kind == PV_CFA_RBP && frame->cfa_off != row->cfa_off * 8)
		return false;
	if (kind != PV_CFA_RSP && kind != PV_CFA_RBP)
		return false;
	return frame->rbp != PV_FLOW_RBP_SAVED || rbp != PV_RBP_CFA ||
	       frame->rbp_off == row->rbp_off * 8;
}

static void compare(const char *path, struct truth *truth)
{
	struct pv_unwind_table table;
	struct pv_flow_frame frame;
	struct pv_bare bare = { 0 };
	struct pv_fde_range *fdes;
	struct pv_elf *elf;
	size_t n_fdes;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "%s: %m", path);
	ok(pv_elf_open(fd, &elf));
	ok(pv_unwind_compile(elf, &table));
	ok(pv_elf_fde_ranges(elf, &fdes, &n_fdes));
	for (size_t i = 0; i < pv_elf_n_loads(elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(elf, i);
		struct pv_fde_range text = { load->vaddr, load->vaddr + load->file_size };

		if (load->executable)
			ok(pv_bare_follow(elf, &text, &bare));
	}
	ck_assert_ptr_nonnull(bare.flow);
	for (uint64_t offset = 0; pv_flow_next(bare.flow, offset, UINT64_MAX, &frame);
	     offset = frame.end) {
		const struct pv_unwind_row *row = row_at(&table, bare.start + frame.start);
		char text[TEXT_BYTES] = "none";

		truth->n++;
		if (!row || (row->kinds & 15) == PV_CFA_NONE ||
		    (row->kinds & 15) == PV_CFA_UNSUPPORTED) {
			truth->n_bare++;
		} else if (frame.cfa == PV_FLOW_UNKNOWN) {
			truth->n_unknown++;
		} else if (alike(&frame, row)) {
			truth->n_same++;
		} else if (is_mute(&table, &bare,
				   pv_elf_fde_find(fdes, n_fdes, bare.start + frame.start),
				   pv_elf_entry(elf))) {
			truth->n_mute++;
		} else {
			row_text(row, text);
			if (truth->n_wrong++ < 40)
				printf("# %s+%#" PRIx64 ": %s, but .eh_frame: %s\n", path,
				       bare.start + frame.start, at(bare.flow, frame.start), text);
		}
	}
	printf("# %s: %zu instructions, %zu as .eh_frame, %zu not known, %zu that it does not "
	       "know, %zu mute, %zu wrong\n",
	       path, truth->n, truth->n_same, truth->n_unknown, truth->n_bare, truth->n_mute,
	       truth->n_wrong);
	free(fdes);
	pv_bare_deinit(&bare);
	pv_unwind_table_deinit(&table);
	pv_elf_close(elf);
}

static int compare_loaded(struct dl_phdr_info *info, size_t size, void *ctx)
{
	(void)size;
	if (strstr(info->dlpi_name, "/libc.so.6"))
		compare(info->dlpi_name, ctx);
	return 0;
}

START_TEST(truth_of_libc)
{
	struct truth truth = { 0 };

	dl_iterate_phdr(compare_loaded, &truth);
	ck_assert_uint_eq(truth.n_wrong, 0);
	ck_assert_uint_gt(truth.n_same, 100000);
	ck_assert_uint_lt(truth.n_mute, truth.n / 1000);
}
END_TEST

/* PV_UNWIND_OBJECTS: more files, separated by spaces, for a broad run by hand. */
START_TEST(truth_of_others)
{
	const char *more = getenv("PV_UNWIND_OBJECTS");
	char path[512];

	for (compare("/proc/self/exe", &(struct truth){ 0 }); more && *more;) {
		struct truth truth = { 0 };
		int n = (int)strcspn(more, " ");

		snprintf(path, sizeof(path), "%.*s", n, more);
		compare(path, &truth);
		ck_assert_uint_eq(truth.n_wrong, 0);
		ck_assert_uint_lt(truth.n_mute, truth.n / 500);
		more += n + (more[n] == ' ');
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow");
	TCase *tcase = tcase_create("flow");

	tcase_add_test(tcase, frame_pointer);
	tcase_add_test(tcase, branches);
	tcase_add_test(tcase, ways_that_disagree);
	tcase_add_test(tcase, calls_that_do_not_return);
	tcase_add_test(tcase, begins_of_stacks);
	tcase_add_test(tcase, rbp_lost);
	tcase_add_test(tcase, extents);
	tcase_add_test(tcase, truth_of_libc);
	tcase_add_test(tcase, truth_of_others);
	suite_add_tcase(suite, tcase);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed != 0;
}
