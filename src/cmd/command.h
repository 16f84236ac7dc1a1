/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct pv_command: a subcommand is one file and one line in the table of
 * main.c.  It parses its own options, asks session/, prints.
 */
#ifndef PV_CMD_COMMAND_H
#define PV_CMD_COMMAND_H

#include <stdio.h>

#include "base/err.h"

struct pv_usage;

struct pv_command {
	const char *name;
	const char *summary;          /* one line for `pitviper --help` */
	const struct pv_usage *usage; /* its options, for its --help and for completion */
	/* status_ret: exit status where all went well (that of a watched program). */
	struct pv_err *(*run)(int argc, char **argv, int *status_ret);
};

/*
 * A completion script for bash, made of the tables of commands (ended by NULL),
 * of their options, and of output formats.
 */
void pv_completion_print(const struct pv_command *const *commands, FILE *file);

extern const struct pv_command pv_command_record;
extern const struct pv_command pv_command_report;
extern const struct pv_command pv_command_stack;
extern const struct pv_command pv_command_latency;
extern const struct pv_command pv_command_trace;
extern const struct pv_command pv_command_memory;
extern const struct pv_command pv_command_refs;
extern const struct pv_command pv_command_doctor;

#endif
