/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a file of /proc/PID at one go.
 * Input: /proc.
 * Output: a pv_str, for maps.c and process.c.
 */
#include "target/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { CHUNK_BYTES = 1 << 15 };

struct pv_err *pv_procfs_err(pid_t pid, const char *name, int errnum)
{
	if (errnum == ENOENT || errnum == ESRCH)
		return pv_err_create(PV_ERR_NOPROC, "no such process: %d", (int)pid);
	if (errnum == EPERM || errnum == EACCES)
		return pv_err_create(PV_ERR_PERMISSION,
				     "cannot read /proc/%d/%s: needs CAP_SYS_PTRACE or the "
				     "process's own user",
				     (int)pid, name);
	return pv_err_errno(errnum, "cannot read /proc/%d/%s", (int)pid, name);
}

struct pv_err *pv_procfs_read(pid_t pid, const char *name, struct pv_str *ret)
{
	char path[128];
	_pv_close_ int fd = -1;
	_pv_free_ char *chunk = NULL;

	pv_str_clear(ret);
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return pv_procfs_err(pid, name, errno);
	chunk = malloc(CHUNK_BYTES);
	if (!chunk)
		return &pv_enomem;
	for (;;) {
		ssize_t n = read(fd, chunk, CHUNK_BYTES);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return pv_procfs_err(pid, name, errno);
		if (n == 0)
			return NULL;

		struct pv_err *err = pv_str_append(ret, chunk, (size_t)n);

		if (err)
			return err;
	}
}

void pv_procfs_root(pid_t pid, char *ret, size_t size)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/root", (int)pid);
	n = readlink(link, ret, size - 1);
	if (n <= 1)
		n = 0;
	ret[n] = '\0';
}

void pv_procfs_inner_path(char *path, const char *root)
{
	size_t n = strlen(root);

	if (n && strncmp(path, root, n) == 0 && path[n] == '/')
		memmove(path, path + n, strlen(path + n) + 1);
}
