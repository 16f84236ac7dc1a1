/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that we start ourselves: held at its exec, before its first
 * instruction, until pv_launch_release().  If we die meanwhile the kernel lets
 * it go on.
 */
#ifndef PV_SESSION_LAUNCH_H
#define PV_SESSION_LAUNCH_H

#include <sys/types.h>

#include "base/err.h"

/*
 * Lets it run until the dynamic loader has mapped the program's libraries: to
 * the first system call that does not come from the loader.  A static program, and
 * one whose loader is not glibc's, stays where it is.  It is still held after that;
 * errnum ECHILD: it has ended.
 */
struct pv_err *pv_launch_load(pid_t pid);

/* A program that does not start is PV_ERR_FAILED with the reason. */
struct pv_err *pv_launch(char *const *argv, pid_t *ret);
struct pv_err *pv_launch_release(pid_t pid);

/* Waits for its end: its exit status, 128 + signal if a signal ended it. */
struct pv_err *pv_launch_wait(pid_t pid, int *status_ret, int *signal_ret);

#endif
