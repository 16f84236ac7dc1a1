/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A gzip stream onto a FILE, as a sink for protobuf-c.  The same input gives
 * the same bytes: no time and no name in the header.
 */
#ifndef PV_OUT_GZIP_H
#define PV_OUT_GZIP_H

#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <zlib.h>

#include "base/err.h"

struct pv_gzip {
	ProtobufCBuffer base; /* append() compresses; it cannot fail, the end tells */
	FILE *file;
	z_stream stream;
	int status; /* of zlib */
	size_t n;   /* bytes in `in` */
	unsigned char in[64 * 1024], out[64 * 1024];
};

/* gzip must not move afterwards. */
struct pv_err *pv_gzip_init(struct pv_gzip *gzip, FILE *file);

/* Writes what is left; write errors are ferror() of the file. */
struct pv_err *pv_gzip_end(struct pv_gzip *gzip);
void pv_gzip_deinit(struct pv_gzip *gzip);

#endif
