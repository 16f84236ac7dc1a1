/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of native code: .symtab and .dynsym, .gnu_debuglink and build-id
 * files, demangled.  Input: struct pv_elf.  Output: function names.
 */
#ifndef PV_SYMBOL_NATIVE_H
#define PV_SYMBOL_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_elf;
struct pv_native_symbols;

/*
 * elf: not owned, must outlive the symbols.  path: where the object was found
 * (for .gnu_debuglink in its directory), as seen from root (e.g. "" or
 * "/proc/PID/root").  Separate debug files are looked for in the object's
 * directory, its .debug/, and ROOT/usr/lib/debug, by build-id and by
 * debuglink; one whose build-id differs is ignored, and its CRC decides where
 * neither file has a build-id.  An object with a .symtab needs none.  Tables
 * are loaded at the first lookup.
 */
struct pv_err *pv_native_symbols_create(const struct pv_elf *elf, const char *path,
					const char *root, struct pv_native_symbols **ret);
void pv_native_symbols_destroy(struct pv_native_symbols *symbols);

/*
 * The function that holds an ELF vaddr, demangled ("operator new(unsigned
 * long)"); valid until destroy.  False if no symbol covers it: symbols
 * without a size end at the next symbol or the section's end; .cold parts
 * keep their own name.  Of nested symbols the innermost, of aliases the global,
 * shortest name wins, always the same one.  Symbol versions (@@V1) are left off.
 */
bool pv_native_symbol_at(struct pv_native_symbols *symbols, uint64_t vaddr, const char **name_ret,
			 uint64_t *start_ret);

/*
 * Where the nameless function that holds an ELF vaddr begins, by its FDE, so
 * that its addresses add up to one function; vaddr itself if there is no FDE.
 */
uint64_t pv_native_function_start(struct pv_native_symbols *symbols, uint64_t vaddr);

#endif
