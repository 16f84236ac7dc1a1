/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The outputs of a command: opened by path and format before the work begins,
 * written from one profile, trace or hunt for memory, at its end.
 */
#ifndef PV_CMD_OUTPUTS_H
#define PV_CMD_OUTPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_format;
struct pv_memory;
struct pv_output;
struct pv_profile;
struct pv_refs;
struct pv_trace;

struct pv_outputs {
	const struct pv_format *const *table; /* of the formats: pv_formats or the like */
	struct pv_vec paths;                  /* const char *, not owned: as the user gave them */
	struct pv_vec files;                  /* struct pv_output *, in the order of paths */
	struct pv_vec formats;
	struct pv_output *recording; /* one of files, or NULL: grows while a capture runs */
	/* after pv_outputs_write() */
	const char *cut; /* the recording's path if it breaks off */
	bool lost;       /* one that is a file, not a pipe or the like, could not be written */
};

void pv_outputs_init(struct pv_outputs *outputs);
void pv_outputs_init_traces(struct pv_outputs *outputs);
void pv_outputs_init_refs(struct pv_outputs *outputs);
void pv_outputs_init_memory(struct pv_outputs *outputs);
void pv_outputs_deinit(struct pv_outputs *outputs);

/*
 * Opens one more.  format NULL: by the end of the path, which must outlive the
 * outputs.  A binary format on a terminal is PV_ERR_USAGE.
 */
struct pv_err *pv_outputs_add(struct pv_outputs *outputs, const char *path,
			      const struct pv_format *format);

/* All of paths (const char *), in order. */
struct pv_err *pv_outputs_add_all(struct pv_outputs *outputs, const struct pv_vec *paths,
				  const struct pv_format *format);

/*
 * The first output that is a recording and has a name to appear under, NULL if there
 * is none.  From here on it is the capture's to write: pv_outputs_write() only ends it.
 */
struct pv_output *pv_outputs_take_recording(struct pv_outputs *outputs);

/*
 * Each in its format, then under its name; paths are then those that were written whole.
 * recording_cut: the one that was taken breaks off.  The error tells of each that could not
 * be written; where that was for want of room, how much it takes.
 */
struct pv_err *pv_outputs_write(struct pv_outputs *outputs, const struct pv_profile *profile,
				bool recording_cut);

/* The same of outputs of pv_outputs_init_traces(). */
struct pv_err *pv_outputs_write_trace(struct pv_outputs *outputs, const struct pv_trace *trace);

/* The same of outputs of pv_outputs_init_refs(). */
struct pv_err *pv_outputs_write_refs(struct pv_outputs *outputs, const struct pv_refs *refs);

/* The same of outputs of pv_outputs_init_memory(). */
struct pv_err *pv_outputs_write_memory(struct pv_outputs *outputs, const struct pv_memory *memory);

static inline const char *const *pv_outputs_paths(const struct pv_outputs *outputs)
{
	return outputs->paths.data;
}

/* "Wrote a.html, b.pvr"; nothing for none. */
struct pv_str;
struct pv_err *pv_outputs_say(const char *const *paths, size_t n, struct pv_str *str);

/* Where a summary goes: to otherwise, but to stderr if an output is standard output itself. */
FILE *pv_outputs_summary_file(const struct pv_outputs *outputs, FILE *otherwise);

#endif
