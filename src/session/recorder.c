/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The recording that a capture grows into.
 * Input: samples, and the profile with their dictionary.
 * Output: a file of recfile/, and at the end a profile read from it.
 */
#include "session/recorder.h"

#include <stdlib.h>

#include "base/output.h"
#include "model/profile.h"
#include "recfile/recfile.h"
#include "session/sink.h"

enum { DEFAULT_NODES = 1000000 };
#define FLUSH_NS 1000000000ULL
#define IDLE_NS  10000000000ULL /* while nothing is sampled: a day of it is 1 MB */

struct pv_recorder {
	struct pv_output *output; /* or NULL */
	bool others;
	struct pv_sink *sink;
	struct pv_profile *profile;
	struct pv_recwriter *writer;
	uint32_t max_nodes;
	uint64_t flushed_ns;
	bool flushed; /* at flushed_ns; else never yet */
	bool sampled; /* since then */
	bool failed;
};

struct pv_err *pv_recorder_create(struct pv_output *output, bool others, struct pv_profile *profile,
				  uint32_t max_nodes, struct pv_recorder **ret)
{
	struct pv_recorder *recorder = calloc(1, sizeof(*recorder));
	struct pv_err *err;

	if (!recorder)
		return &pv_enomem;
	recorder->output = output;
	recorder->others = others;
	recorder->profile = profile;
	recorder->max_nodes = max_nodes ? max_nodes : DEFAULT_NODES;
	err = pv_sink_create(output, &recorder->sink);
	if (!err)
		err = pv_recwriter_create(pv_sink_stream(recorder->sink), profile,
					  &recorder->writer);
	if (err) {
		pv_recorder_destroy(recorder);
		return err;
	}
	*ret = recorder;
	return NULL;
}

void pv_recorder_destroy(struct pv_recorder *recorder)
{
	if (!recorder)
		return;
	pv_recwriter_destroy(recorder->writer);
	pv_sink_destroy(recorder->sink);
	free(recorder);
}

/* Takes an error of the writer; it is the last one. */
static struct pv_err *fail(struct pv_recorder *recorder, struct pv_err *err)
{
	int errnum = err->errnum;

	recorder->failed = true;
	if (err == &pv_enomem || !errnum)
		return err;
	pv_err_destroy(err);
	return pv_err_errno(errnum, "cannot write %s", pv_sink_name(recorder->sink));
}

static struct pv_err *flush(struct pv_recorder *recorder)
{
	struct pv_err *err = pv_recwriter_flush(recorder->writer);

	return err ? fail(recorder, err) : NULL;
}

struct pv_err *pv_recorder_begin(struct pv_recorder *recorder)
{
	struct pv_err *err = flush(recorder);

	if (!err && recorder->output)
		err = pv_output_show(recorder->output);
	if (!err && recorder->others)
		pv_sink_let_move(recorder->sink);
	return err;
}

struct pv_err *pv_recorder_sample(struct pv_recorder *recorder, uint64_t time_ns, uint32_t node,
				  uint32_t thread)
{
	struct pv_err *err;

	if (recorder->failed)
		return NULL;
	recorder->sampled = true;
	err = pv_recwriter_sample(recorder->writer, time_ns, node, thread);
	return err ? fail(recorder, err) : NULL;
}

bool pv_recorder_due(const struct pv_recorder *recorder, uint64_t now_ns)
{
	uint64_t interval_ns = recorder->sampled ? FLUSH_NS : IDLE_NS;

	return !recorder->failed &&
	       (!recorder->flushed || now_ns - recorder->flushed_ns >= interval_ns);
}

struct pv_err *pv_recorder_step(struct pv_recorder *recorder, uint64_t now_ns)
{
	struct pv_err *err = NULL;

	if (pv_recorder_due(recorder, now_ns)) {
		err = flush(recorder);
		recorder->flushed = true;
		recorder->sampled = false;
		recorder->flushed_ns = now_ns;
	}
	if (err || recorder->profile->nodes.n <= recorder->max_nodes)
		return err;
	if (!recorder->failed) {
		err = pv_recwriter_forget_stacks(recorder->writer);
		if (err)
			err = fail(recorder, err);
	}
	pv_profile_forget_stacks(recorder->profile);
	return err;
}

struct pv_err *pv_recorder_stop(struct pv_recorder *recorder)
{
	struct pv_err *err;

	if (recorder->failed)
		return NULL;
	err = pv_recwriter_end(recorder->writer);
	return err ? fail(recorder, err) : NULL;
}

struct pv_err *pv_recorder_keep(struct pv_recorder *recorder, const char *stem, struct pv_str *path)
{
	return pv_sink_keep(recorder->sink, stem, path);
}

int pv_recorder_broken(const struct pv_recorder *recorder)
{
	return pv_sink_moved(recorder->sink);
}

struct pv_err *pv_recorder_read(struct pv_recorder *recorder, struct pv_profile **ret)
{
	/* a write that failed is behind us, and was told */
	return pv_recfile_read(pv_sink_reader(recorder->sink), pv_sink_name(recorder->sink), 0,
			       ret);
}
