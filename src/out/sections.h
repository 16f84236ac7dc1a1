/* SPDX-License-Identifier: BSD-2-Clause */
/* The sections that the data of all pages has; the others are those of their writers. */
#ifndef PV_OUT_SECTIONS_H
#define PV_OUT_SECTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_json;
struct pv_losses;
struct pv_profile;
struct pv_viewer;

/* Appends numbers; each section is made of these and of texts.  bytes: PV_VEC(uint8_t). */
struct pv_err *pv_sections_put(struct pv_vec *bytes, const uint64_t *numbers, size_t n);

#define PV_SECTIONS_PUT(bytes, ...)                                                                \
	pv_sections_put(bytes, (const uint64_t[]){ __VA_ARGS__ },                                  \
			sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t))

/* Writes the section and empties bytes. */
struct pv_err *pv_sections_flush(struct pv_viewer *viewer, const char *tag, struct pv_vec *bytes);

/*
 * META: what is small and has names of its own, JSON: "view", what fill() adds, then the lists
 * "processes", "threads" and "modules".
 */
struct pv_err *pv_sections_meta(struct pv_viewer *viewer, const char *view,
				const struct pv_profile *profile,
				struct pv_err *(*fill)(void *ctx, struct pv_json *json), void *ctx);

/* Into META: a string by its id. */
void pv_sections_string(struct pv_json *json, const struct pv_profile *profile, const char *key,
			uint32_t id);

/* Of "capture": what was looked at, and when. */
void pv_sections_target(struct pv_json *json, const struct pv_profile *profile);

/* The object "causes": what is to be said of each loss that there was. */
void pv_sections_causes(struct pv_json *json, const struct pv_losses *losses);

/* STRS; FUNC and LOCS; SRCS.  bytes: scratch, empty. */
struct pv_err *pv_sections_strings(struct pv_viewer *viewer, const struct pv_profile *profile,
				   struct pv_vec *bytes);
struct pv_err *pv_sections_locs(struct pv_viewer *viewer, const struct pv_profile *profile,
				struct pv_vec *bytes);
struct pv_err *pv_sections_sources(struct pv_viewer *viewer, const struct pv_profile *profile,
				   struct pv_vec *bytes);

/* NUPS and NLOC.  place_ret: by node its place among those written, the caller's (free). */
struct pv_err *pv_sections_nodes(struct pv_viewer *viewer, const struct pv_profile *profile,
				 uint32_t **place_ret);

#endif
