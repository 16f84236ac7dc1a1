/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names for losses.  Input: abi/errors.def.  Output: static texts.
 */
#include "session/losses.h"

#include "abi/loss.h"
#include "model/loss.h"

_Static_assert((int)PV_LOSS_MAX == (int)PV_LOSSES_MAX, "abi and model agree");

void pv_losses_describe(struct pv_losses *losses)
{
#define PV_LOSS(number, loss, words)                                                               \
	losses->name[number] = #loss;                                                              \
	losses->text[number] = words;
#include "abi/errors.def"
#undef PV_LOSS
}
