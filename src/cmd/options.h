/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options of a command as a table: getopt and the help text come from it.
 * Values land in the command's own struct, at the offset that the line names.
 */
#ifndef PV_CMD_OPTIONS_H
#define PV_CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum pv_option_type {
	PV_OPTION_FLAG,          /* bool */
	PV_OPTION_COUNT,         /* unsigned int, 1 and more */
	PV_OPTION_SECONDS,       /* double, > 0 */
	PV_OPTION_TEXT,          /* const char * */
	PV_OPTION_LIST,          /* struct pv_vec of const char *, repeatable */
	PV_OPTION_FORMAT,        /* const struct pv_format *; --help lists them all */
	PV_OPTION_TRACE_FORMAT,  /* the same, of those of traces */
	PV_OPTION_FORMAT_NAME,   /* const char *; which table it is of shows later */
	PV_OPTION_MEMORY_FORMAT, /* and of hunts for memory */
};

struct pv_option {
	char letter; /* 0: none */
	const char *name;
	const char *argument; /* "SEC"; NULL for flags; completion knows "FILE" and "PID" */
	const char *help;
	enum pv_option_type type;
	size_t offset; /* in the command's options */
};

struct pv_usage {
	const char *command;
	bool program; /* operands are a program with options of its own: stop at the first */
	const char *synopsis; /* "[OPTIONS] -p PID" ... lines separated by \n; see argument */
	const char *summary;
	const char *example;             /* lines */
	const struct pv_option *options; /* ended by name NULL; --help is added */
};

/*
 * Parses; options may stand after operands unless usage->program.  first_ret:
 * index of the first operand.  help_ret: --help was asked for and has been printed.
 */
struct pv_err *pv_options_parse(const struct pv_usage *usage, int argc, char **argv, void *into,
				int *first_ret, bool *help_ret);

/* The table that the values of an option are of, NULL: it is no option of a format. */
struct pv_format;
const struct pv_format *const *pv_options_formats(const struct pv_option *option);

/* A process id in text; PV_ERR_USAGE if it is none. */
struct pv_err *pv_options_pid(const char *text, int *ret);

/* A time with its unit, "10ms"; option: for the error; text NULL: ret stays as it is. */
struct pv_err *pv_options_time(const char *option, const char *text, uint64_t *ns_ret);

#endif
