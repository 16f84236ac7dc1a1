/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the recipes of profiles and of traces have in common: how fields are written,
 * and the lines that begin with a word.
 * Input: lines as in profile.txt, whose head describes them.
 * Output: parts of a profile; the program ends at what cannot be read.
 */
#include "recipe.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "model/profile.h"
#include "model/strings.h"

void must(struct pv_err *err)
{
	if (!err)
		return;
	fprintf(stderr, "%s\n", err->message);
	exit(1);
}

void must_read(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "cannot read: %s\n", what);
	exit(1);
}

/* Undoes "-", "~" and \xNN. */
uint32_t recipe_string(struct pv_profile *profile, const char *text)
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
char *recipe_next(char **line)
{
	return strtok_r(NULL, " \n", line);
}

uint64_t recipe_number(const char *text)
{
	char *end;
	uint64_t value;

	must_read(text, "a number is missing");
	value = strtoull(text, &end, 10);
	must_read(!*end, text);
	return value;
}

uint32_t recipe_frame(struct pv_profile *profile, uint32_t parent, char *text)
{
	static const char kinds[] = "pnikmtP"; /* in the order of enum pv_loc_kind */
	char *save, *kind = strtok_r(text, " ", &save);
	struct pv_loc loc = { 0 };
	uint32_t loc_id, node;

	must_read(kind && strchr(kinds, *kind), "the kind of a frame");
	loc.kind = strchr(kinds, *kind) - kinds;
	loc.function = recipe_string(profile, recipe_next(&save));
	loc.file = recipe_string(profile, recipe_next(&save));
	loc.module = recipe_string(profile, recipe_next(&save));
	loc.line = recipe_number(recipe_next(&save));
	must(pv_profile_loc(profile, &loc, &loc_id));
	must(pv_profile_node(profile, parent, loc_id, &node));
	return node;
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
	const char *name = recipe_next(&save), *value = recipe_next(&save);
	const struct capture_field *field = capture_fields;
	const struct capture_field *end = field + sizeof(capture_fields) / sizeof(*field);
	void *at;

	must_read(name, "capture without a field");
	while (field < end && strcmp(field->name, name))
		field++;
	must_read(field < end, name);
	at = (char *)profile + field->offset;
	if (field->type == CAPTURE_STRING)
		*(uint32_t *)at = recipe_string(profile, value);
	else if (field->type == CAPTURE_U32)
		*(uint32_t *)at = recipe_number(value);
	else if (field->type == CAPTURE_U64)
		*(uint64_t *)at = recipe_number(value);
	else
		*(bool *)at = recipe_number(value);
}

static void add_process(struct pv_profile *profile, char *save)
{
	struct pv_profile_process process = { .pid = recipe_number(recipe_next(&save)) };
	uint32_t id;

	process.generation = recipe_number(recipe_next(&save));
	process.parent_pid = recipe_number(recipe_next(&save));
	process.name = recipe_string(profile, recipe_next(&save));
	process.title = recipe_string(profile, recipe_next(&save));
	process.interpreter = recipe_string(profile, recipe_next(&save));
	process.problem = recipe_string(profile, recipe_next(&save));
	must(pv_profile_process(profile, &process, &id));
}

static void add_module(struct pv_profile *profile, char *save)
{
	struct pv_module module = { .name = recipe_string(profile, recipe_next(&save)) };
	uint32_t id;

	module.path = recipe_string(profile, recipe_next(&save));
	module.build_id = recipe_string(profile, recipe_next(&save));
	must(pv_profile_module(profile, &module, &id));
}

static void add_source(struct pv_profile *profile, char *save)
{
	uint32_t file = recipe_string(profile, recipe_next(&save)), text;
	bool changed = recipe_number(recipe_next(&save));

	text = recipe_string(profile, recipe_next(&save));
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
	uint64_t cause = recipe_number(recipe_next(&save));

	must_read(cause < PV_LOSSES_MAX && causes[cause][0], "a loss that write.c has no text of");
	profile->losses.count[cause] = recipe_number(recipe_next(&save));
	profile->losses.name[cause] = causes[cause][0];
	profile->losses.text[cause] = causes[cause][1];
}

bool recipe_word(struct pv_profile *profile, char *line)
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
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!strncmp(line, words[i].word, strlen(words[i].word))) {
			strtok_r(line, " \n", &save);
			words[i].add(profile, save);
			return true;
		}
	}
	return false;
}
