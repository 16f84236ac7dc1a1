/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process whose calls are to be probed: its interpreter, where that begins
 * and ends functions, and all functions that it has.  Input: a PID.  Output: what
 * collect/probes.h attaches, and names.
 */
#ifndef PV_SESSION_PROBED_H
#define PV_SESSION_PROBED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"
#include "collect/probes.h"
#include "python/detect.h"
#include "python/functions.h"
#include "python/sites.h"
#include "snap/image.h"
#include "target/maps.h"
#include "target/process.h"

struct pv_mem;
struct pv_objects;
struct pv_profile;

struct pv_probed {
	pid_t pid;
	int pid_fd; /* becomes readable at its end */
	struct pv_process process;
	struct pv_mem *mem;
	struct pv_maps maps;
	struct pv_objects *objects;
	struct pv_image image;
	struct pv_python_module module; /* the interpreter's */
	struct pv_python_sites sites;
	struct pv_python_functions functions;
	char interpreter[128];      /* "CPython 3.11.2" */
	struct pv_origins *origins; /* session/origins.h: kept by all leads; not owned; NULL */
};

/* The process alone, whatever it runs.  ret is to be deinitialised in any case. */
struct pv_err *pv_probed_open(pid_t pid, struct pv_probed *ret);

/* Its Python: none, or one whose calls cannot be seen, is PV_ERR_NOPROC. */
struct pv_err *pv_probed_python(struct pv_probed *probed);

/* Of it alone the object that holds the interpreter's code, as it is mapped: probed->module. */
struct pv_err *pv_probed_module(struct pv_probed *probed);

/* The image and the maps as they are now. */
struct pv_err *pv_probed_refresh(struct pv_probed *probed);

void pv_probed_deinit(struct pv_probed *probed);

/*
 * What a profile says of its one target: host, engine, names, the interpreter as far as it is
 * known. ret: its index in profile->processes.
 */
struct pv_err *pv_probed_describe(const struct pv_probed *probed, struct pv_profile *profile,
				  uint32_t *ret);

/* Are several stacks at the same addresses, in turn: greenlets? */
bool pv_probed_stacks_move(const struct pv_probed *probed);

/* Is it one function: the same definition, by another code object? */
bool pv_probed_same(const struct pv_python_function *a, const struct pv_python_function *b);

/* Adds the interpreter's places to the probes. */
struct pv_err *pv_probed_add(const struct pv_probed *probed, struct pv_probes *probes,
			     enum pv_probes_part part);

/*
 * What cannot be done to a process that is no more is no error: it has ended then, and what
 * was seen of it is kept.  Any other error is returned.
 */
struct pv_err *pv_probed_unless_ended(const struct pv_probed *probed, struct pv_err *err,
				      bool *ended_ret);

#endif
