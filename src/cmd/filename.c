/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The name of the file that is written when none is given.
 * Input: the name of a process, any bytes.
 * Output: a file name.
 */
#include "cmd/filename.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/str.h"
#include "base/text.h"

/* A file name may have 255 bytes; names of processes have 15, those of kernel threads 63. */
enum { NAME_BYTES = 128 };

static bool is_plain(unsigned int c)
{
	return c < 0x80 ? isalnum(c) || (c && strchr("+-._", c)) : !pv_text_is_command(c);
}

struct pv_err *pv_filename_append(struct pv_str *str, const char *name, pid_t pid,
				  const char *suffix)
{
	struct pv_err *err = pv_str_appendf(str, "pitviper-");
	size_t n = strlen(name), used = 0;

	while (!err && used < n) {
		unsigned int c;
		size_t length = pv_text_decode(name + used, n - used, &c);
		size_t step = length ? length : 1;

		if (used + step > NAME_BYTES)
			break;
		if (length && is_plain(c))
			err = pv_str_append(str, name + used, step);
		else
			err = pv_str_append(str, "_", 1);
		used += step;
	}
	return err ? err : pv_str_appendf(str, "-%d%s", pid, suffix);
}
