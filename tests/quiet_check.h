/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Check without its notes, for tests of many assertions.  It writes down the place of each that
 * holds, to tell it if the test crashes, and reads them all back: of a million that is nine tenths
 * of the time under a sanitizer, which tells itself where a test crashed.
 */
#ifndef PV_TESTS_QUIET_CHECK_H
#define PV_TESTS_QUIET_CHECK_H

#include <check.h>

#define _mark_point(file, line) ((void)0)

#endif
