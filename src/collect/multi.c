/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uprobe_multi links by bpf(2).  Input: a loaded program, places in a file.
 * Output: a link.
 */
#include "collect/multi.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

struct link_create {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t cnt, multi_flags, pid, pad;
};

/* A link in what is no file is refused for that reason by a kernel that knows the kind. */
bool pv_multi_exists(void)
{
	/* r0 = 0; exit */
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = (enum bpf_attach_type)PV_MULTI_ATTACH_TYPE);
	_pv_close_ int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", program, 2, &opts);
	uint64_t offset = 0;
	struct link_create attr = {
		.prog_fd = (uint32_t)fd,
		.attach_type = PV_MULTI_ATTACH_TYPE,
		.path = (uintptr_t) "/",
		.offsets = (uintptr_t)&offset,
		.cnt = 1,
	};

	return fd >= 0 && syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr)) < 0 &&
	       errno == EBADF;
}

struct pv_err *pv_multi_link(int program_fd, int file_fd, pid_t pid, const uint64_t *offsets,
			     const uint64_t *cookies, size_t n, int *ret)
{
	char path[32];
	struct link_create attr = {
		.prog_fd = (uint32_t)program_fd,
		.attach_type = PV_MULTI_ATTACH_TYPE,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.cookies = (uintptr_t)cookies,
		.cnt = (uint32_t)n,
		.pid = (uint32_t)pid,
	};
	long fd;
	int error;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd);
	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	error = fd < 0 ? errno : 0;
	if (error)
		return pv_err_errno(error, "cannot probe %zu places of process %d", n, (int)pid);
	*ret = (int)fd;
	return NULL;
}
