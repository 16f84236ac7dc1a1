/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any number of probes of one file in one process, held by descriptors of ours: closed,
 * or with our end, however we end, they are gone.  What the kernel has for that differs.
 */
#ifndef PV_COLLECT_LINK_H
#define PV_COLLECT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct bpf_program;

enum pv_link_way {
	PV_LINK_MULTI,  /* one uprobe_multi link holds them all (collect/multi.c) */
	PV_LINK_SINGLE, /* a perf event each (collect/single.c) */
	PV_LINK_WAYS,
};

/*
 * The better way that there is.  PITVIPER_PROBES=single, which is for tests, asks for
 * the other one.  Needs the right to load BPF programs.
 */
enum pv_link_way pv_link_way(void);

/* So many probes at most can be held; each takes a while to go, where it goes alone. */
size_t pv_link_max(enum pv_link_way way);

/* Do probes stay in forked children until their link is dropped? */
bool pv_link_stays(enum pv_link_way way);

/* Before the program is loaded: what it will be attached as. */
void pv_link_prepare(enum pv_link_way way, struct bpf_program *program);

struct pv_link;

/* file_fd: the probed file, by whatever path.  offsets: bytes into it. */
struct pv_err *pv_link_create(enum pv_link_way way, int program_fd, int file_fd, pid_t pid,
			      const uint64_t *offsets, const uint64_t *cookies, size_t n,
			      struct pv_link **ret);
void pv_link_destroy(struct pv_link *link);

#endif
