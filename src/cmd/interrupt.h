/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ctrl-C, SIGTERM and SIGHUP: the first is told, so that what there is can be
 * written; the second ends us at once, whatever we are doing.
 */
#ifndef PV_CMD_INTERRUPT_H
#define PV_CMD_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

#include "base/err.h"

struct pv_interrupt;

/* From here on; before any other thread is started, and once in a process. */
struct pv_err *pv_interrupt_create(struct pv_interrupt **ret);

/* Does not give the signals back what they did before. */
void pv_interrupt_destroy(struct pv_interrupt *interrupt);

/* Readable when there was one that was not taken yet. */
int pv_interrupt_fd(const struct pv_interrupt *interrupt);

/* False: there was none, or it was taken. */
bool pv_interrupt_take(struct pv_interrupt *interrupt, siginfo_t *ret);

#endif
