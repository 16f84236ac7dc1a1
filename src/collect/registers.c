/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of a process's threads.
 * Input: the task iterator of bpf/registers.bpf.c.  Output: struct pv_registers.
 */
#include "collect/registers.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "collect/load.h"
#include "target/place.h"

#include "registers.skel.h"

struct pv_register_reader {
	struct registers_bpf *bpf;
	struct bpf_link *link;
};

static struct pv_err *load(struct pv_register_reader *reader, pid_t pid)
{
	bool in_namespace = pv_place_own_pids();
	/* of that process's threads alone, where the kernel can: from Linux 6.1 on */
	union bpf_iter_link_info info = { .task.pid = in_namespace ? 0 : (__u32)pid };
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct pv_err *err = NULL;
	int error;

	pv_load_quiet();
	reader->bpf = registers_bpf__open();
	if (!reader->bpf)
		return pv_err_errno(errno, "cannot open the BPF iterator of registers");
	reader->bpf->rodata->target_pid = (__u32)pid;
	reader->bpf->rodata->in_namespace = in_namespace;
	bpf_program__set_autoload(reader->bpf->progs.find_namespace, in_namespace);
	error = registers_bpf__load(reader->bpf);
	if (error)
		return pv_load_error(error);
	if (in_namespace)
		err = pv_load_namespace(bpf_program__fd(reader->bpf->progs.find_namespace));
	if (err)
		return err;
	reader->link = bpf_program__attach_iter(reader->bpf->progs.on_task, &opts);
	return reader->link ? NULL : pv_err_errno(errno, "cannot attach the iterator of registers");
}

void pv_register_reader_destroy(struct pv_register_reader *reader)
{
	if (!reader)
		return;
	bpf_link__destroy(reader->link);
	registers_bpf__destroy(reader->bpf);
	free(reader);
}

struct pv_err *pv_register_reader_create(pid_t pid, struct pv_register_reader **ret)
{
	struct pv_register_reader *reader = calloc(1, sizeof(*reader));
	struct pv_err *err;

	if (!reader)
		return &pv_enomem;
	err = load(reader, pid);
	if (err) {
		pv_register_reader_destroy(reader);
		return err;
	}
	*ret = reader;
	return NULL;
}

struct pv_err *pv_register_reader_read(struct pv_register_reader *reader, struct pv_vec *ret)
{
	struct pv_registers some[32];
	struct pv_err *err = NULL;
	size_t have = 0;
	int fd = bpf_iter_create(bpf_link__fd(reader->link));

	if (fd < 0)
		return pv_err_errno(-fd, "cannot start the iterator of registers");
	ret->n = 0;
	while (!err) {
		ssize_t n = read(fd, (char *)some + have, sizeof(some) - have);
		size_t whole;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			err = pv_err_errno(errno, "the iterator of registers failed");
		if (n <= 0)
			break;
		/* a read may end within a record */
		have += (size_t)n;
		whole = have / sizeof(some[0]);
		err = pv_vec_append(ret, some, whole, NULL);
		for (size_t i = whole * sizeof(some[0]); i < have; i++)
			((char *)some)[i - whole * sizeof(some[0])] = ((char *)some)[i];
		have -= whole * sizeof(some[0]);
	}
	close(fd);
	return err;
}
