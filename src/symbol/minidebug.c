/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MiniDebugInfo (GDB manual, "Debugging information in a special section").
 * Input: .gnu_debugdata, an ELF file in the xz format; untrusted.  Output: an open ELF.
 */
#include "symbol/minidebug.h"

#include <lzma.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "elf/elf.h"

enum {
	PACKED_MAX = 32 << 20,
	UNPACKED_MAX = 128 << 20,
	DECODER_MAX = 128 << 20, /* bytes of memory that xz may want */
	CHUNK = 1 << 20,
};

/* The bytes, in memory of the caller's (free); NULL: they do not unpack. */
static uint8_t *unpack(const uint8_t *packed, size_t n_packed, size_t *n_ret)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	_pv_free_ uint8_t *all = NULL;
	lzma_ret state = lzma_stream_decoder(&stream, DECODER_MAX, 0);
	size_t room = 0, n = 0;

	stream.next_in = packed;
	stream.avail_in = n_packed;
	while (state == LZMA_OK) {
		if (n == room) {
			uint8_t *more = room < UNPACKED_MAX ? realloc(all, room + CHUNK) : NULL;

			if (!more)
				break;
			all = more;
			room += CHUNK;
		}
		stream.next_out = all + n;
		stream.avail_out = room - n;
		state = lzma_code(&stream, LZMA_FINISH);
		n = room - stream.avail_out;
	}
	lzma_end(&stream);
	if (state != LZMA_STREAM_END)
		return NULL;
	*n_ret = n;
	return pv_steal(all);
}

struct pv_elf *pv_minidebug_open(const struct pv_elf *elf)
{
	_pv_free_ uint8_t *bytes = NULL;
	struct pv_elf_section section;
	struct pv_elf *ret = NULL;
	size_t n = 0;

	if (!pv_elf_section(elf, ".gnu_debugdata", &section) || !section.data ||
	    section.size > PACKED_MAX)
		return NULL;
	bytes = unpack(section.data, section.size, &n);
	if (bytes)
		pv_err_destroy(pv_elf_open_memory(bytes, n, &ret));
	return ret;
}
