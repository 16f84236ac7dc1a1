/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The native walker: registers -> return addresses, by compiled .eh_frame
 * rows.  Input: pc, sp, bp and the anchors of the Python walk.  Output:
 * native[] of the sample, flagged where a frame runs Python frames.
 *
 * Merge by stack address: the frame with sp <= anchor < cfa is the activation
 * of _PyEval_EvalFrameDefault that runs the run of that anchor.  Up to 3.9
 * there is no anchor and eval's PC ranges flag the frame.
 */
#ifndef PV_WALK_NATIVE_H
#define PV_WALK_NATIVE_H

#include "walk/walk.h"
#include "walk/window.h"

enum {
	PV_NAT_MAP_STEPS = 17, /* binary search over 64 k mappings */
	PV_NAT_PROLOGUE =
		0x180,         /* bytes of eval: until its frame is published, in all builds seen */
	PV_NAT_ROW_STEPS = 13, /* over the rows of 4 KiB of code */
};

static inline void pv_nat_fail(struct pv_walk *w, __u32 loss, __u64 addr)
{
	w->nat_done = 1;
	w->sample.nat_loss = loss;
	if (!w->sample.fail_addr)
		w->sample.fail_addr = addr;
}

/* Makes w->mapping the one that holds pc; false: there is none. */
static inline bool pv_nat_find_mapping(struct pv_ctx *c, __u64 pc)
{
	struct pv_walk *w = c->w;
	__u32 low = 0, high = c->proc->maps_n, i;

	if (pc >= w->mapping.start && pc < w->mapping.end)
		return true;
	for (i = 0; i < PV_NAT_MAP_STEPS; i++) {
		__u32 middle = low + (high - low) / 2;
		const struct pv_mapping *m;

		if (low >= high)
			return false;
		m = pv_env_mapping(c, c->proc->maps_first + middle);
		if (!m)
			return false;
		if (pc < m->start) {
			high = middle;
		} else if (pc >= m->end) {
			low = middle + 1;
		} else {
			w->mapping = *m;
			return true;
		}
	}
	return false;
}

/* The row in effect at pc, which lies in w->mapping; false: no row, no table. */
static inline bool pv_nat_find_row(struct pv_ctx *c, __u64 pc, struct pv_unwind_row *ret)
{
	const struct pv_mapping *m = &c->w->mapping;
	__u64 vaddr = pc - m->bias, cell;
	__u32 rel, page, low, high, above, i;
	const __u64 *value;

	rel = vaddr - m->base;
	page = rel >> PV_UNWIND_PAGE_SHIFT;
	if (vaddr < m->base || (vaddr - m->base) >> 32 || page >= m->npages)
		return false;
	value = pv_env_cell(c, m->segment, m->cell + page);
	if (!value)
		return false;
	cell = *value;
	low = (__u32)cell;
	high = cell >> 32;
	if (high < low)
		return false;
	/* the last row of low..high whose pc is not above rel */
	for (i = 0; i < PV_NAT_ROW_STEPS; i++) {
		__u32 middle = low + (high - low + 1) / 2;

		if (low >= high)
			break;
		value = pv_env_cell(c, m->segment, m->cell + m->npages + middle);
		if (!value)
			return false;
		/* no branch: each would double the verifier's states; all ones if above */
		above = (__u32)((__s64)((__u64)rel - (__u32)*value) >> 63);
		low += (middle - low) & ~above;
		high -= (high - middle + 1) & above;
	}
	value = pv_env_cell(c, m->segment, m->cell + m->npages + low);
	if (!value)
		return false;
	cell = *value;
	ret->pc = (__u32)cell;
	ret->cfa_off = (__s16)(cell >> 32);
	ret->kinds = (__u8)(cell >> 48);
	ret->rbp_off = (__s8)(cell >> 56);
	return ret->pc <= rel;
}

/* Object and ELF virtual address of pc, or that it is raw. */
static inline __u64 pv_nat_word(const struct pv_walk *w, __u64 pc, bool mapped)
{
	if (mapped && w->mapping.object)
		return (__u64)w->mapping.object << PV_NAT_REL_BITS |
		       ((pc - w->mapping.bias) & ((1ULL << PV_NAT_REL_BITS) - 1));
	return PV_NAT_RAW | (pc & PV_NAT_ADDRESS);
}

/* Appends the frame at pc; its flags can be completed later through the last word.  False: full. */
static inline bool pv_nat_push(struct pv_walk *w, __u64 pc, __u64 word)
{
	__u32 i = w->sample.n_native;

	if (i >= PV_NATIVE_FRAMES_MAX) {
		pv_nat_fail(w, PV_LOSS_NAT_DEPTH, pc);
		return false;
	}
	w->words[(w->nat_at + i) & (PV_WALK_WORDS - 1)] = word;
	w->sample.n_native = i + 1;
	pv_walk_place_native(w, i, 0);
	return true;
}

static inline void pv_nat_flag_last(struct pv_walk *w, __u64 flags)
{
	w->words[(w->nat_at + w->sample.n_native - 1) & (PV_WALK_WORDS - 1)] |= flags;
}

static inline bool pv_nat_in_eval(const struct pv_proc *p, __u64 pc)
{
	__u32 i;

	for (i = 0; i < PV_EVAL_RANGES_MAX; i++) {
		if (pc >= p->eval[i].start && pc < p->eval[i].end)
			return true;
	}
	return false;
}

/*
 * Eval frames are flagged by their PC where there are no anchors: up to 3.9,
 * and where a thread state shows no frame at all, which the merge must check.
 */
static inline bool pv_nat_by_range(const struct pv_ctx *c)
{
	return c->proc->has_python && (c->proc->py.anchor_kind == PV_ANCHOR_NONE ||
				       c->w->sample.flags & PV_SAMPLE_FRAMELESS);
}

/* How the CFA is found, as one number; never 0 for a rule that finds it. */
static inline __u32 pv_nat_cfa_rule(const struct pv_unwind_row *row)
{
	return (__u32)(row->kinds & 15) << 16 | (__u16)row->cfa_off;
}

/*
 * Is this activation of eval at its edge: has it handed back to the one before
 * (its own anchor, no longer published, still names what is current now), or,
 * 3.10, linked its CFrame but not yet its frame?
 */
static inline bool pv_nat_at_edge(struct pv_ctx *c, __u64 cfa)
{
	const struct pv_proc *p = c->proc;
	__u64 anchor = cfa - p->reanchor_cfa, previous = 0;

	if (p->reanchor_cfa <= 0)
		return false;
	if (p->py.anchor_kind == PV_ANCHOR_CFRAME && anchor == c->w->top)
		return true;
	anchor += p->py.anchor_kind == PV_ANCHOR_SHIM ? p->py.fr_previous : p->py.cf_previous;
	return !pv_read(c, &previous, 8, anchor) && previous == c->w->top;
}

/*
 * Is this frame of eval, which no anchor lies in, in the body of its loop?  Its
 * Python frames are then hidden from us (another thread state, of a
 * sub-interpreter).  At its edges, in the prologue and where the frame is
 * being taken down, it has none yet, or no more.
 */
static inline bool pv_nat_hides_python(struct pv_ctx *c, __u64 lookup, __u64 cfa,
				       const struct pv_walk_row *place)
{
	const struct pv_unwind_row *row = &place->row;
	const struct pv_proc *p = c->proc;

	if (p->py.anchor_kind == PV_ANCHOR_NONE || pv_nat_at_edge(c, cfa))
		return false;
	if (c->w->exact && (lookup - p->eval[0].start < PV_NAT_PROLOGUE ||
			    (p->eval_row && p->eval_row != pv_nat_cfa_rule(row)))) {
		c->w->sample.flags |= PV_SAMPLE_EVAL_EDGE;
		return false;
	}
	return true;
}

static inline void pv_nat_next_anchor(struct pv_walk *w, __u32 next)
{
	w->next_anchor = next;
	w->anchor = next < w->n_anchors ? w->anchors[next & (PV_WALK_ANCHORS - 1)] : ~0ULL;
}

/* CFA - anchor is a constant of the binary; a second value forbids bridges. */
static inline void pv_nat_learn(struct pv_ctx *c, __u64 cfa, __u64 anchor, __u64 pc,
				const struct pv_unwind_row *row)
{
	struct pv_proc *p = c->proc;
	__s32 distance = cfa - anchor;

	if ((p->reanchor_cfa == distance && p->eval_row) || p->reanchor_cfa < 0)
		return;
	if (p->reanchor_cfa && p->reanchor_cfa != distance) {
		p->reanchor_cfa = -1;
		pv_env_lost(c, PV_LOSS_REANCHOR_CONFLICT);
		return;
	}
	if (row->kinds >> 4 != PV_RBP_CFA)
		return;
	p->eval_row = pv_nat_cfa_rule(row);
	p->reanchor_pc = pc;
	p->reanchor_rbp = row->rbp_off;
	p->reanchor_cfa = distance;
}

/*
 * Flags the frame [sp, cfa) if it runs the next run of Python frames.  A CFrame that is not the
 * eval loop's runs none.
 */
static inline bool pv_nat_match_anchor(struct pv_ctx *c, __u64 cfa, __u64 pc,
				       const struct pv_walk_row *place)
{
	struct pv_walk *w = c->w;
	__u64 anchor = w->anchor;

	if (anchor >= cfa || anchor < w->sp)
		return false;
	pv_nat_next_anchor(w, w->next_anchor + 1);
	if (c->proc->py.foreign_cframes && !(place->word & PV_NAT_EVAL))
		return false;
	pv_nat_flag_last(w, PV_NAT_ANCHOR);
	if (!w->exact)
		pv_nat_learn(c, cfa, anchor, pc, &place->row);
	return true;
}

/* Reads the caller's registers, given the CFA; negative: unreadable, nothing changed. */
static __attribute__((always_inline)) inline long pv_nat_up(struct pv_ctx *c, __u64 cfa,
							    __u32 rbp_kind, __s32 rbp_off)
{
	struct pv_walk *w = c->w;
	__u64 pair[2] = {}; /* the two words below the CFA: mostly rbp and return address */
	__u64 bp = w->bp;

	if (pv_read_stack(c, pair, 2, cfa - 16))
		return -1;
	if (rbp_kind == PV_RBP_CFA && rbp_off == -2) {
		bp = pair[0];
	} else if (rbp_kind == PV_RBP_CFA || rbp_kind == PV_RBP_AT_RBP) {
		__u64 at = (rbp_kind == PV_RBP_CFA ? cfa : w->bp) + 8 * (__s64)rbp_off;

		if (pv_read_stack(c, &bp, 1, at))
			return -1;
	} else if (rbp_kind == PV_RBP_UNDEFINED) {
		/* no frame is found by it: below the stack, which breaks the walk */
		bp = 0;
	}
	w->pc = pair[1];
	w->bp = bp;
	w->sp = cfa;
	w->exact = 0;
	return 0;
}

/* The registers that a signal handler returns to: struct ucontext at sp (x86-64 ABI). */
static inline void pv_nat_sigreturn(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	struct {
		__u64 rbp, rbx, rdx, rax, rcx, rsp, rip;
	} regs = {};
	__u32 window;

	if (pv_read(c, &regs, sizeof(regs), w->sp + 120)) {
		pv_nat_fail(w, PV_LOSS_NAT_READ, w->sp);
		return;
	}
	w->pc = regs.rip;
	w->sp = regs.rsp;
	w->bp = regs.rbp;
	w->exact = 1;
	window = pv_window_at_pc(c);
	if (window) {
		w->sample.flags |= PV_SAMPLE_TORN;
		w->sample.py_loss = window;
	}
}

/* The CFA by the row; 0 = not to be had, with the loss set. */
static inline __u64 pv_nat_cfa(struct pv_ctx *c, const struct pv_unwind_row *row, __u64 pc,
			       __u32 *loss)
{
	struct pv_walk *w = c->w;
	__s64 off = 8 * (__s64)row->cfa_off;
	__u64 cfa = 0, at;

	switch (row->kinds & 15) {
	case PV_CFA_RSP:
		return w->sp + off;
	case PV_CFA_RBP:
		return w->bp + off;
	case PV_CFA_PLT:
		return w->sp + 8 + ((pc & 15) >= (__u64)row->cfa_off ? 8 : 0);
	case PV_CFA_DEREF_RBP:
	case PV_CFA_DEREF_RSP:
		at = (row->kinds & 15) == PV_CFA_DEREF_RBP ? w->bp : w->sp;
		at += 8 * (__s64)(__s8)(row->cfa_off & 0xff);
		if (pv_read(c, &cfa, 8, at)) {
			*loss = PV_LOSS_NAT_READ;
			return 0;
		}
		return cfa + 8 * (__s64)(__s8)((__u16)row->cfa_off >> 8);
	case PV_CFA_NONE:
		*loss = PV_LOSS_NAT_NOROW;
		return 0;
	default:
		*loss = PV_LOSS_NAT_UNSUPPORTED;
		return 0;
	}
}

/*
 * The native unwind broke.  If a run of Python frames is left, its eval
 * frame's CFA is a known distance from the anchor: go on there.  Returns 1 if the walk has
 * ended; the verifier refuses a function without a result that leaves a pointer in its register.
 */
static inline long pv_nat_break(struct pv_ctx *c, __u32 loss, __u64 addr)
{
	struct pv_walk *w = c->w;
	const struct pv_proc *p = c->proc;
	__s32 distance = p->reanchor_cfa;
	__u64 cfa, pc = p->reanchor_pc;
	bool mapped;

	w->sample.nat_loss = loss;
	if (distance <= 0 || w->next_anchor >= w->n_anchors) {
		pv_nat_fail(w, loss, addr);
		return 1;
	}
	/* that one may not be the eval loop's: greenlet's is the outermost of an interpreter's */
	if (p->py.foreign_cframes && (w->several || w->next_anchor + 1 == w->n_anchors)) {
		pv_nat_fail(w, loss, addr);
		return 1;
	}
	cfa = w->anchor + distance;
	if (cfa <= w->sp) {
		pv_nat_fail(w, loss, addr);
		return 1;
	}
	mapped = pv_nat_find_mapping(c, pc);
	if (!pv_nat_push(w, pc, pv_nat_word(w, pc, mapped) | PV_NAT_BREAK | PV_NAT_ANCHOR))
		return 1;
	pv_nat_next_anchor(w, w->next_anchor + 1);
	w->sample.flags |= PV_SAMPLE_REANCHORED;
	if (pv_nat_up(c, cfa, PV_RBP_CFA, p->reanchor_rbp))
		pv_nat_fail(w, PV_LOSS_NAT_READ, cfa);
	return w->nat_done != 0;
}

/*
 * The row of code that was made at run time, by the code itself: what comes next puts
 * the stack back and returns, so that the caller's frame is certain.  That is how the
 * trampolines of -X perf look where they have called, and at each of their instructions
 * (CPython 3.12 to 3.15 Python/asm_trampoline.S).
 */
static inline bool pv_nat_epilogue_row(struct pv_ctx *c, __u64 pc, struct pv_unwind_row *ret)
{
	__u64 code = 0;
	bool exact;

	if (pv_read(c, &code, sizeof(code), pc))
		return false;
	exact = c->w->exact;
	ret->pc = 0;
	ret->kinds = PV_CFA_RSP | PV_RBP_SAME << 4;
	ret->cfa_off = 2;
	ret->rbp_off = 0;
	/* before the call; what follows it is looked for below */
	if (exact && (code & 0xffffff) == 0xe58948) /* mov %rsp,%rbp */
		code >>= 24;
	if (exact && (code & 0xffff) == 0xd1ff) /* call *%rcx */
		code >>= 16;
	if ((code & 0xffff) == 0xc35d) { /* pop %rbp; ret */
		ret->kinds = PV_CFA_RSP | PV_RBP_CFA << 4;
		ret->rbp_off = -2;
		return true;
	}
	if ((code & 0xffffffffffULL) == 0xc308c48348ULL) /* add $8,%rsp; ret */
		return true;
	/* what stands behind a call that does not return may be the next function's */
	if (!exact)
		return false;
	/* before anything was put on the stack, or when all is gone from it */
	ret->cfa_off = 1;
	if ((code & 0xffffffff) == 0xfa1e0ff3) /* endbr64 */
		code >>= 32;
	return (code & 0xff) == 0xc3 ||                         /* ret */
	       (code & 0xffffffff) == 0xe5894855 ||             /* push %rbp; mov %rsp,%rbp */
	       (code & 0xffffffffffffULL) == 0xd1ff08ec8348ULL; /* sub $8,%rsp; call *%rcx */
}

/*
 * Looks up what is known of the place at lookup: its word is there in any case; 0, or why it has
 * no row.  Apart from the step, which so stays small: mostly the place is remembered.
 */
static __attribute__((noinline)) __u32 pv_nat_look_up(struct pv_ctx *c, struct pv_walk_row *place,
						      __u64 lookup)
{
	struct pv_walk *w = c->w;
	bool mapped = pv_nat_find_mapping(c, lookup);

	place->serial = 0;
	place->lookup = lookup;
	place->word = pv_nat_word(w, lookup, mapped);
	if (!mapped)
		return PV_LOSS_NAT_NOMAP;
	if (!w->mapping.object)
		return pv_nat_epilogue_row(c, w->pc, &place->row) ? 0 : PV_LOSS_NAT_NOROW;
	if (!pv_nat_find_row(c, lookup, &place->row))
		return PV_LOSS_NAT_NOROW;
	if (c->proc->has_python && pv_nat_in_eval(c->proc, lookup))
		place->word |= PV_NAT_EVAL;
	place->serial = c->proc->serial;
	return 0;
}

/* The word of a frame, given that of its lookup, which may be one byte before it. */
static inline __u64 pv_nat_frame_word(const struct pv_walk *w, __u64 word)
{
	const __u64 vaddr = (1ULL << PV_NAT_REL_BITS) - 1;

	if (w->exact)
		return word | PV_NAT_EXACT;
	if (word & PV_NAT_RAW)
		return PV_NAT_RAW | (w->pc & PV_NAT_ADDRESS);
	return (word & ~vaddr) | ((word + 1) & vaddr);
}

/* One frame; returns 1 at the thread's start or when nothing more can be known. */
static long pv_nat_step(__u32 index, void *arg)
{
	struct pv_ctx *c = arg;
	struct pv_walk *w = c->w;
	struct pv_walk_row *place;
	/* a return address belongs to the call before it */
	__u64 pc = w->pc, lookup = pc - 1 + w->exact, cfa, word;
	__u32 loss = 0, kind;

	(void)index;
	place = &w->rows[(lookup ^ lookup >> 9) & (PV_WALK_ROWS - 1)];
	if (place->lookup != lookup || place->serial != w->nat_serial)
		loss = pv_nat_look_up(c, place, lookup);
	word = pv_nat_frame_word(w, place->word & ~PV_NAT_EVAL);
	if (w->nat_ranges &&
	    (loss ? pv_nat_in_eval(c->proc, lookup) : !!(place->word & PV_NAT_EVAL)))
		word |= PV_NAT_ANCHOR;
	if (!pv_nat_push(w, pc, word))
		return 1;
	if (loss)
		return pv_nat_break(c, loss, pc);
	kind = place->row.kinds & 15;
	if (kind == PV_CFA_END) {
		w->sample.flags |= PV_SAMPLE_NAT_END;
		w->nat_done = 1;
		return 1;
	}
	if (kind == PV_CFA_SIGRETURN) {
		pv_nat_sigreturn(c);
		return w->nat_done != 0;
	}
	/* most frames are found by these two */
	if (kind == PV_CFA_RSP)
		cfa = w->sp + 8 * (__s64)place->row.cfa_off;
	else if (kind == PV_CFA_RBP)
		cfa = w->bp + 8 * (__s64)place->row.cfa_off;
	else
		cfa = pv_nat_cfa(c, &place->row, pc, &loss);
	if (!cfa || cfa <= w->sp)
		return pv_nat_break(c, loss ? loss : PV_LOSS_NAT_BADCFA, pc);
	pv_walk_place_native(w, w->sample.n_native - 1U, cfa);
	if (!pv_nat_match_anchor(c, cfa, pc, place) && place->word & PV_NAT_EVAL &&
	    pv_nat_hides_python(c, lookup, cfa, place))
		pv_nat_flag_last(w, PV_NAT_EVAL);
	if (pv_nat_up(c, cfa, place->row.kinds >> 4, place->row.rbp_off))
		return pv_nat_break(c, PV_LOSS_NAT_READ, cfa);
	return w->nat_done != 0;
}

/* The whole native half of a sample; after the Python and the kernel half. */
static inline void pv_walk_native(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;

	w->nat_at = 2 * (__u32)w->sample.n_python + w->sample.n_kernel;
	w->nat_ranges = pv_nat_by_range(c);
	/* the blank entry has none, and nothing is remembered of it */
	w->nat_serial = c->proc->serial ? c->proc->serial : ~0ULL;
	pv_nat_next_anchor(w, w->next_anchor);
	pv_loop(PV_NATIVE_FRAMES_MAX + 1, pv_nat_step, c);
}

#endif
