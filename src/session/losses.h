/* SPDX-License-Identifier: BSD-2-Clause */
/* Gives the causes of abi/errors.def their names and texts in a pv_losses. */
#ifndef PV_SESSION_LOSSES_H
#define PV_SESSION_LOSSES_H

struct pv_losses;

void pv_losses_describe(struct pv_losses *losses);

#endif
