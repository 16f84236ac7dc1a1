/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes hunts for memory.
 * Input: a struct pv_memory.
 * Output: the chunks of a recording that are its own, docs/recording.md.
 */
#include <math.h>

#include "base/cleanup.h"
#include "model/memory.h"
#include "model/profile.h"
#include "recfile/bytes.h"
#include "recfile/format.h"
#include "recfile/recfile.h"
#include "recfile/writer.h"

#define PUT PV_REC_PUT_NUMBERS

enum { CHUNK_BYTES = 64 * 1024 };

struct hunt {
	const struct pv_memory *memory;
	struct pv_recwriter *writer;
	struct pv_vec bytes; /* the payload that is being made */
	uint32_t look;       /* of counts */
};

typedef struct pv_err *put_one(struct hunt *hunt, size_t i);

/* A share or a weight in millionths. */
static uint64_t millionths(double value)
{
	if (!isfinite(value) || value < 0)
		return 0;
	return value > 1e12 ? (uint64_t)1e18 : (uint64_t)(value * 1e6 + 0.5);
}

/* n elements, in as many chunks as they take. */
static struct pv_err *put_all(struct hunt *hunt, enum pv_rec_type type, size_t n, put_one *put)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; i < n && !err; i++) {
		err = put(hunt, i);
		if (!err && hunt->bytes.n >= CHUNK_BYTES)
			err = pv_recwriter_chunk(hunt->writer, type, &hunt->bytes);
	}
	return err ? err : pv_recwriter_chunk(hunt->writer, type, &hunt->bytes);
}

static struct pv_err *put_head(struct hunt *hunt)
{
	const struct pv_memory *memory = hunt->memory;
	struct pv_err *err =
		PUT(&hunt->bytes, PV_REC_HUNT_END, memory->end, PV_REC_HUNT_ALLOCATOR,
		    memory->allocator, PV_REC_HUNT_OTHER_ALLOCATOR, memory->other_allocator,
		    PV_REC_HUNT_FREE_THREADED, memory->free_threaded, PV_REC_HUNT_GC_DISABLED,
		    memory->gc_disabled, PV_REC_HUNT_KERNEL_BYTES, memory->kernel_bytes,
		    PV_REC_HUNT_COST, millionths(memory->cost_cpus));

	return err ? err : pv_recwriter_chunk(hunt->writer, PV_REC_HUNT, &hunt->bytes);
}

/* slowdown + 1, so that 0 says that it is not known */
static struct pv_err *put_rung(struct hunt *hunt, size_t i)
{
	const struct pv_memory_rung *rung = &hunt->memory->rungs[i];

	return PUT(&hunt->bytes, i, rung->state, rung->why, rung->start_ns, rung->took_ns,
		   rung->hits, rung->hits_ns, rung->stopped_ns, rung->lost,
		   rung->slowdown < 0 ? 0 : millionths(rung->slowdown) + 1);
}

static struct pv_err *put_point(struct hunt *hunt, size_t i)
{
	const struct pv_memory_point *point = pv_vec_at(&hunt->memory->points, i);
	struct pv_err *err = PUT(&hunt->bytes, point->at_ns, point->rss_bytes, PV_MEMORY_N_CLASSES);

	for (size_t k = 0; k < PV_MEMORY_N_CLASSES && !err; k++)
		err = PUT(&hunt->bytes, point->resident[k], point->mapped[k]);
	return err;
}

static struct pv_err *put_event(struct hunt *hunt, size_t i)
{
	const struct pv_memory_event *event = pv_vec_at(&hunt->memory->events, i);

	return PUT(&hunt->bytes, event->kind, event->node, event->thread, event->count,
		   event->bytes);
}

static struct pv_err *put_look(struct hunt *hunt, size_t i)
{
	const struct pv_memory_look *look = pv_vec_at(&hunt->memory->looks, i);

	return PUT(&hunt->bytes, look->kind, look->source, look->at_ns, look->took_ns, look->doubts,
		   look->unread, look->partial, look->why);
}

/* What the collector says, of looks that asked it. */
static struct pv_err *put_collector(struct hunt *hunt, size_t i)
{
	const struct pv_memory_look *look = pv_vec_at(&hunt->memory->looks, i);
	const struct pv_memory_collector *one = &look->collector;

	if (look->kind != PV_LOOK_CENSUS)
		return NULL;
	return PUT(&hunt->bytes, i, look->has_garbage, one->disabled, one->counted, one->full,
		   one->collected, one->aged, one->old, one->pending);
}

static struct pv_err *put_type(struct hunt *hunt, size_t i)
{
	const struct pv_memory_type *type = pv_vec_at(&hunt->memory->types, i);

	return PUT(&hunt->bytes, type->kind, type->name, type->module, type->size, type->address);
}

/* An index, or none as 0. */
static uint64_t index_or_none(uint32_t index)
{
	return index == PV_MEMORY_NONE ? 0 : (uint64_t)index + 1;
}

static struct pv_err *put_site(struct hunt *hunt, size_t i)
{
	const struct pv_memory_site *site = pv_vec_at(&hunt->memory->sites, i);

	return PUT(&hunt->bytes, site->source, site->domain, site->node, index_or_none(site->type),
		   site->seen_count, site->seen_bytes, site->freed_count, site->bursts,
		   site->bursts_survived, millionths(site->weight));
}

static struct pv_err *put_count(struct hunt *hunt, size_t i, struct pv_memory_count count)
{
	if (!count.count && !count.bytes)
		return NULL;
	return PUT(&hunt->bytes, hunt->look, i, count.count, count.bytes);
}

static struct pv_err *put_type_count(struct hunt *hunt, size_t i)
{
	return put_count(hunt, i, pv_memory_type_at(hunt->memory, hunt->look, (uint32_t)i));
}

static struct pv_err *put_garbage(struct hunt *hunt, size_t i)
{
	uint64_t n = pv_memory_type_at(hunt->memory, hunt->look, (uint32_t)i).garbage;

	return n ? PUT(&hunt->bytes, hunt->look, i, n) : NULL;
}

static struct pv_err *put_site_count(struct hunt *hunt, size_t i)
{
	return put_count(hunt, i, pv_memory_site_at(hunt->memory, hunt->look, (uint32_t)i));
}

static struct pv_err *put_counts(struct hunt *hunt)
{
	const struct pv_memory *memory = hunt->memory;
	struct pv_err *err = NULL;

	for (hunt->look = 0; hunt->look < memory->looks.n && !err; hunt->look++) {
		const struct pv_memory_look *look = pv_vec_at(&memory->looks, hunt->look);

		err = look->kind == PV_LOOK_CENSUS
			      ? put_all(hunt, PV_REC_TYPE_COUNTS, memory->types.n, put_type_count)
			      : put_all(hunt, PV_REC_SITE_COUNTS, memory->sites.n, put_site_count);
		if (!err && look->has_garbage)
			err = put_all(hunt, PV_REC_GARBAGE, memory->types.n, put_garbage);
	}
	return err;
}

static struct pv_err *put_burst(struct hunt *hunt, size_t i)
{
	const struct pv_memory_burst *burst = pv_vec_at(&hunt->memory->bursts, i);

	return PUT(&hunt->bytes, burst->start_ns, burst->end_ns, burst->allocations, burst->lost,
		   burst->sampled);
}

static struct pv_err *put_subject(struct hunt *hunt, size_t i)
{
	const struct pv_memory_subject *one = pv_vec_at(&hunt->memory->subjects, i);
	struct pv_err *err = PUT(&hunt->bytes, index_or_none(one->type), one->text, one->address,
				 one->objects, one->of, pv_zigzag((uint64_t)one->refcount),
				 one->found, one->immortal, one->partial, one->lost_objects,
				 one->lost_references, one->looks, one->took_ns, one->n_examples);

	for (uint32_t k = 0; k < one->n_examples && !err; k++)
		err = PUT(&hunt->bytes, *(const uint64_t *)pv_vec_at(&hunt->memory->examples,
								     one->first_example + k));
	return err;
}

static struct pv_err *put_holder(struct hunt *hunt, size_t i)
{
	const struct pv_memory_holder *holder = pv_vec_at(&hunt->memory->holders, i);

	return PUT(&hunt->bytes, holder->subject, holder->kind, holder->text,
		   index_or_none(holder->type), holder->references, holder->objects);
}

/* What is known of few. */
static struct pv_err *put_holds(struct hunt *hunt, size_t i)
{
	const struct pv_memory_holder *one = pv_vec_at(&hunt->memory->holders, i);

	if (!one->own && !one->over_ns && !one->limit)
		return NULL;
	return PUT(&hunt->bytes, i, one->own, pv_zigzag((uint64_t)one->gained), one->over_ns,
		   one->used, one->limit, pv_zigzag((uint64_t)one->used_gained));
}

static struct pv_err *put_blind(struct hunt *hunt, size_t i)
{
	return PUT(&hunt->bytes, *(const uint32_t *)pv_vec_at(&hunt->memory->blind, i));
}

static struct pv_err *put_memory(struct hunt *hunt)
{
	const struct pv_memory *memory = hunt->memory;
	struct pv_err *err = put_head(hunt);

	if (!err)
		err = put_all(hunt, PV_REC_RUNGS, PV_RUNG_N, put_rung);
	if (!err)
		err = put_all(hunt, PV_REC_POINTS, memory->points.n, put_point);
	if (!err)
		err = put_all(hunt, PV_REC_EVENTS, memory->events.n, put_event);
	if (!err)
		err = put_all(hunt, PV_REC_LOOKS, memory->looks.n, put_look);
	if (!err)
		err = put_all(hunt, PV_REC_COLLECTOR, memory->looks.n, put_collector);
	if (!err)
		err = put_all(hunt, PV_REC_TYPES, memory->types.n, put_type);
	if (!err)
		err = put_all(hunt, PV_REC_SITES, memory->sites.n, put_site);
	if (!err)
		err = put_counts(hunt);
	if (!err)
		err = put_all(hunt, PV_REC_BURSTS, memory->bursts.n, put_burst);
	if (!err)
		err = put_all(hunt, PV_REC_SUBJECTS, memory->subjects.n, put_subject);
	if (!err)
		err = put_all(hunt, PV_REC_HOLDERS, memory->holders.n, put_holder);
	if (!err)
		err = put_all(hunt, PV_REC_HOLDS, memory->holders.n, put_holds);
	return err ? err : put_all(hunt, PV_REC_BLIND, memory->blind.n, put_blind);
}

struct pv_err *pv_recfile_write_memory(const struct pv_memory *memory, FILE *file)
{
	struct hunt hunt = { .memory = memory, .bytes = PV_VEC(uint8_t) };
	struct pv_err *err = pv_recwriter_create(file, memory->profile, &hunt.writer);

	if (!err)
		err = put_memory(&hunt);
	if (!err)
		err = pv_recwriter_end(hunt.writer);
	pv_recwriter_destroy(hunt.writer);
	pv_vec_deinit(&hunt.bytes);
	return err;
}
