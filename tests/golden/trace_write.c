/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the trace of a recipe in one format.
 * Input: trace.txt on standard input (its head says how it reads).
 * Output: the format named by the first argument, on standard output; "summary" is
 * the JSON of --json, "terminal" the text as on a terminal of 80 columns, in colours.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "model/profile.h"
#include "model/strings.h"
#include "model/trace.h"
#include "out/format.h"
#include "out/trace.h"
#include "tui/term.h"

#include "recipe.h"

enum { LEVELS = 100000, TERMINAL_COLUMNS = 80 };

struct reading {
	struct pv_trace *trace;
	struct pv_map functions; /* by their number in the recipe */
	struct pv_map threads;   /* by tid */
	uint32_t *path;          /* by level: the last call of it */
	uint32_t level;          /* of the last call, plus 1; 0: an execution begins */
};

#define FIELD(type, field)                                                                         \
	{                                                                                          \
#field, FIELD_##type, offsetof(struct pv_trace, field)                             \
	}
static const struct trace_field {
	const char *name;
	enum { FIELD_END, FIELD_U64, FIELD_SIZE, FIELD_MILLIONTHS } type;
	size_t offset;
} trace_fields[] = {
	FIELD(END, end),
	FIELD(U64, n_seen),
	FIELD(U64, n_short),
	FIELD(U64, n_unmet),
	FIELD(U64, n_undecided),
	FIELD(U64, n_skipped),
	FIELD(U64, n_gone),
	FIELD(U64, n_unsent),
	FIELD(U64, n_elsewhere),
	FIELD(U64, hits[0]),
	FIELD(U64, hits[1]),
	FIELD(U64, prices_ns[0]),
	FIELD(U64, prices_ns[1]),
	FIELD(U64, strangers),
	FIELD(MILLIONTHS, cost_cpus),
	FIELD(MILLIONTHS, attach_ms),
	FIELD(SIZE, n_sites),
	FIELD(SIZE, n_stepped),
};
#undef FIELD

static void set_field(struct reading *r, char *save)
{
	const struct trace_field *field = trace_fields;
	const struct trace_field *end = field + sizeof(trace_fields) / sizeof(*field);
	const char *name = recipe_next(&save);
	uint64_t value = recipe_number(recipe_next(&save));
	void *at;

	while (field < end && strcmp(field->name, name))
		field++;
	must_read(field < end, name);
	at = (char *)r->trace + field->offset;
	if (field->type == FIELD_END)
		*(enum pv_trace_end *)at = (enum pv_trace_end)value;
	else if (field->type == FIELD_U64)
		*(uint64_t *)at = value;
	else if (field->type == FIELD_SIZE)
		*(size_t *)at = value;
	else
		*(double *)at = (double)value / 1e6;
}

static void add_function(struct reading *r, char *save)
{
	struct pv_profile *profile = r->trace->profile;
	uint64_t number = recipe_number(recipe_next(&save));
	uint32_t node = recipe_frame(profile, 0, strtok_r(NULL, "\n", &save));
	uint32_t loc = ((struct pv_stack_node *)pv_vec_at(&profile->nodes, node))->loc;

	if (!r->functions.n)
		r->trace->function = loc;
	must(pv_map_set(&r->functions, number, loc));
}

static void add_thread(struct reading *r, char *save)
{
	struct pv_profile *profile = r->trace->profile;
	const struct pv_profile_process of = { .pid = profile->pid, .generation = 1 };
	uint64_t tid = recipe_number(recipe_next(&save));
	uint32_t name = recipe_string(profile, recipe_next(&save)), process, thread;

	must(pv_profile_process(profile, &of, &process));
	must(pv_profile_thread(profile, process, tid, pv_strings_get(profile->strings, name),
			       &thread));
	must(pv_map_set(&r->threads, tid, thread));
}

static void add_execution(struct reading *r, char *save)
{
	char *frames, *head = strtok_r(save, "|\n", &frames), *rest, *part;
	struct pv_execution execution = { .number = recipe_number(strtok_r(head, " ", &rest)) };
	uint64_t thread;

	must_read(pv_map_get(&r->threads, recipe_number(recipe_next(&rest)), &thread), "a thread");
	execution.thread = thread;
	while ((part = recipe_next(&rest))) {
		if (!strcmp(part, "partial"))
			execution.partial = true;
		else
			must_read(sscanf(part, "lost=%lu", &execution.lost) == 1, part);
	}
	while ((part = strtok_r(NULL, "|\n", &frames)))
		execution.node = recipe_frame(r->trace->profile, execution.node, part);
	must(pv_trace_begin(r->trace, &execution));
	r->level = 0;
}

static uint32_t flags_of(char *words)
{
	static const struct {
		const char *word;
		uint32_t flag;
	} flags[] = {
		{ "resumed", PV_CALL_RESUMED },
		{ "yielded", PV_CALL_YIELDED },
		{ "raised", PV_CALL_RAISED },
		{ "end-guessed", PV_CALL_END_GUESSED },
		{ "begin-guessed", PV_CALL_BEGIN_GUESSED },
		{ "cut", PV_CALL_CUT },
	};
	uint32_t ret = 0;
	char *save;

	for (char *word = strtok_r(words, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		size_t i = 0, n = sizeof(flags) / sizeof(*flags);

		while (i < n && strcmp(flags[i].word, word))
			i++;
		must_read(i < n, word);
		ret |= flags[i].flag;
	}
	return ret;
}

static void add_call(struct reading *r, char *line)
{
	char *save, *part;
	uint64_t level = recipe_number(strtok_r(line, " \n", &save)), function;
	struct pv_call call = { 0 };

	must_read(pv_map_get(&r->functions, recipe_number(recipe_next(&save)), &function),
		  "a function");
	must_read(level <= r->level && level < LEVELS, "a level");
	call.function = function;
	call.start_ns = recipe_number(recipe_next(&save));
	call.end_ns = recipe_number(recipe_next(&save));
	while ((part = recipe_next(&save))) {
		if (!strncmp(part, "args=", 5))
			call.arguments = recipe_string(r->trace->profile, part + 5);
		else if (!strncmp(part, "result=", 7))
			call.result = recipe_string(r->trace->profile, part + 7);
		else if (!strncmp(part, "off=", 4))
			call.off_cpu_ns = recipe_number(part + 4);
		else
			call.flags = flags_of(part);
	}
	must(pv_trace_add(r->trace, &call, level ? r->path[level - 1] : PV_CALL_NONE,
			  &r->path[level]));
	r->level = level + 1;
}

static void add_line(struct reading *r, char *line)
{
	static const struct {
		const char *word;
		void (*add)(struct reading *r, char *save);
	} words[] = {
		{ "trace ", set_field },
		{ "function ", add_function },
		{ "thread ", add_thread },
		{ "execution ", add_execution },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!strncmp(line, words[i].word, strlen(words[i].word))) {
			words[i].add(r, line + strlen(words[i].word));
			return;
		}
	}
	if (!recipe_word(r->trace->profile, line))
		add_call(r, line);
}

static struct pv_trace *read_trace(void)
{
	struct reading r = { .path = calloc(LEVELS, sizeof(*r.path)) };
	_pv_free_ char *line = NULL;
	size_t size = 0;

	must_read(r.path, "out of memory");
	must(pv_trace_create(&r.trace));
	while (getline(&line, &size, stdin) > 0)
		add_line(&r, line);
	pv_map_deinit(&r.functions);
	pv_map_deinit(&r.threads);
	free(r.path);
	return r.trace;
}

int main(int argc, char **argv)
{
	const struct pv_format *format = NULL;
	struct pv_trace *trace;

	if (argc != 2)
		return 2;
	if (strcmp(argv[1], "summary") && strcmp(argv[1], "terminal"))
		must(pv_format_by_name(pv_trace_formats, argv[1], &format));
	trace = read_trace();
	if (format) {
		must(format->write_trace(trace, stdout));
	} else if (!strcmp(argv[1], "summary")) {
		must(pv_trace_summary_json(trace, stdout));
	} else {
		struct pv_term term = pv_term_fixed(stdout, TERMINAL_COLUMNS, true);

		must(pv_trace_text_write(trace, &term));
	}
	pv_trace_destroy(trace);
	return fflush(stdout) || ferror(stdout);
}
