/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * struct pv_registers: what a thread had in its registers when it last came into the
 * kernel, as bpf/registers.bpf.c writes them one after the other and
 * collect/registers.h reads them.
 */
#ifndef PV_ABI_REGISTERS_H
#define PV_ABI_REGISTERS_H

#include "abi/types.h"

enum { PV_REGISTERS_N = 15 }; /* general ones but for the stack pointer */

struct pv_registers {
	__u32 tid;     /* in pitviper's own PID namespace */
	__u32 running; /* it was on a CPU: these are of its last interrupt or system call */
	__u64 ip, sp, fsbase;
	__u64 switches; /* of context, so far: the same number later means that it never ran */
	__u64 words[PV_REGISTERS_N]; /* ax bx cx dx si di bp r8 to r15 */
};

#endif
