/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Losses by cause.  Input: counts by the causes of abi/errors.def, handed over
 * as numbers with their texts, since model/ does not know abi/.
 */
#ifndef PV_MODEL_LOSS_H
#define PV_MODEL_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pv_json;

enum { PV_LOSSES_MAX = 64 };

struct pv_losses {
	uint64_t count[PV_LOSSES_MAX];   /* index: enum pv_loss */
	const char *text[PV_LOSSES_MAX]; /* static; NULL: no such cause */
	const char *name[PV_LOSSES_MAX]; /* static: "PY_READ" */
};

/* Samples of which nothing was kept. */
uint64_t pv_losses_samples(const struct pv_losses *losses);

/*
 * Whether a cause is of what no stack and no number of lost samples tells: a process that
 * was not followed, a mapping that was not seen.  The others leave a marked or shorter stack.
 */
bool pv_losses_is_gap(const struct pv_losses *losses, size_t cause);

/* "lost": { "py_read": 3, ... }: all causes by name, those that did not happen, too. */
void pv_losses_json(const struct pv_losses *losses, struct pv_json *json);

/* What a cause is in words. */
const char *pv_losses_text(const struct pv_losses *losses, size_t cause);

/* Its name as it is in JSON: "py_read"; without one, of a later version's recording that breaks
 * off, "unknown_63". */
struct pv_loss_name {
	char text[64];
};
struct pv_loss_name pv_losses_name(const struct pv_losses *losses, size_t cause);

/* Whether anything was lost, late, marked or guessed. */
bool pv_losses_any(const struct pv_losses *losses);

#endif
