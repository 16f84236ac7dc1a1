/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the integer registers of a native function hold, one letter each: "dxs", and
 * behind a colon what it returns: "dxs:p".
 *
 *   d int   u unsigned int   l long   z unsigned long (size_t)   x the same in hexadecimal
 *   p pointer   s text of chars   c char   b bool   - not shown
 */
#ifndef PV_SESSION_SIGNATURE_H
#define PV_SESSION_SIGNATURE_H

#include <stddef.h>

#include "abi/value.h"
#include "base/err.h"

/* n bytes of text. */
struct pv_err *pv_signature_parse(const char *text, size_t n, struct pv_signature *ret);

/* All six as long, which is what a condition compares if nothing is said of them; shown is none. */
struct pv_signature pv_signature_default(void);

/*
 * FUNCTION as the user wrote it, "symbol(dxs:p)": where the name ends, and its signature.  One
 * without parentheses at its end leaves *ret as it is, and *n_ret is all of it: a
 * demangled name has some, too, which must not be taken for letters.
 */
struct pv_err *pv_signature_split(const char *function, size_t *n_ret, struct pv_signature *ret);

#endif
