/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a survey of allocations finds in a process, without the command around it.
 * usage: survey_blocks PID growth|bursts|all SECONDS [SHARE [BLOCKS]]
 *        survey_blocks PID bare|count|line|merged SECONDS
 * Output: "READY" when it is set up, "OPEN" when the first time is watched, "DONE N" after each of
 * N that are over; then one line of JSON: sites with their stacks (root first), the rung, what is
 * not seen.  At the end of standard input it stops early.
 * SHARE: of its time that bursts may cost, or all; BLOCKS: that are looked at, or kept in the
 * kernel.
 * The second form is for bench/allocs.py: what a hit costs that does nothing, counts, or takes the
 * line or the whole stack; "OPEN" when it is attached, and one line of JSON of what was seen.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/allocs.h"
#include "base/clock.h"
#include "base/json.h"
#include "collect/allocs.h"
#include "heap/object.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"
#include "python/path.h"
#include "session/allocplaces.h"
#include "session/bursts.h"
#include "session/growth.h"
#include "session/probed.h"
#include "session/survey.h"
#include "target/process.h"

enum { DEPTH_MAX = 4096 };

static void ok(struct pv_err *error)
{
	if (error)
		errx(1, "%s", error->message);
}

static const char *text(const struct pv_memory *memory, uint32_t id)
{
	return pv_strings_get(memory->profile->strings, id);
}

static void write_stack(struct pv_json *json, const struct pv_memory *memory, uint32_t node)
{
	const struct pv_profile *profile = memory->profile;
	uint32_t path[DEPTH_MAX];
	size_t n = 0;

	for (; node && n < DEPTH_MAX; n++) {
		const struct pv_stack_node *one = pv_vec_at(&profile->nodes, node);

		path[n] = one->loc;
		node = one->parent;
	}
	pv_json_begin(json, "stack", '[');
	while (n) {
		const struct pv_loc *loc = pv_vec_at(&profile->locs, path[--n]);

		pv_json_begin(json, NULL, '{');
		pv_json_string(json, "function", text(memory, loc->function));
		pv_json_string(json, "file", text(memory, loc->file));
		pv_json_int(json, "line", loc->line);
		pv_json_int(json, "kind", loc->kind);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
}

static void write_site(struct pv_json *json, const struct pv_memory *memory, uint32_t i)
{
	const struct pv_memory_site *site = pv_vec_at(&memory->sites, i);
	uint32_t last = pv_memory_last_look(memory, PV_LOOK_SITES);
	struct pv_memory_count count = { 0 };
	const struct pv_memory_type *type;

	if (last != PV_MEMORY_NONE)
		count = pv_memory_site_at(memory, last, i);
	pv_json_begin(json, NULL, '{');
	pv_json_string(json, "domain", pv_memory_domain_name(site->domain));
	pv_json_int(json, "seen", (int64_t)site->seen_count);
	pv_json_int(json, "seen_bytes", (int64_t)site->seen_bytes);
	pv_json_int(json, "freed", (int64_t)site->freed_count);
	pv_json_int(json, "survived", (int64_t)count.count);
	pv_json_int(json, "survived_bytes", (int64_t)count.bytes);
	pv_json_int(json, "bursts", site->bursts);
	pv_json_int(json, "bursts_survived", site->bursts_survived);
	pv_json_double(json, "weight", site->weight);
	if (site->type != PV_MEMORY_NONE) {
		type = pv_vec_at(&memory->types, site->type);
		pv_json_string(json, "type", text(memory, type->name));
	}
	write_stack(json, memory, site->node);
	pv_json_end(json, '}');
}

static void write_all(const struct pv_memory *memory, enum pv_rung which)
{
	const struct pv_memory_rung *rung = &memory->rungs[which];
	struct pv_json json = { .file = stdout };

	pv_json_begin(&json, NULL, '{');
	pv_json_string(&json, "state", pv_rung_state_name(rung->state));
	pv_json_string(&json, "why", text(memory, rung->why));
	pv_json_int(&json, "hits", (int64_t)rung->hits);
	pv_json_int(&json, "hits_ns", (int64_t)rung->hits_ns);
	pv_json_int(&json, "took_ns", (int64_t)rung->took_ns);
	pv_json_double(&json, "slowdown", rung->slowdown);
	pv_json_int(&json, "lost", (int64_t)rung->lost);
	pv_json_int(&json, "kernel_bytes", (int64_t)memory->kernel_bytes);
	pv_json_begin(&json, "bursts", '[');
	for (size_t i = 0; i < memory->bursts.n; i++) {
		const struct pv_memory_burst *burst = pv_vec_at(&memory->bursts, i);

		pv_json_begin(&json, NULL, '{');
		pv_json_int(&json, "ns", (int64_t)(burst->end_ns - burst->start_ns));
		pv_json_int(&json, "start_ns", (int64_t)burst->start_ns);
		pv_json_int(&json, "allocations", (int64_t)burst->allocations);
		pv_json_int(&json, "lost", (int64_t)burst->lost);
		pv_json_end(&json, '}');
	}
	pv_json_end(&json, ']');
	pv_json_begin(&json, "blind", '[');
	for (size_t i = 0; i < memory->blind.n; i++)
		pv_json_string(&json, NULL,
			       text(memory, *(const uint32_t *)pv_vec_at(&memory->blind, i)));
	pv_json_end(&json, ']');
	pv_json_begin(&json, "looks", '[');
	for (size_t i = 0; i < memory->looks.n; i++) {
		const struct pv_memory_look *look = pv_vec_at(&memory->looks, i);

		pv_json_begin(&json, NULL, '{');
		pv_json_int(&json, "at_ns", (int64_t)look->at_ns);
		pv_json_int(&json, "took_ns", (int64_t)look->took_ns);
		pv_json_int(&json, "objects", (int64_t)look->objects);
		pv_json_int(&json, "doubts", (int64_t)look->doubts);
		pv_json_int(&json, "unread", (int64_t)look->unread);
		pv_json_end(&json, '}');
	}
	pv_json_end(&json, ']');
	pv_json_begin(&json, "sites", '[');
	for (size_t i = 0; i < memory->sites.n; i++)
		write_site(&json, memory, (uint32_t)i);
	pv_json_end(&json, ']');
	pv_json_end(&json, '}');
	printf("\n");
}

static void say(const char *word, size_t n)
{
	if (n)
		printf("%s %zu\n", word, n);
	else
		printf("%s\n", word);
	fflush(stdout);
}

/* Ends after so long, with the target, or with standard input. */
static void run(struct pv_survey *survey, const struct pv_probed *probed, uint64_t until_ns)
{
	enum pv_survey_end end = PV_SURVEY_RUNS;
	struct pollfd fds[] = {
		{ .fd = pv_survey_fd(survey), .events = POLLIN },
		{ .fd = probed->pid_fd, .events = POLLIN },
		{ .fd = 0, .events = POLLIN },
	};
	bool opened = false, ended = false;
	size_t windows = 0;

	while (end == PV_SURVEY_RUNS && !ended && pv_now_ns() < until_ns) {
		char byte;

		ok(pv_probed_unless_ended(probed, pv_survey_step(survey, &end), &ended));
		if (!opened)
			say("OPEN", 0);
		opened = true;
		if (pv_survey_windows(survey) > windows)
			say("DONE", windows = pv_survey_windows(survey));
		if (poll(fds, 3, pv_survey_patience(survey)) < 0 && errno != EINTR)
			err(1, "poll");
		ended |= fds[1].revents != 0;
		if (fds[2].revents && read(0, &byte, 1) < 1)
			break;
	}
	ok(pv_survey_finish(survey));
}

/* Records are not read: the ring holds the stacks of so short a time. */
static void price(struct pv_probed *probed, const char *kind, double seconds)
{
	struct pv_allocs_options options = {
		.probes = { .pid = probed->pid, .budget = 100, .python = &probed->image.python },
		.all = true,
	};
	struct pv_json json = { .file = stdout };
	int64_t path[PV_NATIVE_PATH_MAX] = { 0 };
	struct pv_alloc_places places;
	struct pv_alloc_state state;
	struct pollfd end = { .fd = 0, .events = POLLIN };
	struct pv_allocs *allocs;

	options.stacks = !strcmp(kind, "merged") ? PV_ALLOC_MERGED
			 : !strcmp(kind, "line") ? PV_ALLOC_LINE
						 : PV_ALLOC_COUNT;
	options.frame_path.n = pv_python_frame_path(probed->mem, &probed->image.python.proc, path);
	memcpy(options.frame_path.offsets, path, sizeof(path));
	ok(pv_alloc_places_find(probed, &places));
	options.pool_bytes = places.allocators.pool_bytes;
	ok(pv_allocs_create(&options, &allocs));
	ok(pv_allocs_put(allocs, &probed->image, probed->objects));
	ok(pv_alloc_places_add(&places, probed, pv_allocs_probes(allocs), PV_ALLOC_WANT_BLOCKS));
	ok(pv_probes_attach(pv_allocs_probes(allocs)));
	if (strcmp(kind, "bare") != 0)
		ok(pv_allocs_arm(allocs, 0, 0));
	say("OPEN", 0);
	poll(&end, 1, (int)(1000 * seconds));
	pv_allocs_disarm(allocs);
	state = pv_allocs_state(allocs);
	pv_json_begin(&json, NULL, '{');
	pv_json_int(&json, "allocs", (int64_t)state.allocs);
	pv_json_int(&json, "frees", (int64_t)state.frees);
	pv_json_int(&json, "hits", (int64_t)pv_allocs_probe_state(allocs).hits[0]);
	pv_json_int(&json, "stepped", (int64_t)pv_allocs_probe_state(allocs).hits[1]);
	pv_json_int(&json, "walks", (int64_t)state.walks);
	pv_json_int(&json, "added_ns", (int64_t)state.added_ns);
	pv_json_int(&json, "unread", (int64_t)state.unread);
	pv_json_int(&json, "price_ns", (int64_t)pv_allocs_probe_state(allocs).cost_ns[0]);
	pv_json_end(&json, '}');
	printf("\n");
	pv_allocs_destroy(allocs);
	pv_alloc_places_deinit(&places);
}

int main(int argc, char **argv)
{
	struct pv_probed probed;
	struct pv_memory *memory;
	struct pv_survey *survey;
	struct pv_heap *heap = NULL;
	enum pv_rung rung = PV_RUNG_BURSTS;
	uint64_t start_ns = pv_now_ns(), cpu_ns = 0;
	double share = argc > 4 ? atof(argv[4]) : 0;
	uint32_t most = argc > 5 ? (uint32_t)atoi(argv[5]) : 0;

	if (argc < 4)
		errx(2, "usage: survey_blocks PID KIND SECONDS [SHARE [BLOCKS]]");
	ok(pv_probed_open(atoi(argv[1]), &probed));
	if (!pv_process_cpu_ns(probed.pid, &cpu_ns))
		errx(1, "%s is gone", argv[1]);
	if (!strcmp(argv[2], "bare") || !strcmp(argv[2], "count") || !strcmp(argv[2], "line") ||
	    !strcmp(argv[2], "merged")) {
		price(&probed, argv[2], atof(argv[3]));
		pv_probed_deinit(&probed);
		return 0;
	}
	ok(pv_memory_create(&memory));
	if (probed.image.python.found)
		ok(pv_heap_create(probed.mem, &probed.image.python, &heap));
	if (!strcmp(argv[2], "growth")) {
		ok(pv_growth_create(&(struct pv_growth_options){ .probed = &probed,
								 .memory = memory,
								 .heap = heap,
								 .start_ns = start_ns,
								 .start_cpu_ns = cpu_ns },
				    &survey));
		rung = PV_RUNG_GROWTH;
	} else if (!strcmp(argv[2], "all")) {
		ok(pv_survey_create(
			&(struct pv_survey_options){
				.probed = &probed,
				.memory = memory,
				.heap = heap,
				.start_ns = start_ns,
				.start_cpu_ns = cpu_ns,
				.kind = PV_SURVEY_ALL,
				.share = share > 0 ? share : 1,
				.blocks_max = most,
			},
			&survey));
		rung = PV_RUNG_ALL;
	} else {
		ok(pv_bursts_create(&(struct pv_bursts_options){ .probed = &probed,
								 .memory = memory,
								 .heap = heap,
								 .start_ns = start_ns,
								 .start_cpu_ns = cpu_ns,
								 .share = share,
								 .survivors_max = most },
				    &survey));
	}
	say("READY", 0);
	run(survey, &probed, pv_now_ns() + (uint64_t)(atof(argv[3]) * 1e9));
	write_all(memory, rung);
	pv_survey_destroy(survey);
	pv_heap_destroy(heap);
	pv_memory_destroy(memory);
	pv_probed_deinit(&probed);
	return 0;
}
