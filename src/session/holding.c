/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who holds objects of a process.  Input: a PID.  Output: heap/holders.h's answers.
 */
#include "session/holding.h"

#include <poll.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "collect/registers.h"
#include "heap/instances.h"
#include "heap/object.h"
#include "heap/search.h"
#include "snap/image.h"
#include "snap/objects.h"
#include "target/mem.h"
#include "target/process.h"

struct pv_holding {
	pid_t pid;
	struct pv_mem *mem, *forced;
	struct pv_objects *objects;
	struct pv_image image;
	struct pv_heap *heap;
	struct pv_register_reader *registers;
	struct pv_heap_search *search; /* the last one */
	uint64_t until_ns;
	int stop_fd;
};

static struct pv_err *read_registers(void *ctx, struct pv_vec *ret)
{
	return pv_register_reader_read(((struct pv_holding *)ctx)->registers, ret);
}

static struct pv_err *find_python(struct pv_holding *holding)
{
	_pv_free_ char *cache = pv_objects_default_cache();
	struct pv_err *err = pv_objects_create(cache, &holding->objects);

	if (!err)
		err = pv_image_build(holding->pid, holding->objects, holding->mem, NULL,
				     &holding->image);
	if (err)
		return err;
	if (!holding->image.python.found)
		return pv_err_create(PV_ERR_NOPROC, "cannot read the objects of %d: %s",
				     (int)holding->pid,
				     holding->image.python_error ? holding->image.python_error
								 : "there is no CPython in it");
	return pv_heap_create(holding->mem, &holding->image.python, &holding->heap);
}

static struct pv_err *open_all(struct pv_holding *holding)
{
	struct pv_process process = { 0 };
	struct pv_err *err = pv_process_read(holding->pid, &process);

	if (!err)
		err = pv_process_check(&process);
	pv_process_deinit(&process);
	if (!err)
		err = pv_mem_live_create(holding->pid, &holding->mem);
	if (!err)
		err = pv_mem_forced_create(holding->pid, &holding->forced);
	if (!err)
		err = find_python(holding);
	return err ? err : pv_register_reader_create(holding->pid, &holding->registers);
}

void pv_holding_close(struct pv_holding *holding)
{
	if (!holding)
		return;
	pv_heap_search_destroy(holding->search);
	pv_register_reader_destroy(holding->registers);
	pv_heap_destroy(holding->heap);
	pv_image_deinit(&holding->image);
	pv_objects_destroy(holding->objects);
	pv_mem_destroy(holding->forced);
	pv_mem_destroy(holding->mem);
	free(holding);
}

struct pv_err *pv_holding_open(pid_t pid, struct pv_holding **ret)
{
	struct pv_holding *holding = calloc(1, sizeof(*holding));
	struct pv_err *err;

	if (!holding)
		return &pv_enomem;
	holding->pid = pid;
	holding->stop_fd = -1;
	err = open_all(holding);
	if (err) {
		pv_holding_close(holding);
		return err;
	}
	*ret = holding;
	return NULL;
}

void pv_holding_until(struct pv_holding *holding, uint64_t until_ns)
{
	holding->until_ns = until_ns;
}

void pv_holding_stop(struct pv_holding *holding, int fd)
{
	holding->stop_fd = fd;
}

bool pv_holding_is_stopped(const struct pv_holding *holding)
{
	struct pollfd stop = { .fd = holding->stop_fd, .events = POLLIN };

	return poll(&stop, 1, 0) > 0;
}

static bool is_stopped(void *ctx)
{
	return pv_holding_is_stopped(ctx);
}

struct pv_heap *pv_holding_heap(const struct pv_holding *holding)
{
	return holding->heap;
}

static struct pv_err *begin_search(struct pv_holding *holding)
{
	struct pv_heap_search_source source = {
		.pid = holding->pid,
		.mem = holding->mem,
		.forced = holding->forced,
		.registers = read_registers,
		.ctx = holding,
		.until_ns = holding->until_ns,
		.stopped = is_stopped,
	};

	pv_heap_search_destroy(pv_steal(holding->search));
	/* types are others than at the last look */
	pv_heap_forget(holding->heap, holding->mem);
	return pv_heap_search_create(&source, &holding->search);
}

struct pv_err *pv_holding_find(struct pv_holding *holding, const uint64_t *addresses, size_t n,
			       const struct pv_holders_options *options, struct pv_holders *ret)
{
	struct pv_err *err = begin_search(holding);

	return err ? err
		   : pv_holders_find(holding->heap, holding->search, addresses, n, options, ret);
}

struct pv_err *pv_holding_resolve(struct pv_holding *holding, const char *name, uint64_t *ret)
{
	return pv_names_resolve(holding->heap, holding->pid, name, ret);
}

struct pv_err *pv_holding_name(struct pv_holding *holding, const struct pv_holders *holders,
			       const struct pv_names_options *options, struct pv_names *ret)
{
	uint64_t *places = calloc(holders->n_places + 1, sizeof(*places));
	struct pv_names_options limited = *options;
	uint64_t now_ns = pv_now_ns(), limit_ns = options->limit_ns;
	struct pv_err *err;

	if (!places)
		return &pv_enomem;
	for (size_t i = 0; i < holders->n_places; i++)
		places[i] = holders->places[i].at;
	if (!limit_ns)
		limit_ns = PV_NAMES_LIMIT_NS;
	if (holding->until_ns && holding->until_ns <= now_ns)
		limit_ns = 1;
	else if (holding->until_ns && holding->until_ns - now_ns < limit_ns)
		limit_ns = holding->until_ns - now_ns;
	limited.limit_ns = limit_ns;
	err = pv_names_find(holding->heap, holding->search, places, holders->n_places, &limited,
			    ret);
	free(places);
	return err;
}

struct pv_err *pv_holding_instances(struct pv_holding *holding, uint64_t type, size_t max,
				    struct pv_vec *ret, uint64_t *of_ret)
{
	struct pv_err *err = begin_search(holding);

	return err ? err
		   : pv_instances_find(holding->heap, holding->search, type, max, ret, of_ret);
}
