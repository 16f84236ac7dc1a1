/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits of control groups.
 * Input: /proc/PID/cgroup, our mountinfo, files of groups (Documentation/admin-guide/cgroup-v2.rst,
 * cgroup-v1/memory.rst).  Output: bytes.
 */
#include "target/memcg.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "target/procfs.h"

struct names {
	const char *max, *now, *files[2];
};

static const struct names all_names[] = {
	{ "memory.max", "memory.current", { "inactive_file ", "active_file " } },
	{ "memory.limit_in_bytes",
	  "memory.usage_in_bytes",
	  { "total_inactive_file ", "total_active_file " } },
};

static FILE *open_file(const char *group, const char *name)
{
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", group, name) >= sizeof(path))
		return NULL;
	return fopen(path, "re");
}

/* A number; false: there is none, "max" is none. */
static bool read_number(const char *group, const char *name, uint64_t *ret)
{
	_pv_fclose_ FILE *file = open_file(group, name);

	return file && fscanf(file, "%" SCNu64, ret) == 1;
}

/* Pages of files, which the kernel takes back before it kills anybody. */
static uint64_t reclaimable(const char *group, const struct names *names)
{
	_pv_fclose_ FILE *file = open_file(group, "memory.stat");
	uint64_t sum = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		for (int i = 0; i < 2; i++) {
			size_t n = strlen(names->files[i]);

			if (!strncmp(line, names->files[i], n))
				sum += strtoull(line + n, NULL, 10);
		}
	}
	return sum;
}

static uint64_t room_of(const char *group, const struct names *names)
{
	uint64_t max, now;

	if (!read_number(group, names->max, &max) || !read_number(group, names->now, &now))
		return UINT64_MAX;
	now -= now < reclaimable(group, names) ? now : reclaimable(group, names);
	return now < max ? max - now : 0;
}

uint64_t pv_memcg_room_at(const char *mount, const char *path, int v1)
{
	uint64_t least = UINT64_MAX;
	char group[PATH_MAX];
	char *slash;

	/* of a namespace of groups that is not ours */
	if (strstr(path, "/..") ||
	    (size_t)snprintf(group, sizeof(group), "%s%s", mount, path) >= sizeof(group))
		return UINT64_MAX;
	for (;;) {
		uint64_t room = room_of(group, &all_names[v1]);

		least = room < least ? room : least;
		slash = strrchr(group, '/');
		if (!slash || (size_t)(slash - group) < strlen(mount))
			return least;
		*slash = '\0';
	}
}

/* Is one of a list with commas? */
static bool is_in(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += n) {
		if ((at == list || at[-1] == ',') && (!at[n] || at[n] == ',' || at[n] == '\n'))
			return true;
	}
	return false;
}

/* Where a hierarchy is mounted for us, and what of it: its first version's memory, or the second.
 */
static bool find_mount(bool v1, char *root_ret, char *mount_ret)
{
	_pv_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[3 * PATH_MAX], type[64], options[1024];

	while (file && fgets(line, sizeof(line), file)) {
		const char *behind = strstr(line, " - ");

		if (!behind || sscanf(behind, " - %63s %*s %1023s", type, options) != 2 ||
		    strcmp(type, v1 ? "cgroup" : "cgroup2") || (v1 && !is_in(options, "memory")))
			continue;
		if (sscanf(line, "%*d %*d %*s %4095s %4095s", root_ret, mount_ret) == 2)
			return true;
	}
	return false;
}

static uint64_t room_by_line(char *line)
{
	char root[PATH_MAX], mount[PATH_MAX];
	char *controllers = strchr(line, ':');
	char *path = controllers ? strchr(controllers + 1, ':') : NULL;
	size_t n;
	bool v1;

	if (!path)
		return UINT64_MAX;
	*controllers++ = *path++ = '\0';
	v1 = *controllers;
	if ((v1 && !is_in(controllers, "memory")) || !find_mount(v1, root, mount))
		return UINT64_MAX;
	/* of a part of the hierarchy alone, in a container */
	n = strcmp(root, "/") ? strlen(root) : 0;
	if (n && (strncmp(path, root, n) || (path[n] && path[n] != '/')))
		return UINT64_MAX;
	return pv_memcg_room_at(mount, strcmp(path + n, "/") ? path + n : "", v1);
}

uint64_t pv_memcg_room(pid_t pid)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	_pv_err_ struct pv_err *err = pv_procfs_read(pid, "cgroup", &text);
	_pv_free_ char *copy = err ? NULL : strdup(pv_str_text(&text));
	uint64_t least = UINT64_MAX;
	char *rest = NULL;

	for (char *line = copy ? strtok_r(copy, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest)) {
		uint64_t room = room_by_line(line);

		least = room < least ? room : least;
	}
	return least;
}
