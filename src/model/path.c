/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a path says of the code in it.
 * Input: paths as the target sees them.  Output: what to show of them, and
 * whether the code is the user's own.
 */
#include <string.h>

#include "model/path.h"
#include "model/profile.h"
#include "model/strings.h"

/* The position after the last needle in path, 0 if there is none. */
static size_t after_last(const char *path, size_t n, const char *needle)
{
	size_t length = strlen(needle), found = 0;
	const char *at = path;

	while ((at = memmem(at, n - (at - path), needle, length))) {
		at += length;
		found = at - path;
	}
	return found;
}

/* After ".../lib/python3.N/", 0 if path is not in a standard library. */
static size_t after_stdlib(const char *path, size_t n)
{
	size_t at = after_last(path, n, "/lib/python");
	const char *slash = at ? memchr(path + at, '/', n - at) : NULL;

	return slash ? (size_t)(slash + 1 - path) : 0;
}

/* Where the base name begins; "<string>" and the like are no paths. */
static size_t base_name(const char *path, size_t n)
{
	const char *slash = *path == '<' ? NULL : memrchr(path, '/', n);

	return slash && slash + 1 < path + n ? (size_t)(slash + 1 - path) : 0;
}

size_t pv_path_skip(const char *path, size_t n)
{
	size_t base = base_name(path, n), skip;

	if (!base)
		return 0;
	skip = after_last(path, n, "-packages/"); /* site- and dist-packages */
	if (!skip)
		skip = after_stdlib(path, n);
	if (skip && skip < n)
		return skip;
	if (!strncmp(path + base, "__", 2) && base > 1)
		return base_name(path, base - 1);
	return base;
}

static bool starts_with(const char *path, size_t n, const char *start)
{
	size_t length = strlen(start);

	return n >= length && !memcmp(path, start, length);
}

/* Code that a library makes up as it runs; of "<string>" and the like nobody knows. */
static bool is_generated(const char *path, size_t n)
{
	/* importlib; numpy < 1.25; attrs; the decorator package */
	static const char *const starts[] = { "<frozen ", "<__array_function__ internals>",
					      "<attrs generated ", "<decorator-gen-" };

	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		if (starts_with(path, n, starts[i]))
			return true;
	}
	return false;
}

bool pv_path_is_library(const char *path, size_t n)
{
	return after_last(path, n, "-packages/") || after_stdlib(path, n) ||
	       is_generated(path, n) || starts_with(path, n, "/usr/bin/");
}

/* Where the system and its packages put native code. */
static bool is_system_module(const char *path, size_t n)
{
	static const char *const roots[] = { "/lib/",     "/lib64/", "/usr/lib/", "/usr/lib64/",
					     "/usr/bin/", "/bin/",   "[vdso]",    "/nix/store/" };

	for (size_t i = 0; i < sizeof(roots) / sizeof(*roots); i++) {
		if (starts_with(path, n, roots[i]))
			return true;
	}
	return false;
}

bool pv_loc_is_own(const struct pv_profile *profile, const struct pv_loc *loc)
{
	const struct pv_module *module;
	const char *path, *base;
	size_t n;

	if (loc->kind == PV_LOC_PYTHON) {
		path = pv_strings_get(profile->strings, loc->file);
		n = pv_strings_length(profile->strings, loc->file);
		return n && !pv_path_is_library(path, n);
	}
	if (loc->kind != PV_LOC_NATIVE && loc->kind != PV_LOC_INLINED)
		return false;
	module = pv_profile_module_of(profile, loc);
	if (!module)
		return false;
	path = pv_strings_get(profile->strings, module->path);
	n = pv_strings_length(profile->strings, module->path);
	base = path + base_name(path, n);
	return n && !pv_path_is_library(path, n) && !is_system_module(path, n) &&
	       strncmp(base, "python", 6) && strncmp(base, "libpython", 9);
}
