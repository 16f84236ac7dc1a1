/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct pv_refs: every change of one word of a process, mostly an object's reference count, with
 * the stack that led to it, as plain data.  Written by session/ledger.c, read by analyse/refnet.c,
 * out/ and cmd/.
 *
 * Times are in ns since profile->start_unix_ns's moment.
 */
#ifndef PV_MODEL_REFS_H
#define PV_MODEL_REFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_profile;
struct pv_str;

enum { PV_REFS_NONE = UINT32_MAX };

/* An instruction that changes it. */
struct pv_ref_site {
	uint32_t function; /* index into profile->locs: whose code it is */
	uint64_t vaddr;    /* in its ELF object; of code of no file the address */
	uint64_t offset;   /* bytes from the function's start; UINT64_MAX: not known */
	uint32_t file;     /* string id: path of the source, 0: not known */
	uint32_t line;
	uint32_t source; /* string id: the function that the source has there, inlined into the
			    other; 0: the same */
	bool collector;  /* below it the garbage collector runs */
};

/* One frame of a change's stack. */
struct pv_ref_frame {
	uint32_t loc;      /* index into profile->locs: as in the stack */
	uint32_t function; /* index into profile->locs: the same without a line, `.cold` parts with
			      the rest */
	uint8_t kind;      /* enum pv_loc_kind */
	bool interpreter;  /* code of Python itself or of its standard library */
	uint64_t place;    /* where it is on the stack (CFA), or its Python frame; 0: not known */
	uint64_t pc;       /* where it stands: ELF vaddr of its call, or offset into the bytecode */
	/*
	 * index into sites: its instruction, of a call that leads on; of the interpreter's frames
	 * and of Python's PV_REFS_NONE
	 */
	uint32_t site;
	uint64_t number; /* of the call of a function whose entry is probed, from 1; 0: not known */
};

enum pv_change_flag {
	PV_REF_BY_KERNEL = 1, /* a system call wrote */
	PV_REF_NO_STACK = 2,  /* the stack did not come */
	PV_REF_PARTIAL = 4,   /* the stack is not whole */
};

struct pv_change {
	uint64_t time_ns, sequence; /* from 0; what is missing was lost */
	int64_t before, after;
	uint32_t thread; /* index into profile->threads */
	uint32_t node;   /* the merged stack: a leaf of profile->nodes; 0: not known */
	uint32_t site;   /* index into sites; PV_REFS_NONE: not known */
	uint32_t python; /* index into frames: the innermost Python frame; PV_REFS_NONE */
	uint32_t flags;  /* enum pv_change_flag */
	size_t first, n; /* its frames, root first */
};

/* A native function whose entry is probed: its calls have numbers. */
struct pv_ref_function {
	uint32_t function; /* index into profile->locs */
	uint64_t calls;    /* since it is probed */
	uint64_t given;    /* of these: the object was among the arguments, as far as that shows */
	uint64_t since_ns;
};

/* One life of an object that was followed from its birth to its end. */
struct pv_life {
	uint64_t object;
	uint64_t start_ns, end_ns;
	size_t first, n; /* of `others` in struct pv_refs */
};

/* What is known of the life that `changes` tell of. */
enum pv_life_fate {
	PV_LIFE_ENDED = 0, /* its count came to 0 */
	PV_LIFE_GOES_ON,   /* at the end it was there, and had not rested for clearly longer than
			      others do */
	PV_LIFE_HELD,      /* it rests, and there may be somebody who holds it */
	PV_LIFE_LOST,      /* it rests, and has references that nobody holds */
};

/* Objects that are born at a place, each followed from its birth: refs --alloc. */
struct pv_lives {
	bool on;        /* this is what was done */
	uint32_t place; /* string id: the pattern of their births' stacks */
	enum pv_life_fate fate;
	uint64_t lost;    /* of a LOST one: so many references */
	uint64_t idle_ns; /* for how long it had not been touched at the end */
	uint64_t rest_ns; /* the longest that one that ended later was not touched */
	uint64_t life_ns; /* the longest life that ended */
	uint64_t n_ended, n_held;
	uint64_t n_broken; /* lives with changes that did not reach us, or too many */
	uint64_t n_gone;   /* whose end was not seen, but something else at their place */
	uint64_t n_births; /* of the type, at all addresses that were watched */
	uint64_t n_passed; /* of these: by a way that never led to the place */
	uint64_t n_other;  /* the same, looked at one by one */
	uint64_t n_aims;   /* addresses that were watched */
	uint64_t n_pauses; /* times without a watch, so as to keep to the budget */
	size_t n_slots;    /* addresses at a time */
};

enum pv_refs_end {
	PV_REFS_STOPPED = 0, /* by the user or by --duration */
	PV_REFS_ENOUGH,      /* so many changes as were asked for */
	PV_REFS_FREED,       /* the count came to 0 */
	PV_REFS_IMMORTAL,    /* it was made immortal */
	PV_REFS_REPLACED,    /* its memory was used for another object, the count never came to 0 */
	PV_REFS_TARGET_ENDED,
	PV_REFS_EXEC,   /* the target runs another program */
	PV_REFS_BUDGET, /* what writes and probes cost is too much */
	PV_REFS_FOUND,  /* of lives: one has references that nobody holds */
};

struct pv_refs {
	struct pv_profile *profile; /* names, stacks and the target; owned; it has no samples */
	struct pv_vec changes;      /* struct pv_change, by sequence */
	struct pv_vec frames;       /* struct pv_ref_frame */
	struct pv_vec sites;        /* struct pv_ref_site */
	struct pv_vec functions;    /* struct pv_ref_function */
	struct pv_lives lives;
	struct pv_vec ended;  /* struct pv_life: some of those that have ended */
	struct pv_vec others; /* struct pv_change: theirs, of each life together */
	uint64_t address;     /* of the object; of a field: of the word */
	uint64_t object;      /* of the object */
	uint32_t type;        /* string id: of its type, "" of a word that is no object's */
	uint32_t field_size;  /* bytes of a field; 0: it is a reference count */
	uint32_t field_at;    /* its offset in the object */
	bool on_free;         /* the change to 0 alone was wanted */
	bool by_lines;        /* of one function, as its lines show it, no watchpoint */
	uint32_t unusable;    /* string id: why no watchpoint could be; 0: none was wanted */
	size_t n_rows;        /* places where its lines begin */
	bool split;           /* free-threaded: two words make the count */
	bool borrows;         /* 3.14+: the interpreter borrows references */
	int64_t first, last;  /* before the first change, at the end */
	enum pv_refs_end end;
	uint64_t unchanged; /* writes that left it as it was */
	uint64_t lost;      /* changes that did not reach us */
	uint64_t unseen; /* writes that the program was not run for: their deltas are in the next */
	uint64_t no_stack;
	uint64_t hits[2];  /* of probes at entries, emulated and single-stepped */
	uint64_t bare_ns;  /* what a trap costs, measured on ourselves */
	uint64_t spent_ns; /* by the target in the program */
	uint64_t prices_ns[2];
	size_t n_threads; /* that had a watchpoint of their own at the start */
	double cost_cpus;
};

struct pv_err *pv_refs_create(struct pv_refs **ret);
void pv_refs_destroy(struct pv_refs *refs);

static inline int64_t pv_change_delta(const struct pv_change *change)
{
	return change->after - change->before;
}

/* "methods.c:1274", or "array_argsort+0x4a"; escaped. */
struct pv_err *pv_ref_site_text(const struct pv_refs *refs, const struct pv_ref_site *site,
				struct pv_str *str);

#endif
