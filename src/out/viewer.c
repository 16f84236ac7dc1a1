/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shell of every page.
 * Input: the page of a view as embed.py made it, sections of bytes.
 * Output: HTML; the sections as zlib data in base64, which cannot end the
 * element that holds it, whatever names the target has.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

#include "out/viewer.h"

enum {
	CHUNK = 48 * 1024, /* a multiple of 3 and 4: base64 needs no padding in between */
	TAG = 4,
};

struct pv_viewer {
	const struct pv_viewer_page *page;
	FILE *file;
	z_stream stream;
	unsigned char packed[CHUNK];
	char text[CHUNK / 3 * 4];
};

struct pv_err *pv_viewer_create(const struct pv_viewer_page *page, FILE *file,
				struct pv_viewer **ret)
{
	struct pv_viewer *viewer = calloc(1, sizeof(*viewer));

	if (!viewer)
		return &pv_enomem;
	/* The fastest level: the rest would win a tenth of the size for twice the time. */
	if (deflateInit(&viewer->stream, Z_BEST_SPEED) != Z_OK) {
		free(viewer);
		return &pv_enomem;
	}
	viewer->page = page;
	viewer->file = file;
	viewer->stream.next_out = viewer->packed;
	viewer->stream.avail_out = CHUNK;
	fwrite(page->before, 1, page->n_before, file);
	*ret = viewer;
	return NULL;
}

void pv_viewer_destroy(struct pv_viewer *viewer)
{
	if (!viewer)
		return;
	deflateEnd(&viewer->stream);
	free(viewer);
}

/* RFC 4648 of the first n packed bytes; padded unless n is a multiple of 3. */
static void write_base64(struct pv_viewer *viewer, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = viewer->packed;
	char *out = viewer->text;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t left = n - i;
		uint32_t bits =
			in[i] << 16 | (left > 1 ? in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);

		*out++ = digits[bits >> 18];
		*out++ = digits[bits >> 12 & 63];
		*out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
		*out++ = left > 2 ? digits[bits & 63] : '=';
	}
	fwrite(viewer->text, 1, out - viewer->text, viewer->file);
}

/* Compresses what the stream was given. */
static struct pv_err *squeeze(struct pv_viewer *viewer, int flush)
{
	z_stream *stream = &viewer->stream;
	int status;

	do {
		status = deflate(stream, flush);
		if (status == Z_STREAM_ERROR)
			return pv_err_create(PV_ERR_FAILED,
					     "cannot compress the data of the page: zlib says %s",
					     stream->msg ? stream->msg : "stream error");
		if (!stream->avail_out || status == Z_STREAM_END) {
			write_base64(viewer, CHUNK - stream->avail_out);
			stream->next_out = viewer->packed;
			stream->avail_out = CHUNK;
		}
	} while (stream->avail_in || (flush == Z_FINISH && status != Z_STREAM_END));
	return NULL;
}

static struct pv_err *add(struct pv_viewer *viewer, const void *bytes, size_t n)
{
	const unsigned char *at = bytes;

	while (n) {
		size_t part = n < 1U << 30 ? n : 1U << 30; /* avail_in is an unsigned int */
		struct pv_err *err;

		viewer->stream.next_in = at;
		viewer->stream.avail_in = part;
		err = squeeze(viewer, Z_NO_FLUSH);
		if (err)
			return err;
		at += part;
		n -= part;
	}
	return NULL;
}

struct pv_err *pv_viewer_section(struct pv_viewer *viewer, const char *tag, const void *bytes,
				 size_t n)
{
	unsigned char head[TAG + 8];
	struct pv_err *err;

	memcpy(head, tag, TAG);
	for (size_t i = 0; i < 8; i++)
		head[TAG + i] = (uint64_t)n >> 8 * i;
	err = add(viewer, head, sizeof(head));
	return err ? err : add(viewer, bytes, n);
}

struct pv_err *pv_viewer_end(struct pv_viewer *viewer)
{
	struct pv_err *err;

	viewer->stream.avail_in = 0;
	err = squeeze(viewer, Z_FINISH);
	if (err)
		return err;
	fwrite(viewer->page->after, 1, viewer->page->n_after, viewer->file);
	return NULL;
}
