/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Summaries of a capture.  Input: a profile.  Output: text or JSON on a FILE.
 */
#include "cmd/summary.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/format.h"
#include "session/session.h"

enum {
	HOTTEST = 12,
	TABLE_WIDTH = 120, /* bytes of a function's text */
};

static double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static double seconds(uint64_t ns)
{
	return ns / 1e9;
}

/* What the process did with its time. */
static void print_shares(const struct pv_profile *profile, const struct pv_session_facts *facts,
			 FILE *file)
{
	struct pv_layers layers = pv_profile_layers(profile);
	uint64_t samples = profile->quality.samples;
	uint64_t on_cpu_ns = samples * profile->period_ns;

	fprintf(file, "\nOn CPU %.2f s in %.2f s (%.0f %%)", seconds(on_cpu_ns),
		seconds(profile->duration_ns), percent(on_cpu_ns, profile->duration_ns));
	if (!samples && facts->ended) {
		fprintf(file, ": it ended without using CPU time worth a sample.\n");
		return;
	}
	if (!samples) {
		fprintf(file, ": it was idle; `pitviper stack %u` shows what it waits for.\n",
			profile->pid);
		return;
	}
	if (facts->no_native)
		fprintf(file, ": %.0f %% Python and the C code it calls, %.0f %% kernel",
			percent(layers.python + layers.native, samples),
			percent(layers.kernel, samples));
	else
		fprintf(file, ": %.0f %% Python, %.0f %% C, %.0f %% kernel",
			percent(layers.python, samples), percent(layers.native, samples),
			percent(layers.kernel, samples));
	if (layers.other)
		fprintf(file, ", %.1f %% marked", percent(layers.other, samples));
	fprintf(file, ". %zu thread%s on CPU.\n", profile->threads.n,
		profile->threads.n == 1 ? "" : "s");
}

/* "function (file.py:LINE)" of a function, not of the line that happened to be seen first. */
static struct pv_err *hot_text(const struct pv_profile *profile, const struct pv_hot *hot,
			       struct pv_str *text)
{
	struct pv_loc loc = *(const struct pv_loc *)pv_vec_at(&profile->locs, hot->loc);

	loc.line = 0;
	pv_str_clear(text);
	return pv_frame_text(profile->strings, &loc, PV_ESCAPE_LINE, text);
}

/* The text cut to the table's width, at the end of a character. */
static const char *table_text(struct pv_str *text)
{
	size_t n = TABLE_WIDTH;

	if (text->n <= TABLE_WIDTH)
		return pv_str_text(text);
	while (n && (text->data[n] & 0xc0) == 0x80)
		n--;
	strcpy(text->data + n, "...");
	return text->data;
}

static struct pv_err *print_hottest(const struct pv_profile *profile, FILE *file)
{
	uint64_t samples = profile->quality.samples;
	_pv_free_ struct pv_hot *hot = NULL;
	struct pv_str text = {};
	struct pv_err *err;
	size_t n = 0, i;

	if (!samples)
		return NULL;
	err = pv_profile_hottest(profile, &hot, &n);
	if (err)
		return err;
	fprintf(file, "\n    self            total           function\n");
	for (i = 0; !err && i < n && i < HOTTEST && hot[i].self; i++) {
		err = hot_text(profile, &hot[i], &text);
		if (!err)
			fprintf(file, "  %5.1f %% %6.2f s  %5.1f %% %6.2f s  %s\n",
				percent(hot[i].self, samples),
				seconds(hot[i].self * profile->period_ns),
				percent(hot[i].total, samples),
				seconds(hot[i].total * profile->period_ns), table_text(&text));
	}
	pv_str_deinit(&text);
	return err;
}

/* Losses proper; a bridged break or a refused bridge is told, too. */
static void print_losses(const struct pv_profile *profile, FILE *file)
{
	const struct pv_losses *losses = &profile->losses;
	size_t i;

	for (i = 1; i < PV_LOSSES_MAX; i++) {
		if (losses->count[i])
			fprintf(file, "  %llu %s\n", (unsigned long long)losses->count[i],
				losses->text[i] ? losses->text[i] : "of an unknown cause");
	}
}

static bool any_loss(const struct pv_profile *profile)
{
	size_t i;

	for (i = 1; i < PV_LOSSES_MAX; i++) {
		if (profile->losses.count[i])
			return true;
	}
	return false;
}

struct pv_err *pv_summary_print(const struct pv_profile *profile,
				const struct pv_session_facts *facts, const char *const *outputs,
				size_t n_outputs, FILE *file)
{
	const struct pv_quality *quality = &profile->quality;
	struct pv_err *err;
	size_t i;

	print_shares(profile, facts, file);
	if (!*facts->interpreter && !facts->python_error)
		fprintf(file, "No CPython in %s (%d): native and kernel stacks only.\n",
			facts->name, facts->pid);
	if (facts->python_error)
		fprintf(file, "Python frames are not shown: %s.\n", facts->python_error);
	err = print_hottest(profile, file);
	if (err)
		return err;
	fprintf(file, "\n%llu samples", (unsigned long long)quality->samples);
	if (quality->samples)
		fprintf(file, "; %.2f %% complete, %llu bridged, %llu truncated, %llu marked",
			percent(quality->complete, quality->samples),
			(unsigned long long)quality->bridged,
			(unsigned long long)quality->truncated,
			(unsigned long long)quality->marked);
	fprintf(file,
		"; cost %.2f %% of one CPU in the target, %.2f s of CPU time in pitviper. %s\n",
		percent(profile->probe_ns, profile->duration_ns), seconds(profile->own_cpu_ns),
		any_loss(profile) ? "Lost or marked, by cause:" : "None lost.");
	print_losses(profile, file);
	for (i = 0; i < n_outputs; i++)
		fprintf(file, "%s%s", i ? ", " : "Wrote ", outputs[i]);
	fputs(n_outputs ? "\n" : "", file);
	return NULL;
}

static void json_losses(struct pv_json *json, const struct pv_losses *losses)
{
	size_t i, k;

	pv_json_begin(json, "lost", '{');
	for (i = 1; i < PV_LOSSES_MAX; i++) {
		char name[64];

		if (!losses->name[i])
			continue;
		for (k = 0; losses->name[i][k] && k < sizeof(name) - 1; k++)
			name[k] = tolower((unsigned char)losses->name[i][k]);
		name[k] = '\0';
		pv_json_int(json, name, losses->count[i]);
	}
	pv_json_end(json, '}');
}

static void json_threads(struct pv_json *json, const struct pv_profile *profile)
{
	size_t i;

	pv_json_begin(json, "threads", '[');
	for (i = 0; i < profile->threads.n; i++) {
		const struct pv_profile_thread *thread = pv_vec_at(&profile->threads, i);

		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "pid", thread->pid);
		pv_json_int(json, "tid", thread->tid);
		pv_json_string(json, "name", pv_strings_get(profile->strings, thread->name));
		pv_json_int(json, "samples", thread->samples);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
}

void pv_summary_json(const struct pv_profile *profile, const struct pv_session_facts *facts,
		     const char *const *outputs, size_t n_outputs, FILE *file)
{
	const struct pv_quality *quality = &profile->quality;
	struct pv_json json = { .file = file };
	size_t i;

	pv_json_begin(&json, NULL, '{');
	pv_json_string(&json, "engine", pv_strings_get(profile->strings, profile->engine));
	pv_json_int(&json, "pid", facts->pid);
	pv_json_string(&json, "target", facts->name);
	pv_json_string(&json, "interpreter", facts->interpreter);
	if (facts->python_error)
		pv_json_string(&json, "python_error", facts->python_error);
	pv_json_double(&json, "duration_s", seconds(profile->duration_ns));
	pv_json_double(&json, "period_s", seconds(profile->period_ns));
	pv_json_int(&json, "samples", quality->samples);
	pv_json_double(&json, "samples_expected",
		       profile->period_ns ? (double)profile->target_cpu_ns / profile->period_ns
					  : 0);
	pv_json_int(&json, "complete", quality->complete);
	pv_json_int(&json, "bridged", quality->bridged);
	pv_json_int(&json, "truncated", quality->truncated);
	pv_json_int(&json, "marked", quality->marked);
	pv_json_int(&json, "with_python", quality->with_python);
	pv_json_int(&json, "kernel", quality->kernel);
	json_losses(&json, &profile->losses);
	pv_json_double(&json, "target_cpu_s", seconds(profile->target_cpu_ns));
	pv_json_double(&json, "own_cpu_s", seconds(profile->own_cpu_ns));
	pv_json_double(&json, "bpf_run_s", seconds(profile->probe_ns));
	pv_json_int(&json, "bpf_map_bytes", facts->map_bytes);
	pv_json_double(&json, "attach_ms", facts->attach_ms);
	pv_json_double(&json, "first_sample_ms", facts->first_sample_ms);
	json_threads(&json, profile);
	pv_json_begin(&json, "outputs", '[');
	for (i = 0; i < n_outputs; i++)
		pv_json_string(&json, NULL, outputs[i]);
	pv_json_end(&json, ']');
	pv_json_end(&json, '}');
	fputc('\n', file);
}
