/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of a live process, without stopping it.
 * Input: process_vm_readv(2), /proc/PID/mem.
 * Output: struct pv_mem, for detection, walkers and symbols.
 */
#include "target/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

struct live_mem {
	struct pv_mem mem;
	pid_t pid;
};

static int live_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	const struct live_mem *live = (const struct live_mem *)mem;
	size_t done = 0;

	if (addr > UINT64_MAX - n)
		return -EFAULT;
	/* A range that ends in an unmapped page gives a short count first, EFAULT then. */
	while (done < n) {
		struct iovec local = { .iov_base = (char *)dst + done, .iov_len = n - done };
		struct iovec remote = { .iov_base = (void *)(uintptr_t)(addr + done),
					.iov_len = n - done };
		ssize_t got = process_vm_readv(live->pid, &local, 1, &remote, 1, 0);

		if (got < 0)
			return -errno;
		if (got == 0)
			return -EFAULT;
		done += (size_t)got;
	}
	return 0;
}

static void live_destroy(struct pv_mem *mem)
{
	free(mem);
}

void pv_mem_destroy(struct pv_mem *mem)
{
	if (mem)
		mem->destroy(mem);
}

struct pv_err *pv_mem_live_create(pid_t pid, struct pv_mem **ret)
{
	struct live_mem probe = { .pid = pid };
	char byte;
	/* The kernel checks the process and our right to read it before the address. */
	int rc = live_read(&probe.mem, &byte, 1, 0);

	if (rc == -EPERM || rc == -EACCES)
		return pv_err_create(PV_ERR_PERMISSION,
				     "cannot read memory of %d: needs CAP_SYS_PTRACE or the "
				     "same user (and kernel.yama.ptrace_scope 0)",
				     (int)pid);
	if (rc == -ESRCH)
		return pv_err_create(PV_ERR_NOPROC,
				     "cannot read memory of %d: no such process, or one without "
				     "memory",
				     (int)pid);
	if (rc && rc != -EFAULT)
		return pv_err_errno(-rc, "cannot read memory of %d", (int)pid);

	struct live_mem *live = malloc(sizeof(*live));

	if (!live)
		return &pv_enomem;
	*live = (struct live_mem){
		.mem = { .read = live_read, .destroy = live_destroy },
		.pid = pid,
	};
	*ret = &live->mem;
	return NULL;
}

struct forced_mem {
	struct pv_mem mem;
	int fd;
};

static int forced_read(struct pv_mem *mem, void *dst, size_t n, uint64_t addr)
{
	const struct forced_mem *forced = (const struct forced_mem *)mem;
	size_t done = 0;

	if (addr > INT64_MAX - n)
		return -EFAULT;
	while (done < n) {
		ssize_t got = pread(forced->fd, (char *)dst + done, n - done, (off_t)(addr + done));

		if (got < 0)
			return -errno;
		/* the process has ended */
		if (got == 0)
			return -ESRCH;
		done += (size_t)got;
	}
	return 0;
}

static void forced_destroy(struct pv_mem *mem)
{
	close(((struct forced_mem *)mem)->fd);
	free(mem);
}

struct pv_err *pv_mem_forced_create(pid_t pid, struct pv_mem **ret)
{
	struct forced_mem *forced;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return pv_err_errno(errno == ENOENT ? ESRCH : errno, "cannot open %s", path);
	forced = malloc(sizeof(*forced));
	if (!forced) {
		close(fd);
		return &pv_enomem;
	}
	*forced = (struct forced_mem){
		.mem = { .read = forced_read, .destroy = forced_destroy },
		.fd = fd,
	};
	*ret = &forced->mem;
	return NULL;
}
