/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct pv_memory: one hunt for what grows in a process, as plain data: growth by
 * mapping, censuses of its heap, where it allocated and what of that stayed, who holds
 * it, and what was done to find out.  Written by session/, judged by analyse/leak.h,
 * written out by out/ and cmd/.
 *
 * Times are in ns of CLOCK_MONOTONIC since profile->start_unix_ns's moment (the start of
 * the hunt).  Names are ids in profile->strings; they come from the target and may hold
 * any byte.  A stack is a leaf of profile->nodes, 0: unknown.  Sizes are bytes.
 *
 * What is counted again and again (objects of a type, survivors of a site) is counted
 * in a look, one moment.  A type or a site that was not counted in a look that covers
 * it had none then.
 */
#ifndef PV_MODEL_MEMORY_H
#define PV_MODEL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"

struct pv_profile;

enum { PV_MEMORY_NONE = UINT32_MAX };

/* The rungs of the ladder, cheap to dear. */
enum pv_rung {
	PV_RUNG_TREND,   /* growth by mapping; faults, brk, mmap */
	PV_RUNG_CENSUS,  /* objects and blocks by type, walked from outside */
	PV_RUNG_GROWTH,  /* what extends the heap, by stack */
	PV_RUNG_BURSTS,  /* all allocations of short times, and what of them stays */
	PV_RUNG_ALL,     /* all allocations and frees of a window */
	PV_RUNG_HOLDERS, /* who holds it; lost references */
	PV_RUNG_N,
};

enum pv_rung_state {
	PV_RUNG_NOT_ASKED, /* the user asked for another one */
	PV_RUNG_NOT_NEEDED,
	PV_RUNG_CLIMBED,
	PV_RUNG_PARTLY,  /* it broke off, or only some of it is possible here: why */
	PV_RUNG_REFUSED, /* not possible here: why */
	PV_RUNG_FAILED,  /* it was tried: why */
};

struct pv_memory_rung {
	enum pv_rung_state state;
	uint32_t why;               /* string id, a sentence without a full stop; "" if none */
	uint64_t start_ns, took_ns; /* wall time from its beginning to its end */
	uint64_t hits;              /* of probes in the target */
	uint64_t hits_ns;           /* time that they took of the target, by the measured price */
	uint64_t stopped_ns;        /* time that the target was stopped for it */
	uint64_t lost;              /* events of it that did not reach us */
	double slowdown;            /* share of its time that the target lost, 0.02; < 0: unknown */
};

/* What a mapping is for. */
enum pv_memory_class {
	PV_MEMORY_ARENAS, /* of Python's own allocator */
	PV_MEMORY_HEAP,   /* of the C library: brk, its threads' arenas */
	PV_MEMORY_ANON,   /* other anonymous mappings: large blocks, other allocators */
	PV_MEMORY_STACKS, /* of threads */
	PV_MEMORY_FILES,  /* behind which there is a file, shared memory among them */
	PV_MEMORY_N_CLASSES,
};

/* The process's mappings at one moment. */
struct pv_memory_point {
	uint64_t at_ns;
	uint64_t
		resident[PV_MEMORY_N_CLASSES]; /* private and shared pages in memory, swapped too */
	uint64_t mapped[PV_MEMORY_N_CLASSES];  /* address space */
	uint64_t rss_bytes;                    /* as the kernel counts the process */
};

/* What made the process's memory grow or shrink, as the kernel sees it. */
enum pv_memory_event_kind {
	PV_MEMORY_FAULT, /* a page touched for the first time; bytes: of pages */
	PV_MEMORY_BRK,   /* bytes: by which the heap grew */
	PV_MEMORY_MMAP,
	PV_MEMORY_MUNMAP,
	PV_MEMORY_N_EVENTS,
};

/* Equal events, counted. */
struct pv_memory_event {
	enum pv_memory_event_kind kind;
	uint32_t node;
	uint32_t thread; /* index into profile->threads */
	uint64_t count, bytes;
};

/* How a site came to be known. */
enum pv_site_source {
	PV_SITE_GROWTH, /* it extended the heap: seen are pools and heap tops */
	PV_SITE_BURST,  /* seen are all allocations of bursts */
	PV_SITE_ALL,    /* seen are all allocations of a window */
	PV_SITE_MAPPED, /* seen are the mmaps that the trend had a stack of */
};

/* A moment at which something was counted. */
enum pv_look_kind {
	PV_LOOK_CENSUS, /* covers all types */
	PV_LOOK_SITES,  /* covers the survivors of all sites of one source that there were */
};

/* What the garbage collector says of itself; numbers are of all interpreters. */
struct pv_memory_collector {
	bool disabled;            /* it does not run by itself: gc.collect() alone frees cycles */
	bool counted;             /* known are: */
	uint64_t full, collected; /* full collections so far, objects that these freed */
	bool aged;                /* known are: */
	uint64_t old, pending;    /* long_lived_total, long_lived_pending */
};

struct pv_memory_look {
	enum pv_look_kind kind;
	enum pv_site_source source; /* of PV_LOOK_SITES */
	uint64_t at_ns;             /* its beginning */
	uint64_t took_ns;           /* to its end */
	uint64_t objects; /* census: objects and blocks, sites: survivors; the sum of what is
			     counted */
	uint64_t bytes;   /* of them */
	uint64_t doubts;  /* blocks that changed while we looked, or could not be told */
	uint64_t unread;  /* blocks, pools or chunks that could not be read */
	bool partial;     /* it did not reach all of the heap */
	uint32_t why;     /* string id: why it is partial; "" */
	bool has_garbage; /* census: it is known what of it is garbage */
	struct pv_memory_collector collector; /* census */
};

enum pv_memory_type_kind {
	PV_TYPE_OBJECT,     /* a Python type; name is its tp_name */
	PV_TYPE_POOL_BLOCK, /* blocks of pymalloc that are no objects, by their size class */
	PV_TYPE_HEAP_BLOCK, /* blocks of the C library that are none, by the next power of two */
};

/* A row of the census. */
struct pv_memory_type {
	enum pv_memory_type_kind kind;
	uint32_t name;    /* string id: "dict"; of a block "" */
	uint32_t module;  /* string id: "collections", "" if it is not known or builtins */
	uint64_t size;    /* of a block's class; an object: 0 */
	uint64_t address; /* of the type object, of the first of this name; 0 if none */
};

/* How many of a type, or of a site's allocations, there were at a look. */
struct pv_memory_count {
	uint64_t count, bytes;
	uint64_t garbage; /* of count: nobody has them but they each other; the collector's */
};

enum pv_memory_domain {
	PV_DOMAIN_OBJECT, /* PyObject_Malloc and PyMem_Malloc: pymalloc */
	PV_DOMAIN_LIBC,   /* malloc, calloc, realloc, C++ new; PyMem_RawMalloc, too */
	PV_DOMAIN_MMAP,
	PV_DOMAIN_N,
};

/* Where memory was allocated. */
struct pv_memory_site {
	enum pv_site_source source;
	enum pv_memory_domain domain;
	uint32_t node;
	uint32_t type; /* index into types: what survivors are; PV_MEMORY_NONE: unknown, mixed */
	uint64_t seen_count, seen_bytes; /* allocations that were seen */
	uint64_t freed_count;            /* of these seen to be freed (PV_SITE_ALL) */
	uint32_t bursts;                 /* in so many */
	uint32_t bursts_survived; /* of these, in which something survived to the last look */
	double weight; /* 1 / the share of allocations that was seen; 1: all in the time */
};

/* A time in which every allocation was watched. */
struct pv_memory_burst {
	uint64_t start_ns, end_ns;
	uint64_t allocations; /* seen */
	uint64_t lost;
	bool sampled; /* the kernel's memory was full, and not all were kept */
};

/* Something whose holders were looked for: one object, or objects of one type. */
struct pv_memory_subject {
	uint32_t type;     /* index into types, PV_MEMORY_NONE: unknown */
	uint32_t text;     /* string id: what people call it, "dict", "tuple at 0x7f3a12c0" */
	uint64_t address;  /* of the object; 0: many of a type */
	uint64_t objects;  /* that were looked at */
	uint64_t of;       /* that there were */
	int64_t refcount;  /* sum of their counts; < 0: not known */
	uint64_t found;    /* references found to them, all of them together */
	uint64_t immortal; /* of them, whose count says nothing */
	/*
	 * not all writable memory could be searched, then nothing is lost; or not all objects gone
	 * through, then there may be paths that were not found
	 */
	bool partial;
	/* of these objects, in two looks apart, have counts above what was found to hold them */
	uint64_t lost_objects;
	uint64_t lost_references;           /* by so much in sum */
	uint64_t looks;                     /* looks apart that agree */
	uint32_t first_example, n_examples; /* of lost ones: in examples */
	uint64_t took_ns;
};

enum pv_holder_kind {
	PV_HOLDER_NAMED,   /* a path from a root: "module app -> _cache" */
	PV_HOLDER_BLOCK,   /* a block of some type that no path was found to: "list +16" */
	PV_HOLDER_MAPPING, /* memory that is in no block: "[heap]+0x1200", "_ext.so+0x40a0" */
	PV_HOLDER_STACK,   /* a thread's stack or register */
	PV_HOLDER_NONE,    /* references that nobody was found to hold */
};

/* Equal holders of a subject's objects, counted. */
struct pv_memory_holder {
	uint32_t subject; /* index into subjects */
	enum pv_holder_kind kind;
	uint32_t text; /* string id */
	uint32_t type; /* of a block, index into types; PV_MEMORY_NONE */
	uint64_t references;
	uint64_t objects; /* of the subject that it holds */
	uint64_t own;     /* of these, that no named holder before it holds; of a named one */
	/*
	 * Of all objects of the subject's type, as far as those that were looked at tell, it holds
	 * so many more than over_ns before; 0: it was looked for once.
	 */
	int64_t gained;
	uint64_t over_ns;
	/* of the one bounded cache or queue that its path leads through; limit 0: there is none */
	uint64_t used, limit;
	int64_t used_gained; /* since over_ns before */
};

/* Why a hunt ended. */
enum pv_memory_end {
	PV_MEMORY_DONE, /* the ladder, or --duration */
	PV_MEMORY_STOPPED,
	PV_MEMORY_TARGET_ENDED,
	PV_MEMORY_REPLACED, /* the target ran another program (exec) */
	PV_MEMORY_BUDGET,   /* the watchdog: it cost more than it may */
};

struct pv_memory {
	/* names, stacks, the target, times, losses; owned; it has no samples */
	struct pv_profile *profile;
	struct pv_memory_rung rungs[PV_RUNG_N];
	struct pv_vec points;   /* struct pv_memory_point, in time */
	struct pv_vec events;   /* struct pv_memory_event */
	struct pv_vec looks;    /* struct pv_memory_look, as they were made */
	struct pv_vec types;    /* struct pv_memory_type, each once */
	struct pv_vec sites;    /* struct pv_memory_site, each (source, domain, node, type) once */
	struct pv_vec bursts;   /* struct pv_memory_burst */
	struct pv_vec subjects; /* struct pv_memory_subject */
	struct pv_vec holders;  /* struct pv_memory_holder, those of a subject together */
	struct pv_vec examples; /* uint64_t: addresses */
	struct pv_vec blind;    /* uint32_t: string ids, what cannot be seen here, sentences */

	enum pv_memory_end end;
	uint32_t allocator;    /* string id: "glibc 2.36", "jemalloc", "" if it is not known */
	bool other_allocator;  /* one that is not read: the C heap is known by its size alone */
	bool free_threaded;    /* build of the interpreter */
	bool gc_disabled;      /* at the last look: see pv_memory_collector */
	uint64_t kernel_bytes; /* the most that the kernel's maps of the hunt took */
	double cost_cpus;      /* hits times prices in the time of the whole hunt */

	/* private indices of the functions below */
	struct pv_vec type_counts, site_counts; /* struct pv_memory_count */
	struct pv_map type_count_index, site_count_index, type_index, site_index, event_index;
};

struct pv_err *pv_memory_create(struct pv_memory **ret);
void pv_memory_destroy(struct pv_memory *memory);

/* Opens a look; its index is *ret. */
struct pv_err *pv_memory_look(struct pv_memory *memory, const struct pv_memory_look *look,
			      uint32_t *ret);

/* Finds by kind, name, module and size, or adds. */
struct pv_err *pv_memory_type(struct pv_memory *memory, const struct pv_memory_type *type,
			      uint32_t *ret);
/* The same with texts, which may be NULL: "". */
struct pv_err *pv_memory_type_named(struct pv_memory *memory, enum pv_memory_type_kind kind,
				    const char *name, const char *module, uint64_t size,
				    uint64_t address, uint32_t *ret);

/* The type of objects that is at address, as a census named it; PV_MEMORY_NONE: none saw it. */
uint32_t pv_memory_type_of(const struct pv_memory *memory, uint64_t address);

/* Finds by source, domain, node and type, or adds (with all of *site). */
struct pv_err *pv_memory_site(struct pv_memory *memory, const struct pv_memory_site *site,
			      uint32_t *ret);

/* Adds to what a type, or a site, has at a look, and to the look's own sums. */
struct pv_err *pv_memory_count_type(struct pv_memory *memory, uint32_t look, uint32_t type,
				    uint64_t count, uint64_t bytes);
/* So many more of what a type has at a look are garbage; no more than there are. */
void pv_memory_count_garbage(struct pv_memory *memory, uint32_t look, uint32_t type,
			     uint64_t garbage);
struct pv_err *pv_memory_count_site(struct pv_memory *memory, uint32_t look, uint32_t site,
				    uint64_t count, uint64_t bytes);

/* What a type, or a site, has at a look; zeros if nothing was counted. */
struct pv_memory_count pv_memory_type_at(const struct pv_memory *memory, uint32_t look,
					 uint32_t type);
struct pv_memory_count pv_memory_site_at(const struct pv_memory *memory, uint32_t look,
					 uint32_t site);

/* The last look of a kind, and the first; PV_MEMORY_NONE if there is none. */
uint32_t pv_memory_last_look(const struct pv_memory *memory, enum pv_look_kind kind);
uint32_t pv_memory_first_look(const struct pv_memory *memory, enum pv_look_kind kind);

/* The last look at sites of a source; PV_MEMORY_NONE. */
uint32_t pv_memory_last_sites(const struct pv_memory *memory, enum pv_site_source source);

/* Adds count events and bytes to those that are equal. */
struct pv_err *pv_memory_event(struct pv_memory *memory, const struct pv_memory_event *event);

/* A sentence of what cannot be seen here, without a full stop; one that is there is not added
 * again. */
struct pv_err *pv_memory_blind(struct pv_memory *memory, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What became of a rung, and why; format may be NULL. */
struct pv_err *pv_memory_rung_is(struct pv_memory *memory, enum pv_rung rung,
				 enum pv_rung_state state, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Names, static: "trend", "climbed", "python arenas", "page fault", "object". */
const char *pv_rung_name(enum pv_rung rung);
const char *pv_rung_state_name(enum pv_rung_state state);
const char *pv_memory_class_name(enum pv_memory_class what);
const char *pv_memory_event_name(enum pv_memory_event_kind kind);
const char *pv_memory_domain_name(enum pv_memory_domain domain);
const char *pv_holder_kind_name(enum pv_holder_kind kind);

#endif
