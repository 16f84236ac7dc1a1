/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all kernel sides with probes on calls have in common: the places, the links
 * that hold them, what a hit costs, and the news that user space must act on.
 * Input: an object with the programs and maps of bpf/probe.bpf.h.
 *
 * Everything is held by file descriptors of this process: when it dies,
 * however it dies, the kernel takes probes, programs and maps away.
 */
#ifndef PV_COLLECT_PROBES_H
#define PV_COLLECT_PROBES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/probe.h"
#include "base/err.h"
#include "base/vec.h"
#include "collect/price.h"

struct bpf_object;
struct pv_elf;
struct pv_probes;
struct pv_python;
struct pv_python_sites;

struct pv_probes_options {
	pid_t pid;
	double budget; /* CPUs that the hits of probes may take */
	/* neither is owned, and they are for pv_probes_constants() only; NULL: no Python, no calls
	 */
	const struct pv_python *python;
	const struct pv_python_sites *sites;
};

/* Before the object is opened: how calls can be watched from here, and what a hit costs. */
struct pv_err *pv_probes_check(struct pv_prices *ret);

/* What the programs must know, for the object's read-only data. */
struct pv_probe_constants pv_probes_constants(const struct pv_probes_options *options);

/* Before the load; in_namespace: in the read-only data of the object. */
void pv_probes_prepare(struct bpf_object *object, const struct pv_prices *prices,
		       bool *in_namespace);

/* Of a loaded object, which must outlive it; state: in its memory.  Nothing is attached. */
struct pv_err *pv_probes_create(struct bpf_object *object, struct pv_probe_state *state, pid_t pid,
				const struct pv_prices *prices, struct pv_probes **ret);
void pv_probes_destroy(struct pv_probes *probes);

/*
 * Adds places of one file.  file_fd: owned from here on, also on an error; cookies:
 * enum pv_probe_kind with PV_PROBE_STEPPED.
 */
struct pv_err *pv_probes_add(struct pv_probes *probes, int file_fd, const uint64_t *offsets,
			     const uint64_t *cookies, size_t n);

enum pv_probes_part {
	PV_PROBES_ALL,
	PV_PROBES_CALLS,   /* without that where code objects go */
	PV_PROBES_PLAIN,   /* and without those for calls that can be left and entered again */
	PV_PROBES_ENTRIES, /* where functions are entered, but by throw(), and where code goes */
	PV_PROBES_OTHERS,  /* all but these */
};

/* The interpreter's. */
struct pv_err *pv_probes_add_python(struct pv_probes *probes, int file_fd, const struct pv_elf *elf,
				    const struct pv_python_sites *sites, enum pv_probes_part part);

/* Forgets all places; none may be attached. */
void pv_probes_clear(struct pv_probes *probes);

/*
 * A breakpoint gives the target a page of its own where it shared a file's, and a table of pages
 * now and then: where its control group has less left, none is placed.
 */
enum { PV_PROBES_ROOM_MB = 4 };

bool pv_probes_have_room(pid_t pid);
struct pv_err *pv_probes_no_room(void);

/* Attaches all that was added; pv_probes_no_room() where that is so, as the next one. */
struct pv_err *pv_probes_attach(struct pv_probes *probes);

/* Attaches what was added since, beside what is attached. */
struct pv_err *pv_probes_attach_more(struct pv_probes *probes);

/*
 * Appends the addresses (uint64_t) that calls of native functions were seen to return to
 * for the first time, up to the last pv_probes_news().
 */
struct pv_err *pv_probes_returns(struct pv_probes *probes, struct pv_vec *addresses);

/*
 * While more and more is attached: what is too dear is told when it has cost 10 ms more than the
 * budget allows, else after a burst of 100 ms.
 */
void pv_probes_grow(struct pv_probes *probes, bool grows);

/* No probe is left in the process from here on. */
void pv_probes_detach(struct pv_probes *probes);

/* Places that are probed, and how many of them must be single-stepped. */
void pv_probes_count(const struct pv_probes *probes, size_t *n_ret, size_t *stepped_ret);

/* How many more places can be added. */
size_t pv_probes_room(const struct pv_probes *probes);

/* ns that a hit costs the target: at an emulated site, at a single-stepped one. */
void pv_probes_prices(const struct pv_probes *probes, uint64_t ret[2]);

/* Becomes readable when the kernel's side has something to say. */
int pv_probes_fd(const struct pv_probes *probes);

/* How long to wait for that, at most: timeout_ms, or less if something waits to be done. */
int pv_probes_patience(const struct pv_probes *probes, int timeout_ms);

struct pv_probes_news {
	bool over_budget; /* what the hits cost is too much for the target */
	bool replaced;    /* the process has become another program */
	bool enough;      /* of allocators: the kernel's side has disarmed itself, or keeps less */
	bool triggered;   /* what is waited for has begun: all else is to be attached */
};

/*
 * What the kernel's side has said since the last time.  Forked children, who have
 * copies of the probes, are freed of them meanwhile.
 */
struct pv_err *pv_probes_news(struct pv_probes *probes, struct pv_probes_news *ret);

#endif
