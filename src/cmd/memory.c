/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pitviper memory: what is allocated and never freed, who allocated it, who holds it?  Input:
 * a process, or a program to start.  Output: a verdict, tables, files.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "analyse/leak.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "base/vec.h"
#include "cmd/command.h"
#include "cmd/deadline.h"
#include "cmd/interrupt.h"
#include "cmd/memory_text.h"
#include "cmd/options.h"
#include "cmd/outputs.h"
#include "model/memory.h"
#include "out/memory.h"
#include "session/hunt.h"
#include "session/resolve.h"
#include "tui/term.h"

enum { STEP_MS = 100, PROGRESS_MS = 250 };

struct memory_options {
	const char *pid, *holders;
	double duration, budget;
	struct pv_vec outputs; /* const char * */
	const struct pv_format *format;
	bool trend, census, growth, bursts, all, json, quiet;
};

struct run {
	struct memory_options options;
	char *const *argv; /* a program to start; NULL: -p */
	struct pv_hunt *hunt;
	struct pv_interrupt *interrupt;
	struct pv_outputs outputs;
	siginfo_t stopped_by;
	uint64_t shown_ns; /* when the line of the progress was last written */
};

#define AT(field) offsetof(struct memory_options, field)
static const struct pv_option memory_option_table[] = {
	{ 'p', "pid", "PID|NAME", "the process", PV_OPTION_TEXT, AT(pid) },
	{ 'd', "duration", "SEC", "end after this time (until Ctrl-C or the target's end)",
	  PV_OPTION_SECONDS, AT(duration) },
	{ 0, "trend", NULL, "only growth by mapping, page faults, brk, mmap", PV_OPTION_FLAG,
	  AT(trend) },
	{ 0, "census", NULL, "only objects and blocks by type, again and again", PV_OPTION_FLAG,
	  AT(census) },
	{ 0, "growth", NULL, "only what extends the heap, by stack", PV_OPTION_FLAG, AT(growth) },
	{ 0, "bursts", NULL, "only all allocations of short bursts, and what of them stays",
	  PV_OPTION_FLAG, AT(bursts) },
	{ 0, "all", NULL, "only every allocation and free, all the time", PV_OPTION_FLAG, AT(all) },
	{ 0, "holders", "TYPE|ADDRESS", "only who holds the objects of that type, or that one",
	  PV_OPTION_TEXT, AT(holders) },
	{ 0, "budget", "CPUS", "stop probes when they take more of the target's time (0.5)",
	  PV_OPTION_SECONDS, AT(budget) },
	{ 'o', "output", "FILE",
	  "write to FILE, in the format of its name; repeatable; - is stdout", PV_OPTION_LIST,
	  AT(outputs) },
	{ 0, "format", "NAME", "format of all outputs, whatever their names",
	  PV_OPTION_MEMORY_FORMAT, AT(format) },
	{ 0, "json", NULL, "for machines: the summary as one JSON object", PV_OPTION_FLAG,
	  AT(json) },
	{ 'q', "quiet", NULL, "no progress, no hints", PV_OPTION_FLAG, AT(quiet) },
	{},
};
#undef AT

static const struct pv_usage memory_usage = {
	.command = "memory",
	.program = true,
	.synopsis = "[OPTIONS] -p PID|NAME\n[OPTIONS] -- PROGRAM ARG...",
	.summary =
		"What is allocated and never freed, who allocated it, and who holds it: a leak "
		"hunt on\n"
		"a process as it is.  It looks first, from outside: what grows by mapping, and all "
		"objects\n"
		"and blocks by type, again and again.  Only if something rises are what extends "
		"the "
		"heap\n"
		"and all allocations of short bursts watched; last comes who holds what grows.  "
		"Options\n"
		"for one of these rungs ask for it alone; several may be given.",
	.example = "  sudo pitviper memory -p 9313 -d 30\n"
		   "  sudo pitviper memory -p 9313 -d 60 -o leak.html -o leak.pvr\n"
		   "  sudo pitviper memory -p 9313 --holders Session\n",
	.options = memory_option_table,
};

/* One line that is written again and again: what it does, and for how long. */
static void show_progress(struct run *run, double elapsed_s)
{
	struct pv_hunt_facts facts = pv_hunt_facts(run->hunt);
	uint64_t now = pv_now_ns();

	if (run->options.quiet || run->argv || !pv_term_of(stderr).erases ||
	    now - run->shown_ns < PROGRESS_MS * 1000000ULL)
		return;
	run->shown_ns = now;
	fprintf(stderr, "\r\033[K  %s (%d)%s%s  %s  %.1f s  %zu looks", facts.name, (int)facts.pid,
		*facts.interpreter ? ", " : "", facts.interpreter, facts.doing, elapsed_s,
		facts.n_looks);
	if (run->options.duration)
		fprintf(stderr, " of %.0f s", run->options.duration);
	fflush(stderr);
}

static void erase_progress(struct run *run)
{
	if (run->shown_ns)
		fprintf(stderr, "\r\033[K");
	run->shown_ns = 0;
}

static struct pv_err *hunt(struct run *run, const struct pv_memory **ret)
{
	double start = pv_now_s(), end = pv_deadline(run->options.duration);
	struct pv_err *err = NULL;
	bool ended = false;

	while (!err && !ended && !pv_interrupt_take(run->interrupt, &run->stopped_by)) {
		int wait_ms = pv_patience_ms(end, STEP_MS);

		if (!wait_ms)
			break;
		err = pv_hunt_step(run->hunt, wait_ms, pv_interrupt_fd(run->interrupt), &ended);
		show_progress(run, pv_now_s() - start);
	}
	if (!err)
		err = pv_hunt_finish(run->hunt, run->stopped_by.si_signo != 0, ret);
	erase_progress(run);
	return err;
}

/* How it ended, where that is not what the user wanted. */
static void say_end(const struct run *run, const struct pv_memory *memory)
{
	if (memory->end == PV_MEMORY_REPLACED)
		fprintf(stderr, "pitviper: stopped early: the process executes another program\n");
	else if (memory->end == PV_MEMORY_BUDGET)
		fprintf(stderr,
			"pitviper: stopped early: the probes took more than %g CPUs of the "
			"target's time; what was found up to then is kept (see --budget)\n",
			run->options.budget);
	else if (memory->end == PV_MEMORY_TARGET_ENDED && !run->argv && !run->options.quiet)
		fprintf(stderr, "pitviper: the process has ended\n");
}

static struct pv_err *write_all(struct run *run, const struct pv_memory *memory)
{
	/* a program's own output stays apart */
	FILE *otherwise = run->argv && !run->options.json ? stderr : stdout;
	FILE *file = pv_outputs_summary_file(&run->outputs, otherwise);
	struct pv_term term = pv_term_of(file);
	struct pv_leak leak;
	struct pv_err *err = pv_outputs_write_memory(&run->outputs, memory);

	if (err)
		return err;
	err = pv_leak_of(memory, &leak);
	if (err)
		return err;
	if (run->options.json)
		err = pv_memory_json(memory, &leak, false, file);
	else if (!run->options.quiet || !run->outputs.paths.n)
		err = pv_memory_print(memory, &leak, pv_outputs_paths(&run->outputs),
				      run->outputs.paths.n, &term);
	fflush(file);
	pv_leak_deinit(&leak);
	return err;
}

/* The program gets the signal that stopped us, unless the terminal sent it to both. */
static void forward_signal(const struct run *run, pid_t pid)
{
	if (run->stopped_by.si_signo && run->stopped_by.si_code != SI_KERNEL)
		kill(pid, run->stopped_by.si_signo);
}

/* pitviper ends as the program does; signals go on to it meanwhile. */
static struct pv_err *end_program(struct run *run, int *status_ret)
{
	struct pv_hunt_facts facts = pv_hunt_facts(run->hunt);
	struct pv_err *err = NULL;
	bool ended = facts.ended;
	int number;

	fflush(NULL);
	if (!ended)
		forward_signal(run, facts.pid);
	while (!err && !ended) {
		bool stopped = run->stopped_by.si_signo;

		err = pv_hunt_wait(run->hunt, stopped ? -1 : pv_interrupt_fd(run->interrupt),
				   &ended);
		if (!err && !ended && pv_interrupt_take(run->interrupt, &run->stopped_by))
			forward_signal(run, facts.pid);
	}
	return err ? err : pv_hunt_wait_program(run->hunt, status_ret, &number);
}

static struct pv_err *run_hunt(struct run *run, struct pv_hunt_options *options, int *status_ret)
{
	const struct pv_memory *memory;
	struct pv_err *err, *program = NULL;

	/* an output that nobody reads any more is an error of the write */
	signal(SIGPIPE, SIG_IGN);
	err = pv_outputs_add_all(&run->outputs, &run->options.outputs, run->options.format);
	if (!err)
		err = pv_interrupt_create(&run->interrupt);
	if (!err) {
		options->stop_fd = pv_interrupt_fd(run->interrupt);
		err = pv_hunt_create(options, &run->hunt);
	}
	if (err)
		return err;
	err = hunt(run, &memory);
	if (!err) {
		say_end(run, memory);
		err = write_all(run, memory);
	}
	if (run->argv)
		program = end_program(run, status_ret);
	if (err)
		pv_err_destroy(program);
	return err ? err : program;
}

static unsigned int rungs_of(const struct memory_options *options)
{
	return (unsigned int)options->trend << PV_RUNG_TREND |
	       (unsigned int)options->census << PV_RUNG_CENSUS |
	       (unsigned int)options->growth << PV_RUNG_GROWTH |
	       (unsigned int)options->bursts << PV_RUNG_BURSTS |
	       (unsigned int)options->all << PV_RUNG_ALL |
	       (unsigned int)(options->holders != NULL) << PV_RUNG_HOLDERS;
}

static struct pv_err *check(struct run *run, int operands, char **argv, pid_t *pid_ret)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec pids = PV_VEC(pid_t);
	const struct memory_options *options = &run->options;
	struct pv_err *err;

	if (!options->pid == !operands)
		return pv_err_create(PV_ERR_USAGE,
				     "memory wants a process (-p), or a program to start (behind "
				     "--); see `pitviper memory --help`");
	if (options->quiet && !options->json && !options->outputs.n)
		return pv_err_create(PV_ERR_USAGE, "-q without -o or --json leaves nothing to do");
	if (operands) {
		run->argv = argv;
		return NULL;
	}
	err = pv_resolve(options->pid, true, &pids);
	if (!err)
		*pid_ret = *(pid_t *)pv_vec_at(&pids, 0);
	return err;
}

static struct pv_err *run(int argc, char **argv, int *status_ret)
{
	struct run run = {
		.options = { .budget = 0.5, .outputs = PV_VEC(const char *) },
	};
	struct pv_hunt_options options = { .pid = 0 };
	struct pv_err *err;
	bool help = false;
	int first;

	pv_outputs_init_memory(&run.outputs);
	err = pv_options_parse(&memory_usage, argc, argv, &run.options, &first, &help);
	if (!err && !help)
		err = check(&run, argc - first, argv + first, &options.pid);
	if (!err && !help) {
		options.argv = run.argv;
		options.duration_s = run.options.duration;
		options.rungs = rungs_of(&run.options);
		options.holders = run.options.holders;
		options.budget = run.options.budget;
		err = run_hunt(&run, &options, status_ret);
	}
	pv_hunt_destroy(run.hunt);
	pv_interrupt_destroy(run.interrupt);
	pv_outputs_deinit(&run.outputs);
	pv_vec_deinit(&run.options.outputs);
	return err;
}

const struct pv_command pv_command_memory = {
	.name = "memory",
	.summary = "what is allocated and never freed, who allocated it, who holds it?",
	.usage = &memory_usage,
	.run = run,
};
