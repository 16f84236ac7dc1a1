/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer target for python/lines.h: no read beyond the table, no endless loop, a line or -1.
 * Input: byte 0 kind, 4 bytes firstlineno, 4 bytes lasti, then the table.
 * Output: a crash where that does not hold.  Corpus: tests/fuzz/corpus/lines, see its recipe.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "python/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint32_t firstlineno, lasti;
	uint8_t *table;
	int line;

	if (n < 9)
		return 0;
	memcpy(&firstlineno, data + 1, sizeof(firstlineno));
	memcpy(&lasti, data + 5, sizeof(lasti));
	/* A copy of its own, so that ASan sees one byte too many. */
	table = malloc(n - 9);
	if (n > 9)
		memcpy(table, data + 9, n - 9);
	line = pv_python_line((enum pv_linetable_kind)(data[0] & 3), table, n - 9, firstlineno,
			      lasti);
	if (line < -1)
		abort();
	free(table);
	return 0;
}
