/* SPDX-License-Identifier: BSD-2-Clause */
/* C++ and Rust names as people write them.  Internal to symbol/. */
#ifndef PV_SYMBOL_DEMANGLE_H
#define PV_SYMBOL_DEMANGLE_H

#include <stdbool.h>

#include "base/str.h"

enum {
	PV_MANGLED_MAX = 10000,   /* bytes; longer names stay as they are */
	PV_DEMANGLED_MAX = 65536, /* bytes; substitutions can make 2^n of n */
};

/* False: not a mangled name, or beyond the bounds; ret then holds anything. */
bool pv_demangle(const char *mangled, struct pv_str *ret);

#endif
