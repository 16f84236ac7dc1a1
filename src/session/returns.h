/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The places that calls of native functions return to: found, probed, named.  Input:
 * return addresses that the kernel's side has seen.  Output: places for
 * collect/probes.h, callers' names.
 */
#ifndef PV_SESSION_RETURNS_H
#define PV_SESSION_RETURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_natives;
struct pv_probes;
struct pv_returns;

/* natives: not owned. */
struct pv_err *pv_returns_create(struct pv_natives *natives, struct pv_returns **ret);
void pv_returns_destroy(struct pv_returns *returns);

/* Does it lie in what is mapped now?  If not, the image is to be read anew before the next. */
bool pv_returns_mapped(struct pv_returns *returns, const struct pv_vec *addresses);

/*
 * Adds the places of addresses (uint64_t) to the probes, each once, to be attached by
 * pv_probes_attach_more().  probed_ret: as many bool as addresses; false: no probe can be
 * there.
 */
struct pv_err *pv_returns_add(struct pv_returns *returns, const struct pv_vec *addresses,
			      struct pv_probes *probes, bool *probed_ret);

/*
 * Appends the addresses that other code than then is mapped at now, and forgets that they were
 * added: what is called there is new.
 */
struct pv_err *pv_returns_gone(struct pv_returns *returns, struct pv_vec *addresses);

/* The function that an address is in, as it was when it was added; false: not known. */
struct pv_caller {
	const char *name, *library, *path;
	uint64_t key;   /* one of its addresses, always the same: tells callers apart */
	uint64_t vaddr; /* where it begins in its file */
};
bool pv_returns_caller(const struct pv_returns *returns, uint64_t address, struct pv_caller *ret);

/* Addresses where no probe can be, so far, and why the last of them could not (static). */
size_t pv_returns_refused(const struct pv_returns *returns, const char **why_ret);

#endif
