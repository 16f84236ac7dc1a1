/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ladder.  Input: a process, what each rung finds.  Output: a pv_memory, and which rung
 * comes next.
 */
#include "session/hunt.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "analyse/growth.h"
#include "base/clock.h"
#include "model/profile.h"
#include "model/strings.h"
#include "session/launch.h"
#include "session/losses.h"
#include "session/probed.h"
#include "session/trend.h"
#include "target/process.h"
#include "target/title.h"

enum {
	OPEN_S = 30,          /* the plan's length where there is no end */
	LOOKS = 14,           /* in it */
	LOOKS_MANY = 28,      /* from so many on they are further and further apart */
	LOOK_SHARE = 4,       /* a look may take such a part of the time, not more */
	START_NS = 200000000, /* between looks for an interpreter that has not started */
};

struct pv_hunt {
	struct pv_hunt_options options;
	struct pv_probed probed;
	struct pv_memory *memory;
	struct pv_trend *trend;
	pid_t launched; /* by us; 0: none */
	bool held;      /* not released yet */
	bool gone, replaced, finished;
	uint64_t start_ns, plan_ns, stack_start;
	uint64_t look_ns, next_look_ns; /* between two looks, when the next one is due */
	uint64_t started_ns;            /* when it was last looked for an interpreter */
	const char *doing;
};

static bool is_asked(const struct pv_hunt *hunt, enum pv_rung rung)
{
	return hunt->options.rungs & 1u << rung;
}

/* The ladder as needed, or this rung by name? */
static bool may_climb(const struct pv_hunt *hunt, enum pv_rung rung)
{
	return !hunt->options.rungs || is_asked(hunt, rung);
}

/* ---- the start */

static struct pv_err *describe(struct pv_hunt *hunt)
{
	struct pv_profile *profile = hunt->memory->profile;
	const struct pv_process *process = &hunt->probed.process;
	struct pv_profile_process one = {
		.pid = (uint32_t)process->pid,
		.parent_pid = (uint32_t)process->parent,
		.generation = 1,
	};
	struct pv_command_words words;
	char host[256] = "";
	struct pv_err *err;
	uint32_t index;

	gethostname(host, sizeof(host) - 1);
	err = pv_process_words(process->pid, process->name, &words);
	if (!err)
		err = pv_strings_add(profile->strings, words.title, strlen(words.title),
				     &one.title);
	if (!err)
		err = pv_strings_add(profile->strings, process->name, strlen(process->name),
				     &one.name);
	if (!err)
		err = pv_strings_add(profile->strings, host, strlen(host), &profile->host);
	if (!err)
		err = pv_strings_add(profile->strings, "bpf", 3, &profile->engine);
	if (!err)
		err = pv_profile_process(profile, &one, &index);
	profile->target_name = one.name;
	profile->title = one.title;
	profile->pid = one.pid;
	profile->start_unix_ns = pv_clock_ns(CLOCK_REALTIME);
	return err;
}

/* Also of a Python that is there and cannot be read: why. */
static struct pv_err *describe_python(struct pv_hunt *hunt)
{
	const struct pv_image *image = &hunt->probed.image;
	struct pv_profile *profile = hunt->memory->profile;
	struct pv_probed *probed = &hunt->probed;
	struct pv_err *err = NULL;

	if (image->python.found)
		snprintf(probed->interpreter, sizeof(probed->interpreter), "CPython %s",
			 image->python.version);
	err = pv_strings_add(profile->strings, probed->interpreter, strlen(probed->interpreter),
			     &profile->interpreter);
	if (!err && image->python_error)
		err = pv_strings_add(profile->strings, image->python_error,
				     strlen(image->python_error), &profile->problem);
	hunt->memory->free_threaded = strstr(image->python.version, "free-threaded") != NULL;
	return err;
}

static struct pv_err *launch(struct pv_hunt *hunt)
{
	struct pv_err *err = pv_launch(hunt->options.argv, &hunt->launched);

	if (err)
		return err;
	hunt->held = true;
	hunt->options.pid = hunt->launched;
	err = pv_launch_load(hunt->launched);
	/* it has ended before it was loaded: its status tells, and that nothing was seen */
	if (err && err->errnum == ECHILD)
		hunt->held = false;
	return err;
}

static struct pv_err *begin(struct pv_hunt *hunt)
{
	struct pv_trend_options options = {
		.probed = &hunt->probed,
		.memory = hunt->memory,
		.stacks = true,
	};
	struct pv_err *err = NULL;

	if (hunt->options.argv)
		err = launch(hunt);
	if (!err)
		err = pv_probed_open(hunt->options.pid, &hunt->probed);
	if (err)
		return err;
	if (!pv_process_stack_start(hunt->options.pid, &hunt->stack_start))
		hunt->stack_start = 0;
	hunt->start_ns = pv_now_ns();
	hunt->started_ns = hunt->start_ns;
	err = describe(hunt);
	if (!err)
		err = describe_python(hunt);
	options.start_ns = hunt->start_ns;
	if (!err && may_climb(hunt, PV_RUNG_TREND))
		err = pv_trend_create(&options, &hunt->trend);
	/* who may not load programs may not do what follows either, and must be told */
	if (!err && hunt->launched) {
		err = pv_launch_release(hunt->launched);
		hunt->held = err != NULL;
	}
	hunt->plan_ns =
		(uint64_t)((hunt->options.duration_s ? hunt->options.duration_s : OPEN_S) * 1e9);
	hunt->look_ns = hunt->plan_ns / LOOKS;
	hunt->next_look_ns = hunt->start_ns + hunt->look_ns / 2;
	return err;
}

struct pv_err *pv_hunt_create(const struct pv_hunt_options *options, struct pv_hunt **ret)
{
	struct pv_hunt *hunt = calloc(1, sizeof(*hunt));
	struct pv_err *err;

	if (!hunt)
		return &pv_enomem;
	hunt->options = *options;
	hunt->probed.pid_fd = -1;
	hunt->doing = "looking";
	err = pv_memory_create(&hunt->memory);
	if (!err)
		err = begin(hunt);
	if (err) {
		pv_hunt_destroy(hunt);
		return err;
	}
	*ret = hunt;
	return NULL;
}

void pv_hunt_destroy(struct pv_hunt *hunt)
{
	if (!hunt)
		return;
	pv_trend_destroy(hunt->trend);
	if (hunt->held)
		pv_err_destroy(pv_launch_release(hunt->launched));
	pv_memory_destroy(hunt->memory);
	pv_probed_deinit(&hunt->probed);
	free(hunt);
}

struct pv_hunt_facts pv_hunt_facts(const struct pv_hunt *hunt)
{
	struct pv_hunt_facts facts = {
		.pid = hunt->options.pid,
		.name = hunt->probed.process.name,
		.interpreter = hunt->probed.interpreter,
		.doing = hunt->doing,
		.ended = hunt->gone,
	};

	for (size_t i = 0; i < hunt->memory->looks.n; i++) {
		const struct pv_memory_look *look = pv_vec_at(&hunt->memory->looks, i);

		facts.n_looks += look->kind == PV_LOOK_CENSUS;
	}
	return facts;
}

/* ---- the rungs */

/* A program that has just begun may not have its interpreter yet. */
static struct pv_err *look_for_python(struct pv_hunt *hunt)
{
	uint64_t now = pv_now_ns();
	struct pv_err *err;

	if (hunt->probed.image.python.found || now - hunt->started_ns < START_NS)
		return NULL;
	/* what runs none after the plan's time will hardly begin one */
	if (now - hunt->start_ns > hunt->plan_ns && !hunt->probed.image.python_pending)
		return NULL;
	hunt->started_ns = now;
	err = pv_probed_refresh(&hunt->probed);
	return err ? err : describe_python(hunt);
}

/* It executes another program: whatever was counted is of the one before. */
static bool was_replaced(const struct pv_hunt *hunt)
{
	uint64_t now;

	return hunt->stack_start && pv_process_stack_start(hunt->options.pid, &now) &&
	       now != hunt->stack_start;
}

static struct pv_err *climb(struct pv_hunt *hunt)
{
	struct pv_err *err = NULL;

	if (hunt->trend)
		err = pv_trend_step(hunt->trend);
	if (!err)
		err = look_for_python(hunt);
	return err;
}

static int patience(const struct pv_hunt *hunt, int timeout_ms)
{
	int most = hunt->trend ? pv_trend_patience(hunt->trend) : timeout_ms;

	return timeout_ms < most ? timeout_ms : most;
}

struct pv_err *pv_hunt_step(struct pv_hunt *hunt, int timeout_ms, int fd, bool *ended_ret)
{
	struct pollfd fds[] = {
		{ .fd = hunt->probed.pid_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
		{ .fd = hunt->trend ? pv_trend_fd(hunt->trend) : -1, .events = POLLIN },
	};
	struct pv_err *err = NULL;

	if (poll(fds, 3, patience(hunt, timeout_ms)) < 0 && errno != EINTR)
		return pv_err_errno(errno, "cannot wait");
	hunt->gone |= fds[0].revents != 0;
	hunt->replaced |= !hunt->gone && was_replaced(hunt);
	if (!hunt->gone && !hunt->replaced)
		err = pv_probed_unless_ended(&hunt->probed, climb(hunt), &hunt->gone);
	if (!err)
		*ended_ret = hunt->gone || hunt->replaced;
	return err;
}

/* ---- the end */

static struct pv_err *fill_totals(struct pv_hunt *hunt, bool stopped)
{
	struct pv_memory *memory = hunt->memory;
	struct pv_profile *profile = memory->profile;
	uint64_t hits_ns = 0;
	struct rusage usage;

	profile->duration_ns = pv_now_ns() - hunt->start_ns;
	profile->ended = hunt->gone;
	if (!getrusage(RUSAGE_SELF, &usage))
		profile->own_cpu_ns =
			(uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000ULL +
			(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ULL;
	for (int i = 0; i < PV_RUNG_N; i++)
		hits_ns += memory->rungs[i].hits_ns;
	if (profile->duration_ns)
		memory->cost_cpus = (double)hits_ns / (double)profile->duration_ns;
	memory->end = hunt->replaced ? PV_MEMORY_REPLACED
		      : hunt->gone   ? PV_MEMORY_TARGET_ENDED
		      : stopped      ? PV_MEMORY_STOPPED
				     : PV_MEMORY_DONE;
	pv_losses_describe(&profile->losses);
	return NULL;
}

struct pv_err *pv_hunt_finish(struct pv_hunt *hunt, bool stopped, const struct pv_memory **ret)
{
	struct pv_err *err = NULL;

	if (!hunt->finished) {
		hunt->finished = true;
		if (hunt->trend)
			err = pv_trend_stop(hunt->trend);
		if (!err)
			err = fill_totals(hunt, stopped);
	}
	if (!err)
		*ret = hunt->memory;
	return err;
}

struct pv_err *pv_hunt_wait(struct pv_hunt *hunt, int fd, bool *ended_ret)
{
	struct pollfd fds[] = {
		{ .fd = hunt->probed.pid_fd, .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};

	if (poll(fds, 2, -1) < 0 && errno != EINTR)
		return pv_err_errno(errno, "cannot wait");
	hunt->gone |= fds[0].revents != 0;
	*ended_ret = hunt->gone;
	return NULL;
}

struct pv_err *pv_hunt_wait_program(struct pv_hunt *hunt, int *status_ret, int *signal_ret)
{
	return pv_launch_wait(hunt->launched, status_ret, signal_ret);
}
