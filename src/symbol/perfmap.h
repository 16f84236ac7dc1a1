/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of code that a runtime makes while it runs, from the file that it keeps for perf:
 * /tmp/perf-PID.map, lines "START SIZE NAME", hexadecimal (Linux
 * tools/perf/Documentation/jit-interface.txt).  Input: that file as the process sees it, and
 * any bytes in it.  Output: the name at an address.
 */
#ifndef PV_SYMBOL_PERFMAP_H
#define PV_SYMBOL_PERFMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum {
	PV_PERFMAP_BYTES_MAX = 64 << 20, /* of the file; what is behind them is not read */
	PV_PERFMAP_LINES_MAX = 1 << 20,
	PV_PERFMAP_NAME_MAX = 1024, /* bytes; longer ones end in "..." */
};

enum pv_perfmap_state {
	PV_PERFMAP_NONE,    /* no such file, or none that its process may read */
	PV_PERFMAP_READ,    /* names are there */
	PV_PERFMAP_FOREIGN, /* somebody else's: neither the process's user's nor root's */
	PV_PERFMAP_FULL,    /* larger than what is read of it; the names so far are there */
};

struct pv_perfmap;

/* pid: whose; 0: of no process, all that is known comes from pv_perfmap_add(). */
struct pv_err *pv_perfmap_create(pid_t pid, struct pv_perfmap **ret);
void pv_perfmap_destroy(struct pv_perfmap *map);

/*
 * Takes in whole lines of text; ret: their bytes, what follows is a line that is being
 * written.  Lines that make no sense are left out.  Where ranges overlap the later one is
 * right: code was replaced.
 */
struct pv_err *pv_perfmap_add(struct pv_perfmap *map, const char *text, size_t n, size_t *ret);

/* Reads what the file has gained.  A process that is gone keeps what is known. */
struct pv_err *pv_perfmap_read(struct pv_perfmap *map, enum pv_perfmap_state *ret);

/*
 * The name at an address; valid until the next call.  An address without one makes it look
 * into the file again, at most ten times a second.
 */
struct pv_err *pv_perfmap_at(struct pv_perfmap *map, uint64_t address, const char **name_ret,
			     size_t *n_ret, bool *found_ret);

/* Ranges that have a name. */
size_t pv_perfmap_n(const struct pv_perfmap *map);

#endif
