/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Histograms as text and JSON.  Input: a report.  Output: lines.
 */
#include "cmd/latency_text.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "base/text.h"
#include "model/histogram.h"
#include "model/path.h"
#include "session/latency.h"
#include "tui/term.h"

enum {
	STEPS = 8, /* buckets for a power of two */
	BAR_COLUMNS = 40,
	BY_ROWS_MAX = 20,
};

/* A function's text so far; lines are counted for the next redraw. */
struct page {
	const struct pv_term *term;
	unsigned int lines;
};

static void end_line(struct page *page)
{
	fputc('\n', page->term->file);
	page->lines++;
}

static void add_calls(struct pv_latency_calls *sum, const struct pv_latency_calls *row)
{
	sum->calls += row->calls;
	sum->sum_ns += row->sum_ns;
	sum->off_cpu_ns += row->off_cpu_ns;
	if (row->max_ns > sum->max_ns)
		sum->max_ns = row->max_ns;
	for (size_t i = 0; i < PV_LATENCY_BUCKETS_N; i++)
		sum->buckets[i] += row->buckets[i];
}

/* All calls of a function, of whatever thread or caller. */
static void sum_function(const struct pv_latency_report *report, size_t function,
			 struct pv_latency_calls *ret)
{
	*ret = (struct pv_latency_calls){ .function = (uint32_t)function };
	for (size_t i = 0; i < report->rows.n; i++) {
		const struct pv_latency_calls *row = pv_vec_at(&report->rows, i);

		if (row->function == function)
			add_calls(ret, row);
	}
}

static double on_cpu_percent(const struct pv_latency_calls *calls)
{
	return calls->sum_ns ? 100 - 100.0 * (double)calls->off_cpu_ns / (double)calls->sum_ns : 0;
}

static uint64_t percentile(const struct pv_latency_calls *calls, double part)
{
	return pv_histogram_percentile(calls->buckets, PV_LATENCY_BUCKETS_N, calls->max_ns, part);
}

static void print_numbers(struct page *page, const struct pv_latency_calls *calls)
{
	struct pv_duration mean = pv_text_duration(calls->sum_ns / calls->calls),
			   p50 = pv_text_duration(percentile(calls, 0.5)),
			   p90 = pv_text_duration(percentile(calls, 0.9)),
			   p99 = pv_text_duration(percentile(calls, 0.99)),
			   max = pv_text_duration(calls->max_ns);

	fprintf(page->term->file, "mean %s  p50 %s  p90 %s  p99 %s  max %s  on CPU %.0f %%",
		mean.text, p50.text, p90.text, p99.text, max.text, on_cpu_percent(calls));
	end_line(page);
}

/* One line for each power of two between the first and the last that occur. */
static void print_histogram(struct page *page, const struct pv_latency_calls *calls)
{
	enum { POWERS = PV_LATENCY_BUCKETS_N / STEPS };
	uint64_t powers[POWERS] = { 0 }, most = 1;
	size_t first = POWERS, last = 0;

	for (size_t i = 0; i < PV_LATENCY_BUCKETS_N; i++)
		powers[i / STEPS] += calls->buckets[i];
	for (size_t i = 0; i < POWERS; i++) {
		if (!powers[i])
			continue;
		first = first < i ? first : i;
		last = i;
		most = powers[i] > most ? powers[i] : most;
	}
	for (size_t i = first; i <= last; i++) {
		struct pv_duration low = pv_text_duration(pv_histogram_low(i * STEPS)),
				   high = pv_text_duration(pv_histogram_low((i + 1) * STEPS));
		int n = (int)((powers[i] * BAR_COLUMNS + most - 1) / most);

		fprintf(page->term->file, "  %8s .. %-8s %11s  ", low.text, high.text,
			pv_text_number(powers[i]).text);
		for (int k = 0; k < n; k++)
			fputc('#', page->term->file);
		end_line(page);
	}
}

/* "handle (app.py:41)", escaped. */
static struct pv_err *append_name(struct pv_str *str, const struct pv_latency_name *name)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str raw = { 0 };
	struct pv_err *err;

	err = pv_str_appendf(&raw, "%s (%s:%u)", name->qualname,
			     name->file + pv_path_skip(name->file, strlen(name->file)), name->line);
	return err ? err : pv_text_append(str, pv_str_text(&raw), raw.n);
}

static struct pv_err *append_by(struct pv_str *str, const struct pv_latency *latency,
				const struct pv_latency_options *options, uint64_t by)
{
	struct pv_latency_name caller;

	if (options->split == PV_LATENCY_SPLIT_THREAD)
		return pv_str_appendf(str, "thread %llu", (unsigned long long)by);
	if (!by)
		return pv_str_appendf(str, "no Python function");
	if (!pv_latency_caller(latency, by, &caller))
		return pv_str_appendf(str, "[unknown function]");
	return append_name(str, &caller);
}

static struct pv_err *print_rows(struct page *page, const struct pv_latency *latency,
				 const struct pv_latency_report *report,
				 const struct pv_latency_options *options, size_t function)
{
	struct pv_err *err = NULL;
	size_t n = 0;

	for (size_t i = 0; !err && i < report->rows.n; i++) {
		const struct pv_latency_calls *row = pv_vec_at(&report->rows, i);
		PV_CLEANUP(pv_str_deinit) struct pv_str by = { 0 };

		if (row->function != function || ++n > BY_ROWS_MAX)
			continue;
		err = append_by(&by, latency, options, row->by);
		if (err)
			break;
		fprintf(page->term->file, "  %11s  %s", pv_text_number(row->calls).text,
			pv_str_text(&by));
		end_line(page);
		fprintf(page->term->file, "               ");
		print_numbers(page, row);
	}
	if (!err && n > BY_ROWS_MAX) {
		fprintf(page->term->file, "  and %zu more", n - BY_ROWS_MAX);
		end_line(page);
	}
	return err;
}

static struct pv_err *print_function(struct page *page, const struct pv_latency *latency,
				     const struct pv_latency_report *report,
				     const struct pv_latency_options *options, size_t function)
{
	struct pv_latency_name name = pv_latency_name(latency, function);
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_err *err = append_name(&text, &name);
	struct pv_latency_calls sum;

	if (err)
		return err;
	sum_function(report, function, &sum);
	if (function)
		end_line(page);
	pv_term_put(page->term, pv_str_text(&text), text.n, PV_COLOUR_PYTHON, true);
	if (!sum.calls) {
		fprintf(page->term->file, "  no call ended in %.1f s", report->elapsed_s);
		end_line(page);
		return NULL;
	}
	fprintf(page->term->file, "  %s call%s in %.1f s", pv_text_number(sum.calls).text,
		sum.calls == 1 ? "" : "s", report->elapsed_s);
	end_line(page);
	print_numbers(page, &sum);
	print_histogram(page, &sum);
	if (options->split == PV_LATENCY_SPLIT_NONE)
		return NULL;
	return print_rows(page, latency, report, options, function);
}

/* What it cost, and everything that the numbers do not hold. */
static void print_quality(struct page *page, const struct pv_latency_report *report)
{
	FILE *file = page->term->file;

	fprintf(file, "%s hits of probes at %llu ns, %s at %llu ns: %.1f %% of a CPU.",
		pv_text_number(report->hits[0]).text, (unsigned long long)report->prices_ns[0],
		pv_text_number(report->hits[1]).text, (unsigned long long)report->prices_ns[1],
		100 * report->cost_cpus);
	if (report->open)
		fprintf(file, "  %s calls under way.", pv_text_number(report->open).text);
	if (report->unbegun)
		fprintf(file, "  The beginning of %s calls was not seen.",
			pv_text_number(report->unbegun).text);
	if (report->unended)
		fprintf(file, "  The end of %s calls was not seen.",
			pv_text_number(report->unended).text);
	if (report->replaced)
		fprintf(file, "  %s calls of other code in a function's place left out.",
			pv_text_number(report->replaced).text);
	if (report->no_room)
		fprintf(file, "  %s calls not counted: no room.",
			pv_text_number(report->no_room).text);
	if (report->strangers)
		fprintf(file, "  %s hits in forked children.",
			pv_text_number(report->strangers).text);
	end_line(page);
}

struct pv_err *pv_latency_print_text(const struct pv_latency *latency,
				     const struct pv_latency_report *report,
				     const struct pv_latency_options *options,
				     const struct pv_term *term, unsigned int *lines_ret)
{
	struct page page = { .term = term };
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < options->n_names; i++)
		err = print_function(&page, latency, report, options, i);
	if (err)
		return err;
	end_line(&page);
	print_quality(&page, report);
	*lines_ret = page.lines;
	return NULL;
}

static void put_name(struct pv_json *json, const struct pv_latency_name *name)
{
	pv_json_string(json, "function", name->qualname);
	if (name->module)
		pv_json_string(json, "module", name->module);
	pv_json_string(json, "file", name->file);
	pv_json_int(json, "line", name->line);
}

static void put_calls(struct pv_json *json, const struct pv_latency_calls *calls)
{
	pv_json_int(json, "calls", (int64_t)calls->calls);
	pv_json_int(json, "sum_ns", (int64_t)calls->sum_ns);
	pv_json_int(json, "off_cpu_ns", (int64_t)calls->off_cpu_ns);
	pv_json_int(json, "max_ns", (int64_t)calls->max_ns);
	pv_json_int(json, "p50_ns", (int64_t)percentile(calls, 0.5));
	pv_json_int(json, "p90_ns", (int64_t)percentile(calls, 0.9));
	pv_json_int(json, "p99_ns", (int64_t)percentile(calls, 0.99));
	pv_json_begin(json, "buckets", '[');
	for (size_t i = 0; i < PV_LATENCY_BUCKETS_N; i++) {
		if (!calls->buckets[i])
			continue;
		pv_json_begin(json, NULL, '[');
		pv_json_int(json, NULL, (int64_t)pv_histogram_low(i));
		pv_json_int(json, NULL, (int64_t)calls->buckets[i]);
		pv_json_end(json, ']');
	}
	pv_json_end(json, ']');
}

static void put_row(struct pv_json *json, const struct pv_latency *latency,
		    const struct pv_latency_options *options, const struct pv_latency_calls *row)
{
	struct pv_latency_name caller;

	pv_json_begin(json, NULL, '{');
	if (options->split == PV_LATENCY_SPLIT_THREAD)
		pv_json_int(json, "tid", (int64_t)row->by);
	else if (pv_latency_caller(latency, row->by, &caller))
		put_name(json, &caller);
	put_calls(json, row);
	pv_json_end(json, '}');
}

static void put_function(struct pv_json *json, const struct pv_latency *latency,
			 const struct pv_latency_report *report,
			 const struct pv_latency_options *options, size_t function)
{
	struct pv_latency_name name = pv_latency_name(latency, function);
	struct pv_latency_calls sum;

	sum_function(report, function, &sum);
	pv_json_begin(json, NULL, '{');
	pv_json_string(json, "name", options->names[function]);
	put_name(json, &name);
	put_calls(json, &sum);
	if (options->split != PV_LATENCY_SPLIT_NONE) {
		pv_json_begin(json,
			      options->split == PV_LATENCY_SPLIT_THREAD ? "by_thread" : "by_caller",
			      '[');
		for (size_t i = 0; i < report->rows.n; i++) {
			const struct pv_latency_calls *row = pv_vec_at(&report->rows, i);

			if (row->function == function)
				put_row(json, latency, options, row);
		}
		pv_json_end(json, ']');
	}
	pv_json_end(json, '}');
}

static void put_probes(struct pv_json *json, const struct pv_latency *latency,
		       const struct pv_latency_report *report)
{
	struct pv_latency_facts facts = pv_latency_facts(latency);

	pv_json_begin(json, "probes", '{');
	pv_json_int(json, "sites", (int64_t)facts.n_sites);
	pv_json_int(json, "stepped_sites", (int64_t)facts.n_stepped);
	pv_json_int(json, "hits", (int64_t)report->hits[0]);
	pv_json_int(json, "stepped_hits", (int64_t)report->hits[1]);
	pv_json_int(json, "hit_ns", (int64_t)report->prices_ns[0]);
	pv_json_int(json, "stepped_hit_ns", (int64_t)report->prices_ns[1]);
	pv_json_double(json, "cost_cpus", report->cost_cpus);
	pv_json_double(json, "attach_ms", facts.attach_ms);
	pv_json_end(json, '}');
	pv_json_begin(json, "losses", '{');
	pv_json_int(json, "open", (int64_t)report->open);
	pv_json_int(json, "unbegun", (int64_t)report->unbegun);
	pv_json_int(json, "unended", (int64_t)report->unended);
	pv_json_int(json, "replaced", (int64_t)report->replaced);
	pv_json_int(json, "no_room", (int64_t)report->no_room);
	pv_json_int(json, "stranger_hits", (int64_t)report->strangers);
	pv_json_int(json, "swapped_bytes", (int64_t)facts.swapped);
	pv_json_int(json, "large_mappings", (int64_t)facts.n_large);
	pv_json_end(json, '}');
}

void pv_latency_print_json(const struct pv_latency *latency, const struct pv_latency_report *report,
			   const struct pv_latency_options *options, const char *ended, FILE *file)
{
	struct pv_latency_facts facts = pv_latency_facts(latency);
	struct pv_json json = { .file = file };

	pv_json_begin(&json, NULL, '{');
	pv_json_int(&json, "pid", options->pid);
	pv_json_string(&json, "process", facts.name);
	pv_json_string(&json, "interpreter", facts.interpreter);
	pv_json_double(&json, "elapsed_s", report->elapsed_s);
	if (ended)
		pv_json_string(&json, "ended", ended);
	pv_json_begin(&json, "functions", '[');
	for (size_t i = 0; i < options->n_names; i++)
		put_function(&json, latency, report, options, i);
	pv_json_end(&json, ']');
	put_probes(&json, latency, report);
	pv_json_end(&json, '}');
	fputc('\n', file);
}
