/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The limits behind the answer in words: analyse/ goes by them, and the page, which
 * answers of what is selected in it, gets them with its data (out/html.c).
 */
#ifndef PV_MODEL_LIMITS_H
#define PV_MODEL_LIMITS_H

enum {
	PV_LIMIT_IDLE_PERCENT = 5,    /* of the wall time: with less it is the wait that counts */
	PV_LIMIT_TURN_SAMPLES = 20,   /* with fewer there is no path to speak of */
	PV_LIMIT_ROUGH_SAMPLES = 100, /* a share of 50 % is then 50 +- 10 (two standard errors) */
	PV_LIMIT_FAIR_PERCENT = 20,   /* of all samples: an own function with it is named, or */
	PV_LIMIT_FAIR_FOREIGN_PERCENT = 50, /* of the samples that run no own code */
	PV_LIMIT_LINE_PERCENT =
		75, /* of a function's samples: one line that has so much stands for it */
	PV_LIMIT_MOST_PERCENT = 50, /* of a call's samples: the callee in which its time is spent */
	PV_LIMIT_ALONE_PERCENT = 90,  /* of a function's samples: such a line is named alone */
	PV_LIMIT_MATTERS_PERCENT = 5, /* the same: a line with less is not named */
	PV_LIMIT_NAME_COLUMNS = 60,   /* of a function or a place */
};

#endif
