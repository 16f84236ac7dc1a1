/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * References to objects, counted.
 * Input: hits of heap/search.h.  Output: struct pv_holders.
 *
 * One quick look finds who refers to what.  Those objects whose count is higher are looked
 * for again, widely: once from the front, once from the back, then many times in the pages
 * that changed between these.  All places of all looks together must still be fewer than the
 * lowest count that was seen.
 *
 * Sources: CPython Include/internal/pycore_gc.h (links of PyGC_Head), Objects/obmalloc.c
 * (a free block's first word), Objects/unicodeobject.c (SSTATE_INTERNED_IMMORTAL), glibc
 * malloc/malloc.c (PROTECT_PTR).
 */
#include "heap/holders.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "heap/alive.h"
#include "heap/modules.h"
#include "heap/object.h"
#include "heap/unused.h"
#include "python/detect.h"
#include "target/mem.h"

enum {
	PLACES = 64,           /* kept of each object */
	SUSPECT_PLACES = 4096, /* in all looks; more are not told apart */
	PLACES_ALL = 1 << 24,
	QUICK = 24, /* quick looks */
	/* a count that goes up and down is believed where so many are missing at least */
	LOST_MOVING = 32,
};
#define APART_NS 500000000ULL
#define QUICK_NS 3000000ULL /* between two quick looks */

/* An object in question. */
struct suspect {
	uint32_t object;
	uint64_t lowest;   /* count that was seen */
	bool moves;        /* its count changed */
	bool many;         /* places were given up */
	uint32_t n_places; /* distinct ones, in all looks */
};

struct finder {
	struct pv_heap *heap;
	struct pv_heap_search *search;
	const struct pv_holders_options *options;
	struct pv_holders out;
	struct pv_vec places;   /* struct pv_place_held */
	struct pv_vec needles;  /* struct pv_needle, of those in question */
	struct pv_vec suspects; /* struct suspect, same order */
	struct pv_maps maps;
	struct pv_module_ranges modules;
	struct pv_map seen; /* of suspects: a hash of object and place */
	uint32_t places_max;
};

void pv_holders_deinit(struct pv_holders *holders)
{
	free(holders->objects);
	free(holders->places);
	*holders = (struct pv_holders){ 0 };
}

static void wait_ns(uint64_t ns)
{
	struct timespec time = { .tv_sec = (time_t)(ns / 1000000000),
				 .tv_nsec = (long)(ns % 1000000000) };

	nanosleep(&time, NULL);
}

/* Up to 3.11 one that is interned for ever has a count for that, which nobody holds. */
static bool is_interned_for_ever(struct pv_heap *heap, const struct pv_heap_object *object)
{
	const struct pv_pylayout *py = &pv_heap_python(heap)->proc.py;
	uint32_t state;

	if (py->version_hex >= 0x030c0000)
		return false;
	if (py->version_hex < 0x03000000)
		/* PyStringObject: ob_sstate follows ob_shash */
		return object->type->kind == PV_HEAP_BYTES &&
		       !pv_mem_read_u32(pv_heap_mem(heap), object->address + py->bytes_data - 4,
					&state) &&
		       state == 2;
	return object->type->kind == PV_HEAP_STR &&
	       !pv_mem_read_u32(pv_heap_mem(heap), object->address + py->str_state, &state) &&
	       (state & 3) == 2;
}

static enum pv_held_state state_of(struct finder *f, const struct pv_heap_object *object)
{
	const struct pv_heap_type *self;

	if (object->immortal || is_interned_for_ever(f->heap, object))
		return PV_HELD_IMMORTAL;
	self = object->type->kind == PV_HEAP_TYPE ? pv_heap_type(f->heap, object->address) : NULL;
	if ((self && !(self->flags & PV_TPFLAGS_HEAPTYPE)) ||
	    pv_module_range_find(&f->modules, object->address))
		return PV_HELD_STATIC;
	return pv_object_is_freed(object) ? PV_HELD_NO_OBJECT : PV_HELD_KNOWN;
}

static struct pv_needle needle_of(const struct finder *f, const struct pv_heap_object *object,
				  uint32_t id)
{
	uint64_t before = object->address - object->start;
	uint16_t gc = pv_heap_layout(f->heap)->gc_head;
	uint64_t basic = object->type->basicsize;

	return (struct pv_needle){
		.address = object->address,
		/*
		 * Who points into an object points to a field of its struct; into its items or
		 * characters nobody does who could find the object by that.
		 */
		.size = basic < object->size ? basic : object->size,
		.header = (uint32_t)before,
		.gc = before && object->type->is_gc && gc <= before ? gc : 0,
		.id = id,
	};
}

static struct pv_err *read_objects(struct finder *f, const uint64_t *addresses, size_t n)
{
	f->out.objects = calloc(n + 1, sizeof(*f->out.objects));
	f->out.n_objects = n;
	if (!f->out.objects)
		return &pv_enomem;
	for (size_t i = 0; i < n; i++) {
		struct pv_held *held = &f->out.objects[i];
		struct pv_heap_object object;
		struct pv_needle needle;
		struct pv_err *err;

		held->address = addresses[i];
		held->state = PV_HELD_NO_OBJECT;
		if (!pv_heap_object(f->heap, addresses[i], &object))
			continue;
		held->refcount = object.refcount;
		held->size = object.size;
		held->start = object.start;
		held->type = object.type->address;
		held->state = state_of(f, &object);
		needle = needle_of(f, &object, (uint32_t)i);
		err = pv_vec_append(&f->needles, &needle, 1, NULL);
		if (err)
			return err;
	}
	return NULL;
}

/* Is this word a link of the collector's lists?  Then it is in the head of an object. */
static bool is_link(struct finder *f, uint64_t at)
{
	uint16_t head = pv_heap_layout(f->heap)->gc_head;
	struct pv_heap_object object;

	/* _gc_next, _gc_prev */
	return (pv_heap_object(f->heap, at + head, &object) && object.type->is_gc) ||
	       (pv_heap_object(f->heap, at + head - 8, &object) && object.type->is_gc);
}

static struct pv_err *on_first(void *ctx, const struct pv_hit *hit)
{
	struct finder *f = ctx;
	struct pv_held *held = &f->out.objects[hit->id];
	struct pv_place_held place = { hit->at, hit->id };

	if (hit->kind != PV_HIT_OBJECT)
		return NULL;
	held->found++;
	if (held->n_places >= f->places_max || f->places.n >= PLACES_ALL)
		return NULL;
	held->n_places++;
	return pv_vec_append(&f->places, &place, 1, NULL);
}

static int compare_addresses(const void *a, const void *b)
{
	const struct pv_place_held *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->object < y->object ? -1 : x->object > y->object;
}

/* Leaves out what is in memory that nobody uses, and what was found twice; tells how many. */
static struct pv_err *drop_unused(struct finder *f, struct pv_vec *places,
				  void (*dropped)(struct finder *f, uint32_t object))
{
	struct pv_place_held *list = places->data;
	struct pv_vec addresses = PV_VEC(uint64_t);
	_pv_free_ bool *unused = calloc(places->n + 1, sizeof(*unused));
	struct pv_err *err = unused ? NULL : &pv_enomem;
	size_t n = 0;

	if (places->n)
		qsort(list, places->n, sizeof(*list), compare_addresses);
	for (size_t i = 0; !err && i < places->n; i++)
		err = pv_vec_append(&addresses, &list[i].at, 1, NULL);
	if (!err)
		err = pv_unused_find(f->heap, f->search, addresses.data, addresses.n, unused);
	for (size_t i = 0; !err && i < places->n; i++) {
		if (unused[i] || (n && !compare_addresses(&list[n - 1], &list[i]))) {
			if (dropped)
				dropped(f, list[i].object);
		} else {
			list[n++] = list[i];
		}
	}
	pv_vec_deinit(&addresses);
	if (!err)
		places->n = n;
	return err;
}

static int compare_places(const void *a, const void *b)
{
	const struct pv_place_held *x = a, *y = b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static void drop_first(struct finder *f, uint32_t object)
{
	f->out.objects[object].found--;
}

static struct pv_err *sort_places(struct finder *f)
{
	struct pv_err *err = drop_unused(f, &f->places, drop_first);
	struct pv_place_held *places = f->places.data;

	if (err)
		return err;
	if (f->places.n)
		qsort(places, f->places.n, sizeof(*places), compare_places);
	for (size_t i = 0; i < f->out.n_objects; i++)
		f->out.objects[i].n_places = 0;
	for (size_t i = 0; i < f->places.n; i++) {
		struct pv_held *held = &f->out.objects[places[i].object];

		if (!held->n_places++)
			held->first = i;
	}
	f->out.places = f->places.data;
	f->out.n_places = f->places.n;
	f->places = (struct pv_vec)PV_VEC(struct pv_place_held);
	return NULL;
}

static struct pv_err *look_first(struct finder *f)
{
	struct pv_heap_search_result result;
	struct pv_needles *needles;
	struct pv_err *err = pv_needles_create(f->needles.data, f->needles.n, false, &needles);

	if (err)
		return err;
	err = pv_heap_search_pass(f->search, needles, false, false, on_first, f, &result);
	pv_needles_destroy(needles);
	if (err)
		return err;
	f->out.bytes = result.bytes;
	f->out.unread = result.unread;
	f->out.partial = result.unread != 0;
	f->out.took_ns = result.took_ns;
	f->out.threads = result.threads;
	return sort_places(f);
}

static struct pv_err *note_place(struct finder *f, uint32_t suspect, uint64_t at)
{
	struct suspect *s = pv_vec_at(&f->suspects, suspect);
	uint64_t key = pv_hash(at) ^ suspect, there;

	if (s->many || pv_map_get(&f->seen, key, &there))
		return NULL;
	s->many = ++s->n_places > SUSPECT_PLACES;
	return pv_map_set(&f->seen, key, 1);
}

/* So many that no more are kept: it proves nothing. */
static struct pv_err *note_many(struct finder *f, uint32_t suspect)
{
	((struct suspect *)pv_vec_at(&f->suspects, suspect))->many = true;
	return NULL;
}

static bool in_dict_values(struct finder *f, uint64_t at)
{
	uint16_t values = pv_heap_layout(f->heap)->dict_values;
	struct pv_heap_object object;

	/* 3.13+: the dict that was made of an object's inline values points to them */
	return values != PV_OFF_NONE && pv_heap_object(f->heap, at - values, &object) &&
	       object.type->kind == PV_HEAP_DICT;
}

static struct pv_err *on_wide(void *ctx, const struct pv_hit *hit)
{
	struct finder *f = ctx;
	const struct suspect *s = pv_vec_at(&f->suspects, hit->id);
	const struct pv_held *held = &f->out.objects[s->object];
	bool own = hit->at >= held->start && hit->at < held->start + held->size;
	struct pv_place_held place = { hit->at, hit->id };

	if (f->places.n >= PLACES_ALL)
		return note_many(f, hit->id);
	/*
	 * At odd addresses or with marks only the object itself: where the heap lies low, a number
	 * is soon one, or what glibc makes of the links of free chunks (PROTECT_PTR).
	 */
	if (hit->kind == PV_HIT_INTERIOR &&
	    (own || !hit->aligned || !hit->plain || in_dict_values(f, hit->at)))
		return NULL;
	if (hit->kind == PV_HIT_GC && hit->aligned && hit->at < PV_HEAP_SEARCH_REGISTERS &&
	    is_link(f, hit->at))
		return NULL;
	return pv_vec_append(&f->places, &place, 1, NULL);
}

/* The places of a look are counted. */
static struct pv_err *settle(struct finder *f)
{
	struct pv_err *err = drop_unused(f, &f->places, NULL);

	for (size_t i = 0; !err && i < f->places.n; i++) {
		const struct pv_place_held *place = pv_vec_at(&f->places, i);

		err = note_place(f, place->object, place->at);
	}
	f->places.n = 0;
	return err;
}

/* Can this one still be lost?  Its count is looked at again. */
static bool is_suspicious(struct finder *f, struct suspect *s)
{
	struct pv_held *held = &f->out.objects[s->object];
	struct pv_heap_object object;

	if (!pv_heap_object(f->heap, held->address, &object) ||
	    object.type->address != held->type || state_of(f, &object) != PV_HELD_KNOWN) {
		held->state = PV_HELD_CHANGES;
		return false;
	}
	if (object.refcount != held->refcount)
		s->moves = true;
	if (object.refcount < s->lowest)
		s->lowest = object.refcount;
	if (s->many) {
		held->state = PV_HELD_MANY;
		return false;
	}
	if (s->moves && s->lowest < s->n_places + LOST_MOVING) {
		held->state = PV_HELD_CHANGES;
		return false;
	}
	return s->lowest > s->n_places;
}

/* At the end: everything once more, and its memory. */
static bool is_proved(struct finder *f, struct suspect *s)
{
	struct pv_heap_object object;

	return is_suspicious(f, s) &&
	       pv_heap_object(f->heap, f->out.objects[s->object].address, &object) &&
	       pv_object_is_alive(f->heap, &object);
}

/* Those that are cleared are not looked for any more; places are counted by number: all stay. */
static struct pv_err *remake_needles(struct finder *f, struct pv_needles **needles, size_t *n_ret)
{
	struct pv_vec left = PV_VEC(struct pv_needle);
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < f->suspects.n; i++) {
		struct suspect *s = pv_vec_at(&f->suspects, i);

		if (!s->lowest || !is_suspicious(f, s))
			s->lowest = 0;
		else
			err = pv_vec_append(&left, pv_vec_at(&f->needles, i), 1, NULL);
	}
	*n_ret = left.n;
	pv_needles_destroy(*needles);
	*needles = NULL;
	if (!err && *n_ret)
		err = pv_needles_create(left.data, left.n, true, needles);
	pv_vec_deinit(&left);
	return err;
}

/* What has more than was found, and can be believed. */
static struct pv_err *find_suspects(struct finder *f)
{
	struct pv_err *err = NULL;

	f->needles.n = 0;
	for (size_t i = 0; !err && i < f->out.n_objects; i++) {
		struct pv_held *held = &f->out.objects[i];
		struct suspect s = { .object = (uint32_t)i, .lowest = held->refcount };
		struct pv_heap_object object;
		struct pv_needle needle;

		if (held->state != PV_HELD_KNOWN || held->found >= held->refcount)
			continue;
		if (!pv_heap_object(f->heap, held->address, &object)) {
			held->state = PV_HELD_CHANGES;
			continue;
		}
		needle = needle_of(f, &object, (uint32_t)f->suspects.n);
		err = pv_vec_append(&f->suspects, &s, 1, NULL);
		if (!err)
			err = pv_vec_append(&f->needles, &needle, 1, NULL);
		for (uint32_t k = 0; !err && k < held->n_places; k++)
			err = note_place(f, (uint32_t)f->suspects.n - 1,
					 f->out.places[held->first + k].at);
	}
	return err;
}

static struct pv_err *look_again(struct finder *f, struct pv_needles **needles, size_t *left)
{
	uint64_t apart = f->options->apart_ns ? f->options->apart_ns : APART_NS;
	struct pv_heap_search_result result;
	struct pv_err *err = NULL;

	/* of what could not be searched nothing is called lost */
	for (int i = 0; !err && *left && !f->out.partial && i < 2; i++) {
		wait_ns(apart);
		err = pv_heap_search_pass(f->search, *needles, i == 1, true, on_wide, f, &result);
		if (err)
			break;
		f->out.looks++;
		f->out.partial |= result.unread != 0;
		err = settle(f);
		if (!err)
			err = remake_needles(f, needles, left);
	}
	for (int i = 0; !err && *left && !f->out.partial && i < QUICK; i++) {
		wait_ns(QUICK_NS);
		err = pv_heap_search_quick(f->search, *needles, i % 2, on_wide, f, &result);
		if (err)
			break;
		f->out.quick++;
		f->out.partial |= result.unread != 0;
		err = settle(f);
		if (!err)
			err = remake_needles(f, needles, left);
	}
	return err;
}

static struct pv_err *find_lost(struct finder *f)
{
	struct pv_needles *needles = NULL;
	size_t left = 0;
	struct pv_err *err = find_suspects(f);

	if (!err)
		err = remake_needles(f, &needles, &left);
	if (!err)
		err = look_again(f, &needles, &left);
	pv_needles_destroy(needles);
	for (size_t i = 0; !err && !f->out.partial && i < f->suspects.n; i++) {
		struct suspect *s = pv_vec_at(&f->suspects, i);

		if (s->lowest && is_proved(f, s))
			f->out.objects[s->object].lost = s->lowest - s->n_places;
	}
	return err;
}

static struct pv_err *check(const struct pv_heap *heap, size_t n, bool lost)
{
	if (n > PV_HOLDERS_OBJECTS_MAX)
		return pv_err_create(PV_ERR_USAGE, "cannot look for more than %d objects at once",
				     PV_HOLDERS_OBJECTS_MAX);
	if (lost && pv_heap_python(heap)->proc.py.free_threaded)
		return pv_err_create(PV_ERR_NOPROC,
				     "cannot tell lost references of a free-threaded CPython: it "
				     "does not count all of them");
	return NULL;
}

struct pv_err *pv_holders_find(struct pv_heap *heap, struct pv_heap_search *search,
			       const uint64_t *addresses, size_t n,
			       const struct pv_holders_options *options, struct pv_holders *ret)
{
	struct finder f = {
		.heap = heap,
		.search = search,
		.options = options,
		.places = PV_VEC(struct pv_place_held),
		.needles = PV_VEC(struct pv_needle),
		.suspects = PV_VEC(struct suspect),
		.places_max = options->places_max ? options->places_max : PLACES,
	};
	uint64_t start_ns = pv_now_ns();
	struct pv_err *err = check(heap, n, options->lost);

	if (err)
		return err;
	err = pv_maps_read(search->source.pid, &f.maps);
	if (!err)
		err = pv_module_ranges_read(search->source.mem, &f.maps, &f.modules);
	if (!err)
		err = read_objects(&f, addresses, n);
	if (!err)
		err = look_first(&f);
	if (!err && options->lost && !f.out.partial)
		err = find_lost(&f);
	pv_vec_deinit(&f.places);
	pv_vec_deinit(&f.needles);
	pv_vec_deinit(&f.suspects);
	pv_map_deinit(&f.seen);
	pv_module_ranges_deinit(&f.modules);
	pv_maps_deinit(&f.maps);
	if (err) {
		pv_holders_deinit(&f.out);
		return err;
	}
	f.out.all_ns = pv_now_ns() - start_ns;
	*ret = f.out;
	return NULL;
}
