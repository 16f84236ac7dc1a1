/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where changes are made: instructions with their source lines, frames with the activation that
 * they are of, and the native functions whose calls must be told apart.  Input: addresses, frames
 * of stacks.  Output: sites, frames and functions of a struct pv_refs; places to probe.
 */
#ifndef PV_SESSION_REFPLACES_H
#define PV_SESSION_REFPLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_event_change;
struct pv_lead_frame;
struct pv_leads;
struct pv_probed;
struct pv_probes;
struct pv_ref_frame;
struct pv_refplaces;
struct pv_refs;
struct pv_vec;

/* Nothing is owned; all must outlive it. */
struct pv_err *pv_refplaces_create(struct pv_probed *probed, struct pv_leads *leads,
				   struct pv_refs *refs, struct pv_refplaces **ret);
void pv_refplaces_destroy(struct pv_refplaces *places);

/*
 * The instruction before ip, an address of the process; PV_REFS_NONE: it is not known.  frames: of
 * the stack, root first (struct pv_lead_frame): what does nothing but change counts, as
 * Py_IncRef(), was called by whoever is meant.
 */
struct pv_err *pv_refplaces_site(struct pv_refplaces *places, uint64_t ip,
				 const struct pv_vec *frames, uint32_t *ret);

struct pv_err *pv_refplaces_frame(struct pv_refplaces *places, const struct pv_lead_frame *lead,
				  const struct pv_event_change *change, struct pv_ref_frame *ret);

/*
 * The function that a word means (session/natives.h), whose calls are to be told apart; none, or
 * one that cannot be probed, is PV_ERR_USAGE or PV_ERR_FAILED with the reason.
 */
struct pv_native_function;
struct pv_err *pv_refplaces_named(struct pv_refplaces *places, const char *word,
				  const struct pv_native_function **ret);

/*
 * Adds a probe to each place in that function where a line begins, and tells each of them:
 * index from 0, address in the process.  No debug information is PV_ERR_FAILED that says where to
 * get it.
 */
struct pv_err *pv_refplaces_rows(struct pv_refplaces *places, const struct pv_native_function *of,
				 struct pv_probes *probes,
				 struct pv_err *(*tell)(void *ctx, uint32_t index,
							uint64_t address),
				 void *ctx, size_t *n_ret);

/* Of the process; not owned. */
struct pv_natives;
struct pv_natives *pv_refplaces_natives(const struct pv_refplaces *places);

/* The calls of the frame's function are to be told apart from now on; most need not be. */
struct pv_err *pv_refplaces_touch(struct pv_refplaces *places, const struct pv_lead_frame *lead);

/* Probes the entries of functions that were touched since; *more_ret: there were some. */
struct pv_err *pv_refplaces_probe(struct pv_refplaces *places, struct pv_probes *probes,
				  uint64_t now_ns, bool *more_ret);

#endif
