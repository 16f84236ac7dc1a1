/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes a recording as a capture does: sample by sample, flushed now and then,
 * names that come late, stacks forgotten.
 * Input: SAMPLES STACKS as arguments.
 * Output: the recording on standard output, which must be a file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/profile.h"
#include "model/strings.h"
#include "recfile/recfile.h"

enum { FLUSH = 1000, FORGET = 3500 };

static void must(struct pv_err *err)
{
	if (!err)
		return;
	fprintf(stderr, "%s\n", err->message);
	exit(1);
}

static uint32_t text(struct pv_profile *profile, const char *what, uint32_t number)
{
	char bytes[64];
	uint32_t id;

	must(pv_strings_add(profile->strings, bytes,
			    snprintf(bytes, sizeof(bytes), "%s%u", what, number), &id));
	return id;
}

static uint32_t stack(struct pv_profile *profile, uint32_t number)
{
	uint32_t node = 0, loc_id;

	for (uint32_t depth = 0; depth < 3 + number % 5; depth++) {
		struct pv_loc loc = { .kind = depth % 4, .line = (int)(number % 7) - 1 };

		loc.function = text(profile, "f", depth < 3 ? depth : number);
		loc.file = loc.kind == PV_LOC_PYTHON ? text(profile, "/srv/a.py", depth) : 0;
		loc.module = loc.kind == PV_LOC_NATIVE ? text(profile, "lib.so.", depth) : 0;
		must(pv_profile_loc(profile, &loc, &loc_id));
		must(pv_profile_node(profile, node, loc_id, &node));
	}
	return node;
}

/* Two processes, three threads; called again, their names have changed. */
static void add_threads(struct pv_profile *profile, uint32_t when)
{
	for (uint32_t i = 0; i < 3; i++) {
		struct pv_profile_process process = { .pid = 10 + i / 2, .generation = 1 };
		uint32_t id, thread;
		char name[32];

		process.title = text(profile, "title ", when);
		must(pv_profile_process(profile, &process, &id));
		snprintf(name, sizeof(name), i == 1 ? "renamed %u" : "thread", when);
		must(pv_profile_thread(profile, id, 20 + i, name, &thread));
	}
}

/* What may come at any time. */
static void add_rest(struct pv_profile *profile, uint32_t i)
{
	struct pv_module module = { .name = text(profile, "lib.so.", i) };
	uint32_t id;

	module.path = text(profile, "/usr/lib/lib.so.", i);
	must(pv_profile_module(profile, &module, &id));
	must(pv_profile_add_source(profile, text(profile, "/srv/a.py", i), "x = 1\n", 6, i % 2));
	profile->losses.name[i % 8 + 1] = "SOME";
	profile->losses.text[i % 8 + 1] = "lost, for a test";
	profile->losses.count[i % 8 + 1] += i;
}

int main(int argc, char **argv)
{
	struct pv_recwriter *writer;
	struct pv_profile *profile;
	uint32_t n_samples, n_stacks;

	if (argc != 3)
		return 2;
	n_samples = strtoul(argv[1], NULL, 10);
	n_stacks = strtoul(argv[2], NULL, 10);
	must(pv_profile_create(&profile));
	add_threads(profile, 0);
	must(pv_recwriter_create(stdout, profile, &writer));
	must(pv_recwriter_flush(writer));
	for (uint32_t i = 0; i < n_samples; i++) {
		/* a millisecond each, a little out of order */
		uint64_t time_ns = i * 1000000ULL + i * 7919ULL % 3000000;

		must(pv_recwriter_sample(writer, time_ns, stack(profile, i * 31 % n_stacks),
					 i % 3));
		profile->quality.samples++;
		profile->quality.complete += i % 100 != 0;
		profile->duration_ns = time_ns;
		if (i % FLUSH == FLUSH - 1) {
			add_threads(profile, i / FLUSH);
			add_rest(profile, i / FLUSH);
			must(pv_recwriter_flush(writer));
		}
		if (i % FORGET == FORGET - 1) {
			must(pv_recwriter_forget_stacks(writer));
			pv_profile_forget_stacks(profile);
		}
	}
	must(pv_recwriter_end(writer));
	pv_recwriter_destroy(writer);
	pv_profile_destroy(profile);
	return 0;
}
