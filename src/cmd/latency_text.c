/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Histograms as text and JSON.  Input: a report.  Output: lines.
 */
#include "cmd/latency_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "base/text.h"
#include "cmd/latency_slow.h"
#include "model/histogram.h"
#include "model/path.h"
#include "session/latency.h"
#include "tui/term.h"

enum {
	STEPS = 8, /* buckets for a power of two */
	BAR_COLUMNS = 40,
	BY_ROWS_MAX = 20,
	FUNCTIONS_MAX = 20, /* of patterns */
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
	sum->untimed += row->untimed;
	sum->over += row->over;
	sum->over_sum_ns += row->over_sum_ns;
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

/* "handle (app.py:41)", "mysql_real_query (libmariadb.so.3)", escaped. */
static struct pv_err *append_name(struct pv_str *str, const struct pv_latency_name *name)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str raw = { 0 };
	struct pv_err *err;

	if (name->library)
		err = pv_str_appendf(&raw, "%s (%s)", name->qualname, name->library);
	else
		err = pv_str_appendf(&raw, "%s (%s:%u)", name->qualname,
				     name->file + pv_path_skip(name->file, strlen(name->file)),
				     name->line);
	return err ? err : pv_text_append(str, pv_str_text(&raw), raw.n);
}

static struct pv_err *append_by(struct pv_str *str, const struct pv_latency *latency,
				const struct pv_latency_options *options,
				const struct pv_latency_calls *row)
{
	struct pv_latency_name caller;

	if (options->split == PV_LATENCY_SPLIT_THREAD)
		return pv_str_appendf(str, "thread %llu", (unsigned long long)row->by);
	if (!row->by)
		return pv_str_appendf(str, "no Python function");
	if (!pv_latency_caller(latency, row, &caller))
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
		err = append_by(&by, latency, options, row);
		if (err)
			break;
		fprintf(page->term->file, "  %11s  %s", pv_text_number(row->calls).text,
			pv_str_text(&by));
		end_line(page);
		if (!row->calls)
			continue;
		fprintf(page->term->file, "               ");
		print_numbers(page, row);
	}
	if (!err && n > BY_ROWS_MAX) {
		fprintf(page->term->file, "  and %zu more", n - BY_ROWS_MAX);
		end_line(page);
	}
	return err;
}

/* "1,234 calls in 2.0 s, 3 of them not timed" */
static void print_calls(struct page *page, const struct pv_latency_calls *sum, double elapsed_s)
{
	FILE *file = page->term->file;
	uint64_t all = sum->calls + sum->untimed;

	if (!sum->calls)
		fprintf(file, "  no call ended in %.1f s", elapsed_s);
	else
		fprintf(file, "  %s call%s in %.1f s", pv_text_number(all).text,
			all == 1 ? "" : "s", elapsed_s);
	if (sum->calls && sum->untimed)
		fprintf(file, ", %s of them not timed", pv_text_number(sum->untimed).text);
	else if (sum->untimed)
		fprintf(file, " that was seen to end; %s began", pv_text_number(sum->untimed).text);
	end_line(page);
}

/* "  12 of them took longer than 50 ms: 813 ms in all", and on which stacks. */
static struct pv_err *print_over(struct page *page, const struct pv_latency *latency,
				 const struct pv_latency_options *options,
				 const struct pv_latency_calls *sum)
{
	struct pv_duration least = pv_text_duration(options->over_ns),
			   time = pv_text_duration(sum->over_sum_ns);
	struct pv_slow *slow = pv_latency_slow(latency);
	unsigned int lines = 0;
	struct pv_err *err;

	if (!options->over_ns)
		return NULL;
	if (sum->over)
		fprintf(page->term->file, "%s of them took longer than %s: %s in all",
			pv_text_number(sum->over).text, least.text, time.text);
	else
		fprintf(page->term->file, "none of them took longer than %s", least.text);
	end_line(page);
	if (!slow)
		return NULL;
	err = pv_latency_print_slow(slow, sum->function, page->term->file, &lines);
	page->lines += lines;
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
	if (page->lines)
		end_line(page);
	pv_term_put(page->term, pv_str_text(&text), text.n,
		    name.library ? PV_COLOUR_NATIVE : PV_COLOUR_PYTHON, true);
	print_calls(page, &sum, report->elapsed_s);
	if (!sum.calls)
		return NULL;
	print_numbers(page, &sum);
	print_histogram(page, &sum);
	err = print_over(page, latency, options, &sum);
	if (err)
		return err;
	if (options->split == PV_LATENCY_SPLIT_NONE)
		return NULL;
	return print_rows(page, latency, report, options, function);
}

/* A function of a pattern, to be shown if it took longer than others. */
struct ranked {
	size_t function;
	uint64_t sum_ns, calls;
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->sum_ns != y->sum_ns)
		return x->sum_ns > y->sum_ns ? -1 : 1;
	return x->function < y->function ? -1 : x->function > y->function;
}

/* Of all that a pattern means, those where the most time was spent. */
static struct pv_err *print_patterns(struct page *page, const struct pv_latency *latency,
				     const struct pv_latency_report *report,
				     const struct pv_latency_options *options, size_t n_functions)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec list = PV_VEC(struct ranked);
	struct pv_err *err = NULL;
	size_t n_uncalled = 0;

	for (size_t i = 0; !err && i < n_functions; i++) {
		struct pv_latency_calls sum;
		struct ranked one = { .function = i };

		if (!pv_latency_name(latency, i).pattern)
			continue;
		sum_function(report, i, &sum);
		one.sum_ns = sum.sum_ns;
		n_uncalled += !sum.calls && !sum.untimed;
		if (sum.calls || sum.untimed)
			err = pv_vec_append(&list, &one, 1, NULL);
	}
	if (list.n)
		qsort(list.data, list.n, sizeof(struct ranked), compare_ranked);
	for (size_t i = 0; !err && i < list.n && i < FUNCTIONS_MAX; i++) {
		const struct ranked *one = pv_vec_at(&list, i);

		err = print_function(page, latency, report, options, one->function);
	}
	if (err || (!n_uncalled && list.n <= FUNCTIONS_MAX))
		return err;
	end_line(page);
	if (list.n > FUNCTIONS_MAX)
		fprintf(page->term->file, "%s more functions were called.  ",
			pv_text_number(list.n - FUNCTIONS_MAX).text);
	if (n_uncalled)
		fprintf(page->term->file, "%s functions were not called.",
			pv_text_number(n_uncalled).text);
	end_line(page);
	return NULL;
}

static struct pv_err *print_waiting(struct page *page, const struct pv_latency *latency, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *word = pv_latency_waiting(latency, i);
		PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
		struct pv_err *err = pv_text_append(&text, word, strlen(word));

		if (err)
			return err;
		if (page->lines)
			end_line(page);
		pv_term_put(page->term, pv_str_text(&text), text.n, PV_COLOUR_NATIVE, true);
		fprintf(page->term->file, "  its library is not loaded");
		end_line(page);
	}
	return NULL;
}

/* "  The end of 2 calls was not seen.", if there are any. */
static void print_count(FILE *file, const char *before, uint64_t n, const char *what,
			const char *behind)
{
	if (n)
		fprintf(file, "  %s%s %s%s%s.", before, pv_text_number(n).text, what,
			n == 1 ? "" : "s", behind);
}

/* What it cost, and everything that the numbers do not hold. */
static void print_quality(struct page *page, const struct pv_latency_report *report,
			  const struct pv_latency_facts *facts)
{
	FILE *file = page->term->file;

	fprintf(file, "%s hits of probes at %llu ns, %s at %llu ns: %.1f %% of a CPU.",
		pv_text_number(report->hits[0]).text, (unsigned long long)report->prices_ns[0],
		pv_text_number(report->hits[1]).text, (unsigned long long)report->prices_ns[1],
		100 * report->cost_cpus);
	print_count(file, "", report->open, "call", " under way");
	print_count(file, "The beginning of ", report->unbegun, "call", " was not seen");
	print_count(file, "The end of ", report->unended, "call", " was not seen");
	print_count(file, "", report->unreturned, "call",
		    " ended before the place to return to was probed");
	print_count(file, "No probe can be at the place to return to of ", report->unplaced, "call",
		    "");
	print_count(file, "Of ", report->doubtful, "call",
		    " the end may be that of another greenlet's");
	print_count(file, "", facts->n_refused, "function", " cannot be probed");
	print_count(file, "", report->replaced, "call",
		    " of other code in a function's place left out");
	print_count(file, "", report->no_room, "call", " not counted: no room");
	print_count(file, "", report->stacks_skipped, "slow call",
		    " without a stack: too many in a second");
	print_count(file, "", report->stacks_lost, "slow call", " whose stack was lost");
	print_count(file, "", report->strangers, "hit", " in forked children");
	end_line(page);
}

struct pv_err *pv_latency_print_text(const struct pv_latency *latency,
				     const struct pv_latency_report *report,
				     const struct pv_latency_options *options,
				     const struct pv_term *term, unsigned int *lines_ret)
{
	struct pv_latency_facts facts = pv_latency_facts(latency);
	struct page page = { .term = term };
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < facts.n_functions; i++) {
		if (!pv_latency_name(latency, i).pattern)
			err = print_function(&page, latency, report, options, i);
	}
	if (!err)
		err = print_patterns(&page, latency, report, options, facts.n_functions);
	if (!err)
		err = print_waiting(&page, latency, facts.n_waiting);
	if (err)
		return err;
	end_line(&page);
	print_quality(&page, report, &facts);
	*lines_ret = page.lines;
	return NULL;
}

static void put_name(struct pv_json *json, const struct pv_latency_name *name)
{
	pv_json_string(json, "function", name->qualname);
	if (name->module)
		pv_json_string(json, "module", name->module);
	if (name->library)
		pv_json_string(json, "library", name->library);
	pv_json_string(json, "file", name->file);
	if (name->library)
		pv_json_int(json, "address", (int64_t)name->address);
	else
		pv_json_int(json, "line", name->line);
}

static void put_calls(struct pv_json *json, const struct pv_latency_options *options,
		      const struct pv_latency_calls *calls)
{
	pv_json_int(json, "calls", (int64_t)calls->calls);
	pv_json_int(json, "untimed", (int64_t)calls->untimed);
	pv_json_int(json, "sum_ns", (int64_t)calls->sum_ns);
	pv_json_int(json, "off_cpu_ns", (int64_t)calls->off_cpu_ns);
	pv_json_int(json, "max_ns", (int64_t)calls->max_ns);
	if (options->over_ns) {
		pv_json_int(json, "over", (int64_t)calls->over);
		pv_json_int(json, "over_sum_ns", (int64_t)calls->over_sum_ns);
	}
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
	else if (pv_latency_caller(latency, row, &caller))
		put_name(json, &caller);
	put_calls(json, options, row);
	pv_json_end(json, '}');
}

static void put_function(struct pv_json *json, const struct pv_latency *latency,
			 const struct pv_latency_report *report,
			 const struct pv_latency_options *options, size_t function)
{
	struct pv_latency_name name = pv_latency_name(latency, function);
	struct pv_latency_calls sum;

	sum_function(report, function, &sum);
	if (name.pattern && !sum.calls && !sum.untimed)
		return;
	pv_json_begin(json, NULL, '{');
	pv_json_string(json, "name", name.word);
	put_name(json, &name);
	put_calls(json, options, &sum);
	if (pv_latency_slow(latency))
		pv_latency_put_slow(json, pv_latency_slow(latency), function);
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
	pv_json_int(json, "refused", (int64_t)facts.n_refused);
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
	pv_json_int(json, "unreturned", (int64_t)report->unreturned);
	pv_json_int(json, "unplaced", (int64_t)report->unplaced);
	pv_json_int(json, "doubtful", (int64_t)report->doubtful);
	pv_json_int(json, "replaced", (int64_t)report->replaced);
	pv_json_int(json, "no_room", (int64_t)report->no_room);
	pv_json_int(json, "stacks_skipped", (int64_t)report->stacks_skipped);
	pv_json_int(json, "stacks_lost", (int64_t)report->stacks_lost);
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
	if (facts.interpreter[0])
		pv_json_string(&json, "interpreter", facts.interpreter);
	pv_json_double(&json, "elapsed_s", report->elapsed_s);
	if (options->over_ns)
		pv_json_int(&json, "over_ns", (int64_t)options->over_ns);
	if (ended)
		pv_json_string(&json, "ended", ended);
	pv_json_begin(&json, "functions", '[');
	for (size_t i = 0; i < facts.n_functions; i++)
		put_function(&json, latency, report, options, i);
	pv_json_end(&json, ']');
	if (facts.n_waiting) {
		pv_json_begin(&json, "waiting", '[');
		for (size_t i = 0; i < facts.n_waiting; i++)
			pv_json_string(&json, NULL, pv_latency_waiting(latency, i));
		pv_json_end(&json, ']');
	}
	put_probes(&json, latency, report);
	pv_json_end(&json, '}');
	fputc('\n', file);
}
