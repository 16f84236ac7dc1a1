/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the asyncio tasks of a process are.  Input: its interpreter, its memory
 * (untrusted), the object that has _asyncio.  Output: proc.tasks.
 */
#ifndef PV_PYTHON_TASKS_H
#define PV_PYTHON_TASKS_H

#include <stdbool.h>

#include "base/err.h"

struct pv_elf;
struct pv_mem;
struct pv_python;

/* May this object hold the module _asyncio?  name: of its file, without the directory. */
bool pv_python_is_asyncio(const struct pv_elf *elf, const char *name);

/*
 * Fills python->proc.tasks.  elf: the object that has _asyncio, or NULL: none, or it is a part of
 * the interpreter.  kind stays PV_TASKS_NONE as long as asyncio is not imported, and is
 * PV_TASKS_UNKNOWN while it is being imported: look again.
 */
void pv_python_tasks(struct pv_mem *mem, const struct pv_elf *elf, struct pv_python *python);

/* NULL, or why the tasks of this CPython cannot be named. */
const char *pv_python_tasks_refused(const struct pv_python *python);

#endif
