/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loading, attaching and reading of latency.bpf.c.  Input: sites, code objects.
 * Output: rows of histograms, counts, news.
 */
#include "collect/calls.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "abi/probe.h"
#include "base/cleanup.h"
#include "collect/price.h"
#include "collect/features.h"
#include "collect/load.h"
#include "collect/multi.h"
#include "elf/elf.h"
#include "python/detect.h"
#include "python/sites.h"
#include "target/place.h"

#include "latency.skel.h"

/* A burst may cost so much more than the budget before it counts as too much. */
enum { DEBT_MAX_NS = 100 * 1000 * 1000 };

struct pv_calls {
	struct pv_calls_options options;
	struct latency_bpf *bpf;
	struct ring_buffer *ring;
	struct pv_calls_news news;
	uint64_t prices[2];
	int file_fd, link_fd;
	uint64_t offsets[PV_PYTHON_SITES_MAX], cookies[PV_PYTHON_SITES_MAX];
	size_t n;
};

static int on_event(void *ctx, void *data, size_t size)
{
	struct pv_calls *calls = ctx;
	const struct pv_latency_event *event = data;

	if (size < sizeof(*event))
		return 0;
	calls->news.over_budget |= event->type == PV_LATENCY_EVENT_BUDGET;
	calls->news.forked |= event->type == PV_LATENCY_EVENT_FORK;
	calls->news.replaced |= event->type == PV_LATENCY_EVENT_EXEC;
	return 0;
}

static void set_constants(const struct pv_calls_options *options, struct latency_bpf *bpf)
{
	const struct pv_proc *proc = &options->python->proc;
	const struct pv_pylayout *py = &proc->py;

	bpf->rodata->target_tgid = (uint32_t)options->pid;
	bpf->rodata->split_by = options->by;
	bpf->rodata->python = options->sites->python;
	bpf->rodata->budget_ppm = (uint64_t)(options->budget * 1e6);
	bpf->rodata->debt_max_ns = DEBT_MAX_NS;
	bpf->rodata->layout = (struct pv_latency_layout){
		.fr_code = py->fr_code,
		.fr_previous = py->fr_previous,
		.fr_instr = py->fr_instr,
		.fr_owner = py->fr_owner,
		.co_filename = py->co_filename,
		.co_name = py->co_name,
		.ts_frame = py->ts_frame,
		.owner_boundary = py->fr_owner == PV_OFF_NONE ? 0xff : py->owner_boundary,
		.code_tag_mask = py->code_tag_mask,
		.cf_current_frame = py->anchor_kind == PV_ANCHOR_ENTRY ? py->cf_current_frame : 0,
		.tell_unbegun = py->anchor_kind == PV_ANCHOR_SHIM,
		.keyed_by_caller = py->frame_kind == PV_FRAME_OBJECT,
		.tstate_current = py->rt_tstate_current ? proc->runtime + py->rt_tstate_current : 0,
	};
}

static struct pv_err *load(struct pv_calls *calls)
{
	int error;

	/* the BPF programs see process ids of the host */
	if (pv_place_own_pids())
		return pv_err_create(
			PV_ERR_FAILED,
			"cannot watch calls from inside a PID namespace (a container): "
			"run pitviper on the host");
	pv_load_quiet();
	calls->bpf = latency_bpf__open();
	if (!calls->bpf)
		return pv_err_errno(errno, "cannot open the BPF program");
	set_constants(&calls->options, calls->bpf);
	pv_multi_prepare(calls->bpf->progs.on_site);
	pv_multi_prepare(calls->bpf->progs.on_calibration);
	error = latency_bpf__load(calls->bpf);
	if (error && pv_features_privileged() && !pv_multi_exists())
		return pv_multi_missing();
	if (error)
		return pv_load_error(error);
	calls->ring = ring_buffer__new(bpf_map__fd(calls->bpf->maps.events), on_event, calls, NULL);
	return calls->ring ? NULL : pv_err_errno(errno, "cannot map the BPF ring buffer");
}

struct pv_err *pv_calls_create(const struct pv_calls_options *options, struct pv_calls **ret)
{
	struct pv_calls *calls = calloc(1, sizeof(*calls));
	struct pv_err *err;

	if (!calls)
		return &pv_enomem;
	calls->options = *options;
	calls->file_fd = calls->link_fd = -1;
	err = load(calls);
	if (!err)
		err = pv_price_measure(bpf_program__fd(calls->bpf->progs.on_calibration),
				       (const volatile uint64_t *)&calls->bpf->bss->calibrated,
				       &calls->prices[0], &calls->prices[1]);
	if (err) {
		pv_calls_destroy(calls);
		return err;
	}
	calls->bpf->bss->cost_ns[0] = calls->prices[0];
	calls->bpf->bss->cost_ns[1] = calls->prices[1];
	calls->options.python = NULL;
	*ret = calls;
	return NULL;
}

void pv_calls_destroy(struct pv_calls *calls)
{
	if (!calls)
		return;
	pv_calls_detach(calls);
	ring_buffer__free(calls->ring);
	latency_bpf__destroy(calls->bpf);
	if (calls->file_fd >= 0)
		close(calls->file_fd);
	free(calls);
}

struct pv_err *pv_calls_want(struct pv_calls *calls, uint64_t code,
			     const struct pv_latency_code *wanted)
{
	int fd = bpf_map__fd(calls->bpf->maps.codes);

	if (!bpf_map_update_elem(fd, &code, wanted, BPF_ANY))
		return NULL;
	if (errno == E2BIG)
		return pv_err_create(PV_ERR_FAILED, "more than %d functions are too many",
				     PV_LATENCY_CODES_MAX);
	return pv_err_errno(errno, "cannot fill a BPF map");
}

/* Places of generators alone are left out where none is wanted: calls from C pay for one. */
static bool is_needed(const struct pv_calls *calls, const struct pv_python_site *site)
{
	return calls->options.generators || !site->generators;
}

static bool file_offset(const struct pv_elf *elf, uint64_t vaddr, uint64_t *ret)
{
	for (size_t i = 0; i < pv_elf_n_loads(elf); i++) {
		const struct pv_elf_load *load = pv_elf_load_at(elf, i);

		if (vaddr >= load->vaddr && vaddr - load->vaddr < load->file_size) {
			*ret = vaddr - load->vaddr + load->offset;
			return true;
		}
	}
	return false;
}

/* The probes of another epoch, which do not count yet. */
static struct pv_err *link_sites(struct pv_calls *calls, uint32_t epoch, int *ret)
{
	uint64_t cookies[PV_PYTHON_SITES_MAX];

	for (size_t i = 0; i < calls->n; i++)
		cookies[i] = calls->cookies[i] | (uint64_t)epoch << PV_PROBE_EPOCH_SHIFT;
	return pv_multi_link(bpf_program__fd(calls->bpf->progs.on_site), calls->file_fd,
			     calls->options.pid, calls->offsets, cookies, calls->n, ret);
}

static struct pv_err *attach_tracepoints(struct latency_bpf *bpf)
{
	bpf->links.on_switch = bpf_program__attach(bpf->progs.on_switch);
	if (!bpf->links.on_switch)
		return pv_err_errno(errno, "cannot follow the scheduler");
	bpf->links.on_fork = bpf_program__attach(bpf->progs.on_fork);
	if (!bpf->links.on_fork)
		return pv_err_errno(errno, "cannot follow forks");
	bpf->links.on_exec = bpf_program__attach(bpf->progs.on_exec);
	return bpf->links.on_exec ? NULL : pv_err_errno(errno, "cannot follow execs");
}

struct pv_err *pv_calls_attach(struct pv_calls *calls, int file_fd, const struct pv_elf *elf)
{
	const struct pv_python_sites *sites = calls->options.sites;
	struct pv_err *err;

	calls->file_fd = file_fd;
	for (size_t i = 0; i < sites->n; i++) {
		const struct pv_python_site *site = &sites->list[i];

		if (!is_needed(calls, site))
			continue;
		if (!file_offset(elf, site->vaddr, &calls->offsets[calls->n]))
			return pv_err_create(PV_ERR_FAILED,
					     "a place to probe lies outside its file");
		calls->cookies[calls->n++] = site->kind | (site->emulated ? 0 : PV_PROBE_STEPPED);
	}
	err = attach_tracepoints(calls->bpf);
	return err ? err : link_sites(calls, 0, &calls->link_fd);
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void pv_calls_detach(struct pv_calls *calls)
{
	struct latency_bpf *bpf = calls->bpf;

	drop(&calls->link_fd);
	if (!bpf)
		return;
	bpf_link__destroy(pv_steal(bpf->links.on_switch));
	bpf_link__destroy(pv_steal(bpf->links.on_fork));
	bpf_link__destroy(pv_steal(bpf->links.on_exec));
}

/*
 * Dropping a link takes its breakpoints out of every memory that no other link
 * wants them in (kernel/events/uprobes.c, register_for_each_vma()): the child's.
 */
struct pv_err *pv_calls_renew(struct pv_calls *calls)
{
	uint32_t epoch = (calls->bpf->bss->epoch + 1) & PV_PROBE_EPOCH_MASK;
	struct pv_err *err;
	int fd;

	if (calls->link_fd < 0)
		return NULL;
	err = link_sites(calls, epoch, &fd);
	if (err)
		return err;
	__atomic_store_n(&calls->bpf->bss->epoch, epoch, __ATOMIC_SEQ_CST);
	drop(&calls->link_fd);
	calls->link_fd = fd;
	return NULL;
}

void pv_calls_sites(const struct pv_calls *calls, size_t *n_ret, size_t *stepped_ret)
{
	*n_ret = calls->n;
	*stepped_ret = 0;
	for (size_t i = 0; i < calls->n; i++)
		*stepped_ret += !!(calls->cookies[i] & PV_PROBE_STEPPED);
}

int pv_calls_fd(const struct pv_calls *calls)
{
	return ring_buffer__epoll_fd(calls->ring);
}

struct pv_err *pv_calls_news(struct pv_calls *calls, struct pv_calls_news *ret)
{
	int error;

	calls->news = (struct pv_calls_news){ 0 };
	error = ring_buffer__consume(calls->ring);
	if (error < 0)
		return pv_err_errno(-error, "cannot read the BPF ring buffer");
	*ret = calls->news;
	return NULL;
}

struct pv_latency_counts pv_calls_counts(const struct pv_calls *calls)
{
	return calls->bpf->bss->counts;
}

void pv_calls_prices(const struct pv_calls *calls, uint64_t ret[2])
{
	ret[0] = calls->prices[0];
	ret[1] = calls->prices[1];
}

struct pv_err *pv_calls_each(struct pv_calls *calls,
			     struct pv_err *(*fn)(void *ctx, const struct pv_latency_key *key,
						  const struct pv_latency_histogram *row),
			     void *ctx)
{
	int fd = bpf_map__fd(calls->bpf->maps.histograms);
	struct pv_latency_histogram row;
	struct pv_latency_key key, *last = NULL;
	struct pv_err *err = NULL;

	while (!err && !bpf_map_get_next_key(fd, last, &key)) {
		if (!bpf_map_lookup_elem(fd, &key, &row))
			err = fn(ctx, &key, &row);
		last = &key;
	}
	return err;
}

uint64_t pv_calls_open(const struct pv_calls *calls)
{
	int fd = bpf_map__fd(calls->bpf->maps.open);
	uint64_t key, *last = NULL, n = 0;

	while (!bpf_map_get_next_key(fd, last, &key) && n <= PV_LATENCY_OPEN_MAX) {
		last = &key;
		n++;
	}
	return n;
}
