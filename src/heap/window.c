/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A part of a process's memory at a time.
 * Input: struct pv_mem, /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst).
 * Output: bytes for the walks of heaps.
 */
#include "heap/window.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target/mem.h"
#include "target/populated.h"

struct pv_err *pv_window_init(struct pv_window *window, struct pv_mem *mem, pid_t pid)
{
	*window = (struct pv_window){
		.mem = mem,
		.pagemap = -1,
		.limit = UINT64_MAX,
		.preloaded = PV_VEC(struct pv_window_part),
	};
	window->parts[0].bytes = malloc(PV_WINDOW_BYTES);
	window->parts[1].bytes = malloc(PV_WINDOW_BYTES);
	window->runs = malloc(PV_WINDOW_RUNS * sizeof(*window->runs));
	if (!window->parts[0].bytes || !window->parts[1].bytes || !window->runs) {
		pv_window_deinit(window);
		return &pv_enomem;
	}
	if (pid) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
		window->pagemap = open(path, O_RDONLY | O_CLOEXEC);
		if (window->pagemap < 0) {
			struct pv_err *err = pv_err_errno(errno == ENOENT ? ESRCH : errno,
							  "cannot open %s", path);

			pv_window_deinit(window);
			return err;
		}
	}
	return NULL;
}

void pv_window_deinit(struct pv_window *window)
{
	free(window->parts[0].bytes);
	free(window->parts[1].bytes);
	free(window->runs);
	pv_vec_deinit(&window->preloaded);
	if (window->store)
		munmap(window->store, window->store_bytes);
	if (window->pagemap >= 0)
		close(window->pagemap);
	*window = (struct pv_window){ .pagemap = -1 };
}

/* Pages come and go: what is known of them is as old as this. */
static void forget_runs(struct pv_window *window)
{
	window->known_from = window->known_to = 0;
	window->n_runs = window->run = 0;
}

/* The first run that ends behind address, of what is known; NULL: there is none. */
static const struct pv_page_run *run_at(struct pv_window *window, uint64_t address, uint64_t end)
{
	if (address < window->known_from || address >= window->known_to) {
		window->known_from = address - address % PV_PAGE_BYTES;
		window->run = 0;
		pv_page_runs_read(window->pagemap, window->known_from, end, PV_WINDOW_PAGES,
				  window->runs, PV_WINDOW_RUNS, &window->n_runs, &window->known_to);
	}
	if (window->run && window->runs[window->run - 1].end > address)
		window->run = 0;
	while (window->run < window->n_runs && window->runs[window->run].end <= address)
		window->run++;
	return window->run < window->n_runs ? &window->runs[window->run] : NULL;
}

/* Is the page at address there?  What the kernel does not tell is not. */
static bool is_there(struct pv_window *window, uint64_t address, uint64_t end)
{
	const struct pv_page_run *run;

	if (window->pagemap < 0)
		return true;
	run = run_at(window, address, end);
	return run && run->start <= address;
}

bool pv_window_run(struct pv_window *window, uint64_t from, uint64_t end, uint64_t *start_ret,
		   uint64_t *end_ret)
{
	const struct pv_page_run *run;
	uint64_t at = from;

	if (window->pagemap < 0) {
		at = end;
	} else {
		for (run = NULL; from < end; from = window->known_to) {
			run = run_at(window, from, end);
			if (run)
				break;
		}
		if (run && run->start > from)
			from = run->start;
		for (at = from; at < end && is_there(window, at, end);) {
			run = run_at(window, at, end);
			at = run->end;
		}
	}
	if (from >= end)
		return false;
	*start_ret = from;
	*end_ret = at < end ? at : end;
	return true;
}

/* How much to ask for at address: to the first page that is not there, but n at least. */
static size_t reach(struct pv_window *window, uint64_t address, size_t n)
{
	uint64_t end = address + n;
	size_t want;

	end += -end % PV_PAGE_BYTES;
	while (end - address < PV_WINDOW_BYTES && end < window->limit &&
	       is_there(window, end, window->limit))
		end += PV_PAGE_BYTES;
	want = end - address;
	if (want > PV_WINDOW_BYTES)
		want = PV_WINDOW_BYTES;
	return want > window->limit - address ? window->limit - address : want;
}

static const void *within(const struct pv_window_part *part, uint64_t address, size_t n)
{
	if (address < part->start || address - part->start > part->n ||
	    part->n - (address - part->start) < n)
		return NULL;
	return part->bytes + (address - part->start);
}

/* What was read beforehand: mostly where the last call was, or in the next part. */
static const void *preloaded_at(struct pv_window *window, uint64_t address, size_t n)
{
	const struct pv_window_part *parts = window->preloaded.data;
	size_t low = 0, high = window->preloaded.n;

	for (size_t i = window->hint; i < high && i < window->hint + 2; i++) {
		const void *found = within(&parts[i], address, n);

		if (found) {
			window->hint = i;
			return found;
		}
	}
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (parts[middle].start + parts[middle].n <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == window->preloaded.n)
		return NULL;
	window->hint = low;
	return within(&parts[low], address, n);
}

const void *pv_window_at(struct pv_window *window, uint64_t address, size_t n)
{
	struct pv_window_part *part;
	const void *found;
	size_t want;

	/* what was read later is nearer to what is there now */
	for (unsigned int i = 0; i < 2; i++) {
		unsigned int which = window->last ^ i;

		found = within(&window->parts[which], address, n);
		if (found) {
			window->last = which;
			return found;
		}
	}
	found = window->anew || !window->preloaded.n ? NULL : preloaded_at(window, address, n);
	if (found)
		return address < window->limit && window->limit - address >= n ? found : NULL;
	if (n > PV_WINDOW_BYTES || address >= window->limit || window->limit - address < n ||
	    !is_there(window, address, window->limit))
		return NULL;
	window->last ^= 1;
	part = &window->parts[window->last];
	part->n = 0;
	/* one place that is looked at again is no reason to read much */
	want = window->anew ? n : reach(window, address, n);
	window->anew = false;
	if (pv_mem_read(window->mem, part->bytes, want, address)) {
		/* something behind it is gone */
		want = n;
		if (pv_mem_read(window->mem, part->bytes, want, address))
			return NULL;
	}
	part->start = address;
	part->n = want;
	window->bytes_read += want;
	return part->bytes;
}

void pv_window_limit(struct pv_window *window, uint64_t end)
{
	window->parts[0].n = window->parts[1].n = 0;
	window->anew = false;
	window->limit = end;
	forget_runs(window);
}

void pv_window_forget(struct pv_window *window)
{
	window->parts[0].n = window->parts[1].n = 0;
	window->anew = true;
}

struct pv_err *pv_window_reserve(struct pv_window *window, uint64_t bytes)
{
	/* its pages come now, not between two reads */
	void *store = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (store == MAP_FAILED)
		return pv_err_errno(errno, "cannot get memory for a copy of the heap");
	window->store = store;
	window->store_bytes = bytes;
	return NULL;
}

struct pv_err *pv_window_preload(struct pv_window *window, uint64_t start, uint64_t end)
{
	uint64_t from, to;

	forget_runs(window);
	while (pv_window_run(window, start, end, &from, &to)) {
		struct pv_window_part part = { window->store + window->store_used, from,
					       to - from };
		struct pv_err *err;

		start = to;
		if (part.n > window->store_bytes - window->store_used)
			part.n = window->store_bytes - window->store_used;
		if (!part.n || pv_mem_read(window->mem, part.bytes, part.n, from))
			continue;
		window->store_used += part.n;
		window->bytes_read += part.n;
		err = pv_vec_append(&window->preloaded, &part, 1, NULL);
		if (err)
			return err;
	}
	return NULL;
}

void pv_window_unload(struct pv_window *window)
{
	window->preloaded.n = 0;
	window->store_used = 0;
	window->hint = 0;
}

uint64_t pv_window_resident(struct pv_window *window, uint64_t start, uint64_t end)
{
	uint64_t from, to, sum = 0;

	forget_runs(window);
	for (; pv_window_run(window, start, end, &from, &to); start = to)
		sum += to - from;
	return sum;
}
