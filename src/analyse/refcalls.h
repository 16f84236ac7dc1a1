/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calls as they are put together from the stacks of changes.  Internal to analyse/: refcalls.c
 * makes them, refnet.c judges what comes of it.
 */
#ifndef PV_ANALYSE_REFCALLS_H
#define PV_ANALYSE_REFCALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "analyse/refnet.h"
#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "model/refs.h"

/* What has been added or taken within one call, and was not made up for. */
struct balance {
	struct pv_vec plus, minus; /* uint32_t: sites */
};

/* An activation that may go on. */
struct activation {
	struct pv_ref_frame frame;
	uint32_t index; /* of its function in net->functions */
	int64_t net;
	bool whole; /* it has begun before our eyes */
	struct balance balance;
};

/* A reference that Python code took by hand; see is_by_hand(). */
struct hand {
	uint32_t site, by;      /* by: Py_IncRef(), in profile->locs */
	uint32_t function, loc; /* of the Python frame: in net->functions, its line */
};

struct thread {
	uint32_t thread;
	struct pv_vec hands; /* struct hand: none has given them back */
	struct pv_vec open;  /* struct activation, root first */
	struct balance balance;
	struct pv_vec barred; /* uint32_t: sites, see bar() */
	bool begun;
	/* a Python frame that is no longer current, but may be being taken down; see linger() */
	struct activation ending;
	bool ends;
	size_t ending_at; /* its caller among the open ones, the innermost Python frame */
};

struct build {
	const struct pv_refs *refs;
	struct pv_refnet *net;
	struct pv_map function_index, net_index, left_index, pair_index;
	struct pv_map site_index, line_index, sum_index;
	struct pv_map via;        /* function and site -> where the function stood */
	struct pv_vec nets, left; /* of all functions, unsorted: struct owned_net, owned_left */
	struct pv_vec threads;    /* struct thread */
	/*
	 * functions whose changes no other makes up for, known from an earlier pass, or NULL; of
	 * each PV_REFCALLS_ALL, or the site that alone is meant
	 */
	const struct pv_map *suspects;
};

enum { PV_REFCALLS_ALL = UINT32_MAX };

struct owned_net {
	uint32_t function;
	struct pv_refnet_net net;
};

/* Of the calls of one function with one net. */
struct owned_left {
	uint32_t function;
	int64_t net;
	struct pv_refnet_left left;
};

/* One change, in the order of their sequence. */
struct pv_err *pv_refcalls_take(struct build *b, const struct pv_change *change);

/* All is over: what is open is not judged. */
struct pv_err *pv_refcalls_end(struct build *b);
void pv_refcalls_deinit(struct build *b);

/* Finds or adds the function of a frame; adds to the calls of one that had that net. */
struct pv_err *pv_refcalls_function(struct build *b, const struct pv_ref_frame *frame,
				    uint32_t *ret);
struct pv_err *pv_refcalls_net(struct build *b, uint32_t function, int64_t net, uint64_t calls);

/* refstays.c: before functions are sorted; the `stays` of at most one. */
void pv_refstays_find(struct build *b);

/* Are they instructions of one source line of one function?  Without a line: the same one. */
bool pv_refcalls_same_place(const struct pv_refs *refs, uint32_t a, uint32_t b);

/* Key in build.via; its value: the places via and inner of a struct pv_refnet_left. */
static inline uint64_t pv_refcalls_via(uint32_t function, uint32_t site)
{
	return (uint64_t)function << 32 | site;
}

#endif
