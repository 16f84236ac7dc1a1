/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one object that is to be followed.  Input: an address, the name of a type, the name of a
 * variable; the process's memory.  Output: an object that is one, and may be followed.
 */
#ifndef PV_SESSION_CHOSEN_H
#define PV_SESSION_CHOSEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_next;
struct pv_probed;

enum pv_choice_kind {
	PV_CHOICE_ADDRESS,
	PV_CHOICE_TYPE, /* an instance of it */
	PV_CHOICE_NAME, /* text: "module.attr" */
	PV_CHOICE_LOST, /* one that has references that nobody holds */
	/* any of the type, be it gone: of each size of theirs one, PV_CHOSEN_SIZES at most */
	PV_CHOICE_LIKE,
	PV_CHOICE_NEXT, /* text: the next one that is allocated at such a place, and lives on */
};

struct pv_choice {
	enum pv_choice_kind kind;
	uint64_t address;
	const char *text;
	const char *type; /* of that type alone; NULL: of any, where it may be */
	uint64_t wait_ns; /* NEXT: no longer than that */
	int stop_fd;      /* NEXT, LOST: until that is readable */
	double budget;    /* NEXT: CPUs that it may take of the target's time */
	bool newest;      /* TYPE: the youngest of the collector's list */
	size_t nth;       /* TYPE: from 1 on; 0: not said */
};

enum { PV_CHOSEN_SIZES = 6 };

struct pv_chosen {
	uint64_t address;
	/*
	 * LIKE: in the order of how many of the youngest have such blocks, then of malloc()'s those
	 * in which some have been; the first is address
	 */
	uint64_t like[PV_CHOSEN_SIZES];
	size_t n_like;
	uint64_t type; /* its ob_type */
	int64_t count;
	char *type_name;      /* owned */
	char *note;           /* what is to be known of it, "" or a sentence; owned */
	uint64_t waited_ns;   /* NEXT: for it */
	struct pv_next *next; /* NEXT: what has seen it, which takes a while to go */
};

/*
 * An address that is no object, an object that is not counted (immortal), or none of that name:
 * an error that says so.  any: its count does not matter (--field).
 */
struct pv_err *pv_choose(struct pv_probed *probed, const struct pv_choice *choice, bool any,
			 struct pv_chosen *ret);
void pv_chosen_deinit(struct pv_chosen *chosen);

/*
 * Once it is watched, and so every end of it is seen: is it what was chosen, and not another of
 * the type that was born in its place before?  PV_ERR_FAILED says that it is not.
 */
struct pv_err *pv_chosen_check(struct pv_probed *probed, const struct pv_choice *choice,
			       const struct pv_chosen *chosen);

/* It is followed now: what was needed to find it goes. */
void pv_chosen_settle(struct pv_chosen *chosen);

#endif
