/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Censuses as looks.  Input: heap/census.h.  Output: a pv_memory.
 */
#include "session/looks.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "heap/census.h"
#include "heap/collecting.h"
#include "heap/fill.h"
#include "heap/garbage.h"
#include "heap/object.h"
#include "model/memory.h"
#include "model/profile.h"
#include "session/aim.h"
#include "session/probed.h"
#include "target/maps.h"

enum {
	FEW_OBJECTS = 150000, /* to tell garbage among so many takes some tenth of a second */
	MORE_PART = 256,      /* such a part more is more than what comes and goes */
};

struct pv_looks {
	struct pv_probed *probed;
	struct pv_memory *memory;
	struct pv_heap *heap;
	uint64_t start_ns;          /* the hunt's */
	uint64_t first_ns, last_ns; /* of the first look, the end of the last */
	size_t n, n_partial;
	uint32_t last;                /* the last one's index */
	uint64_t tracked, first;      /* in the collector's lists, at the last one and the first */
	struct pv_vec types;          /* struct pv_census_type, of the last one */
	struct pv_vec pools;          /* struct pv_census_range, of the last one */
	struct pv_vec caches, states; /* uint64_t, of the last one */
	struct pv_aim_sizes sizes;
};

struct pv_err *pv_looks_create(struct pv_probed *probed, struct pv_memory *memory,
			       uint64_t start_ns, struct pv_looks **ret)
{
	struct pv_looks *looks = calloc(1, sizeof(*looks));
	struct pv_err *err;

	if (!looks)
		return &pv_enomem;
	looks->probed = probed;
	looks->memory = memory;
	looks->start_ns = start_ns;
	err = pv_heap_create(probed->mem, &probed->image.python, &looks->heap);
	if (err) {
		pv_looks_destroy(looks);
		return err;
	}
	*ret = looks;
	return NULL;
}

void pv_looks_destroy(struct pv_looks *looks)
{
	if (!looks)
		return;
	pv_heap_destroy(looks->heap);
	pv_vec_deinit(&looks->types);
	pv_vec_deinit(&looks->pools);
	pv_vec_deinit(&looks->caches);
	pv_vec_deinit(&looks->states);
	pv_aim_deinit(&looks->sizes);
	free(looks);
}

struct pv_heap *pv_looks_heap(struct pv_looks *looks)
{
	return looks->heap;
}

const struct pv_aim_sizes *pv_looks_sizes(const struct pv_looks *looks)
{
	return &looks->sizes;
}

static void cleanup_census(struct pv_census *census)
{
	pv_census_deinit(census);
}

struct pv_err *pv_looks_take(struct pv_looks *looks, struct pv_map *asked, uint64_t *took_ns_ret)
{
	PV_CLEANUP(cleanup_census) struct pv_census census = { 0 };
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	const struct pv_census_options options = { .maps = &maps,
						   .pid = looks->probed->pid,
						   .asked = asked };
	struct pv_memory_look *look;
	struct pv_err *err = pv_maps_read(looks->probed->pid, &maps);
	uint64_t begun_ns = pv_now_ns();
	uint32_t index;

	if (!err)
		err = pv_census_take(looks->heap, &options, &census);
	if (!err)
		err = pv_census_fill(&census, begun_ns - looks->start_ns, looks->memory, &index);
	if (!err)
		err = pv_aim_note(&looks->sizes, &census);
	if (err)
		return err;
	look = pv_vec_at(&looks->memory->looks, index);
	pv_heap_collector_read(looks->heap, looks->probed->pid, &look->collector);
	looks->memory->gc_disabled = look->collector.disabled;
	looks->last = index;
	looks->tracked = 0;
	for (int i = 0; i < PV_GC_LISTS; i++)
		looks->tracked += census.lists.n[i];
	if (!looks->n++) {
		looks->first_ns = begun_ns;
		looks->first = looks->tracked;
	}
	looks->n_partial += look->partial;
	pv_vec_deinit(&looks->types);
	looks->types = census.types;
	census.types = (struct pv_vec)PV_VEC(struct pv_census_type);
	pv_vec_deinit(&looks->pools);
	looks->pools = census.pools;
	census.pools = (struct pv_vec)PV_VEC(struct pv_census_range);
	pv_vec_deinit(&looks->caches);
	pv_vec_deinit(&looks->states);
	looks->caches = census.caches;
	looks->states = census.states;
	census.caches = census.states = (struct pv_vec)PV_VEC(uint64_t);
	looks->last_ns = pv_now_ns();
	*took_ns_ret = looks->last_ns - begun_ns;
	return NULL;
}

bool pv_looks_may_wait(const struct pv_looks *looks)
{
	return looks->tracked <= FEW_OBJECTS ||
	       looks->tracked > looks->first + looks->first / MORE_PART;
}

static struct pv_err *find_garbage(struct pv_looks *looks)
{
	PV_CLEANUP(pv_garbage_deinit) struct pv_garbage garbage = { 0 };
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	struct pv_err *err = pv_maps_read(looks->probed->pid, &maps);

	if (!err)
		err = pv_garbage_find(looks->heap, looks->probed->pid, &maps, &garbage);
	return err ? err
		   : pv_garbage_fill(&garbage, looks->heap, &looks->types, looks->memory,
				     looks->last);
}

struct pv_err *pv_looks_garbage(struct pv_looks *looks)
{
	struct pv_err *err = find_garbage(looks);

	if (!err || err == &pv_enomem)
		return err;
	pv_err_destroy(err);
	return NULL;
}

const struct pv_vec *pv_looks_pools(const struct pv_looks *looks)
{
	return &looks->pools;
}

void pv_looks_caches(const struct pv_looks *looks, const struct pv_vec **caches_ret,
		     const struct pv_vec **states_ret)
{
	*caches_ret = &looks->caches;
	*states_ret = &looks->states;
}

struct pv_err *pv_looks_tell(struct pv_looks *looks)
{
	struct pv_memory_rung *rung = &looks->memory->rungs[PV_RUNG_CENSUS];
	uint32_t last = pv_memory_last_look(looks->memory, PV_LOOK_CENSUS), why = rung->why;
	/* the hunt has said why one could not be made */
	bool failed = rung->state == PV_RUNG_FAILED || rung->state == PV_RUNG_REFUSED;
	struct pv_err *err;

	if (!looks->n && failed)
		return NULL;
	if (!looks->n)
		return pv_memory_rung_is(looks->memory, PV_RUNG_CENSUS, PV_RUNG_FAILED,
					 "the time was too short for a look");
	err = pv_memory_rung_is(looks->memory, PV_RUNG_CENSUS,
				looks->n_partial || failed ? PV_RUNG_PARTLY : PV_RUNG_CLIMBED,
				NULL);
	rung->start_ns = looks->first_ns - looks->start_ns;
	rung->took_ns = looks->last_ns - looks->first_ns;
	rung->why = failed ? why : rung->why;
	/* the sentence is the look's own */
	if (!failed && looks->n_partial && last != PV_MEMORY_NONE)
		rung->why = ((const struct pv_memory_look *)pv_vec_at(&looks->memory->looks, last))
				    ->why;
	return err;
}
