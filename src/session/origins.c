/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of C functions.  Input: instructions by node, ELF objects.  Output: locations. */
#include "session/origins.h"

#include <string.h>

#include "analyse/leak.h"
#include "base/clock.h"
#include "model/memory.h"
#include "model/profile.h"
#include "model/strings.h"
#include "snap/objects.h"
#include "symbol/lines.h"

enum {
	MOST = 4,      /* instructions of a node */
	SUSPECTS = 20, /* as many as a page shows at first */
};

/* No other object is opened after so long. */
#define LIMIT_NS 2000000000ULL

struct origin {
	uint32_t object; /* 0: they are of several, or of too many instructions */
	uint32_t n;
	uint64_t vaddrs[MOST];
};

void pv_origins_deinit(struct pv_origins *origins)
{
	pv_map_deinit(&origins->index);
	pv_map_deinit(&origins->calls);
	pv_vec_deinit(&origins->list);
	*origins = (struct pv_origins){ 0 };
}

static void add(struct origin *origin, uint32_t object, uint64_t vaddr)
{
	for (uint32_t i = 0; i < origin->n; i++) {
		if (origin->vaddrs[i] == vaddr && origin->object == object)
			return;
	}
	if (origin->object != object || origin->n == MOST)
		origin->object = 0;
	else
		origin->vaddrs[origin->n++] = vaddr;
}

/* Objects are few, and files smaller than 2^40. */
static uint64_t place_of(uint32_t object, uint64_t vaddr)
{
	return (uint64_t)object << 40 | (vaddr & ((1ULL << 40) - 1));
}

struct pv_err *pv_origins_returns(struct pv_origins *origins, uint32_t object, uint64_t seen,
				  uint64_t call)
{
	return pv_map_set(&origins->calls, place_of(object, seen), call);
}

static uint64_t key_of(uint32_t node, bool leaf)
{
	return (uint64_t)node << 1 | leaf;
}

struct pv_err *pv_origins_note(struct pv_origins *origins, uint32_t node, bool leaf,
			       uint32_t object, uint64_t vaddr)
{
	struct origin first = { .object = object, .n = 1 };
	struct pv_err *err;
	uint64_t index;

	if (leaf)
		(void)pv_map_get(&origins->calls, place_of(object, vaddr), &vaddr);
	first.vaddrs[0] = vaddr;
	if (pv_map_get(&origins->index, key_of(node, leaf), &index)) {
		add(pv_vec_at(&origins->list, index), object, vaddr);
		return NULL;
	}
	if (!origins->list.element_size)
		origins->list = (struct pv_vec)PV_VEC(struct origin);
	err = pv_map_set(&origins->index, key_of(node, leaf), origins->list.n);
	return err ? err : pv_vec_append(&origins->list, &first, 1, NULL);
}

/* ---- lines */

struct teller {
	const struct pv_objects *objects;
	struct pv_memory *memory;
	struct pv_vec lines; /* struct pv_lines *, by object id; NULL: not looked at yet */
	uint64_t until_ns;
};

static struct pv_err *lines_of(struct teller *t, uint32_t id, struct pv_lines **ret)
{
	const struct pv_object *object = pv_objects_get(t->objects, id);
	struct pv_lines **slot;
	struct pv_err *err = NULL;

	*ret = NULL;
	if (!object || !object->elf)
		return NULL;
	if (t->lines.n <= id)
		err = pv_vec_append(&t->lines, NULL, id + 1 - t->lines.n, NULL);
	if (err)
		return err;
	slot = pv_vec_at(&t->lines, id);
	if (!*slot && pv_now_ns() < t->until_ns)
		err = pv_lines_create(object->elf, object->path, object->root, slot);
	*ret = *slot;
	return err;
}

/* The line that all of a node's instructions are of; line 0: there is none. */
static struct pv_err *find_line(struct teller *t, const struct origin *origin, struct pv_line *ret)
{
	struct pv_lines *lines = NULL;
	struct pv_err *err = origin->object ? lines_of(t, origin->object, &lines) : NULL;

	*ret = (struct pv_line){ 0 };
	for (uint32_t i = 0; !err && lines && i < origin->n; i++) {
		struct pv_line line = { 0 };
		bool found = false;

		err = pv_lines_at(lines, origin->vaddrs[i], &line, &found);
		if (err || !found || !line.file || !line.line ||
		    (i && (line.line != ret->line || strcmp(line.file, ret->file) != 0))) {
			ret->line = 0;
			break;
		}
		*ret = line;
	}
	return err;
}

static struct pv_err *set_line(struct teller *t, struct pv_stack_node *node,
			       const struct pv_line *line)
{
	struct pv_profile *profile = t->memory->profile;
	struct pv_loc loc = *(const struct pv_loc *)pv_vec_at(&profile->locs, node->loc);
	struct pv_err *err =
		pv_strings_add(profile->strings, line->file, strlen(line->file), &loc.file);

	loc.line = (int32_t)line->line;
	return err ? err : pv_profile_loc(profile, &loc, &node->loc);
}

static struct pv_err *tell_suspect(struct teller *t, const struct pv_origins *origins,
				   const struct pv_suspect *one)
{
	const struct pv_profile *profile = t->memory->profile;
	uint32_t at = one->node, callee = at;
	struct pv_stack_node *node = NULL;
	struct pv_line line;
	struct pv_err *err;
	uint64_t index;

	for (; at && at < profile->nodes.n; at = node->parent) {
		node = pv_vec_at(&profile->nodes, at);
		if (node->loc == one->spot.native)
			break;
		callee = at;
	}
	if (!at || at >= profile->nodes.n ||
	    !pv_map_get(&origins->index, key_of(callee, callee == at), &index))
		return NULL;
	err = find_line(t, pv_vec_at(&origins->list, index), &line);
	return err || !line.line ? err : set_line(t, node, &line);
}

struct pv_err *pv_origins_tell(const struct pv_origins *origins, const struct pv_objects *objects,
			       struct pv_memory *memory)
{
	struct teller t = {
		.objects = objects,
		.memory = memory,
		.lines = PV_VEC(struct pv_lines *),
		.until_ns = pv_now_ns() + LIMIT_NS,
	};
	struct pv_leak leak;
	struct pv_err *err = pv_leak_of(memory, &leak);

	if (err)
		return err;
	for (size_t i = 0; i < leak.suspects.n && i < SUSPECTS && !err; i++) {
		const struct pv_suspect *one = pv_vec_at(&leak.suspects, i);

		if (one->spot.native != PV_MEMORY_NONE && one->left_count)
			err = tell_suspect(&t, origins, one);
	}
	for (size_t i = 0; i < t.lines.n; i++)
		pv_lines_destroy(*(struct pv_lines **)pv_vec_at(&t.lines, i));
	pv_vec_deinit(&t.lines);
	pv_leak_deinit(&leak);
	return err;
}
