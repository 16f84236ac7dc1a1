/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lives compared.  Input: changes of lives.  Output: struct pv_lifenet.
 */
#include "analyse/lifenet.h"

#include <stdlib.h>
#include <string.h>

#include "analyse/refcalls.h"
#include "analyse/refnet.h"
#include "base/cleanup.h"
#include "base/map.h"
#include "model/profile.h"
#include "model/refs.h"

/* Nets that ended lives had with one owner. */
struct seen_net {
	uint32_t owner;
	int64_t net;
	uint64_t lives;
};

struct compare {
	const struct pv_refs *refs;
	struct pv_lifenet *net;
	struct pv_map owner_index; /* function -> index + 1 */
	struct pv_vec nets;        /* int64_t, by owner: of the life at hand */
	struct pv_vec touched;     /* uint64_t, by owner: number of the last life with it */
	struct pv_vec at;          /* uint64_t, by place: the same */
	struct pv_vec seen;        /* struct seen_net */
};

/* ---- owners */

/*
 * The frame that a change is for.  site_ret: where that was, of native code.  Without a frame that
 * is not Python's own: the leaf.
 */
static const struct pv_ref_frame *owner_of(const struct pv_refs *refs,
					   const struct pv_change *change, uint32_t *site_ret)
{
	const struct pv_ref_frame *frames =
		change->n ? pv_vec_at(&refs->frames, change->first) : NULL;

	*site_ret = PV_REFS_NONE;
	for (size_t i = change->n; i; i--) {
		const struct pv_ref_frame *frame = &frames[i - 1];

		if (frame->kind == PV_LOC_PYTHON)
			return frame;
		if (frame->kind != PV_LOC_NATIVE || frame->interpreter)
			continue;
		*site_ret =
			i == change->n || frame->site == PV_REFS_NONE ? change->site : frame->site;
		return frame;
	}
	if (!frames)
		return NULL;
	*site_ret = change->site;
	return &frames[change->n - 1];
}

static struct pv_err *find_owner(struct compare *c, const struct pv_ref_frame *frame, uint32_t *ret)
{
	struct pv_lifenet_owner added = {
		.function = frame->function,
		.python = frame->kind == PV_LOC_PYTHON,
		.interpreter = frame->interpreter,
	};
	uint64_t at;
	struct pv_err *err;

	if (pv_map_get(&c->owner_index, frame->function, &at)) {
		*ret = (uint32_t)at;
		return NULL;
	}
	*ret = (uint32_t)c->net->owners.n;
	err = pv_map_set(&c->owner_index, frame->function, *ret);
	if (!err)
		err = pv_vec_append(&c->net->owners, &added, 1, NULL);
	if (!err)
		err = pv_vec_append(&c->nets, NULL, 1, NULL);
	return err ? err : pv_vec_append(&c->touched, NULL, 1, NULL);
}

static struct pv_err *find_place(struct compare *c, uint32_t owner, uint32_t site, uint32_t loc,
				 int64_t sign, size_t *ret)
{
	struct pv_lifenet_place added = { .owner = owner, .site = site, .loc = loc, .sign = sign };
	struct pv_err *err;

	for (size_t i = 0; i < c->net->places.n; i++) {
		const struct pv_lifenet_place *one = pv_vec_at(&c->net->places, i);

		*ret = i;
		if (one->owner == owner && one->sign == sign &&
		    (site == PV_REFS_NONE ? one->loc == loc && one->site == site
					  : pv_refcalls_same_place(c->refs, one->site, site)))
			return NULL;
	}
	*ret = c->net->places.n;
	err = pv_vec_append(&c->net->places, &added, 1, NULL);
	return err ? err : pv_vec_append(&c->at, NULL, 1, NULL);
}

/* ---- lives */

/* life: from 1, of those that ended; 0: the one that is shown. */
static struct pv_err *add_change(struct compare *c, const struct pv_change *change, uint64_t life)
{
	int64_t delta = pv_change_delta(change), sign = delta < 0 ? -1 : 1;
	uint32_t site, owner;
	const struct pv_ref_frame *frame = owner_of(c->refs, change, &site);
	struct pv_lifenet_place *place;
	size_t at;
	uint64_t *last;
	struct pv_err *err;

	if (!frame || !delta)
		return NULL;
	err = find_owner(c, frame, &owner);
	if (!err)
		err = find_place(c, owner, site,
				 frame->kind == PV_LOC_PYTHON ? frame->loc : frame->function, sign,
				 &at);
	if (err)
		return err;
	place = pv_vec_at(&c->net->places, at);
	*(int64_t *)pv_vec_at(&c->nets, owner) += delta;
	if (!life) {
		place->n += (uint64_t)(delta * sign);
		((struct pv_lifenet_owner *)pv_vec_at(&c->net->owners, owner))->shown = true;
		return NULL;
	}
	place->n_ended += (uint64_t)(delta * sign);
	last = pv_vec_at(&c->at, at);
	place->lives += *last != life;
	*last = life;
	last = pv_vec_at(&c->touched, owner);
	((struct pv_lifenet_owner *)pv_vec_at(&c->net->owners, owner))->lives += *last != life;
	*last = life;
	return NULL;
}

static struct pv_err *see_net(struct compare *c, uint32_t owner, int64_t net, uint64_t lives)
{
	const struct seen_net added = { .owner = owner, .net = net, .lives = lives };

	for (size_t i = 0; i < c->seen.n; i++) {
		struct seen_net *one = pv_vec_at(&c->seen, i);

		if (one->owner == owner && one->net == net) {
			one->lives += lives;
			return NULL;
		}
	}
	return pv_vec_append(&c->seen, &added, 1, NULL);
}

/* Where that change was made: place; and for whom. */
static uint32_t birth_of(const struct pv_refs *refs, const struct pv_change *change,
			 uint32_t *site_ret)
{
	const struct pv_ref_frame *owner = owner_of(refs, change, site_ret);

	if (!owner)
		return PV_LIFENET_NONE;
	return owner->kind == PV_LOC_PYTHON ? owner->loc : owner->function;
}

/* Of what Python code makes: the innermost native function, not Python's own, on its stack. */
static uint32_t caller_of(const struct pv_refs *refs, const struct pv_change *change)
{
	const struct pv_ref_frame *frames =
		change->n ? pv_vec_at(&refs->frames, change->first) : NULL;
	uint32_t site;
	const struct pv_ref_frame *owner = owner_of(refs, change, &site);

	if (!owner || owner->kind != PV_LOC_PYTHON)
		return PV_LIFENET_NONE;
	for (size_t i = change->n; i; i--) {
		const struct pv_ref_frame *frame = &frames[i - 1];

		if (frame->kind == PV_LOC_NATIVE && !frame->interpreter)
			return frame->function;
	}
	return PV_LIFENET_NONE;
}

/*
 * At one line several objects may be made, as the tuple of a call's arguments and what it returns,
 * and a function may be called by Python and by native code: only with those of its kind a life is
 * compared.
 */
static bool is_alike(const struct pv_refs *refs, const struct pv_life *life)
{
	uint32_t site, other, owner;

	if (refs->lives.fate == PV_LIFE_ENDED || !refs->changes.n || !life->n)
		return true;
	owner = birth_of(refs, pv_vec_at(&refs->changes, 0), &site);
	return caller_of(refs, pv_vec_at(&refs->changes, 0)) ==
		       caller_of(refs, pv_vec_at(&refs->others, life->first)) &&
	       owner == birth_of(refs, pv_vec_at(&refs->others, life->first), &other) &&
	       pv_refcalls_same_place(refs, site, other);
}

static struct pv_err *add_ended(struct compare *c)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < c->refs->ended.n; i++) {
		const struct pv_life *life = pv_vec_at(&c->refs->ended, i);

		if (!is_alike(c->refs, life))
			continue;
		c->net->n_ended++;
		if (c->nets.n)
			memset(c->nets.data, 0, c->nets.n * sizeof(int64_t));
		for (size_t k = 0; !err && k < life->n; k++)
			err = add_change(c, pv_vec_at(&c->refs->others, life->first + k), i + 1);
		for (uint32_t k = 0; !err && k < c->nets.n; k++) {
			if (*(uint64_t *)pv_vec_at(&c->touched, k) == i + 1)
				err = see_net(c, k, *(int64_t *)pv_vec_at(&c->nets, k), 1);
		}
	}
	return err;
}

/* In lives that it did not touch its net is 0. */
static struct pv_err *count_nets(struct compare *c)
{
	struct pv_err *err = NULL;

	for (uint32_t i = 0; !err && i < c->net->owners.n; i++) {
		const struct pv_lifenet_owner *owner = pv_vec_at(&c->net->owners, i);

		if (owner->lives < c->net->n_ended)
			err = see_net(c, i, 0, c->net->n_ended - owner->lives);
	}
	for (size_t i = 0; !err && i < c->seen.n; i++) {
		const struct seen_net *one = pv_vec_at(&c->seen, i);
		struct pv_lifenet_owner *owner = pv_vec_at(&c->net->owners, one->owner);

		owner->less += one->net < owner->net ? one->lives : 0;
		owner->same += one->net == owner->net ? one->lives : 0;
		owner->more += one->net > owner->net ? one->lives : 0;
		if (one->lives > owner->n_common) {
			owner->common = one->net;
			owner->n_common = one->lives;
		}
	}
	return err;
}

/* ---- the verdict */

static bool is_candidate(const struct pv_lifenet_owner *owner)
{
	return owner->shown && !owner->python && !owner->interpreter && owner->net > 0;
}

/* In most of the others it left less. */
static bool differs(const struct pv_lifenet *net, const struct pv_lifenet_owner *owner)
{
	return net->n_ended && 2 * owner->less > net->n_ended;
}

/* By how much more (or less) the life has of that than an ended one, on the mean. */
static double surplus(const struct pv_lifenet *net, const struct pv_lifenet_place *place)
{
	return (double)place->n -
	       (net->n_ended ? (double)place->n_ended / (double)net->n_ended : 0);
}

/*
 * Of an owner, or of all but one: the place of that sign with the most, or the least, beyond what
 * is usual, and by more than half; NONE.
 */
static uint32_t find_odd(const struct pv_lifenet *net, uint32_t owner, bool but, int64_t sign,
			 bool lacks)
{
	uint32_t found = PV_LIFENET_NONE;
	double most = 0.5;

	for (uint32_t i = 0; i < net->places.n; i++) {
		const struct pv_lifenet_place *place = pv_vec_at(&net->places, i);
		double n = lacks ? -surplus(net, place) : surplus(net, place);

		if ((place->owner == owner) == but || place->sign != sign || n <= most)
			continue;
		found = i;
		most = n;
	}
	return found;
}

/* Where it took most of what it has not given back. */
static uint32_t find_taken(const struct pv_lifenet *net, uint32_t owner)
{
	uint32_t found = PV_LIFENET_NONE;
	uint64_t most = 0;

	for (uint32_t i = 0; i < net->places.n; i++) {
		const struct pv_lifenet_place *place = pv_vec_at(&net->places, i);

		if (place->owner == owner && place->sign > 0 && place->n > most) {
			found = i;
			most = place->n;
		}
	}
	return found;
}

/* Python code made it for a native function: that lets it go in the others, and not this one. */
static void accuse_caller(const struct pv_refs *refs, struct pv_lifenet *net)
{
	uint32_t caller =
		refs->changes.n ? caller_of(refs, pv_vec_at(&refs->changes, 0)) : PV_LIFENET_NONE;
	uint32_t given = find_odd(net, PV_LIFENET_NONE, true, -1, true);
	const struct pv_lifenet_place *place;
	const struct pv_lifenet_owner *owner;

	if (caller == PV_LIFENET_NONE || given == PV_LIFENET_NONE)
		return;
	place = pv_vec_at(&net->places, given);
	owner = pv_vec_at(&net->owners, place->owner);
	if (owner->python || owner->function != caller)
		return;
	net->accused = place->owner;
	net->given = given;
	net->why = PV_LIFENET_NOT_LET_GO;
}

/*
 * Did it nothing here that it does not do in others, but more often, and never gives anything back?
 * So does what returns a new reference at each call.
 */
static bool hands_out(const struct pv_lifenet *net, uint32_t owner)
{
	for (uint32_t i = 0; i < net->places.n; i++) {
		const struct pv_lifenet_place *place = pv_vec_at(&net->places, i);

		if (place->owner == owner && (place->sign < 0 || !place->lives))
			return false;
	}
	return true;
}

/* Is `one` likelier to have forgotten the reference than `other`? */
static bool is_worse(const struct pv_lifenet *net, uint32_t one, uint32_t other)
{
	const struct pv_lifenet_owner *owners = net->owners.data, *a = &owners[one],
				      *b = &owners[other];
	bool a_hands = hands_out(net, one), b_hands = hands_out(net, other);

	if (a_hands != b_hands && differs(net, a_hands ? b : a))
		return b_hands;
	return a->less > b->less || (a->less == b->less && a->net > b->net);
}

static void accuse(const struct pv_refs *refs, struct pv_lifenet *net)
{
	uint32_t best = PV_LIFENET_NONE;
	const struct pv_lifenet_owner *owners = net->owners.data;

	for (uint32_t i = 0; i < net->owners.n; i++) {
		if (is_candidate(&owners[i]) && (best == PV_LIFENET_NONE || is_worse(net, i, best)))
			best = i;
	}
	if (best == PV_LIFENET_NONE) {
		accuse_caller(refs, net);
		return;
	}
	net->accused = best;
	net->taken = find_taken(net, best);
	if (!net->n_ended) {
		net->why = PV_LIFENET_ALONE;
		return;
	}
	if (!differs(net, &owners[best])) {
		net->why = PV_LIFENET_NOT_HANDED;
		net->given = find_odd(net, best, true, -1, true);
		return;
	}
	net->given = find_odd(net, best, false, -1, true);
	net->why = PV_LIFENET_NOT_GIVEN;
	if (net->given == PV_LIFENET_NONE) {
		uint32_t odd = find_odd(net, best, false, 1, false);

		net->why = PV_LIFENET_TAKEN;
		net->taken = odd == PV_LIFENET_NONE ? net->taken : odd;
	}
}

static void compare_deinit(struct compare *c)
{
	pv_map_deinit(&c->owner_index);
	pv_vec_deinit(&c->nets);
	pv_vec_deinit(&c->touched);
	pv_vec_deinit(&c->at);
	pv_vec_deinit(&c->seen);
}

bool pv_lifenet_is_less(const struct pv_lifenet *lives, const struct pv_refnet *net)
{
	return lives->why == PV_LIFENET_ALONE && net->suspect != PV_REFNET_NONE &&
	       ((const struct pv_lifenet_owner *)pv_vec_at(&lives->owners, lives->accused))->net >
		       1;
}

struct pv_err *pv_lifenet_create(const struct pv_refs *refs, struct pv_lifenet **ret)
{
	PV_CLEANUP(compare_deinit)
	struct compare c = { .refs = refs,
			     .net = calloc(1, sizeof(*c.net)),
			     .nets = PV_VEC(int64_t),
			     .touched = PV_VEC(uint64_t),
			     .at = PV_VEC(uint64_t),
			     .seen = PV_VEC(struct seen_net) };
	struct pv_err *err = NULL;

	if (!c.net)
		return &pv_enomem;
	*c.net = (struct pv_lifenet){ .owners = PV_VEC(struct pv_lifenet_owner),
				      .places = PV_VEC(struct pv_lifenet_place),
				      .accused = PV_LIFENET_NONE,
				      .taken = PV_LIFENET_NONE,
				      .given = PV_LIFENET_NONE };
	/* of one that has ended there is nothing to find */
	for (size_t i = 0; !err && refs->lives.fate != PV_LIFE_ENDED && i < refs->changes.n; i++)
		err = add_change(&c, pv_vec_at(&refs->changes, i), 0);
	for (size_t i = 0; i < c.net->owners.n; i++)
		((struct pv_lifenet_owner *)pv_vec_at(&c.net->owners, i))->net =
			*(int64_t *)pv_vec_at(&c.nets, i);
	if (!err)
		err = add_ended(&c);
	if (!err)
		err = count_nets(&c);
	if (err) {
		pv_lifenet_destroy(c.net);
		return err;
	}
	if (refs->lives.fate == PV_LIFE_LOST)
		accuse(refs, c.net);
	*ret = c.net;
	return NULL;
}

void pv_lifenet_destroy(struct pv_lifenet *net)
{
	if (!net)
		return;
	pv_vec_deinit(&net->owners);
	pv_vec_deinit(&net->places);
	free(net);
}
