/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of output formats, one line each, and how one is chosen.
 * Input: a name or a path from the command line.
 * Output: the table line, or an error that lists what there is.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/output.h"
#include "base/str.h"
#include "out/folded.h"
#include "out/format.h"
#include "out/html.h"
#include "out/memory.h"
#include "out/pprof.h"
#include "out/pvr.h"
#include "out/speedscope.h"
#include "out/svg.h"
#include "out/refs.h"
#include "out/trace.h"

/* clang-format off */
const struct pv_format *const pv_formats[] = {
	&pv_format_folded,
	&pv_format_html,
	&pv_format_svg,
	&pv_format_speedscope,
	&pv_format_pprof,
	&pv_format_pvr,
	NULL,
};

const struct pv_format *const pv_trace_formats[] = {
	&pv_trace_format_text,
	&pv_trace_format_html,
	&pv_trace_format_folded,
	&pv_trace_format_chrome,
	&pv_trace_format_perfetto,
	NULL,
};

const struct pv_format *const pv_refs_formats[] = {
	&pv_refs_format_text,
	&pv_refs_format_folded,
	&pv_refs_format_json,
	NULL,
};

const struct pv_format *const pv_memory_formats[] = {
	&pv_memory_format_folded,
	&pv_memory_format_html,
	&pv_memory_format_speedscope,
	&pv_memory_format_pprof,
	&pv_memory_format_json,
	&pv_memory_format_pvr,
	NULL,
};
/* clang-format on */

/* By its name, or by one of its endings, with or without the dot. */
static bool is_called(const struct pv_format *format, const char *name)
{
	for (const char *const *suffix = format->suffixes; *suffix; suffix++) {
		if (!strcmp(*suffix, name) || !strcmp(*suffix + 1, name))
			return true;
	}
	return !strcmp(format->name, name);
}

struct pv_err *pv_format_by_name(const struct pv_format *const *table, const char *name,
				 const struct pv_format **ret)
{
	struct pv_str names PV_CLEANUP(pv_str_deinit) = { 0 };

	for (size_t i = 0; table[i]; i++) {
		struct pv_err *err;

		if (is_called(table[i], name)) {
			*ret = table[i];
			return NULL;
		}
		err = pv_str_appendf(&names, " %s", table[i]->name);
		if (err)
			return err;
	}
	return pv_err_create(PV_ERR_USAGE, "no format is called \"%s\"; there is:%s", name,
			     pv_str_text(&names));
}

static bool ends_with(const char *text, const char *suffix)
{
	size_t n = strlen(text), n_suffix = strlen(suffix);

	return n >= n_suffix && !strcmp(text + n - n_suffix, suffix);
}

/* /dev/null, and the /dev/fd/63 of a shell's >(command). */
static bool has_no_suffix_to_choose(const char *path)
{
	return !strcmp(path, "-") || !strncmp(path, "/dev/", 5);
}

struct pv_err *pv_format_by_path(const struct pv_format *const *table, const char *path,
				 const struct pv_format **ret)
{
	struct pv_str suffixes PV_CLEANUP(pv_str_deinit) = { 0 };

	if (has_no_suffix_to_choose(path)) {
		*ret = table[0];
		return NULL;
	}
	for (size_t i = 0; table[i]; i++) {
		for (const char *const *suffix = table[i]->suffixes; *suffix; suffix++) {
			struct pv_err *err;

			if (ends_with(path, *suffix)) {
				*ret = table[i];
				return NULL;
			}
			err = pv_str_appendf(&suffixes, " %s", *suffix);
			if (err)
				return err;
		}
	}
	return pv_err_create(PV_ERR_USAGE,
			     "cannot tell the format of \"%s\": give --format NAME, or a name that "
			     "ends in one of:%s",
			     path, pv_str_text(&suffixes));
}

struct pv_err *pv_format_open(const struct pv_format *const *table, const char *path,
			      const struct pv_format *given, const struct pv_format **format_ret,
			      struct pv_output **output_ret)
{
	const struct pv_format *format = given;
	struct pv_output *output = NULL;
	struct pv_err *err = given ? NULL : pv_format_by_path(table, path, &format);

	if (!err)
		err = pv_output_create(path, &output);
	if (!err && format->binary && pv_output_is_terminal(output))
		err = pv_err_create(PV_ERR_USAGE,
				    "%s is binary, and %s is a terminal: redirect it, or name a "
				    "file with -o",
				    format->name, strcmp(path, "-") ? path : "standard output");
	if (err) {
		pv_output_destroy(output);
		return err;
	}
	*format_ret = format;
	*output_ret = output;
	return NULL;
}
