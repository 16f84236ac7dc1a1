/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the heaps that have chunks.
 * Input: mappings, memory (untrusted).  Output: each chunk, by a callback.
 */
#include "heap/chunks.h"

#include <string.h>

#include "base/cleanup.h"
#include "heap/glibc.h"
#include "heap/window.h"
#include "target/maps.h"

/* Heaps of threads' arenas, of which one may follow the other. */
static struct pv_err *take_heaps(struct pv_window *window, const struct pv_map_entry *entry,
				 const struct pv_glibc_handlers *handlers,
				 struct pv_glibc_walk *walk)
{
	uint64_t at = (entry->start + PV_GLIBC_HEAP_MAX - 1) & ~(PV_GLIBC_HEAP_MAX - 1);
	struct pv_err *err = NULL;

	for (; !err && at < entry->end; at += PV_GLIBC_HEAP_MAX) {
		struct pv_glibc_heap heap;

		if (pv_glibc_heap(window, at, entry->end, &heap))
			err = pv_glibc_chunks(window, heap.first, heap.end, true, handlers, walk);
	}
	return err;
}

struct pv_err *pv_chunks_each(struct pv_mem *mem, const struct pv_maps *maps, pid_t pid,
			      const struct pv_glibc_handlers *handlers)
{
	PV_CLEANUP(pv_window_deinit) struct pv_window window = { 0 };
	struct pv_err *err = pv_window_init(&window, mem, pid);
	struct pv_glibc_walk walk = { 0 };

	for (size_t i = 0; !err && i < maps->n; i++) {
		const struct pv_map_entry *entry = &maps->entries[i];

		if (!entry->writable || entry->inode)
			continue;
		pv_window_limit(&window, entry->end);
		if (strcmp(entry->path, "[heap]"))
			err = take_heaps(&window, entry, handlers, &walk);
		/* another allocator may have taken what brk() gives */
		else if (pv_glibc_is_chain(&window, entry->start, entry->end, false))
			err = pv_glibc_chunks(&window, entry->start, entry->end, false, handlers,
					      &walk);
	}
	return err;
}
