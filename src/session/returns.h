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

#include "abi/native.h"
#include "base/err.h"
#include "base/vec.h"

struct pv_natives;
struct pv_probed;
struct pv_probes;
struct pv_returns;

/* The kernel's side, which knows of each address whether an end will be seen there. */
struct pv_returns_side {
	struct pv_err *(*tell)(void *ctx, uint64_t address, enum pv_native_return place);
	void (*forget)(void *ctx, uint64_t address);
	void *ctx;
};

/* natives: not owned. */
struct pv_err *pv_returns_create(struct pv_natives *natives, struct pv_returns **ret);
void pv_returns_destroy(struct pv_returns *returns);

/* Before the first is taken: what functions return is read there. */
void pv_returns_keep_results(struct pv_returns *returns);

/*
 * The image of the process as it is now; what is known of places that have gone is forgotten,
 * here and in the kernel: what is called there is new.
 */
struct pv_err *pv_returns_refresh(struct pv_returns *returns, struct pv_probed *probed,
				  const struct pv_returns_side *side);

/*
 * Attaches the places that calls were seen to return to for the first time, each once, and tells
 * the kernel's side of them.
 */
struct pv_err *pv_returns_take(struct pv_returns *returns, struct pv_probed *probed,
			       struct pv_probes *probes, const struct pv_returns_side *side);

/* The function that an address is in, as it was when it was added; false: not known. */
struct pv_caller {
	const char *name, *library, *path;
	uint64_t key;   /* one of its addresses, always the same: tells callers apart */
	uint64_t vaddr; /* where it begins in its file */
};
bool pv_returns_caller(const struct pv_returns *returns, uint64_t address, struct pv_caller *ret);

#endif
