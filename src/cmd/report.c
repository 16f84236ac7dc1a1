/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pitviper report: a recording turned into any format, on any machine.
 * Input: a file that record wrote, whole or not.
 * Output: files by format, and the summary.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyse/leak.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "base/str.h"
#include "base/text.h"
#include "base/vec.h"
#include "cmd/command.h"
#include "cmd/memory_text.h"
#include "cmd/options.h"
#include "cmd/outputs.h"
#include "cmd/summary.h"
#include "model/filter.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/format.h"
#include "out/memory.h"
#include "recfile/recfile.h"
#include "tui/term.h"

struct report_options {
	struct pv_vec outputs; /* const char * */
	const char *format, *thread, *process;
	double from, to;
	bool json, quiet, no_source;
};

#define AT(field) offsetof(struct report_options, field)
static const struct pv_option report_option_table[] = {
	{ 'o', "output", "FILE", "write FILE, format by its name; repeatable; - is stdout",
	  PV_OPTION_LIST, AT(outputs) },
	{ 0, "format", "NAME", "format of all outputs, whatever their names", PV_OPTION_FORMAT_NAME,
	  AT(format) },
	{ 0, "from", "SEC", "only samples from SEC seconds after the start on", PV_OPTION_SECONDS,
	  AT(from) },
	{ 0, "to", "SEC", "only samples before that time", PV_OPTION_SECONDS, AT(to) },
	{ 0, "thread", "TID|NAME", "only samples of that thread, or of all with that name",
	  PV_OPTION_TEXT, AT(thread) },
	{ 0, "process", "PID", "only samples of that process", PV_OPTION_TEXT, AT(process) },
	{ 0, "no-source", NULL, "leave the source text out", PV_OPTION_FLAG, AT(no_source) },
	{ 0, "json", NULL, "the summary for machines, on stdout", PV_OPTION_FLAG, AT(json) },
	{ 'q', "quiet", NULL, "no summary", PV_OPTION_FLAG, AT(quiet) },
	{},
};
#undef AT

static const struct pv_usage report_usage = {
	.command = "report",
	.synopsis = "[OPTIONS] FILE",
	.summary = "Turns a recording into any format, and tells what record or memory told at its "
		   "end.",
	.example = "  pitviper report app.pvr -o app.folded\n"
		   "  pitviper report --from 10 --to 20 --thread python3 app.pvr\n",
	.options = report_option_table,
};

struct report {
	struct report_options options;
	const char *path;
	pid_t process;              /* 0: all */
	struct pv_profile *profile; /* of a hunt for memory its own */
	struct pv_memory *memory;   /* NULL: it is none */
	struct pv_outputs outputs;
};

static struct pv_err *check_options(struct report *report, int argc, char **argv, int first)
{
	const struct report_options *options = &report->options;

	if (argc - first != 1)
		return pv_err_create(PV_ERR_USAGE, "report wants one recording (FILE.pvr, - is "
						   "standard input); see `pitviper report --help`");
	report->path = argv[first];
	if (options->quiet && !options->json && !options->outputs.n)
		return pv_err_create(PV_ERR_USAGE,
				     "-q without -o leaves nothing to do; name an output with -o");
	if (options->to && options->from >= options->to)
		return pv_err_create(PV_ERR_USAGE, "--from must be before --to");
	return options->process ? pv_options_pid(options->process, &report->process) : NULL;
}

/* What cannot be positioned, such as a pipe, is copied to a file that has no name. */
static struct pv_err *spool(FILE *from, const char *name, FILE **ret)
{
	_pv_fclose_ FILE *to = tmpfile();
	char block[65536];
	size_t n;

	if (!to)
		return pv_err_errno(errno, "cannot make a temporary file");
	errno = 0;
	while ((n = fread(block, 1, sizeof(block), from))) {
		if (fwrite(block, 1, n, to) != n)
			return pv_err_errno(errno, "cannot write a temporary file");
	}
	if (ferror(from))
		return pv_err_errno(errno, "cannot read %s", name);
	if (fflush(to))
		return pv_err_errno(errno, "cannot write a temporary file");
	*ret = pv_steal(to);
	return NULL;
}

static uint64_t to_ns(double s)
{
	return (uint64_t)(s * 1e9 + 0.5);
}

static struct pv_err *read_recording(struct report *report)
{
	bool is_stdin = !strcmp(report->path, "-");
	const char *name = is_stdin ? "standard input" : report->path;
	_pv_fclose_ FILE *file =
		is_stdin ? fdopen(dup(STDIN_FILENO), "r") : fopen(report->path, "re");
	_pv_fclose_ FILE *spooled = NULL;
	const struct report_options *options = &report->options;
	struct pv_recfile_options part = {
		.no_source = options->no_source,
		.from_ns = to_ns(options->from),
		.to_ns = to_ns(options->to),
	};

	if (!file)
		return pv_err_errno(errno, "cannot read %s", name);
	if (fseeko(file, 0, SEEK_CUR)) {
		struct pv_err *err = spool(file, name, &spooled);

		if (err)
			return err;
	}
	return pv_recfile_read_any(spooled ? spooled : file, name, &part, &report->profile,
				   &report->memory);
}

/*
 * Is there such a process?  Threads are in a recording only if they have samples, or had
 * before --from and --to left those out: the process's word is all that there is.
 */
static bool is_known(const struct report *report)
{
	const struct pv_vec *processes = &report->profile->processes;

	for (size_t i = 0; !report->options.thread && i < processes->n; i++) {
		const struct pv_profile_process *process = pv_vec_at(processes, i);

		if (process->pid == (uint32_t)report->process)
			return true;
	}
	return false;
}

enum { NAMES_MAX = 20 }; /* of processes or threads in a message */

/* A name that is the target's. */
static struct pv_err *append_name(const struct pv_profile *profile, uint32_t name,
				  struct pv_str *text)
{
	return pv_text_append(text, pv_strings_get(profile->strings, name),
			      pv_strings_length(profile->strings, name));
}

/* "11 (app.py), 21 (sleep)": which there are, each once. */
static struct pv_err *list_processes(const struct pv_profile *profile, struct pv_str *text)
{
	PV_CLEANUP(pv_map_deinit) struct pv_map seen = {};
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < profile->processes.n; i++) {
		const struct pv_profile_process *process = pv_vec_at(&profile->processes, i);
		uint32_t name = process->title ? process->title : process->name;
		uint64_t before;

		if (pv_map_get(&seen, process->pid, &before))
			continue;
		if (seen.n == NAMES_MAX)
			return pv_str_appendf(text, " ...");
		err = pv_map_set(&seen, process->pid, 1);
		if (!err)
			err = pv_str_appendf(text, "%s%u (", seen.n > 1 ? ", " : "", process->pid);
		if (!err)
			err = append_name(profile, name, text);
		if (!err)
			err = pv_str_appendf(text, ")");
	}
	return err;
}

/* "11 (python3), 12 (pool)": those of one process, or of all. */
static struct pv_err *list_threads(const struct pv_profile *profile, uint32_t pid,
				   struct pv_str *text)
{
	struct pv_err *err = NULL;
	unsigned int n = 0;

	for (size_t i = 0; !err && i < profile->threads.n; i++) {
		const struct pv_profile_thread *thread = pv_vec_at(&profile->threads, i);

		if (pid && thread->pid != pid)
			continue;
		if (n++ == NAMES_MAX)
			return pv_str_appendf(text, " ...");
		err = pv_str_appendf(text, "%s%u (", n > 1 ? ", " : "", thread->tid);
		if (!err)
			err = append_name(profile, thread->name, text);
		if (!err)
			err = pv_str_appendf(text, ")");
	}
	return err;
}

/* Nothing is left: why, and what is there. */
static struct pv_err *refuse_filter(const struct report *report,
				    const struct pv_thread_filter *filter)
{
	const char *what = filter->thread ? "thread" : "process";
	PV_CLEANUP(pv_str_deinit) struct pv_str there = {};
	struct pv_err *err;

	if (is_known(report))
		return pv_err_create(PV_ERR_FAILED, "the %s has no samples in %s", what,
				     report->path);
	err = filter->thread ? list_threads(report->profile, filter->pid, &there)
			     : list_processes(report->profile, &there);
	if (err)
		return err;
	return pv_err_create(PV_ERR_FAILED, "there is no such %s in %s%s%s", what, report->path,
			     there.n ? "; there are " : "", pv_str_text(&there));
}

/* --thread and --process; what is told of the whole process does not hold for them. */
static struct pv_err *keep_threads(struct report *report)
{
	struct pv_profile *profile = report->profile;
	struct pv_thread_filter filter = { .pid = report->process,
					   .thread = report->options.thread };
	size_t n_threads;
	struct pv_err *err;

	if (!filter.pid && !filter.thread)
		return NULL;
	err = pv_profile_keep_threads(profile, &filter, &n_threads);
	if (err)
		return err;
	if (!n_threads)
		return refuse_filter(report, &filter);
	pv_profile_forget_totals(profile);
	if (filter.pid)
		err = pv_profile_add_note(profile, "only samples of process %u are shown",
					  filter.pid);
	if (!err && filter.thread)
		err = pv_profile_add_note(profile, "only samples of %zu thread%s are shown",
					  n_threads, n_threads == 1 ? "" : "s");
	return err;
}

/* A part says that it is one, and its quality is its own. */
static struct pv_err *keep_part(struct report *report)
{
	const struct report_options *options = &report->options;
	struct pv_profile *profile = report->profile;
	bool part = options->from || options->to;
	struct pv_err *err = NULL;

	if (part)
		err = pv_profile_add_note(profile, "only %.2f to %.2f s are shown", options->from,
					  options->from + (double)profile->duration_ns / 1e9);
	if (!err)
		err = keep_threads(report);
	if (err || (!part && !options->thread && !options->process))
		return err;
	if (pv_losses_any(&profile->losses))
		err = pv_profile_add_note(profile, "losses are those of the whole recording");
	return err ? err : pv_profile_count_quality(profile);
}

/* Will the summary say it on the very terminal that standard error is? */
static bool is_seen_twice(const struct report *report)
{
	int summary = fileno(pv_outputs_summary_file(&report->outputs, stdout));
	struct stat a, b;

	return !report->options.json && !report->options.quiet && isatty(summary) &&
	       isatty(STDERR_FILENO) && !fstat(summary, &a) && !fstat(STDERR_FILENO, &b) &&
	       a.st_rdev == b.st_rdev;
}

/* On standard error: it must not go unseen, whatever becomes of the summary. */
static void say_note(const struct report *report)
{
	const struct pv_profile *profile =
		report->memory ? report->memory->profile : report->profile;
	const char *note = pv_strings_get(profile->strings, profile->note);

	if (*note)
		fprintf(stderr, "pitviper: %s: %s\n", report->path, note);
}

static void say_formats(const struct report *report, FILE *file)
{
	const struct pv_format *const *table = report->memory ? pv_memory_formats : pv_formats;

	fprintf(file, "\n`pitviper report %s -o NAME` writes it, in the format that NAME ends in:",
		report->path);
	for (size_t i = 0; table[i]; i++)
		fprintf(file, " %s", table[i]->suffixes[0]);
	fputc('\n', file);
}

static struct pv_err *print_summary(const struct report *report)
{
	const char *const *paths = pv_outputs_paths(&report->outputs);
	FILE *file = pv_outputs_summary_file(&report->outputs, stdout);
	size_t n = report->outputs.paths.n;
	struct pv_term term = pv_term_of(file);
	struct pv_err *err;

	if (report->options.json)
		return pv_summary_json(report->profile, NULL, paths, n, file);
	if (report->options.quiet)
		return NULL;
	err = pv_summary_print(report->profile, NULL, paths, n, &term);
	if (!err && !n)
		say_formats(report, file);
	return err;
}

/* What a hunt told at its end. */
static struct pv_err *print_hunt(const struct report *report)
{
	const char *const *paths = pv_outputs_paths(&report->outputs);
	FILE *file = pv_outputs_summary_file(&report->outputs, stdout);
	struct pv_term term = pv_term_of(file);
	size_t n = report->outputs.paths.n;
	struct pv_leak leak;
	struct pv_err *err;

	if (report->options.quiet && !report->options.json)
		return NULL;
	err = pv_leak_of(report->memory, &leak);
	if (err)
		return err;
	if (report->options.json)
		err = pv_memory_json(report->memory, &leak, false, file);
	else
		err = pv_memory_print(report->memory, &leak, paths, n, &term);
	if (!err && !report->options.json && !n)
		say_formats(report, file);
	pv_leak_deinit(&leak);
	return err;
}

static struct pv_err *report_hunt(struct report *report)
{
	const struct report_options *options = &report->options;
	struct pv_err *err;

	if (options->from || options->to || options->thread || options->process)
		return pv_err_create(PV_ERR_USAGE,
				     "%s is of `pitviper memory`: no part of it can "
				     "be had by time, thread or process",
				     report->path);
	say_note(report);
	err = pv_outputs_write_memory(&report->outputs, report->memory);
	return err ? err : print_hunt(report);
}

/* What it is decides of what formats outputs can be: it is read before they are opened. */
static struct pv_err *open_outputs(struct report *report)
{
	const char *name = report->options.format;
	const struct pv_format *format = NULL;
	struct pv_err *err = NULL;

	if (report->memory)
		pv_outputs_init_memory(&report->outputs);
	if (name)
		err = pv_format_by_name(report->memory ? pv_memory_formats : pv_formats, name,
					&format);
	return err ? err : pv_outputs_add_all(&report->outputs, &report->options.outputs, format);
}

static struct pv_err *report_run(struct report *report)
{
	struct pv_err *err = read_recording(report);
	bool twice;

	if (!err)
		err = open_outputs(report);
	if (err)
		return err;
	if (report->memory)
		return report_hunt(report);
	twice = is_seen_twice(report);
	if (!twice)
		say_note(report);
	err = keep_part(report);
	if (!err)
		err = pv_outputs_write(&report->outputs, report->profile, false);
	if (!err)
		return print_summary(report);
	if (twice)
		say_note(report);
	return err;
}

static struct pv_err *run(int argc, char **argv, int *status_ret)
{
	struct report report = { 0 };
	struct pv_err *err;
	int first;
	bool help;

	(void)status_ret;
	pv_outputs_init(&report.outputs);
	report.options.outputs = (struct pv_vec)PV_VEC(const char *);
	err = pv_options_parse(&report_usage, argc, argv, &report.options, &first, &help);
	if (!err && !help)
		err = check_options(&report, argc, argv, first);
	if (!err && !help)
		err = report_run(&report);
	pv_profile_destroy(report.profile);
	pv_memory_destroy(report.memory);
	pv_outputs_deinit(&report.outputs);
	pv_vec_deinit(&report.options.outputs);
	return err;
}

const struct pv_command pv_command_report = {
	.name = "report",
	.summary = "a recording turned into any format, on any machine",
	.usage = &report_usage,
	.run = run,
};
