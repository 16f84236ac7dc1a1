/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verdict of a ledger in words.  Input: struct pv_refnet.  Output: one sentence.
 */
#include "analyse/refwords.h"

#include <inttypes.h>
#include <stdlib.h>

#include "analyse/lifenet.h"
#include "analyse/refnet.h"
#include "base/str.h"
#include "base/text.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/refs.h"
#include "model/strings.h"

const struct pv_refnet_left *pv_refnet_left_of(const struct pv_refnet *net,
					       const struct pv_refnet_function *function)
{
	int64_t sign = function->excess < 0 ? -1 : 1;

	if (function->by_hand.n)
		return &function->by_hand;
	if (function->stays.n)
		return &function->stays;
	if (function->skips)
		sign = -sign;
	for (size_t i = 0; i < function->n_left; i++) {
		const struct pv_refnet_left *left = pv_vec_at(&net->left, function->first_left + i);

		if (left->sign == sign)
			return left;
	}
	return NULL;
}

uint64_t pv_refnet_off(const struct pv_refnet *net, const struct pv_refnet_function *function)
{
	uint64_t n = 0;

	if (function->by_hand.n)
		return function->by_hand.n < function->all ? function->by_hand.n : function->all;
	if (function->stays.n)
		return function->stays_calls;
	if (function->keeps)
		return function->touched;
	for (size_t i = 0; i < function->n_nets; i++) {
		const struct pv_refnet_net *one = pv_vec_at(&net->nets, function->first_net + i);

		if (function->excess > 0 ? one->net > function->base : one->net < function->base)
			n += one->calls;
	}
	return n;
}

static struct pv_err *append_id(const struct pv_refs *refs, uint32_t id, struct pv_str *str)
{
	return pv_text_append(str, pv_strings_get(refs->profile->strings, id),
			      pv_strings_length(refs->profile->strings, id));
}

/* "`array_argsort` (multiarray.so)" */
struct pv_err *pv_refwords_function(const struct pv_refs *refs, uint32_t function,
				    struct pv_str *str)
{
	const struct pv_loc *loc = pv_vec_at(&refs->profile->locs, function);
	struct pv_err *err = pv_str_append(str, "`", 1);
	const char *file = pv_strings_get(refs->profile->strings, loc->file);
	size_t n_file = pv_strings_length(refs->profile->strings, loc->file), skip;

	if (!err)
		err = append_id(refs, loc->function, str);
	if (!err)
		err = pv_str_append(str, "`", 1);
	if (!err && loc->kind == PV_LOC_PYTHON && loc->file) {
		skip = pv_path_skip(file, n_file);
		err = pv_str_append(str, " (", 2);
		if (!err)
			err = pv_text_append(str, file + skip, n_file - skip);
		return err ? err : pv_str_append(str, ")", 1);
	}
	if (err || !loc->module)
		return err;
	err = pv_str_append(str, " (", 2);
	if (!err)
		err = append_id(refs, loc->module, str);
	return err ? err : pv_str_append(str, ")", 1);
}

static struct pv_err *append_calls(uint64_t n, uint64_t all, struct pv_str *str)
{
	return pv_str_appendf(str, " in %s of %s calls", pv_text_number(n).text,
			      pv_text_number(all).text);
}

/* " at methods.c:1274", or what else is known of the place. */
static struct pv_err *append_site(const struct pv_refs *refs, uint32_t site, struct pv_str *str)
{
	struct pv_err *err = pv_str_appendf(str, " at ");

	return err ? err : pv_ref_site_text(refs, pv_vec_at(&refs->sites, site), str);
}

/* " through `reorder_fields` at methods.c:1174": where that was that it called in its library. */
static struct pv_err *append_inner(const struct pv_refs *refs, uint32_t inner, struct pv_str *str)
{
	const struct pv_ref_site *site = pv_vec_at(&refs->sites, inner);
	const struct pv_loc *loc = pv_vec_at(&refs->profile->locs, site->function);
	struct pv_err *err = pv_str_append(str, " through `", 10);

	if (!err)
		err = append_id(refs, loc->function, str);
	if (!err)
		err = pv_str_append(str, "`", 1);
	return err ? err : append_site(refs, inner, str);
}

/* " at methods.c:1274 (through `PyArray_DescrNew`)": where the function itself was, if that shows.
 */
static struct pv_err *append_left(const struct pv_refs *refs, const struct pv_refnet_left *left,
				  const struct pv_refnet_function *function, struct pv_str *str)
{
	const struct pv_ref_site *site;
	struct pv_err *err;

	if (!left || left->site == PV_REFS_NONE)
		return NULL;
	site = pv_vec_at(&refs->sites, left->site);
	if (function->python || site->function == function->function)
		return append_site(refs, left->site, str);
	err = left->via == PV_REFS_NONE ? NULL : append_site(refs, left->via, str);
	if (!err && left->inner != PV_REFS_NONE)
		err = append_inner(refs, left->inner, str);
	if (!err)
		err = pv_str_appendf(str, " through ");
	if (!err)
		err = pv_refwords_function(refs, site->function, str);
	if (!err && left->via == PV_REFS_NONE)
		err = append_site(refs, left->site, str);
	return err;
}

static const char *verb_of(const struct pv_refnet_function *function)
{
	if (function->python)
		return function->excess < 0 ? " leaves the count lower, given back"
					    : " leaves a reference more, taken";
	return function->excess < 0 ? " gave back a reference" : " took a reference";
}

static const char *end_of(const struct pv_refnet_function *function)
{
	if (function->python)
		return ",";
	if (function->excess < 0)
		return " that it had not taken";
	return function->interpreter ? " and kept it" : " and did not give it back";
}

/* "`lose` (app.py) took 117 references at line 7 by hand, through `Py_IncRef` (libpython3.11.so)"
 */
static struct pv_err *accuse_hand(const struct pv_refs *refs,
				  const struct pv_refnet_function *function, struct pv_str *str)
{
	const struct pv_loc *loc = pv_vec_at(&refs->profile->locs, function->hand_loc);
	struct pv_err *err = pv_refwords_function(refs, function->function, str);

	if (!err)
		err = pv_str_appendf(str, " took %s references at line %d by hand, through ",
				     pv_text_number(function->by_hand.n).text, (int)loc->line);
	if (!err)
		err = pv_refwords_function(refs, function->hand_by, str);
	return err ? err : pv_str_appendf(str, ", and no call gave them back");
}

static struct pv_err *accuse(const struct pv_refs *refs, const struct pv_refnet *net,
			     const struct pv_refnet_function *function, struct pv_str *str)
{
	int64_t growth = refs->last - refs->first;
	struct pv_err *err = pv_refwords_function(refs, function->function, str);

	if (!err)
		err = pv_str_appendf(str, "%s", verb_of(function));
	if (!err)
		err = append_left(refs, pv_refnet_left_of(net, function), function, str);
	if (!err)
		err = pv_str_appendf(str, "%s", end_of(function));
	if (!err)
		err = append_calls(pv_refnet_off(net, function), function->all, str);
	if (!err && !function->keeps && !function->python && !function->interpreter &&
	    llabs(function->excess) > 2 * llabs(growth))
		err = pv_str_appendf(
			str,
			"; but the count has %s by %s alone, so that others %s most of "
			"it: it may well return or store the object",
			growth > 0 ? "grown" : "fallen",
			pv_text_number((uint64_t)llabs(growth)).text,
			growth > 0 ? "give back" : "took");
	if (!err && function->keeps)
		err = pv_str_appendf(str, ": it forgets it, or returns or stores the object");
	else if (!err && function->python)
		err = pv_str_appendf(str, ": no native function differs so, and a Python function "
					  "may well store the object; `pitviper memory` shows who "
					  "holds it");
	else if (!err && function->interpreter)
		err = pv_str_appendf(str, ": it is Python's own and may well store the object; "
					  "`pitviper memory` shows who holds it");
	return err;
}

/* "`bad` (ext.so) did not give back in 100 of 700 calls the reference that it gives back at ext.c:9
 * in the others" */
static struct pv_err *accuse_undone(const struct pv_refs *refs, const struct pv_refnet *net,
				    const struct pv_refnet_function *function, struct pv_str *str)
{
	bool gives = function->excess > 0;
	struct pv_err *err = pv_refwords_function(refs, function->function, str);

	if (!err)
		err = pv_str_appendf(str, " did not %s", gives ? "give back" : "take");
	if (!err)
		err = append_calls(pv_refnet_off(net, function), function->all, str);
	if (!err)
		err = pv_str_appendf(str, " the reference that it %s",
				     gives ? "gives back" : "takes");
	if (!err)
		err = append_left(refs, pv_refnet_left_of(net, function), function, str);
	return err ? err : pv_str_appendf(str, " in the others");
}

/* "`cell_new` (ext.so) took 62 references at ext.c:22, and ext.so did not give them back: ..." */
static struct pv_err *accuse_stays(const struct pv_refs *refs,
				   const struct pv_refnet_function *function, struct pv_str *str)
{
	const struct pv_loc *loc = pv_vec_at(&refs->profile->locs, function->function);
	struct pv_err *err = pv_refwords_function(refs, function->function, str);

	if (!err)
		err = pv_str_appendf(str, " took %s references",
				     pv_text_number(function->stays.n).text);
	if (!err)
		err = append_left(refs, &function->stays, function, str);
	if (!err)
		err = pv_str_appendf(str, ", and nothing in ");
	if (!err)
		err = append_id(refs, loc->module, str);
	if (!err)
		err = pv_str_appendf(str, " gave them back: the count has grown by %s",
				     pv_text_number((uint64_t)(refs->last - refs->first)).text);
	return err ? err
		   : pv_str_appendf(str,
				    ", and of the %s others that it took it gave back %s; a "
				    "dealloc may forget them, or the object is stored",
				    pv_text_number(function->others_plus).text,
				    pv_text_number(function->others_minus).text);
}

/* "; most of it stays at `work` (app.py) line 13: 24 more were taken than given back there" */
static struct pv_err *append_line(const struct pv_refs *refs, const struct pv_refnet *net,
				  int64_t growth, struct pv_str *str)
{
	const struct pv_refnet_sum *best = NULL;
	const struct pv_loc *loc;
	int64_t most = llabs(growth) / 2;
	struct pv_err *err;

	for (size_t i = 0; i < net->by_line.n; i++) {
		const struct pv_refnet_sum *sum = pv_vec_at(&net->by_line, i);
		int64_t stays = (int64_t)(sum->plus - sum->minus) * (growth > 0 ? 1 : -1);

		/* more than there is to explain is given back elsewhere */
		if (stays <= most || stays > llabs(growth) + llabs(growth) / 10)
			continue;
		most = stays;
		best = sum;
	}
	if (!best)
		return NULL;
	loc = pv_vec_at(&refs->profile->locs, best->key);
	err = pv_str_appendf(str, "; most of it is of ");
	if (!err)
		err = pv_refwords_function(refs, best->key, str);
	if (!err && loc->line > 0)
		err = pv_str_appendf(str, " line %d", (int)loc->line);
	return err ? err
		   : pv_str_appendf(str,
				    ", where %s more were %s than %s: it may well %s the object",
				    pv_text_number((uint64_t)most).text,
				    growth > 0 ? "taken" : "given back",
				    growth > 0 ? "given back" : "taken",
				    growth > 0 ? "store" : "take out");
}

/* "its last reference was given back at list_dealloc+0x1f under `work` (app.py) line 10" */
static struct pv_err *say_freed(const struct pv_refs *refs, struct pv_str *str)
{
	const struct pv_change *last = pv_vec_at(&refs->changes, refs->changes.n - 1);
	const struct pv_ref_frame *frame;
	const struct pv_loc *loc;
	struct pv_err *err = pv_str_appendf(str, "its last reference was given back");

	if (!err && last->site != PV_REFS_NONE)
		err = append_site(refs, last->site, str);
	if (err || last->python == PV_REFS_NONE)
		return err;
	frame = pv_vec_at(&refs->frames, last->python);
	loc = pv_vec_at(&refs->profile->locs, frame->loc);
	err = pv_str_appendf(str, " under ");
	if (!err)
		err = pv_refwords_function(refs, frame->function, str);
	return err || loc->line <= 0 ? err : pv_str_appendf(str, " line %d", (int)loc->line);
}

/*
 * The changes cancel out; that acquits nobody of what was taken before: an object that is followed
 * from its birth may lose its first reference to who let it go, and keep the one too many.
 */
static struct pv_err *say_even(const struct pv_refs *refs, struct pv_str *str)
{
	struct pv_err *err = pv_str_appendf(
		str, "what was taken while it was watched was given back: no function differs "
		     "from call to call and leaves something");

	if (err || refs->field_size || refs->last <= 0)
		return err;
	return pv_str_appendf(str,
			      "; %" PRId64 " reference%s from before it was watched %s there "
			      "still, and pitviper memory -p %d --holders 0x%" PRIx64
			      " says whether anybody holds %s",
			      refs->last, refs->last == 1 ? "" : "s",
			      refs->last == 1 ? "is" : "are", (int)refs->profile->pid, refs->object,
			      refs->last == 1 ? "it" : "them");
}

/* Of lives the verdict is another's, where that can tell. */
static struct pv_err *say_lives(const struct pv_refs *refs, const struct pv_refnet *net,
				struct pv_str *str, bool *said_ret)
{
	struct pv_lifenet *lives;
	struct pv_err *err = pv_lifenet_create(refs, &lives);

	if (err)
		return err;
	*said_ret = !pv_lifenet_is_less(lives, net);
	if (*said_ret)
		err = pv_lifenet_sentence(refs, lives, str);
	pv_lifenet_destroy(lives);
	return err;
}

struct pv_err *pv_refnet_sentence(const struct pv_refs *refs, const struct pv_refnet *net,
				  struct pv_str *str)
{
	int64_t growth = refs->last - refs->first;
	struct pv_err *err;
	bool said = false;

	if (refs->lives.on) {
		err = say_lives(refs, net, str, &said);
		if (err || said)
			return err;
	}
	if (!refs->changes.n)
		return pv_str_appendf(str, "nothing changed it");
	if (net->suspect != PV_REFNET_NONE) {
		const struct pv_refnet_function *function =
			pv_vec_at(&net->functions, net->suspect);

		if (function->by_hand.n)
			return accuse_hand(refs, function, str);
		if (function->stays.n)
			return accuse_stays(refs, function, str);
		/* Python's own and Python functions have words of their own */
		if (function->skips && !function->python && !function->interpreter)
			return accuse_undone(refs, net, function, str);
		return accuse(refs, net, function, str);
	}
	if (refs->end == PV_REFS_FREED && growth < 0)
		return say_freed(refs, str);
	if (!growth)
		return say_even(refs, str);
	err = pv_str_appendf(str,
			     "no function that was seen whole leaves what the count has %s by, so "
			     "that none is named",
			     growth > 0 ? "grown" : "fallen");
	return err ? err : append_line(refs, net, growth, str);
}
