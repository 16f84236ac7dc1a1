/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pages of a process that hold something of its own: what it wrote since its
 * mappings were made.  Reading anything else would only make the kernel fill in pages
 * of zeros or of files: a 100 GB mapping of which nothing is used costs nothing.
 */
#ifndef PV_TARGET_POPULATED_H
#define PV_TARGET_POPULATED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct pv_maps;

struct pv_populated_range {
	uint64_t start, end; /* of whole pages; end exclusive */
	uint32_t map;        /* index into the maps' entries */
	bool readable;       /* else only by force: PROT_NONE */
};

struct pv_populated {
	struct pv_populated_range *ranges; /* sorted by start, none across two mappings */
	size_t n;
	uint64_t bytes; /* sum of them */
};

/*
 * Private pages that were written, in memory or swapped out, whatever their mapping
 * allows now (relocated data are read-only later, too); of shared mappings that can be
 * written the pages that are in memory.  Not: pages of files as they are in the file,
 * pages of devices, pages that were never touched.
 */
struct pv_err *pv_populated_read(pid_t pid, const struct pv_maps *maps, struct pv_populated *ret);
void pv_populated_deinit(struct pv_populated *populated);

struct pv_page_run {
	uint64_t start, end;
};

/*
 * Pages of [from, end) that are there, in memory or swapped out, the page of zeros too: up to max
 * runs of them and n_pages pages, so that what is known is no older than walking through these
 * takes; *to_ret: what lies before it is known.  pagemap: /proc/PID/pagemap, open.  A large stretch
 * of which nothing is there costs next to nothing from Linux 6.7 on.
 */
void pv_page_runs_read(int pagemap, uint64_t from, uint64_t end, size_t n_pages,
		       struct pv_page_run *runs, size_t max, size_t *n_ret, uint64_t *to_ret);

#endif
