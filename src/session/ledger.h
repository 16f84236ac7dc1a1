/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger of one object's reference count, or of any word of a process, on one page.  Input: a
 * PID, an object.  Output: a struct pv_refs.
 */
#ifndef PV_SESSION_LEDGER_H
#define PV_SESSION_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "model/refs.h"
#include "session/chosen.h"

struct pv_ledger;

struct pv_ledger_options {
	pid_t pid;
	struct pv_choice choice; /* the object; texts are not owned */
	bool field;              /* a word of it instead of its count: */
	uint32_t field_at, field_size;
	bool on_free; /* the change to 0 alone */
	/*
	 * The choice is PV_CHOICE_NEXT: what is born at the place is followed from its birth, one
	 * after the other, until one is lost.  Where that cannot be it is one from when it was seen
	 * on, and pv_ledger_note() says so.
	 */
	bool from_birth;
	uint64_t patience_ns; /* the same: so long without a birth at the addresses watched */
	const char *lines;    /* the older way: probes on the lines of this native function; NULL */
	/* the same where debug registers are absent or taken; NULL: that is an error then */
	const char *or_lines;
	size_t changes_max; /* then it ends */
	double budget;      /* CPUs that writes and probes may take of the target's time */
};

/* What the start found. */
struct pv_ledger_facts {
	const char *interpreter; /* "CPython 3.11.2" */
	const char *name;        /* of the process */
	const char *type;        /* of the object, "" if there is none; escaped */
	uint64_t object, address;
	int64_t count;    /* as it was when it was found */
	uint64_t bare_ns; /* that a change costs the thread that makes it, at least */
	const char *note; /* what is to be known of the object that was chosen, "" or a sentence */
	uint64_t waited_ns;   /* for an allocation */
	size_t n_births;      /* addresses that are watched for births; 0: one object is followed */
	uint32_t block_bytes; /* the same: of each */
	const char *lines;    /* the native function whose lines are probed; NULL: none */
	const char *unusable; /* why it is that instead of a watchpoint; "": it was asked for */
};

/*
 * Finds the object, measures what a change costs, loads the programs; nothing is watched yet.
 * An object that cannot be followed is an error that says why.
 */
struct pv_err *pv_ledger_create(const struct pv_ledger_options *options, struct pv_ledger **ret);
void pv_ledger_destroy(struct pv_ledger *ledger);

struct pv_ledger_facts pv_ledger_facts(const struct pv_ledger *ledger);

/* It is watched from here on. */
struct pv_err *pv_ledger_attach(struct pv_ledger *ledger);

/*
 * Waits up to timeout_ms, or until fd is readable; does what must be done at once.
 * ended_ret: it is over, and why stands in the ledger.
 */
struct pv_err *pv_ledger_step(struct pv_ledger *ledger, int timeout_ms, int fd, bool *ended_ret);

/*
 * What is not done as it was asked for, "" or a sentence; it may come while it runs, and is told
 * once.
 */
const char *pv_ledger_note(struct pv_ledger *ledger);

/* Nothing is left in the process from here on; the result is the ledger's. */
struct pv_err *pv_ledger_finish(struct pv_ledger *ledger, const struct pv_refs **ret);

#endif
