/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What watching may cost a process, earned before it is spent: a share of the CPU time that the
 * process has had.  So in no hunt, however short or unlucky, it costs more than that on the mean,
 * but for what the last time took longer than it was meant to.  Input: CPU times, costs.  Output:
 * whether the next time may begin, and whether the one that is open must end.
 */
#ifndef PV_SESSION_ALLOWANCE_H
#define PV_SESSION_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

/* At one time: what hits have cost by their price, so far, and the process's CPU time. */
struct pv_spending {
	uint64_t hits_ns, cpu_ns;
};

/*
 * What was spent between two times, at most.  A hit's price is that of many in a row: where they
 * come to caches that hold other things, each costs up to twice as much.  But nothing costs more
 * than all of the time that the process has had.
 */
uint64_t pv_spending_between(const struct pv_spending *from, const struct pv_spending *to);

struct pv_allowance {
	double share;
	double credit_ns; /* that may be spent; < 0: more was than had been earned */
	double most_ns;   /* that is saved up */
	double fixed_ns;  /* what a time costs in which nothing is watched: places come and go */
	uint64_t cpu_ns;  /* the process's, up to which it has earned */
};

/*
 * Earns from a CPU time on.  first_ns: lent at the start, and taken for what a time costs until one
 * has told.
 */
void pv_allowance_begin(struct pv_allowance *allowance, double share, uint64_t first_ns,
			uint64_t cpu_ns);

/* The process has had so much CPU time. */
void pv_allowance_earn(struct pv_allowance *allowance, uint64_t cpu_ns);

/* Is there enough for a time most of which is for what one wants to know? */
bool pv_allowance_is_enough(const struct pv_allowance *allowance);

/* A time that has cost so much must end. */
bool pv_allowance_is_used(const struct pv_allowance *allowance, uint64_t spent_ns);

/* One is over; fixed_ns: of what it has cost all that was not for what one wants to know. */
void pv_allowance_spend(struct pv_allowance *allowance, uint64_t spent_ns, uint64_t fixed_ns);

#endif
