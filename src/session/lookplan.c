/* SPDX-License-Identifier: BSD-2-Clause */
/* When looks are due.  Input: times.  Output: a time. */
#include "session/lookplan.h"

enum {
	LOOKS = 14,      /* in the hunt's time */
	LOOKS_MANY = 28, /* from so many on they are further and further apart */
	LOOK_SHARE = 4,  /* our time for a look: such a part of all */
};

/*
 * The first one, however long the hunt: the trend does not know before it what of the mappings is
 * Python's, and what it tells of points before by it is the less true the older they are.
 */
#define FIRST_NS 5000000000ULL

void pv_look_plan_begin(struct pv_look_plan *plan, uint64_t start_ns, uint64_t length_ns)
{
	uint64_t first_ns;

	*plan = (struct pv_look_plan){ .gap_ns = length_ns / LOOKS };
	first_ns = plan->gap_ns / 2;
	plan->next_ns = start_ns + (first_ns < FIRST_NS ? first_ns : FIRST_NS);
}

static void set_next(struct pv_look_plan *plan, uint64_t began_ns, uint64_t took_ns)
{
	/* the first ones come quickly: nothing is looked at closer before they tell */
	uint64_t gap_ns = plan->n <= PV_LOOKS_FEW ? plan->gap_ns / 2 : plan->gap_ns;

	plan->next_ns = began_ns + (took_ns * LOOK_SHARE > gap_ns ? took_ns * LOOK_SHARE : gap_ns);
}

void pv_look_plan_made(struct pv_look_plan *plan, uint64_t began_ns, uint64_t took_ns)
{
	plan->n++;
	plan->took_ns = took_ns;
	plan->ended_ns = began_ns + took_ns;
	if (plan->n >= LOOKS_MANY)
		plan->gap_ns += plan->gap_ns / 8;
	set_next(plan, began_ns, took_ns);
}

void pv_look_plan_failed(struct pv_look_plan *plan, uint64_t began_ns, uint64_t took_ns)
{
	set_next(plan, began_ns, took_ns);
}
