/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds the image of a process.  Input: /proc/PID/maps, objects, memory.
 * Output: mappings with object ids and the interpreter's facts.
 */
#include "snap/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/vec.h"
#include "elf/elf.h"
#include "python/other.h"
#include "python/tasks.h"
#include "snap/objects.h"
#include "target/maps.h"

static struct pv_err *add_mapping(struct pv_vec *mappings, struct pv_vec *modules,
				  const struct pv_map_entry *entry, const struct pv_object *object)
{
	struct pv_mapping mapping = { .start = entry->start, .end = entry->end };
	struct pv_python_module module = { .path = NULL };
	uint64_t bias;
	size_t i;

	if (object) {
		mapping.object = object->id;
		if (object->elf && pv_elf_bias(object->elf, entry->start, entry->offset, &bias)) {
			mapping.bias = bias;
			mapping.base = object->unwind.base;
			mapping.npages = object->unwind.npages;
			module.elf = object->elf;
			module.bias = bias;
			module.path = object->path;
		} else {
			/* no table; frames are shown as offsets into the file */
			mapping.bias = entry->start - entry->offset;
		}
	}
	for (i = 0; module.elf && i < modules->n; i++) {
		const struct pv_python_module *known = pv_vec_at(modules, i);

		if (known->elf == module.elf && known->bias == module.bias)
			module.elf = NULL;
	}
	if (module.elf) {
		struct pv_err *err = pv_vec_append(modules, &module, 1, NULL);

		if (err)
			return err;
	}
	return pv_vec_append(mappings, &mapping, 1, NULL);
}

static struct pv_err *add_mappings(pid_t pid, const struct pv_maps *maps,
				   struct pv_objects *objects, struct pv_mem *mem,
				   struct pv_vec *mappings, struct pv_vec *modules)
{
	size_t i;

	for (i = 0; i < maps->n; i++) {
		const struct pv_map_entry *entry = &maps->entries[i];
		struct pv_object *object = NULL;
		struct pv_err *err = NULL;

		if (!entry->executable || strcmp(entry->path, "[vsyscall]") == 0)
			continue;
		if (entry->inode || strcmp(entry->path, "[vdso]") == 0)
			err = pv_objects_find(objects, pid, entry, mem, &object);
		if (!err)
			err = add_mapping(mappings, modules, entry, object);
		if (err)
			return err;
	}
	return NULL;
}

/* The mapping that holds addr, or NULL. */
static const struct pv_mapping *find_mapping(const struct pv_mapping *list, size_t n, uint64_t addr)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (addr >= list[i].start && addr < list[i].end)
			return &list[i];
	}
	return NULL;
}

/* The known image's interpreter, if it is whole and its eval loop is where it was. */
static struct pv_err *take_over(const struct pv_image *known, const struct pv_vec *mappings,
				struct pv_python *ret)
{
	const struct pv_mapping *old, *now;
	uint64_t eval;

	if (!known || !known->python.found || !known->python.initialized || known->python.several)
		return NULL;
	eval = known->python.proc.eval[0].start;
	old = find_mapping(known->mappings, known->n_mappings, eval);
	now = find_mapping(mappings->data, mappings->n, eval);
	if (!old || !now || old->object != now->object || old->bias != now->bias)
		return NULL;
	*ret = known->python;
	ret->module_path = strdup(known->python.module_path);
	return ret->module_path ? NULL : &pv_enomem;
}

bool pv_image_is_greenlet(const char *path)
{
	static const char gevents[] = "/gevent"; /* its modules of such names exchange nothing */
	const char *name = strrchr(path, '/');
	size_t n, n_gevents = strlen(gevents);

	if (!name)
		return false;
	n = name - path;
	if (n >= n_gevents && !strncmp(name - n_gevents, gevents, n_gevents))
		return false;
	name++;
	if (*name == '_')
		name++;
	return !strncmp(name, "greenlet.", strlen("greenlet.")) && strstr(name, ".so");
}

/* The extension module that exchanges stacks; 0: none. */
static uint32_t find_greenlet(struct pv_objects *objects, const struct pv_image *image)
{
	for (size_t i = 0; i < image->n_mappings; i++) {
		const struct pv_object *object = pv_objects_get(objects, image->mappings[i].object);

		if (object && pv_image_is_greenlet(object->path))
			return object->id;
	}
	return 0;
}

/* How samples of this process are to be merged. */
static void set_merge(struct pv_objects *objects, struct pv_image *image)
{
	struct pv_python *python = &image->python;
	struct pv_merge_collector *collector = &image->merge.collector;
	const struct pv_mapping *mapping;

	if (!python->found)
		return;
	image->merge.counted = python->proc.py.anchor_kind == PV_ANCHOR_NONE;
	image->merge.from_root = python->proc.py.anchor_kind == PV_ANCHOR_CFRAME;
	/* a _PyCFrame lies on the C stack, and leads to the frame */
	image->merge.apart_state = python->proc.py.cf_current_frame == PV_OFF_NONE;
	image->merge.greenlet = find_greenlet(objects, image);
	python->proc.py.foreign_cframes = image->merge.greenlet && image->merge.from_root;
	mapping = find_mapping(image->mappings, image->n_mappings, python->collector[0].start);
	if (!mapping)
		return;
	collector->object = mapping->object;
	while (collector->n < PV_COLLECTOR_PARTS_MAX && python->collector[collector->n].end) {
		const struct pv_range *part = &python->collector[collector->n];

		collector->parts[collector->n].start = part->start - mapping->bias;
		collector->parts[collector->n++].end = part->end - mapping->bias;
	}
}

/* The interpreter of this process, if it was found in the same object before. */
static struct pv_err *find_known(struct pv_objects *objects, struct pv_mem *mem,
				 const struct pv_vec *mappings, const struct pv_vec *modules,
				 struct pv_python *ret)
{
	const struct pv_object *only = NULL;
	uint64_t bias = 0;
	size_t i;

	for (i = 0; i < mappings->n; i++) {
		const struct pv_mapping *mapping = pv_vec_at(mappings, i);
		const struct pv_object *object = pv_objects_get(objects, mapping->object);

		if (!object || !object->has_runtime || (object == only && mapping->bias == bias))
			continue;
		/* which of several is used is for the detection to find out */
		if (only)
			return NULL;
		only = object;
		bias = mapping->bias;
	}
	if (!only || !only->python.found)
		return NULL;
	return pv_python_move(mem, &only->python, bias - only->python_bias, modules->data,
			      modules->n, ret);
}

/* Keeps what was found for the next process of the same kind. */
static struct pv_err *remember(struct pv_objects *objects, const struct pv_vec *mappings,
			       const struct pv_python *python)
{
	const struct pv_mapping *mapping =
		find_mapping(mappings->data, mappings->n, python->proc.eval[0].start);
	struct pv_object *object = mapping ? pv_objects_get(objects, mapping->object) : NULL;
	char *path;

	if (!object || !python->found)
		return NULL;
	path = strdup(python->module_path);
	if (!path)
		return &pv_enomem;
	pv_python_deinit(&object->python);
	object->python = *python;
	object->python.module_path = path;
	object->python_bias = mapping->bias;
	return NULL;
}

/*
 * Where no object has an interpreter's symbols, one may hold an interpreter all the
 * same.  Marks such modules; each object is looked through once.
 */
static void find_bare(struct pv_objects *objects, const struct pv_vec *mappings,
		      struct pv_vec *modules)
{
	size_t i, k;

	for (i = 0; i < mappings->n; i++) {
		const struct pv_mapping *mapping = pv_vec_at(mappings, i);
		const struct pv_object *object = pv_objects_get(objects, mapping->object);

		if (object && object->has_runtime && !object->bare)
			return;
	}
	for (i = 0; i < mappings->n; i++) {
		const struct pv_mapping *mapping = pv_vec_at(mappings, i);
		struct pv_object *object = pv_objects_get(objects, mapping->object);

		if (!object || !object->elf || *object->path != '/')
			continue;
		if (!object->asked)
			object->bare = object->has_runtime = pv_python_is_bare(object->elf);
		object->asked = true;
		for (k = 0; object->bare && k < modules->n; k++) {
			struct pv_python_module *module = pv_vec_at(modules, k);

			if (module->elf == object->elf)
				module->bare = true;
		}
	}
}

static struct pv_err *find_python(struct pv_objects *objects, struct pv_mem *mem,
				  const struct pv_image *known, const struct pv_vec *mappings,
				  struct pv_vec *modules, struct pv_python *ret)
{
	struct pv_err *err = take_over(known, mappings, ret);

	if (!err && !ret->found)
		err = find_known(objects, mem, mappings, modules, ret);
	if (err || ret->found)
		return err;
	find_bare(objects, mappings, modules);
	err = pv_python_detect(mem, modules->data, modules->n, ret);
	return err ? err : remember(objects, mappings, ret);
}

/* Where there is no CPython: is there another Python? */
static struct pv_err *find_other(struct pv_image *image, const struct pv_vec *modules)
{
	const char *why = NULL;
	size_t i;

	if (image->python.found || image->python_error)
		return NULL;
	for (i = 0; !why && i < modules->n; i++) {
		const struct pv_python_module *module = pv_vec_at(modules, i);

		why = pv_python_other(module->elf, module->path);
	}
	if (!why)
		return NULL;
	image->python_error = strdup(why);
	return image->python_error ? NULL : &pv_enomem;
}

struct pv_err *pv_image_build(pid_t pid, struct pv_objects *objects, struct pv_mem *mem,
			      const struct pv_image *known, struct pv_image *ret)
{
	struct pv_vec mappings = PV_VEC(struct pv_mapping);
	struct pv_vec modules = PV_VEC(struct pv_python_module);
	struct pv_image image = { .pid = pid };
	struct pv_maps maps;
	struct pv_err *err;

	err = pv_maps_read(pid, &maps);
	if (err)
		return err;
	err = add_mappings(pid, &maps, objects, mem, &mappings, &modules);
	pv_maps_deinit(&maps);
	if (err)
		goto out;
	image.python_ns = pv_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	err = find_python(objects, mem, known, &mappings, &modules, &image.python);
	image.python_ns = pv_clock_ns(CLOCK_THREAD_CPUTIME_ID) - image.python_ns;
	if (err && err != &pv_enomem) {
		image.python_error = strdup(err->message);
		image.python_pending = err->errnum == EAGAIN;
		pv_err_destroy(err);
		err = image.python_error ? NULL : &pv_enomem;
	}
	if (!err)
		err = find_other(&image, &modules);
	if (err)
		goto out;
	image.mappings = mappings.data;
	image.n_mappings = mappings.n;
	mappings = (struct pv_vec)PV_VEC(struct pv_mapping);
	set_merge(objects, &image);
	*ret = image;
out:
	pv_vec_deinit(&mappings);
	pv_vec_deinit(&modules);
	return err;
}

void pv_image_find_tasks(struct pv_image *image, struct pv_objects *objects, struct pv_mem *mem)
{
	const struct pv_elf *elf = NULL;

	for (size_t i = 0; i < image->n_mappings && !elf; i++) {
		const struct pv_object *object = pv_objects_get(objects, image->mappings[i].object);
		const char *slash = object ? strrchr(object->path, '/') : NULL;

		if (object && object->elf &&
		    pv_python_is_asyncio(object->elf, slash ? slash + 1 : object->path))
			elf = object->elf;
	}
	pv_python_tasks(mem, elf, &image->python);
}

void pv_image_deinit(struct pv_image *image)
{
	free(image->mappings);
	free(image->python_error);
	pv_python_deinit(&image->python);
	*image = (struct pv_image){};
}
