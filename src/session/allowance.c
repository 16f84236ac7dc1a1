/* SPDX-License-Identifier: BSD-2-Clause */
/* What may be spent.  Input: CPU times, costs.  Output: yes or no. */
#include "session/allowance.h"

enum {
	FIXED_FACTOR = 4, /* a time is worth so many times what its places cost */
	COLD_FACTOR = 2,  /* a hit among others' work, to one of many in a row */
};

/*
 * As much as so much of the process's time earns: what a rung finds in a long hunt it should
 * not look at all at once.
 */
#define SAVED_NS 5e9

uint64_t pv_spending_between(const struct pv_spending *from, const struct pv_spending *to)
{
	uint64_t hits_ns = COLD_FACTOR * (to->hits_ns - from->hits_ns);

	/* one that is gone has no clock any more */
	if (to->cpu_ns < from->cpu_ns || hits_ns < to->cpu_ns - from->cpu_ns)
		return hits_ns;
	return to->cpu_ns - from->cpu_ns;
}

void pv_allowance_begin(struct pv_allowance *allowance, double share, uint64_t first_ns,
			uint64_t cpu_ns)
{
	*allowance = (struct pv_allowance){
		.share = share,
		.credit_ns = (double)first_ns,
		.most_ns = share * SAVED_NS,
		.fixed_ns = (double)first_ns / FIXED_FACTOR,
		.cpu_ns = cpu_ns,
	};
}

void pv_allowance_earn(struct pv_allowance *allowance, uint64_t cpu_ns)
{
	if (cpu_ns <= allowance->cpu_ns)
		return;
	allowance->credit_ns += allowance->share * (double)(cpu_ns - allowance->cpu_ns);
	if (allowance->credit_ns > allowance->most_ns)
		allowance->credit_ns = allowance->most_ns;
	allowance->cpu_ns = cpu_ns;
}

bool pv_allowance_is_enough(const struct pv_allowance *allowance)
{
	double wanted_ns = FIXED_FACTOR * allowance->fixed_ns;

	return allowance->credit_ns >=
	       (wanted_ns < allowance->most_ns ? wanted_ns : allowance->most_ns);
}

bool pv_allowance_is_used(const struct pv_allowance *allowance, uint64_t spent_ns)
{
	return (double)spent_ns >= allowance->credit_ns;
}

void pv_allowance_spend(struct pv_allowance *allowance, uint64_t spent_ns, uint64_t fixed_ns)
{
	allowance->credit_ns -= (double)spent_ns;
	/* one that lost its CPU just then tells little of the next one */
	allowance->fixed_ns = (allowance->fixed_ns + (double)fixed_ns) / 2;
}
