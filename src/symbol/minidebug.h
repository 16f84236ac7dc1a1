/* SPDX-License-Identifier: BSD-2-Clause */
/* The symbols that a stripped object carries in itself, packed.  Internal to symbol/. */
#ifndef PV_SYMBOL_MINIDEBUG_H
#define PV_SYMBOL_MINIDEBUG_H

struct pv_elf;

/*
 * What is in .gnu_debugdata, as distributions like Fedora have it: an ELF file with a .symtab.
 * NULL: it has none, or it does not unpack, or is larger than such a thing can be.  The caller
 * closes it.
 */
struct pv_elf *pv_minidebug_open(const struct pv_elf *elf);

#endif
