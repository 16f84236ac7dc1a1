/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The causes of loss as an enum; see errors.def for the list and its rules. */
#ifndef PV_ABI_LOSS_H
#define PV_ABI_LOSS_H

#define PV_LOSS(number, name, text) PV_LOSS_##name = number,
enum pv_loss {
#include "abi/errors.def"
	PV_LOSS_MAX = 64,
};
#undef PV_LOSS

#endif
