/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words for garbage that waits to be freed, for analyse/leak.c alone.  Input: growth.  Output:
 * sentences.
 */
#ifndef PV_ANALYSE_LEAKWAITS_H
#define PV_ANALYSE_LEAKWAITS_H

#include "base/err.h"
#include "base/str.h"

struct pv_growth;
struct pv_leak;
struct pv_memory;

struct pv_err *pv_leak_say_waiting(const struct pv_memory *memory, const struct pv_leak *leak,
				   struct pv_str *str);

/* Of garbage that is freed at times, and is there again. */
struct pv_err *pv_leak_say_turns(const struct pv_memory *memory, const struct pv_growth *growth,
				 struct pv_str *str);

#endif
