/* SPDX-License-Identifier: BSD-2-Clause */
/* The mappings of a process, from /proc/PID/maps. */
#ifndef PV_TARGET_MAPS_H
#define PV_TARGET_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct pv_map_entry {
	uint64_t start, end;    /* end exclusive */
	uint64_t offset;        /* bytes into the file */
	uint64_t device, inode; /* 0, 0: not a file */
	bool readable, writable, executable;
	bool shared; /* what is written there others may see, too */
	bool deleted;
	char *path; /* owned; as the process sees it; "" anonymous, "[vdso]", "[stack]" ..., without
		       " (deleted)" */
};

struct pv_maps {
	struct pv_map_entry *entries; /* sorted by start */
	size_t n;
};

/* ESRCH and friends become PV_ERR_NOPROC; a kernel thread has no maps (n = 0). */
struct pv_err *pv_maps_read(pid_t pid, struct pv_maps *ret);
void pv_maps_deinit(struct pv_maps *maps);

/* The entry that holds addr, or NULL. */
const struct pv_map_entry *pv_maps_find(const struct pv_maps *maps, uint64_t addr);

/*
 * Opens the file behind a mapping as the process sees it: /proc/PID/map_files
 * first (works for deleted files and other mount namespaces), then
 * /proc/PID/root + path if device and inode agree.
 */
struct pv_err *pv_map_entry_open(pid_t pid, const struct pv_map_entry *entry, int *ret_fd);

#endif
