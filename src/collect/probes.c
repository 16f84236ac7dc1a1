/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Probes on calls: attaching, renewing, pricing.  Input: places in files, records
 * of bpf/probe.bpf.h.  Output: links, news.
 */
#include "collect/probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/native.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/vec.h"
#include "collect/link.h"
#include "collect/load.h"
#include "collect/price.h"
#include "elf/elf.h"
#include "python/detect.h"
#include "python/sites.h"
#include "target/memcg.h"
#include "target/place.h"

enum {
	/* A burst may cost so much more than the budget before it counts as too much. */
	DEBT_MAX_NS = 100 * 1000 * 1000,
	DEBT_GROWING_NS = 10 * 1000 * 1000,
	/* Forks in quick succession are dealt with together. */
	RENEW_NS = 50 * 1000 * 1000,
	TRACEPOINTS = 3,
	/* With more than so many, those of one file become one. */
	LINKS_MAX = 16,
};

static const char *const tracepoints[TRACEPOINTS][2] = {
	{ "on_switch", "cannot follow the scheduler" },
	{ "on_fork", "cannot follow forks" },
	{ "on_exec", "cannot follow execs" },
};

/* Places of one file: one link, since that is what a link can hold. */
struct places {
	int file_fd;
	struct pv_link *link;
	uint64_t *offsets, *cookies;
	size_t n;
};

struct pv_probes {
	struct bpf_object *object;
	struct pv_probe_state *state;
	pid_t pid;
	enum pv_link_way way;
	int program_fd; /* on_site */
	struct ring_buffer *events;
	struct bpf_link *links[TRACEPOINTS];
	struct pv_vec places;  /* struct places */
	struct pv_vec returns; /* uint64_t: addresses that calls of native functions return to */
	struct pv_probes_news news;
	bool attached, forked;
	bool watches_codes;   /* CODE_GONE is among the places */
	uint32_t codes_watch; /* how often that began */
	uint64_t renewed_ns;
};

struct pv_err *pv_probes_check(struct pv_prices *ret)
{
	pv_load_quiet();
	return pv_price_measure(ret);
}

static struct pv_probe_layout layout_of(const struct pv_proc *proc, bool ended_known)
{
	const struct pv_pylayout *py = &proc->py;
	uint64_t current = py->rt_tstate_current;

	return (struct pv_probe_layout){
		.fr_code = py->fr_code,
		.fr_previous = py->fr_previous,
		.fr_instr = py->fr_instr,
		.fr_owner = py->fr_owner,
		.co_filename = py->co_filename,
		.co_name = py->co_name,
		.co_version = py->co_version == PV_OFF_NONE ? 0 : py->co_version,
		.co_flags = py->co_flags == PV_OFF_NONE ? 0 : py->co_flags,
		.ts_frame = py->ts_frame,
		.owner_boundary = py->fr_owner == PV_OFF_NONE ? 0xff : py->owner_boundary,
		.code_tag_mask = py->code_tag_mask,
		.owner_generator = py->owner_generator,
		.cf_current_frame = py->anchor_kind == PV_ANCHOR_ENTRY ? py->cf_current_frame : 0,
		.ts_frame_by_cframe =
			py->frame_kind == PV_FRAME_INTERP && py->ts_root_cframe != PV_OFF_NONE,
		.cf_frame = py->cf_current_frame,
		.tell_unbegun = py->anchor_kind == PV_ANCHOR_SHIM,
		.frame_objects = py->frame_kind == PV_FRAME_OBJECT,
		.keyed_by_caller = py->frame_kind == PV_FRAME_OBJECT && !ended_known,
		.tstate_current = current ? proc->runtime + current : 0,
	};
}

struct pv_probe_constants pv_probes_constants(const struct pv_probes_options *options)
{
	struct pv_probe_constants constants = {
		.tgid = (uint32_t)options->pid,
		.budget_ppm = (uint64_t)(options->budget * 1e6),
		.debt_max_ns = DEBT_MAX_NS,
	};

	if (options->sites)
		constants.python = options->sites->python;
	if (options->python)
		constants.layout = layout_of(&options->python->proc, constants.python.ended_known);
	return constants;
}

/* The program of hits: of two the one that is loaded. */
static struct bpf_program *site_program(struct bpf_object *object)
{
	struct bpf_program *other = bpf_object__find_program_by_name(object, "on_site_stacks");

	return other && bpf_program__autoload(other)
		       ? other
		       : bpf_object__find_program_by_name(object, "on_site");
}

void pv_probes_prepare(struct bpf_object *object, const struct pv_prices *prices,
		       bool *in_namespace)
{
	*in_namespace = pv_place_own_pids();
	bpf_program__set_autoload(bpf_object__find_program_by_name(object, "find_namespace"),
				  *in_namespace);
	pv_link_prepare(prices->way, site_program(object));
}

static int on_event(void *ctx, void *data, size_t size)
{
	struct pv_probes *probes = ctx;
	const struct pv_probe_event *event = data;

	if (size < sizeof(*event))
		return 0;
	if (event->type == PV_PROBE_EVENT_RETURN && size >= sizeof(struct pv_probe_address)) {
		const struct pv_probe_address *at = data;
		struct pv_err *err = pv_vec_append(&probes->returns, &at->address, 1, NULL);

		/* out of memory: its calls stay without an end, and are told as that */
		pv_err_destroy(err);
		return 0;
	}
	probes->news.over_budget |= event->type == PV_PROBE_EVENT_BUDGET;
	probes->news.replaced |= event->type == PV_PROBE_EVENT_EXEC;
	probes->news.enough |= event->type == PV_PROBE_EVENT_ENOUGH;
	probes->news.triggered |= event->type == PV_PROBE_EVENT_TRIGGER;
	probes->forked |= event->type == PV_PROBE_EVENT_FORK;
	return 0;
}

static int program_fd(const struct pv_probes *probes, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(probes->object, name));
}

struct pv_err *pv_probes_create(struct bpf_object *object, struct pv_probe_state *state, pid_t pid,
				const struct pv_prices *prices, struct pv_probes **ret)
{
	struct pv_probes *probes = calloc(1, sizeof(*probes));
	struct pv_err *err = NULL;

	if (!probes)
		return &pv_enomem;
	probes->object = object;
	probes->state = state;
	probes->pid = pid;
	probes->way = prices->way;
	state->cost_ns[0] = prices->ns[0];
	state->cost_ns[1] = prices->ns[1];
	probes->places = (struct pv_vec)PV_VEC(struct places);
	probes->returns = (struct pv_vec)PV_VEC(uint64_t);
	probes->program_fd = bpf_program__fd(site_program(probes->object));
	probes->events = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "events"),
					  on_event, probes, NULL);
	if (!probes->events)
		err = pv_err_errno(errno, "cannot map the BPF ring buffer");
	else if (pv_place_own_pids())
		err = pv_load_namespace(program_fd(probes, "find_namespace"));
	if (err) {
		pv_probes_destroy(probes);
		return err;
	}
	*ret = probes;
	return NULL;
}

static void drop(struct pv_link **link)
{
	pv_link_destroy(*link);
	*link = NULL;
}

void pv_probes_clear(struct pv_probes *probes)
{
	for (size_t i = 0; i < probes->places.n; i++) {
		struct places *places = pv_vec_at(&probes->places, i);

		close(places->file_fd);
		free(places->offsets);
		free(places->cookies);
	}
	probes->places.n = 0;
}

void pv_probes_destroy(struct pv_probes *probes)
{
	if (!probes)
		return;
	pv_probes_detach(probes);
	pv_probes_clear(probes);
	pv_vec_deinit(&probes->places);
	pv_vec_deinit(&probes->returns);
	ring_buffer__free(probes->events);
	free(probes);
}

struct pv_err *pv_probes_add(struct pv_probes *probes, int file_fd, const uint64_t *offsets,
			     const uint64_t *cookies, size_t n)
{
	struct places places = {
		.file_fd = file_fd,
		.offsets = malloc(8 * n),
		.cookies = malloc(8 * n),
		.n = n,
	};
	struct pv_err *err = &pv_enomem;

	if (n > pv_probes_room(probes)) {
		err = pv_err_create(PV_ERR_FAILED,
				    "cannot probe so many places: this kernel takes them out one "
				    "by one, so that more than %zu are too many (before Linux "
				    "6.10)",
				    pv_link_max(probes->way));
	} else if (places.offsets && places.cookies) {
		memcpy(places.offsets, offsets, 8 * n);
		memcpy(places.cookies, cookies, 8 * n);
		err = pv_vec_append(&probes->places, &places, 1, NULL);
	}
	if (!err)
		return NULL;
	free(places.offsets);
	free(places.cookies);
	close(file_fd);
	return err;
}

/* Where generators are not wanted their places are left out: calls from C pay for one. */
static bool is_of(const struct pv_python_site *site, enum pv_probes_part part)
{
	bool gone = site->kind == PV_PROBE_CODE_GONE;
	bool entry = gone || site->kind == PV_PROBE_ENTER || site->kind == PV_PROBE_EVAL;

	switch (part) {
	case PV_PROBES_CALLS:
		return !gone;
	case PV_PROBES_PLAIN:
		return !gone && !site->generators;
	case PV_PROBES_ENTRIES:
		return entry;
	case PV_PROBES_OTHERS:
		return !entry;
	default:
		return true;
	}
}

struct pv_err *pv_probes_add_python(struct pv_probes *probes, int file_fd, const struct pv_elf *elf,
				    const struct pv_python_sites *sites, enum pv_probes_part part)
{
	uint64_t offsets[PV_PYTHON_SITES_MAX], cookies[PV_PYTHON_SITES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < sites->n; i++) {
		const struct pv_python_site *site = &sites->list[i];

		if (!is_of(site, part))
			continue;
		if (!pv_elf_offset(elf, site->vaddr, &offsets[n])) {
			close(file_fd);
			return pv_err_create(PV_ERR_FAILED,
					     "a place to probe lies outside its file");
		}
		cookies[n++] = site->kind | (site->emulated ? 0 : PV_PROBE_STEPPED) |
			       (uint64_t)site->ended << PV_PROBE_ENDED_SHIFT;
		probes->watches_codes |= site->kind == PV_PROBE_CODE_GONE;
	}
	return pv_probes_add(probes, file_fd, offsets, cookies, n);
}

static uint32_t next_epoch(const struct pv_probes *probes)
{
	return (probes->state->epoch + 1) & PV_PROBE_EPOCH_MASK;
}

/* The probes of another epoch, which do not count yet. */
static struct pv_err *link_places(const struct pv_probes *probes, const struct places *places,
				  uint32_t epoch, struct pv_link **ret)
{
	_pv_free_ uint64_t *cookies = malloc(8 * places->n);

	if (!cookies)
		return &pv_enomem;
	for (size_t i = 0; i < places->n; i++)
		cookies[i] = places->cookies[i] | (uint64_t)epoch << PV_PROBE_EPOCH_SHIFT;
	return pv_link_create(probes->way, probes->program_fd, places->file_fd, probes->pid,
			      places->offsets, cookies, places->n, ret);
}

/* All of them; what takes their place is in links_ret, as many as places. */
static struct pv_err *link_all(const struct pv_probes *probes, uint32_t epoch,
			       struct pv_link **links_ret)
{
	struct pv_err *err = NULL;
	size_t i;

	for (i = 0; !err && i < probes->places.n; i++) {
		const struct places *places = pv_vec_at(&probes->places, i);

		links_ret[i] = NULL;
		if (places->n)
			err = link_places(probes, places, epoch, &links_ret[i]);
	}
	/* the last one is that which failed */
	while (err && i > 1)
		drop(&links_ret[--i - 1]);
	return err;
}

/*
 * Dropping a link takes its breakpoints out of every memory that no other link
 * wants them in (kernel/events/uprobes.c, register_for_each_vma()): the child's.
 */
static struct pv_err *renew(struct pv_probes *probes, uint32_t epoch)
{
	_pv_free_ struct pv_link **links = calloc(probes->places.n + 1, sizeof(*links));
	struct pv_err *err = links ? link_all(probes, epoch, links) : &pv_enomem;

	if (err)
		return err;
	__atomic_store_n(&probes->state->epoch, epoch, __ATOMIC_SEQ_CST);
	for (size_t i = 0; i < probes->places.n; i++) {
		struct places *places = pv_vec_at(&probes->places, i);

		drop(&places->link);
		places->link = links[i];
	}
	return NULL;
}

bool pv_probes_have_room(pid_t pid)
{
	return pv_memcg_room(pid) >= PV_PROBES_ROOM_MB << 20;
}

/* Before breakpoints come: those that are there have their pages. */
static struct pv_err *check_room(const struct pv_probes *probes)
{
	bool more = false;

	for (size_t i = 0; i < probes->places.n; i++) {
		const struct places *places = pv_vec_at(&probes->places, i);

		more |= places->n && !places->link;
	}
	return more && !pv_probes_have_room(probes->pid) ? pv_probes_no_room() : NULL;
}

struct pv_err *pv_probes_no_room(void)
{
	return pv_err_create(
		PV_ERR_NOPROC,
		"its control group has less than %d MB left: breakpoints take pages of "
		"it, and the kernel might kill it for that",
		PV_PROBES_ROOM_MB);
}

/* What is known of a code object holds from now on until it is seen to go. */
static struct pv_err *watch_codes(struct pv_probes *probes, struct pv_err *err)
{
	if (!err && probes->watches_codes && !probes->state->codes_watched)
		__atomic_store_n(&probes->state->codes_watched, ++probes->codes_watch,
				 __ATOMIC_SEQ_CST);
	return err;
}

struct pv_err *pv_probes_attach(struct pv_probes *probes)
{
	struct pv_err *err = check_room(probes);

	if (err)
		return err;
	for (int i = 0; i < TRACEPOINTS; i++) {
		struct bpf_program *program =
			bpf_object__find_program_by_name(probes->object, tracepoints[i][0]);

		/* who asks for no time off the CPU has not loaded what follows the scheduler */
		if (probes->links[i] || !bpf_program__autoload(program))
			continue;
		probes->links[i] = bpf_program__attach(program);
		if (!probes->links[i])
			return pv_err_errno(errno, "%s", tracepoints[i][1]);
	}
	probes->attached = true;
	/* where they come one by one, none counts before the last */
	return watch_codes(probes, renew(probes, next_epoch(probes)));
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return !fstat(a, &x) && !fstat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Appends the places of another, which has none any more, but its link, as it was attached. */
static struct pv_err *take_places(struct places *to, struct places *from)
{
	uint64_t *offsets = realloc(to->offsets, 8 * (to->n + from->n)), *cookies;

	if (!offsets)
		return &pv_enomem;
	to->offsets = offsets;
	cookies = realloc(to->cookies, 8 * (to->n + from->n));
	if (!cookies)
		return &pv_enomem;
	to->cookies = cookies;
	memcpy(to->offsets + to->n, from->offsets, 8 * from->n);
	memcpy(to->cookies + to->n, from->cookies, 8 * from->n);
	to->n += from->n;
	from->n = 0;
	return NULL;
}

/* Links take a grace period each to go: those of one file become one. */
static struct pv_err *merge(struct pv_probes *probes)
{
	struct pv_err *err = NULL;
	size_t used = 0;

	for (size_t i = 0; !err && i < probes->places.n; i++) {
		struct places *from = pv_vec_at(&probes->places, i);

		for (size_t k = 0; !err && from->n && k < i; k++) {
			struct places *to = pv_vec_at(&probes->places, k);

			if (to->n && same_file(to->file_fd, from->file_fd))
				err = take_places(to, from);
		}
	}
	if (!err)
		err = renew(probes, next_epoch(probes));
	for (size_t i = 0; i < probes->places.n; i++) {
		struct places *places = pv_vec_at(&probes->places, i);

		if (places->n) {
			*(struct places *)pv_vec_at(&probes->places, used++) = *places;
			continue;
		}
		drop(&places->link);
		close(places->file_fd);
		free(places->offsets);
		free(places->cookies);
	}
	probes->places.n = used;
	return err;
}

struct pv_err *pv_probes_attach_more(struct pv_probes *probes)
{
	struct pv_err *err = check_room(probes);

	for (size_t i = 0; !err && i < probes->places.n; i++) {
		struct places *places = pv_vec_at(&probes->places, i);

		if (!places->link)
			err = link_places(probes, places, probes->state->epoch, &places->link);
	}
	if (!err && probes->places.n > LINKS_MAX && pv_link_stays(probes->way))
		err = merge(probes);
	return watch_codes(probes, err);
}

struct pv_err *pv_probes_returns(struct pv_probes *probes, struct pv_vec *addresses)
{
	struct pv_err *err =
		pv_vec_append(addresses, probes->returns.data, probes->returns.n, NULL);

	if (!err)
		probes->returns.n = 0;
	return err;
}

void pv_probes_grow(struct pv_probes *probes, bool grows)
{
	__atomic_store_n(&probes->state->debt_limit_ns, grows ? DEBT_GROWING_NS : 0,
			 __ATOMIC_SEQ_CST);
}

void pv_probes_detach(struct pv_probes *probes)
{
	__atomic_store_n(&probes->state->codes_watched, 0, __ATOMIC_SEQ_CST);
	/* and none after the first: an end without its beginning is no call */
	__atomic_store_n(&probes->state->epoch, next_epoch(probes), __ATOMIC_SEQ_CST);
	/* those that came last go first, as who adds the dear ones last expects */
	for (size_t i = probes->places.n; i--;)
		drop(&((struct places *)pv_vec_at(&probes->places, i))->link);
	for (int i = 0; i < TRACEPOINTS; i++)
		bpf_link__destroy(pv_steal(probes->links[i]));
	probes->attached = false;
}

void pv_probes_count(const struct pv_probes *probes, size_t *n_ret, size_t *stepped_ret)
{
	*n_ret = *stepped_ret = 0;
	for (size_t i = 0; i < probes->places.n; i++) {
		const struct places *places = pv_vec_at(&probes->places, i);

		*n_ret += places->n;
		for (size_t k = 0; k < places->n; k++)
			*stepped_ret += !!(places->cookies[k] & PV_PROBE_STEPPED);
	}
}

size_t pv_probes_room(const struct pv_probes *probes)
{
	size_t max = pv_link_max(probes->way), n, stepped;

	pv_probes_count(probes, &n, &stepped);
	return max > n ? max - n : 0;
}

void pv_probes_prices(const struct pv_probes *probes, uint64_t ret[2])
{
	ret[0] = probes->state->cost_ns[0];
	ret[1] = probes->state->cost_ns[1];
}

int pv_probes_fd(const struct pv_probes *probes)
{
	return ring_buffer__epoll_fd(probes->events);
}

int pv_probes_patience(const struct pv_probes *probes, int timeout_ms)
{
	int renew_ms = RENEW_NS / 1000000;

	return probes->forked && timeout_ms > renew_ms ? renew_ms : timeout_ms;
}

/* Forked children are freed of the probes as soon as the last time is long enough ago. */
static struct pv_err *free_children(struct pv_probes *probes)
{
	uint64_t now = pv_now_ns();

	if (!probes->forked || now - probes->renewed_ns < RENEW_NS)
		return NULL;
	probes->forked = false;
	probes->renewed_ns = now;
	if (!probes->attached || !pv_link_stays(probes->way))
		return NULL;
	return renew(probes, next_epoch(probes));
}

struct pv_err *pv_probes_news(struct pv_probes *probes, struct pv_probes_news *ret)
{
	struct pv_err *err = NULL;
	int error;

	probes->news = (struct pv_probes_news){ 0 };
	error = ring_buffer__consume(probes->events);
	if (error < 0)
		return pv_err_errno(-error, "cannot read the BPF ring buffer");
	/* what is taken out in a moment need not be renewed */
	if (!probes->news.over_budget && !probes->news.replaced)
		err = free_children(probes);
	if (!err)
		*ret = probes->news;
	return err;
}
