/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a probe costs on this machine, measured on ourselves: nobody else pays.
 */
#ifndef PV_COLLECT_PRICE_H
#define PV_COLLECT_PRICE_H

#include <stdint.h>

#include "base/err.h"
#include "collect/link.h"

struct pv_prices {
	enum pv_link_way way; /* which was seen to tell of all hits */
	uint64_t ns[2];       /* of one hit: emulated, single-stepped */
};

/*
 * Loads a program of its own, which does what a probe mostly does.  Measured in a
 * thread of its own: links that tell only of the first thread of a process (Linux
 * 6.6 to 6.9) are found out.
 */
struct pv_err *pv_price_measure(struct pv_prices *ret);

#endif
