/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of commands and the exit statuses; nothing else.
 */
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "base/text.h"
#include "cmd/command.h"

/* clang-format off */
static const struct pv_command *const commands[] = {
	&pv_command_record,
	&pv_command_report,
	&pv_command_stack,
	&pv_command_latency,
	&pv_command_trace,
	&pv_command_memory,
	&pv_command_refs,
	&pv_command_doctor,
	NULL,
};
/* clang-format on */

static int print_help(FILE *file, int status)
{
	size_t i;

	fprintf(file, "usage: pitviper COMMAND [OPTIONS]\n\n"
		      "Sees what a running Python program does, from outside.\n\ncommands:\n");
	for (i = 0; commands[i]; i++)
		fprintf(file, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(file, "\n`pitviper COMMAND --help` tells the options of each.\n"
		      "exit status: 0 done; 1 failed; 2 wrong usage; 3 not permitted; 4 no such "
		      "process\n");
	return status;
}

/* A message may hold names from the target. */
static int print_error(struct pv_err *err)
{
	struct pv_str text = {};
	int status = err->kind;
	bool escaped = !pv_text_append(&text, err->message, strlen(err->message));

	fprintf(stderr, "pitviper: %s\n", escaped ? pv_str_text(&text) : "out of memory");
	pv_str_deinit(&text);
	pv_err_destroy(err);
	return status;
}

int main(int argc, char **argv)
{
	struct pv_err *err;
	int status = 0;
	size_t i;

	/* widths of characters; what we write is UTF-8 whatever the user's locale is */
	setlocale(LC_CTYPE, "C.UTF-8");
	if (argc < 2)
		return print_help(stderr, PV_ERR_USAGE);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return print_help(stdout, 0);
	if (!strcmp(argv[1], "--version")) {
		puts("pitviper " PV_VERSION);
		return 0;
	}
	/* for the build, which installs it */
	if (!strcmp(argv[1], "--completion")) {
		pv_completion_print(commands, stdout);
		return 0;
	}
	for (i = 0; commands[i] && strcmp(commands[i]->name, argv[1]); i++)
		;
	if (!commands[i]) {
		fprintf(stderr, "pitviper: there is no command `%s`; see `pitviper --help`\n",
			argv[1]);
		return PV_ERR_USAGE;
	}
	err = commands[i]->run(argc - 1, argv + 1, &status);
	return err ? print_error(err) : status;
}
