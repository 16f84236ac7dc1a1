/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The Python walker: thread state -> frames.  Input: fsbase and the process
 * entry; all reads by pv_read().  Output: python[] of the sample, the anchors
 * of its runs for the native walker, and the code objects seen for the first
 * time.  Needs a home (walk/walk.h) and walk/code.h.
 *
 * Sources: CPython 3.8 to 3.10 Include/cpython/frameobject.h (f_back chain),
 * 3.10 Include/cpython/pystate.h (CFrame), 3.11 to 3.13
 * Include/internal/pycore_frame.h (_PyInterpreterFrame), glibc nptl/descr.h.
 */
#ifndef PV_WALK_PYTHON_H
#define PV_WALK_PYTHON_H

#include "walk/code.h"
#include "walk/interps.h"
#include "walk/own.h"
#include "walk/recover.h"
#include "walk/tasks.h"
#include "walk/walk.h"
#include "walk/window.h"

static inline void pv_py_fail(struct pv_walk *w, __u32 loss, __u64 addr)
{
	w->py_done = 1;
	w->sample.py_loss = loss;
	w->sample.fail_addr = addr;
}

/* The anchor of the run that has just ended. */
static inline void pv_py_push_anchor(struct pv_walk *w, __u64 anchor)
{
	if (w->n_anchors < PV_PYTHON_FRAMES_MAX)
		w->anchors[w->n_anchors++ & (PV_WALK_ANCHORS - 1)] = anchor;
}

static inline void pv_py_push(struct pv_walk *w, __u64 key, __u32 lasti, __u32 flags)
{
	__u32 i = w->sample.n_python;

	if (i >= PV_PYTHON_FRAMES_MAX) {
		pv_py_fail(w, PV_LOSS_PY_DEPTH, w->frame);
		return;
	}
	w->words[(2 * i) & (PV_WALK_WORDS - 1)] = key;
	w->words[(2 * i + 1) & (PV_WALK_WORDS - 1)] = (__u64)flags << 32 | lasti;
	pv_walk_place_python(w, i, w->frame);
	w->sample.n_python = i + 1;
}

/* Ends a run of Python frames: all of them run in one native eval frame. */
static inline void pv_py_end_run(struct pv_walk *w, __u64 anchor)
{
	__u32 last;

	if (!w->run_frames)
		pv_py_push(w, 0, PV_LASTI_NONE, PV_PYFRAME_EMPTY);
	last = w->sample.n_python;
	if (w->py_done || !last)
		return;
	w->words[(2 * last - 1) & (PV_WALK_WORDS - 1)] |= (__u64)PV_PYFRAME_RUN_END << 32;
	w->sample.n_runs++;
	w->run_frames = 0;
	if (anchor)
		pv_py_push_anchor(w, anchor);
}

/* Goes to the next frame; a frame met twice is a cycle (Brent). */
static inline void pv_py_advance(struct pv_walk *w, __u64 next)
{
	w->frame = next;
	if (next && next == w->cycle_mark) {
		pv_py_fail(w, PV_LOSS_PY_CYCLE, next);
		return;
	}
	if (++w->cycle_steps == w->cycle_power) {
		w->cycle_mark = next;
		w->cycle_power *= 2;
		w->cycle_steps = 0;
	}
}

/*
 * 3.11: the entry frame ends the run of one _PyCFrame, whose predecessor must
 * name the frame that comes next.
 */
static inline void pv_py_next_cframe(struct pv_ctx *c, __u64 next)
{
	struct pv_walk *w = c->w;
	__u64 previous = 0, current = 0;

	if (pv_read_stack(c, &previous, 1, w->cframe + c->proc->py.cf_previous) ||
	    pv_read_stack(c, &current, 1, previous + c->proc->py.cf_current_frame)) {
		pv_py_fail(w, PV_LOSS_PY_READ, w->cframe);
		return;
	}
	if (current != next) {
		pv_py_fail(w, PV_LOSS_PY_BADSTATE, previous);
		return;
	}
	w->cframe = previous;
}

/*
 * 3.14t: instr_ptr points into the copy of the bytecode that tlbc_index names.  A thread that
 * is about to use its own copy changes one after the other (bytecodes.c, _LOAD_BYTECODE).
 */
static inline __s32 pv_py_lasti_in_copy(struct pv_ctx *c, struct pv_walk_code *known, __u64 code)
{
	struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;
	__u64 start = code + py->co_code_adaptive, delta;
	__s32 index =
		PV_FIELD(__s32, w->frame_bytes, PV_WALK_FRAME, py->fr_tlbc_index - py->fr_start);

	if (index)
		start = pv_code_copy_of(c, known, index);
	delta = PV_FIELD(__u64, w->frame_bytes, PV_WALK_FRAME, py->fr_instr - py->fr_start) - start;
	if (start && delta < known->n_bytes && delta < 1 << 28)
		return delta;
	pv_env_lost(c, PV_LOSS_PY_LINE);
	return PV_LASTI_UNKNOWN;
}

/* Bytecode position of the frame in frame_bytes, bytes; -1 = not started. */
static inline __s32 pv_py_lasti(const struct pv_walk *w, const struct pv_pylayout *py, __u64 code)
{
	__u32 at = py->fr_instr - py->fr_start;
	__s32 lasti;
	__s64 delta;

	if (py->instr_kind != PV_INSTR_POINTER) {
		lasti = PV_FIELD(__s32, w->frame_bytes, PV_WALK_FRAME, at);
		return py->instr_kind == PV_INSTR_LASTI_UNITS && lasti > 0 ? (__s32)(2U * lasti)
									   : lasti;
	}
	/* unsigned: what is read may overflow */
	delta = PV_FIELD(__u64, w->frame_bytes, PV_WALK_FRAME, at) - code - py->co_code_adaptive;
	if (delta < -2 || delta >= 1 << 28)
		return -1;
	return delta;
}

/* 3.10: one CFrame of the chain that runs beside the frames. */
static long pv_py_cframe_step(__u32 index, void *arg)
{
	struct pv_ctx *c = arg;
	struct pv_walk *w = c->w;

	(void)index;
	if (w->cframe == w->root_cframe || !w->cframe)
		return 1;
	pv_py_push_anchor(w, w->cframe);
	if (pv_read_stack(c, &w->cframe, 1, w->cframe + c->proc->py.cf_previous))
		w->cframe = 0;
	return 0;
}

/* Copies the thread state and checks that it belongs to this thread. */
static inline long pv_py_read_tstate(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;
	__u32 n = py->ts_len;
	__u64 current = 0;

	if (n > PV_WALK_TSTATE || pv_read(c, w->tstate_bytes, n, w->tstate)) {
		pv_py_fail(w, PV_LOSS_PY_READ, w->tstate);
		return -1;
	}
	if (PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_thread_id) != w->fsbase) {
		pv_py_fail(w, PV_LOSS_PY_BADSTATE, w->tstate);
		return -1;
	}
	if (py->ts_state != PV_OFF_NONE) {
		/* free-threaded: several may be attached at once */
		switch (PV_FIELD(__u32, w->tstate_bytes, PV_WALK_TSTATE, py->ts_state)) {
		case PV_THREAD_ATTACHED:
			w->sample.flags |= PV_SAMPLE_ATTACHED;
			break;
		case PV_THREAD_SUSPENDED:
			w->sample.flags |= PV_SAMPLE_SUSPENDED;
		}
	} else if (py->ts_status != PV_OFF_NONE) {
		/* 3.12+: PyThreadState._status.active */
		if (PV_FIELD(__u32, w->tstate_bytes, PV_WALK_TSTATE, py->ts_status) & 1 << 4)
			w->sample.flags |= PV_SAMPLE_ATTACHED;
	} else if (py->rt_tstate_current) {
		if (!pv_read(c, &current, 8, c->proc->runtime + py->rt_tstate_current) &&
		    current == w->tstate)
			w->sample.flags |= PV_SAMPLE_ATTACHED;
	}
	return 0;
}

/* Begins at the frame that a _PyCFrame of 3.11 or 3.12 names. */
static inline void pv_py_enter_cframe(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;

	w->frame = 0;
	if (pv_read_stack(c, &w->frame, 1, w->cframe + c->proc->py.cf_current_frame))
		pv_py_fail(w, PV_LOSS_PY_READ, w->cframe);
}

/* The label of a sub-interpreter, as the last word of the run that its frames end with. */
static inline void pv_py_push_interp(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	__u64 interp = PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, c->proc->py.ts_interp);
	__u32 at = c->proc->py.is_id;
	__u64 id = 0;
	__u32 i = w->sample.n_python;

	/* before 3.7 the main one is the last of the list, and the others have no ids */
	if (pv_read(c, &id, 8, interp + (at ? at : c->proc->py.is_next))) {
		pv_py_fail(w, PV_LOSS_PY_READ, interp);
		return;
	}
	if (!at && id)
		id = PV_INTERP_UNNUMBERED;
	/* they are counted up: one that large is no id */
	if (!id || (id >> 31 && at) || !i || i >= PV_PYTHON_FRAMES_MAX)
		return;
	w->words[(2 * i - 1) & (PV_WALK_WORDS - 1)] &= ~((__u64)PV_PYFRAME_RUN_END << 32);
	pv_py_push(w, id, PV_LASTI_NONE, PV_PYFRAME_INTERP | PV_PYFRAME_RUN_END);
}

/*
 * Several interpreters: the frames of one end here.  True: those of the one below it follow, or
 * the walk has failed.
 */
static inline bool pv_py_next_interp(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;
	__u64 outer;

	pv_py_push_interp(c);
	outer = w->n_states ? pv_interps_take(w) : 0;
	if (!outer || w->py_done)
		return w->py_done;
	if (py->anchor_kind == PV_ANCHOR_CFRAME)
		pv_loop(PV_PYTHON_FRAMES_MAX, pv_py_cframe_step, c);
	w->tstate = outer;
	if (pv_py_read_tstate(c))
		return true;
	w->cycle_mark = 0;
	w->cycle_power = 1;
	w->cycle_steps = 0;
	w->frame = PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_frame);
	if (py->ts_base_frame != PV_OFF_NONE)
		w->base_frame = PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_base_frame);
	if (py->ts_root_cframe == PV_OFF_NONE)
		return true;
	w->root_cframe = w->tstate + py->ts_root_cframe;
	if (py->anchor_kind == PV_ANCHOR_CFRAME) {
		w->cframe = PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_cframe);
		return true;
	}
	w->cframe = w->frame;
	pv_py_enter_cframe(c);
	return true;
}

/* One frame; returns 1 at the end of the chain or when the walk failed. */
static long pv_py_step(__u32 index, void *arg)
{
	struct pv_ctx *c = arg;
	struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;
	struct pv_walk_code *known;
	__u32 n = py->fr_len, owner = 0, entry = 0;
	__u64 code, next;
	__s32 lasti;

	(void)index;
	if (w->py_done)
		return 1;
	if (!w->frame || w->frame == w->base_frame) {
		/*
		 * From 3.11 a chain ends with an entry or boundary frame, from 3.15 before the
		 * base frame.  YIELD_VALUE clears gen_frame->previous, and compilers let that
		 * happen before current_frame moves.
		 */
		if (py->frame_kind == PV_FRAME_INTERP &&
		    (w->run_frames || w->frame != w->base_frame)) {
			pv_py_fail(w, PV_LOSS_PY_UNLINKED, w->pc);
			return 1;
		}
		if (w->several && pv_py_next_interp(c))
			return w->py_done != 0;
		w->sample.flags |= PV_SAMPLE_PY_END;
		w->py_done = 1;
		return 1;
	}
	if (n > PV_WALK_FRAME || pv_read(c, w->frame_bytes, n, w->frame + py->fr_start)) {
		pv_py_fail(w, PV_LOSS_PY_READ, w->frame);
		return 1;
	}
	code = PV_FIELD(__u64, w->frame_bytes, PV_WALK_FRAME, py->fr_code - py->fr_start);
	code &= ~(__u64)py->code_tag_mask;
	next = PV_FIELD(__u64, w->frame_bytes, PV_WALK_FRAME, py->fr_previous - py->fr_start);
	if (py->fr_owner != PV_OFF_NONE)
		owner = PV_FIELD(__u8, w->frame_bytes, PV_WALK_FRAME, py->fr_owner - py->fr_start);
	if (py->fr_is_entry != PV_OFF_NONE)
		entry = PV_FIELD(__u8, w->frame_bytes, PV_WALK_FRAME,
				 py->fr_is_entry - py->fr_start);

	if (py->anchor_kind == PV_ANCHOR_SHIM && owner >= py->owner_boundary) {
		pv_py_end_run(w, w->frame);
		if (!w->py_done)
			pv_py_advance(w, next);
		return w->py_done != 0;
	}

	known = pv_code_see(c, code);
	if (!known) {
		pv_py_fail(w, PV_LOSS_PY_BADCODE, code);
		return 1;
	}
	if (known->bad) {
		pv_py_fail(w, PV_LOSS_PY_BADCODE, code);
		return 1;
	}
	if (py->fr_tlbc_index != PV_OFF_NONE)
		lasti = pv_py_lasti_in_copy(c, known, code);
	else
		lasti = pv_py_lasti(w, py, code);
	/* as _PyFrame_IsIncomplete: a frame that is still being set up */
	if (py->frame_kind == PV_FRAME_OBJECT || owner == py->owner_generator ||
	    lasti >= known->first_traceable) {
		pv_py_push(w, known->key, lasti < 0 ? PV_LASTI_NONE : (__u32)lasti, 0);
		w->run_frames++;
		if (pv_env_tasks(c) && owner == py->owner_generator)
			w->task_coroutines = 1;
		if (pv_env_tasks(c) && w->n_tasks && !w->py_done)
			pv_tasks_match(c);
	}
	if (w->py_done)
		return 1;
	if (py->frame_kind == PV_FRAME_OBJECT)
		pv_py_end_run(w, 0);
	else if (py->anchor_kind == PV_ANCHOR_ENTRY && entry) {
		pv_py_end_run(w, w->cframe);
		pv_py_next_cframe(c, next);
	}
	if (!w->py_done)
		pv_py_advance(w, next);
	return w->py_done != 0;
}

/*
 * 3.10: CFrames and frames are pushed and popped one after the other, so that
 * at the leaf one of them may have one more.  Counted from the outermost:
 * _PyEval_EvalFrameDefault links the CFrame first and unlinks it first.
 */
static inline void pv_py_align_cframes(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	__s32 surplus;

	if (!(w->sample.flags & PV_SAMPLE_PY_END))
		return;
	pv_loop(PV_PYTHON_FRAMES_MAX, pv_py_cframe_step, c);
	if (w->cframe != w->root_cframe) {
		pv_py_fail(w, PV_LOSS_PY_BADSTATE, w->cframe);
		w->sample.flags &= ~PV_SAMPLE_PY_END;
		return;
	}
	/* a greenlet's stack begins with a CFrame of greenlet's: the natives tell, see the merge */
	if (c->proc->py.foreign_cframes)
		return;
	surplus = (__s32)w->n_anchors - (__s32)w->sample.n_runs;
	if (surplus == 1) {
		w->next_anchor = 1;
	} else if (surplus == -1) {
		w->words[1] |= (__u64)PV_PYFRAME_SKIP << 32;
		w->sample.n_runs--;
	} else if (surplus) {
		w->sample.py_loss = PV_LOSS_MERGE_COUNT;
		w->sample.flags &= ~PV_SAMPLE_PY_END;
	}
}

/* In a window: what was current before, or the sample is marked. */
static inline void pv_py_first_frame_torn(struct pv_ctx *c, __u32 window)
{
	struct pv_walk *w = c->w;

	if (window == PV_LOSS_PY_TORN && pv_recover_cframe(c)) {
		pv_py_enter_cframe(c);
		return;
	}
	w->sample.flags |= PV_SAMPLE_TORN;
	pv_py_fail(w, window, w->pc);
}

/* The innermost frame, and the CFrame that leads to it where there is one. */
static inline void pv_py_first_frame(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;
	__u32 window;

	w->cframe = w->root_cframe = w->base_frame = 0;
	w->cycle_mark = 0;
	w->cycle_power = 1;
	w->cycle_steps = 0;
	w->frame = PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_frame);
	if (py->ts_base_frame != PV_OFF_NONE)
		w->base_frame = PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_base_frame);
	if (py->ts_root_cframe == PV_OFF_NONE)
		return;
	w->root_cframe = w->tstate + py->ts_root_cframe;
	if (py->anchor_kind == PV_ANCHOR_CFRAME) {
		w->cframe = PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_cframe);
		return;
	}
	window = pv_window_at_pc(c);
	if (window) {
		pv_py_first_frame_torn(c, window);
		return;
	}
	w->cframe = w->frame;
	pv_py_enter_cframe(c);
}

/* The whole Python half of a sample. */
static inline void pv_walk_python(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	const struct pv_proc *p = c->proc;
	__u64 first;
	long found;

	if (!p->has_python) {
		w->sample.flags |= PV_SAMPLE_NO_TSTATE;
		return;
	}
	found = pv_own_find(c);
	if (found) {
		w->sample.flags |= PV_SAMPLE_NO_TSTATE;
		if (found < 0)
			pv_py_fail(w, PV_LOSS_PY_READ, p->runtime);
		return;
	}
	pv_interps_find(c);
	first = w->tstate;
	if (pv_py_read_tstate(c))
		return;
	pv_tasks_find(c);
	pv_py_first_frame(c);
	w->top = p->py.anchor_kind == PV_ANCHOR_SHIM ? w->frame : w->cframe;
	if (w->py_done)
		return;
	if (!w->frame || w->frame == w->base_frame) {
		w->sample.flags |= PV_SAMPLE_FRAMELESS | PV_SAMPLE_PY_END;
		return;
	}
	pv_loop(PV_PYTHON_FRAMES_MAX + PV_PYTHON_FRAMES_MAX / 2, pv_py_step, c);
	if (!w->py_done)
		pv_py_fail(w, PV_LOSS_PY_DEPTH, w->frame);
	/* 3.11: the run that is cut has its anchor all the same */
	if (w->sample.py_loss == PV_LOSS_PY_DEPTH && p->py.anchor_kind == PV_ANCHOR_ENTRY &&
	    w->run_frames)
		pv_py_push_anchor(w, w->cframe);
	if (p->py.anchor_kind == PV_ANCHOR_CFRAME)
		pv_py_align_cframes(c);
	/* whose collection may be going on is asked of the innermost */
	if (w->tstate == first) {
		pv_recover_learn(c);
	} else {
		w->tstate = first;
		if (!w->sample.py_loss && pv_py_read_tstate(c))
			w->sample.flags &= ~PV_SAMPLE_PY_END;
	}
	/* before 3.11 a frame does not tell whether it is a coroutine's */
	if (pv_env_tasks(c) && w->task_unread &&
	    (!w->task_matched || w->task_coroutines || p->py.frame_kind == PV_FRAME_OBJECT))
		w->sample.flags |= PV_SAMPLE_TASK_UNREAD;
	pv_code_copy_new(c);
}

#endif
