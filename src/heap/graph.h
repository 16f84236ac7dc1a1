/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an object refers to, and what people call each of these references.  Input: an object
 * of a pv_heap (untrusted memory).  Output: edges, by a callback.
 *
 * Containers of CPython, functions, types, modules, instances (with __dict__, inline values,
 * slots), frames and numpy's arrays of objects are known; of all else each word that is the
 * address of an object counts, but for weak references.
 */
#ifndef PV_HEAP_GRAPH_H
#define PV_HEAP_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct pv_heap;
struct pv_heap_type;

enum pv_edge_kind {
	PV_EDGE_NAME,    /* label: a str: a global, an attribute, a local variable */
	PV_EDGE_CLOSURE, /* label: a str: a variable of an outer function */
	PV_EDGE_KEY,     /* label: the key of a dict, an object */
	PV_EDGE_IS_KEY,  /* it is a key of a dict */
	PV_EDGE_INDEX,   /* label: of a list, a tuple, a deque, an array */
	PV_EDGE_ITEM,    /* of a set */
	PV_EDGE_STACK,   /* a value that a frame is working with */
	PV_EDGE_PART,    /* the __dict__ of something: not worth a word */
	PV_EDGE_TEXT,    /* label: address of a static text of ours */
	PV_EDGE_FIELD,   /* label: offset in the object */
	/* roots */
	PV_EDGE_MODULE, /* label: a str */
	PV_EDGE_FRAME,  /* label: a code object */
};

struct pv_edge {
	uint64_t at;     /* of the word */
	uint64_t target; /* what it points to */
	uint64_t label;
	uint8_t kind;   /* enum pv_edge_kind */
	bool namespace; /* the target is a dict whose keys are names */
};

typedef struct pv_err *pv_edge_each(void *ctx, const struct pv_edge *edge);

/*
 * namespace: it is a dict that was reached by an edge that says so.  until_ns: CLOCK_MONOTONIC,
 * after which no more of its items are told: what says that it has 2^32 may lie; 0: all are.
 */
struct pv_err *pv_graph_edges(struct pv_heap *heap, uint64_t object,
			      const struct pv_heap_type *type, bool namespace, uint64_t until_ns,
			      pv_edge_each *each, void *ctx);

/*
 * Each counted reference that an object has, once, for those who count: what the garbage collector
 * would visit, as far as it is known.  label: nothing; until_ns: as above.
 */
struct pv_err *pv_graph_references(struct pv_heap *heap, uint64_t object,
				   const struct pv_heap_type *type, uint64_t until_ns,
				   pv_edge_each *each, void *ctx);

/* Of a frame of code that runs, or the one inside a generator; end: of its values, 0: unknown. */
struct pv_err *pv_graph_frame(struct pv_heap *heap, uint64_t frame, uint64_t end,
			      pv_edge_each *each, void *ctx);

/* The type of an object that is alive, without more: quicker than pv_heap_object(); or NULL. */
const struct pv_heap_type *pv_graph_type(struct pv_heap *heap, uint64_t object);

/* Has it no references to others that are worth following? */
bool pv_graph_is_leaf(const struct pv_heap_type *type);

/* Modules of all interpreters: kind MODULE, the target is the module; until_ns: as above. */
struct pv_err *pv_graph_modules(struct pv_heap *heap, uint64_t until_ns, pv_edge_each *each,
				void *ctx);

/* Frames of all threads: kind FRAME, at: the frame, target: where its values end. */
struct pv_err *pv_graph_frames(struct pv_heap *heap, pv_edge_each *each, void *ctx);

/* The text of a str (2.7: also of str), as UTF-8, cut at max characters. */
struct pv_err *pv_graph_text(struct pv_heap *heap, uint64_t object, size_t max, struct pv_str *str);

/* What a key looks like: 'text', 12, (..), <Type>. */
struct pv_err *pv_graph_repr(struct pv_heap *heap, uint64_t object, struct pv_str *str);

/* The name of the code's function, with its class from 3.11 on. */
struct pv_err *pv_graph_code(struct pv_heap *heap, uint64_t code, struct pv_str *str);

/* The name that a type gives to what is at an offset of its objects (PyMemberDef); false: none. */
bool pv_graph_member(struct pv_heap *heap, uint64_t type, uint64_t offset, struct pv_str *str);

#endif
