/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The object allocator's fast paths, and the ends of functions.  Input: bytes of functions
 * from an ELF file, untrusted.  Output: places, registers.
 */
#include "insn/pool.h"

#include <Zydis/Zydis.h>

#include "insn/site.h"

enum {
	WINDOW = 24, /* instructions of straight-line code that are remembered */
	FREEBLOCK = 8,
	NEXTPOOL = 16,
	CALL_INSNS = 12,
};

/* What is remembered of an instruction. */
struct line {
	uint64_t vaddr;
	uint64_t to;          /* of a conditional jump */
	unsigned int written; /* general registers, a mask */
	bool branch, equal;   /* a conditional jump; jz */
	bool memory;          /* it has a memory operand base + disp, without an index */
	unsigned int base;
	int64_t disp;
	bool load64, store64; /* mov between that and this register */
	unsigned int reg;
	bool increments; /* that dword by one */
};

struct scan {
	ZydisDecoder decoder;
	struct line lines[WINDOW];
	size_t n; /* of straight-line code, at most WINDOW are there */
};

static int gpr_number(ZydisRegister reg)
{
	ZydisRegister full = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	return full >= ZYDIS_REGISTER_RAX && full <= ZYDIS_REGISTER_R15
		       ? (int)(full - ZYDIS_REGISTER_RAX)
		       : -1;
}

static void note_operands(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *ops,
			  struct line *line)
{
	for (unsigned int i = 0; i < insn->operand_count; i++) {
		const ZydisDecodedOperand *op = &ops[i];
		int number;

		if (op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) {
			number = gpr_number(op->reg.value);
			if (number >= 0)
				line->written |= 1U << number;
		}
		if (op->type == ZYDIS_OPERAND_TYPE_MEMORY && i < insn->operand_count_visible &&
		    op->mem.type == ZYDIS_MEMOP_TYPE_MEM && op->mem.index == ZYDIS_REGISTER_NONE &&
		    op->mem.segment != ZYDIS_REGISTER_FS) {
			number = gpr_number(op->mem.base);
			line->memory = number >= 0;
			line->base = (unsigned int)number;
			line->disp = op->mem.disp.value;
		}
	}
}

static void note_meaning(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *ops,
			 struct line *line)
{
	bool mov = insn->mnemonic == ZYDIS_MNEMONIC_MOV && insn->operand_width == 64;

	if (!line->memory)
		return;
	line->load64 = mov && ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER;
	line->store64 = mov && ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER;
	if (line->load64)
		line->reg = (unsigned int)gpr_number(ops[0].reg.value);
	if (line->store64)
		line->reg = (unsigned int)gpr_number(ops[1].reg.value);
	line->increments =
		!line->disp && insn->operand_width == 32 &&
		ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		(insn->mnemonic == ZYDIS_MNEMONIC_INC ||
		 (insn->mnemonic == ZYDIS_MNEMONIC_ADD &&
		  ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && ops[1].imm.value.s == 1));
}

/* The i-th last line, 0 = the last. */
static const struct line *line_at(const struct scan *scan, size_t i)
{
	return &scan->lines[(scan->n - 1 - i) % WINDOW];
}

static size_t n_lines(const struct scan *scan)
{
	return scan->n < WINDOW ? scan->n : WINDOW;
}

/*
 * Decodes the instruction at i, and remembers it; 0: it is none.  What ends a straight line
 * forgets all before.
 */
static size_t next_line(struct scan *scan, const uint8_t *code, size_t n, uint64_t vaddr, size_t i)
{
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	struct line line = { .vaddr = vaddr + i };

	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&scan->decoder, code + i, n - i, &insn, ops))) {
		scan->n = 0;
		return 0;
	}
	note_operands(&insn, ops, &line);
	note_meaning(&insn, ops, &line);
	if (insn.meta.category == ZYDIS_CATEGORY_COND_BR) {
		line.branch = true;
		line.equal = insn.mnemonic == ZYDIS_MNEMONIC_JZ;
		/* loops and jrcxz are no such jumps, and nothing asks for their target */
		if (ZYAN_FAILED(ZydisCalcAbsoluteAddress(&insn, &ops[0], line.vaddr, &line.to)))
			line.to = 0;
	}
	if (insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
	    insn.meta.category == ZYDIS_CATEGORY_RET || insn.meta.category == ZYDIS_CATEGORY_CALL)
		scan->n = 0;
	else
		scan->lines[scan->n++ % WINDOW] = line;
	return insn.length;
}

static void scan_init(struct scan *scan)
{
	scan->n = 0;
	/* Cannot fail: both arguments are constants that Zydis knows. */
	(void)ZydisDecoderInit(&scan->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

bool pv_insn_may_pool(const uint8_t *code, size_t n)
{
	for (size_t i = 0; i + 2 <= n; i++) {
		bool wide = i && (code[i - 1] & 0xf8) == 0x48;
		/* behind the byte that says which registers, and the one for rsp and r12 */
		size_t at = i + 2 + ((code[i + 1] & 7) == 4);

		/* add dword [reg], 1; inc dword [reg] */
		if (!wide && !(code[i + 1] & 0xf8) &&
		    (code[i] == 0xff || (code[i] == 0x83 && at < n && code[at] == 1)))
			return true;
		/* mov [reg + 8], 64-bit register */
		if (wide && code[i] == 0x89 && (code[i + 1] & 0xc0) == 0x40 && at < n &&
		    code[at] == FREEBLOCK)
			return true;
	}
	return false;
}

/* The last line increments ref.count of a pool: where was it decided to? */
static bool find_take(const struct scan *scan, struct pv_insn_pool_site *ret)
{
	unsigned int pool = line_at(scan, 0)->base;
	const struct line *jump = NULL;

	for (size_t i = 1; i < n_lines(scan); i++) {
		const struct line *line = line_at(scan, i);

		if (line->branch) {
			if (jump || !line->equal)
				return false;
			jump = line;
		}
		if (jump && line->memory && line->base == pool && line->disp == NEXTPOOL) {
			*ret = (struct pv_insn_pool_site){ jump->vaddr, pool, jump->to };
			return true;
		}
		if (line->written & 1U << pool)
			return false;
	}
	return false;
}

void pv_insn_each_pool_take(const uint8_t *code, size_t n, uint64_t vaddr,
			    bool (*fn)(void *ctx, const struct pv_insn_pool_site *site), void *ctx)
{
	struct pv_insn_pool_site site;
	struct scan scan;

	scan_init(&scan);
	for (size_t i = 0, length; i < n; i += length ? length : 1) {
		length = next_line(&scan, code, n, vaddr, i);
		if (scan.n && line_at(&scan, 0)->increments && find_take(&scan, &site) &&
		    !fn(ctx, &site))
			return;
	}
}

/* Does the last line make a block the first free one of a pool, after it was linked to the next? */
static bool is_give(const struct scan *scan)
{
	const struct line *last = line_at(scan, 0);
	unsigned int block = last->reg, pool = last->base, next = PV_REGS;

	if (!last->store64 || last->disp != FREEBLOCK || block == pool)
		return false;
	for (size_t i = 1; i < n_lines(scan); i++) {
		const struct line *line = line_at(scan, i);

		if (line->branch)
			return false;
		if (line->store64 && line->base == block && !line->disp)
			next = line->reg;
		if (next < PV_REGS && line->load64 && line->reg == next)
			return line->base == pool && line->disp == FREEBLOCK;
		if (line->written & (1U << pool | 1U << block))
			return false;
	}
	return false;
}

void pv_insn_each_pool_give(const uint8_t *code, size_t n, uint64_t vaddr,
			    bool (*fn)(void *ctx, const struct pv_insn_pool_site *site), void *ctx)
{
	struct pv_insn_pool_site site;
	bool pending = false;
	struct scan scan;

	scan_init(&scan);
	for (size_t i = 0, length; i < n; i += length ? length : 1) {
		const struct line *line;

		length = next_line(&scan, code, n, vaddr, i);
		if (!scan.n) {
			pending = false;
			continue;
		}
		line = line_at(&scan, 0);
		if (pending && line->branch) {
			site.vaddr = line->vaddr;
			site.taken_next = line->to;
			pending = false;
			if (!fn(ctx, &site))
				return;
		}
		if (pending && line->written & 1U << site.pool)
			pending = false;
		if (is_give(&scan)) {
			site.pool = line->base;
			pending = true;
		}
	}
}

void pv_insn_each_exit(const uint8_t *code, size_t n, uint64_t vaddr,
		       bool (*fn)(void *ctx, enum pv_insn_exit exit, uint64_t at, uint64_t to),
		       void *ctx)
{
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	struct scan scan;
	bool go_on = true;

	scan_init(&scan);
	for (size_t i = 0; i < n && go_on; i += insn.length) {
		uint64_t at = vaddr + i, to = 0;

		if (ZYAN_FAILED(
			    ZydisDecoderDecodeFull(&scan.decoder, code + i, n - i, &insn, ops))) {
			insn.length = 1;
			continue;
		}
		if (insn.meta.category == ZYDIS_CATEGORY_RET)
			go_on = fn(ctx, PV_INSN_RETURN, at, 0);
		if (insn.meta.category != ZYDIS_CATEGORY_UNCOND_BR &&
		    insn.meta.category != ZYDIS_CATEGORY_COND_BR)
			continue;
		if (ops[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE ||
		    ZYAN_FAILED(ZydisCalcAbsoluteAddress(&insn, &ops[0], at, &to)))
			go_on = fn(ctx, PV_INSN_LOST, at, 0);
		else if (to < vaddr || to >= vaddr + n)
			go_on = fn(ctx, PV_INSN_JUMP, at, to);
	}
}

bool pv_insn_linkage(const uint8_t *code, size_t n, uint64_t vaddr, uint64_t *slot_ret)
{
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	struct scan scan;

	scan_init(&scan);
	for (size_t i = 0, k = 0; i < n && k < 2; i += insn.length, k++) {
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&scan.decoder, code + i, n - i, &insn, ops)))
			return false;
		if (insn.mnemonic == ZYDIS_MNEMONIC_ENDBR64)
			continue;
		return insn.mnemonic == ZYDIS_MNEMONIC_JMP &&
		       ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		       ops[0].mem.base == ZYDIS_REGISTER_RIP &&
		       ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&insn, &ops[0], vaddr + i, slot_ret));
	}
	return false;
}

bool pv_insn_first_call(const uint8_t *code, size_t n, uint64_t vaddr, uint64_t *ret)
{
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	struct scan scan;

	scan_init(&scan);
	for (size_t i = 0, k = 0; i < n && k < CALL_INSNS; i += insn.length, k++) {
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&scan.decoder, code + i, n - i, &insn, ops)))
			return false;
		if (insn.meta.category == ZYDIS_CATEGORY_CALL)
			return ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
			       ZYAN_SUCCESS(
				       ZydisCalcAbsoluteAddress(&insn, &ops[0], vaddr + i, ret));
		if (insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
		    insn.meta.category == ZYDIS_CATEGORY_COND_BR ||
		    insn.meta.category == ZYDIS_CATEGORY_RET)
			return false;
	}
	return false;
}
