/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frame in words for people.
 * Input: a location of a profile.
 * Output: text without anything that a terminal obeys.
 */
#include "model/frame.h"

#include <string.h>

#include "base/str.h"
#include "base/text.h"
#include "model/path.h"
#include "model/profile.h"
#include "model/strings.h"

static const char unknown[] = "[unknown";

struct pv_err *pv_frame_function(const struct pv_profile *profile, const struct pv_loc *loc,
				 struct pv_str *str)
{
	size_t n = pv_strings_length(profile->strings, loc->function);

	if (!n)
		return pv_str_appendf(str, "%s]", unknown);
	return pv_text_append(str, pv_strings_get(profile->strings, loc->function), n);
}

static struct pv_err *source_place(const struct pv_profile *profile, const struct pv_loc *loc,
				   int32_t first_line, int32_t last_line, struct pv_str *str)
{
	const char *file = pv_strings_get(profile->strings, loc->file);
	size_t n = pv_strings_length(profile->strings, loc->file), skip = pv_path_skip(file, n);
	struct pv_err *err = pv_text_append(str, file + skip, n - skip);

	if (err || !n || first_line <= 0)
		return err;
	err = pv_str_appendf(str, ":%d", first_line);
	if (!err && last_line > first_line)
		err = pv_str_appendf(str, "-%d", last_line);
	return err;
}

static struct pv_err *module_place(const struct pv_profile *profile, const struct pv_loc *loc,
				   struct pv_str *str)
{
	const char *function = pv_strings_get(profile->strings, loc->function);
	size_t n = pv_strings_length(profile->strings, loc->module);
	struct pv_err *err;

	/* "[unknown libfoo.so+0x12]" names its library already */
	if (!strncmp(function, unknown, sizeof(unknown) - 1))
		return NULL;
	err = pv_text_append(str, pv_strings_get(profile->strings, loc->module), n);
	if (err || loc->kind != PV_LOC_INLINED)
		return err;
	return pv_str_appendf(str, "%sinlined", n ? ", " : "");
}

struct pv_err *pv_frame_place(const struct pv_profile *profile, const struct pv_loc *loc,
			      int32_t first_line, int32_t last_line, struct pv_str *str)
{
	switch (loc->kind) {
	case PV_LOC_PYTHON:
		return source_place(profile, loc, first_line, last_line, str);
	case PV_LOC_NATIVE:
	case PV_LOC_INLINED:
		return module_place(profile, loc, str);
	case PV_LOC_KERNEL:
		return pv_str_appendf(str, "kernel");
	default:
		return NULL;
	}
}
