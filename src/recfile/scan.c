/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Goes through the chunks of a recording.
 * Input: a FILE that can be positioned, of any content.
 * Output: one chunk after the other, checked.
 */
#include "recfile/scan.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "recfile/format.h"

static struct pv_err *read_error(const struct pv_rec_scan *scan)
{
	return pv_err_errno(errno ? errno : EIO, "cannot read %s", scan->name);
}

/* False: the file has become shorter. */
static struct pv_err *read_bytes(struct pv_rec_scan *scan, void *data, size_t n, bool *whole_ret)
{
	errno = 0;
	*whole_ret = fread(data, 1, n, scan->file) == n;
	return ferror(scan->file) ? read_error(scan) : NULL;
}

struct pv_rec_scan pv_rec_scan_of(FILE *file, const char *name)
{
	return (struct pv_rec_scan){
		.file = file,
		.name = name,
		.payload = PV_VEC(uint8_t),
		.plain = PV_VEC(uint8_t),
	};
}

struct pv_err *pv_rec_scan_begin(struct pv_rec_scan *scan)
{
	char magic[PV_REC_MAGIC_BYTES];
	struct pv_err *err;
	off_t size;
	bool whole;

	errno = 0;
	if (fseeko(scan->file, 0, SEEK_END))
		return read_error(scan);
	size = ftello(scan->file);
	if (size < 0)
		return read_error(scan);
	rewind(scan->file);
	scan->size = size;
	scan->at = PV_REC_MAGIC_BYTES;
	scan->broken = NULL;
	if (!size)
		return pv_err_create(PV_ERR_FAILED, "cannot read %s: it is empty", scan->name);
	if (scan->size < sizeof(magic)) {
		memset(magic, 0, sizeof(magic));
		err = read_bytes(scan, magic, scan->size, &whole);
	} else {
		err = read_bytes(scan, magic, sizeof(magic), &whole);
	}
	if (err)
		return err;
	if (!whole ||
	    memcmp(magic, PV_REC_MAGIC, scan->size < sizeof(magic) ? scan->size : sizeof(magic)))
		return pv_err_create(PV_ERR_FAILED,
				     "cannot read %s: it is not a recording of pitviper (.pvr)",
				     scan->name);
	if (scan->size < sizeof(magic))
		return pv_err_create(PV_ERR_FAILED,
				     "cannot read %s: it breaks off before anything was recorded",
				     scan->name);
	return NULL;
}

void pv_rec_scan_deinit(struct pv_rec_scan *scan)
{
	pv_vec_deinit(&scan->payload);
	pv_vec_deinit(&scan->plain);
}

struct pv_err *pv_rec_scan_next(struct pv_rec_scan *scan, struct pv_rec_chunk *chunk,
				bool *more_ret)
{
	uint64_t left = scan->size > scan->at ? scan->size - scan->at : 0, n;
	uint8_t header[PV_REC_HEADER_BYTES];
	struct pv_err *err;
	bool whole = true;
	uLong crc;

	*more_ret = false;
	if (!left || scan->broken)
		return NULL;
	scan->broken = "it ends within a chunk";
	if (left < sizeof(header))
		return NULL;
	err = read_bytes(scan, header, sizeof(header), &whole);
	n = pv_get_le(header + 4, 4);
	if (err || !whole || n > left - sizeof(header))
		return err;
	scan->payload.n = 0;
	err = pv_vec_reserve(&scan->payload, n + 1);
	if (!err)
		err = read_bytes(scan, scan->payload.data, n, &whole);
	if (err || !whole)
		return err;
	crc = crc32(crc32(0, NULL, 0), header, 8);
	crc = crc32(crc, scan->payload.data, n);
	if (crc != pv_get_le(header + 8, 4)) {
		scan->broken = "a checksum does not match there";
		return NULL;
	}
	*chunk = (struct pv_rec_chunk){
		.at = scan->at,
		.type = pv_get_le(header, 2),
		.flags = pv_get_le(header + 2, 2),
		.payload = pv_cursor_on(scan->payload.data, n),
	};
	scan->at += sizeof(header) + n;
	scan->broken = NULL;
	*more_ret = true;
	return NULL;
}

struct pv_err *pv_rec_scan_unpack(struct pv_rec_scan *scan, struct pv_cursor *cursor)
{
	size_t n = cursor->end - cursor->at;
	uLongf got, plain;
	struct pv_err *err;
	int status;

	cursor->bad = true;
	if (n < PV_REC_RAW_BYTES)
		return NULL;
	plain = pv_get_le(cursor->at, PV_REC_RAW_BYTES);
	n -= PV_REC_RAW_BYTES;
	if (plain / PV_REC_RATIO_MAX > n)
		return NULL;
	scan->plain.n = 0;
	err = pv_vec_reserve(&scan->plain, plain + 1);
	if (err)
		return err;
	got = plain;
	status = uncompress(scan->plain.data, &got, cursor->at + PV_REC_RAW_BYTES, n);
	if (status == Z_MEM_ERROR)
		return &pv_enomem;
	*cursor = pv_cursor_on(scan->plain.data, plain);
	cursor->bad = status != Z_OK || got != plain;
	return NULL;
}
