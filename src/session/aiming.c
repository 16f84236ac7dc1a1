/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Places of some sizes.  Input: places, what each has taken.  Output: those to be probed.
 */
#include "session/aiming.h"

#include <string.h>

#include "abi/allocs.h"
#include "base/vec.h"
#include "collect/probes.h"
#include "session/allocplaces.h"
#include "session/probed.h"

enum {
	TAKES_SURE = 200, /* of one size alone, for a place that takes no other */
	NARROW_MORE = 2,  /* of what may be spent: narrow times against other aimed ones */
};

void pv_aiming_deinit(struct pv_aiming *aiming)
{
	pv_aim_times_deinit(&aiming->times);
}

/* Places that may take such blocks: all but those that the compiler has made for another size. */
static bool may_take(void *ctx, uint64_t address)
{
	const struct pv_aiming *aiming = ctx;
	struct pv_alloc_take take;

	return !pv_allocs_take_at(aiming->allocs, address, &take) || take.count < TAKES_SURE ||
	       take.classes & (take.classes - 1) || take.classes & aiming->aim.classes;
}

/* Those that have taken one. */
static bool has_taken(void *ctx, uint64_t address)
{
	struct pv_aiming *aiming = ctx;
	struct pv_alloc_take take;
	bool has = pv_allocs_take_at(aiming->allocs, address, &take) &&
		   take.classes & aiming->aim.classes;

	aiming->n_known += has;
	return has;
}

struct backs {
	const struct pv_allocs_aim *aim;
	struct pv_vec list; /* uint64_t: addresses */
};

static struct pv_err *add_back(void *ctx, uint64_t address, const struct pv_alloc_back *back)
{
	struct backs *backs = ctx;
	bool wanted = false;

	for (size_t i = 0; i < backs->aim->n; i++)
		wanted |= back->least <= backs->aim->sizes[i].most &&
			  back->most >= backs->aim->sizes[i].least;
	return wanted ? pv_vec_append(&backs->list, &address, 1, NULL) : NULL;
}

static struct pv_err *choose_known(struct pv_aiming *aiming)
{
	struct backs backs = { &aiming->aim, PV_VEC(uint64_t) };
	const struct pv_alloc_choice choice = { .c = aiming->aim.n > 0,
						.python = aiming->aim.classes != 0,
						.wants = has_taken,
						.ctx = aiming,
						.backs = aiming->places->glibc ? &backs.list
									       : NULL };
	struct pv_err *err = pv_allocs_backs(aiming->allocs, add_back, &backs);

	aiming->n_known = backs.list.n;
	if (!err)
		err = pv_alloc_places_choose(aiming->places, aiming->probed,
					     pv_allocs_probes(aiming->allocs), &choice);
	pv_vec_deinit(&backs.list);
	return err;
}

/*
 * Of what an aimed time costs most is for places that such blocks never come from.  So two thirds
 * of what may be spent are for times of the places that were seen to have some, which are many
 * times as long; the rest looks for others.
 */
struct pv_err *pv_aiming_choose(struct pv_aiming *aiming)
{
	const struct pv_alloc_choice choice = { .c = aiming->aim.n > 0,
						.python = aiming->aim.classes != 0,
						.wants = may_take,
						.ctx = aiming };
	struct pv_err *err = NULL;

	if (!aiming->aimed)
		return NULL;
	aiming->narrow = aiming->spent_ns[false] &&
			 aiming->spent_ns[true] < NARROW_MORE * aiming->spent_ns[false];
	aiming->n_known = 0;
	pv_probes_clear(pv_allocs_probes(aiming->allocs));
	if (aiming->narrow)
		err = choose_known(aiming);
	if (err || aiming->n_known)
		return err;
	aiming->narrow = false;
	pv_probes_clear(pv_allocs_probes(aiming->allocs));
	return pv_alloc_places_choose(aiming->places, aiming->probed,
				      pv_allocs_probes(aiming->allocs), &choice);
}

static bool is_same(const struct pv_allocs_aim *a, const struct pv_allocs_aim *b)
{
	return a->classes == b->classes && a->n == b->n &&
	       !memcmp(a->sizes, b->sizes, a->n * sizeof(*a->sizes));
}

struct pv_err *pv_aiming_set(struct pv_aiming *aiming, const struct pv_allocs_aim *aim)
{
	struct pv_probes *probes = pv_allocs_probes(aiming->allocs);

	if (aim ? aiming->aimed && is_same(aim, &aiming->aim) : !aiming->aimed)
		return NULL;
	aiming->aimed = aim != NULL;
	aiming->narrow = false;
	if (aim)
		aiming->aim = *aim;
	pv_allocs_aim(aiming->allocs, aim);
	pv_probes_clear(probes);
	/* what an aimed time watches is chosen when it begins */
	return aim ? NULL
		   : pv_alloc_places_add(aiming->places, aiming->probed, probes,
					 PV_ALLOC_WANT_BLOCKS);
}

void pv_aiming_spent(struct pv_aiming *aiming, uint64_t ns)
{
	aiming->spent_ns[aiming->narrow] += ns;
}
