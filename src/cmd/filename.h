/* SPDX-License-Identifier: BSD-2-Clause */
/* The name of the file that is written when none is given. */
#ifndef PV_CMD_FILENAME_H
#define PV_CMD_FILENAME_H

#include <sys/types.h>

#include "base/err.h"

struct pv_str;

/*
 * "pitviper-NAME-PID.SUFFIX".  The name is the target's, any bytes: what a shell, a
 * terminal or a person could take amiss is _.
 */
struct pv_err *pv_filename_append(struct pv_str *str, const char *name, pid_t pid,
				  const char *suffix);

#endif
