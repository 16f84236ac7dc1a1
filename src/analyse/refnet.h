/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each call of a function left behind of an object's reference count, and which function left
 * what nobody gave back.  Input: a struct pv_refs.  Output: sums and one verdict, pure data.
 *
 * An activation of a function is known by where it is on the stack: the same function at the same
 * CFA (of Python: the same code in the same frame), called from the same instruction of the same
 * activation.  One that is not on the thread's stack at a later change has ended.  A function that
 * is called again from the same place with no change between, which stacks alone do not show, is
 * told by the number of its call where its entry is probed.
 */
#ifndef PV_ANALYSE_REFNET_H
#define PV_ANALYSE_REFNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_refs;
struct pv_str;

enum { PV_REFNET_NONE = UINT32_MAX };

enum pv_refnet_verdict {
	PV_REFNET_UNKNOWN,  /* no call of it has been seen whole */
	PV_REFNET_BALANCED, /* 0 in all calls */
	PV_REFNET_GIVES,    /* the same above 0 in all: it returns or keeps a reference */
	PV_REFNET_TAKES,    /* the same below 0 in all: it uses one up */
	PV_REFNET_VARIES,   /* it differs from call to call */
};

struct pv_refnet_net {
	int64_t net;
	uint64_t calls;
};

/* Changes at one site that no other made up for, beyond what calls of the base leave there. */
struct pv_refnet_left {
	uint32_t site; /* index into refs->sites, PV_REFS_NONE: not known */
	uint32_t via;  /* of a function's: where it stood itself then; PV_REFS_NONE */
	/* the same: the last place in its own library on the way, of a function that it called */
	uint32_t inner;
	int64_t sign; /* 1 or -1 */
	uint64_t n;
};

/* +1 at one site that -1 at another made up for. */
struct pv_refnet_pair {
	uint32_t plus, minus;
	uint64_t n;
};

struct pv_refnet_function {
	uint32_t function; /* index into profile->locs */
	bool python, interpreter, probed;
	/*
	 * It leaves one in all calls, and what it took nobody has given back: it forgets it, or
	 * returns or stores the object.
	 */
	bool keeps;
	/*
	 * What it leaves undone in the calls that are off: its base is below 0 and those are not
	 * (it uses up a reference, but in some calls), or above 0 (it returns one).  rebased: that
	 * base is not the one closest to 0, but the rule in half of the calls or more, and what the
	 * others have left is what the count has grown (or fallen) by.
	 */
	bool skips, rebased;
	/*
	 * A place where its calls took about as many as the count has grown by, while all else that
	 * its library took was given back by the library (others): what forgets it is another
	 * function, as a dealloc, that does not touch the object.  n 0: there is none.
	 */
	struct pv_refnet_left stays;
	uint64_t others_plus, others_minus, stays_calls;
	/*
	 * Of Python: it called Py_IncRef() by ctypes or cffi, which no interpreter gives back: at
	 * which site, how often without a Py_DecRef(); where it stood, and what it called (indices
	 * into locs).
	 */
	struct pv_refnet_left by_hand;
	uint32_t hand_loc, hand_by;
	uint32_t depth;   /* the deepest that it stood, root 0 */
	uint64_t changes; /* made while it was on the stack */
	uint64_t touched; /* calls that were seen whole, with changes */
	uint64_t all;     /* the same with those that were given the object and left it as it is */
	uint64_t partial; /* calls that were not seen whole */
	/*
	 * What a call leaves that is as it should be: of the nets that are not rare the one closest
	 * to 0.  excess: what all calls have left beyond that.
	 */
	int64_t base, excess;
	enum pv_refnet_verdict verdict;
	size_t first_net, n_nets;  /* in nets: the most frequent first */
	size_t first_left, n_left; /* in left: the most first; of one that varies or keeps */
};

/* Sums of one site, Python line or C function. */
struct pv_refnet_sum {
	uint32_t key;         /* index into refs->sites or profile->locs */
	uint64_t plus, minus; /* how much was added and taken */
	uint64_t n;           /* changes */
};

struct pv_refnet {
	struct pv_vec functions; /* struct pv_refnet_function: suspects first, then by depth */
	struct pv_vec nets;      /* struct pv_refnet_net */
	struct pv_vec left;      /* struct pv_refnet_left */
	struct pv_vec pairs;     /* struct pv_refnet_pair, of threads: the most first */
	struct pv_vec unmatched; /* struct pv_refnet_left, of threads: the most first */
	struct pv_vec by_site, by_line, by_function; /* struct pv_refnet_sum: the most first */
	uint32_t suspect; /* index into functions; PV_REFNET_NONE: there is none */
	int64_t sum;      /* of all deltas that were seen */
	uint64_t broken;  /* changes whose stack tells no calls apart */
};

struct pv_err *pv_refnet_create(const struct pv_refs *refs, struct pv_refnet **ret);
void pv_refnet_destroy(struct pv_refnet *net);

/* The most frequent site that a function left something at; NULL: none. */
const struct pv_refnet_left *pv_refnet_left_of(const struct pv_refnet *net,
					       const struct pv_refnet_function *function);

/* Calls whose net was off the base, in the direction of the excess. */
uint64_t pv_refnet_off(const struct pv_refnet *net, const struct pv_refnet_function *function);

/* The verdict in words, one sentence without a full stop: what the numbers say and no more. */
struct pv_err *pv_refnet_sentence(const struct pv_refs *refs, const struct pv_refnet *net,
				  struct pv_str *str);

#endif
