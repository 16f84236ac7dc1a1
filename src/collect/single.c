/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * perf events of uprobes.  Input: a loaded program, places in a file.
 * Output: a BPF link each, which holds its event.
 */
#include "collect/single.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PV_UPROBE_TYPE "/sys/bus/event_source/devices/uprobe/type"

static struct pv_err *read_type(uint32_t *ret)
{
	FILE *file = fopen(PV_UPROBE_TYPE, "re");
	int found = 0;

	if (file) {
		found = fscanf(file, "%u", ret);
		fclose(file);
	}
	return found == 1 ? NULL
			  : pv_err_create(PV_ERR_FAILED, "cannot probe functions: this kernel has "
							 "no uprobes (no " PV_UPROBE_TYPE ")");
}

/*
 * The event is of the process's first thread, its probe of the whole memory: the
 * program runs in all threads (kernel/trace/trace_uprobe.c, uprobe_perf_func()).
 * Others do not even keep a breakpoint.  It counts nothing, so it stays disabled.
 */
static int attach(uint32_t type, int program_fd, const char *path, pid_t pid, uint64_t offset,
		  uint64_t cookie)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = type,
		.config1 = (uintptr_t)path,
		.config2 = offset,
		.disabled = 1,
	};
	_pv_close_ int event =
		(int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	LIBBPF_OPTS(bpf_link_create_opts, opts, .perf_event.bpf_cookie = cookie);

	return event < 0 ? -errno : bpf_link_create(program_fd, event, BPF_PERF_EVENT, &opts);
}

struct pv_err *pv_single_link(int program_fd, int file_fd, pid_t pid, const uint64_t *offsets,
			      const uint64_t *cookies, size_t n, int *fds_ret)
{
	uint32_t type = 0;
	struct pv_err *err = read_type(&type);
	char path[32];

	if (err)
		return err;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd);
	for (size_t i = 0; i < n; i++) {
		fds_ret[i] = attach(type, program_fd, path, pid, offsets[i], cookies[i]);
		if (fds_ret[i] >= 0)
			continue;
		err = pv_err_errno(-fds_ret[i], "cannot probe place %zu of %zu of process %d",
				   i + 1, n, (int)pid);
		while (i)
			close(fds_ret[--i]);
		return err;
	}
	return NULL;
}
