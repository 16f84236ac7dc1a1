/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a hunt found.  Input: counts by type and by site at each look, from session/.
 * Output: a struct pv_memory.
 */
#include "model/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/profile.h"
#include "model/strings.h"

struct pv_err *pv_memory_create(struct pv_memory **ret)
{
	struct pv_memory *memory = calloc(1, sizeof(*memory));
	struct pv_err *err;

	if (!memory)
		return &pv_enomem;
	memory->points = (struct pv_vec)PV_VEC(struct pv_memory_point);
	memory->events = (struct pv_vec)PV_VEC(struct pv_memory_event);
	memory->looks = (struct pv_vec)PV_VEC(struct pv_memory_look);
	memory->types = (struct pv_vec)PV_VEC(struct pv_memory_type);
	memory->sites = (struct pv_vec)PV_VEC(struct pv_memory_site);
	memory->bursts = (struct pv_vec)PV_VEC(struct pv_memory_burst);
	memory->subjects = (struct pv_vec)PV_VEC(struct pv_memory_subject);
	memory->holders = (struct pv_vec)PV_VEC(struct pv_memory_holder);
	memory->examples = (struct pv_vec)PV_VEC(uint64_t);
	memory->blind = (struct pv_vec)PV_VEC(uint32_t);
	memory->type_counts = (struct pv_vec)PV_VEC(struct pv_memory_count);
	memory->site_counts = (struct pv_vec)PV_VEC(struct pv_memory_count);
	err = pv_profile_create(&memory->profile);
	if (err) {
		pv_memory_destroy(memory);
		return err;
	}
	*ret = memory;
	return NULL;
}

void pv_memory_destroy(struct pv_memory *memory)
{
	if (!memory)
		return;
	pv_profile_destroy(memory->profile);
	pv_vec_deinit(&memory->points);
	pv_vec_deinit(&memory->events);
	pv_vec_deinit(&memory->looks);
	pv_vec_deinit(&memory->types);
	pv_vec_deinit(&memory->sites);
	pv_vec_deinit(&memory->bursts);
	pv_vec_deinit(&memory->subjects);
	pv_vec_deinit(&memory->holders);
	pv_vec_deinit(&memory->examples);
	pv_vec_deinit(&memory->blind);
	pv_vec_deinit(&memory->type_counts);
	pv_vec_deinit(&memory->site_counts);
	pv_map_deinit(&memory->type_count_index);
	pv_map_deinit(&memory->site_count_index);
	pv_map_deinit(&memory->type_index);
	pv_map_deinit(&memory->site_index);
	pv_map_deinit(&memory->event_index);
	free(memory);
}

struct pv_err *pv_memory_look(struct pv_memory *memory, const struct pv_memory_look *look,
			      uint32_t *ret)
{
	struct pv_err *err;

	if (memory->looks.n >= PV_MEMORY_NONE)
		return pv_err_create(PV_ERR_FAILED, "too many looks");
	err = pv_vec_append(&memory->looks, look, 1, NULL);
	if (!err)
		*ret = (uint32_t)(memory->looks.n - 1);
	return err;
}

static bool same_type(const struct pv_memory *memory, uint64_t i, const struct pv_memory_type *type)
{
	const struct pv_memory_type *other = pv_vec_at(&memory->types, i);

	return other->kind == type->kind && other->name == type->name &&
	       other->module == type->module && other->size == type->size;
}

/* Hashes may clash: the next key is tried then, so that a find is never a guess. */
struct pv_err *pv_memory_type(struct pv_memory *memory, const struct pv_memory_type *type,
			      uint32_t *ret)
{
	uint64_t key = pv_hash(pv_hash(((uint64_t)type->kind << 32 | type->name)) ^ type->module) ^
		       type->size;
	struct pv_err *err;
	uint64_t at;

	for (key = pv_hash(key); pv_map_get(&memory->type_index, key, &at); key = pv_hash(key + 1))
		if (same_type(memory, at, type)) {
			*ret = (uint32_t)at;
			return NULL;
		}
	if (memory->types.n >= PV_MEMORY_NONE)
		return pv_err_create(PV_ERR_FAILED, "too many types");
	at = memory->types.n;
	err = pv_map_set(&memory->type_index, key, at);
	if (!err)
		err = pv_vec_append(&memory->types, type, 1, NULL);
	if (!err)
		*ret = (uint32_t)at;
	else
		pv_map_remove(&memory->type_index, key);
	return err;
}

struct pv_err *pv_memory_type_named(struct pv_memory *memory, enum pv_memory_type_kind kind,
				    const char *name, const char *module, uint64_t size,
				    uint64_t address, uint32_t *ret)
{
	struct pv_memory_type type = { .kind = kind, .size = size, .address = address };
	struct pv_strings *strings = memory->profile->strings;
	struct pv_err *err = NULL;

	if (name)
		err = pv_strings_add(strings, name, strlen(name), &type.name);
	if (!err && module)
		err = pv_strings_add(strings, module, strlen(module), &type.module);
	return err ? err : pv_memory_type(memory, &type, ret);
}

uint32_t pv_memory_type_of(const struct pv_memory *memory, uint64_t address)
{
	for (uint32_t i = 0; i < memory->types.n; i++) {
		const struct pv_memory_type *one = pv_vec_at(&memory->types, i);

		if (one->kind == PV_TYPE_OBJECT && one->address == address)
			return i;
	}
	return PV_MEMORY_NONE;
}

static bool same_site(const struct pv_memory *memory, uint64_t i, const struct pv_memory_site *site)
{
	const struct pv_memory_site *other = pv_vec_at(&memory->sites, i);

	return other->source == site->source && other->domain == site->domain &&
	       other->node == site->node && other->type == site->type;
}

struct pv_err *pv_memory_site(struct pv_memory *memory, const struct pv_memory_site *site,
			      uint32_t *ret)
{
	uint64_t key = pv_hash((uint64_t)site->source << 8 | site->domain) ^
		       ((uint64_t)site->node << 32 | site->type);
	struct pv_err *err;
	uint64_t at;

	for (key = pv_hash(key); pv_map_get(&memory->site_index, key, &at); key = pv_hash(key + 1))
		if (same_site(memory, at, site)) {
			*ret = (uint32_t)at;
			return NULL;
		}
	if (memory->sites.n >= PV_MEMORY_NONE)
		return pv_err_create(PV_ERR_FAILED, "too many allocation sites");
	at = memory->sites.n;
	err = pv_map_set(&memory->site_index, key, at);
	if (!err)
		err = pv_vec_append(&memory->sites, site, 1, NULL);
	if (!err)
		*ret = (uint32_t)at;
	else
		pv_map_remove(&memory->site_index, key);
	return err;
}

static struct pv_err *count(struct pv_vec *counts, struct pv_map *index, uint32_t look,
			    uint32_t what, uint64_t n, uint64_t bytes)
{
	uint64_t key = (uint64_t)look << 32 | what, at;
	struct pv_memory_count *found;
	struct pv_err *err;

	if (!pv_map_get(index, key, &at)) {
		at = counts->n;
		err = pv_vec_append(counts, NULL, 1, NULL);
		if (!err)
			err = pv_map_set(index, key, at);
		if (err)
			return err;
	}
	found = pv_vec_at(counts, at);
	found->count += n;
	found->bytes += bytes;
	return NULL;
}

static void count_in_look(struct pv_memory *memory, uint32_t look, uint64_t n, uint64_t bytes)
{
	struct pv_memory_look *whole = pv_vec_at(&memory->looks, look);

	whole->objects += n;
	whole->bytes += bytes;
}

struct pv_err *pv_memory_count_type(struct pv_memory *memory, uint32_t look, uint32_t type,
				    uint64_t n, uint64_t bytes)
{
	struct pv_err *err =
		count(&memory->type_counts, &memory->type_count_index, look, type, n, bytes);

	if (!err)
		count_in_look(memory, look, n, bytes);
	return err;
}

void pv_memory_count_garbage(struct pv_memory *memory, uint32_t look, uint32_t type,
			     uint64_t garbage)
{
	struct pv_memory_count *one;
	uint64_t at;

	if (!pv_map_get(&memory->type_count_index, (uint64_t)look << 32 | type, &at))
		return;
	one = pv_vec_at(&memory->type_counts, at);
	garbage += one->garbage;
	one->garbage = garbage < one->count ? garbage : one->count;
}

struct pv_err *pv_memory_count_site(struct pv_memory *memory, uint32_t look, uint32_t site,
				    uint64_t n, uint64_t bytes)
{
	struct pv_err *err =
		count(&memory->site_counts, &memory->site_count_index, look, site, n, bytes);

	if (!err)
		count_in_look(memory, look, n, bytes);
	return err;
}

static struct pv_memory_count at(const struct pv_vec *counts, const struct pv_map *index,
				 uint32_t look, uint32_t what)
{
	uint64_t found;

	if (!pv_map_get(index, (uint64_t)look << 32 | what, &found))
		return (struct pv_memory_count){ 0 };
	return *(const struct pv_memory_count *)pv_vec_at(counts, found);
}

struct pv_memory_count pv_memory_type_at(const struct pv_memory *memory, uint32_t look,
					 uint32_t type)
{
	return at(&memory->type_counts, &memory->type_count_index, look, type);
}

struct pv_memory_count pv_memory_site_at(const struct pv_memory *memory, uint32_t look,
					 uint32_t site)
{
	return at(&memory->site_counts, &memory->site_count_index, look, site);
}

uint32_t pv_memory_last_look(const struct pv_memory *memory, enum pv_look_kind kind)
{
	for (size_t i = memory->looks.n; i-- > 0;)
		if (((const struct pv_memory_look *)pv_vec_at(&memory->looks, i))->kind == kind)
			return (uint32_t)i;
	return PV_MEMORY_NONE;
}

uint32_t pv_memory_first_look(const struct pv_memory *memory, enum pv_look_kind kind)
{
	for (size_t i = 0; i < memory->looks.n; i++)
		if (((const struct pv_memory_look *)pv_vec_at(&memory->looks, i))->kind == kind)
			return (uint32_t)i;
	return PV_MEMORY_NONE;
}

uint32_t pv_memory_last_sites(const struct pv_memory *memory, enum pv_site_source source)
{
	for (size_t i = memory->looks.n; i-- > 0;) {
		const struct pv_memory_look *look = pv_vec_at(&memory->looks, i);

		if (look->kind == PV_LOOK_SITES && look->source == source)
			return (uint32_t)i;
	}
	return PV_MEMORY_NONE;
}

struct pv_err *pv_memory_event(struct pv_memory *memory, const struct pv_memory_event *event)
{
	uint64_t key = pv_hash((uint64_t)event->kind << 32 | event->thread) ^ event->node;
	struct pv_memory_event *other;
	struct pv_err *err;
	uint64_t at;

	for (key = pv_hash(key); pv_map_get(&memory->event_index, key, &at);
	     key = pv_hash(key + 1)) {
		other = pv_vec_at(&memory->events, at);
		if (other->kind == event->kind && other->node == event->node &&
		    other->thread == event->thread) {
			other->count += event->count;
			other->bytes += event->bytes;
			return NULL;
		}
	}
	err = pv_map_set(&memory->event_index, key, memory->events.n);
	if (!err)
		err = pv_vec_append(&memory->events, event, 1, NULL);
	if (err)
		pv_map_remove(&memory->event_index, key);
	return err;
}

static struct pv_err *add_text(struct pv_memory *memory, uint32_t *ret, const char *format,
			       va_list args)
{
	char *text = NULL;
	int n = vasprintf(&text, format, args);
	struct pv_err *err;

	if (n < 0)
		return &pv_enomem;
	err = pv_strings_add(memory->profile->strings, text, (size_t)n, ret);
	free(text);
	return err;
}

struct pv_err *pv_memory_blind(struct pv_memory *memory, const char *format, ...)
{
	struct pv_err *err;
	uint32_t text = 0;
	va_list args;

	va_start(args, format);
	err = add_text(memory, &text, format, args);
	va_end(args);
	for (size_t i = 0; i < memory->blind.n && !err; i++)
		if (*(const uint32_t *)pv_vec_at(&memory->blind, i) == text)
			return NULL;
	return err ? err : pv_vec_append(&memory->blind, &text, 1, NULL);
}

struct pv_err *pv_memory_rung_is(struct pv_memory *memory, enum pv_rung rung,
				 enum pv_rung_state state, const char *format, ...)
{
	struct pv_err *err = NULL;
	uint32_t why = 0;
	va_list args;

	if (format) {
		va_start(args, format);
		err = add_text(memory, &why, format, args);
		va_end(args);
	}
	if (err)
		return err;
	memory->rungs[rung].state = state;
	memory->rungs[rung].why = why;
	return NULL;
}

static const char *name_of(const char *const *names, size_t n, unsigned int i)
{
	return i < n ? names[i] : "unknown";
}

const char *pv_rung_name(enum pv_rung rung)
{
	static const char *const names[] = {
		"trend", "census", "growth", "bursts", "all", "holders"
	};

	return name_of(names, sizeof(names) / sizeof(*names), rung);
}

const char *pv_rung_state_name(enum pv_rung_state state)
{
	static const char *const names[] = { "not asked for", "not needed", "climbed",
					     "partly",        "refused",    "failed" };

	return name_of(names, sizeof(names) / sizeof(*names), state);
}

const char *pv_memory_class_name(enum pv_memory_class what)
{
	static const char *const names[] = { "Python arenas", "C heap", "anonymous mappings",
					     "thread stacks", "files and shared memory" };

	return name_of(names, sizeof(names) / sizeof(*names), what);
}

const char *pv_memory_event_name(enum pv_memory_event_kind kind)
{
	static const char *const names[] = { "page fault", "brk", "mmap", "munmap" };

	return name_of(names, sizeof(names) / sizeof(*names), kind);
}

const char *pv_memory_domain_name(enum pv_memory_domain domain)
{
	static const char *const names[] = { "object", "libc", "mmap" };

	return name_of(names, sizeof(names) / sizeof(*names), domain);
}

const char *pv_holder_kind_name(enum pv_holder_kind kind)
{
	static const char *const names[] = { "named", "block", "mapping", "stack", "none" };

	return name_of(names, sizeof(names) / sizeof(*names), kind);
}
