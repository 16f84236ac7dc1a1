/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that nobody uses.
 * Input: allocators' blocks (heap/pymalloc.h, heap/glibc.h), threads' registers as a pass
 * began and ended.  Output: which addresses are in it.
 *
 * Sources: System V ABI, x86-64 (red zone); glibc nptl/allocatestack.c (the thread's control
 * block is at the upper end of its stack, a guard below the lower); CPython Python/pystate.c
 * (push_chunk, _PyThreadState_PopFrame).
 */
#include "heap/unused.h"

#include <stdlib.h>
#include <string.h>

#include "abi/registers.h"
#include "base/cleanup.h"
#include "heap/glibc.h"
#include "heap/object.h"
#include "heap/pymalloc.h"
#include "heap/search.h"
#include "heap/window.h"
#include "python/detect.h"
#include "target/mem.h"

enum {
	RED_ZONE = 128,      /* bytes below the stack pointer that are in use */
	TUPLE_KEPT_MAX = 21, /* items of tuples that are kept when they are dead */
};

struct looker {
	struct pv_heap *heap;
	struct pv_heap_search *search;
	const uint64_t *addresses;
	size_t n;
	bool *unused;
	char pool_bytes[PV_POOL_BYTES_MAX];
	struct pv_pool pool;
	uint64_t pool_at; /* of the last one that was looked at; 0: none */
	bool is_pool;
	/* of the chunks that are walked: the next address to be told about, where they began */
	size_t next;
	uint64_t told;
};

/* The first of the sorted addresses that is not below. */
static size_t lower_bound(const struct looker *k, uint64_t address)
{
	size_t lo = 0, hi = k->n;

	while (lo < hi) {
		size_t middle = lo + (hi - lo) / 2;

		if (k->addresses[middle] < address)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo;
}

static void mark(struct looker *k, uint64_t start, uint64_t end)
{
	for (size_t i = lower_bound(k, start); i < k->n && k->addresses[i] < end; i++)
		k->unused[i] = true;
}

/* The lower end of the stack that sp is in; 0: it is no stack that we know. */
static uint64_t stack_start(const struct pv_maps *maps, uint64_t sp, uint64_t fsbase)
{
	const struct pv_map_entry *entry = pv_maps_find(maps, sp), *guard;

	if (!entry || entry->inode)
		return 0;
	if (!strcmp(entry->path, "[stack]"))
		return entry->start;
	if (fsbase < entry->start || fsbase >= entry->end || fsbase < sp || entry == maps->entries)
		return 0;
	guard = entry - 1;
	return guard->end == entry->start && !guard->readable && !guard->inode ? entry->start : 0;
}

/* A thread that slept through the whole pass. */
static const struct pv_registers *slept(const struct pv_heap_search *search, size_t i)
{
	const struct pv_registers *before = pv_vec_at(&search->before, i);

	if (before->running)
		return NULL;
	for (size_t k = 0; k < search->registers.n; k++) {
		const struct pv_registers *after = pv_vec_at(&search->registers, k);

		if (after->tid == before->tid)
			return !after->running && after->sp == before->sp &&
					       after->switches == before->switches
				       ? before
				       : NULL;
	}
	return NULL;
}

/* datastack_top and datastack_limit of PyThreadState; 0: this version has no such stack. */
static uint16_t datastack_top(uint32_t version)
{
	if (version >> 16 == 0x030b)
		return 304;
	if (version >> 16 >= 0x030c && version >> 16 <= 0x030e)
		return 240;
	return version >> 16 == 0x030f ? 264 : 0;
}

/* 3.11+: Python's own stack of a thread, beyond its innermost frame. */
static void mark_datastack(struct looker *k, uint64_t tstate)
{
	uint16_t at = datastack_top(pv_heap_python(k->heap)->proc.py.version_hex);
	const struct pv_map_entry *entry;
	uint64_t top_limit[2];

	if (!at || pv_mem_read(pv_heap_mem(k->heap), top_limit, sizeof(top_limit), tstate + at) ||
	    !top_limit[0] || top_limit[1] <= top_limit[0] || top_limit[1] - top_limit[0] > 1 << 26)
		return;
	entry = pv_maps_find(&k->search->maps, top_limit[0]);
	if (entry && !entry->inode && top_limit[1] <= entry->end)
		mark(k, top_limit[0], top_limit[1]);
}

/* Of all interpreters: those whose thread slept. */
static void mark_datastacks(struct looker *k, const struct pv_registers *thread)
{
	enum { STEPS = 8192 };
	const struct pv_proc *proc = &pv_heap_python(k->heap)->proc;
	struct pv_mem *mem = pv_heap_mem(k->heap);
	uint64_t interp = 0, tstate, id;
	int steps = 0;

	if (!datastack_top(proc->py.version_hex) || proc->py.free_threaded ||
	    pv_mem_read_u64(mem, proc->runtime + proc->py.rt_interpreters_head, &interp))
		return;
	while (interp && steps++ < STEPS) {
		if (pv_mem_read_u64(mem, interp + proc->py.is_threads_head, &tstate))
			return;
		while (tstate && steps++ < STEPS) {
			if (pv_mem_read_u64(mem, tstate + proc->py.ts_thread_id, &id))
				return;
			if (id == thread->fsbase)
				mark_datastack(k, tstate);
			if (pv_mem_read_u64(mem, tstate + proc->py.ts_next, &tstate))
				return;
		}
		if (pv_mem_read_u64(mem, interp + proc->py.is_next, &interp))
			return;
	}
}

static void mark_stacks(struct looker *k)
{
	for (size_t i = 0; i < k->search->before.n; i++) {
		const struct pv_registers *thread = slept(k->search, i);
		uint64_t start;

		if (!thread)
			continue;
		start = stack_start(&k->search->maps, thread->sp, thread->fsbase);
		if (start && thread->sp - RED_ZONE > start)
			mark(k, start, thread->sp - RED_ZONE);
		mark_datastacks(k, thread);
	}
}

static bool read_pool(struct looker *k, uint64_t address)
{
	uint32_t n = pv_pool_bytes(pv_heap_python(k->heap)->proc.py.version_hex);
	uint64_t at = address - address % n;

	if (at == k->pool_at)
		return k->is_pool;
	k->pool_at = at;
	k->is_pool = !pv_mem_read(pv_heap_mem(k->heap), k->pool_bytes, n, at) &&
		     pv_pool_read(k->pool_bytes, at, n, &k->pool) && !k->pool.torn;
	return k->is_pool;
}

/*
 * Is what is in a block in use a tuple that is dead and kept for reuse?  It keeps what its
 * items were (3.8 to 3.13 Objects/tupleobject.c, tupledealloc()).  No other kept objects have
 * old pointers in them; and little else looks like one: its count is 0, it is untracked.
 */
static bool is_dead(struct looker *k, const char *block, size_t n)
{
	const struct pv_pylayout *py = &pv_heap_python(k->heap)->proc.py;
	size_t head = pv_heap_layout(k->heap)->gc_head;
	uint64_t next, refcount, address, size;
	const struct pv_heap_type *type;

	if (!head || py->var_size + head + sizeof(size) > n)
		return false;
	memcpy(&next, block, sizeof(next));
	memcpy(&refcount, block + head + py->ob_refcnt, sizeof(refcount));
	memcpy(&address, block + head + py->ob_type, sizeof(address));
	memcpy(&size, block + head + py->var_size, sizeof(size));
	if (next || refcount || !size || size >= TUPLE_KEPT_MAX ||
	    head + py->tuple_items + 8 * size > n)
		return false;
	type = pv_heap_type(k->heap, address);
	return type && type->kind == PV_HEAP_TUPLE && !(type->flags & PV_TPFLAGS_HEAPTYPE) &&
	       type->itemsize == 8 && type->before == head;
}

static bool in_pool(struct looker *k, uint64_t address)
{
	uint64_t offset;
	uint32_t block;

	if (!read_pool(k, address))
		return false;
	offset = address - k->pool.address;
	if (offset < PV_POOL_HEAD_BYTES)
		return false;
	block = (uint32_t)(offset - PV_POOL_HEAD_BYTES) / k->pool.block_bytes;
	if (block >= k->pool.n_carved || !pv_pool_is_used(&k->pool, block))
		return true;
	return is_dead(k, k->pool_bytes + pv_pool_offset(&k->pool, block), k->pool.block_bytes);
}

/* What lies between two chunks in use is free. */
static struct pv_err *on_chunk(void *ctx, uint64_t memory, uint64_t bytes, const void *content,
			       size_t n_content)
{
	struct looker *k = ctx;

	(void)content;
	(void)n_content;
	if (k->told && memory > k->told)
		mark(k, k->told, memory);
	k->told = memory + bytes;
	return NULL;
}

/*
 * Chunks of malloc() from start to end.  Where the walk had to jump it is not known what is
 * there: nothing of that stretch is unused.
 */
static struct pv_err *mark_chunks(struct looker *k, struct pv_window *window, uint64_t start,
				  uint64_t end, bool arena)
{
	struct pv_glibc_handlers handlers = { .ctx = k, .used = on_chunk };
	struct pv_glibc_walk walk = { 0 };
	size_t i = lower_bound(k, start), n = lower_bound(k, end) - i;
	_pv_free_ bool *old = malloc(n + 1);
	struct pv_err *err;

	if (!old)
		return &pv_enomem;
	memcpy(old, k->unused + i, n);
	k->told = start;
	pv_window_limit(window, end);
	err = pv_glibc_chunks(window, start, end, arena, &handlers, &walk);
	if (!err && walk.top)
		mark(k, k->told, end);
	if (walk.n_breaks)
		memcpy(k->unused + i, old, n);
	return err;
}

static bool has_address(const struct looker *k, uint64_t start, uint64_t end)
{
	size_t i = lower_bound(k, start);

	return i < k->n && k->addresses[i] < end;
}

static struct pv_err *mark_thread_heaps(struct looker *k, struct pv_window *window,
					const struct pv_map_entry *entry)
{
	uint64_t at = (entry->start + PV_GLIBC_HEAP_MAX - 1) & ~(PV_GLIBC_HEAP_MAX - 1);
	struct pv_err *err = NULL;

	for (; !err && at < entry->end; at += PV_GLIBC_HEAP_MAX) {
		struct pv_glibc_heap heap;

		pv_window_limit(window, entry->end);
		if (has_address(k, at, at + PV_GLIBC_HEAP_MAX) &&
		    pv_glibc_heap(window, at, entry->end, &heap))
			err = mark_chunks(k, window, heap.first, heap.end, true);
	}
	return err;
}

static struct pv_err *mark_malloc(struct looker *k)
{
	const struct pv_maps *maps = &k->search->maps;
	struct pv_window window;
	struct pv_err *err = pv_window_init(&window, pv_heap_mem(k->heap), k->search->source.pid);

	if (err)
		return err;
	for (size_t i = 0; !err && i < maps->n; i++) {
		const struct pv_map_entry *entry = &maps->entries[i];

		if (entry->inode || !entry->writable || !has_address(k, entry->start, entry->end))
			continue;
		if (!strcmp(entry->path, "[heap]"))
			err = mark_chunks(k, &window, entry->start, entry->end, false);
		else if (!entry->path[0])
			err = mark_thread_heaps(k, &window, entry);
	}
	pv_window_deinit(&window);
	return err;
}

struct pv_err *pv_unused_find(struct pv_heap *heap, struct pv_heap_search *search,
			      const uint64_t *addresses, size_t n, bool *ret)
{
	_pv_free_ struct looker *k = calloc(1, sizeof(*k));
	struct pv_err *err;

	if (!k)
		return &pv_enomem;
	memset(ret, 0, n);
	k->heap = heap;
	k->search = search;
	k->addresses = addresses;
	/* registers are at the end */
	k->n = n;
	k->n = lower_bound(k, PV_HEAP_SEARCH_REGISTERS);
	k->unused = ret;
	if (!k->n)
		return NULL;
	mark_stacks(k);
	err = mark_malloc(k);
	for (size_t i = 0; !err && i < k->n; i++) {
		if (!ret[i])
			ret[i] = in_pool(k, addresses[i]);
	}
	return err;
}
