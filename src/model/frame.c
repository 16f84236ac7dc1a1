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

const char *pv_frame_kind(uint32_t kind)
{
	static const char *const names[] = {
		[PV_LOC_PYTHON] = "python",   [PV_LOC_NATIVE] = "native",
		[PV_LOC_INLINED] = "inlined", [PV_LOC_KERNEL] = "kernel",
		[PV_LOC_MARKER] = "marker",   [PV_LOC_THREAD] = "thread",
		[PV_LOC_PROCESS] = "process", [PV_LOC_LABEL] = "label",
	};

	return kind < sizeof(names) / sizeof(*names) ? names[kind] : "unknown";
}

bool pv_frame_is_unnamed(const struct pv_profile *profile, const struct pv_loc *loc)
{
	const char *name = pv_strings_get(profile->strings, loc->function);

	return (loc->kind == PV_LOC_NATIVE || loc->kind == PV_LOC_INLINED) &&
	       !strncmp(name, unknown, sizeof(unknown) - 1);
}

static bool is_marker(const struct pv_profile *profile, const struct pv_loc *loc, const char *name)
{
	return loc->kind == PV_LOC_MARKER &&
	       !strcmp(pv_strings_get(profile->strings, loc->function), name);
}

bool pv_frame_is_gc(const struct pv_profile *profile, const struct pv_loc *loc)
{
	return is_marker(profile, loc, "[gc]");
}

bool pv_frame_is_gap(const struct pv_profile *profile, const struct pv_loc *loc)
{
	/* after a break the stack goes on, and its Python frames are all there */
	return loc->kind == PV_LOC_MARKER && !pv_frame_is_gc(profile, loc) &&
	       !is_marker(profile, loc, "[unwind break]");
}

static bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

bool pv_frame_is_interpreter(const struct pv_profile *profile, const struct pv_loc *loc)
{
	static const char *const starts[] = { "libc.so", "libc.musl", "libpthread", "ld-linux",
					      "ld-musl" };
	const char *module = pv_strings_get(profile->strings, loc->module);

	if (loc->kind != PV_LOC_NATIVE && loc->kind != PV_LOC_INLINED)
		return false;
	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		if (starts_with(module, starts[i]))
			return true;
	}
	return pv_path_is_interpreter(module);
}

/*
 * What lies between a Python call and the code that it runs: Objects/call.c,
 * methodobject.c, classobject.c, descrobject.c and the slots of typeobject.c, in
 * CPython 3.8 to 3.13, and what has no symbol there.
 */
bool pv_frame_is_machinery(const struct pv_profile *profile, const struct pv_loc *loc)
{
	static const char *const starts[] = {
		"[unknown",
		"_PyEval_",
		"_PyFunction_FastCall",
		"_PyFunction_Vectorcall",
		"_PyMethodDef_Raw",
		"_PyObject_Call",
		"_PyObject_FastCall",
		"_PyObject_MakeTpCall",
		"_PyObject_Vectorcall",
		"_PyVectorcall_",
		"PyCFunction_Call",
		"PyEval_Call",
		"PyEval_Eval",
		"PyFunction_Vectorcall",
		"PyObject_Call",
		"PyObject_Vectorcall",
		"PyVectorcall_",
		"call_function",
		"cfunction_call",
		"cfunction_vectorcall",
		"do_call_core",
		"function_code_fastcall",
		"method_call",
		"method_vectorcall",
		"object_vacall",
		"slot_tp_",
		"type_call",
		"vectorcall_",
		"wrapper_call",
		"wrapperdescr_",
	};
	const char *module = pv_strings_get(profile->strings, loc->module);
	const char *name = pv_strings_get(profile->strings, loc->function);

	if (loc->kind != PV_LOC_NATIVE && loc->kind != PV_LOC_INLINED)
		return false;
	if (!pv_path_is_interpreter(module))
		return false;
	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		if (starts_with(name, starts[i]))
			return true;
	}
	return false;
}

struct pv_err *pv_frame_function(const struct pv_profile *profile, const struct pv_loc *loc,
				 struct pv_str *str)
{
	const char *name = pv_strings_get(profile->strings, loc->function);
	size_t n = pv_strings_length(profile->strings, loc->function);
	size_t module = pv_strings_length(profile->strings, loc->module);

	if (!n)
		return pv_str_appendf(str, "%s]", unknown);
	/* its module is its place */
	if (pv_frame_is_unnamed(profile, loc) && module && n > sizeof(unknown) + module &&
	    !memcmp(name + sizeof(unknown), pv_strings_get(profile->strings, loc->module),
		    module)) {
		struct pv_err *err = pv_str_appendf(str, "%s", unknown);

		module += sizeof(unknown);
		return err ? err : pv_text_append(str, name + module, n - module);
	}
	return pv_text_append(str, name, n);
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

/* An extension's name without what the build put into it: PEP 3149. */
static struct pv_err *module_place(const struct pv_profile *profile, const struct pv_loc *loc,
				   struct pv_str *str)
{
	const char *name = pv_strings_get(profile->strings, loc->module);
	size_t n = pv_strings_length(profile->strings, loc->module);
	const char *tag = memmem(name, n, ".cpython-", 9), *end = NULL;
	struct pv_err *err;

	/* known by debug information, it says more */
	if (loc->kind == PV_LOC_NATIVE && loc->file && loc->line > 0)
		return source_place(profile, loc, loc->line, loc->line, str);
	if (tag)
		end = memmem(tag, name + n - tag, ".so", 3);
	err = pv_text_append(str, name, end ? (size_t)(tag - name) : n);
	if (!err && end)
		err = pv_text_append(str, end, name + n - end);
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
