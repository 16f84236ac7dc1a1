/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Output files that appear whole or not at all: written beside the target,
 * mode 0600, then renamed.  Under sudo they belong to the invoking user.
 */
#ifndef PV_BASE_OUTPUT_H
#define PV_BASE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct pv_output;

/*
 * Opens the temporary file beside path, so that an unwritable directory is
 * found before a capture starts.  "-" is standard output.
 */
struct pv_err *pv_output_create(const char *path, struct pv_output **ret);

/* For writing; what is a regular file can be read, too. */
FILE *pv_output_file(struct pv_output *output);

/* As it was given to pv_output_create(). */
const char *pv_output_path(const struct pv_output *output);

/*
 * False for standard output, devices and pipes, which have no name to appear under
 * and are written once, from front to back.
 */
bool pv_output_can_show(const struct pv_output *output);

/*
 * Gives the file its name now, in place of what had it, and lets it grow there: for
 * what is of use even if it is never finished.  From here on it stays, with or
 * without a commit.  pv_output_can_show() must have said yes.
 */
struct pv_err *pv_output_show(struct pv_output *output);
/* What is written there is seen by a person, or breaks their screen. */
bool pv_output_is_terminal(const struct pv_output *output);

/* Flush, fsync-free close, rename.  The output is still to be destroyed. */
struct pv_err *pv_output_commit(struct pv_output *output);

/*
 * How many bytes there is room for where it would be, once what was written of it is gone;
 * UINT64_MAX: unknown, as with standard output, devices and pipes.
 */
uint64_t pv_output_room(const struct pv_output *output);

/* Under sudo a file belongs to who invoked that; path is for the message. */
struct pv_err *pv_output_give(int fd, const char *path);

/* Removes what was not committed; NULL is fine. */
void pv_output_destroy(struct pv_output *output);

#endif
