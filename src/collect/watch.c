/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loading, attaching and draining of watch.bpf.c.  Input: a word, threads, an image.
 * Output: records by callback.
 */
#include "collect/watch.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/vec.h"
#include "collect/load.h"
#include "collect/probes.h"
#include "collect/walkers.h"

#include "watch.skel.h"

enum {
	RING_BYTES = 16 << 20,
	PASSES_MAX = 8,    /* looks for threads that were born meanwhile */
	READS_MAX = 10000, /* until none has written between two looks */
	WORDS_MAX = 2,     /* of a split count */
	PRICE_HITS = 256,
};

struct pv_watchpoint {
	struct watch_bpf *bpf;
	struct pv_prices prices;
	struct pv_probes *probes;
	struct pv_walkers *walkers;
	struct pv_watchpoint_options options;
	struct pv_vec events;                /* int */
	struct pv_vec aimed[PV_LIVES_SLOTS]; /* int: those of each slot, of lives */
	struct pv_map tids;                  /* that have events of their own */
	uint64_t hits;                       /* of events that are closed */
};

/* ---- the processor's side */

/*
 * One watchpoint of a thread and of those that it starts, not of processes.  precise_ip is 0:
 * the address is that of the next instruction then, and the program may walk.
 */
static int open_event(pid_t tid, uint64_t address, uint32_t size, bool inherit)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_BREAKPOINT,
		.bp_type = HW_BREAKPOINT_W,
		.bp_addr = address,
		.bp_len = size,
		.sample_period = 1,
		.inherit = inherit,
		.inherit_thread = inherit,
		.remove_on_exec = inherit,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static bool is_absent(int error)
{
	return error == ENODEV || error == EOPNOTSUPP || error == ENOENT || error == EINVAL;
}

static struct pv_err *absent(void)
{
	return pv_err_create(PV_ERR_FAILED, "cannot watch memory: this machine has no debug "
					    "registers that work, as some virtual machines");
}

static bool is_taken(int error)
{
	return error == ENOSPC || error == EBUSY;
}

/* An error of perf_event_open() in words; tid 0: for a thread of our own. */
static struct pv_err *refused(int error, pid_t tid)
{
	if (is_taken(error) && !tid)
		return pv_err_create(PV_ERR_FAILED,
				     "cannot watch memory: all debug registers (4) of a processor "
				     "are taken for all threads, as `perf record -a -e mem:...` "
				     "does; if that ends, they are free");
	if (is_taken(error))
		return pv_err_create(PV_ERR_FAILED,
				     "cannot watch memory of thread %d: of its debug registers (4) "
				     "too many are taken, by perf or other pitvipers until they "
				     "end, or by watchpoints of a debugger, which Linux keeps "
				     "taken until the thread ends",
				     (int)tid);
	if (error == EACCES || error == EPERM)
		return pv_load_permission();
	if (is_absent(error))
		return absent();
	return pv_err_errno(error, "cannot watch memory of thread %d", (int)tid);
}

/* The same where there is another way than an end. */
static struct pv_err *unless_unusable(int error, pid_t tid, struct pv_err **unusable_ret)
{
	struct pv_err *err = refused(error, tid);

	if (err == &pv_enomem || !(is_taken(error) || is_absent(error)))
		return err;
	*unusable_ret = err;
	return NULL;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

struct pv_err *pv_watch_measure(uint64_t *bare_ns_ret, struct pv_err **unusable_ret)
{
	static volatile uint64_t word __attribute__((aligned(8)));
	uint64_t batches[16], hits = 0;
	_pv_close_ int fd = open_event(0, (uintptr_t)&word, 8, false);

	if (fd < 0)
		return unless_unusable(errno, 0, unusable_ret);
	for (size_t i = 0; i < 16; i++) {
		uint64_t start_ns = pv_now_ns();

		for (size_t k = 0; k < PRICE_HITS / 16; k++)
			word++;
		batches[i] = (pv_now_ns() - start_ns) / (PRICE_HITS / 16);
	}
	/* registers that can be written and do nothing: the trap is what tells */
	if (read(fd, &hits, sizeof(hits)) != sizeof(hits) || hits < PRICE_HITS) {
		*unusable_ret = absent();
		return NULL;
	}
	qsort(batches, 16, sizeof(batches[0]), compare_u64);
	*bare_ns_ret = batches[8];
	return NULL;
}

/* ---- programs */

static struct pv_err *load(struct pv_watchpoint *watch)
{
	const struct pv_probes_options probes = {
		.pid = watch->options.pid,
		.budget = watch->options.budget,
		.python = watch->options.python,
	};
	struct pv_err *err = pv_probes_check(&watch->prices);
	uint32_t n_scratch = 0;
	int error;

	if (err)
		return err;
	watch->bpf = watch_bpf__open();
	if (!watch->bpf)
		return pv_err_errno(errno, "cannot open the BPF program");
	watch->bpf->rodata->probe = pv_probes_constants(&probes);
	watch->bpf->rodata->counted = watch->options.counted;
	watch->bpf->rodata->frame_path = watch->options.frame_path;
	/* time off the CPU is nothing to us */
	bpf_program__set_autoload(watch->bpf->progs.on_switch, false);
	err = pv_walkers_size(watch->bpf->obj, &n_scratch);
	if (err)
		return err;
	watch->bpf->rodata->n_scratch = n_scratch;
	if (bpf_map__set_max_entries(watch->bpf->maps.ring, RING_BYTES))
		return pv_err_create(PV_ERR_FAILED, "cannot size the BPF maps");
	pv_probes_prepare(watch->bpf->obj, &watch->prices, &watch->bpf->rodata->in_namespace);
	error = watch_bpf__load(watch->bpf);
	return error ? pv_load_error(error) : NULL;
}

struct pv_err *pv_watchpoint_create(const struct pv_watchpoint_options *options,
				    struct pv_watchpoint **ret)
{
	struct pv_watchpoint *watch = calloc(1, sizeof(*watch));
	struct pv_err *err;

	if (!watch)
		return &pv_enomem;
	watch->options = *options;
	watch->events = (struct pv_vec)PV_VEC(int);
	for (size_t i = 0; i < PV_LIVES_SLOTS; i++)
		watch->aimed[i] = (struct pv_vec)PV_VEC(int);
	err = load(watch);
	if (!err)
		err = pv_walkers_create(watch->bpf->obj, &watch->walkers);
	if (!err)
		err = pv_probes_create(watch->bpf->obj, &watch->bpf->bss->probe_state, options->pid,
				       &watch->prices, &watch->probes);
	if (err) {
		pv_watchpoint_destroy(watch);
		return err;
	}
	*ret = watch;
	return NULL;
}

void pv_watchpoint_destroy(struct pv_watchpoint *watch)
{
	if (!watch)
		return;
	pv_watchpoint_detach(watch);
	pv_probes_destroy(watch->probes);
	pv_walkers_destroy(watch->walkers);
	watch_bpf__destroy(watch->bpf);
	pv_vec_deinit(&watch->events);
	for (size_t i = 0; i < PV_LIVES_SLOTS; i++)
		pv_vec_deinit(&watch->aimed[i]);
	pv_map_deinit(&watch->tids);
	free(watch);
}

void pv_watchpoint_object(struct pv_watchpoint *watch, const struct pv_count_object *object)
{
	watch->bpf->bss->count_object = *object;
}

struct pv_probes *pv_watchpoint_probes(const struct pv_watchpoint *watch)
{
	return watch->probes;
}

struct pv_err *pv_watchpoint_put(struct pv_watchpoint *watch, const struct pv_image *image,
				 const struct pv_objects *objects)
{
	return pv_walkers_put(watch->walkers, image, objects);
}

/* ---- attaching */

/* The words that hold a count: their addresses and sizes. */
static size_t words_of(const struct pv_count_constants *counted, uint64_t address,
		       uint64_t at[WORDS_MAX], uint32_t size[WORDS_MAX])
{
	switch (counted->format) {
	case PV_COUNT_SPLIT:
		at[0] = address + counted->local_at;
		size[0] = 4;
		at[1] = address + counted->shared_at;
		size[1] = 8;
		return 2;
	case PV_COUNT_FIELD:
		at[0] = address;
		size[0] = counted->size;
		return 1;
	default:
		at[0] = address + counted->count_at;
		size[0] = counted->format == PV_COUNT_LOW ? 4 : 8;
		return 1;
	}
}

/* As many of n as there are registers for, at an address where nothing is, for a moment. */
static size_t count_registers(pid_t tid, uint32_t size, size_t n)
{
	int fds[PV_LIVES_SLOTS];
	size_t n_open = 0, found;

	while (n_open < n && n_open < PV_LIVES_SLOTS &&
	       (fds[n_open] = open_event(tid, 0, size, true)) >= 0)
		n_open++;
	/* a thread that has ended needs none */
	found = !n_open && errno == ESRCH ? n : n_open;
	while (n_open)
		close(fds[--n_open]);
	return found;
}

struct pv_err *pv_watch_registers(pid_t pid, const struct pv_count_constants *counted,
				  size_t *n_ret, size_t *threads_ret)
{
	uint64_t at[WORDS_MAX];
	uint32_t size[WORDS_MAX];
	char path[32];
	DIR *dir;

	words_of(counted, 0, at, size);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return pv_err_create(PV_ERR_NOPROC, "process %d has ended", (int)pid);
	*n_ret = PV_LIVES_SLOTS;
	*threads_ret = 0;
	for (struct dirent *entry; *n_ret && (entry = readdir(dir));) {
		pid_t tid = atoi(entry->d_name);

		if (tid <= 0)
			continue;
		*n_ret = count_registers(tid, size[0], *n_ret);
		++*threads_ret;
	}
	closedir(dir);
	return NULL;
}

/* As many as are needed, at an address where nothing is, all at once, for a moment. */
static struct pv_err *try_thread(pid_t tid, const struct pv_count_constants *counted,
				 struct pv_err **unusable_ret)
{
	uint64_t at[WORDS_MAX];
	uint32_t size[WORDS_MAX];
	size_t n = words_of(counted, 0, at, size), n_open = 0;
	struct pv_err *err = NULL;
	int fds[WORDS_MAX];

	for (size_t i = 0; !err && !*unusable_ret && i < n; i++) {
		int fd = open_event(tid, 0, size[i], true);

		if (fd >= 0)
			fds[n_open++] = fd;
		else if (errno != ESRCH)
			err = unless_unusable(errno, tid, unusable_ret);
	}
	while (n_open)
		close(fds[--n_open]);
	return err;
}

struct pv_err *pv_watch_room(pid_t pid, const struct pv_count_constants *counted,
			     struct pv_err **unusable_ret)
{
	struct pv_err *err = NULL;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (!dir)
		return pv_err_create(PV_ERR_NOPROC, "process %d has ended", (int)pid);
	for (struct dirent *entry; !err && !*unusable_ret && (entry = readdir(dir));) {
		pid_t tid = atoi(entry->d_name);

		if (tid > 0)
			err = try_thread(tid, counted, unusable_ret);
	}
	closedir(dir);
	return err;
}

/* gone_ret: the thread has ended meanwhile. */
static struct pv_err *watch_thread(struct pv_watchpoint *watch, uint64_t object, pid_t tid,
				   struct pv_vec *events, bool *gone_ret)
{
	uint64_t at[WORDS_MAX];
	uint32_t size[WORDS_MAX];
	size_t n = words_of(&watch->options.counted, object, at, size);
	int program = bpf_program__fd(watch->bpf->progs.on_write);

	for (size_t i = 0; i < n; i++) {
		int fd = open_event(tid, at[i], size[i], true);
		struct pv_err *err;

		*gone_ret = fd < 0 && errno == ESRCH;
		if (*gone_ret)
			return NULL;
		if (fd < 0)
			return refused(errno, tid);
		err = pv_vec_append(events, &fd, 1, NULL);
		if (err) {
			close(fd);
			return err;
		}
		if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, program))
			return pv_err_errno(errno, "cannot run the BPF program at a watchpoint");
	}
	return NULL;
}

/* Every thread that has none yet, of those in tids; n_ret: how many these were. */
static struct pv_err *watch_threads(struct pv_watchpoint *watch, uint64_t object,
				    struct pv_vec *events, struct pv_map *tids, size_t *n_ret)
{
	struct pv_err *err = NULL;
	char path[32];
	DIR *dir;

	*n_ret = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)watch->options.pid);
	dir = opendir(path);
	if (!dir)
		return pv_err_create(PV_ERR_NOPROC, "process %d has ended",
				     (int)watch->options.pid);
	for (struct dirent *entry; !err && (entry = readdir(dir));) {
		pid_t tid = atoi(entry->d_name);
		uint64_t known;
		bool gone;

		if (tid <= 0 || pv_map_get(tids, (uint64_t)tid, &known))
			continue;
		err = pv_map_set(tids, (uint64_t)tid, 1);
		if (!err)
			err = watch_thread(watch, object, tid, events, &gone);
		*n_ret += !err && !gone;
	}
	closedir(dir);
	return err;
}

/*
 * What the word was before the next write.  Between two looks at the number of writes with the
 * same answer nobody has written; where that never comes to pass, the program knows the value
 * after the last write.
 */
static struct pv_err *take_base(struct pv_watchpoint *watch,
				struct pv_err *(*read_word)(void *ctx, int64_t *ret), void *ctx,
				int64_t *base_ret)
{
	struct pv_count_state *state = &watch->bpf->bss->count_state;

	/* of lives that were followed before */
	state->changes = 0;
	for (int i = 0; i < READS_MAX; i++) {
		uint64_t before = __atomic_load_n(&state->writes, __ATOMIC_SEQ_CST);
		struct pv_err *err = read_word(ctx, base_ret);

		if (err)
			return err;
		if (before != __atomic_load_n(&state->writes, __ATOMIC_SEQ_CST))
			continue;
		state->base = *base_ret;
		state->base_at = before;
		__atomic_store_n(&state->armed, 1, __ATOMIC_SEQ_CST);
		return NULL;
	}
	state->base_at = UINT64_MAX;
	__atomic_store_n(&state->armed, 1, __ATOMIC_SEQ_CST);
	*base_ret = state->last;
	return NULL;
}

/*
 * A thread that one starts which is watched already inherits its watchpoint, and is then found here
 * all the same: it has two then, of which the second hit finds the count as it was and does not
 * count.
 */
struct pv_err *pv_watchpoint_attach(struct pv_watchpoint *watch,
				    struct pv_err *(*read_word)(void *ctx, int64_t *ret), void *ctx,
				    int64_t *base_ret)
{
	struct pv_err *err;
	size_t n = 1;

	err = pv_probes_attach(watch->probes);
	if (watch->options.counted.lines)
		n = 0;
	for (int i = 0; !err && n && i < PASSES_MAX; i++)
		err = watch_threads(watch, watch->bpf->bss->count_object.address, &watch->events,
				    &watch->tids, &n);
	return err ? err : take_base(watch, read_word, ctx, base_ret);
}

static uint64_t count_hits(const struct pv_vec *events)
{
	uint64_t sum = 0, hits;

	for (size_t i = 0; i < events->n; i++) {
		if (read(*(int *)pv_vec_at(events, i), &hits, sizeof(hits)) == sizeof(hits))
			sum += hits;
	}
	return sum;
}

static void close_events(struct pv_watchpoint *watch, struct pv_vec *events)
{
	watch->hits += count_hits(events);
	for (size_t i = 0; i < events->n; i++)
		close(*(int *)pv_vec_at(events, i));
	events->n = 0;
}

struct pv_err *pv_watchpoint_aim(struct pv_watchpoint *watch, size_t i, uint64_t object)
{
	PV_CLEANUP(pv_map_deinit) struct pv_map tids = { 0 };
	struct pv_life_slot *slot = pv_watchpoint_slot(watch, i);
	struct pv_err *err = NULL;
	size_t n = object ? 1 : 0;

	/* a program may be at it amid this: nobody writes to it any more then */
	slot->object = 0;
	close_events(watch, &watch->aimed[i]);
	*slot = (struct pv_life_slot){ .object = object };
	for (int pass = 0; !err && n && pass < PASSES_MAX; pass++)
		err = watch_threads(watch, object, &watch->aimed[i], &tids, &n);
	if (err) {
		slot->object = 0;
		close_events(watch, &watch->aimed[i]);
	}
	return err;
}

struct pv_lives_state *pv_watchpoint_lives(const struct pv_watchpoint *watch)
{
	return &watch->bpf->bss->lives;
}

struct pv_life_slot *pv_watchpoint_slot(const struct pv_watchpoint *watch, size_t i)
{
	return &watch->bpf->bss->life_slots[i];
}

struct pv_err *pv_watchpoint_way(const struct pv_watchpoint *watch, uint64_t way, bool wanted)
{
	int fd = bpf_map__fd(watch->bpf->maps.ways);
	struct pv_life_way known = { 0 };

	if (!way)
		return NULL;
	if (bpf_map_lookup_elem(fd, &way, &known) && errno != ENOENT)
		return pv_err_errno(errno, "cannot read a BPF map");
	known.wanted += wanted;
	known.others += !wanted;
	if (!bpf_map_update_elem(fd, &way, &known, BPF_ANY))
		return NULL;
	return pv_err_errno(errno, "cannot fill a BPF map");
}

void pv_watchpoint_detach(struct pv_watchpoint *watch)
{
	close_events(watch, &watch->events);
	for (size_t i = 0; i < PV_LIVES_SLOTS; i++)
		close_events(watch, &watch->aimed[i]);
	if (watch->probes)
		pv_probes_detach(watch->probes);
}

size_t pv_watchpoint_threads(const struct pv_watchpoint *watch)
{
	return watch->tids.n;
}

void pv_watchpoint_resolve(struct pv_watchpoint *watch)
{
	__atomic_store_n(&watch->bpf->bss->count_state.resolve, 1, __ATOMIC_SEQ_CST);
}

struct pv_err *pv_watchpoint_row(struct pv_watchpoint *watch, uint32_t index, uint64_t address)
{
	if (!bpf_map_update_elem(bpf_map__fd(watch->bpf->maps.rows), &index, &address, BPF_ANY))
		return NULL;
	return pv_err_errno(errno, "cannot fill a BPF map");
}

struct pv_err *pv_watchpoint_returns(struct pv_watchpoint *watch, uint64_t address,
				     enum pv_native_return place)
{
	int fd = bpf_map__fd(watch->bpf->maps.native_returns);
	uint32_t value = place;

	if (!bpf_map_update_elem(fd, &address, &value, BPF_ANY) || errno == E2BIG)
		return NULL;
	return pv_err_errno(errno, "cannot fill a BPF map");
}

void pv_watchpoint_forget_return(struct pv_watchpoint *watch, uint64_t address)
{
	bpf_map_delete_elem(bpf_map__fd(watch->bpf->maps.native_returns), &address);
}

/* ---- draining */

int pv_watchpoint_fd(const struct pv_watchpoint *watch)
{
	return pv_walkers_fd(watch->walkers);
}

struct pv_err *pv_watchpoint_drain(struct pv_watchpoint *watch,
				   struct pv_err *(*fn)(void *ctx, const struct pv_event *event,
							size_t size),
				   void *ctx)
{
	return pv_walkers_drain(watch->walkers, fn, ctx);
}

struct pv_count_state pv_watchpoint_state(const struct pv_watchpoint *watch)
{
	return watch->bpf->bss->count_state;
}

struct pv_probe_state pv_watchpoint_probe_state(const struct pv_watchpoint *watch)
{
	return watch->bpf->bss->probe_state;
}

struct pv_count_calls pv_watchpoint_calls(const struct pv_watchpoint *watch, size_t index)
{
	return index < PV_CHANGE_FUNCTIONS_MAX ? watch->bpf->bss->calls_of[index]
					       : (struct pv_count_calls){ 0 };
}

/* Those of threads that have inherited a watchpoint are counted with it. */
uint64_t pv_watchpoint_hits(const struct pv_watchpoint *watch)
{
	uint64_t sum = watch->hits + count_hits(&watch->events);

	for (size_t i = 0; i < PV_LIVES_SLOTS; i++)
		sum += count_hits(&watch->aimed[i]);
	return sum;
}

struct pv_err *pv_watchpoint_losses(const struct pv_watchpoint *watch, uint64_t *counts)
{
	return pv_walkers_losses(watch->walkers, counts);
}
