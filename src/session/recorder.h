/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The recording that a capture grows into, so that its memory does not: samples
 * go to a file as they come, and at the end everything is read back for the
 * other outputs.  The file is the one that the user wants to keep, or one without
 * a name.
 *
 * What a session does with it:
 *   pv_recorder_create()   when the outputs are open, before the target is touched
 *   pv_recorder_begin()    when the events are on
 *   pv_recorder_sample()   for each sample, in place of pv_profile_add()
 *   pv_recorder_step()     after each drain, the profile's totals being as of now
 *   pv_recorder_stop()     after the last drain, the totals being final
 *   pv_recorder_read()     gives the profile that the outputs are written from
 */
#ifndef PV_SESSION_RECORDER_H
#define PV_SESSION_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct pv_output;
struct pv_profile;
struct pv_recorder;
struct pv_str;

/*
 * output: where the user wants the recording, one that pv_output_can_show(); NULL:
 * a file without a name (session/sink.h).  others: there are other outputs, which
 * shall have everything even if that one breaks off.  profile: the capture's
 * strings, locations, nodes and so on.  Neither is owned; both must outlive the
 * recorder.  max_nodes: stacks are forgotten when the tree has more (0: 1,000,000).
 */
struct pv_err *pv_recorder_create(struct pv_output *output, bool others, struct pv_profile *profile,
				  uint32_t max_nodes, struct pv_recorder **ret);
void pv_recorder_destroy(struct pv_recorder *recorder);

/*
 * Writes what is known of the capture and lets the file appear under its name, in
 * place of an older one.
 */
struct pv_err *pv_recorder_begin(struct pv_recorder *recorder);

/*
 * time_ns: since the start of the capture.  node and thread are of the profile, which
 * needs no samples and no ticks of its own.
 *
 * The first write that fails, in whichever of these functions, is returned as an
 * error, and the capture should end with it.  From then on they do nothing and
 * return NULL; pv_recorder_read() still has what was written until then.
 */
struct pv_err *pv_recorder_sample(struct pv_recorder *recorder, uint64_t time_ns, uint32_t node,
				  uint32_t thread);

/* Whether pv_recorder_step() will write totals, if they cost something to find out. */
bool pv_recorder_due(const struct pv_recorder *recorder, uint64_t now_ns);

/*
 * Once a second (of now_ns, any clock) what there is reaches the kernel, so that a
 * kill -9 loses no more than that; every ten seconds while nothing is sampled.  May forget all
 * stacks of the profile: no node id may be held across this call.
 */
struct pv_err *pv_recorder_step(struct pv_recorder *recorder, uint64_t now_ns);

/* The end of the recording: the last totals, and the mark that it is whole. */
struct pv_err *pv_recorder_stop(struct pv_recorder *recorder);

/* Everything as a profile of the caller's own.  After pv_recorder_stop() only. */
struct pv_err *pv_recorder_read(struct pv_recorder *recorder, struct pv_profile **ret);

/*
 * Gives what is read a name where it is, so that it stays: for when other outputs cannot be
 * written. Only if it is in no file of the user's (session/sink.h).
 */
struct pv_err *pv_recorder_keep(struct pv_recorder *recorder, const char *stem,
				struct pv_str *path);

/*
 * Not 0: the user's recording breaks off, by this errno, and the rest went elsewhere
 * for the others.
 */
int pv_recorder_broken(const struct pv_recorder *recorder);

#endif
