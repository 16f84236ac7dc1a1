/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sums the CPU time of child processes that are not recorded.
 * Input: /proc/PID/stat and the CPU clocks of processes.
 * Output: struct pv_unwatched_sum.
 *
 * What lives is asked for its own time.  What has ended has left it to the one
 * that waited for it, who tells a sum (cutime and cstime); what of that was
 * counted while it lived is taken off.
 */
#include "session/unwatched.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/vec.h"
#include "model/profile.h"
#include "target/process.h"

/* A look is taken when that many times the last one's length have gone by. */
enum { SPARE = 200 };

/* A recorded process or a descendant, as it was at the last look. */
struct kin {
	pid_t pid, parent;
	uint64_t start_ticks;
	uint64_t own_ns, waited_ns;
	bool recorded;
};

struct pv_unwatched {
	struct pv_vec recorded; /* pid_t */
	struct pv_vec kin;      /* struct kin */
	struct pv_map by_pid;   /* pid -> index of kin */
	bool looked;
	uint64_t first_ticks;          /* clock ticks since boot at the first look */
	uint64_t looked_ns, length_ns; /* end and length of the last one */
	uint32_t n;
	uint64_t lived_ns; /* of those that lived at a look */
	int64_t left_ns;   /* of those that had ended, without what was counted before */
	bool least;
};

/* One look. */
struct look {
	struct pv_unwatched *unwatched;
	struct pv_vec lines;   /* struct pv_process_line */
	struct pv_map line_of; /* pid -> index of lines */
	bool *done;            /* by index of lines */
	struct pv_vec kin;     /* struct kin */
	struct pv_map by_pid;  /* pid -> index of kin */
};

struct pv_err *pv_unwatched_create(const pid_t *pids, size_t n_pids, struct pv_unwatched **ret)
{
	struct pv_unwatched *unwatched = calloc(1, sizeof(*unwatched));
	struct pv_err *err;

	if (!unwatched)
		return &pv_enomem;
	unwatched->recorded = (struct pv_vec)PV_VEC(pid_t);
	unwatched->kin = (struct pv_vec)PV_VEC(struct kin);
	err = pv_vec_append(&unwatched->recorded, pids, n_pids, NULL);
	if (err) {
		pv_unwatched_destroy(unwatched);
		return err;
	}
	*ret = unwatched;
	return NULL;
}

void pv_unwatched_destroy(struct pv_unwatched *unwatched)
{
	if (!unwatched)
		return;
	pv_vec_deinit(&unwatched->recorded);
	pv_vec_deinit(&unwatched->kin);
	pv_map_deinit(&unwatched->by_pid);
	free(unwatched);
}

static void look_deinit(struct look *look)
{
	pv_vec_deinit(&look->lines);
	pv_vec_deinit(&look->kin);
	pv_map_deinit(&look->line_of);
	pv_map_deinit(&look->by_pid);
	free(look->done);
}

/* The same process at the last look, or NULL. */
static const struct kin *find_old(const struct pv_unwatched *unwatched,
				  const struct pv_process_line *line)
{
	const struct kin *kin;
	uint64_t i;

	if (!pv_map_get(&unwatched->by_pid, line->pid, &i))
		return NULL;
	kin = pv_vec_at(&unwatched->kin, i);
	return kin->start_ticks == line->start_ticks ? kin : NULL;
}

/* Only at the first look: later the number may be another process's. */
static bool is_recorded(const struct pv_unwatched *unwatched, pid_t pid)
{
	for (size_t i = 0; !unwatched->looked && i < unwatched->recorded.n; i++) {
		if (*(pid_t *)pv_vec_at(&unwatched->recorded, i) == pid)
			return true;
	}
	return false;
}

static void count(struct pv_unwatched *unwatched, const struct kin *kin, const struct kin *old)
{
	/* one that is older than the capture and new to us brings no time of before */
	bool born = unwatched->looked && kin->start_ticks >= unwatched->first_ticks;
	int64_t waited_ns = kin->waited_ns - (old ? old->waited_ns : born ? 0 : kin->waited_ns);

	if (!kin->recorded)
		unwatched->lived_ns += kin->own_ns - (old ? old->own_ns : born ? 0 : kin->own_ns);
	unwatched->left_ns += waited_ns;
	unwatched->least |= waited_ns > 0 || (old && old->parent != kin->parent);
}

static struct pv_err *take(struct look *look, const struct pv_process_line *line)
{
	struct pv_unwatched *unwatched = look->unwatched;
	const struct kin *old = find_old(unwatched, line);
	struct kin kin = {
		.pid = line->pid,
		.parent = line->parent,
		.start_ticks = line->start_ticks,
		.recorded = old ? old->recorded : is_recorded(unwatched, line->pid),
	};
	struct pv_err *err;

	/* it may have ended since the list was made */
	if (!pv_process_cpu_ns(kin.pid, &kin.own_ns) ||
	    !pv_process_waited_ns(kin.pid, kin.start_ticks, &kin.waited_ns))
		return NULL;
	/* what was a zombie from the start has no part in it */
	unwatched->n += !old && !kin.recorded && (unwatched->looked || line->state != 'Z');
	count(unwatched, &kin, old);
	err = pv_map_set(&look->by_pid, kin.pid, look->kin.n);
	return err ? err : pv_vec_append(&look->kin, &kin, 1, NULL);
}

/*
 * Takes a process if it is one of ours, its parents before it: one that ends
 * after its parent was asked is missing at this look, and not counted twice.
 */
static struct pv_err *consider(struct look *look, size_t i)
{
	const struct pv_process_line *line = pv_vec_at(&look->lines, i);
	const struct pv_unwatched *unwatched = look->unwatched;
	struct pv_err *err = NULL;
	uint64_t parent, of;
	bool ours;

	if (look->done[i])
		return NULL;
	look->done[i] = true;
	if (pv_map_get(&look->line_of, line->parent, &parent))
		err = consider(look, parent);
	ours = find_old(unwatched, line) || is_recorded(unwatched, line->pid) ||
	       (line->pid != getpid() && pv_map_get(&look->by_pid, line->parent, &of));
	return err || !ours || line->kernel_thread ? err : take(look, line);
}

/*
 * Those that were there and are not.  Whoever of ours waited for one has its time
 * now, with what was counted already; nobody of ours waits for the topmost.
 */
static void take_off(struct look *look, uint64_t at_ns)
{
	struct pv_unwatched *unwatched = look->unwatched;
	uint64_t value;

	for (size_t i = 0; i < unwatched->kin.n; i++) {
		const struct kin *kin = pv_vec_at(&unwatched->kin, i);
		const struct kin *now;

		if (pv_map_get(&look->by_pid, kin->pid, &value)) {
			now = pv_vec_at(&look->kin, value);
			if (now->start_ticks == kin->start_ticks)
				continue;
		}
		unwatched->least = true;
		if (!pv_map_get(&unwatched->by_pid, kin->parent, &value))
			continue;
		unwatched->left_ns -= kin->own_ns + kin->waited_ns;
		/* of a recorded one, what it can have used since */
		if (kin->recorded)
			unwatched->left_ns -= (int64_t)(at_ns - unwatched->looked_ns) *
					      sysconf(_SC_NPROCESSORS_ONLN);
	}
}

static struct pv_err *look_at_all(struct pv_unwatched *unwatched)
{
	PV_CLEANUP(look_deinit) struct look look = { .unwatched = unwatched };
	uint64_t start_ns = pv_now_ns();
	struct pv_err *err = pv_process_list(&look.lines);

	if (err)
		return err;
	look.kin = (struct pv_vec)PV_VEC(struct kin);
	look.done = calloc(look.lines.n + 1, sizeof(*look.done));
	if (!look.done)
		return &pv_enomem;
	for (size_t i = 0; !err && i < look.lines.n; i++) {
		const struct pv_process_line *line = pv_vec_at(&look.lines, i);

		err = pv_map_set(&look.line_of, line->pid, i);
	}
	for (size_t i = 0; !err && i < look.lines.n; i++)
		err = consider(&look, i);
	if (err)
		return err;
	take_off(&look, start_ns);
	if (!unwatched->looked)
		unwatched->first_ticks =
			pv_clock_ns(CLOCK_BOOTTIME) / 1000000 * sysconf(_SC_CLK_TCK) / 1000;
	unwatched->looked = true;
	pv_vec_deinit(&unwatched->kin);
	pv_map_deinit(&unwatched->by_pid);
	unwatched->kin = look.kin;
	look.kin = (struct pv_vec)PV_VEC(struct kin);
	unwatched->by_pid = look.by_pid;
	look.by_pid = (struct pv_map){};
	unwatched->looked_ns = pv_now_ns();
	unwatched->length_ns = unwatched->looked_ns - start_ns;
	return NULL;
}

struct pv_err *pv_unwatched_look(struct pv_unwatched *unwatched, bool now,
				 struct pv_unwatched_sum *ret)
{
	struct pv_err *err = NULL;

	if (now || pv_now_ns() - unwatched->looked_ns >= SPARE * unwatched->length_ns)
		err = look_at_all(unwatched);
	if (err)
		return err;
	*ret = (struct pv_unwatched_sum){
		.n = unwatched->n,
		.cpu_ns = unwatched->lived_ns +
			  (unwatched->left_ns > 0 ? (uint64_t)unwatched->left_ns : 0),
		.least = unwatched->least,
	};
	return NULL;
}

struct pv_err *pv_unwatched_count(struct pv_unwatched *unwatched, bool now,
				  struct pv_profile *profile)
{
	struct pv_unwatched_sum sum = {};
	struct pv_err *err = unwatched ? pv_unwatched_look(unwatched, now, &sum) : NULL;

	if (err)
		return err;
	profile->n_unwatched = sum.n;
	profile->unwatched_cpu_ns = sum.cpu_ns;
	profile->unwatched_least = sum.least;
	return NULL;
}
