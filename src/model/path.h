/* SPDX-License-Identifier: BSD-2-Clause */
/* What a path says of the code in it: what to show of it, and whose it is. */
#ifndef PV_MODEL_PATH_H
#define PV_MODEL_PATH_H

#include <stdbool.h>
#include <stddef.h>

struct pv_loc;
struct pv_profile;

/*
 * Bytes at the start of a source file's path that are not shown: a library's
 * module is shown from its package on ("json/decoder.py"), own code by its base
 * name, and __init__.py with its directory, since all packages have one.
 */
size_t pv_path_skip(const char *path, size_t n);

/*
 * In an interpreter's library or in site-packages, dist-packages, made up by code
 * in one of those, or a command of the system.
 */
bool pv_path_is_library(const char *path, size_t n);

/* Bytes of the directory that has an interpreter's library in it, 0: none ("/usr", "/srv/venv"). */
size_t pv_path_prefix(const char *path, size_t n);

/*
 * The user's own code: Python files outside the interpreter's library and
 * -packages, but not the commands that those brought along (/srv/venv/bin/flask); native code
 * neither there nor in the system's directories nor the interpreter itself.  Kernel frames and
 * markers are nobody's.
 */
bool pv_loc_is_own(const struct pv_profile *profile, const struct pv_loc *loc);

#endif
