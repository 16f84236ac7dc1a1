/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that a search for the holders of objects needs of a process, opened together: its
 * memory, its interpreter, its threads' registers.
 */
#ifndef PV_SESSION_HOLDING_H
#define PV_SESSION_HOLDING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "heap/holders.h"
#include "heap/names.h"

struct pv_heap;
struct pv_held_before;
struct pv_holding;

enum { PV_HOLDING_SOME = 20000 }; /* objects of a type, where it is not the user's own */

/* A process without CPython is PV_ERR_NOPROC. */
struct pv_err *pv_holding_open(pid_t pid, struct pv_holding **ret);
void pv_holding_close(struct pv_holding *holding);

/*
 * CLOCK_MONOTONIC: what is not searched by then is not; who holds something is then partly
 * known, and nothing is called lost; names for what was found take no longer, either.  0: never.
 */
void pv_holding_until(struct pv_holding *holding, uint64_t until_ns);

/* Nor is anything once that is readable; -1, as at first: never. */
void pv_holding_stop(struct pv_holding *holding, int fd);
bool pv_holding_is_stopped(const struct pv_holding *holding);

/* Its objects, as they are now. */
struct pv_heap *pv_holding_heap(const struct pv_holding *holding);

/* heap/holders.h; a second search is as good as a first. */
struct pv_err *pv_holding_find(struct pv_holding *holding, const uint64_t *addresses, size_t n,
			       const struct pv_holders_options *options, struct pv_holders *ret);

/* heap/names.h: what the places of the last search are called, in their order; until then. */
struct pv_err *pv_holding_name(struct pv_holding *holding, const struct pv_holders *holders,
			       const struct pv_names_options *options, struct pv_names *ret);

/*
 * Objects of a type now, as many as max (uint64_t, appended): a search for its address.
 * of_ret: how many there are.
 */
struct pv_err *pv_holding_instances(struct pv_holding *holding, uint64_t type, size_t max,
				    struct pv_vec *ret, uint64_t *of_ret);

/*
 * Adds a subject with its holders to *memory: these objects, of `of` that there are.  text:
 * what the user called them.  lost: looks for lost references, too, which takes longer.  before:
 * an earlier look, or NULL.
 */
struct pv_err *pv_holding_fill(struct pv_holding *holding, const char *text,
			       const uint64_t *addresses, size_t n, uint64_t of, bool lost,
			       const struct pv_held_before *before, struct pv_memory *memory);

/*
 * The same for what a user may write: an address, a type (up to max of its objects), a name
 * such as app.Session.  None such: PV_ERR_USAGE.
 */
struct pv_err *pv_holding_subject(struct pv_holding *holding, const char *text, size_t max,
				  bool lost, struct pv_memory *memory);

/* The object that a dotted name means: heap/names.h. */
struct pv_err *pv_holding_resolve(struct pv_holding *holding, const char *name, uint64_t *ret);

/*
 * The rung of a hunt: who holds what the user asked for (text), or, NULL, what grows by the
 * looks so far, and how much more than at a look before; with lost references.  start_ns:
 * CLOCK_MONOTONIC, the hunt's start; until_ns: what the user asked for is searched no longer; of
 * what grows no other type is begun after it, and the last one is broken off after as long again;
 * fd: as of pv_holding_stop().  Any is said.  The rung's state is set but for errors:
 * PV_ERR_USAGE is the user's, others say why it is not possible.
 */
struct pv_err *pv_holding_rung(pid_t pid, const char *text, const struct pv_held_before *before,
			       uint64_t start_ns, uint64_t until_ns, int fd,
			       struct pv_memory *memory);

#endif
