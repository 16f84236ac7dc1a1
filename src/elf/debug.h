/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libdw on the debug information of an object, for the files of this folder only.  Input: the
 * image, untrusted.  Output: a Dwarf that reads no other file.
 */
#ifndef PV_ELF_DEBUG_H
#define PV_ELF_DEBUG_H

#include <elfutils/libdw.h>
#include <stdbool.h>

#include "base/err.h"

struct pv_elf;

struct pv_elf_debug {
	char *copy; /* elf_compress() writes to the headers of sections that it inflates */
	Elf *elf;
	Dwarf *dwarf; /* NULL: there is none, it is broken or too large */
};

/* The object is not needed any more afterwards. */
struct pv_err *pv_elf_debug_open(const struct pv_elf *elf, struct pv_elf_debug *ret);
void pv_elf_debug_close(struct pv_elf_debug *debug);

/*
 * What an attribute is, stands in another file, whose path the information names (dwz's): one
 * that the target's owner may have chosen, which is not read.
 */
bool pv_elf_debug_elsewhere(Dwarf_Attribute *attr);

#endif
