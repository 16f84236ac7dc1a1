/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * x86-64: register numbers (psABI 1.0, figure 3.36) and the forms of rules
 * that compilers and linkers make.  Input: a CFI state.  Output: one row.
 */
#include "unwind/arch.h"

#include "elf/reader.h"

enum {
	REG_RBP = 6,
	REG_RSP = 7,
	REG_RIP = 16,
	WORD = 8,
};

/* DWARF 5, 7.7.1 */
enum {
	OP_DEREF = 0x06,
	OP_AND = 0x1a,
	OP_PLUS = 0x22,
	OP_PLUS_UCONST = 0x23,
	OP_SHL = 0x24,
	OP_GE = 0x2a,
	OP_LIT0 = 0x30,
	OP_BREG0 = 0x70,
};

/* Where glibc's and musl's rt_sigreturn frames keep things, from rsp: ucontext_t. */
enum {
	UCONTEXT_RBP = 120,
	UCONTEXT_RSP = 160,
	UCONTEXT_RIP = 168,
};

const uint64_t pv_arch_fp = REG_RBP;
const uint64_t pv_arch_ra = REG_RIP;

void pv_arch_initial_state(struct pv_cfi_state *ret)
{
	*ret = (struct pv_cfi_state){
		.cfa = PV_CFI_CFA_UNSET,
		.fp = { .kind = PV_RULE_SAME },
		/* A call pushes it; psABI 3.2.2. */
		.ra = { .kind = PV_RULE_AT_CFA, .offset = -WORD },
	};
}

/* `bregN offset` at the cursor. */
static bool take_breg(struct pv_reader *r, unsigned int *reg_ret, int64_t *offset_ret)
{
	unsigned int op = pv_reader_u8(r);

	if (r->bad || op < OP_BREG0 || op > OP_BREG0 + 31)
		return false;
	*reg_ret = op - OP_BREG0;
	*offset_ret = pv_reader_sleb(r);
	return !r->bad;
}

/* The whole expression is `bregN offset`. */
static bool is_breg(const struct pv_cfi_expr *expr, unsigned int *reg_ret, int64_t *offset_ret)
{
	struct pv_reader r = { .at = expr->at, .end = expr->at + expr->n };

	return take_breg(&r, reg_ret, offset_ret) && r.at == r.end;
}

/* A multiple of 8 in [8 min, 8 max], in words. */
static bool to_words(int64_t bytes, int64_t min, int64_t max, int64_t *ret)
{
	if (bytes % WORD || bytes / WORD < min || bytes / WORD > max)
		return false;
	*ret = bytes / WORD;
	return true;
}

/*
 * The PLT rule that GNU ld and lld write (bfd/elfxx-x86.c
 * elf_x86_64_eh_frame_lazy_plt): after the push of an entry, which begins at
 * offset `threshold` of its 16 bytes, the CFA is one word further.
 */
static bool is_plt(const struct pv_cfi_expr *expr, int64_t *threshold_ret)
{
	struct pv_reader r = { .at = expr->at, .end = expr->at + expr->n };
	unsigned int reg, lit;
	int64_t offset;

	if (!take_breg(&r, &reg, &offset) || reg != REG_RSP || offset != 8)
		return false;
	if (!take_breg(&r, &reg, &offset) || reg != REG_RIP || offset != 0)
		return false;
	if (pv_reader_u8(&r) != OP_LIT0 + 15 || pv_reader_u8(&r) != OP_AND)
		return false;
	lit = pv_reader_u8(&r);
	if (lit < OP_LIT0 || lit > OP_LIT0 + 15)
		return false;
	if (pv_reader_u8(&r) != OP_GE || pv_reader_u8(&r) != OP_LIT0 + 3 ||
	    pv_reader_u8(&r) != OP_SHL || pv_reader_u8(&r) != OP_PLUS || r.bad || r.at != r.end)
		return false;
	*threshold_ret = lit - OP_LIT0;
	return true;
}

/*
 * `bregN offset; deref [; plus_uconst add]`: GCC keeps the CFA of a frame with
 * a realigned stack in a slot (dwarf2cfi.c, "fake_cfa"/DRAP); glibc's
 * __restore_rt reads it from the ucontext.
 */
static bool is_deref(const struct pv_cfi_expr *expr, unsigned int *reg_ret, int64_t *offset_ret,
		     int64_t *add_ret)
{
	struct pv_reader r = { .at = expr->at, .end = expr->at + expr->n };
	uint64_t add = 0;

	if (!take_breg(&r, reg_ret, offset_ret) || pv_reader_u8(&r) != OP_DEREF)
		return false;
	if (r.at != r.end) {
		if (pv_reader_u8(&r) != OP_PLUS_UCONST)
			return false;
		add = pv_reader_uleb(&r);
	}
	if (r.bad || r.at != r.end || add > INT32_MAX)
		return false;
	*add_ret = (int64_t)add;
	return true;
}

/* 'S' alone says that the pc is exact; only this layout is what the walker knows. */
static bool is_sigreturn(const struct pv_cfi_state *state)
{
	unsigned int reg;
	int64_t offset, add;

	return state->cfa == PV_CFI_CFA_EXPR && is_deref(&state->expr, &reg, &offset, &add) &&
	       reg == REG_RSP && offset == UCONTEXT_RSP && add == 0 &&
	       state->fp.kind == PV_RULE_EXPR && is_breg(&state->fp.expr, &reg, &offset) &&
	       reg == REG_RSP && offset == UCONTEXT_RBP && state->ra.kind == PV_RULE_EXPR &&
	       is_breg(&state->ra.expr, &reg, &offset) && reg == REG_RSP && offset == UCONTEXT_RIP;
}

static enum pv_cfa_kind encode_cfa_expr(const struct pv_cfi_expr *expr, int64_t *off_ret)
{
	int64_t offset, add;
	unsigned int reg;

	if (is_plt(expr, off_ret))
		return PV_CFA_PLT;
	if (!is_deref(expr, &reg, &offset, &add) || (reg != REG_RSP && reg != REG_RBP))
		return PV_CFA_UNSUPPORTED;
	if (!to_words(offset, INT8_MIN, INT8_MAX, &offset) ||
	    !to_words(add, INT8_MIN, INT8_MAX, &add))
		return PV_CFA_UNSUPPORTED;
	*off_ret = (int16_t)((uint16_t)(uint8_t)offset | (uint16_t)((uint16_t)(uint8_t)add << 8));
	return reg == REG_RSP ? PV_CFA_DEREF_RSP : PV_CFA_DEREF_RBP;
}

static enum pv_cfa_kind encode_cfa(const struct pv_cfi_state *state, int64_t *off_ret)
{
	switch (state->cfa) {
	case PV_CFI_CFA_UNSET:
		return PV_CFA_NONE;
	case PV_CFI_CFA_REG:
		if (state->reg != REG_RSP && state->reg != REG_RBP)
			return PV_CFA_UNSUPPORTED;
		if (!to_words(state->offset, INT16_MIN, INT16_MAX, off_ret))
			return PV_CFA_UNSUPPORTED;
		return state->reg == REG_RSP ? PV_CFA_RSP : PV_CFA_RBP;
	case PV_CFI_CFA_EXPR:
		return encode_cfa_expr(&state->expr, off_ret);
	default:
		return PV_CFA_UNSUPPORTED;
	}
}

/* False: the caller's rbp is lost, but the frame itself can be walked. */
static bool encode_rbp(const struct pv_cfi_rule *rule, enum pv_rbp_kind *kind_ret, int64_t *off_ret)
{
	unsigned int reg;
	int64_t offset;

	*kind_ret = PV_RBP_UNDEFINED;
	*off_ret = 0;
	switch (rule->kind) {
	case PV_RULE_SAME:
		*kind_ret = PV_RBP_SAME;
		return true;
	case PV_RULE_UNDEFINED:
		return true;
	case PV_RULE_AT_CFA:
		if (!to_words(rule->offset, INT8_MIN, INT8_MAX, off_ret))
			return false;
		*kind_ret = PV_RBP_CFA;
		return true;
	case PV_RULE_EXPR:
		if (!is_breg(&rule->expr, &reg, &offset) || reg != REG_RBP ||
		    !to_words(offset, INT8_MIN, INT8_MAX, off_ret))
			return false;
		*kind_ret = PV_RBP_AT_RBP;
		return true;
	default:
		return false;
	}
}

bool pv_arch_encode(const struct pv_cfi_state *state, bool signal_frame, struct pv_unwind_row *ret)
{
	int64_t cfa_off = 0, rbp_off = 0;
	enum pv_rbp_kind rbp = PV_RBP_SAME;
	enum pv_cfa_kind cfa;
	bool whole = true;

	if (state->broken) {
		cfa = PV_CFA_UNSUPPORTED;
	} else if (state->ra.kind == PV_RULE_UNDEFINED) {
		cfa = PV_CFA_END;
	} else if (signal_frame && is_sigreturn(state)) {
		cfa = PV_CFA_SIGRETURN;
	} else if (state->ra.kind != PV_RULE_AT_CFA || state->ra.offset != -WORD) {
		cfa = PV_CFA_UNSUPPORTED;
	} else {
		cfa = encode_cfa(state, &cfa_off);
		if (cfa != PV_CFA_NONE && cfa != PV_CFA_UNSUPPORTED)
			whole = encode_rbp(&state->fp, &rbp, &rbp_off);
	}
	*ret = (struct pv_unwind_row){
		.cfa_off = (int16_t)cfa_off,
		.kinds = (uint8_t)(cfa | rbp << 4),
		.rbp_off = (int8_t)rbp_off,
	};
	return whole && cfa != PV_CFA_UNSUPPORTED;
}
