/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A thread's own PyThreadState, as PyGILState_GetThisThreadState() finds it: it
 * stays the thread's while the GIL is released.  Input: fsbase, the process
 * entry.  Output: w->tstate.
 *
 * Sources: CPython Python/pystate.c; glibc nptl/descr.h, sysdeps/generic/dl-dtv.h.
 */
#ifndef PV_WALK_OWN_H
#define PV_WALK_OWN_H

#include "walk/walk.h"

enum { PV_OWN_STEPS = 8192 }; /* thread states and interpreters looked through */

/* The key; 1: there is none yet, negative: it cannot be. */
static inline long pv_own_key(struct pv_ctx *c, __u32 *ret)
{
	const struct pv_proc *p = c->proc;
	__u32 words[2] = {}; /* Py_tss_t: _is_initialized, _key */

	if (pv_read(c, words, p->py.own_kind == PV_OWN_KEY ? 4 : 8, p->runtime + p->py.rt_tss_key))
		return -1;
	if (p->py.own_kind == PV_OWN_KEY) {
		/* 3.6: autoTLSkey = -1 before and after */
		words[1] = words[0];
		words[0] = words[1] != ~0U;
	}
	*ret = words[1];
	if (!words[0])
		return 1;
	return words[1] >= 1024 ? -1 : 0;
}

/* pthread_getspecific() of the key */
static inline long pv_own_by_key(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	const struct pv_proc *p = c->proc;
	__u64 block = 0, data = 0;
	__u32 per_block = p->pthread_key_block, key = 0;
	long none = pv_own_key(c, &key);

	if (none || !per_block)
		return none ? none : -1;
	if (pv_read(c, &block, 8, w->fsbase + p->pthread_specific + 8 * (key / per_block)))
		return -1;
	if (!block)
		return 1;
	if (pv_read(c, &data, 8,
		    block + (key % per_block) * p->pthread_key_size + p->pthread_key_data))
		return -1;
	if (!data)
		return 1;
	w->tstate = data;
	return 0;
}

/* The thread-local _Py_tss_gilstate, by itself or by its module's block. */
static inline long pv_own_by_tls(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	const struct pv_proc *p = c->proc;
	__u64 block = w->fsbase, data = 0;

	if (p->tls_module) {
		if (pv_read(c, &block, 8, w->fsbase + PV_DTV_POINTER) ||
		    pv_read(c, &block, 8, block + PV_DTV_ENTRY * p->tls_module))
			return -1;
		/* all ones: this thread has not used it yet */
		if (!block || block == ~0ULL)
			return 1;
	}
	if (pv_read(c, &data, 8, block + p->tls_offset))
		return -1;
	if (!data)
		return 1;
	w->tstate = data;
	return 0;
}

/*
 * One step through the lists; 1 at their end, or when they are not whole.  own_at: the state
 * whose bytes were read, if it names this thread; else 0.
 */
static inline long pv_own_list_read(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	const struct pv_pylayout *py = &c->proc->py;
	__u64 at = w->own_next;
	__u32 n = py->ts_len;

	w->own_at = 0;
	if (!at) {
		if (!w->own_interp) {
			w->own_done = 1;
			return 1;
		}
		if (pv_read(c, &w->own_next, 8, w->own_interp + py->is_threads_head) ||
		    pv_read(c, &w->own_interp_next, 8, w->own_interp + py->is_next))
			return 1;
		if (!w->own_next)
			w->own_interp = w->own_interp_next;
		return 0;
	}
	if (n > PV_WALK_TSTATE || pv_read(c, w->tstate_bytes, n, at))
		return 1;
	/* one that is freed meanwhile: malloc() overwrites its first two words */
	if (PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_interp) != w->own_interp)
		return 1;
	w->own_next = PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_next);
	if (!w->own_next)
		w->own_interp = w->own_interp_next;
	if (PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, py->ts_thread_id) == w->fsbase)
		w->own_at = at;
	return 0;
}

/* One thread state of the lists; 1 at their end, or when they are not whole. */
static long pv_own_list_step(__u32 index, void *arg)
{
	struct pv_ctx *c = arg;
	struct pv_walk *w = c->w;

	(void)index;
	if (pv_own_list_read(c))
		return 1;
	if (!w->own_at)
		return 0;
	if (PV_FIELD(__u64, w->tstate_bytes, PV_WALK_TSTATE, c->proc->py.ts_frame)) {
		w->own_active++;
		w->tstate = w->own_at;
	} else if (!w->tstate) {
		w->tstate = w->own_at;
	}
	return 0;
}

/*
 * 2.7 keeps no key of the C library's.  The holder of the GIL is the quick way;
 * else all thread states are looked through.  A state made for a thread that is
 * about to start carries its maker's pthread_self(), but has no frame yet.
 */
static inline long pv_own_by_list(struct pv_ctx *c)
{
	struct pv_walk *w = c->w;
	const struct pv_proc *p = c->proc;
	__u64 holder = 0, id = 0;

	if (pv_read(c, &holder, 8, p->runtime + p->py.rt_tstate_current))
		return -1;
	if (holder && !pv_read(c, &id, 8, holder + p->py.ts_thread_id) && id == w->fsbase) {
		w->tstate = holder;
		return 0;
	}
	w->tstate = w->own_next = w->own_interp_next = 0;
	w->own_done = w->own_active = 0;
	if (pv_read(c, &w->own_interp, 8, p->runtime + p->py.rt_interpreters_head))
		return -1;
	pv_loop(PV_OWN_STEPS, pv_own_list_step, c);
	/* two with frames: of two interpreters, and which is meant is not known */
	if (!w->own_done || w->own_active > 1)
		return -1;
	return !w->tstate;
}

/* Returns 0 and sets tstate; 1 = this thread has none; negative = unreadable. */
static inline long pv_own_find(struct pv_ctx *c)
{
	switch (c->proc->py.own_kind) {
	case PV_OWN_TLS:
		return pv_own_by_tls(c);
	case PV_OWN_LIST:
		return pv_own_by_list(c);
	default:
		return pv_own_by_key(c);
	}
}

#endif
