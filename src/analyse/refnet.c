/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What calls have left, and who is to blame.  Input: the calls that refcalls.c has put together.
 * Output: struct pv_refnet.
 */
#include "analyse/refnet.h"

#include <stdlib.h>
#include <string.h>

#include "analyse/refcalls.h"
#include "base/map.h"
#include "model/profile.h"
#include "model/refs.h"

enum {
	RARE = 50,    /* one call in so many, or fewer, is no rule */
	KEPT_MIN = 3, /* calls that leave one before that is said of a function */
};

/* ---- what comes of it */

static int by_calls(const void *a, const void *b)
{
	const struct owned_net *x = a, *y = b;

	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	if (x->net.calls != y->net.calls)
		return x->net.calls > y->net.calls ? -1 : 1;
	return x->net.net < y->net.net ? -1 : x->net.net > y->net.net;
}

static int by_left(const void *a, const void *b)
{
	const struct owned_left *x = a, *y = b;

	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	if (x->left.sign != y->left.sign)
		return x->left.sign > y->left.sign ? -1 : 1;
	return x->left.site < y->left.site ? -1 : x->left.site > y->left.site;
}

static int by_pairs(const void *a, const void *b)
{
	const struct pv_refnet_pair *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->plus < y->plus ? -1 : x->plus > y->plus;
}

static int by_n(const void *a, const void *b)
{
	const struct pv_refnet_left *x = a, *y = b;

	/* an INCREF that nothing made up for is what is looked for */
	if (x->sign != y->sign)
		return x->sign > y->sign ? -1 : 1;
	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->site < y->site ? -1 : x->site > y->site;
}

static int by_changes(const void *a, const void *b)
{
	const struct pv_refnet_sum *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->key < y->key ? -1 : x->key > y->key;
}

static void sort(struct pv_vec *vec, int (*compare)(const void *a, const void *b))
{
	if (vec->n)
		qsort(vec->data, vec->n, vec->element_size, compare);
}

/* Calls that were given the object and did not touch its count. */
static struct pv_err *add_untouched(struct build *b)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < b->refs->functions.n; i++) {
		const struct pv_ref_function *known = pv_vec_at(&b->refs->functions, i);
		struct pv_refnet_function *function;
		uint64_t at;

		if (!pv_map_get(&b->function_index, known->function, &at))
			continue;
		function = pv_vec_at(&b->net->functions, at);
		function->all = function->touched;
		if (known->given <= function->touched + function->partial || !function->touched)
			continue;
		function->all = known->given - function->partial;
		err = pv_refcalls_net(b, (uint32_t)at, 0, function->all - function->touched);
	}
	return err;
}

static bool is_same_left(const struct owned_left *a, const struct owned_left *b)
{
	return a->function == b->function && a->left.site == b->left.site &&
	       a->left.sign == b->left.sign;
}

/* Is a call with that net one of those that are off? */
static bool is_off(const struct pv_refnet_function *function, int64_t net)
{
	/* of one that leaves the same in all calls: all of them */
	if (function->verdict == PV_REFNET_GIVES)
		return true;
	return function->excess > 0 ? net > function->base : net < function->base;
}

/*
 * One site of a function, of n nets: how often it left something in the calls that are off, less
 * what as many calls of the base leave there.
 */
static struct pv_err *give_left(struct build *b, const struct owned_left *list, size_t n,
				struct pv_refnet_function *function)
{
	struct pv_refnet_left left = list->left;
	uint64_t base = 0, base_calls = 0, off_calls = 0, expected, via;

	left.n = 0;
	/* of one that leaves something undone it is what the others do */
	if (function->skips && left.sign == (function->excess < 0 ? -1 : 1))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (is_off(function, list[i].net))
			left.n += list[i].left.n;
		else if (list[i].net == function->base)
			base += list[i].left.n;
	}
	for (size_t i = 0; i < function->n_nets; i++) {
		const struct pv_refnet_net *net = pv_vec_at(&b->net->nets, function->first_net + i);

		if (is_off(function, net->net))
			off_calls += net->calls;
		else if (net->net == function->base)
			base_calls = net->calls;
	}
	expected = base_calls
			   ? (uint64_t)((double)base / (double)base_calls * (double)off_calls + 0.5)
			   : 0;
	if (function->skips ? left.n >= expected : left.n <= expected)
		return NULL;
	left.n = function->skips ? expected - left.n : left.n - expected;
	if (pv_map_get(&b->via, pv_refcalls_via(list->function, left.site), &via)) {
		left.via = (uint32_t)via;
		left.inner = (uint32_t)(via >> 32);
	}
	if (!function->n_left++)
		function->first_left = b->net->left.n;
	return pv_vec_append(&b->net->left, &left, 1, NULL);
}

static struct pv_err *give_all_left(struct build *b)
{
	const struct owned_left *list = b->left.data;
	struct pv_err *err = NULL;
	size_t i = 0, n;

	sort(&b->left, by_left);
	for (; !err && i < b->left.n; i += n) {
		struct pv_refnet_function *function =
			pv_vec_at(&b->net->functions, list[i].function);

		for (n = 1; i + n < b->left.n && is_same_left(&list[i], &list[i + n]); n++)
			;
		if (function->verdict == PV_REFNET_VARIES || function->verdict == PV_REFNET_GIVES)
			err = give_left(b, &list[i], n, function);
	}
	for (i = 0; !err && i < b->net->functions.n; i++) {
		struct pv_refnet_function *function = pv_vec_at(&b->net->functions, i);

		if (function->n_left)
			qsort(pv_vec_at(&b->net->left, function->first_left), function->n_left,
			      sizeof(struct pv_refnet_left), by_n);
	}
	return err;
}

static int64_t excess_of(const struct pv_refnet *net, const struct pv_refnet_function *function,
			 int64_t base)
{
	int64_t excess = 0;

	for (size_t i = 0; i < function->n_nets; i++) {
		const struct pv_refnet_net *one = pv_vec_at(&net->nets, function->first_net + i);

		excess += (one->net - base) * (int64_t)one->calls;
	}
	return excess;
}

/*
 * One that uses up a reference (or returns one) as a rule, and in some calls does not: by what is
 * closest to 0 it would be taken for one that is well and gives some away.  What the count has
 * grown by tells.
 */
static void find_other_base(const struct pv_refnet *net, struct pv_refnet_function *function,
			    int64_t growth)
{
	const struct pv_refnet_net *rule =
		function->n_nets > 1 ? pv_vec_at(&net->nets, function->first_net) : NULL;
	int64_t excess, away;

	if (!rule || function->python || function->interpreter || 2 * rule->calls < function->all ||
	    rule->net == function->base)
		return;
	excess = excess_of(net, function, rule->net);
	away = llabs(excess - growth);
	/* what is under way is a tenth at most */
	if ((excess > 0) != (growth > 0) || !excess || away > llabs(growth) / 10)
		return;
	function->base = rule->net;
	function->excess = excess;
	function->rebased = true;
}

/* Do all calls that are off leave less undone than the base, and no more than nothing? */
static bool is_skipping(const struct pv_refnet *net, const struct pv_refnet_function *function)
{
	if (function->verdict != PV_REFNET_VARIES || !function->excess ||
	    (function->excess > 0) != (function->base < 0))
		return false;
	for (size_t i = 0; i < function->n_nets; i++) {
		const struct pv_refnet_net *one = pv_vec_at(&net->nets, function->first_net + i);

		if (function->base < 0 ? one->net > 0 : one->net < 0)
			return false;
	}
	return true;
}

static void find_base(const struct pv_refs *refs, const struct pv_refnet *net,
		      struct pv_refnet_function *function)
{
	const struct pv_refnet_net *nets =
		function->n_nets ? pv_vec_at(&net->nets, function->first_net) : NULL;

	function->base = nets ? nets[0].net : 0;
	for (size_t i = 1; i < function->n_nets; i++) {
		if (nets[i].calls * RARE >= function->all &&
		    llabs(nets[i].net) < llabs(function->base))
			function->base = nets[i].net;
	}
	function->excess = excess_of(net, function, function->base);
	if (!refs->field_size)
		find_other_base(net, function, refs->last - refs->first);
	function->skips = is_skipping(net, function);
}

static struct pv_err *give_nets(struct build *b)
{
	struct pv_err *err = NULL;

	sort(&b->nets, by_calls);
	for (size_t i = 0; !err && i < b->nets.n; i++) {
		const struct owned_net *one = pv_vec_at(&b->nets, i);
		struct pv_refnet_function *function = pv_vec_at(&b->net->functions, one->function);

		if (!function->n_nets++)
			function->first_net = i;
		err = pv_vec_append(&b->net->nets, &one->net, 1, NULL);
	}
	return err;
}

static enum pv_refnet_verdict judge(const struct pv_refnet *net,
				    const struct pv_refnet_function *function)
{
	const struct pv_refnet_net *first;

	if (!function->n_nets)
		return PV_REFNET_UNKNOWN;
	if (function->n_nets > 1)
		return PV_REFNET_VARIES;
	first = pv_vec_at(&net->nets, function->first_net);
	if (!first->net)
		return PV_REFNET_BALANCED;
	return first->net > 0 ? PV_REFNET_GIVES : PV_REFNET_TAKES;
}

/* Do all of its calls together leave no more than what the count has grown (or fallen) by? */
static bool fits_growth(const struct pv_refs *refs, const struct pv_refnet_function *function)
{
	int64_t growth = llabs(refs->last - refs->first);

	/* a tenth may be under way */
	return llabs(function->excess) <= growth + growth / 10;
}

/*
 * Can it be what made the count grow (or fall)?  What varies and is made up for by others, as where
 * an object is stored and taken out again, is no reference too many.  Python's own functions and
 * Python's differ for many reasons: they must explain most of it, and no more.
 */
static bool is_suspect(const struct pv_refs *refs, const struct pv_refnet_function *function)
{
	int64_t growth = refs->last - refs->first;

	if (function->verdict != PV_REFNET_VARIES || refs->field_size || !function->excess ||
	    !growth || (function->excess > 0) != (growth > 0))
		return false;
	if (!function->python && !function->interpreter)
		return true;
	/* the end of an object is nobody's fault */
	if (refs->end == PV_REFS_FREED && growth < 0)
		return false;
	return fits_growth(refs, function) && 2 * llabs(function->excess) >= llabs(growth);
}

/*
 * A native function, none of Python's, that leaves one in all of its calls, at a place whose
 * changes mostly nobody has made up for, while the count has grown.
 */
static bool is_keeper(const struct pv_refs *refs, const struct pv_refnet *net,
		      const struct pv_refnet_function *function)
{
	if (function->verdict != PV_REFNET_GIVES || function->python || function->interpreter ||
	    refs->last <= refs->first || refs->field_size)
		return false;
	for (size_t i = 0; i < function->n_left; i++) {
		const struct pv_refnet_left *left = pv_vec_at(&net->left, function->first_left + i);

		for (size_t k = 0; k < net->unmatched.n; k++) {
			const struct pv_refnet_left *open = pv_vec_at(&net->unmatched, k);

			if (open->sign > 0 && open->site == left->site && 2 * open->n > left->n &&
			    left->n >= KEPT_MIN)
				return true;
		}
	}
	return false;
}

/* Python code that takes references by hand, and has taken most of what the count has grown by. */
static bool is_taker(const struct pv_refs *refs, const struct pv_refnet_function *function)
{
	int64_t growth = refs->last - refs->first;

	return growth > 0 && !refs->field_size && function->by_hand.n >= KEPT_MIN &&
	       2 * function->by_hand.n > (uint64_t)growth;
}

/* The first are accused; FORGETS_MORE: most of what it leaves others give back. */
enum {
	BY_HAND,
	FORGETS,
	KEEPS,
	SKIPS,
	STAYS,
	FORGETS_MORE,
	PYTHON,
	INTERPRETER,
	VARIES,
	PYTHON_VARIES,
	SAME,
	UNKNOWN
};

static unsigned int rank(const struct pv_refs *refs, const struct pv_refnet_function *function)
{
	if (is_taker(refs, function))
		return BY_HAND;
	if (function->keeps)
		return KEEPS;
	if (is_suspect(refs, function) && (function->interpreter || function->python))
		return function->interpreter ? INTERPRETER : PYTHON;
	if (is_suspect(refs, function) && fits_growth(refs, function))
		return function->rebased ? SKIPS : FORGETS;
	if (function->stays.n)
		return STAYS;
	if (is_suspect(refs, function))
		return FORGETS_MORE;
	if (function->verdict == PV_REFNET_VARIES)
		return function->python ? PYTHON_VARIES : VARIES;
	return function->verdict == PV_REFNET_UNKNOWN ? UNKNOWN : SAME;
}

/*
 * Of one life nothing is told by how its calls differ: analyse/lifenet.h judges.  But what many
 * calls leave, and nobody makes up for, is told.
 */
static bool may_accuse(const struct pv_refs *refs, const struct pv_refnet_function *first)
{
	unsigned int what = rank(refs, first);

	return refs->lives.on ? what == KEEPS : what <= INTERPRETER;
}

/* The deepest first: those that called it differ because it does. */
static int by_rank(const struct pv_refs *refs, const struct pv_refnet_function *x,
		   const struct pv_refnet_function *y)
{
	unsigned int a = rank(refs, x), b = rank(refs, y);

	if (a != b)
		return a < b ? -1 : 1;
	/* of those that keep the outermost: the others have given it to that one */
	if (x->depth != y->depth)
		return (x->depth > y->depth) != x->keeps ? -1 : 1;
	return x->function < y->function ? -1 : x->function > y->function;
}

static int compare_functions(const void *a, const void *b, void *ctx)
{
	return by_rank(ctx, a, b);
}

static struct pv_err *finish(struct build *b)
{
	struct pv_refnet *net = b->net;
	struct pv_err *err = pv_refcalls_end(b);

	for (size_t i = 0; !err && i < b->left.n;) {
		struct owned_left *one = pv_vec_at(&b->left, i);

		if (one->function != PV_REFNET_NONE) {
			i++;
			continue;
		}
		err = pv_vec_append(&net->unmatched, &one->left, 1, NULL);
		*one = *(struct owned_left *)pv_vec_at(&b->left, b->left.n - 1);
		b->left.n--;
	}
	for (size_t i = 0; i < net->functions.n; i++) {
		struct pv_refnet_function *function = pv_vec_at(&net->functions, i);

		function->all = function->touched;
	}
	if (!err)
		err = add_untouched(b);
	if (!err)
		err = give_nets(b);
	for (size_t i = 0; i < net->functions.n; i++) {
		struct pv_refnet_function *function = pv_vec_at(&net->functions, i);

		function->verdict = judge(net, function);
		find_base(b->refs, net, function);
	}
	if (!err)
		err = give_all_left(b);
	for (size_t i = 0; i < net->functions.n; i++) {
		struct pv_refnet_function *function = pv_vec_at(&net->functions, i);

		function->keeps = is_keeper(b->refs, net, function);
	}
	pv_refstays_find(b);
	if (net->functions.n)
		qsort_r(net->functions.data, net->functions.n, net->functions.element_size,
			compare_functions, (void *)b->refs);
	if (net->functions.n && may_accuse(b->refs, pv_vec_at(&net->functions, 0)))
		net->suspect = 0;
	for (size_t i = 0; i < net->functions.n; i++) {
		struct pv_refnet_function *function = pv_vec_at(&net->functions, i);

		/* of others it is no verdict */
		if (i != net->suspect || !is_taker(b->refs, function))
			function->by_hand.n = 0;
		if (i != net->suspect || rank(b->refs, function) != STAYS)
			function->stays.n = 0;
	}
	sort(&net->pairs, by_pairs);
	sort(&net->unmatched, by_n);
	sort(&net->by_site, by_changes);
	sort(&net->by_line, by_changes);
	sort(&net->by_function, by_changes);
	return err;
}

/* Which functions have numbers, before any change is taken. */
static struct pv_err *know_probed(struct build *b)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < b->refs->functions.n; i++) {
		const struct pv_ref_function *known = pv_vec_at(&b->refs->functions, i);
		const struct pv_ref_frame frame = { .function = known->function,
						    .kind = PV_LOC_NATIVE };
		uint32_t at;

		err = pv_refcalls_function(b, &frame, &at);
		if (!err)
			((struct pv_refnet_function *)pv_vec_at(&b->net->functions, at))->probed =
				true;
	}
	return err;
}

static struct pv_err *build_net(const struct pv_refs *refs, const struct pv_map *suspects,
				struct pv_refnet **ret)
{
	struct build b = {
		.refs = refs,
		.net = calloc(1, sizeof(*b.net)),
		.nets = PV_VEC(struct owned_net),
		.left = PV_VEC(struct owned_left),
		.threads = PV_VEC(struct thread),
		.suspects = suspects,
	};
	struct pv_err *err;

	if (!b.net)
		return &pv_enomem;
	b.net->functions = (struct pv_vec)PV_VEC(struct pv_refnet_function);
	b.net->nets = (struct pv_vec)PV_VEC(struct pv_refnet_net);
	b.net->left = b.net->unmatched = (struct pv_vec)PV_VEC(struct pv_refnet_left);
	b.net->pairs = (struct pv_vec)PV_VEC(struct pv_refnet_pair);
	b.net->by_site = b.net->by_line = b.net->by_function =
		(struct pv_vec)PV_VEC(struct pv_refnet_sum);
	b.net->suspect = PV_REFNET_NONE;
	err = know_probed(&b);
	for (size_t i = 0; !err && i < refs->changes.n; i++)
		err = pv_refcalls_take(&b, pv_vec_at(&refs->changes, i));
	if (!err)
		err = finish(&b);
	pv_refcalls_deinit(&b);
	if (err) {
		pv_refnet_destroy(b.net);
		return err;
	}
	*ret = b.net;
	return NULL;
}

struct pv_err *pv_refnet_create(const struct pv_refs *refs, struct pv_refnet **ret)
{
	struct pv_refnet *first = NULL, *second = NULL;
	const struct pv_refnet_function *suspect;
	struct pv_map suspects = { 0 };
	struct pv_vec swap;
	struct pv_err *err = build_net(refs, NULL, &first);

	if (err)
		return err;
	*ret = first;
	if (first->suspect == PV_REFNET_NONE)
		return NULL;
	suspect = pv_vec_at(&first->functions, first->suspect);
	/* what was taken by hand has no partner in the first place, nor has what was not done */
	if (suspect->by_hand.n || suspect->skips)
		return NULL;
	err = pv_map_set(&suspects, suspect->function,
			 suspect->stays.n ? suspect->stays.site : PV_REFCALLS_ALL);
	/* others that forget, too: what is left to those that called one is not theirs */
	for (size_t i = first->suspect + 1; !err && i < first->functions.n; i++) {
		const struct pv_refnet_function *one = pv_vec_at(&first->functions, i);

		if (rank(refs, suspect) == FORGETS && rank(refs, one) == FORGETS && !one->skips)
			err = pv_map_set(&suspects, one->function, PV_REFCALLS_ALL);
	}
	if (!err)
		err = build_net(refs, &suspects, &second);
	pv_map_deinit(&suspects);
	if (err) {
		pv_refnet_destroy(first);
		return err;
	}
	swap = first->pairs;
	first->pairs = second->pairs;
	second->pairs = swap;
	swap = first->unmatched;
	first->unmatched = second->unmatched;
	second->unmatched = swap;
	pv_refnet_destroy(second);
	return NULL;
}

void pv_refnet_destroy(struct pv_refnet *net)
{
	if (!net)
		return;
	pv_vec_deinit(&net->functions);
	pv_vec_deinit(&net->nets);
	pv_vec_deinit(&net->left);
	pv_vec_deinit(&net->pairs);
	pv_vec_deinit(&net->unmatched);
	pv_vec_deinit(&net->by_site);
	pv_vec_deinit(&net->by_line);
	pv_vec_deinit(&net->by_function);
	free(net);
}
