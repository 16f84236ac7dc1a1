/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file that a recording grows into: the user's, or one without a name, in
 * $TMPDIR or else in /var/tmp.  When the user's cannot grow any more (its disk is
 * full), it stays as it is, and what it has goes on in one without a name.
 */
#ifndef PV_SESSION_SINK_H
#define PV_SESSION_SINK_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

struct pv_output;
struct pv_sink;
struct pv_str;

/* output: not owned, one that pv_output_can_show(); NULL: there is only a file without a name. */
struct pv_err *pv_sink_create(struct pv_output *output, struct pv_sink **ret);
void pv_sink_destroy(struct pv_sink *sink);

/* For writing, from front to back.  Not for closing. */
FILE *pv_sink_stream(const struct pv_sink *sink);

/* From here on a write to the user's file that fails is no error if it can go on elsewhere. */
void pv_sink_let_move(struct pv_sink *sink);

/* Why it went on elsewhere: the errno of the write that failed; 0: it did not. */
int pv_sink_moved(const struct pv_sink *sink);

/* Everything that was written and flushed, for reading.  Nothing is written after that. */
FILE *pv_sink_reader(const struct pv_sink *sink);

/*
 * Gives the file without a name one, "STEM.pvr" in its directory or "STEM-1.pvr" and so on if that
 * is taken, so that it stays; appends its path.  Only if what was written is there and not in the
 * user's.
 */
struct pv_err *pv_sink_keep(struct pv_sink *sink, const char *stem, struct pv_str *path);

/* For messages: of the file that is written to now. */
const char *pv_sink_name(const struct pv_sink *sink);

#endif
