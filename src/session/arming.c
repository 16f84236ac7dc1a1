/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for the first execution.  Input: a function.  Output: a watchpoint or the places where
 * functions are entered; in time all places.
 */
#include "session/arming.h"

#include "base/clock.h"
#include "base/vec.h"
#include "collect/inside.h"
#include "collect/probes.h"
#include "python/functions.h"
#include "python/resume.h"
#include "session/nativeset.h"
#include "session/probed.h"

/*
 * So many hits of a watchpoint by what is no call are not copies of its code: it cannot tell, or
 * something else is there by now.
 */
enum { STRAYS_MAX = 64 };

enum { WATCH_NS = 1000 * 1000 * 1000 };

void pv_arming_deinit(struct pv_arming *arming)
{
	pv_str_deinit(&arming->unwatched);
}

/* A generator goes on at one of many RESUMEs; up to 3.10 there is none. */
bool pv_arming_may_watch(const struct pv_arming *arming)
{
	return !arming->now && arming->function && !arming->function->generator &&
	       arming->probed->sites.python.resume[0];
}

/* Every code object of the function. */
static struct pv_err *watch(const struct pv_arming *arming)
{
	const struct pv_python_functions *functions = &arming->probed->functions;
	struct pv_python_resume list[PV_TRACE_WATCHES_MAX];
	uint64_t codes[PV_TRACE_WATCHES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < functions->list.n; i++) {
		const struct pv_python_function *one = pv_vec_at(&functions->list, i);

		if (!pv_probed_same(one, arming->function))
			continue;
		if (n < PV_TRACE_WATCHES_MAX) {
			codes[n] = one->code;
			if (!pv_python_resume(arming->probed->mem,
					      &arming->probed->image.python.proc.py,
					      &arming->probed->sites.python, one->code, &list[n]))
				return pv_err_create(PV_ERR_FAILED,
						     "its first instruction is not as it must be");
		}
		n++;
	}
	return pv_inside_watch(arming->inside, codes, list, n);
}

static struct pv_err *add_entry(struct pv_arming *arming)
{
	arming->wait = PV_TRACE_WAIT_ENTRY;
	if (!arming->function)
		return pv_native_set_add_first(arming->set, arming->probes);
	return pv_probed_add(arming->probed, arming->probes, PV_PROBES_ENTRIES);
}

static struct pv_err *add_rest(struct pv_arming *arming)
{
	bool entries = arming->wait == PV_TRACE_WAIT_ENTRY && arming->function;
	struct pv_err *err = NULL;

	if (arming->python)
		err = pv_probed_add(arming->probed, arming->probes,
				    entries ? PV_PROBES_OTHERS : PV_PROBES_ALL);
	if (!err && arming->set)
		err = pv_native_set_add(arming->set, arming->probes);
	return err;
}

/* A watchpoint, or why there can be none. */
static struct pv_err *choose(struct pv_arming *arming)
{
	struct pv_err *err = watch(arming), *said;

	if (!err) {
		arming->wait = PV_TRACE_WAIT_WATCH;
		return NULL;
	}
	if (err->kind != PV_ERR_FAILED)
		return err;
	arming->wait = PV_TRACE_WAIT_ENTRY;
	said = pv_str_appendf(&arming->unwatched, "%s", err->message);
	pv_err_destroy(err);
	return said;
}

struct pv_err *pv_arming_begin(struct pv_arming *arming)
{
	struct pv_err *err = NULL;

	arming->wait = arming->now ? PV_TRACE_WAIT_NONE : PV_TRACE_WAIT_ENTRY;
	arming->waits = !arming->now;
	if (pv_arming_may_watch(arming))
		err = choose(arming);
	if (!err && arming->now)
		err = add_rest(arming);
	else if (!err && arming->wait == PV_TRACE_WAIT_ENTRY)
		err = add_entry(arming);
	return err ? err : pv_probes_attach(arming->probes);
}

/* The watchpoint is of no use: entries tell, too, and it goes. */
static struct pv_err *give_up(struct pv_arming *arming)
{
	struct pv_err *err = add_entry(arming);

	if (!err)
		err = pv_probes_attach_more(arming->probes);
	if (err)
		return err;
	pv_inside_wait(arming->inside, PV_TRACE_WAIT_ENTRY);
	pv_inside_unwatch(arming->inside);
	return pv_str_appendf(&arming->unwatched, "it was hit by what was no call, %d times",
			      STRAYS_MAX);
}

/* It tells whether late executions are still what they were, until that is known. */
static void unwatch(const struct pv_arming *arming)
{
	if (pv_inside_watches(arming->inside) && (!pv_inside_state(arming->inside).late_open ||
						  pv_now_ns() - arming->attached_ns > WATCH_NS))
		pv_inside_unwatch(arming->inside);
}

struct pv_err *pv_arming_step(struct pv_arming *arming, bool triggered)
{
	struct pv_err *err;

	if (!arming->waits) {
		unwatch(arming);
		return NULL;
	}
	if (!triggered)
		return arming->wait == PV_TRACE_WAIT_WATCH &&
				       pv_inside_state(arming->inside).watch_strays > STRAYS_MAX
			       ? give_up(arming)
			       : NULL;
	err = add_rest(arming);
	if (!err)
		err = pv_probes_attach_more(arming->probes);
	if (err)
		return err;
	arming->waits = false;
	arming->attached_ns = pv_now_ns();
	pv_inside_wait(arming->inside, PV_TRACE_WAIT_NONE);
	return NULL;
}
