/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hunt as JSON, for machines.  docs/formats.md describes it.
 * Input: a pv_memory and the verdict on it.  Output: one object.
 */
#include <math.h>
#include <string.h>

#include "analyse/leak.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "model/loss.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"
#include "out/memory.h"

enum { TYPES_SHORT = 20, SUSPECTS_SHORT = 20 }; /* rows of the summary */

struct writer {
	const struct pv_memory *memory;
	const struct pv_leak *leak;
	struct pv_json *json;
	bool whole;
};

static void put_string(const struct writer *w, const char *key, uint32_t id)
{
	const struct pv_strings *strings = w->memory->profile->strings;

	pv_json_bytes(w->json, key, pv_strings_get(strings, id), pv_strings_length(strings, id));
}

static void put_seconds(const struct writer *w, const char *key, uint64_t ns)
{
	pv_json_double(w->json, key, (double)ns / 1e9);
}

/* A number that is one: files may hold others. */
static void put_double(const struct writer *w, const char *key, double value)
{
	pv_json_double(w->json, key, isfinite(value) ? value : 0);
}

static void put_target(const struct writer *w)
{
	const struct pv_profile *profile = w->memory->profile;

	pv_json_begin(w->json, "target", '{');
	pv_json_int(w->json, "pid", profile->pid);
	put_string(w, "name", profile->target_name);
	put_string(w, "title", profile->title);
	put_string(w, "interpreter", profile->interpreter);
	put_string(w, "problem", profile->problem);
	put_string(w, "host", profile->host);
	put_string(w, "allocator", w->memory->allocator);
	pv_json_bool(w->json, "allocator_is_read", !w->memory->other_allocator);
	pv_json_bool(w->json, "free_threaded", w->memory->free_threaded);
	pv_json_bool(w->json, "gc_disabled", w->memory->gc_disabled);
	pv_json_end(w->json, '}');
	pv_json_int(w->json, "start_unix_ns", (int64_t)profile->start_unix_ns);
	put_seconds(w, "duration_s", profile->duration_ns);
}

/* A frame: function, file, line, module, kind. */
static void put_loc(const struct writer *w, const char *key, uint32_t index)
{
	static const char *const kinds[] = { "python", "native", "inlined", "kernel",
					     "marker", "thread", "process", "label" };
	const struct pv_loc *loc;

	if (index == PV_MEMORY_NONE)
		return;
	loc = pv_vec_at(&w->memory->profile->locs, index);
	pv_json_begin(w->json, key, '{');
	put_string(w, "function", loc->function);
	if (loc->file)
		put_string(w, "file", loc->file);
	if (loc->line > 0)
		pv_json_int(w->json, "line", loc->line);
	if (loc->module)
		put_string(w, "module", loc->module);
	pv_json_string(w->json, "kind", loc->kind <= PV_LOC_LABEL ? kinds[loc->kind] : "marker");
	pv_json_end(w->json, '}');
}

static struct pv_err *put_type_name(const struct writer *w, const char *key, uint32_t type)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 };
	struct pv_err *err;

	if (type == PV_MEMORY_NONE)
		return NULL;
	err = pv_leak_type(w->memory, type, &text);
	if (!err)
		pv_json_bytes(w->json, key, pv_str_text(&text), text.n);
	return err;
}

/* A command, where there is one. */
static void put_next(const struct writer *w, const struct pv_str *text)
{
	if (text->n)
		pv_json_bytes(w->json, "next", text->data, text->n);
}

/* Its frames are those that people can do something about, the innermost first. */
static struct pv_err *put_suspect(const struct writer *w, const char *key,
				  const struct pv_suspect *one)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = { 0 }, next = { 0 };
	struct pv_err *err = pv_spot_text(w->memory, &one->spot, &text);

	if (!err && pv_leak_accuses(w->leak, one))
		err = pv_leak_refs_place(w->memory, one, &next);

	if (err)
		return err;
	pv_json_begin(w->json, key, '{');
	pv_json_bytes(w->json, "where", pv_str_text(&text), text.n);
	pv_json_begin(w->json, "frames", '[');
	put_loc(w, NULL, one->spot.native);
	put_loc(w, NULL, one->spot.under);
	put_loc(w, NULL, one->spot.python);
	pv_json_end(w->json, ']');
	err = put_type_name(w, "type", one->type);
	pv_json_int(w->json, "stack", one->node);
	pv_json_int(w->json, "seen_count", (int64_t)one->seen_count);
	pv_json_int(w->json, "seen_bytes", (int64_t)one->seen_bytes);
	pv_json_int(w->json, "left_count", (int64_t)one->left_count);
	pv_json_int(w->json, "left_bytes", (int64_t)one->left_bytes);
	put_double(w, "weight", one->weight);
	put_double(w, "survival", one->survival);
	put_double(w, "bytes_per_s", one->bytes_per_s);
	put_double(w, "score", one->score);
	/* places are listed whatever the verdict is */
	pv_json_bool(w->json, "accused", pv_leak_accuses(w->leak, one));
	pv_json_bool(w->json, "first_use", pv_leak_is_first_use(one));
	put_next(w, &next);
	pv_json_end(w->json, '}');
	return err;
}

static void put_lines(struct pv_json *json, const char *key, const struct pv_str *text)
{
	const char *at = pv_str_text(text);

	pv_json_begin(json, key, '[');
	while (*at) {
		size_t n = strcspn(at, "\n");

		pv_json_bytes(json, NULL, at, n);
		at += n + (at[n] == '\n');
	}
	pv_json_end(json, ']');
}

static void put_holder(const struct writer *w, const char *key, uint32_t index)
{
	const struct pv_memory_holder *holder = pv_vec_at(&w->memory->holders, index);

	pv_json_begin(w->json, key, '{');
	pv_json_int(w->json, "subject", holder->subject);
	pv_json_string(w->json, "kind", pv_holder_kind_name(holder->kind));
	put_string(w, "text", holder->text);
	pv_json_int(w->json, "references", (int64_t)holder->references);
	pv_json_int(w->json, "objects", (int64_t)holder->objects);
	if (holder->over_ns) {
		pv_json_int(w->json, "gained", holder->gained);
		put_seconds(w, "gained_in_s", holder->over_ns);
	}
	if (holder->limit) {
		pv_json_int(w->json, "used", (int64_t)holder->used);
		pv_json_int(w->json, "limit", (int64_t)holder->limit);
	}
	pv_json_end(w->json, '}');
}

/* What all ways to what grows begin with. */
static void put_stem(const struct writer *w)
{
	const struct pv_memory_holder *one = pv_vec_at(&w->memory->holders, w->leak->holder);

	pv_json_bytes(w->json, "held_in", pv_strings_get(w->memory->profile->strings, one->text),
		      w->leak->stem);
}

static struct pv_err *put_verdict(const struct writer *w)
{
	const struct pv_leak *leak = w->leak;
	struct pv_err *err = NULL;

	pv_json_begin(w->json, "verdict", '{');
	pv_json_string(w->json, "kind", pv_leak_name(leak->kind));
	put_lines(w->json, "text", &leak->text);
	put_next(w, &leak->next);
	if (leak->kind >= PV_LEAK_GROWING) {
		put_double(w, "bytes_per_s", leak->bytes_per_s);
		put_double(w, "python_share", leak->python);
		if (leak->where == PV_LEAK_MAPPINGS)
			pv_json_string(w->json, "mappings", pv_memory_class_name(leak->mappings));
		pv_json_begin(w->json, "types", '[');
		for (uint32_t i = 0; i < leak->n_types && !err; i++)
			err = put_type_name(w, NULL, leak->types[i]);
		pv_json_end(w->json, ']');
		put_double(w, "types_share", leak->share);
		if (!err && leak->has_site)
			err = put_suspect(w, "site", pv_vec_at(&leak->suspects, 0));
	}
	if (leak->fills)
		pv_json_bool(w->json, "fills", true);
	if (leak->holder != PV_MEMORY_NONE)
		put_holder(w, "holder", leak->holder);
	if (leak->stem)
		put_stem(w);
	if (leak->second != PV_MEMORY_NONE)
		put_holder(w, "second_holder", leak->second);
	pv_json_end(w->json, '}');
	return err;
}

static void put_rungs(const struct writer *w)
{
	pv_json_begin(w->json, "rungs", '[');
	for (int i = 0; i < PV_RUNG_N; i++) {
		const struct pv_memory_rung *rung = &w->memory->rungs[i];

		pv_json_begin(w->json, NULL, '{');
		pv_json_string(w->json, "name", pv_rung_name((enum pv_rung)i));
		pv_json_string(w->json, "state", pv_rung_state_name(rung->state));
		put_string(w, "why", rung->why);
		put_seconds(w, "start_s", rung->start_ns);
		put_seconds(w, "took_s", rung->took_ns);
		pv_json_int(w->json, "hits", (int64_t)rung->hits);
		put_seconds(w, "hits_s", rung->hits_ns);
		put_seconds(w, "stopped_s", rung->stopped_ns);
		pv_json_int(w->json, "lost", (int64_t)rung->lost);
		if (rung->slowdown >= 0)
			put_double(w, "slowdown", rung->slowdown);
		pv_json_end(w->json, '}');
	}
	pv_json_end(w->json, ']');
}

static const char *end_name(enum pv_memory_end end)
{
	static const char *const names[] = { "done", "stopped", "target", "exec", "budget" };

	return (size_t)end < sizeof(names) / sizeof(*names) ? names[end] : "unknown";
}

static void put_cost(const struct writer *w)
{
	const struct pv_memory *memory = w->memory;

	pv_json_string(w->json, "end", end_name(memory->end));
	pv_json_begin(w->json, "cost", '{');
	put_double(w, "target_cpus", memory->cost_cpus);
	put_seconds(w, "own_cpu_s", memory->profile->own_cpu_ns);
	pv_json_int(w->json, "kernel_bytes", (int64_t)memory->kernel_bytes);
	pv_json_end(w->json, '}');
	pv_json_begin(w->json, "blind", '[');
	for (size_t i = 0; i < memory->blind.n; i++)
		put_string(w, NULL, *(const uint32_t *)pv_vec_at(&memory->blind, i));
	pv_json_end(w->json, ']');
	pv_losses_json(&memory->profile->losses, w->json);
}

/* ---- growth */

static void put_slope(const struct writer *w, const char *key, const struct pv_slope *slope)
{
	pv_json_begin(w->json, key, '{');
	pv_json_bool(w->json, "grows", slope->grows);
	pv_json_bool(w->json, "flattened", slope->flattened);
	put_double(w, "per_s", slope->per_s);
	put_double(w, "gained", slope->gained);
	pv_json_end(w->json, '}');
}

static void put_mappings(const struct writer *w)
{
	const struct pv_vec *points = &w->memory->points;

	pv_json_begin(w->json, "mappings", '[');
	for (int i = 0; i < PV_MEMORY_N_CLASSES; i++) {
		pv_json_begin(w->json, NULL, '{');
		pv_json_string(w->json, "name", pv_memory_class_name((enum pv_memory_class)i));
		put_slope(w, "resident", &w->leak->growth.resident[i]);
		put_slope(w, "mapped", &w->leak->growth.mapped[i]);
		if (points->n) {
			const struct pv_memory_point *first = pv_vec_at(points, 0),
						     *last = pv_vec_at(points, points->n - 1);

			pv_json_int(w->json, "first_bytes", (int64_t)first->resident[i]);
			pv_json_int(w->json, "last_bytes", (int64_t)last->resident[i]);
		}
		pv_json_end(w->json, '}');
	}
	pv_json_end(w->json, ']');
	put_slope(w, "rss", &w->leak->growth.rss);
	if (w->leak->growth.has_census)
		put_slope(w, "in_use", &w->leak->growth.in_use);
}

static struct pv_err *put_growing_type(const struct writer *w, const struct pv_growth_type *one)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str next = { 0 };
	struct pv_err *err = pv_leak_refs_type(w->memory, one->type, &next);

	if (err)
		return err;
	pv_json_begin(w->json, NULL, '{');
	err = put_type_name(w, "name", one->type);
	pv_json_int(w->json, "first_count", (int64_t)one->first.count);
	pv_json_int(w->json, "last_count", (int64_t)one->last.count);
	pv_json_int(w->json, "last_bytes", (int64_t)one->last.bytes);
	pv_json_int(w->json, "gained_bytes", one->gained_bytes);
	put_double(w, "count_per_s", one->count.per_s);
	put_double(w, "bytes_per_s", one->bytes_per_s);
	put_next(w, &next);
	pv_json_end(w->json, '}');
	return err;
}

static bool is_guilty(const struct pv_leak *leak, uint32_t type)
{
	for (uint32_t i = 0; i < leak->n_types; i++) {
		if (leak->types[i] == type)
			return true;
	}
	return false;
}

static const struct pv_growth_type *growing(const struct pv_leak *leak, uint32_t type)
{
	const struct pv_growth_type *one = leak->growth.types.data;

	while (one->type != type)
		one++;
	return one;
}

/* Those that the verdict names first, then by bytes a second. */
static struct pv_err *put_types(const struct writer *w)
{
	const struct pv_vec *types = &w->leak->growth.types;
	struct pv_err *err = NULL;

	pv_json_begin(w->json, "types", '[');
	for (uint32_t i = 0; i < w->leak->n_types && !err; i++)
		err = put_growing_type(w, growing(w->leak, w->leak->types[i]));
	for (size_t i = 0; i < types->n && !err && (w->whole || i < TYPES_SHORT); i++) {
		const struct pv_growth_type *one = pv_vec_at(types, i);

		if (!is_guilty(w->leak, one->type))
			err = put_growing_type(w, one);
	}
	pv_json_end(w->json, ']');
	return err;
}

/* What grew at first, and no more; what is garbage. */
static struct pv_err *put_others(const struct writer *w, const char *key,
				 const struct pv_vec *types)
{
	struct pv_err *err = NULL;

	pv_json_begin(w->json, key, '[');
	for (size_t i = 0; i < types->n && !err && (w->whole || i < TYPES_SHORT); i++)
		err = put_growing_type(w, pv_vec_at(types, i));
	pv_json_end(w->json, ']');
	return err;
}

/* When it was seen that there had been more full collections. */
static void put_collections(const struct writer *w)
{
	const struct pv_memory_look *last = NULL;

	pv_json_begin(w->json, "seen_s", '[');
	for (size_t i = 0; i < w->memory->looks.n; i++) {
		const struct pv_memory_look *look = pv_vec_at(&w->memory->looks, i);

		if (look->kind != PV_LOOK_CENSUS || !look->collector.counted)
			continue;
		if (last && last->collector.full != look->collector.full)
			put_seconds(w, NULL, look->at_ns);
		last = look;
	}
	pv_json_end(w->json, ']');
}

static void put_collector(const struct writer *w)
{
	const struct pv_collections *one = &w->leak->growth.collections;

	pv_json_begin(w->json, "collector", '{');
	pv_json_bool(w->json, "disabled", one->disabled);
	if (one->counted) {
		pv_json_int(w->json, "full_collections", (int64_t)one->seen);
		put_collections(w);
		pv_json_int(w->json, "freed_before", (int64_t)one->freed_before);
	}
	if (one->known)
		pv_json_int(w->json, "garbage", (int64_t)one->garbage);
	if (one->next_s > 0)
		put_double(w, "next_s", one->next_s);
	pv_json_end(w->json, '}');
}

static struct pv_err *put_suspects(const struct writer *w)
{
	const struct pv_vec *suspects = &w->leak->suspects;
	struct pv_err *err = NULL;

	pv_json_begin(w->json, "sites", '[');
	for (size_t i = 0; i < suspects->n && !err && (w->whole || i < SUSPECTS_SHORT); i++)
		err = put_suspect(w, NULL, pv_vec_at(suspects, i));
	pv_json_end(w->json, ']');
	return err;
}

static struct pv_err *put_subject(const struct writer *w, uint32_t index)
{
	const struct pv_memory_subject *one = pv_vec_at(&w->memory->subjects, index);
	struct pv_err *err;

	pv_json_begin(w->json, NULL, '{');
	put_string(w, "text", one->text);
	err = put_type_name(w, "type", one->type);
	if (one->address)
		pv_json_int(w->json, "address", (int64_t)one->address);
	pv_json_int(w->json, "objects", (int64_t)one->objects);
	pv_json_int(w->json, "of", (int64_t)one->of);
	if (one->refcount >= 0)
		pv_json_int(w->json, "refcount", one->refcount);
	pv_json_int(w->json, "found", (int64_t)one->found);
	pv_json_int(w->json, "immortal", (int64_t)one->immortal);
	pv_json_bool(w->json, "partial", one->partial);
	pv_json_int(w->json, "lost_objects", (int64_t)one->lost_objects);
	pv_json_int(w->json, "lost_references", (int64_t)one->lost_references);
	pv_json_int(w->json, "looks", (int64_t)one->looks);
	put_seconds(w, "took_s", one->took_ns);
	pv_json_begin(w->json, "examples", '[');
	for (uint32_t i = 0; i < one->n_examples; i++)
		pv_json_int(
			w->json, NULL,
			*(const int64_t *)pv_vec_at(&w->memory->examples, one->first_example + i));
	pv_json_end(w->json, ']');
	pv_json_end(w->json, '}');
	return err;
}

static struct pv_err *put_subjects(const struct writer *w)
{
	struct pv_err *err = NULL;

	pv_json_begin(w->json, "subjects", '[');
	for (uint32_t i = 0; i < w->memory->subjects.n && !err; i++)
		err = put_subject(w, i);
	pv_json_end(w->json, ']');
	/* the one that the verdict names first */
	pv_json_begin(w->json, "holders", '[');
	if (w->leak->holder != PV_MEMORY_NONE)
		put_holder(w, NULL, w->leak->holder);
	for (uint32_t i = 0; i < w->memory->holders.n; i++) {
		if (i != w->leak->holder)
			put_holder(w, NULL, i);
	}
	pv_json_end(w->json, ']');
	return err;
}

/* ---- all of it */

static void put_points(const struct writer *w)
{
	pv_json_begin(w->json, "points", '[');
	for (size_t i = 0; i < w->memory->points.n; i++) {
		const struct pv_memory_point *point = pv_vec_at(&w->memory->points, i);

		pv_json_begin(w->json, NULL, '{');
		put_seconds(w, "at_s", point->at_ns);
		pv_json_int(w->json, "rss_bytes", (int64_t)point->rss_bytes);
		pv_json_begin(w->json, "resident_bytes", '[');
		for (int k = 0; k < PV_MEMORY_N_CLASSES; k++)
			pv_json_int(w->json, NULL, (int64_t)point->resident[k]);
		pv_json_end(w->json, ']');
		pv_json_begin(w->json, "mapped_bytes", '[');
		for (int k = 0; k < PV_MEMORY_N_CLASSES; k++)
			pv_json_int(w->json, NULL, (int64_t)point->mapped[k]);
		pv_json_end(w->json, ']');
		pv_json_end(w->json, '}');
	}
	pv_json_end(w->json, ']');
}

static const char *source_name(enum pv_site_source source)
{
	static const char *const names[] = { "growth", "burst", "all", "mapped" };

	return (size_t)source < sizeof(names) / sizeof(*names) ? names[source] : "unknown";
}

static void put_looks(const struct writer *w)
{
	pv_json_begin(w->json, "looks", '[');
	for (size_t i = 0; i < w->memory->looks.n; i++) {
		const struct pv_memory_look *look = pv_vec_at(&w->memory->looks, i);

		pv_json_begin(w->json, NULL, '{');
		pv_json_string(w->json, "kind", look->kind == PV_LOOK_CENSUS ? "census" : "sites");
		if (look->kind == PV_LOOK_SITES)
			pv_json_string(w->json, "source", source_name(look->source));
		put_seconds(w, "at_s", look->at_ns);
		put_seconds(w, "took_s", look->took_ns);
		pv_json_int(w->json, "count", (int64_t)look->objects);
		pv_json_int(w->json, "bytes", (int64_t)look->bytes);
		pv_json_int(w->json, "doubts", (int64_t)look->doubts);
		pv_json_int(w->json, "unread", (int64_t)look->unread);
		pv_json_bool(w->json, "partial", look->partial);
		put_string(w, "why", look->why);
		if (look->kind == PV_LOOK_CENSUS)
			pv_json_bool(w->json, "tells_garbage", look->has_garbage);
		if (look->collector.counted)
			pv_json_int(w->json, "full_collections", (int64_t)look->collector.full);
		pv_json_end(w->json, '}');
	}
	pv_json_end(w->json, ']');
}

typedef struct pv_memory_count count_at(const struct pv_memory *memory, uint32_t look,
					uint32_t what);

static uint64_t part_of(struct pv_memory_count count, int part)
{
	return part == 0 ? count.count : part == 1 ? count.bytes : count.garbage;
}

/*
 * "counts" and "bytes": one for each census, or each look at sites of that source; of a census
 * "garbage", too, which is 0 where it was not told apart.
 */
static void put_series(const struct writer *w, const struct pv_memory_look *of, uint32_t what,
		       count_at *at)
{
	static const char *const names[] = { "counts", "bytes", "garbage" };

	for (int part = 0; part < (of->kind == PV_LOOK_CENSUS ? 3 : 2); part++) {
		pv_json_begin(w->json, names[part], '[');
		for (uint32_t i = 0; i < w->memory->looks.n; i++) {
			const struct pv_memory_look *look = pv_vec_at(&w->memory->looks, i);
			struct pv_memory_count count = at(w->memory, i, what);

			if (look->kind == of->kind &&
			    (of->kind == PV_LOOK_CENSUS || look->source == of->source))
				pv_json_int(w->json, NULL, (int64_t)part_of(count, part));
		}
		pv_json_end(w->json, ']');
	}
}

static void put_census(const struct writer *w)
{
	const struct pv_memory_look census = { .kind = PV_LOOK_CENSUS };
	static const char *const kinds[] = { "object", "pool block", "heap block" };

	pv_json_begin(w->json, "census", '[');
	for (uint32_t i = 0; i < w->memory->types.n; i++) {
		const struct pv_memory_type *type = pv_vec_at(&w->memory->types, i);

		pv_json_begin(w->json, NULL, '{');
		pv_json_string(w->json, "kind", kinds[type->kind]);
		put_string(w, "name", type->name);
		put_string(w, "module", type->module);
		pv_json_int(w->json, "size", (int64_t)type->size);
		put_series(w, &census, i, pv_memory_type_at);
		pv_json_end(w->json, '}');
	}
	pv_json_end(w->json, ']');
}

static void put_allocations(const struct writer *w)
{
	pv_json_begin(w->json, "allocations", '[');
	for (uint32_t i = 0; i < w->memory->sites.n; i++) {
		const struct pv_memory_site *site = pv_vec_at(&w->memory->sites, i);
		const struct pv_memory_look looks = { .kind = PV_LOOK_SITES,
						      .source = site->source };

		pv_json_begin(w->json, NULL, '{');
		pv_json_string(w->json, "source", source_name(site->source));
		pv_json_string(w->json, "domain", pv_memory_domain_name(site->domain));
		pv_json_int(w->json, "stack", site->node);
		if (site->type != PV_MEMORY_NONE)
			pv_json_int(w->json, "type", site->type);
		pv_json_int(w->json, "seen_count", (int64_t)site->seen_count);
		pv_json_int(w->json, "seen_bytes", (int64_t)site->seen_bytes);
		pv_json_int(w->json, "freed_count", (int64_t)site->freed_count);
		pv_json_int(w->json, "bursts", site->bursts);
		pv_json_int(w->json, "bursts_survived", site->bursts_survived);
		put_double(w, "weight", site->weight);
		put_series(w, &looks, i, pv_memory_site_at);
		pv_json_end(w->json, '}');
	}
	pv_json_end(w->json, ']');
	pv_json_begin(w->json, "bursts", '[');
	for (size_t i = 0; i < w->memory->bursts.n; i++) {
		const struct pv_memory_burst *burst = pv_vec_at(&w->memory->bursts, i);

		pv_json_begin(w->json, NULL, '{');
		put_seconds(w, "start_s", burst->start_ns);
		put_seconds(w, "end_s", burst->end_ns);
		pv_json_int(w->json, "allocations", (int64_t)burst->allocations);
		pv_json_int(w->json, "lost", (int64_t)burst->lost);
		pv_json_bool(w->json, "sampled", burst->sampled);
		pv_json_end(w->json, '}');
	}
	pv_json_end(w->json, ']');
}

static void put_events(const struct writer *w)
{
	pv_json_begin(w->json, "events", '[');
	for (size_t i = 0; i < w->memory->events.n; i++) {
		const struct pv_memory_event *event = pv_vec_at(&w->memory->events, i);
		const struct pv_profile_thread *thread =
			pv_vec_at(&w->memory->profile->threads, event->thread);

		pv_json_begin(w->json, NULL, '{');
		pv_json_string(w->json, "kind", pv_memory_event_name(event->kind));
		pv_json_int(w->json, "tid", thread->tid);
		pv_json_int(w->json, "stack", event->node);
		pv_json_int(w->json, "count", (int64_t)event->count);
		pv_json_int(w->json, "bytes", (int64_t)event->bytes);
		pv_json_end(w->json, '}');
	}
	pv_json_end(w->json, ']');
}

/* A stack is its leaf's index in "stacks"; each has its caller's, 0 is the root. */
static void put_stacks(const struct writer *w)
{
	const struct pv_profile *profile = w->memory->profile;

	pv_json_begin(w->json, "frames", '[');
	for (uint32_t i = 0; i < profile->locs.n; i++)
		put_loc(w, NULL, i);
	pv_json_end(w->json, ']');
	pv_json_begin(w->json, "stacks", '[');
	for (size_t i = 0; i < profile->nodes.n; i++) {
		const struct pv_stack_node *node = pv_vec_at(&profile->nodes, i);

		pv_json_begin(w->json, NULL, '[');
		if (i) {
			pv_json_int(w->json, NULL, node->parent);
			pv_json_int(w->json, NULL, node->loc);
		}
		pv_json_end(w->json, ']');
	}
	pv_json_end(w->json, ']');
}

static struct pv_err *put_summary(const struct writer *w)
{
	struct pv_err *err;

	put_target(w);
	err = put_verdict(w);
	put_rungs(w);
	put_cost(w);
	put_mappings(w);
	if (!err)
		err = put_types(w);
	if (!err)
		err = put_others(w, "filled", &w->leak->growth.filled);
	if (!err)
		err = put_others(w, "waiting", &w->leak->growth.waiting);
	if (!err)
		err = put_others(w, "turns", &w->leak->growth.turns);
	if (!err && w->leak->growth.has_census)
		put_collector(w);
	if (!err)
		err = put_suspects(w);
	return err ? err : put_subjects(w);
}

struct pv_err *pv_memory_json_summary(const struct pv_memory *memory, const struct pv_leak *leak,
				      struct pv_json *json)
{
	const struct writer w = { .memory = memory, .leak = leak, .json = json };

	return put_summary(&w);
}

struct pv_err *pv_memory_json(const struct pv_memory *memory, const struct pv_leak *leak,
			      bool whole, FILE *file)
{
	struct pv_json json = { .file = file };
	const struct writer w = { .memory = memory, .leak = leak, .json = &json, .whole = whole };
	struct pv_err *err;

	pv_json_begin(&json, NULL, '{');
	pv_json_string(&json, "format", "pitviper-memory");
	pv_json_string(&json, "pitviper", PV_VERSION);
	err = put_summary(&w);
	if (!err && whole) {
		put_points(&w);
		put_looks(&w);
		put_census(&w);
		put_allocations(&w);
		put_events(&w);
		put_stacks(&w);
	}
	pv_json_end(&json, '}');
	fputc('\n', file);
	return err;
}

static struct pv_err *json_write(const struct pv_memory *memory, FILE *file)
{
	struct pv_leak leak;
	struct pv_err *err = pv_leak_of(memory, &leak);

	if (err)
		return err;
	err = pv_memory_json(memory, &leak, true, file);
	pv_leak_deinit(&leak);
	return err;
}

static const char *const json_suffixes[] = { ".json", NULL };

const struct pv_format pv_memory_format_json = {
	.name = "json",
	.suffixes = json_suffixes,
	.help = "all that was found, for machines",
	.write_memory = json_write,
};
