/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of kernel code, from /proc/kallsyms. */
#ifndef PV_SYMBOL_KERNEL_H
#define PV_SYMBOL_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct pv_kernel_symbols;

/* path: NULL = /proc/kallsyms; another file for tests. */
struct pv_err *pv_kernel_symbols_create(const char *path, struct pv_kernel_symbols **ret);
void pv_kernel_symbols_destroy(struct pv_kernel_symbols *symbols);

/*
 * Begins to read them, in a thread of its own; lookups wait for its end.  Without it
 * the first lookup reads them: tens of milliseconds of CPU time, of which a busy
 * machine makes a second.
 */
struct pv_err *pv_kernel_symbols_begin(struct pv_kernel_symbols *symbols);

/*
 * False: not known, or kallsyms cannot be read or hides its addresses
 * (kptr_restrict).  Of aliases the global one with the fewest leading
 * underscores, then the shortest.  The name is valid until destroy.
 */
bool pv_kernel_symbol_at(struct pv_kernel_symbols *symbols, uint64_t addr, const char **name_ret);

#endif
