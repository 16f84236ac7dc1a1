/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a stream is written to.
 * Input: a stream, the environment.
 * Output: its width and its colours.
 */
#include "tui/term.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	MIN_WIDTH = 20,
	MAX_WIDTH = 1000,
};

/* Of middle brightness, so that they can be read on black and on white. */
static const char *const sequences_256[PV_COLOURS] = {
	[PV_COLOUR_NONE] = "",
	[PV_COLOUR_PYTHON] = "\033[38;5;33m",
	[PV_COLOUR_NATIVE] = "\033[38;5;172m",
	[PV_COLOUR_KERNEL] = "\033[38;5;134m",
	[PV_COLOUR_GOOD] = "\033[32m",
	[PV_COLOUR_WARN] = "\033[38;5;166m",
	[PV_COLOUR_PALE] = "\033[38;5;245m",
};
static const char *const sequences_8[PV_COLOURS] = {
	[PV_COLOUR_NONE] = "",           [PV_COLOUR_PYTHON] = "\033[34m",
	[PV_COLOUR_NATIVE] = "\033[33m", [PV_COLOUR_KERNEL] = "\033[35m",
	[PV_COLOUR_GOOD] = "\033[32m",   [PV_COLOUR_WARN] = "\033[31m",
	[PV_COLOUR_PALE] = "",
};

static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

/* Of terminals without a name nothing is known. */
static bool is_dumb(void)
{
	const char *term = environment("TERM");

	return !*term || !strcmp(term, "dumb");
}

static const char *const *choose_colours(void)
{
	/* no-color.org: any value but the empty one */
	if (*environment("NO_COLOR") || is_dumb())
		return NULL;
	if (strstr(environment("TERM"), "256color") || *environment("COLORTERM"))
		return sequences_256;
	return sequences_8;
}

static unsigned int find_width(FILE *file, bool terminal)
{
	struct winsize size;
	long columns;

	if (terminal && !ioctl(fileno(file), TIOCGWINSZ, &size) && size.ws_col)
		columns = size.ws_col;
	else
		columns = strtol(environment("COLUMNS"), NULL, 10);
	if (columns <= 0)
		return PV_TERM_WIDTH;
	return columns < MIN_WIDTH ? MIN_WIDTH : columns > MAX_WIDTH ? MAX_WIDTH : columns;
}

struct pv_term pv_term_of(FILE *file)
{
	bool terminal = isatty(fileno(file));

	return (struct pv_term){
		.file = file,
		.terminal = terminal,
		.erases = terminal && !is_dumb(),
		.width = find_width(file, terminal),
		.sequence = terminal ? choose_colours() : NULL,
	};
}

struct pv_term pv_term_fixed(FILE *file, unsigned int width, bool colours)
{
	return (struct pv_term){
		.file = file,
		.terminal = colours,
		.width = width,
		.sequence = colours ? sequences_256 : NULL,
	};
}

void pv_term_put(const struct pv_term *term, const char *text, size_t n, enum pv_colour colour,
		 bool bold)
{
	bool plain = !term->sequence || !n || (!*term->sequence[colour] && !bold);

	if (!plain)
		fprintf(term->file, "%s%s", term->sequence[colour], bold ? "\033[1m" : "");
	fwrite(text, 1, n, term->file);
	if (!plain)
		fputs("\033[0m", term->file);
}

void pv_term_pad(const struct pv_term *term, int n)
{
	if (n > 0)
		fprintf(term->file, "%*s", n, "");
}
