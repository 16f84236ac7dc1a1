/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One stack from the two halves of a sample: Python runs take the place of the
 * eval frames that run them.  Input: a pv_event_sample (checked here, it may
 * come from a file).  Output: frames root first, and what can be trusted.
 */
#ifndef PV_SNAP_MERGE_H
#define PV_SNAP_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/event.h"
#include "abi/loss.h"
#include "base/err.h"
#include "base/vec.h"
#include "python/detect.h"

enum pv_ref_kind {
	PV_REF_PYTHON, /* value = code key, detail = lasti */
	PV_REF_NATIVE, /* value = ELF vaddr, detail = object id */
	PV_REF_RAW,    /* value = address without a known object */
	PV_REF_KERNEL, /* value = address */
	PV_REF_MARKER, /* value = enum pv_mark */
	PV_REF_TASK,   /* value = key of its name; a label */
	PV_REF_INTERP, /* value = id of a sub-interpreter; a label */
	PV_REF_LABEL,  /* value = enum pv_label, what runs the frames after it */
};

enum pv_mark {
	PV_MARK_TRUNCATED,   /* frames are missing between here and the root */
	PV_MARK_BREAK,       /* native frames are missing here */
	PV_MARK_TORN,        /* Python half not shown: frames were being switched */
	PV_MARK_MISMATCH,    /* Python half not shown: the halves disagree */
	PV_MARK_UNREADABLE,  /* Python half not shown: it could not be read whole */
	PV_MARK_NEW_MAPPING, /* native frames are missing: a mapping not known yet, or no file's */
	PV_MARK_GC,     /* nothing is missing: the frames from here to the leaf are of a garbage
			   collection */
	PV_MARK_SWITCH, /* Python half not shown: between two greenlets, the stack is being
			   exchanged */
	PV_MARK_MAX,
};

enum pv_label {
	PV_LABEL_GREENLET, /* where a stack begins that was switched to: no frame is missing */
	PV_LABEL_TASK_UNREAD,
	PV_LABEL_TASK_SEVERAL, /* more than one task waits for the next one */
	PV_LABEL_TASK_MORE,    /* the chain of those that wait goes on */
	PV_LABEL_TASK_DROPPED, /* its name is not kept: there are too many */
	PV_LABEL_MAX,
};

/* "[truncated]" ... */
const char *pv_mark_text(enum pv_mark mark);
/* "greenlet" */
const char *pv_label_text(enum pv_label label);

struct pv_frame_ref {
	uint64_t value;
	uint32_t detail;
	uint8_t kind; /* enum pv_ref_kind */
	bool exact;   /* NATIVE, RAW: value is a pc, not a return address */
	uint16_t at;  /* PYTHON, NATIVE, RAW: its index in that half of the sample */
};

struct pv_merged {
	struct pv_vec frames; /* struct pv_frame_ref, root first */
	bool complete;        /* thread's start and outermost Python frame, nothing missing */
	bool truncated;       /* a marker stands for missing frames */
	bool marked;          /* the Python half is not shown, because it could be wrong */
	bool bridged;         /* a native break was bridged */
	bool python;          /* has at least one Python frame */
	bool gc;              /* has PV_MARK_GC */
	bool gc_unknown;      /* might be in a garbage collection, and cannot tell */
	uint8_t loss; /* enum pv_loss: the first reason but for a bridge why it is not complete */
};

/* The code of the garbage collector, which makes native frames its own. */
struct pv_merge_collector {
	uint32_t object; /* id as in PV_REF_NATIVE; 0: not known */
	uint32_t n;
	struct pv_range parts[PV_COLLECTOR_PARTS_MAX]; /* ELF virtual addresses */
};

struct pv_merge_options {
	/*
	 * Python and kernel frames only.  Native ones are wanted of the samples in a
	 * garbage collection, whose place they tell; they are not shown.
	 */
	bool no_native;
	/* the program whose memory was walked is no more: kernel frames only, marked as unread */
	bool kernel_only;
	bool counted;   /* no anchors (<= 3.9): eval frames are counted from the root */
	bool from_root; /* anchors counted from the root (3.10): none if that was not reached */
	struct pv_merge_collector collector;
	/* the Python state is not found by way of the C stack (all but 3.11 and 3.12) */
	bool apart_state;
	uint32_t greenlet; /* object that exchanges stacks, id as in PV_REF_NATIVE; 0: none */
};

/*
 * merged->frames is reused: initialise it once with PV_VEC(struct pv_frame_ref).
 * A record that is not well-formed is PV_ERR_FAILED.
 */
struct pv_err *pv_merge(const struct pv_event_sample *sample, size_t size,
			const struct pv_merge_options *options, struct pv_merged *merged);

#endif
