/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verdict on lives in words.  Input: struct pv_lifenet.  Output: one sentence.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "analyse/lifenet.h"
#include "analyse/refwords.h"
#include "base/str.h"
#include "base/text.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/refs.h"
#include "model/strings.h"

static struct pv_err *append_id(const struct pv_refs *refs, uint32_t id, struct pv_str *str)
{
	return pv_text_append(str, pv_strings_get(refs->profile->strings, id),
			      pv_strings_length(refs->profile->strings, id));
}

struct pv_err *pv_lifenet_place_text(const struct pv_refs *refs,
				     const struct pv_lifenet_place *place, struct pv_str *str)
{
	const struct pv_strings *strings = refs->profile->strings;
	const struct pv_loc *loc = pv_vec_at(&refs->profile->locs, place->loc);
	const char *file = pv_strings_get(strings, loc->file);
	size_t n = pv_strings_length(strings, loc->file), skip;
	struct pv_err *err;

	if (place->site != PV_REFS_NONE)
		return pv_ref_site_text(refs, pv_vec_at(&refs->sites, place->site), str);
	if (!loc->file)
		return append_id(refs, loc->function, str);
	skip = pv_path_skip(file, n);
	err = pv_text_append(str, file + skip, n - skip);
	return err || loc->line <= 0 ? err : pv_str_appendf(str, ":%d", (int)loc->line);
}

static struct pv_err *append_place(const struct pv_refs *refs, const struct pv_lifenet *net,
				   uint32_t place, struct pv_str *str)
{
	struct pv_err *err;

	if (place == PV_LIFENET_NONE)
		return NULL;
	err = pv_str_appendf(str, " at ");
	return err ? err : pv_lifenet_place_text(refs, pv_vec_at(&net->places, place), str);
}

static struct pv_err *append_owner(const struct pv_refs *refs, const struct pv_lifenet *net,
				   uint32_t owner, struct pv_str *str)
{
	const struct pv_lifenet_owner *one = pv_vec_at(&net->owners, owner);

	return pv_refwords_function(refs, one->function, str);
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* "250 of 250 lives that ended" */
static struct pv_err *append_lives(const struct pv_lifenet *net, uint64_t n, struct pv_str *str)
{
	struct pv_err *err = pv_str_appendf(str, "in %s of ", pv_text_number(n).text);

	return err ? err
		   : pv_str_appendf(str, "%s li%s that ended", pv_text_number(net->n_ended).text,
				    net->n_ended == 1 ? "fe" : "ves");
}

/* "; nobody holds this object, which was not touched for 2.1 s" */
static struct pv_err *append_lost(const struct pv_refs *refs, struct pv_str *str)
{
	const struct pv_lives *lives = &refs->lives;

	return pv_str_appendf(str,
			      "; of the %" PRId64 " reference%s to this one %" PRIu64
			      " %s nobody's, and it was not touched for %.1f s",
			      refs->last, plural((uint64_t)refs->last), lives->lost,
			      lives->lost == 1 ? "is" : "are", (double)lives->idle_ns / 1e9);
}

static struct pv_err *accuse_not_given(const struct pv_refs *refs, const struct pv_lifenet *net,
				       struct pv_str *str)
{
	const struct pv_lifenet_place *given = pv_vec_at(&net->places, net->given);
	struct pv_err *err = pv_str_appendf(str, " and did not give it back, as it does");

	if (!err)
		err = append_place(refs, net, net->given, str);
	if (!err)
		err = pv_str_append(str, " ", 1);
	return err ? err : append_lives(net, given->lives, str);
}

static struct pv_err *accuse_taken(const struct pv_refs *refs, const struct pv_lifenet *net,
				   struct pv_str *str)
{
	const struct pv_lifenet_owner *owner = pv_vec_at(&net->owners, net->accused);
	struct pv_err *err = pv_str_appendf(str, " and did not give it back; ");

	(void)refs;
	if (!err)
		err = append_lives(net, owner->less, str);
	return err ? err : pv_str_appendf(str, " it left fewer");
}

static struct pv_err *accuse_not_handed(const struct pv_refs *refs, const struct pv_lifenet *net,
					struct pv_str *str)
{
	struct pv_err *err = pv_str_appendf(str, " and neither gave it back nor handed it on");
	const struct pv_lifenet_place *given;

	if (err || net->given == PV_LIFENET_NONE)
		return err;
	given = pv_vec_at(&net->places, net->given);
	err = pv_str_appendf(str, "; ");
	if (!err)
		err = append_lives(net, given->lives, str);
	if (!err)
		err = pv_str_append(str, " ", 1);
	if (!err)
		err = append_owner(refs, net, given->owner, str);
	if (!err)
		err = append_place(refs, net, net->given, str);
	return err ? err : pv_str_appendf(str, " gave it back, which had it from there");
}

static struct pv_err *accuse(const struct pv_refs *refs, const struct pv_lifenet *net,
			     struct pv_str *str)
{
	struct pv_err *err = append_owner(refs, net, net->accused, str);

	if (!err && net->why == PV_LIFENET_NOT_LET_GO) {
		err = pv_str_appendf(str, " called the Python code that made it");
		if (!err)
			err = accuse_not_given(refs, net, str);
		return err ? err : append_lost(refs, str);
	}
	if (!err)
		err = pv_str_appendf(str, " took a reference");
	if (!err)
		err = append_place(refs, net, net->taken, str);
	if (err)
		return err;
	switch (net->why) {
	case PV_LIFENET_NOT_GIVEN:
		err = accuse_not_given(refs, net, str);
		break;
	case PV_LIFENET_TAKEN:
		err = accuse_taken(refs, net, str);
		break;
	case PV_LIFENET_NOT_HANDED:
		err = accuse_not_handed(refs, net, str);
		break;
	default:
		err = pv_str_appendf(str, " and did not give it back; none of those that were born "
					  "there has ended meanwhile");
		break;
	}
	return err ? err : append_lost(refs, str);
}

/* One that is lost, and no function of another library left a reference in it. */
static struct pv_err *say_unknown(const struct pv_refs *refs, struct pv_str *str)
{
	struct pv_err *err = pv_str_appendf(
		str,
		"one that was born there is lost, and no native function but Python's own left "
		"a reference to it, so that none is named");

	return err ? err : append_lost(refs, str);
}

static struct pv_err *say_held(const struct pv_refs *refs, struct pv_str *str)
{
	const struct pv_lives *lives = &refs->lives;
	struct pv_err *err =
		lives->n_ended
			? pv_str_appendf(str,
					 "%s li%s ended, each with all references given back; one",
					 pv_text_number(lives->n_ended).text,
					 lives->n_ended == 1 ? "fe" : "ves")
			: pv_str_appendf(str, "none of those that were born there has ended "
					      "meanwhile; one");

	return err ? err
		   : pv_str_appendf(
			     str,
			     " goes on and was not touched for %.1f s, and it may be that somebody "
			     "holds it, so that nobody is accused: pitviper memory -p %d "
			     "--holders 0x%" PRIx64 " says who",
			     (double)lives->idle_ns / 1e9, (int)refs->profile->pid, refs->object);
}

struct pv_err *pv_lifenet_sentence(const struct pv_refs *refs, const struct pv_lifenet *net,
				   struct pv_str *str)
{
	const struct pv_lives *lives = &refs->lives;

	if (net->accused != PV_LIFENET_NONE)
		return accuse(refs, net, str);
	switch (lives->fate) {
	case PV_LIFE_LOST:
		return say_unknown(refs, str);
	case PV_LIFE_HELD:
		return say_held(refs, str);
	default:
		break;
	}
	if (!lives->n_ended && !refs->changes.n)
		return pv_str_appendf(str,
				      "nothing that was born there came to where it was looked "
				      "for");
	return pv_str_appendf(str,
			      "%s li%s ended, each with all references given back%s: none that was "
			      "born where it was looked for is lost",
			      pv_text_number(lives->n_ended).text,
			      lives->n_ended == 1 ? "fe" : "ves",
			      lives->fate == PV_LIFE_GOES_ON ? ", and one goes on" : "");
}
