/* SPDX-License-Identifier: BSD-2-Clause */
/* Our priority for a while.  Input: what it is.  Output: setpriority(). */
#include "session/hurry.h"

#include <errno.h>
#include <sys/resource.h>

enum { NICE_HURRIED = -15 };

void pv_hurry_begin(struct pv_hurry *hurry)
{
	if (hurry->on)
		return;
	errno = 0;
	hurry->nice = getpriority(PRIO_PROCESS, 0);
	hurry->on = !errno && !setpriority(PRIO_PROCESS, 0, NICE_HURRIED);
}

void pv_hurry_end(struct pv_hurry *hurry)
{
	if (hurry->on)
		(void)setpriority(PRIO_PROCESS, 0, hurry->nice);
	hurry->on = false;
}
