/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of recfile/ that write share. */
#ifndef PV_RECFILE_WRITER_H
#define PV_RECFILE_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"
#include "recfile/format.h"

struct pv_recwriter;

/* Appends varints.  bytes: PV_VEC(uint8_t). */
struct pv_err *pv_rec_put_numbers(struct pv_vec *bytes, const uint64_t *numbers, size_t n);

#define PV_REC_PUT_NUMBERS(bytes, ...)                                                             \
	pv_rec_put_numbers(bytes, (const uint64_t[]){ __VA_ARGS__ },                               \
			   sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

/* Writes a chunk, unless it is empty, behind what it refers to, and empties the payload. */
struct pv_err *pv_recwriter_chunk(struct pv_recwriter *writer, enum pv_rec_type type,
				  struct pv_vec *payload);

#endif
