/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The line that tells how a capture goes.
 * Input: plain numbers.
 * Output: a line on a terminal, which is erased at the end.
 */
#include "cmd/progress.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/text.h"
#include "tui/term.h"

#define EVERY_S 0.25
#define RATE_S  1.0
#define ERASE   "\r\033[J"

enum {
	INDENT = 2,
	GAP = 6,       /* between title and numbers, */
	GAP_LEAST = 2, /* where it is narrow */
};

struct pv_progress {
	FILE *file;
	char *title;
	double duration_s, written_s; /* written_s < 0: not yet */
	double since_s, rate;         /* samples a second of the last second, known at since_s */
	uint64_t since_samples;
	bool shown;
	struct pv_str line;
};

struct pv_err *pv_progress_create(FILE *file, const char *title, double duration_s,
				  struct pv_progress **ret)
{
	struct pv_progress *progress;

	if (!pv_term_of(file).erases) {
		*ret = NULL;
		return NULL;
	}
	progress = calloc(1, sizeof(*progress));
	if (!progress)
		return &pv_enomem;
	progress->file = file;
	progress->title = strdup(title);
	progress->duration_s = duration_s;
	progress->written_s = -1;
	if (!progress->title) {
		free(progress);
		return &pv_enomem;
	}
	*ret = progress;
	return NULL;
}

void pv_progress_erase(struct pv_progress *progress)
{
	if (!progress || !progress->shown)
		return;
	fputs(ERASE, progress->file);
	fflush(progress->file);
	progress->shown = false;
}

void pv_progress_destroy(struct pv_progress *progress)
{
	if (!progress)
		return;
	pv_progress_erase(progress);
	pv_str_deinit(&progress->line);
	free(progress->title);
	free(progress);
}

struct pv_err *pv_progress_line(const char *title, double elapsed_s, double duration_s,
				uint64_t samples, double rate, uint64_t lost, unsigned int columns,
				struct pv_str *str)
{
	struct pv_str numbers PV_CLEANUP(pv_str_deinit) = {};
	size_t start = str->n, room, used;
	struct pv_err *err;

	err = pv_str_appendf(&numbers, "%.1f", elapsed_s);
	if (!err && duration_s > 0)
		err = pv_str_appendf(&numbers, " / %g", duration_s);
	if (!err)
		err = pv_str_appendf(
			&numbers, " s  %s samples, %s/s  %s lost", pv_text_number(samples).text,
			pv_text_number((uint64_t)(rate + 0.5)).text, pv_text_number(lost).text);
	if (!err)
		err = pv_str_appendf(str, "%*s", INDENT, "");
	if (!err)
		err = pv_text_append(str, title, strlen(title));
	if (err)
		return err;
	room = columns > numbers.n + GAP_LEAST ? columns - numbers.n - GAP_LEAST : 0;
	err = pv_text_cut(str, start, room);
	if (err)
		return err;
	used = pv_text_width(pv_str_text(str) + start, str->n - start);
	room = room + GAP_LEAST - used; /* for the gap */
	err = pv_str_appendf(str, "%*s", (int)(room < GAP ? room : GAP), "");
	if (!err)
		err = pv_str_append(str, pv_str_text(&numbers), numbers.n);
	return err ? err : pv_text_cut(str, start, columns);
}

/* Of the last whole second, so that the number can be read. */
static double rate_of(struct pv_progress *progress, double elapsed_s, uint64_t samples)
{
	double span_s = elapsed_s - progress->since_s;

	/* until there is a second, of what there is */
	if (span_s > 0 && (span_s >= RATE_S || progress->since_s <= 0))
		progress->rate = (double)(samples - progress->since_samples) / span_s;
	if (span_s >= RATE_S) {
		progress->since_s = elapsed_s;
		progress->since_samples = samples;
	}
	return progress->rate;
}

/* A job in the background that writes to the terminal may be stopped for it (stty tostop). */
static bool in_foreground(FILE *file)
{
	return tcgetpgrp(fileno(file)) == getpgrp();
}

struct pv_err *pv_progress_update(struct pv_progress *progress, double elapsed_s, uint64_t samples,
				  uint64_t lost)
{
	struct pv_err *err;

	if (!progress || !in_foreground(progress->file))
		return NULL;
	if (progress->written_s >= 0 && elapsed_s - progress->written_s < EVERY_S)
		return NULL;
	progress->written_s = elapsed_s;
	pv_str_clear(&progress->line);
	/* one column less: a full line would move the cursor on */
	err = pv_progress_line(progress->title, elapsed_s, progress->duration_s, samples,
			       rate_of(progress, elapsed_s, samples), lost,
			       pv_term_of(progress->file).width - 1, &progress->line);
	if (err)
		return err;
	/*
	 * The cursor stays at the line's start: where a narrower terminal breaks the line
	 * into two, it is still at the first, and what is below is the rest of it.
	 */
	fprintf(progress->file, "\r%s\033[J\r", pv_str_text(&progress->line));
	fflush(progress->file);
	progress->shown = true;
	return NULL;
}
