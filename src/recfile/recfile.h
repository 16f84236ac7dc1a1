/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recordings (.pvr): a profile as a file that grows by typed, length-prefixed,
 * checksummed chunks and is readable up to wherever it breaks off.  Written
 * while a capture runs, or whole from a profile; read into a profile.  The
 * bytes are described in docs/recording.md.
 */
#ifndef PV_RECFILE_RECFILE_H
#define PV_RECFILE_RECFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct pv_memory;
struct pv_profile;
struct pv_recwriter;

/*
 * profile is the dictionary of the capture: its strings, locations, nodes,
 * processes, threads, modules and sources are written once each, when they have
 * come.  Its samples and ticks are not looked at: those pass through
 * pv_recwriter_sample().  Neither file nor profile is owned; both must outlive
 * the writer.
 */
struct pv_err *pv_recwriter_create(FILE *file, const struct pv_profile *profile,
				   struct pv_recwriter **ret);
void pv_recwriter_destroy(struct pv_recwriter *writer);

/* time_ns: since the start of the capture.  Reaches the file at the next flush, or before. */
struct pv_err *pv_recwriter_sample(struct pv_recwriter *writer, uint64_t time_ns, uint32_t node,
				   uint32_t thread);

/*
 * What there is reaches the kernel, with the totals and losses of the profile
 * as they are now: a kill -9 after it loses none of it.
 */
struct pv_err *pv_recwriter_flush(struct pv_recwriter *writer);

/*
 * The nodes of the profile are about to be forgotten (pv_profile_forget_stacks()):
 * what is pending is written, node ids start anew.
 */
struct pv_err *pv_recwriter_forget_stacks(struct pv_recwriter *writer);

/* The last flush, and the mark that the recording is whole. */
struct pv_err *pv_recwriter_end(struct pv_recwriter *writer);

/* A whole profile as a recording. */
struct pv_err *pv_recfile_write(const struct pv_profile *profile, FILE *file);

/* The same of a hunt for memory. */
struct pv_err *pv_recfile_write_memory(const struct pv_memory *memory, FILE *file);

/*
 * Reads from the file's start; it must be one that can be positioned.  name is for
 * messages.  What is not a recording is PV_ERR_FAILED; one that breaks off, or
 * whose chunk does not match its checksum, is read up to there and profile->cut is
 * set.  profile->note says so, and what else a reader should know.  max_slices:
 * time is kept in that many slices at most (0: 4096).
 */
struct pv_err *pv_recfile_read(FILE *file, const char *name, uint32_t max_slices,
			       struct pv_profile **ret);

struct pv_recfile_options {
	uint32_t max_slices;
	bool no_source;
	/* only samples from from_ns on and before to_ns, since the start; to_ns 0: to the end */
	uint64_t from_ns, to_ns;
};

/* The same, of a part of it: the profile begins at from_ns. */
struct pv_err *pv_recfile_read_part(FILE *file, const char *name,
				    const struct pv_recfile_options *options,
				    struct pv_profile **ret);

/*
 * The same of a recording of whatever kind: of a hunt it is memory_ret, which has the profile,
 * and profile_ret is NULL; else the other way round.  The others refuse hunts.
 */
struct pv_err *pv_recfile_read_any(FILE *file, const char *name,
				   const struct pv_recfile_options *options,
				   struct pv_profile **profile_ret, struct pv_memory **memory_ret);

#endif
