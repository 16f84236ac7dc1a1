/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data of a profile's page, column by column, so that it compresses well
 * and the browser reads it at once.  docs/formats.md describes the sections.
 * Input: a profile.  Output: sections for the shell of out/viewer.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "model/doubts.h"
#include "model/limits.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/html.h"
#include "out/sections.h"
#include "out/viewer.h"

#define PUT PV_SECTIONS_PUT

struct html {
	const struct pv_profile *profile;
	struct pv_viewer *viewer;
	uint32_t *place; /* by node: its place in the order in which nodes are written */
	uint32_t *rank;  /* by sample: the same */
};

static void html_deinit(struct html *html)
{
	pv_viewer_destroy(html->viewer);
	free(html->place);
	free(html->rank);
}

static void meta_waiting(struct pv_json *json, const struct pv_profile *profile)
{
	const struct pv_waiting *waiting = &profile->waiting;
	uint32_t pid = waiting->pid ? waiting->pid : profile->pid;

	if (!waiting->tid)
		return;
	pv_json_begin(json, "waiting", '{');
	pv_sections_string(json, profile, "function", waiting->function);
	pv_sections_string(json, profile, "place", waiting->place);
	pv_sections_string(json, profile, "thread", waiting->thread);
	pv_json_bool(json, "main", waiting->tid == pid);
	pv_json_int(json, "pid", pid);
	pv_json_int(json, "processes", waiting->n_processes);
	pv_json_bool(json, "stopped", waiting->stopped);
	pv_json_int(json, "other_threads", waiting->n_others);
	pv_json_end(json, '}');
}

static void meta_capture(struct pv_json *json, const struct pv_profile *profile)
{
	pv_json_begin(json, "capture", '{');
	pv_sections_string(json, profile, "name", profile->target_name);
	pv_sections_string(json, profile, "title", profile->title);
	pv_sections_string(json, profile, "interpreter", profile->interpreter);
	pv_sections_string(json, profile, "problem", profile->problem);
	pv_sections_string(json, profile, "engine", profile->engine);
	pv_sections_string(json, profile, "host", profile->host);
	pv_sections_string(json, profile, "note", profile->note);
	pv_json_int(json, "pid", profile->pid);
	pv_json_bool(json, "no_native", profile->no_native);
	pv_json_bool(json, "no_kernel", profile->no_kernel);
	pv_json_bool(json, "ended", profile->ended);
	pv_json_bool(json, "cut", profile->cut);
	pv_json_int(json, "start_unix_ms", (int64_t)(profile->start_unix_ns / 1000000));
	pv_json_int(json, "slice_ns", (int64_t)profile->slice_ns);
	pv_json_int(json, "period_ns", (int64_t)profile->period_ns);
	pv_json_int(json, "duration_ns", (int64_t)profile->duration_ns);
	if (pv_totals_known(profile)) {
		pv_json_int(json, "target_cpu_ns", (int64_t)profile->target_cpu_ns);
		pv_json_int(json, "own_cpu_ns", (int64_t)profile->own_cpu_ns);
		pv_json_int(json, "probe_ns", (int64_t)profile->probe_ns);
	}
	meta_waiting(json, profile);
	pv_json_end(json, '}');
}

/* What is missing, and what is to be said of it, is decided in model/. */
static struct pv_err *meta_quality(struct pv_json *json, const struct pv_profile *profile)
{
	const struct pv_quality *quality = &profile->quality;
	const struct pv_losses *losses = &profile->losses;
	struct pv_missing missing = pv_missing_of(profile);
	struct pv_str children PV_CLEANUP(pv_str_deinit) = {};
	struct pv_str complete PV_CLEANUP(pv_str_deinit) = {};
	struct pv_err *err = pv_unwatched_text(profile, &children);

	if (!err && quality->samples)
		err = pv_complete_text(quality, &complete);
	if (err)
		return err;
	pv_json_begin(json, "quality", '{');
	pv_json_int(json, "samples", (int64_t)quality->samples);
	pv_json_int(json, "complete", (int64_t)quality->complete);
	pv_json_string(json, "complete_text", pv_str_text(&complete));
	pv_json_int(json, "truncated", (int64_t)quality->truncated);
	pv_json_int(json, "marked", (int64_t)quality->marked);
	pv_json_int(json, "bridged", (int64_t)quality->bridged);
	pv_json_int(json, "lost", (int64_t)missing.lost);
	pv_json_int(json, "missing", (int64_t)missing.missing);
	pv_json_int(json, "cpu_ns", (int64_t)missing.cpu_ns);
	pv_json_bytes(json, "children", pv_str_text(&children), children.n);
	pv_json_end(json, '}');
	pv_losses_json(losses, json);
	pv_sections_causes(json, losses);
	return NULL;
}

/* The page's answer goes by the terminal's limits. */
static void meta_limits(struct pv_json *json)
{
	pv_json_begin(json, "limits", '{');
	pv_json_int(json, "idle_percent", PV_LIMIT_IDLE_PERCENT);
	pv_json_int(json, "turn_samples", PV_LIMIT_TURN_SAMPLES);
	pv_json_int(json, "rough_samples", PV_LIMIT_ROUGH_SAMPLES);
	pv_json_int(json, "fair_percent", PV_LIMIT_FAIR_PERCENT);
	pv_json_int(json, "fair_foreign_percent", PV_LIMIT_FAIR_FOREIGN_PERCENT);
	pv_json_int(json, "line_percent", PV_LIMIT_LINE_PERCENT);
	pv_json_int(json, "most_percent", PV_LIMIT_MOST_PERCENT);
	pv_json_int(json, "alone_percent", PV_LIMIT_ALONE_PERCENT);
	pv_json_int(json, "matters_percent", PV_LIMIT_MATTERS_PERCENT);
	pv_json_int(json, "name_columns", PV_LIMIT_NAME_COLUMNS);
	pv_json_end(json, '}');
}

static struct pv_err *fill_meta(void *ctx, struct pv_json *json)
{
	struct html *html = ctx;
	struct pv_err *err;

	meta_capture(json, html->profile);
	err = meta_quality(json, html->profile);
	if (!err)
		err = pv_doubts_json(html->profile, json);
	meta_limits(json);
	return err;
}

struct ordered_sample {
	uint32_t place, thread, sample;
};

static int compare_place(const void *a, const void *b)
{
	const struct ordered_sample *x = a, *y = b;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return x->thread < y->thread ? -1 : x->thread > y->thread;
}

/* In the order of the nodes: how many nodes further, thread, count.  Fills in rank. */
static struct pv_err *write_samples(struct html *html, struct pv_vec *bytes)
{
	const struct pv_sample *samples = html->profile->samples.data;
	size_t n = html->profile->samples.n;
	_pv_free_ struct ordered_sample *order = calloc(n + 1, sizeof(*order));
	struct pv_err *err;

	html->rank = calloc(n + 1, sizeof(*html->rank));
	if (!order || !html->rank)
		return &pv_enomem;
	for (size_t i = 0; i < n; i++)
		order[i] = (struct ordered_sample){ .place = html->place[samples[i].node],
						    .thread = samples[i].thread,
						    .sample = i };
	qsort(order, n, sizeof(*order), compare_place);
	err = PUT(bytes, n);
	for (size_t i = 0; i < n && !err; i++) {
		html->rank[order[i].sample] = i;
		err = PUT(bytes, order[i].place - (i ? order[i - 1].place : 0), order[i].thread,
			  samples[order[i].sample].count);
	}
	return err ? err : pv_sections_flush(html->viewer, "SAMP", bytes);
}

struct ranked_tick {
	uint32_t rank, count;
};

static int compare_rank(const void *a, const void *b)
{
	const struct ranked_tick *x = a, *y = b;

	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* The ticks of one slice: their number, then samples upwards with "more than one" in bit 0. */
static struct pv_err *write_slice(struct pv_vec *ticks, struct pv_vec *bytes)
{
	struct pv_err *err = PUT(bytes, ticks->n);
	const struct ranked_tick *tick = ticks->data;
	uint32_t last = 0;

	if (ticks->n)
		qsort(ticks->data, ticks->n, sizeof(*tick), compare_rank);
	for (size_t i = 0; i < ticks->n && !err; i++) {
		err = PUT(bytes, (uint64_t)(tick[i].rank - last) << 1 | (tick[i].count != 1));
		if (!err && tick[i].count != 1)
			err = PUT(bytes, tick[i].count);
		last = tick[i].rank;
	}
	ticks->n = 0;
	return err;
}

static struct pv_err *write_ticks(struct html *html, struct pv_vec *bytes)
{
	const struct pv_profile *profile = html->profile;
	const struct pv_tick *ticks = profile->ticks.data;
	struct pv_vec slice PV_CLEANUP(pv_vec_deinit) = PV_VEC(struct ranked_tick);
	struct pv_err *err = PUT(bytes, profile->n_slices);
	size_t at = 0;

	for (uint32_t i = 0; i < profile->n_slices && !err; i++) {
		for (; at < profile->ticks.n && ticks[at].slice == i && !err; at++) {
			struct ranked_tick tick = { .rank = html->rank[ticks[at].sample],
						    .count = ticks[at].count };

			err = pv_vec_append(&slice, &tick, 1, NULL);
		}
		if (!err)
			err = write_slice(&slice, bytes);
	}
	return err ? err : pv_sections_flush(html->viewer, "TICK", bytes);
}

static struct pv_err *html_write(const struct pv_profile *profile, FILE *file)
{
	struct html html PV_CLEANUP(html_deinit) = { .profile = profile };
	struct pv_vec bytes PV_CLEANUP(pv_vec_deinit) = PV_VEC(uint8_t);
	struct pv_err *err = pv_viewer_create(&pv_viewer_profile, file, &html.viewer);

	if (!err)
		err = pv_sections_meta(html.viewer, "profile", html.profile, fill_meta, &html);
	if (!err)
		err = pv_sections_strings(html.viewer, profile, &bytes);
	if (!err)
		err = pv_sections_locs(html.viewer, profile, &bytes);
	if (!err)
		err = pv_sections_nodes(html.viewer, profile, &html.place);
	if (!err)
		err = write_samples(&html, &bytes);
	if (!err)
		err = write_ticks(&html, &bytes);
	if (!err)
		err = pv_sections_sources(html.viewer, profile, &bytes);
	return err ? err : pv_viewer_end(html.viewer);
}

static const char *const html_suffixes[] = { ".html", NULL };

const struct pv_format pv_format_html = {
	.name = "html",
	.suffixes = html_suffixes,
	.help = "one page to look at in a browser: flame graph, tables, time, source",
	.write = html_write,
};
