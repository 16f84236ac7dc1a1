/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much memory a process's control groups still let it have.  A breakpoint gives it a page of
 * its own where it shared a file's; where there is none left the kernel kills it for that.
 */
#ifndef PV_TARGET_MEMCG_H
#define PV_TARGET_MEMCG_H

#include <stdint.h>
#include <sys/types.h>

/* Bytes, what the kernel can take back from files included; UINT64_MAX: no limit that we can see.
 */
uint64_t pv_memcg_room(pid_t pid);

/*
 * The same where the group of a process is at path, below where its hierarchy is mounted; v1: with
 * the names of files of the first version.  For tests, too.
 */
uint64_t pv_memcg_room_at(const char *mount, const char *path, int v1);

#endif
