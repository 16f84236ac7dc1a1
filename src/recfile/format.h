/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The numbers of the recording format, shared by writer and reader: what they
 * mean stands in docs/recording.md.  All are append-only: never renumber, never
 * reuse; what is new gets a new chunk type or a new field.
 */
#ifndef PV_RECFILE_FORMAT_H
#define PV_RECFILE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/* Not text, not truncated to 7 bits, no line ends changed: as PNG does it. */
#define PV_REC_MAGIC "\x89PVR\r\n\x1a\n"

enum {
	PV_REC_MAGIC_BYTES = 8,
	PV_REC_HEADER_BYTES = 12, /* u16 type, u16 flags, u32 length, u32 CRC-32 */
	PV_REC_RAW_BYTES = 4,     /* before compressed bytes: u32 length of the plain ones */
	PV_REC_RATIO_MAX = 64,    /* of plain to compressed bytes */
	PV_REC_DEPTH_MAX = 16384, /* frames of a stack; the walkers stop at some 10,000 */
};

enum pv_rec_type {
	/* dictionaries */
	PV_REC_STRINGS = 1,
	PV_REC_MODULES = 2,
	PV_REC_LOCS = 3,
	PV_REC_PROCESSES = 4,
	PV_REC_THREADS = 5,
	PV_REC_SOURCE = 6,
	PV_REC_NODES = 7,
	PV_REC_CAUSES = 8,
	/* what happened */
	PV_REC_SAMPLES = 32,
	PV_REC_COUNTS = 33,
	PV_REC_FORGET = 34,
	/* how much of it */
	PV_REC_TOTALS = 64,
	/* a hunt for memory */
	PV_REC_HUNT = 96,
	PV_REC_RUNGS = 97,
	PV_REC_POINTS = 98,
	PV_REC_EVENTS = 99,
	PV_REC_LOOKS = 100,
	PV_REC_TYPES = 101,
	PV_REC_SITES = 102,
	PV_REC_TYPE_COUNTS = 103,
	PV_REC_SITE_COUNTS = 104,
	PV_REC_BURSTS = 105,
	PV_REC_SUBJECTS = 106,
	PV_REC_HOLDERS = 107,
	PV_REC_BLIND = 108,
	PV_REC_HOLDS = 109,
	PV_REC_COLLECTOR = 110,
	PV_REC_GARBAGE = 111,
	PV_REC_END = 127,
};

/* Flags of a chunk; one with other bits set is skipped as one of an unknown type is. */
enum {
	PV_REC_COMPRESSED = 1 << 0,
};

/* Flags of a PV_REC_SOURCE. */
enum {
	PV_REC_SOURCE_CHANGED = 1 << 0,
};

/* Fields of PV_REC_HUNT. */
enum pv_rec_hunt_field {
	PV_REC_HUNT_END = 1,
	PV_REC_HUNT_ALLOCATOR = 2, /* s */
	PV_REC_HUNT_OTHER_ALLOCATOR = 3,
	PV_REC_HUNT_FREE_THREADED = 4,
	PV_REC_HUNT_GC_DISABLED = 5,
	PV_REC_HUNT_KERNEL_BYTES = 6,
	PV_REC_HUNT_COST = 7, /* millionths of a CPU */
};

/* Fields of PV_REC_TOTALS. */
enum pv_rec_field {
	/* of the capture; s: string ids */
	PV_REC_TARGET_NAME = 1, /* s */
	PV_REC_TITLE = 2,       /* s */
	PV_REC_PID = 3,
	PV_REC_INTERPRETER = 4,   /* s */
	PV_REC_PROBLEM = 5,       /* s */
	PV_REC_ENGINE = 6,        /* s */
	PV_REC_HOST = 7,          /* s */
	PV_REC_NOTE = 8,          /* s */
	PV_REC_WAIT_FUNCTION = 9, /* s */
	PV_REC_WAIT_PLACE = 10,   /* s */
	PV_REC_WAIT_THREAD = 11,  /* s */
	PV_REC_NO_NATIVE = 16,
	PV_REC_NO_KERNEL = 17,
	PV_REC_CHILDREN = 18,
	PV_REC_ENDED = 19,
	PV_REC_CUT = 20,
	PV_REC_UNWATCHED_LEAST = 21,
	PV_REC_WAIT_STOPPED = 22,
	PV_REC_START_UNIX_NS = 32,
	PV_REC_SLICE_NS = 33,
	PV_REC_N_SLICES = 34,
	PV_REC_PERIOD_NS = 35,
	PV_REC_DURATION_NS = 36,
	PV_REC_TARGET_CPU_NS = 37,
	PV_REC_OWN_CPU_NS = 38,
	PV_REC_PROBE_NS = 39,
	PV_REC_N_UNWATCHED = 40,
	PV_REC_UNWATCHED_CPU_NS = 41,
	PV_REC_WAIT_TID = 42,
	PV_REC_WAIT_OTHERS = 43,
	PV_REC_WAIT_PID = 44,
	PV_REC_WAIT_PROCESSES = 45,
	/* of the quality */
	PV_REC_Q_SAMPLES = 64,
	PV_REC_Q_COMPLETE = 65,
	PV_REC_Q_TRUNCATED = 66,
	PV_REC_Q_MARKED = 67,
	PV_REC_Q_BRIDGED = 68,
	PV_REC_Q_WITH_PYTHON = 69,
	PV_REC_Q_KERNEL = 70,
	PV_REC_Q_GC = 71,
	/* 256 + cause: lost */
	PV_REC_LOST = 256,
	PV_REC_LOST_END = 4096, /* fields from here on are something else again */
};

/* A field of TOTALS and where it stands in a struct pv_profile. */
enum pv_rec_field_kind {
	PV_REC_FIELD_U64,
	PV_REC_FIELD_U32,
	PV_REC_FIELD_BOOL,
	PV_REC_FIELD_STRING,
};

struct pv_rec_field_info {
	uint16_t number; /* enum pv_rec_field */
	uint8_t kind;    /* enum pv_rec_field_kind */
	size_t offset;
};

/* All of them but the slices, which the writer may leave out, and the losses. */
extern const struct pv_rec_field_info pv_rec_fields[];
extern const size_t pv_rec_n_fields;

#endif
