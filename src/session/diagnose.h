/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What works here and what is known of a process.  Input: the kernel, our
 * privileges, a PID.  Output: findings for doctor.
 */
#ifndef PV_SESSION_DIAGNOSE_H
#define PV_SESSION_DIAGNOSE_H

#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"

/* facts: struct pv_fact, initialised.  Really loads every BPF program. */
struct pv_err *pv_diagnose_machine(struct pv_vec *facts);

/* PV_ERR_NOPROC and others as for a capture. */
struct pv_err *pv_diagnose_process(pid_t pid, struct pv_vec *facts);

#endif
