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

struct pv_calibration;

/*
 * facts: struct pv_fact, initialised.  Really loads every BPF program, and samples this very
 * process for a moment; ret: what that cost.
 */
struct pv_err *pv_diagnose_machine(struct pv_vec *facts, struct pv_calibration *ret);

/* PV_ERR_NOPROC and others as for a capture. */
struct pv_err *pv_diagnose_process(pid_t pid, const struct pv_calibration *calibration,
				   struct pv_vec *facts);

#endif
