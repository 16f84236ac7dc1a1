/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct pv_command: a subcommand is one file and one line in the table of
 * main.c.  It parses its own options, asks session/, prints.
 */
#ifndef PV_CMD_COMMAND_H
#define PV_CMD_COMMAND_H

#include "base/err.h"

struct pv_command {
	const char *name;
	const char *summary; /* one line for `pitviper --help` */
	/* status_ret: exit status where all went well (that of a watched program). */
	struct pv_err *(*run)(int argc, char **argv, int *status_ret);
};

extern const struct pv_command pv_command_record;
extern const struct pv_command pv_command_report;
extern const struct pv_command pv_command_stack;
extern const struct pv_command pv_command_doctor;

#endif
