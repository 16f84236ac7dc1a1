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
#include <sys/signalfd.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/output.h"
#include "base/str.h"
#include "base/vec.h"
#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/summary.h"
#include "model/profile.h"
#include "out/format.h"
#include "session/session.h"

enum {
	DEFAULT_HZ = 99,
	MAX_HZ = 100000,
	STEP_MS = 100,
};

struct record_options {
	const char *pid;
	double duration;
	unsigned int frequency;
	struct pv_vec outputs; /* const char * */
	const struct pv_format *format;
	const char *engine;
	bool threads, no_native, no_kernel, no_source, json, quiet, verbose;
	char *const *argv; /* the program, or NULL */
};

#define AT(field) offsetof(struct record_options, field)
static const struct pv_option record_option_table[] = {
	{ 'p', "pid", "PID", "the process to attach to", PV_OPTION_TEXT, AT(pid) },
	{ 'd', "duration", "SEC", "stop after SEC seconds (default: Ctrl-C, or its end)",
	  PV_OPTION_SECONDS, AT(duration) },
	{ 'F', "frequency", "HZ", "samples a second of CPU time (99)", PV_OPTION_COUNT,
	  AT(frequency) },
	{ 'o', "output", "FILE", "write FILE, format by its name; repeatable; - is stdout",
	  PV_OPTION_LIST, AT(outputs) },
	{ 0, "format", "NAME", "format of all outputs, whatever their names", PV_OPTION_FORMAT,
	  AT(format) },
	{ 0, "threads", NULL, "a root frame per thread", PV_OPTION_FLAG, AT(threads) },
	{ 0, "no-native", NULL, "no native frames", PV_OPTION_FLAG, AT(no_native) },
	{ 0, "no-kernel", NULL, "no kernel frames", PV_OPTION_FLAG, AT(no_kernel) },
	{ 0, "no-source", NULL, "keep no text of the source files", PV_OPTION_FLAG, AT(no_source) },
	{ 0, "engine", "NAME", "bpf (the only one so far)", PV_OPTION_TEXT, AT(engine) },
	{ 0, "json", NULL, "the end summary for machines, on stdout", PV_OPTION_FLAG, AT(json) },
	{ 'q', "quiet", NULL, "no summary", PV_OPTION_FLAG, AT(quiet) },
	{ 'v', "verbose", NULL, "say what was found at the start", PV_OPTION_FLAG, AT(verbose) },
	{},
};
#undef AT

static const struct pv_usage record_usage = {
	.command = "record",
	.program = true,
	.synopsis = "[OPTIONS] -p PID\n[OPTIONS] -- PROGRAM ARG...",
	.summary = "Samples a process and writes its merged Python, native and kernel stacks.",
	.example = "  sudo pitviper record -p 4127 -d 30 -o app.folded\n"
		   "  sudo pitviper record -F 499 -- python3 app.py\n",
	.options = record_option_table,
};

/* One open output of the capture. */
struct record_output {
	const char *path;
	const struct pv_format *format;
	struct pv_output *output;
};

struct record {
	struct record_options options;
	struct pv_session *session;
	struct record_output *outputs;
	size_t n_outputs;
	char default_path[128];
	int signal_fd;
	struct signalfd_siginfo stopped_by; /* ssi_signo 0: none */
};

static struct pv_err *check_options(struct record_options *options, int argc, char **argv,
				    int first, pid_t *pid_ret)
{
	bool program = first < argc && first > 0 && !strcmp(argv[first - 1], "--");

	if (first < argc && !program)
		return pv_err_create(PV_ERR_USAGE,
				     "`%s` is no option; a program to start stands after `--`",
				     argv[first]);
	if (program)
		options->argv = argv + first;
	if (!options->pid == !program)
		return pv_err_create(PV_ERR_USAGE, "record wants either -p PID or -- PROGRAM; see "
						   "`pitviper record --help`");
	if (options->frequency > MAX_HZ)
		return pv_err_create(PV_ERR_USAGE, "the frequency may be %d at most", MAX_HZ);
	if (options->engine && strcmp(options->engine, "bpf"))
		return pv_err_create(PV_ERR_USAGE, "there is no engine `%s`, only bpf",
				     options->engine);
	return options->pid ? pv_options_pid(options->pid, pid_ret) : NULL;
}

/* Formats are known before the capture, and files are open before it. */
static struct pv_err *open_output(const struct record_options *options, const char *path,
				  struct record_output *output)
{
	output->path = path;
	return pv_format_open(path, options->format, &output->format, &output->output);
}

static struct pv_err *open_outputs(struct record *record)
{
	const struct record_options *options = &record->options;
	struct pv_err *err = NULL;
	size_t i;

	record->outputs = calloc(options->outputs.n + 1, sizeof(*record->outputs));
	if (!record->outputs)
		return &pv_enomem;
	for (i = 0; !err && i < options->outputs.n; i++) {
		const char *path = *(const char **)pv_vec_at(&options->outputs, i);

		err = open_output(options, path, &record->outputs[record->n_outputs++]);
	}
	return err;
}

/* The default output's name is known when the target runs; that it can be written, before. */
static struct pv_err *try_directory(void)
{
	struct pv_output *output = NULL;
	struct pv_err *err = pv_output_create("pitviper-.folded", &output);

	pv_output_destroy(output);
	return err ? pv_err_wrap(err, "name an output with -o") : NULL;
}

/* pitviper-NAME-PID.folded when no -o was given. */
static struct pv_err *open_default_output(struct record *record)
{
	struct pv_session_facts facts = pv_session_facts(record->session);
	char *c;

	if (record->n_outputs)
		return NULL;
	snprintf(record->default_path, sizeof(record->default_path), "pitviper-%s-%d.folded",
		 facts.name, facts.pid);
	for (c = record->default_path; *c; c++) {
		if (*c == '/' || *c == ' ' || (unsigned char)*c < 0x20)
			*c = '_';
	}
	return open_output(&record->options, record->default_path,
			   &record->outputs[record->n_outputs++]);
}

/* SIGINT, SIGTERM and SIGHUP become readable; the second one ends us at once. */
static struct pv_err *block_signals(struct record *record)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return pv_err_errno(errno, "cannot block signals");
	record->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return record->signal_fd < 0 ? pv_err_errno(errno, "cannot watch signals") : NULL;
}

static bool take_signal(struct record *record)
{
	sigset_t set;

	if (read(record->signal_fd, &record->stopped_by, sizeof(record->stopped_by)) !=
	    sizeof(record->stopped_by))
		return false;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return true;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static struct pv_err *capture(struct record *record)
{
	double end = record->options.duration ? now_s() + record->options.duration : 1e18;
	enum pv_session_end state = PV_SESSION_RUNS;
	struct pv_err *err = NULL;

	while (!err && state == PV_SESSION_RUNS) {
		double left_ms = (end - now_s()) * 1000;

		if (left_ms <= 0 || take_signal(record))
			break;
		err = pv_session_step(record->session,
				      left_ms < STEP_MS ? (int)left_ms + 1 : STEP_MS, &state);
	}
	return err;
}

static struct pv_err *write_outputs(struct record *record)
{
	const struct pv_profile *profile = pv_session_profile(record->session);
	struct pv_err *err = NULL;
	size_t i;

	for (i = 0; !err && i < record->n_outputs; i++) {
		struct record_output *output = &record->outputs[i];

		err = output->format->write(profile, pv_output_file(output->output));
		if (err)
			err = pv_err_wrap(err, "cannot write %s", output->path);
		else
			err = pv_output_commit(output->output);
	}
	return err;
}

static struct pv_err *print_summary(struct record *record)
{
	const struct pv_profile *profile = pv_session_profile(record->session);
	struct pv_session_facts facts = pv_session_facts(record->session);
	_pv_free_ const char **paths = calloc(record->n_outputs + 1, sizeof(*paths));
	/* a program's own output stays apart */
	FILE *file = record->options.argv && !record->options.json ? stderr : stdout;
	size_t i;

	if (!paths)
		return &pv_enomem;
	for (i = 0; i < record->n_outputs; i++) {
		paths[i] = record->outputs[i].path;
		if (!strcmp(paths[i], "-"))
			file = stderr;
	}
	if (record->options.json)
		pv_summary_json(profile, &facts, paths, record->n_outputs, file);
	else if (!record->options.quiet)
		return pv_summary_print(profile, &facts, paths, record->n_outputs, file);
	return NULL;
}

/* The program gets the signal that stopped us, unless the terminal sent it to both. */
static void forward_signal(const struct record *record, pid_t pid)
{
	if (record->stopped_by.ssi_signo && record->stopped_by.ssi_code != SI_KERNEL)
		kill(pid, record->stopped_by.ssi_signo);
}

/* pitviper ends as the program does; signals go on to it meanwhile, a second one ends us. */
static struct pv_err *end_program(struct record *record, int *status_ret)
{
	struct pv_session_facts facts = pv_session_facts(record->session);
	bool ended = facts.ended;
	struct pv_err *err = NULL;

	fflush(NULL);
	if (!ended)
		forward_signal(record, facts.pid);
	if (!ended && !record->options.quiet && !record->stopped_by.ssi_signo)
		fprintf(stderr, "pitviper: waiting for %s (%d) to end\n", facts.name, facts.pid);
	while (!err && !ended) {
		bool stopped = record->stopped_by.ssi_signo;

		err = pv_session_wait(record->session, stopped ? -1 : record->signal_fd, &ended);
		if (!err && !ended && take_signal(record))
			forward_signal(record, facts.pid);
	}
	return err ? err : pv_session_wait_program(record->session, status_ret);
}

static void say_start(const struct record *record)
{
	struct pv_session_facts facts = pv_session_facts(record->session);

	if (record->options.verbose)
		fprintf(stderr, "%s (%d), %s, bpf engine, %u Hz, attached in %.0f ms\n", facts.name,
			facts.pid, *facts.interpreter ? facts.interpreter : "no CPython",
			record->options.frequency, facts.attach_ms);
}

static struct pv_err *record_run(struct record *record, pid_t pid, int *status_ret)
{
	struct pv_session_options options = {
		.pid = pid,
		.argv = record->options.argv,
		.frequency = record->options.frequency,
		.threads = record->options.threads,
		.no_native = record->options.no_native,
		.no_kernel = record->options.no_kernel,
		.no_source = record->options.no_source,
	};
	struct pv_err *err = open_outputs(record), *capture_err;

	if (!err && !record->n_outputs)
		err = try_directory();
	if (!err)
		err = block_signals(record);
	if (!err)
		err = pv_session_create(&options, &record->session);
	if (!err)
		err = open_default_output(record);
	if (!err)
		err = pv_session_watch(record->session, record->signal_fd);
	if (err)
		return err;
	say_start(record);
	/* whatever ended the capture: what there is is written */
	capture_err = capture(record);
	err = pv_session_stop(record->session);
	if (!err)
		err = write_outputs(record);
	if (!err)
		err = print_summary(record);
	if (!err && options.argv)
		err = end_program(record, status_ret);
	if (!capture_err)
		return err;
	pv_err_destroy(err);
	return pv_err_wrap(capture_err, "the capture ended early");
}

static struct pv_err *run(int argc, char **argv, int *status_ret)
{
	struct record record = { .options = { .frequency = DEFAULT_HZ }, .signal_fd = -1 };
	struct pv_err *err;
	pid_t pid = 0;
	int first;
	bool help;
	size_t i;

	record.options.outputs = (struct pv_vec)PV_VEC(const char *);
	err = pv_options_parse(&record_usage, argc, argv, &record.options, &first, &help);
	if (!err && !help)
		err = check_options(&record.options, argc, argv, first, &pid);
	if (!err && !help)
		err = record_run(&record, pid, status_ret);
	pv_session_destroy(record.session);
	for (i = 0; i < record.n_outputs; i++)
		pv_output_destroy(record.outputs[i].output);
	free(record.outputs);
	pv_vec_deinit(&record.options.outputs);
	if (record.signal_fd >= 0)
		close(record.signal_fd);
	return err;
}

const struct pv_command pv_command_record = {
	.name = "record",
	.summary = "where does time go? samples merged Python, native and kernel stacks",
	.usage = &record_usage,
	.run = run,
};
