/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects that are born at a place, each followed from its birth: until one is found that does not
 * end and that nobody holds.  Input: an object that was born there, changes as the kernel's side
 * tells them.  Output: lives in a struct pv_refs: the one that was lost, and others, which ended.
 *
 * The debug registers watch addresses at which the next ones will be born (session/birthplaces.h).
 * A life of which anything is missing is none.
 */
#ifndef PV_SESSION_LIFETIMES_H
#define PV_SESSION_LIFETIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_change;
struct pv_event_change;
struct pv_heap_object;
struct pv_lifetimes;
struct pv_probed;
struct pv_refs;
struct pv_vec;
struct pv_watchpoint;

enum { PV_LIFETIMES_SIZES = 6 };

struct pv_lifetimes_options {
	struct pv_probed *probed;
	struct pv_watchpoint *watch;
	struct pv_refs *refs;
	const char *pattern; /* of the stack of a birth: session/nextalloc.h; not owned */
	uint64_t type;
	/* objects of it, there or not any more, one for each size of block; not owned, copied */
	const uint64_t *like;
	size_t n_like; /* PV_LIFETIMES_SIZES at most */
	size_t n_slots;
	size_t changes_max;   /* of one life, and of all those that are kept to compare it with */
	double budget;        /* CPUs of the target's time */
	int stop_fd;          /* readable: no search for holders goes on */
	uint64_t patience_ns; /* without any birth at the place: then it is given up */
};

/* None of what the options name is owned.  *why_ret, a static text: it cannot be done, and why. */
struct pv_err *pv_lifetimes_create(const struct pv_lifetimes_options *options,
				   struct pv_lifetimes **ret, const char **why_ret);
void pv_lifetimes_destroy(struct pv_lifetimes *lifetimes);

/* Of the first kind. */
uint32_t pv_lifetimes_block_bytes(const struct pv_lifetimes *lifetimes);

/* The addresses are watched from here on. */
struct pv_err *pv_lifetimes_begin(struct pv_lifetimes *lifetimes, uint64_t start_ns);

/*
 * A change; frames: those of its stack (struct pv_ref_frame), which `first` of the change does not
 * say yet.
 */
struct pv_err *pv_lifetimes_take(struct pv_lifetimes *lifetimes,
				 const struct pv_event_change *event,
				 const struct pv_change *change, const struct pv_vec *frames);

enum pv_lifetimes_news {
	PV_LIFETIMES_GO_ON,
	PV_LIFETIMES_FOUND, /* one that is lost */
	PV_LIFETIMES_NONE,  /* no birth at the place has come to the addresses, for too long */
};

/* What is to be done now and then; after all changes so far were taken. */
struct pv_err *pv_lifetimes_step(struct pv_lifetimes *lifetimes, enum pv_lifetimes_news *ret);

/* Fills in what refs tells of lives; nothing is watched any more. */
struct pv_err *pv_lifetimes_end(struct pv_lifetimes *lifetimes);

/* What was seen, as words for why it was given up: "12 births of other places". */
void pv_lifetimes_say(const struct pv_lifetimes *lifetimes, char *ret, size_t size);

#endif
