/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes the profile of the golden tests in one format.
 * Input: profile.txt on standard input (its head says how it reads); with
 * SAMPLES STACKS as arguments the synthetic profile of that size instead.
 * Output: the format named by the first argument, on standard output.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Undoes "-", "~" and \xNN. */
static uint32_t field(struct pv_profile *profile, const char *text)
{
	char bytes[256];
	size_t n = 0;
	uint32_t id;

	for (; strcmp(text, "-") && *text; text++) {
		unsigned int byte;

		if (sscanf(text, "\\x%2x", &byte) == 1)
			text += 3;
		else
			byte = *text == '~' ? ' ' : *text;
		bytes[n++] = byte;
	}
	must(pv_strings_add(profile->strings, bytes, n, &id));
	return id;
}

static uint32_t add_frame(struct pv_profile *profile, uint32_t parent, char *text)
{
	static const char kinds[] = "pnikmt"; /* in the order of enum pv_loc_kind */
	char kind, function[128], file[128], module[128];
	struct pv_loc loc = { 0 };
	uint32_t loc_id, node;

	if (sscanf(text, " %c %127s %127s %127s %d", &kind, function, file, module, &loc.line) != 5)
		exit(1);
	loc.kind = strchr(kinds, kind) - kinds;
	loc.function = field(profile, function);
	loc.file = field(profile, file);
	loc.module = field(profile, module);
	must(pv_profile_loc(profile, &loc, &loc_id));
	must(pv_profile_node(profile, parent, loc_id, &node));
	return node;
}

static void add_line(struct pv_profile *profile, char *line)
{
	unsigned int count, tid;
	char name[64], *save, *part = strtok_r(line, "|\n", &save);
	uint32_t process, thread, node = 0;

	if (sscanf(part, "%u %u %63s", &count, &tid, name) != 3)
		exit(1);
	while ((part = strtok_r(NULL, "|\n", &save)))
		node = add_frame(profile, node, part);
	must(pv_profile_process(profile, &(struct pv_profile_process){ .pid = 11, .generation = 1 },
				&process));
	must(pv_profile_thread(profile, process, tid, name, &thread));
	must(pv_profile_add(profile, node, thread, count));
}

int main(int argc, char **argv)
{
	const struct pv_format *format;
	struct pv_profile *profile;
	char line[4096];

	if (argc != 2 && argc != 4)
		return 2;
	must(pv_format_by_name(argv[1], &format));
	if (argc == 4) {
		profile = synthetic_profile(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
	} else {
		must(pv_profile_create(&profile));
		while (fgets(line, sizeof(line), stdin)) {
			if (*line != '#')
				add_line(profile, line);
		}
	}
	must(format->write(profile, stdout));
	pv_profile_destroy(profile);
	return fflush(stdout) || ferror(stdout);
}
