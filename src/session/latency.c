/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flow of `latency`: find, attach, wait, read.  Input: a process and names.
 * Output: reports.
 */
#include "session/latency.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "abi/latency.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/calls.h"
#include "collect/probes.h"
#include "python/functions.h"
#include "session/pick.h"
#include "session/probed.h"

_Static_assert((int)PV_LATENCY_BUCKETS_N == (int)PV_LATENCY_BUCKETS, "the kernel's buckets");

struct pv_latency {
	struct pv_latency_options options;
	struct pv_probed probed;
	struct pv_vec firsts; /* const struct pv_python_function *, by index of function */
	struct pv_calls *calls;
	struct pv_probes *probes; /* of calls */
	bool attached;
	uint64_t start_ns, end_ns;
	double attach_ms;
};

static struct pv_err *pick_one(struct pv_latency *latency, const char *word, bool *generators)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec picked = PV_VEC(const struct pv_python_function *);
	struct pv_err *err = pv_pick(&latency->probed.functions, word, &picked);

	if (err)
		return err;
	for (size_t i = 0; i < picked.n; i++) {
		const struct pv_python_function *one =
			*(const struct pv_python_function **)pv_vec_at(&picked, i);

		*generators |= one->generator;
	}
	return pv_vec_append(&latency->firsts, picked.data, 1, NULL);
}

/* Every code object of the functions, to the kernel's side. */
static struct pv_err *want_all(struct pv_latency *latency)
{
	struct pv_err *err = NULL;

	for (size_t k = 0; k < latency->firsts.n; k++) {
		const struct pv_python_function *first =
			*(const struct pv_python_function **)pv_vec_at(&latency->firsts, k);

		for (size_t i = 0; !err && i < latency->probed.functions.list.n; i++) {
			const struct pv_python_function *one =
				pv_vec_at(&latency->probed.functions.list, i);
			struct pv_latency_code code = {
				.file_at = one->file_at,
				.name_at = one->name_at,
				.function = (uint32_t)k,
				.generator = one->generator,
			};

			if (pv_probed_same(one, first))
				err = pv_calls_want(latency->calls, one->code, &code);
		}
	}
	return err;
}

static struct pv_err *check_twice(const struct pv_latency *latency)
{
	for (size_t i = 0; i < latency->firsts.n; i++) {
		for (size_t k = 0; k < i; k++) {
			const struct pv_python_function *const *a = pv_vec_at(&latency->firsts, i),
							       *const *b = pv_vec_at(
								       &latency->firsts, k);

			if (pv_probed_same(*a, *b))
				return pv_err_create(
					PV_ERR_USAGE, "`%s` and `%s` are the same function",
					latency->options.names[k], latency->options.names[i]);
		}
	}
	return NULL;
}

static struct pv_err *pick_all(struct pv_latency *latency, bool *generators)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < latency->options.n_names; i++)
		err = pick_one(latency, latency->options.names[i], generators);
	return err ? err : check_twice(latency);
}

static struct pv_err *attach(struct pv_latency *latency, bool generators)
{
	struct pv_err *err = pv_probed_add(&latency->probed, latency->probes, generators);

	if (!err)
		err = pv_probes_attach(latency->probes);
	if (err)
		return err;
	latency->start_ns = pv_now_ns();
	latency->attached = true;
	return NULL;
}

static struct pv_err *prepare(struct pv_latency *latency)
{
	struct pv_calls_options options = {
		.probes = {
			.pid = latency->options.pid,
			.python = &latency->probed.image.python,
			.sites = &latency->probed.sites,
			.budget = latency->options.budget,
		},
		.by = (enum pv_latency_by)latency->options.split,
	};
	uint64_t start_ns = pv_now_ns();
	bool generators = false;
	struct pv_err *err;

	err = pv_probed_read(latency->options.pid, &latency->probed);
	if (!err)
		err = pick_all(latency, &generators);
	if (!err)
		err = pv_calls_create(&options, &latency->calls);
	if (err)
		return err;
	latency->probes = pv_calls_probes(latency->calls);
	err = want_all(latency);
	if (!err)
		err = attach(latency, generators);
	latency->attach_ms = (double)(pv_now_ns() - start_ns) / 1e6;
	return err;
}

struct pv_err *pv_latency_create(const struct pv_latency_options *options, struct pv_latency **ret)
{
	struct pv_latency *latency = calloc(1, sizeof(*latency));
	struct pv_err *err;

	if (!latency)
		return &pv_enomem;
	latency->options = *options;
	latency->probed.pid_fd = -1;
	latency->firsts = (struct pv_vec)PV_VEC(const struct pv_python_function *);
	err = prepare(latency);
	if (err) {
		pv_latency_destroy(latency);
		return err;
	}
	*ret = latency;
	return NULL;
}

void pv_latency_destroy(struct pv_latency *latency)
{
	if (!latency)
		return;
	pv_calls_destroy(latency->calls);
	pv_vec_deinit(&latency->firsts);
	pv_probed_deinit(&latency->probed);
	free(latency);
}

struct pv_latency_facts pv_latency_facts(const struct pv_latency *latency)
{
	struct pv_latency_facts facts = {
		.interpreter = latency->probed.interpreter,
		.name = latency->probed.process.name,
		.n_functions = latency->firsts.n,
		.known = latency->probed.functions.list.n,
		.swapped = latency->probed.functions.swapped,
		.n_large = latency->probed.functions.n_large,
		.attach_ms = latency->attach_ms,
	};

	pv_probes_count(latency->probes, &facts.n_sites, &facts.n_stepped);
	return facts;
}

static struct pv_latency_name name_of(const struct pv_python_function *one)
{
	return (struct pv_latency_name){
		.qualname = one->qualname,
		.module = one->module,
		.file = one->file,
		.line = one->firstlineno,
	};
}

struct pv_latency_name pv_latency_name(const struct pv_latency *latency, size_t function)
{
	return name_of(*(const struct pv_python_function **)pv_vec_at(&latency->firsts, function));
}

bool pv_latency_caller(const struct pv_latency *latency, uint64_t by, struct pv_latency_name *ret)
{
	const struct pv_python_function *one =
		pv_python_functions_at(&latency->probed.functions, by);

	if (!one)
		return false;
	*ret = name_of(one);
	return true;
}

void pv_latency_stop(struct pv_latency *latency)
{
	if (!latency->attached)
		return;
	pv_probes_detach(latency->probes);
	latency->end_ns = pv_now_ns();
	latency->attached = false;
}

struct pv_err *pv_latency_step(struct pv_latency *latency, int timeout_ms, int fd,
			       enum pv_latency_end *end_ret)
{
	struct pollfd fds[] = {
		{ .fd = pv_probes_fd(latency->probes), .events = POLLIN },
		{ .fd = latency->probed.pid_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};
	struct pv_probes_news news;
	struct pv_err *err;

	timeout_ms = pv_probes_patience(latency->probes, timeout_ms);
	if (poll(fds, 3, timeout_ms) < 0 && errno != EINTR)
		return pv_err_errno(errno, "cannot wait");
	err = pv_probes_news(latency->probes, &news);
	if (err)
		return err;
	*end_ret = PV_LATENCY_RUNS;
	if (fds[1].revents)
		*end_ret = PV_LATENCY_TARGET_ENDED;
	else if (news.replaced)
		*end_ret = PV_LATENCY_REPLACED;
	else if (news.over_budget)
		*end_ret = PV_LATENCY_BUDGET;
	if (*end_ret != PV_LATENCY_RUNS)
		pv_latency_stop(latency);
	return NULL;
}

static struct pv_err *add_row(void *ctx, const struct pv_latency_key *key,
			      const struct pv_latency_histogram *row)
{
	struct pv_vec *rows = ctx;
	struct pv_latency_calls calls = {
		.function = key->function,
		.by = key->by,
		.calls = row->calls,
		.sum_ns = row->sum_ns,
		.off_cpu_ns = row->off_ns,
		.max_ns = row->max_ns,
	};

	memcpy(calls.buckets, row->buckets, sizeof(calls.buckets));
	return pv_vec_append(rows, &calls, 1, NULL);
}

static int compare_rows(const void *a, const void *b)
{
	const struct pv_latency_calls *x = a, *y = b;

	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	if (x->calls != y->calls)
		return x->calls > y->calls ? -1 : 1;
	return x->by < y->by ? -1 : x->by > y->by;
}

struct pv_err *pv_latency_read(struct pv_latency *latency, struct pv_latency_report *ret)
{
	uint64_t end_ns = latency->attached ? pv_now_ns() : latency->end_ns;
	struct pv_latency_report report = { .rows = PV_VEC(struct pv_latency_calls) };
	struct pv_latency_counts counts;
	struct pv_probe_state state;
	struct pv_err *err;

	err = pv_calls_each(latency->calls, add_row, &report.rows);
	if (err) {
		pv_latency_report_deinit(&report);
		return err;
	}
	if (report.rows.n)
		qsort(report.rows.data, report.rows.n, sizeof(struct pv_latency_calls),
		      compare_rows);
	counts = pv_calls_counts(latency->calls);
	state = pv_calls_state(latency->calls);
	pv_probes_prices(latency->probes, report.prices_ns);
	report.elapsed_s = (double)(end_ns - latency->start_ns) / 1e9;
	report.open = pv_calls_open(latency->calls);
	report.unbegun = counts.unbegun;
	report.unended = counts.unended;
	report.replaced = counts.replaced;
	report.no_room = counts.no_room;
	report.strangers = state.strangers;
	for (int i = 0; i < 2; i++) {
		report.hits[i] = state.hits[i];
		report.cost_cpus += (double)state.hits[i] * (double)report.prices_ns[i] / 1e9;
	}
	report.cost_cpus = report.elapsed_s > 0 ? report.cost_cpus / report.elapsed_s : 0;
	*ret = report;
	return NULL;
}

void pv_latency_report_deinit(struct pv_latency_report *report)
{
	pv_vec_deinit(&report->rows);
}
