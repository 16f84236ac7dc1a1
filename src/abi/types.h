/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The fixed-width types of everything that crosses a border (kernel/user,
 * memory/file).  Elsewhere they come from the kernel's own UAPI header; a BPF
 * unit includes bpf/vmlinux.h, which has them, before anything else.
 */
#ifndef PV_ABI_TYPES_H
#define PV_ABI_TYPES_H

#ifndef __bpf__
#include <linux/types.h>
#include <stdbool.h>
#endif

#define PV_STATIC_ASSERT(cond, text) _Static_assert(cond, text)

#endif
