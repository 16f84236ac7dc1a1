/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls put together from stacks, and their nets.  Input: changes in the order of their sequence.
 * Output: struct build, of which refnet.c makes a struct pv_refnet.
 */
#include "analyse/refcalls.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/profile.h"
#include "model/strings.h"

enum {
	KEPT_MAX = 1024,  /* changes of one call that others may make up for */
	SEARCH_MAX = 256, /* of these looked at for one that the same function made */
	AWAY_MAX = 64,    /* steps of one change that are kept one by one */
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

static struct pv_err *add_left(struct build *b, uint32_t function, int64_t net,
			       const struct pv_vec *sites, int64_t sign);

/* ---- by hand */

static bool is_named(const struct build *b, uint32_t function, const char *const *names)
{
	const struct pv_loc *loc = pv_vec_at(&b->refs->profile->locs, function);
	const char *name = pv_strings_get(b->refs->profile->strings, loc->function);

	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names;
}

/*
 * Did Python code call Py_IncRef() (of sign -1: Py_DecRef()) itself, by what lets it call any C
 * function?  No bytecode gives that reference back, nor does ctypes.
 */
static bool is_by_hand(const struct build *b, const struct pv_change *change,
		       const struct pv_ref_frame *frames, int64_t delta)
{
	static const char *const takes[] = { "Py_IncRef", "_Py_IncRef", NULL };
	static const char *const gives[] = { "Py_DecRef", "_Py_DecRef", NULL };
	const struct pv_strings *strings = b->refs->profile->strings;

	if ((delta != 1 && delta != -1) || change->python == PV_REFS_NONE ||
	    change->site == PV_REFS_NONE ||
	    !is_named(b, frames[change->n - 1].function, delta > 0 ? takes : gives))
		return false;
	for (size_t i = change->n; i && frames[i - 1].kind != PV_LOC_PYTHON; i--) {
		const struct pv_loc *loc =
			pv_vec_at(&b->refs->profile->locs, frames[i - 1].function);

		if (!strncmp(pv_strings_get(strings, loc->function), "ffi_call", 8) ||
		    !strncmp(pv_strings_get(strings, loc->module), "libffi.", 7) ||
		    !strncmp(pv_strings_get(strings, loc->module), "_ctypes.", 8))
			return true;
	}
	return false;
}

/* The thread's account of it; false in done_ret: it is to be taken as any other. */
static struct pv_err *take_by_hand(struct build *b, struct thread *thread,
				   const struct pv_change *change,
				   const struct pv_ref_frame *frames, bool *done_ret)
{
	const struct pv_ref_frame *python;
	struct hand *last, hand = { .site = change->site, .by = frames[change->n - 1].function };
	int64_t delta = pv_change_delta(change);
	struct pv_err *err;

	*done_ret = is_by_hand(b, change, frames, delta) && (delta > 0 || thread->hands.n);
	if (!*done_ret)
		return NULL;
	if (delta < 0) {
		last = pv_vec_at(&thread->hands, --thread->hands.n);
		return add_pair(b, last->site, change->site);
	}
	python = pv_vec_at(&b->refs->frames, change->python);
	hand.loc = python->loc;
	err = pv_refcalls_function(b, python, &hand.function);
	return err ? err : pv_vec_append(&thread->hands, &hand, 1, NULL);
}

/* What is left of them, after what others have given back without having taken it. */
static struct pv_err *end_by_hand(struct build *b, struct thread *thread)
{
	struct pv_vec *minus = &thread->balance.minus;
	PV_CLEANUP(pv_vec_deinit) struct pv_vec sites = PV_VEC(uint32_t);
	struct pv_err *err = NULL;

	for (; !err && minus->n && thread->hands.n; minus->n--, thread->hands.n--) {
		const struct hand *hand = pv_vec_at(&thread->hands, thread->hands.n - 1);

		err = add_pair(b, hand->site, *(uint32_t *)pv_vec_at(minus, minus->n - 1));
	}
	for (size_t i = 0; !err && i < thread->hands.n; i++) {
		const struct hand *hand = pv_vec_at(&thread->hands, i);
		struct pv_refnet_function *function = pv_vec_at(&b->net->functions, hand->function);

		function->by_hand.site = hand->site;
		function->by_hand.via = PV_REFS_NONE;
		function->by_hand.sign = 1;
		function->by_hand.n++;
		function->hand_loc = hand->loc;
		function->hand_by = hand->by;
		err = pv_vec_append(&sites, &hand->site, 1, NULL);
	}
	return err ? err : add_left(b, PV_REFNET_NONE, 0, &sites, 1);
}

/* ---- activations */

struct pv_err *pv_refcalls_function(struct build *b, const struct pv_ref_frame *frame,
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

struct pv_err *pv_refcalls_net(struct build *b, uint32_t function, int64_t net, uint64_t calls)
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
		struct owned_left added = { .function = function,
					    .net = net,
					    .left = { .site = site,
						      .via = PV_REFS_NONE,
						      .inner = PV_REFS_NONE,
						      .sign = sign } };
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

bool pv_refcalls_same_place(const struct pv_refs *refs, uint32_t a, uint32_t b)
{
	const struct pv_ref_site *x, *y;

	if (a == b || a == PV_REFS_NONE || b == PV_REFS_NONE)
		return a == b;
	x = pv_vec_at(&refs->sites, a);
	y = pv_vec_at(&refs->sites, b);
	return x->function == y->function && x->line && x->line == y->line && x->file == y->file;
}

/* The last of that place; false: there is none. */
static bool take_out(struct pv_vec *plus, uint32_t site)
{
	uint32_t *sites = plus->data;
	size_t at = plus->n;

	while (at && sites[at - 1] != site)
		at--;
	if (!at)
		return false;
	memmove(&sites[at - 1], &sites[at], (plus->n - at) * sizeof(*sites));
	plus->n--;
	return true;
}

/*
 * What a suspect has left is nobody's to make up for: it is taken out of the thread's, and of those
 * that called it, which may be suspects of their own.
 */
static struct pv_err *bar(const struct build *b, struct thread *thread,
			  const struct activation *one, uint64_t only)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < one->balance.plus.n; i++) {
		uint32_t site = *(uint32_t *)pv_vec_at(&one->balance.plus, i);

		if (only != PV_REFCALLS_ALL &&
		    !pv_refcalls_same_place(b->refs, site, (uint32_t)only))
			continue;
		if (!take_out(&thread->balance.plus, site))
			continue;
		for (size_t k = 0; k < thread->open.n; k++) {
			struct activation *caller = pv_vec_at(&thread->open, k);

			if (caller != one)
				take_out(&caller->balance.plus, site);
		}
		err = pv_vec_append(&thread->barred, &site, 1, NULL);
	}
	return err;
}

static struct pv_err *close_one(struct build *b, struct thread *thread, struct activation *one)
{
	struct pv_refnet_function *function = pv_vec_at(&b->net->functions, one->index);
	struct pv_err *err = NULL;
	uint64_t known;

	/* of one place all that it took: no call is judged by that */
	if (b->suspects && one->net && pv_map_get(b->suspects, function->function, &known) &&
	    (known != PV_REFCALLS_ALL || is_judged(b, one)))
		err = bar(b, thread, one, known);
	if (err)
		return err;

	if (!is_judged(b, one)) {
		function->partial++;
	} else {
		function->touched++;
		err = pv_refcalls_net(b, one->index, one->net, 1);
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

		err = pv_refcalls_function(b, &frames[i], &one.index);
		if (!err)
			err = pv_vec_append(&thread->open, &one, 1, NULL);
	}
	return err;
}

/*
 * The deepest place in the library of a frame on the way to the change: where compilers inline it
 * is the frame's own.  PV_REFS_NONE: there is none but the frame's, or the change's.
 */
static uint32_t inner_of(const struct build *b, const struct pv_change *change,
			 const struct pv_ref_frame *frames, size_t from)
{
	const struct pv_vec *locs = &b->refs->profile->locs;
	const struct pv_loc *own = pv_vec_at(locs, frames[from].function);
	uint32_t ret = PV_REFS_NONE;

	for (size_t i = from + 1; i < change->n && frames[i].kind != PV_LOC_PYTHON; i++) {
		const struct pv_loc *loc = pv_vec_at(locs, frames[i].function);

		if (frames[i].site != PV_REFS_NONE && frames[i].site != change->site &&
		    !frames[i].interpreter && loc->module == own->module)
			ret = frames[i].site;
	}
	return ret;
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
			err = pv_map_set(&b->via, pv_refcalls_via(one->index, change->site),
					 (uint64_t)inner_of(b, change, frames, i) << 32 |
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
		.hands = PV_VEC(struct hand),
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

struct pv_err *pv_refcalls_take(struct build *b, const struct pv_change *change)
{
	const struct pv_ref_frame *frames =
		change->n ? pv_vec_at(&b->refs->frames, change->first) : NULL;
	struct thread *thread;
	size_t same;
	bool by_hand = false;
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
		err = take_by_hand(b, thread, change, frames, &by_hand);
	if (!err && !by_hand)
		err = take_in(b, &thread->balance, change->site, pv_change_delta(change), true);
	if (!err)
		err = open_more(b, thread, frames, change->n);
	if (!err)
		err = count_change(b, thread, change, frames);
	thread->begun = true;
	return err;
}

struct pv_err *pv_refcalls_end(struct build *b)
{
	struct pv_err *err = NULL;

	for (size_t i = 0; !err && i < b->threads.n; i++) {
		struct thread *thread = pv_vec_at(&b->threads, i);

		/* those that are under way have not had the time to give back what they took */
		err = close_ending(b, thread);
		doubt(thread);
		if (!err)
			err = close_from(b, thread, 0);
		if (!err)
			err = end_by_hand(b, thread);
		if (!err)
			err = add_left(b, PV_REFNET_NONE, 0, &thread->barred, 1);
		if (!err)
			err = add_left(b, PV_REFNET_NONE, 0, &thread->balance.plus, 1);
		if (!err)
			err = add_left(b, PV_REFNET_NONE, 0, &thread->balance.minus, -1);
	}
	return err;
}

void pv_refcalls_deinit(struct build *b)
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
		pv_vec_deinit(&thread->hands);
	}
	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++)
		pv_map_deinit(maps[i]);
	pv_vec_deinit(&b->threads);
	pv_vec_deinit(&b->nets);
	pv_vec_deinit(&b->left);
}
