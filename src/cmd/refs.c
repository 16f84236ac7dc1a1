/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pitviper refs: who took a reference to this object and did not give it back?  Input: a
 * process and an object.  Output: each change of its count, and what calls left behind.
 */
#include <errno.h>
#include <inttypes.h>
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
#include "base/text.h"
#include "base/vec.h"
#include "cmd/command.h"
#include "cmd/deadline.h"
#include "cmd/interrupt.h"
#include "cmd/options.h"
#include "cmd/outputs.h"
#include "model/profile.h"
#include "model/refs.h"
#include "out/refs.h"
#include "session/ledger.h"
#include "session/resolve.h"
#include "tui/term.h"

enum { STEP_MS = 1000, CHANGES = 10000, CHANGES_LIMIT = 5000000 };

static const uint64_t NEXT_WAIT_NS = 60000000000ULL; /* for an allocation at a place */
static const uint64_t PATIENCE_NS = 30000000000ULL;  /* for a birth where one is watched for */

struct refs_options {
	const char *pid, *type, *name, *place, *field, *lines, *or_lines;
	unsigned int changes, nth;
	double duration, budget;
	struct pv_vec outputs; /* const char * */
	bool newest, lost, on_free, json, quiet;
};

struct run {
	struct refs_options options;
	struct pv_ledger *ledger;
	struct pv_interrupt *interrupt;
	struct pv_outputs outputs;
	pid_t pid;
};

static const struct pv_option refs_option_table[] = {
	{ 'p', "pid", "PID|NAME", "the process", PV_OPTION_TEXT,
	  offsetof(struct refs_options, pid) },
	{ 0, "type", "NAME", "in place of ADDRESS: an object of this type", PV_OPTION_TEXT,
	  offsetof(struct refs_options, type) },
	{ 0, "newest", NULL, "of that type the youngest", PV_OPTION_FLAG,
	  offsetof(struct refs_options, newest) },
	{ 0, "nth", "K", "of that type the K-th youngest, 1 is the newest", PV_OPTION_COUNT,
	  offsetof(struct refs_options, nth) },
	{ 0, "name", "MODULE.NAME", "in place of ADDRESS: what a variable of a module refers to",
	  PV_OPTION_TEXT, offsetof(struct refs_options, name) },
	{ 0, "lost", NULL, "in place of ADDRESS: an object with references that nobody holds",
	  PV_OPTION_FLAG, offsetof(struct refs_options, lost) },
	{ 0, "alloc", "PATTERN",
	  "in place of ADDRESS: objects that are allocated there, each from its birth: 'app.py:41'",
	  PV_OPTION_TEXT, offsetof(struct refs_options, place) },
	{ 'd', "duration", "SEC", "end after this time (until Ctrl-C or the object's end)",
	  PV_OPTION_SECONDS, offsetof(struct refs_options, duration) },
	{ 'n', "changes", "N", "end after so many changes (10000)", PV_OPTION_COUNT,
	  offsetof(struct refs_options, changes) },
	{ 0, "field", "OFFSET:SIZE", "watch this word of the object instead of its count",
	  PV_OPTION_TEXT, offsetof(struct refs_options, field) },
	{ 0, "on-free", NULL, "tell only who frees the object", PV_OPTION_FLAG,
	  offsetof(struct refs_options, on_free) },
	{ 0, "lines", "FUNCTION",
	  "without debug registers: probe each line of this native function", PV_OPTION_TEXT,
	  offsetof(struct refs_options, lines) },
	{ 0, "or-lines", "FUNCTION", "the same only where debug registers are absent or taken",
	  PV_OPTION_TEXT, offsetof(struct refs_options, or_lines) },
	{ 0, "budget", "CPUS", "stop when it takes more of the target's time (0.5)",
	  PV_OPTION_SECONDS, offsetof(struct refs_options, budget) },
	{ 'o', "output", "FILE",
	  "write to FILE, in the format of its name; repeatable; - is stdout", PV_OPTION_LIST,
	  offsetof(struct refs_options, outputs) },
	{ 0, "json", NULL, "for machines: all of it as one JSON object", PV_OPTION_FLAG,
	  offsetof(struct refs_options, json) },
	{ 'q', "quiet", NULL, "no hints", PV_OPTION_FLAG, offsetof(struct refs_options, quiet) },
	{},
};

static const struct pv_usage refs_usage = {
	.command = "refs",
	.synopsis = "[OPTIONS] -p PID|NAME ADDRESS\n"
		    "[OPTIONS] -p PID|NAME --type NAME [--newest|--nth K]\n"
		    "[OPTIONS] -p PID|NAME --name NAME|--lost|--alloc PATTERN",
	.summary =
		"Follows the reference count of one object: every change, with the instruction "
		"and the line\n"
		"that made it and the merged stack, then what each call of a function left "
		"behind, and which\n"
		"took a reference that it did not give back.  ADDRESS is what id() says of the "
		"object.\n"
		"A debug register of the processor watches the count: nothing is slower while it "
		"rests,\n"
		"and a change costs some 20 microseconds.",
	.example = "  sudo pitviper refs -p 9313 0x7f3a12c0\n"
		   "  sudo pitviper refs -p 9313 -d 10 -o leak.json 0x7f3a12c0\n"
		   "  sudo pitviper refs -p 9313 --on-free 0x7f3a12c0\n",
	.options = refs_option_table,
};

/* ---- the command line */

static struct pv_err *parse_number(const char *text, int base, const char *end_at, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, base);
	if (errno || end == text || *text == '-' || (*end && !strchr(end_at, *end)))
		return pv_err_create(PV_ERR_USAGE, "`%s` is no number", text);
	return NULL;
}

static struct pv_err *parse_field(const char *text, struct pv_ledger_options *options)
{
	const char *colon = strchr(text, ':');
	uint64_t at = 0, size = 0;
	struct pv_err *err;

	if (!colon)
		return pv_err_create(PV_ERR_USAGE, "--field wants OFFSET:SIZE in bytes, as 24:8");
	err = parse_number(text, 0, ":", &at);
	if (!err)
		err = parse_number(colon + 1, 0, "", &size);
	if (err)
		return err;
	if (at > 1 << 20 || size > 8)
		return pv_err_create(PV_ERR_USAGE,
				     "--field wants an offset in the object, and 1, 2, 4 or 8 "
				     "bytes");
	options->field = true;
	options->field_at = (uint32_t)at;
	options->field_size = (uint32_t)size;
	return NULL;
}

/* No longer than -d, of which it is a part. */
static uint64_t bounded(const struct refs_options *options, double part, uint64_t ns)
{
	double own_ns = options->duration * 1e9 / part;

	return options->duration > 0 && own_ns < (double)ns ? (uint64_t)own_ns : ns;
}

static struct pv_err *choose(const struct refs_options *options, int operands, char **argv,
			     struct pv_choice *ret)
{
	int others = operands + !!options->name + options->lost + !!options->place;

	ret->type = options->type;
	ret->newest = options->newest;
	ret->nth = options->nth;
	ret->wait_ns = bounded(options, 1, NEXT_WAIT_NS);
	if ((options->newest || options->nth) && (!options->type || others))
		return pv_err_create(PV_ERR_USAGE, "--newest and --nth are of a --type");
	if (options->newest && options->nth)
		return pv_err_create(PV_ERR_USAGE, "--newest is --nth 1: one of them will do");
	if (others > 1 || (!others && !options->type) ||
	    (options->type && (operands || options->name)))
		return pv_err_create(
			PV_ERR_USAGE,
			"refs wants a process (-p) and one object: its address, --type, "
			"--name, --lost or --alloc; see `pitviper refs --help`");
	if (operands) {
		ret->kind = PV_CHOICE_ADDRESS;
		return parse_number(argv[0], 0, "", &ret->address);
	}
	ret->kind = options->name    ? PV_CHOICE_NAME
		    : options->lost  ? PV_CHOICE_LOST
		    : options->place ? PV_CHOICE_NEXT
				     : PV_CHOICE_TYPE;
	ret->text = options->name ? options->name : options->place;
	return NULL;
}

static struct pv_err *check(struct run *run, int operands, char **argv,
			    struct pv_ledger_options *ret)
{
	PV_CLEANUP(pv_vec_deinit) struct pv_vec pids = PV_VEC(pid_t);
	const struct refs_options *options = &run->options;
	struct pv_err *err;

	if (!options->pid)
		return pv_err_create(PV_ERR_USAGE, "refs wants a process (-p) and one object; see "
						   "`pitviper refs --help`");
	if (options->changes > CHANGES_LIMIT)
		return pv_err_create(PV_ERR_USAGE, "-n: more than %d changes are not kept",
				     CHANGES_LIMIT);
	if (options->lines && options->or_lines)
		return pv_err_create(PV_ERR_USAGE,
				     "--lines uses no debug registers at all, --or-lines only if "
				     "there are none: one of them will do");
	if ((options->lines || options->or_lines) && (options->on_free || options->field))
		return pv_err_create(PV_ERR_USAGE,
				     "--lines knows the count alone, while a function "
				     "runs: --field and --on-free need a watchpoint");
	if (options->on_free && options->field)
		return pv_err_create(PV_ERR_USAGE, "--on-free is of the count, not of a --field");
	err = choose(options, operands, argv, &ret->choice);
	if (!err && options->field)
		err = parse_field(options->field, ret);
	if (!err)
		err = pv_resolve(options->pid, true, &pids);
	if (err)
		return err;
	run->pid = ret->pid = *(pid_t *)pv_vec_at(&pids, 0);
	ret->on_free = options->on_free;
	ret->lines = options->lines;
	ret->or_lines = options->or_lines;
	ret->changes_max = options->changes;
	ret->budget = options->budget;
	/* what births cost is looked at while they come: lines and single changes are of one object
	 */
	ret->from_birth = options->place && !options->lines && !options->field && !options->on_free;
	ret->patience_ns = bounded(options, 2, PATIENCE_NS);
	return NULL;
}

/* ---- running */

/* What is not done as it was asked for is no hint: it is said whatever is. */
static void say_note(const struct run *run)
{
	const char *note = pv_ledger_note(run->ledger);

	if (*note)
		fprintf(stderr, "pitviper: %s\n", note);
}

static void say_births(const struct run *run, const struct pv_ledger_facts *facts)
{
	double share = run->options.budget < 1 ? run->options.budget : 1;

	fprintf(stderr,
		"pitviper: following what is born at `%s` in %s (%d), %s: a `%s` in a block of %u "
		"bytes; %zu address%s where the next will be %s watched, each write there takes "
		"%.1f us and a change that is kept some 20 more, on the mean %.3g %% of the "
		"process's time at most (--budget); it ends with the first that nobody holds and "
		"that stays, or by Ctrl-C\n",
		run->options.place, facts->name, (int)run->pid, facts->interpreter, facts->type,
		facts->block_bytes, facts->n_births, facts->n_births == 1 ? "" : "es",
		facts->n_births == 1 ? "is" : "are", (double)facts->bare_ns / 1e3, 100 * share);
}

/* What it will cost at most, before it does. */
static void say_start(const struct run *run)
{
	struct pv_ledger_facts facts = pv_ledger_facts(run->ledger);
	double us = (double)facts.bare_ns / 1e3;

	/* what was asked for is not what is done: no hint, and said whatever is */
	if (*facts.unusable)
		fprintf(stderr,
			"pitviper: NO WATCHPOINT: %s; only the lines of `%s` are probed instead "
			"(--or-lines): what other code does to the count is not seen\n",
			facts.unusable, facts.lines);
	if (run->options.quiet)
		return;
	if (facts.n_births) {
		say_births(run, &facts);
		return;
	}
	if (facts.lines) {
		fprintf(stderr,
			"pitviper: following a `%s` at 0x%" PRIx64
			" in %s (%d), %s, through the lines "
			"of %s; each line costs a call of it up to some 15 us, and its stack where "
			"the count changed some 20 (--budget); Ctrl-C ends it\n",
			facts.type, facts.object, facts.name, (int)run->pid, facts.interpreter,
			facts.lines);
		return;
	}
	fprintf(stderr,
		"pitviper: following a `%s` at 0x%" PRIx64 " in %s (%d), %s; nothing is slower "
		"while it rests; a change takes %.1f us and its stack some 20 more: %.2f s of the "
		"process's time at most for the %s changes that are kept (-n); Ctrl-C ends it\n",
		facts.type, facts.object, facts.name, (int)run->pid, facts.interpreter, us,
		(us + 20) * run->options.changes / 1e6, pv_text_number(run->options.changes).text);
	if (*facts.note)
		fprintf(stderr, "pitviper: %s\n", facts.note);
}

/* Of a type that is known no allocation need be waited for. */
static bool is_known_type(const struct refs_options *options)
{
	return options->type && !options->lines && !options->field && !options->on_free;
}

/* The same of the wait for an allocation, which is over by say_start(). */
static void say_wait(const struct run *run)
{
	double share = run->options.budget < 1 ? run->options.budget : 1;

	if (run->options.quiet || !run->options.place)
		return;
	fprintf(stderr,
		is_known_type(&run->options)
			? "pitviper: looking where the next that is born at `%s` will be; if none "
			  "can be followed from its birth, "
			: "pitviper: waiting for an allocation at `%s`: ",
		run->options.place);
	fprintf(stderr,
		"all allocations of %d are watched, for times of up to 0.25 s, which on the mean "
		"take %.3g %% of its time at most (--budget), for %.3g s at most; Ctrl-C ends it\n",
		(int)run->pid, 100 * share, (double)bounded(&run->options, 1, NEXT_WAIT_NS) / 1e9);
}

static struct pv_err *write_all(struct run *run, const struct pv_refs *refs)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str wrote = { 0 };
	bool files = run->outputs.paths.n;
	FILE *summary = pv_outputs_summary_file(&run->outputs, stdout);
	struct pv_term term = pv_term_of(stdout);
	struct pv_err *err = pv_outputs_write_refs(&run->outputs, refs);

	if (err)
		return err;
	if (run->options.json)
		err = pv_refs_json(refs, summary);
	else if (!files)
		err = pv_refs_text_write(refs, &term);
	else if (summary == stdout && !run->options.quiet) {
		err = pv_refs_text_summary(refs, &term);
		if (!err)
			err = pv_outputs_say(run->outputs.paths.data, run->outputs.paths.n, &wrote);
		if (!err)
			printf("%s\n", pv_str_text(&wrote));
	}
	fflush(summary);
	return err;
}

static struct pv_err *watch(struct run *run)
{
	/* of --alloc the wait is a part of it */
	double end_s = pv_deadline(run->options.duration) -
		       (double)pv_ledger_facts(run->ledger).waited_ns / 1e9;
	const struct pv_refs *refs;
	struct pv_err *err = NULL;
	bool ended = false;
	siginfo_t by;

	while (!err && !ended && !pv_interrupt_take(run->interrupt, &by)) {
		int wait_ms = pv_patience_ms(end_s, STEP_MS);

		if (!wait_ms)
			break;
		err = pv_ledger_step(run->ledger, wait_ms, pv_interrupt_fd(run->interrupt), &ended);
		say_note(run);
	}
	if (!err)
		err = pv_ledger_finish(run->ledger, &refs);
	return err ? err : write_all(run, refs);
}

static struct pv_err *run_refs(struct run *run, struct pv_ledger_options *options)
{
	struct pv_err *err = pv_interrupt_create(&run->interrupt);

	/* an output that nobody reads any more is an error of the write */
	signal(SIGPIPE, SIG_IGN);
	if (!err)
		err = pv_outputs_add_all(&run->outputs, &run->options.outputs, NULL);
	if (!err) {
		options->choice.stop_fd = pv_interrupt_fd(run->interrupt);
		options->choice.budget = run->options.budget;
		say_wait(run);
		err = pv_ledger_create(options, &run->ledger);
	}
	if (!err) {
		say_note(run);
		say_start(run);
	}
	if (!err)
		err = pv_ledger_attach(run->ledger);
	if (!err && !run->options.quiet)
		fprintf(stderr, "pitviper: watching\n");
	if (!err)
		err = watch(run);
	pv_ledger_destroy(run->ledger);
	pv_interrupt_destroy(run->interrupt);
	return err;
}

static struct pv_err *run(int argc, char **argv, int *status_ret)
{
	struct run run = {
		.options = {
			.budget = 0.5,
			.changes = CHANGES,
			.outputs = PV_VEC(const char *),
		},
	};
	struct pv_ledger_options options = { .pid = 0 };
	struct pv_err *err;
	bool help = false;
	int first;

	(void)status_ret;
	pv_outputs_init_refs(&run.outputs);
	err = pv_options_parse(&refs_usage, argc, argv, &run.options, &first, &help);
	if (!err && !help)
		err = check(&run, argc - first, argv + first, &options);
	if (!err && !help)
		err = run_refs(&run, &options);
	pv_outputs_deinit(&run.outputs);
	pv_vec_deinit(&run.options.outputs);
	return err;
}

const struct pv_command pv_command_refs = {
	.name = "refs",
	.summary = "who took a reference to an object and did not give it back?",
	.usage = &refs_usage,
	.run = run,
};
