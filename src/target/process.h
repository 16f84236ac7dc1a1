/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts of a process and its threads, from /proc. */
#ifndef PV_TARGET_PROCESS_H
#define PV_TARGET_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/vec.h"

struct pv_thread {
	pid_t tid;
	char name[16];   /* comm, NUL-terminated */
	char state;      /* R, S, D, T, Z ... */
	uint64_t cpu_ns; /* user + system time so far */
};

struct pv_process {
	pid_t pid, parent;
	char name[16]; /* comm of the main thread */
	char *cmdline; /* arguments joined by blanks, "" if none; owned */
	char *exe;     /* path of the executable, "" if unreadable; owned */
	char state;
	bool kernel_thread;
	uint64_t start_ticks;      /* start time, clock ticks since boot: detects a reused PID */
	uint64_t cpu_ns;           /* user + system time of all threads so far */
	unsigned int uid;          /* effective */
	struct pv_thread *threads; /* owned, sorted by tid */
	size_t n_threads;
};

/*
 * Absent -> PV_ERR_NOPROC.  Zombies and kernel threads are read (state,
 * kernel_thread); it is the caller that refuses them.
 */
struct pv_err *pv_process_read(pid_t pid, struct pv_process *ret);
void pv_process_deinit(struct pv_process *process);

/* "no such process", "... is a zombie", "... is a kernel thread", ... or NULL = can be watched. */
struct pv_err *pv_process_check(const struct pv_process *process);

/*
 * Since when it can have read the files of its program, ns since 1970: the start of the
 * process, or, of a fork that has not executed anything, of the ancestor that has.  If an
 * ancestor has ended, that is earlier.  Up to a clock tick late, and moved with the clock if
 * that was set since.  False if it is gone, or an ancestor is not to be seen.
 */
bool pv_process_program_ns(pid_t pid, uint64_t *ret);

/* CPU time of all threads so far, ended ones included, ns; a zombie's, too; false: it is gone. */
bool pv_process_cpu_ns(pid_t pid, uint64_t *ret);

/*
 * CPU time of children that it has waited for, with what those had waited for,
 * to a clock tick, ns.  False: it is gone, or one that was started at another
 * time has its number now.
 */
bool pv_process_waited_ns(pid_t pid, uint64_t start_ticks, uint64_t *ret);

/* How a process ended, as wait() has it, while its parent has not waited for it; else false. */
bool pv_process_exit_code(pid_t pid, int *ret);

/* The number that it has in its own PID namespace; false: it is gone, or the kernel is older
 * than 4.1. */
bool pv_process_inner_pid(pid_t pid, pid_t *ret);

/*
 * Where the stack of the program begins that it runs: an exec gives it another one.  False: it is
 * gone, or must not be asked.
 */
bool pv_process_stack_start(pid_t pid, uint64_t *ret);

/* Is all of it gone or a zombie? */
bool pv_process_over(pid_t pid);

/* Has it a thread that is not at its end?  Neither gone nor a zombie, nor on the way there. */
bool pv_process_alive(pid_t pid);

/* A process in the list of all. */
struct pv_process_line {
	pid_t pid, parent;
	char name[16]; /* comm, control characters replaced */
	char state;
	bool kernel_thread;
	uint64_t start_ticks; /* since boot */
};

/* All processes now: struct pv_process_line, by pid; those that end meanwhile are left out. */
struct pv_err *pv_process_list(struct pv_vec *ret);

/* Makes a name of the target's fit for a terminal: control characters become '?'. */
void pv_process_harmless(char *name);

/* The live thread ids only; cheap, for re-scans.  ret is owned by the caller. */
struct pv_err *pv_process_tids(pid_t pid, pid_t **ret, size_t *n_ret);

#endif
