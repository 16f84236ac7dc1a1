/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lives.  Input: changes, the slots of the kernel's side, the process's heap.  Output: see
 * lifetimes.h.
 */
#include "session/lifetimes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/refs.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/vec.h"
#include "collect/watch.h"
#include "heap/alive.h"
#include "heap/holders.h"
#include "heap/object.h"
#include "model/profile.h"
#include "model/refs.h"
#include "model/strings.h"
#include "session/birthplaces.h"
#include "session/holding.h"
#include "session/nextalloc.h"
#include "session/probed.h"

enum {
	ENDED_MAX = 1000, /* lives that are kept to compare with */
	TRIES_MAX = 3,    /* looks for holders of one that rests */
	COMPARE_MIN = 3,  /* lives that ended; else one that is lost is looked at once more */
	WAY_ENDED = 100,  /* lives by one way: what does not end is born in another */
	CALMER = 4,       /* so many times longer than others rest: it will not be touched again */
};

static const uint64_t REST_MIN_NS = 1000000000ULL; /* before it is asked who holds it */
static const uint64_t STAY_NS = 1000000000ULL;     /* at an address without a wanted birth */
static const uint64_t TAKEN_NS = 300000000ULL;     /* another's that rests: it stays */
static const uint64_t BURST_NS = 50000000ULL;      /* of the target's time */
static const uint64_t SEARCH_NS = 20000000000ULL;  /* for holders */

/* One that has not ended. */
struct life {
	uint64_t number, object, way;
	uint64_t start_ns, touched_ns; /* as changes have it */
	int64_t count;
	struct pv_vec changes, frames; /* struct pv_change, whose `first` is in frames */
	bool broken;
	uint64_t again_ns; /* when to look for its holders again */
	unsigned int tries;
	enum pv_life_fate fate;
	uint64_t lost;
	unsigned int absent; /* steps at which its slot told of something else */
};

struct slot {
	uint64_t aimed_ns, wanted_ns; /* the last birth of the wanted */
	size_t size;                  /* index into aims */
};

struct pv_lifetimes {
	struct pv_lifetimes_options options;
	struct pv_heap *heap;
	struct pv_birthplaces *aims[PV_LIFETIMES_SIZES]; /* one for each size of block */
	size_t n_aims, turn;
	uint64_t n_right[PV_LIFETIMES_SIZES]; /* of each: births of the wanted */
	struct pv_holding *holding;           /* from the first search on */
	struct pv_vec lives;                  /* struct life */
	struct life best;                     /* that rests and is not known to be lost, 0: none */
	struct slot slots[PV_LIVES_SLOTS];
	struct pv_map ways;    /* way of a birth -> how many lives of it have ended */
	struct pv_map matches; /* node -> 1: of the place, 2: not */
	uint64_t start_ns;     /* of the changes' times */
	uint64_t window_ns, window_cost_ns, resume_ns; /* of the budget; resume 0: it is watched */
	uint64_t n_wanted;
};

static struct pv_lives *totals(struct pv_lifetimes *l)
{
	return &l->options.refs->lives;
}

static void life_deinit(struct life *life)
{
	pv_vec_deinit(&life->changes);
	pv_vec_deinit(&life->frames);
	*life = (struct life){ 0 };
}

struct pv_err *pv_lifetimes_create(const struct pv_lifetimes_options *options,
				   struct pv_lifetimes **ret, const char **why_ret)
{
	struct pv_lifetimes *l = calloc(1, sizeof(*l));
	const struct pv_heap_type *type;
	struct pv_err *err;

	*why_ret = NULL;
	if (!l)
		return &pv_enomem;
	l->options = *options;
	l->lives = (struct pv_vec)PV_VEC(struct life);
	err = pv_heap_create(options->probed->mem, &options->probed->image.python, &l->heap);
	type = err ? NULL : pv_heap_type(l->heap, options->type);
	if (!err && !type)
		*why_ret = "its type is gone again already";
	for (size_t i = 0; type && !err && i < options->n_like && i < PV_LIFETIMES_SIZES; i++) {
		err = pv_birthplaces_create(options->probed, options->like[i], type,
					    &l->aims[l->n_aims], why_ret);
		l->n_aims += !err && !*why_ret;
	}
	if (l->n_aims)
		*why_ret = NULL;
	l->options.like = NULL;
	if (err || *why_ret) {
		pv_lifetimes_destroy(l);
		return err;
	}
	*ret = l;
	return NULL;
}

void pv_lifetimes_destroy(struct pv_lifetimes *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->lives.n; i++)
		life_deinit(pv_vec_at(&l->lives, i));
	pv_vec_deinit(&l->lives);
	life_deinit(&l->best);
	pv_map_deinit(&l->matches);
	pv_map_deinit(&l->ways);
	pv_holding_close(l->holding);
	for (size_t i = 0; i < PV_LIFETIMES_SIZES; i++)
		pv_birthplaces_destroy(l->aims[i]);
	pv_heap_destroy(l->heap);
	free(l);
}

uint32_t pv_lifetimes_block_bytes(const struct pv_lifetimes *l)
{
	return pv_birthplaces_block_bytes(l->aims[0]);
}

/* ---- addresses */

static struct pv_life_slot *slot_at(const struct pv_lifetimes *l, size_t i)
{
	return pv_watchpoint_slot(l->options.watch, i);
}

/*
 * The first write is a birth only if nothing of the type is there.  That is looked at after it is
 * watched: if somebody writes meanwhile, the state is not ours to set any more.
 */
static void tell_state(const struct pv_lifetimes *l, size_t i)
{
	struct pv_life_slot *slot = slot_at(l, i);
	__u64 unknown = PV_LIFE_UNKNOWN;
	struct pv_heap_object found;
	bool alive = pv_heap_object(l->heap, slot->object, &found) &&
		     found.type->address == l->options.type && found.refcount;

	__atomic_compare_exchange_n(&slot->state, &unknown, alive ? PV_LIFE_OTHER : PV_LIFE_NONE,
				    false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* In turn that of which the most were born at the place, and one after the other. */
static size_t choose_size(struct pv_lifetimes *l)
{
	size_t best = l->turn++ / 2 % l->n_aims;

	for (size_t i = 0; l->turn % 2 && i < l->n_aims; i++) {
		if (l->n_right[i] > l->n_right[best])
			best = i;
	}
	return best;
}

static struct pv_err *look(struct pv_lifetimes *l, uint64_t now_ns)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < l->n_aims; i++)
		err = pv_birthplaces_look(l->aims[i], now_ns);
	return err;
}

static struct pv_err *aim(struct pv_lifetimes *l, size_t i, uint64_t now_ns)
{
	uint64_t others[PV_LIVES_SLOTS], object;
	size_t size = choose_size(l);
	struct pv_err *err;

	for (size_t k = 0; k < l->options.n_slots; k++)
		others[k] = slot_at(l, k)->object;
	object = pv_birthplaces_choose(l->aims[size], others, l->options.n_slots, now_ns);
	l->slots[i] = (struct slot){ .aimed_ns = now_ns, .wanted_ns = now_ns, .size = size };
	totals(l)->n_aims += object != 0;
	err = pv_watchpoint_aim(l->options.watch, i, object);
	if (!err && object)
		tell_state(l, i);
	return err;
}

static struct life *life_at(struct pv_lifetimes *l, uint64_t object)
{
	for (size_t i = 0; i < l->lives.n; i++) {
		struct life *life = pv_vec_at(&l->lives, i);

		if (life->object == object)
			return life;
	}
	return NULL;
}

struct pv_err *pv_lifetimes_begin(struct pv_lifetimes *l, uint64_t start_ns)
{
	struct pv_lives_state *state = pv_watchpoint_lives(l->options.watch);
	struct pv_lives *lives = totals(l);
	const char *pattern = l->options.pattern;
	struct pv_err *err;

	l->start_ns = start_ns;
	l->window_ns = pv_now_ns();
	state->limit_ns = BURST_NS;
	state->on = 1;
	lives->on = true;
	lives->n_slots = l->options.n_slots;
	err = pv_strings_add(l->options.refs->profile->strings, pattern, strlen(pattern),
			     &lives->place);
	if (!err)
		err = look(l, l->window_ns);
	for (size_t i = 0; !err && i < l->options.n_slots; i++)
		err = aim(l, i, l->window_ns);
	return err;
}

/* ---- lives */

static void drop(struct pv_lifetimes *l, struct life *life)
{
	struct life *last = pv_vec_at(&l->lives, l->lives.n - 1);

	life_deinit(life);
	*life = *last;
	l->lives.n--;
}

/* To the changes of refs, `to`, with its frames. */
static struct pv_err *hand_over(struct pv_lifetimes *l, const struct life *life, struct pv_vec *to)
{
	struct pv_refs *refs = l->options.refs;
	size_t frames = refs->frames.n, first = to->n;
	struct pv_err *err = life->frames.n ? pv_vec_append(&refs->frames, life->frames.data,
							    life->frames.n, NULL)
					    : NULL;

	if (!err)
		err = pv_vec_append(to, life->changes.data, life->changes.n, NULL);
	for (size_t i = first; !err && i < to->n; i++) {
		struct pv_change *change = pv_vec_at(to, i);

		change->first += frames;
		if (change->python != PV_REFS_NONE)
			change->python += (uint32_t)frames;
	}
	return err;
}

static uint64_t longest_rest(const struct life *life)
{
	uint64_t longest = 0, last = life->start_ns;

	for (size_t i = 0; i < life->changes.n; i++) {
		const struct pv_change *change = pv_vec_at(&life->changes, i);

		if (change->time_ns - last > longest)
			longest = change->time_ns - last;
		last = change->time_ns;
	}
	return longest;
}

static uint64_t ended_by(const struct pv_lifetimes *l, uint64_t way)
{
	uint64_t n = 0;

	pv_map_get(&l->ways, way, &n);
	return n;
}

static struct pv_err *end_life(struct pv_lifetimes *l, struct life *life)
{
	struct pv_refs *refs = l->options.refs;
	struct pv_lives *lives = totals(l);
	struct pv_life ended = { .object = life->object,
				 .start_ns = life->start_ns,
				 .end_ns = life->touched_ns,
				 .first = refs->others.n,
				 .n = life->changes.n };
	uint64_t rest_ns = longest_rest(life), way = life->way;
	struct pv_err *err = NULL;

	lives->n_ended++;
	if (rest_ns > lives->rest_ns)
		lives->rest_ns = rest_ns;
	if (ended.end_ns - ended.start_ns > lives->life_ns)
		lives->life_ns = ended.end_ns - ended.start_ns;
	if (refs->ended.n < ENDED_MAX && ended_by(l, way) < WAY_ENDED &&
	    refs->others.n + ended.n <= l->options.changes_max) {
		err = hand_over(l, life, &refs->others);
		if (!err)
			err = pv_vec_append(&refs->ended, &ended, 1, NULL);
	}
	drop(l, life);
	return err ? err : pv_map_set(&l->ways, way, ended_by(l, way) + 1);
}

static struct pv_err *is_wanted(struct pv_lifetimes *l, uint32_t node, bool *ret)
{
	bool inner;
	uint64_t known;
	struct pv_err *err;

	if (pv_map_get(&l->matches, node, &known)) {
		*ret = known == 1;
		return NULL;
	}
	err = pv_next_matches_node(l->options.refs->profile, node, l->options.pattern, ret, &inner);
	return err ? err : pv_map_set(&l->matches, node, *ret ? 1 : 2);
}

/* What lets an object go sets its count to 1 for a finalizer: that is no birth. */
static bool is_finalizer(const struct pv_lifetimes *l, const struct pv_vec *frames)
{
	static const char *const names[] = { "PyObject_CallFinalizerFromDealloc", "slot_tp_del",
					     "subtype_dealloc" };
	const struct pv_profile *profile = l->options.refs->profile;
	const struct pv_ref_frame *leaf = frames->n ? pv_vec_at(frames, frames->n - 1) : NULL;
	const struct pv_loc *loc = leaf ? pv_vec_at(&profile->locs, leaf->function) : NULL;

	for (size_t i = 0; loc && i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(pv_strings_get(profile->strings, loc->function), names[i]))
			return true;
	}
	return false;
}

static struct slot *slot_of(struct pv_lifetimes *l, uint64_t object, size_t *index_ret)
{
	for (size_t i = 0; i < l->options.n_slots; i++) {
		*index_ret = i;
		if (slot_at(l, i)->object == object)
			return &l->slots[i];
	}
	return NULL;
}

static struct pv_err *begin_life(struct pv_lifetimes *l, const struct pv_event_change *event,
				 const struct pv_change *change, const struct pv_vec *frames)
{
	struct life life = { .number = event->life,
			     .object = event->object,
			     .start_ns = change->time_ns,
			     .way = event->way ? event->way : change->node,
			     .changes = PV_VEC(struct pv_change),
			     .frames = PV_VEC(struct pv_ref_frame) };
	struct life *before = life_at(l, event->object);
	struct slot *slot;
	bool wanted = false;
	size_t i = 0;
	struct pv_err *err = NULL;

	if (before) {
		totals(l)->n_gone++;
		drop(l, before);
	}
	if (change->node && !(change->flags & PV_REF_NO_STACK) && !is_finalizer(l, frames))
		err = is_wanted(l, change->node, &wanted);
	/* of a stack that is not whole what it has not says nothing */
	if (!err && (wanted || !(change->flags & (PV_REF_NO_STACK | PV_REF_PARTIAL))))
		err = pv_watchpoint_way(l->options.watch, event->way, wanted);
	slot = slot_of(l, event->object, &i);
	if (err)
		return err;
	if (!wanted) {
		totals(l)->n_other++;
		if (slot)
			slot_at(l, i)->skip = event->life;
		return NULL;
	}
	l->n_wanted++;
	/* at one line several may be made, as the tuple of a call's arguments */
	if (slot && ended_by(l, life.way) < WAY_ENDED) {
		slot->wanted_ns = pv_now_ns();
		l->n_right[slot->size]++;
		pv_birthplaces_was_right(l->aims[slot->size], event->object);
	}
	return pv_vec_append(&l->lives, &life, 1, NULL);
}

struct pv_err *pv_lifetimes_take(struct pv_lifetimes *l, const struct pv_event_change *event,
				 const struct pv_change *change, const struct pv_vec *frames)
{
	struct pv_change own = *change;
	struct life *life;
	struct pv_err *err = NULL;

	if (event->flags & PV_CHANGE_BIRTH)
		err = begin_life(l, event, change, frames);
	life = err ? NULL : life_at(l, event->object);
	if (!life || life->number != event->life)
		return err;
	own.first = life->frames.n;
	own.n = frames->n;
	own.python = PV_REFS_NONE;
	own.sequence = life->changes.n;
	for (size_t i = 0; i < frames->n; i++) {
		if (((const struct pv_ref_frame *)pv_vec_at(frames, i))->kind == PV_LOC_PYTHON)
			own.python = (uint32_t)(own.first + i);
	}
	life->broken |= own.before != life->count || life->changes.n >= l->options.changes_max;
	life->count = own.after;
	life->touched_ns = own.time_ns;
	life->fate = PV_LIFE_ENDED; /* whatever was said of it while it rested */
	if (!life->broken) {
		err = frames->n ? pv_vec_append(&life->frames, frames->data, frames->n, NULL)
				: NULL;
		if (!err)
			err = pv_vec_append(&life->changes, &own, 1, NULL);
	}
	if (err || own.after > 0)
		return err;
	if (!life->broken)
		return end_life(l, life);
	totals(l)->n_broken++;
	drop(l, life);
	return NULL;
}

/* ---- what rests */

/* Is the object still what it was? */
static bool is_there(const struct pv_lifetimes *l, const struct life *life)
{
	struct pv_heap_object found;

	return pv_heap_object(l->heap, life->object, &found) &&
	       found.type->address == l->options.type && (int64_t)found.refcount == life->count &&
	       pv_object_is_alive(l->heap, &found);
}

static struct pv_err *find_holders(struct pv_lifetimes *l, struct life *life)
{
	const struct pv_holders_options options = { .lost = true };
	struct pv_holders found = { 0 };
	struct pv_err *err = NULL;

	if (!l->holding)
		err = pv_holding_open(l->options.probed->pid, &l->holding);
	if (!err) {
		pv_holding_until(l->holding, pv_now_ns() + SEARCH_NS);
		pv_holding_stop(l->holding, l->options.stop_fd);
		err = pv_holding_find(l->holding, &life->object, 1, &options, &found);
	}
	if (!err && found.n_objects == 1 && found.objects[0].lost &&
	    found.objects[0].refcount == (uint64_t)life->count) {
		life->fate = PV_LIFE_LOST;
		life->lost = found.objects[0].lost;
	} else if (!err && !pv_holding_is_stopped(l->holding)) {
		life->fate = PV_LIFE_HELD;
	}
	pv_holders_deinit(&found);
	return err;
}

/* One that was not touched for longer than others ever are: who holds it? */
static struct pv_err *ask(struct pv_lifetimes *l, struct life *life, bool *gone_ret)
{
	struct pv_lives_state *state = pv_watchpoint_lives(l->options.watch);
	struct pv_err *err;

	*gone_ret = !is_there(l, life);
	if (*gone_ret)
		return NULL;
	/* meanwhile nobody drains what others do */
	state->hold = 1;
	err = find_holders(l, life);
	state->hold = 0;
	life->again_ns = pv_now_ns() + (2 * REST_MIN_NS << life->tries++);
	*gone_ret = !err && !is_there(l, life);
	return err;
}

/* It rests, and it does not show that nobody holds it: its place is needed for others. */
static void set_aside(struct pv_lifetimes *l, struct life *life)
{
	totals(l)->n_held++;
	if (!l->best.object) {
		l->best = *life;
		life->changes = (struct pv_vec)PV_VEC(struct pv_change);
		life->frames = (struct pv_vec)PV_VEC(struct pv_ref_frame);
	}
	drop(l, life);
}

static struct pv_err *look_at(struct pv_lifetimes *l, struct life *life, uint64_t now_ns,
			      bool *found_ret)
{
	uint64_t idle_ns = now_ns - l->start_ns - life->touched_ns;
	uint64_t rest_ns = CALMER * totals(l)->rest_ns;
	struct pv_err *err;
	bool gone = false;

	if (now_ns < l->start_ns + life->touched_ns || idle_ns < REST_MIN_NS || idle_ns < rest_ns ||
	    now_ns < life->again_ns)
		return NULL;
	/* nothing could be said of it; its place is needed for others */
	if (life->broken) {
		totals(l)->n_broken++;
		drop(l, life);
		return NULL;
	}
	err = ask(l, life, &gone);
	if (err)
		return err;
	if (gone) {
		totals(l)->n_gone++;
		drop(l, life);
		return NULL;
	}
	*found_ret = life->fate == PV_LIFE_LOST &&
		     (life->tries > 1 || l->options.refs->ended.n >= COMPARE_MIN);
	if (life->fate != PV_LIFE_LOST && life->tries >= TRIES_MAX)
		set_aside(l, life);
	return NULL;
}

/* ---- the budget */

/*
 * Until it is due again nothing is watched but lives that go on and of which nothing was missed:
 * these cost nothing while they rest.
 */
static struct pv_err *rest(struct pv_lifetimes *l, uint64_t now_ns)
{
	struct pv_lives_state *state = pv_watchpoint_lives(l->options.watch);
	uint64_t cost_ns = state->cost_ns - l->window_cost_ns;
	struct pv_err *err = NULL;

	/* first: what would be missed amid what follows would not be known of */
	state->limit_ns = state->cost_ns + BURST_NS;
	__atomic_store_n(&state->over, 0, __ATOMIC_SEQ_CST);
	for (size_t i = 0; !err && i < l->options.n_slots; i++) {
		struct pv_life_slot *slot = slot_at(l, i);
		struct life *life = slot->object ? life_at(l, slot->object) : NULL;

		if (life && !slot->missed)
			continue;
		totals(l)->n_broken += life != NULL;
		if (life)
			drop(l, life);
		err = pv_watchpoint_aim(l->options.watch, i, 0);
	}
	totals(l)->n_pauses++;
	l->resume_ns = pv_next_due(l->window_ns, cost_ns, l->options.budget);
	l->resume_ns = l->resume_ns > now_ns ? l->resume_ns : now_ns;
	return err;
}

static void allow(struct pv_lifetimes *l, uint64_t now_ns)
{
	double earned = (double)(now_ns - l->window_ns) * l->options.budget;

	pv_watchpoint_lives(l->options.watch)->limit_ns =
		l->window_cost_ns + BURST_NS + (uint64_t)earned;
}

/* ---- steps */

/* Is the address of no use any more? */
static struct pv_err *is_stale(struct pv_lifetimes *l, size_t i, uint64_t now_ns, bool *ret)
{
	struct pv_life_slot *slot = slot_at(l, i);
	const struct slot *own = &l->slots[i];
	uint64_t since_ns = own->wanted_ns > own->aimed_ns ? own->wanted_ns : own->aimed_ns;

	*ret = !slot->object;
	if (*ret || life_at(l, slot->object))
		return NULL;
	/* somebody else's that stays */
	if (slot->state == PV_LIFE_OTHER && now_ns > slot->touched_ns + TAKEN_NS &&
	    now_ns > own->aimed_ns + TAKEN_NS) {
		*ret = true;
		return pv_birthplaces_give_up(l->aims[own->size], slot->object, now_ns);
	}
	/* some wait where the next one will be for as long as it takes, the others look around */
	if (now_ns < since_ns + STAY_NS ||
	    (2 * i + 1 < l->options.n_slots && !slot->writes &&
	     pv_birthplaces_is_near(l->aims[own->size], slot->object)))
		return NULL;
	*ret = true;
	return pv_birthplaces_give_up(l->aims[own->size], slot->object, now_ns);
}

static struct pv_err *aim_all(struct pv_lifetimes *l, uint64_t now_ns)
{
	bool stale[PV_LIVES_SLOTS], any = false;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < l->options.n_slots; i++) {
		err = is_stale(l, i, now_ns, &stale[i]);
		any |= !err && stale[i];
	}
	if (!err && any)
		err = look(l, now_ns);
	for (size_t i = 0; !err && any && i < l->options.n_slots; i++) {
		if (stale[i])
			err = aim(l, i, now_ns);
	}
	return err;
}

/*
 * Lives whose slot tells of something else, without their end having come: what tells of an end is
 * in the ring before the slot says so, but not all of it may have been drained.
 */
static void drop_absent(struct pv_lifetimes *l)
{
	for (size_t i = l->lives.n; i; i--) {
		struct life *life = pv_vec_at(&l->lives, i - 1);
		size_t index;
		bool there = slot_of(l, life->object, &index) &&
			     slot_at(l, index)->state == PV_LIFE_FOLLOWED &&
			     slot_at(l, index)->life == life->number;

		life->absent = there ? 0 : life->absent + 1;
		if (life->absent < 3)
			continue;
		totals(l)->n_gone++;
		drop(l, life);
	}
}

struct pv_err *pv_lifetimes_step(struct pv_lifetimes *l, enum pv_lifetimes_news *ret)
{
	struct pv_lives_state *state = pv_watchpoint_lives(l->options.watch);
	uint64_t now_ns = pv_now_ns();
	struct pv_err *err = NULL;
	bool found = false;

	*ret = PV_LIFETIMES_GO_ON;
	drop_absent(l);
	if (state->over)
		err = rest(l, now_ns);
	for (size_t i = l->lives.n; !err && !found && i; i--)
		err = look_at(l, pv_vec_at(&l->lives, i - 1), now_ns, &found);
	if (found)
		*ret = PV_LIFETIMES_FOUND;
	if (err || found)
		return err;
	now_ns = pv_now_ns();
	if (l->resume_ns && now_ns >= l->resume_ns) {
		l->resume_ns = 0;
		l->window_ns = now_ns;
		l->window_cost_ns = state->cost_ns;
	}
	if (l->resume_ns)
		return NULL;
	allow(l, now_ns);
	if (!l->n_wanted && now_ns > l->start_ns + l->options.patience_ns) {
		*ret = PV_LIFETIMES_NONE;
		return NULL;
	}
	return aim_all(l, now_ns);
}

/* ---- the end */

static struct life *choose(struct pv_lifetimes *l)
{
	struct life *chosen = NULL;

	for (size_t i = 0; i < l->lives.n; i++) {
		struct life *life = pv_vec_at(&l->lives, i);

		if (life->broken)
			continue;
		if (!chosen || life->fate > chosen->fate ||
		    (life->fate == chosen->fate && life->touched_ns < chosen->touched_ns))
			chosen = life;
	}
	if (l->best.object && (!chosen || chosen->fate < PV_LIFE_HELD))
		chosen = &l->best;
	return chosen;
}

/* Of those that ended the last: something is to be seen of what was followed. */
static struct pv_err *show_ended(struct pv_lifetimes *l)
{
	struct pv_refs *refs = l->options.refs;
	const struct pv_life *last;

	if (!refs->ended.n)
		return NULL;
	last = pv_vec_at(&refs->ended, refs->ended.n - 1);
	refs->object = refs->address = last->object;
	return pv_vec_append(&refs->changes, pv_vec_at(&refs->others, last->first), last->n, NULL);
}

struct pv_err *pv_lifetimes_end(struct pv_lifetimes *l)
{
	struct pv_lives_state *state = pv_watchpoint_lives(l->options.watch);
	struct pv_refs *refs = l->options.refs;
	struct pv_lives *lives = totals(l);
	struct life *life = choose(l);
	uint64_t now_ns = pv_now_ns() - l->start_ns;
	struct pv_err *err;

	/* births that the kernel's side follows and that did not reach us */
	if (state->number > l->n_wanted + lives->n_other)
		lives->n_broken += state->number - l->n_wanted - lives->n_other;
	lives->n_births = state->births;
	lives->n_passed = state->passed;
	refs->first = refs->last = 0;
	if (!life)
		return show_ended(l);
	lives->fate = life->fate == PV_LIFE_ENDED ? PV_LIFE_GOES_ON : life->fate;
	lives->lost = life->lost;
	lives->idle_ns = now_ns > life->touched_ns ? now_ns - life->touched_ns : 0;
	refs->object = refs->address = life->object;
	refs->last = life->count;
	err = hand_over(l, life, &refs->changes);
	return err;
}

void pv_lifetimes_say(const struct pv_lifetimes *l, char *ret, size_t size)
{
	const struct pv_lives_state *state = pv_watchpoint_lives(l->options.watch);

	snprintf(ret, size,
		 "%llu births of such objects were seen at %llu addresses, none of them "
		 "at the place",
		 (unsigned long long)state->births,
		 (unsigned long long)l->options.refs->lives.n_aims);
}
