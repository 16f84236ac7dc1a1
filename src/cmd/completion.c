/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A completion script for bash.
 * Input: the tables of commands, options and output formats.
 * Output: a function and its registration, to be sourced.
 */
#include <string.h>

#include "cmd/command.h"
#include "cmd/options.h"
#include "out/format.h"

static const char head[] =
	"# SPDX-License-Identifier: BSD-2-Clause\n"
	"# bash completion of pitviper " PV_VERSION ", made by it from its own tables\n"
	"\n"
	"# _pitviper_offer FILE | PID | WORDS\n"
	"_pitviper_offer()\n"
	"{\n"
	"\tcase $1 in\n"
	"\tFILE)\n"
	"\t\tcompopt -o filenames 2>/dev/null\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
	"\t\t;;\n"
	"\tPID) mapfile -t COMPREPLY < <(compgen -W \"$(cd /proc && echo [0-9]*)\" -- \"$cur\") "
	";;\n"
	"\t*) mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\") ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"_pitviper()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\tlocal options='' operand='' i\n"
	"\n"
	"\tCOMPREPLY=()\n"
	"\t# --format=x is three words to bash\n"
	"\tif [[ $cur == = ]]; then\n"
	"\t\tcur=\n"
	"\telif [[ $before == = ]] && ((COMP_CWORD > 2)); then\n"
	"\t\tbefore=${COMP_WORDS[COMP_CWORD - 2]}\n"
	"\tfi\n";

static const char program[] =
	"\t# what follows -- is a program with options of its own\n"
	"\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	"\t\t[[ ${COMP_WORDS[i]} == -- ]] || continue\n"
	"\t\t_pitviper_offer FILE\n"
	"\t\tif ((i == COMP_CWORD - 1)); then\n"
	"\t\t\tmapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -c -- \"$cur\")\n"
	"\t\tfi\n"
	"\t\treturn\n"
	"\tdone\n";

static const char tail[] = "\tif [[ $cur == -* || -z $operand ]]; then\n"
			   "\t\t_pitviper_offer \"$options\"\n"
			   "\telse\n"
			   "\t\t_pitviper_offer \"$operand\"\n"
			   "\tfi\n"
			   "}\n"
			   "complete -F _pitviper pitviper\n";

static void put_format_names(const struct pv_format *const *table, FILE *file)
{
	for (size_t i = 0; table[i]; i++)
		fprintf(file, "%s%s", i ? " " : "", table[i]->name);
}

/* What the value of an option may be; nothing: it cannot be guessed. */
static void put_values(const struct pv_option *option, FILE *file)
{
	if (pv_options_formats(option)) {
		fputs(" _pitviper_offer '", file);
		put_format_names(pv_options_formats(option), file);
		fputs("';", file);
	} else if (!strncmp(option->argument, "FILE", 4) || !strncmp(option->argument, "PID", 3)) {
		fprintf(file, " _pitviper_offer %s;", *option->argument == 'F' ? "FILE" : "PID");
	}
	fputs(" return ;;\n", file);
}

/* The values of all options of a command that have one. */
static void put_command_values(const struct pv_command *command, FILE *file)
{
	for (const struct pv_option *option = command->usage->options; option->name; option++) {
		if (!option->argument)
			continue;
		fputc('\t', file);
		if (option->letter)
			fprintf(file, "%s:-%c | ", command->name, option->letter);
		fprintf(file, "%s:--%s)", command->name, option->name);
		put_values(option, file);
	}
}

/* The last word of the synopsis: "FILE", "[PID]"; "" if it is a program's. */
static void put_operand(const struct pv_usage *usage, FILE *file)
{
	const char *word = strrchr(usage->synopsis, ' ');

	if (usage->program || !word)
		return;
	word += word[1] == '[' ? 2 : 1;
	if (!strncmp(word, "FILE", 4) || !strncmp(word, "PID", 3))
		fputs(*word == 'F' ? "FILE" : "PID", file);
}

static void put_command_options(const struct pv_command *command, FILE *file)
{
	fprintf(file, "\t%s)\n\t\toptions='", command->name);
	for (const struct pv_option *option = command->usage->options; option->name; option++) {
		if (option->letter)
			fprintf(file, "-%c ", option->letter);
		fprintf(file, "--%s ", option->name);
	}
	fputs("-h --help'\n\t\toperand=", file);
	put_operand(command->usage, file);
	fputs("\n\t\t;;\n", file);
}

void pv_completion_print(const struct pv_command *const *commands, FILE *file)
{
	fputs(head, file);
	fputs("\tif ((COMP_CWORD == 1)); then\n\t\t_pitviper_offer '", file);
	for (size_t i = 0; commands[i]; i++)
		fprintf(file, "%s ", commands[i]->name);
	fputs("-h --help --version'\n\t\treturn\n\tfi\n", file);
	fputs(program, file);
	fputs("\tcase ${COMP_WORDS[1]}:$before in\n", file);
	for (size_t i = 0; commands[i]; i++)
		put_command_values(commands[i], file);
	fputs("\tesac\n\tcase ${COMP_WORDS[1]} in\n", file);
	for (size_t i = 0; commands[i]; i++)
		put_command_options(commands[i], file);
	fputs("\t*) return ;;\n\tesac\n", file);
	fputs(tail, file);
}
