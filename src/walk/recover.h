/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * In the prologue window of 3.11 and 3.12 tstate->cframe leads nowhere yet, but
 * the eval frame below has not moved: its _PyCFrame is a known distance from
 * its CFA (pv_proc.reanchor_cfa).  Input: the registers.  Output: w->cframe, the
 * one that was current before; the registers are as before.
 */
#ifndef PV_WALK_RECOVER_H
#define PV_WALK_RECOVER_H

#include "walk/native.h"
#include "walk/walk.h"

/* One native frame on the way to the next eval frame; 1 when there, or lost. */
static long pv_recover_step(__u32 index, void *arg)
{
	struct pv_ctx *c = arg;
	struct pv_walk *w = c->w;
	struct pv_unwind_row row = {};
	__u64 lookup = w->exact ? w->pc : w->pc - 1, cfa;
	__u32 loss = 0;

	(void)index;
	if (!pv_nat_find_mapping(c, lookup))
		return 1;
	if (w->mapping.object ? !pv_nat_find_row(c, lookup, &row)
			      : !pv_nat_epilogue_row(c, w->pc, &row))
		return 1;
	if ((row.kinds & 15) == PV_CFA_END) {
		/* the thread's first eval frame: no Python frame yet */
		w->cframe = w->root_cframe;
		return 1;
	}
	cfa = pv_nat_cfa(c, &row, w->pc, &loss);
	if (!cfa || cfa <= w->sp)
		return 1;
	if (!w->exact && pv_nat_in_eval(c->proc, lookup)) {
		w->cframe = cfa - c->proc->reanchor_cfa - c->proc->reanchor_cframe;
		return 1;
	}
	return pv_nat_up(c, cfa, row.kinds >> 4, row.rbp_off) != 0;
}

/*
 * 3.12: the anchor is the boundary frame, not the _PyCFrame; both are locals of
 * one eval frame, a constant apart.  After a walk that went well.
 */
static inline void pv_recover_learn(struct pv_ctx *c)
{
	const struct pv_walk *w = c->w;
	struct pv_proc *p = c->proc;
	__s32 distance;

	if (p->py.anchor_kind != PV_ANCHOR_SHIM || p->py.ts_root_cframe == PV_OFF_NONE ||
	    !w->n_anchors || w->in_window || !(w->sample.flags & PV_SAMPLE_PY_END))
		return;
	distance = w->anchors[0] - w->cframe;
	if (!p->reanchor_cframe)
		p->reanchor_cframe = distance;
	else if (p->reanchor_cframe != distance)
		p->reanchor_cframe = -1;
}

/* False: it is not to be had. */
static inline bool pv_recover_cframe(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	__u64 pc = w->pc, sp = w->sp, bp = w->bp;

	if (c->proc->reanchor_cfa <= 0 || c->proc->reanchor_cframe == -1 ||
	    (c->proc->py.anchor_kind == PV_ANCHOR_SHIM && !c->proc->reanchor_cframe))
		return false;
	w->cframe = 0;
	pv_loop(PV_NATIVE_FRAMES_MAX, pv_recover_step, c);
	w->pc = pc;
	w->sp = sp;
	w->bp = bp;
	w->exact = 1;
	return w->cframe != 0;
}

#endif
