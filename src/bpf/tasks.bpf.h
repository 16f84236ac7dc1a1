/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Whether the walkers look for tasks, in units that may.  Input: the user's wish, set before the
 * load.  Output: pv_env_tasks() (walk/walk.h).
 */
#ifndef PV_BPF_TASKS_BPF_H
#define PV_BPF_TASKS_BPF_H

#include "bpf/vmlinux.h"

#include "walk/walk.h"

const volatile bool with_tasks;

static inline bool pv_env_tasks(struct pv_ctx *c)
{
	(void)c;
	return with_tasks;
}

#endif
