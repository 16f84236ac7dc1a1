/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What sampling a process would cost it.
 * Input: how many frames its deepest thread has; what a sample of ourselves costs here.
 * Output: findings for doctor; an estimate, and they say so.
 */
#include "session/predict.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/event.h"
#include "abi/process.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/collect.h"
#include "model/facts.h"
#include "model/snapshot.h"
#include "session/session.h"
#include "snap/image.h"
#include "snap/objects.h"
#include "target/mem.h"

/*
 * The parts of a sample in ns, as bench/pythons.py finds them on one machine.  Only how they
 * relate to each other counts: how fast this machine is, samples of ourselves tell.
 */
enum {
	FIXED_NS = 1150,
	NATIVE_NS = 70,
	PYTHON_NS = 120,
	PYTHON_SUMMED_NS = 190,
};

enum {
	SAMPLES_MIN = 10,
	SPIN_NS = 120000000,
	BUFFER = 32 << 20, /* more than a CPU has in caches of its own */
	STEP = 64,
};

/* The frames of the deepest stack; whole: how many stacks are. */
struct depth {
	uint32_t native, python, threads, whole;
};

/* As a program does that uses memory: a sample finds little of its own in the caches. */
static void spin(volatile char *buffer)
{
	uint64_t end = pv_clock_ns(CLOCK_THREAD_CPUTIME_ID) + SPIN_NS;

	while (pv_clock_ns(CLOCK_THREAD_CPUTIME_ID) < end) {
		for (size_t i = 0; i < BUFFER; i += STEP)
			buffer[i]++;
	}
}

static struct pv_err *on_event(void *ctx, const struct pv_event *event, size_t size)
{
	struct pv_calibration *calibration = ctx;

	if (event->type == PV_EVENT_SAMPLE && size >= sizeof(struct pv_event_sample)) {
		calibration->frames += ((const struct pv_event_sample *)event)->n_native;
		calibration->n++;
	}
	return NULL;
}

static struct pv_err *on_side(void *ctx, const struct pv_side_event *event)
{
	(void)ctx;
	(void)event;
	return NULL;
}

static struct pv_err *sample_self(struct pv_collect *collect, struct pv_calibration *ret)
{
	struct pv_collect_handlers handlers = { .ctx = ret, .event = on_event, .side = on_side };
	_pv_free_ char *buffer = malloc(BUFFER);
	uint64_t ns = 0, runs = 0;
	struct pv_err *err;

	if (!buffer)
		return &pv_enomem;
	memset(buffer, 1, BUFFER);
	err = pv_collect_start(collect);
	if (err)
		return err;
	spin(buffer);
	pv_collect_detach(collect);
	err = pv_collect_drain(collect, 0, &handlers);
	if (!err)
		err = pv_collect_cost(collect, &ns, &runs);
	if (!err && (ret->n < SAMPLES_MIN || !runs))
		err = pv_err_create(PV_ERR_FAILED,
				    "only %llu samples were taken of pitviper itself",
				    (unsigned long long)ret->n);
	if (err)
		return err;
	ret->frames /= ret->n;
	ret->ns = (double)ns / runs;
	return NULL;
}

struct pv_err *pv_calibrate(struct pv_collect *collect, struct pv_calibration *ret)
{
	_pv_free_ char *cache = pv_objects_default_cache();
	struct pv_calibration calibration = {};
	struct pv_objects *objects = NULL;
	struct pv_image image = {};
	struct pv_mem *mem = NULL;
	struct pv_err *err;
	bool added;

	err = pv_objects_create(cache, &objects);
	if (!err)
		err = pv_mem_live_create(getpid(), &mem);
	if (!err)
		err = pv_image_build(getpid(), objects, mem, NULL, &image);
	if (!err)
		err = pv_collect_put(collect, &image, objects, PV_GENERATION_FIRST);
	/* the only one: there is room */
	if (!err)
		err = pv_collect_add(collect, getpid(), &added);
	if (!err)
		err = sample_self(collect, &calibration);
	if (!err)
		*ret = calibration;
	pv_image_deinit(&image);
	pv_mem_destroy(mem);
	pv_objects_destroy(objects);
	return err;
}

/* Counts a stack; where Python begins stands an eval frame that is not shown. */
static void count_stack(const struct pv_profile *profile, uint32_t node, struct depth *ret)
{
	uint32_t native = 0, python = 0;
	bool above = false; /* the frame to the leaf's side is a Python one */

	while (node) {
		const struct pv_stack_node *at = pv_vec_at(&profile->nodes, node);
		const struct pv_loc *loc = pv_vec_at(&profile->locs, at->loc);
		bool here = loc->kind == PV_LOC_PYTHON;

		python += here;
		native += loc->kind == PV_LOC_NATIVE || (above && !here);
		above = here;
		node = at->parent;
	}
	if (native + 2 * python > ret->native + 2 * ret->python) {
		ret->native = native;
		ret->python = python;
	}
}

static struct pv_err *look(pid_t pid, struct depth *ret)
{
	struct pv_snapshot snapshot = {};
	struct pv_err *err = pv_session_snapshot(pid, false, &snapshot);
	size_t i;

	if (err)
		return err;
	for (i = 0; i < snapshot.n_threads; i++) {
		const struct pv_snapshot_thread *thread = &snapshot.threads[i];

		ret->threads++;
		ret->whole += thread->consistent && thread->complete;
		count_stack(snapshot.profile, thread->node, ret);
	}
	pv_snapshot_deinit(&snapshot);
	return NULL;
}

static struct pv_err *not_known(struct pv_vec *facts, struct pv_err *why)
{
	struct pv_err *err;

	if (why == &pv_enomem)
		return why;
	err = pv_facts_add(facts, "cost", PV_FACT_UNKNOWN, "a sample", "", "not known: %s",
			   why->message);
	pv_err_destroy(why);
	return err;
}

struct pv_err *pv_predict(pid_t pid, bool summed, const struct pv_calibration *calibration,
			  struct pv_vec *facts)
{
	double python_ns = summed ? PYTHON_SUMMED_NS : PYTHON_NS, ns;
	struct depth depth = {};
	struct pv_err *err = look(pid, &depth);

	if (err)
		return not_known(facts, err);
	err = pv_facts_add(facts, "unwinding",
			   depth.whole == depth.threads ? PV_FACT_OK : PV_FACT_INFO, "stacks now",
			   "",
			   "%u of %u threads' are whole, the deepest has %u native and %u Python "
			   "frames",
			   depth.whole, depth.threads, depth.native, depth.python);
	if (err || !calibration->n)
		return err;
	ns = FIXED_NS + NATIVE_NS * (double)depth.native + python_ns * depth.python;
	ns *= calibration->ns / (FIXED_NS + NATIVE_NS * calibration->frames);
	return pv_facts_add(facts, "cost", PV_FACT_INFO, "a sample",
			    "an estimate for its deepest stack now; names of functions cost once "
			    "more when they are first seen, the timer's interrupt comes on top",
			    "about %.0f us, %.2g %% of a busy CPU at -F 99", ns / 1000,
			    99 * ns / 1e7);
}
