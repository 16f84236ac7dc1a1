/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One process that is watched: the programs that it runs one after the other,
 * and its image.  Input: /proc, its memory.  Output: what the session needs to
 * take its samples; what the profile says of it.
 */
#ifndef PV_SESSION_WATCHED_H
#define PV_SESSION_WATCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "snap/image.h"
#include "snap/merge.h"
#include "target/title.h"

struct pv_mem;
struct pv_objects;
struct pv_perfmap;
struct pv_profile;

enum {
	PV_TOUCH_MAX = 16, /* pages a drain */
	PV_NOT_IN_PROFILE = UINT32_MAX,
};

/* One program: an exec begins another. */
struct pv_program_run {
	uint32_t generation; /* as the kernel's side counts (abi/process.h) */
	uint64_t exec_ns;    /* since when; 0: before we looked */
	char name[16];
	char title[PV_TITLE_BYTES];
	char interpreter[112];         /* "CPython 3.11.2", "" */
	char *problem;                 /* why it, or its Python, cannot be read; owned, or NULL */
	bool refused;                  /* it: it is counted */
	struct pv_merge_options merge; /* for its samples */
	uint32_t number;               /* in the profile: 1, counts up with each exec */
	uint32_t process, loc;         /* in the profile: itself, its frame; or PV_NOT_IN_PROFILE */
};

struct pv_watched {
	pid_t pid, parent;
	bool named;             /* asked for, or started by us */
	int pidfd;              /* of a named one, else -1 */
	bool gone;              /* the pidfd says so */
	int signal;             /* once it is gone: which one ended it; 0: none, or not known */
	uint64_t since_ns;      /* execs later than this are counted by the kernel's side, too */
	struct pv_vec programs; /* struct pv_program_run, oldest first; never empty */
	uint32_t n_threads;
	struct pv_map names;   /* tid -> what it last called itself: string id of the profile */
	uint64_t start_cpu_ns; /* what it had used before the capture */
	uint64_t cpu_ns;       /* what it had used when it was last asked, that included */
	bool settled;          /* that is all: its number is another's */

	struct pv_mem *mem; /* NULL: not read yet */
	struct pv_image image;
	uint32_t image_generation;  /* 0: there is no image */
	struct pv_perfmap *perfmap; /* of that program; NULL with it */
	bool stale;                 /* it has mapped or become something new */
	bool named_anew;            /* its title is to be asked for at its first sample */
	uint64_t tasks_looked_ns;   /* when its asyncio tasks were last looked for */
	unsigned int tasks_looks;   /* for those of an asyncio that is there */
	uint64_t looked_ns;         /* when a sample last made us look for a mapping */
	unsigned int looks;         /* for an interpreter that was not initialised yet */

	uint64_t touch[PV_TOUCH_MAX]; /* addresses that BPF could not read */
	size_t n_touch;

	bool ended; /* all its threads are at their end */
	bool over;  /* and that is behind them */
	uint64_t ended_ns;
	unsigned int drains; /* since the later of the two */
};

/* The first program is name; its generation may be set after that. */
struct pv_err *pv_watched_create(pid_t pid, pid_t parent, const char *name,
				 struct pv_watched **ret);
void pv_watched_destroy(struct pv_watched *watched);

/* The program that runs now, as far as side-band events have told. */
struct pv_program_run *pv_watched_now(const struct pv_watched *watched);

/* The program that a sample is of. */
struct pv_program_run *pv_watched_at(const struct pv_watched *watched, uint32_t generation);

/*
 * Was the program gone by then, though the next one did not count yet?  In the midst of
 * an exec the old one's memory is gone, or partly the new one's.
 */
bool pv_watched_replaced(const struct pv_watched *watched, const struct pv_program_run *run,
			 uint64_t time_ns);

/* It is another program now. */
struct pv_err *pv_watched_exec(struct pv_watched *watched, uint32_t generation, uint64_t time_ns,
			       const char *name);

/*
 * It calls itself otherwise.  A program that has a frame keeps the title that it
 * had at its first sample: titles of some change with each request.
 */
void pv_watched_rename(struct pv_watched *watched, const char *name);

/* A child's first program is its parent's. */
struct pv_err *pv_watched_inherit(struct pv_watched *child, const struct pv_watched *parent);

/* Asks the live process for its title; one that is gone keeps what it had. */
struct pv_err *pv_watched_read_title(struct pv_watched *watched);

/*
 * Reads the process (again).  generation: of the program that it is now.  known:
 * an image of the same program, or NULL.  tasks: its asyncio tasks, too.  The image is replaced
 * when all went well.
 */
struct pv_err *pv_watched_read(struct pv_watched *watched, uint32_t generation,
			       const struct pv_image *known, struct pv_objects *objects,
			       bool tasks);

/* Why it cannot be looked into at all, or NULL: a 32-bit program. */
const char *pv_watched_refused(const struct pv_watched *watched, const struct pv_objects *objects);

/*
 * The program's place in the profile, made at its first use; frame: with a location
 * for its frame, which stays as it is.  Called again it brings the rest up to date.
 */
struct pv_err *pv_watched_describe(const struct pv_watched *watched, struct pv_program_run *run,
				   bool frame, struct pv_profile *profile);

/* A thread calls itself name from now on. */
struct pv_err *pv_watched_name_thread(struct pv_watched *watched, uint32_t tid, const char *name,
				      struct pv_profile *profile);

/*
 * The place of one of its threads in the profile, made at its first sample with the name
 * that it has then, or had last; "?" if it is gone and never told.
 */
struct pv_err *pv_watched_thread(const struct pv_watched *watched, const struct pv_program_run *run,
				 uint32_t tid, struct pv_profile *profile, uint32_t *ret);

/*
 * BPF cannot wait for a page that is not resident; reading it from here brings
 * it in, so that the next sample finds it.
 */
void pv_watched_touch(struct pv_watched *watched);

#endif
