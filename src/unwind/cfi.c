/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interprets call frame instructions (DWARF 5, 6.4.2 and 7.24; GNU extensions
 * as in gcc's unwind-dw2.c).  Input: the CIEs and FDEs of a section, untrusted.
 * Output: unwind rows that track only the CFA, the frame pointer and the
 * return address.
 */
#include "unwind/cfi.h"

#include <stdlib.h>
#include <string.h>

#include "elf/reader.h"
#include "unwind/arch.h"

enum {
	CFA_ADVANCE_LOC = 0x40, /* low 6 bits: delta */
	CFA_OFFSET = 0x80,      /* low 6 bits: register */
	CFA_RESTORE = 0xc0,
	CFA_HIGH_MASK = 0xc0,
	CFA_LOW_MASK = 0x3f,

	CFA_NOP = 0x00,
	CFA_SET_LOC = 0x01,
	CFA_ADVANCE_LOC1 = 0x02,
	CFA_ADVANCE_LOC2 = 0x03,
	CFA_ADVANCE_LOC4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER_STATE = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_MIPS_ADVANCE_LOC8 = 0x1d,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

/* GCC nests one or two deep. */
enum { REMEMBER_MAX = 32 };

struct machine {
	const struct pv_ehframe *it;
	const struct pv_ehframe_cie *cie;
	const struct pv_cfi_state *initial; /* what DW_CFA_restore goes back to */
	struct pv_reader r;
	struct pv_cfi_state now;
	struct pv_cfi_state stack[REMEMBER_MAX];
	size_t depth;
	uint64_t loc;
	bool moved; /* the last instruction set new_loc */
	uint64_t new_loc;
};

struct pv_err *pv_cfi_emit(struct pv_cfi_rows *rows, uint64_t vaddr, struct pv_unwind_row row)
{
	uint64_t cell;

	row.pc = 0;
	if (rows->cells.n > rows->first) {
		struct pv_unwind_row last;

		memcpy(&last, pv_vec_at(&rows->cells, rows->cells.n - 1), sizeof(last));
		last.pc = 0;
		if (!memcmp(&last, &row, sizeof(row)))
			return NULL;
	}
	row.pc = (uint32_t)(vaddr - rows->base);
	memcpy(&cell, &row, sizeof(cell));
	return pv_vec_append(&rows->cells, &cell, 1, NULL);
}

static struct pv_cfi_rule *tracked(struct machine *m, uint64_t reg)
{
	if (reg == pv_arch_fp)
		return &m->now.fp;
	if (reg == pv_arch_ra)
		return &m->now.ra;
	return NULL;
}

static void set_rule(struct machine *m, uint64_t reg, struct pv_cfi_rule rule)
{
	struct pv_cfi_rule *its = tracked(m, reg);

	if (its)
		*its = rule;
}

static void set_offset(struct machine *m, uint64_t reg, int64_t factored)
{
	struct pv_cfi_rule rule = { .kind = PV_RULE_AT_CFA };

	if (__builtin_mul_overflow(factored, m->cie->data_align, &rule.offset))
		rule = (struct pv_cfi_rule){ .kind = PV_RULE_OTHER };
	set_rule(m, reg, rule);
}

static void restore_rule(struct machine *m, uint64_t reg)
{
	if (reg == pv_arch_fp)
		m->now.fp = m->initial->fp;
	else if (reg == pv_arch_ra)
		m->now.ra = m->initial->ra;
}

static struct pv_cfi_expr take_expr(struct machine *m)
{
	uint64_t n = pv_reader_uleb(&m->r);
	struct pv_cfi_expr expr = { .at = m->r.at, .n = n };

	pv_reader_skip(&m->r, n);
	if (m->r.bad)
		expr.n = 0;
	return expr;
}

static void def_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
	m->now.cfa = PV_CFI_CFA_REG;
	m->now.reg = reg;
	m->now.offset = offset;
	m->now.expr = (struct pv_cfi_expr){ 0 };
}

static int64_t factored_sleb(struct machine *m)
{
	int64_t offset;

	if (__builtin_mul_overflow(pv_reader_sleb(&m->r), m->cie->data_align, &offset))
		m->r.bad = true;
	return m->r.bad ? 0 : offset;
}

static void advance(struct machine *m, uint64_t factored)
{
	uint64_t delta;

	/* Past the end of all code is where the function's limit stops it. */
	if (__builtin_mul_overflow(factored, m->cie->code_align, &delta) ||
	    __builtin_add_overflow(m->loc, delta, &m->new_loc))
		m->new_loc = UINT64_MAX;
	m->moved = true;
}

static void set_loc(struct machine *m)
{
	uint64_t field = m->it->vaddr + (uint64_t)(m->r.at - m->it->data);
	uint64_t loc = pv_reader_encoded(&m->r, m->cie->encoding, field, 0);

	/* "The new location value is always greater than the current one" */
	if (loc < m->loc)
		m->r.bad = true;
	m->new_loc = loc;
	m->moved = true;
}

/* The three that change one half of a register-and-offset rule only. */
static void change_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
	if (m->now.cfa == PV_CFI_CFA_REG)
		def_cfa(m, reg, offset);
	else
		m->now.cfa = PV_CFI_CFA_BAD;
}

static void execute_cfa(struct machine *m, uint8_t op)
{
	uint64_t reg;

	switch (op) {
	case CFA_DEF_CFA:
		reg = pv_reader_uleb(&m->r);
		def_cfa(m, reg, (int64_t)pv_reader_uleb(&m->r));
		break;
	case CFA_DEF_CFA_SF:
		reg = pv_reader_uleb(&m->r);
		def_cfa(m, reg, factored_sleb(m));
		break;
	case CFA_DEF_CFA_REGISTER:
		change_cfa(m, pv_reader_uleb(&m->r), m->now.offset);
		break;
	case CFA_DEF_CFA_OFFSET:
		change_cfa(m, m->now.reg, (int64_t)pv_reader_uleb(&m->r));
		break;
	case CFA_DEF_CFA_OFFSET_SF:
		change_cfa(m, m->now.reg, factored_sleb(m));
		break;
	default: /* CFA_DEF_CFA_EXPRESSION */
		m->now.expr = take_expr(m);
		m->now.cfa = PV_CFI_CFA_EXPR;
		m->now.reg = 0;
		m->now.offset = 0;
	}
}

static void execute_rule(struct machine *m, uint8_t op)
{
	uint64_t reg = pv_reader_uleb(&m->r);
	struct pv_cfi_rule rule = { .kind = PV_RULE_OTHER };

	switch (op) {
	case CFA_OFFSET_EXTENDED:
		set_offset(m, reg, (int64_t)pv_reader_uleb(&m->r));
		return;
	case CFA_OFFSET_EXTENDED_SF:
		set_offset(m, reg, pv_reader_sleb(&m->r));
		return;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		set_offset(m, reg, (int64_t)(0 - pv_reader_uleb(&m->r)));
		return;
	case CFA_RESTORE_EXTENDED:
		restore_rule(m, reg);
		return;
	case CFA_UNDEFINED:
		rule.kind = PV_RULE_UNDEFINED;
		break;
	case CFA_SAME_VALUE:
		rule.kind = PV_RULE_SAME;
		break;
	case CFA_EXPRESSION:
		rule.kind = PV_RULE_EXPR;
		rule.expr = take_expr(m);
		break;
	case CFA_VAL_EXPRESSION:
		take_expr(m);
		break;
	case CFA_VAL_OFFSET_SF:
		pv_reader_sleb(&m->r);
		break;
	default: /* CFA_REGISTER, CFA_VAL_OFFSET */
		pv_reader_uleb(&m->r);
	}
	set_rule(m, reg, rule);
}

static void execute_low(struct machine *m, uint8_t op)
{
	switch (op) {
	case CFA_NOP:
		break;
	case CFA_SET_LOC:
		set_loc(m);
		break;
	case CFA_ADVANCE_LOC1:
		advance(m, pv_reader_u8(&m->r));
		break;
	case CFA_ADVANCE_LOC2:
		advance(m, pv_reader_u16(&m->r));
		break;
	case CFA_ADVANCE_LOC4:
		advance(m, pv_reader_u32(&m->r));
		break;
	case CFA_MIPS_ADVANCE_LOC8:
		advance(m, pv_reader_u64(&m->r));
		break;
	case CFA_REMEMBER_STATE:
		if (m->depth < REMEMBER_MAX)
			m->stack[m->depth++] = m->now;
		else
			m->r.bad = true;
		break;
	case CFA_RESTORE_STATE:
		if (m->depth > 0)
			m->now = m->stack[--m->depth];
		else
			m->r.bad = true;
		break;
	case CFA_DEF_CFA ... CFA_DEF_CFA_EXPRESSION:
	case CFA_DEF_CFA_SF:
	case CFA_DEF_CFA_OFFSET_SF:
		execute_cfa(m, op);
		break;
	case CFA_OFFSET_EXTENDED ... CFA_REGISTER:
	case CFA_EXPRESSION:
	case CFA_OFFSET_EXTENDED_SF:
	case CFA_VAL_OFFSET ... CFA_VAL_EXPRESSION:
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		execute_rule(m, op);
		break;
	case CFA_GNU_ARGS_SIZE: /* of interest to landing pads only */
		pv_reader_uleb(&m->r);
		break;
	default:
		m->r.bad = true;
	}
}

static void execute(struct machine *m)
{
	uint8_t op = pv_reader_u8(&m->r), low = op & CFA_LOW_MASK;

	switch (op & CFA_HIGH_MASK) {
	case CFA_ADVANCE_LOC:
		advance(m, low);
		break;
	case CFA_OFFSET:
		set_offset(m, low, (int64_t)pv_reader_uleb(&m->r));
		break;
	case CFA_RESTORE:
		restore_rule(m, low);
		break;
	default:
		execute_low(m, op);
	}
}

static void machine_init(struct machine *m, const struct pv_ehframe *it, uint32_t cie,
			 uint32_t insns, uint32_t insns_end, const struct pv_cfi_state *initial)
{
	m->it = it;
	m->cie = pv_ehframe_cie_at(it, cie);
	m->initial = initial;
	m->r = (struct pv_reader){ .at = it->data + insns, .end = it->data + insns_end };
	m->now = *initial;
	m->depth = 0;
	m->loc = 0;
	m->moved = false;
}

struct pv_err *pv_cfi_initial_states(const struct pv_ehframe *it, struct pv_cfi_state **ret)
{
	struct pv_cfi_state *states = calloc(it->cies.n ? it->cies.n : 1, sizeof(*states));
	struct pv_cfi_state start;
	struct machine m;

	if (!states)
		return &pv_enomem;
	pv_arch_initial_state(&start);
	for (uint32_t i = 0; i < it->cies.n; i++) {
		const struct pv_ehframe_cie *cie = pv_ehframe_cie_at(it, i);

		states[i] = start;
		if (!cie->usable)
			continue;
		machine_init(&m, it, i, cie->insns, cie->insns_end, &start);
		while (m.r.at < m.r.end && !m.r.bad)
			execute(&m);
		states[i] = m.now;
		states[i].broken = m.r.bad || cie->ra_register != pv_arch_ra;
	}
	*ret = states;
	return NULL;
}

static struct pv_err *emit_state(const struct machine *m, struct pv_cfi_rows *rows)
{
	struct pv_unwind_row row;

	if (!pv_arch_encode(&m->now, m->cie->signal_frame, &row))
		rows->n_unsupported++;
	return pv_cfi_emit(rows, m->loc, row);
}

struct pv_err *pv_cfi_run(const struct pv_ehframe *it, const struct pv_cfi_state *initial,
			  const struct pv_cfi_function *function, struct pv_cfi_rows *rows)
{
	struct machine m;
	struct pv_err *err;

	machine_init(&m, it, function->cie, function->insns, function->insns_end, initial);
	m.loc = function->start;
	while (m.r.at < m.r.end) {
		execute(&m);
		if (m.r.bad) {
			m.now.broken = true;
			break;
		}
		if (!m.moved)
			continue;
		m.moved = false;
		if (m.new_loc == m.loc)
			continue;
		err = emit_state(&m, rows);
		if (err)
			return err;
		m.loc = m.new_loc;
		if (m.loc >= function->limit)
			return NULL;
	}
	return emit_state(&m, rows);
}
