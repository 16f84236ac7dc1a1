/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Losses by cause.  Input: counts by the causes of abi/errors.def, handed over
 * as numbers with their texts, since model/ does not know abi/.
 */
#ifndef PV_MODEL_LOSS_H
#define PV_MODEL_LOSS_H

#include <stdbool.h>
#include <stdint.h>

enum { PV_LOSSES_MAX = 64 };

struct pv_losses {
	uint64_t count[PV_LOSSES_MAX];   /* index: enum pv_loss */
	const char *text[PV_LOSSES_MAX]; /* static; NULL: no such cause */
	const char *name[PV_LOSSES_MAX]; /* static, for --json: "py_read" */
};

/* Samples of which nothing was kept. */
uint64_t pv_losses_samples(const struct pv_losses *losses);

/* Whether anything was lost, late, marked or guessed. */
bool pv_losses_any(const struct pv_losses *losses);

#endif
