/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pythons that are not CPython.  Input: an ELF object and its path.  Output: what it is and
 * what cannot be seen of it, in words.
 */
#include "python/other.h"

#include <string.h>

#include "elf/elf.h"

static bool has_symbol(const struct pv_elf *elf, const char *name)
{
	struct pv_elf_symbol symbol;

	return pv_elf_find_symbol(elf, name, &symbol);
}

/* By its name first: most objects are none, and symbols take time. */
const char *pv_python_other(const struct pv_elf *elf, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if (strncmp(name, "libpypy", 7) != 0 && strncmp(name, "pypy", 4) != 0)
		return NULL;
	/* PyPy's cpyext renames what it has of CPython's interface: pypy/module/cpyext/api.py */
	if (!has_symbol(elf, "PyPy_FrozenFlag") && !has_symbol(elf, "rpython_startup_code"))
		return NULL;
	return "it runs PyPy, which is not CPython: its frames lie in memory whose layout is in no "
	       "symbol and no table, and its JIT's code has neither names nor unwind tables, so "
	       "that "
	       "the stack shows PyPy's own native code, and [JIT] where it ran what it had "
	       "compiled";
}
