/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * How the walkers read in units that run on the very thread that is walked
 * (walk/walk.h): what is not in memory is not waited for.
 */
#ifndef PV_BPF_OWN_BPF_H
#define PV_BPF_OWN_BPF_H

#include "bpf/vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "walk/walk.h"

static inline long pv_read(struct pv_ctx *c, void *dst, __u32 n, __u64 addr)
{
	(void)c;
	return bpf_probe_read_user(dst, n, (const void *)addr);
}

/* Fetches the block of the stack at `at`. */
static __noinline long pv_read_block(struct pv_ctx *c, __u64 at)
{
	struct pv_walk *w = c->w;
	__u32 block = (__u32)(at / PV_WALK_STACK) & (PV_WALK_STACK_BLOCKS - 1);

	w->stack_at[block] = 1;
	if (pv_read(c, &w->stack_bytes[block * PV_WALK_STACK], PV_WALK_STACK, at))
		return -1;
	w->stack_at[block] = at;
	return 0;
}

/*
 * Native frames are small, and a read costs as much as walking a few of them: the stack is
 * read a block at a time.  It stands still, since its thread is what we have interrupted;
 * blocks are aligned, so that none reaches into a page that addr is not in.
 */
static inline long pv_read_stack(struct pv_ctx *c, __u64 *words, __u32 n, __u64 addr)
{
	struct pv_walk *w = c->w;
	__u64 at = addr & ~(__u64)(PV_WALK_STACK - 1);
	__u32 block = (__u32)(addr / PV_WALK_STACK) & (PV_WALK_STACK_BLOCKS - 1);
	__u32 offset = (__u32)addr & (PV_WALK_STACK_BYTES - 1);

	if ((addr & (PV_WALK_STACK - 1)) > PV_WALK_STACK - 8 * n)
		return pv_read(c, words, 8 * n, addr);
	if (w->stack_at[block] != at && pv_read_block(c, at))
		return -1;
	words[0] = PV_FIELD(__u64, w->stack_bytes, PV_WALK_STACK_BYTES, offset);
	if (n > 1)
		words[1] = PV_FIELD(__u64, w->stack_bytes, PV_WALK_STACK_BYTES, offset + 8);
	return 0;
}

#endif
