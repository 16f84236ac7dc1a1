/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who holds what: a subject of a hunt.
 * Input: heap/holders.h's and heap/names.h's answers.  Output: struct pv_memory.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyse/growth.h"
#include "analyse/sites.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "heap/object.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/heldbefore.h"
#include "session/holding.h"

enum {
	EXAMPLES = 16, /* lost objects whose addresses are kept */
	TYPES_MAX = 1 << 20,
	GROWING = 3,  /* types whose holders are looked for unasked */
	SUBJECTS = 6, /* with those that hold them */
	EXACT = 64,   /* places of one object that get their whole path */
};

static const double PART_LEAST = 0.05; /* of all that grows, to come first */
static const double NEW_LEAST = 0.5;   /* of a type's objects, that came meanwhile, for that */

/* What is filled in. */
struct filler {
	struct pv_holding *holding;
	struct pv_memory *memory;
	struct pv_holders found;
	struct pv_names names;
	const struct pv_held_before *before;
	struct pv_memory_subject subject;
	uint64_t type; /* address of the objects' */
	uint32_t subject_i;
};

static struct pv_err *intern(struct filler *f, const char *text, uint32_t *ret)
{
	return pv_strings_add(f->memory->profile->strings, text, strlen(text), ret);
}

/* As the census has it; else by tp_name, where a static type has its module before a dot. */
static struct pv_err *type_of(struct filler *f, uint64_t address, uint32_t *ret)
{
	const struct pv_heap_type *type =
		address ? pv_heap_type(pv_holding_heap(f->holding), address) : NULL;
	const char *dot = type ? strrchr(type->name, '.') : NULL;
	_pv_free_ char *module = dot ? strndup(type->name, (size_t)(dot - type->name)) : NULL;

	*ret = PV_MEMORY_NONE;
	if (type)
		*ret = pv_memory_type_of(f->memory, address);
	if (!type || *ret != PV_MEMORY_NONE)
		return NULL;
	if (dot && !module)
		return &pv_enomem;
	return pv_memory_type_named(f->memory, PV_TYPE_OBJECT, dot ? dot + 1 : type->name, module,
				    0, type->address, ret);
}

static const char *type_text(struct filler *f, uint64_t address)
{
	const struct pv_heap_type *type = pv_heap_type(pv_holding_heap(f->holding), address);

	return type ? type->name : "?";
}

static struct pv_err *count_objects(struct filler *f)
{
	struct pv_memory_subject *subject = &f->subject;
	struct pv_err *err = NULL;

	subject->first_example = (uint32_t)f->memory->examples.n;
	for (size_t i = 0; !err && i < f->found.n_objects; i++) {
		const struct pv_held *held = &f->found.objects[i];

		if (held->state == PV_HELD_NO_OBJECT)
			continue;
		subject->objects++;
		subject->found += held->found;
		if (held->state == PV_HELD_IMMORTAL)
			subject->immortal++;
		else
			subject->refcount += (int64_t)held->refcount;
		if (!held->lost)
			continue;
		subject->lost_objects++;
		subject->lost_references += held->lost;
		if (subject->n_examples < EXAMPLES) {
			subject->n_examples++;
			err = pv_vec_append(&f->memory->examples, &held->address, 1, NULL);
		}
	}
	subject->partial = f->found.partial || f->names.partial;
	/* the first one, which found that somebody is missing, and those after it */
	subject->looks = 1 + (f->found.looks ? f->found.looks : 0);
	subject->took_ns = f->found.all_ns + f->names.took_ns;
	return err;
}

static struct pv_err *name_subject(struct filler *f, const char *text)
{
	char name[PV_HEAP_NAME_BYTES + 32];
	const struct pv_held *first = NULL;
	struct pv_err *err;

	for (size_t i = 0; !first && i < f->found.n_objects; i++) {
		if (f->found.objects[i].type)
			first = &f->found.objects[i];
	}
	if (!first)
		return pv_err_create(PV_ERR_USAGE,
				     "cannot tell who holds %s: there is no such object now", text);
	f->type = first->type;
	err = type_of(f, first->type, &f->subject.type);
	if (err)
		return err;
	if (f->found.n_objects == 1) {
		f->subject.address = first->address;
		snprintf(name, sizeof(name), "%s at 0x%" PRIx64, type_text(f, first->type),
			 first->address);
	} else {
		snprintf(name, sizeof(name), "%s", type_text(f, first->type));
	}
	return intern(f, name, &f->subject.text);
}

static struct pv_err *add_holder(struct filler *f, struct pv_memory_holder *holder,
				 const char *text, uint64_t type)
{
	struct pv_err *err = intern(f, text, &holder->text);

	holder->subject = f->subject_i;
	if (!err)
		err = type_of(f, type, &holder->type);
	return err ? err : pv_vec_append(&f->memory->holders, holder, 1, NULL);
}

/* One object: each place by itself, with keys and indices. */
static struct pv_err *add_places(struct filler *f)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < f->names.n; i++) {
		const struct pv_names_group *group = pv_vec_at(&f->names.groups, f->names.group[i]);
		struct pv_memory_holder holder = {
			.kind = (enum pv_holder_kind)group->kind,
			.references = 1,
			.objects = 1,
			.used = group->used,
			.limit = group->limit,
		};

		err = add_holder(f, &holder, f->names.exact[i] ? f->names.exact[i] : group->text,
				 group->type);
	}
	return err;
}

/* Compared with the look before; only what changes is to be told of it. */
static void compare_before(struct filler *f, const struct pv_names_group *group,
			   struct pv_memory_holder *holder)
{
	double scale = (double)f->subject.of / (double)f->found.n_objects;
	struct pv_held_path path;
	uint64_t at_ns;

	if (!f->before || group->kind != PV_HOLDER_NAMED ||
	    !pv_held_before_get(f->before, f->type, group->path, &path, &at_ns))
		return;
	holder->over_ns = pv_now_ns() - at_ns;
	holder->gained = (int64_t)(scale * (double)holder->objects - path.objects);
	holder->used_gained = (int64_t)(group->used - path.used);
}

/* Those that hold most come first. */
static int compare_groups(const struct filler *f, const uint64_t *objects, uint32_t a, uint32_t b)
{
	const struct pv_names_group *x = pv_vec_at(&f->names.groups, a);
	const struct pv_names_group *y = pv_vec_at(&f->names.groups, b);

	if (objects[a] != objects[b])
		return objects[a] > objects[b] ? -1 : 1;
	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return a < b ? -1 : a > b;
}

/* An object counts for the first of the named groups that hold it. */
static struct pv_err *count_own(struct filler *f, const uint64_t *objects, uint64_t **ret)
{
	uint64_t *own = calloc(f->names.groups.n + 1, sizeof(*own));
	uint32_t best = UINT32_MAX;

	if (!own)
		return &pv_enomem;
	for (size_t i = 0; i < f->names.n; i++) {
		uint32_t group = f->names.group[i], object = f->found.places[i].object;
		const struct pv_names_group *of = pv_vec_at(&f->names.groups, group);

		if (of->kind == PV_HOLDER_NAMED &&
		    (best == UINT32_MAX || compare_groups(f, objects, group, best) < 0))
			best = group;
		if (i + 1 < f->names.n && f->found.places[i + 1].object == object)
			continue;
		if (best != UINT32_MAX)
			own[best]++;
		best = UINT32_MAX;
	}
	*ret = own;
	return NULL;
}

/* Many: by holder. */
static struct pv_err *add_groups(struct filler *f)
{
	_pv_free_ uint64_t *objects = NULL, *own = NULL;
	struct pv_err *err = pv_held_count(&f->found, &f->names, &objects);

	if (!err)
		err = count_own(f, objects, &own);
	for (size_t i = 0; !err && i < f->names.groups.n; i++) {
		const struct pv_names_group *group = pv_vec_at(&f->names.groups, i);
		struct pv_memory_holder holder = {
			.kind = (enum pv_holder_kind)group->kind,
			.references = group->n,
			.objects = objects[i],
			.own = own[i],
			.used = group->used,
			.limit = group->limit,
		};

		compare_before(f, group, &holder);
		err = add_holder(f, &holder, group->text, group->type);
	}
	return err;
}

/* References that are lost: looked for again and again. */
static struct pv_err *add_nobody(struct filler *f)
{
	struct pv_memory_holder nobody = { .kind = PV_HOLDER_NONE };

	for (size_t i = 0; i < f->found.n_objects; i++) {
		const struct pv_held *held = &f->found.objects[i];

		nobody.references += held->lost;
		nobody.objects += held->lost != 0;
	}
	return nobody.objects ? add_holder(f, &nobody, "nobody that was found", 0) : NULL;
}

static int compare_holders(const void *a, const void *b)
{
	const struct pv_memory_holder *x = a, *y = b;

	if (x->objects != y->objects)
		return x->objects > y->objects ? -1 : 1;
	if (x->references != y->references)
		return x->references > y->references ? -1 : 1;
	/* names first */
	return x->kind < y->kind ? -1 : x->kind > y->kind;
}

static struct pv_err *add_holders(struct filler *f)
{
	size_t first = f->memory->holders.n;
	struct pv_err *err = f->found.n_objects == 1 ? add_places(f) : add_groups(f);

	if (!err)
		err = add_nobody(f);
	if (!err && f->memory->holders.n > first)
		qsort(pv_vec_at(&f->memory->holders, first), f->memory->holders.n - first,
		      sizeof(struct pv_memory_holder), compare_holders);
	return err;
}

static struct pv_err *fill(struct filler *f, const char *text, const uint64_t *addresses, size_t n,
			   bool lost)
{
	struct pv_holders_options options = { .lost = lost };
	struct pv_names_options naming = { .exact_max = n == 1 ? EXACT : 0 };
	struct pv_err *err = pv_holding_find(f->holding, addresses, n, &options, &f->found);

	if (!err && n == 1)
		naming.enough = f->found.objects[0].refcount;
	if (!err)
		err = pv_holding_name(f->holding, &f->found, &naming, &f->names);
	if (!err)
		err = name_subject(f, text);
	if (!err)
		err = count_objects(f);
	f->subject_i = (uint32_t)f->memory->subjects.n;
	if (!err)
		err = pv_vec_append(&f->memory->subjects, &f->subject, 1, NULL);
	return err ? err : add_holders(f);
}

struct pv_err *pv_holding_fill(struct pv_holding *holding, const char *text,
			       const uint64_t *addresses, size_t n, uint64_t of, bool lost,
			       const struct pv_held_before *before, struct pv_memory *memory)
{
	struct filler f = {
		.holding = holding, .memory = memory, .before = before, .subject.of = of
	};
	struct pv_err *err = fill(&f, text, addresses, n, lost);

	pv_names_deinit(&f.names);
	pv_holders_deinit(&f.found);
	return err;
}

/* A type that a census has met. */
static uint64_t counted_type(const struct pv_memory *memory, const char *text)
{
	for (size_t i = 0; i < memory->types.n; i++) {
		const struct pv_memory_type *type = pv_vec_at(&memory->types, i);

		if (type->kind == PV_TYPE_OBJECT && type->address &&
		    !strcmp(pv_strings_get(memory->profile->strings, type->name), text))
			return type->address;
	}
	return 0;
}

/* One of the interpreter's own, of which no list knows: static types are in no heap. */
static uint64_t builtin_type(struct pv_holding *holding, const char *text)
{
	struct pv_heap *heap = pv_holding_heap(holding);
	static const char *const modules[] = { "builtins", "__builtin__" };

	for (size_t i = 0; i < sizeof(modules) / sizeof(*modules); i++) {
		_pv_err_ struct pv_err *err = NULL;
		uint64_t at = 0;
		char name[256];

		snprintf(name, sizeof(name), "%s.%s", modules[i], text);
		err = pv_holding_resolve(holding, name, &at);
		if (!err && pv_heap_type(heap, at))
			return at;
	}
	return 0;
}

/* Any other: types are objects, too.  Their names are as the C code has them, _thread.lock. */
static struct pv_err *any_type(struct pv_holding *holding, const char *text, uint64_t *ret)
{
	struct pv_heap *heap = pv_holding_heap(holding);
	struct pv_vec types = PV_VEC(uint64_t);
	uint64_t type = 0, of;
	struct pv_err *err = pv_holding_resolve(holding, "builtins.type", &type);

	if (err) {
		/* 2.7 */
		pv_err_destroy(err);
		err = pv_holding_resolve(holding, "__builtin__.type", &type);
	}
	if (!err)
		err = pv_holding_instances(holding, type, TYPES_MAX, &types, &of);
	*ret = 0;
	for (size_t i = 0; !err && !*ret && i < types.n; i++) {
		const struct pv_heap_type *one =
			pv_heap_type(heap, *(uint64_t *)pv_vec_at(&types, i));
		const char *dot = one ? strrchr(one->name, '.') : NULL;

		if (one && (!strcmp(one->name, text) || (dot && !strcmp(dot + 1, text))))
			*ret = one->address;
	}
	pv_vec_deinit(&types);
	return err;
}

/* By an address, a name of a type, a dotted name. */
static struct pv_err *find_subject(struct pv_holding *holding, const struct pv_memory *memory,
				   const char *text, uint64_t *ret)
{
	_pv_err_ struct pv_err *no_name = NULL;
	char name[256], *end;
	struct pv_err *err;

	*ret = strtoull(text, &end, 0);
	if (*text && !*end)
		return NULL;
	snprintf(name, sizeof(name), "%s%s", strchr(text, '.') ? "" : "__main__.", text);
	no_name = pv_holding_resolve(holding, name, ret);
	if (!no_name)
		return NULL;
	*ret = counted_type(memory, text);
	if (!*ret)
		*ret = builtin_type(holding, text);
	err = *ret ? NULL : any_type(holding, text, ret);
	if (err || *ret)
		return err;
	return pv_err_create(PV_ERR_USAGE,
			     "the process has no type %s: give an address (0x7f...), a type, or a "
			     "name such as app.Session",
			     text);
}

struct pv_err *pv_holding_subject(struct pv_holding *holding, const char *text, size_t max,
				  bool lost, struct pv_memory *memory)
{
	struct pv_vec addresses = PV_VEC(uint64_t);
	uint64_t subject, of = 1;
	const struct pv_heap_type *type;
	struct pv_err *err;

	pv_heap_forget(pv_holding_heap(holding), pv_heap_mem(pv_holding_heap(holding)));
	err = find_subject(holding, memory, text, &subject);
	if (err)
		return err;
	/* an address means that very object, a type's too */
	type = text[0] == '0' ? NULL : pv_heap_type(pv_holding_heap(holding), subject);
	if (type)
		err = pv_holding_instances(holding, subject, max, &addresses, &of);
	else
		err = pv_vec_append(&addresses, &subject, 1, NULL);
	if (!err)
		err = pv_holding_fill(holding, text, addresses.data, addresses.n, of, lost, NULL,
				      memory);
	pv_vec_deinit(&addresses);
	return err;
}

/* Some of the objects of a type, if there are any left. */
static struct pv_err *fill_type(struct pv_holding *holding, struct pv_memory *memory,
				const struct pv_held_before *before, uint32_t index, size_t *n_ret)
{
	const struct pv_memory_type *type = pv_vec_at(&memory->types, index);
	struct pv_vec addresses = PV_VEC(uint64_t);
	uint64_t of = 0;
	struct pv_err *err;

	if (type->kind != PV_TYPE_OBJECT || !type->address)
		return NULL;
	err = pv_holding_instances(holding, type->address, PV_HOLDING_SOME, &addresses, &of);
	/* they may be gone meanwhile */
	if (!err && addresses.n) {
		++*n_ret;
		err = pv_holding_fill(holding, "", addresses.data, addresses.n, of, true, before,
				      memory);
	}
	pv_vec_deinit(&addresses);
	return err;
}

static bool is_subject(const struct pv_memory *memory, uint32_t type)
{
	for (size_t i = 0; i < memory->subjects.n; i++) {
		const struct pv_memory_subject *one = pv_vec_at(&memory->subjects, i);

		if (one->type == type)
			return true;
	}
	return false;
}

static bool grows(const struct pv_growth *growth, uint32_t type)
{
	for (size_t i = 0; i < growth->types.n; i++) {
		const struct pv_growth_type *one = pv_vec_at(&growth->types, i);

		if (one->type == type)
			return true;
	}
	return false;
}

/* Of what holds a subject the type that grows itself and was not looked at; PV_MEMORY_NONE. */
static uint32_t growing_holder(const struct pv_memory *memory, const struct pv_growth *growth,
			       uint32_t subject)
{
	/* those of a subject stand by how many objects they hold */
	for (size_t i = 0; i < memory->holders.n; i++) {
		const struct pv_memory_holder *one = pv_vec_at(&memory->holders, i);

		if (one->subject == subject && one->kind == PV_HOLDER_BLOCK &&
		    one->type != PV_MEMORY_NONE && grows(growth, one->type) &&
		    !is_subject(memory, one->type))
			return one->type;
	}
	return PV_MEMORY_NONE;
}

/* In which order types are looked at. */
enum turn {
	TURN_NEW,   /* a good part of what grows, and most of it came meanwhile */
	TURN_MIXED, /* more than half was there before, and is held by others */
	TURN_ALONE, /* texts and numbers */
	N_TURNS
};

static enum turn turn_of(const struct pv_memory *memory, const struct pv_growth *growth,
			 const struct pv_growth_type *one)
{
	if (pv_type_is_alone(memory, one->type))
		return TURN_ALONE;
	return one->bytes_per_s >= PART_LEAST * growth->bytes_per_s &&
			       one->count.gained >= NEW_LEAST * (double)one->last.count
		       ? TURN_NEW
		       : TURN_MIXED;
}

/* Of the types that grow those of a turn, the most bytes first. */
static struct pv_err *growing_some(struct pv_holding *holding, struct pv_memory *memory,
				   const struct pv_held_before *before,
				   const struct pv_growth *growth, enum turn turn,
				   uint64_t until_ns, size_t *n_ret, bool *all_ret)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < growth->types.n && *n_ret < GROWING; i++) {
		const struct pv_growth_type *one = pv_vec_at(&growth->types, i);

		if (turn_of(memory, growth, one) != turn)
			continue;
		if (*n_ret && (pv_now_ns() > until_ns || pv_holding_is_stopped(holding))) {
			*all_ret = false;
			break;
		}
		err = fill_type(holding, memory, before, one->type, n_ret);
	}
	return err;
}

/* Something grows, and none of it is objects. */
static bool blocks_alone(const struct pv_memory *memory, const struct pv_growth *growth)
{
	for (size_t i = 0; i < growth->types.n; i++) {
		const struct pv_growth_type *one = pv_vec_at(&growth->types, i);

		if (((const struct pv_memory_type *)pv_vec_at(&memory->types, one->type))->kind ==
		    PV_TYPE_OBJECT)
			return false;
	}
	return growth->types.n > 0;
}

/*
 * The types that grow most, some of the objects of each; then those that hold them, if they grow,
 * too: an object's dict and tuples may take more than it does, but it is what is held or lost.
 * Texts and numbers come last: where they are many they take most of the time, and what has them
 * tells more.
 */
static struct pv_err *growing(struct pv_holding *holding, struct pv_memory *memory,
			      const struct pv_held_before *before, uint64_t until_ns, size_t *n_ret,
			      bool *all_ret, bool *blocks_ret)
{
	struct pv_growth growth = { 0 };
	struct pv_err *err = pv_growth_of(memory, &growth);

	*n_ret = 0;
	*all_ret = true;
	for (enum turn turn = 0; !err && turn < N_TURNS; turn++)
		err = growing_some(holding, memory, before, &growth, turn, until_ns, n_ret,
				   all_ret);
	for (uint32_t i = 0; !err && i < memory->subjects.n && memory->subjects.n < SUBJECTS; i++) {
		uint32_t holder = growing_holder(memory, &growth, i);

		if (holder == PV_MEMORY_NONE)
			continue;
		*all_ret &= pv_now_ns() <= until_ns && !pv_holding_is_stopped(holding);
		if (*all_ret)
			err = fill_type(holding, memory, before, holder, n_ret);
	}
	*blocks_ret = !err && blocks_alone(memory, &growth);
	pv_growth_deinit(&growth);
	return err;
}

/* Was the last search broken off for its time? */
static bool is_late(const struct pv_memory *memory, uint64_t until_ns)
{
	const struct pv_memory_subject *last =
		memory->subjects.n ? pv_vec_at(&memory->subjects, memory->subjects.n - 1) : NULL;

	return last && last->partial && pv_now_ns() > until_ns;
}

struct pv_err *pv_holding_rung(pid_t pid, const char *text, const struct pv_held_before *before,
			       uint64_t start_ns, uint64_t until_ns, int fd,
			       struct pv_memory *memory)
{
	struct pv_memory_rung *rung = &memory->rungs[PV_RUNG_HOLDERS];
	uint64_t begin_ns = pv_now_ns();
	struct pv_holding *holding;
	struct pv_err *err = pv_holding_open(pid, &holding);
	size_t n = 1;
	bool all = true, blocks = false, stopped;

	if (err)
		return err;
	pv_holding_until(holding,
			 text || until_ns <= begin_ns ? until_ns : 2 * until_ns - begin_ns);
	pv_holding_stop(holding, fd);
	if (text)
		err = pv_holding_subject(holding, text, PV_HOLDERS_OBJECTS_MAX, true, memory);
	else
		err = growing(holding, memory, before, until_ns, &n, &all, &blocks);
	stopped = pv_holding_is_stopped(holding);
	pv_holding_close(holding);
	/* that there is none was not seen then */
	if (stopped && err && err != &pv_enomem) {
		pv_err_destroy(err);
		err = NULL;
	}
	if (err)
		return err;
	rung->start_ns = begin_ns - start_ns;
	rung->took_ns = pv_now_ns() - begin_ns;
	if (stopped)
		return pv_memory_rung_is(memory, PV_RUNG_HOLDERS, PV_RUNG_PARTLY,
					 "it was stopped before all of its memory was searched");
	if (text && is_late(memory, until_ns))
		return pv_memory_rung_is(memory, PV_RUNG_HOLDERS, PV_RUNG_PARTLY,
					 "after %.0f s not all of its memory was searched",
					 (double)rung->took_ns / 1e9);
	if (!all || is_late(memory, until_ns))
		return pv_memory_rung_is(memory, PV_RUNG_HOLDERS, PV_RUNG_PARTLY,
					 "it took so long that not all types were looked at");
	if (!n && blocks)
		return pv_memory_rung_is(memory, PV_RUNG_HOLDERS, PV_RUNG_REFUSED,
					 "what grows are blocks: holders are looked for of objects "
					 "alone");
	return pv_memory_rung_is(memory, PV_RUNG_HOLDERS, n ? PV_RUNG_CLIMBED : PV_RUNG_NOT_NEEDED,
				 NULL);
}
