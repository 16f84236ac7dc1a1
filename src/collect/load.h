/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every load of BPF programs has in common: the right to it, and the reason
 * where it fails.
 */
#ifndef PV_COLLECT_LOAD_H
#define PV_COLLECT_LOAD_H

#include "base/err.h"

/* Before the first call of libbpf: its own words go nowhere. */
void pv_load_quiet(void);

/* "cannot load BPF programs: needs root, or ..." */
struct pv_err *pv_load_permission(void);

/* Why a load failed with a negative errno. */
struct pv_err *pv_load_error(int error);

/*
 * In a PID namespace (a container): the BPF side learns whose numbers to speak in, by
 * the loaded program find_namespace of bpf/pids.bpf.h.
 */
struct pv_err *pv_load_namespace(int program_fd);

#endif
