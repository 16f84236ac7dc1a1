/* SPDX-License-Identifier: BSD-2-Clause */
/* A gzip stream.  Input: bytes from protobuf-c.  Output: RFC 1952 onto a FILE. */
#include "out/gzip.h"

#include <string.h>

/* Compresses what has gathered. */
static void pass(struct pv_gzip *gzip, int flush)
{
	z_stream *stream = &gzip->stream;

	stream->next_in = gzip->in;
	stream->avail_in = gzip->n;
	gzip->n = 0;
	do {
		stream->next_out = gzip->out;
		stream->avail_out = sizeof(gzip->out);
		if (gzip->status == Z_OK)
			gzip->status = deflate(stream, flush);
		fwrite(gzip->out, 1, sizeof(gzip->out) - stream->avail_out, gzip->file);
	} while (gzip->status == Z_OK && !stream->avail_out);
}

/* protobuf-c comes with a few bytes at a time. */
static void append(ProtobufCBuffer *buffer, size_t n, const uint8_t *data)
{
	struct pv_gzip *gzip = (struct pv_gzip *)buffer;

	while (n) {
		size_t room = sizeof(gzip->in) - gzip->n, step = n < room ? n : room;

		memcpy(gzip->in + gzip->n, data, step);
		gzip->n += step;
		data += step;
		n -= step;
		if (gzip->n == sizeof(gzip->in))
			pass(gzip, Z_NO_FLUSH);
	}
}

struct pv_err *pv_gzip_init(struct pv_gzip *gzip, FILE *file)
{
	enum { GZIP_HEADER = 16, MEMORY_LEVEL = 8 };

	*gzip = (struct pv_gzip){ .base = { .append = append }, .file = file };
	/* the levels above take several times as long for a file a quarter smaller */
	if (deflateInit2(&gzip->stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + GZIP_HEADER,
			 MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return &pv_enomem;
	return NULL;
}

struct pv_err *pv_gzip_end(struct pv_gzip *gzip)
{
	pass(gzip, Z_FINISH);
	if (gzip->status != Z_STREAM_END)
		return pv_err_create(PV_ERR_FAILED, "cannot compress: zlib says %d", gzip->status);
	return NULL;
}

void pv_gzip_deinit(struct pv_gzip *gzip)
{
	deflateEnd(&gzip->stream);
}
