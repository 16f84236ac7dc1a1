/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Batches of entries.  Input: functions.  Output: places of their files, with the cookies that
 * bpf/native.bpf.h reads.
 */
#include "session/entries.h"

#include <stdint.h>
#include <stdlib.h>

#include "abi/native.h"
#include "abi/probe.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/probes.h"
#include "probe/native.h"
#include "session/natives.h"
#include "symbol/search.h"

enum { BATCH_FIRST = 16, BATCH_SECOND = 256 };

static uint64_t cookie_of(const struct pv_native_site *site, size_t index)
{
	uint64_t flags = (site->tails ? PV_NATIVE_TAILS : 0) | (site->loops ? PV_NATIVE_LOOPS : 0);

	return PV_PROBE_NATIVE_ENTER | (site->emulated ? 0 : PV_PROBE_STEPPED) |
	       (uint64_t)(site->pushed / 8) << PV_NATIVE_PUSHED_SHIFT |
	       (uint64_t)index << PV_NATIVE_FUNCTION_SHIFT | flags << PV_NATIVE_FLAGS_SHIFT;
}

static struct pv_err *place_of(struct pv_entries *entries, size_t index, bool *ok_ret,
			       uint64_t *offset_ret, uint64_t *cookie_ret)
{
	struct pv_entry entry = entries->at(entries->ctx, index);
	const struct pv_native_function *function = entry.function;
	struct pv_native_module *module = pv_natives_module(entries->natives, function->object);
	const char *why = "it is not mapped any more";
	const struct pv_native_code *code;
	struct pv_native_site site;
	struct pv_err *err = module ? pv_natives_code(module, &code) : NULL;

	if (err)
		return err;
	*ok_ret = module &&
		  pv_native_entry(code, function->vaddr, function->size,
				  PV_NATIVE_SAVED | entries->keep | entry.keep, &site, &why);
	if (!*ok_ret) {
		entries->n_refused++;
		return entry.wanted ? pv_err_create(PV_ERR_FAILED, "cannot probe `%s` of %s: %s",
						    function->name, function->library, why)
				    : NULL;
	}
	*offset_ret = site.offset;
	*cookie_ret = cookie_of(&site, index);
	return NULL;
}

/* Entries of one object, from the first on up to end; where the next one's begin is *at. */
static struct pv_err *add_object(struct pv_entries *entries, struct pv_probes *probes, size_t *at,
				 size_t end)
{
	uint32_t object = entries->at(entries->ctx, *at).function->object;
	_pv_free_ uint64_t *offsets = malloc(8 * (end - *at)), *cookies = malloc(8 * (end - *at));
	struct pv_err *err = offsets && cookies ? NULL : &pv_enomem;
	size_t n = 0;
	int fd;

	for (; !err && *at < end; ++*at) {
		struct pv_entry entry = entries->at(entries->ctx, *at);
		bool ok = false;

		if (!entry.function || entry.function->object != object)
			break;
		err = place_of(entries, *at, &ok, &offsets[n], &cookies[n]);
		n += !err && ok;
	}
	if (err || !n)
		return err;
	err = pv_natives_open(entries->natives, pv_natives_module(entries->natives, object), &fd);
	return err ? err : pv_probes_add(probes, fd, offsets, cookies, n);
}

struct pv_err *pv_entries_add(struct pv_entries *entries, size_t n, struct pv_probes *probes)
{
	size_t end = n, at = entries->n_added;
	struct pv_err *err = NULL;

	if (at < BATCH_FIRST && n > BATCH_FIRST)
		end = BATCH_FIRST;
	else if (at < BATCH_SECOND && n > BATCH_SECOND)
		end = BATCH_SECOND;
	while (!err && at < end) {
		if (entries->at(entries->ctx, at).function)
			err = add_object(entries, probes, &at, end);
		else
			at++;
	}
	entries->n_added = at;
	if (n > BATCH_FIRST)
		entries->added_ns = pv_now_ns();
	pv_entries_limit(entries, n, probes);
	return err;
}

void pv_entries_limit(const struct pv_entries *entries, size_t n, struct pv_probes *probes)
{
	bool new = entries->added_ns &&pv_now_ns() - entries->added_ns <
		   PV_ENTRIES_NEW_MS * 1000000ULL;

	pv_probes_grow(probes, n > BATCH_FIRST && (entries->n_added < n || new));
}
