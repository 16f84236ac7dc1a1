/* SPDX-License-Identifier: BSD-2-Clause */
/* What reading a recording works on; the parts of recfile/ that read share it. */
#ifndef PV_RECFILE_READER_H
#define PV_RECFILE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"
#include "recfile/recfile.h"
#include "recfile/scan.h"

enum { PV_REC_UNKNOWN_MAX = 8 };               /* types that the note names */
#define PV_REC_TIME_MAX    ((uint64_t)1 << 62) /* 146 years */
#define PV_REC_SAMPLES_MAX ((uint64_t)1 << 53) /* what a double, and JSON, can hold */

/* What the first pass found. */
struct pv_rec_overview {
	uint64_t end;  /* of what is whole */
	uint64_t size; /* of the file */
	bool ended;    /* the chunk that says so was there */
	const char *broken;
	bool has_times, has_counts;
	uint64_t last_ns, duration_ns, slice_ns, n_slices;
};

struct pv_memory;

struct pv_rec_reader {
	struct pv_rec_scan scan;
	struct pv_rec_overview overview;
	const struct pv_recfile_options *options;
	struct pv_profile *profile;
	struct pv_memory *memory; /* of a hunt, which then has the profile; else NULL */
	const char *malformed;    /* what is wrong with a chunk: reading stops before it */

	/* uint32_t: from an id in the file to the one in the profile */
	struct pv_vec strings, locs, nodes, processes, threads;
	struct pv_vec looks, types, sites; /* of a hunt */
	size_t n_modules;
	bool forgot;     /* nodes may be told again */
	bool has_totals; /* so far */

	uint64_t n_samples;  /* in the file */
	uint64_t n_kept;     /* of them in the profile */
	uint64_t n_timeless; /* left out, because it is not known when they were */
	uint64_t tail;       /* kept after the last TOTALS */
	uint64_t last_ns;
	uint64_t n_odd_locs, n_odd_losses;
	uint64_t n_unknown; /* chunks, of these types: */
	size_t n_unknown_types;
	uint16_t unknown[PV_REC_UNKNOWN_MAX];
};

/*
 * Takes a chunk into the profile.  What breaks a rule of docs/recording.md sets
 * reader->malformed; elements of the chunk before that stay.
 */
struct pv_err *pv_rec_take_chunk(struct pv_rec_reader *reader, struct pv_rec_chunk *chunk);

/* What its parts share: an id of the file, as the profile has it; false: malformed. */
bool pv_rec_malformed(struct pv_rec_reader *reader, const char *what);
bool pv_rec_take_id(struct pv_rec_reader *reader, struct pv_cursor *cursor,
		    const struct pv_vec *map, const char *what, uint32_t *ret);
bool pv_rec_take_string(struct pv_rec_reader *reader, struct pv_cursor *cursor, uint32_t *ret);

/* The same of the chunks of a hunt; false: it is none of them. */
bool pv_rec_take_hunt(struct pv_rec_reader *reader, unsigned int type, struct pv_cursor *cursor,
		      struct pv_err **err_ret);

#endif
