/* SPDX-License-Identifier: BSD-2-Clause */
/* Scope guards: what is declared with one is released when it leaves scope. */
#ifndef PV_BASE_CLEANUP_H
#define PV_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"

#define PV_CLEANUP(fn) __attribute__((cleanup(fn)))

static inline void pv_cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void pv_cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void pv_cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

static inline void pv_cleanup_err(struct pv_err **err)
{
	pv_err_destroy(*err);
}

#define _pv_free_   PV_CLEANUP(pv_cleanup_free)
#define _pv_close_  PV_CLEANUP(pv_cleanup_close)
#define _pv_fclose_ PV_CLEANUP(pv_cleanup_fclose)
#define _pv_err_    PV_CLEANUP(pv_cleanup_err)

/* Hands the ownership of a guarded pointer out of the scope. */
#define pv_steal(p)                                                                                \
	({                                                                                         \
		__auto_type _taken = (p);                                                          \
		(p) = NULL;                                                                        \
		_taken;                                                                            \
	})

#endif
