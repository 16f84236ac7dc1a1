/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much memory is behind each mapping.  Input: /proc/PID/smaps, statm, task/TID/syscall.
 * Output: struct pv_smap, numbers.
 *
 * Format: fs/proc/task_mmu.c show_smap(): a line as in maps, then "Name:   123 kB" lines.
 */
#include "target/smaps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "target/procfs.h"

static enum pv_smap_kind kind_of(const char *name, size_t n, uint64_t inode)
{
	if (inode)
		return PV_SMAP_FILE;
	/* "[anon:name]" is what prctl(PR_SET_VMA) calls it */
	if (!n || !strncmp(name, "[anon:", 6))
		return PV_SMAP_ANON;
	if (n == 6 && !memcmp(name, "[heap]", 6))
		return PV_SMAP_HEAP;
	if (n >= 6 && !memcmp(name, "[stack", 6))
		return PV_SMAP_STACK;
	return name[0] == '[' && strncmp(name, "[anon_shmem:", 12) ? PV_SMAP_OTHER : PV_SMAP_FILE;
}

/* "start-end rwxp offset major:minor inode   name"; false: another kind of line. */
static bool parse_mapping(const char *line, const char *end, struct pv_smap *ret)
{
	struct pv_smap map = { 0 };
	uint64_t inode;
	char rights[5];
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*x:%*x %" SCNu64 "%n", &map.start,
		   &map.end, rights, &inode, &at) != 4 ||
	    !at || line + at > end || map.end <= map.start)
		return false;
	map.writable = rights[1] == 'w';
	map.accessible = strncmp(rights, "---", 3) != 0;
	for (line += at; line < end && *line == ' ';)
		line++;
	map.kind = kind_of(line, (size_t)(end - line), inode);
	*ret = map;
	return true;
}

static bool parse_bytes(const char *line, const char *name, uint64_t *bytes)
{
	size_t n = strlen(name);
	uint64_t value;

	if (strncmp(line, name, n) || line[n] != ':' ||
	    sscanf(line + n + 1, "%" SCNu64 " kB", &value) != 1)
		return false;
	*bytes = value * 1024;
	return true;
}

struct pv_err *pv_smaps_parse(const char *text, struct pv_vec *entries, bool *ret)
{
	struct pv_smap map, *last = NULL;
	struct pv_err *err = NULL;
	bool understood = true;

	entries->n = 0;
	for (const char *line = text, *end; *line && !err && understood; line = end + (*end != 0)) {
		end = strchrnul(line, '\n');
		/* fields begin with capitals, addresses are in small letters */
		if (*line >= 'A' && *line <= 'Z') {
			understood = last != NULL;
			if (understood && !parse_bytes(line, "Rss", &last->resident_bytes))
				parse_bytes(line, "Swap", &last->swapped_bytes);
			continue;
		}
		understood = parse_mapping(line, end, &map);
		if (understood)
			err = pv_vec_append(entries, &map, 1, &last);
	}
	if (!err)
		*ret = understood;
	return err;
}

struct pv_err *pv_smaps_read(pid_t pid, struct pv_vec *entries)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_err *err = pv_procfs_read(pid, "smaps", &text);
	bool understood;

	if (!err)
		err = pv_smaps_parse(pv_str_text(&text), entries, &understood);
	if (!err && !understood)
		err = pv_err_create(PV_ERR_FAILED, "cannot understand /proc/%d/smaps", (int)pid);
	return err;
}

struct pv_err *pv_smaps_rss(pid_t pid, uint64_t *ret)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_err *err = pv_procfs_read(pid, "statm", &text);
	uint64_t pages;

	if (err)
		return err;
	if (sscanf(pv_str_text(&text), "%*u %" SCNu64, &pages) != 1)
		return pv_err_create(PV_ERR_FAILED, "cannot understand /proc/%d/statm", (int)pid);
	*ret = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return NULL;
}

bool pv_smaps_stack_pointer(pid_t pid, pid_t tid, uint64_t *ret)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	const char *last, *before;
	char name[64];
	struct pv_err *err;

	snprintf(name, sizeof(name), "task/%d/syscall", (int)tid);
	err = pv_procfs_read(pid, name, &text);
	if (err) {
		pv_err_destroy(err);
		return false;
	}
	/* "NUMBER ARGS.. SP PC", "-1 SP PC", "running" */
	last = strrchr(pv_str_text(&text), ' ');
	before = last ? memrchr(text.data, ' ', (size_t)(last - text.data)) : NULL;
	return before && sscanf(before, " %" SCNx64, ret) == 1;
}
