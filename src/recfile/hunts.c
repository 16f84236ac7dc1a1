/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes the chunks of a hunt for memory.
 * Input: payloads of any content whose checksum is right.
 * Output: a struct pv_memory whose numbers all lead somewhere; each is checked.
 */
#include "model/memory.h"
#include "model/profile.h"
#include "recfile/format.h"
#include "recfile/reader.h"

/* Counts and sums that a double, and JSON, can hold. */
#define NUMBER_MAX ((uint64_t)1 << 53)

enum { EXAMPLES_MAX = 1 << 20 };

static bool take_number(struct pv_rec_reader *r, struct pv_cursor *cursor, uint64_t most,
			uint64_t *ret)
{
	uint64_t value = pv_cursor_varint(cursor);

	if (cursor->bad)
		return false;
	if (value > most)
		return pv_rec_malformed(r, "a number of a hunt is not possible");
	*ret = value;
	return true;
}

/* Several of at most NUMBER_MAX. */
static bool take_numbers(struct pv_rec_reader *r, struct pv_cursor *cursor, uint64_t **fields,
			 size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!take_number(r, cursor, NUMBER_MAX, fields[i]))
			return false;
	}
	return true;
}
#define TAKE(r, cursor, ...)                                                                       \
	take_numbers(r, cursor, (uint64_t *[]){ __VA_ARGS__ },                                     \
		     sizeof((uint64_t *[]){ __VA_ARGS__ }) / sizeof(uint64_t *))

static bool take_flag(struct pv_rec_reader *r, struct pv_cursor *cursor, bool *ret)
{
	uint64_t value;

	if (!take_number(r, cursor, 1, &value))
		return false;
	*ret = value;
	return true;
}

/* An index, or none. */
static bool take_index(struct pv_rec_reader *r, struct pv_cursor *cursor, const struct pv_vec *map,
		       uint32_t *ret)
{
	uint64_t value;

	if (!take_number(r, cursor, map->n, &value))
		return false;
	*ret = value ? *(const uint32_t *)pv_vec_at(map, value - 1) : PV_MEMORY_NONE;
	return true;
}

static bool take_u32(struct pv_rec_reader *r, struct pv_cursor *cursor, uint32_t most,
		     uint32_t *ret)
{
	uint64_t value;

	if (!take_number(r, cursor, most, &value))
		return false;
	*ret = (uint32_t)value;
	return true;
}

static bool set_field(struct pv_rec_reader *r, uint64_t field, uint64_t value)
{
	struct pv_memory *memory = r->memory;

	switch (field) {
	case PV_REC_HUNT_END:
		memory->end = value > PV_MEMORY_BUDGET ? PV_MEMORY_DONE : (enum pv_memory_end)value;
		return true;
	case PV_REC_HUNT_ALLOCATOR:
		if (value >= r->strings.n)
			return pv_rec_malformed(r, "it names a string that is not there");
		memory->allocator = *(const uint32_t *)pv_vec_at(&r->strings, value);
		return true;
	case PV_REC_HUNT_OTHER_ALLOCATOR:
		memory->other_allocator = value;
		return true;
	case PV_REC_HUNT_FREE_THREADED:
		memory->free_threaded = value;
		return true;
	case PV_REC_HUNT_GC_DISABLED:
		memory->gc_disabled = value;
		return true;
	case PV_REC_HUNT_KERNEL_BYTES:
		memory->kernel_bytes = value;
		return true;
	case PV_REC_HUNT_COST:
		memory->cost_cpus = (double)value / 1e6;
		return true;
	default:
		return true;
	}
}

static struct pv_err *read_head(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	while (cursor->at < cursor->end) {
		uint64_t field, value;

		if (!TAKE(r, cursor, &field, &value) || !set_field(r, field, value))
			return NULL;
	}
	return NULL;
}

static struct pv_err *read_rung(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_memory_rung rung = { 0 };
	uint64_t slowdown;
	uint32_t index, state;

	if (!take_u32(r, cursor, PV_RUNG_N - 1, &index) ||
	    !take_u32(r, cursor, PV_RUNG_FAILED, &state) ||
	    !pv_rec_take_string(r, cursor, &rung.why) ||
	    !TAKE(r, cursor, &rung.start_ns, &rung.took_ns, &rung.hits, &rung.hits_ns,
		  &rung.stopped_ns, &rung.lost) ||
	    !take_number(r, cursor, UINT64_MAX, &slowdown))
		return NULL;
	rung.state = (enum pv_rung_state)state;
	rung.slowdown = slowdown ? (double)(slowdown - 1) / 1e6 : -1;
	r->memory->rungs[index] = rung;
	return NULL;
}

static struct pv_err *read_point(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	const struct pv_vec *points = &r->memory->points;
	const struct pv_memory_point *last = points->n ? pv_vec_at(points, points->n - 1) : NULL;
	struct pv_memory_point point = { 0 };
	uint64_t n, resident, mapped;

	if (!TAKE(r, cursor, &point.at_ns, &point.rss_bytes, &n))
		return NULL;
	for (uint64_t i = 0; i < n; i++) {
		if (!TAKE(r, cursor, &resident, &mapped))
			return NULL;
		/* classes of later times */
		if (i >= PV_MEMORY_N_CLASSES)
			continue;
		point.resident[i] = resident;
		point.mapped[i] = mapped;
	}
	if (last && last->at_ns > point.at_ns) {
		pv_rec_malformed(r, "the points of a hunt are not in time");
		return NULL;
	}
	return pv_vec_append(&r->memory->points, &point, 1, NULL);
}

static struct pv_err *read_event(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_memory_event event = { 0 };
	uint32_t kind;

	if (!take_u32(r, cursor, PV_MEMORY_N_EVENTS - 1, &kind) ||
	    !pv_rec_take_id(r, cursor, &r->nodes, "an event names a stack that is not there",
			    &event.node) ||
	    !pv_rec_take_id(r, cursor, &r->threads, "an event names a thread that is not there",
			    &event.thread) ||
	    !TAKE(r, cursor, &event.count, &event.bytes))
		return NULL;
	event.kind = (enum pv_memory_event_kind)kind;
	return pv_memory_event(r->memory, &event);
}

static struct pv_err *read_look(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_memory_look look = { 0 };
	struct pv_err *err;
	uint32_t kind, source, id;

	if (!take_u32(r, cursor, PV_LOOK_SITES, &kind) ||
	    !take_u32(r, cursor, PV_SITE_MAPPED, &source) ||
	    !TAKE(r, cursor, &look.at_ns, &look.took_ns, &look.doubts, &look.unread) ||
	    !take_flag(r, cursor, &look.partial) || !pv_rec_take_string(r, cursor, &look.why))
		return NULL;
	look.kind = (enum pv_look_kind)kind;
	look.source = (enum pv_site_source)source;
	err = pv_memory_look(r->memory, &look, &id);
	return err ? err : pv_vec_append(&r->looks, &id, 1, NULL);
}

static struct pv_err *read_type(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_memory_type type = { 0 };
	struct pv_err *err;
	uint32_t kind, id;

	if (!take_u32(r, cursor, PV_TYPE_HEAP_BLOCK, &kind) ||
	    !pv_rec_take_string(r, cursor, &type.name) ||
	    !pv_rec_take_string(r, cursor, &type.module) || !TAKE(r, cursor, &type.size) ||
	    !take_number(r, cursor, UINT64_MAX, &type.address))
		return NULL;
	type.kind = (enum pv_memory_type_kind)kind;
	err = pv_memory_type(r->memory, &type, &id);
	return err ? err : pv_vec_append(&r->types, &id, 1, NULL);
}

static struct pv_err *read_site(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_memory_site site = { 0 };
	uint32_t source, domain, id;
	struct pv_err *err;
	uint64_t weight;

	if (!take_u32(r, cursor, PV_SITE_MAPPED, &source) ||
	    !take_u32(r, cursor, PV_DOMAIN_N - 1, &domain) ||
	    !pv_rec_take_id(r, cursor, &r->nodes, "a site names a stack that is not there",
			    &site.node) ||
	    !take_index(r, cursor, &r->types, &site.type) ||
	    !TAKE(r, cursor, &site.seen_count, &site.seen_bytes, &site.freed_count) ||
	    !take_u32(r, cursor, UINT32_MAX, &site.bursts) ||
	    !take_u32(r, cursor, UINT32_MAX, &site.bursts_survived) || !TAKE(r, cursor, &weight))
		return NULL;
	site.source = (enum pv_site_source)source;
	site.domain = (enum pv_memory_domain)domain;
	site.weight = (double)weight / 1e6;
	err = pv_memory_site(r->memory, &site, &id);
	return err ? err : pv_vec_append(&r->sites, &id, 1, NULL);
}

/* The look of a count, of that kind. */
static bool take_look(struct pv_rec_reader *r, struct pv_cursor *cursor, enum pv_look_kind kind,
		      uint32_t *ret)
{
	const struct pv_memory_look *look;

	if (!pv_rec_take_id(r, cursor, &r->looks, "a count names a look that is not there", ret))
		return false;
	look = pv_vec_at(&r->memory->looks, *ret);
	return look->kind == kind || pv_rec_malformed(r, "a count names a look of another kind");
}

/* What a look has is told once; sums of it stay numbers that are possible. */
static bool take_count(struct pv_rec_reader *r, struct pv_cursor *cursor, uint32_t look,
		       struct pv_memory_count before, struct pv_memory_count *ret)
{
	const struct pv_memory_look *of = pv_vec_at(&r->memory->looks, look);

	if (!TAKE(r, cursor, &ret->count, &ret->bytes))
		return false;
	if (before.count || before.bytes || ret->count > NUMBER_MAX - of->objects ||
	    ret->bytes > NUMBER_MAX - of->bytes)
		return pv_rec_malformed(r, "a count of a hunt is not possible");
	return true;
}

static struct pv_err *read_type_count(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_memory_count count;
	uint32_t look, type;

	if (!take_look(r, cursor, PV_LOOK_CENSUS, &look) ||
	    !pv_rec_take_id(r, cursor, &r->types, "a count names a type that is not there",
			    &type) ||
	    !take_count(r, cursor, look, pv_memory_type_at(r->memory, look, type), &count))
		return NULL;
	return pv_memory_count_type(r->memory, look, type, count.count, count.bytes);
}

static struct pv_err *read_site_count(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_memory_count count;
	uint32_t look, site;

	if (!take_look(r, cursor, PV_LOOK_SITES, &look) ||
	    !pv_rec_take_id(r, cursor, &r->sites, "a count names a site that is not there",
			    &site) ||
	    !take_count(r, cursor, look, pv_memory_site_at(r->memory, look, site), &count))
		return NULL;
	return pv_memory_count_site(r->memory, look, site, count.count, count.bytes);
}

static struct pv_err *read_collector(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_memory_collector one = { 0 };
	struct pv_memory_look *of;
	bool has_garbage;
	uint32_t look;

	if (!take_look(r, cursor, PV_LOOK_CENSUS, &look) || !take_flag(r, cursor, &has_garbage) ||
	    !take_flag(r, cursor, &one.disabled) || !take_flag(r, cursor, &one.counted) ||
	    !TAKE(r, cursor, &one.full, &one.collected) || !take_flag(r, cursor, &one.aged) ||
	    !TAKE(r, cursor, &one.old, &one.pending))
		return NULL;
	of = pv_vec_at(&r->memory->looks, look);
	of->has_garbage = has_garbage;
	of->collector = one;
	return NULL;
}

/* Of what was counted before. */
static struct pv_err *read_garbage(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_memory_count there;
	uint32_t look, type;
	uint64_t n;

	if (!take_look(r, cursor, PV_LOOK_CENSUS, &look) ||
	    !pv_rec_take_id(r, cursor, &r->types, "a count names a type that is not there",
			    &type) ||
	    !TAKE(r, cursor, &n))
		return NULL;
	there = pv_memory_type_at(r->memory, look, type);
	if (there.garbage || n > there.count)
		pv_rec_malformed(r, "a count of a hunt is not possible");
	else
		pv_memory_count_garbage(r->memory, look, type, n);
	return NULL;
}

static struct pv_err *read_burst(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_memory_burst burst = { 0 };

	if (!TAKE(r, cursor, &burst.start_ns, &burst.end_ns, &burst.allocations, &burst.lost) ||
	    !take_flag(r, cursor, &burst.sampled))
		return NULL;
	if (burst.end_ns < burst.start_ns) {
		pv_rec_malformed(r, "a burst ends before it begins");
		return NULL;
	}
	return pv_vec_append(&r->memory->bursts, &burst, 1, NULL);
}

static struct pv_err *read_examples(struct pv_rec_reader *r, struct pv_cursor *cursor,
				    struct pv_memory_subject *subject)
{
	struct pv_memory *memory = r->memory;
	struct pv_err *err = NULL;
	uint64_t address;

	if (memory->examples.n + subject->n_examples > EXAMPLES_MAX) {
		pv_rec_malformed(r, "a number of a hunt is not possible");
		return NULL;
	}
	subject->first_example = (uint32_t)memory->examples.n;
	for (uint32_t i = 0; i < subject->n_examples && !err; i++) {
		if (!take_number(r, cursor, UINT64_MAX, &address))
			return NULL;
		err = pv_vec_append(&memory->examples, &address, 1, NULL);
	}
	return err ? err : pv_vec_append(&memory->subjects, subject, 1, NULL);
}

static struct pv_err *read_subject(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_memory_subject one = { 0 };
	uint64_t refcount;

	if (!take_index(r, cursor, &r->types, &one.type) ||
	    !pv_rec_take_string(r, cursor, &one.text) ||
	    !take_number(r, cursor, UINT64_MAX, &one.address) ||
	    !TAKE(r, cursor, &one.objects, &one.of) ||
	    !take_number(r, cursor, UINT64_MAX, &refcount) ||
	    !TAKE(r, cursor, &one.found, &one.immortal) || !take_flag(r, cursor, &one.partial) ||
	    !TAKE(r, cursor, &one.lost_objects, &one.lost_references, &one.looks, &one.took_ns) ||
	    !take_u32(r, cursor, EXAMPLES_MAX, &one.n_examples))
		return NULL;
	one.refcount = (int64_t)pv_unzigzag(refcount);
	return read_examples(r, cursor, &one);
}

static struct pv_err *read_holder(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	struct pv_memory_holder holder = { 0 };
	uint64_t subject;
	uint32_t kind;

	if (!r->memory->subjects.n) {
		pv_rec_malformed(r, "a holder names what is not there");
		return NULL;
	}
	if (!take_number(r, cursor, r->memory->subjects.n - 1, &subject) ||
	    !take_u32(r, cursor, PV_HOLDER_NONE, &kind) ||
	    !pv_rec_take_string(r, cursor, &holder.text) ||
	    !take_index(r, cursor, &r->types, &holder.type) ||
	    !TAKE(r, cursor, &holder.references, &holder.objects))
		return NULL;
	holder.subject = (uint32_t)subject;
	holder.kind = (enum pv_holder_kind)kind;
	return pv_vec_append(&r->memory->holders, &holder, 1, NULL);
}

static struct pv_err *read_holds(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	uint64_t index, own, gained, over_ns, used, limit, used_gained;
	struct pv_memory_holder *holder;

	if (!r->memory->holders.n) {
		pv_rec_malformed(r, "what a holder has names one that is not there");
		return NULL;
	}
	/* the numbers after zigzag are twice as large */
	if (!take_number(r, cursor, r->memory->holders.n - 1, &index) ||
	    !TAKE(r, cursor, &own, &gained, &over_ns, &used, &limit, &used_gained))
		return NULL;
	holder = pv_vec_at(&r->memory->holders, index);
	holder->own = own;
	holder->gained = (int64_t)pv_unzigzag(gained);
	holder->over_ns = over_ns;
	holder->used = used;
	holder->limit = limit;
	holder->used_gained = (int64_t)pv_unzigzag(used_gained);
	return NULL;
}

static struct pv_err *read_blind(struct pv_rec_reader *r, struct pv_cursor *cursor)
{
	uint32_t text;

	return pv_rec_take_string(r, cursor, &text)
		       ? pv_vec_append(&r->memory->blind, &text, 1, NULL)
		       : NULL;
}

typedef struct pv_err *read_one(struct pv_rec_reader *r, struct pv_cursor *cursor);

static read_one *reader_of(unsigned int type)
{
	switch (type) {
	case PV_REC_RUNGS:
		return read_rung;
	case PV_REC_POINTS:
		return read_point;
	case PV_REC_EVENTS:
		return read_event;
	case PV_REC_LOOKS:
		return read_look;
	case PV_REC_TYPES:
		return read_type;
	case PV_REC_SITES:
		return read_site;
	case PV_REC_TYPE_COUNTS:
		return read_type_count;
	case PV_REC_SITE_COUNTS:
		return read_site_count;
	case PV_REC_BURSTS:
		return read_burst;
	case PV_REC_SUBJECTS:
		return read_subject;
	case PV_REC_HOLDERS:
		return read_holder;
	case PV_REC_HOLDS:
		return read_holds;
	case PV_REC_BLIND:
		return read_blind;
	case PV_REC_COLLECTOR:
		return read_collector;
	case PV_REC_GARBAGE:
		return read_garbage;
	default:
		return NULL;
	}
}

/* It is a hunt from here on; the profile is its. */
static struct pv_err *begin(struct pv_rec_reader *r)
{
	struct pv_memory *memory;
	struct pv_err *err;

	if (r->memory)
		return NULL;
	err = pv_memory_create(&memory);
	if (err)
		return err;
	pv_profile_destroy(memory->profile);
	memory->profile = r->profile;
	r->memory = memory;
	return NULL;
}

bool pv_rec_take_hunt(struct pv_rec_reader *r, unsigned int type, struct pv_cursor *cursor,
		      struct pv_err **err_ret)
{
	read_one *read = reader_of(type);

	if (type == PV_REC_HUNT) {
		*err_ret = begin(r);
		if (!*err_ret)
			*err_ret = read_head(r, cursor);
		return true;
	}
	if (!read)
		return false;
	if (!r->memory)
		pv_rec_malformed(r, "a part of a hunt stands before the hunt");
	while (!*err_ret && !r->malformed && !cursor->bad && cursor->at < cursor->end)
		*err_ret = read(r, cursor);
	return true;
}
