/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Paths from roots to places.
 * Input: edges of heap/graph.h.  Output: texts.
 */
#include "heap/names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "heap/bounded.h"
#include "heap/copy.h"
#include "heap/graph.h"
#include "heap/object.h"
#include "heap/search.h"
#include "heap/whose.h"
#include "target/mem.h"

enum {
	NODES_MAX = 4 << 20,
	DEPTH_MAX = 48, /* steps of a path that are told */
	ASK_EACH = 256, /* nodes, whether all is over: it takes a system call */
};
#define COPY_MAX  (512ULL << 20) /* bytes of the process's memory that are kept */
#define NO_PARENT UINT32_MAX
#define ALL_STEPS UINT64_MAX

/* Something that refers to others. */
struct node {
	uint64_t address;
	uint64_t label; /* of the edge that led to it */
	uint64_t end;   /* of a frame: of its values */
	uint32_t parent;
	uint8_t kind; /* of that edge */
	bool namespace, done;
	bool bounded; /* heap/bounded.h */
};

/* Where a place was met. */
struct met {
	uint32_t node; /* that it belongs to, + 1; 0: not met */
	uint8_t kind;
	uint64_t label;
};

/* The steps of a group's paths that are the same for all of its places. */
struct alike {
	size_t first;  /* one of the places */
	uint64_t same; /* a bit each, from the root; 0: of no path */
	/* the node of the bounded container that is next to them; NO_PARENT: none, or several */
	uint32_t bounded;
};

struct namer {
	struct pv_heap *heap;
	const uint64_t *places;
	size_t n, left, n_roots;
	struct pv_map index;   /* place -> index + 1 */
	struct pv_map visited; /* address -> 1 */
	struct pv_vec nodes;   /* struct node, breadth first */
	struct pv_vec modules; /* struct pv_edge */
	struct met *met;
	uint64_t enough; /* 0: all */
	uint64_t until_ns;
	const struct pv_heap_search *search;
	uint32_t at; /* the node whose edges are told */
	/*
	 * Its __dict__, which is no step of its own and comes at once; and what frames have beside
	 * their variables: values that they work with, or did before, come last.
	 */
	uint32_t inner;
	bool values, full;
	struct pv_vec alike; /* struct alike, by group */
	struct pv_names out;
};

void pv_names_deinit(struct pv_names *names)
{
	for (size_t i = 0; i < names->groups.n; i++)
		free(((struct pv_names_group *)pv_vec_at(&names->groups, i))->text);
	for (size_t i = 0; names->exact && i < names->n; i++)
		free(names->exact[i]);
	pv_vec_deinit(&names->groups);
	free(names->group);
	free(names->exact);
	*names = (struct pv_names){ 0 };
}

static struct node *node_at(const struct namer *z, uint32_t i)
{
	return pv_vec_at(&z->nodes, i);
}

static struct pv_err *add_node(struct namer *z, const struct pv_edge *edge, uint64_t address,
			       uint32_t parent, bool bounded)
{
	struct node node = {
		.address = address,
		.label = edge->label,
		.end = edge->kind == PV_EDGE_FRAME ? edge->target : 0,
		.parent = parent,
		.kind = edge->kind,
		.namespace = edge->namespace,
		.bounded = bounded,
	};
	struct pv_err *err;
	uint64_t seen;

	if (pv_map_get(&z->visited, address, &seen))
		return NULL;
	if (z->nodes.n >= NODES_MAX) {
		z->full = true;
		return NULL;
	}
	err = pv_map_set(&z->visited, address, 1);
	return err ? err : pv_vec_append(&z->nodes, &node, 1, NULL);
}

/* The same place again: the first, shortest way to it counts. */
static void meet(struct namer *z, const struct pv_edge *edge)
{
	struct met *met;
	uint64_t i;

	if (!pv_map_get(&z->index, edge->at, &i))
		return;
	met = &z->met[i - 1];
	if (met->node)
		return;
	*met = (struct met){ z->at + 1, edge->kind, edge->label };
	z->left--;
	/* others are old values */
	if (z->enough && !--z->enough)
		z->left = 0;
}

static struct pv_err *on_edge(void *ctx, const struct pv_edge *edge)
{
	struct namer *z = ctx;
	const struct pv_heap_type *type;
	uint64_t seen, used, limit;

	if ((edge->kind == PV_EDGE_STACK) != z->values && node_at(z, z->at)->kind == PV_EDGE_FRAME)
		return NULL;
	meet(z, edge);
	if (pv_map_get(&z->visited, edge->target, &seen))
		return NULL;
	type = pv_graph_type(z->heap, edge->target);
	if (!type || pv_graph_is_leaf(type))
		return NULL;
	if (edge->kind == PV_EDGE_PART && z->inner == NO_PARENT)
		z->inner = (uint32_t)z->nodes.n;
	return add_node(z, edge, edge->target, z->at,
			pv_bounded_read(z->heap, edge->target, type, &used, &limit));
}

static struct pv_err *on_module(void *ctx, const struct pv_edge *edge)
{
	return pv_vec_append(&((struct namer *)ctx)->modules, edge, 1, NULL);
}

static struct pv_err *on_frame(void *ctx, const struct pv_edge *edge)
{
	return add_node(ctx, edge, edge->at, NO_PARENT, false);
}

static bool is_main(struct namer *z, uint64_t name)
{
	struct pv_str text PV_CLEANUP(pv_str_deinit) = {};
	bool main = false;

	if (!pv_graph_text(z->heap, name, 16, &text))
		main = !strcmp(pv_str_text(&text), "__main__");
	return main;
}

/* The program's own module first: of equal paths its own is the one that is told. */
static struct pv_err *add_roots(struct namer *z)
{
	struct pv_err *err = pv_graph_modules(z->heap, z->until_ns, on_module, z);

	for (int main = 1; !err && main >= 0; main--) {
		for (size_t i = 0; !err && i < z->modules.n; i++) {
			const struct pv_edge *edge = pv_vec_at(&z->modules, i);

			if (is_main(z, edge->label) == main)
				err = add_node(z, edge, edge->target, NO_PARENT, false);
		}
	}
	if (!err)
		err = pv_graph_frames(z->heap, on_frame, z);
	z->n_roots = z->nodes.n;
	return err;
}

static struct pv_err *expand(struct namer *z, uint32_t i)
{
	struct node node = *node_at(z, i);
	const struct pv_heap_type *type;

	z->at = i;
	if (node.kind == PV_EDGE_FRAME)
		return pv_graph_frame(z->heap, node.address, node.end, on_edge, z);
	type = pv_graph_type(z->heap, node.address);
	return type ? pv_graph_edges(z->heap, node.address, type, node.namespace, z->until_ns,
				     on_edge, z)
		    : NULL;
}

static struct pv_err *go_on(struct namer *z, uint32_t *next)
{
	struct pv_err *err = NULL;

	for (; !err && z->left && *next < z->nodes.n; ++*next) {
		uint32_t i = *next;

		if (node_at(z, i)->done)
			continue;
		z->inner = NO_PARENT;
		err = expand(z, i);
		if (!err && z->inner < z->nodes.n) {
			node_at(z, z->inner)->done = true;
			err = expand(z, z->inner);
		}
		/* after each: one of them may have had more than there was time for */
		if (z->left && (pv_now_ns() > z->until_ns ||
				(i % ASK_EACH == 0 && pv_heap_search_is_over(z->search)))) {
			z->full = true;
			break;
		}
	}
	return err;
}

static struct pv_err *go_through(struct namer *z)
{
	uint32_t next = 0;
	struct pv_err *err = go_on(z, &next);
	size_t roots = z->n_roots;

	z->values = true;
	for (uint32_t i = 0; !err && z->left && i < roots; i++) {
		if (node_at(z, i)->kind == PV_EDGE_FRAME)
			err = expand(z, i);
	}
	z->values = false;
	if (!err)
		err = go_on(z, &next);
	z->out.n_objects = next;
	return err;
}

/* ---- texts */

static const char *type_name(struct namer *z, uint64_t object)
{
	const struct pv_heap_type *type = pv_graph_type(z->heap, object);
	const char *dot = type ? strrchr(type->name, '.') : NULL;

	/* "collections.OrderedDict" */
	return !type ? "?" : dot ? dot + 1 : type->name;
}

static struct pv_err *say_field(struct namer *z, uint64_t owner, uint64_t offset,
				struct pv_str *str)
{
	const struct pv_heap_type *type = pv_graph_type(z->heap, owner);
	struct pv_err *err = pv_str_appendf(str, " -> %s", type_name(z, owner));
	size_t n = str->n;

	if (!err)
		err = pv_str_append(str, ".", 1);
	if (!err && type && pv_graph_member(z->heap, type->address, offset, str))
		return NULL;
	if (err)
		return err;
	str->n = n;
	return pv_str_appendf(str, " +%" PRIu64, offset);
}

/* One step.  exact: with keys and indices; last: then a group's has no [...] for them. */
static struct pv_err *say_step(struct namer *z, uint64_t owner, enum pv_edge_kind kind,
			       uint64_t label, bool exact, bool last, struct pv_str *str)
{
	struct pv_err *err = NULL;

	switch (kind) {
	case PV_EDGE_NAME:
	case PV_EDGE_CLOSURE:
		err = pv_str_appendf(str, kind == PV_EDGE_NAME ? " -> " : " -> closure ");
		return err ? err : pv_graph_text(z->heap, label, 100, str);
	case PV_EDGE_KEY:
	case PV_EDGE_INDEX:
		err = pv_str_appendf(str, " -> %s", type_name(z, owner));
		if (err || !exact)
			return err || last ? err : pv_str_append(str, "[...]", 5);
		if (kind == PV_EDGE_INDEX)
			return pv_str_appendf(str, "[%" PRIu64 "]", label);
		err = pv_str_append(str, "[", 1);
		if (!err)
			err = pv_graph_repr(z->heap, label, str);
		return err ? err : pv_str_append(str, "]", 1);
	case PV_EDGE_IS_KEY:
		return pv_str_appendf(str, " -> key of %s", type_name(z, owner));
	case PV_EDGE_ITEM:
		return pv_str_appendf(str, " -> %s", type_name(z, owner));
	case PV_EDGE_STACK:
		return pv_str_appendf(str, " -> a value in use");
	case PV_EDGE_TEXT:
		return pv_str_appendf(str, " -> %s", (const char *)(uintptr_t)label);
	case PV_EDGE_FIELD:
		return say_field(z, owner, label, str);
	case PV_EDGE_MODULE:
		err = pv_str_appendf(str, "module ");
		return err ? err : pv_graph_text(z->heap, label, 100, str);
	case PV_EDGE_FRAME:
		err = pv_str_appendf(str, "frame ");
		return err ? err : pv_graph_code(z->heap, label, str);
	default:
		return NULL;
	}
}

/* The way up from a place, of DEPTH_MAX nodes at most; *more_ret: there are more above. */
static uint32_t chain_of(const struct namer *z, const struct met *met, uint32_t *chain,
			 bool *more_ret)
{
	uint32_t n = 0, i = met->node - 1;

	while (i != NO_PARENT && n < DEPTH_MAX) {
		chain[n++] = i;
		i = node_at(z, i)->parent;
	}
	*more_ret = i != NO_PARENT;
	return n;
}

/* exact: a bit for each step from the root that is told with its key or index; ALL_STEPS. */
static struct pv_err *say_path(struct namer *z, const struct met *met, uint64_t exact,
			       struct pv_str *str)
{
	uint32_t chain[DEPTH_MAX], n;
	struct pv_err *err = NULL;
	bool more;

	n = chain_of(z, met, chain, &more);
	if (more)
		err = pv_str_append(str, "...", 3);
	for (uint32_t i = 0; !err && i < n; i++) {
		const struct node *node = node_at(z, chain[n - 1 - i]);
		uint64_t owner = node->parent == NO_PARENT ? 0 : node_at(z, node->parent)->address;

		err = say_step(z, owner, node->kind, node->label, exact >> i & 1, false, str);
	}
	return err ? err
		   : say_step(z, node_at(z, met->node - 1)->address, met->kind, met->label,
			      exact == ALL_STEPS, true, str);
}

/* Steps of two paths with equal texts that have the same key, or none. */
static uint64_t same_steps(const struct namer *z, const struct met *a, const struct met *b)
{
	uint32_t chain_a[DEPTH_MAX], chain_b[DEPTH_MAX], n;
	uint64_t same = 0;
	bool more;

	n = chain_of(z, a, chain_a, &more);
	if (chain_of(z, b, chain_b, &more) != n)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t label = node_at(z, chain_a[n - 1 - i])->label;

		same |= (uint64_t)(label == node_at(z, chain_b[n - 1 - i])->label) << i;
	}
	return same;
}

/* Groups by their text. */
static struct pv_err *put_group(struct namer *z, struct pv_map *index, struct pv_str *text,
				enum pv_holder_kind kind, uint64_t type, uint32_t *ret)
{
	uint64_t key = pv_hash_bytes(pv_str_text(text), text->n), at;
	struct pv_names_group group = {
		.kind = (uint8_t)kind, .type = type, .n = 1, .path = pv_hash(key ^ (uint64_t)kind)
	};
	struct pv_err *err;

	while (pv_map_get(index, key, &at)) {
		struct pv_names_group *there = pv_vec_at(&z->out.groups, at);

		if (there->kind == kind && !strcmp(there->text, pv_str_text(text))) {
			there->n++;
			*ret = (uint32_t)at;
			return NULL;
		}
		key++;
	}
	group.text = strdup(pv_str_text(text));
	if (!group.text)
		return &pv_enomem;
	*ret = (uint32_t)z->out.groups.n;
	err = pv_vec_append(&z->out.groups, &group, 1, NULL);
	if (err) {
		free(group.text);
		return err;
	}
	return pv_map_set(index, key, *ret);
}

static uint32_t bounded_above(const struct namer *z, size_t place)
{
	uint32_t i = z->met[place].node ? z->met[place].node - 1 : NO_PARENT;

	for (int n = 0; i != NO_PARENT && !node_at(z, i)->bounded; n++)
		i = n < DEPTH_MAX ? node_at(z, i)->parent : NO_PARENT;
	return i;
}

static struct pv_err *note_alike(struct namer *z, size_t place)
{
	struct alike one = {
		.first = place,
		.same = z->met[place].node ? ALL_STEPS >> 1 : 0,
		.bounded = bounded_above(z, place),
	};
	struct alike *there;

	if (z->out.group[place] == z->alike.n)
		return pv_vec_append(&z->alike, &one, 1, NULL);
	there = pv_vec_at(&z->alike, z->out.group[place]);
	if (there->bounded != one.bounded)
		there->bounded = NO_PARENT;
	if (there->same)
		there->same &= same_steps(z, &z->met[there->first], &z->met[place]);
	return NULL;
}

static void tell_limit(struct namer *z, const struct alike *alike, struct pv_names_group *group)
{
	const struct pv_heap_type *type;
	uint64_t object, used, limit;

	if (alike->bounded == NO_PARENT)
		return;
	object = node_at(z, alike->bounded)->address;
	type = pv_graph_type(z->heap, object);
	if (!type || !pv_bounded_read(z->heap, object, type, &used, &limit))
		return;
	group->used = used;
	group->limit = limit;
}

/* Many objects in one of a program's dicts: which one it is tells the most. */
static struct pv_err *tell_alike(struct namer *z)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < z->alike.n; i++) {
		struct pv_names_group *group = pv_vec_at(&z->out.groups, i);
		const struct alike *alike = pv_vec_at(&z->alike, i);
		struct pv_str text PV_CLEANUP(pv_str_deinit) = {};
		char *copy;

		tell_limit(z, alike, group);
		if (!alike->same || group->n < 2)
			continue;
		err = say_path(z, &z->met[alike->first], alike->same, &text);
		copy = err ? NULL : strdup(pv_str_text(&text));
		if (!err && !copy)
			err = &pv_enomem;
		if (err)
			break;
		free(group->text);
		group->text = copy;
	}
	return err;
}

static struct pv_err *name_place(struct namer *z, struct pv_whose *whose, struct pv_map *index,
				 size_t i, bool exact)
{
	struct pv_str text PV_CLEANUP(pv_str_deinit) = {};
	enum pv_holder_kind kind = PV_HOLDER_NAMED;
	struct pv_err *err;
	uint64_t type = 0;

	if (z->met[i].node)
		err = say_path(z, &z->met[i], 0, &text);
	else
		err = pv_whose_memory(whose, z->places[i], false, &kind, &type, &text);
	if (!err)
		err = put_group(z, index, &text, kind, type, &z->out.group[i]);
	if (!err)
		err = note_alike(z, i);
	if (err || !exact)
		return err;
	pv_str_clear(&text);
	err = z->met[i].node ? say_path(z, &z->met[i], ALL_STEPS, &text)
			     : pv_whose_memory(whose, z->places[i], true, &kind, &type, &text);
	if (err)
		return err;
	z->out.exact[i] = strdup(pv_str_text(&text));
	return z->out.exact[i] ? NULL : &pv_enomem;
}

static struct pv_err *name_places(struct namer *z, struct pv_heap_search *search, size_t exact_max)
{
	struct pv_map index = { 0 };
	struct pv_whose *whose;
	struct pv_err *err = pv_whose_create(z->heap, search, &whose);

	if (err)
		return err;
	for (size_t i = 0; !err && i < z->n; i++)
		err = name_place(z, whose, &index, i, i < exact_max);
	if (!err)
		err = tell_alike(z);
	pv_whose_destroy(whose);
	pv_map_deinit(&index);
	return err;
}

static struct pv_err *prepare(struct namer *z)
{
	struct pv_err *err = NULL;

	z->out.group = calloc(z->n + 1, sizeof(*z->out.group));
	z->out.exact = calloc(z->n + 1, sizeof(*z->out.exact));
	z->met = calloc(z->n + 1, sizeof(*z->met));
	if (!z->out.group || !z->out.exact || !z->met)
		return &pv_enomem;
	z->out.n = z->n;
	for (size_t i = 0; !err && i < z->n; i++) {
		uint64_t there;

		/* the same place twice: both get the name of the first */
		if (pv_map_get(&z->index, z->places[i], &there))
			continue;
		z->left++;
		err = pv_map_set(&z->index, z->places[i], i + 1);
	}
	return err;
}

static void copy_twins(struct namer *z)
{
	for (size_t i = 0; i < z->n; i++) {
		uint64_t first;

		if (pv_map_get(&z->index, z->places[i], &first) && first != i + 1)
			z->met[i] = z->met[first - 1];
	}
}

static struct pv_err *find_all(struct namer *z, struct pv_heap_search *search,
			       const struct pv_names_options *options)
{
	uint64_t limit = options->limit_ns ? options->limit_ns : PV_NAMES_LIMIT_NS;
	uint64_t start_ns = pv_now_ns();
	struct pv_err *err = prepare(z);

	z->search = search;
	z->enough = options->enough;
	z->until_ns = start_ns + limit;

	if (!err && z->left)
		err = add_roots(z);
	if (!err && z->left)
		err = go_through(z);
	if (!err) {
		copy_twins(z);
		err = name_places(z, search, options->exact_max);
	}
	z->out.partial = z->full;
	z->out.took_ns = pv_now_ns() - start_ns;
	return err;
}

struct pv_err *pv_names_find(struct pv_heap *heap, struct pv_heap_search *search,
			     const uint64_t *places, size_t n,
			     const struct pv_names_options *options, struct pv_names *ret)
{
	struct namer z = {
		.heap = heap,
		.places = places,
		.n = n,
		.nodes = PV_VEC(struct node),
		.modules = PV_VEC(struct pv_edge),
		.out.groups = PV_VEC(struct pv_names_group),
		.alike = PV_VEC(struct alike),
	};
	struct pv_mem *live = pv_heap_mem(heap), *copy;
	struct pv_err *err =
		pv_copy_create_touched(live, COPY_MAX, search->source.pid, &search->maps, &copy);

	if (err)
		return err;
	pv_heap_forget(heap, copy);
	err = find_all(&z, search, options);
	pv_heap_forget(heap, live);
	pv_mem_destroy(copy);
	pv_map_deinit(&z.index);
	pv_map_deinit(&z.visited);
	pv_vec_deinit(&z.nodes);
	pv_vec_deinit(&z.modules);
	pv_vec_deinit(&z.alike);
	free(z.met);
	if (err) {
		pv_names_deinit(&z.out);
		return err;
	}
	*ret = z.out;
	return NULL;
}
