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

/* The base name of an interpreter or its library: "python3.11", "libpython3.11.so.1.0". */
bool pv_path_is_interpreter(const char *name);

/* Bytes of the directory that has an interpreter's library in it, 0: none ("/usr", "/srv/venv"). */
size_t pv_path_prefix(const char *path, size_t n);

/*
 * The user's own code: Python files outside the interpreter's library, -packages and the
 * system's directories, but not the commands that those brought along (/srv/venv/bin/flask),
 * nor what libraries make up; native code not there either, nor the interpreter itself.  Kernel
 * frames and markers are nobody's.  The one line that multiprocessing passes to `python -c` is not
 * one's own, where the profile has what that calls.
 */
bool pv_loc_is_own(const struct pv_profile *profile, const struct pv_loc *loc);

/* What multiprocessing has called in a process that it starts with `python -c`. */
bool pv_loc_is_spawned(const struct pv_profile *profile, const struct pv_loc *loc);

#endif
