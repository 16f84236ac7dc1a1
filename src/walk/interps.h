/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Several interpreters in one process: a thread that runs code of another one has a
 * thread state of each, with frames of its own, which stand on one C stack, one
 * after the other.  Input: w->tstate, the one that walk/own.h has found.  Output:
 * the innermost as w->tstate, and in which order the others follow.
 *
 * Up to 3.11 the key leads to the thread's first state, from 3.12 on to the one that
 * was last attached: CPython Python/pystate.c, bind_gilstate_tstate().
 *
 * What cannot be put in order is left out: then the native frames tell that Python
 * frames are missing, and the sample is marked; up to 3.9, where they are only counted, it
 * says so itself, because one eval frame more is taken for one that is about to begin.  So
 * it is where the lists are longer than may be looked through in an interrupt, which is counted.
 */
#ifndef PV_WALK_INTERPS_H
#define PV_WALK_INTERPS_H

#include "walk/own.h"

/* Thread states and interpreters looked through, in the timer's interrupt: some 0.1 us each. */
enum { PV_INTERPS_STEPS = 512 };

/* Does the state in tstate_bytes, at `at`, have frames?  Then where they begin, if the C stack
 * tells. */
static inline bool pv_interps_active(const struct pv_ctx *c, __u64 at, __u64 *where_ret)
{
	const struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;
	__u64 frame = PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_frame);

	*where_ret = 0;
	if (py->ts_root_cframe != PV_OFF_NONE) {
		if (py->ts_cframe == PV_OFF_NONE)
			*where_ret = frame;
		else
			*where_ret =
				PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_cframe);
		/* up to 3.12 another thread may run in a state that this one has made */
		return frame && *where_ret != at + py->ts_root_cframe && *where_ret >= w->sp &&
		       (*where_ret < w->fsbase || w->fsbase < w->sp);
	}
	if (py->ts_base_frame != PV_OFF_NONE &&
	    frame == PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_base_frame))
		return false;
	return frame != 0;
}

/* Keeps the state in tstate_bytes, if it has frames. */
static inline void pv_interps_keep(struct pv_ctx *c, __u64 at)
{
	struct pv_walk *w = c->w;
	__u64 where;
	__u32 i;

	if (!pv_interps_active(c, at, &where))
		return;
	i = w->n_states++ & (PV_WALK_STATES - 1);
	w->state[i] = at;
	w->state_at[i] = where;
}

/*
 * One step through the lists of all interpreters but the home, and then, if the thread has
 * frames in one of those, through the home's: mostly it has not, and the home is the one that
 * has the many threads.
 */
static long pv_interps_step(__u32 index, void *arg)
{
	struct pv_ctx *c = arg;
	struct pv_walk *w = c->w;

	if (index >= PV_INTERPS_STEPS) {
		pv_env_lost(c, PV_LOSS_PY_INTERPS);
		return 1;
	}
	if (!w->own_next) {
		if (w->home_begun ? w->own_interp != w->home
				  : !w->own_interp && w->n_states == w->own_active) {
			w->own_done = 1;
			return 1;
		}
		if (!w->own_interp) {
			w->home_begun = 1;
			w->own_interp = w->home;
		} else if (w->own_interp == w->home && !w->home_begun) {
			return pv_read(c, &w->own_interp, 8, w->home + c->proc->py.is_next) != 0;
		}
	}
	if (pv_own_list_read(c))
		return 1;
	if (w->own_at && w->own_at != w->tstate)
		pv_interps_keep(c, w->own_at);
	return 0;
}

/*
 * Takes out the one that is lowest on the stack; 0: none is left.  What it has found is kept in the
 * walk, not in registers: the verifier would follow each combination.
 */
static inline __u64 pv_interps_take(struct pv_walk *w)
{
	__u64 best;
	__u32 i;

	w->take_at = ~0ULL;
	w->take = 0;
	for (i = 0; i < PV_WALK_STATES; i++) {
		if (i < w->n_states && w->state[i] && w->state_at[i] < w->take_at) {
			w->take_at = w->state_at[i];
			w->take = i;
		}
	}
	if (w->take_at == ~0ULL)
		return 0;
	i = w->take & (PV_WALK_STATES - 1);
	best = w->state[i];
	w->state[i] = 0;
	return best;
}

/* Where the C stack does not tell, two can be put in order if one is known to be the inner one. */
static inline void pv_interps_order(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;
	__u32 i;

	if (py->ts_root_cframe != PV_OFF_NONE)
		return;
	w->take_at = w->tstate;
	/* the holder of the GIL is the one that runs; without it nothing tells */
	if (py->anchor_kind == PV_ANCHOR_NONE && w->n_states > 1 &&
	    pv_read(c, &w->take_at, 8, c->proc->runtime + py->rt_tstate_current))
		w->take_at = 0;
	w->take = 0;
	for (i = 0; i < PV_WALK_STATES; i++) {
		w->state_at[i] = w->state[i] != w->take_at;
		if (i < w->n_states && w->state[i] == w->take_at)
			w->take++;
	}
	if (w->n_states > 2 || (w->n_states == 2 && !w->take)) {
		w->n_states = 0;
		w->unordered = 1;
	}
}

/* Are there several?  *first_ret: the newest, which is the head of their list. */
static inline bool pv_interps_several(struct pv_ctx *c, __u64 *first_ret)
{
	const struct pv_pylayout *py = &c->proc->py;
	__u64 ends[2] = {}; /* pyruntime.interpreters.head and .main, from 3.7 to 3.15 */
	__u64 next = 0;

	if (py->is_id) {
		if (pv_read(c, ends, sizeof(ends), c->proc->runtime + py->rt_interpreters_head))
			return false;
		*first_ret = ends[0];
		return ends[0] != ends[1];
	}
	if (pv_read(c, first_ret, 8, c->proc->runtime + py->rt_interpreters_head) || !*first_ret ||
	    pv_read(c, &next, 8, *first_ret + py->is_next))
		return false;
	return next != 0;
}

static inline void pv_interps_find(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;
	__u64 first = 0, inner;
	__u32 n = py->ts_len;

	w->n_states = w->several = w->unordered = 0;
	if (!pv_interps_several(c, &first))
		return;
	w->several = 1;
	if (n > PV_WALK_TSTATE || pv_read(c, w->tstate_bytes, n, w->tstate))
		return;
	w->home = PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_interp);
	if (PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_thread_id) == w->fsbase)
		pv_interps_keep(c, w->tstate);
	w->own_active = w->n_states;
	w->own_interp = first;
	w->own_next = w->own_interp_next = 0;
	w->own_done = w->home_begun = 0;
	pv_loop(PV_INTERPS_STEPS + 1, pv_interps_step, c);
	if (!w->own_done || w->n_states > PV_WALK_STATES) {
		w->n_states = 0;
		w->unordered = 1;
	}
	pv_interps_order(c);
	if (w->unordered)
		w->sample.flags |= PV_SAMPLE_PY_PART;
	inner = pv_interps_take(w);
	if (inner)
		w->tstate = inner;
}

#endif
