/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parses options by table.  Input: argv.  Output: the command's struct.
 */
#include "cmd/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "out/format.h"

enum { OPTIONS_MAX = 48, LONG_ONLY = 256 };

const struct pv_format *const *pv_options_formats(const struct pv_option *option)
{
	switch (option->type) {
	case PV_OPTION_FORMAT:
	case PV_OPTION_FORMAT_NAME:
		return pv_formats;
	case PV_OPTION_TRACE_FORMAT:
		return pv_trace_formats;
	case PV_OPTION_MEMORY_FORMAT:
		return pv_memory_formats;
	default:
		return NULL;
	}
}

/* The suffixes of a format, as one text. */
static void join_suffixes(const struct pv_format *format, char *text, size_t size)
{
	size_t n = 0;

	*text = '\0';
	for (const char *const *suffix = format->suffixes; *suffix && n < size; suffix++)
		n += snprintf(text + n, size - n, "%s%s", n ? " " : "", *suffix);
}

static void print_formats(const struct pv_format *const *table)
{
	printf("\nformats, by the end of FILE or by --format:\n");
	for (size_t i = 0; table[i]; i++) {
		char suffixes[64];

		join_suffixes(table[i], suffixes, sizeof(suffixes));
		printf("  %-11s %-18s %s\n", table[i]->name, suffixes, table[i]->help);
	}
}

static void print_help(const struct pv_usage *usage)
{
	const struct pv_format *const *formats = NULL;
	const struct pv_option *option;
	const char *line = usage->synopsis, *end;

	for (; line; line = end ? end + 1 : NULL) {
		end = strchr(line, '\n');
		printf("%s pitviper %s %.*s\n", line == usage->synopsis ? "usage:" : "      ",
		       usage->command, end ? (int)(end - line) : INT_MAX, line);
	}
	printf("\n%s\n\noptions:\n", usage->summary);
	for (option = usage->options; option->name; option++) {
		char left[64];

		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", option->letter ? '-' : ' ',
			 option->letter ? option->letter : ' ', option->letter ? ", " : "  ",
			 option->name, option->argument ? " " : "",
			 option->argument ? option->argument : "");
		printf("  %-26s %s\n", left, option->help);
		if (pv_options_formats(option))
			formats = pv_options_formats(option);
	}
	printf("  %-26s %s\n", "-h, --help", "show this text");
	if (usage->program)
		printf("\nPROGRAM runs on when the time is over: what was found is written, and "
		       "pitviper "
		       "ends\nwith the program, with its status.\n");
	if (formats)
		print_formats(formats);
	printf("\nexample:\n%s\n", usage->example);
}

struct pv_err *pv_options_pid(const char *text, int *ret)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (errno || *end || end == text || pid <= 0 || pid > INT_MAX)
		return pv_err_create(PV_ERR_USAGE, "`%s` is not a process id", text);
	*ret = pid;
	return NULL;
}

static struct pv_err *set_value(const struct pv_option *option, const char *text, void *into)
{
	void *at = (char *)into + option->offset;
	char *end = NULL;

	errno = 0;
	switch (option->type) {
	case PV_OPTION_FLAG:
		*(bool *)at = true;
		return NULL;
	case PV_OPTION_TEXT:
	case PV_OPTION_FORMAT_NAME:
		if (*(const char **)at)
			return pv_err_create(PV_ERR_USAGE, "--%s is given twice", option->name);
		*(const char **)at = text;
		return NULL;
	case PV_OPTION_LIST:
		return pv_vec_append(at, &text, 1, NULL);
	case PV_OPTION_FORMAT:
	case PV_OPTION_TRACE_FORMAT:
	case PV_OPTION_MEMORY_FORMAT:
		if (*(const struct pv_format **)at)
			return pv_err_create(PV_ERR_USAGE, "--%s is given twice", option->name);
		return pv_format_by_name(pv_options_formats(option), text, at);
	case PV_OPTION_COUNT: {
		unsigned long value = strtoul(text, &end, 10);

		if (errno || !isdigit((unsigned char)*text) || *end || !value || value > UINT_MAX)
			break;
		*(unsigned int *)at = value;
		return NULL;
	}
	case PV_OPTION_SECONDS: {
		double value = strtod(text, &end);

		if (errno || end == text || *end || !(value > 0) || value > 1e9)
			break;
		*(double *)at = value;
		return NULL;
	}
	}
	return pv_err_create(
		PV_ERR_USAGE, "`%s` is no value for --%s: it wants %s, a %snumber above 0", text,
		option->name, option->argument, option->type == PV_OPTION_COUNT ? "whole " : "");
}

/* The getopt tables for the options of a command; --help at the end. */
static size_t fill_getopt(const struct pv_usage *usage, struct option *longs, char *shorts)
{
	size_t n = 0;

	/* "+": stop at the first operand; ":": we report missing arguments */
	shorts += sprintf(shorts, "%s:h", usage->program ? "+" : "");
	for (; usage->options[n].name && n < OPTIONS_MAX; n++) {
		const struct pv_option *option = &usage->options[n];

		longs[n] = (struct option){ .name = option->name,
					    .has_arg = option->argument ? required_argument
									: no_argument,
					    .val = LONG_ONLY + n };
		if (option->letter)
			shorts += sprintf(shorts, "%c%s", option->letter,
					  option->argument ? ":" : "");
	}
	longs[n] = (struct option){ .name = "help", .val = 'h' };
	longs[n + 1] = (struct option){};
	return n;
}

static const struct pv_option *by_letter(const struct pv_usage *usage, int letter)
{
	const struct pv_option *option = usage->options;

	while (option->name && option->letter != letter)
		option++;
	return option->name ? option : NULL;
}

struct pv_err *pv_options_parse(const struct pv_usage *usage, int argc, char **argv, void *into,
				int *first_ret, bool *help_ret)
{
	struct option longs[OPTIONS_MAX + 2];
	char shorts[3 * OPTIONS_MAX];
	const struct pv_option *option;
	struct pv_err *err;
	int got;

	fill_getopt(usage, longs, shorts);
	*help_ret = false;
	opterr = 0;
	optind = 1;
	while ((got = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (got == 'h') {
			print_help(usage);
			*help_ret = true;
			return NULL;
		}
		if (got == '?')
			return pv_err_create(PV_ERR_USAGE,
					     "unknown option `%s`; see `pitviper %s --help`",
					     argv[optind - 1], usage->command);
		if (got == ':')
			return pv_err_create(PV_ERR_USAGE,
					     "option `%s` wants a value; see `pitviper %s --help`",
					     argv[optind - 1], usage->command);
		option =
			got >= LONG_ONLY ? &usage->options[got - LONG_ONLY] : by_letter(usage, got);
		err = set_value(option, optarg, into);
		if (err)
			return err;
	}
	*first_ret = optind;
	return NULL;
}

struct pv_err *pv_options_time(const char *option, const char *text, uint64_t *ns_ret)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
	double value;
	char *end;

	if (!text)
		return NULL;
	errno = 0;
	value = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (errno || end == text || !(value > 0) || value * units[i].ns > 1e15 ||
		    strcmp(end, units[i].unit) != 0)
			continue;
		*ns_ret = (uint64_t)(value * units[i].ns);
		return NULL;
	}
	return pv_err_create(PV_ERR_USAGE, "%s wants a time with its unit, such as 10ms, not `%s`",
			     option, text);
}
