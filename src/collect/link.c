/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ways to hold probes.  Input: places of one file.  Output: a link.
 */
#include "collect/link.h"

#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collect/multi.h"
#include "collect/single.h"

struct pv_link {
	size_t n;
	int fds[];
};

static const struct {
	bool one;   /* descriptor for all of them */
	bool stays; /* in forked children */
	size_t max;
	enum bpf_attach_type attach_type;
	struct pv_err *(*attach)(int program_fd, int file_fd, pid_t pid, const uint64_t *offsets,
				 const uint64_t *cookies, size_t n, int *fds_ret);
} ways[PV_LINK_WAYS] = {
	[PV_LINK_MULTI] = { true, true, SIZE_MAX, (enum bpf_attach_type)PV_MULTI_ATTACH_TYPE,
			    pv_multi_link },
	[PV_LINK_SINGLE] = { false, false, PV_SINGLE_MAX, (enum bpf_attach_type)0, pv_single_link },
};

enum pv_link_way pv_link_way(void)
{
	const char *asked = getenv("PITVIPER_PROBES");

	if (asked && !strcmp(asked, "single"))
		return PV_LINK_SINGLE;
	return pv_multi_exists() ? PV_LINK_MULTI : PV_LINK_SINGLE;
}

size_t pv_link_max(enum pv_link_way way)
{
	return ways[way].max;
}

bool pv_link_stays(enum pv_link_way way)
{
	return ways[way].stays;
}

void pv_link_prepare(enum pv_link_way way, struct bpf_program *program)
{
	bpf_program__set_expected_attach_type(program, ways[way].attach_type);
}

struct pv_err *pv_link_create(enum pv_link_way way, int program_fd, int file_fd, pid_t pid,
			      const uint64_t *offsets, const uint64_t *cookies, size_t n,
			      struct pv_link **ret)
{
	size_t n_fds = ways[way].one ? 1 : n;
	struct pv_link *link = malloc(sizeof(*link) + n_fds * sizeof(link->fds[0]));
	struct pv_err *err;

	if (!link)
		return &pv_enomem;
	link->n = n_fds;
	err = ways[way].attach(program_fd, file_fd, pid, offsets, cookies, n, link->fds);
	if (err) {
		free(link);
		return err;
	}
	*ret = link;
	return NULL;
}

void pv_link_destroy(struct pv_link *link)
{
	if (!link)
		return;
	for (size_t i = 0; i < link->n; i++)
		close(link->fds[i]);
	free(link);
}
