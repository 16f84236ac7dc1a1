/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A part of a process's memory at a time, in large reads, from low addresses to high ones.
 * Input: a struct pv_mem, and which pages there are (/proc/PID/pagemap).  Output: bytes.
 *
 * pv_window_preload() reads much of it at once, before any of it is looked at: what a program
 * moves meanwhile is less, the shorter that takes.
 *
 * Pages that the process never touched are not read: that would give them to it, and what
 * is reserved may be a thousand times what is there.
 */
#ifndef PV_HEAP_WINDOW_H
#define PV_HEAP_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_mem;
struct pv_page_run;

enum {
	PV_PAGE_BYTES = 4096,
	PV_WINDOW_BYTES = 1 << 20, /* the most that is asked for at once */
	PV_WINDOW_PAGES = 8192,    /* that are there and are known at once */
	PV_WINDOW_RUNS = 1024,     /* of them */
};

struct pv_window {
	struct pv_mem *mem;
	int pagemap; /* -1: every page counts as there */
	/* Two, so that a look ahead does not cost what is here. */
	struct pv_window_part {
		char *bytes;
		uint64_t start;
		size_t n;
	} parts[2];
	unsigned int last;       /* which of them was used last */
	bool anew;               /* the next one is read, whatever is there already */
	struct pv_vec preloaded; /* struct pv_window_part, in ascending order */
	char *store;             /* their bytes */
	size_t store_bytes, store_used;
	size_t hint;              /* which of them was used last */
	uint64_t limit;           /* no read goes beyond it */
	struct pv_page_run *runs; /* pages that are there, of [known_from, known_to) */
	size_t n_runs, run;       /* run: where the last one was looked for */
	uint64_t known_from, known_to;
	uint64_t bytes_read;
};

/* pid 0: all pages count as there.  mem is not owned. */
struct pv_err *pv_window_init(struct pv_window *window, struct pv_mem *mem, pid_t pid);
void pv_window_deinit(struct pv_window *window);

/* No read goes beyond end from now on; what was read is forgotten. */
void pv_window_limit(struct pv_window *window, uint64_t end);

/* The first run of pages that are there, within [from, end).  False: there is none. */
bool pv_window_run(struct pv_window *window, uint64_t from, uint64_t end, uint64_t *start_ret,
		   uint64_t *end_ret);

/*
 * n bytes (at most PV_WINDOW_BYTES) at address, as they were when they were read, valid until
 * the next but one call; NULL: they could not be read, or their first page is not there.
 */
const void *pv_window_at(struct pv_window *window, uint64_t address, size_t n);

/* The next call reads anew. */
void pv_window_forget(struct pv_window *window);

/* Gets memory for what pv_window_preload() is to read; at most so many bytes. */
struct pv_err *pv_window_reserve(struct pv_window *window, uint64_t bytes);

/* Reads the pages of [start, end) that are there, while there is room; in ascending order. */
struct pv_err *pv_window_preload(struct pv_window *window, uint64_t start, uint64_t end);

/* Forgets what was preloaded; its memory stays for the next. */
void pv_window_unload(struct pv_window *window);

/* Bytes of the pages of [start, end) that are there. */
uint64_t pv_window_resident(struct pv_window *window, uint64_t start, uint64_t end);

#endif
