/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flow of a capture: create, step, stop.  Input: records and side-band
 * events of collect/.  Output: the profile.
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
#include <sys/syscall.h>
#include <time.h>

#include "abi/event.h"
#include "base/cleanup.h"
#include "base/vec.h"
#include "collect/collect.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/launch.h"
#include "session/losses.h"
#include "session/sources.h"
#include "session/symbolise.h"
#include "snap/image.h"
#include "snap/merge.h"
#include "snap/objects.h"
#include "symbol/python.h"
#include "target/mem.h"
#include "target/process.h"

enum {
	PENDING_DRAINS = 3, /* a sample waits that often for names that are on their way */
	TOUCH_MAX = 16,     /* a drain */
};

/* A sample whose names have not all arrived yet. */
struct pending {
	struct pv_event_sample *sample; /* owned copy */
	unsigned int drains;
};

struct pv_session {
	struct pv_session_options options;
	pid_t pid;
	int pidfd;
	bool held;                 /* started by us, not released yet */
	bool gone;                 /* the target has ended */
	bool image_stale;          /* it has mapped or become something new */
	uint64_t touch[TOUCH_MAX]; /* addresses that BPF could not read */
	size_t n_touch;
	uint32_t generation;
	uint64_t exec_ns;                 /* when it last became another program */
	struct pv_merge_options merge[2]; /* by the lowest bit of the generation */
	uint64_t start_ns, attached_ns, first_sample_ns, stop_ns;
	uint64_t start_cpu_ns; /* CPU time of the target before the capture */
	char name[16];
	char interpreter[48];

	struct pv_objects *objects;
	struct pv_mem *mem;
	struct pv_image image;
	uint32_t image_generation;
	struct pv_collect *collect;
	struct pv_codes *codes;
	struct pv_profile *profile;
	uint32_t process; /* index in profile */
	struct pv_symboliser *symboliser;
	struct pv_sources *sources; /* or NULL */
	struct pv_merged merged;
	struct pv_vec pending; /* struct pending */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* Puts a thread's root frame below the root if the user wants one. */
static struct pv_err *thread_root(struct pv_session *s, uint32_t thread, uint32_t *ret)
{
	const struct pv_profile_thread *info = pv_vec_at(&s->profile->threads, thread);
	struct pv_loc loc = { .kind = PV_LOC_THREAD };
	struct pv_err *err;
	char text[64];
	uint32_t id;
	int n;

	*ret = 0;
	if (!s->options.threads)
		return NULL;
	n = snprintf(text, sizeof(text), "thread %s (%u)",
		     pv_strings_get(s->profile->strings, info->name), info->tid);
	err = pv_strings_add(s->profile->strings, text, n, &loc.function);
	if (!err)
		err = pv_profile_loc(s->profile, &loc, &id);
	return err ? err : pv_profile_node(s->profile, 0, id, ret);
}

static struct pv_err *find_thread(struct pv_session *s, uint32_t tid, uint32_t *ret)
{
	char path[64], name[32] = "";
	_pv_fclose_ FILE *file = NULL;
	uint64_t known;

	/* known already: its name was read at its first sample */
	if (pv_map_get(&s->profile->thread_index, (uint64_t)s->process << 32 | tid, &known)) {
		*ret = known;
		return NULL;
	}
	snprintf(path, sizeof(path), "/proc/%d/task/%u/comm", s->pid, tid);
	file = fopen(path, "re");
	if (file && fgets(name, sizeof(name), file))
		name[strcspn(name, "\n")] = '\0';
	for (char *c = name; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	return pv_profile_thread(s->profile, s->process, tid, name, ret);
}

static struct pv_err *add_sample(struct pv_session *s, const struct pv_event_sample *sample)
{
	struct pv_quality *quality = &s->profile->quality;
	uint32_t thread, parent, node, missing;
	struct pv_err *err;

	err = find_thread(s, sample->tid, &thread);
	if (!err)
		err = thread_root(s, thread, &parent);
	if (!err)
		err = pv_symbolise(s->symboliser, &s->merged, parent, &node, &missing);
	if (!err)
		err = pv_sources_take(s->sources, s->pid);
	if (!err)
		err = pv_profile_add(s->profile, node, thread, 1);
	if (err)
		return err;
	quality->samples++;
	quality->complete += s->merged.complete && !missing;
	quality->truncated += s->merged.truncated;
	quality->marked += s->merged.marked;
	quality->bridged += s->merged.bridged;
	quality->with_python += s->merged.python;
	quality->kernel += !!(sample->flags & PV_SAMPLE_KERNEL);
	quality->gc += s->merged.gc;
	s->profile->losses.count[PV_LOSS_GC_UNKNOWN] += s->merged.gc_unknown;
	if (s->merged.loss < PV_LOSSES_MAX && s->merged.loss)
		s->profile->losses.count[s->merged.loss]++;
	s->profile->losses.count[PV_LOSS_NAME_MISSING] += missing;
	return NULL;
}

static struct pv_err *merge(struct pv_session *s, const struct pv_event_sample *sample)
{
	return pv_merge(sample, sample->hdr.size, &s->merge[sample->generation & 1], &s->merged);
}

/* Takes a sample, or keeps it for a while until its names have come. */
static struct pv_err *on_sample(struct pv_session *s, const struct pv_event_sample *sample)
{
	struct pending pending = {};
	struct pv_err *err;

	/* what was walked with another program's tables; what came before the exec is true */
	if (sample->generation != s->generation && sample->time_ns >= s->exec_ns) {
		s->profile->losses.count[PV_LOSS_PROC_GONE]++;
		return NULL;
	}
	if (sample->fail_addr && s->n_touch < TOUCH_MAX)
		s->touch[s->n_touch++] = sample->fail_addr;
	if (!s->first_sample_ns)
		s->first_sample_ns = sample->time_ns;
	if (sample->nat_loss == PV_LOSS_NAT_NOMAP ||
	    (sample->flags & PV_SAMPLE_NO_TSTATE && !s->image.python.found))
		s->image_stale = s->image_stale || sample->nat_loss == PV_LOSS_NAT_NOMAP;
	err = merge(s, sample);
	if (err)
		return err;
	if (pv_symboliser_ready(s->symboliser, &s->merged))
		return add_sample(s, sample);
	pending.sample = malloc(sample->hdr.size);
	if (!pending.sample)
		return &pv_enomem;
	memcpy(pending.sample, sample, sample->hdr.size);
	err = pv_vec_append(&s->pending, &pending, 1, NULL);
	if (err)
		free(pending.sample);
	return err;
}

/* Those whose names have come, or will not: all of them if `all`. */
static struct pv_err *take_pending(struct pv_session *s, bool all)
{
	struct pending *list = s->pending.data;
	struct pv_err *err = NULL;
	size_t i, n = 0;

	for (i = 0; i < s->pending.n; i++) {
		if (!err)
			err = merge(s, list[i].sample);
		if (!err && !all && !pv_symboliser_ready(s->symboliser, &s->merged) &&
		    ++list[i].drains < PENDING_DRAINS) {
			list[n++] = list[i];
			continue;
		}
		if (!err)
			err = add_sample(s, list[i].sample);
		free(list[i].sample);
	}
	s->pending.n = n;
	return err;
}

static struct pv_err *refresh_image(struct pv_session *s);

static struct pv_err *on_event(void *ctx, const struct pv_event *event, size_t size)
{
	struct pv_session *s = ctx;
	struct pv_err *err = NULL;

	/* side-band events came first: a new mapping is known before the samples in it are named */
	if (s->image_stale)
		err = refresh_image(s);
	if (err)
		return err;
	if (event->type == PV_EVENT_SAMPLE && size >= sizeof(struct pv_event_sample) &&
	    event->size <= size)
		return on_sample(s, (const struct pv_event_sample *)event);
	if (event->type == PV_EVENT_CODE && size >= sizeof(struct pv_event_code))
		return pv_codes_add(s->codes, (const struct pv_event_code *)event);
	if (event->type == PV_EVENT_PIECE && size >= sizeof(struct pv_event_piece) &&
	    size - sizeof(struct pv_event_piece) >= ((const struct pv_event_piece *)event)->n)
		return pv_codes_add_piece(s->codes, (const struct pv_event_piece *)event);
	return pv_err_create(PV_ERR_FAILED, "the BPF program sent a record of unknown type %u",
			     event->type);
}

/* A thread that cannot be sampled is a loss, not the end of the capture. */
static struct pv_err *on_thread(struct pv_session *s, const struct pv_side_event *event)
{
	struct pv_err *err = pv_collect_thread_event(s->collect, event);

	if (!err || err == &pv_enomem)
		return err;
	s->profile->losses.count[PV_LOSS_THREAD]++;
	pv_err_destroy(err);
	return NULL;
}

static struct pv_err *on_side(void *ctx, const struct pv_side_event *event)
{
	struct pv_session *s = ctx;

	if (event->pid != s->pid)
		return NULL;
	if (event->type == PV_SIDE_EXEC && event->time_ns > s->attached_ns) {
		s->generation++;
		s->exec_ns = event->time_ns;
		s->image_stale = true;
	}
	if (event->type == PV_SIDE_MMAP)
		s->image_stale = true;
	return on_thread(s, event);
}

static void describe_interpreter(struct pv_session *s)
{
	if (s->image.python.found)
		snprintf(s->interpreter, sizeof(s->interpreter), "CPython %s",
			 s->image.python.version);
}

/* Reads the process (again). */
static struct pv_err *build_image(struct pv_session *s)
{
	struct pv_image image;
	struct pv_err *err;

	s->image_stale = false;
	err = pv_image_build(s->pid, s->objects, s->mem,
			     s->image_generation == s->generation ? &s->image : NULL, &image);
	if (err)
		return err;
	pv_image_deinit(&s->image);
	s->image = image;
	s->image_generation = s->generation;
	s->merge[s->generation & 1] = image.merge;
	s->merge[s->generation & 1].no_native = s->options.no_native;
	describe_interpreter(s);
	return NULL;
}

/* Reads the process again and hands it to the walkers. */
static struct pv_err *renew_image(struct pv_session *s)
{
	struct pv_err *err = build_image(s);

	return err ? err : pv_collect_put(s->collect, &s->image, s->objects, s->generation);
}

/* A process that ends while its maps are read has ended; other failures are counted. */
static struct pv_err *refresh_image(struct pv_session *s)
{
	struct pv_err *err = renew_image(s);

	if (!err || err == &pv_enomem)
		return err;
	/* the tables stay as they are; what they do not cover is marked in each sample */
	if (err->kind != PV_ERR_NOPROC)
		s->profile->losses.count[PV_LOSS_IMAGE]++;
	pv_err_destroy(err);
	return NULL;
}

static struct pv_err *check_target(struct pv_session *s)
{
	struct pv_process process;
	struct pv_err *err = pv_process_read(s->pid, &process);

	if (err)
		return err;
	err = pv_process_check(&process);
	memcpy(s->name, process.name, sizeof(s->name));
	pv_process_deinit(&process);
	if (err)
		return err;
	s->pidfd = syscall(SYS_pidfd_open, s->pid, 0);
	return s->pidfd < 0 ? pv_err_errno(errno, "cannot watch process %d", s->pid) : NULL;
}

static struct pv_err *create_parts(struct pv_session *s)
{
	_pv_free_ char *cache = pv_objects_default_cache();
	struct pv_collect_options collect = {
		.frequency = s->options.frequency,
		.no_kernel = s->options.no_kernel,
		.no_native = s->options.no_native,
	};
	struct pv_err *err;

	err = pv_profile_create(&s->profile);
	if (!err)
		err = pv_profile_process(
			s->profile, &(struct pv_profile_process){ .pid = s->pid, .generation = 1 },
			&s->process);
	if (!err)
		err = pv_codes_create(&s->codes);
	if (!err)
		err = pv_objects_create(cache, &s->objects);
	if (!err)
		err = pv_symboliser_create(s->objects, s->codes, s->profile, &s->symboliser);
	if (!err && !s->options.no_source)
		err = pv_sources_create(s->profile, &s->sources);
	if (!err)
		pv_symboliser_use_image(s->symboliser, &s->image);
	if (!err)
		err = pv_mem_live_create(s->pid, &s->mem);
	if (!err)
		err = pv_collect_create(&collect, &s->collect);
	return err;
}

static void *load_engine(void *arg)
{
	struct pv_session *s = arg;

	return pv_collect_load(s->collect);
}

/*
 * The programs are verified by the kernel while the process is read: each takes
 * tens of milliseconds.
 */
static struct pv_err *load_and_read(struct pv_session *s)
{
	struct pv_err *err, *load_err;
	void *loaded = NULL;
	pthread_t thread;
	int error = pthread_create(&thread, NULL, load_engine, s);

	if (error)
		return pv_err_errno(error, "cannot start a thread");
	err = build_image(s);
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
		err = pv_collect_put(s->collect, &s->image, s->objects, s->generation);
	if (!err)
		err = pv_collect_watch(s->collect, s->pidfd);
	if (!err)
		err = pv_collect_attach(s->collect, s->pid);
	s->attached_ns = now_ns();
	pv_process_cpu_ns(s->pid, &s->start_cpu_ns);
	/* threads born during the attach are found here, not a drain later */
	return err ? err : pv_collect_drain(s->collect, 0, &handlers);
}

/* The loader's own run is sampled; its end brings the libraries' tables before main(). */
static struct pv_err *load_program(struct pv_session *s)
{
	struct pv_err *err = pv_launch_load(s->pid);

	if (!err)
		err = renew_image(s);
	if (!err)
		err = pv_launch_release(s->pid);
	s->held = err && err->errnum != ECHILD;
	return err;
}

struct pv_err *pv_session_create(const struct pv_session_options *options, struct pv_session **ret)
{
	struct pv_session *s = calloc(1, sizeof(*s));
	struct pv_err *err = NULL;

	if (!s)
		return &pv_enomem;
	s->options = *options;
	s->pid = options->pid;
	s->pidfd = -1;
	s->generation = 1;
	s->start_ns = now_ns();
	s->merged.frames = (struct pv_vec)PV_VEC(struct pv_frame_ref);
	s->pending = (struct pv_vec)PV_VEC(struct pending);
	if (options->argv) {
		err = pv_launch(options->argv, &s->pid);
		s->held = !err;
	}
	if (!err)
		err = check_target(s);
	if (!err)
		err = create_parts(s);
	if (!err)
		err = attach(s);
	if (!err && s->held)
		err = load_program(s);
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
		kill(s->pid, SIGKILL);
		pv_err_destroy(pv_launch_release(s->pid));
	}
	for (i = 0; i < s->pending.n; i++)
		free(((struct pending *)pv_vec_at(&s->pending, i))->sample);
	pv_vec_deinit(&s->pending);
	pv_sources_destroy(s->sources);
	pv_symboliser_destroy(s->symboliser);
	pv_codes_destroy(s->codes);
	pv_image_deinit(&s->image);
	pv_mem_destroy(s->mem);
	pv_objects_destroy(s->objects);
	pv_profile_destroy(s->profile);
	pv_vec_deinit(&s->merged.frames);
	if (s->pidfd >= 0)
		close(s->pidfd);
	free(s);
}

struct pv_err *pv_session_watch(struct pv_session *s, int fd)
{
	return pv_collect_watch(s->collect, fd);
}

/*
 * BPF cannot wait for a page that is not resident; reading it from here brings
 * it in, so that the next sample finds it.
 */
static void touch_pages(struct pv_session *s)
{
	char object[256]; /* as much as the walkers read at once */
	size_t i;

	for (i = 0; i < s->n_touch; i++)
		pv_mem_read(s->mem, object, sizeof(object), s->touch[i]);
	s->n_touch = 0;
}

struct pv_err *pv_session_step(struct pv_session *s, int timeout_ms, enum pv_session_end *end_ret)
{
	struct pv_collect_handlers handlers = { .ctx = s, .event = on_event, .side = on_side };
	struct pollfd poll_fd = { .fd = s->pidfd, .events = POLLIN };
	struct pv_err *err;

	err = pv_collect_drain(s->collect, timeout_ms, &handlers);
	touch_pages(s);
	if (!err)
		err = take_pending(s, false);
	if (!err && s->image_stale)
		err = refresh_image(s);
	if (err)
		return err;
	if (poll(&poll_fd, 1, 0) > 0)
		s->gone = true;
	*end_ret = s->gone ? PV_SESSION_TARGET_ENDED : PV_SESSION_RUNS;
	return NULL;
}

struct pv_err *pv_session_lost(const struct pv_session *s, uint64_t *ret)
{
	struct pv_losses losses = s->profile->losses;
	struct pv_err *err = pv_collect_losses(s->collect, losses.count);

	if (err)
		return err;
	pv_losses_describe(&losses);
	*ret = pv_losses_samples(&losses);
	return NULL;
}

/* CPU time of the target since the capture began; 0 if it is gone. */
static uint64_t target_cpu_ns(struct pv_session *s)
{
	uint64_t ns;

	return pv_process_cpu_ns(s->pid, &ns) && ns > s->start_cpu_ns ? ns - s->start_cpu_ns : 0;
}

static struct pv_err *fill_totals(struct pv_session *s)
{
	struct pv_profile *profile = s->profile;
	struct rusage usage;
	struct pv_err *err;
	uint64_t runs;

	err = pv_strings_add(profile->strings, s->name, strlen(s->name), &profile->target_name);
	if (!err)
		err = pv_strings_add(profile->strings, s->interpreter, strlen(s->interpreter),
				     &profile->interpreter);
	if (!err && s->image.python_error)
		err = pv_strings_add(profile->strings, s->image.python_error,
				     strlen(s->image.python_error), &profile->problem);
	if (!err)
		err = pv_strings_add(profile->strings, "bpf", 3, &profile->engine);
	if (!err)
		err = pv_collect_losses(s->collect, profile->losses.count);
	if (!err)
		err = pv_collect_cost(s->collect, &profile->probe_ns, &runs);
	if (err)
		return err;
	profile->pid = s->pid;
	profile->no_native = s->options.no_native;
	profile->no_kernel = s->options.no_kernel;
	profile->ended = s->gone;
	profile->period_ns = 1000000000ULL / s->options.frequency;
	profile->duration_ns = s->stop_ns - s->attached_ns;
	pv_losses_describe(&profile->losses);
	if (!getrusage(RUSAGE_SELF, &usage))
		profile->own_cpu_ns =
			(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000ULL +
			(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ULL;
	return NULL;
}

struct pv_err *pv_session_stop(struct pv_session *s)
{
	struct pv_collect_handlers handlers = { .ctx = s, .event = on_event, .side = on_side };
	struct pv_err *err;

	s->profile->target_cpu_ns = target_cpu_ns(s);
	pv_collect_detach(s->collect);
	s->stop_ns = now_ns();
	err = pv_collect_drain(s->collect, 0, &handlers);
	if (!err)
		err = take_pending(s, true);
	return err ? err : fill_totals(s);
}

const struct pv_profile *pv_session_profile(const struct pv_session *s)
{
	return s->profile;
}

struct pv_session_facts pv_session_facts(const struct pv_session *s)
{
	struct pv_session_facts facts = {
		.pid = s->pid,
		.name = s->name,
		.interpreter = s->interpreter,
		.python_error = s->image.python_error,
		.no_native = s->options.no_native,
		.ended = s->gone,
		.attach_ms = (s->attached_ns - s->start_ns) / 1e6,
		.first_sample_ms = -1,
		.map_bytes = pv_collect_map_bytes(s->collect),
	};

	if (s->first_sample_ns)
		facts.first_sample_ms = ((double)s->first_sample_ns - s->start_ns) / 1e6;
	return facts;
}

struct pv_err *pv_session_wait(struct pv_session *s, int fd, bool *ended_ret)
{
	struct pollfd fds[] = { { .fd = s->pidfd, .events = POLLIN },
				{ .fd = fd, .events = POLLIN } };

	if (poll(fds, 2, -1) < 0 && errno != EINTR)
		return pv_err_errno(errno, "cannot wait for process %d", s->pid);
	*ended_ret = fds[0].revents;
	return NULL;
}

struct pv_err *pv_session_wait_program(struct pv_session *s, int *status_ret)
{
	return pv_launch_wait(s->pid, status_ret);
}
