/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Short functions that do little but return or pass on a variable: which variable.
 * Input: bytes of a function from an ELF file, untrusted.
 * Output: its address, or its place in thread-local storage.
 */
#include <Zydis/Zydis.h>

#include "insn/insn.h"

enum { ACCESSOR_BYTES = 256 };

struct step {
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	uint64_t vaddr;
};

struct steps {
	ZydisDecoder decoder;
	const uint8_t *code;
	size_t n, at;
	uint64_t vaddr;
};

static void steps_init(struct steps *steps, const uint8_t *code, size_t n, uint64_t vaddr)
{
	*steps = (struct steps){ .code = code, .vaddr = vaddr };
	steps->n = n < ACCESSOR_BYTES ? n : ACCESSOR_BYTES;
	/* Cannot fail: both arguments are constants that Zydis knows. */
	(void)ZydisDecoderInit(&steps->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

/* The next instruction; false: at the function's return or where nothing can be decoded. */
static bool steps_next(struct steps *steps, struct step *ret)
{
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&steps->decoder, steps->code + steps->at,
					       steps->n - steps->at, &ret->insn, ret->ops)))
		return false;
	ret->vaddr = steps->vaddr + steps->at;
	steps->at += ret->insn.length;
	return ret->insn.meta.category != ZYDIS_CATEGORY_RET;
}

static bool is_load(const struct step *step)
{
	return step->insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
	       step->ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       step->ops[1].type == ZYDIS_OPERAND_TYPE_MEMORY;
}

/* The address of operand i, if it is one relative to rip. */
static bool rip_address(const struct step *step, unsigned int i, uint64_t *ret)
{
	const ZydisDecodedOperand *op = &step->ops[i];

	return op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->mem.base == ZYDIS_REGISTER_RIP &&
	       ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&step->insn, op, step->vaddr, ret));
}

bool pv_insn_variable(const uint8_t *code, size_t n, uint64_t vaddr, unsigned int bits,
		      uint64_t *ret)
{
	struct steps steps;
	struct step step;

	steps_init(&steps, code, n, vaddr);
	while (steps_next(&steps, &step)) {
		if (is_load(&step) && step.ops[0].size == bits && rip_address(&step, 1, ret))
			return true;
	}
	return false;
}

bool pv_insn_thread_local(const uint8_t *code, size_t n, uint64_t vaddr, uint64_t *slot_ret,
			  int64_t *offset_ret)
{
	uint64_t slot = 0;
	bool called = false;
	struct steps steps;
	struct step step;

	steps_init(&steps, code, n, vaddr);
	while (steps_next(&steps, &step)) {
		const ZydisDecodedOperand *ops = step.ops;

		if (is_load(&step) && ops[1].mem.segment == ZYDIS_REGISTER_FS) {
			if (ops[1].mem.base != ZYDIS_REGISTER_NONE ||
			    ops[1].mem.index != ZYDIS_REGISTER_NONE || ops[0].size != 64)
				return false;
			*slot_ret = 0;
			*offset_ret = ops[1].mem.disp.value;
			return true;
		}
		if (step.insn.mnemonic == ZYDIS_MNEMONIC_LEA && !slot &&
		    ops[0].reg.value == ZYDIS_REGISTER_RDI && !rip_address(&step, 1, &slot))
			return false;
		if (step.insn.mnemonic == ZYDIS_MNEMONIC_CALL)
			called = true;
		if (called && slot && is_load(&step)) {
			if (ops[1].mem.base != ZYDIS_REGISTER_RAX ||
			    ops[1].mem.index != ZYDIS_REGISTER_NONE || ops[0].size != 64)
				return false;
			*slot_ret = slot;
			*offset_ret = ops[1].mem.disp.has_displacement ? ops[1].mem.disp.value : 0;
			return true;
		}
	}
	return false;
}

bool pv_insn_thread_array(const uint8_t *code, size_t n, uint64_t vaddr, int64_t *offset_ret)
{
	ZydisRegister self = ZYDIS_REGISTER_NONE, array = ZYDIS_REGISTER_NONE;
	struct steps steps;
	struct step step;
	int64_t offset = 0;

	steps_init(&steps, code, n, vaddr);
	while (steps_next(&steps, &step)) {
		const ZydisDecodedOperand *ops = step.ops;
		const ZydisDecodedOperandMem *mem = &ops[1].mem;

		if (!is_load(&step))
			continue; /* mov %edi,%edi: the key is 32 bits wide */
		if (ops[0].size != 64)
			return false;
		if (mem->segment == ZYDIS_REGISTER_FS && mem->base == ZYDIS_REGISTER_NONE &&
		    mem->index == ZYDIS_REGISTER_NONE && !mem->disp.value) {
			self = ops[0].reg.value;
		} else if (self != ZYDIS_REGISTER_NONE && array == ZYDIS_REGISTER_NONE &&
			   mem->base == self && mem->index == ZYDIS_REGISTER_NONE) {
			array = ops[0].reg.value;
			offset = mem->disp.value;
		} else if (array != ZYDIS_REGISTER_NONE && mem->base == array &&
			   mem->index == ZYDIS_REGISTER_RDI && mem->scale == 8 &&
			   !mem->disp.value) {
			*offset_ret = offset;
			return true;
		} else {
			return false;
		}
	}
	return false;
}

void pv_insn_each_constant(const uint8_t *code, size_t n, uint64_t vaddr,
			   bool (*fn)(void *ctx, uint64_t address), void *ctx)
{
	struct steps steps;
	struct step step;

	steps_init(&steps, code, n, vaddr);
	while (steps_next(&steps, &step)) {
		uint64_t address;

		if (step.ops[0].type != ZYDIS_OPERAND_TYPE_REGISTER)
			continue;
		if (step.insn.mnemonic == ZYDIS_MNEMONIC_MOV &&
		    step.ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
			address = step.ops[1].imm.value.u;
		else if (step.insn.mnemonic != ZYDIS_MNEMONIC_LEA ||
			 !rip_address(&step, 1, &address))
			continue;
		if (!fn(ctx, address))
			return;
	}
}
