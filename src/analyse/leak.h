/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verdict of a hunt: does it leak, what, from where, and who has it?  Pure: plain data in,
 * words out, the same at the end of a hunt and of a recording.
 *
 * Nothing is accused that does not grow, steadily and to the end: caches that are full, warm-up,
 * fragmentation and freelists are clean whatever survives in them.
 */
#ifndef PV_ANALYSE_LEAK_H
#define PV_ANALYSE_LEAK_H

#include <stdbool.h>
#include <stdint.h>

#include "analyse/growth.h"
#include "analyse/sites.h"
#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"
#include "model/memory.h"

enum pv_leak_kind {
	PV_LEAK_UNKNOWN,   /* too little was seen to tell */
	PV_LEAK_NOT_ASKED, /* whether it grows was not looked at: who holds a type alone */
	PV_LEAK_CLEAN,
	PV_LEAK_GROWING, /* it grows; who holds it is not known */
	PV_LEAK_HELD,    /* it grows, and something that has a name holds it */
	PV_LEAK_LOST,    /* it grows, and nobody can ever free it */
};

/* Where what grows is, if no type does. */
enum pv_leak_where {
	PV_LEAK_TYPES,    /* in objects and blocks: types */
	PV_LEAK_MAPPINGS, /* in mappings of a class, a heap's if no type tells what of it is in use
			   */
};

enum { PV_LEAK_TYPES_MOST = 2 };

struct pv_leak {
	enum pv_leak_kind kind;
	enum pv_leak_where where;
	enum pv_memory_class mappings; /* where == PV_LEAK_MAPPINGS */
	double bytes_per_s;            /* of what grows */
	double python;                 /* the share of Python's objects and blocks in it, 0 to 1 */
	uint32_t types[PV_LEAK_TYPES_MOST], n_types; /* the guilty first */
	double share;                                /* of what grows that is of these */
	bool has_site;     /* the first suspect is where it was allocated */
	double site_share; /* of what was seen to stay that is this suspect's */
	uint32_t subject;  /* index into subjects: whose holders it was; PV_MEMORY_NONE */
	uint32_t holder;   /* index into holders: the one that counts; PV_MEMORY_NONE */
	uint32_t second;   /* another one, that has as many, or the rest of most; PV_MEMORY_NONE */
	size_t stem;       /* bytes of the way to it that all ways to it have; 0: it is one */
	bool fills;        /* clean: what grows fills something of the holder's that has a limit */
	struct pv_growth growth;
	struct pv_vec suspects; /* struct pv_suspect */
	struct pv_str text;     /* for people (base/text.h): sentences, a line each */
	struct pv_str next;     /* a command that finds out more; empty: none */
};

struct pv_err *pv_leak_of(const struct pv_memory *memory, struct pv_leak *ret);
void pv_leak_deinit(struct pv_leak *leak);

/* Is this place held to be a part of what grows?  What stays where nothing grows is in use. */
bool pv_leak_accuses(const struct pv_leak *leak, const struct pv_suspect *one);

/*
 * Is nothing known of it but the first use of its blocks?  A place that makes an object and lets it
 * go, just before another one makes such an object and keeps it, has allocated the block of each
 * that stays: the other one has it from the free list.
 */
bool pv_leak_is_first_use(const struct pv_suspect *one);

/* "clean", "held" ...: for machines. */
const char *pv_leak_name(enum pv_leak_kind kind);

/*
 * A -d, s, that people would choose: of least at least, and much more than the one that was too
 * short.
 */
unsigned int pv_leak_longer(double least, double too_short);

/* Appends "dict", "collections.deque", "blocks of 64 B" for people. */
struct pv_err *pv_leak_type(const struct pv_memory *memory, uint32_t type, struct pv_str *str);

/*
 * Append the command that shows who changes the count of one of a type, or of the next object
 * that is allocated at a place and lives on; nothing where it is of no object, or where a name
 * is none that a shell takes as it is.
 */
struct pv_err *pv_leak_refs_type(const struct pv_memory *memory, uint32_t type, struct pv_str *str);
struct pv_err *pv_leak_refs_place(const struct pv_memory *memory, const struct pv_suspect *one,
				  struct pv_str *str);

/* Appends the command that the verdict itself leads to, if any: that of a lost reference. */
struct pv_err *pv_leak_next(const struct pv_memory *memory, const struct pv_leak *leak,
			    struct pv_str *str);

#endif
