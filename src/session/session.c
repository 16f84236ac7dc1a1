/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flow of a capture: create, step, stop.  Input: records and side-band
 * events of collect/.  Output: the profile.  Who is watched and what they run
 * is session/family.c.
 */
#include "session/session.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "abi/event.h"
#include "analyse/load.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/vec.h"
#include "collect/collect.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/family.h"
#include "session/launch.h"
#include "session/losses.h"
#include "session/recorder.h"
#include "session/sources.h"
#include "session/symbolise.h"
#include "session/unwatched.h"
#include "session/waiting.h"
#include "session/watched.h"
#include "snap/merge.h"
#include "snap/objects.h"
#include "symbol/python.h"
#include "target/process.h"

enum {
	PENDING_DRAINS = 3, /* a sample waits that often for names that are on their way */
	SIDE_NS = 2000000,  /* between looks at the side-band while samples are taken in */
	HURRY_MS = 1,       /* until a process is looked at again that is in the midst of an exec */
};

/* A sample whose names have not all arrived yet. */
struct pending {
	struct pv_event_sample *sample; /* owned copy */
	unsigned int drains;
};

struct pv_session {
	struct pv_session_options options;
	pid_t launched; /* by us; 0: none */
	bool held;      /* not released yet */
	bool gone;      /* all that were named have ended */
	uint64_t start_ns, attached_ns, first_sample_ns, end_ns;
	uint64_t side_ns; /* when the side-band was last looked at amid samples */
	uint64_t kernel_losses[PV_LOSS_MAX]; /* those in the profile that the kernel counted */

	struct pv_objects *objects;
	struct pv_collect *collect;
	struct pv_codes *codes;
	struct pv_profile *profile;   /* of the capture: all but samples and ticks */
	struct pv_recorder *recorder; /* those go there */
	struct pv_profile *result;    /* everything, read back after the stop; else NULL */
	struct pv_family *family;
	struct pv_symboliser *symboliser;
	struct pv_sources *sources;     /* or NULL */
	struct pv_unwatched *unwatched; /* NULL: children are recorded */
	struct pv_merged merged;
	struct pv_vec pending;      /* struct pending */
	struct pv_map thread_roots; /* index of a thread -> location of its root frame */
};

/*
 * Puts a thread's root frame below node if the user wants one.  It keeps the name of the
 * thread's first sample: one thread is one frame.
 */
static struct pv_err *thread_root(struct pv_session *s, uint32_t thread, uint32_t *node)
{
	const struct pv_profile_thread *info = pv_vec_at(&s->profile->threads, thread);
	struct pv_loc loc = { .kind = PV_LOC_THREAD };
	struct pv_err *err;
	char text[64];
	uint64_t known;
	uint32_t id;
	int n;

	if (!s->options.threads)
		return NULL;
	if (pv_map_get(&s->thread_roots, thread, &known))
		return pv_profile_node(s->profile, *node, known, node);
	n = snprintf(text, sizeof(text), "thread %s (%u)",
		     pv_strings_get(s->profile->strings, info->name), info->tid);
	err = pv_strings_add(s->profile->strings, text, n, &loc.function);
	if (!err)
		err = pv_profile_loc(s->profile, &loc, &id);
	if (!err)
		err = pv_map_set(&s->thread_roots, thread, id);
	return err ? err : pv_profile_node(s->profile, *node, id, node);
}

/* Where a sample's frames begin: its thread, and the node below which they stand. */
static struct pv_err *find_root(struct pv_session *s, struct pv_watched *watched,
				struct pv_program_run *run, uint32_t tid, uint32_t *thread_ret,
				uint32_t *node_ret)
{
	bool frames = s->profile->children;
	struct pv_err *err = NULL;

	*node_ret = 0;
	if (run->process == PV_NOT_IN_PROFILE || (frames && run->loc == PV_NOT_IN_PROFILE)) {
		if (run == pv_watched_now(watched))
			err = pv_family_name(s->family, watched);
		if (!err)
			err = pv_watched_describe(watched, run, frames, s->profile);
	}
	if (!err && frames)
		err = pv_profile_node(s->profile, 0, run->loc, node_ret);
	if (!err)
		err = pv_watched_thread(watched, run, tid, s->profile, thread_ret);
	return err ? err : thread_root(s, *thread_ret, node_ret);
}

static void count_quality(struct pv_session *s, const struct pv_event_sample *sample,
			  uint32_t missing)
{
	struct pv_quality *quality = &s->profile->quality;

	quality->samples++;
	quality->complete += s->merged.complete && !missing;
	quality->truncated += s->merged.truncated;
	quality->marked += s->merged.marked;
	quality->bridged += s->merged.bridged;
	quality->with_python += s->merged.python;
	quality->kernel += !!(sample->flags & PV_SAMPLE_KERNEL);
	quality->gc += s->merged.gc;
	s->profile->losses.count[PV_LOSS_GC_UNKNOWN] += s->merged.gc_unknown;
	if (s->merged.bridged && s->merged.loss != PV_LOSS_REANCHOR)
		s->profile->losses.count[PV_LOSS_REANCHOR]++;
	if (s->merged.loss < PV_LOSSES_MAX && s->merged.loss)
		s->profile->losses.count[s->merged.loss]++;
	s->profile->losses.count[PV_LOSS_NAME_MISSING] += missing;
	s->profile->losses.count[PV_LOSS_TASK] += !!(sample->flags & PV_SAMPLE_TASK_UNREAD);
}

/* A merged sample of a known process goes into the profile. */
static struct pv_err *add_sample(struct pv_session *s, const struct pv_event_sample *sample,
				 struct pv_watched *watched, struct pv_program_run *run)
{
	uint32_t thread, parent, node, missing;
	bool same = watched->image_generation == sample->generation;
	/* the first ones may be taken while the last events are being opened */
	uint64_t time_ns = sample->time_ns > s->attached_ns ? sample->time_ns - s->attached_ns : 0;
	struct pv_err *err;

	err = find_root(s, watched, run, sample->tid, &thread, &parent);
	pv_symboliser_use_image(s->symboliser, same ? &watched->image : NULL, watched->perfmap);
	if (!err)
		err = pv_symbolise(s->symboliser, &s->merged, parent, &node, &missing);
	if (!err)
		err = pv_sources_take(s->sources, watched->pid);
	if (!err)
		err = pv_recorder_sample(s->recorder, time_ns, node, thread);
	if (!err)
		count_quality(s, sample, missing);
	return err;
}

/* Merges a sample; its process and program, or NULL: that is gone. */
static struct pv_err *merge(struct pv_session *s, const struct pv_event_sample *sample,
			    struct pv_watched *watched, struct pv_program_run **run_ret)
{
	struct pv_program_run *run = pv_watched_at(watched, sample->generation);
	struct pv_merge_options options = run->merge;

	options.no_native = s->options.no_native;
	options.kernel_only = pv_watched_replaced(watched, run, sample->time_ns);
	*run_ret = run;
	return pv_merge(sample, sample->hdr.size, &options, &s->merged);
}

/* Keeps a sample for a while until its names have come. */
static struct pv_err *wait_for_names(struct pv_session *s, const struct pv_event_sample *sample)
{
	struct pending pending = { .sample = malloc(sample->hdr.size) };
	struct pv_err *err;

	if (!pending.sample)
		return &pv_enomem;
	memcpy(pending.sample, sample, sample->hdr.size);
	err = pv_vec_append(&s->pending, &pending, 1, NULL);
	if (err)
		free(pending.sample);
	return err;
}

static struct pv_err *on_side(void *ctx, const struct pv_side_event *event)
{
	return pv_family_side(((struct pv_session *)ctx)->family, event);
}

/*
 * Naming samples may take long (the symbols of a library): programs that are started
 * meanwhile do not wait for the end of a drain to be read.
 */
static struct pv_err *keep_up(struct pv_session *s)
{
	struct pv_collect_handlers handlers = { .ctx = s, .side = on_side };
	struct pv_err *err = NULL;
	uint64_t now = pv_now_ns();

	if (now - s->side_ns > SIDE_NS) {
		s->side_ns = now;
		err = pv_collect_drain_side(s->collect, &handlers);
	}
	return err;
}

static struct pv_err *on_sample(struct pv_session *s, const struct pv_event_sample *sample)
{
	struct pv_watched *watched = NULL;
	struct pv_program_run *run;
	struct pv_err *err;

	err = keep_up(s);
	if (!err)
		err = pv_family_find(s->family, sample->pid, sample->generation, sample->time_ns,
				     &watched);
	if (err)
		return err;
	if (!watched) {
		s->profile->losses.count[PV_LOSS_PROC_GONE]++;
		return NULL;
	}
	if (!s->first_sample_ns)
		s->first_sample_ns = sample->time_ns;
	if (sample->fail_addr)
		err = pv_family_touch(s->family, watched, sample->fail_addr);
	if (!err)
		err = pv_family_look_for_tasks(s->family, watched);
	if (!err && sample->nat_loss == PV_LOSS_NAT_NOMAP && !(sample->flags & PV_SAMPLE_UNREAD))
		err = pv_family_look(s->family, watched);
	if (!err)
		err = pv_family_wait(s->family, watched);
	/* what is new is known before the samples in it are named */
	if (!err)
		err = pv_family_refresh(s->family);
	if (!err)
		err = merge(s, sample, watched, &run);
	if (err)
		return err;
	if (pv_symboliser_ready(s->symboliser, &s->merged))
		return add_sample(s, sample, watched, run);
	return wait_for_names(s, sample);
}

/* One that waited: again, or into the profile. */
static struct pv_err *take_one(struct pv_session *s, struct pending *pending, bool last,
			       bool *waits_ret)
{
	struct pv_watched *watched = pv_family_get(s->family, pending->sample->pid);
	struct pv_program_run *run;
	struct pv_err *err;

	*waits_ret = false;
	if (!watched) {
		s->profile->losses.count[PV_LOSS_PROC_GONE]++;
		return NULL;
	}
	err = merge(s, pending->sample, watched, &run);
	if (err)
		return err;
	*waits_ret = !last && !pv_symboliser_ready(s->symboliser, &s->merged) &&
		     ++pending->drains < PENDING_DRAINS;
	return *waits_ret ? NULL : add_sample(s, pending->sample, watched, run);
}

/* Those whose names have come, or will not: all of them if `all`. */
static struct pv_err *take_pending(struct pv_session *s, bool all)
{
	struct pending *list = s->pending.data;
	struct pv_err *err = NULL;
	size_t i, n = 0;

	for (i = 0; i < s->pending.n; i++) {
		bool waits = false;

		if (!err)
			err = take_one(s, &list[i], all, &waits);
		if (waits)
			list[n++] = list[i];
		else
			free(list[i].sample);
	}
	s->pending.n = n;
	return err;
}

static struct pv_err *on_event(void *ctx, const struct pv_event *event, size_t size)
{
	struct pv_session *s = ctx;
	struct pv_err *err;

	if (event->type == PV_EVENT_SAMPLE && size >= sizeof(struct pv_event_sample) &&
	    event->size <= size)
		return on_sample(s, (const struct pv_event_sample *)event);
	if (pv_codes_take(s->codes, event, size, &err))
		return err;
	return pv_err_create(PV_ERR_FAILED, "the BPF program sent a record of unknown type %u",
			     event->type);
}

/* What is known of the capture before it begins. */
static struct pv_err *describe_capture(struct pv_session *s)
{
	struct pv_profile *profile = s->profile;
	char host[256] = "";
	struct pv_err *err;

	gethostname(host, sizeof(host) - 1);
	err = pv_strings_add(profile->strings, host, strlen(host), &profile->host);
	if (!err)
		err = pv_strings_add(profile->strings, "bpf", 3, &profile->engine);
	profile->no_native = s->options.no_native;
	profile->no_kernel = s->options.no_kernel;
	profile->children = s->options.children || s->options.n_pids > 1;
	profile->period_ns = 1000000000ULL / s->options.frequency;
	return err;
}

static struct pv_err *create_parts(struct pv_session *s)
{
	_pv_free_ char *cache = pv_objects_default_cache();
	struct pv_collect_options collect = {
		.frequency = s->options.frequency,
		.children = s->options.children,
		.no_kernel = s->options.no_kernel,
		.no_native = s->options.no_native,
		.tasks = s->options.tasks,
	};
	struct pv_family_parts parts = { .children = s->options.children,
					 .tasks = s->options.tasks };
	struct pv_err *err;

	err = pv_profile_create(&s->profile);
	if (!err)
		err = pv_codes_create(&s->codes);
	if (!err)
		err = pv_objects_create(cache, &s->objects);
	if (!err)
		err = pv_symboliser_create(s->objects, s->codes, s->profile, &s->symboliser);
	if (!err && !s->options.no_source)
		err = pv_sources_create(s->profile, &s->sources);
	if (!err)
		err = pv_collect_create(&collect, &s->collect);
	if (err)
		return err;
	err = describe_capture(s);
	if (!err)
		err = pv_recorder_create(s->options.recording, s->options.others, s->profile, 0,
					 &s->recorder);
	if (err)
		return err;
	parts.collect = s->collect;
	parts.objects = s->objects;
	parts.codes = s->codes;
	parts.profile = s->profile;
	parts.frames = s->profile->children;
	return pv_family_create(&parts, &s->family);
}

static struct pv_err *add_named(struct pv_session *s)
{
	struct pv_err *err = NULL;
	size_t i;

	if (s->launched)
		return pv_family_add(s->family, s->launched);
	for (i = 0; !err && i < s->options.n_pids; i++)
		err = pv_family_add(s->family, s->options.pids[i]);
	return err;
}

/* From here on the time counts of children that are not recorded. */
static struct pv_err *leave_children_out(struct pv_session *s)
{
	struct pv_unwatched_sum sum;
	struct pv_err *err;

	if (s->options.children)
		return NULL;
	if (s->launched)
		err = pv_unwatched_create(&s->launched, 1, &s->unwatched);
	else
		err = pv_unwatched_create(s->options.pids, s->options.n_pids, &s->unwatched);
	return err ? err : pv_unwatched_look(s->unwatched, true, &sum);
}

static void *load_engine(void *arg)
{
	struct pv_session *s = arg;

	return pv_collect_load(s->collect);
}

/*
 * The programs are verified by the kernel while the processes are read: each
 * takes tens of milliseconds.
 */
static struct pv_err *load_and_read(struct pv_session *s)
{
	struct pv_err *err, *load_err;
	void *loaded = NULL;
	pthread_t thread;
	int error = pthread_create(&thread, NULL, load_engine, s);

	if (error)
		return pv_err_errno(error, "cannot start a thread");
	err = pv_family_read(s->family);
	pthread_join(thread, &loaded);
	load_err = loaded;
	if (!load_err)
		return err;
	pv_err_destroy(err);
	return load_err;
}

/* Side-band first, so that nothing that happens meanwhile is missed. */
static struct pv_err *attach(struct pv_session *s)
{
	struct pv_collect_handlers handlers = { .ctx = s, .event = on_event, .side = on_side };
	struct pv_err *err;

	err = pv_collect_open_side(s->collect);
	if (!err)
		err = load_and_read(s);
	if (!err)
		err = pv_family_attach(s->family);
	if (!err)
		err = pv_collect_start(s->collect);
	s->attached_ns = pv_now_ns();
	s->profile->start_unix_ns = pv_clock_ns(CLOCK_REALTIME);
	/*
	 * Not when the first sample needs them: that comes when the target does something
	 * new, such as an import, and the tables of its libraries would have to wait.
	 */
	if (!err && !s->options.no_kernel)
		err = pv_symboliser_begin_kernel(s->symboliser);
	if (!err)
		pv_family_start_cpu(s->family);
	if (!err)
		err = leave_children_out(s);
	/* threads born during the attach are found here, not a drain later */
	if (!err)
		err = pv_collect_drain(s->collect, 0, &handlers);
	return err ? err : pv_family_refresh(s->family);
}

/* The loader's own run is sampled; its end brings the libraries' tables before main(). */
static struct pv_err *load_program(struct pv_session *s)
{
	struct pv_err *err = pv_launch_load(s->launched);

	if (!err)
		err = pv_family_look(s->family, pv_family_first(s->family));
	if (!err)
		err = pv_family_refresh(s->family);
	if (!err)
		err = pv_launch_release(s->launched);
	s->held = err && err->errnum != ECHILD;
	return err;
}

/* What the profile says of the target: of the first process that was named. */
static struct pv_err *fill_target(struct pv_session *s)
{
	struct pv_profile *profile = s->profile;
	const struct pv_watched *first = pv_family_first(s->family);
	const struct pv_program_run *run = pv_watched_now(first);
	const char *interpreter = run->interpreter, *problem = run->problem ? run->problem : "";
	struct pv_err *err;
	size_t i;

	err = pv_strings_add(profile->strings, run->name, strlen(run->name), &profile->target_name);
	if (!err)
		err = pv_strings_add(profile->strings, run->title, strlen(run->title),
				     &profile->title);
	/* also where there is none any more */
	if (!err)
		err = pv_strings_add(profile->strings, problem, strlen(problem), &profile->problem);
	if (!err)
		err = pv_strings_add(profile->strings, interpreter, strlen(interpreter),
				     &profile->interpreter);
	/* a shell has none, its children may have */
	for (i = 0; i < profile->processes.n && !profile->interpreter; i++) {
		const struct pv_profile_process *process = pv_vec_at(&profile->processes, i);

		profile->interpreter = process->interpreter;
	}
	profile->pid = first->pid;
	profile->ended = s->gone;
	return err;
}

/* What the kernel counted comes on top of what was counted here. */
static struct pv_err *count_losses(struct pv_session *s)
{
	struct pv_losses *losses = &s->profile->losses;
	uint64_t now[PV_LOSS_MAX] = {};
	struct pv_err *err = pv_collect_losses(s->collect, now);
	size_t i;

	for (i = 0; !err && i < PV_LOSS_MAX; i++) {
		losses->count[i] += now[i] - s->kernel_losses[i];
		s->kernel_losses[i] = now[i];
	}
	pv_losses_describe(losses);
	return err;
}

/* The totals as they are at a time, the end of the capture or before it. */
static struct pv_err *fill_totals(struct pv_session *s, uint64_t at_ns)
{
	struct pv_profile *profile = s->profile;
	struct rusage usage;
	struct pv_err *err;
	uint64_t runs;

	err = pv_family_describe(s->family);
	if (!err)
		err = fill_target(s);
	if (!err)
		err = count_losses(s);
	if (!err)
		err = pv_collect_cost(s->collect, &profile->probe_ns, &runs);
	if (err)
		return err;
	profile->duration_ns = at_ns - s->attached_ns;
	if (!getrusage(RUSAGE_SELF, &usage))
		profile->own_cpu_ns =
			(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000ULL +
			(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ULL;
	return NULL;
}

static struct pv_err *create(struct pv_session *s)
{
	struct pv_err *err = NULL;

	if (s->options.argv) {
		err = pv_launch(s->options.argv, &s->launched);
		s->held = !err;
	}
	if (!err)
		err = create_parts(s);
	if (!err)
		err = add_named(s);
	if (!err)
		err = attach(s);
	if (!err && s->held)
		err = load_program(s);
	if (!err)
		err = fill_totals(s, pv_now_ns());
	return err ? err : pv_recorder_begin(s->recorder);
}

struct pv_err *pv_session_create(const struct pv_session_options *options, struct pv_session **ret)
{
	struct pv_session *s = calloc(1, sizeof(*s));
	struct pv_err *err;

	if (!s)
		return &pv_enomem;
	s->options = *options;
	s->start_ns = pv_now_ns();
	s->merged.frames = (struct pv_vec)PV_VEC(struct pv_frame_ref);
	s->pending = (struct pv_vec)PV_VEC(struct pending);
	err = create(s);
	if (err) {
		pv_session_destroy(s);
		return err;
	}
	*ret = s;
	return NULL;
}

void pv_session_destroy(struct pv_session *s)
{
	size_t i;

	if (!s)
		return;
	pv_collect_destroy(s->collect);
	if (s->held) {
		/* it was never let go: it has not run, so nothing is lost by ending it */
		kill(s->launched, SIGKILL);
		pv_err_destroy(pv_launch_release(s->launched));
	}
	for (i = 0; i < s->pending.n; i++)
		free(((struct pending *)pv_vec_at(&s->pending, i))->sample);
	pv_vec_deinit(&s->pending);
	pv_map_deinit(&s->thread_roots);
	pv_sources_destroy(s->sources);
	pv_unwatched_destroy(s->unwatched);
	pv_family_destroy(s->family);
	pv_recorder_destroy(s->recorder);
	pv_profile_destroy(s->result);
	pv_symboliser_destroy(s->symboliser);
	pv_codes_destroy(s->codes);
	pv_objects_destroy(s->objects);
	pv_profile_destroy(s->profile);
	pv_vec_deinit(&s->merged.frames);
	free(s);
}

struct pv_err *pv_session_watch(struct pv_session *s, int fd)
{
	return pv_collect_watch(s->collect, fd);
}

/* What a kill -9 must not take away reaches the recording once a second, if there are samples. */
static struct pv_err *record_step(struct pv_session *s)
{
	uint64_t at_ns = pv_now_ns();
	struct pv_err *err = NULL;

	if (pv_recorder_due(s->recorder, at_ns)) {
		s->profile->target_cpu_ns = pv_family_cpu_ns(s->family, false);
		err = pv_unwatched_count(s->unwatched, false, s->profile);
		if (!err)
			err = fill_totals(s, at_ns);
	}
	return err ? err : pv_recorder_step(s->recorder, at_ns);
}

struct pv_err *pv_session_step(struct pv_session *s, int timeout_ms, enum pv_session_end *end_ret)
{
	struct pv_collect_handlers handlers = { .ctx = s, .event = on_event, .side = on_side };
	struct pv_err *err;

	if (pv_family_hurry(s->family) && timeout_ms > HURRY_MS)
		timeout_ms = HURRY_MS;
	err = pv_collect_drain(s->collect, timeout_ms, &handlers);
	if (!err)
		err = pv_family_refresh(s->family);
	if (!err)
		err = take_pending(s, false);
	if (!err)
		err = pv_family_rest(s->family);
	if (!err)
		err = record_step(s);
	if (!err)
		err = pv_family_ended(s->family, &s->gone);
	if (err)
		return err;
	*end_ret = s->gone ? PV_SESSION_TARGET_ENDED : PV_SESSION_RUNS;
	return NULL;
}

struct pv_err *pv_session_lost(struct pv_session *s, uint64_t *ret)
{
	struct pv_err *err = count_losses(s);

	if (!err)
		*ret = pv_losses_samples(&s->profile->losses);
	return err;
}

/* The rest of the samples and the totals, into the recording. */
static struct pv_err *finish_recording(struct pv_session *s, uint64_t stop_ns)
{
	struct pv_collect_handlers handlers = { .ctx = s, .event = on_event, .side = on_side };
	struct pv_err *err = pv_collect_drain(s->collect, 0, &handlers);

	if (!err)
		err = take_pending(s, true);
	if (!err)
		err = fill_totals(s, stop_ns);
	return err ? err : pv_recorder_stop(s->recorder);
}

/* What was taken and is not in what was read back. */
static void count_unrecorded(struct pv_session *s)
{
	uint64_t taken = s->profile->quality.samples, have = s->result->quality.samples;

	if (taken > have)
		s->result->losses.count[PV_LOSS_UNRECORDED] += taken - have;
	pv_losses_describe(&s->result->losses);
}

struct pv_err *pv_session_end(struct pv_session *s)
{
	struct pv_err *err = pv_unwatched_count(s->unwatched, true, s->profile);

	s->profile->target_cpu_ns = pv_family_cpu_ns(s->family, true);
	pv_collect_detach(s->collect);
	s->end_ns = pv_now_ns();
	return err;
}

struct pv_err *pv_session_look_where_it_waits(struct pv_session *s)
{
	uint64_t wall_ns = s->end_ns - s->attached_ns;
	uint64_t sampled_ns = s->profile->quality.samples * s->profile->period_ns;
	struct pv_watched *watched;
	uint32_t n_processes;
	struct pv_err *err;

	if (s->gone || (!pv_load_is_idle(s->profile->target_cpu_ns, wall_ns) &&
			!pv_load_is_idle(sampled_ns, wall_ns)))
		return NULL;
	err = pv_family_telling(s->family, &watched, &n_processes);
	return err ? err : pv_waiting_look(watched->pid, n_processes, s->profile);
}

struct pv_err *pv_session_stop(struct pv_session *s, struct pv_err **cut_ret)
{
	struct pv_err *cut = finish_recording(s, s->end_ns), *err;

	/* what is there is worth having, whatever became of the rest */
	err = pv_recorder_read(s->recorder, &s->result);
	if (err) {
		pv_err_destroy(cut);
		return err;
	}
	count_unrecorded(s);
	*cut_ret = cut;
	return NULL;
}

struct pv_err *pv_session_keep(struct pv_session *s, const char *stem, struct pv_str *path)
{
	return pv_recorder_keep(s->recorder, stem, path);
}

const struct pv_profile *pv_session_profile(const struct pv_session *s)
{
	return s->result ? s->result : s->profile;
}

struct pv_session_facts pv_session_facts(const struct pv_session *s)
{
	const struct pv_watched *first = pv_family_first(s->family);
	const struct pv_program_run *run = pv_watched_now(first);
	struct pv_session_facts facts = {
		.pid = first->pid,
		.name = run->name,
		.interpreter = run->interpreter,
		.python_error = run->problem,
		.no_native = s->options.no_native,
		.ended = s->gone,
		.attach_ms = (s->attached_ns - s->start_ns) / 1e6,
		.first_sample_ms = -1,
		.map_bytes = pv_collect_map_bytes(s->collect),
		.recording_errnum = pv_recorder_broken(s->recorder),
	};

	/* after the stop: a shell has none, its children may have */
	if (s->profile->interpreter)
		facts.interpreter = pv_strings_get(s->profile->strings, s->profile->interpreter);
	if (s->first_sample_ns)
		facts.first_sample_ms = ((double)s->first_sample_ns - s->start_ns) / 1e6;
	return facts;
}

struct pv_err *pv_session_wait(struct pv_session *s, int fd, bool *ended_ret)
{
	const struct pv_watched *first = pv_family_first(s->family);
	struct pollfd fds[] = { { .fd = first->pidfd, .events = POLLIN },
				{ .fd = fd, .events = POLLIN } };

	if (poll(fds, 2, -1) < 0 && errno != EINTR)
		return pv_err_errno(errno, "cannot wait for process %d", first->pid);
	*ended_ret = fds[0].revents;
	return NULL;
}

bool pv_session_killed(const struct pv_session *s, size_t *i, struct pv_session_killed *ret)
{
	const struct pv_watched *watched = pv_family_killed(s->family, i);

	if (!watched)
		return false;
	*ret = (struct pv_session_killed){ .pid = watched->pid,
					   .name = pv_watched_now(watched)->name,
					   .signal = watched->signal };
	return true;
}

struct pv_err *pv_session_wait_program(struct pv_session *s, int *status_ret, int *signal_ret)
{
	return pv_launch_wait(s->launched, status_ret, signal_ret);
}
