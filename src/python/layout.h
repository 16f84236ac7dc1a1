/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Layouts of CPython builds.  3.13+: from the process's own _Py_DebugOffsets,
 * completed from the generated table; older: the generated table, keyed by
 * version.
 */
#ifndef PV_PYTHON_LAYOUT_H
#define PV_PYTHON_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/asyncio.h"
#include "abi/layout.h"
#include "base/err.h"

/*
 * The layout for a PY_VERSION_HEX of a release.  debug_offsets: the first bytes of
 * _PyRuntime (NULL, 0 before 3.13), which also tell a free-threaded build.  Unknown or
 * not validating: PV_ERR_NOPROC with the reason.  source gets a short text ("table 3.11",
 * "_Py_DebugOffsets"), with "unverified layout" where no such interpreter was ever read.
 * tasks_ret: what asyncio's tasks need beside; or NULL.
 */
struct pv_err *pv_pylayout_find(uint32_t version_hex, const void *debug_offsets, size_t n,
				struct pv_pylayout *ret, struct pv_tasklayout *tasks_ret,
				char *source, size_t source_size);

/* Was no interpreter of this kind ever read?  Then its layout is from headers alone. */
bool pv_pylayout_is_unverified(const struct pv_pylayout *layout);

/* Do the layouts of this minor version (with the GIL) differ between its micro releases? */
bool pv_pylayout_needs_micro(uint32_t version_hex);

/* Where _PyRuntime.initialized (int: Py_Initialize is done) is; of a version with a _PyRuntime. */
uint32_t pv_pylayout_initialized_offset(uint32_t version_hex, bool free_threaded);

#endif
