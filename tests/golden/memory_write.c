/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the hunt of a recipe in one format.
 * Input: memory.txt on standard input (its head says how it reads).
 * Output: the format named by the first argument, on standard output; "summary" is the JSON of
 * --json, "terminal" the text as on a terminal of 100 columns, "again" the JSON of what is read
 * back from a recording of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/leak.h"
#include "base/cleanup.h"
#include "cmd/memory_text.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/format.h"
#include "out/memory.h"
#include "recfile/recfile.h"
#include "tui/term.h"

#include "recipe.h"

enum { TERMINAL_COLUMNS = 100, NUMBERS_MAX = 16 };

static struct pv_memory *memory;

/* So many numbers of a line. */
static const uint64_t *numbers(char **save, size_t n)
{
	static uint64_t values[NUMBERS_MAX];

	must_read(n <= NUMBERS_MAX, "too many numbers");
	for (size_t i = 0; i < n; i++)
		values[i] = recipe_number(recipe_next(save));
	return values;
}

static uint32_t text(char **save)
{
	return recipe_string(memory->profile, recipe_next(save));
}

/* "-" is none. */
static uint32_t index_or_none(char **save)
{
	const char *word = recipe_next(save);

	return strcmp(word, "-") ? (uint32_t)recipe_number(word) : PV_MEMORY_NONE;
}

static void add_hunt(char *save)
{
	const uint64_t *n;

	memory->allocator = text(&save);
	n = numbers(&save, 6);
	memory->end = (enum pv_memory_end)n[0];
	memory->other_allocator = n[1];
	memory->free_threaded = n[2];
	memory->gc_disabled = n[3];
	memory->kernel_bytes = n[4];
	memory->cost_cpus = (double)n[5] / 1e6;
}

static void add_rung(char *save)
{
	uint32_t why = text(&save);
	const uint64_t *n = numbers(&save, 9);

	memory->rungs[n[0]] = (struct pv_memory_rung){
		.state = (enum pv_rung_state)n[1],
		.why = why,
		.start_ns = n[2],
		.took_ns = n[3],
		.hits = n[4],
		.hits_ns = n[5],
		.stopped_ns = n[6],
		.lost = n[7],
		.slowdown = (double)n[8] / 1e6,
	};
}

static void add_point(char *save)
{
	const uint64_t *n = numbers(&save, 2 + 2 * PV_MEMORY_N_CLASSES);
	struct pv_memory_point point = { .at_ns = n[0], .rss_bytes = n[1] };

	for (size_t i = 0; i < PV_MEMORY_N_CLASSES; i++) {
		point.resident[i] = n[2 + i];
		point.mapped[i] = n[2 + PV_MEMORY_N_CLASSES + i];
	}
	must(pv_vec_append(&memory->points, &point, 1, NULL));
}

static void add_look(char *save)
{
	uint32_t why = text(&save), id;
	const uint64_t *n = numbers(&save, 7);
	const struct pv_memory_look look = {
		.kind = (enum pv_look_kind)n[0],
		.source = (enum pv_site_source)n[1],
		.at_ns = n[2],
		.took_ns = n[3],
		.doubts = n[4],
		.unread = n[5],
		.partial = n[6],
		.why = why,
	};

	must(pv_memory_look(memory, &look, &id));
}

static void add_collector(char *save)
{
	const uint64_t *n = numbers(&save, 9);
	struct pv_memory_look *look = pv_vec_at(&memory->looks, n[0]);

	look->has_garbage = n[1];
	look->collector = (struct pv_memory_collector){
		.disabled = n[2],
		.counted = n[3],
		.full = n[4],
		.collected = n[5],
		.aged = n[6],
		.old = n[7],
		.pending = n[8],
	};
}

static void add_garbage(char *save)
{
	const uint64_t *n = numbers(&save, 3);

	pv_memory_count_garbage(memory, (uint32_t)n[0], (uint32_t)n[1], n[2]);
}

static void add_type(char *save)
{
	uint32_t name = text(&save), module = text(&save), id;
	const uint64_t *n = numbers(&save, 3);
	const struct pv_memory_type type = {
		.kind = (enum pv_memory_type_kind)n[0],
		.name = name,
		.module = module,
		.size = n[1],
		.address = n[2],
	};

	must(pv_memory_type(memory, &type, &id));
}

static uint32_t stack(char *frames)
{
	uint32_t node = 0;
	char *save, *part;

	for (part = strtok_r(frames, "|\n", &save); part; part = strtok_r(NULL, "|\n", &save))
		node = recipe_frame(memory->profile, node, part);
	return node;
}

static void add_site(char *save)
{
	char *frames, *head = strtok_r(save, "|", &frames), *rest;
	struct pv_memory_site site = { .type = PV_MEMORY_NONE };
	const char *word = strtok_r(head, " ", &rest);
	const uint64_t *n;
	uint32_t id;

	site.type = strcmp(word, "-") ? (uint32_t)recipe_number(word) : PV_MEMORY_NONE;
	n = numbers(&rest, 8);
	site.source = (enum pv_site_source)n[0];
	site.domain = (enum pv_memory_domain)n[1];
	site.seen_count = n[2];
	site.seen_bytes = n[3];
	site.freed_count = n[4];
	site.bursts = (uint32_t)n[5];
	site.bursts_survived = (uint32_t)n[6];
	site.weight = (double)n[7] / 1e6;
	site.node = stack(frames);
	must(pv_memory_site(memory, &site, &id));
}

static void add_type_count(char *save)
{
	const uint64_t *n = numbers(&save, 4);

	must(pv_memory_count_type(memory, (uint32_t)n[0], (uint32_t)n[1], n[2], n[3]));
}

static void add_site_count(char *save)
{
	const uint64_t *n = numbers(&save, 4);

	must(pv_memory_count_site(memory, (uint32_t)n[0], (uint32_t)n[1], n[2], n[3]));
}

static void add_burst(char *save)
{
	const uint64_t *n = numbers(&save, 5);
	const struct pv_memory_burst burst = { n[0], n[1], n[2], n[3], n[4] };

	must(pv_vec_append(&memory->bursts, &burst, 1, NULL));
}

static void add_subject(char *save)
{
	struct pv_memory_subject one = { .type = index_or_none(&save) };
	const uint64_t *n;
	const char *word;

	one.text = text(&save);
	n = numbers(&save, 11);
	one.address = n[0];
	one.objects = n[1];
	one.of = n[2];
	one.refcount = (int64_t)n[3];
	one.found = n[4];
	one.immortal = n[5];
	one.partial = n[6];
	one.lost_objects = n[7];
	one.lost_references = n[8];
	one.looks = n[9];
	one.took_ns = n[10];
	one.first_example = (uint32_t)memory->examples.n;
	while ((word = recipe_next(&save))) {
		uint64_t address = recipe_number(word);

		must(pv_vec_append(&memory->examples, &address, 1, NULL));
		one.n_examples++;
	}
	must(pv_vec_append(&memory->subjects, &one, 1, NULL));
}

static void add_holder(char *save)
{
	struct pv_memory_holder holder = { .type = index_or_none(&save) };
	const uint64_t *n;

	holder.text = text(&save);
	n = numbers(&save, 4);
	holder.subject = (uint32_t)n[0];
	holder.kind = (enum pv_holder_kind)n[1];
	holder.references = n[2];
	holder.objects = n[3];
	must(pv_vec_append(&memory->holders, &holder, 1, NULL));
}

static void add_holds(char *save)
{
	const uint64_t *n = numbers(&save, 7);
	struct pv_memory_holder *holder = pv_vec_at(&memory->holders, n[0]);

	holder->own = n[1];
	holder->gained = (int64_t)n[2];
	holder->over_ns = n[3];
	holder->used = n[4];
	holder->limit = n[5];
	holder->used_gained = (int64_t)n[6];
}

static void add_event(char *save)
{
	char *frames, *head = strtok_r(save, "|", &frames), *rest;
	const struct pv_profile_process of = { .pid = memory->profile->pid, .generation = 1 };
	uint64_t kind = recipe_number(strtok_r(head, " ", &rest));
	const uint64_t *n = numbers(&rest, 3);
	struct pv_memory_event event = {
		.kind = (enum pv_memory_event_kind)kind,
		.count = n[1],
		.bytes = n[2],
	};
	uint32_t process;

	must(pv_profile_process(memory->profile, &of, &process));
	must(pv_profile_thread(memory->profile, process, (uint32_t)n[0], "main", &event.thread));
	event.node = stack(frames);
	must(pv_memory_event(memory, &event));
}

static void add_blind(char *save)
{
	uint32_t id = text(&save);

	must(pv_vec_append(&memory->blind, &id, 1, NULL));
}

static void add_line(char *line)
{
	static const struct {
		const char *word;
		void (*add)(char *save);
	} words[] = {
		{ "hunt ", add_hunt },
		{ "rung ", add_rung },
		{ "point ", add_point },
		{ "look ", add_look },
		{ "type ", add_type },
		{ "site ", add_site },
		{ "typecount ", add_type_count },
		{ "sitecount ", add_site_count },
		{ "burst ", add_burst },
		{ "subject ", add_subject },
		{ "holder ", add_holder },
		{ "holds ", add_holds },
		{ "event ", add_event },
		{ "blind ", add_blind },
		{ "collector ", add_collector },
		{ "garbage ", add_garbage },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!strncmp(line, words[i].word, strlen(words[i].word))) {
			words[i].add(line + strlen(words[i].word));
			return;
		}
	}
	must_read(recipe_word(memory->profile, line), line);
}

/* Of the same hunt, from the chunks of its recording. */
static void write_again(void)
{
	const struct pv_recfile_options options = { 0 };
	struct pv_profile *profile;
	struct pv_memory *again;
	struct pv_leak leak;
	FILE *file = tmpfile();

	must_read(file, "a temporary file");
	must(pv_recfile_write_memory(memory, file));
	must(pv_recfile_read_any(file, "it", &options, &profile, &again));
	must_read(again && !profile, "no hunt");
	must(pv_leak_of(again, &leak));
	must(pv_memory_json(again, &leak, true, stdout));
	pv_leak_deinit(&leak);
	pv_memory_destroy(again);
	fclose(file);
}

static void write_text(const char *name)
{
	struct pv_term term = pv_term_fixed(stdout, TERMINAL_COLUMNS, false);
	struct pv_leak leak;

	must(pv_leak_of(memory, &leak));
	if (!strcmp(name, "summary"))
		must(pv_memory_json(memory, &leak, false, stdout));
	else
		must(pv_memory_print(memory, &leak, NULL, 0, &term));
	pv_leak_deinit(&leak);
}

int main(int argc, char **argv)
{
	const struct pv_format *format = NULL;
	_pv_free_ char *line = NULL;
	size_t size = 0;
	bool is_text, again;

	if (argc != 2)
		return 2;
	is_text = !strcmp(argv[1], "summary") || !strcmp(argv[1], "terminal");
	again = !strcmp(argv[1], "again");
	if (!is_text && !again)
		must(pv_format_by_name(pv_memory_formats, argv[1], &format));
	must(pv_memory_create(&memory));
	while (getline(&line, &size, stdin) > 0)
		add_line(line);
	if (format)
		must(format->write_memory(memory, stdout));
	else if (again)
		write_again();
	else
		write_text(argv[1]);
	pv_memory_destroy(memory);
	return fflush(stdout) || ferror(stdout);
}
