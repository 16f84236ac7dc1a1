/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names for frames.  Input: pv_frame_ref.  Output: pv_loc, cached by address.
 */
#include "session/symbolise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/map.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/modules.h"
#include "session/origins.h"
#include "snap/image.h"
#include "snap/merge.h"
#include "snap/objects.h"
#include "symbol/kernel.h"
#include "symbol/native.h"
#include "symbol/perfmap.h"
#include "symbol/python.h"

enum {
	LOCS_MAX = 1 << 18,    /* then the cache begins anew */
	LOC_NONE = UINT32_MAX, /* a frame that is not shown */
};

/* Code that was made at run time: its name without a perf map, its module with one. */
static const char jit[] = "[JIT]";

/* What is known of an object's code; made at the first use of each. */
struct native {
	struct pv_native_symbols *symbols;
	uint32_t module; /* string id: its name, 0 = not asked yet */
};

struct pv_symboliser {
	struct pv_objects *objects;
	struct pv_codes *codes;
	struct pv_profile *profile;
	struct pv_vec natives; /* struct native, by object id - 1 */
	struct pv_kernel_symbols *kernel;
	const struct pv_image *image; /* or NULL */
	struct pv_perfmap *perfmap;   /* or NULL */
	bool with_python;             /* the stack at hand shows Python frames */
	struct pv_map locs;           /* hash of the frame -> loc */
	struct pv_origins *origins;   /* or NULL */
};

struct pv_err *pv_symboliser_create(struct pv_objects *objects, struct pv_codes *codes,
				    struct pv_profile *profile, struct pv_symboliser **ret)
{
	struct pv_symboliser *symboliser = calloc(1, sizeof(*symboliser));
	struct pv_err *err;

	if (!symboliser)
		return &pv_enomem;
	symboliser->objects = objects;
	symboliser->codes = codes;
	symboliser->profile = profile;
	symboliser->natives = (struct pv_vec)PV_VEC(struct native);
	err = pv_kernel_symbols_create("/proc/kallsyms", &symboliser->kernel);
	if (err) {
		pv_symboliser_destroy(symboliser);
		return err;
	}
	*ret = symboliser;
	return NULL;
}

void pv_symboliser_destroy(struct pv_symboliser *symboliser)
{
	size_t i;

	if (!symboliser)
		return;
	for (i = 0; i < symboliser->natives.n; i++)
		pv_native_symbols_destroy(
			((struct native *)pv_vec_at(&symboliser->natives, i))->symbols);
	pv_vec_deinit(&symboliser->natives);
	pv_kernel_symbols_destroy(symboliser->kernel);
	pv_map_deinit(&symboliser->locs);
	free(symboliser);
}

struct pv_err *pv_symboliser_begin_kernel(struct pv_symboliser *symboliser)
{
	return pv_kernel_symbols_begin(symboliser->kernel);
}

static struct pv_err *add_string(struct pv_symboliser *s, const char *text, uint32_t *ret)
{
	return pv_strings_add(s->profile->strings, text, strlen(text), ret);
}

static struct pv_err *add_loc(struct pv_symboliser *s, uint32_t kind, const char *function,
			      uint32_t module, uint32_t *ret)
{
	struct pv_loc loc = { .kind = kind, .module = module };
	struct pv_err *err = add_string(s, function, &loc.function);

	return err ? err : pv_profile_loc(s->profile, &loc, ret);
}

static struct pv_err *find_native(struct pv_symboliser *s, const struct pv_object *object,
				  struct native **ret)
{
	struct native *native;
	struct pv_err *err = NULL;

	if (s->natives.n < object->id) {
		err = pv_vec_append(&s->natives, NULL, object->id - s->natives.n, NULL);
		if (err)
			return err;
	}
	native = pv_vec_at(&s->natives, object->id - 1);
	if (!native->module)
		err = pv_modules_add(s->profile, object->path, object->build_id, &native->module);
	if (!err && object->elf && !native->symbols)
		err = pv_native_symbols_create(object->elf, object->path, object->root,
					       &native->symbols);
	if (!err)
		*ret = native;
	return err;
}

/* Code of which no more is known than where its function begins. */
static struct pv_err *unknown_loc(struct pv_symboliser *s, const struct native *native,
				  uint64_t start, uint32_t *ret)
{
	const char *module =
		native ? pv_strings_get(s->profile->strings, native->module) : "object";
	char text[300];

	snprintf(text, sizeof(text), "[unknown %.200s+0x%llx]", module, (unsigned long long)start);
	return add_loc(s, PV_LOC_NATIVE, text, native ? native->module : 0, ret);
}

/*
 * Code that a runtime has made, at an address: by its perf map, or "[JIT]".  What CPython's
 * -X perf puts there calls one Python function each, and is named after it ("py::", CPython
 * 3.12 Python/perf_trampoline.c): beside that function's own frame it is left out.
 */
static struct pv_err *jit_loc(struct pv_symboliser *s, uint64_t address, uint32_t *ret)
{
	static const char trampoline[] = "py::";
	struct pv_loc loc = { .kind = PV_LOC_NATIVE };
	const char *name = jit;
	size_t n = sizeof(jit) - 1;
	bool named = false;
	struct pv_err *err = NULL;

	if (s->perfmap)
		err = pv_perfmap_at(s->perfmap, address, &name, &n, &named);
	if (err)
		return err;
	if (named && s->with_python && s->image->python.found &&
	    !strncmp(name, trampoline, sizeof(trampoline) - 1)) {
		*ret = LOC_NONE;
		return NULL;
	}
	err = pv_strings_add(s->profile->strings, name, n, &loc.function);
	if (!err && named)
		err = pv_modules_add(s->profile, jit, "", &loc.module);
	return err ? err : pv_profile_loc(s->profile, &loc, ret);
}

/* The address in the process of what stands in an object, by the image. */
static bool object_address(const struct pv_symboliser *s, const struct pv_object *object,
			   uint64_t vaddr, uint64_t *ret)
{
	size_t i;

	for (i = 0; s->image && i < s->image->n_mappings; i++) {
		const struct pv_mapping *mapping = &s->image->mappings[i];

		*ret = vaddr + mapping->bias;
		if (mapping->object == object->id && *ret >= mapping->start && *ret < mapping->end)
			return true;
	}
	return false;
}

/* Code in a file that is no ELF file (a memfd, shared memory) may be a runtime's. */
static struct pv_err *data_loc(struct pv_symboliser *s, const struct pv_object *object,
			       const struct native *native, uint64_t vaddr, uint32_t *ret)
{
	const char *name;
	uint64_t address;
	size_t n;
	bool named = false;
	struct pv_err *err = NULL;

	if (s->perfmap && object_address(s, object, vaddr, &address))
		err = pv_perfmap_at(s->perfmap, address, &name, &n, &named);
	if (err)
		return err;
	return named ? jit_loc(s, address, ret) : unknown_loc(s, native, vaddr, ret);
}

static struct pv_err *native_loc(struct pv_symboliser *s, const struct pv_frame_ref *ref,
				 uint32_t *ret)
{
	const struct pv_object *object = pv_objects_get(s->objects, ref->detail);
	/* a return address belongs to the call before it */
	uint64_t vaddr = ref->exact ? ref->value : ref->value - 1, start;
	struct native *native;
	struct pv_err *err;
	const char *name;

	if (!object)
		return unknown_loc(s, NULL, vaddr, ret);
	err = find_native(s, object, &native);
	if (err)
		return err;
	if (!native->symbols)
		return data_loc(s, object, native, vaddr, ret);
	if (pv_native_symbol_at(native->symbols, vaddr, &name, &start))
		return add_loc(s, PV_LOC_NATIVE, name, native->module, ret);
	return unknown_loc(s, native, pv_native_function_start(native->symbols, vaddr), ret);
}

void pv_symboliser_use_image(struct pv_symboliser *s, const struct pv_image *image,
			     struct pv_perfmap *perfmap)
{
	s->image = image;
	s->perfmap = image ? perfmap : NULL;
}

/* An address without an object when it was sampled: in a mapping that is known by now? */
static struct pv_err *raw_loc(struct pv_symboliser *s, const struct pv_frame_ref *ref,
			      uint32_t *ret)
{
	uint64_t address = ref->exact ? ref->value : ref->value - 1;
	char text[64];
	size_t i;

	for (i = 0; s->image && i < s->image->n_mappings; i++) {
		const struct pv_mapping *mapping = &s->image->mappings[i];
		struct pv_frame_ref mapped = *ref;

		if (address < mapping->start || address >= mapping->end)
			continue;
		if (!mapping->object)
			return jit_loc(s, address, ret);
		mapped.kind = PV_REF_NATIVE;
		mapped.value = ref->value - mapping->bias;
		mapped.detail = mapping->object;
		return native_loc(s, &mapped, ret);
	}
	/* by page: what is no code at all has a great many addresses */
	snprintf(text, sizeof(text), "[unknown anonymous+0x%llx]",
		 (unsigned long long)ref->value & ~0xfffULL);
	return add_loc(s, PV_LOC_NATIVE, text, 0, ret);
}

static struct pv_err *kernel_loc(struct pv_symboliser *s, const struct pv_frame_ref *ref,
				 uint32_t *ret)
{
	const char *name;

	if (!pv_kernel_symbol_at(s->kernel, ref->value, &name))
		name = PV_KERNEL_UNNAMED;
	return add_loc(s, PV_LOC_KERNEL, name, 0, ret);
}

static bool place_whole(const struct pv_code_place *place)
{
	return place->qualname && place->file;
}

static struct pv_err *python_loc(struct pv_symboliser *s, const struct pv_frame_ref *ref,
				 bool *known_ret, uint32_t *ret)
{
	struct pv_loc loc = { .kind = PV_LOC_PYTHON };
	struct pv_code_place place = {};
	struct pv_err *err;

	*known_ret =
		pv_codes_place(s->codes, ref->value, ref->detail, &place) && place_whole(&place);
	if (!place.qualname && !place.file)
		return add_loc(s, PV_LOC_MARKER, "[unknown code]", 0, ret);
	if (!place.qualname) {
		place.qualname = "[unknown function]";
		place.qualname_n = strlen(place.qualname);
	}
	err = pv_strings_add(s->profile->strings, place.qualname, place.qualname_n, &loc.function);
	if (!err && place.file)
		err = pv_strings_add(s->profile->strings, place.file, place.file_n, &loc.file);
	if (err)
		return err;
	loc.line = place.line;
	return pv_profile_loc(s->profile, &loc, ret);
}

/* In an object that is no ELF file. */
static bool is_data(const struct pv_symboliser *s, const struct pv_frame_ref *ref)
{
	const struct pv_object *object =
		ref->kind == PV_REF_NATIVE ? pv_objects_get(s->objects, ref->detail) : NULL;

	return object && !object->elf;
}

/* A task whose name is one too many. */
static bool is_dropped(const struct pv_symboliser *s, const struct pv_frame_ref *ref)
{
	return ref->kind == PV_REF_TASK && !pv_codes_keeps_task(s->codes, ref->value);
}

/* "task NAME"; the name came as that of a code object. */
static struct pv_err *task_loc(struct pv_symboliser *s, const struct pv_frame_ref *ref,
			       bool *known_ret, uint32_t *ret)
{
	PV_CLEANUP(pv_str_deinit) struct pv_str text = {};
	struct pv_loc loc = { .kind = PV_LOC_LABEL };
	struct pv_code_place place = {};
	struct pv_err *err;

	if (is_dropped(s, ref)) {
		s->profile->losses.count[PV_LOSS_TASK_NAME]++;
		return add_loc(s, PV_LOC_LABEL, pv_label_text(PV_LABEL_TASK_DROPPED), 0, ret);
	}
	*known_ret = pv_codes_place(s->codes, ref->value, 0, &place) && place.qualname;
	if (!*known_ret)
		return add_loc(s, PV_LOC_LABEL, pv_label_text(PV_LABEL_TASK_UNREAD), 0, ret);
	err = pv_str_appendf(&text, "task ");
	if (!err)
		err = pv_str_append(&text, place.qualname, place.qualname_n);
	if (!err)
		err = pv_strings_add(s->profile->strings, pv_str_text(&text), text.n,
				     &loc.function);
	return err ? err : pv_profile_loc(s->profile, &loc, ret);
}

/* What a frame's location depends on. */
static uint64_t ref_key(const struct pv_frame_ref *ref)
{
	uint64_t detail = (uint64_t)ref->detail << 9 | (uint64_t)ref->kind << 1 | ref->exact;

	return pv_hash(pv_hash(ref->value) ^ detail);
}

static struct pv_err *frame_loc(struct pv_symboliser *s, const struct pv_frame_ref *ref,
				bool *known_ret, uint32_t *ret)
{
	uint64_t key = ref_key(ref), found;
	struct pv_err *err;
	char text[48];

	*known_ret = true;
	if (pv_map_get(&s->locs, key, &found)) {
		*ret = found;
		return NULL;
	}
	switch (ref->kind) {
	case PV_REF_PYTHON:
		err = python_loc(s, ref, known_ret, ret);
		break;
	case PV_REF_NATIVE:
		err = native_loc(s, ref, ret);
		break;
	case PV_REF_RAW:
		err = raw_loc(s, ref, ret);
		break;
	case PV_REF_KERNEL:
		err = kernel_loc(s, ref, ret);
		break;
	case PV_REF_INTERP:
		if (ref->value == PV_INTERP_UNNUMBERED)
			snprintf(text, sizeof(text), "interpreter ?");
		else
			snprintf(text, sizeof(text), "interpreter %llu",
				 (unsigned long long)ref->value);
		err = add_loc(s, PV_LOC_LABEL, text, 0, ret);
		break;
	case PV_REF_TASK:
		err = task_loc(s, ref, known_ret, ret);
		break;
	case PV_REF_LABEL:
		err = add_loc(s, PV_LOC_LABEL, pv_label_text(ref->value), 0, ret);
		break;
	default:
		err = add_loc(s, PV_LOC_MARKER, pv_mark_text(ref->value), 0, ret);
		break;
	}
	/* not kept: what is not known yet, and addresses that may mean something else later */
	if (err || !*known_ret || ref->kind == PV_REF_RAW || is_data(s, ref) || is_dropped(s, ref))
		return err;
	if (s->locs.n >= LOCS_MAX) {
		pv_map_deinit(&s->locs);
		s->locs = (struct pv_map){};
	}
	return pv_map_set(&s->locs, key, *ret);
}

struct pv_err *pv_symbolise_frame(struct pv_symboliser *symboliser, const struct pv_frame_ref *ref,
				  bool *shown_ret, uint32_t *loc_ret)
{
	bool known;
	struct pv_err *err = frame_loc(symboliser, ref, &known, loc_ret);

	*shown_ret = !err && *loc_ret != LOC_NONE;
	return err;
}

struct pv_err *pv_symbolise_python(struct pv_symboliser *symboliser, uint64_t code, uint32_t lasti,
				   bool *known_ret, uint32_t *loc_ret)
{
	struct pv_frame_ref ref = { .kind = PV_REF_PYTHON, .value = code, .detail = lasti };

	return frame_loc(symboliser, &ref, known_ret, loc_ret);
}

bool pv_symboliser_ready(struct pv_symboliser *s, const struct pv_merged *merged)
{
	size_t i;

	for (i = 0; i < merged->frames.n; i++) {
		const struct pv_frame_ref *ref = pv_vec_at(&merged->frames, i);
		struct pv_code_place place = {};
		uint64_t found;

		if ((ref->kind != PV_REF_PYTHON && ref->kind != PV_REF_TASK) ||
		    is_dropped(s, ref) || pv_map_get(&s->locs, ref_key(ref), &found))
			continue;
		if (!pv_codes_place(s->codes, ref->value, ref->detail, &place) ||
		    !place_whole(&place) || (ref->kind == PV_REF_PYTHON && !place.line))
			return false;
	}
	return true;
}

void pv_symboliser_note(struct pv_symboliser *s, struct pv_origins *origins)
{
	s->origins = origins;
}

/* ref: the frame that called a node's, or is the leaf; NULL: none. */
static struct pv_err *note_origin(struct pv_symboliser *s, const struct pv_frame_ref *ref,
				  uint32_t node, bool leaf)
{
	if (!s->origins || !ref || ref->kind != PV_REF_NATIVE)
		return NULL;
	return pv_origins_note(s->origins, node, leaf, ref->detail,
			       ref->exact ? ref->value : ref->value - 1);
}

struct pv_err *pv_symbolise(struct pv_symboliser *s, const struct pv_merged *merged,
			    uint32_t parent, uint32_t *node_ret, uint32_t *missing_ret)
{
	const struct pv_frame_ref *caller = NULL;
	uint32_t node = parent, missing = 0, loc;
	struct pv_err *err = NULL;
	size_t i;

	s->with_python = merged->python;
	for (i = 0; !err && i < merged->frames.n; i++) {
		bool known;

		err = frame_loc(s, pv_vec_at(&merged->frames, i), &known, &loc);
		if (!err && loc != LOC_NONE)
			err = pv_profile_node(s->profile, node, loc, &node);
		if (!err && loc != LOC_NONE) {
			err = note_origin(s, caller, node, false);
			caller = pv_vec_at(&merged->frames, i);
		}
		missing += !known;
	}
	if (!err)
		err = note_origin(s, caller, node, true);
	if (err)
		return err;
	*node_ret = node;
	*missing_ret = missing;
	return NULL;
}
