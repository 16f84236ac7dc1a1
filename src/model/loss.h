/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Losses by cause.  Input: counts by the causes of abi/errors.def, handed over
 * as numbers with their texts, since model/ does not know abi/.
 */
#ifndef PV_MODEL_LOSS_H
#define PV_MODEL_LOSS_H

#include <stdint.h>

enum { PV_LOSSES_MAX = 64 };

struct pv_losses {
	uint64_t count[PV_LOSSES_MAX];   /* index: enum pv_loss */
	const char *text[PV_LOSSES_MAX]; /* static; NULL: no such cause */
	const char *name[PV_LOSSES_MAX]; /* static, for --json: "py_read" */
};

#endif
