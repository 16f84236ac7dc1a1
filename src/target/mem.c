/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of a live process, without stopping it.
 * Input: process_vm_readv(2).
 * Output: struct pv_mem, for detection, walkers and symbols.
 */
#include "target/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

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
