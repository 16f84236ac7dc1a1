/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goes through all that a process has written, and its threads' registers, with needles.
 * Input: pages of target/populated.h, read in large pieces without stopping it.
 * Output: hits, and what could not be read.
 *
 * The process runs meanwhile.  What it moves from a place that is still to come to one that
 * is behind us is not seen; so a reference is only missing if it is missing again and again:
 * in a pass from the other end, and in many quick ones over the pages that changed between
 * two passes, which are few.
 */
#ifndef PV_HEAP_SEARCH_H
#define PV_HEAP_SEARCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"
#include "heap/needles.h"
#include "target/maps.h"
#include "target/populated.h"

struct pv_mem;

/* Where a register is, as an address of a hit: thread and number, see pv_heap_search_register(). */
#define PV_HEAP_SEARCH_REGISTERS 0xfff0000000000000ULL

/* What is searched; all of it outlives the search. */
struct pv_heap_search_source {
	pid_t pid;
	struct pv_mem *mem;
	struct pv_mem *forced; /* reads what the process itself may not read; or NULL */
	/* struct pv_registers of all threads, replaced; or NULL: none are to be had */
	struct pv_err *(*registers)(void *ctx, struct pv_vec *ret);
	void *ctx;
	uint64_t limit_bytes; /* a pass reads no more than that; 0: no limit */
	uint64_t until_ns;    /* CLOCK_MONOTONIC: nor later than then; 0: no limit */
	/* nor any more once it says so, which it is asked all the time; NULL: never */
	bool (*stopped)(void *ctx);
};

/* How a pass went. */
struct pv_heap_search_result {
	uint64_t bytes;    /* read */
	uint64_t unread;   /* bytes that hold something and could not be read, or beyond a limit */
	uint64_t appeared; /* bytes of pages that were written for the first time meanwhile */
	uint64_t took_ns;
	uint32_t threads; /* whose registers were looked through; 0: none are to be had */
};

struct pv_heap_search {
	struct pv_heap_search_source source;
	struct pv_maps maps;           /* of the last pass */
	struct pv_populated populated; /* of the last pass */
	struct pv_vec registers;       /* struct pv_registers, as the last pass ended */
	struct pv_vec before;          /* struct pv_registers, as the pass began */
	struct pv_vec active;          /* struct pv_populated_range: pages that change */
	uint64_t active_bytes;
	struct pv_vec sums; /* struct page_sum, of the last whole pass, sorted */
	unsigned char *buffer;
};

struct pv_err *pv_heap_search_create(const struct pv_heap_search_source *source,
				     struct pv_heap_search **ret);
void pv_heap_search_destroy(struct pv_heap_search *search);

/* Is nothing to be searched any more, for the time or because the user does not want it? */
bool pv_heap_search_is_over(const struct pv_heap_search *search);

/*
 * One pass through everything.  sum: the pages' contents are compared with those of the
 * last pass that had it; what differs is then active.
 */
struct pv_err *pv_heap_search_pass(struct pv_heap_search *search, const struct pv_needles *needles,
				   bool backwards, bool sum,
				   struct pv_err *(*found)(void *ctx, const struct pv_hit *hit),
				   void *ctx, struct pv_heap_search_result *ret);

/* One through the active pages and the registers alone. */
struct pv_err *pv_heap_search_quick(struct pv_heap_search *search, const struct pv_needles *needles,
				    bool backwards,
				    struct pv_err *(*found)(void *ctx, const struct pv_hit *hit),
				    void *ctx, struct pv_heap_search_result *ret);

/* Is it a register?  Then of that thread. */
static inline bool pv_heap_search_register(uint64_t at, pid_t *tid_ret)
{
	if (at < PV_HEAP_SEARCH_REGISTERS)
		return false;
	*tid_ret = (pid_t)(at >> 8 & 0xffffffff);
	return true;
}

#endif
