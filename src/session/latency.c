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
#include "abi/native.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "collect/calls.h"
#include "collect/probes.h"
#include "python/functions.h"
#include "python/path.h"
#include "session/entries.h"
#include "session/inlined.h"
#include "session/loads.h"
#include "session/natives.h"
#include "session/probed.h"
#include "session/returns.h"
#include "session/slow.h"
#include "session/sweep.h"
#include "session/wanted.h"
#include "snap/objects.h"

_Static_assert((int)PV_LATENCY_BUCKETS_N == (int)PV_LATENCY_BUCKETS, "the kernel's buckets");
_Static_assert((int)PV_WANTED_MAX <= (int)PV_LATENCY_ROWS_MAX, "a row for each function");

enum {
	/* How long the start waits for what is known of inlined calls. */
	INLINED_MS = 1000,
	/* How often calls that have ended in other ways are looked for. */
	SWEEP_NS = 1000 * 1000 * 1000,
};

struct pv_latency {
	struct pv_latency_options options;
	struct pv_probed probed;
	struct pv_natives *natives;
	struct pv_wanted_set wanted;
	struct pv_returns *returns;
	struct pv_calls *calls;
	struct pv_probes *probes;  /* of calls */
	struct pv_slow *slow;      /* NULL: no stacks are wanted */
	struct pv_sweep sweep;     /* of native calls */
	struct pv_entries entries; /* of wanted.list */
	struct pv_loads loads;     /* of libraries that words wait for */
	struct pv_str note;
	bool attached;
	uint64_t start_ns, end_ns;
	double attach_ms;
};

static struct pv_wanted *wanted_at(const struct pv_latency *latency, size_t i)
{
	return pv_vec_at(&latency->wanted.list, i);
}

/* Every code object of the Python functions, to the kernel's side. */
static struct pv_err *want_python(struct pv_latency *latency)
{
	const struct pv_vec *all = &latency->probed.functions.list;
	struct pv_err *err = NULL;

	for (size_t k = 0; k < latency->wanted.list.n; k++) {
		const struct pv_python_function *first = wanted_at(latency, k)->python;

		for (size_t i = 0; !err && first && i < all->n; i++) {
			const struct pv_python_function *one = pv_vec_at(all, i);
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

/* ---- native functions */

static struct pv_entry entry_at(const void *ctx, size_t index)
{
	const struct pv_wanted *one = wanted_at(ctx, index);

	return (struct pv_entry){
		.function = one->python ? NULL : &one->native,
		.wanted = !one->pattern,
	};
}

static struct pv_err *add_entries(struct pv_latency *latency)
{
	return pv_entries_add(&latency->entries, latency->wanted.list.n, latency->probes);
}

static bool is_growing(const struct pv_latency *latency)
{
	return latency->entries.n_added < latency->wanted.list.n;
}

static struct pv_err *grow(struct pv_latency *latency)
{
	struct pv_err *err = is_growing(latency) ? add_entries(latency) : NULL;

	return err ? err : pv_probes_attach_more(latency->probes);
}

static struct pv_err *tell(void *ctx, uint64_t address, enum pv_native_return place)
{
	return pv_calls_returns(ctx, address, place);
}

static void forget(void *ctx, uint64_t address)
{
	pv_calls_forget_return(ctx, address);
}

static struct pv_returns_side side_of(const struct pv_latency *latency)
{
	return (struct pv_returns_side){ .tell = tell, .forget = forget, .ctx = latency->calls };
}

/* Has a library been loaded that a word waits for? */
static struct pv_err *look_for_waiting(struct pv_latency *latency)
{
	struct pv_returns_side side;
	struct pv_err *err;
	bool loaded = false;

	if (!latency->wanted.waiting.n)
		return NULL;
	err = pv_loads_look(&latency->loads, latency->options.pid, &loaded);
	if (err || !loaded)
		return err;
	side = side_of(latency);
	err = pv_returns_refresh(latency->returns, &latency->probed, &side);
	return err ? err : pv_wanted_retry(latency->natives, &latency->wanted);
}

/* Of a pattern nobody asks which of its many functions are inlined as well. */
static struct pv_err *note_inlined(struct pv_latency *latency)
{
	uint64_t deadline = pv_now_ns() + INLINED_MS * 1000000ULL;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < latency->wanted.list.n; i++) {
		PV_CLEANUP(pv_str_deinit) struct pv_str note = { 0 };
		const struct pv_wanted *one = wanted_at(latency, i);

		if (one->python || one->pattern)
			continue;
		err = pv_inlined_note(latency->natives, &one->native, deadline, &note);
		if (!err && note.n)
			err = pv_str_appendf(&latency->note, "%s%s", latency->note.n ? "\n" : "",
					     pv_str_text(&note));
	}
	return err;
}

static struct pv_err *sweep(struct pv_latency *latency)
{
	return latency->wanted.n_native ? pv_sweep(&latency->sweep, latency->options.pid,
						   latency->probed.mem, latency->calls)
					: NULL;
}

/* ---- the flow */

static struct pv_err *attach(struct pv_latency *latency)
{
	bool python = latency->wanted.list.n > latency->wanted.n_native;
	struct pv_err *err = NULL;

	if (python)
		err = want_python(latency);
	if (!err && python)
		err = pv_probed_add(&latency->probed, latency->probes,
				    latency->wanted.generators ? PV_PROBES_CALLS : PV_PROBES_PLAIN);
	if (!err)
		err = add_entries(latency);
	if (!err)
		err = pv_probes_attach(latency->probes);
	if (err)
		return err;
	latency->start_ns = pv_now_ns();
	latency->attached = true;
	return NULL;
}

static struct pv_err *find(struct pv_latency *latency)
{
	struct pv_err *err = pv_probed_open(latency->options.pid, &latency->probed);

	if (!err)
		err = pv_natives_create(latency->options.pid, latency->probed.objects,
					latency->probed.mem, &latency->natives);
	if (!err)
		err = pv_returns_create(latency->natives, &latency->returns);
	if (!err)
		err = pv_natives_update(latency->natives, &latency->probed.image);
	if (!err)
		err = pv_wanted_find(&latency->probed, latency->natives, latency->options.names,
				     latency->options.n_names, &latency->wanted);
	if (!err)
		err = pv_wanted_note(latency->natives, &latency->wanted, &latency->note);
	if (!err)
		err = note_inlined(latency);
	return err;
}

static struct pv_err *prepare(struct pv_latency *latency)
{
	struct pv_calls_options options = {
		.probes = {
			.pid = latency->options.pid,
			.budget = latency->options.budget,
		},
		.by = (enum pv_latency_by)latency->options.split,
		.over_ns = latency->options.over_ns ? latency->options.over_ns : UINT64_MAX,
		.with_stacks = latency->options.stacks,
	};
	int64_t frame_path[PV_NATIVE_PATH_MAX] = { 0 };
	uint64_t start_ns = pv_now_ns();
	struct pv_err *err = find(latency);

	if (err)
		return err;
	options.stacks_move = pv_probed_stacks_move(&latency->probed);
	if (options.stacks_move && latency->probed.image.python.found)
		options.frame_path.n = pv_python_frame_path(
			latency->probed.mem, &latency->probed.image.python.proc, frame_path);
	memcpy(options.frame_path.offsets, frame_path, sizeof(frame_path));
	if (latency->wanted.list.n > latency->wanted.n_native) {
		options.probes.python = &latency->probed.image.python;
		options.probes.sites = &latency->probed.sites;
	}
	err = pv_calls_create(&options, &latency->calls);
	if (err)
		return err;
	latency->probes = pv_calls_probes(latency->calls);
	latency->entries = (struct pv_entries){
		.natives = latency->natives,
		.at = entry_at,
		.ctx = latency,
	};
	if (latency->options.stacks)
		err = pv_slow_create(&latency->probed, &latency->wanted, latency->calls,
				     &latency->slow);
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
	latency->probed.pid_fd = -1;
	pv_sweep_init(&latency->sweep);
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
	pv_slow_destroy(latency->slow);
	pv_calls_destroy(latency->calls);
	pv_wanted_deinit(&latency->wanted);
	pv_returns_destroy(latency->returns);
	pv_natives_destroy(latency->natives);
	pv_probed_deinit(&latency->probed);
	pv_sweep_deinit(&latency->sweep);
	pv_str_deinit(&latency->note);
	free(latency);
}

struct pv_latency_facts pv_latency_facts(const struct pv_latency *latency)
{
	struct pv_latency_facts facts = {
		.interpreter = latency->probed.interpreter,
		.name = latency->probed.process.name,
		.n_functions = latency->wanted.list.n,
		.n_waiting = latency->wanted.waiting.n,
		.known = latency->probed.functions.list.n,
		.swapped = latency->probed.functions.swapped,
		.n_large = latency->probed.functions.n_large,
		.n_refused = latency->entries.n_refused,
		.attach_ms = latency->attach_ms,
	};

	pv_probes_count(latency->probes, &facts.n_sites, &facts.n_stepped);
	return facts;
}

const char *pv_latency_note(const struct pv_latency *latency)
{
	return latency->note.n ? pv_str_text(&latency->note) : NULL;
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
	const struct pv_wanted *one = wanted_at(latency, function);
	struct pv_latency_name name;

	if (one->python) {
		name = name_of(one->python);
	} else {
		name = (struct pv_latency_name){
			.qualname = one->native.name,
			.library = one->native.library,
			.file = pv_objects_get(latency->probed.objects, one->native.object)->path,
			.address = one->native.vaddr,
		};
	}
	name.word = one->word;
	name.pattern = one->pattern;
	return name;
}

const char *pv_latency_waiting(const struct pv_latency *latency, size_t index)
{
	return *(const char **)pv_vec_at(&latency->wanted.waiting, index);
}

bool pv_latency_caller(const struct pv_latency *latency, const struct pv_latency_calls *row,
		       struct pv_latency_name *ret)
{
	const struct pv_python_function *one;
	struct pv_caller caller;

	if (!wanted_at(latency, row->function)->python) {
		if (!pv_returns_caller(latency->returns, row->by, &caller))
			return false;
		*ret = (struct pv_latency_name){
			.qualname = caller.name,
			.library = caller.library,
			.file = caller.path,
			.address = caller.vaddr,
		};
		return true;
	}
	one = pv_python_functions_at(&latency->probed.functions, row->by);
	if (!one)
		return false;
	*ret = name_of(one);
	return true;
}

struct pv_slow *pv_latency_slow(const struct pv_latency *latency)
{
	return latency->slow;
}

void pv_latency_stop(struct pv_latency *latency)
{
	if (!latency->attached)
		return;
	latency->end_ns = pv_now_ns();
	pv_probes_detach(latency->probes);
	latency->attached = false;
}

/* What must be done while it runs. */
static struct pv_err *attend(struct pv_latency *latency)
{
	struct pv_returns_side side = side_of(latency);
	struct pv_err *err =
		pv_returns_take(latency->returns, &latency->probed, latency->probes, &side);

	pv_entries_limit(&latency->entries, latency->wanted.list.n, latency->probes);
	if (!err && latency->slow)
		err = pv_slow_drain(latency->slow);
	if (!err)
		err = look_for_waiting(latency);
	if (!err && is_growing(latency))
		err = grow(latency);
	if (!err && pv_now_ns() - latency->sweep.at_ns > SWEEP_NS)
		err = sweep(latency);
	return err;
}

static int patience(const struct pv_latency *latency, int timeout_ms)
{
	int most = is_growing(latency)         ? PV_ENTRIES_BATCH_MS
		   : latency->wanted.waiting.n ? PV_LOADS_MS
					       : timeout_ms;

	return pv_probes_patience(latency->probes, timeout_ms < most ? timeout_ms : most);
}

struct pv_err *pv_latency_step(struct pv_latency *latency, int timeout_ms, int fd,
			       enum pv_latency_end *end_ret)
{
	struct pollfd fds[] = {
		{ .fd = pv_probes_fd(latency->probes), .events = POLLIN },
		{ .fd = latency->probed.pid_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
		{ .fd = pv_calls_fd(latency->calls), .events = POLLIN },
	};
	struct pv_probes_news news = { 0 };
	struct pv_err *err;
	bool ended;

	if (poll(fds, 4, patience(latency, timeout_ms)) < 0 && errno != EINTR)
		return pv_err_errno(errno, "cannot wait");
	ended = fds[1].revents;
	err = pv_probes_news(latency->probes, &news);
	err = pv_probed_unless_ended(&latency->probed, err, &ended);
	if (err)
		return err;
	*end_ret = ended              ? PV_LATENCY_TARGET_ENDED
		   : news.replaced    ? PV_LATENCY_REPLACED
		   : news.over_budget ? PV_LATENCY_BUDGET
				      : PV_LATENCY_RUNS;
	if (*end_ret == PV_LATENCY_RUNS)
		err = pv_probed_unless_ended(&latency->probed, attend(latency), &ended);
	if (ended)
		*end_ret = PV_LATENCY_TARGET_ENDED;
	if (!err && *end_ret != PV_LATENCY_RUNS)
		pv_latency_stop(latency);
	return err;
}

static struct pv_err *add_row(void *ctx, const struct pv_latency_key *key,
			      const struct pv_latency_histogram *row)
{
	struct pv_vec *rows = ctx;
	struct pv_latency_calls calls = {
		.function = key->function,
		.by = key->by,
		.untimed = row->untimed,
		.sum_ns = row->sum_ns,
		.off_cpu_ns = row->off_ns,
		.max_ns = row->max_ns,
		.over = row->over,
		.over_sum_ns = row->over_sum_ns,
	};

	memcpy(calls.buckets, row->buckets, sizeof(calls.buckets));
	for (size_t i = 0; i < PV_LATENCY_BUCKETS_N; i++)
		calls.calls += calls.buckets[i];
	return pv_vec_append(rows, &calls, 1, NULL);
}

static struct pv_err *add_swept_rows(const struct pv_latency *latency, struct pv_vec *rows)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < latency->sweep.found.n; i++) {
		const struct pv_swept *swept = pv_vec_at(&latency->sweep.found, i);
		struct pv_latency_calls calls = {
			.function = swept->function,
			.by = swept->by,
			.untimed = swept->n,
		};

		err = pv_vec_append(rows, &calls, 1, NULL);
	}
	return err;
}

static int compare_keys(const void *a, const void *b)
{
	const struct pv_latency_calls *x = a, *y = b;

	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	return x->by < y->by ? -1 : x->by > y->by;
}

static void join(struct pv_latency_calls *to, const struct pv_latency_calls *from)
{
	to->calls += from->calls;
	to->untimed += from->untimed;
	to->over += from->over;
	to->over_sum_ns += from->over_sum_ns;
	to->sum_ns += from->sum_ns;
	to->off_cpu_ns += from->off_cpu_ns;
	if (from->max_ns > to->max_ns)
		to->max_ns = from->max_ns;
	for (size_t i = 0; i < PV_LATENCY_BUCKETS_N; i++)
		to->buckets[i] += from->buckets[i];
}

/* Of native functions the kernel tells places apart; here those of one caller come together. */
static void join_rows(const struct pv_latency *latency, struct pv_vec *rows)
{
	struct pv_latency_calls *all = rows->data;
	struct pv_caller caller;
	size_t used = 0;

	for (size_t i = 0; i < rows->n && latency->options.split == PV_LATENCY_SPLIT_CALLER; i++) {
		if (!wanted_at(latency, all[i].function)->python &&
		    pv_returns_caller(latency->returns, all[i].by, &caller))
			all[i].by = caller.key;
	}
	if (rows->n)
		qsort(all, rows->n, sizeof(*all), compare_keys);
	for (size_t i = 0; i < rows->n; i++) {
		if (used && !compare_keys(&all[used - 1], &all[i]))
			join(&all[used - 1], &all[i]);
		else
			all[used++] = all[i];
	}
	rows->n = used;
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

/* Slow calls that have no stack and should: there was no room, or it went wrong. */
static uint64_t count_without_stack(const struct pv_latency *latency, const struct pv_vec *rows)
{
	struct pv_latency_slow slow = pv_calls_slow(latency->calls);
	uint64_t without = 0, with = slow.too_many;
	const struct pv_vec *stacks;

	if (!latency->slow)
		return 0;
	/* one may just be on its way */
	if (latency->attached)
		return slow.lost;
	stacks = pv_slow_stacks(latency->slow);
	for (size_t i = 0; i < stacks->n; i++)
		with += ((const struct pv_slow_stack *)pv_vec_at(stacks, i))->calls;
	for (size_t i = 0; i < rows->n; i++)
		without += ((const struct pv_latency_calls *)pv_vec_at(rows, i))->over;
	return without > with ? without - with : 0;
}

struct pv_err *pv_latency_read(struct pv_latency *latency, struct pv_latency_report *ret)
{
	uint64_t end_ns = latency->attached ? pv_now_ns() : latency->end_ns;
	struct pv_latency_report report = { .rows = PV_VEC(struct pv_latency_calls) };
	struct pv_latency_counts counts;
	struct pv_latency_slow slow;
	struct pv_native_counts native;
	struct pv_probe_state state;
	struct pv_err *err;

	err = sweep(latency);
	/* before the rows are read: no call has a stack that is not counted there */
	if (!err && latency->slow)
		err = pv_slow_drain(latency->slow);
	if (!err)
		err = pv_calls_each(latency->calls, add_row, &report.rows);
	if (!err)
		err = add_swept_rows(latency, &report.rows);
	if (err) {
		pv_latency_report_deinit(&report);
		return err;
	}
	join_rows(latency, &report.rows);
	if (report.rows.n)
		qsort(report.rows.data, report.rows.n, sizeof(struct pv_latency_calls),
		      compare_rows);
	report.stacks_lost = count_without_stack(latency, &report.rows);
	counts = pv_calls_counts(latency->calls);
	slow = pv_calls_slow(latency->calls);
	state = pv_calls_state(latency->calls);
	pv_probes_prices(latency->probes, report.prices_ns);
	report.elapsed_s = (double)(end_ns - latency->start_ns) / 1e9;
	native = pv_calls_native_counts(latency->calls);
	report.open = pv_calls_open(latency->calls) + latency->sweep.n_open;
	report.unbegun = counts.unbegun;
	report.unended = counts.unended + native.unended + latency->sweep.unended;
	report.unreturned = native.unreturned + latency->sweep.unreturned;
	report.unplaced = native.unplaced;
	report.doubtful = native.doubtful;
	report.replaced = counts.replaced;
	report.no_room = counts.no_room + native.no_room;
	report.strangers = state.strangers;
	report.stacks_skipped = slow.too_many;
	report.cost_cpus = (double)slow.spent_ns / 1e9;
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
