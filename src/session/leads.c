/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names and stacks of a trace.  Input: records, the process's image and memory.
 * Output: pv_loc ids and nodes of a profile.
 */
#include "session/leads.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "abi/event.h"
#include "abi/layout.h"
#include "abi/loss.h"
#include "base/map.h"
#include "base/vec.h"
#include "model/profile.h"
#include "model/strings.h"
#include "python/functions.h"
#include "session/probed.h"
#include "session/symbolise.h"
#include "snap/image.h"
#include "snap/merge.h"
#include "symbol/perfmap.h"
#include "symbol/python.h"
#include "target/mem.h"

enum { TOUCH_BYTES = 256 }; /* as much as the walkers read at once */

/* A stack whose execution's first event is still to come. */
struct pending {
	uint32_t tid;
	struct pv_event_sample *sample; /* owned */
};

struct pv_leads {
	struct pv_probed *probed;
	struct pv_leads_walkers walkers;
	struct pv_profile *profile;
	struct pv_codes *codes;
	struct pv_symboliser *symboliser;
	struct pv_perfmap *perfmap;
	struct pv_merged merged;
	struct pv_vec pending; /* struct pending */
	struct pv_map names;   /* key -> location */
};

struct pv_err *pv_leads_create(struct pv_probed *probed, const struct pv_leads_walkers *walkers,
			       struct pv_profile *profile, struct pv_leads **ret)
{
	struct pv_leads *leads = calloc(1, sizeof(*leads));
	struct pv_err *err;

	if (!leads)
		return &pv_enomem;
	leads->probed = probed;
	leads->walkers = *walkers;
	leads->profile = profile;
	leads->merged.frames = (struct pv_vec)PV_VEC(struct pv_frame_ref);
	leads->pending = (struct pv_vec)PV_VEC(struct pending);
	err = pv_codes_create(&leads->codes);
	if (!err)
		err = pv_symboliser_create(probed->objects, leads->codes, profile,
					   &leads->symboliser);
	if (!err)
		pv_symboliser_note(leads->symboliser, probed->origins);
	if (!err)
		err = pv_perfmap_create(probed->pid, &leads->perfmap);
	if (!err)
		err = walkers->put(walkers->ctx, &probed->image, probed->objects);
	if (err) {
		pv_leads_destroy(leads);
		return err;
	}
	*ret = leads;
	return NULL;
}

void pv_leads_destroy(struct pv_leads *leads)
{
	if (!leads)
		return;
	for (size_t i = 0; i < leads->pending.n; i++)
		free(((struct pending *)pv_vec_at(&leads->pending, i))->sample);
	pv_vec_deinit(&leads->pending);
	pv_map_deinit(&leads->names);
	pv_vec_deinit(&leads->merged.frames);
	pv_symboliser_destroy(leads->symboliser);
	pv_perfmap_destroy(leads->perfmap);
	pv_codes_destroy(leads->codes);
	free(leads);
}

/* A library that was mapped since: the walkers get to know it for the next stack. */
static struct pv_err *renew_image(struct pv_leads *leads)
{
	struct pv_probed *probed = leads->probed;
	struct pv_image image;
	struct pv_err *err;

	err = pv_image_build(probed->pid, probed->objects, probed->mem, &probed->image, &image);
	if (err)
		return err;
	pv_image_deinit(&probed->image);
	probed->image = image;
	return leads->walkers.put(leads->walkers.ctx, &probed->image, probed->objects);
}

/*
 * What could not be read or was not known can be at the next stack.  The process may
 * have ended: then there is none.
 */
static struct pv_err *learn(struct pv_leads *leads, const struct pv_event_sample *sample)
{
	char object[TOUCH_BYTES];
	struct pv_err *err;

	if (sample->fail_addr)
		pv_mem_read(leads->probed->mem, object, sizeof(object), sample->fail_addr);
	if (sample->nat_loss != PV_LOSS_NAT_NOMAP)
		return NULL;
	err = renew_image(leads);
	if (!err || err == &pv_enomem || err->kind != PV_ERR_NOPROC)
		return err;
	pv_err_destroy(err);
	return NULL;
}

static struct pending *find_pending(const struct pv_leads *leads, uint32_t tid)
{
	for (size_t i = 0; i < leads->pending.n; i++) {
		struct pending *pending = pv_vec_at(&leads->pending, i);

		if (pending->tid == tid)
			return pending;
	}
	return NULL;
}

static struct pv_err *take_sample(struct pv_leads *leads, const struct pv_event_sample *sample)
{
	struct pending *pending = find_pending(leads, sample->tid);
	struct pv_event_sample *copy = malloc(sample->hdr.size);
	struct pv_err *err = NULL;

	if (!copy)
		return &pv_enomem;
	memcpy(copy, sample, sample->hdr.size);
	if (!pending) {
		struct pending added = { .tid = sample->tid };

		err = pv_vec_append(&leads->pending, &added, 1, &pending);
	}
	if (err) {
		free(copy);
		return err;
	}
	free(pending->sample);
	pending->sample = copy;
	return NULL;
}

struct pv_err *pv_leads_take(struct pv_leads *leads, const struct pv_event *event, size_t size)
{
	struct pv_err *err;

	if (event->type == PV_EVENT_SAMPLE && size >= sizeof(struct pv_event_sample))
		return take_sample(leads, (const struct pv_event_sample *)event);
	return pv_codes_take(leads->codes, event, size, &err) ? err : NULL;
}

/*
 * The last frame is the call itself where its frame was there already: where RESUME is
 * executed.  At eval's entry it is not, but eval is.
 */
static void drop_leaf(struct pv_merged *merged, uint64_t key)
{
	const struct pv_frame_ref *leaf;

	if (!merged->frames.n)
		return;
	leaf = pv_vec_at(&merged->frames, merged->frames.n - 1);
	if ((leaf->kind == PV_REF_PYTHON && leaf->value == key) ||
	    (leaf->kind == PV_REF_NATIVE && leaf->exact))
		merged->frames.n--;
}

static struct pv_err *merge(struct pv_leads *leads, const struct pv_event_sample *sample)
{
	struct pv_err *err =
		pv_merge(sample, sample->hdr.size, &leads->probed->image.merge, &leads->merged);

	return err ? err : learn(leads, sample);
}

static struct pv_err *symbolise(struct pv_leads *leads, uint32_t *ret)
{
	uint32_t missing;

	pv_symboliser_use_image(leads->symboliser, &leads->probed->image, leads->perfmap);
	return pv_symbolise(leads->symboliser, &leads->merged, 0, ret, &missing);
}

struct pv_err *pv_leads_node(struct pv_leads *leads, uint32_t tid, uint64_t key, uint32_t *ret)
{
	struct pending *pending = find_pending(leads, tid), *last;
	struct pv_err *err;

	*ret = 0;
	if (!pending)
		return NULL;
	err = merge(leads, pending->sample);
	drop_leaf(&leads->merged, key);
	if (!err)
		err = symbolise(leads, ret);
	free(pending->sample);
	last = pv_vec_at(&leads->pending, leads->pending.n - 1);
	*pending = *last;
	leads->pending.n--;
	return err;
}

static bool is_leaf(const struct pv_merged *merged, enum pv_ref_kind kind)
{
	const struct pv_frame_ref *leaf;

	if (!merged->frames.n)
		return false;
	leaf = pv_vec_at(&merged->frames, merged->frames.n - 1);
	return leaf->kind == kind && (kind != PV_REF_NATIVE || leaf->exact);
}

/*
 * The eval loop that has just ended a call has no Python frame any more.  Up to the first walk that
 * knows how its frames lie (3.10), the walker takes them for hidden.
 */
static void tell_ended(struct pv_event_sample *sample)
{
	uint64_t *native =
		(uint64_t *)(sample + 1) + 2 * (size_t)sample->n_python + sample->n_kernel;

	for (size_t i = 0; i < sample->n_native && i < 2; i++) {
		if (!(native[i] & PV_NAT_ANCHOR))
			native[i] &= ~PV_NAT_EVAL;
	}
}

struct pv_err *pv_leads_ended(struct pv_leads *leads, const struct pv_leads_end *end,
			      bool *found_ret, uint32_t *ret)
{
	struct pv_merged *merged = &leads->merged;
	struct pending *pending = find_pending(leads, end->tid);
	struct pv_err *err;

	*ret = 0;
	*found_ret = pending && pending->sample->time_ns == end->time_ns;
	if (!*found_ret)
		return NULL;
	if (end->python && !end->there)
		tell_ended(pending->sample);
	err = merge(leads, pending->sample);
	if (err)
		return err;
	/* where the interpreter takes a frame down, or returns from eval */
	if (end->python && is_leaf(merged, PV_REF_NATIVE))
		merged->frames.n--;
	if (end->there && is_leaf(merged, PV_REF_PYTHON))
		merged->frames.n--;
	return symbolise(leads, ret);
}

static struct pv_err *add_frame(struct pv_leads *leads, const struct pv_frame_ref *ref,
				struct pv_vec *frames)
{
	struct pv_lead_frame frame = { .kind = ref->kind, .at = ref->at, .address = ref->value };
	bool shown;
	struct pv_err *err = pv_symbolise_frame(leads->symboliser, ref, &shown, &frame.loc);

	if (err || !shown)
		return err;
	if (ref->kind == PV_REF_PYTHON)
		frame.lasti = ref->detail;
	if (ref->kind == PV_REF_NATIVE || ref->kind == PV_REF_RAW) {
		frame.object = ref->detail;
		/* a return address belongs to the call before it */
		frame.address -= !ref->exact;
	}
	return pv_vec_append(frames, &frame, 1, NULL);
}

struct pv_err *pv_leads_native(struct pv_leads *leads, uint32_t object, uint64_t vaddr,
			       uint32_t *ret)
{
	const struct pv_frame_ref ref = {
		.kind = PV_REF_NATIVE, .value = vaddr, .detail = object, .exact = true
	};
	bool shown;

	pv_symboliser_use_image(leads->symboliser, &leads->probed->image, leads->perfmap);
	return pv_symbolise_frame(leads->symboliser, &ref, &shown, ret);
}

struct pv_err *pv_leads_frames(struct pv_leads *leads, uint32_t tid, uint64_t time_ns,
			       struct pv_vec *frames, uint32_t *node_ret, bool *found_ret,
			       bool *whole_ret)
{
	struct pv_merged *merged = &leads->merged;
	struct pending *pending = find_pending(leads, tid);
	struct pv_err *err;

	*node_ret = 0;
	*whole_ret = false;
	*found_ret = pending && pending->sample->time_ns == time_ns;
	if (!*found_ret)
		return NULL;
	err = merge(leads, pending->sample);
	if (err)
		return err;
	*whole_ret = merged->complete;
	/* the processor traps behind the instruction that wrote */
	if (merged->frames.n) {
		struct pv_frame_ref *leaf = pv_vec_at(&merged->frames, merged->frames.n - 1);

		if (leaf->kind == PV_REF_NATIVE || leaf->kind == PV_REF_RAW)
			leaf->exact = false;
	}
	err = symbolise(leads, node_ret);
	for (size_t i = 0; !err && i < merged->frames.n; i++)
		err = add_frame(leads, pv_vec_at(&merged->frames, i), frames);
	return err;
}

static struct pv_err *add_loc(struct pv_leads *leads, const char *name, size_t name_n,
			      const char *file, size_t file_n, uint32_t line, uint32_t *ret)
{
	struct pv_loc loc = { .kind = PV_LOC_PYTHON, .line = (int32_t)line };
	struct pv_err *err;

	err = pv_strings_add(leads->profile->strings, name, name_n, &loc.function);
	if (!err)
		err = pv_strings_add(leads->profile->strings, file, file_n, &loc.file);
	return err ? err : pv_profile_loc(leads->profile, &loc, ret);
}

struct pv_err *pv_leads_function(struct pv_leads *leads, const struct pv_python_function *function,
				 uint32_t *ret)
{
	return add_loc(leads, function->qualname, strlen(function->qualname), function->file,
		       strlen(function->file), function->firstlineno, ret);
}

/*
 * Up to 3.10 a code object has no qualified name, but a function object has: that of one that
 * was there at the start and has not been replaced by another.
 */
static const struct pv_python_function *
known_function(const struct pv_leads *leads, const struct pv_code_place *place, uint64_t address)
{
	const struct pv_python_function *one;
	const char *dot, *last;

	if (leads->probed->image.python.proc.py.co_qualname != PV_OFF_NONE)
		return NULL;
	one = pv_python_functions_at(&leads->probed->functions, address);
	if (!one || one->firstlineno != place->firstlineno || strlen(one->file) != place->file_n ||
	    memcmp(one->file, place->file, place->file_n) != 0)
		return NULL;
	dot = strrchr(one->qualname, '.');
	last = dot ? dot + 1 : one->qualname;
	return strlen(last) == place->qualname_n &&
			       !memcmp(last, place->qualname, place->qualname_n)
		       ? one
		       : NULL;
}

static struct pv_err *unknown(struct pv_leads *leads, uint32_t *ret)
{
	static const char text[] = "[unknown code]";
	struct pv_loc loc = { .kind = PV_LOC_MARKER };
	struct pv_err *err;

	err = pv_strings_add(leads->profile->strings, text, sizeof(text) - 1, &loc.function);
	return err ? err : pv_profile_loc(leads->profile, &loc, ret);
}

struct pv_err *pv_leads_name(struct pv_leads *leads, uint64_t key, uint64_t address, uint32_t *ret)
{
	const struct pv_python_function *function;
	struct pv_code_place place = { 0 };
	struct pv_err *err;
	uint64_t found;

	if (pv_map_get(&leads->names, key, &found)) {
		*ret = (uint32_t)found;
		return NULL;
	}
	if (!key || !pv_codes_place(leads->codes, key, PV_LASTI_NONE, &place) || !place.qualname ||
	    !place.file)
		return unknown(leads, ret);
	function = known_function(leads, &place, address);
	if (function)
		err = pv_leads_function(leads, function, ret);
	else
		err = add_loc(leads, place.qualname, place.qualname_n, place.file, place.file_n,
			      place.firstlineno, ret);
	return err ? err : pv_map_set(&leads->names, key, *ret);
}
