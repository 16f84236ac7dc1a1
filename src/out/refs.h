/* SPDX-License-Identifier: BSD-2-Clause */
/* The ledger of one object's reference count, written: the formats of a struct pv_refs. */
#ifndef PV_OUT_REFS_H
#define PV_OUT_REFS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "out/format.h"

struct pv_refnet;
struct pv_refs;
struct pv_str;
struct pv_term;

extern const struct pv_format pv_refs_format_text;
extern const struct pv_format pv_refs_format_folded;
extern const struct pv_format pv_refs_format_json;

/* The text format as a terminal shows it: in colours, cut at its width, not all changes. */
struct pv_err *pv_refs_text_write(const struct pv_refs *refs, const struct pv_term *term);

/* The sums and the verdict without the changes. */
struct pv_err *pv_refs_text_summary(const struct pv_refs *refs, const struct pv_term *term);

/* For machines: one JSON object and a line end, all changes among it. */
struct pv_err *pv_refs_json(const struct pv_refs *refs, FILE *file);

/*
 * What functions did in the life that is shown, and in those that ended.  calls: of the life that
 * is shown; accused_ret: a function is.
 */
struct pv_err *pv_refs_lives_put(const struct pv_refs *refs, const struct pv_refnet *calls,
				 const struct pv_term *term, bool all, bool *accused_ret);

/* What is missing or in doubt: sentences in one line each; appended, nothing if all is well. */
struct pv_err *pv_refs_doubts(const struct pv_refs *refs, struct pv_str *str);

#endif
