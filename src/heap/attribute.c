/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The object that a dotted name means.
 * Input: a name, edges of heap/graph.h.  Output: an address.
 */
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "heap/copy.h"
#include "heap/graph.h"
#include "heap/names.h"
#include "heap/object.h"
#include "target/maps.h"
#include "target/mem.h"

enum { BASES_MAX = 64 };
#define COPY_MAX (64ULL << 20)

struct wanted {
	struct pv_heap *heap;
	const char *name;
	size_t n;
	uint64_t owner_type; /* whose fields have names */
	uint64_t object;     /* the one that is looked at */
	uint64_t found, namespace;
	bool made; /* by what was found, at each access */
	uint64_t until_ns;
};

static bool is_text(struct pv_heap *heap, uint64_t object, const char *name, size_t n)
{
	struct pv_str text PV_CLEANUP(pv_str_deinit) = {};
	_pv_err_ struct pv_err *err = pv_graph_text(heap, object, n + 1, &text);

	return !err && text.n == n && !memcmp(pv_str_text(&text), name, n);
}

static bool is_field(const struct wanted *w, uint64_t offset)
{
	struct pv_str text PV_CLEANUP(pv_str_deinit) = {};

	return pv_graph_member(w->heap, w->owner_type, offset, &text) && text.n == w->n &&
	       !memcmp(pv_str_text(&text), w->name, w->n);
}

static struct pv_err *on_edge(void *ctx, const struct pv_edge *edge)
{
	struct wanted *w = ctx;

	if (w->found)
		return NULL;
	if (edge->kind == PV_EDGE_PART && edge->namespace)
		w->namespace = edge->target;
	else if ((edge->kind == PV_EDGE_NAME && is_text(w->heap, edge->label, w->name, w->n)) ||
		 (edge->kind == PV_EDGE_FIELD && is_field(w, edge->label)) ||
		 /* of a structseq, as sys.flags is */
		 (edge->kind == PV_EDGE_INDEX && edge->at > w->object &&
		  is_field(w, edge->at - w->object)))
		w->found = edge->target;
	return NULL;
}

static struct pv_err *look_in(struct wanted *w, uint64_t object, bool namespace)
{
	const struct pv_heap_type *type = pv_graph_type(w->heap, object);

	w->object = object;
	w->owner_type = type ? type->address : 0;
	return type ? pv_graph_edges(w->heap, object, type, namespace, w->until_ns, on_edge, w)
		    : NULL;
}

/*
 * Has what stands in a class a tp_descr_get, which makes what the attribute then is?  Of the class
 * itself a function, a property, a slot's member are what they are.
 */
static bool is_made(const struct wanted *w, bool of_class)
{
	const struct pv_heap_type *type = pv_graph_type(w->heap, w->found);
	/* behind tp_dict, in all versions */
	uint64_t at = type ? type->address + pv_heap_layout(w->heap)->type_dict + 8 : 0;
	uint64_t descr_get = 0;

	if (!type || pv_mem_read_u64(pv_heap_mem(w->heap), at, &descr_get) || !descr_get)
		return false;
	return !of_class || pv_heap_is_called(type, "classmethod") ||
	       pv_heap_is_called(type, "staticmethod");
}

/* Its own, then those of its dict, then its class's; a class's: also its bases'. */
static struct pv_err *find_attribute(struct wanted *w, uint64_t object)
{
	const struct pv_heap_type *type = pv_graph_type(w->heap, object);
	bool of_class = pv_heap_type(w->heap, object) != NULL;
	struct pv_err *err = NULL;

	for (int i = 0; !err && type && object && !w->found && i < BASES_MAX; i++) {
		const struct pv_heap_type *self = pv_heap_type(w->heap, object);

		w->namespace = 0;
		err = look_in(w, object, false);
		if (!err && !w->found && w->namespace)
			err = look_in(w, w->namespace, true);
		w->made = w->found && (i || of_class) && is_made(w, of_class);
		object = self ? self->base : type->address;
	}
	return err;
}

struct module_wanted {
	struct pv_heap *heap;
	const char *name;
	size_t longest; /* of the module's name that was found */
	uint64_t found;
};

static struct pv_err *on_module(void *ctx, const struct pv_edge *edge)
{
	struct module_wanted *w = ctx;

	/* "os" and "os.path" are modules both */
	for (const char *dot = w->name; *dot; dot++) {
		size_t n = (size_t)(dot - w->name) + 1;

		if ((dot[1] && dot[1] != '.') || n <= w->longest ||
		    !is_text(w->heap, edge->label, w->name, n))
			continue;
		w->longest = n;
		w->found = edge->target;
	}
	return NULL;
}

/* What was not found in time may be there all the same. */
static struct pv_err *check_time(const char *name, uint64_t until_ns)
{
	return pv_now_ns() > until_ns
		       ? pv_err_create(PV_ERR_FAILED, "%s of the process was not found in %d s",
				       name, (int)(PV_NAMES_LIMIT_NS / 1000000000))
		       : NULL;
}

static struct pv_err *made(const struct wanted *w, ptrdiff_t n_before, const char *name)
{
	const struct pv_heap_type *type = pv_graph_type(w->heap, w->found);

	return pv_err_create(
		PV_ERR_USAGE,
		"what %.*s has as %.*s is made at each access, by a %s of its class: there is "
		"no object of that name that stays",
		(int)n_before, name, (int)w->n, w->name, type ? type->name : "descriptor");
}

static struct pv_err *resolve(struct pv_heap *heap, const char *name, uint64_t until_ns,
			      uint64_t *ret)
{
	struct module_wanted module = { .heap = heap, .name = name };
	struct pv_err *err = pv_graph_modules(heap, until_ns, on_module, &module);
	const char *at;

	if (!err && !module.found)
		err = check_time(name, until_ns);
	if (err)
		return err;
	if (!module.found)
		return pv_err_create(PV_ERR_USAGE,
				     "no module of the process has the name of the first part of "
				     "%s; write MODULE.ATTRIBUTE, such as __main__.cache",
				     name);
	at = name + module.longest;
	*ret = module.found;
	while (!err && *at == '.') {
		struct wanted w = { .heap = heap, .name = at + 1, .until_ns = until_ns };

		w.n = strcspn(w.name, ".");
		err = find_attribute(&w, *ret);
		if (!err && !w.found)
			err = check_time(name, until_ns);
		if (!err && !w.found)
			err = pv_err_create(PV_ERR_USAGE, "%.*s of the process has no %.*s",
					    (int)(at - name), name, (int)w.n, w.name);
		if (!err && w.made)
			err = made(&w, at - name, name);
		*ret = w.found;
		at = w.name + w.n;
	}
	return err;
}

struct pv_err *pv_names_resolve(struct pv_heap *heap, pid_t pid, const char *name, uint64_t *ret)
{
	PV_CLEANUP(pv_maps_deinit) struct pv_maps maps = { 0 };
	struct pv_mem *live = pv_heap_mem(heap), *copy;
	uint64_t found = 0;
	struct pv_err *err = pid ? pv_maps_read(pid, &maps) : NULL;

	if (!err)
		err = pid ? pv_copy_create_touched(live, COPY_MAX, pid, &maps, &copy)
			  : pv_copy_create(live, COPY_MAX, &copy);
	if (err)
		return err;
	pv_heap_forget(heap, copy);
	err = resolve(heap, name, pv_now_ns() + PV_NAMES_LIMIT_NS, &found);
	pv_heap_forget(heap, live);
	pv_mem_destroy(copy);
	if (!err)
		*ret = found;
	return err;
}
