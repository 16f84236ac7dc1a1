/* SPDX-License-Identifier: BSD-2-Clause */
/* The separate debug file of a stripped object.  Internal to symbol/. */
#ifndef PV_SYMBOL_DEBUGFILE_H
#define PV_SYMBOL_DEBUGFILE_H

struct pv_elf;

/*
 * The debug file of elf, which was found at root + path, if there is one that
 * has a .symtab, or what it carries of one in itself (minidebug.h); NULL if not.  The caller closes
 * it.
 */
struct pv_elf *pv_debugfile_open(const struct pv_elf *elf, const char *path, const char *root);

#endif
