/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers followed through straight-line code, from one jump to the next.
 * Input: bytes of code from an ELF file, untrusted.
 * Output: struct pv_insn_call.
 */
#include "insn/call.h"

#include <Zydis/Zydis.h>

#include "insn/site.h"

enum { PRESERVED = PV_REGS_PRESERVED | 1 << PV_REG_RSP };

struct pointer {
	int element; /* it is the element's `next` */
	uint64_t since;
};

/* What is known before an instruction. */
struct line {
	const struct pv_insn_call_query *query;
	enum pv_insn_argument argument;
	int copied_from;
	uint64_t argument_since;
	struct pointer pointers[PV_REGS];
	int element;
	uint64_t element_since;
};

struct insn {
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	uint64_t at;
};

/* The number of the register that reg is part of, PV_INSN_NO_REGISTER for other classes. */
static int number_of(ZydisRegister reg)
{
	ZydisRegister full = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	return full >= ZYDIS_REGISTER_RAX && full <= ZYDIS_REGISTER_R15
		       ? (int)(full - ZYDIS_REGISTER_RAX)
		       : PV_INSN_NO_REGISTER;
}

/* All of a register; else PV_INSN_NO_REGISTER. */
static int whole(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER && op->size == 64 ? number_of(op->reg.value)
									 : PV_INSN_NO_REGISTER;
}

/* The register that a word at an offset is addressed by; else PV_INSN_NO_REGISTER. */
static int base_of(const ZydisDecodedOperand *op, int64_t offset)
{
	return op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->size == 64 &&
			       op->mem.index == ZYDIS_REGISTER_NONE &&
			       op->mem.segment != ZYDIS_REGISTER_FS &&
			       op->mem.segment != ZYDIS_REGISTER_GS &&
			       op->mem.disp.value == offset && op->mem.base != ZYDIS_REGISTER_RIP
		       ? number_of(op->mem.base)
		       : PV_INSN_NO_REGISTER;
}

static void forget(struct line *line, unsigned int mask)
{
	for (int i = 0; i < PV_REGS; i++) {
		int element = line->pointers[i].element;

		if (mask & 1U << i || (element >= 0 && mask & 1U << element))
			line->pointers[i].element = PV_INSN_NO_REGISTER;
	}
	if (line->element >= 0 && mask & 1U << line->element)
		line->element = PV_INSN_NO_REGISTER;
	if (line->copied_from >= 0 && mask & 1U << line->copied_from)
		line->copied_from = PV_INSN_NO_REGISTER;
	if (mask & 1U << line->query->argument) {
		line->argument = PV_INSN_ARGUMENT_UNKNOWN;
		line->copied_from = PV_INSN_NO_REGISTER;
	}
}

static unsigned int written(const struct insn *insn)
{
	unsigned int mask = 0;

	for (unsigned int i = 0; i < insn->insn.operand_count; i++) {
		const ZydisDecodedOperand *op = &insn->ops[i];
		int number = op->type == ZYDIS_OPERAND_TYPE_REGISTER ? number_of(op->reg.value)
								     : PV_INSN_NO_REGISTER;

		if (number >= 0 && op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
			mask |= 1U << number;
	}
	return mask;
}

/* `xor %r,%r`, `mov $0,%r` */
static bool is_zero(const struct insn *insn)
{
	const ZydisDecodedOperand *ops = insn->ops;

	if (ops[0].type != ZYDIS_OPERAND_TYPE_REGISTER || ops[0].size < 32)
		return false;
	if (insn->insn.mnemonic == ZYDIS_MNEMONIC_XOR)
		return ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		       ops[0].reg.value == ops[1].reg.value;
	return insn->insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
	       ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && !ops[1].imm.value.u;
}

static void note_argument(struct line *line, const struct insn *insn)
{
	bool move = insn->insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
		    insn->ops[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE;

	line->argument_since = insn->at;
	if (is_zero(insn)) {
		line->argument = PV_INSN_ARGUMENT_ZERO;
	} else if (whole(&insn->ops[0]) == (int)line->query->argument &&
		   (move || insn->insn.mnemonic == ZYDIS_MNEMONIC_LEA)) {
		line->argument = PV_INSN_ARGUMENT_SET;
		line->copied_from = move ? whole(&insn->ops[1]) : PV_INSN_NO_REGISTER;
		if (line->copied_from == (int)line->query->argument)
			line->copied_from = PV_INSN_NO_REGISTER;
	}
}

/* The element that the value which is stored was loaded from, into the head of its list. */
static void note_store(struct line *line, const struct insn *insn)
{
	int head = base_of(&insn->ops[0], line->query->head), value = whole(&insn->ops[1]);

	if (head < 0 || head == PV_REG_RSP || value < 0 || line->pointers[value].element < 0 ||
	    line->pointers[value].element == head)
		return;
	line->element = line->pointers[value].element;
	line->element_since = line->pointers[value].since;
}

static void note(struct line *line, const struct insn *insn)
{
	unsigned int mask = written(insn);
	int to = whole(&insn->ops[0]), from = base_of(&insn->ops[1], line->query->next);
	bool move = insn->insn.mnemonic == ZYDIS_MNEMONIC_MOV;

	if (move && insn->ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY)
		note_store(line, insn);
	forget(line, mask);
	if (mask & 1U << line->query->argument)
		note_argument(line, insn);
	if (move && to >= 0 && from >= 0 && from != to && from != PV_REG_RSP)
		line->pointers[to] = (struct pointer){ from, insn->at };
}

static void begin(struct line *line)
{
	line->argument = PV_INSN_ARGUMENT_UNKNOWN;
	line->copied_from = line->element = PV_INSN_NO_REGISTER;
	for (int i = 0; i < PV_REGS; i++)
		line->pointers[i].element = PV_INSN_NO_REGISTER;
}

/* What it calls; false: neither by its address nor by a structure's member. */
static bool find_target(const struct insn *insn, struct pv_insn_call *call)
{
	const ZydisDecodedOperand *op = &insn->ops[0];

	call->by_slot = op->type == ZYDIS_OPERAND_TYPE_MEMORY;
	call->target = (uint64_t)op->mem.disp.value;
	if (call->by_slot)
		return op->mem.index == ZYDIS_REGISTER_NONE && op->mem.base != ZYDIS_REGISTER_RIP &&
		       number_of(op->mem.base) >= 0;
	return op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
	       ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&insn->insn, op, insn->at, &call->target));
}

static bool tell(const struct line *line, const struct insn *insn,
		 bool (*fn)(void *ctx, const struct pv_insn_call *call), void *ctx)
{
	struct pv_insn_call call = {
		.at = insn->at,
		.next = insn->at + insn->insn.length,
		.argument = line->argument,
		.copied_from = line->copied_from,
		.element = line->element,
		.since = insn->at,
	};

	if (!find_target(insn, &call))
		return true;
	if (call.argument != PV_INSN_ARGUMENT_UNKNOWN)
		call.since = line->argument_since;
	if (call.element >= 0 && line->element_since < call.since)
		call.since = line->element_since;
	return fn(ctx, &call);
}

void pv_insn_each_known_call(const uint8_t *code, size_t n, uint64_t vaddr,
			     const struct pv_insn_call_query *query,
			     bool (*fn)(void *ctx, const struct pv_insn_call *call), void *ctx)
{
	struct line line = { .query = query };
	ZydisDecoder decoder;
	struct insn insn;

	/* Cannot fail: both arguments are constants that Zydis knows. */
	(void)ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	begin(&line);
	for (size_t i = 0; i < n; i += insn.insn.length) {
		insn.at = vaddr + i;
		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code + i, n - i, &insn.insn,
						       insn.ops))) {
			insn.insn.length = 1;
			begin(&line);
			continue;
		}
		switch (insn.insn.meta.category) {
		case ZYDIS_CATEGORY_CALL:
			if (!tell(&line, &insn, fn, ctx))
				return;
			forget(&line, ~(unsigned int)PRESERVED);
			break;
		case ZYDIS_CATEGORY_UNCOND_BR:
		case ZYDIS_CATEGORY_RET:
			begin(&line);
			break;
		default:
			note(&line, &insn);
			break;
		}
	}
}
