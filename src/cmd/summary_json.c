/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of a capture for machines.
 * Input: a profile and the verdicts of analyse/ on it.
 * Output: one JSON object.
 */
#include <string.h>

#include "analyse/verdict.h"
#include "analyse/wait.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "cmd/summary.h"
#include "model/doubts.h"
#include "model/frame.h"
#include "model/profile.h"
#include "model/strings.h"

static double seconds(uint64_t ns)
{
	return ns / 1e9;
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / whole : 0;
}

static void put_string(struct pv_json *json, const char *key, const struct pv_profile *profile,
		       uint32_t id)
{
	pv_json_bytes(json, key, pv_strings_get(profile->strings, id),
		      pv_strings_length(profile->strings, id));
}

/* Samples with what they are in seconds and as a share of all. */
static void put_samples(struct pv_json *json, const char *key, const struct pv_profile *profile,
			uint64_t samples, uint64_t of)
{
	pv_json_begin(json, key, '{');
	pv_json_int(json, "samples", samples);
	if (profile->period_ns)
		pv_json_double(json, "seconds", seconds(samples * profile->period_ns));
	pv_json_double(json, "share", share(samples, of));
	pv_json_end(json, '}');
}

static void put_threads(struct pv_json *json, const struct pv_profile *profile)
{
	pv_json_begin(json, "threads", '[');
	for (size_t i = 0; i < profile->threads.n; i++) {
		const struct pv_profile_thread *thread = pv_vec_at(&profile->threads, i);

		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "pid", thread->pid);
		pv_json_int(json, "tid", thread->tid);
		put_string(json, "name", profile, thread->name);
		pv_json_int(json, "samples", thread->samples);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
}

static void put_processes(struct pv_json *json, const struct pv_profile *profile)
{
	pv_json_begin(json, "processes", '[');
	for (size_t i = 0; i < profile->processes.n; i++) {
		const struct pv_profile_process *process = pv_vec_at(&profile->processes, i);

		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "pid", process->pid);
		pv_json_int(json, "parent_pid", process->parent_pid);
		pv_json_int(json, "generation", process->generation);
		put_string(json, "name", profile, process->name);
		put_string(json, "title", profile, process->title);
		put_string(json, "interpreter", profile, process->interpreter);
		if (process->problem)
			put_string(json, "python_error", profile, process->problem);
		pv_json_int(json, "samples", process->samples);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
}

/* The names as they are, not as a terminal may show them. */
static void put_frame(struct pv_json *json, const struct pv_profile *profile, uint32_t loc_id,
		      const struct pv_lines *lines, bool own)
{
	const struct pv_loc *loc = pv_vec_at(&profile->locs, loc_id);

	pv_json_string(json, "kind", pv_frame_kind(loc->kind));
	put_string(json, "function", profile, loc->function);
	put_string(json, "file", profile, loc->file);
	put_string(json, "module", profile, loc->module);
	pv_json_int(json, "line", lines->hottest);
	pv_json_int(json, "first_line", lines->first);
	pv_json_int(json, "last_line", lines->last);
	pv_json_bool(json, "own", own);
}

static void put_hottest(struct pv_json *json, const struct pv_profile *profile,
			const struct pv_verdict *verdict)
{
	pv_json_begin(json, "hottest", '[');
	for (size_t i = 0; i < verdict->n_hottest; i++) {
		const struct pv_hottest *hottest = &verdict->hottest[i];

		pv_json_begin(json, NULL, '{');
		put_frame(json, profile, hottest->loc, &hottest->lines, hottest->own);
		put_samples(json, "self", profile, hottest->self, verdict->load.samples);
		put_samples(json, "total", profile, hottest->total, verdict->load.samples);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
}

static void put_call(struct pv_json *json, const char *key, const struct pv_profile *profile,
		     const struct pv_call *call, uint64_t samples)
{
	pv_json_begin(json, key, '{');
	put_frame(json, profile, call->loc, &call->lines, call->own);
	put_samples(json, "total", profile, call->total, samples);
	pv_json_end(json, '}');
}

static void put_hotpath(struct pv_json *json, const struct pv_profile *profile,
			const struct pv_verdict *verdict)
{
	pv_json_begin(json, "hottest_path", '[');
	for (size_t i = 0; i < verdict->n_hotpath; i++) {
		const struct pv_hotpath_row *row = &verdict->hotpath[i];

		pv_json_begin(json, NULL, '{');
		pv_json_int(json, "depth", row->depth);
		pv_json_int(json, "folded", row->folded);
		pv_json_bool(json, "recursive", row->call.recursive);
		put_frame(json, profile, row->call.loc, &row->call.lines, row->call.own);
		put_samples(json, "total", profile, row->call.total, verdict->load.samples);
		pv_json_end(json, '}');
	}
	pv_json_end(json, ']');
}

static void put_turn(struct pv_json *json, const struct pv_profile *profile,
		     const struct pv_verdict *verdict)
{
	const struct pv_turn *turn = &verdict->turn;

	pv_json_begin(json, "turning_point", '{');
	put_samples(json, "no_own_code", profile, turn->foreign, verdict->load.samples);
	if (turn->found)
		put_call(json, "what", profile, &turn->what, verdict->load.samples);
	if (turn->has_under)
		put_call(json, "under", profile, &turn->under, verdict->load.samples);
	pv_json_end(json, '}');
}

static void put_wait(struct pv_json *json, const struct pv_wait *wait)
{
	if (!wait->found)
		return;
	pv_json_begin(json, "waiting", '{');
	pv_json_bool(json, "stopped", wait->stopped);
	pv_json_string(json, "function", pv_str_text(&wait->function));
	pv_json_string(json, "place", pv_str_text(&wait->place));
	pv_json_string(json, "thread", pv_str_text(&wait->thread));
	pv_json_int(json, "tid", wait->tid);
	pv_json_int(json, "other_threads", wait->n_others);
	pv_json_int(json, "pid", wait->pid);
	pv_json_int(json, "processes", wait->n_processes > 1 ? wait->n_processes : 1);
	pv_json_end(json, '}');
}

/* The sentences of the text on one line. */
static struct pv_err *put_answer(struct pv_json *json, const struct pv_answer *answer)
{
	struct pv_str line PV_CLEANUP(pv_str_deinit) = {};
	const char *at = pv_str_text(&answer->text), *end;
	struct pv_err *err = NULL;

	for (; !err && (end = strchr(at, '\n')); at = end + 1)
		err = pv_str_appendf(&line, "%s%.*s", line.n ? " " : "", (int)(end - at), at);
	if (!err)
		pv_json_bytes(json, "answer", pv_str_text(&line), line.n);
	return err;
}

/* The same facts as the text's head. */
static void put_load(struct pv_json *json, const struct pv_profile *profile,
		     const struct pv_verdict *verdict)
{
	const struct pv_load *load = &verdict->load;
	const struct pv_layers *layers = &load->layers;

	if (profile->period_ns) {
		pv_json_double(json, "on_cpu_s", seconds(load->cpu_ns));
		pv_json_double(json, "cpus", load->cpus);
		pv_json_bool(json, "idle", load->idle);
	}
	pv_json_bool(json, "no_native", profile->no_native);
	pv_json_bool(json, "no_kernel", profile->no_kernel);
	pv_json_begin(json, "layers", '{');
	put_samples(json, "python", profile, layers->python, load->samples);
	put_samples(json, "native", profile, layers->native, load->samples);
	put_samples(json, "kernel", profile, layers->kernel, load->samples);
	put_samples(json, "marked", profile, layers->other, load->samples);
	pv_json_end(json, '}');
}

static void put_totals(struct pv_json *json, const struct pv_profile *profile,
		       const struct pv_load *load)
{
	if (!pv_totals_known(profile))
		return;
	pv_json_double(json, "samples_expected",
		       profile->period_ns ? (double)profile->target_cpu_ns / profile->period_ns
					  : 0);
	pv_json_int(json, "samples_missing", load->missing);
	pv_json_double(json, "target_cpu_s", seconds(profile->target_cpu_ns));
	pv_json_int(json, "children", profile->n_unwatched);
	pv_json_double(json, "children_cpu_s", seconds(profile->unwatched_cpu_ns));
	pv_json_bool(json, "children_at_least", profile->unwatched_least);
	pv_json_double(json, "own_cpu_s", seconds(profile->own_cpu_ns));
	pv_json_double(json, "bpf_run_s", seconds(profile->probe_ns));
}

static void put_quality(struct pv_json *json, const struct pv_profile *profile,
			const struct pv_load *load)
{
	const struct pv_quality *quality = &profile->quality;

	pv_json_int(json, "samples", quality->samples);
	pv_json_int(json, "samples_lost", load->lost);
	pv_json_int(json, "complete", quality->complete);
	pv_json_int(json, "bridged", quality->bridged);
	pv_json_int(json, "truncated", quality->truncated);
	pv_json_int(json, "marked", quality->marked);
	pv_json_int(json, "with_python", quality->with_python);
	pv_json_int(json, "kernel", quality->kernel);
	pv_json_int(json, "gc", quality->gc);
	pv_losses_json(&profile->losses, json);
	pv_json_bool(json, "cut", profile->cut);
	if (profile->note)
		put_string(json, "note", profile, profile->note);
	put_totals(json, profile, load);
}

static void put_target(struct pv_json *json, const struct pv_profile *profile)
{
	put_string(json, "engine", profile, profile->engine);
	pv_json_int(json, "pid", profile->pid);
	put_string(json, "target", profile, profile->target_name);
	put_string(json, "title", profile, profile->title);
	put_string(json, "interpreter", profile, profile->interpreter);
	if (profile->problem)
		put_string(json, "python_error", profile, profile->problem);
	pv_json_double(json, "duration_s", seconds(profile->duration_ns));
	if (profile->period_ns)
		pv_json_double(json, "period_s", seconds(profile->period_ns));
}

struct pv_err *pv_summary_json(const struct pv_profile *profile, const struct pv_live *live,
			       const char *const *outputs, size_t n_outputs, FILE *file)
{
	struct pv_verdict verdict PV_CLEANUP(pv_verdict_deinit) = {};
	struct pv_wait wait PV_CLEANUP(pv_wait_deinit) = {};
	struct pv_err *err = pv_wait_get(profile, &wait);
	struct pv_json json = { .file = file };

	wait.is_there = live && !profile->ended;
	if (!err)
		err = pv_verdict_of(profile, &wait, &verdict);
	if (err)
		return err;
	pv_json_begin(&json, NULL, '{');
	put_target(&json, profile);
	err = put_answer(&json, &verdict.answer);
	if (err)
		return err;
	put_load(&json, profile, &verdict);
	put_turn(&json, profile, &verdict);
	if (verdict.load.idle)
		put_wait(&json, &wait);
	put_quality(&json, profile, &verdict.load);
	err = pv_doubts_json(profile, &json);
	if (err)
		return err;
	if (live) {
		pv_json_int(&json, "bpf_map_bytes", live->map_bytes);
		pv_json_double(&json, "attach_ms", live->attach_ms);
		pv_json_double(&json, "first_sample_ms", live->first_sample_ms);
	}
	put_processes(&json, profile);
	put_threads(&json, profile);
	put_hottest(&json, profile, &verdict);
	put_hotpath(&json, profile, &verdict);
	pv_json_begin(&json, "outputs", '[');
	for (size_t i = 0; i < n_outputs; i++)
		pv_json_string(&json, NULL, outputs[i]);
	pv_json_end(&json, ']');
	if (live && live->cut_output)
		pv_json_string(&json, "output_cut_off", live->cut_output);
	pv_json_end(&json, '}');
	fputc('\n', file);
	return NULL;
}
