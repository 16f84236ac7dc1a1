/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verdict.  Input: a pv_memory.  Output: a kind, the guilty, sentences.
 */
#include "analyse/leak.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "analyse/leakwaits.h"
#include "analyse/leakwho.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "model/profile.h"
#include "model/strings.h"

static const double MAPPINGS_MORE = 2;    /* so much faster than all types: it is none of theirs */
static const double SECOND_MOST = 0.5;    /* the second suspect, for the first to be sure */
static const double UNTOUCHED_MOST = 0.5; /* of what grows by being mapped, that is in memory */
static const double MAPPED_LEAST = 0.5;   /* of what grows that one place mapped */
static const double MET_LEAST = 1;        /* of what grows that bursts must have met */
static const double WATCHED_LEAST = 0.5;  /* of a hunt in which there may be bursts */
static const double ALL_LEAST = 0.75;     /* of what grows that one place of reused blocks had */
static const double REUSED_LEAST = 0.5;   /* of what was seen, where types are reused */
static const double STAYS_LEAST = 0.01;   /* of what was seen of a place that is named */

enum {
	SURE_LEAST = 5,   /* blocks that were found to be left */
	STILL_LEAST = 10, /* objects more in the last quarter of a hunt: it is not over */
	NAMED_LEAST = 2,  /* one is no proof of anything: it may be the arena, or a cache's table */
};

/* ---- where it grows */

static bool is_heap(enum pv_memory_class what)
{
	return what == PV_MEMORY_ARENAS || what == PV_MEMORY_HEAP;
}

/* The class that grows fastest; of a heap only if what is in use of it grows, or cannot be read. */
static bool find_mappings(const struct pv_memory *memory, const struct pv_growth *growth,
			  enum pv_memory_class *class_ret, double *per_s_ret)
{
	bool found = false, in_use = growth->in_use.rises && !pv_growth_is_flat(growth),
	     heaps_known = growth->has_census && !memory->other_allocator && !in_use;

	for (int i = 0; i < PV_MEMORY_N_CLASSES; i++) {
		bool heap = is_heap(i);
		const struct pv_slope *slope = &growth->resident[i];

		/* what is mapped and never touched is as gone, and that of a heap is reserve */
		if (!heap && i != PV_MEMORY_FILES && growth->mapped[i].grows &&
		    growth->mapped[i].per_s > slope->per_s)
			slope = &growth->mapped[i];
		if (!slope->grows || (heap && heaps_known) || (found && slope->per_s <= *per_s_ret))
			continue;
		*class_ret = (enum pv_memory_class)i;
		*per_s_ret = slope->per_s;
		found = true;
	}
	return found;
}

static bool is_python(const struct pv_memory *memory, uint32_t type)
{
	const struct pv_memory_type *one = pv_vec_at(&memory->types, type);

	return one->kind != PV_TYPE_HEAP_BLOCK;
}

/* Neither mappings nor the heap were looked at, and nobody wanted it. */
static bool is_asked(const struct pv_memory *memory)
{
	return memory->points.n || memory->looks.n || !memory->subjects.n ||
	       memory->rungs[PV_RUNG_TREND].state != PV_RUNG_NOT_ASKED ||
	       memory->rungs[PV_RUNG_CENSUS].state != PV_RUNG_NOT_ASKED;
}

static void find_growth(const struct pv_memory *memory, struct pv_leak *leak)
{
	const struct pv_growth *growth = &leak->growth;
	enum pv_memory_class mappings = PV_MEMORY_ANON;
	double per_s = 0, of_python = 0;
	bool mapped = find_mappings(memory, growth, &mappings, &per_s);

	/* garbage takes room, too: of heaps; of mappings what is so large that it has its own */
	mapped = mapped && per_s > MAPPINGS_MORE * (growth->bytes_per_s +
						    (is_heap(mappings) ? growth->waiting_per_s
								       : growth->large_per_s));
	leak->kind = PV_LEAK_CLEAN;
	if (growth->types.n && !mapped) {
		leak->kind = PV_LEAK_GROWING;
		leak->where = PV_LEAK_TYPES;
		leak->bytes_per_s = growth->bytes_per_s;
		for (size_t i = 0; i < growth->types.n; i++) {
			const struct pv_growth_type *one = pv_vec_at(&growth->types, i);

			if (is_python(memory, one->type))
				of_python += one->bytes_per_s;
		}
		leak->python = leak->bytes_per_s > 0 ? of_python / leak->bytes_per_s : 0;
	} else if (mapped) {
		leak->kind = PV_LEAK_GROWING;
		leak->where = PV_LEAK_MAPPINGS;
		leak->mappings = mappings;
		leak->bytes_per_s = per_s;
		leak->python = mappings == PV_MEMORY_ARENAS;
	} else if (!is_asked(memory)) {
		leak->kind = PV_LEAK_NOT_ASKED;
	} else if (growth->unclear || growth->parts_unclear) {
		leak->kind = PV_LEAK_UNKNOWN;
	} else if (!growth->sure &&
		   (!growth->rss.known ||
		    (growth->has_census && growth->rss.rises && !growth->rss.flattened))) {
		leak->kind = PV_LEAK_UNKNOWN;
	}
}

/* ---- the guilty */

/* So many blocks were found to be left of the first suspect. */
static bool has_proof(const struct pv_vec *suspects, uint64_t least)
{
	const struct pv_suspect *first = suspects->data;

	return suspects->n && first->score > 0 && first->found >= least;
}

/*
 * Of what saw most of the heap; where that has next to nothing of what grows (bursts are short, and
 * a leak may be rare), of what extended it.
 */
static struct pv_err *find_suspects(const struct pv_memory *memory, struct pv_leak *leak)
{
	enum pv_site_source source = pv_suspects_source(memory);
	struct pv_vec growth;
	struct pv_err *err;

	if (leak->kind >= PV_LEAK_GROWING && leak->where == PV_LEAK_MAPPINGS &&
	    !is_heap(leak->mappings))
		source = PV_SITE_MAPPED;
	err = pv_suspects_of(memory, &leak->growth, source, &leak->suspects);
	if (err || source != PV_SITE_BURST || has_proof(&leak->suspects, SURE_LEAST))
		return err;
	err = pv_suspects_of(memory, &leak->growth, PV_SITE_GROWTH, &growth);
	if (err)
		return err;
	if (has_proof(&growth, has_proof(&leak->suspects, 1) ? SURE_LEAST : 1)) {
		pv_vec_deinit(&leak->suspects);
		leak->suspects = growth;
	} else {
		pv_vec_deinit(&growth);
	}
	return NULL;
}

static void add_guilty(struct pv_leak *leak, uint32_t type)
{
	for (uint32_t i = 0; i < leak->n_types; i++) {
		if (leak->types[i] == type)
			return;
	}
	if (leak->n_types < PV_LEAK_TYPES_MOST && pv_leak_growing(&leak->growth, type))
		leak->types[leak->n_types++] = type;
}

static bool is_object(const struct pv_memory *memory, uint32_t type)
{
	return type != PV_MEMORY_NONE &&
	       ((const struct pv_memory_type *)pv_vec_at(&memory->types, type))->kind ==
		       PV_TYPE_OBJECT;
}

/* Then blocks that are none are parts of theirs, most likely. */
static bool objects_grow(const struct pv_memory *memory, const struct pv_vec *types)
{
	for (size_t i = 0; i < types->n; i++) {
		if (is_object(memory, ((const struct pv_growth_type *)pv_vec_at(types, i))->type))
			return true;
	}
	return false;
}

/* What is next to nothing of the growth is none of it. */
static void add_part(struct pv_leak *leak, uint32_t type)
{
	const struct pv_growth_type *one = pv_leak_growing(&leak->growth, type);

	if (one && one->bytes_per_s >= PV_LEAK_PART_LEAST * leak->growth.bytes_per_s)
		add_guilty(leak, type);
}

static double watched_s(const struct pv_memory *memory, const struct pv_suspect *one)
{
	double took_s = (double)memory->rungs[PV_RUNG_BURSTS].took_ns / 1e9;

	return one->weight > 1 ? took_s / one->weight : took_s;
}

/*
 * So many of what grows were allocated while bursts watched, if a suspect is of its type, or of
 * any.
 */
static double met(const struct pv_memory *memory, const struct pv_growth *growth,
		  const struct pv_suspect *one)
{
	const struct pv_growth_type *own = pv_leak_growing(growth, one->type);
	double per_s = 0;

	for (size_t i = 0; i < growth->types.n; i++)
		per_s += ((const struct pv_growth_type *)pv_vec_at(&growth->types, i))->count.per_s;
	return (own ? own->count.per_s : per_s) * watched_s(memory, one);
}

/*
 * A block that CPython uses again has the stack of its first use, which may be any place that had
 * one of the type: only one that made most of what grows, and of which most stays, is it.
 */
static bool is_all(const struct pv_memory *memory, const struct pv_growth *growth,
		   const struct pv_suspect *one)
{
	return one->found >= SURE_LEAST && one->survival >= REUSED_LEAST &&
	       (double)one->found >= ALL_LEAST * met(memory, growth, one);
}

/*
 * Enough to name the place: more than one block of it stays, and more than next to nothing.  Where
 * bursts cannot have met what grows so seldom, what stays of them is something else.
 */
static bool is_evidence(const struct pv_memory *memory, const struct pv_leak *leak,
			const struct pv_suspect *one)
{
	bool types = leak->where == PV_LEAK_TYPES;

	if (one->score <= 0 || one->found < NAMED_LEAST)
		return false;
	/* what is mapped is known one by one: it may be seldom, if it is what grows */
	if (!types && one->source == PV_SITE_MAPPED && one->found >= SURE_LEAST &&
	    one->bytes_per_s >= MAPPED_LEAST * leak->bytes_per_s)
		return true;
	if (one->survival < STAYS_LEAST && !one->accounts)
		return false;
	return !types || one->source != PV_SITE_BURST ||
	       (met(memory, &leak->growth, one) >= MET_LEAST &&
		(!one->reused || one->sound >= NAMED_LEAST || is_all(memory, &leak->growth, one)));
}

/*
 * Of what has an owner, who lost it or holds it by a name, the place of the owner's type counts;
 * else that of a type that grows and can hang on it, and is no str or int, which are made anywhere:
 * most of what was seen of it must stay, since others may make such things, too.
 */
static bool is_of(const struct pv_memory *memory, const struct pv_leak *leak, size_t i, bool owner)
{
	const struct pv_suspect *one = pv_vec_at(&leak->suspects, i);

	uint32_t type;

	if (leak->kind != PV_LEAK_LOST && leak->kind != PV_LEAK_HELD)
		return !owner && !i;
	type = pv_leak_subject(memory, leak->subject)->type;
	if (owner)
		return one->type == type ||
		       (pv_suspect_found(memory, one, type) >= NAMED_LEAST &&
			(one->sound >= NAMED_LEAST || !pv_type_is_reused(memory, type)));
	if (one->type == PV_MEMORY_NONE ? i > 0
					: !pv_leak_growing(&leak->growth, one->type) ||
						  pv_type_is_alone(memory, one->type))
		return false;
	return one->found >= SURE_LEAST && one->survival >= REUSED_LEAST;
}

/* Puts the suspect first whose place is to be named; false: there is none. */
static bool find_site(const struct pv_memory *memory, struct pv_leak *leak)
{
	struct pv_suspect *suspects = leak->suspects.data, one;

	for (int owner = 1; owner >= 0; owner--) {
		for (size_t i = 0; i < leak->suspects.n; i++) {
			if (!is_of(memory, leak, i, owner) ||
			    !is_evidence(memory, leak, &suspects[i]))
				continue;
			one = suspects[i];
			memmove(suspects + 1, suspects, i * sizeof(*suspects));
			suspects[0] = one;
			return true;
		}
	}
	return false;
}

/*
 * What lost a reference is guilty, whatever hangs on it; else what the suspect allocates, if
 * that is known; else what grows fastest.
 */
static void find_guilty(const struct pv_memory *memory, struct pv_leak *leak)
{
	const struct pv_vec *types = &leak->growth.types;
	const struct pv_suspect *first = leak->suspects.n ? pv_vec_at(&leak->suspects, 0) : NULL;
	bool owned = leak->kind == PV_LEAK_LOST || leak->kind == PV_LEAK_HELD;
	double sum = 0, left = 0;

	leak->has_site = find_site(memory, leak);
	if (owned)
		add_guilty(leak, pv_leak_subject(memory, leak->subject)->type);
	if (leak->has_site && (is_object(memory, first->type) || !objects_grow(memory, types)))
		add_part(leak, first->type);
	for (size_t i = 0; i < types->n; i++)
		add_part(leak, ((const struct pv_growth_type *)pv_vec_at(types, i))->type);
	for (uint32_t i = 0; i < leak->n_types; i++)
		sum += pv_leak_growing(&leak->growth, leak->types[i])->bytes_per_s;
	leak->share = leak->growth.bytes_per_s > 0 ? sum / leak->growth.bytes_per_s : 0;
	for (size_t i = 0; i < leak->suspects.n; i++)
		left += ((const struct pv_suspect *)pv_vec_at(&leak->suspects, i))->score;
	leak->site_share = leak->has_site ? first->score / left : 0;
}

/* ---- words */

static struct pv_err *append_type(const struct pv_memory *memory, uint32_t type, struct pv_str *str)
{
	const struct pv_memory_type *one = pv_vec_at(&memory->types, type);
	const char *quote = one->kind == PV_TYPE_OBJECT ? "`" : "";
	struct pv_err *err = pv_str_appendf(str, "%s", quote);

	if (!err)
		err = pv_leak_type(memory, type, str);
	return err ? err : pv_str_appendf(str, "%s", quote);
}

/* A percentage that is not said as all or nothing if it is not. */
static struct pv_percent percent(double share)
{
	return pv_text_percent((uint64_t)(share * 10000 + 0.5), 10000, 0);
}

/* Most of what is mapped has no memory (yet). */
static bool is_untouched(const struct pv_leak *leak)
{
	return leak->growth.resident[leak->mappings].per_s < UNTOUCHED_MOST * leak->bytes_per_s;
}

/* "grows 1.2 MB/s (Python objects 97 %)." */
static struct pv_err *say_growth(const struct pv_leak *leak, struct pv_str *str)
{
	struct pv_bytes rate = pv_text_bytes(leak->bytes_per_s);

	if (leak->where == PV_LEAK_MAPPINGS && is_untouched(leak))
		return pv_str_appendf(
			str, "grows %s/s (%s), mapped: of that %s/s come into memory.\n", rate.text,
			pv_memory_class_name(leak->mappings),
			pv_text_bytes(leak->growth.resident[leak->mappings].per_s).text);
	if (leak->where == PV_LEAK_MAPPINGS)
		return pv_str_appendf(str, "grows %s/s (%s).\n", rate.text,
				      pv_memory_class_name(leak->mappings));
	return pv_str_appendf(str, "grows %s/s (Python objects %s).\n", rate.text,
			      percent(leak->python).text);
}

/* Enough was found of the first suspect, and far more than of the second. */
static bool is_sure(const struct pv_leak *leak)
{
	const struct pv_suspect *first = pv_vec_at(&leak->suspects, 0);
	double second = leak->suspects.n > 1 ? first[1].score : 0;

	return first->found >= SURE_LEAST && second <= first->score * SECOND_MOST;
}

/*
 * So long, s, until bursts find some blocks of a type that are left: of what is allocated they see
 * one in so many.  0: there were none.
 */
static double seen_after(const struct pv_memory *memory, const struct pv_growth_type *one)
{
	bool pools = ((const struct pv_memory_type *)pv_vec_at(&memory->types, one->type))->kind !=
		     PV_TYPE_HEAP_BLOCK;
	double weight = 0;

	/* those of the sizes that were watched for the longest time */
	for (size_t i = 0; i < memory->sites.n; i++) {
		const struct pv_memory_site *site = pv_vec_at(&memory->sites, i);

		if (site->source == PV_SITE_BURST && (!weight || site->weight < weight) &&
		    (site->domain == PV_DOMAIN_OBJECT) == pools)
			weight = site->weight;
	}
	return one->count.per_s > 0 ? SURE_LEAST * weight / one->count.per_s / WATCHED_LEAST : 0;
}

/* Bursts are short, and what leaks seldom is in none of them. */
static struct pv_err *say_unseen(const struct pv_memory *memory, const struct pv_leak *leak,
				 struct pv_str *str)
{
	enum pv_rung_state state = memory->rungs[PV_RUNG_BURSTS].state;
	double longer = leak->n_types
				? seen_after(memory, pv_leak_growing(&leak->growth, leak->types[0]))
				: 0;
	struct pv_err *err;

	if ((state != PV_RUNG_CLIMBED && state != PV_RUNG_PARTLY) || longer <= 0)
		return NULL;
	if (is_object(memory, leak->types[0]) && pv_type_is_reused(memory, leak->types[0])) {
		err = pv_str_appendf(str, "where it is allocated cannot be told: blocks of ");
		if (!err)
			err = append_type(memory, leak->types[0], str);
		return err ? err
			   : pv_str_appendf(str, " are used again, and what was seen was the place "
						 "of their first use.\n");
	}
	return pv_str_appendf(str, "where it is allocated was not seen: look longer, -d %u.\n",
			      pv_leak_longer(longer, leak->growth.seconds));
}

/*
 * ", allocated at", of the guilty types that were seen to be: ", the `tuple` allocated at", or of
 * what hangs on them: ", parts of it allocated at".  Where blocks are used again nothing more is
 * said than is known: ", in blocks first used at".
 */
static struct pv_err *say_allocated(const struct pv_memory *memory, const struct pv_leak *leak,
				    struct pv_str *str)
{
	const struct pv_suspect *first = pv_vec_at(&leak->suspects, 0);
	uint32_t n = 0, made = 0;
	struct pv_err *err = NULL;

	for (uint32_t i = 0; i < leak->n_types; i++) {
		if (first->type != leak->types[i] &&
		    !pv_suspect_found(memory, first, leak->types[i]))
			continue;
		made = leak->types[i];
		n++;
	}
	if (!n && first->type != PV_MEMORY_NONE)
		err = pv_str_appendf(str, ", parts of it");
	else if (n && n < leak->n_types)
		err = pv_str_appendf(str, ", the ");
	if (!err && n && n < leak->n_types)
		err = append_type(memory, made, str);
	else if (!err && (n || first->type == PV_MEMORY_NONE))
		err = pv_str_appendf(str, ",");
	return err ? err
		   : pv_str_appendf(str, "%s %s at ", is_sure(leak) ? "" : " most likely",
				    pv_leak_is_first_use(first) ? "in blocks first used"
								: "allocated");
}

bool pv_leak_is_first_use(const struct pv_suspect *one)
{
	return one->reused && one->sound < NAMED_LEAST;
}

static struct pv_err *say_first_use(const struct pv_memory *memory, const struct pv_leak *leak,
				    struct pv_str *str)
{
	const struct pv_suspect *first = pv_vec_at(&leak->suspects, 0);
	struct pv_err *err;

	if (!pv_leak_is_first_use(first))
		return NULL;
	err = pv_str_appendf(str, "blocks of ");
	if (!err)
		err = append_type(memory, first->type, str);
	return err ? err
		   : pv_str_appendf(str, " are used again: it may be another place that runs after "
					 "that one.\n");
}

/* "94 % of what grows is `tuple` and `str`, allocated at handler.py:41 under array_argsort." */
static struct pv_err *say_guilty(const struct pv_memory *memory, const struct pv_leak *leak,
				 struct pv_str *str)
{
	struct pv_err *err = NULL;

	if (leak->where == PV_LEAK_TYPES) {
		err = pv_str_appendf(str, "%s of that is ", percent(leak->share).text);
		for (uint32_t i = 0; i < leak->n_types && !err; i++) {
			err = i ? pv_str_appendf(str, " and ") : NULL;
			if (!err)
				err = append_type(memory, leak->types[i], str);
		}
		if (!err && leak->has_site)
			err = say_allocated(memory, leak, str);
	} else if (leak->has_site && is_heap(leak->mappings)) {
		err = pv_str_appendf(str, "most likely allocated at ");
	} else if (leak->has_site) {
		err = pv_str_appendf(str, "%s of what stays was mapped at ",
				     percent(leak->site_share).text);
	} else {
		return NULL;
	}
	if (!err && leak->has_site)
		err = pv_spot_text(
			memory, &((const struct pv_suspect *)pv_vec_at(&leak->suspects, 0))->spot,
			str);
	if (!err)
		err = pv_str_appendf(str, ".\n");
	if (!err && leak->has_site && leak->where == PV_LEAK_TYPES)
		return say_first_use(memory, leak, str);
	return err || leak->has_site || leak->where != PV_LEAK_TYPES
		       ? err
		       : say_unseen(memory, leak, str);
}

static struct pv_err *say_lost(const struct pv_memory *memory, const struct pv_leak *leak,
			       struct pv_str *str)
{
	const struct pv_memory_subject *one = pv_leak_subject(memory, leak->subject);
	struct pv_err *err;

	if (leak->holder != PV_MEMORY_NONE &&
	    pv_leak_holder(memory, leak->holder)->kind == PV_HOLDER_NONE)
		return pv_str_appendf(
			str,
			"nobody has the address of %s of %s that were looked at: "
			"they can never be freed.\n",
			pv_text_number(pv_leak_holder(memory, leak->holder)->objects).text,
			pv_text_number(one->objects).text);
	if (leak->holder != PV_MEMORY_NONE)
		return pv_str_appendf(str, "they are held by each other alone, and the garbage "
					   "collector is disabled: cycles, which nothing frees but "
					   "gc.collect(), if it is called.\n");
	err = pv_str_appendf(str, "%s of these ", pv_text_number(one->lost_objects).text);
	if (!err)
		err = append_type(memory, one->type, str);
	if (err)
		return err;
	if (one->lost_references == one->lost_objects)
		return pv_str_appendf(str, " have one reference more than anyone holds: a lost "
					   "reference, not a cache.\n");
	return pv_str_appendf(str,
			      " have %s references more than anyone holds: lost references, not a "
			      "cache.\n",
			      pv_text_number(one->lost_references).text);
}

/*
 * A cycle that nobody has any more looks so until the collector comes to it, and where a process
 * has many old objects it is long until it looks at the old ones.
 */
static struct pv_err *say_uncollected(const struct pv_leak *leak, struct pv_str *str)
{
	return pv_str_appendf(str,
			      "cycles that the garbage collector has not come to yet are held so, "
			      "too: look longer, -d %u.\n",
			      pv_leak_longer(0, leak->growth.seconds));
}

static struct pv_err *append_string(const struct pv_memory *memory, uint32_t id, struct pv_str *str)
{
	const struct pv_strings *strings = memory->profile->strings;

	return pv_text_append(str, pv_strings_get(strings, id), pv_strings_length(strings, id));
}

static struct pv_err *say_holder(const struct pv_memory *memory, const struct pv_leak *leak,
				 struct pv_str *str)
{
	enum pv_rung_state state = memory->rungs[PV_RUNG_HOLDERS].state;
	const struct pv_memory_holder *holder;
	struct pv_err *err;

	/* nothing is said of what was not looked at, nor of where growth cannot be told from the
	 * rest */
	if (leak->holder == PV_MEMORY_NONE)
		return (state == PV_RUNG_CLIMBED || state == PV_RUNG_PARTLY) &&
				       leak->subject != PV_MEMORY_NONE &&
				       pv_leak_is_growth(memory, &leak->growth, leak->subject)
			       ? pv_str_appendf(str, "who holds it was not found.\n")
			       : NULL;
	holder = pv_leak_holder(memory, leak->holder);
	err = pv_str_appendf(str, "held by ");
	if (!err)
		err = leak->stem
			      ? pv_text_append(
					str, pv_strings_get(memory->profile->strings, holder->text),
					leak->stem)
			      : append_string(memory, holder->text, str);
	if (!err && leak->stem)
		err = pv_str_appendf(str, ", in several places of it");
	if (!err && holder->kind != PV_HOLDER_NAMED)
		err = pv_str_appendf(str, ", to which no name leads");
	if (!err && leak->second != PV_MEMORY_NONE && !leak->stem) {
		err = pv_str_appendf(str, " and ");
		if (!err)
			err = append_string(memory, pv_leak_holder(memory, leak->second)->text,
					    str);
	}
	if (!err)
		err = pv_str_appendf(str, ".\n");
	if (!err && holder->limit && !leak->fills)
		err = pv_str_appendf(str, "that has a limit: %s of at most %s.\n",
				     pv_text_number(holder->used).text,
				     pv_text_number(holder->limit).text);
	/* where garbage is told apart this is none */
	return err || holder->kind != PV_HOLDER_BLOCK || memory->gc_disabled ||
			       leak->growth.collections.known
		       ? err
		       : say_uncollected(leak, str);
}

static struct pv_err *say_little(const struct pv_memory *memory, const struct pv_growth *growth,
				 struct pv_str *str)
{
	const struct pv_growth_type *one = pv_vec_at(&growth->types, 0);
	struct pv_err *err = append_type(memory, one->type, str);

	return err ? err
		   : pv_str_appendf(str,
				    " may: %s/s, %s more than at the start: too little to tell "
				    "from what settles in; look longer, -d %u.\n",
				    pv_text_bytes(one->bytes_per_s).text,
				    pv_text_number((uint64_t)one->count.gained).text,
				    pv_leak_longer(pv_growth_enough_s(growth), growth->seconds));
}

/*
 * What filled most.  It may be a warm-up that is not over, or one and a leak that was less than it:
 * then it still rises.
 */
static struct pv_err *say_filled(const struct pv_memory *memory, const struct pv_growth *growth,
				 struct pv_str *str)
{
	const struct pv_growth_type *one = pv_vec_at(&growth->filled, 0);
	bool still = one->count.at_end >= STILL_LEAST;
	struct pv_err *err = pv_str_appendf(str, "what filled%s: ", still ? "" : " and stayed");

	if (!err)
		err = append_type(memory, one->type, str);
	if (!err)
		err = pv_str_appendf(str, ", %s more than at the start.\n",
				     pv_text_number((uint64_t)one->count.gained).text);
	if (err || !still)
		return err;
	return pv_str_appendf(str,
			      "it still rose in the last quarter of the time, by %s, more slowly "
			      "than at first: look again, -d %u.\n",
			      pv_text_number((uint64_t)one->count.at_end).text,
			      pv_leak_longer(growth->seconds, 0));
}

/* When something is full that takes so many more, as fast as it did. */
static struct pv_err *append_full(const struct pv_memory_holder *one, struct pv_str *str)
{
	double s = (double)(one->limit - one->used) / (double)one->used_gained *
		   (double)one->over_ns / 1e9;

	if (one->used >= one->limit)
		return pv_str_appendf(str, "and full now");
	if (s < 120)
		return pv_str_appendf(str, "full in about %.0f s at this rate", s);
	return pv_str_appendf(str, "full in about %.0f %s at this rate",
			      s < 7200 ? s / 60 : s / 3600, s < 7200 ? "min" : "h");
}

/* What grows has a limit, and did not come to it meanwhile. */
static struct pv_err *say_fills(const struct pv_memory *memory, const struct pv_leak *leak,
				struct pv_str *str)
{
	const struct pv_memory_holder *one = pv_leak_holder(memory, leak->holder);
	struct pv_err *err = pv_str_appendf(
		str,
		"does not leak: most of the %s/s that it grows fills what has a limit, "
		"%s of at most %s, ",
		pv_text_bytes(leak->growth.bytes_per_s).text, pv_text_number(one->used).text,
		pv_text_number(one->limit).text);

	if (!err)
		err = append_full(one, str);
	if (!err)
		err = pv_str_appendf(str, ".\n");
	return err ? err : say_holder(memory, leak, str);
}

/* Why it is clean: what was seen to grow, and is none. */
static struct pv_err *say_clean(const struct pv_memory *memory, const struct pv_leak *leak,
				struct pv_str *str)
{
	const struct pv_growth *growth = &leak->growth;
	const struct pv_slope *heap = &growth->resident[PV_MEMORY_HEAP];
	const struct pv_slope *arenas = &growth->resident[PV_MEMORY_ARENAS];
	struct pv_err *err = NULL;

	if (leak->fills)
		return say_fills(memory, leak, str);
	if (growth->waiting.n)
		err = pv_leak_say_waiting(memory, leak, str);
	else if (heap->grows || arenas->grows)
		err = pv_str_appendf(
			str,
			"does not leak: its heap takes %s/s more of memory, but what is in use of "
			"it does not grow: fragmentation.\n",
			pv_text_bytes((heap->grows ? heap->per_s : 0) +
				      (arenas->grows ? arenas->per_s : 0))
				.text);
	else if (growth->rss.flattened)
		err = pv_str_appendf(str, "does not grow: it gained %s at first, and no more.\n",
				     pv_text_bytes(growth->rss.gained).text);
	else if (!memory->points.n)
		err = pv_str_appendf(str, "does not grow: of no type is there steadily more.\n");
	else
		err = pv_str_appendf(str, "does not grow: %s %s after %.1f s.\n",
				     pv_text_bytes(fabs(growth->rss.gained)).text,
				     growth->rss.gained < 0 ? "less" : "more", growth->seconds);
	if (!err && growth->has_census && !growth->sure)
		err = pv_str_appendf(str, "slow growth would not show in so few looks.\n");
	if (!err && growth->types.n)
		err = say_little(memory, growth, str);
	if (!err && growth->turns.n && !growth->waiting.n)
		err = pv_leak_say_turns(memory, growth, str);
	return err || !growth->filled.n ? err : say_filled(memory, growth, str);
}

/* Who holds it is in tables; that nobody does is an answer. */
static struct pv_err *say_asked(const struct pv_memory *memory, struct pv_leak *leak)
{
	struct pv_err *err = pv_str_appendf(&leak->text, "only who holds it was looked at: whether "
							 "it grows is not known.\n");

	for (uint32_t i = 0; i < memory->subjects.n && !err; i++) {
		const struct pv_memory_subject *one = pv_leak_subject(memory, i);

		if (!one->lost_objects || one->looks < 2 || one->type == PV_MEMORY_NONE)
			continue;
		leak->subject = i;
		err = say_lost(memory, leak, &leak->text);
	}
	return err;
}

static struct pv_err *say(const struct pv_memory *memory, struct pv_leak *leak)
{
	struct pv_str *str = &leak->text;
	struct pv_err *err;

	if (leak->kind == PV_LEAK_UNKNOWN && (leak->growth.unclear || leak->growth.parts_unclear))
		return pv_leak_say_waiting(memory, leak, str);
	if (leak->kind == PV_LEAK_UNKNOWN)
		return pv_str_appendf(str,
				      "whether it grows cannot be told: it was looked at for "
				      "too short a time; look longer, -d %u.\n",
				      pv_leak_longer(0, leak->growth.seconds));
	if (leak->kind == PV_LEAK_NOT_ASKED)
		return say_asked(memory, leak);
	if (leak->kind == PV_LEAK_CLEAN)
		return say_clean(memory, leak, str);
	err = say_growth(leak, str);
	if (!err)
		err = say_guilty(memory, leak, str);
	if (err)
		return err;
	err = leak->kind == PV_LEAK_LOST ? say_lost(memory, leak, str)
					 : say_holder(memory, leak, str);
	return err || !leak->growth.waiting.n ? err : pv_leak_say_waiting(memory, leak, str);
}

struct pv_err *pv_leak_of(const struct pv_memory *memory, struct pv_leak *ret)
{
	struct pv_leak leak = {
		.subject = PV_MEMORY_NONE,
		.holder = PV_MEMORY_NONE,
		.second = PV_MEMORY_NONE,
		.growth = { .types = PV_VEC(struct pv_growth_type),
			    .rising = PV_VEC(struct pv_growth_type),
			    .filled = PV_VEC(struct pv_growth_type),
			    .waiting = PV_VEC(struct pv_growth_type),
			    .turns = PV_VEC(struct pv_growth_type) },
		.suspects = PV_VEC(struct pv_suspect),
	};
	struct pv_err *err = pv_growth_of(memory, &leak.growth);

	if (!err) {
		find_growth(memory, &leak);
		err = find_suspects(memory, &leak);
	}
	if (!err) {
		pv_leak_find_who(memory, &leak);
		if (leak.kind >= PV_LEAK_GROWING)
			find_guilty(memory, &leak);
		err = say(memory, &leak);
	}
	if (!err)
		err = pv_leak_next(memory, &leak, &leak.next);
	if (err) {
		pv_leak_deinit(&leak);
		return err;
	}
	*ret = leak;
	return NULL;
}

void pv_leak_deinit(struct pv_leak *leak)
{
	pv_growth_deinit(&leak->growth);
	pv_vec_deinit(&leak->suspects);
	pv_str_deinit(&leak->text);
	pv_str_deinit(&leak->next);
}
