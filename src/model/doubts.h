/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How far a profile can be trusted, decided here for all who say it: the summary,
 * the page, the picture and the comments of other files.
 */
#ifndef PV_MODEL_DOUBTS_H
#define PV_MODEL_DOUBTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"

struct pv_json;
struct pv_profile;
struct pv_quality;

/*
 * Is it known what CPU time the target, pitviper and children that are not recorded used?
 * Not of a part of a capture, nor of a recording that breaks off before it says so.
 */
bool pv_totals_known(const struct pv_profile *profile);

struct pv_missing {
	uint64_t samples; /* all of the profile's stacks */
	uint64_t lost;    /* those of which nothing was kept */
	uint64_t
		cpu_ns; /* that the samples stand for, or if some are missing, as the kernel says */
	uint64_t expected; /* samples that the target's CPU time is worth; 0 = not known */
	uint64_t missing;  /* of those, neither taken nor counted as lost; 0 within the noise */
};
struct pv_missing pv_missing_of(const struct pv_profile *profile);

/*
 * "2 child processes used 2.0 s of CPU meanwhile", without what to do about it;
 * nothing if it is not worth a word: of what a program spends in children the
 * rest of the profile says nothing.
 */
struct pv_err *pv_unwatched_text(const struct pv_profile *profile, struct pv_str *str);

/* "99.96 % complete", cut and not rounded, or "all complete"; there must be samples. */
struct pv_err *pv_complete_text(const struct pv_quality *quality, struct pv_str *str);

enum pv_doubt_kind {
	PV_DOUBT_CUT,        /* the recording breaks off */
	PV_DOUBT_NOTE,       /* what its reader says of it */
	PV_DOUBT_LOST,       /* samples */
	PV_DOUBT_GAPS,       /* other things that happened and are not in it */
	PV_DOUBT_PYTHON,     /* cannot be read */
	PV_DOUBT_KERNEL,     /* no function of it has a name */
	PV_DOUBT_UNKNOWN,    /* how whole the stacks are */
	PV_DOUBT_INCOMPLETE, /* stacks, too many */
	PV_DOUBT_MARKED,     /* the same */
	PV_DOUBT_COST,       /* of the watching, too high */
	PV_DOUBT_MISSING,    /* samples, by the target's CPU time */
	PV_DOUBT_CHILDREN,   /* that are not recorded */
	PV_DOUBT_SOURCES,    /* that may be newer than what the process read */
};

/* One reason not to trust a capture as it is; text: a sentence without its full stop, names in it
 * are the bytes that they are. */
struct pv_doubt {
	enum pv_doubt_kind kind;
	struct pv_str text;
};

/* struct pv_doubt; none: all is well, and whoever has green for that shows it just then. */
struct pv_err *pv_doubts_of(const struct pv_profile *profile, struct pv_vec *ret);
void pv_doubts_deinit(struct pv_vec *doubts);

/* The same as a list "doubts" of their sentences, for the summary and the page. */
struct pv_err *pv_doubts_json(const struct pv_profile *profile, struct pv_json *json);

#endif
