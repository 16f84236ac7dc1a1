/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Code objects by key, as they arrived in pieces at first sight
 * (abi/event.h PV_EVENT_CODE, PV_EVENT_PIECE), and the source line of a frame.
 */
#ifndef PV_SYMBOL_PYTHON_H
#define PV_SYMBOL_PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pv_event;
struct pv_event_code;
struct pv_event_piece;
struct pv_codes;

struct pv_err *pv_codes_create(struct pv_codes **ret);
void pv_codes_destroy(struct pv_codes *codes);

/*
 * A second CODE with the same key starts anew those parts that are incomplete;
 * whole ones stay.  Events that make no sense are ignored: their part stays NULL.
 */
struct pv_err *pv_codes_add(struct pv_codes *codes, const struct pv_event_code *event);
struct pv_err *pv_codes_add_piece(struct pv_codes *codes, const struct pv_event_piece *event);

/* Either of them, of size bytes; false: it is none, or too short. */
bool pv_codes_take(struct pv_codes *codes, const struct pv_event *event, size_t size,
		   struct pv_err **err_ret);

/*
 * Names of tasks are kept up to this many over all processes, since a program may give each of
 * its tasks a name of its own, and asyncio does.  False: this key is of one that was left out.
 */
enum { PV_TASK_NAMES_MAX = 1 << 16 };
bool pv_codes_keeps_task(const struct pv_codes *codes, uint64_t key);

/* Forgets the code objects of a process that has ended; their keys never come again. */
void pv_codes_forget(struct pv_codes *codes, uint32_t pid);

/*
 * What is known of a frame.  qualname and file are UTF-8 (lone surrogates
 * U+DC80..U+DCFF, Python's surrogateescape, become their raw byte; what else is no
 * character becomes U+FFFD), may hold NULs, valid until destroy; NULL = did not
 * arrive whole.  line -1 = no line, 0 = unknown.
 */
struct pv_code_place {
	const char *qualname, *file;
	size_t qualname_n, file_n; /* bytes */
	int line;
	uint32_t firstlineno;
};

/* False: the key was never heard of. */
bool pv_codes_place(struct pv_codes *codes, uint64_t key, uint32_t lasti,
		    struct pv_code_place *ret);

#endif
