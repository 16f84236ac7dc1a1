/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses that are looked for in memory, up to some 100,000 at once.  Input: objects,
 * blocks of bytes.  Output: each word that points to one.  Knows no process.
 *
 * Two ways of looking.  Quick: aligned words that hold the address itself or that of the
 * header before it, whatever their lowest three bits say (CPython keeps marks there:
 * _PyStackRef from 3.14 on, PyGC_Head, 3.12's dict-or-values).  Wide: any 48 bits at any
 * byte, that point anywhere into the object: packed structures (numpy's unaligned object
 * fields, the immediates of JIT code), pointers with marks in their top 16 bits, pointers
 * to a part of the object.  Wide sees all that quick sees, and takes four times as long.
 */
#ifndef PV_HEAP_NEEDLES_H
#define PV_HEAP_NEEDLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_needle {
	uint64_t address; /* of the object */
	uint64_t size;    /* bytes from there on, at least 1 */
	uint32_t header;  /* bytes before it that belong to it: PyGC_Head, managed dict */
	uint32_t gc;      /* bytes of PyGC_Head among them, 0: none; it ends at address */
	uint32_t id;      /* what hits of it carry */
};

enum pv_hit_kind {
	PV_HIT_OBJECT,   /* the address itself */
	PV_HIT_GC,       /* that of its PyGC_Head */
	PV_HIT_INTERIOR, /* somewhere in it, or in what is before it; wide only */
};

struct pv_hit {
	uint64_t at;  /* where the word is */
	uint32_t id;  /* of the needle */
	uint8_t kind; /* enum pv_hit_kind */
	bool aligned; /* to 8 bytes */
	bool plain;   /* no marks in its lowest three and highest 16 bits */
};

struct pv_needles;

/* All of needles is copied.  Two that overlap: both are found. */
struct pv_err *pv_needles_create(const struct pv_needle *needles, size_t n, bool wide,
				 struct pv_needles **ret);
void pv_needles_destroy(struct pv_needles *needles);

/*
 * Looks through n bytes that were read at addr, aligned to 8, both a multiple of 8.  Wide
 * also needs the 8 bytes behind them, which are not themselves looked at: zeros if there
 * are none.  An error of found ends it and is returned.
 */
struct pv_err *pv_needles_scan(const struct pv_needles *needles, const void *bytes, size_t n,
			       uint64_t addr,
			       struct pv_err *(*found)(void *ctx, const struct pv_hit *hit),
			       void *ctx);

/* The same for one word, such as a register. */
struct pv_err *pv_needles_word(const struct pv_needles *needles, uint64_t word, uint64_t addr,
			       struct pv_err *(*found)(void *ctx, const struct pv_hit *hit),
			       void *ctx);

#endif
