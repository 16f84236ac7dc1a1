/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pitviper trace: what happens inside one call?  Input: a process and the name of a
 * function.  Output: each call that some executions of it led to.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/vec.h"
#include "cmd/command.h"
#include "cmd/deadline.h"
#include "cmd/interrupt.h"
#include "cmd/options.h"
#include "cmd/outputs.h"
#include "model/profile.h"
#include "model/trace.h"
#include "out/trace.h"
#include "session/resolve.h"
#include "session/tracer.h"
#include "tui/term.h"

enum { STEP_MS = 1000, COUNT = 20 };

struct trace_options {
	const char *pid, *longer, *condition;
	unsigned int count, depth;
	double duration, budget;
	struct pv_vec only, skip, natives, outputs; /* const char * */
	const struct pv_format *format;
	bool python, arguments, arm_now, usdt, json, quiet;
};

struct run {
	struct trace_options options;
	struct pv_tracer *tracer;
	struct pv_interrupt *interrupt;
	struct pv_outputs outputs;
	pid_t pid;
};

static const struct pv_option trace_option_table[] = {
	{ 'p', "pid", "PID|NAME", "the process", PV_OPTION_TEXT,
	  offsetof(struct trace_options, pid) },
	{ 'n', "count", "N", "end after so many executions (20)", PV_OPTION_COUNT,
	  offsetof(struct trace_options, count) },
	{ 'd', "duration", "SEC", "end after this time (until Ctrl-C or the target's end)",
	  PV_OPTION_SECONDS, offsetof(struct trace_options, duration) },
	{ 0, "duration-over", "TIME", "keep only executions that take longer: 10ms, 2s, 500us",
	  PV_OPTION_TEXT, offsetof(struct trace_options, longer) },
	{ 0, "args", NULL, "show arguments and results of all calls", PV_OPTION_FLAG,
	  offsetof(struct trace_options, arguments) },
	{ 0, "if", "EXPR", "keep only executions whose arguments are so: 'n > 3 && path == \"/\"'",
	  PV_OPTION_TEXT, offsetof(struct trace_options, condition) },
	{ 0, "only", "GLOB", "show only calls of functions with such a name or file (repeatable)",
	  PV_OPTION_LIST, offsetof(struct trace_options, only) },
	{ 0, "skip", "GLOB", "do not show calls of such functions (repeatable)", PV_OPTION_LIST,
	  offsetof(struct trace_options, skip) },
	{ 0, "depth", "N", "levels of calls below FUNCTION (all)", PV_OPTION_COUNT,
	  offsetof(struct trace_options, depth) },
	{ 0, "python", NULL, "Python functions (the default)", PV_OPTION_FLAG,
	  offsetof(struct trace_options, python) },
	{ 0, "native", "LIB|GLOB",
	  "native functions, too: of a library, or library.so:GLOB (repeatable)", PV_OPTION_LIST,
	  offsetof(struct trace_options, natives) },
	{ 0, "arm-now", NULL, "probe all from the start, so that the first execution is whole",
	  PV_OPTION_FLAG, offsetof(struct trace_options, arm_now) },
	{ 0, "budget", "CPUS", "stop when the probes take more of the target's time (0.5)",
	  PV_OPTION_SECONDS, offsetof(struct trace_options, budget) },
	{ 0, "usdt", NULL, "refused: see pitviper-trace(1)", PV_OPTION_FLAG,
	  offsetof(struct trace_options, usdt) },
	{ 'o', "output", "FILE",
	  "write to FILE, in the format of its name; repeatable; - is stdout", PV_OPTION_LIST,
	  offsetof(struct trace_options, outputs) },
	{ 0, "format", "NAME", "format of all outputs, whatever their names",
	  PV_OPTION_TRACE_FORMAT, offsetof(struct trace_options, format) },
	{ 0, "json", NULL, "for machines: the summary as one JSON object", PV_OPTION_FLAG,
	  offsetof(struct trace_options, json) },
	{ 'q', "quiet", NULL, "no progress, no hints", PV_OPTION_FLAG,
	  offsetof(struct trace_options, quiet) },
	{},
};

static const struct pv_usage trace_usage = {
	.command = "trace",
	.synopsis = "[OPTIONS] -p PID|NAME FUNCTION",
	.summary =
		"What happens inside FUNCTION: every Python function that is entered and left "
		"from the\n"
		"moment that a thread enters it until it returns, with times; with --native those "
		"in C\n"
		"between them.  FUNCTION is `module.qualname`, `qualname`, or FILE:LINE of the "
		"line where\n"
		"it begins, or a native one: `symbol`, `library.so:symbol`, "
		"`library.so+0xADDRESS`, with\n"
		"letters for its arguments or without: `malloc(z:p)`.  While it waits for the "
		"first "
		"execution\n"
		"the process pays next to nothing; from then on every Python call of it is slowed "
		"by about\n"
		"a microsecond, one inside by some two; see --budget.",
	.example = "  sudo pitviper trace -p 4127 app.handle\n"
		   "  sudo pitviper trace -p 4127 -n 5 --duration-over 100ms Cursor.execute\n"
		   "  sudo pitviper trace -p 4127 --native _mysql Cursor.execute\n",
	.options = trace_option_table,
};

/* How it ended, where that is not what the user wanted. */
static void say_end(const struct run *run, const struct pv_trace *trace)
{
	if (trace->end == PV_TRACE_BUDGET)
		fprintf(stderr,
			"pitviper: stopped early: the probes took more than %g CPUs of the "
			"target's time; what was recorded up to then is kept (see --budget)\n",
			run->options.budget);
	else if (trace->end == PV_TRACE_REPLACED)
		fprintf(stderr, "pitviper: stopped early: the process executes another program\n");
	else if (trace->end == PV_TRACE_ROOM)
		fprintf(stderr, "pitviper: stopped early: there are as many calls as are kept\n");
	else if (trace->end == PV_TRACE_MEMORY)
		fprintf(stderr,
			"pitviper: stopped early: the process's control group has too little "
			"memory left for more breakpoints\n");
	if (!trace->n_seen && !run->options.quiet) {
		struct pv_tracer_facts facts = pv_tracer_facts(run->tracer);

		fprintf(stderr, "pitviper: %s%s in %.1f s\n", facts.function,
			facts.unloaded ? ": its library was not loaded" : " was not called",
			(double)trace->profile->duration_ns / 1e9);
	}
}

/* What the files hold in short; an output on standard output says it itself. */
static struct pv_err *summarise(const struct run *run, const struct pv_trace *trace)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str wrote = { 0 };
	struct pv_term term = pv_term_of(stdout);
	struct pv_err *err = pv_trace_text_summary(trace, &term);

	if (!err)
		err = pv_outputs_say(run->outputs.paths.data, run->outputs.paths.n, &wrote);
	if (!err)
		printf("%s\n", pv_str_text(&wrote));
	return err;
}

/* Files are written whatever becomes of the summary. */
static struct pv_err *write_all(struct run *run, const struct pv_trace *trace)
{
	bool files = run->outputs.paths.n;
	FILE *summary = pv_outputs_summary_file(&run->outputs, stdout);
	struct pv_term term = pv_term_of(stdout);
	struct pv_err *err = pv_outputs_write_trace(&run->outputs, trace);

	if (err)
		return err;
	if (run->options.json)
		err = pv_trace_summary_json(trace, summary);
	else if (!files)
		err = pv_trace_text_write(trace, &term);
	else if (summary == stdout && !run->options.quiet)
		err = summarise(run, trace);
	fflush(summary);
	return err;
}

/* What it waits for. */
static void say_start(const struct run *run)
{
	struct pv_tracer_facts facts = pv_tracer_facts(run->tracer);

	if (run->options.quiet)
		return;
	if (facts.suspends)
		fprintf(stderr,
			"pitviper: %s is a generator or coroutine: each stay in it, up to a yield "
			"or an await that waits, is an execution of its own\n",
			facts.function);
	if (pv_tracer_note(run->tracer))
		fprintf(stderr, "pitviper: %s\n", pv_tracer_note(run->tracer));
	if (!isatty(STDERR_FILENO) || facts.unloaded)
		return;
	fprintf(stderr, "pitviper: waiting for %s in %s (%d), %s; Ctrl-C ends it\n", facts.function,
		facts.name, (int)run->pid, facts.interpreter);
	if (*facts.unwatched)
		fprintf(stderr,
			"pitviper: every call is slowed meanwhile: no watchpoint can wait for it: "
			"%s\n",
			facts.unwatched);
}

static struct pv_err *watch(struct run *run)
{
	double end_s = pv_deadline(run->options.duration);
	const struct pv_trace *trace;
	struct pv_err *err = NULL;
	bool ended = false;
	siginfo_t by;

	while (!err && !ended && !pv_interrupt_take(run->interrupt, &by)) {
		int wait_ms = pv_patience_ms(end_s, STEP_MS);

		if (!wait_ms)
			break;
		err = pv_tracer_step(run->tracer, wait_ms, pv_interrupt_fd(run->interrupt), &ended);
	}
	if (!err)
		err = pv_tracer_finish(run->tracer, &trace);
	if (err)
		return err;
	say_end(run, trace);
	return write_all(run, trace);
}

static struct pv_err *run_trace(struct run *run, const struct pv_tracer_options *options)
{
	struct pv_err *err = pv_interrupt_create(&run->interrupt);

	/* an output that nobody reads any more is an error of the write */
	signal(SIGPIPE, SIG_IGN);
	if (!err)
		err = pv_outputs_add_all(&run->outputs, &run->options.outputs, run->options.format);
	if (!err)
		err = pv_tracer_create(options, &run->tracer);
	if (!err)
		say_start(run);
	if (!err)
		err = watch(run);
	pv_tracer_destroy(run->tracer);
	pv_interrupt_destroy(run->interrupt);
	return err;
}

/* --native without a library: what stands behind it is FUNCTION. */
static const char *take_function(struct trace_options *options, int argc, char **argv, int first,
				 bool *usual_ret)
{
	struct pv_vec *natives = &options->natives;
	const char *last = natives->n ? *(const char **)pv_vec_at(natives, natives->n - 1) : NULL;

	*usual_ret = false;
	if (argc - first == 1)
		return argv[first];
	if (argc != first || !last)
		return NULL;
	*usual_ret = true;
	natives->n--;
	return last;
}

static struct pv_err *check(const struct trace_options *options, const char *function,
			    pid_t *pid_ret)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec pids = PV_VEC(pid_t);
	struct pv_err *err;

	if (!options->pid || !function)
		return pv_err_create(PV_ERR_USAGE,
				     "trace wants a process (-p) and the name of one function; see "
				     "`pitviper trace --help`");
	if (options->usdt)
		return pv_err_create(
			PV_ERR_USAGE,
			"--usdt: CPython's markers of functions are not used: few builds have both "
			"(up to 3.10 and 3.15, configured --with-dtrace), to be told of them means "
			"to write to the process, and they do not tell which call it is that ends, "
			"as its interpreter's places do");
	err = pv_resolve(options->pid, true, &pids);
	if (!err)
		*pid_ret = *(pid_t *)pv_vec_at(&pids, 0);
	return err;
}

static struct pv_err *run(int argc, char **argv, int *status_ret)
{
	struct run run = {
		.options = {
			.budget = 0.5,
			.count = COUNT,
			.only = PV_VEC(const char *),
			.skip = PV_VEC(const char *),
			.natives = PV_VEC(const char *),
			.outputs = PV_VEC(const char *),
		},
	};
	struct pv_tracer_options options = { .pid = 0 };
	struct pv_err *err;
	bool help = false;
	int first;

	(void)status_ret;
	pv_outputs_init_traces(&run.outputs);
	err = pv_options_parse(&trace_usage, argc, argv, &run.options, &first, &help);
	if (!err && !help) {
		options.function =
			take_function(&run.options, argc, argv, first, &options.usual_natives);
		err = check(&run.options, options.function, &options.pid);
	}
	if (!err && !help)
		err = pv_options_time("--duration-over", run.options.longer, &options.longer_ns);
	if (!err && !help) {
		run.pid = options.pid;
		options.count = run.options.count;
		options.depth = run.options.depth;
		options.only = &run.options.only;
		options.skip = &run.options.skip;
		options.arguments = run.options.arguments;
		options.condition = run.options.condition;
		options.natives = &run.options.natives;
		options.budget = run.options.budget;
		options.now = run.options.arm_now;
		err = run_trace(&run, &options);
	}
	pv_outputs_deinit(&run.outputs);
	pv_vec_deinit(&run.options.outputs);
	pv_vec_deinit(&run.options.only);
	pv_vec_deinit(&run.options.skip);
	pv_vec_deinit(&run.options.natives);
	return err;
}

const struct pv_command pv_command_trace = {
	.name = "trace",
	.summary = "what happens inside one call of a function? each call in it, with times",
	.usage = &trace_usage,
	.run = run,
};
