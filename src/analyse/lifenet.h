/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a life that does not end has that those which ended have not, or lacks.  Input: a struct
 * pv_refs with lives.  Output: sums of each function, and one verdict, pure data.
 *
 * A change is its owner's: of the frames on its stack the innermost that is not Python's own, a
 * native function, else the Python function that runs.  What an owner adds and takes in one life is
 * its net; those of a life that has ended come to 0 together, the others to the count that is left.
 */
#ifndef PV_ANALYSE_LIFENET_H
#define PV_ANALYSE_LIFENET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_refnet;
struct pv_refs;
struct pv_str;

enum { PV_LIFENET_NONE = UINT32_MAX };

/* Where an owner adds or takes. */
struct pv_lifenet_place {
	uint32_t owner; /* index into owners */
	uint32_t site;  /* index into refs->sites; of Python, and where it is not known: NONE */
	uint32_t loc;   /* index into profile->locs: of Python the line, else the function */
	int64_t sign;
	uint64_t n;       /* in the life that is shown */
	uint64_t n_ended; /* in all that ended */
	uint64_t lives;   /* of those: in so many */
};

struct pv_lifenet_owner {
	uint32_t function; /* index into profile->locs */
	bool python, interpreter;
	bool shown;                /* the life that is shown has changes of it */
	int64_t net;               /* in that life */
	uint64_t less, same, more; /* ended lives in which its net is that, against this one's */
	int64_t common;            /* of the ended ones: the net of most */
	uint64_t n_common;
	uint64_t lives; /* ended ones that it touched */
};

enum pv_lifenet_why {
	PV_LIFENET_NOTHING,    /* nobody is accused */
	PV_LIFENET_NOT_GIVEN,  /* in the others it gives back at `given` what it took */
	PV_LIFENET_TAKEN,      /* it took at `taken`, which it does not in most others */
	PV_LIFENET_NOT_HANDED, /* it took as in the others, in which another gives it back */
	PV_LIFENET_NOT_LET_GO, /* Python code made it for that, which gives the others back */
	PV_LIFENET_ALONE,      /* there are no others: it took, and nobody gave back */
};

struct pv_lifenet {
	struct pv_vec owners; /* struct pv_lifenet_owner: those that differ most first */
	struct pv_vec places; /* struct pv_lifenet_place, by owner */
	uint64_t n_ended;     /* lives that were compared */
	uint32_t accused;     /* index into owners; NONE */
	enum pv_lifenet_why why;
	uint32_t taken, given; /* indices into places; NONE: it does not show */
};

/* refs->lives.on */
struct pv_err *pv_lifenet_create(const struct pv_refs *refs, struct pv_lifenet **ret);
void pv_lifenet_destroy(struct pv_lifenet *net);

/*
 * There is no life to compare with, and in this one the accused has taken more than one: calls pass
 * through it, and what each of them leaves, if that accuses one (analyse/refnet.h), tells more.
 */
bool pv_lifenet_is_less(const struct pv_lifenet *lives, const struct pv_refnet *net);

/* The verdict in words, one sentence without a full stop. */
struct pv_err *pv_lifenet_sentence(const struct pv_refs *refs, const struct pv_lifenet *net,
				   struct pv_str *str);

/* "ext.c:120", "app.py:41" */
struct pv_err *pv_lifenet_place_text(const struct pv_refs *refs,
				     const struct pv_lifenet_place *place, struct pv_str *str);

#endif
