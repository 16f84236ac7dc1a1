/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stacks of slow calls.  Input: samples, each followed by the call that ended there.
 * Output: counts by function and node.
 */
#include "session/slow.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "abi/event.h"
#include "abi/latency.h"
#include "base/map.h"
#include "collect/calls.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/leads.h"
#include "session/modules.h"
#include "session/probed.h"
#include "session/wanted.h"
#include "snap/objects.h"

enum { NS_A_US = 1000 };

struct pv_slow {
	struct pv_probed *probed;
	const struct pv_wanted_set *wanted;
	struct pv_calls *calls;
	struct pv_profile *profile;
	struct pv_leads *leads;
	struct pv_vec stacks; /* struct pv_slow_stack */
	struct pv_map index;  /* function and node -> index in stacks */
};

static struct pv_err *put_image(void *ctx, const struct pv_image *image,
				const struct pv_objects *objects)
{
	struct pv_slow *slow = ctx;

	return pv_calls_put(slow->calls, image, objects);
}

struct pv_err *pv_slow_create(struct pv_probed *probed, const struct pv_wanted_set *wanted,
			      struct pv_calls *calls, struct pv_slow **ret)
{
	struct pv_slow *slow = calloc(1, sizeof(*slow));
	const struct pv_leads_walkers walkers = { .ctx = slow, .put = put_image };
	struct pv_err *err;

	if (!slow)
		return &pv_enomem;
	slow->probed = probed;
	slow->wanted = wanted;
	slow->calls = calls;
	slow->stacks = (struct pv_vec)PV_VEC(struct pv_slow_stack);
	err = pv_profile_create(&slow->profile);
	if (!err)
		err = pv_leads_create(probed, &walkers, slow->profile, &slow->leads);
	if (err) {
		pv_slow_destroy(slow);
		return err;
	}
	*ret = slow;
	return NULL;
}

void pv_slow_destroy(struct pv_slow *slow)
{
	if (!slow)
		return;
	pv_leads_destroy(slow->leads);
	pv_profile_destroy(slow->profile);
	pv_vec_deinit(&slow->stacks);
	pv_map_deinit(&slow->index);
	free(slow);
}

static struct pv_err *native_loc(struct pv_slow *slow, const struct pv_native_function *native,
				 uint32_t *ret)
{
	const struct pv_object *object = pv_objects_get(slow->probed->objects, native->object);
	struct pv_loc loc = { .kind = PV_LOC_NATIVE };
	struct pv_err *err;

	err = pv_strings_add(slow->profile->strings, native->name, strlen(native->name),
			     &loc.function);
	if (!err && object)
		err = pv_modules_add(slow->profile, object->path, object->build_id, &loc.module);
	return err ? err : pv_profile_loc(slow->profile, &loc, ret);
}

/* The stack with the function itself as its leaf. */
static struct pv_err *add_leaf(struct pv_slow *slow, const struct pv_wanted *function,
			       uint32_t parent, uint32_t *ret)
{
	uint32_t loc;
	struct pv_err *err = function->python
				     ? pv_leads_function(slow->leads, function->python, &loc)
				     : native_loc(slow, &function->native, &loc);

	return err ? err : pv_profile_node(slow->profile, parent, loc, ret);
}

static struct pv_err *count_call(struct pv_slow *slow, uint32_t node,
				 const struct pv_event_slow *call)
{
	struct pv_slow_stack one = { .function = call->function, .node = node };
	uint64_t key = (uint64_t)call->function << 32 | node, at;
	struct pv_slow_stack *stack;
	struct pv_err *err;

	if (pv_map_get(&slow->index, key, &at)) {
		stack = pv_vec_at(&slow->stacks, at);
	} else {
		err = pv_vec_append(&slow->stacks, &one, 1, &stack);
		if (!err)
			err = pv_map_set(&slow->index, key, slow->stacks.n - 1);
		if (err)
			return err;
	}
	stack->calls++;
	stack->sum_ns += call->ns;
	if (call->ns > stack->max_ns)
		stack->max_ns = call->ns;
	return NULL;
}

static struct pv_err *take_call(struct pv_slow *slow, const struct pv_event_slow *call)
{
	const struct pv_wanted *function;
	struct pv_leads_end end = {
		.tid = call->tid,
		.time_ns = call->time_ns,
		.there = call->there,
	};
	struct pv_err *err;
	uint32_t node;
	bool found;

	if (call->function >= slow->wanted->list.n)
		return NULL;
	function = pv_vec_at(&slow->wanted->list, call->function);
	end.python = function->python != NULL;
	err = pv_leads_ended(slow->leads, &end, &found, &node);
	if (err || !found)
		return err;
	err = add_leaf(slow, function, node, &node);
	return err ? err : count_call(slow, node, call);
}

static struct pv_err *on_event(void *ctx, const struct pv_event *event, size_t size)
{
	struct pv_slow *slow = ctx;

	if (event->type == PV_EVENT_SLOW && size >= sizeof(struct pv_event_slow))
		return take_call(slow, (const struct pv_event_slow *)event);
	return pv_leads_take(slow->leads, event, size);
}

struct pv_err *pv_slow_drain(struct pv_slow *slow)
{
	return pv_calls_drain(slow->calls, on_event, slow);
}

static int compare(const void *a, const void *b)
{
	const struct pv_slow_stack *x = a, *y = b;

	if (x->function != y->function)
		return x->function < y->function ? -1 : 1;
	if (x->calls != y->calls)
		return x->calls > y->calls ? -1 : 1;
	if (x->sum_ns != y->sum_ns)
		return x->sum_ns > y->sum_ns ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

const struct pv_vec *pv_slow_stacks(struct pv_slow *slow)
{
	struct pv_slow_stack *all = slow->stacks.data;

	if (slow->stacks.n)
		qsort(all, slow->stacks.n, sizeof(*all), compare);
	/* the index names places; each is in the map already, so that this needs no memory */
	for (size_t i = 0; i < slow->stacks.n; i++)
		pv_err_destroy(
			pv_map_set(&slow->index, (uint64_t)all[i].function << 32 | all[i].node, i));
	return &slow->stacks;
}

const struct pv_profile *pv_slow_profile(const struct pv_slow *slow)
{
	return slow->profile;
}

struct pv_err *pv_slow_fill(struct pv_slow *slow)
{
	const struct pv_profile_process process = {
		.pid = (uint32_t)slow->probed->pid,
		.generation = 1,
	};
	uint32_t of, thread;
	struct pv_err *err = pv_profile_process(slow->profile, &process, &of);

	if (!err)
		err = pv_profile_thread(slow->profile, of, process.pid, slow->probed->process.name,
					&thread);
	for (size_t i = 0; !err && i < slow->stacks.n; i++) {
		const struct pv_slow_stack *stack = pv_vec_at(&slow->stacks, i);

		err = pv_profile_add(slow->profile, stack->node, thread,
				     (stack->sum_ns + NS_A_US / 2) / NS_A_US);
	}
	return err;
}
