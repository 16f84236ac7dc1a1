/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pitviper record: where does time go.  Input: a process or a program.
 * Output: files by format, and the summary.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/output.h"
#include "base/str.h"
#include "base/text.h"
#include "base/vec.h"
#include "cmd/command.h"
#include "cmd/deadline.h"
#include "cmd/filename.h"
#include "cmd/interrupt.h"
#include "cmd/options.h"
#include "cmd/outputs.h"
#include "cmd/progress.h"
#include "cmd/summary.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/format.h"
#include "out/pvr.h"
#include "session/resolve.h"
#include "session/session.h"
#include "tui/term.h"

enum {
	DEFAULT_HZ = 99,
	MAX_HZ = 100000,
	STEP_MS = 100,
};

/* Of the file that is written when no -o is given. */
static const char default_format[] = "html";

struct record_options {
	struct pv_vec names; /* const char *: of processes */
	double duration;
	unsigned int frequency;
	struct pv_vec outputs; /* const char * */
	const struct pv_format *format;
	const char *engine;
	bool children, threads, tasks, no_native, no_kernel, no_source, json, quiet, verbose;
	char *const *argv; /* the program, or NULL */
};

#define AT(field) offsetof(struct record_options, field)
static const struct pv_option record_option_table[] = {
	{ 'p', "pid", "PID|NAME", "the process to attach to; repeatable", PV_OPTION_LIST,
	  AT(names) },
	{ 0, "children", NULL, "its descendants, too, present and future", PV_OPTION_FLAG,
	  AT(children) },
	{ 'd', "duration", "SEC", "stop after SEC seconds (default: Ctrl-C, or its end)",
	  PV_OPTION_SECONDS, AT(duration) },
	{ 'F', "frequency", "HZ", "samples a second of CPU time (99)", PV_OPTION_COUNT,
	  AT(frequency) },
	{ 'o', "output", "FILE",
	  "format by its name; repeatable; - is stdout (pitviper-NAME-PID.html)", PV_OPTION_LIST,
	  AT(outputs) },
	{ 0, "format", "NAME", "format of all outputs, whatever their names", PV_OPTION_FORMAT,
	  AT(format) },
	{ 0, "threads", NULL, "a root frame per thread", PV_OPTION_FLAG, AT(threads) },
	{ 0, "tasks", NULL, "names of asyncio tasks, and from 3.14 on of those that wait for them",
	  PV_OPTION_FLAG, AT(tasks) },
	{ 0, "no-native", NULL, "no native frames", PV_OPTION_FLAG, AT(no_native) },
	{ 0, "no-kernel", NULL, "no kernel frames", PV_OPTION_FLAG, AT(no_kernel) },
	{ 0, "no-source", NULL, "keep no text of the source files", PV_OPTION_FLAG, AT(no_source) },
	{ 0, "engine", "NAME", "bpf (the only one so far)", PV_OPTION_TEXT, AT(engine) },
	{ 0, "json", NULL, "the end summary for machines, on stdout", PV_OPTION_FLAG, AT(json) },
	{ 'q', "quiet", NULL, "no summary and no progress", PV_OPTION_FLAG, AT(quiet) },
	{ 'v', "verbose", NULL, "say what was found at the start", PV_OPTION_FLAG, AT(verbose) },
	{},
};
#undef AT

static const struct pv_usage record_usage = {
	.command = "record",
	.program = true,
	.synopsis = "[OPTIONS] -p PID|NAME...\n[OPTIONS] -- PROGRAM ARG...",
	.summary = "Samples processes and writes their merged Python, native and kernel stacks.\n"
		   "Of a NAME that a process and its descendants have, such as gunicorn, all of "
		   "them.",
	.example = "  sudo pitviper record -p 4127 -d 30 -o app.folded\n"
		   "  sudo pitviper record -p gunicorn --children -d 30\n"
		   "  sudo pitviper record -F 499 -- python3 app.py\n",
	.options = record_option_table,
};

struct record {
	struct record_options options;
	struct pv_vec pids; /* pid_t */
	struct pv_session *session;
	struct pv_outputs outputs;
	struct pv_str default_path;
	struct pv_progress *progress; /* NULL: none is shown */
	bool told_cut;                /* that the recording breaks off */
	struct pv_interrupt *interrupt;
	siginfo_t stopped_by; /* si_signo 0: none */
};

static struct pv_err *check_options(struct record_options *options, int argc, char **argv,
				    int first)
{
	bool program = first < argc && first > 0 && !strcmp(argv[first - 1], "--");

	if (first < argc && !program)
		return pv_err_create(PV_ERR_USAGE,
				     "`%s` is no option; a program to start stands after `--`",
				     argv[first]);
	if (program)
		options->argv = argv + first;
	if (!options->names.n == !program)
		return pv_err_create(PV_ERR_USAGE, "record wants either -p PID or -- PROGRAM; see "
						   "`pitviper record --help`");
	if (!options->outputs.n && options->format == &pv_format_pvr)
		return pv_err_create(PV_ERR_USAGE, "a recording grows while it is made and wants "
						   "its name before: give -o NAME.pvr");
	if (options->frequency > MAX_HZ)
		return pv_err_create(PV_ERR_USAGE, "the frequency may be %d at most", MAX_HZ);
	if (options->engine && strcmp(options->engine, "bpf"))
		return pv_err_create(PV_ERR_USAGE, "there is no engine `%s`, only bpf",
				     options->engine);
	return NULL;
}

/* The default output's name is known when the target runs; that it can be written, before. */
static struct pv_err *try_directory(void)
{
	struct pv_output *output = NULL;
	struct pv_err *err = pv_output_create("pitviper-NAME-PID", &output);

	pv_output_destroy(output);
	return err ? pv_err_wrap(err, "name an output with -o") : NULL;
}

/* pitviper-NAME-PID.FORMAT when no -o was given. */
static struct pv_err *open_default_output(struct record *record)
{
	struct pv_session_facts facts = pv_session_facts(record->session);
	const struct pv_format *format = record->options.format;
	struct pv_err *err = NULL;

	if (record->outputs.paths.n)
		return NULL;
	if (!format)
		err = pv_format_by_name(pv_formats, default_format, &format);
	if (!err)
		err = pv_filename_append(&record->default_path, facts.name, facts.pid,
					 format->suffixes[0]);
	return err ? err
		   : pv_outputs_add(&record->outputs, pv_str_text(&record->default_path), format);
}

static struct pv_err *show_progress(struct record *record, double elapsed_s)
{
	const struct pv_profile *profile = pv_session_profile(record->session);
	uint64_t lost;
	struct pv_err *err;

	if (!record->progress)
		return NULL;
	err = pv_session_lost(record->session, &lost);
	return err ? err
		   : pv_progress_update(record->progress, elapsed_s, profile->quality.samples,
					lost);
}

/* Tells of an error that is no reason to end; takes it. */
static struct pv_err *tell(const char *before, struct pv_err *err)
{
	struct pv_str why PV_CLEANUP(pv_str_deinit) = {};
	struct pv_err *failed;

	if (!err)
		return NULL;
	failed = pv_text_append(&why, err->message, strlen(err->message));
	if (!failed)
		fprintf(stderr, "pitviper: %s%s\n", before, pv_str_text(&why));
	pv_err_destroy(err);
	return failed;
}

static struct pv_err *recording_error(const struct record *record)
{
	int errnum = pv_session_facts(record->session).recording_errnum;

	if (!errnum)
		return NULL;
	return pv_err_wrap(
		pv_err_errno(errnum, "cannot write %s", pv_output_path(record->outputs.recording)),
		"the recording breaks off, the other outputs do not");
}

/* At once: who watches may end it, or make room for the next one. */
static struct pv_err *tell_cut(struct record *record)
{
	struct pv_err *err = record->told_cut ? NULL : recording_error(record);

	if (!err)
		return NULL;
	record->told_cut = true;
	pv_progress_erase(record->progress);
	return tell("", err);
}

static struct pv_err *capture(struct record *record)
{
	double start = pv_now_s(), end = pv_deadline(record->options.duration);
	enum pv_session_end state = PV_SESSION_RUNS;
	struct pv_err *err = NULL;

	while (!err && state == PV_SESSION_RUNS) {
		int wait_ms = pv_patience_ms(end, STEP_MS);

		if (!wait_ms || pv_interrupt_take(record->interrupt, &record->stopped_by))
			break;
		err = pv_session_step(record->session, wait_ms, &state);
		if (!err)
			err = tell_cut(record);
		if (!err)
			err = show_progress(record, pv_now_s() - start);
	}
	return err;
}

/* Where an idle target waits.  That it cannot be seen is no reason not to say the rest. */
static struct pv_err *look_where_it_waits(const struct record *record)
{
	return tell("cannot look where the target waits: ",
		    pv_session_look_where_it_waits(record->session));
}

static struct pv_err *summarise(struct record *record, FILE *file)
{
	const struct pv_profile *profile = pv_session_profile(record->session);
	struct pv_session_facts facts = pv_session_facts(record->session);
	const char *const *paths = pv_outputs_paths(&record->outputs);
	struct pv_live live = {
		.attach_ms = facts.attach_ms,
		.first_sample_ms = facts.first_sample_ms,
		.map_bytes = facts.map_bytes,
		.cut_output = record->outputs.cut,
	};
	struct pv_term term = pv_term_of(file);

	if (record->options.json)
		return pv_summary_json(profile, &live, paths, record->outputs.paths.n, file);
	return pv_summary_print(profile, &live, paths, record->outputs.paths.n, &term);
}

static struct pv_err *print_summary(struct record *record)
{
	/* a program's own output stays apart */
	FILE *file = record->options.argv && !record->options.json ? stderr : stdout;

	if (record->options.quiet && !record->options.json)
		return NULL;
	return summarise(record, pv_outputs_summary_file(&record->outputs, file));
}

/* The program gets the signal that stopped us, unless the terminal sent it to both. */
static void forward_signal(const struct record *record, pid_t pid)
{
	if (record->stopped_by.si_signo && record->stopped_by.si_code != SI_KERNEL)
		kill(pid, record->stopped_by.si_signo);
}

static struct pv_err *say_ended(const char *whose, pid_t pid, int number)
{
	struct pv_str name PV_CLEANUP(pv_str_deinit) = {};
	const char *abbreviation = sigabbrev_np(number);
	struct pv_err *err = pv_text_append(&name, whose, strlen(whose));

	if (err)
		return err;
	fprintf(stderr, "pitviper: %s (%d) was ended by ", pv_str_text(&name), pid);
	if (abbreviation)
		fprintf(stderr, "SIG%s\n", abbreviation);
	else
		fprintf(stderr, "signal %d\n", number);
	return NULL;
}

/* As a shell does: its status alone would not tell.  Whoever stopped us knows. */
static struct pv_err *say_signal(const struct record *record, int number)
{
	struct pv_session_facts facts = pv_session_facts(record->session);

	if (!number || number == (int)record->stopped_by.si_signo)
		return NULL;
	return say_ended(facts.name, facts.pid, number);
}

/* Those of -p that a signal has ended, as far as that is known: then there is no more to see. */
static struct pv_err *say_killed(const struct record *record)
{
	struct pv_session_killed killed;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && pv_session_killed(record->session, &i, &killed);)
		err = say_ended(killed.name, killed.pid, killed.signal);
	return err;
}

/* pitviper ends as the program does; signals go on to it meanwhile, a second one ends us. */
static struct pv_err *end_program(struct record *record, int *status_ret)
{
	struct pv_session_facts facts = pv_session_facts(record->session);
	bool ended = facts.ended;
	struct pv_err *err = NULL;
	int number;

	fflush(NULL);
	if (!ended)
		forward_signal(record, facts.pid);
	if (!ended && !record->options.quiet && !record->stopped_by.si_signo)
		fprintf(stderr, "pitviper: waiting for process %d to end\n", facts.pid);
	while (!err && !ended) {
		bool stopped = record->stopped_by.si_signo;

		err = pv_session_wait(record->session,
				      stopped ? -1 : pv_interrupt_fd(record->interrupt), &ended);
		if (!err && !ended && pv_interrupt_take(record->interrupt, &record->stopped_by))
			forward_signal(record, facts.pid);
	}
	if (!err)
		err = pv_session_wait_program(record->session, status_ret, &number);
	return err ? err : say_signal(record, number);
}

/* "gunicorn: worker [app:app] (4127), CPython 3.12.1, bpf engine, 99 Hz", the name as it is */
static struct pv_err *describe(const struct record *record, struct pv_str *str)
{
	const struct pv_profile *profile = pv_session_profile(record->session);
	struct pv_session_facts facts = pv_session_facts(record->session);
	const char *title = pv_strings_get(profile->strings, profile->title);

	return pv_str_appendf(str, "%s (%d), %s, bpf engine, %u Hz", *title ? title : facts.name,
			      facts.pid, *facts.interpreter ? facts.interpreter : "no CPython",
			      record->options.frequency);
}

/*
 * The first line with -v, and the line of the progress.  A program that we started
 * writes to the terminal itself: no line that comes and goes there.
 */
static struct pv_err *say_start(struct record *record)
{
	struct pv_session_facts facts = pv_session_facts(record->session);
	struct pv_str title PV_CLEANUP(pv_str_deinit) = {}, line PV_CLEANUP(pv_str_deinit) = {};
	struct pv_err *err = describe(record, &title);

	if (!err)
		err = pv_text_append(&line, pv_str_text(&title), title.n);
	if (err)
		return err;
	if (record->options.verbose)
		fprintf(stderr, "%s, attached in %.0f ms\n", pv_str_text(&line), facts.attach_ms);
	if (record->options.quiet || record->options.argv)
		return NULL;
	return pv_progress_create(stderr, pv_str_text(&title), record->options.duration,
				  &record->progress);
}

/* The processes that were named. */
static struct pv_err *resolve(struct record *record)
{
	struct pv_err *err = NULL;
	size_t i;

	for (i = 0; !err && i < record->options.names.n; i++)
		err = pv_resolve(*(const char **)pv_vec_at(&record->options.names, i), false,
				 &record->pids);
	return err;
}

/* Of several errors in a row the first is told: the others mostly come of it. */
static void keep_first(struct pv_err **first, struct pv_err *err)
{
	if (!*first)
		*first = err;
	else
		pv_err_destroy(err);
}

/* An output could not be written, and the capture is in no recording: it is kept. */
static struct pv_err *keep_capture(struct record *record, struct pv_err *why)
{
	struct pv_session_facts facts = pv_session_facts(record->session);
	struct pv_str stem PV_CLEANUP(pv_str_deinit) = {}, path PV_CLEANUP(pv_str_deinit) = {};
	struct pv_str shown PV_CLEANUP(pv_str_deinit) = {};
	struct pv_err *err;

	if (!record->outputs.lost || (record->outputs.recording && !facts.recording_errnum))
		return why;
	err = pv_filename_append(&stem, facts.name, facts.pid, "");
	if (!err)
		err = pv_session_keep(record->session, pv_str_text(&stem), &path);
	if (!err)
		err = pv_text_append(&shown, path.data, path.n);
	if (!err)
		return pv_err_add(
			why, "; the capture is kept in %s: `pitviper report` makes outputs of it",
			pv_str_text(&shown));
	why = pv_err_add(why, "; the capture is lost: %s", err->message);
	pv_err_destroy(err);
	return why;
}

/* Whatever ended the capture (first): what there is is written and told. */
static struct pv_err *finish(struct record *record, struct pv_err *first)
{
	struct pv_err *err, *cut = NULL;

	pv_progress_destroy(pv_steal(record->progress));
	keep_first(&first, pv_session_end(record->session));
	keep_first(&first, look_where_it_waits(record));
	err = pv_session_stop(record->session, &cut);
	keep_first(&first, cut);
	if (first)
		first = pv_err_wrap(first, "the capture ended early");
	keep_first(&first, recording_error(record));
	if (!err) {
		const struct pv_profile *profile = pv_session_profile(record->session);
		struct pv_session_facts facts = pv_session_facts(record->session);

		err = pv_outputs_write(&record->outputs, profile,
				       profile->cut || facts.recording_errnum);
		if (err)
			err = keep_capture(record, err);
		if (err && first) {
			first = pv_err_add(first, "; %s", err->message);
			pv_err_destroy(err);
		} else if (err) {
			first = err;
		}
		err = print_summary(record);
	}
	keep_first(&first, err);
	return first;
}

static struct pv_err *record_run(struct record *record, int *status_ret)
{
	struct pv_session_options options = {
		.pids = record->pids.data,
		.n_pids = record->pids.n,
		.argv = record->options.argv,
		.children = record->options.children,
		.frequency = record->options.frequency,
		.threads = record->options.threads,
		.tasks = record->options.tasks,
		.no_native = record->options.no_native,
		.no_kernel = record->options.no_kernel,
		.no_source = record->options.no_source,
	};
	struct pv_err *err;

	err = pv_outputs_add_all(&record->outputs, &record->options.outputs,
				 record->options.format);
	if (!err && !record->outputs.paths.n)
		err = try_directory();
	options.recording = pv_outputs_take_recording(&record->outputs);
	options.others = record->outputs.paths.n > 1;
	signal(SIGPIPE, SIG_IGN);
	if (!err)
		err = pv_interrupt_create(&record->interrupt);
	if (!err)
		err = pv_session_create(&options, &record->session);
	if (!err)
		err = open_default_output(record);
	if (!err)
		err = pv_session_watch(record->session, pv_interrupt_fd(record->interrupt));
	if (err)
		return err;
	err = say_start(record);
	if (err)
		return err;
	err = finish(record, capture(record));
	if (options.argv)
		keep_first(&err, end_program(record, status_ret));
	else
		keep_first(&err, say_killed(record));
	return err;
}

static struct pv_err *run(int argc, char **argv, int *status_ret)
{
	struct record record = { .options = { .frequency = DEFAULT_HZ } };
	struct pv_err *err;
	int first;
	bool help;

	pv_outputs_init(&record.outputs);
	record.pids = (struct pv_vec)PV_VEC(pid_t);
	record.options.names = (struct pv_vec)PV_VEC(const char *);
	record.options.outputs = (struct pv_vec)PV_VEC(const char *);
	err = pv_options_parse(&record_usage, argc, argv, &record.options, &first, &help);
	if (!err && !help)
		err = check_options(&record.options, argc, argv, first);
	if (!err && !help)
		err = resolve(&record);
	if (!err && !help)
		err = record_run(&record, status_ret);
	pv_progress_destroy(record.progress);
	pv_session_destroy(record.session);
	pv_outputs_deinit(&record.outputs);
	pv_str_deinit(&record.default_path);
	pv_vec_deinit(&record.options.outputs);
	pv_vec_deinit(&record.options.names);
	pv_vec_deinit(&record.pids);
	pv_interrupt_destroy(record.interrupt);
	return err;
}

const struct pv_command pv_command_record = {
	.name = "record",
	.summary = "where does time go? samples merged Python, native and kernel stacks",
	.usage = &record_usage,
	.run = run,
};
