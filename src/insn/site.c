/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Instructions to put a uprobe on, and what stands near the start of an opcode's handler.
 * Input: bytes of code from an ELF file, untrusted.
 * Output: offsets, registers, targets of calls.
 */
#include "insn/site.h"

#include <string.h>
#include <Zydis/Zydis.h>

enum {
	SITE_BYTES = 96, /* as far as is looked */
	SITE_INSNS = 16,
	CALL_BYTES = 256,
	CALL_INSNS = 48,
};

struct step {
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
};

static bool decode(const uint8_t *code, size_t n, struct step *ret)
{
	ZydisDecoder decoder;

	/* Cannot fail: both arguments are constants that Zydis knows. */
	(void)ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, n, &ret->insn, ret->ops));
}

/* The number of the register that reg is part of, -1 for other classes. */
static int gpr_number(ZydisRegister reg)
{
	ZydisRegister full = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	return full >= ZYDIS_REGISTER_RAX && full <= ZYDIS_REGISTER_R15
		       ? (int)(full - ZYDIS_REGISTER_RAX)
		       : -1;
}

/*
 * arch/x86/kernel/uprobes.c, branch_setup_xol_ops() and push_setup_xol_ops(), without the
 * prefixes that only some kernels take.
 */
bool pv_insn_emulated(const uint8_t *code, size_t n)
{
	if (n >= 1 && ((code[0] & 0xf8) == 0x50 || code[0] == 0x90))
		return true; /* push, nop */
	if (n >= 2 && code[0] == 0x41 && (code[1] & 0xf8) == 0x50)
		return true; /* push r8 .. r15 */
	if (n >= 2 && (code[0] == 0xeb || (code[0] & 0xf0) == 0x70))
		return true; /* jmp, jcc rel8 */
	if (n >= 5 && (code[0] == 0xe9 || code[0] == 0xe8))
		return true;                                          /* jmp, call rel32 */
	return n >= 6 && code[0] == 0x0f && (code[1] & 0xf0) == 0x80; /* jcc rel32 */
}

/* arch/x86/kernel/uprobes.c, is_prefix_bad() and good_insns_64 with good_2byte_insns */
bool pv_insn_refused(const uint8_t *code, size_t n)
{
	static const uint8_t bad_prefixes[] = { 0x26, 0x2e, 0x36, 0x3e, 0xf0 };
	static const uint8_t prefixes[] = { 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3 };
	static const uint8_t bad[] = { 0x6c, 0x6d, 0x6e, 0x6f, 0xcc, 0xcd, 0xce, 0xcf, 0xe4, 0xe5,
				       0xe6, 0xe7, 0xec, 0xed, 0xee, 0xef, 0xf4, 0xfa, 0xfb };
	size_t i = 0;

	for (; i < n; i++) {
		if (memchr(bad_prefixes, code[i], sizeof(bad_prefixes)))
			return true;
		if (!memchr(prefixes, code[i], sizeof(prefixes)))
			break;
	}
	if (i < n && (code[i] & 0xf0) == 0x40)
		i++; /* REX */
	if (i >= n)
		return true;
	if (code[i] == 0x0f)
		return i + 1 < n && (code[i + 1] == 0x05 || code[i + 1] == 0x34);
	return memchr(bad, code[i], sizeof(bad));
}

/* Where code goes on elsewhere, always or maybe, or traps. */
static bool leaves_line(const ZydisDecodedInstruction *insn)
{
	switch (insn->meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_SYSTEM:
		return true;
	default:
		return insn->mnemonic == ZYDIS_MNEMONIC_UD2;
	}
}

/* The general registers that an instruction writes, as a mask. */
static unsigned int written(const struct step *step)
{
	unsigned int mask = 0;

	for (unsigned int i = 0; i < step->insn.operand_count; i++) {
		const ZydisDecodedOperand *op = &step->ops[i];
		int number;

		if (op->type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		number = gpr_number(op->reg.value);
		if (number >= 0)
			mask |= 1U << number;
	}
	return mask;
}

/* What becomes of rsp; false: that is not known. */
static bool track_stack(const struct step *step, int64_t *pushed)
{
	bool sub = step->insn.mnemonic == ZYDIS_MNEMONIC_SUB;

	if (!(written(step) & 1U << PV_REG_RSP))
		return true;
	if (step->insn.mnemonic == ZYDIS_MNEMONIC_PUSH && step->insn.operand_width == 64) {
		*pushed += 8;
		return true;
	}
	if ((!sub && step->insn.mnemonic != ZYDIS_MNEMONIC_ADD) ||
	    step->ops[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return false;
	*pushed += sub ? step->ops[1].imm.value.s : -step->ops[1].imm.value.s;
	return *pushed >= 0 && *pushed < 1 << 20;
}

struct pv_insn_site pv_insn_cheap_site(const uint8_t *code, size_t n, unsigned int keep)
{
	struct pv_insn_site none = { .emulated = pv_insn_emulated(code, n) };
	int64_t pushed = 0;
	size_t at = 0;

	if (n > SITE_BYTES)
		n = SITE_BYTES;
	for (int i = 0; i < SITE_INSNS && at < n; i++) {
		struct step step;

		if (pv_insn_emulated(code + at, n - at))
			return (struct pv_insn_site){ (unsigned int)at, (unsigned int)pushed,
						      true };
		if (!decode(code + at, n - at, &step) || leaves_line(&step.insn) ||
		    written(&step) & keep || !track_stack(&step, &pushed))
			break;
		at += step.insn.length;
	}
	return none;
}

bool pv_insn_first_store(const uint8_t *code, size_t n, int64_t disp, unsigned int *base_ret,
			 unsigned int *value_ret)
{
	size_t at = 0;

	if (n > SITE_BYTES)
		n = SITE_BYTES;
	for (int i = 0; i < SITE_INSNS && at < n; i++) {
		struct step step;
		const ZydisDecodedOperand *ops = step.ops;
		int base, value;

		if (!decode(code + at, n - at, &step) || leaves_line(&step.insn))
			return false;
		at += step.insn.length;
		if (step.insn.mnemonic != ZYDIS_MNEMONIC_MOV || ops[0].size != 64 ||
		    ops[0].type != ZYDIS_OPERAND_TYPE_MEMORY ||
		    ops[1].type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    ops[0].mem.index != ZYDIS_REGISTER_NONE || ops[0].mem.disp.value != disp)
			continue;
		base = gpr_number(ops[0].mem.base);
		value = gpr_number(ops[1].reg.value);
		if (base < 0 || value < 0 || base == PV_REG_RSP)
			continue;
		*base_ret = (unsigned int)base;
		*value_ret = (unsigned int)value;
		return true;
	}
	return false;
}

static bool is_copy(const struct step *step, unsigned int to, unsigned int from)
{
	return step->insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
	       step->ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER && step->ops[0].size == 64 &&
	       step->ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       gpr_number(step->ops[0].reg.value) == (int)to &&
	       gpr_number(step->ops[1].reg.value) == (int)from;
}

bool pv_insn_call_with(const uint8_t *code, size_t n, uint64_t vaddr, unsigned int argument,
		       unsigned int copied_from, uint64_t *ret)
{
	bool copied = argument == copied_from;
	size_t at = 0;

	if (n > CALL_BYTES)
		n = CALL_BYTES;
	for (int i = 0; i < CALL_INSNS && at < n; i++) {
		struct step step;

		if (!decode(code + at, n - at, &step))
			return false;
		if (step.insn.mnemonic == ZYDIS_MNEMONIC_CALL)
			return copied && step.ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
			       ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&step.insn, &step.ops[0],
								     vaddr + at, ret));
		if (leaves_line(&step.insn) && step.insn.meta.category != ZYDIS_CATEGORY_COND_BR)
			return false;
		if (is_copy(&step, argument, copied_from))
			copied = true;
		else if (written(&step) & (1U << argument | 1U << copied_from))
			copied = false;
		at += step.insn.length;
	}
	return false;
}

static bool decode_short(const ZydisDecoder *decoder, const uint8_t *code, size_t n,
			 ZydisDecoderContext *context, ZydisDecodedInstruction *ret)
{
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder, context, code, n, ret));
}

enum pv_insn_place pv_insn_place(const uint8_t *code, size_t n, size_t at)
{
	ZydisDecodedInstruction insn;
	ZydisDecoderContext context;
	ZydisDecoder decoder;
	bool call = false;
	size_t i = 0;

	/* Cannot fail: both arguments are constants that Zydis knows. */
	(void)ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	while (i < at) {
		if (i >= n || !decode_short(&decoder, code + i, n - i, &context, &insn))
			return PV_INSN_INSIDE;
		call = insn.meta.category == ZYDIS_CATEGORY_CALL;
		i += insn.length;
	}
	if (i != at || i >= n || !decode_short(&decoder, code + i, n - i, &context, &insn))
		return PV_INSN_INSIDE;
	return call ? PV_INSN_AFTER_CALL : PV_INSN_START;
}

struct pv_insn_jumps pv_insn_jumps(const uint8_t *code, size_t n, uint64_t vaddr)
{
	struct pv_insn_jumps jumps = { false, false };
	ZydisDecoder decoder;
	struct step step;

	(void)ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (size_t i = 0; i < n; i += step.insn.length) {
		ZydisDecoderContext context;
		uint64_t to;

		if (!decode_short(&decoder, code + i, n - i, &context, &step.insn)) {
			step.insn.length = 1;
			continue;
		}
		if (step.insn.meta.category != ZYDIS_CATEGORY_COND_BR &&
		    step.insn.meta.category != ZYDIS_CATEGORY_UNCOND_BR)
			continue;
		if (ZYAN_FAILED(ZydisDecoderDecodeOperands(&decoder, &context, &step.insn, step.ops,
							   step.insn.operand_count)) ||
		    step.ops[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE ||
		    ZYAN_FAILED(ZydisCalcAbsoluteAddress(&step.insn, &step.ops[0], vaddr + i, &to)))
			jumps.out = true;
		else if (to < vaddr || to >= vaddr + n)
			jumps.out = true;
		else
			jumps.to_start |= to == vaddr;
	}
	return jumps;
}
