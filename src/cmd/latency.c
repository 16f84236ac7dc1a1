/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pitviper latency: how long do calls take?  Input: a process and names of
 * functions.  Output: histograms, again and again or at the end, as text or JSON.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmd/command.h"
#include "cmd/deadline.h"
#include "cmd/interrupt.h"
#include "cmd/latency_text.h"
#include "cmd/options.h"
#include "cmd/outputs.h"
#include "out/format.h"
#include "out/folded.h"
#include "session/latency.h"
#include "session/resolve.h"
#include "session/slow.h"
#include "tui/term.h"

enum { STEP_MS = 1000, LIVE_S = 1 };

struct latency_options {
	const char *pid, *by, *over;
	double duration, interval, budget;
	struct pv_vec outputs; /* const char * */
	bool json, stack;
};

struct run {
	struct latency_options options;
	struct pv_latency *latency;
	struct pv_interrupt *interrupt;
	struct pv_outputs outputs;
	bool stopped;       /* by a signal */
	unsigned int lines; /* of the last report on the terminal */
};

static const struct pv_option latency_option_table[] = {
	{ 'p', "pid", "PID|NAME", "the process", PV_OPTION_TEXT,
	  offsetof(struct latency_options, pid) },
	{ 'd', "duration", "SEC", "end after this time (until Ctrl-C or the target's end)",
	  PV_OPTION_SECONDS, offsetof(struct latency_options, duration) },
	{ 'i', "interval", "SEC", "print every so often (on a terminal: 1)", PV_OPTION_SECONDS,
	  offsetof(struct latency_options, interval) },
	{ 0, "by", "WHAT", "tell calls apart by thread or by caller", PV_OPTION_TEXT,
	  offsetof(struct latency_options, by) },
	{ 0, "over", "TIME", "count the calls that take longer apart: 50ms, 2s, 500us",
	  PV_OPTION_TEXT, offsetof(struct latency_options, over) },
	{ 0, "stack", NULL, "show the stacks of these, the most frequent first", PV_OPTION_FLAG,
	  offsetof(struct latency_options, stack) },
	{ 'o', "output", "FILE", "write these to FILE.folded, by microseconds (repeatable)",
	  PV_OPTION_LIST, offsetof(struct latency_options, outputs) },
	{ 0, "budget", "CPUS", "stop when the probes take more of the target's time (0.5)",
	  PV_OPTION_SECONDS, offsetof(struct latency_options, budget) },
	{ 0, "json", NULL, "for machines: one JSON object at the end, with -i one a line",
	  PV_OPTION_FLAG, offsetof(struct latency_options, json) },
	{},
};

static const struct pv_usage latency_usage = {
	.command = "latency",
	.synopsis = "[OPTIONS] -p PID|NAME FUNCTION...",
	.summary =
		"How long calls of functions of a running process take, Python or native: a\n"
		"histogram of each, counted in the kernel.  FUNCTION is `module.qualname`,\n"
		"`qualname`, or FILE:LINE of the line where it begins; of a native one `symbol`,\n"
		"`library.so:symbol`, `library.so:pattern*` or `library.so+0xADDRESS`.  Every\n"
		"Python call of the process is slowed by about a microsecond meanwhile if a "
		"Python\n"
		"function is watched, else only the functions themselves; see --budget.",
	.example = "  sudo pitviper latency -p 4127 -d 10 app.handle\n"
		   "  sudo pitviper latency -p 4127 -i 5 --by caller Cursor.execute\n"
		   "  sudo pitviper latency -p 4127 --over 50ms --stack Cursor.execute\n"
		   "  sudo pitviper latency -p 4127 libssl:SSL_read libmariadb:mysql_real_query\n",
	.options = latency_option_table,
};

static bool take_signal(struct run *run)
{
	siginfo_t by;

	run->stopped = pv_interrupt_take(run->interrupt, &by);
	return run->stopped;
}

static struct pv_err *split_of(const char *by, enum pv_latency_split *ret)
{
	if (!by)
		*ret = PV_LATENCY_SPLIT_NONE;
	else if (!strcmp(by, "thread"))
		*ret = PV_LATENCY_SPLIT_THREAD;
	else if (!strcmp(by, "caller"))
		*ret = PV_LATENCY_SPLIT_CALLER;
	else
		return pv_err_create(PV_ERR_USAGE, "--by wants `thread` or `caller`, not `%s`", by);
	return NULL;
}

static struct pv_err *print(struct run *run, const struct pv_latency_options *options,
			    const char *ended)
{
	struct pv_latency_report report;
	struct pv_term term = pv_term_of(stdout);
	struct pv_err *err = pv_latency_read(run->latency, &report);

	if (err)
		return err;
	if (run->options.json) {
		pv_latency_print_json(run->latency, &report, options, ended, stdout);
	} else {
		/* what was shown a moment ago gives way */
		if (run->lines && term.erases)
			printf("\033[%uA\033[J", run->lines);
		err = pv_latency_print_text(run->latency, &report, options, &term, &run->lines);
	}
	fflush(stdout);
	pv_latency_report_deinit(&report);
	return err;
}

/* How it ended, where that is not what the user wanted. */
static void say_end(const struct run *run, enum pv_latency_end end)
{
	if (end == PV_LATENCY_BUDGET)
		fprintf(stderr,
			"pitviper: stopped early: the probes took more than %g CPUs of the "
			"target's time; what was counted up to then is kept (see --budget)\n",
			run->options.budget);
	else if (end == PV_LATENCY_REPLACED)
		fprintf(stderr, "pitviper: stopped early: the process executes another program\n");
}

static const char *end_name(enum pv_latency_end end, const struct run *run)
{
	switch (end) {
	case PV_LATENCY_TARGET_ENDED:
		return "target";
	case PV_LATENCY_REPLACED:
		return "exec";
	case PV_LATENCY_BUDGET:
		return "budget";
	default:
		return run->stopped ? "stopped" : "duration";
	}
}

/* Flame graphs of the slow calls: other formats say that a profile's samples are CPU time. */
static struct pv_err *open_outputs(struct run *run)
{
	struct pv_err *err = pv_outputs_add_all(&run->outputs, &run->options.outputs, NULL);

	for (size_t i = 0; !err && i < run->outputs.formats.n; i++) {
		if (*(const struct pv_format **)pv_vec_at(&run->outputs.formats, i) !=
		    &pv_format_folded)
			err = pv_err_create(PV_ERR_USAGE,
					    "stacks of slow calls are written as folded ones "
					    "alone: name %s so that it ends in .folded",
					    pv_outputs_paths(&run->outputs)[i]);
	}
	return err;
}

static struct pv_err *write_outputs(struct run *run)
{
	struct pv_slow *slow = pv_latency_slow(run->latency);
	struct pv_err *err;

	if (!run->outputs.files.n)
		return NULL;
	err = pv_slow_fill(slow);
	return err ? err : pv_outputs_write(&run->outputs, pv_slow_profile(slow), false);
}

static struct pv_err *watch(struct run *run, const struct pv_latency_options *options)
{
	double end_s = pv_deadline(run->options.duration);
	double next = pv_now_s() + run->options.interval;
	enum pv_latency_end end = PV_LATENCY_RUNS;
	struct pv_err *err = NULL, *said;

	while (!err && end == PV_LATENCY_RUNS) {
		int wait_ms = pv_patience_ms(end_s, STEP_MS);

		if (!wait_ms || take_signal(run))
			break;
		if (run->options.interval && pv_now_s() >= next) {
			err = print(run, options, NULL);
			next += run->options.interval;
		}
		/* at once, if the next one is due already */
		if (run->options.interval)
			wait_ms = pv_patience_ms(next, wait_ms);
		if (!err)
			err = pv_latency_step(run->latency, wait_ms,
					      pv_interrupt_fd(run->interrupt), &end);
	}
	if (err)
		return err;
	pv_latency_stop(run->latency);
	say_end(run, end);
	err = write_outputs(run);
	said = print(run, options, end_name(end, run));
	if (err)
		pv_err_destroy(said);
	return err ? err : said;
}

static struct pv_err *run_latency(struct run *run, const struct pv_latency_options *options)
{
	struct pv_err *err = pv_interrupt_create(&run->interrupt);

	/* an output that nobody reads any more is an error of the write */
	signal(SIGPIPE, SIG_IGN);
	if (!err)
		err = open_outputs(run);
	if (!err)
		err = pv_latency_create(options, &run->latency);
	if (!err && pv_latency_note(run->latency))
		fprintf(stderr, "pitviper: %s\n", pv_latency_note(run->latency));
	if (!err)
		err = watch(run, options);
	pv_latency_destroy(run->latency);
	pv_interrupt_destroy(run->interrupt);
	return err;
}

static struct pv_err *check(struct latency_options *options, int argc, int first, pid_t *pid_ret,
			    enum pv_latency_split *split_ret)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec pids = PV_VEC(pid_t);
	struct pv_err *err = split_of(options->by, split_ret);

	if (err)
		return err;
	if (!options->pid || first == argc)
		return pv_err_create(PV_ERR_USAGE,
				     "latency wants a process (-p) and the name of a function; see "
				     "`pitviper latency --help`");
	err = pv_resolve(options->pid, true, &pids);
	if (err)
		return err;
	*pid_ret = *(pid_t *)pv_vec_at(&pids, 0);
	if (!options->interval && !options->json && pv_term_of(stdout).erases)
		options->interval = LIVE_S;
	return NULL;
}

static struct pv_err *run(int argc, char **argv, int *status_ret)
{
	struct run run = { .options = { .budget = 0.5, .outputs = PV_VEC(const char *) } };
	struct pv_latency_options options = { .pid = 0 };
	struct pv_err *err;
	int first;
	bool help;

	(void)status_ret;
	pv_outputs_init(&run.outputs);
	err = pv_options_parse(&latency_usage, argc, argv, &run.options, &first, &help);
	if (err || help)
		goto out;
	err = pv_options_time("--over", run.options.over, &options.over_ns);
	if (!err && run.options.stack && !options.over_ns)
		err = pv_err_create(PV_ERR_USAGE, "--stack wants to know of which calls: --over "
						  "TIME, such as --over 50ms");
	if (!err && run.options.outputs.n && !run.options.stack)
		err = pv_err_create(PV_ERR_USAGE, "-o is for the stacks of slow calls: it wants "
						  "--over TIME --stack");
	if (!err)
		err = check(&run.options, argc, first, &options.pid, &options.split);
	if (err)
		goto out;
	options.names = (const char *const *)argv + first;
	options.n_names = (size_t)(argc - first);
	options.budget = run.options.budget;
	options.stacks = run.options.stack;
	err = run_latency(&run, &options);
out:
	pv_outputs_deinit(&run.outputs);
	pv_vec_deinit(&run.options.outputs);
	return err;
}

const struct pv_command pv_command_latency = {
	.name = "latency",
	.summary = "how long do calls of a function take? a live histogram",
	.usage = &latency_usage,
	.run = run,
};
