/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who refers to given objects, and which of them has been lost: its count says more than
 * anyone can be found to hold.  Input: addresses of objects, a search through all of a
 * process's writable memory and registers.  Output: per object its count, where references
 * to it are, and how many are missing.
 *
 * "Lost" accuses, so everything that may be a reference counts as one: stale words, pointers
 * into the object, with marks, at odd addresses, in registers and on dead stacks, and all
 * places where one was ever seen in several looks apart.  What cannot be right is not
 * accused either: what is immortal, is no block of an allocator (static objects have a count
 * of 1 that nobody holds), is gone or changed meanwhile, or while a part of memory could not
 * be read.  So a lost reference may be missed; one that is there is never called lost.
 *
 * Links of the garbage collector's lists are no references, nor is what lies in memory that
 * nobody uses (heap/unused.h).
 */
#ifndef PV_HEAP_HOLDERS_H
#define PV_HEAP_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"
#include "heap/search.h"

struct pv_heap;

enum { PV_HOLDERS_OBJECTS_MAX = 1 << 20 };

struct pv_holders_options {
	bool lost;           /* look again, twice and more, for those that nobody holds */
	uint64_t apart_ns;   /* time between two whole looks; 0: half a second */
	uint32_t places_max; /* to keep of each object; 0: 64 */
};

/* Why an object's missing references prove nothing; the first that holds. */
enum pv_held_state {
	PV_HELD_KNOWN,
	PV_HELD_NO_OBJECT, /* no object is there, or not any more */
	PV_HELD_IMMORTAL,
	PV_HELD_STATIC,  /* part of a module's data, not of the heap */
	PV_HELD_CHANGES, /* its count or type changed from one look to the other */
	PV_HELD_MANY,    /* more places than are kept */
};

struct pv_held {
	uint64_t address;
	uint64_t size;     /* bytes of it, what is in front of it included */
	uint64_t start;    /* where they begin */
	uint64_t refcount; /* as of the first look */
	uint64_t found;    /* references found in the first look */
	uint64_t lost;     /* so many more than anyone holds; only with options.lost */
	uint64_t type;     /* address of its type */
	size_t first;      /* its places: found, as far as they are kept */
	uint32_t n_places;
	uint8_t state; /* enum pv_held_state */
};

struct pv_place_held {
	uint64_t at; /* of the word; or a register, see pv_heap_search_register() */
	uint32_t object;
};

struct pv_holders {
	struct pv_held *objects; /* as they were given */
	size_t n_objects;
	struct pv_place_held *places; /* those of an object together, by address */
	size_t n_places;
	uint64_t bytes, unread; /* of the first look */
	uint64_t took_ns;       /* of the first look */
	uint64_t all_ns;        /* of all of them, with the time between */
	uint32_t threads;       /* whose registers were looked through */
	uint32_t looks;         /* whole ones that were made of those in question */
	uint32_t quick;         /* and quick ones */
	bool partial;           /* not all could be read: nothing is called lost */
};

/*
 * search is used from its beginning; pv_heap is to read the process's memory as it is.
 * Free-threaded builds have no one count: with options.lost they are PV_ERR_NOPROC.
 */
struct pv_err *pv_holders_find(struct pv_heap *heap, struct pv_heap_search *search,
			       const uint64_t *addresses, size_t n,
			       const struct pv_holders_options *options, struct pv_holders *ret);
void pv_holders_deinit(struct pv_holders *holders);

#endif
