/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goes through the chunks of a recording, from its start up to where it ends or
 * breaks off.  Nothing in it is trusted: memory stays in proportion to the
 * file's size.
 */
#ifndef PV_RECFILE_SCAN_H
#define PV_RECFILE_SCAN_H

#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "recfile/bytes.h"

struct pv_rec_scan {
	FILE *file;
	const char *name;   /* of the file, for messages */
	uint64_t size;      /* of the file */
	uint64_t at;        /* where the next chunk begins */
	const char *broken; /* why there is no next chunk; NULL: the file ends here */
	struct pv_vec payload, plain;
};

struct pv_rec_chunk {
	uint64_t at; /* where it begins */
	uint16_t type, flags;
	struct pv_cursor payload; /* valid until the next chunk is asked for */
};

/* Of a file that outlives it, called name in messages. */
struct pv_rec_scan pv_rec_scan_of(FILE *file, const char *name);
void pv_rec_scan_deinit(struct pv_rec_scan *scan);

/* Goes to the first chunk; what is not a recording is PV_ERR_FAILED. */
struct pv_err *pv_rec_scan_begin(struct pv_rec_scan *scan);

/* The next whole chunk with a right checksum; false: there is none. */
struct pv_err *pv_rec_scan_next(struct pv_rec_scan *scan, struct pv_rec_chunk *chunk,
				bool *more_ret);

/* The plain payload of a compressed chunk; cursor->bad if it is not what it says. */
struct pv_err *pv_rec_scan_unpack(struct pv_rec_scan *scan, struct pv_cursor *cursor);

#endif
