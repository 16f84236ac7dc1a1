/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a probe costs on this machine, measured on ourselves: nobody else pays.
 */
#ifndef PV_COLLECT_PRICE_H
#define PV_COLLECT_PRICE_H

#include <stdint.h>

#include "base/err.h"

/*
 * hits: counts each hit of the program, which must be loaded for pv_multi_link()
 * and do what a probe mostly does.  Measured in a thread of its own: a kernel that
 * tells only of the first thread of a process (Linux 6.6 to 6.9) is an error.
 */
struct pv_err *pv_price_measure(int program_fd, const volatile uint64_t *hits,
				uint64_t *emulated_ns_ret, uint64_t *stepped_ns_ret);

#endif
