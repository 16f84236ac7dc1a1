/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The fixed-width types of everything that crosses a border (kernel/user,
 * memory/file).  In BPF they come from our trimmed vmlinux.h, elsewhere from
 * the kernel's own UAPI header; nothing else may be included by abi/.
 */
#ifndef PV_ABI_TYPES_H
#define PV_ABI_TYPES_H

#ifdef __bpf__
#include "bpf/vmlinux.h"
#else
#include <linux/types.h>
#include <stdbool.h>
#endif

#define PV_STATIC_ASSERT(cond, text) _Static_assert(cond, text)

#endif
