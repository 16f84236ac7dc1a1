/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the profile of the golden tests in one format.
 * Input: profile.txt on standard input (its head says how it reads); with
 * SAMPLES STACKS as arguments the synthetic profile of that size instead.
 * Output: the format named by the first argument, on standard output; of a
 * synthetic one with --measure the time and memory of the writing, on standard
 * error: "SECONDS KB", the second beyond what the profile takes itself.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/format.h"

#include "synthetic.h"

static void must(struct pv_err *err)
{
	if (!err)
		return;
	fprintf(stderr, "%s\n", err->message);
	exit(1);
}

static void must_read(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "cannot read: %s\n", what);
	exit(1);
}

/* Undoes "-", "~" and \xNN. */
static uint32_t string(struct pv_profile *profile, const char *text)
{
	struct pv_str bytes PV_CLEANUP(pv_str_deinit) = { 0 };
	uint32_t id;

	must_read(text, "a field is missing");
	for (; strcmp(text, "-") && *text; text++) {
		unsigned int code;
		char byte;

		if (sscanf(text, "\\x%2x", &code) == 1)
			text += 3;
		else
			code = *text == '~' ? ' ' : *text;
		byte = code;
		must(pv_str_append(&bytes, &byte, 1));
	}
	must(pv_strings_add(profile->strings, pv_str_text(&bytes), bytes.n, &id));
	return id;
}

/* The next field, separated by blanks; NULL at the end. */
static char *next(char **line)
{
	return strtok_r(NULL, " \n", line);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value;

	must_read(text, "a number is missing");
	value = strtoull(text, &end, 10);
	must_read(!*end, text);
	return value;
}

static uint32_t add_frame(struct pv_profile *profile, uint32_t parent, char *text)
{
	static const char kinds[] = "pnikmtP"; /* in the order of enum pv_loc_kind */
	char *save, *kind = strtok_r(text, " ", &save);
	struct pv_loc loc = { 0 };
	uint32_t loc_id, node;

	must_read(kind && strchr(kinds, *kind), "the kind of a frame");
	loc.kind = strchr(kinds, *kind) - kinds;
	loc.function = string(profile, next(&save));
	loc.file = string(profile, next(&save));
	loc.module = string(profile, next(&save));
	loc.line = number(next(&save));
	must(pv_profile_loc(profile, &loc, &loc_id));
	must(pv_profile_node(profile, parent, loc_id, &node));
	return node;
}

/* at=SLICE:COUNT,... */
static uint64_t add_ticks(struct pv_profile *profile, uint32_t node, uint32_t thread, char *at)
{
	unsigned int slice, count;
	uint64_t sum = 0;
	char *save;

	for (at = strtok_r(at, ",", &save); at; at = strtok_r(NULL, ",", &save)) {
		must_read(sscanf(at, "%u:%u", &slice, &count) == 2, at);
		must(pv_profile_add_at(profile, node, thread, slice, count));
		sum += count;
	}
	return sum;
}

static void add_sample(struct pv_profile *profile, char *line)
{
	char *frames, *head = strtok_r(line, "|\n", &frames), *save, *part, *at = NULL;
	struct pv_profile_process of = { .pid = 11, .generation = 1 };
	uint64_t count = number(strtok_r(head, " ", &save)), tid = number(next(&save));
	const char *name = next(&save);
	uint32_t process, thread, node = 0;

	while ((part = next(&save))) {
		if (!strncmp(part, "at=", 3))
			at = part + 3;
		else
			must_read(sscanf(part, "process=%u.%u", &of.pid, &of.generation) == 2,
				  part);
	}
	while ((part = strtok_r(NULL, "|\n", &frames)))
		node = add_frame(profile, node, part);
	/* one that is described stays as it is */
	for (size_t i = 0; i < profile->processes.n; i++) {
		const struct pv_profile_process *known = pv_vec_at(&profile->processes, i);

		if (known->pid == of.pid && known->generation == of.generation)
			of = *known;
	}
	must(pv_profile_process(profile, &of, &process));
	must(pv_profile_thread(profile, process, tid, name, &thread));
	if (at)
		must_read(add_ticks(profile, node, thread, at) == count, "at= has another count");
	else
		must(pv_profile_add(profile, node, thread, count));
}

#define CAPTURE(type, field)                                                                       \
	{                                                                                          \
#field, CAPTURE_##type, offsetof(struct pv_profile, field)                         \
	}
static const struct capture_field {
	const char *name;
	enum { CAPTURE_STRING, CAPTURE_U32, CAPTURE_U64, CAPTURE_BOOL } type;
	size_t offset;
} capture_fields[] = {
	CAPTURE(STRING, target_name),
	CAPTURE(STRING, title),
	CAPTURE(STRING, interpreter),
	CAPTURE(STRING, problem),
	CAPTURE(STRING, engine),
	CAPTURE(STRING, host),
	CAPTURE(U32, pid),
	CAPTURE(U32, n_slices),
	CAPTURE(U64, start_unix_ns),
	CAPTURE(U64, slice_ns),
	CAPTURE(U64, period_ns),
	CAPTURE(U64, duration_ns),
	CAPTURE(U64, target_cpu_ns),
	CAPTURE(U64, own_cpu_ns),
	CAPTURE(U64, probe_ns),
	CAPTURE(U64, quality.samples),
	CAPTURE(U64, quality.complete),
	CAPTURE(U64, quality.truncated),
	CAPTURE(U64, quality.marked),
	CAPTURE(U64, quality.bridged),
	CAPTURE(U64, quality.gc),
	CAPTURE(U64, quality.with_python),
	CAPTURE(U64, quality.kernel),
	CAPTURE(STRING, waiting.function),
	CAPTURE(STRING, waiting.place),
	CAPTURE(STRING, waiting.thread),
	CAPTURE(U32, waiting.tid),
	CAPTURE(U32, waiting.n_others),
	CAPTURE(U32, waiting.pid),
	CAPTURE(U32, waiting.n_processes),
	CAPTURE(BOOL, waiting.stopped),
	CAPTURE(U64, unwatched_cpu_ns),
	CAPTURE(U32, n_unwatched),
	CAPTURE(BOOL, unwatched_least),
	CAPTURE(BOOL, children),
	CAPTURE(BOOL, ended),
	CAPTURE(BOOL, cut),
	CAPTURE(BOOL, no_native),
	CAPTURE(BOOL, no_kernel),
};
#undef CAPTURE

static void set_capture(struct pv_profile *profile, char *save)
{
	const char *name = next(&save), *value = next(&save);
	const struct capture_field *field = capture_fields;
	const struct capture_field *end = field + sizeof(capture_fields) / sizeof(*field);
	void *at;

	must_read(name, "capture without a field");
	while (field < end && strcmp(field->name, name))
		field++;
	must_read(field < end, name);
	at = (char *)profile + field->offset;
	if (field->type == CAPTURE_STRING)
		*(uint32_t *)at = string(profile, value);
	else if (field->type == CAPTURE_U32)
		*(uint32_t *)at = number(value);
	else if (field->type == CAPTURE_U64)
		*(uint64_t *)at = number(value);
	else
		*(bool *)at = number(value);
}

static void add_process(struct pv_profile *profile, char *save)
{
	struct pv_profile_process process = { .pid = number(next(&save)) };
	uint32_t id;

	process.generation = number(next(&save));
	process.parent_pid = number(next(&save));
	process.name = string(profile, next(&save));
	process.title = string(profile, next(&save));
	process.interpreter = string(profile, next(&save));
	process.problem = string(profile, next(&save));
	must(pv_profile_process(profile, &process, &id));
}

static void add_module(struct pv_profile *profile, char *save)
{
	struct pv_module module = { .name = string(profile, next(&save)) };
	uint32_t id;

	module.path = string(profile, next(&save));
	module.build_id = string(profile, next(&save));
	must(pv_profile_module(profile, &module, &id));
}

static void add_source(struct pv_profile *profile, char *save)
{
	uint32_t file = string(profile, next(&save)), text;
	bool changed = number(next(&save));

	text = string(profile, next(&save));
	must(pv_profile_add_source(profile, file, pv_strings_get(profile->strings, text),
				   pv_strings_length(profile->strings, text), changed));
}

static void add_loss(struct pv_profile *profile, char *save)
{
	static const char *const causes[][2] = {
#define PV_LOSS(number, name, text) [number] = { #name, text },
#include "abi/errors.def"
#undef PV_LOSS
		[PV_LOSSES_MAX - 1] = { NULL, NULL },
	};
	uint64_t cause = number(next(&save));

	must_read(cause < PV_LOSSES_MAX && causes[cause][0], "a loss that write.c has no text of");
	profile->losses.count[cause] = number(next(&save));
	profile->losses.name[cause] = causes[cause][0];
	profile->losses.text[cause] = causes[cause][1];
}

static void add_line(struct pv_profile *profile, char *line)
{
	static const struct {
		const char *word;
		void (*add)(struct pv_profile *profile, char *save);
	} words[] = {
		{ "capture", set_capture }, { "process", add_process }, { "module", add_module },
		{ "source", add_source },   { "loss", add_loss },
	};
	char *save;

	if (*line == '#' || *line == '\n')
		return;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!strncmp(line, words[i].word, strlen(words[i].word))) {
			strtok_r(line, " \n", &save);
			words[i].add(profile, save);
			return;
		}
	}
	add_sample(profile, line);
}

static struct pv_profile *read_profile(void)
{
	struct pv_profile *profile;
	_pv_free_ char *line = NULL;
	size_t size = 0;

	must(pv_profile_create(&profile));
	while (getline(&line, &size, stdin) > 0)
		add_line(profile, line);
	pv_profile_sort_ticks(profile);
	return profile;
}

/* A line of /proc/self/status, in kB. */
static long status_kb(const char *name)
{
	_pv_fclose_ FILE *file = fopen("/proc/self/status", "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, name, strlen(name)))
			return strtol(line + strlen(name), NULL, 10);
	}
	return 0;
}

/* VmHWM begins anew at what is resident now (proc(5), clear_refs). */
static void forget_peak(void)
{
	_pv_fclose_ FILE *file = fopen("/proc/self/clear_refs", "we");

	must_read(file && fputs("5", file) >= 0, "/proc/self/clear_refs");
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void measure(const struct pv_format *format, const struct pv_profile *profile)
{
	double start;
	long before;

	forget_peak();
	before = status_kb("VmRSS:");
	start = now_s();
	must(format->write(profile, stdout));
	fflush(stdout);
	fprintf(stderr, "%.3f %ld\n", now_s() - start, status_kb("VmHWM:") - before);
}

int main(int argc, char **argv)
{
	bool measured = argc > 4 && !strcmp(argv[4], "--measure");
	const struct pv_format *format;
	struct pv_profile *profile;

	if (argc != 2 && argc != 4 + measured)
		return 2;
	must(pv_format_by_name(argv[1], &format));
	profile = argc == 2 ? read_profile()
			    : synthetic_profile(strtoul(argv[2], NULL, 10),
						strtoul(argv[3], NULL, 10));
	if (measured)
		measure(format, profile);
	else
		must(format->write(profile, stdout));
	pv_profile_destroy(profile);
	return fflush(stdout) || ferror(stdout);
}
