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

#include "recipe.h"
#include "synthetic.h"

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
	uint64_t count = recipe_number(strtok_r(head, " ", &save)),
		 tid = recipe_number(recipe_next(&save));
	const char *name = recipe_next(&save);
	uint32_t process, thread, node = 0;

	while ((part = recipe_next(&save))) {
		if (!strncmp(part, "at=", 3))
			at = part + 3;
		else
			must_read(sscanf(part, "process=%u.%u", &of.pid, &of.generation) == 2,
				  part);
	}
	while ((part = strtok_r(NULL, "|\n", &frames)))
		node = recipe_frame(profile, node, part);
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

static struct pv_profile *read_profile(void)
{
	struct pv_profile *profile;
	_pv_free_ char *line = NULL;
	size_t size = 0;

	must(pv_profile_create(&profile));
	while (getline(&line, &size, stdin) > 0) {
		if (!recipe_word(profile, line))
			add_sample(profile, line);
	}
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
	must(pv_format_by_name(pv_formats, argv[1], &format));
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
