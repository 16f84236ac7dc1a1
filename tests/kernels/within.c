/* SPDX-License-Identifier: BSD-2-Clause */
/* Native functions that call one another and Python again, for within.py. */

static volatile unsigned long sink;

__attribute__((noinline)) void within_leaf(void)
{
	sink++;
}

/* n times within_leaf(); not by a jump. */
__attribute__((noinline)) void within_middle(int n)
{
	for (int i = 0; i < n; i++) {
		within_leaf();
		sink++;
	}
}

__attribute__((noinline)) void within_back(void (*fn)(void), int n)
{
	for (int i = 0; i < n; i++)
		fn();
	within_leaf();
	sink++;
}
