/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frame in words for people: its function and its place, apart, so that a table
 * can align them.  Names are untrusted; what a terminal would obey is escaped.
 */
#ifndef PV_MODEL_FRAME_H
#define PV_MODEL_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct pv_loc;
struct pv_profile;
struct pv_str;

/* For machines, of PV_LOC_PYTHON and so on: "python", "native", "inlined", "kernel", "marker" ...
 */
const char *pv_frame_kind(uint32_t kind);

/* It has no name: "[unknown libfoo.so+0x12]". */
bool pv_frame_is_unnamed(const struct pv_profile *profile, const struct pv_loc *loc);

/* Appends "report", "vfs_read", "[truncated]", "[unknown]", "[unknown+0x12]". */
struct pv_err *pv_frame_function(const struct pv_profile *profile, const struct pv_loc *loc,
				 struct pv_str *str);

/*
 * Appends where that function is: "app.py", "app.py:52" or "app.py:52-58" by the
 * lines, of which 0 is none; "libz.so.1", "libz.so.1, inlined", "_json.so" for
 * _json.cpython-311-x86_64-linux-gnu.so, "kernel"; nothing for what has no place.  A file is shown
 * as in pv_path_skip().
 */
struct pv_err *pv_frame_place(const struct pv_profile *profile, const struct pv_loc *loc,
			      int32_t first_line, int32_t last_line, struct pv_str *str);

/* A marker that begins the work of the garbage collector; nothing is missing. */
bool pv_frame_is_gc(const struct pv_profile *profile, const struct pv_loc *loc);

/* A marker with which it is not known what the whole stack was: frames are missing. */
bool pv_frame_is_gap(const struct pv_profile *profile, const struct pv_loc *loc);

/*
 * Native code of the interpreter or the C library: where Python code lies below it,
 * it is how Python calls, not what is called.
 */
bool pv_frame_is_interpreter(const struct pv_profile *profile, const struct pv_loc *loc);

/*
 * The interpreter's machinery of calling, by name: what lies between a Python call
 * and the code that it runs, and what has no symbol there.
 */
bool pv_frame_is_machinery(const struct pv_profile *profile, const struct pv_loc *loc);

#endif
