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
#include <sys/pidfd.h>
#include <unistd.h>

#include "abi/latency.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/calls.h"
#include "python/functions.h"
#include "python/sites.h"
#include "session/pick.h"
#include "snap/image.h"
#include "snap/objects.h"
#include "target/maps.h"
#include "target/mem.h"
#include "target/process.h"

_Static_assert((int)PV_LATENCY_BUCKETS_N == (int)PV_LATENCY_BUCKETS, "the kernel's buckets");

/* Forks in quick succession are dealt with together. */
enum { RENEW_NS = 50 * 1000 * 1000 };

struct pv_latency {
	struct pv_latency_options options;
	struct pv_process process;
	struct pv_mem *mem;
	struct pv_maps maps;
	struct pv_objects *objects;
	struct pv_image image;
	struct pv_python_module module; /* the interpreter's */
	struct pv_python_sites sites;
	struct pv_python_functions functions;
	struct pv_vec firsts; /* const struct pv_python_function *, by index of function */
	struct pv_calls *calls;
	char interpreter[128];
	int pid_fd;
	bool attached, forked;
	uint64_t start_ns, end_ns, renewed_ns;
	double attach_ms;
};

static struct pv_err *read_target(struct pv_latency *latency)
{
	_pv_free_ char *cache = pv_objects_default_cache();
	pid_t pid = latency->options.pid;
	struct pv_err *err;

	err = pv_process_read(pid, &latency->process);
	if (!err)
		err = pv_process_check(&latency->process);
	if (err)
		return err;
	latency->pid_fd = pidfd_open(pid, 0);
	if (latency->pid_fd < 0)
		return pv_err_errno(errno, "cannot watch process %d", (int)pid);
	err = pv_mem_live_create(pid, &latency->mem);
	if (!err)
		err = pv_objects_create(cache, &latency->objects);
	if (!err)
		err = pv_image_build(pid, latency->objects, latency->mem, NULL, &latency->image);
	if (!err)
		err = pv_maps_read(pid, &latency->maps);
	if (err)
		return err;
	if (latency->image.python_error)
		return pv_err_create(PV_ERR_NOPROC, "%s", latency->image.python_error);
	if (!latency->image.python.found)
		return pv_err_create(PV_ERR_NOPROC, "process %d runs no CPython", (int)pid);
	snprintf(latency->interpreter, sizeof(latency->interpreter), "CPython %s",
		 latency->image.python.version);
	return NULL;
}

/* The object that holds the interpreter's code, as it is mapped. */
static struct pv_err *find_module(struct pv_latency *latency)
{
	const struct pv_image *image = &latency->image;

	for (size_t i = 0; i < image->n_mappings; i++) {
		const struct pv_object *object =
			pv_objects_get(latency->objects, image->mappings[i].object);

		if (!object || !object->elf || strcmp(object->path, image->python.module_path))
			continue;
		latency->module = (struct pv_python_module){
			.elf = object->elf,
			.bias = image->mappings[i].bias,
			.path = object->path,
		};
		return NULL;
	}
	return pv_err_create(PV_ERR_NOPROC, "%s is not mapped any more", image->python.module_path);
}

static struct pv_err *pick_one(struct pv_latency *latency, const char *word, bool *generators)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec picked = PV_VEC(const struct pv_python_function *);
	struct pv_err *err = pv_pick(&latency->functions, word, &picked);

	if (err)
		return err;
	for (size_t i = 0; i < picked.n; i++) {
		const struct pv_python_function *one =
			*(const struct pv_python_function **)pv_vec_at(&picked, i);

		*generators |= one->generator;
	}
	return pv_vec_append(&latency->firsts, picked.data, 1, NULL);
}

static bool is_one_of(const struct pv_python_function *one, const struct pv_python_function *first)
{
	return one->firstlineno == first->firstlineno && !strcmp(one->qualname, first->qualname) &&
	       !strcmp(one->file, first->file);
}

/* Every code object of the functions, to the kernel's side. */
static struct pv_err *want_all(struct pv_latency *latency)
{
	struct pv_err *err = NULL;

	for (size_t k = 0; k < latency->firsts.n; k++) {
		const struct pv_python_function *first =
			*(const struct pv_python_function **)pv_vec_at(&latency->firsts, k);

		for (size_t i = 0; !err && i < latency->functions.list.n; i++) {
			const struct pv_python_function *one =
				pv_vec_at(&latency->functions.list, i);
			struct pv_latency_code code = {
				.file_at = one->file_at,
				.name_at = one->name_at,
				.function = (uint32_t)k,
				.generator = one->generator,
			};

			if (is_one_of(one, first))
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

			if (is_one_of(*a, *b))
				return pv_err_create(
					PV_ERR_USAGE, "`%s` and `%s` are the same function",
					latency->options.names[k], latency->options.names[i]);
		}
	}
	return NULL;
}

static struct pv_err *find_functions(struct pv_latency *latency, bool *generators)
{
	const struct pv_python *python = &latency->image.python;
	struct pv_err *err;

	err = pv_python_functions_find(latency->options.pid, latency->mem, &latency->maps, python,
				       &latency->functions);
	for (size_t i = 0; !err && i < latency->options.n_names; i++)
		err = pick_one(latency, latency->options.names[i], generators);
	return err ? err : check_twice(latency);
}

/* The interpreter's file, by what the process has mapped of it. */
static struct pv_err *attach(struct pv_latency *latency)
{
	uint64_t at = latency->sites.list[0].vaddr + latency->module.bias;
	const struct pv_map_entry *entry = pv_maps_find(&latency->maps, at);
	struct pv_err *err;
	int fd;

	if (!entry)
		return pv_err_create(PV_ERR_NOPROC, "%s is not mapped any more",
				     latency->module.path);
	err = pv_map_entry_open(latency->options.pid, entry, &fd);
	if (err)
		return err;
	err = pv_calls_attach(latency->calls, fd, latency->module.elf);
	if (err)
		return err;
	latency->start_ns = pv_now_ns();
	latency->attached = true;
	return NULL;
}

static struct pv_err *prepare(struct pv_latency *latency)
{
	struct pv_calls_options options = {
		.pid = latency->options.pid,
		.python = &latency->image.python,
		.sites = &latency->sites,
		.by = (enum pv_latency_by)latency->options.split,
		.budget = latency->options.budget,
	};
	uint64_t start_ns = pv_now_ns();
	struct pv_err *err;

	err = read_target(latency);
	if (!err)
		err = find_module(latency);
	if (!err)
		err = pv_python_sites(latency->mem, &latency->module, &latency->image.python,
				      &latency->sites);
	if (!err)
		err = find_functions(latency, &options.generators);
	if (!err)
		err = pv_calls_create(&options, &latency->calls);
	if (!err)
		err = want_all(latency);
	if (!err)
		err = attach(latency);
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
	latency->pid_fd = -1;
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
	pv_python_functions_deinit(&latency->functions);
	pv_image_deinit(&latency->image);
	pv_objects_destroy(latency->objects);
	pv_maps_deinit(&latency->maps);
	pv_mem_destroy(latency->mem);
	pv_process_deinit(&latency->process);
	if (latency->pid_fd >= 0)
		close(latency->pid_fd);
	free(latency);
}

struct pv_latency_facts pv_latency_facts(const struct pv_latency *latency)
{
	struct pv_latency_facts facts = {
		.interpreter = latency->interpreter,
		.name = latency->process.name,
		.n_functions = latency->firsts.n,
		.known = latency->functions.list.n,
		.swapped = latency->functions.swapped,
		.n_large = latency->functions.n_large,
		.attach_ms = latency->attach_ms,
	};

	pv_calls_sites(latency->calls, &facts.n_sites, &facts.n_stepped);
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
	const struct pv_python_function *one = pv_python_functions_at(&latency->functions, by);

	if (!one)
		return false;
	*ret = name_of(one);
	return true;
}

void pv_latency_stop(struct pv_latency *latency)
{
	if (!latency->attached)
		return;
	pv_calls_detach(latency->calls);
	latency->end_ns = pv_now_ns();
	latency->attached = false;
}

/* Forked children are freed of the probes as soon as the last time is long enough ago. */
static struct pv_err *free_children(struct pv_latency *latency)
{
	uint64_t now = pv_now_ns();

	if (!latency->forked || now - latency->renewed_ns < RENEW_NS)
		return NULL;
	latency->forked = false;
	latency->renewed_ns = now;
	return pv_calls_renew(latency->calls);
}

struct pv_err *pv_latency_step(struct pv_latency *latency, int timeout_ms, int fd,
			       enum pv_latency_end *end_ret)
{
	struct pollfd fds[] = {
		{ .fd = pv_calls_fd(latency->calls), .events = POLLIN },
		{ .fd = latency->pid_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};
	int renew_ms = RENEW_NS / 1000000;
	struct pv_calls_news news;
	struct pv_err *err;

	if (latency->forked && timeout_ms > renew_ms)
		timeout_ms = renew_ms;
	if (poll(fds, 3, timeout_ms) < 0 && errno != EINTR)
		return pv_err_errno(errno, "cannot wait");
	err = pv_calls_news(latency->calls, &news);
	if (err)
		return err;
	*end_ret = PV_LATENCY_RUNS;
	if (fds[1].revents)
		*end_ret = PV_LATENCY_TARGET_ENDED;
	else if (news.replaced)
		*end_ret = PV_LATENCY_REPLACED;
	else if (news.over_budget)
		*end_ret = PV_LATENCY_BUDGET;
	latency->forked |= news.forked;
	if (*end_ret == PV_LATENCY_RUNS)
		return free_children(latency);
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
	pv_calls_prices(latency->calls, report.prices_ns);
	report.elapsed_s = (double)(end_ns - latency->start_ns) / 1e9;
	report.open = pv_calls_open(latency->calls);
	report.unbegun = counts.unbegun;
	report.unended = counts.unended;
	report.replaced = counts.replaced;
	report.no_room = counts.no_room;
	report.strangers = counts.strangers;
	for (int i = 0; i < 2; i++) {
		report.hits[i] = counts.hits[i];
		report.cost_cpus += (double)counts.hits[i] * (double)report.prices_ns[i] / 1e9;
	}
	report.cost_cpus = report.elapsed_s > 0 ? report.cost_cpus / report.elapsed_s : 0;
	*ret = report;
	return NULL;
}

void pv_latency_report_deinit(struct pv_latency_report *report)
{
	pv_vec_deinit(&report->rows);
}
