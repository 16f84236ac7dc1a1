/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of all threads of a process, again and again, without stopping it.
 * Loaded once, read often (some 10 us a look).
 */
#ifndef PV_COLLECT_REGISTERS_H
#define PV_COLLECT_REGISTERS_H

#include <sys/types.h>

#include "abi/registers.h"
#include "base/err.h"
#include "base/vec.h"

struct pv_register_reader;

/* Needs the right to load BPF programs. */
struct pv_err *pv_register_reader_create(pid_t pid, struct pv_register_reader **ret);
void pv_register_reader_destroy(struct pv_register_reader *reader);

/* Those of now: struct pv_registers, replaced.  A process that has ended has none. */
struct pv_err *pv_register_reader_read(struct pv_register_reader *reader, struct pv_vec *ret);

#endif
