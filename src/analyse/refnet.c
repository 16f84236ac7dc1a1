/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls put together from stacks, and their nets.  Input: changes in the order of their sequence.
 * Output: struct pv_refnet.
 */
#include "analyse/refnet.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "model/profile.h"
#include "model/refs.h"

enum {
	KEPT_MAX = 1024,  /* changes of one call that others may make up for */
	SEARCH_MAX = 256, /* of these looked at for one that the same function made */
	AWAY_MAX = 64,    /* steps of one change that are kept one by one */
	RARE = 50,        /* one call in so many, or fewer, is no rule */
	KEPT_MIN = 3,     /* calls that leave one before that is said of a function */
};

/* What has been added or taken within one call, and was not made up for. */
struct balance {
	struct pv_vec plus, minus; /* uint32_t: sites */
};

/* An activation that may go on. */
struct activation {
	struct pv_ref_frame frame;
	uint32_t index; /* of its function in net->functions */
	int64_t net;
	bool whole; /* it has begun before our eyes */
	struct balance balance;
};

struct thread {
	uint32_t thread;
	struct pv_vec open; /* struct activation, root first */
	struct balance balance;
	struct pv_vec barred; /* uint32_t: sites, see bar() */
	bool begun;
	/* a Python frame that is no longer current, but may be being taken down; see linger() */
	struct activation ending;
	bool ends;
	size_t ending_at; /* its caller among the open ones, the innermost Python frame */
};

struct build {
	const struct pv_refs *refs;
	struct pv_refnet *net;
	struct pv_map function_index, net_index, left_index, pair_index;
	struct pv_map site_index, line_index, sum_index;
	struct pv_map via;        /* function and site -> where the function stood */
	struct pv_vec nets, left; /* of all functions, unsorted: struct owned_net, owned_left */
	struct pv_vec threads;    /* struct thread */
	/* functions whose changes no other makes up for, known from an earlier pass; or NULL */
	const struct pv_map *suspects;
};

struct owned_net {
	uint32_t function;
	struct pv_refnet_net net;
};

/* Of the calls of one function with one net. */
struct owned_left {
	uint32_t function;
	int64_t net;
	struct pv_refnet_left left;
};

static void balance_deinit(struct balance *balance)
{
	pv_vec_deinit(&balance->plus);
	pv_vec_deinit(&balance->minus);
}

static struct balance balance_new(void)
{
	return (struct balance){ .plus = PV_VEC(uint32_t), .minus = PV_VEC(uint32_t) };
}

/* ---- sums */

static struct pv_err *add_sum(struct pv_map *index, struct pv_vec *sums, uint32_t key,
			      int64_t delta)
{
	struct pv_refnet_sum added = { .key = key }, *sum;
	uint64_t at = sums->n;
	struct pv_err *err = NULL;

	if (!pv_map_get(index, key, &at)) {
		err = pv_map_set(index, key, at);
		if (!err)
			err = pv_vec_append(sums, &added, 1, NULL);
	}
	if (err)
		return err;
	sum = pv_vec_at(sums, at);
	sum->n++;
	if (delta > 0)
		sum->plus += (uint64_t)delta;
	else
		sum->minus += (uint64_t)-delta;
	return NULL;
}

static struct pv_err *add_sums(struct build *b, const struct pv_change *change)
{
	int64_t delta = pv_change_delta(change);
	struct pv_err *err = NULL;

	b->net->sum += delta;
	if (change->site != PV_REFS_NONE) {
		const struct pv_ref_site *site = pv_vec_at(&b->refs->sites, change->site);

		err = add_sum(&b->site_index, &b->net->by_site, change->site, delta);
		if (!err)
			err = add_sum(&b->sum_index, &b->net->by_function, site->function, delta);
	}
	if (!err && change->python != PV_REFS_NONE) {
		const struct pv_ref_frame *frame = pv_vec_at(&b->refs->frames, change->python);

		err = add_sum(&b->line_index, &b->net->by_line, frame->loc, delta);
	}
	return err;
}

/* ---- matching */

static uint32_t function_of(const struct build *b, uint32_t site)
{
	return site == PV_REFS_NONE
		       ? PV_REFS_NONE
		       : ((const struct pv_ref_site *)pv_vec_at(&b->refs->sites, site))->function;
}

/*
 * Takes back the change that this one makes up for: the last by the same function, since what a
 * function takes for itself it gives back itself; else the last.  False: there is none.
 */
static bool take_back(const struct build *b, struct pv_vec *others, uint32_t site, uint32_t *ret)
{
	uint32_t *sites = others->data;
	size_t n = others->n, at = n;

	if (!n)
		return false;
	for (size_t i = 0; at == n && i < n && i < SEARCH_MAX; i++) {
		if (function_of(b, sites[n - 1 - i]) == function_of(b, site))
			at = n - 1 - i;
	}
	if (at == n)
		at = n - 1;
	*ret = sites[at];
	memmove(&sites[at], &sites[at + 1], (n - 1 - at) * sizeof(*sites));
	others->n--;
	return true;
}

static struct pv_err *add_pair(struct build *b, uint32_t plus, uint32_t minus)
{
	struct pv_refnet_pair added = { .plus = plus, .minus = minus };
	uint64_t key = pv_hash((uint64_t)plus << 32 | minus), at = b->net->pairs.n;
	struct pv_err *err = NULL;

	if (!pv_map_get(&b->pair_index, key, &at)) {
		err = pv_map_set(&b->pair_index, key, at);
		if (!err)
			err = pv_vec_append(&b->net->pairs, &added, 1, NULL);
	}
	if (!err)
		((struct pv_refnet_pair *)pv_vec_at(&b->net->pairs, at))->n++;
	return err;
}

/* pairs: those that are found are kept. */
static struct pv_err *take_in(struct build *b, struct balance *balance, uint32_t site,
			      int64_t delta, bool pairs)
{
	struct pv_vec *others = delta > 0 ? &balance->minus : &balance->plus;
	struct pv_vec *own = delta > 0 ? &balance->plus : &balance->minus;
	int64_t n = delta > 0 ? delta : -delta;
	struct pv_err *err = NULL;
	uint32_t other;

	for (int64_t i = 0; !err && i < n && i < AWAY_MAX; i++) {
		/* what is given back before it is taken belongs to somebody else */
		if (delta < 0 && take_back(b, others, site, &other)) {
			if (pairs)
				err = add_pair(b, other, site);
		} else if (own->n < KEPT_MAX) {
			err = pv_vec_append(own, &site, 1, NULL);
		}
	}
	return err;
}

/* ---- activations */

static struct pv_err *find_function(struct build *b, const struct pv_ref_frame *frame,
				    uint32_t *ret)
{
	struct pv_refnet_function added = {
		.function = frame->function,
		.python = frame->kind == PV_LOC_PYTHON,
		.interpreter = frame->interpreter,
	};
	uint64_t at = b->net->functions.n;
	struct pv_err *err = NULL;

	if (!pv_map_get(&b->function_index, frame->function, &at)) {
		err = pv_map_set(&b->function_index, frame->function, at);
		if (!err)
			err = pv_vec_append(&b->net->functions, &added, 1, NULL);
	}
	*ret = (uint32_t)at;
	return err;
}

static struct pv_err *add_net(struct build *b, uint32_t function, int64_t net, uint64_t calls)
{
	struct owned_net added = { .function = function, .net = { .net = net } };
	uint64_t key = pv_hash(pv_hash(function) ^ (uint64_t)net), at = b->nets.n;
	struct pv_err *err = NULL;

	if (!pv_map_get(&b->net_index, key, &at)) {
		err = pv_map_set(&b->net_index, key, at);
		if (!err)
			err = pv_vec_append(&b->nets, &added, 1, NULL);
	}
	if (!err)
		((struct owned_net *)pv_vec_at(&b->nets, at))->net.calls += calls;
	return err;
}

static struct pv_err *add_left(struct build *b, uint32_t function, int64_t net,
			       const struct pv_vec *sites, int64_t sign)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < sites->n; i++) {
		uint32_t site = *(uint32_t *)pv_vec_at(sites, i);
		struct owned_left added = {
			.function = function,
			.net = net,
			.left = { .site = site, .via = PV_REFS_NONE, .sign = sign }
		};
		uint64_t key = pv_hash(pv_hash(pv_hash(function) ^ (uint64_t)net) ^ site) ^
			       (uint64_t)(sign > 0);
		uint64_t at = b->left.n;

		if (!pv_map_get(&b->left_index, key, &at)) {
			err = pv_map_set(&b->left_index, key, at);
			if (!err)
				err = pv_vec_append(&b->left, &added, 1, NULL);
		}
		if (!err)
			((struct owned_left *)pv_vec_at(&b->left, at))->left.n++;
	}
	return err;
}

/* One of a function that is probed later had no number yet: another may be hidden in it. */
static bool is_judged(const struct build *b, const struct activation *one)
{
	const struct pv_refnet_function *function = pv_vec_at(&b->net->functions, one->index);

	return one->whole && one->frame.place && (!function->probed || one->frame.number);
}

/* What a suspect has left is nobody's to make up for: it is taken out of the thread's. */
static struct pv_err *bar(struct thread *thread, const struct activation *one)
{
	struct pv_vec *plus = &thread->balance.plus;
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < one->balance.plus.n; i++) {
		uint32_t site = *(uint32_t *)pv_vec_at(&one->balance.plus, i), *sites = plus->data;
		size_t at = plus->n;

		while (at && sites[at - 1] != site)
			at--;
		if (!at)
			continue;
		memmove(&sites[at - 1], &sites[at], (plus->n - at) * sizeof(*sites));
		plus->n--;
		err = pv_vec_append(&thread->barred, &site, 1, NULL);
	}
	return err;
}

static struct pv_err *close_one(struct build *b, struct thread *thread, struct activation *one)
{
	struct pv_refnet_function *function = pv_vec_at(&b->net->functions, one->index);
	struct pv_err *err = NULL;
	uint64_t known;

	if (b->suspects && one->net && is_judged(b, one) &&
	    pv_map_get(b->suspects, function->function, &known))
		err = bar(thread, one);
	if (err)
		return err;

	if (!is_judged(b, one)) {
		function->partial++;
	} else {
		function->touched++;
		err = add_net(b, one->index, one->net, 1);
		if (!err)
			err = add_left(b, one->index, one->net, &one->balance.plus, 1);
		if (!err)
			err = add_left(b, one->index, one->net, &one->balance.minus, -1);
	}
	balance_deinit(&one->balance);
	return err;
}

/* Those from the index on have ended. */
static struct pv_err *close_from(struct build *b, struct thread *thread, size_t from)
{
	struct pv_err *err = NULL;

	while (thread->open.n > from) {
		struct activation *one = pv_vec_at(&thread->open, thread->open.n - 1);
		struct pv_err *error = close_one(b, thread, one);

		thread->open.n--;
		if (err)
			pv_err_destroy(error);
		else
			err = error;
	}
	return err;
}

static struct pv_err *close_ending(struct build *b, struct thread *thread)
{
	if (!thread->ends)
		return NULL;
	thread->ends = false;
	return close_one(b, thread, &thread->ending);
}

/*
 * A Python frame gives back its variables when its caller is current already (from 3.11 on
 * _PyEvalFrameClearAndPop(), before frame_dealloc()): what is given back while the caller still
 * stands at the call, and has called no other, is the frame's.
 */
static bool is_ending(const struct thread *thread, const struct pv_ref_frame *frames, size_t n,
		      size_t caller, int64_t delta)
{
	const struct activation *open = thread->open.data;

	if (delta >= 0 || caller >= n || caller >= thread->open.n ||
	    open[caller].frame.pc != frames[caller].pc)
		return false;
	for (size_t i = caller + 1; i < n; i++) {
		if (frames[i].kind == PV_LOC_PYTHON)
			return false;
	}
	return true;
}

/* Sets the frame aside that ends there, if it is one; those above it have ended. */
static struct pv_err *linger(struct build *b, struct thread *thread,
			     const struct pv_ref_frame *frames, size_t n, size_t same,
			     int64_t delta)
{
	struct activation *open = thread->open.data;
	size_t caller = same;
	struct pv_err *err = NULL;

	while (caller && open[caller - 1].frame.kind != PV_LOC_PYTHON)
		caller--;
	if (!caller || same >= thread->open.n || open[same].frame.kind != PV_LOC_PYTHON ||
	    !is_ending(thread, frames, n, caller - 1, delta))
		return NULL;
	err = close_from(b, thread, same + 1);
	if (err)
		return err;
	thread->ending = *(struct activation *)pv_vec_at(&thread->open, same);
	thread->ends = true;
	thread->ending_at = caller - 1;
	thread->open.n = same;
	return NULL;
}

static bool is_same(const struct activation *one, const struct pv_ref_frame *frame)
{
	return one->frame.function == frame->function && one->frame.place == frame->place &&
	       one->frame.kind == frame->kind && one->frame.number == frame->number;
}

/* How many of the open ones are on this stack still. */
static size_t common(const struct thread *thread, const struct pv_ref_frame *frames, size_t n)
{
	size_t i;

	for (i = 0; i < n && i < thread->open.n; i++) {
		const struct activation *one = pv_vec_at(&thread->open, i);
		const struct activation *caller = i ? pv_vec_at(&thread->open, i - 1) : NULL;

		if (!is_same(one, &frames[i]))
			break;
		/* its caller stands elsewhere now: it has returned, and was called again */
		if (caller && !frames[i].number && caller->frame.pc != frames[i - 1].pc)
			break;
	}
	return i;
}

static struct pv_err *open_more(struct build *b, struct thread *thread,
				const struct pv_ref_frame *frames, size_t n)
{
	struct pv_err *err = NULL;

	for (size_t i = thread->open.n; !err && i < n; i++) {
		struct activation one = {
			.frame = frames[i],
			/* of those on the first stack of a thread some had begun before */
			.whole = thread->begun || frames[i].number,
			.balance = balance_new(),
		};

		err = find_function(b, &frames[i], &one.index);
		if (!err)
			err = pv_vec_append(&thread->open, &one, 1, NULL);
	}
	return err;
}

static uint64_t via_key(uint32_t function, uint32_t site)
{
	return (uint64_t)function << 32 | site;
}

static struct pv_err *count_change(struct build *b, struct thread *thread,
				   const struct pv_change *change,
				   const struct pv_ref_frame *frames)
{
	int64_t delta = pv_change_delta(change);
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < thread->open.n; i++) {
		struct activation *one = pv_vec_at(&thread->open, i);
		struct pv_refnet_function *function = pv_vec_at(&b->net->functions, one->index);
		bool again = false; /* recursion: a change counts once */

		for (size_t k = 0; k < i && !again; k++)
			again = ((struct activation *)pv_vec_at(&thread->open, k))->index ==
				one->index;
		one->frame.pc = frames[i].pc;
		one->net += delta;
		function->changes += !again;
		if (function->depth < i)
			function->depth = (uint32_t)i;
		err = take_in(b, &one->balance, change->site, delta, false);
		if (!err && frames[i].site != PV_REFS_NONE && change->site != PV_REFS_NONE)
			err = pv_map_set(&b->via, via_key(one->index, change->site),
					 frames[i].site);
	}
	return err;
}

static struct pv_err *find_thread(struct build *b, uint32_t index, struct thread **ret)
{
	struct thread added = {
		.thread = index,
		.open = PV_VEC(struct activation),
		.balance = balance_new(),
		.barred = PV_VEC(uint32_t),
	};

	for (size_t i = 0; i < b->threads.n; i++) {
		*ret = pv_vec_at(&b->threads, i);
		if ((*ret)->thread == index)
			return NULL;
	}
	return pv_vec_append(&b->threads, &added, 1, ret);
}

/* A stack that is not whole tells nothing of what is open: none of these is judged. */
static void doubt(struct thread *thread)
{
	for (size_t i = 0; i < thread->open.n; i++)
		((struct activation *)pv_vec_at(&thread->open, i))->whole = false;
}

static struct pv_err *take_change(struct build *b, const struct pv_change *change)
{
	const struct pv_ref_frame *frames =
		change->n ? pv_vec_at(&b->refs->frames, change->first) : NULL;
	struct thread *thread;
	size_t same;
	struct pv_err *err = find_thread(b, change->thread, &thread);

	if (!err)
		err = add_sums(b, change);
	if (err)
		return err;
	if (!change->n || change->flags & (PV_REF_NO_STACK | PV_REF_PARTIAL)) {
		b->net->broken++;
		doubt(thread);
		thread->ending.whole = false;
		return take_in(b, &thread->balance, change->site, pv_change_delta(change), true);
	}
	same = common(thread, frames, change->n);
	if (thread->ends &&
	    (same <= thread->ending_at ||
	     !is_ending(thread, frames, change->n, thread->ending_at, pv_change_delta(change))))
		err = close_ending(b, thread);
	if (!err && !thread->ends)
		err = linger(b, thread, frames, change->n, same, pv_change_delta(change));
	/* what those have left that are over, before others make up for it */
	if (!err)
		err = close_from(b, thread, same);
	if (!err && thread->ends) {
		thread->ending.net += pv_change_delta(change);
		err = take_in(b, &thread->ending.balance, change->site, pv_change_delta(change),
			      false);
	}
	if (!err)
		err = take_in(b, &thread->balance, change->site, pv_change_delta(change), true);
	if (!err)
		err = open_more(b, thread, frames, change->n);
	if (!err)
		err = count_change(b, thread, change, frames);
	thread->begun = true;
	return err;
}

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
		err = add_net(b, (uint32_t)at, 0, function->all - function->touched);
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
	if (left.n <= expected)
		return NULL;
	left.n -= expected;
	if (pv_map_get(&b->via, via_key(list->function, left.site), &via))
		left.via = (uint32_t)via;
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

static void find_base(const struct pv_refnet *net, struct pv_refnet_function *function)
{
	const struct pv_refnet_net *nets =
		function->n_nets ? pv_vec_at(&net->nets, function->first_net) : NULL;

	function->base = nets ? nets[0].net : 0;
	for (size_t i = 1; i < function->n_nets; i++) {
		if (nets[i].calls * RARE >= function->all &&
		    llabs(nets[i].net) < llabs(function->base))
			function->base = nets[i].net;
	}
	function->excess = 0;
	for (size_t i = 0; i < function->n_nets; i++)
		function->excess += (nets[i].net - function->base) * (int64_t)nets[i].calls;
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

/*
 * Can it be what made the count grow (or fall)?  What varies and is made up for by others, as where
 * an object is stored and taken out again, is no reference too many.
 */
static bool is_suspect(const struct pv_refs *refs, const struct pv_refnet_function *function)
{
	int64_t growth = refs->last - refs->first;

	if (function->verdict != PV_REFNET_VARIES || refs->field_size)
		return false;
	return function->excess > 0 ? growth > 0 : function->excess < 0 && growth < 0;
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

static unsigned int rank(const struct pv_refs *refs, const struct pv_refnet_function *function)
{
	if (function->keeps)
		return 1;
	if (is_suspect(refs, function))
		return function->interpreter ? 3 : function->python ? 2 : 0;
	if (function->verdict == PV_REFNET_VARIES)
		return function->python ? 5 : 4;
	return function->verdict == PV_REFNET_UNKNOWN ? 7 : 6;
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
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < b->threads.n; i++) {
		struct thread *thread = pv_vec_at(&b->threads, i);

		/* those that are under way have not had the time to give back what they took */
		err = close_ending(b, thread);
		doubt(thread);
		if (!err)
			err = close_from(b, thread, 0);
		if (!err)
			err = add_left(b, PV_REFNET_NONE, 0, &thread->barred, 1);
		if (!err)
			err = add_left(b, PV_REFNET_NONE, 0, &thread->balance.plus, 1);
		if (!err)
			err = add_left(b, PV_REFNET_NONE, 0, &thread->balance.minus, -1);
	}
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
		find_base(net, function);
	}
	if (!err)
		err = give_all_left(b);
	for (size_t i = 0; i < net->functions.n; i++) {
		struct pv_refnet_function *function = pv_vec_at(&net->functions, i);

		function->keeps = is_keeper(b->refs, net, function);
	}
	if (net->functions.n)
		qsort_r(net->functions.data, net->functions.n, net->functions.element_size,
			compare_functions, (void *)b->refs);
	if (net->functions.n && rank(b->refs, pv_vec_at(&net->functions, 0)) <= 3)
		net->suspect = 0;
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

		err = find_function(b, &frame, &at);
		if (!err)
			((struct pv_refnet_function *)pv_vec_at(&b->net->functions, at))->probed =
				true;
	}
	return err;
}

static void build_deinit(struct build *b)
{
	struct pv_map *maps[] = { &b->function_index, &b->net_index,  &b->left_index,
				  &b->pair_index,     &b->site_index, &b->line_index,
				  &b->sum_index,      &b->via };

	for (size_t i = 0; i < b->threads.n; i++) {
		struct thread *thread = pv_vec_at(&b->threads, i);

		for (size_t k = 0; k < thread->open.n; k++)
			balance_deinit(
				&((struct activation *)pv_vec_at(&thread->open, k))->balance);
		if (thread->ends)
			balance_deinit(&thread->ending.balance);
		pv_vec_deinit(&thread->open);
		balance_deinit(&thread->balance);
		pv_vec_deinit(&thread->barred);
	}
	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++)
		pv_map_deinit(maps[i]);
	pv_vec_deinit(&b->threads);
	pv_vec_deinit(&b->nets);
	pv_vec_deinit(&b->left);
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
		err = take_change(&b, pv_vec_at(&refs->changes, i));
	if (!err)
		err = finish(&b);
	build_deinit(&b);
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
	struct pv_map suspects = { 0 };
	struct pv_vec swap;
	struct pv_err *err = build_net(refs, NULL, &first);

	if (err)
		return err;
	*ret = first;
	if (first->suspect == PV_REFNET_NONE)
		return NULL;
	/* the one that is accused, and no other: those that called it leave the same */
	err = pv_map_set(&suspects,
			 ((struct pv_refnet_function *)pv_vec_at(&first->functions, first->suspect))
				 ->function,
			 1);
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
