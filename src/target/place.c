/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Namespaces of pitviper and of processes.
 * Input: /proc/PID/{ns,root,status}.  Output: struct pv_place, or why we cannot work here.
 */
#include "target/place.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "target/procfs.h"

/* PROC_USER_INIT_INO, PROC_PID_INIT_INO (include/linux/proc_ns.h) */
enum { HOST_USERS = 0xEFFFFFFDU, HOST_PIDS = 0xEFFFFFFCU };

static bool is_other(const char *path, ino_t host)
{
	struct stat st;

	return !stat(path, &st) && st.st_ino != host;
}

bool pv_place_own_pids(void)
{
	return is_other("/proc/self/ns/pid", HOST_PIDS);
}

bool pv_place_own_users(void)
{
	return is_other("/proc/self/ns/user", HOST_USERS);
}

/*
 * proc(5): NSpid, the numbers of a process from the namespace of the /proc that is
 * read inwards.  Returns how many, and the last one.
 */
static int count_numbers(const char *status, pid_t *last_ret)
{
	static const char key[] = "\nNSpid:";
	const char *at = strstr(status, key);
	int n = 0;

	if (!at)
		return 0;
	for (at += strlen(key); *at && *at != '\n'; n++) {
		char *end;
		long number = strtol(at, &end, 10);

		if (end == at)
			break;
		*last_ret = (pid_t)number;
		at = end;
	}
	return n;
}

static int read_numbers(const char *path, pid_t *last_ret)
{
	_pv_fclose_ FILE *file = fopen(path, "re");
	char text[4096]; /* NSpid is among the first lines */
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[n] = '\0';
	return count_numbers(text, last_ret);
}

struct pv_err *pv_place_check(void)
{
	pid_t last;

	/* a kernel without PID namespaces has no such line */
	if (read_numbers("/proc/self/status", &last) <= 1)
		return NULL;
	return pv_err_create(PV_ERR_FAILED,
			     "cannot tell processes apart: /proc is that of another PID namespace "
			     "than ours, its numbers name other processes here; mount our own "
			     "(`mount -t proc proc /proc`, `unshare --mount-proc`)");
}

/* Is what two paths lead to not the same? */
static bool differ(pid_t pid, const char *name)
{
	struct stat its, ours;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	if (stat(path, &its))
		return false;
	snprintf(path, sizeof(path), "/proc/self/%s", name);
	return !stat(path, &ours) && (its.st_dev != ours.st_dev || its.st_ino != ours.st_ino);
}

void pv_place_of(pid_t pid, struct pv_place *ret)
{
	struct pv_place place = {
		.other_mounts = differ(pid, "ns/mnt"),
		.other_pids = differ(pid, "ns/pid"),
		.other_users = differ(pid, "ns/user"),
		.other_root = differ(pid, "root"),
	};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (place.other_pids && read_numbers(path, &place.inner_pid) <= 1)
		place.inner_pid = 0;
	*ret = place;
}
