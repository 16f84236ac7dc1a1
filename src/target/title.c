/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Titles of processes.  Input: command lines.  Output: struct pv_command_words.
 */
#include "target/title.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "target/procfs.h"

enum { NAME_BYTES = 15 }; /* as much of a name as the kernel keeps */

/* Walks over the arguments. */
struct arguments {
	const char *at, *end;
};

/* The next argument, n bytes long; NULL after the last. */
static const char *next_argument(struct arguments *arguments, size_t *n_ret)
{
	const char *argument = arguments->at, *nul;

	if (argument >= arguments->end)
		return NULL;
	nul = memchr(argument, '\0', arguments->end - argument);
	*n_ret = (nul ? nul : arguments->end) - argument;
	arguments->at = nul ? nul + 1 : arguments->end;
	return argument;
}

/* Copies what fits, ends it at the end of a UTF-8 character, makes it harmless. */
static void copy_text(char ret[PV_TITLE_BYTES], const char *text, size_t n)
{
	size_t i;

	if (n > PV_TITLE_BYTES - 1) {
		n = PV_TITLE_BYTES - 1;
		while (n > PV_TITLE_BYTES - 4 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	}
	for (i = 0; i < n; i++) {
		unsigned char c = text[i];

		ret[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	ret[n] = '\0';
}

static void copy_base(char ret[PV_TITLE_BYTES], const char *path, size_t n)
{
	const char *slash = memrchr(path, '/', n);

	if (slash && slash + 1 < path + n) {
		n -= slash + 1 - path;
		path = slash + 1;
	}
	copy_text(ret, path, n);
}

static bool is_python(const char *program)
{
	return !strncmp(program, "python", 6) || !strncmp(program, "pypy", 4);
}

/*
 * Reads one argument of short options (CPython 3.13 Python/getopt.c): true if
 * the command ends with it, -c or -m, whose script is then known.
 */
static bool short_options(struct arguments *arguments, const char *option, size_t n,
			  struct pv_command_words *words)
{
	size_t i;

	for (i = 1; i < n; i++) {
		const char *rest = option + i + 1;
		size_t n_rest = n - i - 1;

		if (option[i] == 'c') {
			strcpy(words->title, "-c");
			return true;
		}
		if (!strchr("mWXQ", option[i]))
			continue;
		if (!n_rest)
			rest = next_argument(arguments, &n_rest);
		if (option[i] != 'm')
			return false;
		if (rest) {
			copy_text(words->script, rest, n_rest);
			snprintf(words->title, sizeof(words->title), "-m %.*s", PV_TITLE_BYTES - 4,
				 words->script);
		}
		return true;
	}
	return false;
}

/* The script that a Python command runs, and by it the title. */
static void python_words(struct arguments *arguments, struct pv_command_words *words)
{
	static const char with_value[] = "--check-hash-based-pycs"; /* the only long one */
	const char *argument;
	size_t n;

	while ((argument = next_argument(arguments, &n)) && n > 1 && *argument == '-') {
		if (argument[1] != '-' && short_options(arguments, argument, n, words))
			return;
		if (n == sizeof(with_value) - 1 && !memcmp(argument, with_value, n))
			next_argument(arguments, &n);
		if (n == 2 && argument[1] == '-') {
			argument = next_argument(arguments, &n);
			break;
		}
	}
	/* "-" is standard input */
	if (!argument || (n == 1 && *argument == '-'))
		return;
	copy_base(words->script, argument, n);
	strcpy(words->title, words->script);
}

void pv_command_words(const char *cmdline, size_t n, const char *name, struct pv_command_words *ret)
{
	struct arguments arguments = { .at = cmdline };
	const char *first;
	size_t n_first = 0;

	memset(ret, 0, sizeof(*ret));
	copy_text(ret->title, name, strlen(name));
	/* a program that sets its title leaves NULs behind it */
	while (n && !cmdline[n - 1])
		n--;
	arguments.end = n ? cmdline + n : cmdline; /* which may be NULL then */
	first = next_argument(&arguments, &n_first);
	if (!first || !n_first)
		return;
	if (arguments.at == arguments.end && *first != '/' && memchr(first, ' ', n_first)) {
		/* setproctitle(): all of it is one argument, and reads as a sentence */
		const char *colon = memchr(first, ':', n_first);

		copy_text(ret->title, first, n_first);
		if (colon)
			copy_text(ret->program, first, colon - first);
		return;
	}
	copy_base(ret->program, first, n_first);
	if (is_python(ret->program))
		python_words(&arguments, ret);
	else if (strlen(name) == NAME_BYTES && !strncmp(ret->program, name, NAME_BYTES))
		strcpy(ret->title, ret->program);
}

struct pv_err *pv_process_words(pid_t pid, const char *name, struct pv_command_words *ret)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = {};
	struct pv_err *err = pv_procfs_read(pid, "cmdline", &text);

	if (err)
		return err;
	pv_command_words(pv_str_text(&text), text.n, name, ret);
	return NULL;
}
