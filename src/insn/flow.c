/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worklist over instructions: each has one state, in which those of all ways to it are merged.
 * A call goes on behind it once its function is known to return; so the code of the next
 * function is not taken for what follows a call of abort().
 * Input: code.  Output: struct pv_flow_frame.
 */
#include "insn/flow.h"

#include <stdlib.h>
#include <string.h>
#include <Zydis/Zydis.h>

#include "base/vec.h"

enum {
	WORD = 8,
	FAR = INT16_MIN,     /* an offset that is not known */
	ALIGNMENT = 16,      /* of functions, gcc's and clang's on x86-64 */
	OFFSET_MAX = 0x7000, /* of an offset that is */
};

enum {
	SEEN = 1 << 0,   /* an instruction that is reached begins here */
	INSIDE = 1 << 1, /* inside one */
	BEGIN = 1 << 2,  /* a function begins here */
	QUEUED = 1 << 3,
	OUTERMOST = 1 << 4,
	SYSCALL = 1 << 5, /* after a syscall, and no call since */
	SIGRETURN = 1 << 6,
	ENDS = OUTERMOST | SIGRETURN, /* there is no caller's frame */
	STATE = ENDS | SYSCALL,       /* what is handed on */
};

/* What is known before one instruction. */
struct place {
	int16_t rsp;   /* CFA - rsp, or FAR */
	int16_t rbp;   /* CFA - rbp, or FAR: it is no frame pointer */
	int16_t saved; /* CFA - where the caller's rbp is; 0: in rbp; FAR: lost */
	uint8_t length;
	uint8_t flags;
	uint32_t function; /* index of the one that it was reached from */
};

struct function {
	bool returns;
	bool wrong; /* it returns with something on the stack: what is said of it is not true */
	uint32_t waiting; /* first link of what goes on when it does */
};

/* A call to go on behind, or a function that returns if this one does. */
struct link {
	uint32_t next;
	bool call;
	uint32_t index;
};

struct pv_flow {
	const uint8_t *code;
	size_t n;
	ZydisDecoder decoder;
	struct place *places;
	struct pv_vec functions; /* the first is none */
	struct pv_vec links;     /* the first is none */
	struct pv_vec queue;     /* of uint32_t, offsets */
	struct pv_vec returning; /* of uint32_t, functions */
};

/* One instruction in the state before it, then behind it. */
struct step {
	uint32_t at, next;
	struct place state;
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
};

void pv_flow_destroy(struct pv_flow *flow)
{
	if (!flow)
		return;
	pv_vec_deinit(&flow->functions);
	pv_vec_deinit(&flow->links);
	pv_vec_deinit(&flow->queue);
	pv_vec_deinit(&flow->returning);
	free(flow->places);
	free(flow);
}

struct pv_err *pv_flow_create(const uint8_t *code, size_t n, struct pv_flow **ret)
{
	struct pv_flow *flow;
	struct pv_err *err;

	if (n > PV_FLOW_BYTES_MAX)
		return pv_err_create(PV_ERR_FAILED, "cannot follow %zu bytes of code: too many", n);
	flow = calloc(1, sizeof(*flow));
	if (!flow)
		return &pv_enomem;
	*flow = (struct pv_flow){
		.code = code,
		.n = n,
		.functions = PV_VEC(struct function),
		.links = PV_VEC(struct link),
		.queue = PV_VEC(uint32_t),
		.returning = PV_VEC(uint32_t),
	};
	/* Cannot fail: both arguments are constants that Zydis knows. */
	(void)ZydisDecoderInit(&flow->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	flow->places = calloc(n + 1, sizeof(*flow->places));
	err = flow->places ? pv_vec_append(&flow->functions, NULL, 1, NULL) : &pv_enomem;
	if (!err)
		err = pv_vec_append(&flow->links, NULL, 1, NULL);
	if (err)
		pv_flow_destroy(flow);
	else
		*ret = flow;
	return err;
}

static struct function *function_at(const struct pv_flow *flow, uint32_t index)
{
	return pv_vec_at(&flow->functions, index);
}

static struct pv_err *enqueue(struct pv_flow *flow, uint32_t at)
{
	if (flow->places[at].flags & QUEUED)
		return NULL;
	flow->places[at].flags |= QUEUED;
	return pv_vec_append(&flow->queue, &at, 1, NULL);
}

/* The function returns: so do those that jump to it, and its callers go on. */
static struct pv_err *set_returns(struct pv_flow *flow, uint32_t index)
{
	struct pv_err *err = NULL;

	if (function_at(flow, index)->returns)
		return NULL;
	function_at(flow, index)->returns = true;
	err = pv_vec_append(&flow->returning, &index, 1, NULL);
	while (!err && flow->returning.n) {
		uint32_t top = *(uint32_t *)pv_vec_at(&flow->returning, --flow->returning.n);
		uint32_t i = function_at(flow, top)->waiting;

		while (!err && i) {
			const struct link *link = pv_vec_at(&flow->links, i);

			i = link->next;
			if (link->call) {
				err = enqueue(flow, link->index);
			} else if (!function_at(flow, link->index)->returns) {
				uint32_t other = link->index;

				function_at(flow, other)->returns = true;
				err = pv_vec_append(&flow->returning, &other, 1, NULL);
			}
		}
	}
	return err;
}

static struct pv_err *wait_for(struct pv_flow *flow, uint32_t function, bool call, uint32_t index)
{
	struct link link = { .next = function_at(flow, function)->waiting,
			     .call = call,
			     .index = index };

	if (function_at(flow, function)->returns)
		return call ? enqueue(flow, index) : set_returns(flow, index);
	function_at(flow, function)->waiting = (uint32_t)flow->links.n;
	return pv_vec_append(&flow->links, &link, 1, NULL);
}

/* What is known by both; true if that is less than was known before. */
static bool merge(struct place *place, const struct place *state)
{
	struct place before = *place;

	if ((place->flags ^ state->flags) & ENDS) {
		place->flags &= (uint8_t)~STATE;
		place->rsp = place->rbp = place->saved = FAR;
	}
	place->flags &= (uint8_t)(state->flags | ~SYSCALL);
	if (place->rsp != state->rsp)
		place->rsp = FAR;
	if (place->rbp != state->rbp)
		place->rbp = FAR;
	if (place->saved != state->saved)
		place->saved = FAR;
	return memcmp(&before, place, sizeof(before)) != 0;
}

/* The state arrives at an instruction, by one way of those that lead there. */
static struct pv_err *arrive(struct pv_flow *flow, uint64_t at, const struct place *state)
{
	struct place *place;

	if (at >= flow->n)
		return NULL;
	place = &flow->places[at];
	if (!(place->flags & SEEN)) {
		place->rsp = state->rsp;
		place->rbp = state->rbp;
		place->saved = state->saved;
		place->flags |= (uint8_t)(SEEN | (state->flags & STATE));
		/* one instruction within another: one of them is no code */
		if (place->flags & INSIDE)
			place->rsp = place->rbp = place->saved = FAR;
		place->function = state->function;
		return enqueue(flow, (uint32_t)at);
	}
	if (place->function != state->function) {
		struct pv_err *err = wait_for(flow, place->function, false, state->function);

		if (err)
			return err;
	}
	return merge(place, state) ? enqueue(flow, (uint32_t)at) : NULL;
}

static struct pv_err *begin(struct pv_flow *flow, uint64_t at, uint8_t flags, uint32_t *ret)
{
	/* the return address is there, and nothing else yet */
	struct place state = { .rsp = WORD, .rbp = FAR, .flags = flags };
	uint32_t index = (uint32_t)flow->functions.n;
	struct pv_err *err;

	if (flow->places[at].flags & BEGIN) {
		*ret = flow->places[at].function;
		return NULL;
	}
	err = pv_vec_append(&flow->functions, NULL, 1, NULL);
	if (err)
		return err;
	state.function = index;
	/* one that was taken for a part of another before is one with it */
	if (flow->places[at].flags & SEEN)
		state.function = index = flow->places[at].function;
	flow->places[at].flags |= BEGIN;
	*ret = index;
	return arrive(flow, at, &state);
}

struct pv_err *pv_flow_begin(struct pv_flow *flow, uint64_t offset)
{
	uint32_t index;

	return offset < flow->n ? begin(flow, offset, 0, &index) : NULL;
}

struct pv_err *pv_flow_begin_outermost(struct pv_flow *flow, uint64_t offset)
{
	uint32_t index;

	return offset < flow->n ? begin(flow, offset, OUTERMOST, &index) : NULL;
}

static bool is_register(const ZydisDecodedOperand *op, ZydisRegister reg)
{
	return op->type == ZYDIS_OPERAND_TYPE_REGISTER && op->reg.value == reg;
}

/* [rsp + n]: its offset below the CFA; FAR: it is something else, or not known. */
static int16_t stack_slot(const struct step *step, const ZydisDecodedOperand *op)
{
	int64_t at;

	if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || op->mem.base != ZYDIS_REGISTER_RSP ||
	    op->mem.index != ZYDIS_REGISTER_NONE || op->size != 64 || step->state.rsp == FAR ||
	    op->mem.segment == ZYDIS_REGISTER_FS)
		return FAR;
	at = step->state.rsp - (op->mem.disp.has_displacement ? op->mem.disp.value : 0);
	return at > WORD && at < OFFSET_MAX ? (int16_t)at : FAR;
}

/* rsp grows by so many bytes: the stack shrinks. */
static void move_rsp(struct place *state, int64_t bytes)
{
	int64_t rsp = state->rsp - bytes;

	if (state->rsp != FAR)
		state->rsp = rsp >= 0 && rsp < OFFSET_MAX ? (int16_t)rsp : FAR;
}

/* rbp gets another value, not the caller's from where it was saved. */
static void lose_rbp(struct place *state)
{
	state->rbp = FAR;
	if (state->saved == 0)
		state->saved = FAR;
}

/* rbp is loaded from so far below the CFA. */
static void load_rbp(struct place *state, int16_t slot)
{
	if (slot != FAR && slot == state->saved) {
		state->saved = 0;
		state->rbp = FAR;
	} else {
		lose_rbp(state);
	}
}

static void do_push(struct step *step)
{
	struct place *state = &step->state;

	move_rsp(state, -(int64_t)(step->insn.operand_width / 8));
	if (is_register(&step->ops[0], ZYDIS_REGISTER_RBP) && state->saved == 0 &&
	    state->rbp == FAR)
		state->saved = state->rsp;
}

static void do_pop(struct step *step)
{
	struct place *state = &step->state;
	int16_t slot = state->rsp;

	move_rsp(state, step->insn.operand_width / 8);
	if (is_register(&step->ops[0], ZYDIS_REGISTER_RBP))
		load_rbp(state, slot);
	else if (is_register(&step->ops[0], ZYDIS_REGISTER_RSP))
		state->rsp = FAR;
}

static void do_leave(struct step *step)
{
	struct place *state = &step->state;

	state->rsp = state->rbp;
	state->rbp = FAR;
	load_rbp(state, state->rsp);
	move_rsp(state, WORD);
}

/* mov and lea, as far as they are about rsp and rbp; false: as any other instruction. */
static bool do_mov(struct step *step)
{
	struct place *state = &step->state;
	const ZydisDecodedOperand *to = &step->ops[0], *from = &step->ops[1];

	if (is_register(to, ZYDIS_REGISTER_RBP) && is_register(from, ZYDIS_REGISTER_RSP)) {
		lose_rbp(state);
		state->rbp = state->rsp;
		return true;
	}
	if (is_register(to, ZYDIS_REGISTER_RSP) && is_register(from, ZYDIS_REGISTER_RBP)) {
		state->rsp = state->rbp;
		return true;
	}
	if (is_register(to, ZYDIS_REGISTER_RBP) && stack_slot(step, from) != FAR) {
		load_rbp(state, stack_slot(step, from));
		return true;
	}
	if (is_register(from, ZYDIS_REGISTER_RBP) && state->saved == 0 && state->rbp == FAR &&
	    stack_slot(step, to) != FAR)
		state->saved = stack_slot(step, to);
	return false;
}

static bool do_lea(struct step *step)
{
	struct place *state = &step->state;
	const ZydisDecodedOperand *to = &step->ops[0], *from = &step->ops[1];
	int64_t bytes = from->mem.disp.has_displacement ? from->mem.disp.value : 0;

	if (from->mem.index != ZYDIS_REGISTER_NONE || !is_register(to, ZYDIS_REGISTER_RSP))
		return false;
	if (from->mem.base == ZYDIS_REGISTER_RBP)
		state->rsp = state->rbp;
	else if (from->mem.base != ZYDIS_REGISTER_RSP)
		return false;
	move_rsp(state, bytes);
	return true;
}

static bool do_add(struct step *step, int sign)
{
	if (!is_register(&step->ops[0], ZYDIS_REGISTER_RSP) ||
	    step->ops[1].type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return false;
	move_rsp(&step->state, sign * step->ops[1].imm.value.s);
	return true;
}

/*
 * clone()'s child, after the system call, on a stack of its own: it puts 0 into rbp, which marks
 * the outermost frame (psABI 1.0, 3.4.1), and has not saved the caller's, since it has none.
 */
static bool do_xor(struct step *step)
{
	if (!is_register(&step->ops[0], ZYDIS_REGISTER_EBP) ||
	    !is_register(&step->ops[1], ZYDIS_REGISTER_EBP) || step->state.saved ||
	    !(step->state.flags & SYSCALL))
		return false;
	step->state.flags |= OUTERMOST;
	return true;
}

/* All other instructions: what they write is not known any more. */
static void do_other(struct step *step)
{
	for (uint8_t i = 0; i < step->insn.operand_count; i++) {
		const ZydisDecodedOperand *op = &step->ops[i];
		ZydisRegister full;

		if (op->type != ZYDIS_OPERAND_TYPE_REGISTER ||
		    !(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		full = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, op->reg.value);
		if (full == ZYDIS_REGISTER_RSP)
			step->state.rsp = FAR;
		else if (full == ZYDIS_REGISTER_RBP)
			lose_rbp(&step->state);
	}
}

static void do_straight(struct step *step)
{
	bool done = false;

	switch (step->insn.mnemonic) {
	case ZYDIS_MNEMONIC_PUSH:
		do_push(step);
		return;
	case ZYDIS_MNEMONIC_POP:
		do_pop(step);
		return;
	case ZYDIS_MNEMONIC_LEAVE:
		do_leave(step);
		return;
	case ZYDIS_MNEMONIC_MOV:
		done = do_mov(step);
		break;
	case ZYDIS_MNEMONIC_LEA:
		done = do_lea(step);
		break;
	case ZYDIS_MNEMONIC_ADD:
		done = do_add(step, 1);
		break;
	case ZYDIS_MNEMONIC_SUB:
		done = do_add(step, -1);
		break;
	case ZYDIS_MNEMONIC_XOR:
		done = do_xor(step);
		break;
	case ZYDIS_MNEMONIC_SYSCALL:
		step->state.flags |= SYSCALL;
		break;
	default:
		break;
	}
	if (!done)
		do_other(step);
}

/* Below rsp nothing stays. */
static void drop_slot(struct place *state)
{
	if (state->saved > 0 && state->rsp != FAR && state->saved > state->rsp)
		state->saved = FAR;
}

/* Where a direct jump or call leads; false: through a register or memory. */
static bool direct_target(const struct step *step, uint64_t *ret)
{
	const ZydisDecodedOperand *op = &step->ops[0];

	if (op->type != ZYDIS_OPERAND_TYPE_IMMEDIATE || !op->imm.is_relative)
		return false;
	*ret = step->next + op->imm.value.u;
	return true;
}

static struct pv_err *do_jump(struct pv_flow *flow, const struct step *step, bool conditional)
{
	struct pv_err *err = NULL;
	uint64_t target;

	if (direct_target(step, &target) && target < flow->n)
		err = arrive(flow, target, &step->state);
	else
		err = set_returns(flow, step->state.function);
	return err || !conditional ? err : arrive(flow, step->next, &step->state);
}

/* `jmp *SLOT(%rip)`, or after endbr64: the linker's stub for a function of another object. */
static bool is_stub(const struct pv_flow *flow, uint64_t at)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };

	if (flow->n - at >= sizeof(endbr64) && !memcmp(flow->code + at, endbr64, sizeof(endbr64)))
		at += sizeof(endbr64);
	if (at < flow->n && flow->code[at] == 0xf2) /* bnd */
		at++;
	return flow->n - at >= 2 && flow->code[at] == 0xff && flow->code[at + 1] == 0x25;
}

/*
 * Behind a call that leaves the code, as that of abort() may, does another function begin?  They
 * are aligned, and filled up to that with nops.
 */
static bool may_end(const struct pv_flow *flow, uint64_t next)
{
	ZydisDecodedInstruction insn;

	return next % ALIGNMENT == 0 || next >= flow->n ||
	       !ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&flow->decoder, NULL, flow->code + next,
							   flow->n - next, &insn)) ||
	       insn.mnemonic == ZYDIS_MNEMONIC_NOP;
}

static struct pv_err *do_call(struct pv_flow *flow, struct step *step)
{
	struct pv_err *err;
	uint64_t target;
	uint32_t callee;

	step->state.flags &= (uint8_t)~SYSCALL;
	if (!direct_target(step, &target) || target >= flow->n || is_stub(flow, target)) {
		return may_end(flow, step->next) ? NULL : arrive(flow, step->next, &step->state);
	}
	err = begin(flow, target, 0, &callee);
	if (err)
		return err;
	if (function_at(flow, callee)->returns)
		return arrive(flow, step->next, &step->state);
	return wait_for(flow, callee, true, step->at);
}

/* A function's address is taken: it is called by way of that. */
static struct pv_err *do_addresses(struct pv_flow *flow, const struct step *step)
{
	const ZydisDecodedOperand *from = &step->ops[1];

	if (step->insn.mnemonic != ZYDIS_MNEMONIC_LEA || from->mem.base != ZYDIS_REGISTER_RIP)
		return NULL;
	return pv_flow_begin(flow, step->next + (uint64_t)from->mem.disp.value);
}

/* `mov $15,%eax; syscall`: rt_sigreturn, which the kernel makes handlers return to. */
static bool is_sigreturn(const struct pv_flow *flow, uint32_t at)
{
	static const uint8_t shorter[] = { 0xb8, 15, 0, 0, 0, 0x0f, 0x05 };
	static const uint8_t longer[] = { 0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05 };
	const uint8_t *code = flow->code + at;
	size_t left = flow->n - at;

	return (left >= sizeof(shorter) && memcmp(code, shorter, sizeof(shorter)) == 0) ||
	       (left >= sizeof(longer) && memcmp(code, longer, sizeof(longer)) == 0);
}

/*
 * What is left when it returns shows whether it was followed right: where a call that never
 * returns was taken to do so, another function goes on with what that one had on the stack.
 */
static struct pv_err *do_return(struct pv_flow *flow, const struct step *step)
{
	const struct place *state = &step->state;

	if (!(state->flags & ENDS) && ((state->rsp != FAR && state->rsp != WORD) ||
				       (state->saved != FAR && state->saved != 0)))
		function_at(flow, state->function)->wrong = true;
	return set_returns(flow, state->function);
}

static struct pv_err *do_step(struct pv_flow *flow, struct step *step)
{
	switch (step->insn.meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
		return do_jump(flow, step, true);
	case ZYDIS_CATEGORY_UNCOND_BR:
		return do_jump(flow, step, false);
	case ZYDIS_CATEGORY_CALL:
		return do_call(flow, step);
	case ZYDIS_CATEGORY_RET:
		return do_return(flow, step);
	default:
		break;
	}
	if (step->insn.mnemonic == ZYDIS_MNEMONIC_HLT ||
	    step->insn.mnemonic == ZYDIS_MNEMONIC_UD2 || step->insn.mnemonic == ZYDIS_MNEMONIC_INT3)
		return NULL;
	do_straight(step);
	drop_slot(&step->state);
	return arrive(flow, step->next, &step->state);
}

/* One instruction within another: at least one of them is no code. */
static struct pv_err *doubt(struct pv_flow *flow, uint32_t at)
{
	struct place *place = &flow->places[at];

	if (place->rsp == FAR && place->rbp == FAR && place->saved == FAR)
		return NULL;
	place->rsp = place->rbp = place->saved = FAR;
	return enqueue(flow, at);
}

static struct pv_err *cover(struct pv_flow *flow, uint32_t at, uint32_t next)
{
	struct pv_err *err = NULL;

	for (uint32_t i = at + 1; !err && i < next; i++) {
		flow->places[i].flags |= INSIDE;
		if (!(flow->places[i].flags & SEEN))
			continue;
		err = doubt(flow, i);
		if (!err)
			err = doubt(flow, at);
	}
	return err;
}

static struct pv_err *follow(struct pv_flow *flow, uint32_t at)
{
	struct place *place = &flow->places[at];
	struct step step = { .at = at };
	struct pv_err *err;

	if (place->flags & BEGIN && is_sigreturn(flow, at))
		place->flags |= SIGRETURN;
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&flow->decoder, flow->code + at, flow->n - at,
						 &step.insn, step.ops)))
		return set_returns(flow, place->function);
	place->length = step.insn.length;
	step.next = at + place->length;
	err = cover(flow, at, step.next);
	step.state = *place;
	step.state.flags &= STATE;
	if (!err)
		err = do_addresses(flow, &step);
	return err ? err : do_step(flow, &step);
}

struct pv_err *pv_flow_run(struct pv_flow *flow)
{
	struct pv_err *err = NULL;

	while (!err && flow->queue.n) {
		uint32_t at = *(uint32_t *)pv_vec_at(&flow->queue, --flow->queue.n);

		flow->places[at].flags &= (uint8_t)~QUEUED;
		err = follow(flow, at);
	}
	return err;
}

static void to_frame(const struct place *place, struct pv_flow_frame *ret)
{
	if (place->flags & SIGRETURN) {
		ret->cfa = PV_FLOW_SIGRETURN;
		return;
	}
	if (place->flags & OUTERMOST) {
		ret->cfa = PV_FLOW_OUTERMOST;
		return;
	}
	if (place->rsp != FAR && place->rsp % WORD == 0) {
		ret->cfa = PV_FLOW_RSP;
		ret->cfa_off = place->rsp;
	} else if (place->rbp != FAR && place->rbp % WORD == 0) {
		ret->cfa = PV_FLOW_RBP;
		ret->cfa_off = place->rbp;
	} else {
		return;
	}
	if (place->saved == FAR || place->saved % WORD) {
		ret->rbp = PV_FLOW_RBP_LOST;
	} else if (place->saved) {
		ret->rbp = PV_FLOW_RBP_SAVED;
		ret->rbp_off = -place->saved;
	}
}

bool pv_flow_next(const struct pv_flow *flow, uint64_t offset, uint64_t limit,
		  struct pv_flow_frame *ret)
{
	for (; offset < flow->n && offset < limit; offset++) {
		const struct place *place = &flow->places[offset];

		if (!(place->flags & SEEN) || !place->length)
			continue;
		*ret = (struct pv_flow_frame){ .start = offset, .end = offset + place->length };
		if (!function_at(flow, place->function)->wrong)
			to_frame(place, ret);
		return true;
	}
	return false;
}
