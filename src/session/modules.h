/* SPDX-License-Identifier: BSD-2-Clause */
/* Names for the files of native code, each of its own. */
#ifndef PV_SESSION_MODULES_H
#define PV_SESSION_MODULES_H

#include <stdint.h>

#include "base/err.h"

struct pv_profile;

/*
 * Finds or adds the pv_module of an object, and its name as a string id: the base
 * name of its path; if another object has that, with its directory; if that is
 * taken, too, the path; and for another file in the same place that with its
 * build id (hexadecimal, "" if it has none).
 */
struct pv_err *pv_modules_add(struct pv_profile *profile, const char *path, const char *build_id,
			      uint32_t *name_ret);

#endif
