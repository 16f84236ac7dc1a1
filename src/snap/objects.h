/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ELF objects that the watched processes have mapped, each opened once and
 * known by a small id for ever: frames in samples name it.  Input: mappings of
 * processes.  Output: object ids, unwind tables, open ELF files for symbols.
 */
#ifndef PV_SNAP_OBJECTS_H
#define PV_SNAP_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "python/detect.h"
#include "unwind/table.h"

struct pv_elf;
struct pv_map_entry;
struct pv_mem;

struct pv_object {
	uint32_t id;        /* 1.. */
	char *path;         /* as the process sees it; "[vdso]" */
	char *name;         /* base name of path */
	char *root;         /* "" or "/proc/PID/root": where path is to be found */
	struct pv_elf *elf; /* NULL: not to be opened, or no ELF file */
	char *error;        /* why elf is NULL */
	char build_id[65];  /* hexadecimal; "" if it has none */
	struct pv_unwind_table unwind;
	bool has_runtime; /* may hold CPython's _PyRuntime */
	/* without symbols, but it holds CPython; `asked`: that has been looked at */
	bool bare, asked;
	/* the interpreter in it, as it was last found in a process, where its bias was that */
	struct pv_python python;
	uint64_t python_bias;
	bool deleted; /* the file was removed or replaced since */
};

struct pv_objects;

/* cache_dir: for unwind tables, NULL = none. */
struct pv_err *pv_objects_create(const char *cache_dir, struct pv_objects **ret);
void pv_objects_destroy(struct pv_objects *objects);

/*
 * The object behind a file-backed executable mapping or the vdso (read through
 * mem).  One that cannot be opened or read is an object all the same, with
 * error set; so only memory shortage fails.
 */
struct pv_err *pv_objects_find(struct pv_objects *objects, pid_t pid,
			       const struct pv_map_entry *entry, struct pv_mem *mem,
			       struct pv_object **ret);

/* By id; NULL if there is none. */
struct pv_object *pv_objects_get(const struct pv_objects *objects, uint32_t id);
size_t pv_objects_n(const struct pv_objects *objects);

/*
 * How much of an object's code its table covers: of the sections that linkers make for code,
 * or without section headers of its executable segments.  Of one that could be opened.
 */
struct pv_unwind_coverage pv_object_cover(const struct pv_object *object);

/* Where unwind tables are cached for this user; NULL if there is no such place.  Owned by the
 * caller. */
char *pv_objects_default_cache(void);

#endif
