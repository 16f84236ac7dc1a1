/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of kernel code, from /proc/kallsyms, read at the first lookup. */
#ifndef PV_SYMBOL_KERNEL_H
#define PV_SYMBOL_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct pv_kernel_symbols;

struct pv_err *pv_kernel_symbols_create(const char *path, struct pv_kernel_symbols **ret);
void pv_kernel_symbols_destroy(struct pv_kernel_symbols *symbols);

/* False: not known, or kallsyms hides its addresses (kptr_restrict). */
bool pv_kernel_symbol_at(struct pv_kernel_symbols *symbols, uint64_t addr, const char **name_ret);

#endif
