/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Output files that appear whole or not at all: written beside the target,
 * mode 0600, then renamed.  Under sudo they belong to the invoking user.
 */
#ifndef PV_BASE_OUTPUT_H
#define PV_BASE_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

struct pv_output;

/*
 * Opens the temporary file beside path, so that an unwritable directory is
 * found before a capture starts.  "-" is standard output.
 */
struct pv_err *pv_output_create(const char *path, struct pv_output **ret);

FILE *pv_output_file(struct pv_output *output);

/* What is written there is seen by a person, or breaks their screen. */
bool pv_output_is_terminal(const struct pv_output *output);

/* Flush, fsync-free close, rename.  The output is still to be destroyed. */
struct pv_err *pv_output_commit(struct pv_output *output);

/* Removes what was not committed; NULL is fine. */
void pv_output_destroy(struct pv_output *output);

#endif
