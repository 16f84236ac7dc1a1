/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the frames of a merged stack to locations of a profile.  Input: object
 * ids with addresses, code keys with bytecode offsets, kernel addresses.
 * Output: pv_loc ids and nodes of the stack tree.
 */
#ifndef PV_SESSION_SYMBOLISE_H
#define PV_SESSION_SYMBOLISE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct pv_codes;
struct pv_merged;
struct pv_objects;
struct pv_profile;
struct pv_symboliser;

/* None of the arguments is owned; all must outlive the symboliser. */
struct pv_err *pv_symboliser_create(struct pv_objects *objects, struct pv_codes *codes,
				    struct pv_profile *profile, struct pv_symboliser **ret);
void pv_symboliser_destroy(struct pv_symboliser *symboliser);

/* Begins to read the names of the kernel, which takes long; else the first kernel frame does. */
struct pv_err *pv_symboliser_begin_kernel(struct pv_symboliser *symboliser);

struct pv_image;
struct pv_origins;
struct pv_perfmap;

/* From here on it is noted of which instructions nodes are; not owned, NULL: no more. */
void pv_symboliser_note(struct pv_symboliser *symboliser, struct pv_origins *origins);

/*
 * Frames in a mapping that the walkers did not know yet are named by this image,
 * as it is at that time, and code that no file is behind by the process's perf map;
 * neither is owned, NULL = none.
 */
void pv_symboliser_use_image(struct pv_symboliser *symboliser, const struct pv_image *image,
			     struct pv_perfmap *perfmap);

/* True if the names of all Python frames have arrived. */
bool pv_symboliser_ready(struct pv_symboliser *symboliser, const struct pv_merged *merged);

/*
 * The leaf's node of the stack below parent.  missing_ret: Python frames whose
 * names never arrived, shown as "[unknown code]".
 */
struct pv_err *pv_symbolise(struct pv_symboliser *symboliser, const struct pv_merged *merged,
			    uint32_t parent, uint32_t *node_ret, uint32_t *missing_ret);

struct pv_frame_ref;

/* The location of one frame of a stack that has been symbolised; shown_ret: it has one. */
struct pv_err *pv_symbolise_frame(struct pv_symboliser *symboliser, const struct pv_frame_ref *ref,
				  bool *shown_ret, uint32_t *loc_ret);

/* The location of a Python frame that is on no stack; known_ret: its names have arrived. */
struct pv_err *pv_symbolise_python(struct pv_symboliser *symboliser, uint64_t code, uint32_t lasti,
				   bool *known_ret, uint32_t *loc_ret);

#endif
