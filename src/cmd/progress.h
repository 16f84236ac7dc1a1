/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line on a terminal that tells how a capture goes, written again and again,
 * and gone at the end.
 */
#ifndef PV_CMD_PROGRESS_H
#define PV_CMD_PROGRESS_H

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct pv_progress;
struct pv_str;

/*
 * title: of the target, any bytes; duration_s: of the capture, 0 = open.  On what
 * is no terminal, or a dumb one, *ret is NULL, with which the others do nothing.
 */
struct pv_err *pv_progress_create(FILE *file, const char *title, double duration_s,
				  struct pv_progress **ret);

/* Erases the line. */
void pv_progress_destroy(struct pv_progress *progress);

/* The same until the next update, for something else to be said. */
void pv_progress_erase(struct pv_progress *progress);

/*
 * To be called as often as one likes: a line is written four times a second, and
 * none while another job has the terminal.
 */
struct pv_err *pv_progress_update(struct pv_progress *progress, double elapsed_s, uint64_t samples,
				  uint64_t lost);

/*
 * The line's text, appended, at most so many columns wide: the title gives way.  rate:
 * samples a second just now.
 */
struct pv_err *pv_progress_line(const char *title, double elapsed_s, double duration_s,
				uint64_t samples, double rate, uint64_t lost, unsigned int columns,
				struct pv_str *str);

#endif
