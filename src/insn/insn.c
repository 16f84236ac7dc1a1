/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Our few questions about x86-64 code, answered with Zydis.
 * Input: bytes of a function from an ELF file, untrusted.
 * Output: address ranges and jump targets.
 */
#include "insn/insn.h"

#include <string.h>

#include <Zydis/Zydis.h>

enum {
	PROLOGUE_BYTES = 0x400, /* as far as the publication of &cframe is looked for */
	N_GPR = 16,
	STORES_MAX = 64,
	ARGUMENT = 1 << 30, /* an origin: not rsp but the function's second argument */
};

/* A register that holds a stack address: origin names the rsp that offset counts from. */
struct stack_reg {
	bool known;
	unsigned int origin;
	int64_t offset;
};

struct stack_store {
	unsigned int origin;
	int64_t offset;
	uint32_t size;
};

struct window_scan {
	struct stack_reg regs[N_GPR];
	unsigned int origin;
	struct stack_store stores[STORES_MAX];
	size_t n_stores;
	unsigned int ts_cframe, cf_current_frame, cf_previous;
	bool published, have_current, have_previous;
	struct stack_reg cframe;
	uint64_t start, end;
};

static void decoder_init(ZydisDecoder *decoder)
{
	/* Cannot fail: both arguments are constants that Zydis knows. */
	(void)ZydisDecoderInit(decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

/* Index of the 64-bit register that reg is part of, -1 for other classes. */
static int gpr_index(ZydisRegister reg)
{
	ZydisRegister full = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	return full >= ZYDIS_REGISTER_RAX && full <= ZYDIS_REGISTER_R15
		       ? (int)(full - ZYDIS_REGISTER_RAX)
		       : -1;
}

static bool is_gpr64(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15;
}

/* The stack address a memory operand means, if it is base + displacement with a known base. */
static struct stack_reg stack_address(const struct window_scan *scan, const ZydisDecodedOperand *op)
{
	struct stack_reg ret = { 0 };

	if (op->mem.index != ZYDIS_REGISTER_NONE || !is_gpr64(op->mem.base))
		return ret;
	ret = scan->regs[gpr_index(op->mem.base)];
	ret.offset += op->mem.disp.has_displacement ? op->mem.disp.value : 0;
	return ret;
}

static bool covers(const struct window_scan *scan, const struct stack_store *store,
		   unsigned int field)
{
	int64_t at = scan->cframe.offset + field;

	return store->origin == scan->cframe.origin && store->offset <= at &&
	       store->offset + store->size >= at + 8;
}

static void note_store(struct window_scan *scan, const struct stack_store *store)
{
	if (!scan->published) {
		if (scan->n_stores < STORES_MAX)
			scan->stores[scan->n_stores++] = *store;
		return;
	}
	scan->have_current |= covers(scan, store, scan->cf_current_frame);
	scan->have_previous |= covers(scan, store, scan->cf_previous);
}

/* tstate->cframe = &cframe: the store of a stack address into a structure off the stack. */
static bool is_publication(const struct window_scan *scan, const ZydisDecodedOperand *ops)
{
	int src;

	if (ops[0].size != 64 || ops[1].type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    !is_gpr64(ops[1].reg.value) || !is_gpr64(ops[0].mem.base) ||
	    ops[0].mem.index != ZYDIS_REGISTER_NONE ||
	    ops[0].mem.disp.value != (int64_t)scan->ts_cframe)
		return false;
	src = gpr_index(ops[1].reg.value);
	return scan->regs[src].known && !scan->regs[gpr_index(ops[0].mem.base)].known;
}

static void publish(struct window_scan *scan, const ZydisDecodedOperand *ops, uint64_t next)
{
	scan->published = true;
	scan->cframe = scan->regs[gpr_index(ops[1].reg.value)];
	scan->start = scan->end = next;
	scan->have_current = scan->cf_current_frame == PV_INSN_NO_FIELD;
	for (size_t i = 0; i < scan->n_stores; i++)
		note_store(scan, &scan->stores[i]);
	if (scan->have_current && scan->have_previous)
		scan->start = scan->end = 0; /* nothing is left to store: no window */
}

static void memory_write(struct window_scan *scan, const ZydisDecodedInstruction *insn,
			 const ZydisDecodedOperand *ops, uint64_t next)
{
	struct stack_reg at = stack_address(scan, &ops[0]);
	struct stack_store store = { at.origin, at.offset, ops[0].size / 8 };
	bool immediate = ops[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE;

	if (!scan->published && insn->mnemonic == ZYDIS_MNEMONIC_MOV && is_publication(scan, ops)) {
		publish(scan, ops, next);
		return;
	}
	/* A constant is at most a cleared slot, not one of the two pointers. */
	if (at.known && !immediate)
		note_store(scan, &store);
	if (scan->published && scan->start)
		scan->end = next;
}

static int64_t immediate_of(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? op->imm.value.s : INT64_MIN;
}

/* What becomes of the stack addresses in registers. */
static void track_registers(struct window_scan *scan, const ZydisDecodedInstruction *insn,
			    const ZydisDecodedOperand *ops)
{
	struct stack_reg *rsp = &scan->regs[ZYDIS_REGISTER_RSP - ZYDIS_REGISTER_RAX];
	struct stack_reg value = { 0 };
	int dst;

	if (insn->mnemonic == ZYDIS_MNEMONIC_PUSH || insn->mnemonic == ZYDIS_MNEMONIC_POP) {
		rsp->offset += insn->mnemonic == ZYDIS_MNEMONIC_PUSH ? -8 : 8;
		if (insn->mnemonic == ZYDIS_MNEMONIC_PUSH)
			return;
	}
	if (insn->operand_count == 0 || ops[0].type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    !(ops[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
		return;
	dst = gpr_index(ops[0].reg.value);
	if (dst < 0)
		return;
	if (insn->mnemonic == ZYDIS_MNEMONIC_LEA && is_gpr64(ops[0].reg.value)) {
		value = stack_address(scan, &ops[1]);
	} else if (insn->mnemonic == ZYDIS_MNEMONIC_MOV && is_gpr64(ops[0].reg.value) &&
		   ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER && is_gpr64(ops[1].reg.value)) {
		value = scan->regs[gpr_index(ops[1].reg.value)];
	} else if ((insn->mnemonic == ZYDIS_MNEMONIC_SUB || insn->mnemonic == ZYDIS_MNEMONIC_ADD) &&
		   immediate_of(&ops[1]) != INT64_MIN) {
		int64_t by = immediate_of(&ops[1]);

		value = scan->regs[dst];
		value.offset += insn->mnemonic == ZYDIS_MNEMONIC_SUB ? -by : by;
	} else if (&scan->regs[dst] == rsp) {
		/* Realigned or otherwise unknown: count from here on anew. */
		value = (struct stack_reg){ .known = true, .origin = ++scan->origin };
	}
	scan->regs[dst] = value;
}

/* System V ABI: rax, rcx, rdx, rsi, rdi, r8 to r11 do not survive a call. */
static void forget_caller_saved(struct window_scan *scan)
{
	static const uint8_t lost[] = { 0, 1, 2, 6, 7, 8, 9, 10, 11 };

	for (size_t i = 0; i < sizeof(lost); i++)
		scan->regs[lost[i]].known = false;
}

static bool is_branch(const ZydisDecodedInstruction *insn)
{
	return insn->meta.category == ZYDIS_CATEGORY_COND_BR ||
	       insn->meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
	       insn->meta.category == ZYDIS_CATEGORY_CALL ||
	       insn->meta.category == ZYDIS_CATEGORY_RET;
}

enum scan_step { SCAN_ON, SCAN_FOUND, SCAN_FAILED };

static enum scan_step scan_insn(struct window_scan *scan, const ZydisDecodedInstruction *insn,
				const ZydisDecodedOperand *ops, uint64_t next)
{
	bool complete = scan->have_current && scan->have_previous;

	if (scan->published && (!scan->start || (complete && is_branch(insn))))
		return SCAN_FOUND;
	if (is_branch(insn)) {
		/* Stores beyond a branch, or a prologue laid out elsewhere: not our pattern. */
		if (scan->published || insn->meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
		    insn->meta.category == ZYDIS_CATEGORY_RET)
			return SCAN_FAILED;
		if (insn->meta.category == ZYDIS_CATEGORY_CALL)
			forget_caller_saved(scan);
		return SCAN_ON;
	}
	if (insn->operand_count_visible >= 2 && ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	    ops[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
		memory_write(scan, insn, ops, next);
	track_registers(scan, insn, ops);
	return SCAN_ON;
}

/* False: the pattern is not there. */
static bool scan_prologue(struct window_scan *scan, const uint8_t *code, size_t n, uint64_t vaddr)
{
	ZydisDecoder decoder;

	decoder_init(&decoder);
	scan->regs[ZYDIS_REGISTER_RSP - ZYDIS_REGISTER_RAX].known = true;
	if (n > PROLOGUE_BYTES)
		n = PROLOGUE_BYTES;
	for (size_t i = 0; i < n;) {
		ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
		ZydisDecodedInstruction insn;
		enum scan_step step;

		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code + i, n - i, &insn, ops)))
			return false;
		i += insn.length;
		step = scan_insn(scan, &insn, ops, vaddr + i);
		if (step != SCAN_ON)
			return step == SCAN_FOUND;
	}
	return false;
}

bool pv_insn_cframe_window(const uint8_t *code, size_t n, uint64_t vaddr, unsigned int ts_cframe,
			   unsigned int cf_current_frame, unsigned int cf_previous,
			   uint64_t *start_ret, uint64_t *end_ret)
{
	struct window_scan scan = {
		.ts_cframe = ts_cframe,
		.cf_current_frame = cf_current_frame,
		.cf_previous = cf_previous,
	};

	if (!scan_prologue(&scan, code, n, vaddr))
		return false;
	*start_ret = scan.start;
	*end_ret = scan.end;
	return true;
}

/* A 64-bit mov to base + displacement. */
static bool is_store(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *ops)
{
	return insn->mnemonic == ZYDIS_MNEMONIC_MOV && insn->operand_count_visible == 2 &&
	       ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY && ops[0].size == 64 &&
	       ops[0].mem.index == ZYDIS_REGISTER_NONE && is_gpr64(ops[0].mem.base);
}

/* frame->previous = &entry_frame, frame being the second argument, wherever it is by now. */
static bool is_link(const struct window_scan *scan, const ZydisDecodedInstruction *insn,
		    const ZydisDecodedOperand *ops, unsigned int previous)
{
	const struct stack_reg *base, *value;

	if (!is_store(insn, ops) || ops[0].mem.disp.value != (int64_t)previous ||
	    ops[1].type != ZYDIS_OPERAND_TYPE_REGISTER || !is_gpr64(ops[1].reg.value))
		return false;
	base = &scan->regs[gpr_index(ops[0].mem.base)];
	value = &scan->regs[gpr_index(ops[1].reg.value)];
	return base->known && base->origin == ARGUMENT && !base->offset && value->known &&
	       value->origin == 0;
}

bool pv_insn_boundary_frame(const uint8_t *code, size_t n, uint64_t vaddr, unsigned int previous,
			    int32_t *cfa_ret, int32_t *rbp_ret, uint64_t *pc_ret)
{
	struct window_scan scan = { 0 };
	struct stack_reg *rsp = &scan.regs[ZYDIS_REGISTER_RSP - ZYDIS_REGISTER_RAX];
	struct stack_reg *rsi = &scan.regs[ZYDIS_REGISTER_RSI - ZYDIS_REGISTER_RAX];
	int64_t rbp_at = 0; /* from the rsp at the function's start, where the return address is */
	ZydisDecoder decoder;

	decoder_init(&decoder);
	rsp->known = true;
	*rsi = (struct stack_reg){ .known = true, .origin = ARGUMENT };
	if (n > PROLOGUE_BYTES)
		n = PROLOGUE_BYTES;
	for (size_t i = 0; i < n;) {
		ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
		ZydisDecodedInstruction insn;

		if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code + i, n - i, &insn, ops)))
			return false;
		i += insn.length;
		if (insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
		    insn.meta.category == ZYDIS_CATEGORY_RET)
			return false;
		if (insn.meta.category == ZYDIS_CATEGORY_CALL)
			forget_caller_saved(&scan);
		if (rbp_at && is_link(&scan, &insn, ops, previous)) {
			*cfa_ret = 8 - scan.regs[gpr_index(ops[1].reg.value)].offset;
			*rbp_ret = (rbp_at - 8) / 8;
			*pc_ret = vaddr + i;
			return *cfa_ret > 0;
		}
		track_registers(&scan, &insn, ops);
		if (insn.mnemonic == ZYDIS_MNEMONIC_PUSH && !rbp_at && rsp->origin == 0 &&
		    ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ops[0].reg.value == ZYDIS_REGISTER_RBP)
			rbp_at = rsp->offset;
	}
	return false;
}

bool pv_insn_inlined_windows(const uint8_t *prologue, size_t n_prologue, const uint8_t *code,
			     size_t n, uint64_t vaddr, unsigned int ts_cframe,
			     unsigned int cf_current_frame, unsigned int cf_previous,
			     bool (*fn)(void *ctx, uint64_t start, uint64_t end), void *ctx)
{
	struct window_scan scan = {
		.ts_cframe = ts_cframe,
		.cf_current_frame = cf_current_frame,
		.cf_previous = cf_previous,
	};
	const struct stack_reg *rsp = &scan.regs[ZYDIS_REGISTER_RSP - ZYDIS_REGISTER_RAX];
	uint64_t start = 0, end = 0;
	ZydisDecoder decoder;
	int64_t slot;

	if (!scan_prologue(&scan, prologue, n_prologue, 0) || rsp->origin != scan.cframe.origin)
		return false;
	slot = scan.cframe.offset - rsp->offset + cf_current_frame;
	decoder_init(&decoder);
	for (size_t i = 0; i < n;) {
		ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
		ZydisDecodedInstruction insn;
		bool bad =
			ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code + i, n - i, &insn, ops));

		i += bad ? 1 : insn.length;
		if (bad || is_branch(&insn)) {
			if (end > start && !fn(ctx, start, end))
				break;
			start = end = 0;
		} else if (is_store(&insn, ops) && ops[0].mem.base == ZYDIS_REGISTER_RSP) {
			if (ops[0].mem.disp.value == slot &&
			    ops[1].type == ZYDIS_OPERAND_TYPE_REGISTER)
				start = end = vaddr + i;
		} else if (is_store(&insn, ops) && start) {
			end = vaddr + i;
		}
	}
	return true;
}

enum branch { JUMPS, CALLS };

/* Is it one of those that a caller wants, and what does it lead to? */
static bool is_wanted_branch(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *op,
			     enum branch wanted, uint64_t vaddr, uint64_t *ret)
{
	bool jump = insn->meta.category == ZYDIS_CATEGORY_COND_BR ||
		    insn->meta.category == ZYDIS_CATEGORY_UNCOND_BR;

	if (wanted == JUMPS ? !jump : insn->meta.category != ZYDIS_CATEGORY_CALL)
		return false;
	return op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
	       ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(insn, op, vaddr, ret));
}

static void each_branch(const uint8_t *code, size_t n, uint64_t vaddr, enum branch wanted,
			bool (*fn)(void *ctx, uint64_t from, uint64_t to), void *ctx)
{
	ZydisDecoder decoder;

	decoder_init(&decoder);
	for (size_t i = 0; i < n;) {
		ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
		ZydisDecoderContext context;
		ZydisDecodedInstruction insn;
		uint64_t to;

		if (ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, &context, code + i, n - i,
							      &insn))) {
			i++;
			continue;
		}
		if (is_branch(&insn) && insn.attributes & ZYDIS_ATTRIB_IS_RELATIVE &&
		    ZYAN_SUCCESS(ZydisDecoderDecodeOperands(&decoder, &context, &insn, ops,
							    insn.operand_count)) &&
		    is_wanted_branch(&insn, &ops[0], wanted, vaddr + i, &to) &&
		    !fn(ctx, vaddr + i + (wanted == JUMPS ? 0 : insn.length), to))
			return;
		i += insn.length;
	}
}

void pv_insn_each_jump(const uint8_t *code, size_t n, uint64_t vaddr,
		       bool (*fn)(void *ctx, uint64_t from, uint64_t to), void *ctx)
{
	each_branch(code, n, vaddr, JUMPS, fn, ctx);
}

struct jumps {
	uint64_t after, last;
	bool found;
};

static bool on_jump(void *ctx, uint64_t from, uint64_t to)
{
	struct jumps *jumps = ctx;

	(void)from;
	jumps->found = to > jumps->after && to <= jumps->last;
	return !jumps->found;
}

bool pv_insn_jumps_into(const uint8_t *code, size_t n, uint64_t vaddr, uint64_t after,
			uint64_t last)
{
	struct jumps jumps = { after, last, false };

	pv_insn_each_jump(code, n, vaddr, on_jump, &jumps);
	return jumps.found;
}

void pv_insn_each_call(const uint8_t *code, size_t n, uint64_t vaddr,
		       bool (*fn)(void *ctx, uint64_t from, uint64_t to), void *ctx)
{
	each_branch(code, n, vaddr, CALLS, fn, ctx);
}

size_t pv_insn_extent(const uint8_t *code, size_t n)
{
	ZydisDecoder decoder;
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	size_t at = 0, furthest = 0; /* where a jump leads */

	decoder_init(&decoder);
	while (at < n &&
	       ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code + at, n - at, &insn, ops))) {
		at += insn.length;
		if (insn.meta.category == ZYDIS_CATEGORY_COND_BR && ops[0].imm.is_relative &&
		    ops[0].imm.value.s > 0 && (uint64_t)ops[0].imm.value.s < n - at &&
		    at + ops[0].imm.value.u > furthest)
			furthest = at + ops[0].imm.value.u;
		if (at > furthest &&
		    (insn.meta.category == ZYDIS_CATEGORY_RET ||
		     insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
		     insn.mnemonic == ZYDIS_MNEMONIC_HLT || insn.mnemonic == ZYDIS_MNEMONIC_UD2))
			break;
	}
	return at;
}

/* Is the 32-bit value at code[i] the operand of lea disp(%rip), 64-bit register? */
static bool is_rip_lea(const uint8_t *code, size_t i)
{
	return i >= 3 && (code[i - 3] & 0xfb) == 0x48 && code[i - 2] == 0x8d &&
	       (code[i - 1] & 0xc7) == 0x05;
}

/*
 * Is it the operand of mov $imm32, 64-bit register or memory?  Intel SDM 2.1: REX.W, C7 /0,
 * then ModRM and what it asks for before the immediate.
 */
static bool is_wide_immediate(const uint8_t *code, size_t i)
{
	for (size_t k = 1; k <= 6 && i >= k + 2; k++) {
		uint8_t modrm = code[i - k], mod = modrm >> 6, rm = modrm & 7;
		size_t length = 1 + (rm == 4 && mod != 3);

		if (mod == 1)
			length += 1;
		else if (mod == 2 || (mod == 0 && rm == 5))
			length += 4;
		if (length == k && !(modrm & 0x38) && code[i - k - 1] == 0xc7 &&
		    (code[i - k - 2] & 0xfc) == 0x48)
			return true;
	}
	return false;
}

void pv_insn_each_address(const uint8_t *code, size_t n, uint64_t vaddr, uint64_t target,
			  bool (*fn)(void *ctx, uint64_t at), void *ctx)
{
	/* code + i holds the distance from its own end: their sum is the target */
	uint32_t relative = (uint32_t)(target - vaddr - 4);

	for (size_t i = 0; n >= 4 && i <= n - 4; i++) {
		uint32_t value;

		memcpy(&value, code + i, sizeof(value));
		if (value + (uint32_t)i == relative) {
			if (vaddr + i + 4 + (uint64_t)(int32_t)value != target ||
			    !is_rip_lea(code, i))
				continue;
		} else if (value != target || !i ||
			   ((code[i - 1] & 0xf8) != 0xb8 && !is_wide_immediate(code, i))) {
			continue;
		}
		if (!fn(ctx, vaddr + i))
			return;
	}
}
