/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The frame-switch windows of 3.11 and 3.12: at such a pc the interpreter has
 * published a frame that is not linked yet, and what the chain says is not to
 * be trusted.  Input: a pc, the windows of the process entry.  Output: which.
 */
#ifndef PV_WALK_WINDOW_H
#define PV_WALK_WINDOW_H

#include "walk/walk.h"

static long pv_window_step(__u32 index, void *arg)
{
	struct pv_ctx *c = arg;
	const struct pv_range *window;

	if (index >= PV_INLINED_MAX)
		return 1;
	window = &c->proc->inlined[index];
	if (!window->end)
		return 1;
	if (c->w->pc >= window->start && c->w->pc < window->end)
		c->w->in_window = PV_LOSS_PY_INLINED;
	return 0;
}

/* The window that w->pc, an exact one, is in: PV_LOSS_PY_TORN, _INLINED, or 0. */
static inline __u32 pv_window_at_pc(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	const struct pv_proc *p = c->proc;

	w->in_window = w->pc - p->torn.start < p->torn.end - p->torn.start ? PV_LOSS_PY_TORN : 0;
	if (p->inlined[0].end)
		pv_loop(PV_INLINED_MAX, pv_window_step, c);
	return w->in_window;
}

#endif
