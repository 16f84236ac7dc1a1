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
#include "model/frame.h"
#include "model/limits.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/html.h"
#include "out/viewer.h"
#include "recfile/bytes.h"

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

/* Writes the section and empties bytes. */
static struct pv_err *flush_section(struct html *html, const char *tag, struct pv_vec *bytes)
{
	struct pv_err *err = pv_viewer_section(html->viewer, tag, bytes->data, bytes->n);

	bytes->n = 0;
	return err;
}

/* Appends numbers; each section is made of these and of texts. */
static struct pv_err *put(struct pv_vec *bytes, const uint64_t *numbers, size_t n)
{
	struct pv_err *err = pv_vec_reserve(bytes, n * PV_VARINT_BYTES);

	for (size_t i = 0; i < n && !err; i++)
		pv_put_varint(bytes, numbers[i]);
	return err;
}

#define PUT(bytes, ...)                                                                            \
	put(bytes, (const uint64_t[]){ __VA_ARGS__ },                                              \
	    sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

static void meta_string(struct pv_json *json, const struct pv_profile *profile, const char *key,
			uint32_t id)
{
	pv_json_bytes(json, key, pv_strings_get(profile->strings, id),
		      pv_strings_length(profile->strings, id));
}

static void meta_waiting(struct pv_json *json, const struct pv_profile *profile)
{
	const struct pv_waiting *waiting = &profile->waiting;
	uint32_t pid = waiting->pid ? waiting->pid : profile->pid;

	if (!waiting->tid)
		return;
	pv_json_begin(json, "waiting", '{');
	meta_string(json, profile, "function", waiting->function);
	meta_string(json, profile, "place", waiting->place);
	meta_string(json, profile, "thread", waiting->thread);
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
	meta_string(json, profile, "name", profile->target_name);
	meta_string(json, profile, "title", profile->title);
	meta_string(json, profile, "interpreter", profile->interpreter);
	meta_string(json, profile, "problem", profile->problem);
	meta_string(json, profile, "engine", profile->engine);
	meta_string(json, profile, "host", profile->host);
	meta_string(json, profile, "note", profile->note);
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
	pv_json_begin(json, "causes", '{');
	for (size_t i = 1; i < PV_LOSSES_MAX; i++) {
		if (losses->count[i])
			pv_json_string(json, pv_losses_name(losses, i).text,
				       pv_losses_text(losses, i));
	}
	pv_json_end(json, '}');
	return NULL;
}

static void meta_processes(struct pv_json *json, const struct pv_profile *profile)
{
	pv_json_begin(json, "processes", '[');
	for (size_t i = 0; i < profile->processes.n; i++) {
		const struct pv_profile_process *process = pv_vec_at(&profile->processes, i);

		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "pid", process->pid);
		pv_json_int(json, "generation", process->generation);
		meta_string(json, profile, "name", process->name);
		meta_string(json, profile, "title", process->title);
		meta_string(json, profile, "interpreter", process->interpreter);
		meta_string(json, profile, "problem", process->problem);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
	pv_json_begin(json, "threads", '[');
	for (size_t i = 0; i < profile->threads.n; i++) {
		const struct pv_profile_thread *thread = pv_vec_at(&profile->threads, i);

		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "process", thread->process);
		pv_json_int(json, "tid", thread->tid);
		meta_string(json, profile, "name", thread->name);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
}

static void meta_modules(struct pv_json *json, const struct pv_profile *profile)
{
	pv_json_begin(json, "modules", '[');
	for (size_t i = 0; i < profile->modules.n; i++) {
		const struct pv_module *module = pv_vec_at(&profile->modules, i);

		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "name", module->name);
		meta_string(json, profile, "path", module->path);
		meta_string(json, profile, "build_id", module->build_id);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
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

/* What is small and has names of its own: JSON. */
static struct pv_err *write_meta(struct html *html)
{
	_pv_free_ char *text = NULL;
	size_t n = 0;
	_pv_fclose_ FILE *file = open_memstream(&text, &n);
	struct pv_json json = { .file = file };
	struct pv_err *err;

	if (!file)
		return &pv_enomem;
	pv_json_begin(&json, NULL, '{');
	pv_json_string(&json, "view", "profile");
	pv_json_string(&json, "pitviper", PV_VERSION);
	meta_capture(&json, html->profile);
	err = meta_quality(&json, html->profile);
	if (!err)
		err = pv_doubts_json(html->profile, &json);
	if (err)
		return err;
	meta_limits(&json);
	meta_processes(&json, html->profile);
	meta_modules(&json, html->profile);
	pv_json_end(&json, '}');
	if (fflush(file) || ferror(file))
		return &pv_enomem;
	return pv_viewer_section(html->viewer, "META", text, n);
}

/* Number of strings, their lengths, their bytes. */
static struct pv_err *write_strings(struct html *html, struct pv_vec *bytes)
{
	const struct pv_strings *strings = html->profile->strings;
	size_t n = pv_strings_n(strings);
	struct pv_err *err = PUT(bytes, n);

	for (size_t i = 0; i < n && !err; i++)
		err = PUT(bytes, pv_strings_length(strings, i));
	for (size_t i = 0; i < n && !err; i++)
		err = pv_vec_append(bytes, pv_strings_get(strings, i),
				    pv_strings_length(strings, i), NULL);
	return err ? err : flush_section(html, "STRS", bytes);
}

/*
 * Name, file, module, kind (bit 3: the user's own code, bit 4: machinery of
 * calling, bit 5: of the interpreter), and how much of the file's path is not
 * shown.
 */
static struct pv_err *write_function(const struct pv_profile *profile, const struct pv_loc *loc,
				     struct pv_vec *bytes)
{
	const char *file = pv_strings_get(profile->strings, loc->file);
	size_t n = pv_strings_length(profile->strings, loc->file);

	return PUT(bytes, loc->function, loc->file, loc->module,
		   loc->kind | (uint64_t)pv_loc_is_own(profile, loc) << 3 |
			   (uint64_t)pv_frame_is_machinery(profile, loc) << 4 |
			   (uint64_t)pv_frame_is_interpreter(profile, loc) << 5,
		   n ? pv_path_skip(file, n) : 0);
}

/* Functions in the order of their first locations; function and line of each location. */
static struct pv_err *write_locs(struct html *html, struct pv_vec *bytes)
{
	const struct pv_profile *profile = html->profile;
	size_t n = profile->locs.n, n_functions = 0;
	_pv_free_ uint32_t *first = NULL; /* by location: the first of the same function */
	struct pv_err *err = pv_profile_functions(profile, &first);

	for (size_t i = 0; i < n && !err; i++)
		n_functions += first[i] == i;
	if (!err)
		err = PUT(bytes, n_functions);
	for (size_t i = 0; i < n && !err; i++) {
		if (first[i] == i)
			err = write_function(profile, pv_vec_at(&profile->locs, i), bytes);
	}
	if (!err)
		err = flush_section(html, "FUNC", bytes);
	if (!err)
		err = PUT(bytes, n);
	n_functions = 0;
	for (size_t i = 0; i < n && !err; i++) {
		const struct pv_loc *loc = pv_vec_at(&profile->locs, i);

		/* From here on: its function's place among the functions. */
		first[i] = first[i] == i ? n_functions++ : first[first[i]];
		err = PUT(bytes, first[i], loc->line > 0 ? loc->line : 0);
	}
	return err ? err : flush_section(html, "LOCS", bytes);
}

/*
 * Nodes depth first, children in the order of their making: for each but the
 * root how many levels its parent stands above the node before it, and its
 * location.  Fills in place.
 */
static struct pv_err *write_nodes(struct html *html, struct pv_vec *ups, struct pv_vec *locs)
{
	const struct pv_stack_node *nodes = html->profile->nodes.data;
	size_t n = html->profile->nodes.n;
	_pv_free_ uint32_t *sibling = calloc(n, sizeof(*sibling));
	/* the first child until the node is written, its place from then on */
	uint32_t *child = html->place = calloc(n, sizeof(*child));
	struct pv_err *err;
	uint32_t place = 0;

	if (!sibling || !child)
		return &pv_enomem;
	for (size_t i = n - 1; i; i--) {
		sibling[i] = child[nodes[i].parent];
		child[nodes[i].parent] = i;
	}
	err = PUT(ups, n);
	for (uint32_t at = 0; !err;) {
		uint32_t next = child[at], up = 0;

		child[at] = place++;
		while (!next && at) {
			next = sibling[at];
			at = nodes[at].parent;
			up++;
		}
		if (!next)
			break;
		err = PUT(ups, up);
		if (!err)
			err = PUT(locs, nodes[next].loc);
		at = next;
	}
	if (!err)
		err = flush_section(html, "NUPS", ups);
	return err ? err : flush_section(html, "NLOC", locs);
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
	return err ? err : flush_section(html, "SAMP", bytes);
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
	return err ? err : flush_section(html, "TICK", bytes);
}

/* File, changed, length of each source, then the texts. */
static struct pv_err *write_sources(struct html *html, struct pv_vec *bytes)
{
	const struct pv_source *sources = html->profile->sources.data;
	size_t n = html->profile->sources.n;
	struct pv_err *err = PUT(bytes, n);

	for (size_t i = 0; i < n && !err; i++)
		err = PUT(bytes, sources[i].file, sources[i].changed, sources[i].n);
	for (size_t i = 0; i < n && !err; i++)
		err = pv_vec_append(bytes, sources[i].text, sources[i].n, NULL);
	return err ? err : flush_section(html, "SRCS", bytes);
}

static struct pv_err *html_write(const struct pv_profile *profile, FILE *file)
{
	struct html html PV_CLEANUP(html_deinit) = { .profile = profile };
	struct pv_vec bytes PV_CLEANUP(pv_vec_deinit) = PV_VEC(uint8_t);
	struct pv_vec more PV_CLEANUP(pv_vec_deinit) = PV_VEC(uint8_t);
	struct pv_err *err = pv_viewer_create(&pv_viewer_profile, file, &html.viewer);

	if (!err)
		err = write_meta(&html);
	if (!err)
		err = write_strings(&html, &bytes);
	if (!err)
		err = write_locs(&html, &bytes);
	if (!err)
		err = write_nodes(&html, &bytes, &more);
	if (!err)
		err = write_samples(&html, &bytes);
	if (!err)
		err = write_ticks(&html, &bytes);
	if (!err)
		err = write_sources(&html, &bytes);
	return err ? err : pv_viewer_end(html.viewer);
}

static const char *const html_suffixes[] = { ".html", NULL };

const struct pv_format pv_format_html = {
	.name = "html",
	.suffixes = html_suffixes,
	.help = "one page to look at in a browser: flame graph, tables, time, source",
	.write = html_write,
};
