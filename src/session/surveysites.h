/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a survey has seen, by site.  Input: stacks by key, totals, blocks that are still there.
 * Output: sites of a pv_memory and their counts at looks.
 */
#ifndef PV_SESSION_SURVEYSITES_H
#define PV_SESSION_SURVEYSITES_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/allocs.h"
#include "base/err.h"
#include "model/memory.h"

struct pv_heap;
struct pv_survey_sites;

/* None of the arguments is owned. */
struct pv_err *pv_survey_sites_create(struct pv_memory *memory, enum pv_site_source source,
				      struct pv_heap *heap, struct pv_survey_sites **ret);
void pv_survey_sites_destroy(struct pv_survey_sites *sites);

/* A key is of that stack. */
struct pv_err *pv_survey_sites_stack(struct pv_survey_sites *sites, uint64_t key, uint32_t node,
				     enum pv_alloc_domain domain);

/* The site of a key, an index of memory->sites; false: its stack did not come. */
bool pv_survey_sites_of(const struct pv_survey_sites *sites, uint64_t key, uint32_t *ret);

/* All that was ever seen of a key; what is new is of that group. */
struct pv_err *pv_survey_sites_seen(struct pv_survey_sites *sites, uint64_t key, uint32_t group,
				    const struct pv_alloc_totals *totals);

/* The next group, from 0, has begun then. */
struct pv_err *pv_survey_sites_group(struct pv_survey_sites *sites, uint64_t begun_ns);

/*
 * Blocks (struct pv_block) that were found; groups count that have begun before a time.  What was
 * seen of a group counts from then on, too: a share of nothing that is too young is told.  Each
 * block stands for so many (times).
 */
struct pv_err *pv_survey_sites_look(struct pv_survey_sites *sites,
				    const struct pv_memory_look *look, const struct pv_vec *blocks,
				    uint64_t before_ns, uint64_t times);

/*
 * Of all sites: the weight, given whose its blocks are and how large, bytes on the mean; 0: none
 * was seen.
 */
void pv_survey_sites_weigh(struct pv_survey_sites *sites,
			   double (*weight)(void *ctx, enum pv_memory_domain domain,
					    uint64_t bytes),
			   void *ctx);

#endif
